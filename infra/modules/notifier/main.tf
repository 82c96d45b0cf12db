# Hands each alert to phones, chats and a webhook. SNS calls it, Lambda tries a failing call twice more, and what still fails lies in a queue.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  function_name = "${var.name}-notifier"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:Deliveries of a month are enough to look into one; log_retention_days sets it
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-undelivered-alerts"
  message_retention_seconds = 1209600 # 14 days, SQS's longest
  kms_master_key_id         = var.kms_key_arn
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.undelivered.arn]

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

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id
  policy    = data.aws_iam_policy_document.queue.json
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:A post and its answer are in the log; X-Ray would tell no more
  #checkov:skip=CKV_AWS_115:Alerts are few, by the cooldown of their rules
  #checkov:skip=CKV_AWS_116:The failure destination below takes more than a dead-letter queue: the reason too
  #checkov:skip=CKV_AWS_117:It calls the internet only; inside a VPC it would need a NAT gateway
  #checkov:skip=CKV_AWS_272:The zip is built and applied from one place; signing it needs a signing profile that a first deployment does not have
  function_name    = local.function_name
  description      = "Hands alerts to phones, chats and a webhook"
  role             = aws_iam_role.this.arn
  filename         = var.package_path
  source_code_hash = filebase64sha256(var.package_path)
  runtime          = var.runtime
  architectures    = ["arm64"]
  handler          = "stockstream_lambda.notifier.handler.handler"
  memory_size      = 512
  timeout          = 60
  kms_key_arn      = var.kms_key_arn

  environment {
    variables = {
      STOCKSTREAM_NOTIFY_URLS    = join(" ", var.notify_urls)
      STOCKSTREAM_WEBHOOK_URL    = var.webhook_url == null ? "" : var.webhook_url
      STOCKSTREAM_WEBHOOK_SECRET = var.webhook_secret
      STOCKSTREAM_LOG_LEVEL      = upper(var.log_level)
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.undelivered.arn
    }
  }
}

resource "aws_lambda_permission" "sns" {
  statement_id   = "AlertsTopic"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "sns.amazonaws.com"
  source_arn     = var.alerts_topic_arn
  source_account = data.aws_caller_identity.current.account_id
}

resource "aws_sns_topic_subscription" "this" {
  topic_arn = var.alerts_topic_arn
  protocol  = "lambda"
  endpoint  = aws_lambda_function.this.arn
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

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "KeepUndelivered"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered.arn]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
}

resource "aws_iam_role" "this" {
  name               = "${local.function_name}-${data.aws_region.current.id}"
  description        = "What ${local.function_name} may do"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "notifier"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
