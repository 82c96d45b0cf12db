# Who depends on whom: the key first, then what holds data, then what moves it, then what watches.

locals {
  # The first deployment of an account has the published names; one beside it does not take them away.
  table_prefix          = var.table_prefix != null ? var.table_prefix : var.name == "stockstream" ? "" : "${var.name}-"
  lambda_package_path   = coalesce(var.lambda_package_path, "${path.root}/../build/stockstream-consumer-arm64.zip")
  notifier_package_path = coalesce(var.notifier_package_path, "${path.root}/../build/stockstream-notifier-arm64.zip")
  # Whether there is one is no secret.
  has_notifier = nonsensitive(var.webhook_url != null || length(var.notify_urls) > 0)
  # What AWS starts an on-demand stream with.
  on_demand_shards = 4

  # From the watchlist: an even flow of polls (they are spread over 80% of the interval) at 90% of the units, and for the
  # candles, which close together, 1.75 times 1.25 times their mean.
  quotes_a_second  = length(var.symbols) / (var.poll_interval_seconds * 0.8)
  candles_a_second = length(var.symbols) * (1 / 300 + 1 / 3600)
  provisioned_capacity = var.provisioned_capacity == null ? null : {
    start               = var.provisioned_capacity.start
    stop                = var.provisioned_capacity.stop
    timezone            = var.provisioned_capacity.timezone
    quotes_write_units  = coalesce(var.provisioned_capacity.quotes_write_units, max(1, ceil(local.quotes_a_second / 0.9)))
    candles_write_units = coalesce(var.provisioned_capacity.candles_write_units, max(1, ceil(1.75 * 1.25 * local.candles_a_second)))
    quotes_read_units   = coalesce(var.provisioned_capacity.quotes_read_units, 25)
    candles_read_units  = coalesce(var.provisioned_capacity.candles_read_units, 5)
  }
  provisioned_units = local.provisioned_capacity == null ? null : {
    for role in ["quotes", "candles"] : role => { for kind in ["read", "write"] : kind => local.provisioned_capacity["${role}_${kind}_units"] }
  }
}

module "kms" {
  source = "./modules/kms"

  name = var.name
}

module "stream" {
  source = "./modules/stream"

  name            = var.name
  mode            = var.stream_mode
  shards          = var.shards
  retention_hours = var.retention_hours
  kms_key_arn     = module.kms.key_arn
}

module "hot_store" {
  source = "./modules/hot_store"

  table_prefix           = local.table_prefix
  point_in_time_recovery = var.point_in_time_recovery
  deletion_protection    = var.deletion_protection
  provisioned_capacity   = local.provisioned_capacity
  kms_key_arn            = module.kms.key_arn
}

module "lake" {
  source = "./modules/lake"

  name                    = var.name
  athena_dir              = abspath("${path.root}/../athena")
  force_destroy           = var.force_destroy
  parquet_expiration_days = var.parquet_expiration_days
  tidy_role_arn           = module.processor.tidy_role_arn
  scan_limit_bytes        = var.scan_limit_bytes
  redshift_loads          = var.warehouse
  kms_key_arn             = module.kms.key_arn
}

module "alerts" {
  source = "./modules/alerts"

  name                     = var.name
  email_addresses          = var.alert_email_addresses
  phone_numbers            = var.alert_phone_numbers
  sms_severities           = var.sms_severities
  operator_email_addresses = var.operator_email_addresses
  kms_key_arn              = module.kms.key_arn
}

module "processor" {
  source = "./modules/processor"

  name                       = var.name
  package_path               = local.lambda_package_path
  batch_size                 = var.batch_size
  batch_window_seconds       = var.batch_window_seconds
  parallelization_factor     = var.parallelization_factor
  shards                     = var.stream_mode == "PROVISIONED" ? var.shards : local.on_demand_shards
  partitions                 = var.partitions
  maximum_retries            = var.maximum_retries
  maximum_record_age_seconds = var.maximum_record_age_seconds
  anomaly_threshold_percent  = var.anomaly_threshold_percent
  hot_retention_days         = var.hot_retention_days
  log_level                  = var.log_level
  environment                = var.consumer_environment
  log_retention_days         = var.log_retention_days
  stream_arn                 = module.stream.arn
  table_names                = module.hot_store.table_names
  table_arns                 = module.hot_store.table_arns
  archive_bucket             = module.lake.archive_bucket
  archive_bucket_arn         = module.lake.archive_bucket_arn
  alerts_topic_arn           = module.alerts.alerts_topic_arn
  kms_key_arn                = module.kms.key_arn
}

module "notifier" {
  source = "./modules/notifier"
  count  = local.has_notifier ? 1 : 0

