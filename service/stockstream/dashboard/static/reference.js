// The API's reference: its OpenAPI document, drawn, and each operation to try. Small viewers of others set inline
// styles, which this page's policy forbids (docs/page.md).
import { Component, Copy, html } from "./ui.js";
import * as format from "./format.js";
import { api, csrfToken } from "./store.js";

const SHOWN_CHARACTERS = 20000;
const STREAM_MILLISECONDS = 10000;
const FILLED_IN = "x-csrf-token"; // by the page itself

const nameOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return html`<a href=${`#schema-${nameOf(schema.$ref)}`}>${nameOf(schema.$ref)}</a>`;
  if (schema.anyOf) return schema.anyOf.map((one, index) => html`${index ? " or " : ""}${typeOf(one)}`);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return html`list of ${typeOf(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties?.type) return html`object of ${typeOf(schema.additionalProperties)}`;
  const name = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type ?? "any";
  return `${name}${schema.format ? ` (${schema.format})` : ""}${schema.maximum != null ? `, ${schema.minimum ?? ""} to ${schema.maximum}` : ""}`;
}
function Fields({ name, schema }) {
  const required = new Set(schema.required ?? []);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Fields of ${name}`}><table><thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Always there</th></tr></thead>
    <tbody>${Object.entries(schema.properties ?? {}).map(([name, field]) => html`<tr key=${name}><th scope="row"><code>${name}</code></th><td>${typeOf(field)}</td><td>${required.has(name) ? "yes" : ""}</td></tr>`)}</tbody></table></div>`;
}
function exampleOf(schema) {
  const values = { symbol: "AAPL", price: "200" };
  return JSON.stringify(Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, field.default ?? values[name] ?? ""])));
}

// One operation: what it takes, what it gives, and a form that asks it.
class Operation extends Component {
  constructor(props) {
    super(props);
    const { operation } = props, body = operation.requestBody?.content["application/json"]?.schema;
    const parameters = (operation.parameters ?? []).filter((one) => one.name !== FILLED_IN);
    this.parameters = parameters;
    this.forms = Object.keys(Object.entries(operation.responses).find(([status]) => status !== "default")?.[1].content ?? {});
    this.state = { values: Object.fromEntries(parameters.map((one) => [one.name, one.name === "symbol" ? null : ""])), form: this.forms[0] ?? "", body: body ? exampleOf(body) : null, answer: null, busy: false };
  }
  componentWillUnmount() { this.abort?.abort(); }
  // Before anybody typed one, a symbol that there is.
  value(name) { return this.state.values[name] ?? this.props.symbol; }
  get url() {
    const query = new URLSearchParams();
    let path = this.props.path;
    for (const { name, in: where } of this.parameters) {
      if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(this.value(name) || `{${name}}`));
      else if (this.value(name)) query.set(name, this.value(name));
    }
    return path + (query.size ? `?${query}` : "");
  }
  get curl() {
    const { method } = this.props, { form, body } = this.state, quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    return ["curl", this.forms.includes("text/event-stream") ? "-N" : "", method === "get" ? "" : `-X ${method.toUpperCase()}`, form && form !== "application/json" ? `-H ${quoted(`Accept: ${form}`)}` : "", body === null ? "" : `-H 'Content-Type: application/json' -d ${quoted(body)}`, quoted(location.origin + this.url)].filter(Boolean).join(" ");
  }
  async send(event) {
    event.preventDefault();
    this.abort?.abort();
    const abort = this.abort = new AbortController(), { method } = this.props, { form, body } = this.state;
    this.setState({ busy: true, answer: null });
    const began = performance.now();
    try {
      const headers = { ...(form && { accept: form }), ...(body !== null && { "content-type": "application/json" }), ...(method !== "get" && { [FILLED_IN]: await csrfToken() }) };
      const found = await fetch(this.url, { method: method.toUpperCase(), headers, signal: abort.signal, ...(body !== null && { body }) });
      const named = ["content-type", "etag", "link"].filter((name) => found.headers.has(name)).map((name) => `${name}: ${found.headers.get(name)}`);
      const answer = { status: `${found.status} ${found.statusText}`, good: found.ok, headers: named, milliseconds: performance.now() - began };
      if (form === "text/event-stream" && found.ok) await this.listen(found, answer);
      else if (form.includes("arrow") && found.ok) answer.text = `${format.number((await found.arrayBuffer()).byteLength)} bytes of Arrow: pyarrow.ipc.open_stream reads them.`;
      else { const text = await found.text(); answer.bytes = new Blob([text]).size; answer.text = pretty(text, found.headers.get("content-type") ?? ""); }
      this.setState({ answer, busy: false });
    } catch (error) { if (!abort.signal.aborted) this.setState({ answer: { status: error.message, good: false, headers: [] }, busy: false }); }
  }
  // The first events of a stream, for some seconds.
  async listen(found, answer) {
    const reader = found.body.pipeThrough(new TextDecoderStream()).getReader(), timer = setTimeout(() => reader.cancel(), STREAM_MILLISECONDS);
    let text = "";
    for (let part = await reader.read(); !part.done && text.length < SHOWN_CHARACTERS; part = await reader.read()) {
      text += part.value; this.setState({ answer: { ...answer, text: text.slice(0, SHOWN_CHARACTERS) } });
    }
    clearTimeout(timer); await reader.cancel().catch(() => {});
    answer.text = `${text.slice(0, SHOWN_CHARACTERS)}\n(the first ${STREAM_MILLISECONDS / 1000} s)`;
  }
  render({ method, path, operation, id }) {
    const { form, body, answer, busy } = this.state;
    const set = (name) => (event) => this.setState({ values: { ...this.state.values, [name]: event.target.value } });
    const [status, given] = Object.entries(operation.responses).find(([name]) => name !== "default") ?? ["", {}];
    const schema = given.content?.["application/json"]?.schema, rows = schema?.properties?.items?.items;
    return html`<details class="operation" id=${id}><summary><span class=${`badge method ${method}`}>${method.toUpperCase()}</span> <code>${path}</code> <span class="quiet">${operation.summary}</span></summary>
      <p>Answers ${status}${rows ? html` with <code>items</code>, a list of ${typeOf(rows)}` : ""}${this.forms.length ? ` as ${this.forms.join(", ")}` : ""}; what goes wrong as ${typeOf({ $ref: "/Problem" })}.</p>
      <form class="try" onSubmit=${(event) => this.send(event)}>
        ${this.parameters.map((one) => html`<label key=${one.name}><code>${one.name}${one.required ? " *" : ""}</code>
          ${one.schema.enum ? html`<select value=${this.value(one.name)} onChange=${set(one.name)}><option value="">${one.schema.default ?? "any"}</option>${one.schema.enum.map((value) => html`<option value=${value}>${value}</option>`)}</select>`
            : html`<input value=${this.value(one.name)} required=${one.required} placeholder=${one.schema.default ?? ""} onInput=${set(one.name)} autocapitalize="off" spellcheck=${false} />`}
          <span class="quiet">${one.description}${one.schema.enum ? "" : html` · ${typeOf(one.schema)}`}</span></label>`)}
        ${body === null ? "" : html`<label><code>body</code><input value=${body} onInput=${(event) => this.setState({ body: event.target.value })} spellcheck=${false} /><span class="quiet">JSON: ${Object.entries(operation.requestBody.content["application/json"].schema.properties).map(([name, field], index) => html`${index ? ", " : ""}${name} ${typeOf(field)}`)}</span></label>`}
        ${this.forms.length > 1 ? html`<label><code>Accept</code><select value=${form} onChange=${(event) => this.setState({ form: event.target.value })}>${this.forms.map((one) => html`<option value=${one}>${one}</option>`)}</select><span class="quiet">The form of the answer</span></label>` : ""}
        <p class="bar"><button>${method === "get" ? "Try it" : "Do it, on this deployment"}</button> <code class="curl">${this.curl}</code><${Copy} text=${this.curl} what="the command" /></p></form>
      <div role="status">${busy && !answer ? "Asking…" : ""}${answer ? html`<p><span class=${`light ${answer.good ? "good" : "bad"}`}>${answer.good ? "●" : "▲"} ${answer.status}</span> <span class="quiet">${answer.milliseconds == null ? "" : `${format.number(answer.milliseconds)} ms`}${answer.bytes == null ? "" : ` · ${format.number(answer.bytes)} bytes`}</span></p>` : ""}</div>
      ${answer?.text ? html`<pre class="answer" tabindex="0" role="region" aria-label=${`Answer of ${path}`}>${[...answer.headers, "", answer.text].join("\n")}</pre>` : ""}</details>`;
  }
}
function pretty(text, type) {
  let shown = text;
  if (type.includes("json")) try { shown = JSON.stringify(JSON.parse(text), null, 1); } catch { /* as it came */ }
  return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}\n… ${format.number(shown.length - SHOWN_CHARACTERS)} characters more` : shown;
}

