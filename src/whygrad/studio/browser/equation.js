// The equations of backpropagation with the numbers of one example in them, as MathML.
//
//   zˡⱼ = Σₖ Wˡⱼₖ aˡ⁻¹ₖ + bˡⱼ,  aˡⱼ = f(zˡⱼ),  C,  δˡⱼ,  ∂C/∂Wˡⱼₖ = aˡ⁻¹ₖ δˡⱼ,  ∂C/∂bˡⱼ = δˡⱼ
//
// An equation is `left` and its `sides`, each a list of tokens that go on a line one after the other, so that
// it can be shown bit by bit. Of a long sum the largest products are written out, and the others are one
// number. Whatever speaks of a part carries it as `data-part`, as the picture does. What is computed here are
// sums of what is left out; all other numbers are those of the pass (`passOf`).

import { backward, costOf, costSlope, forward, gradientOf, indexOf, isCanonical, slopesOf } from "./model.js";
import { counted, digitsOf, said } from "./words.js";

const LISTED = 4; // products of a sum that are written out
const FEW = 4; // outputs that are written out one by one
const WIDE = 58; // characters of a line

// ── one example's pass ──

// All that the network makes of one example, and all that it is blamed for, by layer; `costName` as the header has it.
// With `masks` units are left out as dropout does it in training, and `clip` bounds the `step` that is taken.
export function passOf(model, theta, x, y, costName, { masks = null, clip = null } = {}) {
  const trace = forward(model, theta, x, undefined, masks), { delta, cost } = backward(model, theta, trace, y);
  const gradient = gradientOf(model, trace, delta);
  return { model, theta, x, y, costName, ...trace, delta, cost, gradient, ...clipped(gradient, clip) };
}

// A gradient as clipping bounds it, component by component and then by its length: the `step`, by what factor the
// length was scaled, and how many components were cut.
function clipped(gradient, clip) {
  const { norm = null, value = null } = clip ?? {};
  const cut = value === null ? gradient : gradient.map((g) => Math.min(Math.max(g, -value), value));
  const length = norm === null ? 0 : Math.hypot(...cut), scale = length > norm ? norm / length : 1;
  return { step: scale < 1 ? cut.map((g) => g * scale) : cut, clip: { norm, value, scale, length,
    cut: value === null ? 0 : gradient.reduce((count, g) => count + (Math.abs(g) > value), 0) } };
}

export const isClipped = ({ clip }) => Boolean(clip && (clip.scale < 1 || clip.cut));

// How much a hidden layer's units react, by layer: f′(z), times what dropout multiplies them with.
export function reactionsOf(pass, l) {
  const slopes = slopesOf(pass.model, l, pass.z[l]), mask = pass.masks?.[l];
  return mask && slopes ? slopes.map((slope, j) => slope * mask[j]) : slopes;
}

// What the network makes of the same example with other parameters: z, a and the cost.
export function passedWith({ model, x, y, masks }, theta) {
  const trace = forward(model, theta, x, undefined, masks);
  return { ...trace, cost: costOf(model, trace, y) };
}

export function weightOf(pass, l, j, k) {
  return pass.theta[indexOf(pass.model, { l, j, k })];
}

// The largest of some products, in their order, `kept` among them.
export function largestProducts(products, most = LISTED, kept = -1) {
  const order = Array.from(products.keys()).sort((p, q) => Math.abs(products[q]) - Math.abs(products[p]) || p - q);
  const chosen = order.slice(0, most);
  if (kept >= 0 && !chosen.includes(kept)) chosen[chosen.length - 1] = kept;
  return chosen.sort((p, q) => p - q);
}

export function sentTo(pass, l, j) {
  return Float64Array.from(pass.a[l - 1], (a, k) => weightOf(pass, l, j, k) * a);
}

export function blamesOn(pass, l, k) {
  return Float64Array.from(pass.delta[l + 1], (delta, j) => weightOf(pass, l + 1, j, k) * delta);
}

