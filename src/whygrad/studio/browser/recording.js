// A recorded training as the page holds it: its header, and the parameters of each recorded step, piece by piece.
//
//   openRecording(embedded(document))   from the blocks of a film's own page
//   openRecording(served("runs/a"))     from a server: header.json, then states?from=…&to=…
//
// A piece holds some states one after the other, little-endian. Where it is packed, each number is that of the state
// before it xor its own, all first bytes stand before all second ones, and the whole is deflated: numbers that hardly
// change hardly take room.

import { makeModel } from "./model.js";

/** Open a recording; its states may still be on their way. */
export async function openRecording(source) {
  return new Recording(source, await source.header());
}

class Recording {
  constructor(source, header) {
    Object.assign(this, { source, header, model: makeModel(header.network) });
    this.views = []; // index → the parameters of that step, where they are here
    this.coming = new Map(); // number of a piece → what resolves when it is here
    this.listeners = new Set();
    this.examples = examplesOf(header);
  }

  get steps() { return this.header.steps; }

  /** Whether the state of a recorded step is here. */
  has(index) { return this.views[index] !== undefined; }

  /** The parameters at a recorded step, always the same object, not to be written to; throws where it is not here. */
  theta(index) {
    const theta = this.views[index];
    if (!theta) throw new RangeError(`the state of step ${this.steps[index]} is not here yet`);
    return theta;
  }

  /** Fetch the piece that a step is in; resolves when it is here. */
  load(index) {
    if (this.has(index)) return Promise.resolve();
    const { each } = this.header.states, number = Math.floor(index / each);
    if (!this.coming.has(number)) {
      const arrived = this.source.piece(number, this.header)
        .then((states) => this.take(number * each, states))
        .finally(() => this.coming.delete(number));
      this.coming.set(number, arrived);
    }
    return this.coming.get(number);
  }

  /** Fetch all states piece by piece, that of a step before all others. */
  async loadAll(first = 0) {
    await this.load(first);
    for (let i = 0; i < this.steps.length; i += this.header.states.each) await this.load(i);
  }

  /** Call fn whenever states arrive or the training goes on; returns what ends it. */
  onProgress(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Go on with more steps of a live training and their states: {steps, epochs, rate, curves}, Float32Array. */
  append({ steps, epochs = [], rate = [], curves = null }, states) {
    const { header } = this, first = header.steps.length;
    header.steps.push(...steps);
    header.epochs.push(...epochs);
    header.batch?.rate?.push?.(...rate);
    if (curves) Object.assign(header.curves, curves);
    this.take(first, states);
  }

  take(first, states) {
    const { count } = this.header;
    for (let i = 0; i * count < states.length; i++) this.views[first + i] ??= states.subarray(i * count, (i + 1) * count);
    for (const listener of [...this.listeners]) listener(this);
  }

  /** The index of an example by its part and its number there; one that is not carried is fetched. */
  async exampleAt(part, row) {
    const { about } = this.examples;
    const carried = about.rows.findIndex((one, i) => one === row && about.part[i] === part);
    if (carried >= 0) return carried;
    const { X, Y, cells } = await this.source.example(part, row);
    return this.examples.add({ x: floatsFrom(X), y: floatsFrom(Y), part, row, cells });
  }
}

// The examples that a recording carries; of none there are inputs of 0, so that there is a pass to show.
function examplesOf({ examples: about, network: { sizes } }) {
  if (!about) {
    const zeros = new Float32Array(sizes[0]);
    return { about: null, carried: 0, count: 0, x: () => zeros, y: () => null };
  }
  const rows = (text, width) => {
    const block = floatsFrom(text);
    return Array.from({ length: about.count }, (_, i) => block.subarray(i * width, (i + 1) * width));
  };
  const [x, y] = [rows(about.X, sizes[0]), rows(about.Y, sizes.at(-1))];
  return {
    about, carried: about.count, x: (i) => x[i], y: (i) => y[i],
    get count() { return about.count; },
    add(one) {
      x.push(one.x);
      y.push(one.y);
      about.rows.push(one.row);
      about.part.push(one.part);
      about.why.push("chosen by its number");
      about.cells.push(one.cells);
      return about.count++;
    },
  };
}

// ── numbers out of bytes ──

let halves = null; // float32 of every float16

function fromHalves(words) {
  if (!halves) {
    halves = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) {
      const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 32768 ? -1 : 1;
      halves[bits] = sign * (exponent === 31 ? (fraction ? NaN : Infinity)
        : exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
    }
  }
  return Float32Array.from(words, (bits) => halves[bits]);
}

/** Return the states of a piece as float32, from its bytes as the header says that they are. */
export async function unpacked(bytes, { count, dtype, states }) {
  const width = dtype === "float16" ? 2 : 4;
  if (!states.packed) {
    const own = bytes.slice().buffer;
    return width === 2 ? fromHalves(new Uint16Array(own)) : new Float32Array(own);
  }
  const planes = await inflated(bytes), n = planes.length / width;
  const words = width === 2 ? new Uint16Array(n) : new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    let word = planes[i] | (planes[n + i] << 8);
    if (width === 4) word |= (planes[2 * n + i] << 16) | (planes[3 * n + i] << 24);
    words[i] = i < count ? word : word ^ words[i - count];
  }
  return width === 2 ? fromHalves(words) : new Float32Array(words.buffer);
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const floatsFrom = (text) => new Float32Array(fromBase64(text).buffer);

// ── where it comes from ──

/** The source of a page that carries its recording in blocks of its own: a film. */
export function embedded(page) {
  const text = (id) => page.getElementById(id)?.textContent ?? "";
  return {
    header: async () => JSON.parse(text("whygrad-header")),
    piece: (number, header) => unpacked(fromBase64(text(`whygrad-states-${number}`)), header),
  };
}

/** What is thrown where there is no server any more. */
export class Unanswered extends Error {
  constructor() {
    super("the studio does not answer any more: start it again with whygrad studio");
  }
}

/** A function that fetches what is at a path below an address; it throws where that is refused, or nobody answers. */
export function fetcher(base, ask = fetch) {
  return async (path, more = {}) => {
    const answer = await ask(`${base.replace(/\/$/, "")}/${path}`, { credentials: "same-origin", ...more })
      .catch(() => { throw new Unanswered(); });
    if (!answer.ok) throw new Error(`${path || "the page"}: ${answer.status}`);
    return answer;
  };
}

/** The source of a recording on a server, below an address: header.json, news.json?after=100 of a training that goes
 * on, and states?from=0&to=100, float32. */
export function served(base, ask = fetch) {
  const got = fetcher(base, ask), json = async (path) => checked(await (await got(path)).json());
  const states = async (from, to) => new Float32Array(await (await got(`states?from=${from}&to=${to}`)).arrayBuffer());
  return {
    header: () => json("header.json"),
    news: (after) => json(`news.json?after=${after}`),
    example: (part, row) => json(`example?part=${encodeURIComponent(part)}&row=${row}`),
    states,
    piece: (number, { states: { each }, steps }) => states(number * each, Math.min((number + 1) * each, steps.length)),
  };
}

function checked(found) {
  if (found.error) throw new Error(found.error);
  return found;
}
