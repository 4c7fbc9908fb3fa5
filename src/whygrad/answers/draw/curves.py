"""Lines over a common x, and areas stacked on both sides of zero in a panel of their own.

Dashed lines, such as tangents, do not decide how far the axis goes: where they leave it, they end. Of very
many points, those that a drawing of this width can show are drawn, the extremes among them.
"""

import math
from collections.abc import Sequence

import numpy as np

from whygrad.answers.draw.axes import (
    Axis,
    Panel,
    axis,
    draw_axes,
    drawable,
    finite_range,
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
    tag,
)
from whygrad.answers.draw.palette import SERIES
from whygrad.answers.formatting import clean, number, typeset
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.nn.functions import Array

WIDTH, HEIGHT = 520.0, 210.0
MOST = 600  # points of a line


def draw_curves(picture: CurvePicture) -> Drawing:
    """Draw the lines, and below them the areas."""
    titles, y = head(picture.title, WIDTH)
    x = drawable(picture.x)
    shapes: list[str] = []
    labels: list[Label] = list(titles)
    marks = drawable([x for x, y, _ in picture.marks if math.isfinite(y)])
    ends = finite_range(np.concatenate([x, marks])) or (0.0, 1.0)
    axis_x = axis(*ends, count=6, whole=False)
    heights = [_line_axis(picture)] if picture.lines or picture.marks else []
    heights += [_stack_axis(picture)] if picture.stacked else []
    left = 22 + max(map(tick_room, heights), default=20.0)
    for place, axis_y in enumerate(heights):
        areas = bool(picture.stacked) and place == len(heights) - 1
        what = picture.stack_label if areas else picture.y_label
        labels.append(_heading(12, y + 16, what, "start"))
        keys = _keys(picture.stacked if areas else picture.lines, areas)
        drawn, texts, y = legend(keys, 12, y + 34, WIDTH - 12)
        shapes, labels = shapes + drawn, labels + texts
        panel = Panel(left, y + 2, WIDTH - left - 18, HEIGHT, axis_x, axis_y)
        drawn, texts = draw_axes(panel)
        shapes, labels = shapes + drawn, labels + texts
        shapes += _areas(panel, x, picture.stacked) if areas else _lines(panel, x, picture.lines)
        if not areas:
            dots = _dots(panel, x, picture.lines)
            drawn, texts = _marks(panel, picture.marks, [one.box for one in labels], dots)
            shapes, labels = shapes + drawn, labels + texts
        y += HEIGHT + 28
    at = left + (WIDTH - left - 18) / 2
    labels.append(_heading(at, y + 8, picture.x_label, "middle"))
    return Drawing(picture.title, WIDTH, y + 20, tuple(shapes), tuple(labels))


def _heading(x: float, y: float, text: str, anchor: Anchor) -> Label:
    room = WIDTH - 24 if anchor == "start" else 2 * min(x, WIDTH - x) - 16
    fits = fitted(text, room, SMALL * BOLD)
    return Label(x, y, fits, SMALL, anchor, "wg-soft wg-bold", clean(text))


def _line_axis(picture: CurvePicture) -> Axis:
    """Return the axis of the solid lines and the marks; the dashed ones may move its ends by a third."""
    solid = [drawable(one.y) for one in picture.lines if not one.dashed]
    dashed = [drawable(one.y) for one in picture.lines if one.dashed]
    marks = drawable([y for x, y, _ in picture.marks if math.isfinite(x)])
    own = finite_range(np.concatenate([*solid, marks]))
    others = finite_range(np.concatenate([*dashed, marks]))
    if own is None or others is None:
        return axis(*(own or others or (0.0, 1.0)))
    third = (own[1] / 3 - own[0] / 3) or abs(own[0]) / 3 or 1.0
    low = min(own[0], max(others[0], own[0] - third))
    return axis(low, max(own[1], min(others[1], own[1] + third)))


def _stack_axis(picture: CurvePicture) -> Axis:
    stacked = np.nan_to_num([drawable(one.y) for one in picture.stacked])
    low = np.minimum(stacked, 0).sum(axis=0)
    high = np.maximum(stacked, 0).sum(axis=0)
    return axis(*(finite_range(np.concatenate([low, high, [0.0]])) or (0.0, 1.0)))


