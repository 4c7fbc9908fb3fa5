// The stage in the studio: it grows while a training goes on, starts and pauses it, and asks the server what needs the
// exact engine. `openStudio(element, tell)` mounts it; `tell(what, about)` reaches the page in Python.

import { h } from "./dom.js";
import { mountDrag } from "./drag.js";
import { indexOf } from "./model.js";
import { mountMotion } from "./motion.js";
import { fetcher, openRecording, served } from "./recording.js";
import { mountSheets } from "./sheets.js";
import { mount } from "./stage.js";
import { createStore, FIRST, fromAddress, hasPart, toAddress } from "./store.js";
import { nearestStep } from "./strip.js";
import { partOf } from "./words.js";

const BASE = "/stage/";
const LOOK = 260; // ms over which the states of one look at a training are played: a little more than between two
const KEPT = ["view", "edges", "width", "counted", "speed"]; // whatever run is shown

function checked(found) {
  if (found.error) throw new Error(found.error);
  return found;
}

function servedHere() {
  const source = served(BASE);
  return { ...source, header: async () => checked(await source.header()) };
}

const got = fetcher(BASE);

// What has come since so many steps, and their states.
async function newsAfter(count, feed) {
  const news = checked(await (await got(`news.json?after=${count}`)).json());
  if (news.feed !== feed || !news.steps.length) return { news, states: null };
  const bytes = await (await got(`states?from=${count}&to=${count + news.steps.length}`)).arrayBuffer();
  return { news, states: new Float32Array(bytes) };
}

// ── the address: run, step, example, part, view, and the panel with its question ──

const NAMED = { run: /^[^/\\]{1,200}$/u, panel: /^[a-z]{1,20}$/, question: /^[a-z]{1,20}$/ };

