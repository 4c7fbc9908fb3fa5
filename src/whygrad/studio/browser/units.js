// The small picture that every unit wears, computed from the state of now.
//
// Of two inputs: what the unit gives out all over the plane. Of pixels: ∂z/∂x at the example of now, which in
// layer 1 is the image of its weights. Of a table: what it gives out along the column that moves it most, the
// other columns as in the example. Blue is above zero, orange below.

import { RAMP } from "./dom.js";
import { responses, slopesOf } from "./model.js";

const COLUMN_POINTS = 17, REACH = 2.5; // of a table's column: how many points, out to how many standard deviations
const MOST_COLUMNS = 40;

// Points of the plane, row by row from the top, as rows of two numbers.
export function planePoints(plane, side) {
  const points = new Float64Array(2 * side * side);
  const at = ([lo, hi], i) => lo + ((hi - lo) * (i + 0.5)) / side;
  for (let row = 0, p = 0; row < side; row++)
    for (let column = 0; column < side; column++) {
      points[p++] = at(plane.x, column);
      points[p++] = at(plane.y, side - 1 - row);
    }
  return points;
}

// How many points across the plane so much work is enough for: an activation takes as long as some twelve products.
export function sideFor({ count, sizes }, work, least, most) {
  const each = sizes.slice(1).reduce((sum, units) => sum + 12 * units, count);
  return Math.max(least, Math.min(most, Math.floor(Math.sqrt(work / each))));
}

// ∂z/∂x of one unit at the example of a trace: the chain of weights and slopes back to the inputs.
export function inputSlopes(model, theta, trace, l, j) {
  let row = new Float64Array(model.sizes[l]);
  row[j] = 1;
  for (let at = l; at >= 1; at--) {
    const below = model.sizes[at - 1], next = new Float64Array(below);
    for (let i = 0, w = model.W(at); i < row.length; i++, w += below) {
      if (row[i] === 0) continue;
      for (let k = 0; k < below; k++) next[k] += row[i] * theta[w + k];
    }
    if (at > 1) {
      const slopes = slopesOf(model, at - 1, trace.z[at - 1]);
      for (let k = 0; k < below; k++) next[k] *= slopes?.[k] ?? 1;
    }
    row = next;
  }
  return row;
}

