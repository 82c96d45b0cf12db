// One symbol: headline, chart from history into live, its last quotes and alerts.
import { Badges, Change, Component, html } from "./ui.js";
import * as format from "./format.js";
import { api, onChange, remember, remembered, rows } from "./store.js";
import { AlertRow } from "./alerts.js";
import { Chart, OVERLAYS, PANES } from "./chart.js";
import { Record } from "./record.js";
import { Rules } from "./rules.js";
import { INTERVALS, merged } from "./series.js";

const KEYS = { 1: "1m", 5: "5m", h: "1h", d: "1d" };
const TAIL_MILLISECONDS = 1000;
const STATES = { PRE: "pre-market", PREPRE: "closed", POST: "post-market", POSTPOST: "closed", CLOSED: "closed", HALTED: "halted", REGULAR: "open" };

// The session, and where it is not on, when the next one usually begins.
function Session({ row, session, opens }) {
  const said = STATES[row.market], isShut = said && said !== "open" && said !== "halted", left = opens ? Date.parse(opens) - Date.now() : 0;
  return html`${[session && `session ${session}`, said].filter(Boolean).join(" · ")}${isShut && left > 0 ? html`, <span title="By the exchange's usual hours; holidays are not known here">usually opens in ${format.age(left)}</span>` : ""}`;
}