// ── MathML ──

const escapedText = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const mathRow = (...inner) => `<mrow>${inner.join("")}</mrow>`;
const mathSign = (sign) => `<mo form="infix">${sign}</mo>`;
const pointingAt = (part, inner) => (part ? `<mrow data-part="${escapedText(part)}">${inner}</mrow>` : inner);
const spokenName = (name) => name.replaceAll("_", " ");

function mathNumber(value, part = "") {
  const { minus, digits, power } = digitsOf(value, 4);
  const written = /^[\d.,∞]+$/.test(digits) ? `<mn>${digits}</mn>` : `<mtext>${digits}</mtext>`;
  const whole = power ? `${written}<mo>×</mo><msup><mn>10</mn>${mathRow(power < 0 ? "<mo form=\"prefix\">−</mo>" : "", `<mn>${Math.abs(power)}</mn>`)}</msup>` : written;
  return pointingAt(part, minus ? mathRow('<mo form="prefix">−</mo>', whole) : power ? mathRow(whole) : whole);
}

const writtenLength = (value) => said(value, 4).length;
const mathBracketed = (value, part) =>
  value < 0 ? mathRow("<mo stretchy=\"false\">(</mo>", mathNumber(value, part), "<mo stretchy=\"false\">)</mo>") : mathNumber(value, part);

function mathIndex(name, from) {
  return typeof name === "number" ? `<mn>${name + from}</mn>` : `<mi>${name}</mi>`;
}

class Writer {
  constructor(from) {
    this.from = from; // what the first unit of a layer is called, 0 or 1
  }

  letter(name, l, indices, part = "", prime = false) {
    const base = prime ? `<msup><mi>${name}</mi><mo>′</mo></msup>` : `<mi>${name}</mi>`;
    const below = mathRow(indices.map((one) => mathIndex(one, this.from)).join("<mo>,</mo>"));
    const written = l === null ? `<msub>${base}${below}</msub>`
      : `<msubsup>${base}${below}${typeof l === "number" ? `<mn>${l}</mn>` : `<mi>${l}</mi>`}</msubsup>`;
    return pointingAt(part, written);
  }

  weight = (l, j, k) => this.letter("W", l, [j, k], `${l}:${j},${k}`);
  bias = (l, j) => this.letter("b", l, [j], `${l}:${j},bias`);
  unit = (name, l, j) => this.letter(name, l, [j], `${l}:${j}`);
  truth = (L, j) => this.letter("y", null, [j], `${L}:${j}`);
  slope = (l, j) => pointingAt(`${l}:${j}`, mathRow("<msup><mi>f</mi><mo>′</mo></msup><mo stretchy=\"false\">(</mo>", this.letter("z", l, [j]), "<mo stretchy=\"false\">)</mo>"));
  by = (inner) => `<mfrac>${mathRow("<mo>∂</mo><mi>C</mi>")}${mathRow("<mo>∂</mo>", inner)}</mfrac>`;
  over = (name, inner) => mathRow(`<munder><mo>∑</mo><mi>${name}</mi></munder>`, inner);
}

const mathToken = (html, length) => ({ html: mathRow(html), length });

// A product of numbers as a term of a sum; its sign goes before it.
function mathTerm(factors, first) {
  const [[value, part], ...others] = factors;
  const sign = value < 0 ? (first ? '<mo form="prefix">−</mo>' : mathSign("−")) : first ? "" : mathSign("+");
  const inner = [mathNumber(Math.abs(value), part), ...others.map(([v, p]) => `<mo>·</mo>${mathBracketed(v, p)}`)];
  return mathToken(sign + inner.join(""), factors.reduce((sum, [v]) => sum + writtenLength(v) + 3, 0));
}

