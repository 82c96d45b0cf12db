// The alerts of the last seven days: what each level, and each kind of alert, did in them.
import { html } from "./ui.js";
import * as format from "./format.js";
import { api, rows, zoneOf } from "./store.js";

const HOUR_MILLISECONDS = 3600 * 1000, WEEK_MILLISECONDS = 7 * 24 * HOUR_MILLISECONDS, LIMIT = 10000;

// All of them, or those of a symbol, the newest first; asked for by the hour, so that who asks again has the same answer.
export async function readWeek(symbol) {
  const begin = Date.now() - WEEK_MILLISECONDS, start = new Date(Math.floor(begin / HOUR_MILLISECONDS) * HOUR_MILLISECONDS).toISOString();
  const found = await api(`alerts?${new URLSearchParams({ start, limit: String(LIMIT), ...(symbol && { symbols: symbol }) })}`);
  return { alerts: found.items.filter((alert) => Date.parse(alert.timestamp) >= begin), isWhole: found.next === null };
}
export function didThisWeek(week, rule) {
  if (!week) return "";
  const rang = week.alerts.filter((alert) => alert.symbol === rule.symbol && alert.alert_id.endsWith(`-level-${rule.name}`));
  if (!rang.length) return `${week.isWhole ? "has" : "of the newest alerts it has"} not rung this week`;
  const newest = rang[0], zone = zoneOf(rows.get(rule.symbol));
  return `rang ${rang.length === 1 ? "once" : `${week.isWhole ? "" : "at least "}${rang.length} times`} this week, at ${format.price(newest.price)} on ${format.time(newest.timestamp, zone)}`;
}
export function Week({ week }) {
  if (!week) return "";
  const kinds = Map.groupBy(week.alerts, (alert) => alert.kind);
  return html`<h2>This week by kind</h2>${kinds.size === 0 ? html`<p class="quiet">No alert in the last seven days.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="This week by kind"><table><thead><tr><th scope="col">Kind</th><th scope="col" class="figure">Alerts</th><th scope="col" class="figure">Symbols</th><th scope="col">Newest</th></tr></thead>
    <tbody>${[...kinds].sort((a, b) => b[1].length - a[1].length).map(([kind, alerts]) => html`<tr key=${kind}><th scope="row">${kind}</th><td class="figure">${week.isWhole ? "" : "≥ "}${format.number(alerts.length)}</td><td class="figure">${format.number(new Set(alerts.map((alert) => alert.symbol)).size)}</td><td><a href=${`/s/${encodeURIComponent(alerts[0].symbol)}`}>${alerts[0].symbol}</a> <span class="quiet">${format.age(Date.now() - Date.parse(alerts[0].timestamp))} ago</span></td></tr>`)}</tbody></table></div>`}`;
}
