-- Quotes and symbols per day of delivery, from the Parquet files that Firehose writes: pennies where the JSON would be
-- dollars. Change the days.
SELECT dt, count(DISTINCT symbol) AS symbols, count(*) AS deliveries, max(volume) AS largest_volume
FROM quotes
WHERE dt BETWEEN '2013-10-07' AND '2014-06-06'
GROUP BY dt
ORDER BY dt;
