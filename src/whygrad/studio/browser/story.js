// One step of backpropagation as moments of a film: what happens, in words that follow from the numbers alone.
//
// The example's own plain gradient step, θ ← θ − η ∂C/∂θ, is shown from the question to the answer afterwards.
// What the run itself did until its next recorded step is said beside it, where that is known: its optimizer, its
// batches and its penalties are its own. One unit of each layer is followed, so that what is said of one moment
// is heard of again in the next.

import {
  activationEquation, blameEquation, blamesOn, clippingEquation, costAgainEquation, costEquation, gradientAt, gradientEquation, isClipped, largestProducts, passedWith, reactionsOf, sentTo, stepEquation, sumEquation, termsOf, trueClass, weightOf,
} from "./equation.js";
import { indexOf, isCanonical, slopesOf } from "./model.js";
import { classSaid } from "./surface.js";
import { capital, counted, inOwnUnits, listed, nameOfUnit, percent, said, standardisedSaid } from "./words.js";

const DOES = {
  identity: "z is handed on as it is",
  sigmoid: "sigmoid squeezes z between 0 and 1",
  tanh: "tanh squeezes z between −1 and 1",
  relu: "relu keeps what is above 0, and everything else becomes 0",
  leaky_relu: "leaky relu keeps what is above 0, and lets little through of what is below",
  elu: "elu keeps what is above 0, and what is below ends softly",
  selu: "selu stretches what is above 0 a little, and what is below ends softly",
  gelu: "gelu keeps most of what is above 0, and hardly anything of what is far below",
  silu: "silu keeps most of what is above 0, and hardly anything of what is far below",
  softplus: "softplus is almost 0 far below 0, and almost z far above",
  exp: "exp takes e to the power of z",
  softmax: "softmax turns all z together into shares of certainty that add up to 1",
};

const GRADES = {
  squared_error: "It is half the square of what the answer is off.",
  absolute_error: "It is how far the answer is off.",
  huber: "It is half the square of small misses, and grows evenly with large ones.",
  poisson: "It asks how unlikely the true count is if this answer is what to expect.",
  cross_entropy: "The less sure of the truth, the more it costs.",
  binary_cross_entropy: "The less sure of the truth, the more it costs.",
};

const SHORTER = 40; // halvings of η that are tried where a step was too long

// What is told: `pass` of the example before, `rate` η of the plain step, and of the run its name of the optimizer,
// how many examples its batches have, and `ran`, its θ at the next recorded step, `steps` steps later, or null.
export function storyOf({ header, pass, rate, from = 0, optimizer = "", batch = 0, ran = null, steps = 1 }) {
  const { model } = pass, L = model.L;
  if (![pass.cost, ...pass.a[L], ...pass.delta.slice(1).flatMap((layer) => Array.from(layer))].every(Number.isFinite))
    return null;
  const after = steppedBy(pass, rate);
  const story = { header, pass, rate, from, optimizer, batch, ran, steps, after, cast: castOf(pass),
    truth: trueClass(pass), again: passedWith(pass, after) };
  story.moments = [question(story)];
  for (let l = 1; l <= L; l++) story.moments.push(forwards(story, l));
  story.moments.push(graded(story), outputsBlamed(story));
  for (let l = L - 1; l > 0; l--) story.moments.push(hiddenBlamed(story, l));
  story.moments.push(gathered(story));
  if (isClipped(pass)) story.moments.push(bounded(story));
  story.moments.push(updated(story), again(story));
  return story;
}

function steppedBy({ theta, step }, rate) {
  return Float64Array.from(theta, (value, i) => value - rate * step[i]);
}

// The unit of each layer that is followed: from the output down the one through which most flows.
function castOf(pass) {
  const { model, a, delta } = pass, L = model.L, cast = [best(delta[L])];
  for (let l = L - 1; l > 0; l--) {
    const shares = sharesOf(pass, l + 1, cast[0]), parts = shares.map((share, k) => share * a[l][k]);
    cast.unshift(best([parts, shares, a[l]].find((of) => of.some(Boolean)) ?? parts));
  }
  const sent = sentTo(pass, 1, cast[0]);
  cast.unshift(best(sent.some(Boolean) ? sent : sent.map((_, k) => weightOf(pass, 1, cast[1] ?? cast[0], k))));
  return cast;
}

