variable "name" {
  description = "Name of the deployment; service and tasks carry it."
  type        = string
}

variable "repository_url" {
  description = "Repository of the image."
  type        = string
}

variable "repository_arn" {
  description = "ARN of that repository."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image. Tags cannot be overwritten: a new image is a new tag."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a tag of 1 to 128 of a-z A-Z 0-9 _ . -, and not latest: a task must be traceable to one image."
  }
}

variable "symbols" {
  description = "Symbols to follow."
  type        = list(string)

  validation {
    condition     = length(var.symbols) > 0 && alltrue([for symbol in var.symbols : can(regex("^[A-Z0-9^][A-Z0-9.^=&_$-]{0,31}$", symbol))])
    error_message = "symbols must be at least one, each 1 to 32 of A-Z 0-9 . - = ^ & _ $."
  }
}

variable "source_name" {
  description = "Where quotes come from; docs/settings.md says what each source gives."
  type        = string
  default     = "yahoo"

  validation {
    condition     = contains(["yahoo", "yahoo-stream", "coinbase", "alpaca", "alpaca-stream", "simulated", "auto"], var.source_name)
    error_message = "source_name must be yahoo, yahoo-stream, coinbase, alpaca, alpaca-stream, simulated or auto."
  }
}

variable "poll_interval_seconds" {
  description = "Seconds between two polls of the source."
  type        = number
  default     = 30

  validation {
    condition     = var.poll_interval_seconds >= 0.1 && var.poll_interval_seconds <= 3600
    error_message = "poll_interval_seconds must be from 0.1 to 3600."
  }
}

variable "extended_hours" {
  description = "Poll in pre-market and post-market hours too."
  type        = bool
  default     = false
}

variable "environment" {
  description = "Further STOCKSTREAM_* variables of the service; docs/settings.md lists them. An unknown one stops the service at start."
  type        = map(string)
  default     = {}

  validation {
    condition     = try(tonumber(lookup(var.environment, "STOCKSTREAM_HEALTH_PORT", "8080")) >= 1024 && tonumber(lookup(var.environment, "STOCKSTREAM_HEALTH_PORT", "8080")) <= 65535, false)
    error_message = "environment STOCKSTREAM_HEALTH_PORT must be from 1024 to 65535: the container's health check asks there, and its user may bind no lower port."
  }

  validation {
    condition     = contains(["127.0.0.1", "0.0.0.0"], lookup(var.environment, "STOCKSTREAM_HEALTH_HOST", "127.0.0.1"))
    error_message = "environment STOCKSTREAM_HEALTH_HOST must be 127.0.0.1 or 0.0.0.0: the container's health check asks 127.0.0.1."
  }
}

variable "secrets" {
  description = "STOCKSTREAM_* variables of the service that are secrets, such as STOCKSTREAM_ALPACA_SECRET_KEY: name to the ARN of a secret in Secrets Manager (`arn:...:secret:NAME-SUFFIX`, with `:KEY::` for one key of its JSON) or of a parameter in SSM. ECS reads them when a task starts. Encrypted with the key of this deployment, or with AWS's own."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, arn in var.secrets : can(regex("^STOCKSTREAM_[A-Z_]+$", name)) && can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+$", arn))])
    error_message = "secrets must be STOCKSTREAM_* names to ARNs: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME or arn:aws:ssm:REGION:ACCOUNT:parameter/NAME. Their values stay out of Terraform."
  }
}

variable "cpu_units" {
  description = "CPU of the task: 256 is a quarter of a core, enough for a thousand symbols polled every 30 s."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu_units)
    error_message = "cpu_units must be 256, 512, 1024, 2048 or 4096."
  }
}

variable "memory_mb" {
  description = "Memory of the task in MiB; Fargate wants 2 to 8 times cpu_units (512 at least)."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_mb >= 512 && var.memory_mb >= 2 * var.cpu_units && var.memory_mb <= 8 * var.cpu_units
    error_message = "memory_mb must be from 2 to 8 times cpu_units, 512 at least."
  }
}

variable "spot" {
  description = "Run on Fargate Spot: about 70% cheaper, interrupted at two minutes' notice. The outbox bridges the gap."
  type        = bool
  default     = false
}

variable "producer_count" {
  description = "Services that share the watchlist, each with an address of its own; one that dies is taken over from within 15 s. More than one make a table of heartbeats."
  type        = number
  default     = 1
}

variable "table_prefix" {
  description = "Put before the name of the table of heartbeats."
  type        = string
  default     = ""
}

variable "outbox_on_efs" {
  description = "Keep the outbox on EFS, so that it outlives the task. Without it, what Kinesis has not got yet dies with the task's disk."
  type        = bool
  default     = true
}

variable "stop_timeout_seconds" {
  description = "Seconds between SIGTERM and SIGKILL; the service drains in five less."
  type        = number
  default     = 60

  validation {
    condition     = var.stop_timeout_seconds >= 10 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must be from 10 to 120, Fargate's most."
  }
}

variable "schedule" {
  description = "Run only between these times: cron expressions of EventBridge Scheduler and their time zone. null runs always; the service itself does not poll a closed market."
  type = object({
    start       = string
    expected_by = string
    stop        = string
    timezone    = string
  })
  default = null

  validation {
    condition     = var.schedule == null || alltrue([for text in [try(var.schedule.start, ""), try(var.schedule.expected_by, ""), try(var.schedule.stop, "")] : can(regex("^cron\\(.+\\)$", text))])
    error_message = "schedule.start, .expected_by and .stop must be cron(...) expressions."
  }
}

variable "heartbeat_alarm_arn" {
  description = "ARN of the alarm on a missing heartbeat, which the schedule turns on and off."
  type        = string
}

variable "heartbeat_alarm_name" {
  description = "Name of that alarm."
  type        = string
}

variable "cluster_name" {
  description = "ECS cluster, with the capacity providers FARGATE and FARGATE_SPOT."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the service."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of that log group."
  type        = string
}

variable "log_level" {
  description = "Lowest level logged: debug, info, warning or error."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warning", "error"], var.log_level)
    error_message = "log_level must be debug, info, warning or error."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts outbox, logs and schedule."
  type        = string
}

variable "stream_name" {
  description = "Name of the stream that the service writes."
  type        = string
}

variable "stream_arn" {
  description = "ARN of that stream."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the task."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets of the task."
  type        = list(string)
}

variable "hot_retention_days" {
  description = "Days after which items of the hot tables expire, for the candles that fill gaps; 0 never."
  type        = number
  default     = 0
}

variable "table_names" {
  description = "Names of the tables by role, for the audit and for candles that fill gaps."
  type        = map(string)
}

variable "table_arns" {
  description = "ARNs of the tables by role, for the audit and for candles that fill gaps."
  type        = map(string)
}

variable "archive_bucket" {
  description = "Name of the archive's bucket, for the audit."
  type        = string
}

variable "archive_bucket_arn" {
  description = "ARN of the archive's bucket, for the audit."
  type        = string
}

variable "failed_batches_queue_url" {
  description = "URL of the queue of failed batches, for the audit."
  type        = string
}

variable "failed_batches_queue_arn" {
  description = "ARN of that queue."
  type        = string
}

variable "anomaly_threshold_percent" {
  description = "The consumer's threshold, which the audit computes `anomaly` with."
  type        = number
  default     = 5
}
