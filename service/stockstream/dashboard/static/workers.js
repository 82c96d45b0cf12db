// The workers that share the watchlist, as each said last; nothing where there is one service alone.
import { html } from "./ui.js";
import * as format from "./format.js";

export function Workers({ rows }) {
  if (!rows?.length) return null;
  const age = (row) => Date.now() - Date.parse(row.beat_at);
  const text = (row) => (age(row) > row.silent_after_seconds * 1000 ? "silent: after three of its heartbeats others follow its symbols" : row.is_serving ? "follows its symbols" : "has no answer of its source; others follow its symbols");
  return html`<h2>Workers</h2><div class="scroll" tabindex="0" role="region" aria-label="Workers"><table><thead><tr><th scope="col">Worker</th><th scope="col">State</th><th scope="col" class="figure">Symbols</th><th scope="col" class="figure">Heartbeat</th><th scope="col">Place</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.worker}><th scope="row">${row.worker}</th><td>${text(row)}</td><td class="figure">${format.number(row.symbols)}</td><td class="figure">${format.age(age(row))} ago</td><td>${row.place}</td></tr>`)}</tbody></table></div>`;
}
