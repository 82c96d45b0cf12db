output "service_name" {
  description = "ECS service."
  value       = aws_ecs_service.this.name
}

output "task_role_arn" {
  description = "ARN of the role of the service."
  value       = aws_iam_role.task.arn
}

output "security_group_id" {
  description = "Security group of the task; it has no ingress rule."
  value       = aws_security_group.this.id
}

output "environment" {
  description = "The environment that the service gets."
  value       = local.environment
}

output "audit_task_family" {
  description = "Task definition of the audit, or null without EFS."
  value       = one(aws_ecs_task_definition.audit[*].family)
}

output "workers_table_arn" {
  description = "ARN of the table of heartbeats, or null where one service runs alone."
  value       = one(aws_dynamodb_table.workers[*].arn)
}

output "workers_table_name" {
  description = "Name of that table, or null."
  value       = one(aws_dynamodb_table.workers[*].name)
}
