# Key schemas, as docs/architecture.md fixes them. tests/infra holds them against the code.
locals {
  tables = {
    quotes = {
      hash_key  = "symbol"
      range_key = "timestamp"
      ttl       = true
    }
    # One item a symbol, rewritten for ever: nothing to expire.
    symbols = {
      hash_key  = "symbol"
      range_key = null
      ttl       = false
    }
    candles = {
      hash_key  = "symbol_interval"
      range_key = "window_start"
      ttl       = true
    }
    alerts = {
      hash_key  = "symbol"
      range_key = "alert_id"
      ttl       = true
    }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  name                        = "${var.table_prefix}${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.hash_key
  range_key                   = each.value.range_key
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = compact([each.value.hash_key, each.value.range_key])

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "ttl" {
    for_each = each.value.ttl ? ["expires_at"] : []

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