def _keys(lines: Sequence[Line], areas: bool) -> list[tuple[str, str]]:
    keys = []
    for i, one in enumerate(lines):
        name = _area_look(i, one) if areas else f"c{i % SERIES}"
        if areas:
            key = tag(
                "rect", {"x": 4, "y": -6, "width": 14, "height": 12, "rx": 2, "class": f"wg-{name}"}
            )
        else:
            key = line(0, 0, 22, 0, f"wg-on-{name}" + " wg-minus" * one.dashed, 2.5)
        keys.append((key, clean(one.name)))
    return keys


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def _lines(panel: Panel, x: Array, lines: Sequence[Line]) -> list[str]:
    shapes = []
    for i, one in reversed(list(enumerate(lines))):
        path = _path(panel, x, drawable(one.y))
        look = f"wg-on-c{i % SERIES}" + " wg-minus" * one.dashed
        about = {"d": path, "class": look, "stroke-width": 2.2, "stroke-linejoin": "round"}
        shapes.append(tag("path", about, title=clean(one.name)) if path else "")
    return shapes


def _path(panel: Panel, x: Array, y: Array) -> str:
    """Return the path of a line, broken where a number is not finite, cut where it leaves the panel."""
    places = _thinned(y)
    pieces: list[str] = []
    before: tuple[float, float] | None = None
    pen: tuple[float, float] | None = None
    for i in places:
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
    """Return the part of a segment between two heights, or None. Liang & Barsky (1984), in one direction."""
    (x1, y1), (x2, y2) = one, other
    if max(y1, y2) < low or min(y1, y2) > high:
        return None

    def held(x: float, y: float) -> tuple[float, float]:
        bound = min(max(y, low), high)
        if bound == y:
            return x, y
        return x1 + (x2 - x1) * (bound - y1) / (y2 - y1), bound

    return held(x1, y1), held(x2, y2)


def _thinned(y: Array) -> list[int]:
    """Return the places of the points to draw: all, or the least and the largest of each stretch."""
    if len(y) <= MOST:
        return list(range(len(y)))
    kept = {0, len(y) - 1}
    for stretch in np.array_split(np.arange(len(y)), MOST // 2):
        values = y[stretch]
        if np.isfinite(values).all():
            kept |= {int(stretch[values.argmin()]), int(stretch[values.argmax()])}
        else:
            kept |= {int(stretch[np.argmax(~np.isfinite(values))])}
    return sorted(kept)


def _marks(
    panel: Panel, marks: Sequence[tuple[float, float, str]], taken: list[Box], lines: Array
) -> tuple[list[str], list[Label]]:
    """Draw the points, each with its name on a side where there is room, or with none."""
    shapes: list[str] = []
    labels: list[Label] = []
    spots = [
        (panel.point(float(drawable(x)), float(drawable(y))), x, y, name)
        for x, y, name in marks
        if math.isfinite(x) and math.isfinite(y)
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


def _dots(panel: Panel, x: Array, lines: Sequence[Line]) -> Array:
    """Return points of the lines on the sheet, (m, 2), which a label had better not cover."""
    found = [np.array([panel.point(*pair) for pair in zip(x, drawable(one.y), strict=True)])
             for one in lines if len(x) and len(x) <= MOST]  # fmt: skip
    return np.concatenate([np.zeros((0, 2)), *found])


def _covered(box: Box, points: Array) -> int:
    inside = (points > box[:2]) & (points < box[2:])
    return int(inside.all(axis=1).sum())


def _beside(panel: Panel, x: float, y: float, name: str) -> list[Label]:
    """Return the labels that would stand within the panel, the best place first."""
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


def _area_look(i: int, one: Line) -> str:
    """Return the colour of an area; one that would be dashed has none of its own, beside ten that have."""
    return "ink" if one.dashed else f"c{i % SERIES}"


def _areas(panel: Panel, x: Array, stacked: Sequence[Line]) -> list[str]:
    """Stack what is above zero upwards and what is below it downwards, one area for each line."""
    values = np.nan_to_num([drawable(one.y) for one in stacked])
    known = np.flatnonzero(np.isfinite(x))
    places = (
        known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST)).astype(int))]
        if len(known)
        else known
    )
    shapes = []
    for side in (np.maximum, np.minimum):
        floor = np.zeros(len(x))
        for i, one in enumerate(stacked):
            top = floor + side(values[i], 0)
            if (top != floor).any() and len(places):
                there = [panel.point(float(x[k]), float(top[k])) for k in places]
                back = [panel.point(float(x[k]), float(floor[k])) for k in places[::-1]]
                path = f"M{'L'.join(point(*p) for p in there + back)}Z"
                shapes.append(
                    tag(
                        "path",
                        {"d": path, "class": f"wg-{_area_look(i, one)}"},
                        title=clean(one.name),
                    )
                )
            floor = top
    zero = panel.point(panel.x.low, 0.0)[1]
    return [*shapes, line(panel.left, zero, panel.left + panel.width, zero, "wg-on-ink")]
