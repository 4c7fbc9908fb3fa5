// The stage: one picture of a network and its training that fills the page. `mount` puts it into an element and
// draws it from a recording and a store; it computes nothing that scene.js and model.js do not give it.

import { captionOf } from "./captions.js";
import { classShape, clearCanvas, clearPart, coloursOf, FACE, h, onTheme, shortened, wantsStillness, write } from "./dom.js";
import { chooseExample } from "./examples.js";
import { besidePart, biasPlace, distanceTo, edgePlace, heightOfNetwork, isStacked, layoutOf, rowsThatFit, tellingUnits, TIGHT, unitPlace } from "./layout.js";
import { indexOf } from "./model.js";
import { sceneOf } from "./scene.js";
import { FIRST } from "./store.js";
import { mountStrip } from "./strip.js";
import { openBig, saysShares, sentencesOf } from "./surface.js";
import { largestOf, makeSheet, paintCurve, paintNumbers, paintSheet, paintUnit, unitMaps } from "./units.js";
import { capital, inOwnUnits, nameOfUnit, partOf, percent, said, signed } from "./words.js";

const LINES = { weight: "weights", gradient: "gradients", update: "last changes" };
const MOST_EDGES = 1500; // drawn at once: the strongest
const WIDTHS = 8; // how many thicknesses of line there are
const NEAR_LINE = 6; // px
const APART = 54, LEAST_NAMED = 84; // px from column to column, for the buttons above them; px that names keep
const CALM = 140; // ms without a change, after which the surface is drawn finely
const FRAME_WORK = 7e5; // multiplications for the units' maps of one frame
const BOUNDED = ["tanh", "sigmoid", "softmax", "softsign", "hardtanh", "hardsigmoid"]; // by 1
const SETTINGS = { ...FIRST, step: 0, point: null, edits: {}, ripple: null, painted: [], hand: "" };

// `plays`: whether it begins to play, where the store does not say; `steered`: the controls of a training (controls.js).
export function mount(element, recording, store, { plays = !wantsStillness(), steered = null } = {}) {
  return new Stage(element, recording, store, plays, steered);
}

class Stage {
  constructor(element, recording, store, plays, steered) {
    Object.assign(this, { recording, store, steered, header: recording.header, model: recording.model });
    this.pages = this.model.sizes.map(() => 0); // of a layer too large to be shown whole
    this.pointed = "";
    this.current = "1:0";
    this.followed = []; // parts that are drawn whatever else of their layers is
    this.listeners = new Set();
    this.stops = [];
    const given = store.get();
    const first = { ...SETTINGS, example: this.header.examples?.start ?? 0, playing: plays };
    store.set(Object.fromEntries(Object.entries(first).filter(([key]) => given[key] === undefined)));
    this.big = openBig(recording);
    this.build(element);
    this.listen();
    this.colours = coloursOf(this.root);
    this.measure();
    this.ask();
  }

  build(element) {
    this.caption = h("p", { class: "st-caption", "aria-live": "polite" });
    this.action = h("button", { type: "button", class: "st-action", onclick: () => this.store.set(this.leads) });
    this.tools = h("div", { class: "st-tools" });
    this.say = h("header", { class: "st-say" }, this.caption, this.action, this.tools);
    this.canvas = h("canvas", { class: "st-canvas", "aria-hidden": "true" });
    this.bigCanvas = h("canvas", { class: "st-canvas", "aria-hidden": "true" });
    this.proxies = h("div", { class: "st-proxies", role: "application", "aria-label":
      "the network; arrow keys move from unit to weight, Enter opens" });
    this.bigTitle = h("b", {});
    this.bigNote = h("span", {});
    const to = (by) => () => {
      const { count } = this.recording.examples;
      this.store.set({ example: (this.store.get().example + by + count) % count, point: null });
    };
    this.bigHead = h("div", { class: "st-bighead" }, h("div", { class: "st-bigtext" }, this.bigTitle, this.bigNote),
      h("div", { class: "st-choose", role: "group", "aria-label": "example", hidden: this.recording.examples.count < 2 },
        h("button", { type: "button", "aria-label": "previous example", onclick: to(-1) }, "‹"),
        h("button", { type: "button", "aria-label": "choose an example", onclick: () => chooseExample(this, this.recording, this.store) }, "…"),
        h("button", { type: "button", "aria-label": "next example", onclick: to(1) }, "›")));
    this.more = h("div", { class: "st-more" });
    this.tip = h("div", { class: "st-tip", "aria-hidden": "true", hidden: true });
    this.picture = h("div", { class: "st-picture" }, this.canvas, this.bigCanvas, this.bigHead, this.proxies, this.more);
    const toggle = (key, values) => h("button", { type: "button", class: "st-toggle", "data-key": key, onclick: () => {
      const at = values.indexOf(this.store.get()[key]);
      this.store.set({ [key]: values[(at + 1) % values.length] });
    } });
    this.toggles = [toggle("edges", ["weight", "gradient", "update"]), toggle("width", ["layer", "network"]), toggle("counted", [0, 1])];
    const sign = (name, text) => h("span", { class: "st-sign" }, h("i", { class: `st-${name}` }), text);
    this.legend = h("div", { class: "st-legend", role: "group", "aria-label": "legend" },
      sign("positive", "above zero"), sign("negative", "below zero"), ...this.toggles, (this.layering = h("span", { class: "st-layering" })), h("span", { class: "st-classes" }));
    this.panel = h("div", { class: "st-panel" });
    this.strip = mountStrip(this.recording, this.store, this.steered);
    this.sheetTitle = h("h2", {});
    this.sheetBody = h("div", { class: "st-sheetbody" });
    this.sheet = h("aside", { class: "st-sheet", role: "dialog", "aria-label": "", hidden: true, tabindex: -1 },
      h("header", {}, this.sheetTitle, h("button", { type: "button", class: "st-close", "aria-label": "close", onclick: () => this.closeSheet() }, "×")),
      this.sheetBody);
    this.root = h("section", { class: "st-stage", "aria-label": this.header.title || "a network and its training" },
      this.say, this.picture, this.legend, this.panel, this.strip.node, this.sheet, this.tip);
    element.append(this.root);
    this.drawClassKey();
  }

