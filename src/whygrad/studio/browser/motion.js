// Slow motion: one step of backpropagation as one continuous animation over the stage's picture.
//
// The moments are those of story.js. Time runs from 0 to the end of the last moment; a picture is drawn for each
// instant of it, forwards and backwards alike, so that playing, stepping and scrubbing are the same thing. Light
// runs forward along the lines, units fill, the grade appears, blame runs back and splits by weight × slope,
// gradients a·δ gather on the weights, and the step moves these. Colour means sign, as everywhere.
//
// Where the reader prefers reduced motion nothing runs: each moment is shown as it is at its end.

import { clearCanvas, coloursOf, FACE, h, onTheme, wantsStillness, write } from "./dom.js";
import { masksAt } from "./dropout.js";
import { largestProducts, mathmlOf, passOf, reactionsOf } from "./equation.js";
import { indexOf } from "./model.js";
import { sceneOf } from "./scene.js";
import { apart, sharesOf, storyOf } from "./story.js";
import { classSaid } from "./surface.js";
import { largestOf } from "./units.js";
import { said } from "./words.js";

const SPEEDS = [0.5, 1, 2, 4];
const PULSES = 260; // lights on lines at once; of more lines those that carry most
const MOST_LINES = 700; // of a layer that are drawn: those of the largest weights, and all that lights run along
const FADE = 0.16; // of lines that nothing runs along
const ROOMY = 13; // px of half a side from which a unit has room for its number
const PHASES = ["forward", "cost", "backward", "gradients", "update", "again"];

const ease = (p) => (p < 0 ? 0 : p > 1 ? 1 : p * p * (3 - 2 * p));
const within = (p, from, to) => ease((p - from) / (to - from));

// The example looked at, at the step looked at, with all edits: its pass through the network; null without a truth.
export function passAt(recording, state) {
  const { model, theta, x, y, trace, delta, cost, gradient } = sceneOf(recording, state);
  return delta && { model, theta, x, y, costName: recording.header.network.cost, ...trace, delta, cost, gradient };
}

// η of the plain step: the run's own at this step, else 0.1.
function rateAt(header, step) {
  const rate = header.batch?.rate, value = Array.isArray(rate) ? rate[Math.min(step, rate.length - 1)] : rate;
  return value > 0 ? value : 0.1;
}

// The pass that training would make of this example at this step: with units left out, and the gradient clipped.
function trainedPass({ header, examples: { about } }, { step, example, point }, pass) {
  const trained = about && !point && about.part[example] === "training";
  const masks = trained ? masksAt(header, header.steps[step], about.rows[example]) : null;
  return passOf(pass.model, pass.theta, pass.x, pass.y, pass.costName, { masks, clip: header.batch?.clip });
}

function storyAt(recording, state) {
  const { header } = recording, known = passAt(recording, state), pass = known && trainedPass(recording, state, known);
  const next = state.step + 1;
  const edited = Object.keys(state.edits ?? {}).length > 0 || state.point;
  const ranOn = !edited && next < header.steps.length && recording.has(next);
  return pass && storyOf({ header, pass, rate: rateAt(header, state.step), from: state.counted ?? 0,
    optimizer: header.settings?.optimizer ?? "", batch: header.batch?.size ?? 0,
    ran: ranOn ? recording.theta(next) : null, steps: ranOn ? header.steps[next] - header.steps[state.step] : 1 });
}

// Where each moment begins, and the end of the last.
function timesOf(moments) {
  const starts = [0];
  for (const { seconds } of moments) starts.push(starts.at(-1) + seconds);
  return starts;
}

function momentAt(starts, time) {
  let at = 0;
  while (at < starts.length - 2 && time > starts[at + 1]) at += 1;
  const progress = (time - starts[at]) / (starts[at + 1] - starts[at]);
  return { at, progress: Math.min(1, Math.max(0, progress)) };
}

// ── the picture ──

class Painter {
  constructor(stage, canvas) {
    this.stage = stage;
    this.canvas = canvas;
    this.colours();
  }

  colours() {
    this.palette = coloursOf(this.stage.root);
  }

  // Take over a story: the lines that are drawn, and how much runs along each.
  tell(story) {
    this.story = story;
    this.layout();
  }