function rangeOf(values) {
  let lo = Infinity, hi = -Infinity;
  for (const value of values) {
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  return [lo, hi];
}

export function largestOf(values) {
  let most = 0;
  for (const value of values) if (Math.abs(value) > most) most = Math.abs(value);
  return most;
}

// The columns that a table's units are asked along: all, or those with the heaviest weights where there are many.
function columnsAsked(model, theta) {
  const inputs = model.sizes[0], all = Array.from({ length: inputs }, (_, k) => k);
  if (inputs <= MOST_COLUMNS) return all;
  const heavy = new Float64Array(inputs);
  for (let j = 0, at = model.W(1); j < model.sizes[1]; j++)
    for (let k = 0; k < inputs; k++) heavy[k] += Math.abs(theta[at++]);
  return all.sort((i, j) => heavy[j] - heavy[i]).slice(0, MOST_COLUMNS);
}

const planes = new WeakMap(); // of a recording the points of its plane, and what all units gave out there last

// What all units wear: {kind, of(l, j) → {values, …}}; `of` computes one unit's, so that only what is drawn is.
// Those of a plane are of one scene at a time.
export function unitMaps(recording, scene, work) {
  const { header, model } = recording;
  const { theta, trace } = scene;
  if (header.plane) {
    const side = sideFor(model, work, 12, 48);
    const before = planes.get(recording), points = before?.[0] ?? planePoints(header.plane, side);
    const all = responses(model, theta, points, before ?? null);
    planes.set(recording, all);
    const of = (l, j) => {
      const units = model.sizes[l], values = new Float64Array(side * side);
      for (let p = 0; p < values.length; p++) values[p] = all[l][p * units + j];
      return { values, width: side, height: side };
    };
    return { kind: "plane", of, side, outputs: all[model.L] };
  }
  if (header.shape) {
    const [height, width] = header.shape;
    return { kind: "pixels", of: (l, j) => ({ values: inputSlopes(model, theta, trace, l, j), width, height }) };
  }
  return { kind: "curve", of: columnCurves(model, theta, trace.a[0]) };
}

function columnCurves(model, theta, x) {
  const asked = columnsAsked(model, theta), inputs = model.sizes[0], n = COLUMN_POINTS;
  const points = new Float64Array(asked.length * n * inputs);
  const at = (p) => -REACH + (2 * REACH * p) / (n - 1);
  asked.forEach((column, c) => {
    for (let p = 0; p < n; p++) {
      const start = (c * n + p) * inputs;
      points.set(x, start);
      points[start + column] = at(p);
    }
  });
  const all = responses(model, theta, points);
  return (l, j) => {
    if (l === 0) return { values: Float64Array.from({ length: n }, (_, p) => at(p)), column: j, x: x[j], reach: REACH };
    const units = model.sizes[l];
    const along = (c) => Float64Array.from({ length: n }, (_, p) => all[l][(c * n + p) * units + j]);
    let best = 0, most = -1;
    asked.forEach((_, c) => {
      const [lo, hi] = rangeOf(along(c));
      if (hi - lo > most) [best, most] = [c, hi - lo];
    });
    return { values: along(best), column: asked[best], x: x[asked[best]], reach: REACH };
  };
}

// ── painting ──

// A canvas that numbers become pixels on, and those pixels; both are used again while they are of the same size.
export function makeSheet() {
  const canvas = document.createElement("canvas"), ctx = canvas.getContext("2d");
  let image = null, pixels = null;
  return {
    canvas,
    sized(width, height) {
      if (image?.width !== width || image.height !== height) {
        Object.assign(canvas, { width, height });
        image = ctx.createImageData(width, height);
        pixels = new Uint32Array(image.data.buffer);
      }
      return pixels;
    },
    done: () => ctx.putImageData(image, 0, 0),
  };
}

let single = null;

// Numbers of −scale … scale as colours of the ramp.
function colourPixels(pixels, start, values, scale, ramp) {
  const by = scale > 0 ? RAMP / scale : 0;
  for (let p = 0; p < values.length; p++) {
    const at = Math.round(values[p] * by);
    pixels[start + p] = ramp[RAMP + (at > RAMP ? RAMP : at < -RAMP ? -RAMP : at || 0)];
  }
}

// Numbers of −scale … scale as an image of the ramp's colours, laid into a box.
export function paintNumbers(ctx, { values, width, height }, box, scale, ramp, smooth) {
  const sheet = (single ??= makeSheet());
  colourPixels(sheet.sized(width, height), 0, values, scale, ramp);
  sheet.done();
  ctx.imageSmoothingEnabled = smooth;
  ctx.drawImage(sheet.canvas, box.x, box.y, box.width, box.height);
}

// The maps of all units that are drawn as one image, map under map: to hand the browser an image takes longer than
// to make it.
export function paintSheet(sheet, maps, ramp) {
  const [{ width, height }] = maps, pixels = sheet.sized(width, height * maps.length);
  maps.forEach((map, at) => {
    Object.assign(map, { sheet: sheet.canvas, top: at * height });
    colourPixels(pixels, map.top * width, map.values, map.scale, ramp);
  });
  sheet.done();
}

// A unit's curve along its column: filled towards zero, with the example's place on it.
export function paintCurve(ctx, map, box, scale, colours, big = false) {
  const { values } = map, n = values.length, pad = big ? 26 : 3;
  const x = (p) => box.x + pad + ((box.width - 2 * pad) * p) / (n - 1);
  const middle = box.y + box.height / 2, tall = box.height / 2 - pad;
  const y = (value) => middle - tall * Math.max(-1, Math.min(1, value / (scale || 1)));
  ctx.strokeStyle = colours.line;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(box.x + (big ? pad : 0), middle);
  ctx.lineTo(box.x + box.width - (big ? pad : 0), middle);
  ctx.stroke();
  for (const [sign, colour] of [[1, colours.positive], [-1, colours.negative]]) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x, sign > 0 ? box.y : middle, box.width, box.height / 2);
    ctx.clip();
    ctx.beginPath();
    for (let p = 0; p < n; p++) ctx.lineTo(x(p), y(values[p]));
    ctx.strokeStyle = colour;
    ctx.lineWidth = big ? 3 : 1.8;
    ctx.lineJoin = "round";
    ctx.stroke();
    ctx.lineTo(x(n - 1), middle);
    ctx.lineTo(x(0), middle);
    ctx.fillStyle = colour;
    ctx.globalAlpha = 0.22;
    ctx.fill();
    ctx.restore();
  }
  const at = Math.max(0, Math.min(n - 1, ((map.x + map.reach) / (2 * map.reach)) * (n - 1)));
  const p = Math.min(n - 2, Math.floor(at));
  const here = values[p] + (at - p) * (values[p + 1] - values[p]);
  paintSpot(ctx, x(at), y(here), big ? 5 : 2.6, colours);
}

// Where the example of now is.
export function paintSpot(ctx, x, y, r, colours) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.fillStyle = colours.ink;
  ctx.fill();
  ctx.lineWidth = Math.max(1, r / 3);
  ctx.strokeStyle = colours.surface;
  ctx.stroke();
}

// A unit's map in its box; one of numbers from the sheet that it stands on.
export function paintUnit(ctx, kind, map, box, colours, spot) {
  if (kind === "curve") paintCurve(ctx, map, box, map.scale, colours);
  else {
    ctx.imageSmoothingEnabled = kind === "plane";
    ctx.drawImage(map.sheet, 0, map.top, map.width, map.height, box.x, box.y, box.width, box.height);
  }
  if (spot) paintSpot(ctx, box.x + spot[0] * box.width, box.y + spot[1] * box.height, Math.max(1.6, box.width / 26), colours);
}
