const round = model.dtype === "float32" ? Math.fround : (x) => x;
const numbers = (list) => (model.dtype === "float32" ? Float32Array : Float64Array).from(list);
const layers = model.layers.map((layer) => ({ ...layer, W: numbers(layer.W), b: numbers(layer.b) }));
const codes = model.columns.map((column) => new Map(column.codes));

// GELU without the error function: max(z, 0) - |z| P(t) exp(-z²/2).
function gelu(z) {
  const size = Math.abs(z);
  const t = (size - model.gelu.middle) / (size + model.gelu.middle);
  const P = model.gelu.P.reduce((sum, coefficient) => sum * t + coefficient, 0);
  return Math.max(z, 0) - size * P * Math.exp((-z * z) / 2);
}

const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const SELU = model.selu;

const activations = {
  identity: (z) => z,
  sigmoid,
  tanh: Math.tanh,
  relu: (z) => (z < 0 ? 0 : z),
  leaky_relu: (z, slope) => (z < 0 ? slope * z : z),
  elu: (z, alpha) => (z < 0 ? alpha * Math.expm1(z) : z),
  selu: (z) => SELU.scale * (z < 0 ? SELU.alpha * Math.expm1(z) : z),
  gelu,
  gelu_tanh: (z) => (z / 2) * (1 + Math.tanh(model.gelu.scale * (z + model.gelu.cubic * z ** 3))),
  silu: (z) => z * sigmoid(z),
  softplus,
  sharp_softplus: (z, beta, threshold) => (beta * z > threshold ? z : softplus(beta * z) / beta),
  clipped: (z, low, high) => Math.min(Math.max(z, low), high),
  celu: (z, alpha) => (z < 0 ? alpha * Math.expm1(z / alpha) : z),
  mish: (z) => z * Math.tanh(softplus(z)),
  softsign: (z) => z / (1 + Math.abs(z)),
  exp: Math.exp,
  softmax: (z) => z,
};

function softmax(z) {
  const highest = Math.max(...z);
  const e = z.map((one) => round(Math.exp(one - highest)));
  const sum = e.reduce((total, one) => round(total + one), 0);
  return e.map((one) => round(one / sum));
}

// Of several blocks the units of one take the inputs of the same.
function dense({ W, b, f, parameters, blocks }, x) {
  const z = [];
  const inputs = x.length / blocks;
  for (let j = 0; j < b.length; j++) {
    const first = Math.floor((j * blocks) / b.length) * inputs;
    let sum = 0;
    for (let k = 0; k < inputs; k++) sum = round(sum + round(W[j * inputs + k] * x[first + k]));
    z.push(round(activations[f](round(sum + b[j]), ...parameters)));
  }
  return f === "softmax" ? softmax(z) : z;
}

// A year begins in March, so that the leap day ends it; 146097 days are 400 years (Hinnant, 2013).
function civil(days) {
  const floor = Math.floor;
  const shifted = days + 719468;
  const era = floor(shifted / 146097);
  const rest = shifted - era * 146097;
  const leap = floor(rest / 1460) - floor(rest / 36524) + floor(rest / 146096);
  const ofEra = floor((rest - leap) / 365);
  const ofYear = rest - (365 * ofEra + floor(ofEra / 4) - floor(ofEra / 100));
  const march = floor((5 * ofYear + 2) / 153);
  return {
    year: ofEra + era * 400 + (march > 9),
    month: march + 2 - 12 * (march > 9),
    day: ofYear - floor((153 * march + 2) / 5) + 1,
  };
}

const circle = (value, turn) => {
  const angle = (2 * Math.PI * value) / turn;
  return [Math.sin(angle), Math.cos(angle)];
};

const parts = {
  year: (days) => [civil(days).year],
  month: (days) => circle(civil(days).month, 12),
  weekday: (days) => [0, 1, 2, 3, 4, 5, 6].map((k) => +(days + 3 - 7 * Math.floor((days + 3) / 7) === k)),
  day: (days) => [civil(days).day],
  hour: (days, seconds) => circle((seconds - days * 86400) / 3600, 24),
  "day number": (days, seconds) => [seconds / 86400],
};

// A number as z, smoothly clipped, and its shares of the bins between edges, of which the first goes on to -1
// and the last to 2.
function inPieces(value, center, scale, edges) {
  const z = (value - center) / scale;
  const shares = edges.slice(1).map((high, t) => {
    const share = (value - edges[t]) / (high - edges[t]);
    return Math.min(Math.max(share, t === 0 ? -1 : 0), t === edges.length - 2 ? 2 : 1);
  });
  return [z / Math.hypot(1, z / model.pieces.bound), ...shares.map((share) => model.pieces.weight * share)];
}

const scaled = (value, center, scale, edges) =>
  edges.length ? inPieces(value, center, scale, edges) : [(value - center) / scale];

