"""A chart as SVG: lines, and areas stacked on both sides of zero in a panel of their own.

Dashed lines, such as tangents, do not decide how far the axis goes: where they leave it, they end. Of very
many points, those that a drawing of this width can show are drawn, the extremes among them.
"""

import math
from typing import Any

import numpy as np

from whygrad.answers.draw.axes import (
    Axis,
    Panel,
    axis,
    draw_axes,
    drawable,
    finite_range,
    log_axis,
    thinned,
    tick_room,
)
from whygrad.answers.draw.drawing import (
    BOLD,
    SMALL,
    Anchor,
    Box,
    Drawing,
    Label,
    fitted,
    free,
    head,
    legend,
    line,
    point,
    swatch,
    tag,
)
from whygrad.answers.draw.palette import DASHES, series
from whygrad.answers.formatting import clean, number, typeset
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.nn.functions import Array

WIDTH, HEIGHT = 520.0, 210.0
MOST = 600  # points of a line
KEY = f"M{point(0, 0)}L{point(22, 0)}"  # of a line in the legend


def draw_curves(picture: CurvePicture) -> Drawing:
    """Draw the lines, and below them the areas."""
    titles, y = head(picture.title, WIDTH)
    shapes: list[str] = []
    labels: list[Label] = list(titles)
    axis_x = _x_axis(picture)
    heights = [_line_axis(picture)] if picture.lines or picture.marks else []
    heights += [_stack_axis(picture)] if picture.stacked else []
    left = 22 + max(map(tick_room, heights), default=20.0)
    for place, axis_y in enumerate(heights):
        areas = bool(picture.stacked) and place == len(heights) - 1
        percent = ", %" * (picture.scale == "percent")
        what = picture.stack_label if areas else f"{picture.y_label}{percent}"
        labels.append(_heading(12, y + 16, what, "start"))
        drawn, texts, y = legend(_keys(picture, areas), 12, y + 34, WIDTH - 12)
        shapes, labels = shapes + drawn, labels + texts
        panel = Panel(left, y + 2, WIDTH - left - 18, HEIGHT, axis_x, axis_y)
        for drawn, texts in (draw_axes(panel), _upright(panel, picture)):
            shapes, labels = shapes + drawn, labels + texts
        shapes += _areas(panel, picture) if areas else _lines(panel, picture)
        if not areas:
            drawn, texts = _marks(panel, picture, [one.box for one in labels])
            shapes, labels = shapes + drawn, labels + texts
        y += HEIGHT + 28
    at = left + (WIDTH - left - 18) / 2
    labels.append(_heading(at, y + 8, picture.x_label, "middle"))
    return Drawing(picture.title, WIDTH, y + 20, tuple(shapes), tuple(labels))


def _heading(x: float, y: float, text: str, anchor: Anchor) -> Label:
    room = WIDTH - 24 if anchor == "start" else 2 * min(x, WIDTH - x) - 16
    fits = fitted(text, room, SMALL * BOLD)
    return Label(x, y, fits, SMALL, anchor, "wg-soft wg-bold", clean(text))


def _x_axis(picture: CurvePicture) -> Axis:
    own = [one.x for one in picture.lines if one.x is not None]
    marks = [x for x, y, _ in picture.marks if math.isfinite(y)]
    ends = finite_range(drawable(np.concatenate([picture.x, *own, marks, picture.x_range or ()])))
    return axis(*(ends or (0.0, 1.0)), count=6, whole=False)


def _line_axis(picture: CurvePicture) -> Axis:
    """Return the axis of the solid lines and the marks; the dashed ones may move its ends by a third."""
    if picture.scale == "percent":
        return Axis(0.0, 100.0, (0.0, 25.0, 50.0, 75.0, 100.0))
    solid = [_heights(picture, one.y) for one in picture.lines if not one.dashed]
    dashed = [_heights(picture, one.y) for one in picture.lines if one.dashed]
    marks = _heights(picture, [y for x, y, _ in picture.marks if math.isfinite(x)])
    own = finite_range(np.concatenate([*solid, marks]))
    others = finite_range(np.concatenate([*dashed, marks]))
    if own is None or others is None:
        low, high = own or others or (0.0, 1.0)
    else:
        third = (own[1] / 3 - own[0] / 3) or abs(own[0]) / 3 or 1.0
        low = min(own[0], max(others[0], own[0] - third))
        high = max(own[1], min(others[1], own[1] + third))
    return log_axis(low, high) if picture.scale == "log" else axis(low, high)


