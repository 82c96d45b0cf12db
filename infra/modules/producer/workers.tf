# Several services share the watchlist: each writes its heartbeat here and sees who else does (docs/workers.md). Nothing in
# it is worth a backup: it is what lives now, and is written anew every few seconds.

locals {
  shares        = var.producer_count > 1
  workers_table = "${var.table_prefix}workers"
}

resource "aws_dynamodb_table" "workers" {
  #checkov:skip=CKV_AWS_28:Heartbeats of now; there is nothing to recover
  count = local.shares ? 1 : 0

  name         = local.workers_table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "deployment"
  range_key    = "worker"

  attribute {
    name = "deployment"
    type = "S"
  }

  attribute {
    name = "worker"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# The service's number of tasks is the schedule's where there is one, so Terraform does not see it change; without one
# another number is another service.
resource "terraform_data" "producer_count" {
  input = var.schedule == null ? var.producer_count : 0
}
