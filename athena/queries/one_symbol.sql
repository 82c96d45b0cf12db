-- One symbol's quotes of some days, reading no other object. Change the symbol and the days: Athena wants both as
-- literals here.
SELECT "timestamp", price, volume
FROM stock_data_by_symbol
WHERE archive_symbol = 'AAPL' AND dt BETWEEN '2014-06-05' AND '2014-06-06'
ORDER BY "timestamp";
