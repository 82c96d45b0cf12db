# What the clock calls: the tidy once a night, and the consumer's sweep, which sends alerts whose sender died. The consumer
# sweeps by itself while batches come; the schedule is for the time after the last one.

locals {
  scheduled_calls = {
    tidy  = { expression = "cron(30 2 * * ? *)", function_arn = aws_lambda_function.tidy.arn, event = {} }
    sweep = { expression = "rate(5 minutes)", function_arn = aws_lambda_function.this.arn, event = { task = "sweep" } }
  }
}

resource "aws_scheduler_schedule_group" "this" {
  name = local.function_name
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.scheduled_calls

  name                         = "${var.name}-${each.key}"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = each.value.expression
  schedule_expression_timezone = "UTC"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = each.value.function_arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode(each.value.event)

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 5
    }
  }
}

data "aws_iam_policy_document" "scheduler_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_scheduler_schedule_group.this.arn]
    }
  }
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "CallFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.this.arn, aws_lambda_function.tidy.arn]
  }

  statement {
    sid       = "ReadSchedule"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["scheduler.${local.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${local.function_name}-scheduler-${local.region}"
  description        = "What the schedules of ${local.function_name} may call"
  assume_role_policy = data.aws_iam_policy_document.scheduler_assume.json
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "invoke"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}
