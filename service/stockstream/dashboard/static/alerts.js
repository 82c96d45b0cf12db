// Alerts: the feed, and the numbers behind each.
import { Component, html } from "./ui.js";
import * as format from "./format.js";
import { api, rows, zoneOf } from "./store.js";
import { Rules } from "./rules.js";

const SIDES = { up: "above", down: "below" };
const UNITS = { move: "%", gap: "%", spike: " standard deviations", volume: " times its usual", level: "" };
const KINDS = ["move", "spike", "volume", "gap", "stale", "level"];

export function explained(alert) {
  const unit = UNITS[alert.kind] ?? "", currency = alert.currency ? ` ${alert.currency}` : "";
  if (alert.kind === "stale") return `The feed sends nothing although the exchange is open; the last price was ${format.price(alert.price)}${currency}.`;
  if (alert.kind === "level") return `The price came ${SIDES[alert.direction]} ${format.price(alert.threshold)}${currency}, the level asked for: ${format.price(alert.price)}${currency}, previous close ${format.price(alert.previous_close)}, volume ${format.number(alert.volume)}.`;
  return `${format.signed(alert.value, 2)}${unit} against a threshold of ${format.number(alert.threshold, 2)}${unit}; price ${format.price(alert.price)}${currency}, previous close ${format.price(alert.previous_close)}, volume ${format.number(alert.volume)}.`;
}
export function AlertRow({ alert, zone, go }) {
  const direction = alert.direction === "up" ? 1 : alert.direction === "down" ? -1 : 0;
  return html`<li class=${`alert ${alert.severity} ${go ? "of" : ""}`}><details><summary><span class=${`badge ${alert.severity}`}>${alert.severity}</span>
    ${go ? html`<b>${alert.symbol}</b>` : ""}
    <span class="kind">${alert.kind === "level" ? `${SIDES[alert.direction]} ${format.price(alert.threshold)}` : alert.kind}</span> <span class=${`change ${format.side(direction)}`}><span aria-hidden="true">${format.arrow(direction)}</span> ${format.price(alert.price)}${alert.change_percent == null ? "" : ` (${format.signed(alert.change_percent, 2)}%)`}</span>
    <time datetime=${alert.timestamp} title=${`yours: ${format.time(alert.timestamp)}`}>${format.time(alert.timestamp, zone ?? zoneOf(rows.get(alert.symbol)))}</time></summary>
    <p>${explained(alert)}</p><p class="quiet">${go ? html`<a href=${`/s/${encodeURIComponent(alert.symbol)}`} onClick=${(event) => { event.preventDefault(); go(event.currentTarget.pathname); }}>Chart of ${alert.symbol}</a> · ` : ""}${alert.is_sent ? "Sent to the topic" : "Not taken by the notification service yet"} · id ${alert.symbol}@${alert.alert_id}</p></details></li>`;
}
export class Alerts extends Component {
  constructor(props) {
    super(props);
    const query = new URLSearchParams(location.search);
    this.state = { items: null, error: null, severity: query.get("severity") ?? "", kind: query.get("kind") ?? "", symbol: query.get("symbol") ?? "" };
  }
  componentDidMount() {
    this.props.hold(this); this.load(); this.timer = setInterval(() => document.hidden || this.load(), 4000); }
  componentWillUnmount() { this.gone = true; clearInterval(this.timer); }
  async load() {
    const { severity, kind, symbol } = this.state;
    const query = new URLSearchParams({ limit: "300", ...(severity && { severity }), ...(kind && { kind }), ...(symbol && { symbols: symbol }) });
    try { const found = await api(`alerts?${query}`); if (!this.gone) this.setState({ items: found.items, error: null }); } catch (error) { this.setState({ error: error.message }); }
  }
  choose(change) {
    this.setState(change, () => {
      const { severity, kind, symbol } = this.state;
      history.replaceState(history.state, "", `?${new URLSearchParams({ ...(severity && { severity }), ...(kind && { kind }), ...(symbol && { symbol }) })}`);
      this.load();
    });
  }
  onKey(key) { if (key === "/") { this.search?.focus(); return true; } if (key === "Escape") { this.props.go("/"); return true; } return false; }
  render() {
    const { items, error, severity, kind, symbol } = this.state;
    const option = (value, text, chosen) => html`<option value=${value} selected=${value === chosen}>${text}</option>`;
    return html`<section class="view" aria-labelledby="alerts-title"><div class="bar"><h1 id="alerts-title">Alerts</h1>
      <label class="search"><span class="sr">Symbol</span><input ref=${(element) => element && (this.search = element)} type="search" placeholder="Symbol ( / )" value=${symbol} onChange=${(event) => this.choose({ symbol: event.target.value.trim().toUpperCase() })} /></label>
      <label><span class="sr">Severity</span><select onChange=${(event) => this.choose({ severity: event.target.value })}>${option("", "every severity", severity)}${["critical", "warning", "info"].map((name) => option(name, name, severity))}</select></label>
      <label><span class="sr">Kind</span><select onChange=${(event) => this.choose({ kind: event.target.value })}>${option("", "every kind", kind)}${KINDS.map((name) => option(name, name, kind))}</select></label>
      <p class="quiet" role="status">${items ? `${items.length}${items.length === 300 ? " newest" : ""} ${items.length === 1 ? "alert" : "alerts"}` : ""}</p></div>
      ${error ? html`<p class="empty">${error}</p>` : ""}
      <div class="split"><div class="feed">${items === null ? html`<p class="empty">Reading alerts…</p>` : items.length === 0 ? html`<p class="empty">No alert ${severity || kind || symbol ? "matches" : "so far: a price more than the threshold away from its previous close makes the first"}.</p>`
        : html`<div class="box" tabindex="0" role="region" aria-label="Feed"><ul class="alerts">${items.map((alert) => html`<${AlertRow} key=${`${alert.symbol}@${alert.alert_id}`} alert=${alert} go=${this.props.go} />`)}</ul></div>`}</div><${Rules} /></div></section>`;
  }
}
