# The nightly tidy: takes the log's closed folders apart by symbol, closes windows that are over, and checkpoints what
# stood still. A second function from the same zip, because its role alone may delete under raw/ (the bucket's policy says
# so too), and because it takes minutes and memory where the consumer takes milliseconds.

locals {
  tidy_name = "${var.name}-tidy"
}

resource "aws_cloudwatch_log_group" "tidy" {
  #checkov:skip=CKV_AWS_338:What a night did matters for days; log_retention_days sets it
  name              = "/aws/lambda/${local.tidy_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "tidy" {
  #checkov:skip=CKV_AWS_50:It says what it did in its log; X-Ray would tell no more
  #checkov:skip=CKV_AWS_115:tidy_reserved_concurrency is a variable; two runs at once write the same keys and bytes
  #checkov:skip=CKV_AWS_116:A night that failed is made up by the next; its errors have an alarm
  #checkov:skip=CKV_AWS_117:It calls public AWS endpoints only; inside a VPC it would need paid endpoints for each of them
  #checkov:skip=CKV_AWS_272:The zip is built and applied from one place; signing it needs a signing profile that a first deployment does not have
  function_name                  = local.tidy_name
  description                    = "Tidies the archive's past days by symbol"
  role                           = aws_iam_role.tidy.arn
  filename                       = var.package_path
  source_code_hash               = filebase64sha256(var.package_path)
  runtime                        = var.runtime
  architectures                  = ["arm64"]
  handler                        = "stockstream_lambda.tidy.handler.handler"
  memory_size                    = var.tidy_memory_mb
  timeout                        = 900
  reserved_concurrent_executions = var.tidy_reserved_concurrency
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = local.environment
  }

  depends_on = [aws_cloudwatch_log_group.tidy, aws_iam_role_policy.tidy]
}

resource "aws_iam_role" "tidy" {
  name               = "${local.tidy_name}-${local.region}"
  description        = "What ${local.tidy_name} may do"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "tidy" {
  name   = "tidy"
  role   = aws_iam_role.tidy.id
  policy = data.aws_iam_policy_document.tidy.json
}

# It loads a partition as the consumer does and settles what it finds, so it may what the consumer may with the tables;
# beyond that it writes tidied objects and markers, and deletes what those stand for.
data "aws_iam_policy_document" "tidy" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.tidy.arn}:*"]
  }

  dynamic "statement" {
    for_each = local.table_actions

    content {
      sid       = "Table${title(statement.key)}"
      actions   = statement.value
      resources = [var.table_arns[statement.key]]
    }
  }

  statement {
    sid       = "FindUnsentAlerts"
    actions   = ["dynamodb:Query"]
    resources = ["${var.table_arns["alerts"]}/index/unsent"]
  }

  statement {
    sid       = "ReadAndWriteLog"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for prefix in ["raw", "state", "tidy"] : "${var.archive_bucket_arn}/${prefix}/*"]
  }

  statement {
    sid       = "DeleteWhatIsTidied"
    actions   = ["s3:DeleteObject"]
    resources = ["${var.archive_bucket_arn}/raw/*"]
  }

  statement {
    sid       = "ReadAlertRules"
    actions   = ["s3:GetObject"]
    resources = ["${var.archive_bucket_arn}/config/*"]
  }

  statement {
    sid       = "ListBucket"
    actions   = ["s3:ListBucket"]
    resources = [var.archive_bucket_arn]
  }

  statement {
    sid       = "PublishAlerts"
    actions   = ["sns:Publish"]
    resources = [var.alerts_topic_arn]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
}
