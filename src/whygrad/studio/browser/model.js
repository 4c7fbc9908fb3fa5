// The network in the browser: forward, backward, cost and gradient by the four equations, as whygrad.nn has them,
// in float64 on the parameters as they are stored. Layer 0 is the input; index 0 of z and delta is null.

const TINY = 2.2250738585072014e-308, EPSILON = 2 ** -52, ALMOST_ONE = 1 - EPSILON / 2; // of float64, as NumPy has them
const SELU = { scale: 1.0507009873554804934193349852946, alpha: 1.6732632423543772848170429916717 };
const GELU = { scale: Math.sqrt(2 / Math.PI), cubic: 0.044715 };

function logistic(z) {
  const e = Math.exp(-Math.abs(z)); // never overflows
  return z >= 0 ? 1 / (1 + e) : e / (1 + e);
}

const softened = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

// The normal distribution's Φ(z): its series about 0, and in the tails Laplace's continued fraction, each to 15 digits.
function normalShare(z) {
  const size = Math.abs(z), density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (size > 3.5) {
    let fraction = 0;
    for (let k = 40; k > 0; k--) fraction = k / (size + fraction);
    const tail = density / (size + fraction);
    return z > 0 ? 1 - tail : tail;
  }
  let term = z, sum = z;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) sum += term *= (z * z) / k;
  return 0.5 + density * sum;
}

// Of every family of activations, with its parameters p: f and f′. Softmax, whose outputs depend on all of z, is apart.
const FAMILIES = {
  identity: { value: (z) => z, slope: () => 1 },
  sigmoid: { value: logistic, slope: (z) => { const a = logistic(z); return a * (1 - a); } },
  tanh: { value: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2 },
  relu: { value: (z) => Math.max(z, z * 0), slope: (z) => (z > 0 ? 1 : 0) },
  leaky_relu: { value: (z, slope) => (z > 0 ? z : slope * z), slope: (z, slope) => (z > 0 ? 1 : slope) },
  elu: { value: (z, alpha) => (z > 0 ? z : alpha * Math.expm1(z)), slope: (z, alpha) => (z > 0 ? 1 : alpha * Math.exp(z)) },
  selu: {
    value: (z) => SELU.scale * (z > 0 ? z : SELU.alpha * Math.expm1(z)),
    slope: (z) => SELU.scale * (z > 0 ? 1 : SELU.alpha * Math.exp(z)),
  },
  gelu: {
    value: (z) => z * normalShare(z),
    slope: (z) => normalShare(z) + (z * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI),
  },
  gelu_tanh: {
    value: (z) => (z / 2) * (1 + Math.tanh(GELU.scale * (z + GELU.cubic * z ** 3))),
    slope: (z) => {
      const t = Math.tanh(GELU.scale * (z + GELU.cubic * z ** 3));
      return (1 + t) / 2 + (z / 2) * (1 - t * t) * GELU.scale * (1 + 3 * GELU.cubic * z * z);
    },
  },
  silu: { value: (z) => z * logistic(z), slope: (z) => { const a = logistic(z); return a * (1 + z * (1 - a)); } },
  softplus: { value: softened, slope: logistic },
  sharp_softplus: {
    value: (z, beta, threshold) => (beta * z > threshold ? z : softened(beta * z) / beta),
    slope: (z, beta, threshold) => (beta * z > threshold ? 1 : logistic(beta * z)),
  },
  clipped: { value: (z, low, high) => Math.min(Math.max(z, low), high), slope: (z, low, high) => (z > low && z < high ? 1 : 0) },
  celu: {
    value: (z, alpha) => (z > 0 ? z : alpha * Math.expm1(z / alpha)),
    slope: (z, alpha) => (z > 0 ? 1 : Math.exp(z / alpha)),
  },
  mish: {
    value: (z) => z * Math.tanh(softened(z)),
    slope: (z) => { const t = Math.tanh(softened(z)); return t + z * (1 - t * t) * logistic(z); },
  },
  softsign: { value: (z) => z / (1 + Math.abs(z)), slope: (z) => 1 / (1 + Math.abs(z)) ** 2 },
  exp: { value: Math.exp, slope: Math.exp },
  softmax: null,
};

