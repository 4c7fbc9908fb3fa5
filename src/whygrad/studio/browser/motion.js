// Slow motion: one step of backpropagation as one continuous animation over the stage's picture.
//
// The moments are those of story.js. Time runs from 0 to the end of the last moment; a picture is drawn for each
// instant of it, forwards and backwards alike, so that playing, stepping and scrubbing are the same thing. Light
// runs forward along the lines, units fill, the grade appears, blame runs back and splits by weight × slope,
// gradients a·δ gather on the weights, and the step moves these. Colour means sign, as everywhere.
//
// Where the reader prefers reduced motion nothing runs: each moment is shown as it is at its end.

import { gradientAt, indexOf, largestProducts, mathmlOf } from "./equation.js";
import { sceneOf } from "./scene.js";
import { sharesOf, storyOf } from "./story.js";
import { slopesOf } from "./model.js";
import { partOf, said } from "./words.js";

const SPEEDS = [0.5, 1, 2, 4];
const PULSES = 260; // lights on lines at once; of more lines those that carry most
const FADE = 0.16; // of lines that nothing runs along
const NUMBERS = 13; // px of radius from which a unit has room for its number
const PHASE_NAMES = { forward: "forward", cost: "cost", backward: "backward", gradients: "gradients", update: "update", again: "again" };

const ease = (p) => (p < 0 ? 0 : p > 1 ? 1 : p * p * (3 - 2 * p));
const within = (p, from, to) => ease((p - from) / (to - from));

// The example looked at, at the step looked at, with all edits: its pass through the network; null without a truth.
export function passAt(recording, state) {
  const { model, theta, x, y, trace, delta, cost, gradient } = sceneOf(recording, state);
  return delta && { model, theta, x, y, costName: recording.header.network.cost, ...trace, delta, cost, gradient };
}

// η of the plain step: the run's own at this step, else 0.1.
export function rateAt(header, step) {
  const rate = header.batch?.rate, value = Array.isArray(rate) ? rate[Math.min(step, rate.length - 1)] : rate;
  return value > 0 ? value : 0.1;
}

export function storyAt(recording, state) {
  const { header } = recording, pass = passAt(recording, state), next = state.step + 1, edited = Object.keys(state.edits ?? {}).length > 0 || state.point;
  const known = !edited && next < header.steps.length && recording.has(next);
  return pass && storyOf({ header, pass, rate: rateAt(header, state.step), from: state.counted ?? 0,
    optimizer: header.settings?.optimizer ?? "", batch: header.batch?.size ?? 0,
    ran: known ? recording.theta(next) : null, steps: known ? header.steps[next] - header.steps[state.step] : 1 });
}

// Where each moment begins, and the end of the last.
export function timesOf(moments) {
  const starts = [0];
  for (const { seconds } of moments) starts.push(starts.at(-1) + seconds);
  return starts;
}

