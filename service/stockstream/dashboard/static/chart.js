// The chart of one symbol: candles, averages, panes, what lies outside regular hours, alerts, splits, levels.
import { Component, html } from "./ui.js";
import * as format from "./format.js";
import { LevelHandles } from "./levels.js";
import { INTERVALS, average, outside, seconds, splitsOf, windowOf, withGaps } from "./series.js";

export const OVERLAYS = { vwap: "VWAP", sma: "SMA 20", ema: "EMA 20" };
// Panes of what was stored with the quotes: name in a signal, title, digits.
export const PANES = { z: ["return_z", "z", 1], usual: ["volume_ratio", "× usual", 1] };
const VOLUME_HEIGHT = 72, PANE_HEIGHT = 64;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Columns behind the candles, of the windows outside regular hours.
class Shade {
  constructor(chart) { this.chart = chart; this.times = []; }
  set(times) { this.times = times; this.update?.(); }
  attached({ requestUpdate }) { this.update = requestUpdate; }
  paneViews() { return [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => target.useBitmapCoordinateSpace((scope) => this.draw(scope)) }) }]; }
  draw({ context, bitmapSize, horizontalPixelRatio: ratio }) {
    const scale = this.chart.timeScale(), width = scale.options().barSpacing;
    context.fillStyle = color("--shade");
    for (const time of this.times) {
      const x = scale.timeToCoordinate(time);
      if (x === null) continue;
      const left = Math.round((x - width / 2) * ratio);
      context.fillRect(left, 0, Math.round((x + width / 2) * ratio) - left, bitmapSize.height);
    }
  }
}

