// Hands on the network: drag a weight or a bias, drag the point on the plane, paint new points; undo, reset, and
// "train on from here".
//
// A weight or bias is dragged up and down, over its line or its unit, while the hand is at "adjust"; arrow keys do
// the same with the part that has the focus, ten times finer with Shift. All of it goes into the store (`edits` by
// place in θ, `point`, `painted`), from where every view follows in the same frame.

import { h, write } from "./dom.js";
import { indexOf } from "./model.js";
import { nameOfPart, partOf, said } from "./words.js";

const PER_PIXEL = 0.01; // of a weight's usual size, for each px dragged
const STEP = 0.05; // of it, for an arrow key
const FINE = 0.1;
const HELD = ["edits", "point", "painted"];

// How large weights into a layer usually are: what a drag is measured by.
function usualSize(model, theta, l) {
  const start = model.W(l), count = model.sizes[l] * model.sizes[l - 1];
  let sum = 0;
  for (let i = start; i < start + count; i++) sum += theta[i] * theta[i];
  return Math.max(0.1, Math.sqrt(sum / count));
}

// What was done by hand, step by step, so that it can be taken back.
function makeHistory(store) {
  const past = [];
  const held = () => Object.fromEntries(HELD.map((name) => [name, store.get()[name]]));
  return {
    keep() { past.push(held()); },
    undo() {
      if (past.length) store.set(past.pop());
    },
    reset() {
      past.push(held());
      store.set({ edits: {}, point: null, painted: [] });
    },
    get length() { return past.length; },
  };
}

function isChanged({ edits, point, painted }) {
  return Object.keys(edits ?? {}).length > 0 || Boolean(point) || (painted ?? []).length > 0;
}

