variable "name" {
  description = "Name of the deployment; the function is NAME-notifier."
  type        = string
}

variable "package_path" {
  description = "The consumer's zip, which holds the notifier too."
  type        = string
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

variable "url" {
  description = "Where alerts are posted: an https URL. It is a secret where it carries a token."
  type        = string
  sensitive   = true

  validation {
    condition     = startswith(var.url, "https://")
    error_message = "url must be an https URL."
  }
}

variable "shape" {
  description = "What the receiver expects: generic, slack, discord or telegram."
  type        = string
  default     = "generic"

  validation {
    condition     = contains(["generic", "slack", "discord", "telegram"], var.shape)
    error_message = "shape must be generic, slack, discord or telegram."
  }
}

variable "telegram_chat_id" {
  description = "Chat of the bot, for the telegram shape."
  type        = string
  default     = ""
}

variable "secret" {
  description = "Signs each post (HMAC-SHA256); empty signs none."
  type        = string
  default     = ""
  sensitive   = true
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

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts logs, environment and queue."
  type        = string
}

variable "alerts_topic_arn" {
  description = "Topic whose alerts are posted."
  type        = string
}
