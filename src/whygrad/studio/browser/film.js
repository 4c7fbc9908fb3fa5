// A film's own page: the stage over the recording that the page carries, and what has to be said of it.

import { h } from "./dom.js";
import { mountDrag } from "./drag.js";
import { mountMotion } from "./motion.js";
import { embedded, openRecording } from "./recording.js";
import { sceneOf } from "./scene.js";
import { mountSheets } from "./sheets.js";
import { mount } from "./stage.js";
import { createStore, keepAddress } from "./store.js";
import { counted, listed, said } from "./words.js";

/** Play the film that the page carries in an element of it. */
export async function playFilm(element) {
  const recording = await openRecording(embedded(document));
  const store = createStore({});
  await recording.load(0);
  const stage = mount(element, recording, store);
  const parts = [mountSheets, mountMotion, mountDrag].map((one) => one(stage, recording, store));
  stage.tools.append(h("button", { type: "button", class: "st-action", onclick: () =>
    stage.openSheet("About this film", h("div", {}, ...aboutFilm(recording.header).map((line) => h("p", {}, line)))) }, "About"));
  keepAddress(store, recording.header);
  recording.loadAll(store.get().step);
  element.film = { stage, store, recording, parts, scene: () => sceneOf(recording, store.get()) }; // for pages that hold it
}

/** Sentences on what a film holds: which states and examples, in what precision, and what its gradients are of. */
function aboutFilm(header) {
  const { steps, examples, dtype, settings, note, batch } = header, lines = note ? [note] : [];
  if (steps.length > 1) {
    const apart = steps[1] - steps[0], all = apart === 1 ? "every step" : `every ${said(apart, 9)}th step and the last`;
    lines.push(`It shows ${all} of ${said(steps.at(-1) - steps[0], 9)}: ${counted(steps.length, "state")} of ${counted(header.count, "parameter")}.`);
  }
  lines.push(dtype === "float16"
    ? "The states are kept in float16, with three to four digits; all that is computed from them is computed in float64."
    : "The states are kept in float32, with seven digits; all that is computed from them is computed in float64.");
  if (examples) {
    const kinds = [...new Set(examples.why)];
    lines.push(examples.whole ? `It carries all ${counted(examples.count, "example")}.`
      : `It carries ${counted(examples.count, "example")} of the data: ${listed(kinds, 12)}.`,
    "A gradient here is that of one example, without penalties and without dropout; training took the mean over batches of "
      + `${said(batch.size, 9)} of ${said(batch.n, 9)}.`,
    "The curves show cost (without penalties) and score of these very states, on at most 1,000 rows of a part"
      + `${header.curves.at.length > steps.length ? "; between them, what the epochs measured on the validation rows" : ""}.`);
  }
  lines.push(Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ") + ".");
  return lines;
}
