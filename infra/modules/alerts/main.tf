# Two audiences, two topics: what the market does, and what the pipeline does.

data "aws_caller_identity" "current" {}

locals {
  topics = toset(["alerts", "operations"])
}

resource "aws_sns_topic" "this" {
  for_each = local.topics

  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.kms_key_arn
}

data "aws_iam_policy_document" "topic" {
  for_each = local.topics

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[each.key].arn]

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

  # A topic policy replaces the default one, so the account's own roles are named again; each still needs its own
  # identity policy to publish.
  statement {
    sid       = "AccountPublishes"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[each.key].arn]

    principals {
      type        = "AWS"
      identifiers = [data.aws_caller_identity.current.account_id]
    }
  }

  dynamic "statement" {
    for_each = each.key == "operations" ? [1] : []

    content {
      sid       = "AlarmsAndBudgetsPublish"
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.this[each.key].arn]

      principals {
        type        = "Service"
        identifiers = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [data.aws_caller_identity.current.account_id]
      }
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topics

  arn    = aws_sns_topic.this[each.key].arn
  policy = data.aws_iam_policy_document.topic[each.key].json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.email_addresses

  topic_arn = aws_sns_topic.this["alerts"].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sns_topic_subscription" "sms" {
  for_each = var.phone_numbers

  topic_arn = aws_sns_topic.this["alerts"].arn
  protocol  = "sms"
  endpoint  = each.value

  filter_policy = jsonencode({ severity = sort(tolist(var.sms_severities)) })
}

resource "aws_sns_topic_subscription" "operator_email" {
  for_each = var.operator_email_addresses

  topic_arn = aws_sns_topic.this["operations"].arn
  protocol  = "email"
  endpoint  = each.value
}
