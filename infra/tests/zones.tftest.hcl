# The same from three zones on: a further one is not used.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region              = "us-east-1"
  lambda_package_path = "tests/fixtures/consumer.zip"
}

run "the_first_three_by_name" {
  override_data {
    target = module.network.data.aws_availability_zones.regional
    values = { names = ["ap-northeast-1d", "ap-northeast-1a", "ap-northeast-1c"] }
  }

  assert {
    condition     = module.network.zones == ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]
    error_message = "Zones are taken by name."
  }
}

run "a_zone_between_them_changes_nothing" {
  override_data {
    target = module.network.data.aws_availability_zones.regional
    values = { names = ["ap-northeast-1a", "ap-northeast-1b", "ap-northeast-1c", "ap-northeast-1d"] }
  }

  assert {
    condition     = module.network.zones == ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]
    error_message = "A subnet that moves takes the outbox's mount target with it."
  }
}

run "two_zones_are_too_few_for_a_warehouse" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    name               = "stockstream"
    vpc_id             = "vpc-0123456789abcdef0"
    subnet_ids         = ["subnet-1", "subnet-2"]
    archive_bucket     = "stockstream-archive-123456789012-us-east-1"
    archive_bucket_arn = "arn:aws:s3:::stockstream-archive-123456789012-us-east-1"
    columns            = []
    kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.subnet_ids]
}
