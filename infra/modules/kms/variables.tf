variable "name" {
  description = "Name of the deployment; the key's alias is alias/NAME."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name must be 2 to 24 of a-z 0-9 -, starting with a letter."
  }
}

variable "deletion_window_days" {
  description = "Days between the key's destruction and the point where nothing it encrypted can be read."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days must be from 7 to 30."
  }
}
