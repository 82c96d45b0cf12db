data "aws_region" "current" {}

locals {
  region = data.aws_region.current.id
  # The dimensions as a dashboard writes them: name, value, name, value.
  service_line  = ["Component", "service", "Deployment", var.name]
  consumer_line = ["Component", "consumer", "Deployment", var.name]
  # A row: title, and lines of [namespace, metric, dimension, value, statistic].
  widgets = [
    {
      title = "Quotes through the service", stat = "Sum"
      lines = [for metric in ["QuotesPolled", "QuotesAccepted", "QuotesUnchanged", "QuotesRejected", "QuotesSent"] : concat([local.namespace, metric], local.service_line)]
    },
    {
      title = "Quotes through the consumer", stat = "Sum"
      lines = [for metric in ["RecordsReceived", "QuotesStored", "QuotesDuplicate", "QuotesLate", "RecordsQuarantined", "AlertsPublished"] : concat([local.namespace, metric], local.consumer_line)]
    },
    {
      title = "Waiting for Kinesis", stat = "Maximum"
      lines = [for metric in ["OutboxAgeSeconds", "LaneDepth"] : concat([local.namespace, metric], local.service_line)]
    },
    {
      title = "Delay from exchange to table (ms)", stat = "p95"
      lines = [concat([local.namespace, "LagMs"], local.consumer_line), concat([local.namespace, "BatchDurationMs"], local.consumer_line), ["AWS/Lambda", "IteratorAge", "FunctionName", var.function_name]]
    },
    {
      title = "The log", stat = "Maximum"
      lines = [for metric in ["LogConflicts", "EntriesRecovered", "CheckpointAgeRevisions", "AlertsUnsent", "PartitionsStopped"] : concat([local.namespace, metric], local.consumer_line)]
    },
    {
      title = "Retries and throttles", stat = "Sum"
      lines = concat(
        [for metric in ["RecordsRetried", "RecordsThrottled", "SourceFailures"] : concat([local.namespace, metric], local.service_line)],
        [["AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", var.stream_name], ["AWS/Lambda", "Throttles", "FunctionName", var.function_name]],
        [for role, table in var.table_names : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", table]],
        [for role, table in var.table_names : ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", table]],
      )
    },
    {
      title = "Failures", stat = "Sum"
      lines = [
        ["AWS/Lambda", "Errors", "FunctionName", var.function_name],
        ["AWS/Lambda", "Errors", "FunctionName", var.tidy_function_name],
        concat([local.namespace, "BatchFailures"], local.consumer_line),
        ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.failed_batches_queue_name],
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  # Dashboards are the account's, in no region.
  dashboard_name = "${var.name}-${local.region}"

  dashboard_body = jsonencode({
    widgets = concat(
      [for index, widget in local.widgets : {
        type   = "metric"
        x      = (index % 2) * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = local.region
          stat    = widget.stat
          period  = 60
          view    = "timeSeries"
          metrics = widget.lines
        }
      }],
      [{
        type   = "alarm"
        x      = 0
        y      = ceil(length(local.widgets) / 2) * 6
        width  = 24
        height = 4
        properties = {
          title  = "Alarms"
          alarms = concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn], [for alarm in aws_cloudwatch_metric_alarm.silence : alarm.arn], [aws_cloudwatch_metric_alarm.heartbeat.arn])
        }
      }],
    )
  })
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = {
    "errors" = {
      groups = [var.consumer_log_group_name, var.tidy_log_group_name, var.producer_log_group_name]
      query  = "fields @timestamp, @log, event, level, @message | filter level in ['error', 'critical'] or @message like /Traceback|Task timed out/ | sort @timestamp desc | limit 100"
    }
    "events by count" = {
      groups = [var.consumer_log_group_name, var.tidy_log_group_name, var.producer_log_group_name]
      query  = "filter ispresent(event) | stats count(*) as lines by event, level | sort lines desc"
    }
    "slowest batches" = {
      groups = [var.consumer_log_group_name]
      query  = "filter @type = 'REPORT' | fields @requestId, @duration, @maxMemoryUsed / 1000000 as memory_mb, @initDuration | sort @duration desc | limit 25"
    }
    "cold starts" = {
      groups = [var.consumer_log_group_name]
      query  = "filter @type = 'REPORT' | stats count(*) as invocations, count(@initDuration) as cold, pct(@initDuration, 95) as cold_p95_ms by bin(1h)"
    }
  }

  name            = "${var.name}/${each.key}"
  log_group_names = each.value.groups
  query_string    = each.value.query
}
