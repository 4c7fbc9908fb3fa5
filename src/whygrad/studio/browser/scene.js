// What all views read of a state: parameters with the edits made by hand, the pass of the example, its gradient.
// Each is computed once; what nobody asks for is not computed at all.

import { backward, forward, gradientOf } from "./model.js";

const scenes = new WeakMap(); // of a recording the last scene

/** Return the scene of a state, which is that of before where nothing of it has changed; `ripple` are the edits of a
 *  slider that is being tried, in place of those made by hand. */
export function sceneOf(recording, state) {
  const before = scenes.get(recording), { step, example, point } = state, edits = state.ripple ?? state.edits;
  const theta = recording.theta(step);
  if (before && before.source === theta && before.example === example && before.edits === edits && before.point === point
    && before.step === step) return before;
  const now = new Scene(recording, { ...state, edits }, theta, before);
  scenes.set(recording, now);
  return now;
}

class Scene {
  constructor(recording, { step, example, edits, point }, source, before) {
    Object.assign(this, { recording, model: recording.model, step, example, edits, point, source });
    this.theta = before && before.source === source && before.edits === edits ? before.theta : edited(source, edits);
  }

  // The dragged point, or the inputs of the example; y is null where nobody knows the truth.
  get x() { return kept(this, "x", this.point ?? this.recording.examples.x(this.example)); }
  get y() { return kept(this, "y", this.recording.examples.y(this.example)); }
  get trace() { return kept(this, "trace", forward(this.model, this.theta, this.x)); }

  get passed() {
    return kept(this, "passed", this.y ? backward(this.model, this.theta, this.trace, this.y) : { delta: null, cost: null });
  }
  get delta() { return this.passed.delta; }
  get cost() { return this.passed.cost; }
  get gradient() { return kept(this, "gradient", this.delta && gradientOf(this.model, this.trace, this.delta)); }
}

const kept = (scene, name, value) => {
  Object.defineProperty(scene, name, { value });
  return value;
};

function edited(theta, edits) {
  const places = Object.keys(edits ?? {});
  if (!places.length) return theta;
  const copy = theta.slice();
  for (const place of places) copy[place] = edits[place];
  return copy;
}
