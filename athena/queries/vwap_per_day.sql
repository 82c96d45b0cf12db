-- Volume-weighted average price per symbol and day. The day's first quote brings the volume traded before it, at its own
-- price: the earlier the service starts, the truer the figure.
SELECT
  symbol,
  trading_day,
  round(sum(price * traded) / nullif(sum(traded), 0), 4) AS vwap,
  sum(traded) AS volume,
  count(*) AS quotes
FROM ticks
GROUP BY symbol, trading_day
ORDER BY symbol, trading_day;
