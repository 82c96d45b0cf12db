# What a person needs for `stockstream doctor`, `redrive`, `backfill` and `query`, and no more: attach the policy to the role
# or permission set that your operators sign in with. `rebuild` overwrites tables and checkpoints, so what it needs is a
# policy of its own, for the day when that is to be done. tests/infra holds both against what those commands call.

data "aws_region" "current" {}

resource "aws_iam_policy" "this" {
  name        = "${var.name}-operator-${data.aws_region.current.id}"
  description = "stockstream doctor, redrive, backfill and query on ${var.name}"
  policy      = data.aws_iam_policy_document.this.json
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ReadAndWriteStream"
    actions   = ["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:PutRecords"]
    resources = [var.stream_arn]
  }

  statement {
    sid       = "TakeFailedBatches"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [var.failed_batches_queue_arn]
  }

  statement {
    sid       = "ReadBucket"
    actions   = ["s3:GetObject"]
    resources = ["${var.archive_bucket_arn}/raw/*", "${var.archive_bucket_arn}/quotes/*", "${var.archive_bucket_arn}/quarantine/*", "${var.archive_bucket_arn}/failed-batches/*", "${var.archive_bucket_arn}/config/*"]
  }

  # The bucket is versioned: what redrive removes can be had back for seven days.
  statement {
    sid       = "RemoveWhatWasRedriven"
    actions   = ["s3:DeleteObject"]
    resources = ["${var.archive_bucket_arn}/quarantine/*", "${var.archive_bucket_arn}/failed-batches/*"]
  }

  statement {
    sid       = "SetAlertRules"
    actions   = ["s3:PutObject"]
    resources = ["${var.archive_bucket_arn}/config/*"]
  }

  statement {
    sid       = "ListBucket"
    actions   = ["s3:ListBucket"]
    resources = [var.archive_bucket_arn]
  }

  statement {
    sid       = "LookAtTables"
    actions   = ["dynamodb:DescribeTable", "dynamodb:Query"]
    resources = concat([for role in ["quotes", "candles", "alerts"] : var.table_arns[role]], var.workers_table_arns)
  }

  statement {
    sid       = "BackfillCandles"
    actions   = ["dynamodb:PutItem"]
    resources = [var.table_arns["candles"]]
  }

  statement {
    sid       = "SeeSubscriptions"
    actions   = ["sns:ListSubscriptionsByTopic"]
    resources = [var.alerts_topic_arn]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
}

resource "aws_iam_policy" "rebuild" {
  name        = "${var.name}-rebuild-${data.aws_region.current.id}"
  description = "stockstream rebuild on ${var.name}, and to call its tidy"
  policy      = data.aws_iam_policy_document.rebuild.json
}

data "aws_iam_policy_document" "rebuild" {
  statement {
    sid       = "ReadLog"
    actions   = ["s3:GetObject"]
    resources = [for prefix in ["raw", "state", "tidy", "config"] : "${var.archive_bucket_arn}/${prefix}/*"]
  }

  statement {
    sid       = "WriteCheckpoints"
    actions   = ["s3:PutObject"]
    resources = ["${var.archive_bucket_arn}/state/*"]
  }

  statement {
    sid       = "ListBucket"
    actions   = ["s3:ListBucket"]
    resources = [var.archive_bucket_arn]
  }

  statement {
    sid       = "WriteTables"
    actions   = ["dynamodb:BatchWriteItem"]
    resources = [for role in ["quotes", "candles", "alerts"] : var.table_arns[role]]
  }

  # It refuses while a consumer runs: a runner on a laptop says so by a tag of the stream, Lambda by its mapping.
  statement {
    sid       = "SeeLocalRunner"
    actions   = ["kinesis:DescribeStreamSummary", "kinesis:ListTagsForStream"]
    resources = [var.stream_arn]
  }

  # IAM knows no narrower resource for it.
  statement {
    sid       = "SeeMappings"
    actions   = ["lambda:ListEventSourceMappings"]
    resources = ["*"]
  }

  # The bucket lets nobody but the tidy's role delete: a person calls the function, and does not tidy by hand.
  statement {
    sid       = "CallTidy"
    actions   = ["lambda:InvokeFunction"]
    resources = [var.tidy_function_arn]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
}
