// What is always in sight: cost and score of training and validation, with the number now and the best so far,
// and beneath them the time bar. A click in a curve goes to that step.

import { clearCanvas, h, svg, wantsStillness, write } from "./dom.js";
import { percent, said } from "./words.js";

const PACES = [0.25, 0.5, 1, 2, 4];
const WHOLE = 16; // s that the whole training takes at speed 1

// The last recorded number at or before a step, and the best until then: {now, best, at}, or null without any.
export function standingAt(at, values, step, higherIsBetter) {
  let now = null, best = null, bestAt = null;
  for (let i = 0; i < at.length && at[i] <= step; i++) {
    const value = values[i];
    if (value === null || !Number.isFinite(value)) continue;
    now = value;
    if (best === null || (higherIsBetter ? value > best : value < best)) [best, bestAt] = [value, at[i]];
  }
  return now === null ? null : { now, best, at: bestAt };
}

// The index of the recorded step nearest to a step.
export function nearestStep(steps, wanted) {
  let lo = 0, hi = steps.length - 1;
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if (steps[middle] < wanted) lo = middle + 1;
    else hi = middle;
  }
  return lo > 0 && wanted - steps[lo - 1] < steps[lo] - wanted ? lo - 1 : lo;
}

export function scoreWritten(name, value) {
  return name === "accuracy" ? percent(value) : said(value);
}

// `beside`: the curves of the run that this one was forked from.
function chartsOf(curves, beside) {
  const name = curves.score_name || "score";
  const other = (of) => (beside ? { name: beside.name, at: beside.at, values: beside[`validation_${of}`] ?? beside[of] ?? [] } : null);
  const made = [{ title: "cost", training: curves.cost, validation: curves.validation_cost, better: "lower",
    beside: other("cost"), written: (value) => said(value) }];
  if ((curves.score ?? curves.validation_score)?.some((value) => value !== null))
    made.push({ title: name, training: curves.score, validation: curves.validation_score, better: "higher",
      beside: other("score"), written: (value) => scoreWritten(name, value) });
  return made;
}

// The least and the greatest number of curves, or null where there is none.
function rangeOf(series) {
  let lo = Infinity, hi = -Infinity;
  for (const values of series)
    for (const value of values ?? [])
      if (value !== null && Number.isFinite(value)) [lo, hi] = [Math.min(lo, value), Math.max(hi, value)];
  return hi >= lo ? [lo, hi] : null;
}

const LOWEST = -2; // of R²: what is worse by far leaves the chart

// The scale of a chart, from 0 to 1: logarithmic where a cost falls over more than a factor of twenty. The curve of
// the run before, `beside`, may move its ends by a third; what lies far beyond them leaves the chart.
export function scaleOf(series, beside, { better, title }) {
  const own = rangeOf(series), other = rangeOf([beside]), lower = better === "lower";
  let [lo, hi] = own ?? other ?? [0, 0];
  const steep = lower && lo > 0 && hi / lo > 20;
  const log = steep ? (value) => Math.log(Math.max(value, 1e-300)) : (value) => value;
  [lo, hi] = [log(lo), log(hi)];
  if (lower && !steep) lo = Math.min(lo, 0);
  if (title === "R²") lo = Math.max(lo, Math.min(LOWEST, hi + LOWEST));
  if (!lower) hi = Math.max(hi, Math.min(1, hi * 1.02));
  if (own && other) {
    const third = (hi - lo || Math.abs(lo) || 1) / 3, [low, high] = other.map(log);
    [lo, hi] = [Math.min(lo, Math.max(low, lo - third)), Math.max(hi, Math.min(high, hi + third))];
  }
  return (value) => Math.max(-1, Math.min(2, (log(value) - lo) / (hi - lo || 1)));
}

