// Health: the pipeline as it is, told from what it has stored, and from its process where that serves this page.
import { Component, html } from "./ui.js";
import * as format from "./format.js";
import { onChange, state } from "./store.js";
import { Workers } from "./workers.js";

const decoded = (text) => { try { return atob(text).slice(0, 2000); } catch { return text; } };
function Light({ good, text }) { return html`<span class=${`light ${good ? "good" : "bad"}`}><span aria-hidden="true">${good ? "●" : "▲"}</span> ${text}</span>`; }

export class Health extends Component {
  componentDidMount() {
    this.props.hold(this); this.stop = onChange(() => this.forceUpdate()); this.clock = setInterval(() => this.forceUpdate(), 1000); }
  componentWillUnmount() { this.stop(); clearInterval(this.clock); }
  onKey(key) { if (key === "Escape") { this.props.go("/"); return true; } return false; }
  render() {
    const health = state.health;
    if (!health) return html`<section class="view"><h1>Health</h1><p class="empty">${state.error ?? "Asking…"}</p></section>`;
    const { board, stored, pipeline } = health;
    const nodes = [
      ...(pipeline?.stages ?? []).map((stage) => ({ ...stage })),
      { name: "Log", good: !board.error && stored.partitions.length > 0, text: board.error ?? (stored.partitions.length ? "is read" : "empty: nothing was consumed yet"), facts: [["quotes a second", format.number(board.quotes_per_second, 1)], ["symbols", format.number(board.symbols)], ["newest event", board.newest_event ? `${format.age(Date.now() - Date.parse(board.newest_event))} ago` : "–"]] },
      { name: "Alerts", good: stored.unsent_alerts === 0, text: stored.unsent_alerts ? `${stored.unsent_alerts} wait for the notification service; they are sent within minutes of its return` : "all sent", facts: [["unsent", format.number(stored.unsent_alerts)]] },
      { name: "Quarantine", good: stored.quarantined === 0, text: stored.quarantined ? "records lie there: see below; stockstream redrive sends them again" : "empty", facts: [["records", format.number(stored.quarantined)]] },
      { name: "This page", good: state.stream === "live", text: state.stream === "live" ? "live" : "has lost its stream; it comes back by itself", facts: [["stores read", board.read_at ? `${format.age(Date.now() - Date.parse(board.read_at))} ago` : "never"]] },
    ];
    return html`<section class="view" aria-labelledby="health-title"><div class="bar"><h1 id="health-title">Health</h1><p class="quiet">as of ${format.time(health.now)}</p></div>
      <div class="box" tabindex="0" role="region" aria-label="Stages"><ol class="stages">${nodes.map((node) => html`<li key=${node.name}><h2>${node.name}</h2><p><${Light} good=${node.good} text=${node.text} /></p><dl>${node.facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></li>`)}</ol>
      <${Workers} rows=${health.workers} />
      ${health.cost && html`<h2>Cost on AWS</h2><p>${format.number(health.cost.so_far_usd, 2)} USD this month so far, ${format.number(health.cost.month_usd, 2)} by its end, by the cost model (<code>stockstream cost</code>): the symbols that there are, at the settings' pace${pipeline ? "; on this machine it costs nothing" : ""}.</p>
      <dl class="bill">${Object.entries(health.cost.so_far_by_service).map(([name, dollars]) => html`<div key=${name}><dt>${name}</dt><dd>${format.number(dollars, 2)}</dd></div>`)}</dl>`}
      <h2>Partitions of the log</h2><div class="scroll" tabindex="0" role="region" aria-label="Partitions"><table><thead><tr><th scope="col">Partition</th><th scope="col" class="figure">Revision</th><th scope="col" class="figure">Behind checkpoint</th><th scope="col">Folder</th><th scope="col" class="figure">Symbols</th><th scope="col" class="figure">Newest event</th></tr></thead>
        <tbody>${stored.partitions.map((one) => html`<tr key=${one.name}><th scope="row">${one.name}</th><td class="figure">${format.number(one.revision)}</td><td class="figure">${format.number(one.revision - one.checkpoint_revision)}</td><td>${one.folder}</td><td class="figure">${format.number(one.symbols)}</td><td class="figure" title=${one.newest_event ?? ""}>${one.newest_event ? `${format.age(Date.now() - Date.parse(one.newest_event))} ago` : "–"}</td></tr>`)}</tbody></table></div>
      <h2>Quarantine</h2>${stored.quarantine.length === 0 ? html`<p class="quiet">No record was set aside in the newest days.</p>` : html`<ul class="alerts">${stored.quarantine.map((one) => html`<li class="alert warning" key=${one.key}><details><summary><span class="badge warning">${one.reason}</span> ${format.number(one.data_bytes)} bytes <time>${format.time(one.arrived_at)}</time></summary><p>${one.detail}</p><pre>${decoded(one.data_base64)}</pre><p class="quiet">${one.key}</p></details></li>`)}</ul>`}</div></section>`;
  }
}