  // ── what stands where ──

  measure() {
    this.width = this.picture.clientWidth;
    this.height = this.picture.clientHeight;
    if (!this.width || !this.height) return;
    const { sizes, L } = this.model, narrow = isStacked(this.width, this.height);
    const theta = this.newestState();
    const image = Boolean(this.header.shape), roomy = this.store.get().view === "motion";
    const most = rowsThatFit(sizes, narrow ? heightOfNetwork(this.height, L) : this.height, narrow, { image, roomy });
    const kept = sizes.map(() => []);
    for (const { l, j, k } of [...this.followed, this.store.get().part].map(partOf).filter((part) => part?.l <= L)) {
      kept[l].push(j);
      if (k !== null) kept[l - 1].push(k);
    }
    const shown = sizes.map((count, l) => (image && l === 0 ? Array.from({ length: count }, (_, k) => k)
      : tellingUnits(this.model, theta, l, most[l], this.pages[l], kept[l])));
    const ctx = this.canvas.getContext("2d");
    ctx.font = `13px ${FACE}`;
    const widest = (l) => Math.max(...shown[l].map((j) => ctx.measureText(this.nameOf(l, j)).width));
    const beside = L < 4 ? 96 : 62; // a deep network needs the width itself
    const room = narrow ? { left: Math.min(widest(0) + 10, beside), right: Math.min(widest(L) + 10, beside) }
      : { left: Math.min(widest(0) + 16, this.width > 1100 ? 200 : 150), right: Math.min(Math.max(widest(L) + 16, 70), 130) };
    const lay = () => layoutOf({ sizes, shown, width: this.width, height: this.height, room, image });
    this.layout = lay();
    // Where columns stand too close for the buttons above them, names give way, as far as they can still be told.
    for (const side of image || !this.header.training?.editable ? [] : ["left", "right"]) {
      room[side] -= Math.max(0, Math.min((APART - this.pitch) * L, room[side] - LEAST_NAMED));
      this.layout = lay();
    }
    this.room = room;
    this.placeProxies();
    this.placeMore();
    this.strip.measure();
    const { big } = this.layout;
    this.bigHead.classList.toggle("st-tight", !narrow && big.width < TIGHT);
    this.bigHead.classList.toggle("st-stacked", this.layout.narrow);
    const inset = this.layout.narrow ? 4 : big.x;
    // From the top, as the canvas is drawn, so that the two cannot part while the page is resized.
    Object.assign(this.bigHead.style, { left: `${inset}px`, width: `${this.layout.narrow ? this.width - 8 : big.width}px`,
      top: `${big.y - 6}px` });
    for (const told of this.listeners) told();
  }

  // What decides which units of a large layer are shown: the newest state, so that they stay the same as it plays.
  newestState() {
    for (let i = this.header.steps.length - 1; i >= 0; i--) if (this.recording.has(i)) return this.recording.theta(i);
    return new Float32Array(this.header.network.count ?? this.header.count);
  }

  nameOf(l, j) {
    const name = nameOfUnit(this.header, l, j, this.store.get().counted ?? 0);
    return l === this.model.L && this.header.classes?.length === this.model.sizes[l] ? this.header.classes[j] : name;
  }

  geometry() {
    const { layout, header } = this;
    const [dx, dy] = [this.picture.offsetLeft, this.picture.offsetTop];
    const { big } = layout;
    const moved = (place) => place && { ...place, x: place.x + dx, y: place.y + dy };
    const plane = this.big.kind === "plane" ? { ...moved(big),
      toData: ([x, y]) => this.big.toData(big, [x - dx, y - dy]),
      toPixels: (point) => this.big.toPixels(big, point).map((at, i) => at + [dx, dy][i]) } : null;
    return {
      width: this.root.clientWidth, height: this.root.clientHeight,
      unit: (l, j) => moved(unitPlace(layout, l, j, header.shape)),
      edge: (l, j, k) => {
        const edge = edgePlace(layout, l, j, k, header.shape);
        return edge && { x1: edge.x1 + dx, y1: edge.y1 + dy, x2: edge.x2 + dx, y2: edge.y2 + dy };
      },
      units: layout.columns.map((column) => column.units),
      cost: { x: layout.narrow ? layout.net.width - 24 : big.x - 24, y: (layout.narrow ? 14 : big.y + big.height / 2) + dy },
      plane, labels: this.labels ?? [],
    };
  }

  // Draw these parts from now on, and whatever else of their layers there is room for.
  follow(parts) {
    this.followed = parts;
    if (this.layout && !parts.every((part) => this.isDrawn(part))) this.measure();
  }

  onLayout(told) {
    this.listeners.add(told);
    return () => this.listeners.delete(told);
  }

  // ── time ──

