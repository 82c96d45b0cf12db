variable "name" {
  description = "Name of the deployment, put into every Name tag."
  type        = string
}

variable "cidr_block" {
  description = "Addresses of the VPC; /16 to /24, divided into three public subnets."
  type        = string
  default     = "10.71.0.0/20"

  validation {
    condition     = can(cidrhost(var.cidr_block, 0)) && try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 24, false)
    error_message = "cidr_block must be an IPv4 range between /16 and /24."
  }
}

variable "flow_logs" {
  description = "Log every connection of the VPC to CloudWatch: evidence after an incident, for cents at one task."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow logs."
  type        = string
}

variable "zones" {
  description = "Three availability zones, or null for the first three of the region."
  type        = list(string)
  default     = null

  validation {
    condition     = var.zones == null || length(coalesce(var.zones, [])) == 3
    error_message = "zones must be null or name exactly three availability zones."
  }
}
