// How the pages write numbers, names and lists: one way for sentences, equations, captions and tips.
//
// Numbers have three digits, a minus as wide as a plus, and powers of ten raised. Units are called what the
// table calls them; hidden ones are counted from 0, or from 1 where the reader asks for it (`from`).

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

export function raised(power) {
  return String(power).replace("-", "⁻").replace(/\d/g, (digit) => RAISED[digit]);
}

// A number's sign, digits and power of ten, the one place where they are rounded.
export function digitsOf(value, digits = 3) {
  if (Number.isNaN(value)) return { minus: false, digits: "not a number", power: 0 };
  const minus = value < 0, size = Math.abs(value);
  if (size === Infinity) return { minus, digits: "∞", power: 0 };
  if (size === 0) return { minus: false, digits: "0", power: 0 };
  const rounded = Number(size.toPrecision(digits));
  if (rounded >= 1000 && rounded < 1e12)
    return { minus, digits: String(Math.round(size)).replace(/\B(?=(\d{3})+$)/g, ","), power: 0 };
  if (rounded >= 1e-4 && rounded < 1000) return { minus, digits: String(rounded), power: 0 };
  const [mantissa, power] = size.toExponential(digits - 1).split("e");
  return { minus, digits: String(Number(mantissa)), power: Number(power) };
}

export function said(value, digits = 3) {
  const { minus, digits: written, power } = digitsOf(value, digits);
  return `${minus ? "−" : ""}${written}${power ? `×10${raised(power)}` : ""}`;
}

export function signed(value, digits = 3) {
  return value > 0 ? `+${said(value, digits)}` : said(value, digits);
}

// A share to a tenth of a per cent, as answers.formatting.share has it.
export function percent(share, more = "more than", less = "less than") {
  if (share >= 0.9995 && share < 1) return `${more} 99.9%`;
  if (share > 0 && share < 0.0005) return `${less} 0.1%`;
  const hundred = 100 * share, tenth = hundred % 1 === 0.25 ? hundred - 0.05 : hundred; // halves to even, as Python has them
  return `${Number(tenth.toFixed(1))}%`;
}

export function counted(count, one, many = `${one}s`) {
  return `${said(count)} ${count === 1 ? one : many}`;
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function listed(names, most = 3, last = "and") {
  if (names.length > most) names = [...names.slice(0, most - 1), `${said(names.length - most + 1)} others`];
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;
}

// A part's name taken apart: "2:1" is a unit, "2:1,0" a weight, "2:1,bias" a bias; null where it is none.
export function partOf(name) {
  const found = /^(\d+):(\d+)(?:,(\d+|bias))?$/.exec(name ?? "");
  if (!found) return null;
  const k = found[3];
  return { l: Number(found[1]), j: Number(found[2]), k: k === undefined || k === "bias" ? null : Number(k),
    kind: k === undefined ? "unit" : k === "bias" ? "bias" : "weight" };
}

export function nameOfUnit(header, l, j, from = 0) {
  const sizes = header.network.sizes, L = sizes.length - 1;
  if (l === 0) {
    if (header.inputs?.[j]?.name) return header.inputs[j].name;
    if (header.shape) return `pixel ${Math.floor(j / header.shape[1]) + from},${(j % header.shape[1]) + from}`;
    return `input ${j + from}`;
  }
  if (l === L) return header.outputs?.[j]?.name || `output ${j + from}`;
  return L === 2 ? `hidden ${j + from}` : `unit ${j + from} of layer ${l}`;
}

export function nameOfPart(header, name, from = 0) {
  const part = partOf(name);
  if (!part) return "";
  const unit = nameOfUnit(header, part.l, part.j, from);
  if (part.kind === "unit") return unit;
  if (part.kind === "bias") return `the bias of ${unit}`;
  return `the weight from ${nameOfUnit(header, part.l - 1, part.k, from)} to ${unit}`;
}

// What these inputs are in the user's own units and in equations, where the two differ; "" where they do not.
export function standardisedSaid(header, x, some) {
  const told = Array.from(some, (k) => ({ k, own: inOwnUnits(header.inputs?.[k], x[k]) })).filter(({ k, own }) => own !== x[k])
    .map(({ k, own }) => `${nameOfUnit(header, 0, k)} = ${said(own)} as ${said(x[k], 4)}`);
  return told.length ? `In equations the inputs are standardised: ${told.join(", ")}.` : "";
}

// What an input's or an output's number is in the user's own units; one that was clipped smoothly (`bound`) as it
// was before.
export function inOwnUnits(column, value) {
  if (column?.bound) value /= Math.sqrt(Math.max(1 - (value / column.bound) ** 2, 2 ** -23));
  return column ? value * (column.scale ?? 1) + (column.mean ?? 0) : value;
}