  ask() {
    if (!this.gone) this.waiting ||= requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.waiting = 0;
    if (this.gone) return;
    if (this.resized) {
      this.resized = false;
      this.measure();
      this.bigKey = "";
      this.paintClassKey();
    }
    if (!this.layout) return;
    // A frame's time is when it was due, which may lie before that of a drawing for print.
    const since = Math.max(0, Math.min(100, now - (this.drawnAt ?? now)));
    this.drawnAt = now;
    if (this.store.get().playing) this.strip.advance(since, this.store.get());
    if (this.store.get().part !== this.reached) {
      this.reached = this.store.get().part;
      if (this.reached && !this.isDrawn(this.reached)) this.measure();
    }
    const state = this.store.get();
    this.root.classList.toggle("st-moving", Boolean(state.playing));
    if (this.recording.has(state.step)) this.scene = sceneOf(this.recording, state);
    else this.fetch(state.step);
    if (this.scene) this.draw(state);
    if (state.playing) this.ask();
  }

  // A state that has not come yet is asked for once; the picture stays as it is until then.
  fetch(step) {
    if (this.fetching === step) return;
    this.fetching = step;
    const done = (failed) => {
      this.fetching = null;
      if (failed) write(this.caption, "The state of this step could not be fetched: is the studio still running?");
      else this.ask();
    };
    this.recording.load(step).then(() => done(false), () => done(true));
  }

  draw(state) {
    const { scene } = this;
    const fresh = scene !== this.drawnScene;
    if (fresh) {
      this.maps = unitMaps(this.recording, scene, FRAME_WORK);
      this.held = new Map();
      this.drawnScene = scene;
    }
    this.drawNetwork(state);
    const shows = this.mapShown();
    const key = `${shows}|${state.painted?.length}|${this.width}`;
    if (fresh || key !== this.bigKey || this.themeChanged) {
      this.bigKey = key;
      this.drawBig(state, shows, false);
      clearTimeout(this.calming);
      this.calming = setTimeout(() => this.rest(), CALM);
    }
    this.themeChanged = false;
    this.strip.draw(state, this.colours);
    this.drawWords(state);
    this.root.dataset.drawn = Number(this.root.dataset.drawn ?? 0) + 1;
  }

  // What is done only where nothing has changed for a while: the surface finely, spoken numbers anew.
  rest() {
    if (this.gone) return;
    const state = this.store.get();
    this.drawBig(state, this.mapShown(), true);
    if (!state.playing) for (const [part, node] of this.proxy) node.setAttribute("aria-label", this.spoken(part));
  }

  mapOf(l, j) {
    const key = `${l}:${j}`;
    if (!this.held.has(key)) {
      const map = this.maps.of(l, j);
      this.held.set(key, { ...map, scale: this.scaleOf(l, map) });
    }
    return this.held.get(key);
  }

  // What is full colour: 1 where an activation is bounded by it, so that a flat unit looks flat; else its largest.
  scaleOf(l, map) {
    const family = l > 0 ? this.header.network.activations[l - 1].family : "";
    const bounded = BOUNDED.includes(family);
    return this.maps.kind !== "pixels" && bounded ? 1 : largestOf(map.values) || 1;
  }

  // ── the network ──

  drawNetwork(state) {
    const ctx = clearPart(this.canvas, this.layout.paper.net);
    this.labels = [];
    this.drawEdges(ctx, state);
    this.drawBiases(ctx);
    this.drawUnits(ctx, state);
    this.drawLabels(ctx, state);
  }

  valueOf(l, j, k, state) {
    const at = indexOf(this.model, { l, j, k: k === "bias" ? null : k });
    if (state.edges === "gradient") return this.scene.gradient?.[at] ?? 0;
    return state.edges === "update" ? this.scene.theta[at] - this.before(state.step)[at] : this.scene.theta[at];
  }

  // The parameters of the recorded step before; of the first one, and of one that is not here yet, its own.
  before(step) {
    return this.recording.theta(step > 0 && this.recording.has(step - 1) ? step - 1 : step);
  }

  // All lines between what is drawn, with their sizes: from 0 to 1, of the largest in the layer or the network.
  gatherEdges(state) {
    const { layout, model } = this;
    const edges = [], largest = new Float64Array(model.L + 1);
    for (let l = 1; l <= model.L; l++) {
      const from = l === 1 && layout.picture ? ["bias"] : [...layout.columns[l - 1].units, "bias"];
      for (const j of layout.columns[l].units)
        for (const k of from) {
          const value = this.valueOf(l, j, k, state);
          largest[l] = Math.max(largest[l], Math.abs(value) || 0);
          edges.push({ l, j, k, value, share: 0 });
        }
    }
    const whole = Math.max(...largest);
    for (const edge of edges) edge.share = Math.abs(edge.value) / ((state.width === "network" ? whole : largest[edge.l]) || 1) || 0;
    if (edges.length <= MOST_EDGES) return edges;
    const least = Float64Array.from(edges, (edge) => edge.share).sort()[edges.length - MOST_EDGES];
    return edges.filter((edge) => edge.share >= least);
  }

