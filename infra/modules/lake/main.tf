data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  # A bucket's name is taken in the whole partition, in every region and account.
  buckets = {
    archive = "${var.name}-archive-${local.account_id}-${local.region}"
    athena  = "${var.name}-athena-${local.account_id}-${local.region}"
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

# The log (raw/) never expires: an entry that no checkpoint covers is the only copy of what it decided. The tidy takes
# away what is covered. No transition to cheaper classes either: objects are smaller than the 128 KiB that those bill at
# least, and a Glacier class would end the log with an InvalidObjectState.
resource "aws_s3_bucket_lifecycle_configuration" "archive" {
  bucket = aws_s3_bucket.this["archive"].id

  rule {
    id     = "remains"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    # What the tidy or a redrive deleted can be had back for a week.
    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # Checkpoints are written every few minutes, megabytes each with thousands of symbols.
  rule {
    id     = "old-checkpoints"
    status = "Enabled"

    filter {
      prefix = "state/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  dynamic "rule" {
    for_each = merge(
      {
        "quarantine/"     = var.quarantine_expiration_days
        "quotes-errors/"  = var.quarantine_expiration_days
        "failed-batches/" = var.quarantine_expiration_days
      },
      var.parquet_expiration_days == 0 ? {} : { "quotes/" = var.parquet_expiration_days },
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

  # An expiration by days and one of delete markers cannot share a rule.
  rule {
    id     = "delete-markers"
    status = "Enabled"

    filter {}

    expiration {
      expired_object_delete_marker = true
    }
  }
}

locals {
  # By prefix: the conditional headers of which a write must carry one.
  conditional_writes = {
    "raw/"   = { sid = "EntriesAreOnlyAdded", headers = ["if-none-match"] }
    "state/" = { sid = "CheckpointsAreCompared", headers = ["if-match", "if-none-match"] }
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

  # The rules of the log, held by S3 itself against every writer, this account's administrators included: an entry is only
  # ever added, a checkpoint only replaced by whoever saw the last one. The second key leaves out the calls of a multipart
  # upload that take no condition. A copy into raw/ is refused by this, too.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
  dynamic "statement" {
    for_each = each.key == "archive" ? local.conditional_writes : {}

    content {
      sid       = statement.value.sid
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this[each.key].arn}/${statement.key}*"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }

      dynamic "condition" {
        for_each = statement.value.headers

        content {
          test     = "Null"
          variable = "s3:${condition.value}"
          values   = ["true"]
        }
      }

      condition {
        test     = "Bool"
        variable = "s3:ObjectCreationOperation"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "archive" ? [1] : []

    content {
      sid       = "OnlyTheTidyDeletes"
      effect    = "Deny"
      actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      resources = [for prefix in keys(local.conditional_writes) : "${aws_s3_bucket.this[each.key].arn}/${prefix}*"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }

      condition {
        test     = "ArnNotEquals"
        variable = "aws:PrincipalArn"
        values   = [var.tidy_role_arn]
      }
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
        values   = ["arn:${data.aws_partition.current.partition}:redshift:${local.region}:${local.account_id}:integration:*"]
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
