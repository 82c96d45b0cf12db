# Market hours, in the market's own time zone, so that daylight saving needs no second rule. Over night the heartbeat is
# missing and its alarm is red with its actions off. An alarm acts on changes only, so turning the actions on would tell
# nobody of a service that did not start: at `expected_by` the alarm is set to OK, and a heartbeat that is still missing
# turns it red again, aloud.

locals {
  every_call = {
    start = {
      cron   = try(var.schedule.start, "")
      target = "arn:${data.aws_partition.current.partition}:scheduler:::aws-sdk:ecs:updateService"
      input  = jsonencode({ Cluster = var.cluster_name, Service = aws_ecs_service.this.name, DesiredCount = var.producer_count })
    }
    stop = {
      cron   = try(var.schedule.stop, "")
      target = "arn:${data.aws_partition.current.partition}:scheduler:::aws-sdk:ecs:updateService"
      input  = jsonencode({ Cluster = var.cluster_name, Service = aws_ecs_service.this.name, DesiredCount = 0 })
    }
    enable-alarm = {
      cron   = try(var.schedule.start, "")
      target = "arn:${data.aws_partition.current.partition}:scheduler:::aws-sdk:cloudwatch:enableAlarmActions"
      input  = jsonencode({ AlarmNames = [var.heartbeat_alarm_name] })
    }
    expect-heartbeat = {
      cron   = try(var.schedule.expected_by, "")
      target = "arn:${data.aws_partition.current.partition}:scheduler:::aws-sdk:cloudwatch:setAlarmState"
      input  = jsonencode({ AlarmName = var.heartbeat_alarm_name, StateValue = "OK", StateReason = "The heartbeat is expected from here on" })
    }
    disable-alarm = {
      cron   = try(var.schedule.stop, "")
      target = "arn:${data.aws_partition.current.partition}:scheduler:::aws-sdk:cloudwatch:disableAlarmActions"
      input  = jsonencode({ AlarmNames = [var.heartbeat_alarm_name] })
    }
  }
  scheduled_calls = { for name, call in local.every_call : name => call if var.schedule != null }
}

resource "aws_scheduler_schedule_group" "this" {
  count = var.schedule == null ? 0 : 1

  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.scheduled_calls

  name                         = "${var.name}-${each.key}"
  group_name                   = aws_scheduler_schedule_group.this[0].name
  schedule_expression          = each.value.cron
  schedule_expression_timezone = var.schedule.timezone
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = each.value.target
    role_arn = aws_iam_role.scheduler[0].arn
    input    = each.value.input

    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 5
    }
  }
}

data "aws_iam_policy_document" "scheduler_assume" {
  count = var.schedule == null ? 0 : 1

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_scheduler_schedule_group.this[0].arn]
    }
  }
}

data "aws_iam_policy_document" "scheduler" {
  count = var.schedule == null ? 0 : 1

  statement {
    sid       = "StartAndStop"
    actions   = ["ecs:UpdateService"]
    resources = [aws_ecs_service.this.id]
  }

  statement {
    sid       = "MindHeartbeatAlarm"
    actions   = ["cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions", "cloudwatch:SetAlarmState"]
    resources = [var.heartbeat_alarm_arn]
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
  count = var.schedule == null ? 0 : 1

  name               = "${var.name}-scheduler-${local.region}"
  description        = "What the market-hours schedule may do"
  assume_role_policy = data.aws_iam_policy_document.scheduler_assume[0].json
}

resource "aws_iam_role_policy" "scheduler" {
  count = var.schedule == null ? 0 : 1

  name   = "schedule"
  role   = aws_iam_role.scheduler[0].id
  policy = data.aws_iam_policy_document.scheduler[0].json
}