  layout() {
    if (!this.story) return;
    const { pass, after, header } = this.story, geometry = this.stage.geometry();
    this.geometry = geometry;
    this.pixels = Boolean(header.shape);
    this.layers = pass.a.map((_, l) => l && this.linesOf(l, pass, after));
    this.units = pass.a.map((_, l) => (l === 0 && this.pixels ? []
      : geometry.units[l].map((j) => ({ j, ...geometry.unit(l, j) })).filter((unit) => unit.r)));
    this.most = Object.fromEntries(["a", "z", "delta"].map((name) => [name, pass[name].map((values) => largestOf(values ?? []))]));
  }

  // The lines into a layer, biases among them (k is null), with what runs along each.
  linesOf(l, pass, after) {
    const { geometry } = this, { model } = pass, lines = [];
    for (const j of geometry.units[l]) {
      const shares = l > 1 ? sharesOf(pass, l, j) : null;
      for (const k of [...geometry.units[l - 1], null]) {
        const i = indexOf(model, { l, j, k }), weight = pass.theta[i];
        lines.push({ j, k, weight, moved: after[i] - weight, gradient: pass.gradient[i], sent: weight * (k === null ? 1 : pass.a[l - 1][k]),
          passed: k === null ? 0 : weight * pass.delta[l][j], share: k === null || !shares ? 0 : shares[k] });
      }
    }
    const names = ["sent", "passed", "gradient"], chosen = {};
    for (const name of names) chosen[name] = largestProducts(lines.map((line) => line[name]), PULSES).map((i) => lines[i]);
    const kept = this.pixels && l === 1 ? [] : largestProducts(lines.map((line) => line.weight), MOST_LINES).map((i) => lines[i]);
    const drawn = [...new Set([...kept, ...names.flatMap((name) => chosen[name])])];
    for (const line of drawn) line.at = geometry.edge(l, line.j, line.k ?? "bias");
    const most = {};
    for (const name of ["weight", "moved", "share", ...names]) most[name] = largestOf(drawn.map((line) => line[name]));
    return { lines: kept.filter((line) => line.at), most, chosen };
  }

  draw(at, progress) {
    const { story, canvas, geometry } = this, moment = story.moments[at];
    this.pen = clearCanvas(canvas, geometry.width, geometry.height);
    this.lit = new Set(moment.lit);
    this.labelled = [];
    const past = story.moments.slice(0, at);
    const L = story.pass.model.L, reached = (kind, l) => past.some((m) => m.kind === kind && m.l === l);
    this.now = { ...moment, progress, reached, L, phase: moment.phase };
    for (let l = 1; l <= L; l++) this.drawLines(l);
    for (let l = 0; l <= L; l++) for (const unit of this.units[l]) this.drawUnit(l, unit);
    this.drawGrade();
  }

  sign(value) { return value < 0 ? this.palette.negative : this.palette.positive; }

  drawLines(l) {
    const { pen, now, layers } = this, { lines, most } = layers[l], { kind, progress: p } = now;
    const back = kind === "blame" || kind === "gather" || kind === "update";
    for (const line of lines) {
      const size = most.weight ? Math.abs(line.weight) / most.weight : 0;
      pen.strokeStyle = this.sign(line.weight);
      pen.globalAlpha = this.lit.has(`${l}:${line.j},${line.k ?? "bias"}`) ? 0.85 : back ? FADE : FADE + 0.34 * size;
      pen.lineWidth = 0.6 + 3 * size;
      strokeLine(pen, line.at);
      if (kind === "update" && most.moved) {
        const grown = (within(p, 0.15, 0.9) * Math.abs(line.moved)) / most.moved;
        pen.globalAlpha = 0.8 * grown;
        pen.strokeStyle = this.sign(line.moved);
        pen.lineWidth = 1 + 3 * grown;
        strokeLine(pen, line.at);
      }
    }
    if (kind === "gather") this.drawGathered(l, within(p, 0.35, 0.8));
    if (kind === "update") this.drawGathered(l, 1 - within(p, 0.1, 0.8));
    pen.globalAlpha = 1;
    this.drawRunning(l);
  }

