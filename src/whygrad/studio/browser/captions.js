// One caption: what happens, and what to do next. It leads on from watching to stopping, to choosing a weight, to
// asking why; each sentence follows from the numbers of the state that is shown.

import { indexOf } from "./model.js";
import { capital, inOwnUnits, nameOfPart, nameOfUnit, partOf, said, signed } from "./words.js";
import { scoreWritten, standingAt } from "./strip.js";

// Where somebody has come to: watch, start, stop, choose, ask.
function chapterOf(state, recording) {
  if (state.view === "motion") return "motion";
  if (state.part) return "ask";
  if (state.playing) return "watch";
  if (state.step >= recording.header.steps.length - 1 && !recording.header.live) return "end";
  return recording.header.steps[state.step] === 0 ? "start" : "choose"; // a fork starts with what was learned
}

// {chapter, text, action: {label, set}|null}: the action is what to change in the store.
export function captionOf(recording, scene, state) {
  const { header } = recording;
  const chapter = chapterOf(state, recording);
  return { chapter, ...CHAPTERS[chapter](header, scene, state, recording) };
}

const CHAPTERS = {
  watch: (header, scene, state) => ({ text: `${capital(progressOf(header, state))} Each line is a weight, each square shows what a unit has learned.`,
    action: { label: "Stop", set: { playing: false } } }),
  start: (header) => ({ text: `${header.title ? `${header.title}: nothing` : "Nothing"} is learned yet, the weights are as they were drawn at the start.`,
    action: { label: "Watch it learn", set: { playing: true } } }),
  choose: (header, scene, state) => ({ text: `${stepOf(header, state)}: ${progressOf(header, state)} Click a line or a square to see what it does.`,
    action: heaviestOf(header, scene) }),
  end: (header, scene, state) => ({ text: `${endOf(header, state)} Click a line or a square to see what it does.`,
    action: heaviestOf(header, scene) }),
  ask: (header, scene, state, recording) => ({ text: sentenceOf(recording, scene, state),
    action: { label: "See its blame flow", set: { view: "motion", playing: false } } }),
  motion: () => ({ text: "One example runs forward through the network, and its blame runs back.",
    action: { label: "Back to the training", set: { view: "stage", part: "" } } }),
};

function progressOf(header, state) {
  const { curves, steps } = header, step = steps[state.step];
  const held = standingAt(curves.at, curves.validation_score ?? [], step, true);
  const score = held ?? standingAt(curves.at, curves.score ?? [], step, true);
  const cost = standingAt(curves.at, curves.cost ?? [], step, false);
  const whose = `${held ? "validation" : "training"} examples`;
  if (score && curves.score_name === "accuracy") return `correct on ${scoreWritten("accuracy", score.now)} of the ${whose}.`;
  if (score) return `${curves.score_name} of the ${whose} is ${said(score.now)}.`;
  return cost ? `the cost is ${said(cost.now)}.` : "no cost is recorded.";
}

// A film of one state is of a network as it stands.
function endOf(header, state) {
  if (header.training?.cure) return "The training diverged: its numbers grew beyond all bounds.";
  const how = header.training?.goes === "Go on" ? "was cut off" : "has ended"; // in the studio, which can go on with it
  if (header.steps.length > 1) return `The training ${how}: ${progressOf(header, state)}`;
  return header.examples ? `A network as it stands: ${progressOf(header, state)}` : "A network as it stands.";
}

function stepOf(header, state) {
  return `Step ${said(header.steps[state.step], 12)}`;
}

// The weight with the largest gradient on this example: what to click first.
function heaviestOf(header, scene) {
  const { sizes } = header.network;
  let best = null, most = -1;
  let at = 0;
  for (let l = 1; l < sizes.length; l++) {
    for (let j = 0; j < sizes[l]; j++)
      for (let k = 0; k < sizes[l - 1]; k++, at++) {
        const size = Math.abs(scene.gradient?.[at] ?? 0);
        if (size > most) [best, most] = [`${l}:${j},${k}`, size];
      }
    at += sizes[l];
  }
  return best && most > 0 ? { label: "Show the weight most to blame", set: { part: best } } : null;
}

// What a chosen part says of itself, in one sentence.
function sentenceOf(recording, scene, state) {
  const { header, model } = recording;
  const part = partOf(state.part), from = state.counted ?? 0;
  if (!part || part.l > model.L) return "";
  const { theta, trace, gradient } = scene;
  const unit = nameOfUnit(header, part.l, part.j, from);
  if (part.kind === "unit") {
    if (part.l === 0) {
      const x = trace.a[0][part.j], own = inOwnUnits(header.inputs?.[part.j], x);
      return `${header.shape ? unit : `“${unit}”`} is an input: ${said(own)} in this example${own === x ? "" : `, standardised ${said(x)}`}.`;
    }
    return `${capital(unit)} adds up to ${signed(trace.z[part.l][part.j])} in this example and passes on ${signed(trace.a[part.l][part.j])}.`;
  }
  const at = indexOf(model, part);
  const slope = gradient?.[at];
  const name = capital(nameOfPart(header, state.part, from));
  const pull = !Number.isFinite(slope) ? ""
    : slope === 0 ? " To move it a little would change nothing in this example's cost."
    : ` ${slope > 0 ? "Lower" : "Raise"} it a little, and this example costs less: its gradient is ${signed(slope)}.`;
  return `${name} is ${signed(theta[at])}.${pull}`;
}
