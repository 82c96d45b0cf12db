# The outbox on a file system that outlives the task. It has one owner at a time, whose lock is a flock, which NFSv4.1
# keeps; several services take a folder each, and send what they find in one that nobody holds. A task's own disk would do only where what Kinesis has not got yet may be lost with it.

resource "aws_efs_file_system" "outbox" {
  count = var.outbox_on_efs ? 1 : 0

  creation_token  = "${var.name}-outbox"
  encrypted       = true
  kms_key_id      = var.kms_key_arn
  throughput_mode = "elastic"

  tags = { Name = "${var.name}-outbox" }
}

resource "aws_security_group" "efs" {
  count = var.outbox_on_efs ? 1 : 0

  name        = "${var.name}-outbox"
  description = "NFS from the service only"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-outbox" }
}

resource "aws_vpc_security_group_ingress_rule" "nfs" {
  count = var.outbox_on_efs ? 1 : 0

  security_group_id            = aws_security_group.efs[0].id
  description                  = "The service mounts its outbox"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.this.id
}

resource "aws_vpc_security_group_egress_rule" "nfs" {
  count = var.outbox_on_efs ? 1 : 0

  security_group_id            = aws_security_group.this.id
  description                  = "The outbox"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.efs[0].id
}

resource "aws_efs_mount_target" "outbox" {
  count = var.outbox_on_efs ? length(var.subnet_ids) : 0

  file_system_id  = aws_efs_file_system.outbox[0].id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.efs[0].id]
}

resource "aws_efs_access_point" "outbox" {
  count = var.outbox_on_efs ? 1 : 0

  file_system_id = aws_efs_file_system.outbox[0].id

  posix_user {
    uid = local.user_id
    gid = local.user_id
  }

  root_directory {
    path = "/stockstream"

    creation_info {
      owner_uid   = local.user_id
      owner_gid   = local.user_id
      permissions = "0700"
    }
  }

  tags = { Name = "${var.name}-outbox" }
}

data "aws_iam_policy_document" "efs" {
  count = var.outbox_on_efs ? 1 : 0

  statement {
    sid       = "TheTaskThroughItsAccessPoint"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.outbox[0].arn]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.task.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.outbox[0].arn]
    }
  }

  statement {
    sid       = "TheAuditReads"
    actions   = ["elasticfilesystem:ClientMount"]
    resources = [aws_efs_file_system.outbox[0].arn]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.audit[0].arn]
    }

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.outbox[0].arn]
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.outbox[0].arn]

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
}

resource "aws_efs_file_system_policy" "outbox" {
  count = var.outbox_on_efs ? 1 : 0

  file_system_id = aws_efs_file_system.outbox[0].id
  policy         = data.aws_iam_policy_document.efs[0].json
}