  // What runs along the lines of a layer: products w·a forwards; back w·δ, which the slope f′ then shortens.
  drawRunning(l) {
    const { now } = this, { kind, progress: p, l: here, L } = now;
    if (kind === "forward" && here === l) this.run(l, "sent", within(p, 0, 0.5), within(p, 0.5, 0.6));
    if (kind === "blame" && here === l - 1) this.run(l, "passed", 1 - within(p, 0, 0.55), within(p, 0.55, 0.7));
    if (kind === "again") {
      const part = 0.7 / L, q = (p - (l - 1) * part) / part;
      if (q > 0 && q < 1) this.run(l, "sent", ease(q), 0);
    }
    if (kind === "gather") {
      const q = within(p, 0, 0.4);
      if (q > 0 && q < 1) {
        this.run(l, "gradient", 0.5 * q, 0, this.palette.soft); // what was sent
        this.run(l, "gradient", 1 - 0.5 * q, 0); // and the blame of who listened
      }
    }
  }

  run(l, name, where, gone, colour = null) {
    const { pen } = this, { most, chosen } = this.layers[l];
    if (!most[name] || gone >= 1) return;
    for (const line of chosen[name]) {
      const size = Math.abs(line[name]) / most[name], { at } = line;
      if (!size || !at) continue;
      const x = at.x1 + (at.x2 - at.x1) * where, y = at.y1 + (at.y2 - at.y1) * where, r = 1.6 + 5.2 * Math.sqrt(size);
      pen.fillStyle = colour ?? this.sign(line[name]);
      pen.globalAlpha = 0.22 * (1 - gone);
      fillDisc(pen, x, y, 2.1 * r);
      pen.globalAlpha = (0.35 + 0.6 * size) * (1 - gone);
      fillDisc(pen, x, y, r);
    }
    pen.globalAlpha = 1;
  }

