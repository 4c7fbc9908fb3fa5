// What every drawing of the stage needs of the page: elements, canvases as sharp as the screen, its colours.

export function h(name, about = {}, ...inner) {
  return filled(document.createElement(name), about, inner);
}

// The same of a drawing: an element of SVG.
export function svg(name, about = {}, ...inner) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), about, inner);
}

function filled(node, about, inner) {
  for (const [key, value] of Object.entries(about)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...inner);
  return node;
}

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function wantsStillness() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// Make a canvas this many CSS pixels large and as sharp as the screen; return its cleared context. Where the style
// sheet says how large it is (`styled`), that is left alone.
export function clearCanvas(canvas, width, height, styled = false) {
  const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) {
    Object.assign(canvas, { width: across, height: down });
    if (!styled) Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

// The same of a canvas over a part of the picture: it is drawn in the picture's own coordinates.
export function clearPart(canvas, { x, y, width, height }) {
  const ctx = clearCanvas(canvas, width, height);
  Object.assign(canvas.style, { left: `${x}px`, top: `${y}px` });
  ctx.translate(-x, -y);
  return ctx;
}

export const FACE = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

function threeParts(colour) {
  const whole = colour.trim().replace("#", "");
  return [0, 2, 4].map((at) => parseInt(whole.slice(at, at + 2), 16));
}

function blended(from, to, share) {
  return from.map((part, i) => Math.round(part + share * (to[i] - part)));
}

// One colour per number from −1 to 1, as the pixels of an image are stored: little-endian RGBA.
export const RAMP = 255;

function rampOf(negative, middle, positive) {
  const ramp = new Uint32Array(2 * RAMP + 1);
  for (let i = -RAMP; i <= RAMP; i++) {
    const [r, g, b] = blended(middle, i < 0 ? negative : positive, Math.abs(i) / RAMP);
    ramp[i + RAMP] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return ramp;
}

// The colours that the style sheet gives the stage, in the theme of now.
export function coloursOf(root) {
  const style = getComputedStyle(root);
  const one = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const colours = {};
  for (const name of ["surface", "raised", "ink", "soft", "line", "neutral", "positive", "negative", "accent"])
    colours[name] = one(name);
  colours.classes = Array.from({ length: 10 }, (_, i) => one(`c${i}`));
  const neutral = threeParts(colours.neutral);
  colours.parts = { neutral, surface: threeParts(colours.surface), classes: colours.classes.map(threeParts) };
  colours.ramp = rampOf(threeParts(colours.negative), neutral, threeParts(colours.positive));
  return colours;
}

// Tell when the theme changes, whoever changes it; return how to stop.
export function onTheme(told) {
  const queries = ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"].map((one) => matchMedia(one));
  for (const query of queries) query.addEventListener("change", told);
  const seen = new MutationObserver(told);
  for (const node of [document.documentElement, document.body])
    seen.observe(node, { attributes: true, attributeFilter: ["class", "data-theme"] });
  return () => {
    for (const query of queries) query.removeEventListener("change", told);
    seen.disconnect();
  };
}

// Text on a canvas, shortened to the room there is; with `ending`, between its first letters and its last words.
export function shortened(ctx, text, room, ending = false) {
  const fits = (start, end) => ctx.measureText(`${start}…${end}`).width <= room;
  if (ctx.measureText(text).width <= room) return text;
  const ends = ending ? [...text.matchAll(/[ =]/g)].map(({ index }) => text.slice(index + 1)) : [];
  const end = ends.find((one) => fits(text.slice(0, 3), one)) ?? ""; // whole words: half a number is another one
  let start = text.slice(0, text.length - end.length - 1);
  while (start.length > 1 && !fits(start.trimEnd(), end)) start = start.slice(0, -1);
  return `${start.trimEnd()}…${end}`;
}

// The shape of a class, filled: colour alone must not tell classes apart.
const SHAPES = [0, 4, 3, 5, -4, -3, 6, 8, -5, -6]; // 0 a circle, else corners; a minus turns it

export function classShape(ctx, one, x, y, r) {
  const corners = SHAPES[one % SHAPES.length], count = Math.abs(corners);
  ctx.beginPath();
  if (!count) ctx.arc(x, y, r, 0, 2 * Math.PI);
  else {
    const size = r * (count === 3 ? 1.35 : count === 4 ? 1.2 : 1.1);
    const turn = count === 4 ? (corners > 0 ? Math.PI / 4 : 0) : corners > 0 ? -Math.PI / 2 : Math.PI / 2;
    for (let i = 0; i < count; i++) {
      const angle = turn + (2 * Math.PI * i) / count;
      ctx.lineTo(x + size * Math.cos(angle), y + size * Math.sin(angle));
    }
    ctx.closePath();
  }
}
