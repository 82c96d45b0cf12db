variable "name" {
  description = "Name of the deployment; namespace and workgroup carry it."
  type        = string
}

variable "base_capacity_rpus" {
  description = "Redshift processing units while a query or a load runs; billed per second, a minute at least."
  type        = number
  default     = 8

  validation {
    condition     = var.base_capacity_rpus == 4 || (var.base_capacity_rpus >= 8 && var.base_capacity_rpus <= 512 && var.base_capacity_rpus % 8 == 0)
    error_message = "base_capacity_rpus must be 4, or a multiple of 8 from 8 to 512."
  }
}

variable "monthly_rpu_hours" {
  description = "RPU-hours a month after which the workgroup stops taking queries: the bound on its cost (about 0.375 USD each)."
  type        = number
  default     = 60

  validation {
    condition     = var.monthly_rpu_hours >= 1 && floor(var.monthly_rpu_hours) == var.monthly_rpu_hours
    error_message = "monthly_rpu_hours must be a whole number of at least 1."
  }
}

variable "database" {
  description = "First database of the namespace."
  type        = string
  default     = "market"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database))
    error_message = "database must be 1 to 63 of a-z 0-9 _, starting with a letter."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the namespace and its password."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the workgroup."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the workgroup, in three zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 3
    error_message = "subnet_ids must be at least three, each in a zone of its own: Redshift Serverless asks for that."
  }
}

variable "archive_bucket" {
  description = "Name of the bucket that Firehose writes."
  type        = string
}

variable "archive_bucket_arn" {
  description = "ARN of that bucket."
  type        = string
}

variable "columns" {
  description = "Columns of a quote in the order of the Parquet files, with their Hive types."
  type = list(object({
    name    = string
    type    = string
    comment = string
  }))
}