  // Gradients on their weights: diamonds in the middle of the lines, as large as they are.
  drawGathered(l, grown) {
    const { pen } = this, { most, chosen } = this.layers[l];
    pen.globalAlpha = 0.9;
    for (const { gradient, at } of chosen.gradient) {
      const size = most.gradient ? Math.sqrt(Math.abs(gradient) / most.gradient) : 0, r = 7 * size * grown;
      if (r < 0.6 || !at) continue;
      const x = (at.x1 + at.x2) / 2, y = (at.y1 + at.y2) / 2;
      pen.fillStyle = this.sign(gradient);
      pen.beginPath();
      pen.moveTo(x, y - r);
      pen.lineTo(x + r, y);
      pen.lineTo(x, y + r);
      pen.lineTo(x - r, y);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  // What a unit shows at this instant: a number, what it is of, and how far it has filled.
  shownBy(l, j) {
    const { story, now } = this, { pass, again } = story, { kind, progress: p, l: here, L, phase, reached } = now;
    if (phase === "again") {
      const part = 0.7 / L, arrived = l === 0 ? 1 : within(p, l * part - 0.4 * part, l * part);
      if (arrived < 0.5) return { value: pass.a[l][j], of: "a", filled: 1 - arrived };
      return { value: again.a[l][j], of: "a", filled: arrived };
    }
    if (phase === "forward" || phase === "cost") {
      if (l === 0) return { value: pass.x[j], of: "a", filled: kind === "question" ? within(p, 0.35, 0.8) : 1 };
      if (kind === "question" || l > here) return null;
      if (l < here || kind === "cost") return { value: pass.a[l][j], of: "a", filled: 1 };
      if (p < 0.4) return null;
      return p < 0.78 ? { value: pass.z[l][j], of: "z", filled: within(p, 0.4, 0.62) } : { value: pass.a[l][j], of: "a", filled: within(p, 0.74, 0.9) };
    }
    if (phase === "backward" && kind === "blame") {
      if (l === 0 || l < here) return { value: pass.a[l][j], of: "a", filled: 1, faint: true };
      if (l > here || reached("blame", l)) return { value: pass.delta[l][j], of: "δ", filled: 1 };
      if (l === L) return { value: pass.delta[l][j], of: "δ", filled: within(p, 0.2, 0.7) };
      if (p < 0.45) return { value: pass.a[l][j], of: "a", filled: 1 - within(p, 0.2, 0.45), faint: true };
      const slopes = reactionsOf(pass, l), passed = slopes && slopes[j] ? pass.delta[l][j] / slopes[j] : 0;
      return p < 0.72 ? { value: passed, of: "Σ", filled: within(p, 0.45, 0.6) } : { value: pass.delta[l][j], of: "δ", filled: within(p, 0.72, 0.9) };
    }
    return l === 0 ? { value: pass.a[0][j], of: "a", filled: 1 } : { value: pass.delta[l][j], of: "δ", filled: 1 };
  }

  drawUnit(l, { j, x, y, r }) {
    const { pen, now, palette } = this, shown = this.shownBy(l, j), lit = this.lit.has(`${l}:${j}`);
    const outline = () => {
      pen.beginPath();
      pen.roundRect(x - r, y - r, 2 * r, 2 * r, Math.min(10, r / 4));
    };
    outline();
    pen.globalAlpha = shown && !shown.faint ? 0.96 : 0.8;
    pen.fillStyle = palette.surface;
    pen.fill();
    if (shown) {
      const most = (shown.of === "δ" || shown.of === "Σ" ? this.most.delta : this.most[shown.of])[l];
      const size = most ? Math.min(1, Math.abs(shown.value) / most) : 0;
      pen.save();
      pen.clip();
      pen.globalAlpha = shown.faint ? 0.12 : 0.14 + 0.42 * size;
      pen.fillStyle = this.sign(shown.value);
      pen.fillRect(x - r, y + r - 2 * r * shown.filled, 2 * r, 2 * r * shown.filled);
      pen.restore();
    }
    pen.globalAlpha = 1;
    pen.lineWidth = lit ? 3 : 1.2;
    pen.strokeStyle = lit ? palette.ink : palette.soft;
    outline();
    pen.stroke();
    if (this.story.pass.masks?.[l]?.[j] === 0 && (l <= now.l || now.phase !== "forward")) this.crossOut(x, y, r);
    if (l === 0 && now.kind === "question") this.drawFalling(x, y, r, j);
    if (!shown || shown.filled < 0.45 || shown.faint) return;
    const what = shown.of === "Σ" ? "Σ Wδ" : shown.of;
    if (r >= ROOMY) {
      pen.fillStyle = palette.ink;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      const text = said(shown.value, 2), size = Math.min(20, r * 0.7), font = (px) => `${lit ? 600 : 400} ${px}px ${FACE}`;
      pen.font = font(size);
      pen.font = font(size * Math.min(1, (2 * r - 5) / pen.measureText(text).width));
      pen.fillText(text, x, y);
      if (lit && shown.of !== "a") this.label(what, x, y - r - 9, 12);
    } else if (lit) this.labelApart(`${what} = ${said(shown.value, 2)}`, x, y - r - 9, 11);
  }

  // A unit that dropout leaves out.
  crossOut(x, y, r) {
    const { pen, palette } = this, arm = 0.8 * r;
    pen.strokeStyle = palette.ink;
    pen.lineWidth = 2.2;
    for (const turn of [-1, 1]) strokeLine(pen, { x1: x - arm, y1: y - turn * arm, x2: x + arm, y2: y + turn * arm });
  }

  drawFalling(x, y, r, j) {
    const { pen, now } = this, p = within(now.progress, 0, 0.5);
    if (p >= 1) return;
    const top = Math.max(0, y - 160), at = top + (y - top) * p * p;
    pen.fillStyle = this.sign(this.story.pass.x[j]);
    pen.globalAlpha = 0.25;
    fillDisc(pen, x, at, 1.8 * Math.min(9, r));
    pen.globalAlpha = 0.95;
    fillDisc(pen, x, at, Math.min(7, 0.7 * r));
    pen.globalAlpha = 1;
  }

  // Where units are small they stand close: a label that would lie on one before it gives way.
  labelApart(text, x, y, size) {
    this.pen.font = `600 ${size}px ${FACE}`;
    const half = this.pen.measureText(text).width / 2 + 3;
    if (this.labelled.some((one) => Math.abs(one.y - y) < size + 3 && Math.abs(one.x - x) < one.half + half)) return;
    this.labelled.push({ x, y, half });
    this.label(text, x, y, size);
  }

  label(text, x, y, size) {
    const { pen, palette } = this;
    pen.font = `600 ${size}px ${FACE}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = palette.surface;
    pen.strokeText(text, x, y);
    pen.fillStyle = palette.ink;
    pen.fillText(text, x, y);
  }

  // The cost beneath the outputs: as it appears, and afterwards beside the new one.
  drawGrade() {
    const { now, story, units, geometry } = this, { phase, progress: p } = now, outputs = units.at(-1);
    if (phase === "forward" || !outputs.length) return;
    const lowest = outputs.reduce((low, unit) => (unit.y > low.y ? unit : low));
    const after = phase === "again" && p > 0.75 && Number.isFinite(story.again.cost);
    this.pen.globalAlpha = phase === "cost" ? within(p, 0.2, 0.6) : 1;
    const size = 15 + 6 * (phase === "cost" ? 1 - within(p, 0.6, 1) : 0);
    this.label(`C = ${after ? apart(story.pass.cost, story.again.cost).join(" → ") : said(story.pass.cost)}`,
      Math.min(lowest.x, geometry.width - 70), lowest.y + lowest.r + 26, size);
    this.pen.globalAlpha = 1;
  }
}

function strokeLine(pen, { x1, y1, x2, y2 }) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

function fillDisc(pen, x, y, r) {
  pen.beginPath();
  pen.arc(x, y, r, 0, 2 * Math.PI);
  pen.fill();
}

// ── the bar, the words, and time ──

const PANEL = `<div class="wgm-bar" role="group" aria-label="Slow motion">
  <button type="button" data-does="back" aria-label="Moment before">‹</button>
  <button type="button" data-does="play">Play</button>
  <button type="button" data-does="on" aria-label="Next moment">›</button>
  <input type="range" min="0" max="1000" value="0" step="1" aria-label="Time within slow motion">
  <select aria-label="Speed of slow motion">${SPEEDS.map((speed) => `<option value="${speed}"${speed === 1 ? " selected" : ""}>${speed}×</option>`).join("")}</select>
  <button type="button" data-does="close" aria-label="End slow motion">×</button></div>
<ol class="wgm-phases">${PHASES.map((phase) => `<li data-phase="${phase}">${phase}</li>`).join("")}</ol>
<div class="wgm-told"><div class="wgm-text" aria-live="polite"><h2></h2><p></p></div><div class="wgm-maths"></div></div>`;

export function mountMotion(stage, recording, store) {
  const canvas = h("canvas", { class: "wgm-canvas", "aria-hidden": "true" });
  const panel = h("section", { class: "wgm-panel", "aria-label": "One step in slow motion" });
  panel.innerHTML = PANEL;
  const find = (css) => panel.querySelector(css);
  const [play, range, speed, told, title, words, maths] = ['[data-does="play"]', "input", "select", ".wgm-told", "h2", "p", ".wgm-maths"].map(find);
  const painter = new Painter(stage, canvas);
  let open = false, story = null, starts = [0, 1], time = 0, playing = false, last = 0, frame = 0, at = -1, written = 0;

  function tell() {
    story = null;
    if (recording.has(store.get().step)) story = storyAt(recording, store.get());
    panel.classList.toggle("wgm-silent", !story);
    at = -1;
    if (!story) {
      write(title, "There is no story to tell here");
      write(words, "The network's numbers overflow on this example, or nobody knows its truth. Another step or example will do.");
      maths.replaceChildren();
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    starts = timesOf(story.moments);
    time = Math.min(time, starts.at(-1));
    painter.tell(story);
    const { cast, pass, truth } = story, last = pass.a.length - 1;
    const heard = truth !== null && pass.y.length > 1 ? [truth, classSaid(pass.a[last]).one].map((m) => `${last}:${m}`) : [];
    stage.follow([...cast.map((j, l) => `${l}:${j}`), ...heard]);
    draw();
  }

  function draw() {
    if (!story) return;
    const now = momentAt(starts, time);
    if (now.at !== at) tellMoment(now.at);
    const progress = wantsStillness() ? 1 : now.progress;
    painter.draw(now.at, progress);
    const tokens = maths.querySelectorAll(".wgm-token"), shown = wantsStillness() ? tokens.length : Math.ceil(tokens.length * within(progress, 0.02, 0.85));
    tokens.forEach((one, i) => { one.style.opacity = i < shown ? 1 : 0; });
    if (shown > written) follow(tokens[shown - 1]);
    written = shown;
    range.value = Math.round((1000 * time) / starts.at(-1));
    panel.dataset.time = time.toFixed(2);
    panel.dataset.moment = now.at;
  }

  // What is written beneath the edge comes into sight, as it is written.
  function follow(token) {
    const hidden = token.getBoundingClientRect().bottom - told.getBoundingClientRect().bottom;
    if (hidden > 0) told.scrollTop += hidden + 6;
  }

  function tellMoment(next) {
    at = next;
    written = told.scrollTop = 0;
    const moment = story.moments[at];
    write(title, moment.title);
    write(words, moment.words);
    maths.innerHTML = moment.equations.length ? mathmlOf(moment.equations, panel.clientWidth < 560 ? 30 : 52) : "";
    range.setAttribute("aria-valuetext", `${moment.title}, ${at + 1} of ${story.moments.length}`);
    for (const item of panel.querySelectorAll("[data-phase]")) {
      if (item.dataset.phase === moment.phase) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
  }

  function run(now) {
    frame = 0;
    if (!playing || !open) return;
    if (last) time = Math.min(starts.at(-1), time + ((now - last) / 1000) * Number(speed.value));
    last = now;
    draw();
    if (time >= starts.at(-1)) set(false);
    else frame = requestAnimationFrame(run);
  }

  function set(on) {
    playing = on && !wantsStillness() && Boolean(story);
    last = 0;
    if (playing && time >= starts.at(-1)) time = 0;
    if (playing && !frame) frame = requestAnimationFrame(run);
    write(play, playing ? "Pause" : "Play");
    play.hidden = speed.hidden = wantsStillness();
    panel.dataset.playing = playing;
  }

  // Go to the end of the next moment, or of the one before: there all of it is to be seen.
  function step(by) {
    set(false);
    const now = momentAt(starts, time), complete = now.progress >= 1;
    const to = by > 0 ? now.at + (complete ? 1 : 0) : now.at - 1;
    time = to < 0 ? 0 : starts[Math.min(to, starts.length - 2) + 1];
    draw();
  }

  function begin() {
    open = true;
    stage.root.classList.add("wgm-running");
    stage.root.append(canvas);
    stage.panel.append(panel);
    time = wantsStillness() ? 1e-9 : 0;
    tell();
    if (wantsStillness() && story) step(1);
    else set(true);
    find('[data-does="play"]').focus({ preventScroll: true });
  }

  function end() {
    open = false;
    set(false);
    cancelAnimationFrame(frame);
    frame = 0;
    stage.root.classList.remove("wgm-running");
    stage.follow([]);
    canvas.remove();
    panel.remove();
  }

  const does = { back: () => step(-1), on: () => step(1), play: () => set(!playing), close: () => store.set({ view: "stage" }) };
  panel.addEventListener("click", (event) => does[event.target.closest("[data-does]")?.dataset.does]?.());
  range.addEventListener("input", () => {
    set(false);
    time = (range.value / 1000) * starts.at(-1);
    draw();
  });
  const key = (event) => {
    if (!open || event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input,select,textarea,dialog")) return;
    const act = { ArrowRight: does.on, ArrowLeft: does.back, Escape: does.close, " ": event.target.closest?.("button") ? null : does.play }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  document.addEventListener("keydown", key, true);
  const restyle = () => {
    painter.colours();
    if (wantsStillness()) set(false);
    if (open) draw();
  };
  const relayout = () => {
    if (!open) return;
    painter.layout();
    at = -1;
    draw();
  };
  const ended = [stage.onLayout(relayout), onTheme(restyle), store.subscribe((state, changed) => {
    if (changed.includes("view") && (state.view === "motion") !== open) return state.view === "motion" ? begin() : end();
    if (open && ["step", "example", "point", "edits", "counted"].some((key) => changed.includes(key))) tell();
  })];
  if (store.get().view === "motion") begin();
  return {
    dispose() {
      if (open) end();
      document.removeEventListener("keydown", key, true);
      for (const stop of ended) stop();
    },
  };
}
