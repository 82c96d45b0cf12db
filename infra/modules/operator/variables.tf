variable "name" {
  description = "Name of the deployment; the policies are NAME-operator and NAME-rebuild, each with the region."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that everything is encrypted with."
  type        = string
}

variable "stream_arn" {
  description = "ARN of the stream."
  type        = string
}

variable "table_arns" {
  description = "ARNs of the tables by role."
  type        = map(string)
}

variable "archive_bucket_arn" {
  description = "ARN of the archive's bucket."
  type        = string
}

variable "alerts_topic_arn" {
  description = "ARN of the topic of market alerts."
  type        = string
}

variable "failed_batches_queue_arn" {
  description = "ARN of the queue of failed batches."
  type        = string
}

variable "tidy_function_arn" {
  description = "ARN of the nightly tidy."
  type        = string
}

variable "workers_table_arns" {
  description = "ARN of the table of workers' heartbeats, where there is one."
  type        = list(string)
  default     = []
}
