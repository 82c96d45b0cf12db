# Everything switched on.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region                   = "us-east-1"
  image_tag                = "2026-11-22"
  symbols                  = ["AAPL"]
  alert_email_addresses    = ["someone@example.com"]
  alert_phone_numbers      = ["+14155550123"]
  operator_email_addresses = ["operator@example.com"]
  lambda_package_path      = "tests/fixtures/consumer.zip"
  stream_mode              = "ON_DEMAND"
  spot                     = true
  parquet_delivery         = true
  warehouse                = true
  monthly_budget_usd       = 50
  webhook_url              = "https://hooks.example.com/stockstream"
  notify_urls              = ["ntfys://a-topic-of-ours"]
  notifier_package_path    = "tests/fixtures/consumer.zip"

  schedule = {
    start       = "cron(15 9 ? * MON-FRI *)"
    expected_by = "cron(25 9 ? * MON-FRI *)"
    stop        = "cron(15 16 ? * MON-FRI *)"
    timezone    = "America/New_York"
  }
}

run "delivery_has_its_alarms" {
  assert {
    condition     = length(setintersection(toset(output.alarm_names), toset(["stockstream-delivery-late", "stockstream-delivery-conversion-failed"]))) == 2
    error_message = "A delivery stream that nobody watches."
  }
}

run "the_notifier_has_its_function_and_its_alarm" {
  assert {
    condition     = length(module.notifier) == 1 && contains(output.alarm_names, "stockstream-alerts-undelivered")
    error_message = "A notifier that nobody watches."
  }
}

run "the_warehouse_says_what_to_run" {
  assert {
    condition     = strcontains(output.warehouse.setup_sql["2_auto_copy"], "AUTO ON") && strcontains(output.warehouse.setup_sql["1_table"], "\"previous_close\" decimal(28,10)")
    error_message = "The statements must name the job and every column."
  }
}

run "capacity_follows_the_watchlist_and_the_clock" {
  module {
    source = "./modules/hot_store"
  }

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    provisioned_capacity = {
      start               = "cron(10 9 ? * MON-FRI *)"
      stop                = "cron(30 16 ? * MON-FRI *)"
      timezone            = "America/New_York"
      quotes_write_units  = 232
      candles_write_units = 40
      quotes_read_units   = 25
      candles_read_units  = 5
    }
  }

  assert {
    condition     = { for role, table in aws_dynamodb_table.this : role => table.billing_mode } == { quotes = "PROVISIONED", candles = "PROVISIONED", alerts = "PAY_PER_REQUEST" }
    error_message = "A crash of the market writes an alert for every symbol at once: never provisioned."
  }

  assert {
    condition     = aws_appautoscaling_target.this["quotes-write"].max_capacity == 928 && aws_appautoscaling_scheduled_action.this["quotes-write-closed"].scalable_target_action[0].min_capacity == "1" && aws_appautoscaling_scheduled_action.this["quotes-write-open"].scalable_target_action[0].min_capacity == "232"
    error_message = "Without four times the units a backlog outlives its age; a closed market needs none."
  }
}

run "five_thousand_symbols_need_what_the_cost_table_says" {
  command = plan

  variables {
    symbols               = flatten([for hundred in range(50) : [for one in range(100) : "S${hundred}.${one}"]])
    poll_interval_seconds = 30
    provisioned_capacity = {
      start    = "cron(10 9 ? * MON-FRI *)"
      stop     = "cron(30 16 ? * MON-FRI *)"
      timezone = "America/New_York"
    }
  }

  assert {
    condition     = output.provisioned_units == { quotes = { read = 25, write = 232 }, candles = { read = 5, write = 40 } }
    error_message = "docs/cost.md counts 232 and 40 write units."
  }
}

run "the_schedule_starts_stops_and_minds_the_alarm" {
  module {
    source = "./modules/producer"
  }

  variables {
    name                 = "stockstream"
    repository_url       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/stockstream"
    repository_arn       = "arn:aws:ecr:us-east-1:123456789012:repository/stockstream"
    heartbeat_alarm_name = "stockstream-producer-heartbeat-missing"
    heartbeat_alarm_arn  = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:stockstream-producer-heartbeat-missing"
    cluster_name         = "stockstream"
    cluster_arn          = "arn:aws:ecs:us-east-1:123456789012:cluster/stockstream"
    log_group_name       = "/ecs/stockstream"
    log_group_arn        = "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/stockstream"
    kms_key_arn          = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    stream_name          = "stockstream"
    stream_arn           = "arn:aws:kinesis:us-east-1:123456789012:stream/stockstream"
    table_names          = { quotes = "quotes", candles = "candles", alerts = "alerts" }
    table_arns = {
      quotes  = "arn:aws:dynamodb:us-east-1:123456789012:table/quotes"
      candles = "arn:aws:dynamodb:us-east-1:123456789012:table/candles"
    }
    archive_bucket           = "stockstream-archive-123456789012-us-east-1"
    archive_bucket_arn       = "arn:aws:s3:::stockstream-archive-123456789012-us-east-1"
    failed_batches_queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/stockstream-failed-batches"
    failed_batches_queue_arn = "arn:aws:sqs:us-east-1:123456789012:stockstream-failed-batches"
    vpc_id                   = "vpc-0123456789abcdef0"
    subnet_ids               = ["subnet-1", "subnet-2", "subnet-3"]
    environment              = { STOCKSTREAM_HEALTH_PORT = "9090" }
  }

  assert {
    condition     = strcontains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command[3], "127.0.0.1:9090/healthz")
    error_message = "The health check must ask where the service listens."
  }

  assert {
    condition     = keys(aws_scheduler_schedule.this) == ["disable-alarm", "enable-alarm", "expect-heartbeat", "start", "stop"]
    error_message = "Five calls make a trading day."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.schedule_expression_timezone == "America/New_York"])
    error_message = "Market hours are New York's, through daylight saving."
  }

  assert {
    condition     = one([for strategy in aws_ecs_service.this.capacity_provider_strategy : strategy.capacity_provider]) == "FARGATE_SPOT"
    error_message = "spot = true must run on Spot."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_maximum_percent == 100
    error_message = "Two services at once would fight for the outbox."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem == true && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "10001:10001"
    error_message = "The container runs as 10001 on a read-only root."
  }
}
