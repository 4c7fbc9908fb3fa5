// What the studio adds to the time bar: the button that starts, pauses and goes on, one epoch, the training's speed,
// and what else can be done to it, in one row; above it how the training stands, and the way on where it failed.

import { h, write } from "./dom.js";

const SPEEDS = { 0: "full speed", 1000: "1,000 steps/s", 100: "100 steps/s", 10: "10 steps/s", 2: "2 steps/s" };

/** The studio's half of a strip; `tell(what, about)` reaches the page, `place()` says what is looked at. */
export function trainingControls(recording, store, tell, place) {
  const { header } = recording;
  const atEnd = () => store.get().step >= header.steps.length - 1;
  const button = (text, act, about = {}) => h("button", { type: "button", class: "st-do", onclick: act, ...about }, text);
  const speed = h("select", { class: "st-speed", "aria-label": "speed", onchange: () => tell("speed", Number(speed.value)) },
    ...Object.entries(SPEEDS).map(([value, text]) => h("option", { value }, text)));
  const status = h("span", { class: "st-status", role: "status" }), advice = h("span", { class: "st-advice", role: "status" });
  const cure = button("", () => tell("cure"), { class: "st-action" });
  const epoch = button("One epoch", () => (atEnd() ? tell("epoch") : store.set({ step: nextEpoch(header, store.get().step), playing: false })));
  const latest = button("Latest", () => store.set({ step: header.steps.length - 1, playing: header.running }));
  const wrong = button("What is wrong?", () => tell("wrong", place()));
  const fork = button("Fork", () => tell("askFork", place()));
  const reset = button("Reset", () => tell("reset"));
  const stuck = () => !header.training.ready && atEnd(); // nothing comes after it
  const goes = ({ playing }) => (header.running || playing ? "Pause" : atEnd() ? header.training.goes : "Play");

  return {
    speed, before: [epoch], after: [latest, wrong, fork, reset],
    told: h("div", { class: "st-standing" }, status, cure, advice),
    edit: (kind, layer) => tell("edit", kind, layer),
    units: () => tell("panel", "network", "", place()),
    toggle() {
      const { playing } = store.get(), pause = header.running || playing;
      if (header.running && !playing) tell("pause"); // looked back in, while it goes on
      else if (pause || !stuck()) store.set({ playing: !pause });
    },
    on() {
      if (atEnd()) tell("step");
      else store.set({ step: store.get().step + 1, playing: false });
    },
    // Recorded states a second: as fast as the training itself, or as it would be on its own.
    pace(usual) {
      const { speed: steps } = header.training, { length } = header.steps;
      return steps ? (steps * (length - 1)) / (header.steps.at(-1) - header.steps[0] || 1) : usual;
    },
    draw(state, play, on) {
      const about = header.training, { running } = header;
      write(play, goes(state));
      write(status, about.status);
      status.setAttribute("aria-live", running ? "off" : "polite"); // what changes four times a second is not read aloud
      status.classList.toggle("st-failed", about.failed);
      write(advice, about.advice);
      write(cure, about.cure);
      cure.hidden = !about.cure;
      latest.hidden = atEnd() || !running;
      play.disabled = epoch.disabled = on.disabled = stuck();
      fork.disabled = !about.forks;
      wrong.disabled = !about.trained;
      reset.disabled = !about.resets;
      wrong.title = about.trained ? "" : "there is no training yet to be diagnosed: train, then ask";
      if (Number(speed.value) !== about.speed && document.activeElement !== speed) speed.value = about.speed;
    },
  };
}

// The first recorded step of the next epoch, or the last step there is.
function nextEpoch({ epochs }, step) {
  const found = epochs.findIndex((epoch, i) => i > step && epoch > epochs[step]);
  return found < 0 ? epochs.length - 1 : found;
}