// What a unit passes back to each unit below, W δ f′(z).
export function sharesOf(pass, l, j) {
  const slopes = reactionsOf(pass, l - 1);
  return Float64Array.from(pass.a[l - 1], (_, k) => weightOf(pass, l, j, k) * pass.delta[l][j] * (slopes ? slopes[k] : 1));
}

function best(values) {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i]) > Math.abs(values[at])) at = i;
  return at;
}

// ── names and answers ──

const name = ({ header, from }, l, j) => {
  const plain = nameOfUnit(header, l, j, from);
  return l === header.network.sizes.length - 1 && header.classes?.length === header.network.sizes[l] ? `“${plain}”` : plain;
};

const knownClasses = ({ header, pass, from }) => {
  const many = pass.y.length > 1 ? pass.y.length : 2;
  return Array.from({ length: many }, (_, m) => (header.classes?.[m] !== undefined ? `“${header.classes[m]}”`
    : pass.y.length > 1 ? nameOfUnit(header, pass.model.L, m, from) : String(m)));
};

const sure = (a, t) => (a.length > 1 ? a[t] : t ? a[0] : 1 - a[0]);
const inUnits = ({ header }, m, value) => said(inOwnUnits(header.outputs?.[m], value));

// Two numbers with as many digits as it takes to tell them apart.
export function apart(p, q) {
  let digits = 3;
  while (digits < 12 && p !== q && said(p, digits) === said(q, digits)) digits += 1;
  return [said(p, digits), said(q, digits)];
}

// ── forward ──

function question(story) {
  const { pass, header, truth } = story, x = pass.x;
  let told;
  if (header.shape) told = `an image of ${header.shape[0]} × ${header.shape[1]} pixels`;
  else {
    const most = largestProducts(x, 4), rest = x.length - most.length;
    told = most.map((k) => `${name(story, 0, k)} = ${said(inOwnUnits(header.inputs?.[k], x[k]))}`).join(", ");
    if (rest > 0) told += `, and ${counted(rest, "more number")}`;
  }
  const scaled = !header.shape && header.inputs?.some((column) => column.mean || (column.scale ?? 1) !== 1);
  const inside = scaled ? " Inside, each column is counted from its mean in steps of its usual spread." : "";
  const task = truth === null ? `say ${listed(Array.from(pass.y, (_, m) => name(story, pass.model.L, m)), 4)}`
    : `say which class it is: ${listed(knownClasses(story), 4, "or")}`;
  return { phase: "forward", kind: "question", l: 0, seconds: 3, title: "The question", equations: [],
    words: `One example drops into the inputs: ${told}.${inside} The network is to ${task}.`,
    lit: header.shape ? [] : largestProducts(x, 4).map((k) => `0:${k}`) };
}

function forwards(story, l) {
  const { pass, cast, from } = story, L = pass.model.L, j = cast[l], f = pass.model.f[l].family;
  const below = l === 1 ? "input" : L === 2 ? "hidden unit" : `unit of layer ${l - 1}`;
  const one = pass.a[l].length === 1, who = l === L ? "output" : "hidden unit";
  const does = DOES[f] ?? `${f.replaceAll("_", " ")} turns z into a`;
  const first = l === 1 ? `${one ? "The" : "Every"} ${who} hears what each ${below} says, times the weight on their line, adds it all up, and adds its own bias: z.`
    : `${one ? "The" : "Every"} ${who} does the same with what it hears from each ${below}.`;
  const mask = pass.masks?.[l];
  const silent = l < L ? Array.from(pass.a[l]).filter((a, i) => a === 0 && mask?.[i] !== 0).length : 0;
  const quiet = silent ? ` ${silent === pass.a[l].length ? (silent === 1 ? "It is" : "All of them are") : `${counted(silent, "unit")} of ${said(pass.a[l].length)} ${silent === 1 ? "is" : "are"}`} silent: a = 0.` : "";
  const says = `Then ${does}. ${capital(name(story, l, j))} has z = ${said(pass.z[l][j])}, so it says ${said(pass.a[l][j])}.`;
  const answer = l === L ? ` ${answerOf(story, pass.a[L])}` : "";
  const products = sentTo(pass, l, j), inputs = l === 1 ? standardisedSaid(story.header, pass.x, termsOf(pass, 1, j, cast[0])) : "";
  return { phase: "forward", kind: "forward", l, seconds: 5,
    title: l === L ? "The answer" : L === 2 ? "The hidden units add up and react" : `Layer ${l} adds up and reacts`,
    words: `${first} ${says}${inputs && ` ${inputs}`}${leftOut(story, l)}${quiet}${answer}`,
    equations: [sumEquation(pass, l, j, { from, kept: cast[l - 1] }), activationEquation(pass, l, j, { from })],
    lit: [`${l}:${j}`, ...largestProducts(products, 4, cast[l - 1]).map((k) => `${l}:${j},${k}`)] };
}

