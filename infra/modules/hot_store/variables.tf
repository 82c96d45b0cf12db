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
