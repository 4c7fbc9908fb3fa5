// The big last unit: what the network says. Over the plane of two inputs a surface with the points; of classes a
// confusion matrix, of numbers said against true, both of the examples that the page carries. A click chooses.

import { classShape, clearCanvas, FACE, shortened } from "./dom.js";
import { responses } from "./model.js";
import { largestOf, paintNumbers, paintSpot, planePoints, sideFor } from "./units.js";
import { counted, inOwnUnits, percent, said } from "./words.js";

const NEAR = 14; // px
const FINE_WORK = 5e6; // multiplications for the surface of a picture at rest

// The class that outputs say, and how sure they are: one output is the second class' share, said above a threshold.
export function classSaid(outputs, bipolar = false, threshold = 0.5) {
  if (outputs.length === 1) {
    const share = bipolar ? (outputs[0] + 1) / 2 : outputs[0];
    const one = share > threshold ? 1 : 0;
    return { one, share: Math.max(0, Math.min(1, one ? share : 1 - share)) };
  }
  let one = 0;
  for (let j = 1; j < outputs.length; j++) if (outputs[j] > outputs[one]) one = j;
  return { one, share: Math.max(0, Math.min(1, outputs[one])) };
}

export function saysMinusOne(network) {
  return network.activations.at(-1)?.family === "tanh";
}

// Whether the outputs are shares of the whole, so that percent may be said of them.
export function saysShares(network) {
  return ["softmax", "sigmoid"].includes(network.activations.at(-1)?.family);
}

export function classOfTruth(y, bipolar) {
  return classSaid(y, bipolar).one;
}

// The two lines above the big unit: what is said of the example, and what it is.
export function sentencesOf(header, scene, state) {
  const outputs = [...scene.trace.a.at(-1)];
  const bipolar = saysMinusOne(header.network);
  const chosen = header.examples;
  const truth = state.point ? null : scene.y;
  const graded = scene.y ? `, graded by the truth of${placeOf(chosen, state, " ", false)}` : "";
  const untold = state.point ? `of a point that you chose${graded}` : "with every input at 0, in the network’s units";
  if (!outputs.every(Number.isFinite)) return ["Says nothing: its numbers overflow", truth ? placeOf(chosen, state, "") : untold];
  if (header.classes) {
    const { one, share } = classSaid(outputs, bipolar, header.threshold);
    const sure = saysShares(header.network) ? `, ${percent(share)} sure` : "";
    const says = `Says “${header.classes[one]}”${sure}`;
    if (!truth) return [says, untold];
    const right = classOfTruth(truth, bipolar) === one;
    if (right) return [says, `right${placeOf(chosen, state, " · ", chosen?.why?.[state.example] !== "most wrong")}`]; // at another step
    return [says, `truth: “${header.classes[classOfTruth(truth, bipolar)]}”${placeOf(chosen, state)}`];
  }
  const told = (values) => values.slice(0, 2).map((value, j) => said(inOwnUnits(header.outputs?.[j], value), 4)).join(", ");
  return [`Says ${told(outputs)}`, truth ? `truth: ${told([...truth])}${placeOf(chosen, state)}` : untold];
}

function placeOf(chosen, state, before = " · ", reason = true) {
  if (!chosen) return "";
  const part = chosen.part?.[state.example], why = chosen.why?.[state.example];
  const named = `${part ? `${part} ` : ""}example ${chosen.rows?.[state.example] ?? state.example}`;
  return `${before}${named}${why && reason ? `, ${why}` : ""}`;
}

export function openBig(recording) {
  const { header } = recording;
  if (header.plane) return planeOf(recording);
  if (header.classes) return matrixOf(recording);
  return scatterOf(recording);
}