export function momentAt(starts, time) {
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
    const style = getComputedStyle(this.stage.root), dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const colour = (name, light, night) => style.getPropertyValue(`--wg-${name}`).trim() || (dark ? night : light);
    this.ink = colour("ink", "#1b1f26", "#e9ebef");
    this.soft = colour("soft", "#5a6472", "#a6aebb");
    this.surface = colour("surface", "#ffffff", "#15171c");
    this.plus = colour("positive", "#0067a5", "#5ab4ef");
    this.minus = colour("negative", "#c2410c", "#ff9a52");
    this.font = style.fontFamily || "system-ui, sans-serif";
  }

  // Take over a story: the lines that are drawn, and how much runs along each.
  tell(story) {
    this.story = story;
    this.layout();
  }

  layout() {
    if (!this.story) return;
    const { canvas, stage } = this, geometry = stage.geometry(), ratio = window.devicePixelRatio || 1;
    this.geometry = geometry;
    const width = Math.round(geometry.width * ratio), height = Math.round(geometry.height * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    Object.assign(canvas.style, { width: `${geometry.width}px`, height: `${geometry.height}px` });
    this.ratio = ratio;
    const { pass, after } = this.story, { model } = pass;
    this.layers = [];
    for (let l = 1; l <= model.L; l++) this.layers[l] = this.linesOf(l, pass, after);
    this.units = pass.a.map((_, l) => (geometry.units?.[l] ?? []).map((j) => ({ j, ...geometry.unit(l, j) })).filter((unit) => unit.r));
    this.most = {
      a: pass.a.map((layer) => largest(layer)), z: pass.z.map((layer) => (layer ? largest(layer) : 1)),
      delta: pass.delta.map((layer) => (layer ? largest(layer) : 1)),
    };
  }

  linesOf(l, pass, after) {
    const { geometry } = this, lines = [], { model } = pass;
    const sources = geometry.units?.[l - 1] ?? [];
    for (const j of geometry.units?.[l] ?? []) {
      const shares = l > 1 ? sharesOf(pass, l, j) : null;
      for (const k of sources) {
        const line = geometry.edge(l, j, k);
        if (!line) continue;
        const i = indexOf(model, { l, j, k }), weight = pass.theta[i];
        lines.push({ ...line, j, k, weight, moved: after[i] - weight, sent: weight * pass.a[l - 1][k],
          passed: weight * pass.delta[l][j], share: shares ? shares[k] : 0, gradient: gradientAt(pass, l, j, k) });
      }
    }
    const of = (name) => largest(lines.map((line) => line[name]));
    const most = { weight: of("weight"), sent: of("sent"), passed: of("passed"), share: of("share"), gradient: of("gradient"), moved: of("moved") };
    const chosen = (name) => new Set(largestProducts(lines.map((line) => line[name]), PULSES));
    return { lines, most, sent: chosen("sent"), passed: chosen("passed"), gradient: chosen("gradient") };
  }

  draw(at, progress) {
    const { story, canvas, ratio } = this, pen = canvas.getContext("2d"), moment = story.moments[at];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    this.pen = pen;
    this.lit = new Set(moment.lit);
    const past = story.moments.slice(0, at);
    const L = story.pass.model.L, reached = (kind, l) => past.some((m) => m.kind === kind && m.l === l);
    this.now = { ...moment, progress, reached, L, phase: moment.phase };
    for (let l = 1; l <= L; l++) this.drawLines(l);
    for (let l = 0; l <= L; l++) for (const unit of this.units[l]) this.drawUnit(l, unit);
    this.drawGrade();
  }

  sign(value) { return value < 0 ? this.minus : this.plus; }

  drawLines(l) {
    const { pen, now } = this, { lines, most } = this.layers[l], { kind, progress: p } = now;
    const back = ["blame", "gather"].includes(kind);
    const name = kind === "gather" ? "gradient" : kind === "update" ? "moved" : back ? "share" : "weight";
    lines.forEach((line, i) => {
      const lit = this.lit.has(`${l}:${line.j},${line.k}`);
      const size = most.weight ? Math.abs(line.weight) / most.weight : 0;
      pen.strokeStyle = this.sign(line.weight);
      pen.globalAlpha = lit ? 0.85 : back || kind === "update" ? FADE : FADE + 0.34 * size;
      pen.lineWidth = 0.6 + 3 * size;
      pen.setLineDash(line.weight < 0 ? [5, 3] : []);
      stroke(pen, line.x1, line.y1, line.x2, line.y2);
      pen.setLineDash([]);
      if (kind === "gather" || kind === "update") this.drawGathered(line, l, i, name, kind === "gather" ? within(p, 0.35, 0.8) : 1 - within(p, 0.1, 0.8));
      if (kind === "update" && most.moved) {
        const grown = within(p, 0.2, 0.9) * Math.abs(line.moved) / most.moved;
        pen.globalAlpha = 0.8 * grown;
        pen.strokeStyle = this.sign(line.moved);
        pen.lineWidth = 1 + 3 * grown;
        stroke(pen, line.x1, line.y1, line.x2, line.y2);
      }
    });
    pen.globalAlpha = 1;
    this.drawRunning(l);
  }

  // What runs along the lines of a layer: products w·a forwards, w·δ back and, once past the slope, w·δ·f′.
  drawRunning(l) {
    const { now } = this, { kind, progress: p, l: here, L } = now, { lines, most, sent, passed, gradient } = this.layers[l];
    if (kind === "forward" && here === l) this.run(lines, sent, "sent", most.sent, within(p, 0, 0.5), within(p, 0.5, 0.6));
    if (kind === "blame" && here === l - 1) this.run(lines, passed, "passed", most.passed, 1 - within(p, 0, 0.55), within(p, 0.55, 0.7));
    if (kind === "again") {
      const part = 0.7 / L, q = (p - (l - 1) * part) / part;
      if (q > 0 && q < 1) this.run(lines, sent, "sent", most.sent, ease(q), 0);
    }
    if (kind === "gather") {
      const t = within(p, 0, 0.4);
      if (t > 0 && t < 1) {
        this.run(lines, gradient, "gradient", most.gradient, 0.5 * t, 0, true);
        this.run(lines, gradient, "gradient", most.gradient, 1 - 0.5 * t, 0);
      }
    }
  }

  run(lines, chosen, name, most, where, gone, sender = false) {
    const { pen } = this;
    if (!most || gone >= 1) return;
    for (const i of chosen) {
      const line = lines[i], size = Math.abs(line[name]) / most;
      if (!size) continue;
      const x = line.x1 + (line.x2 - line.x1) * where, y = line.y1 + (line.y2 - line.y1) * where, r = 1.6 + 5.2 * Math.sqrt(size);
      pen.fillStyle = sender ? this.soft : this.sign(line[name]);
      pen.globalAlpha = 0.22 * (1 - gone);
      disc(pen, x, y, 2.1 * r);
      pen.globalAlpha = (0.35 + 0.6 * size) * (1 - gone);
      disc(pen, x, y, r);
    }
    pen.globalAlpha = 1;
  }

  // A gradient on its weight: a diamond in the middle of the line, as large as it is.
  drawGathered(line, l, i, name, grown) {
    const { pen } = this, { most } = this.layers[l];
    const value = line.gradient, size = most.gradient ? Math.sqrt(Math.abs(value) / most.gradient) : 0;
    if (size * grown < 0.08) return;
    const x = (line.x1 + line.x2) / 2, y = (line.y1 + line.y2) / 2, r = 7 * size * grown;
    pen.globalAlpha = 0.9;
    pen.fillStyle = this.sign(value);
    pen.beginPath();
    pen.moveTo(x, y - r); pen.lineTo(x + r, y); pen.lineTo(x, y + r); pen.lineTo(x - r, y);
    pen.fill();
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
      const slopes = slopesOf(pass.model, l, pass.z[l]), passed = slopes && slopes[j] ? pass.delta[l][j] / slopes[j] : 0;
      return p < 0.72 ? { value: passed, of: "Σ", filled: within(p, 0.45, 0.6) } : { value: pass.delta[l][j], of: "δ", filled: within(p, 0.72, 0.9) };
    }
    return l === 0 ? { value: pass.a[0][j], of: "a", filled: 1 } : { value: pass.delta[l][j], of: "δ", filled: 1 };
  }

  drawUnit(l, { j, x, y, r }) {
    const { pen, now } = this, shown = this.shownBy(l, j), lit = this.lit.has(`${l}:${j}`);
    const small = this.geometry.pixels && l === 0;
    if (small) return;
    if (l === 0 && now.kind === "question") this.drawFalling(x, y, r, j);
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.globalAlpha = shown && !shown.faint ? 0.94 : 0.78;
    pen.fillStyle = this.surface;
    pen.fill();
    if (shown) {
      const most = shown.of === "δ" || shown.of === "Σ" ? this.most.delta[l] : shown.of === "z" ? this.most.z[l] : this.most.a[l];
      const size = most ? Math.min(1, Math.abs(shown.value) / most) : 0;
      pen.save();
      pen.clip();
      pen.globalAlpha = (shown.faint ? 0.12 : 0.16 + 0.4 * size);
      pen.fillStyle = this.sign(shown.value);
      pen.fillRect(x - r, y + r - 2 * r * shown.filled, 2 * r, 2 * r * shown.filled);
      pen.restore();
    }
    pen.globalAlpha = 1;
    pen.lineWidth = lit ? 3 : 1.4;
    pen.strokeStyle = lit ? this.ink : shown && shown.filled > 0.5 && shown.value ? this.sign(shown.value) : this.soft;
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.stroke();
    if (!shown || shown.filled < 0.45 || shown.faint) return;
    pen.fillStyle = this.ink;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    if (r >= NUMBERS) {
      pen.font = `${lit ? 600 : 400} ${Math.min(15, Math.max(9, r * 0.55))}px ${this.font}`;
      pen.fillText(said(shown.value, 2), x, y);
      if (lit && shown.of !== "a") this.label(`${shown.of === "Σ" ? "Σ Wδ" : shown.of}`, x, y - r - 9, 12);
    } else if (lit) this.label(`${shown.of === "Σ" ? "Σ Wδ" : shown.of} = ${said(shown.value, 2)}`, x, y - r - 9, 11);
  }

  drawFalling(x, y, r, j) {
    const { pen, now } = this, value = this.story.pass.x[j], p = within(now.progress, 0, 0.5);
    if (p >= 1) return;
    const top = Math.max(0, y - 160), at = top + (y - top) * p * p;
    pen.fillStyle = this.sign(value);
    pen.globalAlpha = 0.25;
    disc(pen, x, at, 1.8 * Math.min(9, r));
    pen.globalAlpha = 0.95;
    disc(pen, x, at, Math.min(7, 0.7 * r));
    pen.globalAlpha = 1;
  }

  label(text, x, y, size, colour = this.ink) {
    const { pen } = this;
    pen.font = `600 ${size}px ${this.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = this.surface;
    pen.strokeText(text, x, y);
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
  }

  // The cost where the stage has its place for it: as it appears, and afterwards beside the new one.
  drawGrade() {
    const { now, story, geometry } = this, place = geometry.cost;
    if (!place || now.phase === "forward") return;
    const shown = now.phase === "cost" ? within(now.progress, 0.2, 0.6) : 1;
    this.pen.globalAlpha = shown;
    const size = 15 + 6 * (now.phase === "cost" ? 1 - within(now.progress, 0.6, 1) : 0);
    const new_ = now.phase === "again" && now.progress > 0.75 && Number.isFinite(story.again.cost);
    this.label(`C = ${said(story.pass.cost)}${new_ ? ` → ${said(story.again.cost)}` : ""}`, place.x, place.y, size);
    this.pen.globalAlpha = 1;
  }
}

function stroke(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

function disc(pen, x, y, r) {
  pen.beginPath();
  pen.arc(x, y, r, 0, 2 * Math.PI);
  pen.fill();
}

function largest(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

// ── the bar, the words, and time ──

const PANEL = `<div class="wgm-bar" role="group" aria-label="Slow motion">
  <button type="button" data-does="back" aria-label="Moment before">⏮</button>
  <button type="button" data-does="play" aria-label="Play"></button>
  <button type="button" data-does="on" aria-label="Next moment">⏭</button>
  <input type="range" min="0" max="1000" value="0" step="1" aria-label="Time within slow motion">
  <select aria-label="Speed of slow motion">${SPEEDS.map((speed) => `<option value="${speed}"${speed === 1 ? " selected" : ""}>${speed}×</option>`).join("")}</select>
  <button type="button" data-does="close" aria-label="End slow motion">✕</button></div>
<ol class="wgm-phases">${Object.entries(PHASE_NAMES).map(([phase, name]) => `<li data-phase="${phase}">${name}</li>`).join("")}</ol>
<div class="wgm-told"><div class="wgm-text" aria-live="polite"><h2></h2><p></p></div><div class="wgm-maths"></div></div>`;

export function mountMotion(stage, recording, store) {
  const canvas = document.createElement("canvas"), panel = document.createElement("section");
  canvas.className = "wgm-canvas";
  canvas.setAttribute("aria-hidden", "true");
  panel.className = "wgm-panel";
  panel.setAttribute("aria-label", "One step in slow motion");
  panel.innerHTML = PANEL;
  const find = (css) => panel.querySelector(css);
  const [play, range, speed, title, words, maths] = ['[data-does="play"]', "input", "select", "h2", "p", ".wgm-maths"].map(find);
  const painter = new Painter(stage, canvas), calm = matchMedia("(prefers-reduced-motion: reduce)"), dark = matchMedia("(prefers-color-scheme: dark)");
  let open = false, story = null, starts = [0, 1], time = 0, playing = false, last = 0, frame = 0, at = -1;

  function tell() {
    story = null;
    try {
      story = storyAt(recording, store.get());
    } catch (error) {
      if (!/load|has/.test(error.message)) throw error;
    }
    panel.classList.toggle("wgm-silent", !story);
    at = -1;
    if (!story) {
      title.textContent = "There is no story to tell";
      words.textContent = "The network's numbers overflow on this example, or this step is not loaded yet. Another step or example will do.";
      maths.replaceChildren();
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    starts = timesOf(story.moments);
    time = Math.min(time, starts.at(-1));
    painter.tell(story);
    draw();
  }

  function draw() {
    if (!story) return;
    const now = momentAt(starts, time);
    if (now.at !== at) write(now.at);
    const progress = calm.matches ? 1 : now.progress;
    painter.draw(now.at, progress);
    const tokens = maths.querySelectorAll(".wgm-token"), shown = calm.matches ? tokens.length : Math.ceil(tokens.length * within(progress, 0.02, 0.85));
    tokens.forEach((one, i) => { one.style.opacity = i < shown ? 1 : 0; });
    range.value = Math.round((1000 * time) / starts.at(-1));
    panel.dataset.time = time.toFixed(2);
    panel.dataset.moment = now.at;
  }

  function write(next) {
    at = next;
    const moment = story.moments[at];
    title.textContent = moment.title;
    words.textContent = moment.words;
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
    playing = on && !calm.matches && Boolean(story);
    last = 0;
    if (playing && time >= starts.at(-1)) time = 0;
    if (playing && !frame) frame = requestAnimationFrame(run);
    play.textContent = playing ? "⏸" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    play.hidden = speed.hidden = calm.matches;
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
    (stage.panel ?? stage.root).append(panel);
    time = calm.matches ? 1e-9 : 0;
    tell();
    if (calm.matches && story) step(1);
    else set(true);
    find('[data-does="play"]').focus({ preventScroll: true });
  }

  function end() {
    open = false;
    set(false);
    cancelAnimationFrame(frame);
    frame = 0;
    stage.root.classList.remove("wgm-running");
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
    if (open) draw();
  };
  const relayout = () => {
    if (!open) return;
    painter.layout();
    at = -1;
    draw();
  };
  const calmer = () => {
    set(false);
    if (open) draw();
  };
  dark.addEventListener("change", restyle);
  calm.addEventListener("change", calmer);
  const ended = [stage.onLayout?.(relayout), store.subscribe((state, changed) => {
    const has = (name) => (changed.has ? changed.has(name) : changed.includes(name));
    if (has("view") && (state.view === "motion") !== open) return state.view === "motion" ? begin() : end();
    if (open && ["step", "example", "point", "edits", "counted"].some(has)) tell();
  })];
  if (store.get().view === "motion") begin();
  return {
    dispose() {
      if (open) end();
      document.removeEventListener("keydown", key, true);
      dark.removeEventListener("change", restyle);
      calm.removeEventListener("change", calmer);
      ended.forEach((one) => one?.());
    },
  };
}
