variable "name" {
  description = "Name of the deployment; the buckets are NAME-archive-ACCOUNT-REGION and NAME-athena-ACCOUNT-REGION."
  type        = string
}

variable "athena_dir" {
  description = "Folder of the table definitions and the queries: the project's athena/."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the buckets and the query results."
  type        = string
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete a bucket that still holds objects."
  type        = bool
  default     = false
}

variable "parquet_expiration_days" {
  description = "Days after which the Parquet under quotes/ is deleted; 0 keeps it for ever. The log under raw/ never expires: it is what the tables are made from."
  type        = number
  default     = 0

  validation {
    condition     = var.parquet_expiration_days == 0 || var.parquet_expiration_days >= 30
    error_message = "parquet_expiration_days must be 0 (keep for ever) or at least 30."
  }
}

variable "tidy_role_arn" {
  description = "Role of the nightly tidy, the only one that may delete under raw/ and state/."
  type        = string
}

variable "quarantine_expiration_days" {
  description = "Days after which bad records are deleted: time enough to look at them."
  type        = number
  default     = 90

  validation {
    condition     = var.quarantine_expiration_days >= 7
    error_message = "quarantine_expiration_days must be at least 7."
  }
}

variable "first_event_date" {
  description = "Oldest event day that stock_data_by_day can see. Athena shows no row before it, without an error."
  type        = string
  default     = "2000-01-01"

  validation {
    condition     = can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", var.first_event_date))
    error_message = "first_event_date must have the form 2000-01-01."
  }
}

variable "first_delivery_date" {
  description = "Oldest delivery day that the Parquet table `quotes` can see: the day of the first deployment, or earlier."
  type        = string
  default     = "2026-01-01"

  validation {
    condition     = can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", var.first_delivery_date))
    error_message = "first_delivery_date must have the form 2026-01-01."
  }
}

variable "scan_limit_bytes" {
  description = "Most bytes that one query may scan before Athena cancels it: the bound on its cost (5 USD a terabyte)."
  type        = number
  default     = 10737418240

  validation {
    condition     = var.scan_limit_bytes >= 10485760
    error_message = "scan_limit_bytes must be at least 10485760 (10 MiB), Athena's smallest."
  }
}

variable "redshift_loads" {
  description = "Let Redshift watch the archive bucket for new files (S3 event integration)."
  type        = bool
  default     = false
}