function readAddress(hash) {
  const found = fromAddress(hash), given = new URLSearchParams(hash.replace(/^#/, ""));
  for (const [key, form] of Object.entries(NAMED)) if (form.test(given.get(key) ?? "")) found[key] = given.get(key);
  return found;
}

function writeAddress(header, state, panel, question) {
  const last = header.steps.length - 1;
  const at = { ...state, step: state.step === last ? undefined : header.steps[state.step] };
  const found = [toAddress(at, { ...FIRST, example: header.examples.start })];
  if (question) found.unshift(`question=${question}`);
  if (panel) found.unshift(`panel=${panel}`);
  if (header.run) found.unshift(`run=${encodeURIComponent(header.run)}`);
  return found.filter(Boolean).join("&");
}

// ── the page ──

export function openStudio(element, tell) {
  const studio = new Studio(element, tell);
  studio.open(readAddress(location.hash));
  return studio;
}

class Studio {
  constructor(element, tell) {
    Object.assign(this, { element, tell, panel: "", question: "", own: 0, wanted: null, looking: false, missed: false });
    window.addEventListener("popstate", () => this.restore());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.panel && !event.defaultPrevented) this.tell("panel", "");
    });
  }

  // The page is connected anew, or was away at the drawing.
  again() {
    return this.shown ? this.news() : this.open({});
  }

  // Show what the session shows now, at `place`.
  async open(place = {}) {
    let recording;
    try {
      recording = await openRecording(servedHere());
      await recording.load(recording.steps.length - 1);
    } catch (error) {
      this.close();
      this.tell("none", error.message);
      return;
    }
    this.close();
    const { header } = recording, last = header.steps.length - 1;
    if (place.run && place.run !== header.run && this.wanted !== place.run) {
      this.wanted = place.run; // asked for once: the run may be gone
      this.place = place;
      this.tell("run", place.run);
    } else if (this.place) [place, this.place] = [{ ...this.place, ...place }, null];
    const { count, start } = header.examples;
    const store = createStore({ ...place, playing: header.running, part: hasPart(header.network.sizes, place.part) ? place.part : "",
      step: place.step === undefined ? last : nearestStep(header.steps, place.step),
      example: place.example < count ? place.example : start });
    const stage = mount(this.element, recording, store, { plays: false });
    this.addWhy(stage, store, recording);
    const parts = [mountDrag(stage, recording, store), mountMotion(stage, recording, store), mountSheets(stage, recording, store)];
    stage.root.addEventListener("whygrad:train-on", (event) => {
      event.preventDefault();
      const { step, edits, painted } = event.detail;
      this.tell("fork", { step: header.steps[step], edits: Object.entries(edits ?? {}), painted: (painted ?? []).length });
    });
    this.shown = { recording, store, stage, parts };
    store.subscribe((state, changed) => this.changed(state, changed));
    if (place.panel) this.tell("panel", place.panel, place.question ?? "");
    recording.loadAll(store.get().step).catch(() => {});
    this.follow(header);
    if (!this.place) this.writeSoon(false); // the address may still name what was shown before
    if (!header.begun) this.tell("ready");
  }

  close() {
    if (!this.shown) return;
    cancelAnimationFrame(this.walking);
    for (const part of this.shown.parts) part.dispose?.();
    this.shown.stage.dispose();
    this.shown = null;
  }

  // A button on every sheet of a part: the exact engine's answer.
  addWhy(stage, store, recording) {
    const openSheet = stage.openSheet.bind(stage);
    const ask = () => {
      const { part, step, example } = store.get();
      this.tell("why", { part, ...this.asked(recording, step, example) });
    };
    stage.openSheet = (title, node, more) => {
      if (!store.get().part) return openSheet(title, node, more);
      const why = h("button", { type: "button", class: "st-action", onclick: ask }, "Why?");
      return openSheet(title, h("div", {}, why, node), more);
    };
  }

  asked({ header }, step, example) {
    const { rows, part } = header.examples;
    return { step: header.steps[step], index: rows[example], of: part[example] };
  }

  // What is looked at, for a panel that asks about it.
  where() {
    if (!this.shown) return null;
    const { recording, store } = this.shown, { step, example, part } = store.get();
    return { part, ...this.asked(recording, step, example) };
  }

  // Try the weight or bias that is looked at with another value, as the slider of a panel has it; null ends that.
  ripple(value) {
    if (!this.shown) return;
    const { recording, store } = this.shown, { part, step, edits } = store.get(), of = partOf(part);
    const place = value === null || !of || of.kind === "unit" ? null : indexOf(recording.model, of);
    const now = edits?.[place] ?? recording.theta(step)?.[place];
    store.set({ ripple: place === null || value === now ? null : { ...edits, [place]: value } });
  }

  // Light up what an answer points at; "" for nothing.
  light(part) {
    this.shown?.stage.point(part.split(" ")[0]);
  }

  // ── the training ──

  // The training has come further, or something else is shown.
  async news() {
    if (!this.shown) return;
    if (this.looking) {
      this.missed = true;
      return;
    }
    this.looking = true;
    const { recording, store } = this.shown;
    try {
      const { header, steps } = recording, before = steps.length - 1;
      const { news, states } = await newsAfter(steps.length, header.feed);
      if (this.shown?.recording !== recording) return;
      if (news.feed !== header.feed) {
        const same = news.feed.split(".")[0] === header.feed.split(".")[0], state = store.get();
        const kept = Object.fromEntries(KEPT.map((key) => [key, state[key]]));
        const at = state.step === before ? undefined : steps[state.step];
        await this.open(same ? { ...kept, part: state.part, example: state.example, step: at } : kept);
      } else {
        const ran = header.running;
        for (const key of ["running", "live", "begun"]) header[key] = news[key];
        if (states) recording.append(news, states);
        if (header.running !== ran) this.set({ playing: header.running });
        const { playing, step } = store.get();
        if (states && (step === before || (playing && ran))) this.walk(step, header.steps.length - 1);
        this.follow(header);
      }
    } catch (error) {
      this.tell("none", error.message);
    } finally {
      this.looking = false;
      if (this.missed) {
        this.missed = false;
        this.news();
      }
    }
  }

  // Play the states that a look has brought in the time until the next.
  walk(from, to) {
    cancelAnimationFrame(this.walking);
    const began = performance.now(), { store } = this.shown;
    const go = (now) => {
      const at = Math.round(from + (to - from) * Math.min(1, (now - began) / LOOK));
      if (store !== this.shown?.store || store.get().step > at) return;
      this.set({ step: at });
      if (at < to) this.walking = requestAnimationFrame(go);
    };
    this.walking = requestAnimationFrame(go);
  }

  set(patch) {
    this.own++;
    this.shown.store.set(patch);
    this.own--;
  }

  follow(header) {
    this.element.dataset.step = header.steps.at(-1);
    this.element.dataset.running = header.running;
  }

  changed(state, changed) {
    this.writeSoon(changed.includes("part") || changed.includes("view"));
    if (this.own) return;
    if (changed.includes("step")) cancelAnimationFrame(this.walking); // somebody goes elsewhere
    const { header } = this.shown.recording;
    if (!changed.includes("playing") || changed.includes("step") || !header.live) return;
    if (state.playing !== header.running && (!state.playing || state.step === header.steps.length - 1))
      this.tell(state.playing ? "go" : "pause");
  }

  // ── the address ──

  opened(panel, question) {
    const pushed = panel !== this.panel;
    Object.assign(this, { panel, question });
    if (question !== "ripple") this.ripple(null);
    this.write(pushed);
  }

  writeSoon(push) {
    if (push) return this.write(true);
    this.writing ||= setTimeout(() => this.write(false), 300);
  }

  write(push) {
    clearTimeout(this.writing);
    this.writing = 0;
    if (!this.shown || this.restoring) return;
    const text = writeAddress(this.shown.recording.header, this.shown.store.get(), this.panel, this.question);
    const hash = text ? `#${text}` : "";
    if (hash !== location.hash) history[push ? "pushState" : "replaceState"](null, "", hash || location.pathname);
  }

  restore() {
    const place = readAddress(location.hash), { recording, store } = this.shown ?? {};
    if (!recording) return;
    const { header } = recording;
    if (place.run && place.run !== header.run) {
      this.place = place;
      this.tell("run", place.run);
      return;
    }
    this.restoring = true;
    store.set({ ...FIRST, ...place, example: place.example ?? header.examples.start, playing: false,
      step: place.step === undefined ? header.steps.length - 1 : nearestStep(header.steps, place.step) });
    this.restoring = false;
    if ((place.panel ?? "") !== this.panel) this.tell("panel", place.panel ?? "", place.question ?? "");
  }
}
