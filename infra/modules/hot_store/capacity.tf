# Provisioned capacity, where it is asked for: units that are there in market hours, one write unit outside them, and
# target tracking up to four times the units, without which a backlog would outlive its age. `alerts` is always on
# demand: a crash of the market writes one for every symbol at once, and the next batch waits for them.

locals {
  capacity = var.provisioned_capacity == null ? {} : {
    quotes  = { write_units = var.provisioned_capacity.quotes_write_units, read_units = var.provisioned_capacity.quotes_read_units }
    candles = { write_units = var.provisioned_capacity.candles_write_units, read_units = var.provisioned_capacity.candles_read_units }
  }

  # By table and dimension: what is kept ready in market hours, and outside them.
  scaled = merge(
    { for role, units in local.capacity : "${role}-write" => { role = role, kind = "Write", open = units.write_units, closed = 1 } },
    { for role, units in local.capacity : "${role}-read" => { role = role, kind = "Read", open = units.read_units, closed = units.read_units } },
  )

  # DynamoDB's auto scaling takes 20 to 90%. The units are those of an even flow with this headroom.
  target_percent  = 90
  most_times_over = 4
}

resource "aws_appautoscaling_target" "this" {
  for_each = local.scaled

  service_namespace  = "dynamodb"
  resource_id        = "table/${aws_dynamodb_table.this[each.value.role].name}"
  scalable_dimension = "dynamodb:table:${each.value.kind}CapacityUnits"
  min_capacity       = each.value.open
  max_capacity       = each.value.open * local.most_times_over

  lifecycle {
    # The schedule moves it twice a day.
    ignore_changes = [min_capacity]
  }
}

resource "aws_appautoscaling_policy" "this" {
  for_each = local.scaled

  name               = "${each.key}-utilization"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = local.target_percent

    predefined_metric_specification {
      predefined_metric_type = "DynamoDB${each.value.kind}CapacityUtilization"
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = merge([
    for key, scaled in local.scaled : {
      "${key}-open"   = { key = key, cron = var.provisioned_capacity.start, least = scaled.open, most = scaled.open * local.most_times_over }
      "${key}-closed" = { key = key, cron = var.provisioned_capacity.stop, least = scaled.closed, most = scaled.open * local.most_times_over }
    }
  ]...)

  name               = each.key
  service_namespace  = aws_appautoscaling_target.this[each.value.key].service_namespace
  resource_id        = aws_appautoscaling_target.this[each.value.key].resource_id
  scalable_dimension = aws_appautoscaling_target.this[each.value.key].scalable_dimension
  schedule           = each.value.cron
  timezone           = var.provisioned_capacity.timezone

  scalable_target_action {
    min_capacity = each.value.least
    max_capacity = each.value.most
  }
}
