// The watchlist: only rows that can be seen exist; sorted and filtered as one types.
import { Badges, Change, Component, Range, Spark, html } from "./ui.js";
import * as format from "./format.js";
import { Groups, belongs, isKnown, linkOf, readLink } from "./groups.js";
import { api, onChange, remember, remembered, rows, state, zoneOf } from "./store.js";

const COLUMNS = [
  ["symbol", "Symbol", "", (row) => row.symbol],
  ["price", "Price", "figure", (row) => row.price],
  ["change", "Change", "figure wide", (row) => row.change ?? 0],
  ["percent", "%", "figure", (row) => row.percent ?? 0],
  ["spark", "Session", "wide", null],
  ["range", "Day's range", "wide", null],
  ["volume", "Volume", "figure wide", (row) => row.volume ?? -1],
  ["usual", "× usual", "figure wide", null],
  ["badges", "State", "", (row) => (row.anomaly ? 2 : 0) + (row.stale ? 1 : 0)],
  ["age", "Last trade", "figure wide", (row) => -row.at],
];
const SORT_MILLISECONDS = 1000;
const OVERSCAN = 6;
const sparks = new Map(), ratios = new Map(), splits = new Map();
const USUAL = "Volume of the newest stored minute over what is usual at that minute of the day; known once enough sessions are stored";

export class Watchlist extends Component {
  constructor(props) {
    super(props);
    const query = new URLSearchParams(location.search);
    const [by, way] = (query.get("sort") ?? remembered("sort", "symbol:up")).split(":");
    this.state = { filter: query.get("q") ?? "", by, way, group: readLink(query), hidden: remembered("hidden", []), top: 0, height: 600, selected: 0 };
    this.order = []; this.sortedAt = 0; this.asked = new Set();
  }
  componentDidMount() {
    this.props.hold(this);
    this.stop = onChange(() => this.forceUpdate());
    this.clock = setInterval(() => { this.forceUpdate(); this.askSparks(); }, 1000);
    this.measure = () => this.setState({ height: this.box?.clientHeight ?? 600 });
    addEventListener("resize", this.measure); this.measure(); this.askSparks();
  }
  componentWillUnmount() { this.stop(); clearInterval(this.clock); removeEventListener("resize", this.measure); }
  get cards() { return matchMedia("(max-width: 640px)").matches; }
  get rowHeight() { return this.cards ? 64 : 32; }

