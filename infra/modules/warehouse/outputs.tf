output "workgroup_name" {
  description = "Redshift Serverless workgroup."
  value       = aws_redshiftserverless_workgroup.this.workgroup_name
}

output "database" {
  description = "Database to connect to."
  value       = aws_redshiftserverless_namespace.this.db_name
}

output "setup_sql" {
  description = "Statements to run once, in order: the table, the copy job, the view."
  value       = local.setup_sql
}

output "role_arn" {
  description = "ARN of the role that loads."
  value       = aws_iam_role.this.arn
}
