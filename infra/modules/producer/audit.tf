# `stockstream audit` beside the service: the ledger of accepted quotes lies on the service's EFS, so the comparison with
# archive and tables runs where that can be mounted, as a task that somebody (or a schedule) starts. It can write nothing
# but its log.

locals {
  audit_count = var.outbox_on_efs ? 1 : 0

  audit_environment = {
    TMPDIR                                = local.cache_path
    AWS_REGION                            = local.region
    STOCKSTREAM_STREAM                    = var.stream_name
    STOCKSTREAM_OUTBOX_DIR                = local.environment["STOCKSTREAM_OUTBOX_DIR"]
    STOCKSTREAM_CACHE_DIR                 = local.cache_path
    STOCKSTREAM_QUOTES_TABLE              = var.table_names["quotes"]
    STOCKSTREAM_CANDLES_TABLE             = var.table_names["candles"]
    STOCKSTREAM_ALERTS_TABLE              = var.table_names["alerts"]
    STOCKSTREAM_ARCHIVE_BUCKET            = var.archive_bucket
    STOCKSTREAM_FAILED_BATCHES_QUEUE_URL  = var.failed_batches_queue_url
    STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT = tostring(var.anomaly_threshold_percent)
    STOCKSTREAM_LOG_FORMAT                = "json"
  }
}

resource "aws_ecs_task_definition" "audit" {
  count = local.audit_count

  family                   = "${var.name}-audit"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.audit[0].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  container_definitions = jsonencode([{
    name                   = "audit"
    image                  = local.image
    command                = ["audit"]
    essential              = true
    user                   = "${local.user_id}:${local.user_id}"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
    environment            = [for key in sort(keys(local.audit_environment)) : { name = key, value = local.audit_environment[key] }]
    portMappings           = []
    systemControls         = []
    volumesFrom            = []
    mountPoints = [
      { sourceVolume = "state", containerPath = local.state_path, readOnly = true },
      { sourceVolume = "cache", containerPath = local.cache_path, readOnly = false },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = var.log_group_name
        awslogs-region        = local.region
        awslogs-stream-prefix = "audit"
      }
    }
  }])

  volume {
    name = "state"

    efs_volume_configuration {
      file_system_id     = aws_efs_file_system.outbox[0].id
      transit_encryption = "ENABLED"

      authorization_config {
        access_point_id = aws_efs_access_point.outbox[0].id
        iam             = "ENABLED"
      }
    }
  }

  volume {
    name = "cache"
  }
}

resource "aws_iam_role" "audit" {
  count = local.audit_count

  name               = "${var.name}-audit-${local.region}"
  description        = "What the audit may read"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "audit" {
  count = local.audit_count

  name   = "read"
  role   = aws_iam_role.audit[0].id
  policy = data.aws_iam_policy_document.audit[0].json
}

data "aws_iam_policy_document" "audit" {
  count = local.audit_count

  statement {
    sid       = "ReadTables"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
    resources = [var.table_arns["quotes"], var.table_arns["candles"]]
  }

  statement {
    sid       = "ReadArchive"
    actions   = ["s3:GetObject"]
    resources = [for prefix in ["raw", "state", "tidy", "quarantine"] : "${var.archive_bucket_arn}/${prefix}/*"]
  }

  statement {
    sid       = "ListArchive"
    actions   = ["s3:ListBucket"]
    resources = [var.archive_bucket_arn]
  }

  statement {
    sid       = "CountFailedBatches"
    actions   = ["sqs:GetQueueAttributes"]
    resources = [var.failed_batches_queue_arn]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }

  statement {
    sid       = "MountLedger"
    actions   = ["elasticfilesystem:ClientMount"]
    resources = [aws_efs_file_system.outbox[0].arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.outbox[0].arn]
    }
  }
}