// What is left out of a sum, as one number.
function othersOf(products, chosen) {
  const rest = products.length - chosen.length;
  if (!rest) return [];
  let value = 0;
  for (let i = 0, at = 0; i < products.length; i++) {
    if (chosen[at] === i) at += 1;
    else value += products[i];
  }
  const words = `\u00a0from ${counted(rest, "other")}`;
  return [mathToken(`${mathSign(value < 0 ? "−" : "+")}${mathNumber(Math.abs(value))}<mtext>${words}</mtext>`,
    writtenLength(value) + words.length + 3)];
}

function enclosedSum(before, tokens) {
  const inside = tokens.map((one) => ({ ...one }));
  if (inside.length < 2) return [...before, mathToken(`<mo>·</mo><mo stretchy="false">(</mo>${inside[0].html}<mo stretchy="false">)</mo>`, inside[0].length + 3)];
  inside[0].html = mathRow('<mo>·</mo><mo stretchy="false">(</mo>', inside[0].html);
  inside.at(-1).html = mathRow(inside.at(-1).html, '<mo stretchy="false">)</mo>');
  return [...before, ...inside];
}

const mathResult = (value, part) => [mathToken(mathNumber(value, part), writtenLength(value))];
const mathSymbols = (html, length = 16) => [mathToken(html, length)];

// Equations as one element, signs of equality below each other, with about `most` characters a line. A side that
// still fits goes on in the line of the one before.
export function mathmlOf(equations, most = WIDE) {
  const equals = '<mo form="infix">=</mo>';
  const rows = equations.flatMap(({ left, sides }) => {
    const lines = [];
    let used = most;
    for (const side of sides) {
      const whole = side.reduce((sum, one) => sum + one.length, 0), fits = used + whole + 3 <= most;
      side.forEach((one, i) => {
        const html = i ? one.html : equals + one.html, next = i ? used + one.length > most : !fits;
        if (next) {
          lines.push(i ? ['<mspace width="1.6em"/>'] : []);
          used = 0;
        }
        lines.at(-1).push(`<mrow class="wgm-token">${html}</mrow>`);
        used += one.length + 3 * !i;
      });
    }
    return lines.map((line, i) => `<mtr><mtd style="text-align:right;padding-right:0">${i ? "" : left}</mtd>` +
      `<mtd style="text-align:left">${mathRow(...line)}</mtd></mtr>`);
  });
  return `<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mtable displaystyle="true">${rows.join("")}</mtable></math>`;
}

// ── forward ──

// What a sum is of, as far as it is written out.
export const termsOf = (pass, l, j, kept = -1) => largestProducts(sentTo(pass, l, j), LISTED, kept);

export function sumEquation(pass, l, j, { from = 0, kept = -1 } = {}) {
  const w = new Writer(from), products = sentTo(pass, l, j), chosen = termsOf(pass, l, j, kept);
  const bias = pass.theta[pass.model.b(l) + j];
  const terms = chosen.map((k, i) => mathTerm([[weightOf(pass, l, j, k), `${l}:${j},${k}`], [pass.a[l - 1][k], `${l - 1}:${k}`]], i === 0));
  return { left: w.unit("z", l, j), sides: [
    mathSymbols(mathRow(w.over("k", mathRow(w.letter("W", l, [j, "k"]), w.letter("a", l - 1, ["k"]))), mathSign("+"), w.bias(l, j))),
    [...terms, ...othersOf(products, chosen), mathTerm([[bias, `${l}:${j},bias`]], false)],
    mathResult(pass.z[l][j], `${l}:${j}`)] };
}

