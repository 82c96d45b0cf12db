// One symbol: headline, chart from history into live, its last quotes and alerts.
import { Badges, Change, Component, html } from "./ui.js";
import * as format from "./format.js";
import { api, onChange, remember, remembered, rows } from "./store.js";
import { AlertRow } from "./alerts.js";
import { Rules } from "./rules.js";

const INTERVALS = { "1m": 60, "5m": 300, "1h": 3600, "1d": 86400 };
const KEYS = { 1: "1m", 5: "5m", h: "1h", d: "1d" };
const OVERLAYS = { vwap: "VWAP", sma: "SMA 20", ema: "EMA 20" };
// Beyond this a pause is the market's, not a gap in what was stored.
const CLOSED_SECONDS = 3 * 3600;
const TAIL_MILLISECONDS = 1000;

const seconds = (candle) => Date.parse(candle.start) / 1000;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Windows without a quote inside a session, as places without a candle.
function withGaps(candles, step) {
  const found = [];
  for (const candle of candles) {
    const at = seconds(candle), last = found.at(-1);
    if (last && step < 86400 && at - last.time <= CLOSED_SECONDS) for (let gap = last.time + step; gap < at; gap += step) found.push({ time: gap });
    found.push({ time: at, open: candle.open, high: candle.high, low: candle.low, close: candle.close });
  }
  return found;
}
function overlay(name, candles) {
  const found = []; let turnover = 0, volume = 0, last = null, ema = null; const window = [];
  for (const candle of candles) {
    const at = seconds(candle);
    if (name === "vwap") {
      if (last !== null && at - last > CLOSED_SECONDS) turnover = volume = 0;
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

class Chart extends Component {
  shouldComponentUpdate() { return false; }
  async componentDidMount() {
    const charts = await import("./vendor/lightweight-charts.mjs");
    if (this.gone) return;
    this.charts = charts;
    this.chart = charts.createChart(this.box, { autoSize: true, layout: { attributionLogo: false, panes: { separatorColor: color("--line") } }, timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 }, crosshair: { mode: charts.CrosshairMode.Normal } });
    this.prices = this.chart.addSeries(charts.CandlestickSeries, {});
    this.volumes = this.chart.addSeries(charts.HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1);
    this.chart.panes()[1].setHeight(80);
    this.markers = charts.createSeriesMarkers(this.prices, []);
    this.lines = {}; this.levels = [];
    this.chart.subscribeClick((event) => { const price = event.point && event.paneIndex !== 1 && this.prices.coordinateToPrice(event.point.y); if (price) this.props.onPrice(Number(price.toFixed(format.digitsOf(price)))); });
    this.chart.subscribeCrosshairMove((event) => this.props.onPoint(event.time ? { time: event.time, ...event.seriesData.get(this.prices), volume: event.seriesData.get(this.volumes)?.value } : null));
    this.style();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.restyle = () => { this.style(); this.draw(this.props, true); };
    this.dark.addEventListener("change", this.restyle); addEventListener("stockstream:theme", this.restyle);
    this.draw(this.props, true);
  }
  componentWillUnmount() { this.gone = true; this.dark?.removeEventListener("change", this.restyle); removeEventListener("stockstream:theme", this.restyle); this.chart?.remove(); }
  componentWillReceiveProps(next) { if (this.chart) this.draw(next, next.candles !== this.props.candles || next.overlays !== this.props.overlays); }
  style() {
    const zone = this.props.zone;
    this.chart.applyOptions({
      layout: { background: { color: color("--surface") }, textColor: color("--quiet"), fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { vertLines: { color: color("--faint") }, horzLines: { color: color("--faint") } },
      rightPriceScale: { borderColor: color("--line") }, timeScale: { borderColor: color("--line"), tickMarkFormatter: (at, kind) => { const text = format.time(at * 1000, zone); return kind < 3 ? text.slice(5, 10) : text.slice(12, 17); } },
      localization: { timeFormatter: (at) => format.time(at * 1000, zone) },
    });
    this.prices.applyOptions({ upColor: color("--up"), downColor: color("--down"), wickUpColor: color("--up"), wickDownColor: color("--down"), borderVisible: false });
  }
  draw({ candles, tail, interval, overlays, alerts, rules }, whole) {
    const step = INTERVALS[interval], all = tail.length ? [...candles.filter((candle) => candle.start < tail[0].start), ...tail] : candles;
    const bar = (candle) => ({ time: seconds(candle), value: candle.volume, color: color(candle.close >= candle.open ? "--up-soft" : "--down-soft") });
    if (whole) {
      const digits = format.digitsOf(all.at(-1)?.close ?? 1);
      this.prices.applyOptions({ priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits } });
      this.prices.setData(withGaps(all, step)); this.volumes.setData(all.map(bar));
      this.chart.timeScale().setVisibleLogicalRange({ from: Math.max(-5, withGaps(all, step).length - 180), to: withGaps(all, step).length + 4 });
      for (const name of Object.keys(OVERLAYS)) {
        if (this.lines[name]) { this.chart.removeSeries(this.lines[name]); delete this.lines[name]; }
        if (overlays.includes(name)) {
          this.lines[name] = this.chart.addSeries(this.charts.LineSeries, { color: color(`--${name}`), lineWidth: 1, priceLineVisible: false, lastValueVisible: false });
        }
      }
    } else for (const candle of tail) {
      // The window before the newest may have changed as it closed.
      const at = seconds(candle), isOld = at < this.newest;
      this.prices.update({ time: at, open: candle.open, high: candle.high, low: candle.low, close: candle.close }, isOld); this.volumes.update(bar(candle), isOld);
    }
    for (const line of this.levels) this.prices.removePriceLine(line);
    this.levels = rules.map((rule) => this.prices.createPriceLine({ price: Number(rule.price), color: color("--alert"), lineWidth: 1, lineStyle: this.charts.LineStyle.Dashed, axisLabelVisible: true, title: rule.when }));
    this.newest = all.length ? seconds(all.at(-1)) : 0;
    for (const [name, line] of Object.entries(this.lines)) line.setData(overlay(name, all));
    const first = all.length ? seconds(all[0]) : 0;
    const marks = alerts.map((alert) => ({ at: Math.floor(Date.parse(alert.timestamp) / 1000 / step) * step, alert })).filter(({ at }) => at >= first);
    this.markers.setMarkers(marks.sort((a, b) => a.at - b.at).map(({ at, alert }) => ({ time: at, position: alert.direction === "down" ? "belowBar" : "aboveBar", color: color("--alert"), shape: alert.direction === "down" ? "arrowDown" : alert.direction === "up" ? "arrowUp" : "circle", text: alert.kind })));
  }
  render() { return html`<div class="chart" ref=${(element) => element && (this.box = element)} role="img" aria-label="Candles; the table below has the newest quotes"></div>`; }
}

export class SymbolView extends Component {
  constructor(props) {
    super(props);
    const asked = new URLSearchParams(location.search).get("i");
    this.state = { interval: INTERVALS[asked] ? asked : remembered("interval", "5m"), overlays: remembered("overlays", ["vwap"]), candles: null, tail: [], alerts: [], quotes: [], rules: [], point: null, zone: null, error: null };
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
      if (!this.gone && interval === this.state.interval) this.setState({ candles: found.items, tail: [], zone: found.zone, error: null });
    } catch (error) { this.setState({ error: error.message, candles: [] }); }
  }
  async loadRest() {
    if (document.hidden && this.state.quotes.length) return;
    try {
      const [quotes, alerts] = await Promise.all([api(`quotes/${this.path}?limit=20&order=newest`), api(`alerts?symbols=${this.path}&limit=200`)]);
      if (!this.gone) this.setState({ quotes: quotes.items, alerts: alerts.items });
    } catch { /* the headline says what is wrong */ }
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
  choose(interval) { remember("interval", interval); history.replaceState(history.state, "", `?i=${interval}`); this.setState({ interval, candles: null, tail: [] }, () => this.load()); }
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
  render() {
    const { interval, overlays, candles, tail, alerts, quotes, rules, point, zone, error } = this.state, { symbol } = this.props, row = rows.get(symbol);
    const shown = point?.open != null ? point : null;
    return html`<section class="view symbol" aria-labelledby="symbol-title">
      <div class="headline"><h1 id="symbol-title">${symbol}</h1>
        ${row ? html`<p class="big">${format.price(row.price)}<span class="quiet unit">${row.currency ?? ""}</span></p>
          <p><${Change} value=${row.change} digits=${format.digitsOf(row.price)} /> <${Change} value=${row.percent} unit="%" /></p>
          <p><${Badges} row=${row} /></p>
          <p class="quiet">${format.time(row.at, zone)} · <span title=${`yours: ${format.time(row.at)}`}>${format.age(Date.now() - row.at)} ago</span> · ${row.source ?? "unknown source"}${row.delay ? ` · delayed by ${format.age(row.delay * 1000)}` : ""}</p>` : html`<p class="quiet">No quote of it has been stored.</p>`}</div>
      <div class="bar" role="toolbar" aria-label="Chart">${Object.keys(INTERVALS).map((name) => html`<button aria-pressed=${name === interval} onClick=${() => this.choose(name)}>${name}</button>`)}
        <span class="gap"></span>${Object.entries(OVERLAYS).map(([name, title]) => html`<button class=${`overlay ${name}`} aria-pressed=${overlays.includes(name)} onClick=${() => this.toggle(name)}>${title}</button>`)}
        <p class="quiet figures">${shown ? `${format.time(shown.time * 1000, zone)}  O ${format.price(shown.open)}  H ${format.price(shown.high)}  L ${format.price(shown.low)}  C ${format.price(shown.close)}  V ${format.compact(shown.volume)}` : ""}</p></div>
      ${error ? html`<p class="empty">${error}</p>` : candles === null ? html`<div class="chart waiting"><p class="empty">Reading candles…</p></div>` : candles.length === 0 ? html`<div class="chart waiting"><p class="empty">No history yet: the first candle comes with the next quote. <code>stockstream backfill ${symbol} --from …</code> fills the past.</p></div>`
        : html`<${Chart} key=${`${symbol}|${interval}|${zone}`} ...${{ candles, tail, interval, overlays, alerts, rules, zone, onPrice: (price) => this.rules?.propose(price), onPoint: (found) => this.setState({ point: found }) }} />`}
      <p class="quiet credit">Charts by <a href="https://www.tradingview.com/" rel="noopener noreferrer" target="_blank">TradingView Lightweight Charts™</a></p>
      <div class="columns"><div><h2>Last quotes</h2><div class="scroll" tabindex="0" role="region" aria-label="Last quotes"><table><thead><tr><th scope="col">Time</th><th scope="col" class="figure">Price</th><th scope="col" class="figure">Change</th><th scope="col" class="figure">Volume</th><th scope="col" class="figure">z</th></tr></thead>
        <tbody>${quotes.map((quote) => html`<tr key=${quote.timestamp}><td title=${`s3/DynamoDB key: ${quote.symbol}, ${quote.timestamp}`}>${format.time(quote.timestamp, zone)}</td><td class="figure">${format.price(quote.price)}</td><td class="figure"><${Change} value=${quote.change_percent} unit="%" /></td><td class="figure">${format.compact(quote.volume)}</td><td class="figure">${format.signed(quote.indicators?.return_z ?? quote.indicators?.z_score ?? null, 1)}</td></tr>`)}</tbody></table></div></div>
      <div><${Rules} symbol=${symbol} alerts=${alerts} hold=${(view) => { this.rules = view; }} onRules=${(found) => this.setState({ rules: found })} /><h2>Its alerts</h2>${alerts.length ? html`<ul class="alerts">${alerts.slice(0, 50).map((alert) => html`<${AlertRow} key=${alert.alert_id} alert=${alert} zone=${zone} />`)}</ul>` : html`<p class="quiet">None so far.</p>`}</div></div></section>`;
  }
}
function merged(tail, items) {
  const found = new Map([...tail, ...items].map((candle) => [candle.start, candle]));
  return [...found.values()].sort((a, b) => (a.start < b.start ? -1 : 1));
}
