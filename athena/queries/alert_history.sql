-- Each time a symbol's change from the previous close went beyond 5%, as the published rule has it, and how long it
-- stayed there by the quotes. Edges only: one row a crossing, and another where it swings from one side to the other.
-- The alerts that were sent, with the hysteresis and cooldown of their rules, are in DynamoDB's table alerts; this is
-- what the archive says they had to be about.
WITH changes AS (
  SELECT
    symbol, trading_day, event_time, price, previous_close,
    CASE
      WHEN (price - previous_close) * 100 > previous_close * 5 THEN 'up'
      WHEN (previous_close - price) * 100 > previous_close * 5 THEN 'down'
      ELSE 'within'
    END AS side
  FROM distinct_quotes
),
edges AS (
  SELECT *, lag(side, 1, 'within') OVER (PARTITION BY symbol, trading_day ORDER BY event_time) AS side_before
  FROM changes
),
spells AS (
  SELECT
    *,
    sum(CASE WHEN side <> side_before THEN 1 ELSE 0 END)
      OVER (PARTITION BY symbol, trading_day ORDER BY event_time) AS spell
  FROM edges
)
SELECT
  symbol,
  min(event_time) AS crossed_at,
  max(event_time) AS last_seen_beyond,
  side AS direction,
  min_by(price, event_time) AS price_at_crossing,
  round(max(abs(price - previous_close) / previous_close * 100), 2) AS largest_change_percent,
  count(*) AS quotes
FROM spells
WHERE side <> 'within'
GROUP BY symbol, trading_day, spell, side
ORDER BY crossed_at, symbol;
