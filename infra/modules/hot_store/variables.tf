variable "table_prefix" {
  description = "Put before the names of the tables, for accounts that have a table called `quotes` already."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{0,40}$", var.table_prefix))
    error_message = "table_prefix must be 0 to 40 of a-z A-Z 0-9 _ . -."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the tables."
  type        = string
}

variable "point_in_time_recovery" {
  description = "Keep 35 days of continuous backups. The archive in S3 can rebuild the tables too, but slower."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Refuse to delete the tables. Set to false before `terraform destroy`."
  type        = bool
  default     = true
}

variable "provisioned_capacity" {
  description = "Units that `quotes` and `candles` keep ready between start and stop, cron expressions of Application Auto Scaling in their time zone; null bills both on demand."
  type = object({
    start               = string
    stop                = string
    timezone            = string
    quotes_write_units  = number
    candles_write_units = number
    quotes_read_units   = number
    candles_read_units  = number
  })
  default = null

  validation {
    condition     = var.provisioned_capacity == null || alltrue([for text in [try(var.provisioned_capacity.start, ""), try(var.provisioned_capacity.stop, "")] : can(regex("^cron\\(.+\\)$", text))])
    error_message = "provisioned_capacity.start and .stop must be cron(...) expressions."
  }

  validation {
    condition     = var.provisioned_capacity == null || alltrue([for units in [try(var.provisioned_capacity.quotes_write_units, 0), try(var.provisioned_capacity.candles_write_units, 0), try(var.provisioned_capacity.quotes_read_units, 0), try(var.provisioned_capacity.candles_read_units, 0)] : units >= 1 && floor(units) == units])
    error_message = "provisioned_capacity needs whole units of at least 1."
  }
}
