-- Quotes and symbols per day of delivery, from the Parquet files that Firehose writes: pennies where the JSON would be
-- dollars.
-- Parameters: from, to
SELECT dt, count(DISTINCT symbol) AS symbols, count(*) AS deliveries, max(volume) AS largest_volume
FROM quotes
WHERE dt BETWEEN ? AND ?
GROUP BY dt
ORDER BY dt;
