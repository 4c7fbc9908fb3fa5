"""What a network of two inputs says everywhere: its answers on a grid as an image, below the examples.

Classes are mixed in their colours, paler where the network is less sure, with a line where it would change
its mind; numbers are blue above the middle of the data and orange below. Axes have the units of the data:
value = input · scale + center. Filled points are training examples, rings validation, square rings test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from whygrad.answers.draw.axes import Panel, axis, draw_axes, tick_room
from whygrad.answers.draw.drawing import (
    BOLD,
    SMALL,
    Drawing,
    Label,
    fitted,
    legend,
    point,
    swatch,
    tag,
    to_svg,
)
from whygrad.answers.draw.palette import COLOURS, PIXELS, SERIES
from whygrad.answers.draw.png import data_uri
from whygrad.answers.formatting import clean, number, typeset
from whygrad.answers.names import Names, names_of, unscaled
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters, forward
from whygrad.why.choosing import class_names, classes, classifies

WIDTH, HEIGHT = 400.0, 340.0
GRID = 60  # pixels across and down
MARGIN = 0.08  # of the range of the examples, on each side
MOST = 1000  # points of a kind
PALEST, FULLEST = 0.10, 0.62  # how opaque the image is where the network is least and most sure
DOT, RING = 7.0, 8.5  # across

Scale: TypeAlias = tuple[float, float]  # (center, scale) of a column that was standardised


@dataclass(frozen=True, eq=False)
class Surface:
    """A network of two inputs with examples, as it takes them.

    Parameters
    ----------
    net, theta : the network and its parameters.
    training, validation, test : examples (X, Y), (n, 2) and (n, n_L), or None.
    names : what inputs and outputs are called.
    scales : (center, scale) of each input, where the data were standardised.
    target : the same of a number that is predicted.
    asked : the example (2,) that the page asks about, or None.

    >>> from whygrad import Dense
    >>> net = Network(2, [Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> surface = Surface(net, net.init(W=[None, [[1.0, 1.0]]]))
    >>> surface.ranges[0], surface.outputs.shape, surface.svg()[:4]
    ((-1.16, 1.16), (60, 60, 1), '<svg')
    """

    net: Network
    theta: Parameters
    training: tuple[Array, Array] | None = None
    validation: tuple[Array, Array] | None = None
    test: tuple[Array, Array] | None = None
    names: Names | None = None
    scales: tuple[Scale, Scale] = ((0.0, 1.0), (0.0, 1.0))
    target: Scale = (0.0, 1.0)
    asked: Array | None = None

    def __post_init__(self) -> None:
        if not has_surface(self.net):
            raise InputError(
                f"a network of {self.net.sizes[0]} inputs has no surface to draw: it needs two"
            )

    @property
    def parts(self) -> dict[str, tuple[Array, Array]]:
        """The examples by part, those that have any."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None and len(part[0])}

    @cached_property
    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """From where to where each input goes: those of the examples, and a margin."""
        parts = [X for X, _ in self.parts.values()]
        X = np.concatenate(parts) if parts else np.array([[-1.0, -1.0], [1.0, 1.0]])
        low, high = X.min(axis=0).astype(float), X.max(axis=0).astype(float)
        margin = np.where(high > low, (high - low) * MARGIN, 1.0)
        low, high = low - margin, high + margin
        return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))

    @cached_property
    def outputs(self) -> Array:
        """a[L] at the middle of each pixel, the top row first, (GRID, GRID, n_L)."""
        (left, right), (low, high) = self.ranges
        share = (np.arange(GRID) + 0.5) / GRID
        x, y = left + (right - left) * share, high - (high - low) * share
        X = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(self.theta.flat.dtype)
        with np.errstate(all="ignore"):
            a: Array = forward(self.net, self.theta, X).a[-1]
        return a.astype(float).reshape(GRID, GRID, -1)

    @cached_property
    def probabilities(self) -> Array:
        """How sure the network is of each class, (GRID, GRID, classes)."""
        a = self.outputs
        if a.shape[-1] == 1:
            return np.concatenate([1 - a, a], axis=-1)
        with np.errstate(all="ignore"):
            return a / a.sum(axis=-1, keepdims=True)

    @cached_property
    def middle(self) -> tuple[float, float]:
        """The middle of the numbers predicted, and how far the data go to either side of it."""
        y = np.concatenate([*(Y[:, 0] for _, Y in self.parts.values()), np.zeros(0)])
        if not len(y):
            return 0.0, 1.0
        low, high = float(y.min()), float(y.max())
        return (low + high) / 2, (high - low) / 2 or 1.0

    def pixels(self) -> Array:
        """Return the image, (GRID, GRID, 4) of bytes."""
        return _of_classes(self.probabilities) if classifies(self.net) else _of_numbers(self)

    def svg(self, alone: bool = True) -> str:
        """Return everything as an SVG; within a page (not `alone`) the page has the style sheet."""
        return to_svg(_draw(self), alone)