// What the network makes of all examples, computed once for each state.
function answersOf(recording) {
  const { model, examples } = recording;
  const inputs = model.sizes[0], X = new Float64Array(examples.carried * inputs);
  for (let i = 0; i < examples.carried; i++) X.set(examples.x(i), i * inputs);
  let known = null, found = null;
  return (theta) => {
    if (theta !== known) [known, found] = [theta, responses(model, theta, X, found)];
    return found.at(-1);
  };
}

// ── the plane ──

function planeOf(recording) {
  const { header, model, examples } = recording;
  const { x: [x0, x1], y: [y0, y1] } = header.plane;
  const across = (box, x) => box.x + (box.width * (x - x0)) / (x1 - x0);
  const down = (box, y) => box.y + box.height - (box.height * (y - y0)) / (y1 - y0);
  const toPixels = (box, [x, y]) => [across(box, x), down(box, y)];
  const toData = (box, [x, y]) => [x0 + ((x1 - x0) * (x - box.x)) / box.width, y0 + ((y1 - y0) * (box.y + box.height - y)) / box.height];
  const bipolar = saysMinusOne(header.network);
  const scratch = document.createElement("canvas"), sheet = document.createElement("canvas");
  let laid = { about: [], count: 0 };

  function paintClasses(ctx, box, side, values, units, colours, calm) {
    if (scratch.width !== side) Object.assign(scratch, { width: side, height: side });
    const inner = scratch.getContext("2d"), image = inner.createImageData(side, side), pixels = image.data;
    const { classes, surface } = colours.parts;
    const outputs = new Float64Array(units), count = header.classes.length;
    for (let p = 0; p < side * side; p++) {
      for (let j = 0; j < units; j++) outputs[j] = values[p * units + j];
      const { one, share } = classSaid(outputs, bipolar, header.threshold);
      const strong = 0.06 + 0.5 * Math.max(0, (share - 1 / count) / (1 - 1 / count));
      const colour = classes[one % classes.length];
      for (let c = 0; c < 3; c++) pixels[4 * p + c] = surface[c] + strong * (colour[c] - surface[c]);
      pixels[4 * p + 3] = 255;
    }
    inner.putImageData(image, 0, 0);
    ctx.imageSmoothingEnabled = true;
    ctx.imageSmoothingQuality = calm ? "high" : "low"; // the first takes the browser as long as all else of a frame
    ctx.drawImage(scratch, box.x, box.y, box.width, box.height);
  }

  // Coarsely with what the units' maps have computed already; finely where there is time.
  function draw(ctx, box, { theta, trace }, state, colours, calm, maps) {
    const side = calm ? sideFor(model, FINE_WORK, maps.side, 120) : maps.side;
    const values = calm ? responses(model, theta, planePoints(header.plane, side)).at(-1) : maps.outputs;
    const units = model.sizes.at(-1);
    ctx.save();
    ctx.beginPath();
    ctx.roundRect(box.x, box.y, box.width, box.height, 10);
    ctx.clip();
    if (header.classes) paintClasses(ctx, box, side, values, units, colours, calm);
    else {
      const first = units === 1 ? values : values.filter((_, p) => p % units === 0);
      paintNumbers(ctx, { values: first, width: side, height: side }, box, largestOf(first), colours.ramp, true);
    }
    const r = Math.max(2.4, Math.min(5, box.width / 110));
    layPoints(ctx, box, state.painted ?? [], r, colours);
    const [px, py] = toPixels(box, trace.a[0]);
    ctx.beginPath();
    ctx.arc(px, py, r + 6, 0, 2 * Math.PI);
    ctx.lineWidth = 2.5;
    ctx.strokeStyle = colours.ink;
    ctx.stroke();
    if (state.point) paintSpot(ctx, px, py, r + 1, colours);
    ctx.restore();
    ctx.strokeStyle = colours.line;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.roundRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1, 10);
    ctx.stroke();
    const names = [0, 1].map((k) => header.inputs?.[k]?.name ?? `x${k}`);
    axes(ctx, box, colours, header.plane.x.map((v) => said(inOwnUnits(header.inputs?.[0], v), 2)),
      header.plane.y.map((v) => said(inOwnUnits(header.inputs?.[1], v), 2)), names);
  }

  // The points stand still while the surface beneath them moves: each is painted once, on a sheet of its own.
  function layPoints(ctx, box, painted, r, colours) {
    const from = { x: Math.floor(box.x), y: Math.floor(box.y) }, size = Math.ceil(box.width) + 1;
    const about = [box.x, box.y, size, colours, globalThis.devicePixelRatio];
    const stands = about.every((one, i) => one === laid.about[i]) && painted.length >= laid.count && painted[laid.count - 1] === laid.last;
    const pen = stands ? laid.pen : clearCanvas(sheet, size, size);
    if (!stands) {
      pen.translate(-from.x, -from.y);
      header.points?.x.forEach((x, i) => paintPoint(pen, box, x, header.points.y[i], r, colours));
    }
    for (const one of painted.slice(stands ? laid.count : 0)) paintPoint(pen, box, one, one.at(-1), r, colours);
    laid = { about, pen, count: painted.length, last: painted.at(-1) };
    ctx.drawImage(sheet, from.x, from.y, size, size);
  }

  // y is the number of a class, or the value.
  function paintPoint(ctx, box, x, y, r, colours) {
    classShape(ctx, header.classes ? y : 0, ...toPixels(box, x), r);
    ctx.fillStyle = header.classes ? colours.classes[y % 10] : y < 0 ? colours.negative : colours.positive;
    ctx.fill();
    ctx.lineWidth = 1;
    ctx.strokeStyle = colours.surface;
    ctx.stroke();
  }

  // The example under the pointer; else the point itself.
  function hit(box, x, y) {
    let best = null, near = NEAR;
    for (let i = 0; i < examples.count; i++) {
      const [px, py] = toPixels(box, examples.x(i));
      const away = Math.hypot(px - x, py - y);
      if (away < near) [best, near] = [i, away];
    }
    return best === null ? { point: toData(box, [x, y]) } : { example: best, point: null };
  }

  return { kind: "plane", draw, hit, toPixels, toData };
}