def _heights(picture: CurvePicture, y: Any) -> Array:
    """Return numbers as the axis of the lines has them: in per cent, or their logarithms to base ten."""
    values = drawable(y)
    if picture.scale == "percent":
        return 100 * values
    if picture.scale == "log":
        return np.log10(values, where=values > 0, out=np.full(values.shape, np.nan))
    return values


def _stack_axis(picture: CurvePicture) -> Axis:
    stacked = np.nan_to_num([drawable(one.y) for one in picture.stacked])
    low = np.minimum(stacked, 0).sum(axis=0)
    high = np.maximum(stacked, 0).sum(axis=0)
    return axis(*(finite_range(np.concatenate([low, high, [0.0]])) or (0.0, 1.0)))


def _keys(picture: CurvePicture, areas: bool) -> list[tuple[str, str]]:
    keys = []
    for i, one in enumerate(picture.stacked if areas else picture.lines):
        if areas:
            key = swatch(f"wg-{series(one, i, area=True)}")
        else:
            key = tag("path", {"d": KEY, **_look(one, i), "stroke-width": 2.5})
        if one.listed:
            keys.append((key, clean(one.name)))
    if picture.stroke_name and not areas:
        key = line(0, 0, 22, 0, "wg-on-soft", dash=DASHES[1])
        keys.append((key, clean(picture.stroke_name)))
    return keys


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def _look(one: Line, i: int) -> dict[str, object]:
    """Return colour, strokes and width of line number i."""
    return {
        "class": f"wg-on-{series(one, i)}" + " wg-minus" * one.dashed,
        "stroke-width": 1.0 if one.thin else 2.2,
        "stroke-dasharray": DASHES[one.stroke % len(DASHES)],
        "stroke-opacity": 0.55 if one.thin else None,
    }


def _lines(panel: Panel, picture: CurvePicture) -> list[str]:
    shapes = []
    order = sorted(reversed(list(enumerate(picture.lines))), key=lambda pair: not pair[1].thin)
    for i, one in order:
        path = _path(panel, drawable(picture.x_of(one)), _heights(picture, one.y))
        about = {"d": path, **_look(one, i), "stroke-linejoin": "round"}
        shapes.append(tag("path", about, title=clean(one.name)) if path else "")
    return shapes


def _upright(panel: Panel, picture: CurvePicture) -> tuple[list[str], list[Label]]:
    """Draw the line upwards, with its name on the side that has more room."""
    if picture.at is None or not panel.x.low <= picture.at <= panel.x.high:
        return [], []
    x = panel.point(picture.at, panel.y.low)[0]
    early = x < panel.left + panel.width / 2
    anchor: Anchor = "start" if early else "end"
    room = panel.left + panel.width - x if early else x - panel.left
    text = fitted(picture.at_name, room - 8, SMALL)
    label = Label(x + (6 if early else -6), panel.top + 12, text, SMALL, anchor, "wg-ink wg-halo")
    shape = line(x, panel.top, x, panel.top + panel.height, "wg-on-ink", 1.2)
    return [shape], [label] if text else []


def _path(panel: Panel, x: Array, y: Array) -> str:
    """Return the path of a line, broken where a number is not finite, cut where it leaves the panel."""
    pieces: list[str] = []
    before: tuple[float, float] | None = None
    pen: tuple[float, float] | None = None
    for i in thinned(y, MOST):
        now = (float(x[i]), float(y[i]))
        if not (math.isfinite(now[0]) and math.isfinite(now[1])):
            before = pen = None
            continue
        if before is not None and (cut := _cut(before, now, panel.y.low, panel.y.high)):
            start, end = cut
            if start != pen:
                pieces.append(f"M{point(*panel.point(*start))}")
            pieces.append(f"L{point(*panel.point(*end))}")
            pen = end
        before = now
    return "".join(pieces)