  drawEdges(ctx, state) {
    const { layout, colours } = this;
    this.edges = this.gatherEdges(state);
    const lit = [state.part, this.pointed].filter(Boolean);
    const wide = Math.max(1.6, Math.min(7, layout.tile / 7));
    if (layout.picture) this.drawBeams(ctx);
    const crowded = this.edges.length > 300 ? 0.7 : 1;
    const near = (edge) => lit.some((part) => part === `${edge.l}:${edge.j}` || part === `${edge.l - 1}:${edge.k}` || part === nameOfEdge(edge));
    const dim = lit.length && this.edges.some(near);
    const piles = new Map();
    for (const edge of this.edges) {
      edge.at ??= edgePlace(layout, edge.l, edge.j, edge.k, this.header.shape);
      if (!edge.at) continue;
      const size = Math.ceil(edge.share * WIDTHS), raised = dim && near(edge);
      const key = `${raised ? 1 : 0}${size}${edge.value < 0 ? "-" : "+"}`;
      if (!piles.has(key)) piles.set(key, { raised, size, minus: edge.value < 0, path: new Path2D() });
      const { path } = piles.get(key);
      path.moveTo(edge.at.x1, edge.at.y1);
      path.lineTo(edge.at.x2, edge.at.y2);
    }
    for (const key of [...piles.keys()].sort()) {
      const { raised, size, minus, path } = piles.get(key), share = size / WIDTHS;
      ctx.strokeStyle = minus ? colours.negative : colours.positive;
      ctx.globalAlpha = (0.1 + 0.75 * share) * crowded * (raised ? 1.3 : dim ? 0.3 : 1);
      ctx.lineWidth = 0.5 + wide * share * share + (raised ? 0.8 : 0);
      ctx.stroke(path);
    }
    ctx.globalAlpha = 1;
    for (const part of lit) this.drawLitEdge(ctx, part, state, wide);
  }

  drawLitEdge(ctx, name, state, wide) {
    const part = partOf(name);
    if (!part || part.kind === "unit") return;
    const k = part.kind === "bias" ? "bias" : part.k;
    const at = edgePlace(this.layout, part.l, part.j, k, this.header.shape);
    if (!at) return;
    const line = (width, colour) => {
      ctx.beginPath();
      ctx.moveTo(at.x1, at.y1);
      ctx.lineTo(at.x2, at.y2);
      ctx.lineWidth = width;
      ctx.strokeStyle = colour;
      ctx.stroke();
    };
    line(wide + 6, this.colours.ink);
    line(wide + 3, this.colours.surface);
    line(wide, this.valueOf(part.l, part.j, k, state) < 0 ? this.colours.negative : this.colours.positive);
  }