function axes(ctx, box, colours, xs, ys, [name, other]) {
  ctx.fillStyle = colours.soft;
  ctx.font = `12px ${FACE}`;
  ctx.textBaseline = "alphabetic";
  const under = box.y + box.height + 16;
  const between = (text, size, ends, x, y) => { // the numbers at its ends, where there is room for it
    const room = size - 2 * Math.max(...ends.map((end) => ctx.measureText(end).width)) - 16;
    if (room > 30) ctx.fillText(shortened(ctx, text, room), x, y);
  };
  ctx.textAlign = "left";
  ctx.fillText(xs[0], box.x + 2, under);
  ctx.textAlign = "right";
  ctx.fillText(xs[1], box.x + box.width - 2, under);
  ctx.textAlign = "center";
  between(name, box.width, xs, box.x + box.width / 2, under);
  ctx.save();
  ctx.translate(box.x - 7, box.y + box.height / 2);
  ctx.rotate(-Math.PI / 2);
  between(other, box.height, ys, 0, 0);
  ctx.textAlign = "left";
  ctx.fillText(ys[0], 2 - box.height / 2, 0);
  ctx.textAlign = "right";
  ctx.fillText(ys[1], box.height / 2 - 2, 0);
  ctx.restore();
}

// ── the confusion matrix ──

// Names without what all of them begin with, up to a space: there is little room above a column.
function withoutShared(names) {
  const shared = names[0].slice(0, names[0].lastIndexOf(" ") + 1);
  return names.every((name) => name.startsWith(shared)) ? names.map((name) => name.slice(shared.length)) : names;
}

