-- Symbols by realised volatility of the day: the square root of the sum of squared logarithmic returns between quotes,
-- in percent of the price. Comparable between symbols polled at the same pace.
SELECT
  trading_day,
  rank() OVER (PARTITION BY trading_day ORDER BY sum(log_return * log_return) DESC) AS position,
  symbol,
  round(100 * sqrt(sum(log_return * log_return)), 4) AS realised_volatility_percent,
  count(log_return) AS returns
FROM ticks
GROUP BY trading_day, symbol
HAVING count(log_return) >= 2
ORDER BY trading_day, position, symbol;
