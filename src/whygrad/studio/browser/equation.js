// The equations of backpropagation with the numbers of one example in them, as MathML.
//
//   zˡⱼ = Σₖ Wˡⱼₖ aˡ⁻¹ₖ + bˡⱼ,  aˡⱼ = f(zˡⱼ),  C,  δˡⱼ,  ∂C/∂Wˡⱼₖ = aˡ⁻¹ₖ δˡⱼ,  ∂C/∂bˡⱼ = δˡⱼ
//
// An equation is `left` and its `sides`, each a list of tokens that go on a line one after the other, so that
// it can be shown bit by bit. Of a long sum the largest products are written out, and the others are one
// number. Whatever speaks of a part carries it as `data-part`, as the picture does. What is computed here are
// sums of what is left out; all other numbers are those of the pass (`passOf`).

import { backward, costSlope, forward, gradientOf, isCanonical, slopesOf } from "./model.js";
import { counted, digitsOf, said } from "./words.js";

const LISTED = 4; // products of a sum that are written out
const FEW = 4; // outputs that are written out one by one
const WIDE = 58; // characters of a line

// ── one example's pass ──

// All that the network makes of one example, and all that it is blamed for, by layer; `costName` as the header has it.
export function passOf(model, theta, x, y, costName) {
  const trace = forward(model, theta, x), { delta, cost } = backward(model, theta, trace, y);
  return { model, theta, x, y, costName, ...trace, delta, cost, gradient: gradientOf(model, trace, delta) };
}

// The same example with other parameters.
export function passedWith(pass, theta) {
  return passOf(pass.model, theta, pass.x, pass.y, pass.costName);
}

export function weightOf(pass, l, j, k) {
  const { model, theta } = pass;
  return theta[model.W(l) + j * model.sizes[l - 1] + k];
}

