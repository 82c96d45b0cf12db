-- One row a symbol and day: the session as the last quote of the day tells it.
CREATE OR REPLACE VIEW daily_bars AS
SELECT
  symbol,
  trading_day,
  max_by(open, event_time) AS open,
  max(high) AS high,
  min(low) AS low,
  max_by(price, event_time) AS close,
  max_by(previous_close, event_time) AS previous_close,
  max(volume) AS volume,
  count(*) AS quotes
FROM distinct_quotes
GROUP BY symbol, trading_day;
