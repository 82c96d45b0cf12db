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
