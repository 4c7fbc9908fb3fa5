// Where everything of the picture stands, computed of numbers alone: columns of units, their biases, the big
// last unit, and which units of a large layer are shown; and the order in which the keyboard walks through it.

const HEAD = 26; // px above the units, for the layers' names
const UNDER = 15; // px beneath a unit, for its number
const BESIDE = 760; // px from which the big unit stands beside the network, whatever the height

const MORE = 35; // px beneath the units of a narrow network, for a bias and the button that shows others
const TITLES = 54, AXIS = 24; // px above the big unit beneath a network, and beneath it
const LEAST = 160; // px that it has at least, where that leaves the network some

export const TIGHT = 330; // px of the big unit beneath which the words above it take more lines

// Whether the big unit stands beneath the network: in a picture that is small, and not much wider than high.
export const isStacked = (width, height) => width < BESIDE && width < 1.5 * height;

// How high the network is above the big unit: about half of a picture, less of a low one, where that is to be seen too.
export function heightOfNetwork(height, L) {
  const half = height * (L > 3 ? 0.5 : 0.48);
  return Math.round(Math.max(0.38 * height, Math.min(half, height - TITLES - AXIS - LEAST)));
}

// The units of a layer that tell most: those that most flows through, in their own order, and those to be `kept`.
export function tellingUnits(model, theta, l, most, page = 0, kept = []) {
  const count = model.sizes[l];
  const all = Array.from({ length: count }, (_, j) => j);
  if (count <= most) return all;
  const within = new Float64Array(count).fill(l === 0 ? 1 : 0), beyond = new Float64Array(count).fill(l === model.L ? 1 : 0);
  if (l > 0)
    for (let j = 0, at = model.W(l); j < count; j++)
      for (let k = 0; k < model.sizes[l - 1]; k++) within[j] += Math.abs(theta[at++]);
  if (l < model.L)
    for (let i = 0, at = model.W(l + 1); i < model.sizes[l + 1]; i++)
      for (let j = 0; j < count; j++) beyond[j] += Math.abs(theta[at++]);
  const wanted = [...new Set(kept)].slice(0, most), room = most - wanted.length;
  const ranked = all.filter((j) => !wanted.includes(j)).sort((i, j) => within[j] * beyond[j] - within[i] * beyond[i] || i - j);
  const start = (page * room) % ranked.length;
  return [...wanted, ...ranked.slice(start, start + room)].sort((i, j) => i - j);
}

// How many units of each layer are drawn: all where that is possible; of a larger layer so many that their maps stay
// legible, or as many as the fullest of the others has. `image`: whether the inputs are one picture; `roomy`: whether
// there is to be a number in each unit.
export function rowsThatFit(sizes, height, narrow, { image = false, roomy = false } = {}) {
  const free = height - HEAD, close = Math.max(4.5, free / (narrow ? 22 : roomy ? 42 : 29)), last = sizes.length - 1;
  const fits = sizes.map((count, l) => (image && l === 0) || count + (l < last ? 0.5 : 0) <= close); // a bias beneath
  const full = sizes.filter((_, l) => fits[l] && !(image && l === 0));
  const most = Math.max(3, Math.floor(free / (narrow ? 27 : roomy ? 62 : 52)) - 1, ...full);
  return sizes.map((count, l) => (fits[l] ? count : most));
}

// sizes: units per layer; shown: indices drawn per layer; room: {left, right} px beside for names;
// image: whether the inputs are one picture. All in CSS pixels; left of the big unit `beside` px are free.
export function layoutOf({ sizes, shown, width, height, room, image }) {
  const narrow = isStacked(width, height);
  const L = sizes.length - 1;
  let big, net;
  if (narrow) {
    const tall = heightOfNetwork(height, L), titles = TITLES, side = Math.max(80, Math.min(width - 40, height - tall - titles - AXIS));
    big = { x: (width - side) / 2, y: tall + titles, width: side, height: side, beside: (width - side) / 2 - 8 };
    net = { x: 0, y: 0, width, height: tall };
  } else {
    const sideWith = (titles) => Math.min(height - titles - AXIS - 6, width * (L > 4 ? 0.33 : 0.4));
    const titles = sideWith(58) < TIGHT ? 84 : 58, side = sideWith(titles); // above a narrow one each line may go on in a second
    big = { x: width - side - 16, y: Math.max(titles, (height - side - AXIS + titles) / 2), width: side, height: side, beside: 0 };
    net = { x: 0, y: 0, width: big.x - 26, height };
  }
  const free = net.height - HEAD - 4;
  const rows = shown.map((some, l) => (narrow && some.length < sizes[l] ? (some.length * free) / Math.max(1, free - MORE)
    : some.length + (l < L ? (narrow ? 0.75 : 0.45) : 0) + (some.length < sizes[l] ? 0.5 : 0)));
  if (image) rows[0] = 3;
  const most = Math.max(...rows);
  const side = image ? Math.min(0.52 * free, 0.24 * net.width, 260) : 0;
  const left = net.x + (image ? side / 2 + 14 : room.left), right = net.x + net.width - room.right;
  // The half tile at either end belongs to the columns' width.
  const across = (tile) => (right - left - tile) / Math.max(L, 1);
  let tile = Math.min(124, free / most - (narrow ? 4 : UNDER + 8));
  tile = Math.max(narrow ? 12 : 20, Math.min(tile, (right - left) / (L + 1) / (narrow ? 1.6 : 1.75)));
  const columns = shown.map((some, l) => {
    const x = left + tile / 2 + l * across(tile);
    const pitch = Math.min(free / rows[l], (tile + UNDER) * 1.7);
    const top = HEAD + (free - pitch * rows[l]) / 2 + tile / 2;
    return { x, pitch, top, units: some, y: (at) => top + at * pitch };
  });
  const picture = image && { x: columns[0].x - side / 2, y: HEAD + (free - side) / 2 - 10, width: side, height: side };
  const paper = { net: { x: 0, y: 0, width: narrow ? width : Math.ceil(big.x), height: narrow ? Math.ceil(big.y) : height },
    big: aroundOf(big, width, height) };
  return { narrow, net, big, paper, tile, columns, picture, width, height, sizes,
    places: shown.map((some) => new Map(some.map((j, at) => [j, at]))) };
}

