// Health: the pipeline as it is, told from what it has stored, and from its process where that serves this page.
import { Component, Spark, html } from "./ui.js";
import * as format from "./format.js";
import { onChange, state } from "./store.js";
import { Workers } from "./workers.js";

const decoded = (text) => { try { return atob(text).slice(0, 2000); } catch { return text; } };
function Light({ good, text }) { return html`<span class=${`light ${good ? "good" : "bad"}`}><span aria-hidden="true">${good ? "●" : "▲"}</span> ${text}</span>`; }


// What hands on to the next; the consumer's three, and what stands behind them, do not.
const FLOWS = new Set(["source", "gate", "outbox", "kinesis", "consumer"]);

// A stage: a light, a rate, an age, how it went in the last hour; opened, what is behind it.
function Stage({ node, rates }) {
  const known = rates ?? [];
  return html`<li class=${FLOWS.has(node.name) ? "flows" : ""}><details><summary><h2>${node.name}</h2><p><${Light} good=${node.good} text=${node.text} /></p>
    <dl>${node.facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
      ${known.length ? html`<div><dt>a second</dt><dd>${format.number(known.at(-1), known.at(-1) < 10 ? 1 : 0)}</dd></div>` : ""}</dl>
    ${known.length > 1 ? html`<${Spark} values=${known} width=${180} height=${28} floor=${0} label=${`${node.name}: ${format.number(Math.min(...known), 1)} to ${format.number(Math.max(...known), 1)} a second`} />` : ""}</summary>
    ${node.behind?.length ? html`<dl class="behind">${node.behind.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>` : html`<p class="quiet behind">${node.more ?? "Nothing more is known of it here."}</p>`}</details></li>`;
}
// Columns are [title, is a figure, cell of a row].
function Figures({ title, columns, rows, empty }) {
  return html`<h2>${title}</h2>${rows.length === 0 ? html`<p class="quiet">${empty}</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label=${title}><table><thead><tr>${columns.map(([name, isFigure]) => html`<th scope="col" class=${isFigure ? "figure" : ""}>${name}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${columns.map(([, isFigure, cell], index) => index === 0 ? html`<th scope="row">${cell(row)}</th>` : html`<td class=${isFigure ? "figure" : ""}>${cell(row)}</td>`)}</tr>`)}</tbody></table></div>`}`;
}
const ago = (moment) => (moment ? `${format.age(Date.now() - Date.parse(moment))} ago` : "–");
const PARTITIONS = [
  ["Partition", false, (one) => one.name], ["Revision", true, (one) => format.number(one.revision)], ["Behind checkpoint", true, (one) => format.number(one.revision - one.checkpoint_revision)],
  ["Folder", false, (one) => one.folder], ["Symbols", true, (one) => format.number(one.symbols)], ["Newest event", true, (one) => html`<span title=${one.newest_event ?? ""}>${ago(one.newest_event)}</span>`],
];

export class Health extends Component {
  componentDidMount() {
    this.props.hold(this); this.stop = onChange(() => this.forceUpdate()); this.clock = setInterval(() => this.forceUpdate(), 1000); }
  componentWillUnmount() { this.stop(); clearInterval(this.clock); }
  onKey(key) { if (key === "Escape") { this.props.go("/"); return true; } return false; }
  nodes({ board, stored, pipeline }) {
    return [
      ...(pipeline?.stages ?? []),
      { name: "Log", good: !board.error && stored.partitions.length > 0, text: board.error ?? (stored.partitions.length ? "is read" : "empty: nothing was consumed yet"), facts: [["symbols", format.number(board.symbols)], ["newest event", ago(board.newest_event)]], behind: [...stored.partitions.map((one) => [one.name, `revision ${format.number(one.revision)}`]), ["sources", Object.entries(board.sources).map(([name, count]) => `${name}: ${format.number(count)}`).join(", ") || "–"]] },
      { name: "Alerts", good: stored.unsent_alerts === 0, text: stored.unsent_alerts ? `${stored.unsent_alerts} wait for the notification service; they are sent within minutes of its return` : "all sent", facts: [["unsent", format.number(stored.unsent_alerts)]], more: "The feed of alerts has each with its numbers." },
      { name: "Quarantine", good: stored.quarantined === 0, text: stored.quarantined ? "records lie there: see below; stockstream redrive sends them again" : "empty", facts: [["records", format.number(stored.quarantined)]], more: "Below are the newest, with their bytes." },
      { name: "This page", good: state.stream === "live", text: state.stream === "live" ? "live" : "has lost its stream; it comes back by itself", facts: [["stores read", ago(board.read_at)]], behind: [["place in the log", board.place ?? "–"]] },
    ];
  }
  render() {
    const health = state.health;
    if (!health) return html`<section class="view"><h1>Health</h1><p class="empty">${state.error ?? "Asking…"}</p></section>`;
    const { stored, pipeline, history, cost } = health, nodes = this.nodes(health);
    const known = history.since ? `Rates of the last hour as this page's server counted them, every ${history.seconds} s since ${format.time(history.since, undefined, false)}` : "";
    return html`<section class="view" aria-labelledby="health-title"><div class="bar"><h1 id="health-title">Health</h1><p class="quiet">as of ${format.time(health.now)}</p></div>
      <div class="box" tabindex="0" role="region" aria-label="Stages">${pipeline?.notices.map((notice) => html`<p class=${`notice ${notice.bad ? "bad" : ""}`} key=${notice.text}>${notice.text}</p>`)}
      <ol class="stages">${nodes.map((node) => html`<${Stage} key=${node.name} node=${node} rates=${history.rates[node.name]} />`)}</ol>
      <${Workers} rows=${health.workers} />
      <p class="quiet">${known}${pipeline ? "." : `${known ? "; " : ""}the service and the consumer run elsewhere: of them this page knows what they have stored, their /metrics know the rest.`}</p>
      ${cost && html`<h2>Cost on AWS</h2><p>${format.number(cost.so_far_usd, 2)} USD this month so far, ${format.number(cost.month_usd, 2)} by its end, by the cost model (<code>stockstream cost</code>): the symbols that there are, at the settings' pace${pipeline ? "; on this machine it costs nothing" : ""}.</p>
      <dl class="bill">${Object.entries(cost.so_far_by_service).map(([name, dollars]) => html`<div key=${name}><dt>${name}</dt><dd>${format.number(dollars, 2)}</dd></div>`)}</dl>`}
      <${Figures} title="Partitions of the log" columns=${PARTITIONS} rows=${stored.partitions} empty="Nothing has been stored yet." />
      <h2>Quarantine</h2>${stored.quarantine.length === 0 ? html`<p class="quiet">No record was set aside in the newest days.</p>` : html`<ul class="alerts">${stored.quarantine.map((one) => html`<li class="alert warning" key=${one.key}><details><summary><span class="badge warning">${one.reason}</span> ${format.number(one.data_bytes)} bytes <time>${format.time(one.arrived_at)}</time></summary><p>${one.detail}</p><pre>${decoded(one.data_base64)}</pre><p class="quiet">${one.key}</p></details></li>`)}</ul>`}</div></section>`;
  }
}
