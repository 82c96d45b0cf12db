# What consumer and tidy do with each table, and no more. tests/infra holds it against the requests that the code makes.
locals {
  table_actions = {
    quotes  = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]
    candles = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]
    alerts  = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
  }
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${local.function_name}-${local.region}"
  description        = "What ${local.function_name} may do"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "consumer"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

# What the event source mapping does on the function's behalf comes first, then what the code calls.
data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ReadStream"
    actions   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [var.stream_arn]
  }

  statement {
    sid       = "ReportFailedBatches"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failed_batches.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
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
    resources = [for prefix in ["raw", "state"] : "${var.archive_bucket_arn}/${prefix}/*"]
  }

  statement {
    sid       = "SetAside"
    actions   = ["s3:PutObject"]
    resources = ["${var.archive_bucket_arn}/quarantine/*"]
  }

  statement {
    sid       = "ReadAlertRules"
    actions   = ["s3:GetObject"]
    resources = ["${var.archive_bucket_arn}/config/*"]
  }

  # Without ListBucket S3 answers 403, not 404, for what is not there, and a 404 is the end of the log. A condition on the
  # prefix would not do: GetObject carries none, so S3 would find the permission absent.
  statement {
    sid       = "SeeWhatIsNotThere"
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
