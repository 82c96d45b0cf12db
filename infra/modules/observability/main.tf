# Each alarm here has its paragraph in docs/operations.md; tests/infra holds the two lists against each other, and the
# names of our own metrics against the code that emits them.
locals {
  namespace = "Stockstream"
  # The deployment's name is a dimension: another one's heartbeat must not keep this one's alarm quiet.
  service  = { Component = "service", Deployment = var.name }
  consumer = { Component = "consumer", Deployment = var.name }

  alarms = merge(
    {
      "producer-heartbeat-missing" = {
        description = var.producer_count == 1 ? "The service has not reported for five minutes" : "Fewer than ${var.producer_count} services have reported for five minutes"
        namespace   = local.namespace, metric = "Heartbeat", dimensions = local.service
        # One that skips a minute, because its own is a little longer, does not skip five.
        statistic = "SampleCount", comparison = "LessThanThreshold", threshold = var.producer_count
        period    = 60, periods = 5, missing = "breaching"
      }
      "producer-source-failing" = {
        description = "Calls to the market data source keep failing"
        namespace   = local.namespace, metric = "SourceFailures", dimensions = local.service
        statistic   = "Sum", comparison = "GreaterThanOrEqualToThreshold", threshold = 5
        period      = 300, periods = 2, missing = "notBreaching"
      }
      "outbox-age" = {
        description = "Accepted quotes wait longer than ${var.outbox_age_seconds} s for Kinesis"
        namespace   = local.namespace, metric = "OutboxAgeSeconds", dimensions = local.service
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.outbox_age_seconds
        period      = 60, periods = 3, missing = "notBreaching"
      }
      "stream-write-throttled" = {
        description = "Kinesis refuses records: the stream has too few shards, or one is hot"
        namespace   = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", dimensions = { StreamName = var.stream_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 3, missing = "notBreaching"
      }
      "stream-read-throttled" = {
        description = "Readers of the stream get in each other's way"
        namespace   = "AWS/Kinesis", metric = "ReadProvisionedThroughputExceeded", dimensions = { StreamName = var.stream_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 3, missing = "notBreaching"
      }
      "consumer-errors" = {
        description = "Invocations of the consumer fail as a whole"
        namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.function_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 60, periods = 3, missing = "notBreaching"
      }
      "consumer-throttled" = {
        description = "Lambda has no concurrency left for the consumer"
        namespace   = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = var.function_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 60, periods = 5, missing = "notBreaching"
      }
      "consumer-behind" = {
        description = "The oldest unread record is older than ${var.iterator_age_seconds} s"
        namespace   = "AWS/Lambda", metric = "IteratorAge", dimensions = { FunctionName = var.function_name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.iterator_age_seconds * 1000
        period      = 60, periods = 5, missing = "notBreaching"
      }
      "consumer-batch-failures" = {
        description = "Parts of batches come back for a retry: a dependency of the consumer fails"
        namespace   = local.namespace, metric = "BatchFailures", dimensions = local.consumer
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 3, missing = "notBreaching"
      }
      "partitions-stopped" = {
        description = "A partition of the log stopped: its quotes go to quarantine until somebody acts"
        namespace   = local.namespace, metric = "PartitionsStopped", dimensions = local.consumer
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 60, periods = 1, missing = "notBreaching"
      }
      "log-conflicts" = {
        description = "Writers of one partition get in each other's way: over ${var.log_conflicts} lost appends in five minutes"
        namespace   = local.namespace, metric = "LogConflicts", dimensions = local.consumer
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = var.log_conflicts
        period      = 300, periods = 3, missing = "notBreaching"
      }
      "entries-recovered" = {
        description = "Entries of the log were found unfinished: containers of the consumer die at work"
        namespace   = local.namespace, metric = "EntriesRecovered", dimensions = local.consumer
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = var.entries_recovered
        period      = 300, periods = 3, missing = "notBreaching"
      }
      "checkpoint-age" = {
        description = "A partition's checkpoint is over ${var.checkpoint_age_revisions} revisions old: the next cold start reads them all"
        namespace   = local.namespace, metric = "CheckpointAgeRevisions", dimensions = local.consumer
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.checkpoint_age_revisions
        period      = 300, periods = 2, missing = "notBreaching"
      }
      "alerts-unsent" = {
        description = "Market alerts wait for SNS, and the sweep cannot send them either"
        namespace   = local.namespace, metric = "AlertsUnsent", dimensions = local.consumer
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 2, missing = "notBreaching"
      }
      "tidy-errors" = {
        description = "The nightly tidy fails"
        namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.tidy_function_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 1, missing = "notBreaching"
      }
      "records-quarantined" = {
        description = "Records that the consumer cannot read"
        namespace   = local.namespace, metric = "RecordsQuarantined", dimensions = local.consumer
        statistic   = "Sum", comparison = "GreaterThanOrEqualToThreshold", threshold = var.quarantine_records
        period      = 300, periods = 1, missing = "notBreaching"
      }
      "failed-batches" = {
        description = "Lambda gave up on a batch; redrive it before the stream forgets its records"
        namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.failed_batches_queue_name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 60, periods = 1, missing = "notBreaching"
      }
      "failed-batches-undelivered" = {
        description = "Lambda could not even write to the queue of failed batches: records are lost"
        namespace   = "AWS/Lambda", metric = "DestinationDeliveryFailures", dimensions = { FunctionName = var.function_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 60, periods = 1, missing = "notBreaching"
      }
    },
    {
      for role, table in var.table_names : "table-${role}-throttled" => {
        description = "DynamoDB refuses writes to ${table}"
        namespace   = "AWS/DynamoDB", metric = "WriteThrottleEvents", dimensions = { TableName = table }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 2, missing = "notBreaching"
      }
    },
    {
      for role, table in var.table_names : "table-${role}-reads-throttled" => {
        description = "DynamoDB refuses reads of ${table}"
        namespace   = "AWS/DynamoDB", metric = "ReadThrottleEvents", dimensions = { TableName = table }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 2, missing = "notBreaching"
      }
    },
    !var.has_notifier ? {} : {
      "alerts-undelivered" = {
        description = "A receiver did not take alerts in three tries each"
        namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.undelivered_queue_name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 60, periods = 1, missing = "notBreaching"
      }
    },
    !var.parquet_delivery ? {} : {
      "delivery-late" = {
        description = "Firehose holds quotes older than ${var.delivery_freshness_seconds} s"
        namespace   = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", dimensions = { DeliveryStreamName = var.delivery_stream_name }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.delivery_freshness_seconds
        period      = 300, periods = 2, missing = "notBreaching"
      }
      "delivery-conversion-failed" = {
        description = "Firehose cannot turn quotes into Parquet; they are under quotes-errors/"
        namespace   = "AWS/Firehose", metric = "FailedConversion.Records", dimensions = { DeliveryStreamName = var.delivery_stream_name }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        period      = 300, periods = 1, missing = "notBreaching"
      }
    },
  )

  heartbeat_alarm = "producer-heartbeat-missing"
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for key, alarm in local.alarms : key => alarm if key != local.heartbeat_alarm }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description}. Runbook: docs/operations.md#${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.operations_topic_arn]
  ok_actions          = [var.operations_topic_arn]
}

# By itself, because the market-hours schedule turns its actions on and off, and recovery each morning is no news.
resource "aws_cloudwatch_metric_alarm" "heartbeat" {
  alarm_name          = "${var.name}-${local.heartbeat_alarm}"
  alarm_description   = "${local.alarms[local.heartbeat_alarm].description}. Runbook: docs/operations.md#${local.heartbeat_alarm}"
  namespace           = local.alarms[local.heartbeat_alarm].namespace
  metric_name         = local.alarms[local.heartbeat_alarm].metric
  dimensions          = local.alarms[local.heartbeat_alarm].dimensions
  statistic           = local.alarms[local.heartbeat_alarm].statistic
  comparison_operator = local.alarms[local.heartbeat_alarm].comparison
  threshold           = local.alarms[local.heartbeat_alarm].threshold
  period              = local.alarms[local.heartbeat_alarm].period
  evaluation_periods  = local.alarms[local.heartbeat_alarm].periods
  treat_missing_data  = local.alarms[local.heartbeat_alarm].missing
  alarm_actions       = [var.operations_topic_arn]

  lifecycle {
    ignore_changes = [actions_enabled]
  }
}

resource "aws_budgets_budget" "this" {
  count = var.monthly_budget_usd > 0 ? 1 : 0

  # Budgets too are the account's.
  name         = "${var.name}-${local.region}"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = [{ type = "FORECASTED", percent = 100 }, { type = "ACTUAL", percent = 80 }, { type = "ACTUAL", percent = 100 }]

    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.value.type
      threshold                 = notification.value.percent
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [var.operations_topic_arn]
    }
  }
}
