# Key schemas, as docs/architecture.md fixes them. tests/infra holds them against the code.
locals {
  tables = {
    quotes = {
      hash_key  = "symbol"
      range_key = "timestamp"
      index     = null
    }
    candles = {
      hash_key  = "symbol_interval"
      range_key = "window_start"
      index     = null
    }
    # The index is sparse: only an alert that SNS has not taken carries its keys, so it is empty nearly always.
    alerts = {
      hash_key  = "symbol"
      range_key = "alert_id"
      index     = { name = "unsent", hash_key = "unsent", range_key = "created_at" }
    }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  #checkov:skip=CKV2_AWS_16:On demand by default; where capacity is provisioned, capacity.tf scales it, which checkov does not follow through for_each
  name                        = "${var.table_prefix}${each.key}"
  billing_mode                = contains(keys(local.capacity), each.key) ? "PROVISIONED" : "PAY_PER_REQUEST"
  read_capacity               = try(local.capacity[each.key].read_units, null)
  write_capacity              = try(local.capacity[each.key].write_units, null)
  hash_key                    = each.value.hash_key
  range_key                   = each.value.range_key
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = toset(compact([each.value.hash_key, each.value.range_key, try(each.value.index.hash_key, ""), try(each.value.index.range_key, "")]))

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.index == null ? [] : [each.value.index]

    content {
      name            = global_secondary_index.value.name
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = "ALL"
    }
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  lifecycle {
    # Auto scaling and its schedule move them all day; the provider still sets them when the billing mode changes.
    ignore_changes = [read_capacity, write_capacity]
  }
}
