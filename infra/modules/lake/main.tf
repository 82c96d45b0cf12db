data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  buckets = {
    archive = "${var.name}-archive-${local.account_id}"
    athena  = "${var.name}-athena-${local.account_id}"
  }
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  #checkov:skip=CKV_AWS_18:Access logs need a bucket of their own and CloudTrail data events say more; that is the account's choice, not a pipeline's
  #checkov:skip=CKV_AWS_144:One region is what the pipeline runs in; the archive's objects are kept in three zones, and versioned
  #checkov:skip=CKV2_AWS_62:Nothing reacts to single objects; where Redshift does, its integration sets the notification itself
  bucket        = each.value
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    # One KMS call a bucket and hour instead of one an object.
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# No transition to cheaper classes: raw objects are smaller than the 128 KiB that those classes bill at least.
resource "aws_s3_bucket_lifecycle_configuration" "archive" {
  bucket = aws_s3_bucket.this["archive"].id

  rule {
    id     = "remains"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    # A retried batch overwrites its own object with the same quotes; the older version is no history.
    noncurrent_version_expiration {
      noncurrent_days = 7
    }
  }

  dynamic "rule" {
    for_each = merge(
      {
        "quarantine/"     = var.quarantine_expiration_days
        "quotes-errors/"  = var.quarantine_expiration_days
        "failed-batches/" = var.quarantine_expiration_days
      },
      var.archive_expiration_days == 0 ? {} : { "raw/" = var.archive_expiration_days, "quotes/" = var.archive_expiration_days },
    )

    content {
      id     = "expire-${trimsuffix(rule.key, "/")}"
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "athena" {
  bucket = aws_s3_bucket.this["athena"].id

  rule {
    id     = "results"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    expiration {
      days = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # https://docs.aws.amazon.com/redshift/latest/dg/loading-data-copy-job.html
  dynamic "statement" {
    for_each = each.key == "archive" && var.redshift_loads ? [1] : []

    content {
      sid       = "RedshiftAutoCopy"
      actions   = ["s3:GetBucketNotification", "s3:PutBucketNotification", "s3:GetBucketLocation"]
      resources = [aws_s3_bucket.this[each.key].arn]

      principals {
        type        = "Service"
        identifiers = ["redshift.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account_id]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = ["arn:${data.aws_partition.current.partition}:redshift:${data.aws_region.current.id}:${local.account_id}:integration:*"]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = data.aws_iam_policy_document.bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.this]
}
