# Run once for every file of examples/: terraform test -test-directory=tests/examples -var-file=examples/NAME/stockstream.tfvars

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  lambda_package_path = "tests/fixtures/consumer.zip"
}

run "the_example_applies" {
  assert {
    condition     = output.stream_name == var.name && length(output.alarm_names) >= 16
    error_message = "An example that does not make the pipeline."
  }

  assert {
    condition     = (output.service == null) == (var.image_tag == null) && (output.warehouse == null) == !var.warehouse
    error_message = "An example that does not make what it asks for."
  }
}