export class Reference extends Component {
  componentDidMount() {
    this.props.hold(this);
    api("openapi.json").then((document) => this.setState({ document }), (error) => this.setState({ error: error.message }));
  }
  onKey(key) { if (key === "Escape") { this.props.go("/"); return true; } return false; }
  render({ symbol }, { document: found, error }) {
    return html`<section class="view reference" aria-labelledby="reference-title"><div class="bar"><h1 id="reference-title">API</h1>
      <p class="quiet">${found ? `${found.info.title} ${found.info.version}, OpenAPI ${found.openapi}: ` : ""}<a href="/api/v1/openapi.json">openapi.json</a></p></div>
      ${error ? html`<p class="empty">${error}</p>` : !found ? html`<p class="empty">Reading the document…</p>` : html`<div class="box" tabindex="0" role="region" aria-label="Operations">
        <p class="quiet">On loopback anybody on this machine may ask; beyond it with <code>Authorization: Bearer TOKEN</code>. What changes something takes <code>${FILLED_IN}</code> of <code>/api/v1/session</code> beside a cookie: this page fills it in.</p>
        ${Object.entries(found.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => html`<${Operation} key=${method + path} id=${`${method}-${path.split("/").slice(3).join("-").replaceAll(/[{}]/g, "")}`} ...${{ method, path, operation, symbol }} />`))}
        <h2>Rows</h2>${Object.entries(found.components.schemas).map(([name, schema]) => html`<details class="operation" key=${name} id=${`schema-${name}`}><summary><code>${name}</code> <span class="quiet">${(schema.description ?? "").split("\n")[0]}</span></summary>
          <${Fields} name=${name} schema=${schema} />${schema.description?.includes("\n") ? html`<pre>${schema.description.split("\n").slice(1).join("\n").trim()}</pre>` : ""}</details>`)}</div>`}</section>`;
  }
  componentDidUpdate() {
    // A link to a row or an operation opens it.
    if (this.state.document && !this.listening) {
      this.listening = () => { const target = location.hash && document.getElementById(location.hash.slice(1)); if (target?.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); } };
      addEventListener("hashchange", this.listening); this.listening();
    }
  }
  componentWillUnmount() { removeEventListener("hashchange", this.listening); }
}
