output "table_names" {
  description = "Name of each table, by its role: quotes, candles, alerts."
  value       = { for role, table in aws_dynamodb_table.this : role => table.name }
}

output "table_arns" {
  description = "ARN of each table, by its role."
  value       = { for role, table in aws_dynamodb_table.this : role => table.arn }
}
