-- What happened between two quotes: shares traded since the one before, and the logarithmic return. Volume on the wire
-- counts since the session opened, so the day's first quote carries what was traded before it. A falling count is a
-- correction of the exchange and counts as none. The day is UTC's: every session but Australia's lies within one.
CREATE OR REPLACE VIEW ticks AS
SELECT
  symbol, event_time, trading_day, price, volume,
  greatest(volume - coalesce(lag(volume) OVER by_session, 0), 0) AS traded,
  ln(CAST(price AS double) / CAST(lag(price) OVER by_session AS double)) AS log_return,
  date_diff('second', lag(event_time) OVER by_session, event_time) AS seconds_since_last
FROM distinct_quotes
WINDOW by_session AS (PARTITION BY symbol, trading_day ORDER BY event_time);
