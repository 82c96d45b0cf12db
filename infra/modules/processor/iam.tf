# What the consumer does with each table, and no more. tests/infra holds it against the requests that the code makes.
locals {
  table_actions = {
    quotes  = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]
    symbols = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    candles = ["dynamodb:BatchWriteItem", "dynamodb:PutItem"]
    alerts  = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:PutItem"]
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
  name               = local.function_name
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

  # A transaction's puts are authorised as PutItem; TransactWriteItems has no action of its own.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
  dynamic "statement" {
    for_each = local.table_actions

    content {
      sid       = "Table${title(statement.key)}"
      actions   = statement.value
      resources = [var.table_arns[statement.key]]
    }
  }

  statement {
    sid     = "WriteArchive"
    actions = ["s3:PutObject"]
    resources = [
      "${var.archive_bucket_arn}/raw/*",
      "${var.archive_bucket_arn}/quarantine/*",
    ]
  }

  statement {
    sid       = "ReadAlertRules"
    actions   = ["s3:GetObject"]
    resources = ["${var.archive_bucket_arn}/config/*"]
  }

  # Without ListBucket S3 answers 403, not 404, for rules that nobody has put there. A condition on the prefix would not
  # do: GetObject carries none, so S3 would find the permission absent.
  statement {
    sid       = "SeeWhetherThereAreRules"
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
