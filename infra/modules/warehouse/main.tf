# Off by default: Athena answers the same questions without a minimum charge (docs/cost.md).
#
# Redshift loads the Parquet that Firehose wrote, by S3 auto-copy. Its streaming ingestion would read the Kinesis stream
# itself, but hands every Kinesis record to SQL as it is: a KPL aggregate is protobuf, not JSON. Firehose takes aggregates
# apart (https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html). sql/streaming_ingestion.sql.tftpl is the
# alternative for a stream whose sender does not aggregate.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  redshift_types = { string = "varchar(64)", int = "integer" }
  # The type in Redshift, column by column; decimal, bigint and boolean are called the same.
  columns = [for column in var.columns : { name = column.name, type = lookup(local.redshift_types, column.type, column.type) }]

  setup_sql = {
    for name in ["1_table", "2_auto_copy", "3_views"] :
    name => templatefile("${path.module}/sql/${name}.sql.tftpl", {
      columns        = local.columns
      archive_bucket = var.archive_bucket
      role_arn       = aws_iam_role.this.arn
      job_name       = "${replace(var.name, "-", "_")}_quotes"
    })
  }
}

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${data.aws_region.current.id}.s3"
}

# Queries come through the Redshift Data API or query editor v2; nothing connects to port 5439.
resource "aws_security_group" "this" {
  name        = "${var.name}-warehouse"
  description = "The warehouse: out to S3 over the gateway endpoint, nothing in"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-warehouse" }
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.this.id
  description       = "Parquet files of the archive"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
}

resource "aws_redshiftserverless_namespace" "this" {
  namespace_name        = var.name
  db_name               = var.database
  manage_admin_password = true
  # Both the data and the administrator's password in Secrets Manager.
  admin_password_secret_kms_key_id = var.kms_key_arn
  kms_key_id                       = var.kms_key_arn
  iam_roles                        = [aws_iam_role.this.arn]
  log_exports                      = ["connectionlog", "useractivitylog", "userlog"]
}

resource "aws_redshiftserverless_workgroup" "this" {
  namespace_name       = aws_redshiftserverless_namespace.this.namespace_name
  workgroup_name       = var.name
  base_capacity        = var.base_capacity_rpus
  enhanced_vpc_routing = true
  publicly_accessible  = false
  subnet_ids           = var.subnet_ids
  security_group_ids   = [aws_security_group.this.id]

  config_parameter {
    parameter_key   = "require_ssl"
    parameter_value = "true"
  }
}

resource "aws_redshiftserverless_usage_limit" "this" {
  resource_arn  = aws_redshiftserverless_workgroup.this.arn
  usage_type    = "serverless-compute"
  amount        = var.monthly_rpu_hours
  period        = "monthly"
  breach_action = "deactivate"
}

# --- auto-copy: https://docs.aws.amazon.com/redshift/latest/dg/loading-data-copy-job.html ---

data "aws_iam_policy_document" "namespace" {
  statement {
    sid       = "AccountIntegrates"
    actions   = ["redshift:CreateInboundIntegration"]
    resources = [aws_redshiftserverless_namespace.this.arn]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [var.archive_bucket_arn]
    }
  }

  statement {
    sid       = "RedshiftAuthorizes"
    actions   = ["redshift:AuthorizeInboundIntegration"]
    resources = [aws_redshiftserverless_namespace.this.arn]

    principals {
      type        = "Service"
      identifiers = ["redshift.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [var.archive_bucket_arn]
    }
  }
}

resource "aws_redshift_resource_policy" "this" {
  resource_arn = aws_redshiftserverless_namespace.this.arn
  policy       = data.aws_iam_policy_document.namespace.json
}

resource "aws_redshift_integration" "this" {
  integration_name = "${var.name}-quotes"
  source_arn       = var.archive_bucket_arn
  target_arn       = aws_redshiftserverless_namespace.this.arn
  description      = "New Parquet files of ${var.archive_bucket}"

  depends_on = [aws_redshift_resource_policy.this, aws_redshiftserverless_workgroup.this]
}

# --- what the COPY command may read ---

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ReadParquet"
    actions   = ["s3:GetObject"]
    resources = ["${var.archive_bucket_arn}/quotes/*"]
  }

  statement {
    sid       = "ListArchive"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [var.archive_bucket_arn]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-warehouse-${data.aws_region.current.id}"
  description        = "What the warehouse may read"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "load"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
