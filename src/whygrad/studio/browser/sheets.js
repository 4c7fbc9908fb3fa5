// What a click on a weight, a bias or a unit opens, in a film as in the studio: its equation with the numbers of
// the example, its curve over the training, and the ripple, what a change of it does.

import { h, svg, write } from "./dom.js";
import { equationsOf, gradientAt, mathmlOf, termsOf } from "./equation.js";
import { indexOf } from "./model.js";
import { passAt } from "./motion.js";
import { costCurve, rippleOf } from "./ripple.js";
import { capital, inOwnUnits, nameOfPart, nameOfUnit, partOf, said, signed, standardisedSaid } from "./words.js";

const MOST = 8; // units that a ripple lists
const WIDTH = 460, HEIGHT = 120; // of a curve, in its own units

// Numbers of a sheet have as many digits as those of its equations.
const exactly = (value) => said(value, 4), exactChange = (value) => signed(value, 4);

// ── curves ──

// The value of a weight or bias at every recorded step that is here: [[index of the step, value]].
function courseOf(recording, place) {
  const found = [];
  for (let i = 0; i < recording.header.steps.length; i++) if (recording.has(i)) found.push([i, recording.theta(i)[place]]);
  return found;
}

// A line through points, with the range at its side, and a mark where we are; a click goes to what is there.
function lineChart(label, points, now, marked, go) {
  const values = points.map(([, y]) => y).filter(Number.isFinite), low = Math.min(...values), high = Math.max(...values);
  const [first, last] = [points[0][0], points.at(-1)[0]], left = 62, right = WIDTH - 8, top = 10, bottom = HEIGHT - 12;
  const x = (value) => left + ((right - left) * (value - first)) / (last - first || 1);
  const y = (value) => (high > low ? bottom - ((bottom - top) * (value - low)) / (high - low) : (top + bottom) / 2);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "wgm-chart", role: "img", "aria-label": label });
  if (low < 0 && high > 0) chart.append(svg("line", { x1: left, x2: right, y1: y(0), y2: y(0), class: "wgm-zero" }));
  const drawn = points.filter(([, value]) => Number.isFinite(value)).map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
  chart.append(svg("polyline", { points: drawn.join(" "), class: "wgm-line" }));
  for (const value of new Set([low, high]))
    chart.append(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end", class: "wgm-tick" }, exactly(value)));
  if (Number.isFinite(marked)) chart.append(svg("circle", { cx: x(now), cy: y(marked), r: 4.5, class: "wgm-mark" }));
  if (go) {
    chart.classList.add("wgm-clickable");
    chart.addEventListener("click", (event) => {
      const { left: from, width } = chart.getBoundingClientRect(), at = ((event.clientX - from) / width) * WIDTH;
      go(Math.round(Math.min(last, Math.max(first, first + ((at - left) / (right - left)) * (last - first)))));
    });
  }
  return chart;
}

// ── sheets ──

// What a change of a weight or bias does: a slider, the cost exactly and to first order, the units that move most.
function rippleSheet(recording, store, pass, part, from, moved) {
  const { header } = recording, now = pass.theta[indexOf(pass.model, part)], reach = Math.max(0.5, 2 * Math.abs(now));
  const slider = h("input", { type: "range", min: -100, max: 100, value: moved ?? 0, step: 1, "aria-label": "Change of it" });
  const told = h("p", { class: "wgm-ripple-told", "aria-live": "polite" }), table = h("table", { class: "wgm-table" });
  const chart = h("div", {}), curve = costCurve(pass, part, reach);
  function show() {
    const by = (reach * slider.value) / 100;
    const result = by ? rippleOf(pass, part, by) : null;
    chart.replaceChildren(lineChart("The cost of this example as it changes", curve, by, result ? pass.cost + result.cost.change : pass.cost));
    if (!result) {
      write(told, `Move it: it is ${exactly(now)} now, and this example costs ${exactly(pass.cost)}.`);
      table.replaceChildren();
      return;
    }
    const { change, firstOrder, beyond } = result.cost;
    write(told, Number.isFinite(change) ? `${exactChange(by)} makes it ${exactly(now + by)}. The cost changes by ${exactChange(change)}: ` +
      `first order ${exactChange(firstOrder)}, beyond first order ${exactChange(beyond)}.`
      : `${exactChange(by)} makes it ${exactly(now + by)}. Then the numbers overflow.`);
    const most = result.units.filter((unit) => unit.change || unit.firstOrder)
      .sort((p, q) => Math.abs(q.change) - Math.abs(p.change)).slice(0, MOST);
    const cells = (tag, ...texts) => texts.map((text) => h(tag, {}, text));
    table.replaceChildren(h("tr", {}, ...cells("th", "unit", "was", "change", "first order", "beyond")),
      ...most.map((unit) => h("tr", { "data-part": unit.part }, ...cells("td", nameOfUnit(header, unit.l, unit.j, from), exactly(unit.before),
        exactChange(unit.change), exactChange(unit.firstOrder), exactChange(unit.change - unit.firstOrder)))));
  }
  function move() { // and all of the picture with it
    const by = (reach * slider.value) / 100, place = indexOf(pass.model, part);
    store.set({ ripple: by ? { ...store.get().edits, [place]: now + by } : null });
    show();
  }
  slider.addEventListener("input", move);
  move();
  return h("div", { class: "wgm-ripple" }, h("h3", {}, "What a change of it does"), slider, told, chart, table);
}

