// Levels that alerts wait for: seen, added, removed, and a test of where alerts go.
import { Component, html } from "./ui.js";
import * as format from "./format.js";
import { api, change, rows } from "./store.js";
import { Week, didThisWeek, readWeek } from "./week.js";

const WEEK_SECONDS = 30;

// Where they go, as far as this page knows.
function Delivery({ delivery: { topic, receivers } }) {
  if (!topic) return html`<p class="quiet">Where alerts go is not known here: <code>STOCKSTREAM_ALERTS_TOPIC_ARN</code> names the topic.</p>`;
  return html`<p class="quiet">Alerts go to <code>${topic}</code>${receivers === null ? ", and from there to whoever subscribed" : receivers.length ? html`, and from here to <b>${receivers.join(", ")}</b>` : "; from here to nobody else"}.</p>`;
}

export class Rules extends Component {
  constructor(props) {
    super(props);
    this.state = { items: null, week: null, delivery: null, error: null, said: "", symbol: props.symbol ?? "", when: "above", price: "", repeat: "once" };
  }
  componentDidMount() { this.props.hold?.(this); this.load(); this.timer = setInterval(() => document.hidden || this.load(), 10000); }
  componentWillUnmount() { this.gone = true; clearInterval(this.timer); }
  async load() {
    try {
      const found = await api("alert-rules");
      if (this.gone) return;
      const items = this.props.symbol ? found.items.filter((rule) => rule.symbol === this.props.symbol) : found.items;
      this.setState({ items, delivery: found.delivery, error: null }); this.props.onRules?.(items);
      if (Date.now() - (this.weekAt ?? 0) > WEEK_SECONDS * 1000) { this.weekAt = Date.now(); const week = await readWeek(this.props.symbol); if (!this.gone) this.setState({ week }); }
    } catch (error) { if (!this.gone) this.setState({ error: error.message, items: [] }); }
  }
  // A price that somebody pointed at on the chart, or dragged a level to: nothing is changed until the form is sent.
  propose(price, moved = null) {
    const last = rows.get(this.state.symbol)?.price;
    this.setState({ price: String(price), when: last != null && price < last ? "below" : "above", moved, ...(moved && { repeat: moved.repeat }) }, () => this.field?.focus());
  }
  focus() { this.field?.focus(); }
  async act(work) {
    try { this.setState({ said: await work() }); this.load(); } catch (error) { this.setState({ said: error.message }); }
  }
  add(event) {
    event.preventDefault();
    const { symbol, when, price, repeat, moved } = this.state;
    this.act(async () => {
      const added = await change("alert-rules", "POST", { symbol, when, price, repeat, ...(moved && { replaces: moved.name }) });
      this.setState({ price: "", moved: null });
      return `${added.symbol} ${when} ${price}: in force from ${format.time(added.since, undefined, false)}${added.starts === when ? `; it is ${when} already, and rings when it comes back` : ""}.`;
    });
  }
  remove(rule) { this.act(async () => { await change(`alert-rules/${encodeURIComponent(rule.symbol)}/${encodeURIComponent(rule.name)}`, "DELETE"); return `${rule.symbol} ${rule.when} ${format.price(rule.price)}: removed.`; }); }
  test() { this.act(async () => { await change("alert-rules/test", "POST", {}); return "A test alert is on its way, wherever alerts go."; }); }
  render({ symbol: fixed }) {
    const { items, week, delivery, error, said, symbol, when, price, repeat, moved } = this.state;
    const set = (name) => (event) => this.setState({ [name]: event.target.value });
    return html`<section class="rules" aria-label="Levels"><h2>Levels${fixed ? ` of ${fixed}` : ""}</h2>
      ${error ? html`<p class="quiet">${error}</p>` : ""}
      <form class="bar" onSubmit=${(event) => this.add(event)}>
        ${fixed ? "" : html`<label><span class="sr">Symbol</span><input class="short" placeholder="Symbol" required autocapitalize="characters" value=${symbol} onInput=${(event) => this.setState({ symbol: event.target.value.toUpperCase() })} /></label>`}
        <label><span class="sr">Direction</span><select value=${when} onChange=${set("when")}><option value="above">comes above</option><option value="below">comes below</option></select></label>
        <label><span class="sr">Price</span><input class="short" ref=${(element) => element && (this.field = element)} inputmode="decimal" placeholder=${fixed ? "Price ( a )" : "Price"} required value=${price} onInput=${set("price")} /></label>
        <label><span class="sr">How often</span><select value=${repeat} onChange=${set("repeat")}><option value="once">once</option><option value="each">each time</option></select></label>
        <button>${moved ? `Move ${moved.when} ${format.price(moved.price)}` : "Add"}</button>${moved ? html`<button type="button" onClick=${() => this.setState({ moved: null, price: "" })}>Leave it</button>` : ""} ${fixed ? "" : html`<button type="button" onClick=${() => this.test()}>Send a test</button>`}</form>
      <p class="quiet said" role="status">${said}</p>
      ${items?.length ? html`<ul class="levels">${items.map((rule) => html`<li key=${`${rule.symbol}${rule.name}`}>
        ${fixed ? "" : html`<a href=${`/s/${encodeURIComponent(rule.symbol)}`}>${rule.symbol}</a>`} <span>${rule.when} <b>${format.price(rule.price)}</b></span> <span class="quiet">${rule.repeat === "once" ? "once" : "each time"} · ${didThisWeek(week, rule)}</span>
        <button onClick=${() => this.remove(rule)} aria-label=${`Remove ${rule.symbol} ${rule.when} ${rule.price}`}>Remove</button></li>`)}</ul>`
        : items && !error ? html`<p class="quiet">No level yet. A phone gets it in two minutes: <code>STOCKSTREAM_NOTIFY_URLS=ntfys://a-topic-of-your-own</code>.</p>` : ""}
      ${delivery && !fixed ? html`<${Delivery} delivery=${delivery} />` : ""}${fixed ? "" : html`<${Week} week=${week} />`}</section>`;
  }
}