export function activationEquation(pass, l, j, { from = 0 } = {}) {
  const w = new Writer(from), name = pass.model.f[l].family, part = `${l}:${j}`, z = pass.z[l];
  const open = '<mo stretchy="false">(</mo>', close = '<mo stretchy="false">)</mo>';
  if (name === "softmax") {
    const exp = (inner) => mathRow("<mi>exp</mi>", open, inner, close);
    const sides = [mathSymbols(`<mfrac>${mathRow(exp(w.unit("z", l, j)))}${mathRow(w.over("m", exp(w.letter("z", l, ["m"]))))}</mfrac>`)];
    const parts = Float64Array.from(z, Math.exp), chosen = largestProducts(parts, z.length < FEW ? FEW : 2, j);
    const below = chosen.map((m, i) => mathToken((i ? mathSign("+") : "") + exp(mathNumber(z[m], `${l}:${m}`)), writtenLength(z[m]) + 6));
    const every = [...below, ...othersOf(parts, chosen)];
    if (Number.isFinite(parts.reduce((sum, one) => sum + one, 0)))
      sides.push(mathSymbols(`<mfrac>${mathRow(exp(mathNumber(z[j], part)))}${mathRow(...every.map((one) => one.html))}</mfrac>`,
        every.reduce((sum, one) => sum + one.length, 0)));
    return { left: w.unit("a", l, j), sides: [...sides, mathResult(pass.a[l][j], part)] };
  }
  const f = `<mi>${escapedText(spokenName(name))}</mi>`;
  const mask = pass.masks?.[l]; // of dropout: m is 0, or 1/(1 − p)
  const [symbol, factor] = mask ? [`${w.letter("m", l, [j])}<mo>·</mo>`, `${mathNumber(mask[j])}<mo>·</mo>`] : ["", ""];
  return { left: w.unit("a", l, j), sides: [mathSymbols(mathRow(symbol, f, open, w.unit("z", l, j), close)),
    mathSymbols(mathRow(factor, f, open, mathNumber(z[j], part), close)), mathResult(pass.a[l][j], part)] };
}

export function costEquation(pass, { from = 0 } = {}) {
  const w = new Writer(from), { model, y } = pass, L = model.L, a = pass.a[L], t = trueClass(pass);
  const end = mathResult(pass.cost), written = { left: "<mi>C</mi>", sides: [end] };
  const ln = (inner) => mathRow('<mo form="prefix">−</mo><mi>ln</mi><mo stretchy="false">(</mo>', inner, '<mo stretchy="false">)</mo>');
  const off = (m) => mathRow(w.unit("a", L, m), mathSign("−"), w.truth(L, m));
  const square = (inner) => `<msup>${mathRow('<mo stretchy="false">(</mo>', inner, '<mo stretchy="false">)</mo>')}<mn>2</mn></msup>`;
  const half = "<mfrac><mn>1</mn><mn>2</mn></mfrac>";
  if (pass.costName === "squared_error") {
    if (a.length === 1) written.sides.unshift(mathSymbols(mathRow(half, square(off(0)))));
    else written.sides.unshift(mathSymbols(mathRow(half, w.over("m", square(mathRow(w.letter("a", L, ["m"]), mathSign("−"), w.letter("y", null, ["m"])))))));
    if (a.length <= FEW)
      written.sides.splice(1, 0, Array.from(a, (value, m) => mathToken(
        mathRow(m ? mathSign("+") : "", half, square(mathRow(mathNumber(value, `${L}:${m}`), mathSign("−"), mathBracketed(y[m], `${L}:${m}`)))), 22)));
  } else if (pass.costName === "cross_entropy" && t !== null && a.length > 1) {
    written.sides.unshift(mathSymbols(ln(w.unit("a", L, t))), mathSymbols(ln(mathNumber(a[t], `${L}:${t}`))));
  } else if (pass.costName === "binary_cross_entropy" && t !== null && a.length === 1) {
    const of = (inner) => (t ? inner : mathRow("<mn>1</mn>", mathSign("−"), inner));
    written.sides.unshift(mathSymbols(ln(of(w.unit("a", L, 0)))), mathSymbols(ln(of(mathNumber(a[0], `${L}:0`)))));
  } else written.sides.unshift(mathSymbols(`<mtext>${escapedText(spokenName(pass.costName))}</mtext>`));
  return written;
}