// What is drawn on for the big unit: its box, the names beside it and the numbers of its axes. What stays blank need
// not be painted in every frame.
function aroundOf(big, width, height) {
  const x = Math.max(0, Math.floor(big.x - big.beside - 24)), y = Math.max(0, Math.floor(big.y - 8));
  return { x, y, width: Math.min(width, Math.ceil(big.x + big.width + Math.max(16, big.beside))) - x, height: Math.min(height, Math.ceil(big.y + big.height + 28)) - y };
}

// The middle and half the side of a unit; null where it is not drawn. A pixel's is its place in the image.
export function unitPlace(layout, l, j, shape = null) {
  if (l === 0 && layout.picture) {
    if (!shape || j >= layout.sizes[0]) return null;
    const { x, y, width, height } = layout.picture;
    const row = Math.floor(j / shape[1]), column = j % shape[1];
    return { x: x + ((column + 0.5) * width) / shape[1], y: y + ((row + 0.5) * height) / shape[0],
      r: width / shape[1] / 2 };
  }
  const at = layout.places[l]?.get(j);
  if (at === undefined) return null;
  const column = layout.columns[l];
  return { x: column.x, y: column.y(at), r: layout.tile / 2 };
}

// The circle that holds a 1 and feeds the biases of layer l: beneath the units of the layer before.
export function biasPlace(layout, l) {
  const r = Math.max(6, Math.min(13, layout.tile / 4));
  if (l === 1 && layout.picture) {
    const { x, y, width, height } = layout.picture;
    return { x: x + width - r, y: y + height + r + 18, r };
  }
  const column = layout.columns[l - 1];
  return { x: column.x + layout.tile / 2 - r, y: column.y(column.units.length) - layout.tile / 2 + r + 4, r };
}

export function edgePlace(layout, l, j, k, shape = null) {
  const to = unitPlace(layout, l, j);
  const from = k === "bias" ? biasPlace(layout, l) : unitPlace(layout, l - 1, k, shape);
  if (!to || !from) return null;
  return { x1: from.x + from.r, y1: from.y, x2: to.x - to.r, y2: to.y };
}

export function distanceTo(edge, x, y) {
  const [dx, dy] = [edge.x2 - edge.x1, edge.y2 - edge.y1];
  const along = Math.max(0, Math.min(1, ((x - edge.x1) * dx + (y - edge.y1) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - edge.x1 - along * dx, y - edge.y1 - along * dy);
}

// The part that an arrow key comes to. Units stand in columns, weights into a unit between two columns: Right
// goes from a unit to its first weight onwards, from a weight to its unit; Left the other way.
export function besidePart(layout, part, key) {
  const [l, rest] = [Number(part.split(":")[0]), part.split(":")[1]];
  const [j, k] = rest.split(",");
  const unitsOf = (at) => layout.columns[at]?.units ?? [];
  if (k === undefined) {
    const units = unitsOf(l), at = units.indexOf(Number(j));
    const first = (to) => units.length && unitsOf(to)[0];
    switch (key) {
      case "ArrowDown": return `${l}:${units[Math.min(at + 1, units.length - 1)]}`;
      case "ArrowUp": return `${l}:${units[Math.max(at - 1, 0)]}`;
      case "Home": return `${l}:${units[0]}`;
      case "End": return `${l}:${units.at(-1)}`;
      case "ArrowRight": return l + 1 < layout.columns.length ? `${l + 1}:${first(l + 1)},${j}` : part;
      case "ArrowLeft": return l > 0 ? `${l}:${j},${unitsOf(l - 1)[0]}` : part;
      default: return undefined;
    }
  }
  // All weights and biases between two columns, by where they come from.
  const list = [...unitsOf(l - 1), "bias"].flatMap((from) => unitsOf(l).map((to) => `${l}:${to},${from}`));
  const at = list.indexOf(part);
  switch (key) {
    case "ArrowDown": return list[Math.min(at + 1, list.length - 1)];
    case "ArrowUp": return list[Math.max(at - 1, 0)];
    case "Home": return list[0];
    case "End": return list.at(-1);
    case "ArrowRight": return `${l}:${j}`;
    case "ArrowLeft": return k === "bias" ? `${l - 1}:${unitsOf(l - 1).at(-1)}` : `${l - 1}:${k}`;
    default: return undefined;
  }
}
