-- One symbol's quotes of some days, reading those days' folders and no others. The two folders behind the last day are
-- read too: until they are tidied its late quotes may lie there.
-- Parameters: symbol, from, to, from, to
SELECT "timestamp", price, volume
FROM stock_data_by_day
WHERE symbol = ?
  AND dt BETWEEN ? AND date_format(date_add('day', 2, date(?)), '%Y-%m-%d')
  AND substr("timestamp", 1, 10) BETWEEN ? AND ?
ORDER BY "timestamp";
