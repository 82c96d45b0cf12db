# Zones: regions have two to six of them, and more come later.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region              = "us-east-1"
  lambda_package_path = "tests/fixtures/consumer.zip"
  image_tag           = "2026-11-22"
}

run "a_region_with_two_zones" {
  override_data {
    target = module.network.data.aws_availability_zones.regional
    values = { names = ["us-west-1a", "us-west-1c"] }
  }

  assert {
    condition     = module.network.zones == ["us-west-1a", "us-west-1c"]
    error_message = "us-west-1 has two zones for most accounts."
  }
}

run "a_third_zone_later_moves_nothing" {
  override_data {
    target = module.network.data.aws_availability_zones.regional
    values = { names = ["us-west-1a", "us-west-1b", "us-west-1c"] }
  }

  assert {
    condition     = module.network.zones == ["us-west-1a", "us-west-1c", "us-west-1b"]
    error_message = "What runs stays in its subnets; the new zone comes behind them."
  }
}