class CurveChart {
  constructor(about, goTo) {
    this.about = about;
    this.shown = []; // what was drawn last: while only a weight is moved the curves stand still
    this.canvas = h("canvas", { class: "st-chart", role: "img" });
    this.now = h("b", { class: "st-now" });
    this.best = h("span", { class: "st-best" });
    this.node = h("figure", { class: "st-curve" }, h("figcaption", {}, h("span", { class: "st-what" }, about.title), this.now, this.best),
      this.canvas);
    const go = (event) => {
      const box = this.canvas.getBoundingClientRect();
      goTo(Math.max(0, Math.min(1, (event.clientX - box.left - 4) / (box.width - 8))));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      go(event);
    });
    this.canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
  }

  draw(curves, step, last, colours) {
    const { training, validation, better, written, beside } = this.about;
    const shown = [curves.at.length, step, last, colours, this.size];
    if (this.size && shown.every((one, i) => one === this.shown[i])) return;
    const standing = ["validation", "training"].map((part) => {
      const found = standingAt(curves.at, this.about[part] ?? [], step, better === "higher");
      return found && { part, ...found };
    }).filter(Boolean);
    const trained = standing.find((one) => one.part === "training"), held = standing.find((one) => one.part === "validation");
    write(this.now, standing.length ? written((trained ?? held).now) : "–");
    const judged = held ?? trained;
    const other = beside && standingAt(beside.at, beside.values, step, better === "higher");
    const parts = [other ? `dotted: ${beside.name} ${written(other.now)}` : "", held && trained ? `validation ${written(held.now)}` : "", judged ? `best ${written(judged.best)} at step ${said(judged.at)}` : ""];
    write(this.best, parts.filter(Boolean).join(" · "));
    this.canvas.setAttribute("aria-label", `${this.about.title}: ${this.now.textContent} in training${held ? ", " : ""}${this.best.textContent}`);
    this.size ??= [this.canvas.clientWidth, this.canvas.clientHeight]; // to ask in every frame would lay the page out anew
    const [width, height] = this.size;
    if (!width) return;
    this.shown = [...shown.slice(0, -1), this.size];
    const ctx = clearCanvas(this.canvas, width, height, true);
    const to = scaleOf([training, validation], beside?.values, this.about);
    const x = (at) => 4 + ((width - 8) * at) / (last || 1), y = (value) => height - 5 - (height - 15) * to(value);
    const line = (values, until, alpha, wide, dash, places = curves.at) => {
      ctx.beginPath();
      let begun = false;
      for (let i = 0; i < places.length && places[i] <= until; i++) {
        const value = values?.[i];
        if (value === null || value === undefined || !Number.isFinite(value)) continue;
        if (begun) ctx.lineTo(x(places[i]), y(value));
        else ctx.moveTo(x(places[i]), y(value));
        begun = true;
      }
      ctx.globalAlpha = alpha;
      ctx.lineWidth = wide;
      ctx.setLineDash(dash);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.globalAlpha = 1;
    };
    ctx.strokeStyle = colours.line;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(0, height - 0.5);
    ctx.lineTo(width, height - 0.5);
    ctx.stroke();
    ctx.strokeStyle = colours.ink;
    const thick = height < 46 ? 2.5 : 4;
    if (beside) line(beside.values, last, 0.8, thick / 3, [1, 3], beside.at);
    line(training, last, 0.16, thick, []);
    line(training, step, 0.34, thick, []);
    line(validation, last, 0.3, thick / 3, [4, 3]);
    line(validation, step, 1, thick / 3, [4, 3]);
    ctx.strokeStyle = colours.accent;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(x(step), 0);
    ctx.lineTo(x(step), height);
    ctx.stroke();
    for (const one of standing) {
      ctx.beginPath();
      ctx.arc(x(step), y(one.now), 3.5, 0, 2 * Math.PI);
      ctx.fillStyle = one.part === "training" ? colours.ink : colours.surface;
      ctx.fill();
      ctx.strokeStyle = colours.ink;
      ctx.stroke();
      if (one.part === (held ? "validation" : "training") && one.at !== step) {
        ctx.beginPath();
        const [bx, by] = [x(one.at), y(one.best)];
        ctx.moveTo(bx - 4, by - 6);
        ctx.lineTo(bx + 4, by - 6);
        ctx.lineTo(bx, by - 1);
        ctx.fillStyle = colours.ink;
        ctx.fill();
      }
    }
  }
}

const ICONS = { play: "M4 2.5v11l9-5.5z", pause: "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z",
  back: "M12 2.5v11L5 8zM3 2.5h2v11H3z", on: "M4 2.5v11L11 8zM11 2.5h2v11h-2z" };

