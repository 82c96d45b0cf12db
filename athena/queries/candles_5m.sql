-- Five-minute candles from raw quotes: what was seen at each poll, so high and low are those of the polls. A quote at
-- 14:35:00.000 opens the candle of 14:35.
SELECT
  symbol,
  date_add('minute', -(minute(event_time) % 5), date_trunc('minute', event_time)) AS window_start,
  min_by(price, event_time) AS open,
  max(price) AS high,
  min(price) AS low,
  max_by(price, event_time) AS close,
  sum(traded) AS volume,
  count(*) AS quotes
FROM ticks
GROUP BY symbol, date_add('minute', -(minute(event_time) % 5), date_trunc('minute', event_time))
ORDER BY symbol, window_start;
