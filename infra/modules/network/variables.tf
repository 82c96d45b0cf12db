variable "name" {
  description = "Name of the deployment, put into every Name tag."
  type        = string
}

variable "cidr_block" {
  description = "Addresses of the VPC; /16 to /24, divided into a public subnet a zone."
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
  description = "Two or three availability zones, or null for the first three of the region (two where it has two). Without effect after the first apply."
  type        = list(string)
  default     = null

  validation {
    condition     = var.zones == null || contains([2, 3], length(coalesce(var.zones, [])))
    error_message = "zones must be null or name two or three availability zones."
  }
}