export class Chart extends Component {
  shouldComponentUpdate() { return false; }
  async componentDidMount() {
    const charts = await import("./vendor/lightweight-charts.mjs");
    if (this.gone) return;
    this.charts = charts;
    this.chart = charts.createChart(this.box, { autoSize: true, layout: { attributionLogo: false, panes: { separatorColor: color("--line") } }, timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 }, crosshair: { mode: charts.CrosshairMode.Normal } });
    this.prices = this.chart.addSeries(charts.CandlestickSeries, {});
    this.volumes = this.chart.addSeries(charts.HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1);
    this.chart.panes()[1].setHeight(VOLUME_HEIGHT);
    this.markers = charts.createSeriesMarkers(this.prices, []);
    this.shade = new Shade(this.chart); this.prices.attachPrimitive(this.shade);
    this.handles = new LevelHandles(this.box, this.prices, this.props.onPrice);
    this.lines = {}; this.panes = {}; this.levels = [];
    this.chart.subscribeClick((event) => { const price = event.point && event.paneIndex === 0 && this.prices.coordinateToPrice(event.point.y); if (price) this.props.onPrice(Number(price.toFixed(this.digits)), null); });
    this.chart.subscribeCrosshairMove((event) => {
      this.handles.place();
      const values = Object.fromEntries(Object.entries(this.panes).map(([name, series]) => [name, event.seriesData.get(series)?.value]));
      this.props.onPoint(event.time ? { time: event.time, ...event.seriesData.get(this.prices), volume: event.seriesData.get(this.volumes)?.value, ...values } : null);
    });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => requestAnimationFrame(() => this.gone || this.handles.place()));
    this.style();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.restyle = () => { this.style(); this.draw(this.props, true); };
    this.dark.addEventListener("change", this.restyle); addEventListener("stockstream:theme", this.restyle);
    this.draw(this.props, true);
  }
  componentWillUnmount() { this.gone = true; this.dark?.removeEventListener("change", this.restyle); removeEventListener("stockstream:theme", this.restyle); this.chart?.remove(); }
  // Only what is new is drawn: drawing moves the crosshair's figures, which are drawn too.
  componentWillReceiveProps(next) {
    const isNew = (names) => names.some((name) => next[name] !== this.props[name]), whole = isNew(["candles", "overlays", "signals", "digits"]);
    if (this.chart && (whole || isNew(["tail", "alerts", "rules"]))) this.draw(next, whole);
  }
  style() {
    const zone = this.props.zone;
    this.chart.applyOptions({
      layout: { background: { color: color("--surface") }, textColor: color("--quiet"), fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { vertLines: { color: color("--faint") }, horzLines: { color: color("--faint") } },
      rightPriceScale: { borderColor: color("--line") }, timeScale: { borderColor: color("--line"), tickMarkFormatter: (at, kind) => { const text = format.time(at * 1000, this.props.interval === "1d" ? "UTC" : zone); return kind < 3 ? text.slice(5, 10) : text.slice(12, 17); } },
      localization: { timeFormatter: (at) => (this.props.interval === "1d" ? format.time(at * 1000, "UTC").slice(0, 10) : format.time(at * 1000, zone)) },
    });
    this.prices.applyOptions({ upColor: color("--up"), downColor: color("--down"), wickUpColor: color("--up"), wickDownColor: color("--down"), borderVisible: false });
  }
  draw({ candles, tail, interval, overlays, alerts, rules, signals, digits }, whole) {
    const step = INTERVALS[interval], all = tail.length ? [...candles.filter((candle) => candle.start < tail[0].start), ...tail] : candles;
    const bar = (candle) => ({ time: seconds(candle), value: candle.volume, color: color(candle.close >= candle.open ? "--up-soft" : "--down-soft") });
    this.digits = digits;
    if (whole) {
      const bars = withGaps(all, step), isFirst = !this.isDrawn; this.isDrawn = true;
      this.prices.applyOptions({ priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits } });
      this.prices.setData(bars); this.volumes.setData(all.map(bar));
      if (isFirst) this.chart.timeScale().setVisibleLogicalRange({ from: Math.max(-5, bars.length - 180), to: bars.length + 4 });
      for (const name of Object.keys(OVERLAYS)) this.keep(this.lines, name, overlays, () => this.chart.addSeries(this.charts.LineSeries, { color: color(`--${name}`), lineWidth: 1, priceLineVisible: false, lastValueVisible: false }));
      this.drawPanes(overlays, signals);
      const known = new Set(bars.map((one) => one.time));
      this.shade.set(step < 86400 ? outside(signals).filter((time) => known.has(time)) : []);
    } else for (const candle of tail) {
      // The window before the newest may have changed as it closed.
      const at = seconds(candle), isOld = at < this.newest;
      this.prices.update({ time: at, open: candle.open, high: candle.high, low: candle.low, close: candle.close }, isOld); this.volumes.update(bar(candle), isOld);
    }
    for (const line of this.levels) this.prices.removePriceLine(line);
    this.levels = rules.map((rule) => this.prices.createPriceLine({ price: Number(rule.price), color: color("--alert"), lineWidth: 1, lineStyle: this.charts.LineStyle.Dashed, axisLabelVisible: true, title: rule.when }));
    this.newest = all.length ? seconds(all.at(-1)) : 0;
    for (const [name, line] of Object.entries(this.lines)) line.setData(average(name, all));
    this.mark(alerts, signals, all.length ? seconds(all[0]) : 0, step);
    // The scale moves with the data, in the next frame.
    requestAnimationFrame(() => this.gone || this.handles.draw(rules, all.at(-1)?.close, digits));
  }
  keep(kept, name, wanted, make) {
    if (kept[name]) { this.chart.removeSeries(kept[name]); delete kept[name]; }
    if (wanted.includes(name)) kept[name] = make();
  }
  drawPanes(wanted, signals) {
    for (const name of Object.keys(this.panes)) { this.chart.removeSeries(this.panes[name]); delete this.panes[name]; }
    for (const [name, [field, title, precision]] of Object.entries(PANES)) {
      if (!wanted.includes(name)) continue;
      const index = this.chart.panes().length;
      this.panes[name] = this.chart.addSeries(this.charts.HistogramSeries, { title, priceFormat: { type: "price", precision, minMove: 10 ** -precision }, priceLineVisible: false, lastValueVisible: false, color: color("--quiet") }, index);
      this.panes[name].setData(signals.filter((one) => one[field] != null).map((one) => ({ time: seconds(one), value: one[field] })));
      this.chart.panes()[index].setHeight(PANE_HEIGHT);
    }
  }
  mark(alerts, signals, first, step) {
    const marks = alerts.map((alert) => ({ time: windowOf(alert, step), position: alert.direction === "down" ? "belowBar" : "aboveBar", color: color("--alert"), shape: alert.direction === "down" ? "arrowDown" : alert.direction === "up" ? "arrowUp" : "circle", text: alert.kind }));
    const splits = splitsOf(signals).map((one) => ({ time: seconds(one), position: "aboveBar", color: color("--focus"), shape: "square", text: `split ${one.split_suspected}` }));
    this.markers.setMarkers([...marks, ...splits].filter(({ time }) => time >= first).sort((a, b) => a.time - b.time));
  }
  render() { return html`<div class="chart" ref=${(element) => element && (this.box = element)} role="group" aria-label="Candles; the table below has the newest quotes"></div>`; }
}
