-- The objects of stock_data_table again, found by day: a query reads the folders that its dt names and no others.
-- Behind the night's tidy a folder holds the quotes of its day. The newest folders also hold quotes that came late, and
-- an event day's last quotes may lie a folder further: for a day D of the last two, say
-- dt BETWEEN D AND D+2 AND substr("timestamp", 1, 10) = D. Columns: those of stock_data_table.
CREATE EXTERNAL TABLE IF NOT EXISTS stock_data_by_day (
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
PARTITIONED BY (
  `dt` string COMMENT 'Folder: the event day, UTC, once it is tidied; before that the newest day that had begun'
)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS TEXTFILE
LOCATION 's3://${archive_bucket}/raw/'
TBLPROPERTIES (
  'classification' = 'json',
  'compressionType' = 'gzip',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2000-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://${archive_bucket}/raw/dt=${dt}/'
);
