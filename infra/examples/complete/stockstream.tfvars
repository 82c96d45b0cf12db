# Everything switched on: a watchlist in market hours, Parquet, a warehouse, a budget.
region    = "us-east-1"
name      = "stockstream"
image_tag = "2026-11-22"
tags      = { Team = "markets", Stage = "production" }

symbols               = ["AAPL", "MSFT", "NVDA", "SPY", "BRK-B", "^VIX", "BTC-USD"]
source_name           = "yahoo"
poll_interval_seconds = 15
extended_hours        = false

alert_email_addresses     = ["desk@example.com"]
alert_phone_numbers       = ["+14155550123"]
sms_severities            = ["critical"]
operator_email_addresses  = ["oncall@example.com"]
anomaly_threshold_percent = 5
# notify_urls = ["slack://…", "ntfys://…"]  # better: TF_VAR_notify_urls; docs/phone.md

# New York's hours with a margin; the time zone takes care of daylight saving.
schedule = {
  start       = "cron(15 9 ? * MON-FRI *)"
  expected_by = "cron(25 9 ? * MON-FRI *)"
  stop        = "cron(15 16 ? * MON-FRI *)"
  timezone    = "America/New_York"
}
spot = true

shards                     = 2
retention_hours            = 72
maximum_record_age_seconds = 86400
parallelization_factor     = 2

# Units follow from the watchlist; five minutes before the service starts.
provisioned_capacity = {
  start    = "cron(10 9 ? * MON-FRI *)"
  stop     = "cron(30 16 ? * MON-FRI *)"
  timezone = "America/New_York"
}

hot_retention_days      = 90
parquet_expiration_days = 0
scan_limit_bytes        = 107374182400

parquet_delivery            = true
warehouse                   = true
warehouse_monthly_rpu_hours = 60

log_retention_days = 90
monthly_budget_usd = 250