  ordered() {
    const now = performance.now(), key = `${this.state.filter}|${this.state.group}|${this.state.by}|${this.state.way}|${rows.size}`;
    if (key !== this.key || now - this.sortedAt > SORT_MILLISECONDS) {
      this.key = key; this.sortedAt = now;
      const words = this.state.filter.toUpperCase().split(/\s+/).filter(Boolean);
      const value = COLUMNS.find(([name]) => name === this.state.by)?.[3] ?? COLUMNS[0][3];
      const sign = this.state.way === "down" ? -1 : 1;
      const isIn = belongs(this.state.group);
      this.order = [...rows.values()]
        .filter((row) => isIn(row) && words.every((word) => row.symbol.includes(word) || (row.exchange ?? "").toUpperCase().includes(word) || (word === "ANOMALY" && row.anomaly) || (word === "STALE" && row.stale)))
        .sort((one, other) => {
          const a = value(one), b = value(other);
          return (a < b ? -1 : a > b ? 1 : one.symbol < other.symbol ? -1 : 1) * (a === b ? 1 : sign);
        });
    }
    return this.order;
  }
  visible() {
    const first = Math.max(0, Math.floor(this.state.top / this.rowHeight) - OVERSCAN);
    const count = Math.ceil(this.state.height / this.rowHeight) + 2 * OVERSCAN;
    return [first, this.order.slice(first, first + count)];
  }
  async askSparks() {
    const missing = this.visible()[1].map((row) => row.symbol).filter((symbol) => !this.asked.has(symbol)).slice(0, 60);
    if (!missing.length || document.hidden) return;
    missing.forEach((symbol) => this.asked.add(symbol));
    setTimeout(() => missing.forEach((symbol) => this.asked.delete(symbol)), 60000);
    try {
      const found = await api(`sparklines?symbols=${encodeURIComponent(missing.join(","))}`);
      for (const [symbol, closes] of Object.entries(found.items)) { sparks.set(symbol, closes); ratios.set(symbol, found.volume_ratios[symbol]); splits.set(symbol, found.splits[symbol]); }
    } catch { missing.forEach((symbol) => this.asked.delete(symbol)); }
  }
  sort(by) {
    const way = this.state.by === by && this.state.way === "down" ? "up" : this.state.by === by ? "down" : by === "symbol" ? "up" : "down";
    remember("sort", `${by}:${way}`); this.show({ by, way });
  }
  filter(text) { this.show({ filter: text }); }
  group(name) { remember("group", name); this.show({ group: name }); }
  // From the top, and as a link that carries it.
  show(change) {
    this.setState({ ...change, selected: 0, top: 0 }); if (this.box) this.box.scrollTop = 0;
    const { filter: q, by, way, group } = { ...this.state, ...change };
    history.replaceState(history.state, "", `/?${new URLSearchParams({ ...(q && { q }), sort: `${by}:${way}`, ...linkOf(group) })}`);
  }
  hide(name) {
    const hidden = this.state.hidden.includes(name) ? this.state.hidden.filter((one) => one !== name) : [...this.state.hidden, name];
    remember("hidden", hidden); this.setState({ hidden });
  }
  get columns() { return COLUMNS.filter(([name]) => !this.state.hidden.includes(name)); }
  // Keys that the page hands down: true where one was ours.
  onKey(key) {
    const last = this.order.length - 1;
    if (key === "/") { this.search?.focus(); return true; }
    if (key === "j" || key === "ArrowDown") return this.select(Math.min(last, this.state.selected + 1));
    if (key === "k" || key === "ArrowUp") return this.select(Math.max(0, this.state.selected - 1));
    if (key === "Enter" && this.order[this.state.selected]) { this.props.go(`/s/${encodeURIComponent(this.order[this.state.selected].symbol)}`); return true; }
    if (key === "Escape") { this.filter(""); this.search?.blur(); return true; }
    return false;
  }
  select(selected) {
    this.setState({ selected });
    const at = selected * this.rowHeight, box = this.box;
    if (box && at < box.scrollTop) box.scrollTop = at;
    if (box && at + 2 * this.rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = at + 2 * this.rowHeight - box.clientHeight;
    return true;
  }
  render() {
    const order = this.ordered(), [first, shown] = this.visible(), height = this.rowHeight, after = order.length - first - shown.length;
    const up = order.filter((row) => row.change > 0).length, down = order.filter((row) => row.change < 0).length;
    return html`<section class="view" aria-labelledby="watchlist-title">
      <div class="bar"><h1 id="watchlist-title">Watchlist</h1>
        <label class="search"><span class="sr">Filter symbols</span><input ref=${(element) => element && (this.search = element)} type="search" placeholder="Filter ( / )" value=${this.state.filter} onInput=${(event) => this.filter(event.target.value)} /></label>
        <label class="narrow"><span class="sr">Sort by</span><select value=${this.state.by} onChange=${(event) => this.sort(event.target.value)}>${COLUMNS.filter(([, , , value]) => value).map(([name, title]) => html`<option value=${name}>${title}</option>`)}</select></label>
        <${Groups} chosen=${this.state.group} shown=${() => this.order.map((row) => row.symbol)} onChoose=${(name) => this.group(name)} />
        <details class="menu columns-menu"><summary>Columns</summary><form>${COLUMNS.slice(1).map(([name, title]) => html`<label class="tick"><input type="checkbox" checked=${!this.state.hidden.includes(name)} onChange=${() => this.hide(name)} />${title}</label>`)}</form></details>
        <p class="quiet">${format.number(order.length)} ${order.length === 1 ? "symbol" : "symbols"} · <span class="up">▲ ${up}</span> · <span class="down">▼ ${down}</span></p></div>
      ${!state.loaded ? html`<p class="empty">Reading the newest quotes…</p>` : rows.size === 0 ? html`<p class="empty">Nothing has been stored yet. Start the service: <code>stockstream run</code>, or <code>make run</code> on this machine.</p>`
        : order.length === 0 ? html`<p class="empty">${!isKnown(this.state.group) ? `This browser has no group “${this.state.group}”.` : this.state.filter ? `No symbol matches “${this.state.filter}”.` : "No symbol of this group has a quote yet."} <button onClick=${() => { remember("group", ""); this.show({ filter: "", group: "" }); }}>Show all</button></p>` : ""}
      <div class="box" ref=${(element) => element && (this.box = element)} onScroll=${(event) => this.setState({ top: event.target.scrollTop })} tabindex="0" role="region" aria-label="Quotes">
      <table class="list" aria-rowcount=${order.length + 1}><thead><tr>${this.columns.map(([name, title, kind, value]) => html`<th scope="col" title=${name === "usual" ? USUAL : null} class=${`${kind} ${name}`} aria-sort=${this.state.by === name ? (this.state.way === "up" ? "ascending" : "descending") : null}>
        ${value ? html`<button onClick=${() => this.sort(name)}>${title}${this.state.by === name ? html`<span aria-hidden="true">${this.state.way === "up" ? " ↑" : " ↓"}</span>` : ""}</button>` : title}</th>`)}</tr></thead>
      <tbody>${first > 0 && html`<tr key="before" class="spacer" aria-hidden="true" style=${{ height: `${first * height}px` }}><td colspan=${this.columns.length}></td></tr>`}
        ${shown.map((row, index) => this.row(row, first + index))}
        ${after > 0 && html`<tr key="after" class="spacer" aria-hidden="true" style=${{ height: `${after * height}px` }}><td colspan=${this.columns.length}></td></tr>`}</tbody></table></div></section>`;
  }
  row(row, index) {
    const path = `/s/${encodeURIComponent(row.symbol)}`;
    return html`<tr key=${row.symbol} aria-rowindex=${index + 2} class=${index === this.state.selected ? "selected" : ""} onClick=${() => this.props.go(path)}>
      <th scope="row" class="symbol"><a href=${path} onClick=${(event) => { event.preventDefault(); event.stopPropagation(); this.props.go(path); }}>${row.symbol}</a><span class="quiet exchange">${row.exchange ?? ""}</span></th>
      ${this.columns.slice(1).map(([name]) => CELLS[name](row))}</tr>`;
  }
}

const CELLS = {
  price: (row) => html`<td class=${`figure price ${row.turns ? `glow-${row.moved}-${row.turns % 2}` : ""}`}>${format.price(row.price, row.digits)}<span class="quiet unit">${row.currency ?? ""}</span></td>`,
  change: (row) => html`<td class=${`figure wide change ${format.side(row.change)}`}>${format.signed(row.change, row.digits)}</td>`,
  percent: (row) => html`<td class="figure percent"><${Change} value=${row.percent} unit="%" /></td>`,
  spark: (row) => html`<td class="wide spark"><${Spark} values=${sparks.has(row.symbol) && [...sparks.get(row.symbol), row.price]} change=${row.change} label=${`${row.symbol} in this session`} /></td>`,
  range: (row) => html`<td class="wide range"><${Range} low=${row.low} high=${row.high} price=${row.price} /></td>`,
  volume: (row) => html`<td class="figure wide volume" title=${format.number(row.volume)}>${format.compact(row.volume)}</td>`,
  usual: (row) => html`<td class="figure wide usual" title=${USUAL}>${ratios.get(row.symbol) == null ? "–" : `× ${format.number(ratios.get(row.symbol), 1)}`}</td>`,
  badges: (row) => html`<td class="badges"><${Badges} row=${row} split=${splits.get(row.symbol)} /></td>`,
  age: (row) => html`<td class="figure wide age" title=${`${format.time(row.at, zoneOf(row))} · yours: ${format.time(row.at)}`}>${format.age(Date.now() - row.at)}</td>`,
};
