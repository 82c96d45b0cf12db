-- Stretches of a session without a quote: two minutes and more between two quotes of one symbol on one day.
SELECT symbol, trading_day, event_time AS ended_at, seconds_since_last
FROM ticks
WHERE seconds_since_last >= 120
ORDER BY seconds_since_last DESC, symbol, event_time;