  // From a picture no single pixel's line is drawn: what a unit takes from all of them is its own small image.
  drawBeams(ctx) {
    const { layout, colours } = this, { x, y, width, height } = layout.picture;
    const column = layout.columns[1];
    const towards = ctx.createLinearGradient(x + width, 0, column.x - layout.tile / 2, 0);
    towards.addColorStop(0, "transparent");
    towards.addColorStop(1, colours.soft);
    ctx.fillStyle = towards;
    for (const j of column.units) {
      const at = unitPlace(layout, 1, j);
      ctx.globalAlpha = this.pointed === `1:${j}` ? 0.55 : 0.16;
      ctx.beginPath();
      ctx.moveTo(x + width, y + 2);
      ctx.lineTo(at.x - at.r, at.y - at.r);
      ctx.lineTo(at.x - at.r, at.y + at.r);
      ctx.lineTo(x + width, y + height - 2);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  }

  drawBiases(ctx) {
    const { layout, colours, model } = this;
    for (let l = 1; l <= model.L; l++) {
      const { x, y, r } = biasPlace(layout, l);
      ctx.beginPath();
      ctx.arc(x, y, r, 0, 2 * Math.PI);
      ctx.fillStyle = colours.surface;
      ctx.fill();
      ctx.strokeStyle = colours.soft;
      ctx.lineWidth = 1.2;
      ctx.stroke();
      ctx.fillStyle = colours.ink;
      ctx.font = `${Math.max(8, Math.min(13, r * 1.15))}px ${FACE}`;
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      ctx.fillText("1", x, y + 0.5);
    }
  }

  drawUnits(ctx, state) {
    const { layout, colours, scene, header } = this;
    const spot = this.spotOf(scene.trace.a[0]);
    this.layMaps();
    layout.columns.forEach((column, l) => {
      if (l === 0 && layout.picture) return this.drawPicture(ctx, state);
      for (const j of column.units) {
        const { x, y, r } = unitPlace(layout, l, j);
        const box = { x: x - r, y: y - r, width: 2 * r, height: 2 * r };
        const map = this.mapOf(l, j);
        ctx.save();
        ctx.beginPath();
        ctx.roundRect(box.x, box.y, box.width, box.height, Math.min(10, r / 4));
        ctx.fillStyle = colours.raised;
        ctx.fill();
        ctx.clip();
        paintUnit(ctx, this.maps.kind, map, box, colours, spot);
        ctx.restore();
        const lit = [state.part, this.pointed].includes(`${l}:${j}`);
        ctx.beginPath();
        ctx.roundRect(box.x, box.y, box.width, box.height, Math.min(10, r / 4));
        ctx.lineWidth = lit ? 3 : 1;
        ctx.strokeStyle = lit ? colours.ink : colours.soft;
        ctx.stroke();
      }
    });
  }

  // All maps on one sheet, anew where they, their places or the colours are others.
  layMaps() {
    const { maps, layout, colours } = this, about = [maps, layout, colours];
    if (maps.kind === "curve" || about.every((one, i) => one === this.laid?.[i])) return;
    this.laid = about;
    const drawn = layout.columns.flatMap(({ units }, l) => (l === 0 && layout.picture ? [] : units.map((j) => this.mapOf(l, j))));
    paintSheet((this.mapSheet ??= makeSheet()), drawn, colours.ramp);
  }

  // A button beneath each layer that has more units than are drawn: it shows the next of them.
  placeMore() {
    const { layout, model } = this, close = layout.columns.length > 1 && layout.columns[1].x - layout.columns[0].x < 84;
    this.more.replaceChildren(...layout.columns.flatMap((column, l) => {
      const left = model.sizes[l] - column.units.length;
      if (!left) return [];
      const above = l < model.L ? biasPlace(layout, l + 1) : null;
      const y = above ? above.y + above.r + 12 : column.y(column.units.length) - layout.tile / 2 + 10;
      const next = () => {
        this.pages[l]++;
        this.measure();
        this.ask();
        this.more.querySelector(`[data-layer="${l}"]`)?.focus();
      };
      return [h("button", { type: "button", "data-layer": l, style: `left:${column.x}px;top:${y}px`, onclick: next,
        "aria-label": `show other units of layer ${l}, which has ${said(left)} more` }, `… ${said(left)}${close ? "" : " more"}`)];
    }), ...(this.header.training?.editable ? this.edits() : []));
    this.layering.replaceChildren(...(this.header.training?.editable && !this.roomy ? this.layerEdits() : []));
  }

  // From one column to the next, and whether there is room between their names for what edits layers.
  get pitch() {
    const { columns, net } = this.layout;
    return columns.length > 1 ? columns[1].x - columns[0].x : net.width;
  }

  get roomy() { return this.pitch >= 196; }

  // Where names are numbers: the buttons beside them need the room.
  get terse() { return this.pitch < (this.header.training?.editable ? 100 : 52); }

  edit(text, name, kind, l, about = {}) {
    return h("button", { type: "button", class: "st-edit", "aria-label": name, title: name, onclick: () => this.steered.edit(kind, l), ...about }, text);
  }

  // Before a training begins: + and − at each hidden layer's name, for its units, and between layers for another layer.
  edits() {
    const { columns, narrow } = this.layout, { L } = this.model, slim = this.terse ? " st-slim" : "", away = slim ? 16 : narrow ? 29 : 36;
    const one = (x, text, name, kind, l) => this.edit(text, name, kind, l, { class: `st-edit${slim}`, style: `left:${x}px;top:11px` });
    return columns.flatMap((column, l) => [
      ...(l > 0 && l < L && this.pitch >= APART - 2 ? [one(column.x - away, "−", `one unit less in layer ${l}`, "remove_unit", l),
        one(column.x + away, "+", `one unit more in layer ${l}`, "add_unit", l)] : []),
      ...(l > 0 && this.roomy ? [one(column.x - this.pitch / 2, "+ layer", `another layer before ${l === L ? "the outputs" : `layer ${l}`}`, "add_layer", l)] : []),
      ...(l > 0 && l < L && this.roomy ? [one(column.x + away + 22, "×", `layer ${l} out`, "remove_layer", l)] : []),
    ]);
  }

  // The same for the last hidden layer, where there is no room among the names; and where units are edited then.
  layerEdits() {
    const { L } = this.model, name = "units of each layer, in the panel Network";
    const units = () => h("button", { type: "button", class: "st-edit", "aria-label": name, title: name, onclick: this.steered.units }, "units …");
    return [...(this.pitch < APART - 2 ? [units()] : []), ...(L > 1 ? [this.edit("− layer", `layer ${L - 1} out`, "remove_layer", L - 1)] : []),
      this.edit("+ layer", "another layer before the outputs", "add_layer", L)];
  }

  // Where the example of now is within a map of the plane.
  spotOf(x) {
    const { plane } = this.header;
    if (!plane) return null;
    const within = ([lo, hi], value) => (value - lo) / (hi - lo);
    const spot = [within(plane.x, x[0]), 1 - within(plane.y, x[1])];
    return spot.every((share) => share > 0 && share < 1) ? spot : null;
  }

  drawPicture(ctx, state) {
    const { layout, colours, header, scene } = this, box = layout.picture;
    const values = scene.trace.a[0];
    paintNumbers(ctx, { values, width: header.shape[1], height: header.shape[0] }, box, largestOf(values), colours.ramp, false);
    ctx.strokeStyle = colours.soft;
    ctx.lineWidth = 1;
    ctx.strokeRect(box.x - 0.5, box.y - 0.5, box.width + 1, box.height + 1);
    for (const name of [state.part, this.pointed]) {
      const part = partOf(name);
      if (!part || (part.l > 1 || (part.l === 1 && part.k === null))) continue;
      const pixel = part.l === 0 ? part.j : part.k;
      const at = unitPlace(layout, 0, pixel, header.shape);
      ctx.strokeStyle = colours.ink;
      ctx.lineWidth = 2;
      ctx.strokeRect(at.x - at.r - 1, at.y - at.r - 1, 2 * at.r + 2, 2 * at.r + 2);
    }
  }

  label(ctx, text, x, y, { align = "left", colour = this.colours.ink, size = 12, room = 100, ending = false } = {}) {
    ctx.font = `${size}px ${FACE}`;
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    ctx.fillStyle = colour;
    const written = shortened(ctx, text, room, ending), { width } = ctx.measureText(written);
    ctx.fillText(written, x, y);
    const left = align === "left" ? x : align === "right" ? x - width : x - width / 2;
    this.labels.push({ text: written, x: left, y: y - size / 2, width, height: size });
  }

  drawLabels(ctx, state) {
    const { layout, colours, scene, model, header } = this, { tile } = layout;
    const { L } = model, { pitch, terse } = this;
    layout.columns.forEach((column, l) => {
      const image = l === 0 && layout.picture;
      const name = terse ? (l === 0 ? "in" : l === L ? "out" : String(l)) : l === 0 ? "inputs" : l === L ? "outputs" : `layer ${l}`;
      const activation = l > 0 && !layout.narrow && pitch > 140 && !this.header.training?.editable ? ` · ${header.network.activations[l - 1].name}` : "";
      this.label(ctx, name + activation, column.x, 11, { align: "center", colour: colours.soft, room: pitch - 4, size: layout.narrow ? 11 : 12.5 });
      if (image) return;
      for (const j of column.units) {
        const { x, y, r } = unitPlace(layout, l, j);
        const own = this.nameOf(l, j), under = y + r + 8;
        if (l === 0) {
          // Pieces of a column differ at the end of their names: "latitude & longitude 30° 37.81 to 38.29".
          this.label(ctx, own, x - r - 8, y, { align: "right", room: this.room.left - 10, size: layout.narrow ? 11 : 13, ending: true });
          if (tile >= 34) this.labelNumber(ctx, inOwnUnits(header.inputs?.[j], scene.trace.a[0][j]), x, under, "center", tile, colours.soft);
        } else if (l === L) {
          const half = tile >= 34 ? 8 : 0;
          this.label(ctx, own, x + r + 8, y - half, { room: this.room.right - 10, size: layout.narrow ? 11 : 13 });
          if (half) this.label(ctx, this.outputWritten(j), x + r + 8, y + half, { colour: colours.soft, room: this.room.right - 8, size: 12 });
        } else this.labelHidden(ctx, l, j, x, r, under, state);
      }
    });
  }

  // Beneath a hidden unit: its number, and what it passes on or along which column it is drawn.
  labelHidden(ctx, l, j, x, r, under, state) {
    const { colours, maps, header, scene } = this;
    const number = String(j + (state.counted ?? 0));
    if (this.layout.columns[l].pitch - 2 * r < 14) return;
    if (r < 19) return this.label(ctx, number, x, under, { align: "center", colour: colours.soft, size: 10, room: 2 * r });
    this.label(ctx, number, x - r, under, { colour: colours.soft, size: 11, room: 2 * r });
    const taken = this.labels.at(-1).width + 4;
    const room = 2 * r - taken, column = maps.kind === "curve" ? header.inputs?.[this.mapOf(l, j).column]?.name : "";
    if (column && ctx.measureText(column).width <= room) return this.label(ctx, column, x + r, under, { align: "right", size: 11, room });
    this.labelNumber(ctx, scene.trace.a[l][j], x + r, under, "right", room);
  }

  // A number with as many digits as there is room for; none rather than a part of one.
  labelNumber(ctx, value, x, y, align, room, colour = this.colours.ink) {
    ctx.font = `11px ${FACE}`;
    const text = [2, 1].map((digits) => said(value, digits)).find((one) => ctx.measureText(one).width <= room);
    if (text) this.label(ctx, text, x, y, { align, size: 11, room, colour });
  }

  outputWritten(j) {
    const value = this.scene.trace.a.at(-1)[j], { header } = this;
    if (!header.classes) return said(inOwnUnits(header.outputs?.[j], value), 4);
    if (!saysShares(header.network)) return said(value, 2);
    return percent(value, ">", "<");
  }

  // ── the big unit ──

  // The unit whose own map stands large in the surface's place, while a pointer or the keyboard is on it.
  mapShown() {
    const part = partOf(this.pointed);
    return part?.kind === "unit" && part.l > 0 ? this.pointed : "";
  }

  drawBig(state, shows, calm) {
    const { big, paper } = this.layout;
    const ctx = clearPart(this.bigCanvas, paper.big);
    if (!shows) {
      this.big.draw(ctx, big, this.scene, state, this.colours, calm, this.maps);
      const [says, note] = sentencesOf(this.header, this.scene, state);
      write(this.bigTitle, says);
      write(this.bigNote, note);
      return;
    }
    const { l, j } = partOf(shows), map = this.mapOf(l, j), { kind } = this.maps;
    ctx.save();
    ctx.beginPath();
    ctx.roundRect(big.x, big.y, big.width, big.height, 10);
    ctx.fillStyle = this.colours.raised;
    ctx.fill();
    ctx.clip();
    if (kind === "curve") paintCurve(ctx, map, big, map.scale, this.colours, true);
    else paintNumbers(ctx, map, big, map.scale, this.colours.ramp, kind === "plane");
    ctx.restore();
    write(this.bigTitle, `${capital(this.nameOf(l, j))} by itself`);
    write(this.bigNote, this.noteOfMap(l, map, kind));
  }

  noteOfMap(l, map, kind) {
    const full = `full colour is ${said(map.scale, 2)}`;
    if (kind === "plane") return `what it gives out all over the plane; ${full}`;
    if (kind === "curve") return `what it gives out as “${this.nameOf(0, map.column)}” runs from low to high, the rest as in this example`;
    return l === 1 ? `its weights, pixel by pixel; ${full}` : `how much each pixel of this example raises it; ${full}`;
  }

  // ── words ──

  drawWords(state) {
    const { text, action, chapter } = captionOf(this.recording, this.scene, state);
    this.caption.setAttribute("aria-live", state.playing ? "off" : "polite"); // numbers that run are not read aloud
    write(this.caption, text);
    this.chapter = chapter;
    this.root.dataset.chapter = chapter;
    this.action.hidden = !action;
    if (action) {
      this.leads = action.set;
      write(this.action, action.label);
    }
    const texts = { edges: `lines: ${LINES[state.edges]}`,
      width: state.width === "network" ? "width: whole network" : "width: within layer",
      counted: `units from ${state.counted ?? 0}` };
    for (const button of this.toggles) write(button, texts[button.dataset.key]);
    if (this.tip.hidden === false) write(this.tip, this.spoken(this.pointed));
  }

  // The shapes of the classes, where there are points.
  drawClassKey() {
    const key = this.legend.querySelector(".st-classes");
    if (!this.header.classes || !this.header.plane) return;
    this.keys = this.header.classes.slice(0, 10).map((name, one) => {
      const canvas = h("canvas", { class: "st-key", "aria-hidden": "true" });
      key.append(h("span", { class: "st-sign" }, canvas, name));
      return { canvas, one };
    });
  }

  paintClassKey() {
    for (const { canvas, one } of this.keys ?? []) {
      const ctx = clearCanvas(canvas, 14, 14);
      classShape(ctx, one, 7, 7, 4.5);
      ctx.fillStyle = this.colours.classes[one % 10];
      ctx.fill();
    }
  }

  // A part's name and number, as a screen reader says it and a tip shows it.
  spoken(name) {
    const part = partOf(name);
    if (!part || !this.scene) return "";
    const own = this.nameOf(part.l, part.j);
    if (part.kind === "unit") {
      const value = this.scene.trace.a[part.l][part.j];
      return `${own}: ${part.l === 0 ? said(inOwnUnits(this.header.inputs?.[part.j], value)) : `passes on ${signed(value)}`}`;
    }
    const of = { weight: "", gradient: "’s gradient", update: "’s last change" }[this.store.get().edges];
    const k = part.kind === "bias" ? "bias" : part.k;
    const number = signed(this.valueOf(part.l, part.j, k, this.store.get()), 4);
    const what = `${part.kind}${of} ${number}`;
    return part.kind === "bias" ? `${own}: ${what}` : `${this.nameOf(part.l - 1, part.k)} → ${own}: ${what}`;
  }

  // ── pointer ──

  partAt(clientX, clientY) {
    const box = this.picture.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top];
    const { layout, header } = this;
    if (!layout || x < 0 || y < 0 || x > box.width || y > box.height) return "";
    if (layout.picture) {
      const { x: left, y: top, width, height } = layout.picture;
      const row = Math.floor(((y - top) / height) * header.shape[0]), column = Math.floor(((x - left) / width) * header.shape[1]);
      if (row >= 0 && column >= 0 && row < header.shape[0] && column < header.shape[1]) return `0:${row * header.shape[1] + column}`;
    }
    for (const [l, column] of layout.columns.entries()) {
      if (l === 0 && layout.picture) continue;
      for (const j of column.units) {
        const at = unitPlace(layout, l, j);
        if (Math.abs(x - at.x) <= at.r && Math.abs(y - at.y) <= at.r) return `${l}:${j}`;
      }
    }
    let best = "", near = NEAR_LINE;
    for (const edge of this.edges ?? []) {
      const away = edge.at ? distanceTo(edge.at, x, y) - edge.share : Infinity;
      if (away < near) [best, near] = [nameOfEdge(edge), away];
    }
    return best;
  }