export function mountDrag(stage, recording, store) {
  const { header, model } = recording, history = makeHistory(store), root = stage.root;
  const plane = Boolean(header.plane), paintable = plane && header.classes;
  const buttons = {};
  const button = (name, text, act) => (buttons[name] = h("button", { type: "button", onclick: act }, text));
  const hands = [button("adjust", "Adjust", () => hand("adjust"))];
  const kinds = paintable ? paints() : [];
  if (paintable) hands.push(button("paint", "Paint", () => hand(store.get().hand.startsWith("paint") ? "" : "paint:0")), ...kinds);
  const told = h("span", { class: "wgm-hand-told", "aria-live": "polite" });
  const bar = h("div", { class: "wgm-hands", role: "toolbar", "aria-label": "By hand" }, ...hands,
    button("undo", "Undo", history.undo), button("reset", "Reset", history.reset), button("train", "Train on from here", trainOn));
  let drag = null;

  function paints() {
    return header.classes.map((name, i) => button(`paint:${i}`, name, () => store.set({ hand: `paint:${i}` })));
  }

  function hand(name) {
    store.set({ hand: store.get().hand === name ? "" : name, playing: false });
  }

  // A weight, or the bias of a unit, as it is now.
  function valueOf(part) {
    const { edits, step } = store.get(), place = indexOf(model, part);
    return edits?.[place] ?? recording.theta(step)[place];
  }

  function set(part, value) {
    const { edits, counted } = store.get();
    store.set({ edits: { ...edits, [indexOf(model, part)]: value } });
    write(told, `${nameOfPart(header, `${part.l}:${part.j},${part.k ?? "bias"}`, counted ?? 0)}: ${said(value)}`);
  }

  function trainOn() {
    const { step, edits, painted, point } = store.get();
    const event = new CustomEvent("whygrad:train-on", { bubbles: true, cancelable: true, detail: { step, edits, painted, point } });
    if (!root.dispatchEvent(event)) return;
    stage.openSheet("Train on from here", h("div", { class: "wgm-sheet" },
      h("p", {}, "A film holds what was recorded and cannot train. The studio can, from this step and with these changes:"),
      h("p", {}, h("code", {}, `whygrad studio ${header.run || "RUN"}`))));
  }

  // ── pointer ──

  const here = (event) => {
    const { left, top } = root.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  function onPlane(event) {
    const box = stage.geometry().plane;
    if (!box) return null;
    const [x, y] = here(event);
    return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height ? box.toData([x, y]) : null;
  }

  function down(event) {
    const state = store.get(), { hand: held } = state;
    if (!held || event.button > 0 || state.view === "motion") return;
    const inside = onPlane(event);
    if (held.startsWith("paint") && inside) drag = { kind: "paint", class: Number(held.slice(6)) };
    else if (held === "adjust" && inside) drag = { kind: "point" };
    else if (held === "adjust") {
      const part = partOf(stage.partAt(event.clientX, event.clientY));
      if (!part || part.l === 0) return;
      drag = { kind: "weight", part, value: valueOf(part), y: event.clientY, size: usualSize(model, recording.theta(state.step), part.l) };
    } else return;
    history.keep();
    event.preventDefault();
    event.stopPropagation();
    root.setPointerCapture?.(event.pointerId);
    if (drag.kind !== "weight") move(event);
  }

  function move(event) {
    if (!drag) return;
    if (drag.kind === "weight") return set(drag.part, drag.value + (drag.y - event.clientY) * PER_PIXEL * drag.size);
    const at = onPlane(event);
    if (!at) return;
    if (drag.kind === "point") return store.set({ point: at });
    const [x, y] = here(event);
    if (drag.last && Math.hypot(x - drag.last[0], y - drag.last[1]) < 9) return;
    drag.last = [x, y];
    store.set({ painted: [...(store.get().painted ?? []), [...at, drag.class]] });
  }

  function up(event) {
    if (!drag) return;
    event.stopPropagation();
    drag = null;
  }

  // A click ends every drag; it must not choose what the pointer is over.
  function click(event) {
    const held = store.get().hand;
    if (!held) return;
    if (onPlane(event) || (held === "adjust" && partOf(stage.partAt(event.clientX, event.clientY)))) {
      event.stopPropagation();
      event.preventDefault();
    }
  }

  function key(event) {
    const state = store.get();
    if (event.key === "Escape" && state.hand) {
      store.set({ hand: "" });
      event.stopPropagation();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "z") {
      event.preventDefault();
      history.undo();
      return;
    }
    if (state.hand !== "adjust" || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const part = partOf(stage.partWithFocus() || state.part);
    if (!part || part.l === 0) return;
    const size = usualSize(model, recording.theta(state.step), part.l) * STEP * (event.shiftKey ? FINE : 1);
    event.preventDefault();
    event.stopPropagation();
    history.keep();
    set(part, valueOf(part) + (event.key === "ArrowUp" ? size : -size));
  }

  function show(state) {
    const held = state.hand ?? "", changed = isChanged(state), painting = held.startsWith("paint");
    for (const [name, node] of Object.entries(buttons))
      if (name === "adjust" || name.startsWith("paint")) node.setAttribute("aria-pressed", name === "paint" ? painting : held === name);
    for (const node of kinds) node.hidden = !painting;
    buttons.undo.hidden = !history.length;
    buttons.reset.hidden = buttons.train.hidden = !changed;
    root.classList.toggle("wgm-adjusting", held === "adjust");
    root.classList.toggle("wgm-painting", painting);
    if (!held) write(told, "");
    else if (painting) write(told, "Paint points on the plane: the network can train on from here with them.");
    else if (!changed || !told.textContent)
      write(told, `Drag a line or a unit up and down${plane ? ", or the point on the plane" : ""}.`);
  }

  const listeners = [["pointerdown", down], ["pointermove", move], ["pointerup", up], ["pointercancel", up], ["click", click]];
  for (const [name, act] of listeners) root.addEventListener(name, act, true);
  root.addEventListener("keydown", key, true);
  const stop = store.subscribe((state, changed) => {
    if (["hand", ...HELD].some((key) => changed.includes(key))) show(state);
  });
  stage.tools.append(bar);
  stage.legend.append(told);
  show(store.get());
  return {
    history,
    dispose() {
      for (const [name, act] of listeners) root.removeEventListener(name, act, true);
      root.removeEventListener("keydown", key, true);
      stop();
      bar.remove();
      told.remove();
    },
  };
}
