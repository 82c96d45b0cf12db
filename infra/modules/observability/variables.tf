variable "name" {
  description = "Name of the deployment; alarms and dashboard carry it."
  type        = string
}

variable "producer_count" {
  description = "Services that report a heartbeat; with fewer the alarm rings."
  type        = number
  default     = 1
}

variable "operations_topic_arn" {
  description = "Topic that alarms publish to."
  type        = string
}

variable "stream_name" {
  description = "Name of the data stream."
  type        = string
}

variable "function_name" {
  description = "Name of the consumer."
  type        = string
}

variable "tidy_function_name" {
  description = "Name of the nightly tidy."
  type        = string
}

variable "failed_batches_queue_name" {
  description = "Name of the queue of batches that Lambda gave up on."
  type        = string
}

variable "table_names" {
  description = "Names of the tables by role."
  type        = map(string)
}

variable "delivery_stream_name" {
  description = "Name of the Firehose stream, or null where there is none."
  type        = string
  default     = null
}

variable "parquet_delivery" {
  description = "Whether there is a Firehose stream to watch."
  type        = bool
  default     = false
}

variable "has_notifier" {
  description = "Whether there is a notifier to watch."
  type        = bool
  default     = false
}

variable "undelivered_queue_name" {
  description = "Queue of alerts that a receiver did not take, or null where there is none."
  type        = string
  default     = null
}

variable "consumer_log_group_name" {
  description = "Log group of the consumer."
  type        = string
}

variable "tidy_log_group_name" {
  description = "Log group of the tidy."
  type        = string
}

variable "producer_log_group_name" {
  description = "Log group of the service."
  type        = string
}

variable "iterator_age_seconds" {
  description = "Age of the oldest unread record beyond which the consumer is behind."
  type        = number
  default     = 300

  validation {
    condition     = var.iterator_age_seconds >= 60 && var.iterator_age_seconds <= 86400
    error_message = "iterator_age_seconds must be from 60 to 86400."
  }
}

variable "outbox_age_seconds" {
  description = "Age of the oldest unsent quote beyond which Kinesis is not taking them."
  type        = number
  default     = 300

  validation {
    condition     = var.outbox_age_seconds >= 60 && var.outbox_age_seconds <= 86400
    error_message = "outbox_age_seconds must be from 60 to 86400."
  }
}

variable "log_conflicts" {
  description = "Lost appends in five minutes beyond which writers of a partition get in each other's way. Two writers lose one in a hundred."
  type        = number
  default     = 100

  validation {
    condition     = var.log_conflicts >= 1
    error_message = "log_conflicts must be at least 1."
  }
}

variable "entries_recovered" {
  description = "Entries of the log found unfinished in five minutes that tell of dying containers; a deployment of new code leaves a few."
  type        = number
  default     = 20

  validation {
    condition     = var.entries_recovered >= 1
    error_message = "entries_recovered must be at least 1."
  }
}

variable "checkpoint_age_revisions" {
  description = "Revisions since a partition's checkpoint beyond which checkpoints are not written any more; they are due every 32."
  type        = number
  default     = 128

  validation {
    condition     = var.checkpoint_age_revisions >= 64
    error_message = "checkpoint_age_revisions must be at least 64, twice the usual distance."
  }
}

variable "quarantine_records" {
  description = "Bad records in five minutes that are worth a look."
  type        = number
  default     = 1

  validation {
    condition     = var.quarantine_records >= 1
    error_message = "quarantine_records must be at least 1."
  }
}

variable "delivery_freshness_seconds" {
  description = "Age of the oldest quote that Firehose has not delivered; above its buffer_seconds."
  type        = number
  default     = 1800

  validation {
    condition     = var.delivery_freshness_seconds >= 900
    error_message = "delivery_freshness_seconds must be at least 900, Firehose's longest buffer."
  }
}

variable "monthly_budget_usd" {
  description = "Monthly cost of the whole account, in USD, whose forecast or arrival raises a notice; 0 makes no budget."
  type        = number
  default     = 0

  validation {
    condition     = var.monthly_budget_usd >= 0
    error_message = "monthly_budget_usd must be 0 (none) or more."
  }
}
