-- Every quote once, with its time as a timestamp. A quote is its symbol and its event time: redriven batches and the
-- backfill can put one into the archive again.
CREATE OR REPLACE VIEW distinct_quotes AS
SELECT symbol, event_time, trading_day, open, high, low, price, previous_close, volume, market_state, polled_at
FROM (
  SELECT
    symbol,
    CAST(replace(substr("timestamp", 1, 23), 'T', ' ') AS timestamp(3)) AS event_time,
    CAST(substr("timestamp", 1, 10) AS date) AS trading_day,
    open, high, low, price, previous_close, volume, market_state, polled_at,
    row_number() OVER (PARTITION BY symbol, "timestamp" ORDER BY polled_at) AS delivery
  FROM stock_data_table
  WHERE stale IS NULL OR NOT stale
)
WHERE delivery = 1;