const sumOver = (array, term) => {
  let sum = 0;
  for (let j = 0; j < array.length; j++) sum += term(array[j], j);
  return sum;
};
const likeZ = (z, term) => Float64Array.from(z, term);
const inside = (a) => Math.min(Math.max(a, TINY), ALMOST_ONE);
const yLogY = (y) => (y > 0 ? y * Math.log(y) : 0);

// Of every cost: C of outputs a and targets y, and ∂C/∂a of each output.
const COSTS = {
  squared_error: { value: (a, y) => sumOver(a, (v, j) => (v - y[j]) ** 2) / 2, slope: (a, y) => a - y },
  absolute_error: { value: (a, y) => sumOver(a, (v, j) => Math.abs(v - y[j])), slope: (a, y) => Math.sign(a - y) },
  huber: {
    value: (a, y) => sumOver(a, (v, j) => { const r = Math.abs(v - y[j]), near = Math.min(r, 1); return near * (r - near / 2); }),
    slope: (a, y) => Math.min(Math.max(a - y, -1), 1),
  },
  poisson: {
    value: (a, y) => poissonOf(a, y, likeZ(a, (v) => Math.log(Math.max(v, TINY)))),
    slope: (a, y) => 1 - y / Math.max(a, TINY),
  },
  cross_entropy: {
    value: (a, y) => -sumOver(a, (v, j) => y[j] * Math.log(inside(v))),
    slope: (a, y) => -y / inside(a),
  },
  binary_cross_entropy: {
    value: (a, y) => -sumOver(a, (v, j) => y[j] * Math.log(inside(v)) + (1 - y[j]) * Math.log1p(-inside(v))),
    slope: (a, y) => { const p = inside(a); return (p - y) / (p * (1 - p)); },
  },
};

function poissonOf(a, y, logA) {
  return sumOver(a, (v, j) => v - y[j] + yLogY(y[j]) - (y[j] ? y[j] * logA[j] : 0));
}

function softmaxOf(z, a = new Float64Array(z.length)) {
  let highest = -Infinity, sum = 0;
  for (let j = 0; j < z.length; j++) if (!(z[j] <= highest)) highest = z[j];
  for (let j = 0; j < z.length; j++) sum += a[j] = Math.exp(z[j] - highest);
  for (let j = 0; j < z.length; j++) a[j] /= sum;
  return a;
}

function logSoftmax(z) {
  const highest = Math.max(...z), total = Math.log(sumOver(z, (v) => Math.exp(v - highest)));
  return likeZ(z, (v) => v - highest - total);
}

// Output activation and cost taken together, where ∂C/∂a has a pole that f′ takes away: C of (z, y), and δ.
const difference = (z, a, y) => likeZ(a, (v, j) => v - y[j]);
const PAIRS = {
  "identity squared_error": { value: (z, y) => COSTS.squared_error.value(z, y), error: difference },
  "sigmoid binary_cross_entropy": { value: (z, y) => sumOver(z, (v, j) => softened(v) - y[j] * v), error: difference },
  "softmax cross_entropy": {
    value: (z, y) => { const logA = logSoftmax(z); return -sumOver(z, (_, j) => (y[j] ? y[j] * logA[j] : 0)); },
    error: difference,
  },
  "exp poisson": { value: (z, y) => sumOver(z, (v, j) => Math.exp(v) - y[j] + yLogY(y[j]) - y[j] * v), error: difference },
  "softplus poisson": {
    value: (z, y) => poissonOf(likeZ(z, softened), y, likeZ(z, (v) => (v < 0 ? v + Math.log(tailShare(v)) : Math.log(softened(v))))),
    error: (z, a, y) => likeZ(z, (v, j) => {
      const e = Math.exp(-Math.abs(v));
      return (a[j] - y[j]) / ((1 + e) * (v < 0 ? tailShare(v) : a[j])); // σ(z)/a goes to 1 as z to −∞
    }),
  },
  "sigmoid poisson": {
    value: (z, y) => poissonOf(likeZ(z, logistic), y, likeZ(z, (v) => -softened(-v))),
    error: (z, a, y) => likeZ(z, (v, j) => (a[j] - y[j]) * logistic(-v)),
  },
  "softmax poisson": {
    value: (z, y) => poissonOf(softmaxOf(z), y, logSoftmax(z)),
    error: (z, a, y) => { const total = sumOver(y, (v) => v); return likeZ(a, (v, j) => v * total - y[j]); },
  },
  "softmax binary_cross_entropy": {
    value: (z, y) => {
      const logA = logSoftmax(z);
      return -sumOver(z, (_, j) => y[j] * logA[j] + (1 - y[j]) * logWithout(z, logA, j));
    },
    // δₖ = (aₖ − yₖ) − Σ_{j≠k} aₖ/(1 − aⱼ) (aⱼ − yⱼ); 1 − aⱼ is added up from the others, so that none is lost.
    error: (z, a, y) => {
      const n = z.length, logA = logSoftmax(z), rest = likeZ(z, (_, j) => Math.exp(logWithout(z, logA, j)));
      const off = likeZ(z, (_, j) => (a[j] > 0.5 ? 1 - y[j] - rest[j] : a[j] - y[j]));
      const others = Array.from({ length: n }, (_, j) => softmaxOf(likeZ(z, (v, k) => (k === j ? -Infinity : v))));
      return likeZ(z, (_, k) => {
        let delta = off[k];
        for (let j = 0; j < n; j++) if (j !== k) delta -= others[j][k] * off[j];
        return delta;
      });
    },
  },
};

