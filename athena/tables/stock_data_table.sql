-- Every archived quote, as it came off the stream: gzipped JSON, one quote a line. The archive is the consumer's log, an
-- object a batch and partition; the night's tidy makes an object a symbol and day of it.
-- Terraform makes this table from the columns below (infra/modules/lake/catalog.tf); the local runner reads them here too.
-- Not partitioned, so that a query needs no WHERE; docs/athena.md says what that costs and what to use past a gigabyte.
CREATE EXTERNAL TABLE IF NOT EXISTS stock_data_table (
  `symbol` string COMMENT 'Ticker as Yahoo spells it, upper case',
  `timestamp` string COMMENT 'Event time, ISO 8601 UTC with milliseconds; its text order is its time order',
  `open` decimal(28,10) COMMENT 'First price of the session',
  `high` decimal(28,10) COMMENT 'Highest price of the session so far',
  `low` decimal(28,10) COMMENT 'Lowest price of the session so far',
  `price` decimal(28,10) COMMENT 'Last trade',
  `previous_close` decimal(28,10) COMMENT 'Close of the previous session',
  `volume` bigint COMMENT 'What volume_kind says: cumulative in the session, unless said; absent where the feed gave none',
  `bid` decimal(28,10) COMMENT 'Best bid, where known',
  `ask` decimal(28,10) COMMENT 'Best offer, where known',
  `currency` string COMMENT 'ISO 4217 code, or a minor unit of Yahoo (GBp)',
  `exchange` string COMMENT 'Exchange code as Yahoo names it',
  `market_state` string COMMENT 'PRE, REGULAR, POST, CLOSED and their kin',
  `polled_at` string COMMENT 'When the service saw the quote, in the form of timestamp',
  `source` string COMMENT 'yahoo, yahoo-stream, replay, simulated, backfill',
  `delayed_by_seconds` int COMMENT 'Delay that the exchange imposes on the feed',
  `stale` boolean COMMENT 'True when the feed was silent and this repeats the last known quote; absent is false',
  `silent_symbols` bigint COMMENT 'In a stale quote that speaks for its exchange: symbols of it that are silent',
  `session_date` string COMMENT 'Date of the trading session, as its source says; absent where it did not know',
  `volume_kind` string COMMENT 'What volume counts: session, rolling, none; absent is session',
  `regular` boolean COMMENT 'False where the price is of pre-market or post-market; absent is true',
  `kind` string COMMENT 'Kind of instrument; absent is a share, or not said',
  `v` int COMMENT 'Schema version of the quote, 1'
)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS TEXTFILE
LOCATION 's3://${archive_bucket}/raw/'
TBLPROPERTIES ('classification' = 'json', 'compressionType' = 'gzip');