  inBig(event) {
    const box = this.picture.getBoundingClientRect(), { big } = this.layout;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return x >= big.x && y >= big.y && x <= big.x + big.width && y <= big.y + big.height ? [x, y] : null;
  }

  listen() {
    const on = (node, type, told) => {
      node.addEventListener(type, told);
      this.stops.push(() => node.removeEventListener(type, told));
    };
    on(this.picture, "pointermove", (event) => {
      this.point(this.partAt(event.clientX, event.clientY));
      this.showTip(event.clientX, event.clientY);
      this.picture.classList.toggle("st-hand", Boolean(this.pointed || this.inBig(event)));
    });
    on(this.picture, "pointerleave", () => {
      this.point("");
      this.tip.hidden = true;
    });
    on(this.picture, "click", (event) => event.target.closest("button:not(.st-proxy)") || this.click(event));
    on(this.proxies, "focusin", (event) => {
      const { part } = event.target.dataset;
      if (!part || !event.target.matches(":focus-visible")) return;
      this.point(part);
      const box = event.target.getBoundingClientRect();
      this.showTip(box.right, box.top);
    });
    on(this.proxies, "focusout", () => {
      this.point("");
      this.tip.hidden = true;
    });
    on(this.proxies, "keydown", (event) => this.press(event));
    on(this.root, "keydown", (event) => event.key === "Escape" && !this.sheet.hidden && this.closeSheet());
    on(document, "keydown", (event) => this.steer(event));
    on(globalThis, "beforeprint", () => this.print(true));
    on(globalThis, "afterprint", () => this.print(false));
    this.stops.push(this.store.subscribe(() => this.ask()));
    this.stops.push(this.recording.onProgress?.(() => this.ask()) ?? (() => {}));
    this.stops.push(onTheme(() => {
      this.colours = coloursOf(this.root);
      this.themeChanged = true;
      this.paintClassKey();
      this.ask();
    }));
    const sizes = new ResizeObserver(() => {
      this.resized = true;
      this.ask();
    });
    sizes.observe(this.picture);
    this.stops.push(() => sizes.disconnect());
  }