// The content of the sheet of a part; `moved` is where the slider of its ripple stands.
function sheetOf(recording, store, name, moved = 0) {
  const state = store.get(), { header } = recording, part = partOf(name), from = state.counted ?? 0;
  const pass = passAt(recording, { ...state, ripple: null }), node = h("div", { class: "wgm-sheet" });
  if (!pass) return h("p", {}, "Nobody knows the truth of this example: it has no gradient.");
  const { model } = pass;
  const narrow = window.innerWidth < 560, equations = equationsOf(pass, part, { from });
  if (equations.length) {
    const maths = h("div", { class: "wgm-maths" });
    maths.innerHTML = mathmlOf(equations, narrow ? 26 : 46);
    const inputs = part.l > 1 || part.kind === "bias" ? [] : part.kind === "weight" ? [part.k] : termsOf(pass, 1, part.j);
    const told = standardisedSaid(header, pass.x, inputs);
    node.append(maths, ...(told ? [h("p", { class: "wgm-note" }, told)] : []));
  }
  if (part.kind !== "unit") {
    const g = gradientAt(pass, part.l, part.j, part.k), it = part.kind === "weight" ? "weight" : "bias";
    const way = g > 0 ? `as it grows, this example costs more: a gradient step makes it smaller`
      : g < 0 ? `as it grows, this example costs less: a gradient step makes it larger` : "a small change of it does not change the cost of this example";
    node.prepend(h("p", {}, `This ${it} is ${exactly(pass.theta[indexOf(model, part)])}. Its gradient is ${exactly(g)}: ${way}.`));
    const course = courseOf(recording, indexOf(model, part));
    if (course.length > 1)
      node.append(h("h3", {}, `How it came there, over ${said(header.steps.at(-1))} steps`),
        lineChart("Its value over the training", course, state.step, recording.theta(state.step)[indexOf(model, part)],
          (step) => store.set({ step })));
    node.append(rippleSheet(recording, store, pass, part, from, moved));
  } else if (part.l === 0) {
    const x = pass.x[part.j], own = inOwnUnits(header.inputs?.[part.j], x);
    node.append(h("p", {}, `An input: ${exactly(own)} in this example${own === x ? "" : `, standardised ${exactly(x)}`}.`));
  }
  else {
    node.append(h("div", { class: "wgm-ways" }, h("button", { type: "button", onclick: () => store.set({ part: `${name},bias` }) }, "Its bias")));
  }
  return node;
}

export function mountSheets(stage, recording, store) {
  const holder = h("div", {});
  let shown = "", waiting = 0, held = false;
  const fill = () => {
    waiting = 0;
    const slider = holder.querySelector(".wgm-ripple input"), held = slider && document.activeElement === slider;
    const moved = holder.dataset.of === shown ? slider?.value : 0;
    if (!shown || !recording.has(store.get().step)) return;
    holder.dataset.of = shown;
    holder.replaceChildren(sheetOf(recording, store, shown, moved));
    if (held) holder.querySelector(".wgm-ripple input")?.focus();
  };
  const closed = () => {
    shown = "";
    store.set({ part: "", ripple: null });
  };
  function show({ part, counted }) {
    shown = partOf(part) ? part : "";
    store.set({ ripple: null });
    if (!shown) return stage.closeSheet();
    if (held) return stage.closeSheet(false);
    const title = nameOfPart(recording.header, shown, counted ?? 0);
    fill();
    stage.openSheet(capital(title), holder, { onClose: closed });
  }
  const stop = store.subscribe((state, changed) => {
    const has = (key) => changed.includes(key);
    if (has("view") && state.view === "motion" && shown) {
      shown = "";
      store.set({ ripple: null });
      stage.closeSheet();
    } else if (state.view !== "motion" && !state.hand) {
      if (has("part")) show(state);
      else if (shown && ["step", "example", "point", "edits", "counted"].some(has)) waiting ||= requestAnimationFrame(fill);
    }
  });
  if (store.get().part && store.get().view !== "motion") show(store.get());
  return {
    // While something else answers about the part, there is no sheet of it.
    hold(on) {
      if (held === on) return;
      held = on;
      if (store.get().view !== "motion") show(store.get());
    },
    dispose() {
      stop();
      cancelAnimationFrame(waiting);
    },
  };
}