// The class that is true, or null where the truth is numbers.
export function trueClass(pass) {
  const { model, y } = pass, last = model.f[model.L].family;
  if (!["cross_entropy", "binary_cross_entropy"].includes(pass.costName) && !["softmax", "sigmoid"].includes(last)) return null;
  if (!Array.from(y).every((value) => value === 0 || value === 1)) return null;
  if (y.length === 1) return y[0];
  const t = Array.from(y).indexOf(1);
  return t >= 0 && Array.from(y).reduce((sum, value) => sum + value, 0) === 1 ? t : null;
}

// ── backward ──

// δ of a unit unfolded by one layer: its factors in symbols and in numbers, as the sides of an equation; with
// what is multiplied with it before, as it is in ∂C/∂W.
function unfolded(pass, l, j, { from = 0, kept = -1 } = {}, before = null) {
  const w = new Writer(from), { model } = pass, part = `${l}:${j}`;
  const lead = before ? [mathToken(`${before.html}<mo>·</mo>`, 4)] : [];
  const number = before ? [mathToken(`${mathNumber(before.value, before.part)}<mo>·</mo>`, writtenLength(before.value) + 1)] : [];
  const open = before ? '<mo stretchy="false">(</mo>' : "", close = before ? '<mo stretchy="false">)</mo>' : "";
  if (l === model.L) {
    if (isCanonical(model))
      return [[...lead, mathToken(mathRow(open, w.unit("a", l, j), mathSign("−"), w.truth(l, j), close), 8)],
        [...number, mathToken(mathRow(open, mathNumber(pass.a[l][j], part), mathSign("−"), mathBracketed(pass.y[j], part), close), 14)]];
    const slopes = slopesOf(model, l, pass.z[l]), costs = costSlope(model, pass.a[l], pass.y);
    if (slopes) return [[...lead, mathToken(mathRow(w.by(w.unit("a", l, j)), "<mo>·</mo>", w.slope(l, j)), 10)],
      [...number, mathToken(mathRow(mathBracketed(costs[j], part), "<mo>·</mo>", mathBracketed(slopes[j], part)), 16)]];
    const a = pass.a[l], products = Float64Array.from(a, (value, m) => costs[m] * value * ((m === j) - a[j]));
    const chosen = largestProducts(products, LISTED, j);
    const terms = chosen.map((m, i) => mathTerm([[costs[m], `${l}:${m}`], [a[m] * ((m === j) - a[j]), `${l}:${m}`]], i === 0));
    const every = [...terms, ...othersOf(products, chosen)];
    const partial = `<mfrac>${mathRow("<mo>∂</mo>", w.letter("a", l, ["m"]))}${mathRow("<mo>∂</mo>", w.unit("z", l, j))}</mfrac>`;
    return [[...lead, mathToken(w.over("m", mathRow(w.by(w.letter("a", l, ["m"])), partial)), 12)],
      before ? enclosedSum([mathToken(mathNumber(before.value, before.part), writtenLength(before.value))], every) : every];
  }
  const products = blamesOn(pass, l, j), chosen = largestProducts(products, LISTED, kept);
  const terms = chosen.map((m, i) => mathTerm([[weightOf(pass, l + 1, m, j), `${l + 1}:${m},${j}`], [pass.delta[l + 1][m], `${l + 1}:${m}`]], i === 0));
  const slope = reactionsOf(pass, l)[j], m = pass.masks?.[l] ? `${w.letter("m", l, [j])}<mo>·</mo>` : "";
  const sum = w.over("m", mathRow(w.letter("W", l + 1, ["m", j]), w.letter("δ", l + 1, ["m"])));
  return [[...lead, mathToken(mathRow(m, w.slope(l, j), "<mo>·</mo>", sum), 14)],
    enclosedSum([...number, mathToken(mathBracketed(slope, part), writtenLength(slope))], [...terms, ...othersOf(products, chosen)])];
}

export function blameEquation(pass, l, j, about = {}) {
  const w = new Writer(about.from ?? 0);
  return { left: w.unit("δ", l, j), sides: [...unfolded(pass, l, j, about), mathResult(pass.delta[l][j], `${l}:${j}`)] };
}

