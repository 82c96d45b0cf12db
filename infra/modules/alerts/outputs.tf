output "alerts_topic_arn" {
  description = "ARN of the topic of market alerts."
  value       = aws_sns_topic.this["alerts"].arn
}

output "operations_topic_arn" {
  description = "ARN of the topic of alarms about the pipeline."
  value       = aws_sns_topic.this["operations"].arn
}
