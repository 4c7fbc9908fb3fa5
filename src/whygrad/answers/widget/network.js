// The drawing of a network, for notebooks: it draws what Python gives (`view`, see view.py), says what is done
// with it (a gesture), and computes no number of the network.
//
// Nodes are kept by part ("2:1" is unit 1 of layer 2, "2:1,0" a weight), and attributes are set where they
// changed. Each gesture is a message of its own: traits that change quickly are merged on their way to a
// kernel, and a click would be lost.
//
// Whatever has `data-part` in an answer below lights up its part when pointed at, and stands out when its part
// is.

const SVG = "http://www.w3.org/2000/svg";
const DWELL = 60; // ms that a pointer stays before anyone is told
const NEAR_TIP = 14;
const NARROW = 480; // px
const PAUSE = 400; // ms
const FEW = 150;
let drawings = 0;

function make(name, look = "", about = {}, ...inner) {
  const html = ["div", "p", "ul", "li", "span", "button"].includes(name);
  const node = html ? document.createElement(name) : document.createElementNS(SVG, name);
  if (look) node.setAttribute("class", look);
  set(node, about);
  node.append(...inner);
  return node;
}

function set(node, about) {
  for (const [name, value] of Object.entries(about)) {
    if (value === "" || value === null || value === undefined || value === false) {
      if (node.hasAttribute(name)) node.removeAttribute(name);
    } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Give a node for each item, those of before where they have the same key; what is left over goes.
function match(parent, kept, items, keyOf, create, update) {
  const gone = new Set(kept.keys());
  for (const item of items) {
    const key = keyOf(item);
    if (!kept.has(key)) {
      kept.set(key, create(item));
      parent.append(kept.get(key));
    }
    gone.delete(key);
    update(kept.get(key), item);
  }
  for (const key of gone) {
    kept.get(key).remove();
    kept.delete(key);
  }
}

class Drawing {
  constructor(el, act) {
    this.act = act;
    this.view = null;
    this.given = []; // lit by Python
    this.pointed = ""; // by pointer or keyboard, here
    this.linked = ""; // by pointer, in an answer
    this.current = ""; // what the tabulator key comes to
    this.nodes = {};
    for (const kind of ["units", "ones", "edges", "numbers", "labels", "buttons"]) this.nodes[kind] = new Map();
    this.byPart = new Map();
    this.build(el);
    this.listen();
  }

  build(el) {
    const name = `wg-${++drawings}`;
    this.title = make("p", "wg-name", { id: name });
    this.groups = {};
    for (const group of ["image", "edges", "ones", "above", "numbers", "units", "labels"])
      this.groups[group] = make("g", `wg-${group}`);
    this.svg = make("svg", "wg", { role: "application", "aria-labelledby": name, "aria-roledescription":
      "drawing of a network; arrow keys move from part to part" }, ...Object.values(this.groups));
    this.buttons = make("div", "wg-buttons");
    this.stage = make("div", "wg-stage", {}, this.svg, this.buttons);
    this.scroll = make("div", "wg-room", {}, this.stage);
    this.legend = make("ul", "wg-legend", { "aria-label": "legend" });
    this.tip = make("div", "wg-tip", { "aria-hidden": "true", hidden: "hidden" });
    this.reply = make("div", "wg-reply", { role: "region", "aria-label": "answer", hidden: "hidden" });
    this.root = make("div", "wg wg-network", {}, this.title, this.scroll, this.legend, this.reply, this.tip);
    el.style.width = "100%";
    el.append(this.root);
  }

  // ── drawing ──

  draw(view) {
    this.view = view;
    this.columns = null;
    // Transitions take long to begin: none where views follow one another quickly, nor of very many parts.
    const now = performance.now();
    const calm = now - (this.drawnAt ?? -Infinity) > PAUSE && view.edges.length + view.units.length <= FEW;
    this.svg.classList.toggle("wg-calm", calm);
    this.drawnAt = now;
    write(this.title, view.title);
    set(this.svg, { viewBox: `0 0 ${view.width} ${view.height}` });
    const style = this.stage.style;
    style.setProperty("--wide", `${view.width}px`);
    style.aspectRatio = `${view.width} / ${view.height}`;
    this.drawImage(view.image);
    const { units, ones, edges, numbers, labels, buttons } = this.nodes;
    const part = (item) => item.part;
    match(this.groups.edges, edges, view.edges, part, newEdge, drawEdge);
    match(this.groups.ones, ones, view.ones, (one) => one.layer, newOne, drawOne);
    match(this.groups.numbers, numbers, view.edges.filter((edge) => edge.text), part, () => make("text"), drawNumber);
    match(this.groups.units, units, view.units, (u) => `${u.part} ${u.shape}`, newUnit, drawUnit);
    const place = (item) => `${item.part} ${item.look} ${item.part ? "" : item.text}`;
    match(this.groups.labels, labels, view.labels, place, () => make("text"), drawLabel);
    this.drawButtons(buttons, view);
    this.byPart.clear();
    for (const item of view.units) this.byPart.set(item.part, units.get(`${item.part} ${item.shape}`));
    for (const item of view.edges) this.byPart.set(item.part, edges.get(item.part));
    this.data = new Map([...view.units, ...view.edges].map((item) => [item.part, item]));
    this.drawLegend(view.legend);
    if (!this.data.has(this.current)) this.current = view.units[0]?.part ?? "";
    this.comeTo(this.current);
    this.light();
    if (this.pointed && !this.tip.hidden) write(this.tip, this.titleOf(this.pointed));
  }

  drawImage(image) {
    const group = this.groups.image;
    if (!image) return group.replaceChildren();
    if (!group.firstChild) {
      const picture = make("image", "wg-pixels", { preserveAspectRatio: "none" });
      this.cursor = make("rect", "wg-on-ink wg-cursor", { visibility: "hidden" });
      group.append(make("rect", "wg-raised"), picture, make("rect", "wg-on-input"), this.cursor);
    }
    const { x, y, width, height } = image;
    const [below, picture, frame] = group.children;
    for (const node of [below, picture, frame]) set(node, { x, y, width, height });
    set(frame, { "stroke-width": 1.6 });
    set(picture, { href: image.href });
  }

  drawButtons(kept, view) {
    const held = document.activeElement;
    const key = (one) => `${one.kind} ${one.layer}`;
    match(this.buttons, kept, view.buttons, key, newButton, (node, one) => {
      write(node, one.text);
      set(node, { "aria-label": one.title, title: one.title, "data-kind": one.kind, "data-layer": one.layer });
      node.style.left = `${(100 * one.x) / view.width}%`;
      node.style.top = `${(100 * one.y) / view.height}%`;
    });
    if (held && this.lastButton === held && !held.isConnected) this.buttons.firstChild?.focus();
  }

  drawLegend(items) {
    const said = JSON.stringify(items);
    if (said === this.saidLegend) return;
    this.saidLegend = said;
    this.legend.replaceChildren(...items.map((item) => {
      const key = make("svg", "wg", { viewBox: "-2 -8 26 16", width: 26, height: 16, "aria-hidden": "true" });
      key.innerHTML = item.shape; // made by Python, of numbers alone
      return make("li", "", {}, key, make("span", "", {}, item.text));
    }));
  }

  // ── what stands out ──

  // Light up what Python says, and what is pointed at; connections that stand out are drawn above the others.
  light() {
    if (!this.view) return;
    const named = [...this.given, this.pointed, this.linked].join(" ").split(" ");
    const lit = new Set(named.filter(Boolean).map((part) => this.known(part)).filter(Boolean));
    const units = new Set([...lit].filter((part) => !part.includes(",")));
    this.svg.classList.toggle("wg-pointing", lit.size > 0);
    for (const item of this.view.units) this.byPart.get(item.part).classList.toggle("wg-lit", lit.has(item.part));
    for (const item of this.view.edges) {
      const near = lit.has(item.part) || units.has(item.from) || units.has(item.to);
      this.byPart.get(item.part).classList.toggle("wg-near", near);
      this.nodes.numbers.get(item.part)?.classList.toggle("wg-near", near);
    }
    const above = this.view.edges.filter((edge) => edge.marked || lit.has(edge.part));
    const said = JSON.stringify([above, [...lit]]);
    if (said === this.saidAbove) return;
    this.saidAbove = said;
    this.groups.above.replaceChildren(...above.flatMap((edge) => raised(edge, lit.has(edge.part))));
  }

  // A bias that is not known is shown at its unit; what is not drawn cannot be lit.
  known(part) {
    if (this.byPart.has(part)) return part;
    const unit = part.replace(",bias", "");
    return this.byPart.has(unit) ? unit : "";
  }

  point(part) {
    if (part === this.pointed) return;
    this.pointed = part;
    this.light();
    for (const node of this.reply.querySelectorAll("[data-part]"))
      node.classList.toggle("wg-same", part !== "" && node.dataset.part.split(" ").includes(part));
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.tell(), DWELL);
  }

  tell() {
    clearTimeout(this.telling);
    if (this.pointed === (this.told ?? "")) return;
    this.told = this.pointed;
    this.act(this.told ? "point" : "leave", this.told);
  }

  // Tell what was done, after what was pointed at before and nobody was told of yet.
  perform(...gesture) {
    this.tell();
    this.act(...gesture);
  }

  titleOf(part) {
    const image = this.view.image;
    const item = this.data.get(part);
    if (item || !image) return item?.title ?? "";
    const pixel = Number(part.split(":")[1]);
    return `row ${Math.floor(pixel / image.columns)}, column ${pixel % image.columns}`;
  }

  showTip(x, y) {
    const text = this.pointed ? this.titleOf(this.pointed) : "";
    this.tip.hidden = !text;
    if (!text) return;
    write(this.tip, text);
    // What is fixed is so to the window, or to an element around it that is transformed or contained.
    this.tip.style.transform = "none";
    const origin = this.tip.getBoundingClientRect();
    const { width, height } = origin;
    const scale = width / this.tip.offsetWidth || 1;
    const left = Math.min(x + NEAR_TIP, document.documentElement.clientWidth - width - 6);
    const top = y - height - NEAR_TIP < 4 ? y + NEAR_TIP + 8 : y - height - NEAR_TIP;
    const across = (Math.max(6, left) - origin.left) / scale;
    this.tip.style.transform = `translate(${across}px,${(top - origin.top) / scale}px)`;
  }

  // Say whether the room is that of a telephone, so that Python may lay out the network more closely.
  measure() {
    const width = this.root.clientWidth;
    if (!width || (width < NARROW) === this.narrow) return;
    const first = this.narrow === undefined;
    this.narrow = width < NARROW;
    if (this.narrow || !first) this.perform(this.narrow ? "narrow" : "wide");
  }

  // ── gestures ──

  listen() {
    const svg = this.svg;
    svg.addEventListener("pointermove", (event) => {
      this.point(this.partAt(event));
      this.showTip(event.clientX, event.clientY);
    });
    svg.addEventListener("pointerleave", () => {
      this.point("");
      this.showTip();
    });
    svg.addEventListener("click", (event) => {
      const part = this.partAt(event);
      if (!part) return;
      if (this.byPart.has(part)) this.comeTo(part);
      this.perform("click", part);
    });
    // Not of the SVG itself: Chromium lets the tabulator key stop at what listens to focus.
    this.stage.addEventListener("focusin", (event) => {
      const part = event.target.closest("[data-part]")?.dataset.part;
      if (!part || !event.target.matches(":focus-visible")) return;
      this.point(part);
      const { right, top } = event.target.getBoundingClientRect();
      this.showTip(right - NEAR_TIP, top + NEAR_TIP);
    });
    this.stage.addEventListener("focusout", () => {
      this.point("");
      this.showTip();
    });
    svg.addEventListener("keydown", (event) => this.press(event));
    this.buttons.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      this.lastButton = button;
      if (button) this.perform(button.dataset.kind, "", Number(button.dataset.layer));
    });
    this.reply.addEventListener("pointerover", (event) =>
      this.link(event.target.closest("[data-part]")?.dataset.part ?? ""));
    this.reply.addEventListener("pointerleave", () => this.link(""));
  }

  link(part) {
    if (part === this.linked) return;
    this.linked = part;
    this.light();
  }

  partAt(event) {
    const image = this.view?.image;
    const part = event.target.closest("[data-part]")?.dataset.part ?? "";
    const within = image && !part && this.groups.image.contains(event.target);
    if (image) set(this.cursor, { visibility: within ? "visible" : "hidden" });
    if (!within) return part;
    const box = this.groups.image.children[0].getBoundingClientRect();
    const place = (at, start, size, count) =>
      Math.max(0, Math.min(count - 1, Math.floor((count * (at - start)) / size)));
    const row = place(event.clientY, box.top, box.height, image.rows);
    const column = place(event.clientX, box.left, box.width, image.columns);
    const width = image.width / image.columns;
    const height = image.height / image.rows;
    set(this.cursor, { x: image.x + column * width, y: image.y + row * height, width, height });
    return `0:${row * image.columns + column}`;
  }

  comeTo(part) {
    const before = this.byPart.get(this.current);
    if (before) set(before, { tabindex: -1 });
    this.current = part;
    const node = this.byPart.get(part);
    if (node) set(node, { tabindex: 0 });
    return node;
  }

  press(event) {
    const part = event.target.closest("[data-part]")?.dataset.part;
    if (!part || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") this.perform("click", part);
    else if (event.key === "Escape") {
      this.point("");
      this.showTip();
    } else {
      const next = this.beside(part, event.key);
      if (next === undefined) return;
      this.comeTo(next)?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // The part that an arrow key leads to: up and down within a column of units or of the connections between
  // two, left and right along a connection.
  beside(part, key) {
    this.columns ??= columnsOf(this.view);
    const item = this.data.get(part);
    const column = this.columns.find((one) => one.includes(item)) ?? [];
    const at = column.indexOf(item);
    const edges = this.columns.flat().filter((one) => one.from);
    const layer = Number(part.split(":")[0]);
    const across = (to) => nearest(this.view.units.filter((unit) => unit.part.startsWith(`${to}:`)), item);
    switch (key) {
      case "ArrowDown": return (column[at + 1] ?? item).part;
      case "ArrowUp": return (column[at - 1] ?? item).part;
      case "Home": return column[0].part;
      case "End": return column.at(-1).part;
      case "ArrowRight":
        return item.to ?? edges.find((edge) => edge.from === part)?.part ?? across(layer + 1)?.part ?? part;
      case "ArrowLeft":
        if (this.data.has(item.from)) return item.from;
        return edges.find((edge) => edge.to === part)?.part ?? across(layer - 1)?.part ?? part;
    }
  }

  answer(html) {
    if (html === this.answered) return;
    this.answered = html;
    this.reply.hidden = !html;
    this.reply.innerHTML = html ?? ""; // written by whygrad, which escapes all names
  }
}

// ── nodes ──

function newEdge() {
  const look = "wg-edge";
  const about = { role: "button", tabindex: -1 };
  return make("g", look, about, make("path", "wg-hit"), make("path"), make("path"));
}

function drawEdge(node, edge) {
  const [hit, line, arrow] = node.children;
  const d = `M${edge.x1} ${edge.y1}L${edge.x2} ${edge.y2}`;
  set(node, { "data-part": edge.part, "aria-label": edge.title });
  set(hit, { d });
  set(line, { d, class: `wg-line wg-on-${edge.sign}`, "stroke-width": edge.width, "stroke-dasharray": edge.dash,
    opacity: edge.opacity });
  set(arrow, { d: edge.arrow, class: `wg-${edge.sign}`, opacity: edge.opacity });
}

function drawNumber(node, edge) {
  const near = node.classList.contains("wg-near") ? " wg-near" : "";
  write(node, edge.text);
  set(node, { x: edge.tx, y: edge.ty, "font-size": 11.5, "text-anchor": "middle",
    class: `wg-ink wg-halo${edge.marked ? " wg-bold" : ""}${near}` });
}

// What stands out of the others: the connection once more, above them, with a glow.
function raised(edge, lit) {
  const d = `M${edge.x1} ${edge.y1}L${edge.x2} ${edge.y2}`;
  const width = Math.max(edge.width, 2);
  const glow = make("path", lit ? "wg-on-glow wg-lit" : "wg-on-glow", { d, "stroke-width": edge.width + (lit ? 9 : 6) });
  const line = make("path", `wg-on-${edge.sign}`, { d, "stroke-width": width, "stroke-dasharray": edge.dash });
  const nodes = [glow, line];
  if (edge.arrow) nodes.push(make("path", `wg-${edge.sign}`, { d: edge.arrow }));
  return nodes;
}

function newUnit(unit) {
  const shape = unit.shape === "square" ? "rect" : "circle";
  const about = { role: "button", tabindex: -1 };
  const badge = make("g", "wg-badge", {}, make("circle", "wg-ink", { r: 8 }), make("text", "wg-surface wg-bold", {
    "font-size": 11.5, "text-anchor": "middle" }, "b"));
  return make("g", `wg-unit wg-${unit.shape}`, about, make(shape, "wg-ring wg-on-ink"), make(shape, "wg-surface"),
    make(shape), make(shape), make("text", "wg-ink"), badge);
}

function drawUnit(node, unit) {
  const [ring, surface, fill, outline, text, badge] = node.children;
  const { x, y, r } = unit;
  const sized = (size) => unit.shape === "square"
    ? { x: x - size, y: y - size, width: 2 * size, height: 2 * size } : { cx: x, cy: y, r: size };
  set(node, { "data-part": unit.part, "aria-label": unit.title });
  node.classList.toggle("wg-marked", unit.marked);
  set(ring, sized(r + 3));
  set(surface, sized(r));
  set(fill, { ...sized(r), class: `wg-shade wg-${unit.kind}`, "fill-opacity": +(0.06 + 0.4 * unit.share).toFixed(3) });
  set(outline, { ...sized(r), class: `wg-on-${unit.kind}${unit.minus ? " wg-minus" : ""}`, "stroke-width": 1.6 });
  write(text, unit.text);
  set(text, { x, y: y + 0.36 * unit.size, "font-size": unit.size, "text-anchor": "middle" });
  badge.style.display = unit.bias ? "" : "none";
  set(badge.children[0], { cx: x - 15, cy: y - 15 });
  set(badge.children[1], { x: x - 15, y: y - 11 });
  set(badge, { "data-part": `${unit.part},bias` });
}

// The unit that is always 1, whose weights are the biases of a layer.
function newOne() {
  return make("g", "wg-one", {}, make("circle", "wg-surface"), make("circle", "wg-on-soft"),
    make("text", "wg-soft", { "font-size": 11, "text-anchor": "middle" }, "1"));
}

function drawOne(node, { x, y, r }) {
  const [surface, outline, text] = node.children;
  for (const circle of [surface, outline]) set(circle, { cx: x, cy: y, r });
  set(text, { x, y: y + 4 });
}

function drawLabel(node, label) {
  write(node, label.text);
  const anchor = label.anchor === "start" ? "" : label.anchor;
  set(node, { x: label.x, y: label.y, class: label.look, "font-size": label.size, "text-anchor": anchor,
    "data-part": label.part });
}

function newButton() {
  return make("button", "wg-button", { type: "button" });
}

// ── the order of the parts, for the keyboard ──

function columnsOf(view) {
  const columns = [];
  const units = new Map(view.units.map((unit) => [unit.part, unit]));
  const add = (at, item) => (columns[at] ??= []).push(item);
  for (const unit of view.units) add(2 * Number(unit.part.split(":")[0]), unit);
  for (const edge of view.edges) add(2 * Number(edge.to.split(":")[0]) - 1, edge);
  const below = Math.max(...view.units.map((unit) => unit.y));
  const height = (part) => units.get(part)?.y ?? below + 1; // a bias comes from beneath
  for (const column of columns.filter(Boolean))
    column.sort((one, other) => one.from
      ? height(one.from) - height(other.from) || height(one.to) - height(other.to)
      : one.y - other.y || one.x - other.x);
  return columns.filter(Boolean);
}

function nearest(units, item) {
  const away = (unit) => Math.abs(unit.y - (item.y ?? item.y1));
  return units.reduce((best, unit) => (!best || away(unit) < away(best) ? unit : best), undefined);
}

// ── the widget ──

function render({ model, el }) {
  let gestures = Date.now();
  let waiting = 0;
  let gone = false;
  const act = (kind, part = "", layer = null) => model.send({ id: ++gestures, kind, part, layer });
  const drawing = new Drawing(el, act);
  const draw = () => {
    waiting = 0;
    const view = model.get("view");
    if (gone || !view?.units) return;
    drawing.draw(view);
    drawing.root.dataset.drawn = Number(drawing.root.dataset.drawn ?? 0) + 1;
  };
  const later = () => (waiting ||= requestAnimationFrame(draw));
  const light = () => {
    drawing.given = model.get("lit") ?? [];
    if (!gone) drawing.light();
  };
  const answer = () => !gone && drawing.answer(model.get("answer") ?? "");
  model.on("change:view", later);
  model.on("change:lit", light);
  model.on("change:answer", answer);
  draw();
  light();
  answer();
  const sizes = new ResizeObserver(() => drawing.measure());
  sizes.observe(drawing.root);
  return () => {
    gone = true;
    sizes.disconnect();
    cancelAnimationFrame(waiting);
  };
}

export default { render };