// The place in θ of a weight or a bias.
export function indexOf(model, { l, j, k }) {
  return k === null ? model.b(l) + j : model.W(l) + j * model.sizes[l - 1] + k;
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

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const row = (...inner) => `<mrow>${inner.join("")}</mrow>`;
const operator = (sign) => `<mo form="infix">${sign}</mo>`;
const at = (part, inner) => (part ? `<mrow data-part="${escaped(part)}">${inner}</mrow>` : inner);
const spoken = (name) => name.replaceAll("_", " ");

function numeral(value, part = "") {
  const { minus, digits, power } = digitsOf(value, 4);
  const written = /^[\d.,∞]+$/.test(digits) ? `<mn>${digits}</mn>` : `<mtext>${digits}</mtext>`;
  const whole = power ? `${written}<mo>×</mo><msup><mn>10</mn>${row(power < 0 ? "<mo form=\"prefix\">−</mo>" : "", `<mn>${Math.abs(power)}</mn>`)}</msup>` : written;
  return at(part, minus ? row('<mo form="prefix">−</mo>', whole) : power ? row(whole) : whole);
}

const lengthOf = (value) => said(value, 4).length;
const bracketed = (value, part) =>
  value < 0 ? row("<mo stretchy=\"false\">(</mo>", numeral(value, part), "<mo stretchy=\"false\">)</mo>") : numeral(value, part);

function index(name, from) {
  return typeof name === "number" ? `<mn>${name + from}</mn>` : `<mi>${name}</mi>`;
}

class Writer {
  constructor(from) {
    this.from = from; // what the first unit of a layer is called, 0 or 1
  }

  letter(name, l, indices, part = "", prime = false) {
    const base = prime ? `<msup><mi>${name}</mi><mo>′</mo></msup>` : `<mi>${name}</mi>`;
    const below = row(indices.map((one) => index(one, this.from)).join("<mo>,</mo>"));
    const written = l === null ? `<msub>${base}${below}</msub>`
      : `<msubsup>${base}${below}${typeof l === "number" ? `<mn>${l}</mn>` : `<mi>${l}</mi>`}</msubsup>`;
    return at(part, written);
  }

  weight = (l, j, k) => this.letter("W", l, [j, k], `${l}:${j},${k}`);
  bias = (l, j) => this.letter("b", l, [j], `${l}:${j},bias`);
  unit = (name, l, j) => this.letter(name, l, [j], `${l}:${j}`);
  truth = (L, j) => this.letter("y", null, [j], `${L}:${j}`);
  slope = (l, j) => at(`${l}:${j}`, row("<msup><mi>f</mi><mo>′</mo></msup><mo stretchy=\"false\">(</mo>", this.letter("z", l, [j]), "<mo stretchy=\"false\">)</mo>"));
  by = (inner) => `<mfrac>${row("<mo>∂</mo><mi>C</mi>")}${row("<mo>∂</mo>", inner)}</mfrac>`;
  over = (name, inner) => row(`<munder><mo>∑</mo><mi>${name}</mi></munder>`, inner);
}

const token = (html, length) => ({ html: row(html), length });

// A product of numbers as a term of a sum; its sign goes before it.
function term(factors, first) {
  const [[value, part], ...others] = factors;
  const sign = value < 0 ? (first ? '<mo form="prefix">−</mo>' : operator("−")) : first ? "" : operator("+");
  const inner = [numeral(Math.abs(value), part), ...others.map(([v, p]) => `<mo>·</mo>${bracketed(v, p)}`)];
  return token(sign + inner.join(""), factors.reduce((sum, [v]) => sum + lengthOf(v) + 3, 0));
}

// What is left out of a sum, as one number.
function others(products, chosen) {
  const rest = products.length - chosen.length;
  if (!rest) return [];
  let value = 0;
  for (let i = 0, at = 0; i < products.length; i++) {
    if (chosen[at] === i) at += 1;
    else value += products[i];
  }
  const words = ` from ${counted(rest, "other")}`;
  return [token(`${operator(value < 0 ? "−" : "+")}${numeral(Math.abs(value))}<mtext>${words}</mtext>`,
    lengthOf(value) + words.length + 3)];
}

function enclosed(before, tokens) {
  const inside = tokens.map((one) => ({ ...one }));
  if (inside.length < 2) return [...before, token(`<mo>·</mo><mo stretchy="false">(</mo>${inside[0].html}<mo stretchy="false">)</mo>`, inside[0].length + 3)];
  inside[0].html = row('<mo>·</mo><mo stretchy="false">(</mo>', inside[0].html);
  inside.at(-1).html = row(inside.at(-1).html, '<mo stretchy="false">)</mo>');
  return [...before, ...inside];
}

const result = (value, part) => [token(numeral(value, part), lengthOf(value))];
const symbols = (html, length = 16) => [token(html, length)];

// Equations as one element, signs of equality below each other; with `most` characters a line.
export function mathmlOf(equations, most = WIDE) {
  const rows = equations.flatMap(({ left, sides }) => sides.flatMap((side, place) =>
    linesOf(side, most).map((line, i) => {
      const start = i ? '<mspace width="1.6em"/>' : '<mo form="infix">=</mo>';
      const tokens = line.map((one) => `<mrow class="wgm-token">${one.html}</mrow>`).join("");
      return `<mtr><mtd style="text-align:right;padding-right:0">${place || i ? "" : left}</mtd>` +
        `<mtd style="text-align:left"><mrow>${start}${tokens}</mrow></mtd></mtr>`;
    })));
  return `<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mtable displaystyle="true">${rows.join("")}</mtable></math>`;
}

function linesOf(side, most) {
  const lines = [[]];
  let used = 0;
  for (const one of side) {
    if (used && used + one.length > most) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1).push(one);
    used += one.length;
  }
  return lines;
}

// ── forward ──

export function sumEquation(pass, l, j, { from = 0, kept = -1 } = {}) {
  const w = new Writer(from), products = sentTo(pass, l, j), chosen = largestProducts(products, LISTED, kept);
  const bias = pass.theta[pass.model.b(l) + j];
  const terms = chosen.map((k, i) => term([[weightOf(pass, l, j, k), `${l}:${j},${k}`], [pass.a[l - 1][k], `${l - 1}:${k}`]], i === 0));
  return { left: w.unit("z", l, j), sides: [
    symbols(row(w.over("k", row(w.letter("W", l, [j, "k"]), w.letter("a", l - 1, ["k"]))), operator("+"), w.bias(l, j))),
    [...terms, ...others(products, chosen), term([[bias, `${l}:${j},bias`]], false)],
    result(pass.z[l][j], `${l}:${j}`)] };
}

