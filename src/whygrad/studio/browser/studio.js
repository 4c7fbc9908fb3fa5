// The stage in the studio: it grows while a training goes on, starts and pauses it, and asks the server what needs the
// exact engine. `openStudio()` mounts it, before there is a page around it: `connected(place, tell)` puts it there, and
// `tell(what, about)` reaches the page in Python.

import { trainingControls } from "./controls.js";
import { h } from "./dom.js";
import { mountDrag } from "./drag.js";
import { indexOf } from "./model.js";
import { mountMotion } from "./motion.js";
import { fetcher, openRecording, served, Unanswered } from "./recording.js";
import { mountSheets } from "./sheets.js";
import { mount } from "./stage.js";
import { createStore, FIRST, fromAddress, hasPart, toAddress } from "./store.js";
import { nearestStep } from "./strip.js";
import { partOf } from "./words.js";

const BASE = "/stage/";
const LOOK = 260; // ms over which the states of one look at a training are played: a little more than between two
const SETTLE = 250; // ms from a change until an open panel is told what is looked at
const COMMANDS = ["pause", "go", "step", "epoch"]; // as below /stage/
const KEPT = ["view", "edges", "width", "counted", "speed"]; // whatever run is shown

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
  const found = [toAddress(at, { ...FIRST, example: firstExample(header) })];
  if (question) found.unshift(`question=${question}`);
  if (panel) found.unshift(`panel=${panel}`);
  if (header.run) found.unshift(`run=${encodeURIComponent(header.run)}`);
  return found.filter(Boolean).join("&");
}

const firstExample = ({ examples }) => examples?.start ?? 0; // of a network without any, inputs of 0 have its place

// ── the page ──

export function openStudio() {
  const element = h("section", { id: "wg-theatre", "aria-label": "The stage" });
  document.body.prepend(element);
  const studio = new Studio(element), place = readAddress(location.hash);
  studio.first = studio.begin(place).then((begun) => begun && studio.open(place));
  return studio;
}