function withFlag(column, missing, found) {
  if (!column.flagged) return found;
  return [...(missing && column.zeroed ? found.map(() => 0) : found), +missing];
}

const isMissing = (value) => value === null || value === undefined || value === "";

function numberOf(column, cell) {
  const value = isMissing(cell) ? NaN : Number(cell);
  const large = Math.abs(value) > column.largest;
  const wrong = large || (column.boolean && value !== 0 && value !== 1);
  return wrong || column.gaps.includes(value) ? NaN : value;
}

const kinds = {
  number(column, cell) {
    const found = scaled(filled(column, cell), column.center, column.scale, column.edges);
    return withFlag(column, Number.isNaN(numberOf(column, cell)), found);
  },
  choice(column, cell, known) {
    const text = isMissing(cell) || Number.isNaN(cell) ? "" : String(cell);
    const place = known.has(text) ? known.get(text) : column.other;
    return Array.from({ length: column.width }, (_, k) => +(k === place));
  },
  date(column, cell) {
    const given = cell instanceof Date ? cell.getTime() / 1000 / column.per : cell;
    const value = isMissing(given) ? NaN : Number(given);
    let seconds = value * column.per;
    const outside = column.low !== null && (seconds < column.low || seconds > column.high);
    const missing = Number.isNaN(value) || outside || column.gaps.includes(value);
    if (missing) seconds = column.fill;
    const days = Math.floor(seconds / 86400);
    const found = column.parts.flatMap((part, k) =>
      parts[part](days, seconds).flatMap((x) =>
        scaled(x, column.centers[k], column.scales[k], column.edges[k]),
      ),
    );
    return withFlag(column, missing, found);
  },
};

function cellOf(row, name, position) {
  if (Array.isArray(row)) return row[position];
  if (!Object.hasOwn(row, name)) throw new Error(`no column ${JSON.stringify(name)}`);
  return row[name];
}

// What a column is filled in with counts where it is missing.
function filled(column, cell) {
  const value = numberOf(column, cell);
  return Number.isNaN(value) ? column.fill : value;
}

const turned = (terms, cells) =>
  terms.reduce((sum, [k, factor]) => sum + factor * filled(model.columns[k], cells[k]), 0);

function inputsOf(row) {
  if (model.columns.length) {
    const cells = model.columns.map((column, k) => cellOf(row, column.name, k));
    return [
      ...model.columns.flatMap((column, k) => kinds[column.kind](column, cells[k], codes[k])),
      ...model.turned.flatMap(({ number, of }) => kinds.number(number, turned(of, cells))),
    ].map(round);
  }
  if (row.length !== model.inputs) throw new Error(`${row.length} inputs: it takes ${model.inputs}`);
  return Array.from(row, round);
}

/** The names of the columns, in order; none where a row is an array of numbers. */
export const columns = model.columns.map((column) => column.name);

/** The classes, in the order of their probabilities. */
export const labels = model.result.labels;

/** Predict one row: an object with a value for each column, or an array in their order. */
export function predict(row) {
  const { kind, values, threshold, shares, divided, center, scale, inverse } = model.result;
  let a = inputsOf(row);
  for (const layer of layers) a = dense(layer, a);
  if (kind === "number") {
    const number = a[0] * scale + center;
    return { value: inverse ? Math[inverse](number) : number };
  }
  if (kind === "several") return { labels: a.map((one) => +(one > threshold)), [values]: a };
  if (kind !== "classes") return { [values]: a };
  let index = 0;
  if (a.length === 1) index = a[0] > threshold ? labels.length - 1 : 0;
  else a.forEach((one, j) => (index = one > a[index] ? j : index));
  if (a.length === 1 && shares) a = [round(1 - a[0]), a[0]];
  if (divided) {
    const sum = a.reduce((total, one) => round(total + one), 0);
    a = a.map((one) => round(one / Math.max(sum, model.tiny)));
  }
  return { label: labels[index], [values]: a };
}

/** Predict rows that whygrad predicted, and return the largest difference; throws where it is too large. */
export function prove() {
  let worst = 0;
  model.proof.rows.forEach((cells, i) => {
    const row = columns.length ? Object.fromEntries(columns.map((name, k) => [name, cells[k]])) : cells;
    const found = predict(row);
    const values = model.result.kind === "number" ? [found.value] : found[model.result.values];
    values.forEach((value, j) => {
      const apart = Math.abs(value - model.proof.expected[i][j]);
      if (!(apart <= worst)) worst = apart;
    });
    const label = model.result.kind === "several" ? found.labels : found.label;
    const expected = model.proof.labels[i];
    if (String(label) !== String(expected)) throw new Error(`${label} where whygrad has ${expected}`);
  });
  if (!(worst <= model.proof.limit)) throw new Error(`it differs from whygrad by ${worst}`);
  return worst;
}
