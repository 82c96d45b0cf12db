variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the repository with images in it."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string
}
