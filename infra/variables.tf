# --- what every user decides --------------------------------------------------------------------------------------

variable "region" {
  description = "AWS region of everything."
  type        = string

  validation {
    # The patterns of AWS's partitions, as botocore has them.
    condition     = can(regex("^((us|eu|ap|sa|ca|me|af|il|mx)|cn|us-gov|us-iso|us-isob|us-isof|eu-isoe|eusc-de)-[a-z]+-[0-9]+$", var.region))
    error_message = "region must be an AWS region such as us-east-1, us-gov-west-1 or eusc-de-east-1."
  }
}

variable "symbols" {
  description = "Symbols to follow, as Yahoo spells them."
  type        = list(string)
  default     = ["AAPL"]
}

variable "alert_email_addresses" {
  description = "Receive market alerts by email; each address must confirm once."
  type        = set(string)
  default     = []
}

variable "image_tag" {
  description = "Tag of the service's image in the repository that this makes. null makes the repository and no service: the first apply, before there is an image."
  type        = string
  default     = null
}

# --- what some decide ----------------------------------------------------------------------------------------------

variable "name" {
  description = "Name of the deployment: in the name of everything it makes and a dimension of its metrics. Two in one account and region need two names."
  type        = string
  default     = "stockstream"

  # A bucket's name has 63 characters, and ours carries the account and the region too.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name must be 2 to 24 of a-z 0-9 -, starting with a letter."
  }
}

variable "tags" {
  description = "Further tags of everything."
  type        = map(string)
  default     = {}
}

variable "table_prefix" {
  description = "Put before the names of the DynamoDB tables. null is nothing for the deployment called stockstream and NAME- for any other."
  type        = string
  default     = null
}

variable "alert_phone_numbers" {
  description = "Receive market alerts by SMS, in E.164 form."
  type        = set(string)
  default     = []
}

variable "sms_severities" {
  description = "Severities that are worth an SMS: info, warning, critical."
  type        = set(string)
  default     = ["info", "warning", "critical"]
}

variable "notify_urls" {
  description = "Hand market alerts to these, as Apprise writes them: ntfys://TOPIC, tgram://TOKEN/CHAT, slack://…, mailtos://… (docs/phone.md)."
  type        = list(string)
  default     = []
  sensitive   = true
}

variable "webhook_url" {
  description = "Post market alerts to this https URL as JSON; null posts none."
  type        = string
  default     = null
  sensitive   = true
}

variable "webhook_secret" {
  description = "Signs each post to the webhook (HMAC-SHA256); empty signs none."
  type        = string
  default     = ""
  sensitive   = true
}

variable "operator_email_addresses" {
  description = "Receive alarms about the pipeline itself by email."
  type        = set(string)
  default     = []
}

variable "source_name" {
  description = "Where quotes come from; docs/settings.md says what each source gives."
  type        = string
  default     = "yahoo"
}

variable "poll_interval_seconds" {
  description = "Seconds between two polls of the source."
  type        = number
  default     = 30
}

variable "extended_hours" {
  description = "Poll in pre-market and post-market hours too."
  type        = bool
  default     = false
}

variable "producer_environment" {
  description = "Further STOCKSTREAM_* variables of the service."
  type        = map(string)
  default     = {}
}

variable "producer_secrets" {
  description = "Variables of the service that are secrets: name to the ARN of a secret in Secrets Manager or of a parameter in SSM (docs/alpaca.md)."
  type        = map(string)
  default     = {}
}

variable "consumer_environment" {
  description = "Further STOCKSTREAM_* variables of the consumer."
  type        = map(string)
  default     = {}
}

variable "lambda_package_path" {
  description = "The consumer's zip, built by `make lambda-zip`. null takes build/stockstream-consumer-arm64.zip of this checkout."
  type        = string
  default     = null
}

variable "notifier_package_path" {
  description = "The notifier's zip, built by `make lambda-zip`. null takes build/stockstream-notifier-arm64.zip of this checkout."
  type        = string
  default     = null
}

variable "producer_count" {
  description = "Services that share the watchlist; one that dies is taken over from within 15 s. See docs/workers.md."
  type        = number
  default     = 1

  validation {
    condition     = var.producer_count >= 1 && var.producer_count <= 100 && floor(var.producer_count) == var.producer_count
    error_message = "producer_count must be a whole number from 1 to 100."
  }
}

