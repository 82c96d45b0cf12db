variable "name" {
  description = "Name of the deployment; the delivery stream is NAME-parquet."
  type        = string
}

variable "buffer_seconds" {
  description = "Seconds that Firehose gathers quotes before it writes a file."
  type        = number
  default     = 300

  validation {
    condition     = var.buffer_seconds >= 60 && var.buffer_seconds <= 900
    error_message = "buffer_seconds must be from 60 to 900."
  }
}

variable "buffer_mb" {
  description = "Megabytes after which Firehose writes a file earlier; the conversion to Parquet needs 64 at least."
  type        = number
  default     = 128

  validation {
    condition     = var.buffer_mb >= 64 && var.buffer_mb <= 128
    error_message = "buffer_mb must be from 64 to 128."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts stream, bucket and logs."
  type        = string
}

variable "stream_arn" {
  description = "ARN of the stream that Firehose reads."
  type        = string
}

variable "archive_bucket_arn" {
  description = "ARN of the bucket that Firehose writes."
  type        = string
}

variable "database_name" {
  description = "Glue database of the table whose columns Firehose writes."
  type        = string
}

variable "database_arn" {
  description = "ARN of that database."
  type        = string
}

variable "table_name" {
  description = "Glue table whose columns Firehose writes."
  type        = string
}

variable "table_arn" {
  description = "ARN of that table."
  type        = string
}
