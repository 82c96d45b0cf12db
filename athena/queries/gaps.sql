-- Days that opened away from the close before: gap in percent, and whether the day filled it.
SELECT
  symbol,
  trading_day,
  previous_close,
  open,
  round((open - previous_close) / previous_close * 100, 2) AS gap_percent,
  CASE WHEN open > previous_close THEN low <= previous_close ELSE high >= previous_close END AS filled
FROM daily_bars
WHERE abs(open - previous_close) / previous_close * 100 > 0.5
ORDER BY abs((open - previous_close) / previous_close) DESC, symbol, trading_day;
