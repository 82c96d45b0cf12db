// Figures and times as text. Nothing here knows of the page.

const DIGITS = new Map();
const formatter = (digits) => {
  if (!DIGITS.has(digits)) {
    DIGITS.set(digits, new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return DIGITS.get(digits);
};

// As many digits as prices of this size are quoted with.
export const digitsOf = (price) => (Math.abs(price) >= 1 || price === 0 ? 2 : Math.abs(price) >= 0.01 ? 4 : 6);
const decimals = (value) => (value == null ? 0 : (String(value).split(".")[1] ?? "").length);
// As its open and its last close are quoted: a single trade may have a fraction of the tick.
export const digitsOfQuote = (quote) => Math.min(6, Math.max(digitsOf(quote.price), decimals(quote.open), decimals(quote.previous_close)));
export const price = (value, digits) => (value == null ? "–" : formatter(digits ?? digitsOf(value)).format(value));
export const number = (value, digits = 0) => (value == null ? "–" : formatter(digits).format(value));
export const signed = (value, digits) => {
  if (value == null) return "–";
  const shown = Number(Number(value).toFixed(digits)); // what rounds to nothing has no sign
  return `${shown > 0 ? "+" : shown < 0 ? "−" : "±"}${formatter(digits).format(Math.abs(shown))}`;
};
export const arrow = (value) => (value > 0 ? "▲" : value < 0 ? "▼" : "■");
export const side = (value) => (value > 0 ? "up" : value < 0 ? "down" : "flat");

export function compact(value) {
  if (value == null) return "–";
  for (const [size, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${(value / size).toFixed(value / size >= 100 ? 0 : 1)} ${unit}`;
  }
  return String(value);
}

export function age(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d`;
}

const ZONED = new Map();
export function time(moment, zone, withDate = true) {
  const key = `${zone}|${withDate}`;
  if (!ZONED.has(key)) {
    const date = withDate ? { year: "numeric", month: "2-digit", day: "2-digit" } : {};
    const options = { ...date, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
    let made;
    try { made = new Intl.DateTimeFormat("en-CA", { ...options, timeZone: zone || undefined }); } catch { made = new Intl.DateTimeFormat("en-CA", options); }
    ZONED.set(key, made);
  }
  return ZONED.get(key).format(new Date(moment));
}

// `floor` is a value that is always on the scale: a rate is read from 0.
export function sparkline(values, width, height, floor = Infinity) {
  if (!values || values.length < 2) return "";
  const low = Math.min(floor, ...values), high = Math.max(...values), span = high - low;
  return values.map((value, index) => `${((index / (values.length - 1)) * width).toFixed(1)},${(span ? height - 1 - ((value - low) / span) * (height - 2) : height / 2).toFixed(1)}`).join(" ");
}
