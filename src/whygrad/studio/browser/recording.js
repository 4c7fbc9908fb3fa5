// A recorded training as the page holds it: its header, and the parameters of each recorded step, piece by piece.
//
//   openRecording(embedded(document))   from the blocks of a film's own page
//   openRecording(served("runs/a/"))    from a server: header.json, then states/0, states/1 …
//
// A piece holds some states one after the other, little-endian. Where it is packed, each number is that of the state
// before it xor its own, all first bytes stand before all second ones, and the whole is deflated: numbers that hardly
// change hardly take room.

import { makeModel } from "./model.js";

/** Open a recording; its pieces may still be on their way. */
export async function openRecording(source) {
  const header = await source.header();
  return new Recording(source, header, await source.examples(header));
}

class Recording {
  constructor(source, header, { X, Y }) {
    Object.assign(this, { source, header, steps: header.steps, model: makeModel(header.network) });
    this.pieces = new Map(); // number → Float32Array of its states
    this.views = []; // index → the state's own view, so that equal states are the same object
    this.coming = new Map();
    this.listeners = new Set();
    this.examples = examplesOf(header, X, Y);
  }

  /** Whether the state of a recorded step is here. */
  has(index) { return this.pieces.has(this.pieceOf(index)); }

  /** The parameters at a recorded step, a view that must not be written to; throws where it is not here. */
  theta(index) {
    const number = this.pieceOf(index), piece = this.pieces.get(number);
    if (!piece) throw new RangeError(`the state of step ${this.steps[index]} is not here yet`);
    const { count, states } = this.header, at = (index - number * states.each) * count;
    return (this.views[index] ??= piece.subarray(at, at + count));
  }

  /** Fetch the piece that a step is in; resolves when it is here. */
  load(index) {
    const number = this.pieceOf(index);
    if (this.pieces.has(number)) return Promise.resolve();
    if (!this.coming.has(number)) {
      const arrived = this.source.piece(number, this.header).then((piece) => {
        this.pieces.set(number, piece);
        this.coming.delete(number);
        for (const listener of [...this.listeners]) listener(this);
      }, (error) => { this.coming.delete(number); throw error; });
      this.coming.set(number, arrived);
    }
    return this.coming.get(number);
  }

  /** Fetch all pieces one after the other, that of `first` before all. */
  async loadAll(first = 0) {
    await this.load(first);
    for (let i = 0; i < this.steps.length; i += this.header.states.each) await this.load(i);
  }

  /** Call fn whenever a piece arrives or the header grows; returns what ends it. */
  onProgress(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Take the header of a training that went on; what was loaded of it stays, but for the last piece, which grew. */
  grow(header) {
    const last = this.pieceOf(this.steps.length - 1), first = last * this.header.states.each;
    if (header.steps.length !== this.steps.length && this.steps.length % this.header.states.each) {
      this.pieces.delete(last);
      this.views.length = Math.min(this.views.length, first);
    }
    Object.assign(this.header, header);
    this.steps = this.header.steps;
    for (const listener of [...this.listeners]) listener(this);
  }

  pieceOf(index) { return Math.floor(index / this.header.states.each); }
}

function examplesOf(header, X, Y) {
  const about = header.examples;
  if (!about) return null;
  const n = header.network.sizes[0], m = header.network.sizes.at(-1), { count } = about;
  const rows = (block, width) => Array.from({ length: count }, (_, i) => block.subarray(i * width, (i + 1) * width));
  const all = { X: rows(X, n), Y: rows(Y, m), s: about.weights ?? null };
  return {
    count, start: about.start, all,
    x: (i) => all.X[i], y: (i) => all.Y[i],
    row: (i) => about.rows[i], part: (i) => about.part[i], why: (i) => about.why[i], cells: (i) => about.cells?.[i] ?? null,
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

// ── where it comes from ──

/** The source of a page that carries its recording in blocks of its own: a film. */
export function embedded(page) {
  const text = (id) => page.getElementById(id)?.textContent ?? "";
  const numbers = (id) => new Float32Array(fromBase64(text(id)).buffer);
  return {
    header: async () => JSON.parse(text("whygrad-header")),
    examples: async () => ({ X: numbers("whygrad-x"), Y: numbers("whygrad-y") }),
    piece: (number, header) => unpacked(fromBase64(text(`whygrad-states-${number}`)), header),
  };
}

/** The source of a recording on a server, below an address: header.json, examples/x, examples/y, states/0 … */
export function served(base, ask = fetch) {
  const got = async (path) => {
    const answer = await ask(new URL(path, new URL(base, location.href)), { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer;
  };
  const bytes = async (path) => new Uint8Array(await (await got(path)).arrayBuffer());
  return {
    header: async () => (await got("header.json")).json(),
    examples: async (header) => (header.examples
      ? { X: new Float32Array((await bytes("examples/x")).buffer), Y: new Float32Array((await bytes("examples/y")).buffer) } : {}),
    piece: async (number, header) => unpacked(await bytes(`states/${number}?of=${header.steps.length}`), header),
  };
}
