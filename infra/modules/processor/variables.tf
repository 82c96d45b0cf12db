variable "name" {
  description = "Name of the deployment; the function is NAME-consumer, its queue NAME-failed-batches."
  type        = string
}

variable "package_path" {
  description = "The deployment zip that `make lambda-zip` builds (arm64)."
  type        = string

  validation {
    condition     = endswith(var.package_path, ".zip")
    error_message = "package_path must name a .zip file; build it with `make lambda-zip`."
  }
}

variable "runtime" {
  description = "Python runtime of the function."
  type        = string
  default     = "python3.13"

  validation {
    condition     = contains(["python3.11", "python3.12", "python3.13"], var.runtime)
    error_message = "runtime must be python3.11, python3.12 or python3.13."
  }
}

variable "memory_mb" {
  description = "Memory in MiB; CPU comes in proportion, one core at 1,769."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb must be a whole number from 128 to 10240."
  }
}

variable "timeout_seconds" {
  description = "Seconds that one batch may take."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be from 1 to 900."
  }
}

variable "reserved_concurrency" {
  description = "Most invocations at once, or -1 for the account's pool. Shards times parallelization_factor is all that is ever used."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "reserved_concurrency must be -1 or at least 1."
  }
}

variable "batch_size" {
  description = "Most Kinesis records an invocation gets; each may hold many aggregated quotes."
  type        = number
  default     = 100

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000
    error_message = "batch_size must be from 1 to 10000."
  }
}

variable "batch_window_seconds" {
  description = "Seconds to wait for a full batch: fewer invocations for later quotes."
  type        = number
  default     = 5

  validation {
    condition     = var.batch_window_seconds >= 0 && var.batch_window_seconds <= 300
    error_message = "batch_window_seconds must be from 0 to 300."
  }
}

variable "parallelization_factor" {
  description = "Batches of one shard at once; order is kept per partition key."
  type        = number
  default     = 1

  validation {
    condition     = var.parallelization_factor >= 1 && var.parallelization_factor <= 10
    error_message = "parallelization_factor must be from 1 to 10."
  }
}

variable "maximum_retries" {
  description = "Times a failing batch is tried again before it goes to the queue; -1 is until maximum_record_age_seconds. What fails is a dependency, and ten tries are half a minute of its outage."
  type        = number
  default     = -1

  validation {
    condition     = var.maximum_retries >= -1 && var.maximum_retries <= 10000
    error_message = "maximum_retries must be from -1 to 10000."
  }
}

variable "maximum_record_age_seconds" {
  description = "Age at which a record that still fails goes to the queue. Below the stream's retention, or it is lost."
  type        = number
  default     = 43200

  validation {
    condition     = var.maximum_record_age_seconds >= 60 && var.maximum_record_age_seconds <= 604800
    error_message = "maximum_record_age_seconds must be from 60 to 604800."
  }
}

variable "shards" {
  description = "Shards of the stream when the deployment is made: they and parallelization_factor decide how many partitions the log has."
  type        = number
  default     = 1

  validation {
    condition     = var.shards >= 1 && var.shards <= 500 && floor(var.shards) == var.shards
    error_message = "shards must be a whole number from 1 to 500."
  }
}

variable "partitions" {
  description = "Partitions of the log, where the state that remembers them was lost; state/layout.json in the bucket has the number. null takes the next power of two from shards and parallelization_factor, 4 at least. Without effect after the first apply."
  type        = number
  default     = null

  validation {
    condition     = var.partitions == null || contains([for power in range(0, 11) : pow(2, power)], coalesce(var.partitions, 1))
    error_message = "partitions must be null or a power of two from 1 to 1024."
  }
}

variable "tidy_memory_mb" {
  description = "Memory of the nightly tidy in MiB; 1,769 is one core."
  type        = number
  default     = 1769

  validation {
    condition     = var.tidy_memory_mb >= 512 && var.tidy_memory_mb <= 10240 && floor(var.tidy_memory_mb) == var.tidy_memory_mb
    error_message = "tidy_memory_mb must be a whole number from 512 to 10240."
  }
}

variable "tidy_reserved_concurrency" {
  description = "Most runs of the tidy at once, or -1 for the account's pool. 1 keeps two runs apart; a new account with ten concurrent executions has none to reserve."
  type        = number
  default     = -1

  validation {
    condition     = var.tidy_reserved_concurrency == -1 || var.tidy_reserved_concurrency >= 1
    error_message = "tidy_reserved_concurrency must be -1 or at least 1."
  }
}

variable "starting_position" {
  description = "Where a new mapping starts: TRIM_HORIZON (the oldest record) or LATEST."
  type        = string
  default     = "TRIM_HORIZON"

  validation {
    condition     = contains(["TRIM_HORIZON", "LATEST"], var.starting_position)
    error_message = "starting_position must be TRIM_HORIZON or LATEST."
  }
}

variable "anomaly_threshold_percent" {
  description = "A change from the previous close beyond this many percent is an anomaly."
  type        = number
  default     = 5

  validation {
    condition     = var.anomaly_threshold_percent > 0 && var.anomaly_threshold_percent <= 1000
    error_message = "anomaly_threshold_percent must be above 0 and at most 1000."
  }
}

variable "hot_retention_days" {
  description = "Days after which DynamoDB drops quotes, candles and alerts; 0 keeps them for ever. The archive keeps the quotes either way."
  type        = number
  default     = 0

  validation {
    condition     = var.hot_retention_days >= 0 && var.hot_retention_days <= 36500 && floor(var.hot_retention_days) == var.hot_retention_days
    error_message = "hot_retention_days must be a whole number from 0 to 36500."
  }
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

variable "environment" {
  description = "Further STOCKSTREAM_* variables of the consumer; docs/settings.md lists them."
  type        = map(string)
  default     = {}
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts the queue, the logs and the function's environment."
  type        = string
}

variable "stream_arn" {
  description = "ARN of the stream that the function reads."
  type        = string
}

variable "table_names" {
  description = "Names of the tables by role: quotes, candles, alerts."
  type        = map(string)
}

variable "table_arns" {
  description = "ARNs of the tables by role."
  type        = map(string)
}

variable "archive_bucket" {
  description = "Name of the archive's bucket."
  type        = string
}

variable "archive_bucket_arn" {
  description = "ARN of the archive's bucket."
  type        = string
}

variable "alerts_topic_arn" {
  description = "ARN of the topic of market alerts."
  type        = string
}