class Studio {
  constructor(element) {
    this.untold = []; // what the page in Python is to be told once it is there
    this.tell = (...words) => {
      // Who pauses before the page is whole sees the picture stand, also while its recording catches up with it.
      if (COMMANDS.includes(words[0])) this.stands = words[0] === "pause" && !this.reach;
      if (this.reach) this.reach(...words);
      else if (COMMANDS.includes(words[0])) this.command(words[0]).catch(() => this.refused(words)); // it need not wait for Python's half of the page
      else {
        this.untold.push(words);
        this.waits?.(...words);
      }
    };
    Object.assign(this, { element, reach: null, panel: "", question: "", own: 0, wanted: null, looking: false, missed: false });
    window.addEventListener("popstate", () => this.restore());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.panel && !event.defaultPrevented) this.tell("panel", "");
    });
    const holds = (event) => event.dataTransfer?.types.includes("Files") && !event.defaultPrevented;
    document.addEventListener("dragover", (event) => holds(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      this.upload([...event.dataTransfer.files]);
    });
  }

  // Upload what was dropped anywhere on the page, by the panel of the data.
  upload(files) {
    this.tell("panel", "data");
    const give = () => {
      const place = window.wgUpload?.();
      if (place) place.addFiles(files);
      else requestAnimationFrame(give);
    };
    give();
  }

  // The page is there, or is connected anew.
  connected(place, reach) {
    const anew = this.reach;
    this.reach = reach;
    place.append(this.element);
    document.getElementById("wg-first")?.remove();
    for (const words of this.untold.splice(0)) reach(...words);
    if (anew) this.again();
  }

  // Something else is shown, or what was missed is to be made up for.
  again() {
    return this.failed ? this.open({}) : this.news();
  }

  // Show what the session shows now, at `place`.
  async open(place = {}) {
    this.failed = false;
    let recording;
    try {
      recording = await openRecording(served(BASE));
      await recording.load(recording.steps.length - 1);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.close();
    const { header } = recording, last = header.steps.length - 1;
    if (place.run && place.run !== header.run && this.wanted !== place.run) {
      this.wanted = place.run; // asked for once: the run may be gone
      this.place = place;
      this.tell("run", place.run);
    } else if (this.place) [place, this.place] = [{ ...this.place, ...place }, null];
    const { count } = recording.examples;
    const store = createStore({ ...place, playing: header.running, part: hasPart(header.network.sizes, place.part) ? place.part : "",
      step: place.step === undefined ? last : nearestStep(header.steps, place.step),
      example: place.example < count ? place.example : firstExample(header) });
    if (place.row !== undefined && count) store.set({ example: await recording.exampleAt(place.of, place.row).catch(() => firstExample(header)) });
    const steered = trainingControls(recording, store, this.tell, () => this.where());
    const stage = mount(this.element, recording, store, { plays: false, steered });
    this.addWhy(stage, store);
    const sheets = mountSheets(stage, recording, store);
    sheets.hold(this.panel === "why");
    const parts = [mountDrag(stage, recording, store), mountMotion(stage, recording, store), sheets];
    stage.root.addEventListener("whygrad:train-on", (event) => {
      event.preventDefault();
      const { step, edits, painted } = event.detail;
      this.tell("fork", { step: header.steps[step], edits: Object.entries(edits ?? {}), painted: painted ?? [] });
    });
    this.shown = { recording, store, stage, parts, sheets };
    store.subscribe((state, changed) => this.changed(state, changed));
    if (place.panel) this.tell("panel", place.panel, place.question ?? "", this.where());
    recording.loadAll(store.get().step).catch(() => {});
    this.follow(header);
    if (!this.place) this.writeSoon(false); // the address may still name what was shown before
  }

  // Begin the training of a studio that was opened without a run, so that there is something to see, but of a link,
  // which shows what it names. Returns whether there is something to show.
  async begin({ run, step }) {
    try {
      if (!run && step === undefined) await this.command("begin");
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  // Have the server do something with the training; throws where it cannot.
  async command(what) {
    const { error } = await (await fetcher(BASE)(what, { method: "POST" })).json();
    if (error) throw new Error(error);
  }

  // What cannot be done is for the whole page to say, which tries it once more; the picture stays.
  refused(words) {
    if (this.shown) this.set({ playing: this.shown.recording.header.running });
    if (this.reach) this.reach(...words);
    else this.untold.push(words);
  }

  // Nothing can be shown but one line why, and where there is one a drawing that Python has made.
  fail(error) {
    this.close();
    this.failed = true;
    const drawing = h("img", { src: `${BASE}picture.svg`, alt: "the network and its weights", onerror: () => drawing.remove() });
    this.element.replaceChildren(h("div", { class: "st-none" }, h("p", { role: "alert" }, `Not on the stage: ${error.message}`), drawing));
  }

  close() {
    this.element.replaceChildren();
    if (!this.shown) return;
    cancelAnimationFrame(this.walking);
    this.goal = null;
    clearTimeout(this.telling);
    this.telling = 0;
    for (const part of this.shown.parts) part.dispose?.();
    this.shown.stage.dispose();
    this.shown = null;
  }

  // A button on every sheet of a part: the exact engine's answer.
  addWhy(stage, store) {
    const openSheet = stage.openSheet.bind(stage);
    const ask = () => this.tell("why", { ...this.where(), latest: false });
    stage.openSheet = (title, node, more) => {
      if (!store.get().part) return openSheet(title, node, more);
      const why = h("button", { type: "button", class: "st-action", onclick: ask }, "Why?");
      return openSheet(title, h("div", {}, why, node), more);
    };
  }

  asked({ header, examples: { about } }, step, example) {
    return { step: header.steps[step], index: about?.rows[example] ?? 0, of: about?.part[example] ?? "training" };
  }

  // What is looked at, for a panel that asks about it.
  where() {
    if (!this.shown) return null;
    const { recording, store } = this.shown, { step, example, part, playing, counted } = store.get();
    const latest = step === recording.steps.length - 1 || (playing && recording.header.running); // it follows the training
    return { part, latest, counted, ...this.asked(recording, step, example) };
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

  // Go to a step of the training, as a click in a chart does.
  goTo(step) {
    const { recording, store } = this.shown ?? {};
    store?.set({ step: nearestStep(recording.steps, step), playing: false });
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
    const { recording, store, stage } = this.shown;
    try {
      const { header, steps, source } = recording, before = steps.length - 1;
      const news = await source.news(steps.length), same = news.feed === header.feed && news.steps.length;
      const states = same ? await source.states(steps.length, steps.length + news.steps.length) : null;
      if (this.shown?.recording !== recording) return;
      if (news.feed !== header.feed) {
        const same = news.feed.split(".")[0] === header.feed.split(".")[0], state = store.get();
        const kept = Object.fromEntries(KEPT.map((key) => [key, state[key]]));
        const at = state.step === before ? undefined : steps[state.step];
        const { index: row, of } = this.asked(recording, state.step, state.example);
        await this.open(same ? { ...kept, part: state.part, of, row, step: at } : kept);
      } else {
        const ran = header.running, { editable } = header.training, { playing } = store.get();
        for (const key of ["run", "running", "live", "begun", "training"]) header[key] = news[key];
        if (header.training.editable !== editable) stage.measure();
        stage.ask();
        if (states) recording.append(news, states);
        if (header.running !== ran) this.set({ playing: header.running });
        const { step } = store.get();
        const follows = step === before || this.goal === before; // there, or on the way there
        if (!this.stands && (follows || (playing && ran) || this.pausing)) this.walk(step, header.steps.length - 1);
        if (!header.running) this.pausing = false;
        this.follow(header);
      }
    } catch (error) {
      if (this.reach || !(error instanceof Unanswered)) this.fail(error); // a first page says so itself, by its picture
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
    this.goal = to;
    if (from === to) return;
    const go = (now) => {
      const at = Math.round(from + (to - from) * Math.min(1, (now - began) / LOOK));
      if (store !== this.shown?.store) return;
      if (store.get().step < at) this.set({ step: at });
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
    if (this.panel && ["step", "example", "part", "counted"].some((key) => changed.includes(key))) this.lookSoon();
    if (this.own) return;
    if (changed.includes("step")) { // somebody goes elsewhere
      cancelAnimationFrame(this.walking);
      this.goal = null;
      this.pausing = false;
    }
    const { header } = this.shown.recording;
    if (!changed.includes("playing") || changed.includes("step")) return;
    if (state.playing === header.running || (state.playing && state.step < header.steps.length - 1)) return;
    this.pausing = header.running && this.reach !== null; // the picture comes to where the training waits
    this.tell(state.playing ? "go" : "pause");
  }

  // A panel that is open speaks of what the stage shows, a moment later.
  lookSoon() {
    this.telling ||= setTimeout(() => {
      this.telling = 0;
      const at = this.where();
      if (at && this.panel) this.tell("looked", at);
    }, SETTLE);
  }

  // ── the address ──

  opened(panel, question) {
    const pushed = panel !== this.panel;
    Object.assign(this, { panel, question });
    this.shown?.sheets.hold(panel === "why");
    if (question !== "ripple") this.ripple(null);
    this.write(pushed);
  }

  writeSoon(push) {
    if (push) return this.write(true);
    clearTimeout(this.writing); // to change the address takes the browser as long as a frame
    this.writing = setTimeout(() => this.write(false), 300);
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
    store.set({ ...FIRST, ...place, example: place.example ?? firstExample(header), playing: false,
      step: place.step === undefined ? header.steps.length - 1 : nearestStep(header.steps, place.step) });
    this.restoring = false;
    if ((place.panel ?? "") !== this.panel) this.tell("panel", place.panel ?? "", place.question ?? "", this.where());
  }
}
