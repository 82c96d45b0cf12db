# Several services that share the watchlist, against a provider that answers from tests/mocks.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region              = "us-east-1"
  symbols             = ["AAPL", "MSFT", "NVDA"]
  image_tag           = "2026-11-22"
  producer_count      = 3
  lambda_package_path = "tests/fixtures/consumer.zip"
}

run "three_services_share_the_list_by_a_table_and_the_alarm_counts_them" {
  command = plan

  assert {
    condition     = module.producer[0].environment["STOCKSTREAM_WORKERS"] == "auto" && module.producer[0].environment["STOCKSTREAM_WORKERS_TABLE"] == "workers"
    error_message = "The services must be told that they share, and where."
  }

  assert {
    condition     = module.producer[0].workers_table_name == "workers" && output.operator_environment["STOCKSTREAM_WORKERS"] == "auto"
    error_message = "Sharing needs the table, and the doctor looks at it."
  }

  assert {
    condition     = module.observability.heartbeat_alarm_threshold == 3
    error_message = "Two of three that report are one too few."
  }
}

run "one_service_has_no_table_and_is_not_told_of_any" {
  command = plan

  variables {
    producer_count = 1
  }

  assert {
    condition     = module.producer[0].workers_table_name == null && !contains(keys(module.producer[0].environment), "STOCKSTREAM_WORKERS") && module.observability.heartbeat_alarm_threshold == 1
    error_message = "One service alone costs what it always has."
  }
}

run "half_a_service_is_none" {
  command = plan

  variables {
    producer_count = 2.5
  }

  expect_failures = [var.producer_count]
}