  name               = var.name
  package_path       = local.notifier_package_path
  notify_urls        = var.notify_urls
  webhook_url        = var.webhook_url
  webhook_secret     = var.webhook_secret
  log_level          = var.log_level
  log_retention_days = var.log_retention_days
  alerts_topic_arn   = module.alerts.alerts_topic_arn
  kms_key_arn        = module.kms.key_arn
}

module "delivery" {
  source = "./modules/delivery"
  count  = var.parquet_delivery ? 1 : 0

  name               = var.name
  log_retention_days = var.log_retention_days
  stream_arn         = module.stream.arn
  archive_bucket_arn = module.lake.archive_bucket_arn
  database_name      = module.lake.database_name
  database_arn       = module.lake.database_arn
  table_name         = module.lake.parquet_table_name
  table_arn          = module.lake.parquet_table_arn
  kms_key_arn        = module.kms.key_arn
}

module "network" {
  source = "./modules/network"

  name               = var.name
  flow_logs          = var.flow_logs
  log_retention_days = var.log_retention_days
  kms_key_arn        = module.kms.key_arn
}

module "host" {
  source = "./modules/host"

  name               = var.name
  force_destroy      = var.force_destroy
  log_retention_days = var.log_retention_days
  kms_key_arn        = module.kms.key_arn
}

module "producer" {
  source = "./modules/producer"
  # The first apply makes the registry and the cluster; there is an image to run only after that.
  count = var.image_tag == null ? 0 : 1

  name                      = var.name
  repository_url            = module.host.repository_url
  repository_arn            = module.host.repository_arn
  image_tag                 = var.image_tag
  symbols                   = var.symbols
  source_name               = var.source_name
  poll_interval_seconds     = var.poll_interval_seconds
  extended_hours            = var.extended_hours
  environment               = var.producer_environment
  secrets                   = var.producer_secrets
  hot_retention_days        = var.hot_retention_days
  spot                      = var.spot
  producer_count            = var.producer_count
  table_prefix              = local.table_prefix
  outbox_on_efs             = var.outbox_on_efs
  schedule                  = var.schedule
  heartbeat_alarm_name      = module.observability.heartbeat_alarm_name
  heartbeat_alarm_arn       = module.observability.heartbeat_alarm_arn
  log_level                 = var.log_level
  cluster_name              = module.host.cluster_name
  cluster_arn               = module.host.cluster_arn
  log_group_name            = module.host.log_group_name
  log_group_arn             = module.host.log_group_arn
  stream_name               = module.stream.name
  stream_arn                = module.stream.arn
  table_names               = module.hot_store.table_names
  table_arns                = module.hot_store.table_arns
  archive_bucket            = module.lake.archive_bucket
  archive_bucket_arn        = module.lake.archive_bucket_arn
  failed_batches_queue_url  = module.processor.failed_batches_queue_url
  failed_batches_queue_arn  = module.processor.failed_batches_queue_arn
  anomaly_threshold_percent = var.anomaly_threshold_percent
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.subnet_ids
  kms_key_arn               = module.kms.key_arn
}

module "operator" {
  source = "./modules/operator"

  name                     = var.name
  stream_arn               = module.stream.arn
  table_arns               = module.hot_store.table_arns
  archive_bucket_arn       = module.lake.archive_bucket_arn
  alerts_topic_arn         = module.alerts.alerts_topic_arn
  failed_batches_queue_arn = module.processor.failed_batches_queue_arn
  tidy_function_arn        = module.processor.tidy_function_arn
  workers_table_arns       = [for arn in module.producer[*].workers_table_arn : arn if var.producer_count > 1]
  kms_key_arn              = module.kms.key_arn
}

module "observability" {
  source = "./modules/observability"

  name                      = var.name
  producer_count            = var.producer_count
  operations_topic_arn      = module.alerts.operations_topic_arn
  stream_name               = module.stream.name
  function_name             = module.processor.function_name
  tidy_function_name        = module.processor.tidy_function_name
  failed_batches_queue_name = module.processor.failed_batches_queue_name
  table_names               = module.hot_store.table_names
  delivery_stream_name      = one(module.delivery[*].delivery_stream_name)
  parquet_delivery          = var.parquet_delivery
  has_notifier              = local.has_notifier
  undelivered_queue_name    = one(module.notifier[*].undelivered_queue_name)
  consumer_log_group_name   = module.processor.log_group_name
  tidy_log_group_name       = module.processor.tidy_log_group_name
  producer_log_group_name   = module.host.log_group_name
  monthly_budget_usd        = var.monthly_budget_usd
}

module "warehouse" {
  source = "./modules/warehouse"
  count  = var.warehouse ? 1 : 0

  name               = var.name
  monthly_rpu_hours  = var.warehouse_monthly_rpu_hours
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.subnet_ids
  archive_bucket     = module.lake.archive_bucket
  archive_bucket_arn = module.lake.archive_bucket_arn
  columns            = module.lake.columns
  kms_key_arn        = module.kms.key_arn
}
