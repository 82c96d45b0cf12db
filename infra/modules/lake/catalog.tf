# The columns are read from athena/tables/stock_data_table.sql: one definition for Athena, Firehose, Redshift and the
# local runner. A line of it is two spaces, `name`, the type, and COMMENT 'text'.
locals {
  columns = [
    for match in regexall("(?m)^  `([a-z_]+)` +([a-z]+(?:\\([0-9,]+\\))?) +COMMENT '([^'\\n]*)'", file("${var.athena_dir}/tables/stock_data_table.sql")) :
    { name = match[0], type = match[1], comment = match[2] }
  ]
  archive_uri = "s3://${local.buckets.archive}"
}

resource "aws_glue_catalog_database" "this" {
  name        = replace(var.name, "-", "_")
  description = "Quotes of ${var.name}"
}

# Unpartitioned on purpose: the published queries name no partition, `SELECT * ... LIMIT 10` among them, and a projected
# symbol would have to be known beforehand (enum) or named in every WHERE (injected). Athena reads the folders below the
# location too. docs/athena.md weighs the choice.
resource "aws_glue_catalog_table" "stock_data_table" {
  database_name = aws_glue_catalog_database.this.name
  name          = "stock_data_table"
  description   = "Every archived quote, as it came: gzipped JSON, a quote a line"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL           = "TRUE"
    classification     = "json"
    compressionType    = "gzip"
    "typeOfData"       = "file"
    "areColumnsQuoted" = "false"
  }

  storage_descriptor {
    location      = "${local.archive_uri}/raw/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    compressed    = true

    # AWS warns of non-deterministic results with the OpenX SerDe:
    # https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
    ser_de_info {
      serialization_library = "org.apache.hive.hcatalog.data.JsonSerDe"
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}

# The same objects, found by day without listing the rest.
resource "aws_glue_catalog_table" "stock_data_by_day" {
  database_name = aws_glue_catalog_database.this.name
  name          = "stock_data_by_day"
  description   = "The quotes of stock_data_table by day: WHERE dt = '...' reads that folder and no other"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                      = "TRUE"
    classification                = "json"
    compressionType               = "gzip"
    "projection.enabled"          = "true"
    "projection.dt.type"          = "date"
    "projection.dt.format"        = "yyyy-MM-dd"
    "projection.dt.range"         = "${var.first_event_date},NOW+1DAYS"
    "projection.dt.interval"      = "1"
    "projection.dt.interval.unit" = "DAYS"
    "storage.location.template"   = "${local.archive_uri}/raw/dt=$${dt}/"
  }

  partition_keys {
    name    = "dt"
    type    = "string"
    comment = "Folder: the event day, UTC, once it is tidied; before that the newest day that had begun"
  }

  storage_descriptor {
    location      = "${local.archive_uri}/raw/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    compressed    = true

    ser_de_info {
      serialization_library = "org.apache.hive.hcatalog.data.JsonSerDe"
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}

# What Firehose writes. The folders are the hour of delivery (UTC), minutes after the event; a query for a day of events
# reads the first hour of the next day too.
resource "aws_glue_catalog_table" "quotes" {
  database_name = aws_glue_catalog_database.this.name
  name          = "quotes"
  description   = "Quotes as Parquet, by hour of delivery; at least once: quotes_distinct has each one once"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                      = "TRUE"
    classification                = "parquet"
    "parquet.compression"         = "SNAPPY"
    "projection.enabled"          = "true"
    "projection.dt.type"          = "date"
    "projection.dt.format"        = "yyyy-MM-dd"
    "projection.dt.range"         = "${var.first_delivery_date},NOW+1DAYS"
    "projection.dt.interval"      = "1"
    "projection.dt.interval.unit" = "DAYS"
    "projection.hour.type"        = "integer"
    "projection.hour.range"       = "0,23"
    "projection.hour.digits"      = "2"
    "storage.location.template"   = "${local.archive_uri}/quotes/dt=$${dt}/hour=$${hour}/"
  }

  partition_keys {
    name    = "dt"
    type    = "string"
    comment = "Day of delivery, UTC"
  }

  partition_keys {
    name    = "hour"
    type    = "string"
    comment = "Hour of delivery, UTC, two digits"
  }

  storage_descriptor {
    location      = "${local.archive_uri}/quotes/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
  description   = "Queries on the archive of ${var.name}, with a bound on what one may scan"
  force_destroy = var.force_destroy

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.scan_limit_bytes

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${aws_s3_bucket.this["athena"].id}/results/"
      expected_bucket_owner = local.account_id

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.kms_key_arn
      }
    }
  }
}

locals {
  # A published query starts with its comment and ends with its semicolon.
  published = {
    for match in regexall("(?ms)^-- ([^\\n]+)\\n(.*?;)\\s*$", file("${var.athena_dir}/queries.sql")) :
    "published: ${match[0]}" => "-- ${match[0]}\n${match[1]}"
  }
  views     = { for path in fileset(var.athena_dir, "views/*.sql") : "view: ${trimsuffix(basename(path), ".sql")}" => file("${var.athena_dir}/${path}") }
  questions = { for path in fileset(var.athena_dir, "queries/*.sql") : trimsuffix(basename(path), ".sql") => file("${var.athena_dir}/${path}") }
}

resource "aws_athena_named_query" "this" {
  for_each = merge(local.published, local.views, local.questions)

  name      = each.key
  workgroup = aws_athena_workgroup.this.id
  database  = aws_glue_catalog_database.this.name
  query     = each.value
}
