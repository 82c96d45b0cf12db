// Preact and htm, bound once; the few pieces that several places draw.
import { Component, h, render } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";
import * as format from "./format.js";

export { Component, render };
export const html = htm.bind(h);

export function Change({ value, digits = 2, unit = "" }) {
  return html`<span class=${`change ${format.side(value)}`}><span aria-hidden="true">${format.arrow(value)}</span> ${format.signed(value, digits)}${unit}</span>`;
}
export function Spark({ values, change, width = 96, height = 24, floor, label }) {
  const points = format.sparkline(values, width, height, floor);
  return html`<svg class=${`spark ${format.side(change)}`} width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${label}>
    ${points && html`<polyline points=${points} />`}</svg>`;
}
export function Range({ low, high, price }) {
  if (low == null || high == null) return "";
  const share = high > low ? Math.min(1, Math.max(0, (price - low) / (high - low))) : 0.5;
  return html`<svg class="range" width="72" height="10" viewBox="0 0 72 10" role="img" aria-label=${`from ${format.price(low)} to ${format.price(high)}`}>
    <line x1="1" y1="5" x2="71" y2="5" /><circle cx=${3 + share * 66} cy="5" r="3" /></svg>`;
}
export function Badges({ row, split }) {
  const found = [];
  if (split) found.push(["parted", `split ${split}`]);
  if (row.anomaly) found.push(["anomaly", "anomaly"]);
  if (row.stale) found.push(["stale", "stale"]);
  const market = { PRE: "pre", PREPRE: "pre", POST: "post", POSTPOST: "post", CLOSED: "closed", HALTED: "halted" }[row.market];
  if (market) found.push([market, market]);
  return found.map(([name, text]) => html`<span class=${`badge ${name}`} key=${name}>${text}</span>`);
}
// What is shown, into the clipboard, where the browser allows it.
export class Copy extends Component {
  async copy() {
    try { await navigator.clipboard.writeText(this.props.text); this.setState({ said: "copied" }); } catch { this.setState({ said: "not allowed here: select it" }); }
    setTimeout(() => this.setState({ said: "" }), 2000);
  }
  render({ what }, { said }) {
    return html`<button type="button" class="copy" onClick=${() => this.copy()} aria-label=${`Copy ${what}`}>${said || "Copy"}</button>`;
  }
}