function matrixOf(recording) {
  const { header, examples } = recording;
  const heads = withoutShared(header.classes);
  const answers = answersOf(recording);
  const bipolar = saysMinusOne(header.network), count = header.classes.length;
  let cells = [];

  const fill = (theta) => {
    const values = answers(theta), units = values.length / examples.carried;
    cells = Array.from({ length: count * count }, () => []);
    for (let i = 0; i < examples.carried; i++) {
      const says = classSaid(values.subarray(i * units, (i + 1) * units), bipolar, header.threshold).one;
      cells[classOfTruth(examples.y(i), bipolar) * count + says].push(i);
    }
  };

  let widest = 0, widestHead = 0; // px of the classes' names, and of those above the columns
  const grid = (box) => {
    const names = Math.min(0.27 * box.width + box.beside, 34 + widest), left = box.x - Math.min(box.beside, names);
    const right = box.x + box.width, x = left + names, y = box.y + 34, cell = Math.min(right - x, box.height - 34) / count;
    const room = right + Math.max(8, box.beside) - x;
    const wide = Math.max(cell, Math.min(widestHead + 6, room / count)); // wider than high where a name needs it
    return { left, x, y, cell, wide };
  };

  // What the matrix is of, in as many words as there is room for, and how wide that is in px.
  function title(ctx, room) {
    const of = `of ${counted(examples.carried, "example")}`, some = header.examples?.whole === false ? ", the most wrong among them" : "";
    const sized = [`the network says, ${of}${some}`, `${of}${some}`, of].map((text) => [text, ctx.measureText(text).width]);
    return sized.find(([, wide]) => wide <= room) ?? sized.at(-1);
  }

  function draw(ctx, box, { theta }, state, colours) {
    fill(theta);
    ctx.font = `12px ${FACE}`;
    [widest, widestHead] = [header.classes, heads].map((names) => Math.max(...names.map((name) => ctx.measureText(name).width)));
    const { left, x, y, cell, wide } = grid(box);
    ctx.fillStyle = colours.soft;
    ctx.textBaseline = "middle";
    ctx.textAlign = "center";
    const [told, long] = title(ctx, box.x + box.width - left);
    ctx.fillText(told, Math.min(x + (count * wide) / 2, box.x + box.width - long / 2), box.y + 6);
    const apart = Math.ceil(13 / cell); // where cells are smaller than a name is high, not every class is named
    header.classes.forEach((name, j) => {
      if (j % apart) return;
      ctx.fillStyle = colours.ink;
      ctx.textAlign = "center";
      ctx.fillText(shortened(ctx, heads[j], wide * apart - 4), x + (j + 0.5) * wide, box.y + 23);
      ctx.textAlign = "right";
      ctx.fillText(shortened(ctx, name, x - left - 26), x - 8, y + (j + 0.5) * cell);
    });
    ctx.save();
    ctx.translate(left + 6, y + (count * cell) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textAlign = "center";
    ctx.fillStyle = colours.soft;
    ctx.fillText("truth", 0, 0);
    ctx.restore();
    const rows = Array.from({ length: count }, (_, i) => cells.slice(i * count, (i + 1) * count));
    rows.forEach((row, i) => {
      const whole = row.reduce((sum, cellOf) => sum + cellOf.length, 0);
      row.forEach((inside, j) => paintCell(ctx, x + j * wide, y + i * cell, wide, cell, inside, inside.length / (whole || 1), i === j, state, colours));
    });
  }

  function paintCell(ctx, x, y, wide, cell, inside, share, right, state, colours) {
    ctx.beginPath();
    ctx.roundRect(x + 1.5, y + 1.5, wide - 3, cell - 3, Math.min(8, cell / 6));
    ctx.fillStyle = colours.raised;
    ctx.fill();
    if (inside.length) {
      ctx.globalAlpha = 0.12 + 0.7 * share;
      ctx.fillStyle = colours.accent;
      ctx.fill();
      ctx.globalAlpha = 1;
    }
    if (right) {
      ctx.strokeStyle = colours.soft;
      ctx.lineWidth = 1;
      ctx.stroke();
    }
    if (!state.point && inside.includes(state.example)) {
      ctx.strokeStyle = colours.ink;
      ctx.lineWidth = 2.5;
      ctx.stroke();
    }
    if (!inside.length || cell < 11) return;
    ctx.fillStyle = share > 0.55 ? colours.surface : colours.ink;
    ctx.textAlign = "center";
    ctx.font = `${right ? 600 : 500} ${Math.max(10, Math.min(22, cell / 3))}px ${FACE}`;
    ctx.fillText(said(inside.length), x + wide / 2, y + cell / 2 + 1);
  }

  // The next example of the cell under the pointer.
  function hit(box, x, y, state) {
    const { x: first, y: top, cell, wide } = grid(box);
    const column = Math.floor((x - first) / wide), row = Math.floor((y - top) / cell);
    if (column < 0 || row < 0 || column >= count || row >= count) return null;
    const inside = cells[row * count + column] ?? [];
    if (!inside.length) return null;
    return { example: inside[(inside.indexOf(state.example) + 1) % inside.length], point: null };
  }

  return { kind: "matrix", draw, hit };
}

// ── said against true ──

function scatterOf(recording) {
  const { header, examples } = recording;
  const answers = answersOf(recording);
  const truths = Float64Array.from({ length: examples.carried }, (_, i) => examples.y(i)[0]);
  let places = [];

  function draw(ctx, box, { theta }, state, colours) {
    const values = answers(theta), units = values.length / examples.carried;
    let [lo, hi] = truths.length ? [Math.min(...truths), Math.max(...truths)] : [-1, 1];
    [lo, hi] = [lo - 0.08 * (hi - lo || 1), hi + 0.08 * (hi - lo || 1)];
    const at = (value) => Math.max(0.01, Math.min(0.99, (value - lo) / (hi - lo)));
    const x = (value) => box.x + box.width * at(value), y = (value) => box.y + box.height * (1 - at(value));
    ctx.fillStyle = colours.raised;
    ctx.beginPath();
    ctx.roundRect(box.x, box.y, box.width, box.height, 10);
    ctx.fill();
    ctx.strokeStyle = colours.soft;
    ctx.setLineDash([4, 4]);
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x(lo), y(lo));
    ctx.lineTo(x(hi), y(hi));
    ctx.stroke();
    ctx.setLineDash([]);
    places = Array.from(truths, (truth, i) => [x(truth), y(values[i * units])]);
    places.forEach(([px, py], i) => {
      const off = values[i * units] - truths[i];
      ctx.globalAlpha = 0.3;
      ctx.strokeStyle = off < 0 ? colours.negative : colours.positive;
      ctx.beginPath();
      ctx.moveTo(px, py);
      ctx.lineTo(px, y(truths[i]));
      ctx.stroke();
      ctx.globalAlpha = 0.85;
      ctx.fillStyle = ctx.strokeStyle;
      ctx.beginPath();
      ctx.arc(px, py, 4, 0, 2 * Math.PI);
      ctx.fill();
      ctx.globalAlpha = 1;
    });
    if (!state.point && places[state.example]) {
      const [px, py] = places[state.example];
      ctx.strokeStyle = colours.ink;
      ctx.lineWidth = 2.5;
      ctx.beginPath();
      ctx.arc(px, py, 9, 0, 2 * Math.PI);
      ctx.stroke();
    }
    const column = header.outputs?.[0];
    const ends = [lo, hi].map((value) => said(inOwnUnits(column, value), 3));
    axes(ctx, box, colours, ends, ends, [`true ${column?.name ?? "value"}`, "what the network says"]);
  }

  function hit(box, x, y) {
    let best = null, near = 2 * NEAR;
    places.forEach(([px, py], i) => {
      const away = Math.hypot(px - x, py - y);
      if (away < near) [best, near] = [i, away];
    });
    return best === null ? null : { example: best, point: null };
  }

  return { kind: "scatter", draw, hit };
}
