# Values that must be refused, each with the message of its variable.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region              = "us-east-1"
  lambda_package_path = "tests/fixtures/consumer.zip"
}

run "a_warehouse_needs_parquet" {
  command = plan

  variables {
    warehouse = true
  }

  expect_failures = [var.warehouse]
}

run "failed_batches_must_still_be_in_the_stream" {
  command = plan

  variables {
    retention_hours            = 24
    maximum_record_age_seconds = 86400
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "a_region_is_a_region" {
  command = plan

  variables {
    region = "useast1"
  }

  expect_failures = [var.region]
}

run "log_retention_is_one_of_cloudwatchs" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "shards_have_a_range" {
  command = plan

  module {
    source = "./modules/stream"
  }

  variables {
    name        = "stockstream"
    shards      = 0
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.shards]
}

run "phone_numbers_are_e164" {
  command = plan

  module {
    source = "./modules/alerts"
  }

  variables {
    name          = "stockstream"
    phone_numbers = ["0415 555 0123"]
    kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.phone_numbers]
}

run "a_tag_called_latest_is_no_version" {
  command = plan

  module {
    source = "./modules/producer"
  }

  variables {
    name                 = "stockstream"
    repository_url       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/stockstream"
    repository_arn       = "arn:aws:ecr:us-east-1:123456789012:repository/stockstream"
    image_tag            = "latest"
    symbols              = ["AAPL"]
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
  }

  expect_failures = [var.image_tag]
}

run "notify_urls_are_urls" {
  command = plan

  module {
    source = "./modules/notifier"
  }

  variables {
    name             = "stockstream"
    package_path     = "tests/fixtures/consumer.zip"
    notify_urls      = ["ntfys://a topic"]
    kms_key_arn      = "arn:aws:kms:us-east-1:123456789012:key/1"
    alerts_topic_arn = "arn:aws:sns:us-east-1:123456789012:stockstream-alerts"
  }

  expect_failures = [var.notify_urls]
}

run "partitions_are_a_power_of_two" {
  command = plan

  module {
    source = "./modules/processor"
  }

  variables {
    name               = "stockstream"
    package_path       = "tests/fixtures/consumer.zip"
    partitions         = 6
    stream_arn         = "arn:aws:kinesis:us-east-1:123456789012:stream/stockstream"
    table_names        = { quotes = "quotes", candles = "candles", alerts = "alerts" }
    table_arns         = { quotes = "q", candles = "c", alerts = "a" }
    archive_bucket     = "stockstream-archive-123456789012-us-east-1"
    archive_bucket_arn = "arn:aws:s3:::stockstream-archive-123456789012-us-east-1"
    alerts_topic_arn   = "arn:aws:sns:us-east-1:123456789012:stockstream-alerts"
    kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.partitions]
}

run "a_free_port_is_no_port_for_the_health_check" {
  command = plan

  module {
    source = "./modules/producer"
  }

  variables {
    name                 = "stockstream"
    repository_url       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/stockstream"
    repository_arn       = "arn:aws:ecr:us-east-1:123456789012:repository/stockstream"
    image_tag            = "2026-11-22"
    symbols              = ["AAPL"]
    environment          = { STOCKSTREAM_HEALTH_PORT = "0" }
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
  }

  expect_failures = [var.environment]
}

run "a_name_leaves_room_for_account_and_region" {
  command = plan

  variables {
    name = "a-name-of-more-than-24-characters"
  }

  expect_failures = [var.name]
}