def has_surface(net: Network) -> bool:
    """Return whether a network's answers can be drawn as a surface."""
    return net.sizes[0] == 2


def _draw(surface: Surface) -> Drawing:
    """Draw image, lines, examples and axes."""
    names = names_of(surface.net, surface.names)
    keys, texts, top = legend(_keys(surface, names), 12, 14, WIDTH - 12)
    panel = _panel(surface, top + 12)
    axes, ticks = draw_axes(panel)
    frame: dict[str, object] = {"x": panel.left, "y": panel.top}
    frame |= {"width": panel.width, "height": panel.height}
    shown = {"preserveAspectRatio": "none", "href": data_uri(surface.pixels())}
    shapes = [
        *axes,
        tag("image", frame | shown, title=_said(surface)),
        *_borders(surface, panel),
        *_points(surface, panel),
        tag("rect", frame | {"class": "wg-on-soft"}),
    ]
    x, y = (clean(names.of(surface.net, 0, k)) for k in (0, 1))
    look = "wg-soft wg-bold"
    labels = [
        *texts,
        *ticks,
        Label(12, top + 4, fitted(y, 200, SMALL * BOLD), SMALL, look=look, full=y),
        Label(panel.left + panel.width / 2, panel.top + panel.height + 36,
              fitted(x, 300, SMALL * BOLD), SMALL, "middle", look, x),
    ]  # fmt: skip
    return Drawing(
        "What the network says everywhere", WIDTH, HEIGHT, (*keys, *shapes), tuple(labels)
    )


def _panel(surface: Surface, top: float) -> Panel:
    """Return the panel with axes in the data's own units."""
    ends = [
        sorted(float(unscaled(end, scale)) for end in ends)
        for ends, scale in zip(surface.ranges, surface.scales, strict=True)
    ]
    x, y = (axis(low, high, count=6, whole=False) for low, high in ends)
    left = 22 + tick_room(y)
    return Panel(left, top, WIDTH - left - 18, HEIGHT - top - 48, x, y)


def _placed(surface: Surface, panel: Panel, X: Array) -> Array:
    """Return where inputs (m, 2) stand on the sheet, (m, 2)."""
    x, y = (unscaled(X[:, k], scale) for k, scale in enumerate(surface.scales))
    return np.stack(
        [
            panel.left + panel.width * (x - panel.x.low) / (panel.x.high - panel.x.low),
            panel.top + panel.height * (panel.y.high - y) / (panel.y.high - panel.y.low),
        ],
        axis=1,
    )


# ── the image ────────────────────────────────────────────────────────────────────────────────────────


def _of_classes(p: Array) -> Array:
    """Mix the colours of the classes, as opaque as the network is sure; nothing where p is not finite."""
    known: Array = np.isfinite(p.sum(axis=-1))
    p = np.where(known[..., None], p, 0.0)
    count = p.shape[-1]
    colours = np.array([_rgb(COLOURS[f"c{c % SERIES}"][0]) for c in range(count)])
    sure = (p.max(axis=-1) - 1 / count) / (1 - 1 / count)
    pixels = np.empty((*p.shape[:2], 4), np.uint8)
    pixels[..., :3] = np.rint(np.clip(p @ colours, 0, 255))
    pixels[..., 3] = np.rint(255 * known * (PALEST + (FULLEST - PALEST) * np.clip(sure, 0, 1)))
    return pixels


def _of_numbers(surface: Surface) -> Array:
    """Colour numbers by how far they are above or below the middle of the data."""
    middle, reach = surface.middle
    share = (surface.outputs[..., 0] - middle) / reach
    known = np.isfinite(share)
    share = np.clip(np.where(known, share, 0.0), -1, 1)
    pixels = np.empty((*share.shape, 4), np.uint8)
    above, below = (_rgb(PIXELS[name]) for name in ("positive", "negative"))
    pixels[..., :3] = np.where((share < 0)[..., None], below, above)
    pixels[..., 3] = np.rint(255 * known * FULLEST * abs(share))
    return pixels


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _borders(surface: Surface, panel: Panel) -> list[str]:
    """Draw where the network would change its mind."""
    if not classifies(surface.net):
        return []
    p = surface.probabilities
    count = p.shape[-1]
    paths = []
    for c in range(1 if count == 2 else count):
        others = np.delete(p, c, axis=-1).max(axis=-1)
        paths.append(_path(contour(p[..., c] - others), panel))
    path = "".join(paths)
    return [tag("path", {"d": path, "class": "wg-on-ink", "stroke-width": 1.4})] if path else []