export class SymbolView extends Component {
  constructor(props) {
    super(props);
    const asked = new URLSearchParams(location.search).get("i");
    this.state = { interval: INTERVALS[asked] ? asked : remembered("interval", "5m"), overlays: remembered("overlays", ["vwap"]), candles: null, tail: [], alerts: [], quotes: [], rules: [], signals: [], point: null, zone: null, opens: null, record: null, error: null };
  }
  componentDidMount() {
    this.props.hold(this);
    this.stop = onChange(() => { this.forceUpdate(); this.follow(); });
    this.load(); this.loadRest(); this.timer = setInterval(() => this.loadRest(), 5000);
  }
  componentWillUnmount() { this.gone = true; this.stop(); clearInterval(this.timer); }
  get path() { return encodeURIComponent(this.props.symbol); }
  async load() {
    const interval = this.state.interval;
    try {
      const found = await api(`candles/${this.path}?interval=${interval}`);
      if (!this.gone && interval === this.state.interval) this.setState({ candles: found.items, tail: [], zone: found.zone, opens: found.usually_opens, error: null }, () => this.loadSignals());
    } catch (error) { this.setState({ error: error.message, candles: [] }); }
  }
  // Sessions, splits and the panes' figures come after the candles; what is new of them, each minute.
  async loadSignals() {
    const { interval, signals } = this.state, newest = signals.at(-1)?.start;
    this.signalsAt = Date.now();
    try {
      const found = await api(`signals/${this.path}?interval=${interval}${newest ? `&start=${encodeURIComponent(newest)}` : ""}`);
      if (!this.gone && interval === this.state.interval) this.setState({ signals: merged(signals, found.items) });
    } catch { /* the chart stands without them */ }
  }
  loadRest() {
    if (this.state.error) this.load();
    if (this.state.candles?.length && !document.hidden && Date.now() - this.signalsAt > 60000) this.loadSignals();
    if (document.hidden && this.state.quotes.length) return;
    for (const [name, path] of [["quotes", `quotes/${this.path}?limit=20&order=newest`], ["alerts", `alerts?symbols=${this.path}&limit=200`]]) {
      // What is shown stays where the next cannot be read: the banner says what is wrong.
      api(path).then((found) => this.gone || this.setState({ [name]: found.items }), () => {});
    }
  }
  // What is new of this symbol: the newest candles once more, as the consumer has them.
  async follow() {
    const row = rows.get(this.props.symbol), newest = (this.state.tail.at(-1) ?? this.state.candles?.at(-1))?.start;
    if (!row || row.at === this.drawn || this.following || !newest) return;
    this.following = true; this.drawn = row.at;
    const interval = this.state.interval;
    try {
      const found = await api(`candles/${this.path}?interval=${interval}&start=${encodeURIComponent(newest)}`);
      if (!this.gone && interval === this.state.interval && found.items.length) {
        this.setState({ tail: merged(this.state.tail, found.items) });
      }
    } catch { this.drawn = null; }
    setTimeout(() => { this.following = false; if (!this.gone) this.follow(); }, TAIL_MILLISECONDS);
  }
  choose(interval) { remember("interval", interval); history.replaceState(history.state, "", `?i=${interval}`); this.setState({ interval, candles: null, tail: [], signals: [] }, () => this.load()); }
  toggle(name) {
    const overlays = this.state.overlays.includes(name) ? this.state.overlays.filter((one) => one !== name) : [...this.state.overlays, name];
    remember("overlays", overlays); this.setState({ overlays });
  }
  onKey(key) {
    if (KEYS[key]) { this.choose(KEYS[key]); return true; }
    if (key === "Escape") { this.props.go("/"); return true; }
    if (key === "a") { this.rules?.focus(); return true; }
    return false;
  }
  // A day is its exchange's, whatever the hour of its midnight there.
  timeOf(moment) { return this.state.interval === "1d" ? format.time(moment, "UTC").slice(0, 10) : format.time(moment, this.state.zone); }
  render() {
    const { interval, overlays, candles, tail, alerts, quotes, rules, signals, point, zone, opens, record, error } = this.state, { symbol } = this.props, row = rows.get(symbol);
    const shown = point?.open != null ? point : null, digits = row?.digits ?? format.digitsOf(candles?.at(-1)?.close ?? 1), price = (value) => format.price(value, digits);
    // One that is opened stays, however many come after it.
    const listed = !record || quotes.some((one) => one.timestamp === record.timestamp) ? quotes : [...quotes, record];
    const split = quotes[0]?.split_suspected, figures = Object.entries(PANES).filter(([name]) => shown?.[name] != null).map(([name, [, title, places]]) => `  ${title} ${format.number(shown[name], places)}`).join("");
    return html`<section class="view symbol" aria-labelledby="symbol-title">
      <div class="headline"><h1 id="symbol-title">${symbol}</h1>
        ${row ? html`<p class="big">${price(row.price)}<span class="quiet unit">${row.currency ?? ""}</span></p>
          <p><${Change} value=${row.change} digits=${digits} /> <${Change} value=${row.percent} unit="%" /></p>
          <p><${Badges} row=${row} split=${split} /></p>
          <p class="quiet"><${Session} row=${row} session=${quotes[0]?.session} opens=${opens} /></p>
          <p class="quiet">${format.time(row.at, zone)} · <span title=${`yours: ${format.time(row.at)}`}>${format.age(Date.now() - row.at)} ago</span> · ${row.source ?? "unknown source"}${row.delay ? ` · delayed by ${format.age(row.delay * 1000)}` : ""}</p>` : html`<p class="quiet">No quote of it has been stored.</p>`}</div>
      <div class="bar" role="toolbar" aria-label="Chart">${Object.keys(INTERVALS).map((name) => html`<button aria-pressed=${name === interval} onClick=${() => this.choose(name)}>${name}</button>`)}
        <span class="gap"></span>${Object.entries(OVERLAYS).map(([name, title]) => html`<button class=${`overlay ${name}`} aria-pressed=${overlays.includes(name)} onClick=${() => this.toggle(name)}>${title}</button>`)}
        ${Object.entries(PANES).map(([name, [, title]]) => html`<button class="overlay" aria-pressed=${overlays.includes(name)} onClick=${() => this.toggle(name)}>${title}</button>`)}
        <p class="quiet figures">${shown ? `${this.timeOf(shown.time * 1000)}  O ${price(shown.open)}  H ${price(shown.high)}  L ${price(shown.low)}  C ${price(shown.close)}  V ${format.compact(shown.volume)}${figures}` : ""}</p></div>
      ${error ? html`<p class="empty">${error}</p>` : candles === null ? html`<div class="chart waiting"><p class="empty">Reading candles…</p></div>` : candles.length === 0 ? html`<div class="chart waiting"><p class="empty">No history yet: the first candle comes with the next quote. <code>stockstream backfill ${symbol} --from …</code> fills the past.</p></div>`
        : html`<${Chart} key=${`${symbol}|${interval}|${zone}`} ...${{ candles, tail, interval, overlays, alerts, rules, signals, digits, zone, onPrice: (at, rule) => this.rules?.propose(at, rule), onPoint: (found) => this.setState({ point: found }) }} />`}
      <p class="quiet credit">${signals.length ? html`${signals.some((one) => !one.is_regular) ? "Shaded: outside regular hours. " : ""}Sessions, splits, z and × usual are of the quotes stored since ${this.timeOf(signals[0].start)}${signals.some((one) => one.volume_ratio != null) ? "" : "; × usual is not known yet: it takes several sessions"}. ` : ""}Charts by <a href="https://www.tradingview.com/" rel="noopener noreferrer" target="_blank">TradingView Lightweight Charts™</a></p>
      <div class="columns"><div><h2>Last quotes</h2><div class="scroll" tabindex="0" role="region" aria-label="Last quotes"><table><thead><tr><th scope="col">Time</th><th scope="col" class="figure">Price</th><th scope="col" class="figure">Change</th><th scope="col" class="figure">Volume</th><th scope="col" class="figure">z</th></tr></thead>
        <tbody>${listed.map((quote) => html`<tr key=${quote.timestamp}><td title=${`yours: ${format.time(quote.timestamp)}`}><button class="plain" aria-expanded=${record?.timestamp === quote.timestamp} aria-label=${`Record of ${format.time(quote.timestamp, zone)}`} onClick=${() => this.setState({ record: record?.timestamp === quote.timestamp ? null : quote })}>${format.time(quote.timestamp, zone)}</button></td><td class="figure">${price(quote.price)}</td><td class="figure"><${Change} value=${quote.change_percent} unit="%" /></td><td class="figure">${format.compact(quote.volume)}</td><td class="figure">${format.signed(quote.indicators?.return_z ?? null, 1)}</td></tr>
          ${record?.timestamp === quote.timestamp ? html`<tr key="record"><td colspan="5" class="opened"><${Record} symbol=${symbol} timestamp=${record.timestamp} /></td></tr>` : ""}`)}</tbody></table></div><p class="quiet">A time opens its record: item, bytes, and where both lie.</p></div>
      <div><${Rules} symbol=${symbol} hold=${(view) => { this.rules = view; }} onRules=${(found) => this.setState({ rules: found })} /><h2>Its alerts</h2>${alerts.length ? html`<ul class="alerts">${alerts.slice(0, 50).map((alert) => html`<${AlertRow} key=${alert.alert_id} alert=${alert} zone=${zone} />`)}</ul>` : html`<p class="quiet">None so far.</p>`}</div></div></section>`;
  }
}
