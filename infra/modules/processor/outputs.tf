output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "log_group_name" {
  description = "Log group of the function."
  value       = aws_cloudwatch_log_group.this.name
}

output "failed_batches_queue_name" {
  description = "Name of the queue of batches that Lambda gave up on."
  value       = aws_sqs_queue.failed_batches.name
}

output "failed_batches_queue_url" {
  description = "URL of that queue, for `stockstream redrive`."
  value       = aws_sqs_queue.failed_batches.url
}

output "failed_batches_queue_arn" {
  description = "ARN of that queue."
  value       = aws_sqs_queue.failed_batches.arn
}

output "tidy_function_name" {
  description = "Name of the nightly tidy."
  value       = aws_lambda_function.tidy.function_name
}

output "tidy_function_arn" {
  description = "ARN of the nightly tidy."
  value       = aws_lambda_function.tidy.arn
}

output "tidy_role_arn" {
  description = "ARN of the tidy's role, the only one that may delete under raw/ and state/."
  value       = aws_iam_role.tidy.arn
}

output "tidy_log_group_name" {
  description = "Log group of the tidy."
  value       = aws_cloudwatch_log_group.tidy.name
}

output "partitions" {
  description = "Partitions of the log, as decided when the deployment was made."
  value       = terraform_data.partitions.output
}
