output "archive_bucket" {
  description = "Name of the archive's bucket."
  value       = aws_s3_bucket.this["archive"].id
}

output "archive_bucket_arn" {
  description = "ARN of the archive's bucket."
  value       = aws_s3_bucket.this["archive"].arn
}

output "database_name" {
  description = "Glue database."
  value       = aws_glue_catalog_database.this.name
}

output "database_arn" {
  description = "ARN of the Glue database."
  value       = aws_glue_catalog_database.this.arn
}

output "parquet_table_name" {
  description = "Glue table whose columns Firehose writes."
  value       = aws_glue_catalog_table.quotes.name
}

output "parquet_table_arn" {
  description = "ARN of that table."
  value       = aws_glue_catalog_table.quotes.arn
}

output "columns" {
  description = "Columns of a quote: name, type, comment."
  value       = local.columns
}

output "workgroup_name" {
  description = "Athena workgroup."
  value       = aws_athena_workgroup.this.name
}

output "named_query_names" {
  description = "Names of the saved queries."
  value       = sort(keys(aws_athena_named_query.this))
}