def contour(values: Array) -> Array:
    """Return the line where values on a grid are 0 as pieces, (m, 2, 2): two ends of (row, column) each.

    In every square between four numbers the piece that joins where its sides change sign, found by linear
    interpolation: marching squares, Lorensen & Cline (1987) in two dimensions.

    >>> contour(np.array([[-1.0, 1.0], [-1.0, 1.0]])).tolist()
    [[[0.0, 0.5], [1.0, 0.5]]]
    """
    above = values > 0
    corners = above[:-1, :-1], above[:-1, 1:], above[1:, 1:], above[1:, :-1]
    mixed = np.stack([one != corners[0] for one in corners[1:]]).any(axis=0)
    pieces = [piece for r, c in np.argwhere(mixed).tolist() for piece in _within(values, r, c)]
    return np.array(pieces).reshape(-1, 2, 2)


def _within(values: Array, r: int, c: int) -> list[list[tuple[float, float]]]:
    """Return the pieces within one square, from one crossing of its sides to the next."""
    square = [(r, c), (r, c + 1), (r + 1, c + 1), (r + 1, c)]
    numbers = [float(values[corner]) for corner in square]
    ends = []
    for i, (one, two) in enumerate(zip(numbers, (*numbers[1:], numbers[0]), strict=True)):
        if (one > 0) != (two > 0) and math.isfinite(one - two):
            (r1, c1), (r2, c2) = square[i], square[(i + 1) % 4]
            t = one / (one - two)
            ends.append((r1 + t * (r2 - r1), c1 + t * (c2 - c1)))
    return [ends[i : i + 2] for i in range(0, len(ends) - 1, 2)]


def _path(pieces: Array, panel: Panel) -> str:
    x = panel.left + panel.width * (pieces[..., 1] + 0.5) / GRID
    y = panel.top + panel.height * (pieces[..., 0] + 0.5) / GRID
    return "".join(
        f"M{point(x1, y1)}L{point(x2, y2)}"
        for (x1, x2), (y1, y2) in zip(x.tolist(), y.tolist(), strict=True)
    )


# ── the examples ─────────────────────────────────────────────────────────────────────────────────────


def _points(surface: Surface, panel: Panel) -> list[str]:
    """Draw the examples, one path for each colour and kind."""
    shapes = []
    for name, part in surface.parts.items():
        X, Y = (_thinned(np.asarray(one)) for one in part)
        at, which, looks = _placed(surface, panel, X), *_looks(surface, Y)
        for k, look in enumerate(looks):
            path = "".join(f"M{point(x, y)}h0" for x, y in at[which == k].tolist())
            if path:
                shapes += _dots(path, look, name)
    if surface.asked is not None:
        x, y = _placed(surface, panel, np.asarray(surface.asked, float).reshape(1, 2))[0].tolist()
        about: dict[str, object] = {"cx": x, "cy": y, "r": 9.0}
        about |= {"class": "wg-on-ink", "stroke-width": 2.5}
        shapes.append(tag("circle", about, title="the example asked about"))
    return shapes


def _dots(path: str, look: str, part: str) -> list[str]:
    """Draw points: filled for training, rings for validation, square rings for test."""
    cap = "square" if part == "test" else "round"
    about: dict[str, object] = {"d": path, "stroke-linecap": cap}
    ring = part != "training"
    width = RING if ring else DOT
    layers = [("wg-on-surface", width + 2.4), (look, width)]
    if ring:
        layers.append(("wg-on-surface", width - 4.2))
    return [tag("path", about | {"class": name, "stroke-width": wide}) for name, wide in layers]


def _looks(surface: Surface, Y: Array) -> tuple[Array, list[str]]:
    """Return the index of each example's colour, and the colours."""
    if classifies(surface.net):
        return classes(Y), [f"wg-on-c{c % SERIES}" for c in range(max(2, Y.shape[1]))]
    middle, _ = surface.middle
    return (Y[:, 0] < middle).astype(int), ["wg-on-positive", "wg-on-negative"]


def _thinned(array: Array) -> Array:
    if len(array) <= MOST:
        return array
    return array[np.linspace(0, len(array) - 1, MOST).astype(int)]


# ── words ────────────────────────────────────────────────────────────────────────────────────────────


def _keys(surface: Surface, names: Names) -> list[tuple[str, str]]:
    """Return what colours and points mean."""
    center, scale = surface.target
    if classifies(surface.net):
        texts: Sequence[str] = class_names(surface.net, names)
        looks = [f"wg-c{c % SERIES}" for c in range(len(texts))]
    else:
        middle = typeset(number(surface.middle[0] * scale + center))
        what = clean(names.of(surface.net, surface.net.L, 0))
        texts, looks = (f"{what} above {middle}", "below"), ["wg-positive", "wg-negative"]
    pairs = zip(looks[:SERIES], texts, strict=False)
    keys = [(swatch(look), clean(text)) for look, text in pairs]
    return keys + [("".join(_dots("M11 0h0", "wg-on-soft", part)), part) for part in surface.parts]


def _said(surface: Surface) -> str:
    if classifies(surface.net):
        return "the paler, the less sure; the line is where the network changes its mind"
    return "blue above the middle of the data, orange below; the stronger, the further"
