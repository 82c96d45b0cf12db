// The page: which view is shown, keys, the banner, themes.
import { Component, html, render } from "./ui.js";
import * as format from "./format.js";
import { api, connect, onChange, remember, remembered, rows, state, watchHealth } from "./store.js";
import { Watchlist } from "./watchlist.js";
import { SymbolView } from "./symbol.js";
import { Alerts } from "./alerts.js";
import { Health } from "./health.js";

const PLACES = [["/", "Watchlist", "w"], ["/alerts", "Alerts", "a"], ["/health", "Health", "h"], ["/api", "API", "p"]];
const HELP = [["j k ↑ ↓", "next, previous row"], ["Enter", "open the row"], ["/", "filter"], ["g w · g a · g h · g p", "watchlist, alerts, health, API"], ["1 5 h d", "interval of the chart"], ["a", "a level of the symbol that is shown"], ["t · c", "light or dark; colours for the colour-blind"], ["Esc", "back"], ["?", "this list"]];
const SOURCES = { simulated: "These prices are simulated. They are no market data.", replay: "A file is being replayed: its prices, not the market as it is now.", backfill: null };

function banners() {
  const found = [];
  const sources = new Set([...rows.values()].map((row) => row.source));
  for (const [name, text] of Object.entries(SOURCES)) if (text && sources.has(name)) found.push(["note", text]);
  if (state.stream === "lost") found.push(["bad", `The stream is lost: what is shown may be old. It comes back by itself.${state.error ? ` (${state.error})` : ""}`, `since ${format.age(Date.now() - state.lostAt)}`]);
  for (const notice of state.health?.pipeline?.notices ?? []) if (notice.bad) found.push(["bad", notice.text]);
  if (state.health?.board.error) found.push(["bad", `The stores cannot be read: ${state.health.board.error}`]);
  return found;
}

class Login extends Component {
  async submit(event) {
    event.preventDefault();
    try {
      await api("login", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token: this.field.value }) });
      location.assign("/");
    } catch (error) { this.setState({ error: error.message }); }
  }
  render() {
    return html`<main class="login"><h1>Stockstream</h1><form onSubmit=${(event) => this.submit(event)}><label>Token<input ref=${(element) => element && (this.field = element)} type="password" autocomplete="current-password" required autofocus /></label><button>Log in</button></form>
      <p role="alert" class="down">${this.state?.error ?? ""}</p><p class="quiet">The token is STOCKSTREAM_DASHBOARD_TOKEN of whoever runs this page.</p></main>`;
  }
}

// A view that few open: its script is read when it is.
class Late extends Component {
  componentDidMount() { import(this.props.from).then((found) => this.setState({ view: found[this.props.name] })); }
  render(props, { view }) { return view ? html`<${view} ...${props} />` : html`<section class="view"><p class="empty">Reading…</p></section>`; }
}

