// What the page looks at: one state that all views read and set, and its likeness in the address.

import { partOf } from "./words.js";

// How a picture is looked at unless somebody says otherwise.
export const FIRST = { part: "", view: "stage", edges: "weight", width: "layer", counted: 0, speed: 1 };

/** Hold a state: get(), set(patch), and subscribe(fn(state, changed)), which gives a function that ends it. */
export function createStore(initial) {
  let state = { ...initial };
  const listeners = new Set();
  return {
    get: () => state,
    set(patch) {
      const changed = Object.keys(patch).filter((key) => !Object.is(patch[key], state[key]));
      if (!changed.length) return;
      state = { ...state, ...patch };
      for (const listener of [...listeners]) listener(state, changed);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

// What the address holds, and how it is read: nothing secret, and nothing that a link could do harm with.
const whole = (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);
const oneOf = (...known) => (text) => (known.includes(text) ? text : undefined);
const ADDRESSED = {
  step: whole,
  example: whole,
  part: (text) => (/^\d{1,6}:\d{1,9}(,(\d{1,9}|bias))?$/.test(text) ? text : undefined),
  view: (text) => (/^[a-z-]{1,30}$/.test(text) ? text : undefined),
  edges: oneOf("weight", "gradient", "update"),
  width: oneOf("layer", "network"),
  counted: (text) => whole(oneOf("0", "1")(text) ?? ""),
  speed: (text) => (Number(text) > 0 && Number(text) <= 100 ? Number(text) : undefined),
};

/** Return a state as the part of an address after #, without what is as it was at first. */
export function toAddress(state, first = {}) {
  const found = new URLSearchParams();
  for (const key of Object.keys(ADDRESSED)) {
    const value = state[key];
    if (value !== undefined && value !== null && value !== "" && value !== first[key]) found.set(key, value);
  }
  return found.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** Read what of a state an address holds; what is none of it is left out. */
export function fromAddress(hash) {
  const found = {};
  for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const value = Object.hasOwn(ADDRESSED, key) ? ADDRESSED[key](text) : undefined;
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** Whether a network of these sizes has a part of this name. */
export function hasPart(sizes, name) {
  const part = partOf(name);
  if (!part || !(part.j < sizes[part.l])) return false;
  return part.kind === "unit" || (part.l > 0 && (part.kind === "bias" || part.k < sizes[part.l - 1]));
}

/** Return what of a place there is in a recording: a step, an example or a part beyond it is left out. */
function placeIn(header, { step, example, part, ...rest }) {
  const found = { ...rest };
  if (step < header.steps.length) found.step = step;
  if (example < (header.examples?.count ?? 0)) found.example = example;
  if (hasPart(header.network.sizes, part)) found.part = part;
  return found;
}

/** Keep a store and the window's address alike: another part or view is a place to come back to, a step is none. */
export function keepAddress(store, header, view = window) {
  const first = { ...store.get() };
  const asked = () => placeIn(header, fromAddress(view.location.hash));
  const restored = () => store.set({ ...Object.fromEntries(Object.keys(ADDRESSED).map((key) => [key, first[key]])), ...asked() });
  let waiting = 0;
  const write = (push) => {
    view.clearTimeout(waiting);
    waiting = 0;
    const text = toAddress(store.get(), first), hash = text ? `#${text}` : "";
    if (hash === view.location.hash) return;
    const url = hash || view.location.pathname + view.location.search;
    try { view.history[push ? "pushState" : "replaceState"](null, "", url); } catch { /* a page without an address */ }
  };
  const place = asked();
  if ("step" in place) place.playing = false; // a link shows what it was copied from
  store.set(place);
  const stop = store.subscribe((state, changed) => {
    if (changed.includes("part") || changed.includes("view")) write(true);
    else if (!state.playing) {
      view.clearTimeout(waiting); // to change it takes a browser as long as a frame, and it limits how often
      waiting = view.setTimeout(write, 300);
    }
  });
  view.addEventListener("popstate", restored);
  return () => {
    stop();
    view.clearTimeout(waiting);
    view.removeEventListener("popstate", restored);
  };
}