// log(1 + e)/e of e = e^z at z < 0, which is 1 where e is too small to be told from it.
function tailShare(z) {
  const e = Math.exp(z);
  return e < EPSILON ? 1 : Math.log1p(e) / e;
}

// log(1 − aⱼ) of a softmax: of the leader from the sum of the others, so that nothing cancels.
function logWithout(z, logA, j) {
  if (logA[j] < -1) return Math.log1p(-Math.exp(logA[j]));
  let highest = -Infinity, sum = 0;
  for (let k = 0; k < z.length; k++) if (k !== j && z[k] > highest) highest = z[k];
  for (let k = 0; k < z.length; k++) if (k !== j) sum += Math.exp(z[k] - highest);
  return highest + Math.log(sum) - z[j] + logA[j];
}

/** Whether whygrad's browser can compute a network: all of its functions are whygrad's own. */
function canCompute(network) {
  return network.activations.every(({ family }) => family in FAMILIES) && network.cost in COSTS;
}

/** Return a network of a header as the functions here take it; throws for one with functions of the user's own. */
export function makeModel(network) {
  const { sizes, activations, cost } = network, L = sizes.length - 1, places = [0];
  if (!canCompute(network)) throw new Error("this network has functions of the user's own, which only Python can compute");
  for (let l = 1; l <= L; l++) places.push(places[l - 1] + sizes[l] * (sizes[l - 1] + 1));
  const f = [null, ...activations.map(({ family, parameters }) => ({ family, parameters: parameters ?? [], ...FAMILIES[family] }))];
  return {
    sizes, L, f, cost: COSTS[cost], pair: PAIRS[`${f[L].family} ${cost}`], masked: network.masked ?? [],
    canonical: PAIRS[`${f[L].family} ${cost}`]?.error === difference, count: places[L],
    W: (l) => places[l - 1], b: (l) => places[l] - sizes[l],
  };
}

/** The place in θ of a weight, or where k is null of a bias. */
export function indexOf(model, { l, j, k }) {
  return k === null ? model.b(l) + j : model.W(l) + j * model.sizes[l - 1] + k;
}

/** Whether δ of the last layer is simply a − y. */
export const isCanonical = (model) => model.canonical;

function activate(f, z, a) {
  if (f.family === "softmax") return softmaxOf(z, a);
  const { value } = f, [p, q] = f.parameters;
  for (let j = 0; j < z.length; j++) a[j] = value(z[j], p, q);
  return a;
}

/** f′ of layer l at z, unit by unit; null of softmax, whose outputs depend on every z of the layer. */
export function slopesOf(model, l, z) {
  const { family, slope, parameters: [p, q] } = model.f[l];
  return family === "softmax" ? null : likeZ(z, (v) => slope(v, p, q));
}

/** ∂C/∂a of each output. */
export const costSlope = (model, a, y) => likeZ(a, (v, j) => model.cost.slope(v, y[j]));

/** An empty trace of the model, to be filled again and again. */
function emptyTrace({ sizes }) {
  const arrays = () => sizes.map((size, l) => (l ? new Float64Array(size) : null));
  return { z: arrays(), a: arrays() };
}

