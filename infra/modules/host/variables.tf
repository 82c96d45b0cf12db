variable "name" {
  description = "Name of the deployment: the repository and the cluster are called so, the log group /ecs/NAME."
  type        = string
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the repository with images in it."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts images and logs."
  type        = string
}
