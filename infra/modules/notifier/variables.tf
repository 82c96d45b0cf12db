variable "name" {
  description = "Name of the deployment; the function is NAME-notifier."
  type        = string
}

variable "package_path" {
  description = "The notifier's own zip: the consumer's holds no Apprise."
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

variable "notify_urls" {
  description = "Where alerts go, as Apprise writes it: ntfys://TOPIC, tgram://TOKEN/CHAT, slack://…, mailtos://…. Secrets."
  type        = list(string)
  default     = []
  sensitive   = true

  validation {
    condition     = length(var.notify_urls) <= 20 && alltrue([for url in var.notify_urls : can(regex("^[a-z0-9]+://[^[:space:]]+$", url))])
    error_message = "notify_urls must be at most 20 URLs of Apprise without blanks: scheme://…"
  }
}

variable "webhook_url" {
  description = "A receiver of JSON, beside them: an https URL. It is a secret where it carries a token. null: none."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.webhook_url == null || startswith(coalesce(var.webhook_url, "-"), "https://")
    error_message = "webhook_url must be an https URL."
  }
}

variable "webhook_secret" {
  description = "Signs each post to the webhook (HMAC-SHA256); empty signs none."
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
