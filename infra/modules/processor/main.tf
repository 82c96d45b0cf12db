data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  function_name = "${var.name}-consumer"
  region        = data.aws_region.current.id

  # As many as there are writers at once, a power of two, 4 at least and 1,024 at most (the code's bound). A lane of the
  # sender lies in one of them.
  writers    = min(var.shards * var.parallelization_factor, 1024)
  partitions = [for power in range(2, 11) : pow(2, power) if pow(2, power) >= local.writers][0]

  # Of the consumer and of the tidy, which folds the same log.
  environment = merge(
    {
      STOCKSTREAM_DEPLOYMENT                = var.name
      STOCKSTREAM_PARTITIONS                = tostring(terraform_data.partitions.output)
      STOCKSTREAM_QUOTES_TABLE              = var.table_names["quotes"]
      STOCKSTREAM_CANDLES_TABLE             = var.table_names["candles"]
      STOCKSTREAM_ALERTS_TABLE              = var.table_names["alerts"]
      STOCKSTREAM_ARCHIVE_BUCKET            = var.archive_bucket
      STOCKSTREAM_ALERTS_TOPIC_ARN          = var.alerts_topic_arn
      STOCKSTREAM_ALERT_RULES_KEY           = "config/alert-rules.json"
      STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT = tostring(var.anomaly_threshold_percent)
      STOCKSTREAM_RETENTION_DAYS            = tostring(var.hot_retention_days)
      STOCKSTREAM_MAX_RECORD_AGE_SECONDS    = tostring(var.maximum_record_age_seconds)
      STOCKSTREAM_LOG_LEVEL                 = upper(var.log_level)
    },
    var.environment,
  )
}

# Decided when the deployment is made, and never again: another number of partitions is another log. More shards than
# partitions work, at the price of two writers that take turns.
resource "terraform_data" "partitions" {
  input = coalesce(var.partitions, local.partitions)

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:Logs tell how the pipeline runs; what must be kept for years is the archive. log_retention_days sets it
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# Batches that Lambda gave up on. The message holds the position in the stream, not the records, so it must be read
# while the stream still has them: `stockstream redrive` does that.
resource "aws_sqs_queue" "failed_batches" {
  name                      = "${var.name}-failed-batches"
  message_retention_seconds = 1209600 # 14 days, SQS's longest
  kms_master_key_id         = var.kms_key_arn
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.failed_batches.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "failed_batches" {
  queue_url = aws_sqs_queue.failed_batches.id
  policy    = data.aws_iam_policy_document.queue.json
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:The function reports latency and lag itself (EMF); X-Ray would bill every batch for less
  #checkov:skip=CKV_AWS_115:reserved_concurrency is a variable; a stream of N shards can never run more than N times parallelization_factor
  #checkov:skip=CKV_AWS_116:A function's own dead-letter queue serves asynchronous calls; a stream's failures go to the mapping's on-failure queue
  #checkov:skip=CKV_AWS_117:It calls public AWS endpoints only; inside a VPC it would need paid endpoints for each of them
  #checkov:skip=CKV_AWS_272:The zip is built and applied from one place; signing it needs a signing profile that a first deployment does not have
  function_name                  = local.function_name
  description                    = "Decodes quotes, keeps tables and archive, raises alerts"
  role                           = aws_iam_role.this.arn
  filename                       = var.package_path
  source_code_hash               = filebase64sha256(var.package_path)
  runtime                        = var.runtime
  architectures                  = ["arm64"]
  handler                        = "stockstream_lambda.handler.handler"
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = local.environment
  }

  # Without this Lambda makes the group itself: no key, no retention.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = var.stream_arn
  function_name                      = aws_lambda_function.this.arn
  starting_position                  = var.starting_position
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batch_window_seconds
  parallelization_factor             = var.parallelization_factor
  maximum_retry_attempts             = var.maximum_retries
  maximum_record_age_in_seconds      = var.maximum_record_age_seconds
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failed_batches.arn
    }
  }
}
