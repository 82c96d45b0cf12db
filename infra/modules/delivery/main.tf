# A second reader of the stream: Parquet for scans that the raw JSON would make dear. Firehose deaggregates KPL records
# before it delivers: https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  delivery_name = "${var.name}-parquet"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:Delivery errors are acted on within days; log_retention_days sets it
  name              = "/aws/kinesisfirehose/${local.delivery_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_stream" "this" {
  name           = "delivery"
  log_group_name = aws_cloudwatch_log_group.this.name
}

resource "aws_kinesis_firehose_delivery_stream" "this" {
  #checkov:skip=CKV_AWS_240:With a Kinesis stream as its source Firehose takes the stream's encryption; its own is for direct puts
  #checkov:skip=CKV_AWS_241:As above
  name        = local.delivery_name
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = var.stream_arn
    role_arn           = aws_iam_role.this.arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.this.arn
    bucket_arn          = var.archive_bucket_arn
    prefix              = "quotes/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    error_output_prefix = "quotes-errors/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/"
    buffering_interval  = var.buffer_seconds
    buffering_size      = var.buffer_mb
    kms_key_arn         = var.kms_key_arn

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.this.name
      log_stream_name = aws_cloudwatch_log_stream.this.name
    }

    data_format_conversion_configuration {
      input_format_configuration {
        deserializer {
          hive_json_ser_de {}
        }
      }

      output_format_configuration {
        serializer {
          parquet_ser_de {
            compression = "SNAPPY"
          }
        }
      }

      schema_configuration {
        role_arn      = aws_iam_role.this.arn
        database_name = var.database_name
        table_name    = var.table_name
        region        = data.aws_region.current.id
        version_id    = "LATEST"
      }
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