  click(event) {
    const part = this.partAt(event.clientX, event.clientY);
    if (part) return this.choose(part);
    const at = this.inBig(event);
    const chosen = at && this.big.hit(this.layout.big, ...at, this.store.get());
    if (chosen) this.store.set(chosen);
  }

  choose(part) {
    this.comeTo(part);
    this.store.set({ part, playing: false });
  }

  point(part) {
    if (part === this.pointed) return;
    this.pointed = part;
    this.ask();
  }

  showTip(clientX, clientY) {
    const text = this.spoken(this.pointed);
    this.tip.hidden = !text;
    if (!text) return;
    write(this.tip, text);
    const box = this.root.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const x = Math.max(6, Math.min(clientX - box.left + 14, box.width - width - 6));
    const y = clientY - box.top - height - 14;
    this.tip.style.transform = `translate(${x}px, ${y < 4 ? clientY - box.top + 20 : y}px)`;
  }

  // ── keyboard ──

  // A button for each unit that is drawn, where it is drawn; those of weights are made as the keyboard comes to them.
  placeProxies() {
    const wanted = new Set();
    this.proxy ??= new Map();
    this.layout.columns.forEach((column, l) => {
      const units = l === 0 && this.layout.picture ? column.units.slice(0, 1) : column.units;
      for (const j of units) wanted.add(`${l}:${j}`);
    });
    for (const [part, node] of this.proxy)
      if (!wanted.has(part) && node !== document.activeElement) {
        node.remove();
        this.proxy.delete(part);
      }
    for (const part of wanted) this.proxyOf(part);
    if (!this.proxy.has(this.current)) this.current = [...wanted][0];
    this.comeTo(this.current);
  }

