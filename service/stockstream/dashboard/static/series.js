// Candles as what a chart draws: gaps, averages, the panes below. Pure.

export const INTERVALS = { "1m": 60, "5m": 300, "1h": 3600, "1d": 86400 };
// Beyond this a pause is the market's, not a gap in what was stored.
const CLOSED_SECONDS = 3 * 3600;

export const seconds = (one) => Date.parse(one.start) / 1000;

// The start of the window that an alert is in: a day is that of its session, which the stores know and no zone tells.
export const windowOf = (alert, step) => (step < 86400 ? Math.floor(Date.parse(alert.timestamp) / 1000 / step) * step : Date.parse(alert.session) / 1000);

// Windows without a quote inside a session, as places without a candle.
export function withGaps(candles, step) {
  const found = [];
  for (const candle of candles) {
    const at = seconds(candle), last = found.at(-1);
    if (last && step < 86400 && at - last.time <= CLOSED_SECONDS) for (let gap = last.time + step; gap < at; gap += step) found.push({ time: gap });
    found.push({ time: at, open: candle.open, high: candle.high, low: candle.low, close: candle.close });
  }
  return found;
}

export function average(name, candles) {
  const found = [], window = []; let turnover = 0, volume = 0, last = null, ema = null;
  for (const candle of candles) {
    const at = seconds(candle);
    if (name === "vwap") {
      // A new session's begins anew, with no line from the last one's: a point's colour is that of the line behind it.
      if (last !== null && at - last > CLOSED_SECONDS) { turnover = volume = 0; if (found.length) found.at(-1).color = "transparent"; }
      turnover += ((candle.high + candle.low + candle.close) / 3) * candle.volume; volume += candle.volume;
      if (volume > 0) found.push({ time: at, value: turnover / volume });
    } else if (name === "sma") {
      window.push(candle.close); if (window.length > 20) window.shift();
      if (window.length === 20) found.push({ time: at, value: window.reduce((a, b) => a + b) / 20 });
    } else {
      ema = ema === null ? candle.close : ema + (candle.close - ema) * (2 / 21); found.push({ time: at, value: ema });
    }
    last = at;
  }
  return found;
}

// The windows outside regular hours, as the stored quotes say: what no quote speaks of is not shaded.
export const outside = (signals) => signals.filter((one) => !one.is_regular).map(seconds);
// Each split once: what is read anew begins in the middle of a session, and tells of its split again.
export const splitsOf = (signals) => signals.filter((one) => one.split_suspected).filter((one, index, all) => index === 0 || one.split_suspected !== all[index - 1].split_suspected || seconds(one) - seconds(all[index - 1]) > 86400);

// Newer ones in place of older ones of the same window.
export function merged(tail, items) {
  const found = new Map([...tail, ...items].map((candle) => [candle.start, candle]));
  return [...found.values()].sort((a, b) => (a.start < b.start ? -1 : 1));
}