/** Pass an example x forward: z and a of every layer; `masks` are the factors of dropout, by layer. */
export function forward(model, theta, x, trace = emptyTrace(model), masks = null) {
  trace.a[0] = x;
  trace.masks = masks;
  for (let l = 1; l <= model.L; l++) {
    const below = trace.a[l - 1], z = trace.z[l], n = below.length;
    const b = model.b(l);
    let w = model.W(l);
    for (let j = 0; j < z.length; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += theta[w++] * below[k];
      z[j] = sum + theta[b + j];
    }
    activate(model.f[l], z, trace.a[l]);
    masks?.[l]?.forEach((factor, j) => { trace.a[l][j] *= factor; });
  }
  return trace;
}

/** The cost of the example of a trace, without penalties. */
export function costOf(model, trace, y) {
  return model.pair ? model.pair.value(trace.z[model.L], y) : model.cost.value(trace.a[model.L], y);
}

function outputError(model, trace, y) {
  const { L } = model, z = trace.z[L], a = trace.a[L];
  if (model.pair) return model.pair.error(z, a, y);
  const slope = costSlope(model, a, y);
  if (model.f[L].family === "softmax") {
    const mean = sumOver(a, (v, j) => v * slope[j]);
    return likeZ(a, (v, j) => v * (slope[j] - mean));
  }
  const rise = slopesOf(model, L, z);
  return likeZ(slope, (v, j) => v * rise[j]);
}

/** Pass the error backward: δ of every layer in cost per unit of z, and the cost of the example. */
export function backward(model, theta, trace, y) {
  const delta = new Array(model.L + 1).fill(null);
  delta[model.L] = outputError(model, trace, y);
  for (let l = model.L - 1; l >= 1; l--) {
    const above = delta[l + 1], error = new Float64Array(model.sizes[l]);
    let w = model.W(l + 1);
    for (let i = 0; i < above.length; i++) {
      for (let j = 0; j < error.length; j++) error[j] += theta[w++] * above[i];
    }
    const { slope, parameters: [p, q] } = model.f[l], z = trace.z[l];
    for (let j = 0; j < error.length; j++) error[j] *= slope(z[j], p, q);
    trace.masks?.[l]?.forEach((factor, j) => { error[j] *= factor; });
    delta[l] = error;
  }
  return { delta, cost: costOf(model, trace, y) };
}

/** ∂C/∂θ of the example of a trace; 0 where a layer's mask leaves a weight out. */
export function gradientOf(model, trace, delta) {
  const gradient = new Float64Array(model.count);
  for (let l = 1; l <= model.L; l++) {
    const below = trace.a[l - 1], error = delta[l], b = model.b(l);
    let w = model.W(l);
    for (let j = 0; j < error.length; j++) {
      for (let k = 0; k < below.length; k++) gradient[w++] = error[j] * below[k];
      gradient[b + j] = error[j];
    }
  }
  for (const place of model.masked) gradient[place] = 0;
  return gradient;
}

/** The activations of many inputs: `points` holds them one after the other. One array for each layer, point by point.
 *
 * `into` are arrays of an earlier call to be filled again, of the same number of points. */
export function responses(model, theta, points, into = null) {
  const { sizes, L } = model, count = points.length / sizes[0];
  const found = into ?? [points, ...sizes.slice(1).map((size) => new Float64Array(count * size))];
  found[0] = points;
  for (let l = 1; l <= L; l++) {
    const below = found[l - 1], a = found[l], n = sizes[l - 1], units = sizes[l], first = model.W(l), b = model.b(l);
    const weights = Float64Array.from(theta.subarray(first, b + units)); // once, rather than at every product
    const biases = weights.subarray(units * n);
    for (let p = 0; p < count; p++) {
      const from = p * n, to = p * units;
      for (let j = 0, w = 0; j < units; j++) {
        let sum = biases[j];
        for (let k = 0; k < n; k++) sum += weights[w++] * below[from + k];
        a[to + j] = sum;
      }
    }
    if (model.f[l].family === "softmax") {
      for (let p = 0; p < count; p++) { const row = a.subarray(p * units, (p + 1) * units); softmaxOf(row, row); }
    } else activate(model.f[l], a, a);
  }
  return found;
}