  proxyOf(part) {
    if (!this.proxy.has(part)) {
      const node = h("button", { type: "button", class: "st-proxy", "data-part": part, tabindex: -1 });
      this.proxy.set(part, node);
      this.proxies.append(node);
    }
    const node = this.proxy.get(part), { l, j, k, kind } = partOf(part);
    let at = unitPlace(this.layout, l, j, this.header.shape);
    if (kind !== "unit") {
      const edge = edgePlace(this.layout, l, j, kind === "bias" ? "bias" : k, this.header.shape);
      at = { x: (edge.x1 + edge.x2) / 2, y: (edge.y1 + edge.y2) / 2, r: 9 };
    }
    Object.assign(node.style, { left: `${at.x - at.r}px`, top: `${at.y - at.r}px`, width: `${2 * at.r}px`, height: `${2 * at.r}px` });
    node.setAttribute("aria-label", this.spoken(part));
    return node;
  }

  partWithFocus() {
    return document.activeElement?.closest?.(".st-proxy")?.dataset.part ?? "";
  }

  // Of a large layer not all units have a place.
  isDrawn(part) {
    const { l, j, k, kind } = partOf(part) ?? {}, { shape } = this.header;
    if (l === undefined || !unitPlace(this.layout, l, j, shape)) return false;
    return kind === "unit" || Boolean(edgePlace(this.layout, l, j, kind === "bias" ? "bias" : k, shape));
  }

  comeTo(part) {
    if (!this.isDrawn(part)) return null;
    this.proxy.get(this.current)?.setAttribute("tabindex", -1);
    const before = partOf(this.current);
    if (before && before.kind !== "unit" && part !== this.current) {
      const old = this.proxy.get(this.current);
      this.proxy.delete(this.current);
      setTimeout(() => old?.remove()); // after the focus has gone on
    }
    this.current = part;
    const node = this.proxyOf(part);
    node.setAttribute("tabindex", 0);
    return node;
  }

  press(event) {
    const { part } = event.target.dataset;
    if (!part || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") this.choose(part);
    else if (event.key === "Escape") {
      this.point("");
      this.tip.hidden = true;
      return;
    } else {
      const next = besidePart(this.layout, part, event.key);
      if (next === undefined) return;
      this.comeTo(next)?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // Keys of the page: as on a slide, Left and Right go a step, Page up and down a tenth, Space plays, F fills the screen.
  steer(event) {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest?.("input, select, textarea, [role=dialog], [role=slider], [role=application], [contenteditable]")) return;
    if (event.key === " " && event.target.closest?.("button, a, summary")) return;
    const { step, view } = this.store.get();
    if (view === "motion") return;
    const tenth = Math.max(1, Math.round(this.header.steps.length / 10));
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -tenth, PageDown: tenth, Home: -step, End: this.header.steps.length }[event.key];
    if (by !== undefined) this.strip.goTo(step + by);
    else if (event.key === " ") this.strip.togglePlay();
    else if (event.key === "f") this.root.requestFullscreen?.();
    else return;
    event.preventDefault();
  }

  // ── what slides over ──

  openSheet(title, node, { onClose } = {}) {
    this.cameFrom = this.sheet.hidden ? document.activeElement : this.cameFrom;
    this.onClose = null;
    write(this.sheetTitle, title);
    this.sheet.setAttribute("aria-label", title);
    this.sheetBody.replaceChildren(node);
    this.sheet.hidden = false;
    this.root.classList.add("st-open");
    this.onClose = onClose;
    this.sheet.focus({ preventScroll: true });
  }

  // Close the sheet; who opened it is told, unless that is who closes it.
  closeSheet(told = true) {
    if (this.sheet.hidden) return;
    this.sheet.hidden = true;
    this.root.classList.remove("st-open");
    this.sheetBody.replaceChildren();
    const [closed, from] = [this.onClose, this.cameFrom];
    this.onClose = null;
    if (from?.isConnected) from.focus({ preventScroll: true });
    if (told) closed?.();
  }

  // Paper is white: drawn in light colours whatever the screen's are.
  print(on) {
    this.root.classList.toggle("st-paper", on);
    this.colours = coloursOf(this.root);
    this.drawnScene = null;
    this.themeChanged = true;
    this.measure();
    this.frame(performance.now());
  }

  dispose() {
    this.gone = true;
    cancelAnimationFrame(this.waiting);
    clearTimeout(this.calming);
    for (const stop of this.stops) stop();
    this.root.remove();
  }
}

function nameOfEdge({ l, j, k }) {
  return `${l}:${j},${k}`;
}
