output "stream_name" {
  description = "Kinesis data stream."
  value       = module.stream.name
}

output "stream_arn" {
  description = "ARN of the stream."
  value       = module.stream.arn
}

output "table_names" {
  description = "DynamoDB tables by role: quotes, candles, alerts."
  value       = module.hot_store.table_names
}

output "provisioned_units" {
  description = "Units that the tables keep ready in market hours, by role; null where they are billed on demand."
  value       = local.provisioned_units
}

output "archive_bucket" {
  description = "Bucket of the archive."
  value       = module.lake.archive_bucket
}

output "athena" {
  description = "Where to run queries: database and workgroup."
  value       = { database = module.lake.database_name, workgroup = module.lake.workgroup_name }
}

output "named_query_names" {
  description = "Queries saved in the workgroup."
  value       = module.lake.named_query_names
}

output "alerts_topic_arn" {
  description = "Topic of market alerts."
  value       = module.alerts.alerts_topic_arn
}

output "operations_topic_arn" {
  description = "Topic of alarms about the pipeline."
  value       = module.alerts.operations_topic_arn
}

output "failed_batches_queue_url" {
  description = "Queue of batches that Lambda gave up on, for `stockstream redrive`."
  value       = module.processor.failed_batches_queue_url
}

output "tidy_function_name" {
  description = "The nightly tidy."
  value       = module.processor.tidy_function_name
}

output "partitions" {
  description = "Partitions of the log."
  value       = module.processor.partitions
}

output "consumer_function_name" {
  description = "The Lambda function."
  value       = module.processor.function_name
}

output "repository_url" {
  description = "Where to push the service's image."
  value       = module.host.repository_url
}

output "service" {
  description = "ECS cluster, service, and what `aws ecs run-task` needs for an audit; null before there is an image."
  value = var.image_tag == null ? null : {
    cluster        = module.host.cluster_name
    service        = module.producer[0].service_name
    audit_task     = module.producer[0].audit_task_family
    subnets        = join(",", module.network.subnet_ids)
    security_group = module.producer[0].security_group_id
  }
}

output "operator_policy_arn" {
  description = "Policy for whoever runs `stockstream doctor`, `redrive`, `backfill` and `query`; attach it to their role."
  value       = module.operator.policy_arn
}

output "rebuild_policy_arn" {
  description = "Policy for whoever runs `stockstream rebuild`, or calls the tidy; it overwrites tables, so not for every day."
  value       = module.operator.rebuild_policy_arn
}

output "operator_environment" {
  description = "Variables for running `stockstream doctor`, `audit`, `redrive` and `query` against this deployment."
  value = {
    AWS_REGION                            = var.region
    STOCKSTREAM_STREAM                    = module.stream.name
    STOCKSTREAM_QUOTES_TABLE              = module.hot_store.table_names["quotes"]
    STOCKSTREAM_CANDLES_TABLE             = module.hot_store.table_names["candles"]
    STOCKSTREAM_ALERTS_TABLE              = module.hot_store.table_names["alerts"]
    STOCKSTREAM_ARCHIVE_BUCKET            = module.lake.archive_bucket
    STOCKSTREAM_ALERTS_TOPIC_ARN          = module.alerts.alerts_topic_arn
    STOCKSTREAM_FAILED_BATCHES_QUEUE_URL  = module.processor.failed_batches_queue_url
    STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT = tostring(var.anomaly_threshold_percent)
    STOCKSTREAM_RETENTION_DAYS            = tostring(var.hot_retention_days)
    STOCKSTREAM_DEPLOYMENT                = var.name
    STOCKSTREAM_WORKERS                   = var.producer_count > 1 ? "auto" : "off"
    STOCKSTREAM_WORKERS_TABLE             = "${local.table_prefix}workers"
  }
}

output "dashboard_name" {
  description = "CloudWatch dashboard."
  value       = module.observability.dashboard_name
}

output "alarm_names" {
  description = "CloudWatch alarms; docs/operations.md has a paragraph on each."
  value       = module.observability.alarm_names
}

output "warehouse" {
  description = "Redshift workgroup, database and the statements to run once; null where there is none."
  value       = var.warehouse ? { workgroup = module.warehouse[0].workgroup_name, database = module.warehouse[0].database, setup_sql = module.warehouse[0].setup_sql } : null
}
