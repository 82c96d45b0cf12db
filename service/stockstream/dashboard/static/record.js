// One quote as the stores have it, to copy.
import { Component, Copy, html } from "./ui.js";
import { api } from "./store.js";
import * as format from "./format.js";

export class Record extends Component {
  componentDidMount() {
    const { symbol, timestamp } = this.props;
    api(`records/${encodeURIComponent(symbol)}/${encodeURIComponent(timestamp)}`).then((found) => this.setState({ found }), (error) => this.setState({ error: error.message }));
  }
  render(_, { found, error }) {
    if (!found) return html`<p class="quiet" role="status">${error ?? "Reading table and archive…"}</p>`;
    const key = JSON.stringify(found.table_key), item = JSON.stringify(found.item, null, 1);
    return html`<section class="record" aria-label="Record"><h3>In the archive</h3>
      ${found.object ? html`<p><code>${found.object}</code> line ${found.line} <${Copy} text=${found.object} what="the object's address" /></p>
        <pre tabindex="0" role="region" aria-label="Bytes">${found.data}</pre><p class="quiet">${format.number(new Blob([found.data]).size)} bytes, as they came. <${Copy} text=${found.data} what="the bytes" /></p>`
        : html`<p class="quiet">Its line was not found where its day lies: it came late, or the archive does not keep it any more.</p>`}
      <h3>In the table <code>${found.table}</code></h3><p><code>${key}</code> <${Copy} text=${key} what="the key" /></p>
      <details><summary>${Object.keys(found.item).length} attributes</summary><pre tabindex="0" role="region" aria-label="Item">${item}</pre><${Copy} text=${item} what="the item" /></details></section>`;
  }
}