class App extends Component {
  constructor(props) {
    super(props);
    this.state = { path: location.pathname, help: false };
    // Keys go to the view that is shown: it says so itself.
    this.hold = (view) => { this.view = view; };
    this.go = (path) => { history.pushState(null, "", path); this.setState({ path: new URL(path, location).pathname }); scrollTo(0, 0); };
  }
  componentDidMount() {
    addEventListener("popstate", () => this.setState({ path: location.pathname }));
    addEventListener("keydown", (event) => this.onKey(event));
    // The banner changes rarely: a second's pace is enough, the views draw themselves.
    setInterval(() => this.forceUpdate(), 1000);
    onChange(() => { if (state.loaded !== this.wasLoaded || state.stream !== this.was) { this.wasLoaded = state.loaded; this.was = state.stream; this.forceUpdate(); } });
    connect(); watchHealth();
  }
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inField = event.target.matches("input, select, textarea");
    if (inField && event.key !== "Escape" && !(event.key === "Enter" && event.target.type === "search")) return;
    const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
    if (event.target.matches("button, a, summary") && event.key === "Enter") return;
    const key = event.key;
    if (this.prefix === "g" && !inField) {
      this.prefix = null;
      const place = PLACES.find(([, , letter]) => letter === key);
      if (place) { this.go(place[0]); event.preventDefault(); return; }
    }
    if (this.state.help && key === "Escape") { this.setState({ help: false }); return; }
    if (key === "g") { this.prefix = "g"; return; }
    if (key === "?") { this.setState({ help: !this.state.help }); return; }
    if (key === "t") { switchTheme(); return; }
    if (key === "c") { switchPalette(); return; }
    if (this.view?.onKey(key)) event.preventDefault();
  }
  render() {
    const { path, help } = this.state, hold = this.hold, go = this.go;
    const symbol = path.startsWith("/s/") ? decodeURIComponent(path.slice(3)) : null;
    document.title = symbol ? `${symbol} ${rows.get(symbol) ? format.price(rows.get(symbol).price) : ""} · Stockstream` : "Stockstream";
    const view = symbol ? html`<${SymbolView} key=${symbol} hold=${hold} symbol=${symbol} go=${go} />` : path === "/alerts" ? html`<${Alerts} hold=${hold} go=${go} />` : path === "/health" ? html`<${Health} hold=${hold} go=${go} />` : path === "/api" ? html`<${Late} from="./reference.js" name="Reference" hold=${hold} go=${go} symbol=${rows.keys().next().value ?? ""} />` : html`<${Watchlist} hold=${hold} go=${go} />`;
    return html`<a class="skip" href="#main">Skip to the figures</a>
      <header><nav aria-label="Places"><a class="brand" href="/" onClick=${(event) => { event.preventDefault(); go("/"); }}>Stockstream</a>
        ${PLACES.map(([to, title]) => html`<a href=${to} key=${to} aria-current=${to === path || (to === "/" && symbol) ? "page" : null} onClick=${(event) => { event.preventDefault(); go(to); }}>${title}</a>`)}</nav>
        <p class="status"><span class=${`light ${state.stream === "live" ? "good" : state.stream === "lost" ? "bad" : "wait"}`}><span aria-hidden="true">${state.stream === "live" ? "●" : state.stream === "lost" ? "▲" : "○"}</span> ${state.stream}</span>
        <button onClick=${() => this.setState({ help: !help })} aria-expanded=${help} aria-label="Keys"><kbd>?</kbd></button></p></header>
      <div class="banners" role="status">${banners().map(([kind, text, age]) => html`<p class=${`banner ${kind}`} key=${text.slice(0, 20)}>${text}${age ? html` <span aria-hidden="true">${age}</span>` : ""}</p>`)}</div>
      ${help && html`<aside class="help" aria-label="Keys"><dl>${HELP.map(([keys, text]) => html`<div><dt><kbd>${keys}</kbd></dt><dd>${text}</dd></div>`)}</dl>
        <p class="switches"><button onClick=${switchTheme}>Light or dark</button> <button onClick=${switchPalette}>Colours for the colour-blind</button> <a href="/api" onClick=${(event) => { event.preventDefault(); this.setState({ help: false }); go("/api"); }}>API</a></p></aside>`}
      <main id="main">${view}</main>`;
  }
}

const root = document.documentElement;
function theme(name, value) {
  if (value) root.dataset[name] = value; else delete root.dataset[name];
  remember(name, value); dispatchEvent(new Event("stockstream:theme"));
}
const switchTheme = () => theme("theme", root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches) ? "light" : "dark");
const switchPalette = () => theme("palette", root.dataset.palette === "blind" ? "" : "blind");
for (const name of ["theme", "palette"]) { const value = remembered(name, ""); if (value) root.dataset[name] = value; }
const place = document.getElementById("app");
place.replaceChildren();
render(location.pathname === "/login" ? html`<${Login} />` : html`<${App} />`, place);