def _cut(
    one: tuple[float, float], other: tuple[float, float], low: float, high: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the part of a segment between two heights, or None.

    Liang & Barsky (1984), in one direction.
    """
    (x1, y1), (x2, y2) = one, other
    if max(y1, y2) < low or min(y1, y2) > high:
        return None

    def held(x: float, y: float) -> tuple[float, float]:
        bound = min(max(y, low), high)
        if bound == y:
            return x, y
        return x1 + (x2 - x1) * (bound - y1) / (y2 - y1), bound

    return held(x1, y1), held(x2, y2)


def _marks(panel: Panel, picture: CurvePicture, taken: list[Box]) -> tuple[list[str], list[Label]]:
    """Draw the points, each with its name on a side where there is room, or with none."""
    shapes: list[str] = []
    labels: list[Label] = []
    lines = _dots(panel, picture)
    spots = [
        (panel.point(float(drawable(x)), float(_heights(picture, y))), x, y, name)
        for x, y, name in picture.marks
        if math.isfinite(x) and np.isfinite(_heights(picture, y))
    ]
    dots = [(px - 6, py - 6, px + 6, py + 6) for (px, py), *_ in spots]
    for place, ((px, py), x, y, name) in enumerate(spots):
        title = f"{clean(name)}: {typeset(number(x))}, {typeset(number(y))}"
        about = {"cx": px, "cy": py, "r": 5, "class": "wg-ink"}
        ring = tag("circle", about | {"r": 7, "class": "wg-surface"})
        shapes += [ring, tag("circle", about, title=title)]
        others = [*taken, *(box for i, box in enumerate(dots) if i != place)]
        others += [one.box for one in labels]
        fits = [label for label in _beside(panel, px, py, name) if free(label, others)]
        labels += sorted(fits, key=lambda label: _covered(label.box, lines))[:1]
    return shapes, labels


def _dots(panel: Panel, picture: CurvePicture) -> Array:
    """Return points of the lines on the sheet, (m, 2), which a label should not cover."""
    found = [np.zeros((0, 2))]
    for one in picture.lines:
        x, y = drawable(picture.x_of(one)), _heights(picture, one.y)
        if 0 < len(x) <= MOST:
            found.append(np.array([panel.point(*pair) for pair in zip(x, y, strict=True)]))
    return np.concatenate(found)


def _covered(box: Box, points: Array) -> int:
    inside = (points > box[:2]) & (points < box[2:])
    return int(inside.all(axis=1).sum())


def _beside(panel: Panel, x: float, y: float, name: str) -> list[Label]:
    """Return the labels that would stand within the panel, the best position first."""
    text, full = fitted(name, 190, SMALL * BOLD), clean(name)
    look = "wg-ink wg-bold wg-halo"
    sides: tuple[tuple[Anchor, float, float], ...] = (
        ("start", 10, -8),
        ("end", -10, -8),
        ("start", 10, 16),
        ("end", -10, 16),
        ("middle", 0, -14),
        ("middle", 0, 24),
    )
    spots = [Label(x + dx, y + dy, text, SMALL, side, look, full) for side, dx, dy in sides]
    right, bottom = panel.left + panel.width + 14, panel.top + panel.height
    return [
        one
        for one in spots
        if one.box[0] >= panel.left
        and one.box[2] <= right
        and one.box[1] >= panel.top - 6
        and one.box[3] <= bottom
    ]


# ── areas ────────────────────────────────────────────────────────────────────────────────────────────


def _areas(panel: Panel, picture: CurvePicture) -> list[str]:
    """Stack what is above zero upwards and what is below it downwards, one area for each line."""
    x, stacked = drawable(picture.x), picture.stacked
    values = np.nan_to_num([drawable(one.y) for one in stacked])
    known = np.flatnonzero(np.isfinite(x))
    places = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST)).astype(int))]
    shapes = []
    for side in (np.maximum, np.minimum):
        floor = np.zeros(len(x))
        for i, one in enumerate(stacked):
            top = floor + side(values[i], 0)
            if (top != floor).any() and len(places):
                there = [panel.point(float(x[k]), float(top[k])) for k in places]
                back = [panel.point(float(x[k]), float(floor[k])) for k in places[::-1]]
                path = f"M{'L'.join(point(*p) for p in there + back)}Z"
                about = {"d": path, "class": f"wg-{series(one, i, area=True)}"}
                shapes.append(tag("path", about, title=clean(one.name)))
            floor = top
    zero = panel.point(panel.x.low, 0.0)[1]
    return [*shapes, line(panel.left, zero, panel.left + panel.width, zero, "wg-on-ink")]
