# The first and the second apply of the deploy guide, against a provider that answers from tests/mocks.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region                = "us-east-1"
  symbols               = ["AAPL", "BRK-B", "^VIX"]
  alert_email_addresses = ["someone@example.com"]
  lambda_package_path   = "tests/fixtures/consumer.zip"
}

run "without_an_image_there_is_a_registry_and_no_service" {
  assert {
    condition     = output.service == null && length(module.producer) == 0
    error_message = "A service without an image cannot start."
  }

  assert {
    condition     = output.repository_url != ""
    error_message = "The first apply must make the registry."
  }
}

run "with_an_image_the_service_runs" {
  variables {
    image_tag = "2026-11-22"
  }

  assert {
    condition     = output.service.cluster == "stockstream" && output.service.service == "stockstream" && output.service.audit_task == "stockstream-audit"
    error_message = "The service and its cluster carry the deployment's name."
  }

  assert {
    condition     = module.producer[0].environment["STOCKSTREAM_SYMBOLS"] == "AAPL,BRK-B,^VIX"
    error_message = "The symbols reach the service."
  }

  assert {
    condition     = module.producer[0].environment["STOCKSTREAM_SHUTDOWN_SECONDS"] == "55"
    error_message = "The service must drain before ECS kills it."
  }
}

run "names_are_those_of_the_architecture" {
  assert {
    condition     = output.stream_name == "stockstream" && output.consumer_function_name == "stockstream-consumer"
    error_message = "docs/architecture.md fixes the names."
  }

  assert {
    condition     = output.table_names == { quotes = "quotes", candles = "candles", alerts = "alerts" }
    error_message = "docs/architecture.md fixes the tables."
  }

  assert {
    condition     = output.operator_environment["STOCKSTREAM_ARCHIVE_BUCKET"] == output.archive_bucket
    error_message = "Operators' commands must look at the deployment's bucket."
  }
}

run "the_log_has_four_partitions_and_a_tidy" {
  assert {
    condition     = output.partitions == 4 && output.tidy_function_name == "stockstream-tidy"
    error_message = "One shard has the least number of partitions."
  }
}

run "tables_are_billed_on_demand_unless_capacity_is_asked_for" {
  module {
    source = "./modules/hot_store"
  }

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.billing_mode == "PAY_PER_REQUEST"]) && length(aws_appautoscaling_target.this) == 0
    error_message = "Provisioned capacity is a choice."
  }

  assert {
    condition     = one(aws_dynamodb_table.this["alerts"].global_secondary_index).name == "unsent" && length(aws_dynamodb_table.this["quotes"].global_secondary_index) == 0
    error_message = "The sweep finds unsent alerts by the sparse index."
  }
}

run "a_second_deployment_takes_nothing_of_the_first" {
  command = plan

  variables {
    name = "paper"
  }

  assert {
    condition     = output.table_names == { quotes = "paper-quotes", candles = "paper-candles", alerts = "paper-alerts" }
    error_message = "Two deployments of one account and region need two sets of tables."
  }

  assert {
    condition     = alltrue([for name in concat(output.alarm_names, [output.dashboard_name, output.consumer_function_name, output.tidy_function_name]) : startswith(name, "paper")])
    error_message = "Whatever has a name carries the deployment's."
  }
}

run "nothing_dear_unless_asked_for" {
  assert {
    condition     = length(module.notifier) == 0 && length(module.delivery) == 0 && length(module.warehouse) == 0 && output.warehouse == null
    error_message = "Firehose and Redshift are choices."
  }
}

run "the_published_queries_are_saved_in_athena" {
  assert {
    condition = alltrue([
      for title in ["Basic data retrieval", "Top 5 stocks with highest price change", "Average trading volume per stock", "Anomalous stocks (price change > 5%)"] :
      contains(output.named_query_names, "published: ${title}")
    ])
    error_message = "All four published queries must be saved by their titles."
  }
}

run "a_saved_query_is_one_statement_with_its_title" {
  module {
    source = "./modules/lake"
  }

  variables {
    name          = "stockstream"
    athena_dir    = "../athena"
    tidy_role_arn = "arn:aws:iam::123456789012:role/stockstream-tidy-us-east-1"
    kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_athena_named_query.this["published: Basic data retrieval"].query == "-- Basic data retrieval\nSELECT * FROM stock_data_table LIMIT 10;"
    error_message = "The published queries must be saved as they stand."
  }

  assert {
    condition     = length(aws_glue_catalog_table.stock_data_table.partition_keys) == 0 && length(aws_glue_catalog_table.stock_data_table.storage_descriptor[0].columns) == 23
    error_message = "stock_data_table has every field of a quote and no partition."
  }

  assert {
    condition     = aws_glue_catalog_table.stock_data_by_day.parameters["storage.location.template"] == "s3://stockstream-archive-123456789012-us-east-1/raw/dt=$${dt}/"
    error_message = "The projection must find the consumer's folders."
  }
}
