// Levels on the chart: a handle for each, and one for a new level; dragged, touched, or moved by the arrow keys.
import * as format from "./format.js";

const STEP_PIXELS = 2;

export class LevelHandles {
  // `onDrop` gets the price, and the level that was moved there or null.
  constructor(box, series, onDrop) {
    this.box = box; this.series = series; this.onDrop = onDrop;
    this.handles = new Map();
  }
  draw(rules, last, digits) {
    this.digits = digits;
    const wanted = new Map([["", { price: last, rule: null }], ...rules.map((rule) => [rule.name, { price: Number(rule.price), rule }])]);
    for (const [name, handle] of this.handles) if (!wanted.has(name)) { handle.remove(); this.handles.delete(name); }
    for (const [name, { price, rule }] of wanted) {
      if (!this.handles.has(name)) this.handles.set(name, this.made());
      const handle = this.handles.get(name);
      handle.rule = rule;
      if (handle !== this.held) handle.price = price;
    }
    this.place();
  }
  // Where their prices are on the scale as it is now; a level that is off the scale has no handle.
  place() {
    for (const handle of this.handles.values()) {
      const y = handle.price == null ? null : this.series.priceToCoordinate(handle.price), height = this.series.getPane().getHeight();
      handle.hidden = y === null || (handle.rule && handle !== this.held && (y < 0 || y > height));
      if (handle.hidden) continue;
      handle.style.transform = `translateY(${Math.round(Math.min(Math.max(y, 10), height - 10) - 10)}px)`;
      const what = handle.rule ? `Level ${handle.rule.when} ${format.price(Number(handle.rule.price), this.digits)}: move it` : "Set a level: drag to its price";
      handle.setAttribute("aria-label", what); handle.title = what;
      handle.setAttribute("aria-valuenow", handle.price); handle.setAttribute("aria-valuetext", format.price(handle.price, this.digits));
      handle.classList.toggle("new", !handle.rule);
    }
  }
  made() {
    const handle = document.createElement("button");
    handle.type = "button"; handle.className = "level-handle"; handle.textContent = "⇕";
    handle.setAttribute("role", "slider"); handle.setAttribute("aria-orientation", "vertical");
    handle.addEventListener("pointerdown", (event) => { event.preventDefault(); handle.focus(); handle.setPointerCapture(event.pointerId); this.hold(handle); });
    handle.addEventListener("pointermove", (event) => this.held === handle && handle.hasPointerCapture(event.pointerId) && this.move(handle, this.series.coordinateToPrice(event.clientY - this.box.getBoundingClientRect().top)));
    handle.addEventListener("pointerup", () => this.drop(handle));
    handle.addEventListener("pointercancel", () => this.let(handle));
    handle.addEventListener("blur", () => this.let(handle));
    handle.addEventListener("keydown", (event) => this.key(handle, event));
    this.box.append(handle);
    return handle;
  }
  key(handle, event) {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (way) { this.hold(handle); this.move(handle, this.beside(handle.price, way)); }
    else if (event.key === "Enter" && this.held === handle) this.drop(handle);
    else if (event.key === "Escape" && this.held === handle) this.let(handle);
    else return;
    event.preventDefault(); event.stopPropagation();
  }
  // Some pixels further, and a tick at least.
  beside(price, way) {
    const further = this.series.coordinateToPrice(this.series.priceToCoordinate(price) - way * STEP_PIXELS);
    return price + way * Math.max(Math.abs(further - price), 10 ** -this.digits);
  }
  hold(handle) { if (this.held !== handle) { this.held = handle; handle.began = handle.price; } }
  move(handle, price) {
    if (price === null) return;
    handle.price = Number(price.toFixed(this.digits));
    this.line ??= this.series.createPriceLine({ price: handle.price, color: getComputedStyle(this.box).getPropertyValue("--alert").trim(), lineWidth: 2, axisLabelVisible: true, title: "level" });
    this.line.applyOptions({ price: handle.price });
    this.place();
  }
  drop(handle) {
    const { price, began, rule } = handle;
    this.let(handle);
    if (price !== began) this.onDrop(price, rule);
  }
  let(handle) {
    if (this.held !== handle) return;
    this.held = null; handle.price = handle.began;
    if (this.line) { this.series.removePriceLine(this.line); this.line = null; }
    this.place();
  }
}
