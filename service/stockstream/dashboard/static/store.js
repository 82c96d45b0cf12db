// What the page knows: rows by symbol, kept by the stream. Who draws is told once a frame, however much came.

import { digitsOfQuote } from "./format.js";

export const rows = new Map();
export const state = { loaded: false, stream: "connecting", lostAt: null, health: null, error: null, zones: {} };

const HIDDEN_MILLISECONDS = 20000;
const drawers = new Set();
let frame = 0;
export function onChange(draw) { drawers.add(draw); return () => drawers.delete(draw); }
export function changed() {
  if (!frame) frame = requestAnimationFrame(() => { frame = 0; for (const draw of drawers) draw(); });
}

export class ApiError extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}
export async function api(path, options = {}) {
  const answer = await fetch(`/api/v1/${path}`, options);
  if (answer.status === 401 && location.pathname !== "/login") location.assign("/login");
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => ({ detail: `HTTP ${answer.status}` }));
  if (!answer.ok) throw new ApiError(answer.status, content.detail);
  return content;
}

let csrf = null;
// What no page of another origin can read.
export async function csrfToken() {
  csrf ??= (await api("session")).csrf_token;
  return csrf ?? "";
}
// A call that changes something: it repeats the token.
export async function change(path, method, body) {
  const headers = { "x-csrf-token": await csrfToken(), ...(body && { "content-type": "application/json" }) };
  try {
    return await api(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  } catch (error) {
    if (error.status === 403) csrf = null; // a server that started anew has another
    throw error;
  }
}

function take(quote) {
  const known = rows.get(quote.symbol);
  const row = known ?? { symbol: quote.symbol, turns: 0 };
  const at = Date.parse(quote.timestamp);
  if (known && at < known.at) return;
  if (known && known.price !== quote.price) { row.turns += 1; row.moved = quote.price > known.price ? "up" : "down"; }
  Object.assign(row, {
    at, price: quote.price, open: quote.open, high: quote.high, low: quote.low, close: quote.previous_close,
    volume: quote.volume ?? null, currency: quote.currency, exchange: quote.exchange, source: quote.source,
    market: quote.market_state, stale: Boolean(quote.stale), delay: quote.delayed_by_seconds ?? null,
    bid: quote.bid ?? null, ask: quote.ask ?? null,
  });
  row.digits = Math.max(row.digits ?? 0, digitsOfQuote(quote));
  row.change = row.close == null ? null : row.price - row.close;
  row.percent = row.close ? (row.change / row.close) * 100 : null;
  row.anomaly = row.percent != null && Math.abs(row.percent) > threshold();
  rows.set(row.symbol, row);
}
// The exchange's time zone, where it is known.
export const zoneOf = (row) => (row && (state.zones[row.exchange ?? row.symbol] ?? state.zones[row.symbol])) || "UTC";
export const threshold = () => Number(state.health?.board.anomaly_threshold_percent ?? 5);

let events = null, retry = 0, place = null, hiding = 0;
export async function connect() {
  clearTimeout(retry);
  try {
    const latest = await api("latest");
    for (const item of latest.items) take(item);
    state.loaded = true; state.error = null; state.zones = latest.zones ?? {};
    place = latest.place;
    // An empty deployment has no log to follow yet.
    if (place) open(); else { state.stream = "live"; retry = setTimeout(connect, 2000); }
  } catch (error) {
    state.error = error.message; lost();
    retry = setTimeout(connect, 2000);
  }
  changed();
}
function open() {
  events?.close();
  events = new EventSource(`/api/v1/stream${place ? `?since=${encodeURIComponent(place)}` : ""}`);
  events.onopen = () => { state.stream = "live"; state.lostAt = null; changed(); };
  events.addEventListener("quotes", (event) => {
    const content = JSON.parse(event.data);
    place = event.lastEventId;
    for (const quote of content.quotes) take(quote);
    if (content.gap) { events.close(); connect(); }
    changed();
  });
  events.onerror = () => {
    lost();
    // The browser comes back by itself, and goes on where it stood, unless the answer was none.
    if (events.readyState === EventSource.CLOSED) { clearTimeout(retry); retry = setTimeout(connect, 2000); }
    changed();
  };
}
// A browser opens six connections to a server and no more: a page that nobody sees lets its own go, and goes on later.
function release() { events?.close(); events = null; clearTimeout(retry); }
addEventListener("pagehide", release);
addEventListener("pageshow", (event) => event.persisted && open());
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(release, HIDDEN_MILLISECONDS);
  else if (state.loaded && !events) open();
});
function lost() { state.stream = "lost"; state.lostAt ??= Date.now(); }

export async function watchHealth() {
  try { state.health = await api("health"); } catch (error) { if (!state.health) state.error = error.message; }
  changed();
  setTimeout(watchHealth, document.hidden ? 15000 : 4000);
}

const PREFIX = "stockstream:";
export function remembered(name, fallback) {
  try { return JSON.parse(localStorage.getItem(PREFIX + name)) ?? fallback; } catch { return fallback; }
}
export function remember(name, value) {
  try { localStorage.setItem(PREFIX + name, JSON.stringify(value)); } catch { /* a private window keeps nothing */ }
}