function iconOf(name) {
  return svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

// The foot of the stage: {node, draw(state, colours), measure(), advance(ms, state), togglePlay(), goTo(index)}. Where a
// training is `steered`, the same row says how it goes on (controls.js).
export function mountStrip(recording, store, steered = null) {
  const header = recording.header;
  const goTo = (index) => store.set({ step: Math.max(0, Math.min(header.steps.length - 1, index)), playing: false });
  const lastStep = () => Math.max(header.steps.at(-1), header.beside?.at.at(-1) ?? 0) || 1;
  const curves = h("div", { class: "st-curves" });
  let charts = [];
  const build = () => {
    charts = chartsOf(header.curves, header.beside).map((about) => new CurveChart(about, (share) => goTo(nearestStep(header.steps, share * lastStep()))));
    curves.replaceChildren(...charts.map((one) => one.node));
  };
  build();
  const togglePlay = steered?.toggle ?? (() => {
    const { playing, step } = store.get();
    const ended = step >= header.steps.length - 1;
    store.set({ playing: !playing, ...(!playing && ended ? { step: 0 } : {}) });
  });
  const back = h("button", { type: "button", "aria-label": "one step back", onclick: () => goTo(store.get().step - 1) }, iconOf("back"));
  const play = h("button", { type: "button", class: "st-play", onclick: togglePlay });
  const on = h("button", { type: "button", "aria-label": "one step on", onclick: steered?.on ?? (() => goTo(store.get().step + 1)) }, iconOf("on"));
  const slider = h("input", { type: "range", min: 0, max: header.steps.length - 1, step: 1, class: "st-slider",
    "aria-label": "step of the training", oninput: () => goTo(Number(slider.value)) });
  const placeStep = h("span"), placeEpoch = h("span", { class: "st-epoch" });
  const place = h("output", { class: "st-place" }, placeStep, placeEpoch);
  const speed = steered?.speed ?? h("select", { class: "st-speed", "aria-label": "speed",
    onchange: () => store.set({ speed: Number(speed.value) }) },
    ...PACES.map((one) => h("option", { value: one }, `${one === 0.25 ? "¼" : one === 0.5 ? "½" : one}×`)));
  const time = h("div", { class: "st-time", role: "toolbar", "aria-label": "training" }, back, play, on, ...(steered?.before ?? []),
    slider, place, speed, ...(steered?.after ?? []));
  const node = h("div", { class: "st-foot" }, curves, ...(steered ? [steered.told] : []), time);
  let exact = null; // where playing is, between two recorded steps
  let known = header.steps.length;

  function draw(state, colours) {
    const last = header.steps.length - 1, step = header.steps[state.step] ?? 0;
    if (header.steps.length !== known || charts.some((one) => one.about.training !== header.curves.cost && one.about.title === "cost")) build();
    known = header.steps.length;
    if (Number(slider.max) !== last) slider.max = last;
    if (Number(slider.value) !== state.step) slider.value = state.step;
    slider.style.setProperty("--share", `${(100 * state.step) / (last || 1)}%`);
    const epoch = header.epochs?.[state.step];
    write(placeStep, `step ${said(step, 12)}`);
    write(placeEpoch, Number.isFinite(epoch) ? ` · epoch ${said(epoch, 4)}` : "");
    slider.setAttribute("aria-valuetext", place.textContent);
    if (steered) steered.draw(state, play, on);
    else showPlaying(state);
    for (const one of charts) one.draw(header.curves, step, lastStep(), colours);
  }

  function showPlaying(state) {
    if (Number(speed.value) !== (state.speed ?? 1)) speed.value = state.speed ?? 1;
    const name = state.playing ? "pause" : "play";
    if (play.getAttribute("aria-label") === name) return;
    play.setAttribute("aria-label", name);
    play.replaceChildren(iconOf(name));
  }

  // Play on for so many milliseconds; a step that has not come yet is waited for.
  function advance(ms, state) {
    const last = header.steps.length - 1;
    if (exact === null || Math.floor(exact) !== state.step) exact = state.step;
    const usual = Math.max(2, Math.min(header.steps.length / WHOLE, 240)), stillest = wantsStillness() ? 2 : Infinity;
    const pace = Math.min(steered ? steered.pace(usual) : usual * (state.speed ?? 1), stillest);
    const wanted = Math.min(exact + (pace * ms) / 1000, last);
    let reached = Math.floor(wanted);
    while (reached > state.step && !recording.has(reached)) reached--;
    if (reached < Math.floor(wanted)) recording.load(reached + 1).catch(() => {}); // asked for again in the next frame
    exact = reached === Math.floor(wanted) ? wanted : reached;
    const ended = reached >= last && !header.live;
    if (reached !== state.step || ended) store.set({ step: reached, ...(ended ? { playing: false } : {}) });
  }

  // How large the charts are is to be asked again.
  function measure() {
    for (const one of charts) one.size = null;
  }

  return { node, draw, measure, advance, togglePlay, goTo };
}
