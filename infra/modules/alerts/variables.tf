variable "name" {
  description = "Name of the deployment; the topics are NAME-alerts and NAME-operations."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name must be 2 to 31 of a-z 0-9 -, starting with a letter."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the topics."
  type        = string
}

variable "email_addresses" {
  description = "Receive market alerts by email; each address must confirm once."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.email_addresses : can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", address))])
    error_message = "email_addresses must be addresses of the form name@host.domain."
  }
}

variable "phone_numbers" {
  description = "Receive market alerts by SMS, in E.164 form (+14155550123). Each message costs; see docs/cost.md."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for number in var.phone_numbers : can(regex("^[+][1-9][0-9]{6,14}$", number))])
    error_message = "phone_numbers must be in E.164 form: + and 7 to 15 digits, the first not 0."
  }
}

variable "sms_severities" {
  description = "Severities that are worth an SMS: info (the published threshold), warning (twice), critical (three times)."
  type        = set(string)
  default     = ["info", "warning", "critical"]

  validation {
    condition     = length(var.sms_severities) > 0 && length(setsubtract(var.sms_severities, ["info", "warning", "critical"])) == 0
    error_message = "sms_severities must be at least one of info, warning, critical."
  }
}

variable "operator_email_addresses" {
  description = "Receive alarms about the pipeline itself by email."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.operator_email_addresses : can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", address))])
    error_message = "operator_email_addresses must be addresses of the form name@host.domain."
  }
}