// The units that dropout silences for this example at this step, by name.
function leftOut(story, l) {
  const mask = story.pass.masks?.[l];
  if (!mask) return "";
  const gone = Array.from(mask.keys()).filter((j) => mask[j] === 0), kept = Math.max(...mask);
  if (!gone.length) return ` Dropout leaves no unit out at this step, and counts each ${said(kept)} times.`;
  const others = kept ? `, and counts the others ${said(kept)} times` : "";
  return ` Dropout leaves out ${listed(gone.map((j) => name(story, l, j)), 5)} at this step${others}.`;
}

function answerOf(story, a) {
  const { truth, pass } = story, L = pass.model.L;
  if (truth === null) {
    const m = story.cast[L], rest = a.length - 1;
    return `The answer is ${name(story, L, m)} = ${inUnits(story, m, a[m])}${rest ? `, with ${counted(rest, "other output")} beside it` : ""}.`;
  }
  const m = classSaid(a, false, story.header.threshold).one;
  return `The answer is ${knownClasses(story)[m]}, ${percent(sure(a, m))} sure.`;
}

function graded(story) {
  const { pass, truth, header, from } = story, L = pass.model.L, a = pass.a[L];
  let compared;
  if (truth !== null) {
    const right = truth === classSaid(a, false, header.threshold).one;
    compared = `The truth is ${knownClasses(story)[truth]}. The network was ${right ? "right, and" : "wrong: it was only"} ${percent(sure(a, truth))} sure of it.`;
  } else {
    const m = story.cast[L], off = a[m] - pass.y[m];
    compared = `The truth of ${name(story, L, m)} is ${inUnits(story, m, pass.y[m])}, the answer was ${inUnits(story, m, a[m])}: ` +
      `${off === 0 ? "exactly right" : `${said(Math.abs(off) * (header.outputs?.[m]?.scale ?? 1))} too ${off > 0 ? "high" : "low"}`}.`;
  }
  const grade = GRADES[pass.costName] ? ` ${GRADES[pass.costName]}` : "";
  const { l1 = 0, l2 = 0 } = header.penalties ?? {};
  const penalised = l1 || l2 ? " In the run, large weights cost something on top; this is the grade of the example alone." : "";
  return { phase: "cost", kind: "cost", l: L, seconds: 4, title: "The grade",
    words: `${compared} The grade is the cost C, the larger, the worse.${grade} This answer costs ${said(pass.cost)}.${penalised}`,
    equations: [costEquation(pass, { from })],
    lit: truth !== null && a.length > 1 ? [`${L}:${truth}`] : Array.from(a, (_, m) => `${L}:${m}`).slice(0, 6) };
}

// ── backward ──

function wish(story, l, j) {
  const { pass } = story, lower = pass.delta[l][j] > 0, slopes = slopesOf(pass.model, l, pass.z[l]);
  if (slopes && slopes[j] < 0) return `its z should have been ${lower ? "lower" : "higher"}`;
  return `it should have said ${lower ? "less" : "more"}`;
}

function outputsBlamed(story) {
  const { pass, cast, from, truth } = story, L = pass.model.L, j = cast[L], delta = pass.delta[L][j];
  let told;
  if (!Array.from(pass.delta[L]).some(Boolean)) told = "But here there is no blame: to first order, the grade does not change with z.";
  else if (isCanonical(pass.model))
    told = `${capital(name(story, L, j))} said ${said(pass.a[L][j])} where ${said(pass.y[j])} was right. The difference is its blame, δ = ${said(delta)}: ${wish(story, L, j)}.`;
  else told = `The blame δ of ${name(story, L, j)} is how much the grade changes with its z: ${said(delta)}, so ${wish(story, L, j)}.`;
  const one = pass.y.length === 1;
  return { phase: "backward", kind: "blame", l: L, seconds: 4, title: `Who is to blame? The output${one ? "" : "s"}`,
    words: `Now the way back: ${one ? "the output" : "the outputs"} gave the answer. ${told}`,
    equations: [blameEquation(pass, L, j, { from })],
    lit: [...new Set([j, ...(truth !== null && !one ? [truth] : [])])].map((m) => `${L}:${m}`) };
}

