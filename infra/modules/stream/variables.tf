variable "name" {
  description = "Name of the data stream."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,128}$", var.name))
    error_message = "name must be 1 to 128 of a-z A-Z 0-9 _ . -."
  }
}

variable "mode" {
  description = "PROVISIONED (pay per shard and hour) or ON_DEMAND (pay per stream and per gigabyte)."
  type        = string
  default     = "PROVISIONED"

  validation {
    condition     = contains(["PROVISIONED", "ON_DEMAND"], var.mode)
    error_message = "mode must be PROVISIONED or ON_DEMAND."
  }
}

variable "shards" {
  description = "Shards of a provisioned stream; each takes 1 MB/s or 1,000 records/s. Without effect on demand."
  type        = number
  default     = 1

  validation {
    condition     = var.shards >= 1 && var.shards <= 500 && floor(var.shards) == var.shards
    error_message = "shards must be a whole number from 1 to 500."
  }
}

variable "retention_hours" {
  description = "Hours that a record stays readable: how long the consumer may be broken before quotes are lost."
  type        = number
  default     = 24

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760 && floor(var.retention_hours) == var.retention_hours
    error_message = "retention_hours must be a whole number from 24 to 8760."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the records."
  type        = string
}
