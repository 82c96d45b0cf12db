output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "undelivered_queue_name" {
  description = "Queue of alerts that a receiver did not take."
  value       = aws_sqs_queue.undelivered.name
}