function hiddenBlamed(story, l) {
  const { pass, cast, from } = story, L = pass.model.L, k = cast[l], delta = pass.delta[l][k];
  const products = blamesOn(pass, l, k), slopes = slopesOf(pass.model, l, pass.z[l]);
  const first = l === L - 1 ? "Who listened passes blame back along the lines: weight times blame, times how much the unit still reacts, its slope f′(z)."
    : "The blame goes on in the same way: weight times blame, times the slope.";
  const most = products.length > 1 ? `, the largest share from ${name(story, l + 1, best(products))}` : "";
  const one = delta ? `${capital(name(story, l, k))} gets δ = ${said(delta)}${most}: ${wish(story, l, k)}.` : `To ${name(story, l, k)} comes none of it.`;
  const mask = pass.masks?.[l], off = slopes ? Array.from(slopes).filter((slope, i) => slope === 0 && mask?.[i] !== 0).length : 0;
  const gone = mask ? mask.filter((factor) => factor === 0).length : 0;
  const spared = (off ? ` No blame sticks to ${counted(off, "unit")} whose slope is 0.` : "")
    + (gone ? ` ${capital(counted(gone, "unit"))} that dropout left out ${gone === 1 ? "is" : "are"} not blamed.` : "");
  const smaller = vanished(pass, l);
  return { phase: "backward", kind: "blame", l, seconds: 5, title: `Who is to blame? ${L === 2 ? "The hidden units" : `Layer ${l}`}`,
    words: `${first} ${one}${spared}${smaller}`, equations: [blameEquation(pass, l, k, { from, kept: cast[l + 1] })],
    lit: [`${l}:${k}`, ...largestProducts(products, 4, cast[l + 1]).map((j) => `${l + 1}:${j},${k}`)] };
}

const normOf = (values) => Math.hypot(...values);

// Whether a hundredth or less of the blame arrives: vanishing gradients, by their number.
function vanished(pass, l) {
  const below = normOf(pass.delta[l]), above = normOf(pass.delta[pass.model.L]);
  return below > 0 && below * 100 <= above ? ` Of the blame at the outputs, only ${said(below / above)} arrives here.` : "";
}

function gathered(story) {
  const { pass, from } = story, part = followed(story), { l, j, k } = part;
  const g = gradientAt(pass, l, j, k), way = g > 0 ? "become smaller" : g < 0 ? "grow" : "stay as it is";
  return { phase: "gradients", kind: "gather", l, seconds: 5, title: "What every weight did",
    words: `What was sent along a line, times the blame of who listened, is the gradient of its weight: how fast the grade gets worse as it grows. ` +
      `${capital(name(story, l - 1, k))} → ${name(story, l, j)}: ${said(g)}, so it should ${way}. A bias counts as a sender that always says 1.`,
    equations: [gradientEquation(pass, l, j, k, { from })],
    lit: [`${l - 1}:${k}`, `${l}:${j},${k}`, `${l}:${j}`], part };
}

// Only where the plan clips and this gradient is beyond its bounds.
function bounded(story) {
  const { clip: { norm, value, scale, length, cut } } = story.pass, part = followed(story), { l, j, k } = part;
  const single = cut ? `${capital(counted(cut, "component"))} of the gradient ${cut === 1 ? "is" : "are"} cut to ±${said(value)}. ` : "";
  const whole = scale < 1 ? `All gradients together have the length ${said(length)}, and the run allows ${said(norm)}: clipping leaves ${said(scale)} of each.` : "";
  return { phase: "gradients", kind: "gather", l, seconds: 4, title: "The gradient is clipped", words: `${single}${whole}`.trim(),
    equations: scale < 1 ? [clippingEquation(story.pass)] : [], lit: [`${l}:${j},${k}`], part };
}

// The weight between followed units with the largest gradient; that of the last layer where all are 0.
function followed({ pass, cast }) {
  let found = null, size = -1;
  for (let l = 1; l <= pass.model.L; l++) {
    const value = Math.abs(gradientAt(pass, l, cast[l], cast[l - 1]));
    if (value >= size) [found, size] = [{ l, j: cast[l], k: cast[l - 1] }, value];
  }
  return found;
}

// ── the update, and afterwards ──