export function activationEquation(pass, l, j, { from = 0 } = {}) {
  const w = new Writer(from), name = pass.model.f[l].family, part = `${l}:${j}`, z = pass.z[l];
  const open = '<mo stretchy="false">(</mo>', close = '<mo stretchy="false">)</mo>';
  if (name === "softmax") {
    const exp = (inner) => row("<mi>exp</mi>", open, inner, close);
    const sides = [symbols(`<mfrac>${row(exp(w.unit("z", l, j)))}${row(w.over("m", exp(w.letter("z", l, ["m"]))))}</mfrac>`)];
    if (z.length <= FEW) {
      const below = Array.from(z, (value, m) => (m ? "<mo>+</mo>" : "") + exp(numeral(value, `${l}:${m}`))).join("");
      sides.push(symbols(`<mfrac>${row(exp(numeral(z[j], part)))}${row(below)}</mfrac>`));
    }
    return { left: w.unit("a", l, j), sides: [...sides, result(pass.a[l][j], part)] };
  }
  const f = `<mi>${escaped(spoken(name))}</mi>`;
  return { left: w.unit("a", l, j), sides: [symbols(row(f, open, w.unit("z", l, j), close)),
    symbols(row(f, open, numeral(z[j], part), close)), result(pass.a[l][j], part)] };
}

export function costEquation(pass, { from = 0 } = {}) {
  const w = new Writer(from), { model, y } = pass, L = model.L, a = pass.a[L], t = trueClass(pass);
  const end = result(pass.cost), written = { left: "<mi>C</mi>", sides: [end] };
  const ln = (inner) => row('<mo form="prefix">−</mo><mi>ln</mi><mo stretchy="false">(</mo>', inner, '<mo stretchy="false">)</mo>');
  const off = (m) => row(w.unit("a", L, m), operator("−"), w.truth(L, m));
  const square = (inner) => `<msup>${row('<mo stretchy="false">(</mo>', inner, '<mo stretchy="false">)</mo>')}<mn>2</mn></msup>`;
  const half = "<mfrac><mn>1</mn><mn>2</mn></mfrac>";
  if (pass.costName === "squared_error") {
    if (a.length === 1) written.sides.unshift(symbols(row(half, square(off(0)))));
    else written.sides.unshift(symbols(row(half, w.over("m", square(row(w.letter("a", L, ["m"]), operator("−"), w.letter("y", null, ["m"])))))));
    if (a.length <= FEW)
      written.sides.splice(1, 0, Array.from(a, (value, m) => token(
        row(m ? operator("+") : "", half, square(row(numeral(value, `${L}:${m}`), operator("−"), bracketed(y[m], `${L}:${m}`)))), 22)));
  } else if (pass.costName === "cross_entropy" && t !== null && a.length > 1) {
    written.sides.unshift(symbols(ln(w.unit("a", L, t))), symbols(ln(numeral(a[t], `${L}:${t}`))));
  } else if (pass.costName === "binary_cross_entropy" && t !== null && a.length === 1) {
    const of = (inner) => (t ? inner : row("<mn>1</mn>", operator("−"), inner));
    written.sides.unshift(symbols(ln(of(w.unit("a", L, 0)))), symbols(ln(of(numeral(a[0], `${L}:0`)))));
  } else written.sides.unshift(symbols(`<mtext>${escaped(spoken(pass.costName))}</mtext>`));
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
  const lead = before ? [token(`${before.html}<mo>·</mo>`, 4)] : [];
  const number = before ? [token(`${numeral(before.value, before.part)}<mo>·</mo>`, lengthOf(before.value) + 1)] : [];
  const open = before ? '<mo stretchy="false">(</mo>' : "", close = before ? '<mo stretchy="false">)</mo>' : "";
  if (l === model.L) {
    if (isCanonical(model))
      return [[...lead, token(row(open, w.unit("a", l, j), operator("−"), w.truth(l, j), close), 8)],
        [...number, token(row(open, numeral(pass.a[l][j], part), operator("−"), bracketed(pass.y[j], part), close), 14)]];
    const slopes = slopesOf(model, l, pass.z[l]), costs = costSlope(model, pass.a[l], pass.y);
    if (slopes) return [[...lead, token(row(w.by(w.unit("a", l, j)), "<mo>·</mo>", w.slope(l, j)), 10)],
      [...number, token(row(bracketed(costs[j], part), "<mo>·</mo>", bracketed(slopes[j], part)), 16)]];
    const a = pass.a[l], products = Float64Array.from(a, (value, m) => costs[m] * value * ((m === j) - a[j]));
    const chosen = largestProducts(products, LISTED, j);
    const terms = chosen.map((m, i) => term([[costs[m], `${l}:${m}`], [a[m] * ((m === j) - a[j]), `${l}:${m}`]], i === 0));
    const every = [...terms, ...others(products, chosen)];
    const partial = `<mfrac>${row("<mo>∂</mo>", w.letter("a", l, ["m"]))}${row("<mo>∂</mo>", w.unit("z", l, j))}</mfrac>`;
    return [[...lead, token(w.over("m", row(w.by(w.letter("a", l, ["m"])), partial)), 12)],
      before ? enclosed([token(numeral(before.value, before.part), lengthOf(before.value))], every) : every];
  }
  const products = blamesOn(pass, l, j), chosen = largestProducts(products, LISTED, kept);
  const terms = chosen.map((m, i) => term([[weightOf(pass, l + 1, m, j), `${l + 1}:${m},${j}`], [pass.delta[l + 1][m], `${l + 1}:${m}`]], i === 0));
  const slope = slopesOf(model, l, pass.z[l])[j];
  const sum = w.over("m", row(w.letter("W", l + 1, ["m", j]), w.letter("δ", l + 1, ["m"])));
  return [[...lead, token(row(w.slope(l, j), "<mo>·</mo>", sum), 14)],
    enclosed([...number, token(bracketed(slope, part), lengthOf(slope))], [...terms, ...others(products, chosen)])];
}