// The chain rule of a weight, δ unfolded one layer on.
function weightEquation(pass, l, j, k, about = {}) {
  const w = new Writer(about.from ?? 0), sent = w.unit("a", l - 1, k), value = pass.a[l - 1][k];
  return { left: w.by(w.weight(l, j, k)), sides: [
    mathSymbols(mathRow(sent, w.unit("δ", l, j)), 5),
    ...unfolded(pass, l, j, about, { html: sent, value, part: `${l - 1}:${k}` }),
    mathResult(gradientAt(pass, l, j, k), `${l}:${j},${k}`)] };
}

function biasEquation(pass, l, j, about = {}) {
  const w = new Writer(about.from ?? 0);
  return { left: w.by(w.bias(l, j)), sides: [mathSymbols(w.unit("δ", l, j), 3), ...unfolded(pass, l, j, about),
    mathResult(pass.delta[l][j], `${l}:${j},bias`)] };
}

// ∂C/∂W in two factors alone.
export function gradientEquation(pass, l, j, k, { from = 0 } = {}) {
  const w = new Writer(from);
  return { left: w.by(w.weight(l, j, k)), sides: [mathSymbols(mathRow(w.unit("a", l - 1, k), w.unit("δ", l, j)), 5),
    [mathTerm([[pass.a[l - 1][k], `${l - 1}:${k}`], [pass.delta[l][j], `${l}:${j}`]], true)],
    mathResult(gradientAt(pass, l, j, k), `${l}:${j},${k}`)] };
}

// ∂C/∂W or, where k is null, ∂C/∂b of this example.
export function gradientAt(pass, l, j, k) {
  return pass.gradient[indexOf(pass.model, { l, j, k })];
}

// ── the update, and afterwards ──

export function stepEquation(pass, part, rate, after, { from = 0 } = {}) {
  const w = new Writer(from), { l, j, k } = part, place = indexOf(pass.model, part);
  const symbol = k === null ? w.bias(l, j) : w.weight(l, j, k), name = k === null ? `${l}:${j},bias` : `${l}:${j},${k}`;
  const g = pass.step[place], of = isClipped(pass) ? mathRow("<mtext>clipped\u00a0</mtext>", w.by(symbol)) : w.by(symbol);
  return { left: mathRow("<mtext>new\u00a0</mtext>", symbol), sides: [
    mathSymbols(mathRow(symbol, mathSign("−"), "<mi>η</mi>", of), 14),
    [mathTerm([[pass.theta[place], name]], true), mathToken(`${mathSign("−")}${mathNumber(rate)}<mo>·</mo>${mathBracketed(g, name)}`, 18)],
    mathResult(after[place], name)] };
}

// By what factor clipping shortens the whole gradient: its greatest length by its length.
export function clippingEquation({ clip: { norm, length, scale } }) {
  return { left: "<mtext>factor</mtext>", sides: [
    mathSymbols("<mfrac><mtext>greatest length</mtext><mrow><mo>‖</mo><mi>g</mi><mo>‖</mo></mrow></mfrac>", 20),
    [mathToken(mathRow(mathNumber(norm), "<mo>/</mo>", mathNumber(length)), 16)], mathResult(scale)] };
}

export function costAgainEquation(before, after) {
  return { left: mathRow("<mi>Δ</mi><mi>C</mi>"), sides: [
    [mathToken(mathRow(mathNumber(after), mathSign("−"), mathBracketed(before)), 16)], mathResult(after - before)] };
}

// What a click on a part shows: the chain rule of a weight or a bias, or a unit from what it hears.
export function equationsOf(pass, part, about = {}) {
  const { l, j, k, kind } = part;
  if (kind === "weight") return [weightEquation(pass, l, j, k, about)];
  if (kind === "bias") return [biasEquation(pass, l, j, about)];
  return l === 0 ? [] : [sumEquation(pass, l, j, about), activationEquation(pass, l, j, about), blameEquation(pass, l, j, about)];
}