function updated(story) {
  const { pass, after, rate, from, ran, optimizer, batch, steps } = story;
  const part = followed(story), i = indexOf(pass.model, part);
  const line = `${capital(name(story, part.l - 1, part.k))} → ${name(story, part.l, part.j)}`;
  const [was, is] = apart(pass.theta[i], after[i]);
  let words = `Every weight and bias takes a step against its ${isClipped(pass) ? "clipped " : ""}gradient, on this example alone: a plain gradient step with η = ${said(rate)}. `;
  if (after[i] !== pass.theta[i]) words += `${line}: ${was} becomes ${is}.`;
  else words += Array.from(after).some((value, at) => value !== pass.theta[at]) ? `${line} stays ${was}.` : "This time nothing changes: nobody was to blame.";
  if (ran) {
    const [before, then] = apart(pass.theta[i], ran[i]);
    const over = batch > 1 ? ` over ${said(batch)} examples a step` : "";
    const until = steps > 1 ? `in the ${said(steps)} steps to the next one recorded` : "in its next step";
    words += ` The run itself went by ${optimizer || "its own rule"}${over}: ${until}, ` +
      `${before === then ? `this weight stayed ${before}` : `this weight went from ${before} to ${then}`}.`;
  }
  return { phase: "update", kind: "update", l: part.l, seconds: 5, title: "What is changed", words,
    equations: [stepEquation(pass, part, rate, after, { from })],
    lit: [`${part.l}:${part.j},${part.k}`, `${part.l}:${part.j}`], part };
}

function verdictOf(before, after) {
  return !Number.isFinite(after) ? "no answer" : after < before ? "better" : after > before ? "worse" : "the same";
}

function again(story) {
  const { pass, rate, truth, again: now, ran } = story, L = pass.model.L, verdict = verdictOf(pass.cost, now.cost);
  const base = { phase: "again", kind: "again", l: L, seconds: 5, verdict, equations: [],
    lit: [`${L}:${truth !== null && pass.y.length > 1 ? truth : story.cast[L]}`], title: `The same question again: ${verdict}` };
  if (verdict === "no answer")
    return { ...base, words: "With the new weights the numbers grow beyond all bounds: the step was too long, and there is no answer any more." };
  const [was, is] = apart(pass.cost, now.cost);
  let words = `${compared(story)} The grade goes from ${was} to ${is}: ${verdict}.`;
  if (verdict === "the same") words = `${compared(story)} The grade stays ${was}.`;
  if (verdict === "worse") words += shorter(pass, rate);
  if (ran) words += ` ${ranOn(story)}`;
  return { ...base, words, equations: [costAgainEquation(pass.cost, now.cost)] };
}

function compared(story) {
  const { pass, again: now, truth } = story, L = pass.model.L;
  if (truth !== null) {
    const [was, is] = [pass, now].map(({ a }) => percent(sure(a[L], truth)));
    return was === is ? `It was ${was} sure of the truth, ${knownClasses(story)[truth]}, and so it is now.`
      : `It was ${was} sure of the truth, ${knownClasses(story)[truth]}, and now it is ${is} sure.`;
  }
  const m = story.cast[L], scale = (value) => inOwnUnits(story.header.outputs?.[m], value);
  const [was, is] = apart(scale(pass.a[L][m]), scale(now.a[L][m]));
  const moved = was === is ? "stays" : `was ${was} and now is`;
  return `${capital(name(story, L, m))} ${moved} ${is}; the truth is ${inUnits(story, m, pass.y[m])}.`;
}

// Why a plain step can make it worse: it was too long, which a shorter one proves.
function shorter(pass, rate) {
  for (let half = 1, eta = rate / 2; half <= SHORTER; half++, eta /= 2) {
    const { cost } = passedWith(pass, steppedBy(pass, eta));
    if (cost < pass.cost) {
      const [, then] = apart(pass.cost, cost);
      return ` The step was too long. The same way with η = ${said(eta)}, it is ${then}: better.`;
    }
  }
  return "";
}

function ranOn({ pass, ran, steps, batch }) {
  const { cost } = passedWith(pass, ran), verdict = verdictOf(pass.cost, cost);
  const [, then] = apart(pass.cost, cost), where = steps > 1 ? "At its next recorded step" : "After its next step";
  if (verdict === "no answer") return `${where}, the run itself had no answer any more.`;
  const other = verdict === "worse" && batch > 1 ? " It serves the other examples as well." : "";
  return `${where}, the run itself stood at ${then} for this example: ${verdict}.${other}`;
}