export function blameEquation(pass, l, j, about = {}) {
  const w = new Writer(about.from ?? 0);
  return { left: w.unit("δ", l, j), sides: [...unfolded(pass, l, j, about), result(pass.delta[l][j], `${l}:${j}`)] };
}

// The chain rule of a weight, δ unfolded one layer on.
export function weightEquation(pass, l, j, k, about = {}) {
  const w = new Writer(about.from ?? 0), sent = w.unit("a", l - 1, k), value = pass.a[l - 1][k];
  return { left: w.by(w.weight(l, j, k)), sides: [
    symbols(row(sent, w.unit("δ", l, j)), 5),
    ...unfolded(pass, l, j, about, { html: sent, value, part: `${l - 1}:${k}` }),
    result(gradientAt(pass, l, j, k), `${l}:${j},${k}`)] };
}

export function biasEquation(pass, l, j, about = {}) {
  const w = new Writer(about.from ?? 0);
  return { left: w.by(w.bias(l, j)), sides: [symbols(w.unit("δ", l, j), 3), ...unfolded(pass, l, j, about),
    result(pass.delta[l][j], `${l}:${j},bias`)] };
}

// ∂C/∂W in two factors alone.
export function gradientEquation(pass, l, j, k, { from = 0 } = {}) {
  const w = new Writer(from);
  return { left: w.by(w.weight(l, j, k)), sides: [symbols(row(w.unit("a", l - 1, k), w.unit("δ", l, j)), 5),
    [term([[pass.a[l - 1][k], `${l - 1}:${k}`], [pass.delta[l][j], `${l}:${j}`]], true)],
    result(gradientAt(pass, l, j, k), `${l}:${j},${k}`)] };
}

// ∂C/∂W or, where k is null, ∂C/∂b of this example.
export function gradientAt(pass, l, j, k) {
  return pass.gradient[indexOf(pass.model, { l, j, k })];
}

// ── the update, and afterwards ──

export function stepEquation(pass, part, rate, after, { from = 0 } = {}) {
  const w = new Writer(from), { l, j, k } = part, place = indexOf(pass.model, part);
  const symbol = k === null ? w.bias(l, j) : w.weight(l, j, k), name = k === null ? `${l}:${j},bias` : `${l}:${j},${k}`;
  const g = gradientAt(pass, l, j, k);
  return { left: row("<mtext>new </mtext>", symbol), sides: [
    symbols(row(symbol, operator("−"), "<mi>η</mi>", w.by(symbol)), 14),
    [term([[pass.theta[place], name]], true), token(`${operator("−")}${numeral(rate)}<mo>·</mo>${bracketed(g, name)}`, 18)],
    result(after[place], name)] };
}

export function costAgainEquation(before, after) {
  return { left: row("<mi>Δ</mi><mi>C</mi>"), sides: [
    [token(row(numeral(after), operator("−"), bracketed(before)), 16)], result(after - before)] };
}

// What a click on a part shows: the chain rule of a weight or a bias, or a unit from what it hears.
export function equationsOf(pass, part, about = {}) {
  const { l, j, k, kind } = part;
  if (kind === "weight") return [weightEquation(pass, l, j, k, about)];
  if (kind === "bias") return [biasEquation(pass, l, j, about)];
  return l === 0 ? [] : [sumEquation(pass, l, j, about), activationEquation(pass, l, j, about), blameEquation(pass, l, j, about)];
}