variable "spot" {
  description = "Run the service on Fargate Spot."
  type        = bool
  default     = false
}

variable "outbox_on_efs" {
  description = "Keep the outbox on EFS, so that accepted quotes outlive the task."
  type        = bool
  default     = true
}

variable "schedule" {
  description = "Run the service only between these times; null runs it always. See modules/producer."
  type = object({
    start       = string
    expected_by = string
    stop        = string
    timezone    = string
  })
  default = null
}

variable "stream_mode" {
  description = "PROVISIONED or ON_DEMAND."
  type        = string
  default     = "PROVISIONED"
}

variable "shards" {
  description = "Shards of a provisioned stream."
  type        = number
  default     = 1
}

variable "retention_hours" {
  description = "Hours that Kinesis keeps records."
  type        = number
  default     = 24
}

variable "batch_size" {
  description = "Most Kinesis records in an invocation of the consumer."
  type        = number
  default     = 100
}

variable "batch_window_seconds" {
  description = "Seconds that Lambda waits for a full batch."
  type        = number
  default     = 5
}

variable "parallelization_factor" {
  description = "Batches of one shard at once."
  type        = number
  default     = 1
}

variable "partitions" {
  description = "Partitions of the log, where the state that remembers them was lost; null decides them on the first apply. See modules/processor."
  type        = number
  default     = null
}

variable "maximum_retries" {
  description = "Times a failing batch is tried again; -1 is until maximum_record_age_seconds."
  type        = number
  default     = -1
}

variable "maximum_record_age_seconds" {
  description = "Age at which a record that still fails goes to the queue of failed batches."
  type        = number
  default     = 43200

  # The queue holds positions, not records: a record that has left the stream cannot be redriven.
  validation {
    condition     = var.maximum_record_age_seconds < var.retention_hours * 3600
    error_message = "maximum_record_age_seconds must be below retention_hours (in seconds), so that a failed batch can still be read."
  }
}

variable "anomaly_threshold_percent" {
  description = "A change from the previous close beyond this many percent is an anomaly."
  type        = number
  default     = 5
}

variable "hot_retention_days" {
  description = "Days after which DynamoDB drops quotes, candles and alerts; 0 keeps them for ever."
  type        = number
  default     = 0
}

variable "provisioned_capacity" {
  description = "Provision `quotes` and `candles` between start and stop, cron(...) expressions in their time zone, in place of paying on demand. Units that are not given follow from symbols and poll_interval_seconds. Not for yahoo-stream, whose flow is the market's."
  type = object({
    start               = string
    stop                = string
    timezone            = string
    quotes_write_units  = optional(number)
    candles_write_units = optional(number)
    quotes_read_units   = optional(number)
    candles_read_units  = optional(number)
  })
  default = null
}

variable "point_in_time_recovery" {
  description = "Continuous backups of the tables."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Refuse to delete the tables."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete buckets and images that are still there."
  type        = bool
  default     = false
}

variable "parquet_expiration_days" {
  description = "Days after which the Parquet of `parquet_delivery` is deleted; 0 keeps it for ever. The log under raw/ never expires."
  type        = number
  default     = 0
}

variable "scan_limit_bytes" {
  description = "Most bytes that one Athena query may scan."
  type        = number
  default     = 10737418240
}

variable "parquet_delivery" {
  description = "Let Firehose write Parquet beside the raw archive."
  type        = bool
  default     = false
}

variable "warehouse" {
  description = "Make a Redshift Serverless warehouse that loads the Parquet. Costs from the first load on; see docs/cost.md."
  type        = bool
  default     = false

  validation {
    condition     = !var.warehouse || var.parquet_delivery
    error_message = "warehouse needs parquet_delivery = true: it loads what Firehose writes."
  }
}

variable "warehouse_monthly_rpu_hours" {
  description = "RPU-hours a month after which the warehouse stops taking queries."
  type        = number
  default     = 60
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's: 1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1096 1827 2192 2557 2922 3288 3653."
  }
}

variable "log_level" {
  description = "Lowest level that service and consumer log."
  type        = string
  default     = "info"
}

variable "monthly_budget_usd" {
  description = "Monthly cost of the account, in USD, that raises a notice; 0 makes no budget."
  type        = number
  default     = 0
}

variable "flow_logs" {
  description = "Log every connection of the VPC."
  type        = bool
  default     = true
}
