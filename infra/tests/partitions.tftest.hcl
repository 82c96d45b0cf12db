# How many partitions the log has: decided by the first apply, and by nothing after it.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region                 = "us-east-1"
  lambda_package_path    = "tests/fixtures/consumer.zip"
  shards                 = 3
  parallelization_factor = 2
}

run "the_next_power_of_two_from_shards_and_factor" {
  assert {
    condition     = output.partitions == 8
    error_message = "Six writers at once need eight partitions."
  }
}

run "a_reshard_does_not_change_them" {
  variables {
    shards = 40
  }

  assert {
    condition     = output.partitions == 8
    error_message = "Another number of partitions is another log."
  }
}

run "nor_does_a_variable_that_comes_later" {
  variables {
    partitions = 64
  }

  assert {
    condition     = output.partitions == 8
    error_message = "The number is decided once."
  }
}
