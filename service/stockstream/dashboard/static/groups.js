// Groups of the watchlist: kept in this browser; a link carries the symbols of the one that it shows.
import { Component, html } from "./ui.js";
import { remember, remembered, rows } from "./store.js";

const LINKED_MAX = 100;
const EXCHANGE = "@";
// Without a prototype: a link may name a group `constructor`.
const named = (groups) => Object.assign(Object.create(null), groups);
const linked = named();
let kept = named(remembered("groups", {}));
// Another tab may have saved or removed one meanwhile.
function keep(edit) { kept = named(remembered("groups", kept)); edit(); remember("groups", kept); }

// A group that a link brought counts where this browser has none of that name.
export function readLink(query) {
  const name = query.get("group");
  if (name && query.get("of")) linked[name] = query.get("of").split(",").slice(0, LINKED_MAX);
  return name ?? remembered("group", "");
}
export const linkOf = (name) => (!name ? {} : { group: name, ...(membersOf(name)?.length <= LINKED_MAX && { of: membersOf(name).join(",") }) });
const membersOf = (name) => kept[name] ?? linked[name] ?? null;
// What a row must be to belong to it; every row belongs to no group.
export function belongs(name) {
  if (!name) return () => true;
  if (name.startsWith(EXCHANGE)) return (row) => (row.exchange ?? "") === name.slice(1);
  const members = new Set(membersOf(name) ?? []);
  return (row) => members.has(row.symbol);
}
export const isKnown = (name) => !name || name.startsWith(EXCHANGE) || membersOf(name) !== null;

export class Groups extends Component {
  constructor(props) { super(props); this.state = { name: "", symbols: "" }; }
  // The list is drawn once a frame; this is not.
  shouldComponentUpdate(next, state) { return next.chosen !== this.props.chosen || state !== this.state || rows.size !== this.size; }
  // Begins with the group that is shown, or with what the filter leaves.
  open(event) {
    if (!event.target.open) return;
    const { chosen, shown } = this.props, isOwn = chosen && !chosen.startsWith(EXCHANGE);
    this.setState({ name: isOwn ? chosen : "", symbols: (isOwn ? membersOf(chosen) ?? [] : shown().length < rows.size ? shown() : []).slice(0, 500).join(" ") });
  }
  save(event) {
    event.preventDefault();
    const name = this.state.name.trim().replaceAll(EXCHANGE, ""), symbols = [...new Set(this.state.symbols.toUpperCase().split(/[\s,;]+/).filter(Boolean))];
    if (!name) return;
    keep(() => { kept[name] = symbols; }); this.props.onChoose(name); this.box.open = false;
  }
  remove() { keep(() => delete kept[this.state.name]); this.props.onChoose(""); this.box.open = false; }
  render({ chosen, onChoose }, { name, symbols }) {
    this.size = rows.size;
    const exchanges = [...new Set([...rows.values()].map((row) => row.exchange).filter(Boolean))].sort().slice(0, 40);
    return html`<label><span class="sr">Group</span><select value=${chosen} onChange=${(event) => onChoose(event.target.value)}>
        <option value="">all symbols</option>${Object.keys({ ...linked, ...kept }).sort().map((one) => html`<option value=${one}>${one}</option>`)}
        ${exchanges.length > 1 ? exchanges.map((one) => html`<option value=${EXCHANGE + one}>exchange ${one}</option>`) : ""}</select></label>
      <details class="menu" ref=${(element) => element && (this.box = element)} onToggle=${(event) => this.open(event)}><summary>Groups</summary><form onSubmit=${(event) => this.save(event)}>
        <label>Name<input required maxlength="40" value=${name} onInput=${(event) => this.setState({ name: event.target.value })} /></label>
        <label>Symbols<textarea rows="4" placeholder="AAPL MSFT" value=${symbols} onInput=${(event) => this.setState({ symbols: event.target.value })}></textarea></label>
        <p><button>Save</button> ${kept[name] ? html`<button type="button" onClick=${() => this.remove()}>Remove</button>` : ""}</p><p class="quiet">Kept in this browser. A filter first, then here: the group is what is shown.</p></form></details>`;
  }
}
