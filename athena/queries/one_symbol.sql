-- One symbol's quotes of some days, reading those days' folders and no others. Change the symbol and the days. The two
-- folders behind the last day are read too: until they are tidied its late quotes may lie there.
SELECT "timestamp", price, volume
FROM stock_data_by_day
WHERE symbol = 'AAPL'
  AND dt BETWEEN '2014-06-05' AND '2014-06-08'
  AND substr("timestamp", 1, 10) BETWEEN '2014-06-05' AND '2014-06-06'
ORDER BY "timestamp";
