# Silence has no data point. A mapping that is disabled, a role or a key that is denied: nothing is invoked, nothing fails,
# no threshold is passed, and when the stream forgets its records the quotes are gone. So what came in is held against what
# went on, by metric math; the alarm is red where there is input and no output.
#
# `zero` is a series of zeros that is there as long as `alive` is: by it a metric without a single data point counts as
# none in place of making the whole expression missing. When what is alive ends, nothing is expected, and nothing rings.
locals {
  stream_metric   = { namespace = "AWS/Kinesis", metric = "IncomingRecords", dimensions = { StreamName = var.stream_name }, statistic = "Sum" }
  consumer_metric = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = var.function_name }, statistic = "Sum" }
  alive_metric    = { namespace = local.namespace, metric = "Heartbeat", dimensions = local.service, statistic = "SampleCount" }
  silent          = "IF(SUM([FILL(input, 0), zero]) > 0 AND SUM([FILL(output, 0), zero]) == 0, 1, 0)"

  silences = merge(
    {
      "consumer-silent" = {
        description = "Records are put, and Lambda hands none of them to the consumer"
        alive       = local.alive_metric
        input       = local.stream_metric
        # Invocations would count the sweep's too; only a batch from a stream has an age.
        output = { namespace = "AWS/Lambda", metric = "IteratorAge", dimensions = { FunctionName = var.function_name }, statistic = "SampleCount" }
        period = 300, periods = 3
      }
      # Whatever the service does, the consumer is called by the sweep's schedule all day. Four times six hours hold a night.
      "tidy-silent" = {
        description = "The nightly tidy has not run for a day"
        alive       = local.consumer_metric
        input       = local.consumer_metric
        output      = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = var.tidy_function_name }, statistic = "Sum" }
        period      = 21600, periods = 4
      }
    },
    !var.parquet_delivery ? {} : {
      "delivery-silent" = {
        description = "Records are put, and Firehose delivers none of them"
        alive       = local.alive_metric
        input       = local.stream_metric
        output      = { namespace = "AWS/Firehose", metric = "DeliveryToS3.Records", dimensions = { DeliveryStreamName = var.delivery_stream_name }, statistic = "Sum" }
        # Firehose's longest buffer is fifteen minutes.
        period = 900, periods = 4
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each = local.silences

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description}. Runbook: docs/operations.md#${each.key}"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.operations_topic_arn]
  ok_actions          = [var.operations_topic_arn]

  dynamic "metric_query" {
    for_each = { for id in ["alive", "input", "output"] : id => each.value[id] }

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.statistic
        period      = each.value.period
      }
    }
  }

  metric_query {
    id         = "zero"
    expression = "alive * 0"
  }

  metric_query {
    id          = "silent"
    label       = each.key
    expression  = local.silent
    return_data = true
  }
}
