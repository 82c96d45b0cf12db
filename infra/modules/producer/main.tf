data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region     = data.aws_region.current.id
  account_id = data.aws_caller_identity.current.account_id

  # The image's user. docker-compose.yml and the Dockerfile use the same number.
  user_id    = 10001
  state_path = "/var/lib/stockstream"
  cache_path = "/var/cache/stockstream"
  image      = "${var.repository_url}:${var.image_tag}"

  environment = merge(
    {
      # Nothing else is writable: the root is read-only, and a volume that the image does not declare belongs to root.
      TMPDIR                               = local.cache_path
      AWS_REGION                           = local.region
      STOCKSTREAM_DEPLOYMENT               = var.name
      STOCKSTREAM_SOURCE                   = var.source_name
      STOCKSTREAM_SYMBOLS                  = join(",", var.symbols)
      STOCKSTREAM_POLL_INTERVAL_SECONDS    = tostring(var.poll_interval_seconds)
      STOCKSTREAM_EXTENDED_HOURS           = tostring(var.extended_hours)
      STOCKSTREAM_STREAM                   = var.stream_name
      STOCKSTREAM_CANDLES_TABLE            = var.table_names["candles"]
      STOCKSTREAM_RETENTION_DAYS           = tostring(var.hot_retention_days)
      STOCKSTREAM_OUTBOX_DIR               = "${local.state_path}/outbox"
      STOCKSTREAM_CACHE_DIR                = local.cache_path
      STOCKSTREAM_SHUTDOWN_SECONDS         = tostring(var.stop_timeout_seconds - 5)
      STOCKSTREAM_LOG_LEVEL                = var.log_level
      STOCKSTREAM_LOG_FORMAT               = "json"
      STOCKSTREAM_METRICS_INTERVAL_SECONDS = "60"
      STOCKSTREAM_HEALTH_HOST              = "127.0.0.1"
      STOCKSTREAM_HEALTH_PORT              = "8080"
    },
    local.shares ? {
      STOCKSTREAM_WORKERS       = "auto"
      STOCKSTREAM_WORKERS_TABLE = local.workers_table
    } : {},
    var.environment,
  )

  secret_arns    = sort(distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7)) if split(":", arn)[2] == "secretsmanager"]))
  parameter_arns = sort(distinct([for arn in values(var.secrets) : arn if split(":", arn)[2] == "ssm"]))
}

# No ingress at all: the service listens on loopback only, for its own health check.
resource "aws_security_group" "this" {
  name        = "${var.name}-producer"
  description = "The service: out to Yahoo and AWS over HTTPS, nothing in"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-producer" }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "Yahoo, Kinesis, ECR, CloudWatch Logs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu_units
  memory                   = var.memory_mb
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  container_definitions = jsonencode([{
    name                   = "service"
    image                  = local.image
    essential              = true
    user                   = "${local.user_id}:${local.user_id}"
    readonlyRootFilesystem = true
    stopTimeout            = var.stop_timeout_seconds
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
    environment            = [for key in sort(keys(local.environment)) : { name = key, value = local.environment[key] }]
    secrets                = [for key in sort(keys(var.secrets)) : { name = key, valueFrom = var.secrets[key] }]
    portMappings           = []
    systemControls         = []
    volumesFrom            = []
    # The image declares both as volumes of its user, so that a fresh task disk is writable without root.
    mountPoints = [
      { sourceVolume = "state", containerPath = local.state_path, readOnly = false },
      { sourceVolume = "cache", containerPath = local.cache_path, readOnly = false },
    ]
    healthCheck = {
      command     = ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:${local.environment["STOCKSTREAM_HEALTH_PORT"]}/healthz', timeout=3)"]
      interval    = 30
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = var.log_group_name
        awslogs-region        = local.region
        awslogs-stream-prefix = "service"
        # A full log buffer must not stop the pipeline.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }])

  volume {
    name = "state"

    dynamic "efs_volume_configuration" {
      for_each = var.outbox_on_efs ? [1] : []

      content {
        file_system_id     = aws_efs_file_system.outbox[0].id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = aws_efs_access_point.outbox[0].id
          iam             = "ENABLED"
        }
      }
    }
  }

  volume {
    name = "cache"
  }
}

resource "aws_ecs_service" "this" {
  #checkov:skip=CKV_AWS_333:Yahoo is on the internet; a public address without any ingress rule replaces a NAT gateway (docs/cost.md)
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.producer_count

  # One alone is never two: the outbox has one owner, and two would send every quote twice. Where several share the
  # watchlist each has a folder, and one who joins takes nothing before it has quotes: new ones first, then the old go.
  deployment_minimum_healthy_percent = local.shares ? 100 : 0
  deployment_maximum_percent         = local.shares ? 200 : 100

  propagate_tags          = "SERVICE"
  enable_ecs_managed_tags = true
  enable_execute_command  = false

  # Without this another capacity provider means another service: https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/ecs_service#capacity_provider_strategy-1
  force_new_deployment = true

  capacity_provider_strategy {
    capacity_provider = var.spot ? "FARGATE_SPOT" : "FARGATE"
    weight            = 1
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = true
  }

  lifecycle {
    # The schedule sets it.
    ignore_changes       = [desired_count]
    replace_triggered_by = [terraform_data.producer_count]
  }

  depends_on = [aws_iam_role_policy.task, aws_efs_mount_target.outbox]
}
