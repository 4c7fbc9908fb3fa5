"""A chart as an ECharts option: named lines over a common x, in the colours and with the numbers of `show`.

A line has at most `MOST` points: of longer ones the least and the largest of each stretch. Nothing in an
option is code, and what the user named is never a key.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from whygrad.answers.draw.axes import drawable
from whygrad.answers.draw.palette import COLOURS, FONT, SERIES
from whygrad.answers.formatting import clean, cut
from whygrad.nn.functions import Array

Option: TypeAlias = dict[str, Any]
Scale: TypeAlias = Literal["linear", "log", "percent"]

MOST = 1000  # points of a line
BEHIND = 500  # of a thin one
FLAT = 1e-6  # numbers that differ by a smaller share are drawn as a level line
DASHES: tuple[Any, ...] = ("solid", [7, 4], [2, 3], [10, 3, 2, 3], [4, 2])
NAME = 40  # columns of a name in a legend


@dataclass(frozen=True, eq=False)
class Curve:
    """One line: x and y, (m,), a colour of the palette by number or by name, and which strokes it has.

    `thin` is for what stands behind the others; `area` fills the line down to the areas before it; one
    that is not `listed` has no place in the legend.
    """

    name: str
    x: Array
    y: Array
    colour: int | str = 0
    dash: int = 0
    thin: bool = False
    area: bool = False
    listed: bool = True


@dataclass(frozen=True)
class Axes:
    """What stands around the lines: title, names of the axes with their units, marks.

    `at` is where a line is drawn upwards, and `mark` what it is called; `points` stand out, (x, y, name);
    `x_range` is from where to where x goes at least; `dashed` says what all dashed lines are of.
    """

    title: str
    x_name: str
    y_name: str
    scale: Scale = "linear"
    at: float | None = None
    mark: str = ""
    points: tuple[tuple[float, float, str], ...] = ()
    x_range: tuple[float, float] | None = None
    dashed: str = ""


def chart(axes: Axes, curves: Sequence[Curve], dark: bool = False) -> Option:
    """Return the option of a chart.

    >>> curve = Curve("training", np.array([0.0, 1.0]), np.array([0.5, 0.25]))
    >>> chart(Axes("Cost", "step", "cost"), [curve])["series"][0]["data"]
    [[0.0, 0.5], [1.0, 0.25]]
    """
    paint = _Paint(dark)
    low, high = _range(axes, curves)
    series = [_line(one, axes, high - low, paint) for one in curves]
    series.append(_marks(axes, curves, paint))
    names = [_name(one) for one in curves if one.listed]
    if axes.dashed:
        series.append(_dashed(axes, paint))
        names.append(clean(axes.dashed))
    plain = {"fontFamily": FONT, "fontSize": 12}
    return {
        "animation": False,
        "aria": {"enabled": True, "label": {"description": _description(axes, names)}},
        "backgroundColor": "transparent",
        "textStyle": plain | {"color": paint("soft")},
        "title": {
            "text": clean(axes.title),
            "left": 4,
            "top": 0,
            "textStyle": plain | {"color": paint("ink"), "fontSize": 14, "fontWeight": 600},
        },
        "legend": {
            "type": "scroll",
            "top": 22,
            "left": 0,
            "right": 8,
            "data": names,
            "itemWidth": 20,
            "itemHeight": 14,
            "itemGap": 9,
            "lineStyle": {"width": 2.2},
            "itemStyle": {"opacity": 0},
            "textStyle": {"color": paint("soft")},
            "pageIconColor": paint("ink"),
            "pageIconInactiveColor": paint("line"),
            "pageTextStyle": {"color": paint("soft")},
        },
        "grid": {"left": 8, "right": 18, "top": 72, "bottom": 26, "containLabel": True},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": paint("raised"),
            "borderColor": paint("line"),
            "textStyle": {"color": paint("ink"), "fontSize": 12},
            "axisPointer": {"lineStyle": {"color": paint("soft")}},
        },
        "xAxis": _x_axis(axes, curves, paint),
        "yAxis": _y_axis(axes, low, high, paint),
        "series": series,
    }


@dataclass(frozen=True)
class _Paint:
    """The colours of one theme."""

    dark: bool

    def __call__(self, name: int | str) -> str:
        return COLOURS[f"c{name % SERIES}" if isinstance(name, int) else name][self.dark]


def _line(one: Curve, axes: Axes, spread: float, paint: _Paint) -> Option:
    x, y = drawable(one.x), drawable(one.y)
    known = np.isfinite(x)
    x, y = thinned(x[known], y[known], BEHIND if one.thin else MOST)
    colour = paint(one.colour)
    few = len(x) == 1
    option: Option = {
        "type": "line",
        "name": _name(one),
        "data": _pairs(x, y, axes.scale, spread),
        "showSymbol": few,
        "symbol": "circle" if few else "none",
        "symbolSize": 7,
        "color": colour,
        "lineStyle": {
            "color": colour,
            "width": 1 if one.thin else 2.2,
            "opacity": 0.55 if one.thin else 1,
            "type": DASHES[one.dash % len(DASHES)],
        },
        "emphasis": {"disabled": True},
        "z": 2 if one.thin else 3,
    }
    if one.area:
        option |= {"stack": "areas", "areaStyle": {"color": colour, "opacity": 0.75}}
        option["lineStyle"] |= {"width": 0}
    return option


def _dashed(axes: Axes, paint: _Paint) -> Option:
    """Return a line that is in the legend only."""
    return {
        "type": "line",
        "name": clean(axes.dashed),
        "data": [],
        "symbol": "none",
        "color": paint("soft"),
        "lineStyle": {"color": paint("soft"), "type": DASHES[1]},
    }


def _marks(axes: Axes, curves: Sequence[Curve], paint: _Paint) -> Option:
    """Return the line that stands at the present step, and single points, as a series without a line."""
    at: list[Any] = []
    left, right = _x_range(axes, curves)
    low, high = _range(axes, curves)
    if axes.at is not None:
        early = axes.at < (left + right) / 2
        label = {"formatter": clean(axes.mark), "color": paint("ink"), "fontSize": 11}
        label |= {
            "backgroundColor": paint("surface"),
            "position": "insideEnd",
            "rotate": 0,
            "distance": 0,
            "padding": [2, 6],
        }
        label |= {"align": "left" if early else "right", "verticalAlign": "top"}
        at = [{"xAxis": float(axes.at), "label": label | {"show": bool(axes.mark)}}]
    data = [
        {
            "value": [float(drawable(x)), float(drawable(y))],
            "name": clean(name),
            "label": {"position": "top" if y < (low + high) / 2 else "bottom"},
        }
        for x, y, name in axes.points
        if math.isfinite(x) and math.isfinite(y)
    ]
    return {
        "type": "scatter",
        "name": "",
        "silent": True,
        "symbolSize": 10,
        "color": paint("ink"),
        "data": data,
        "label": {"show": True, "formatter": "{b}", "color": paint("ink")},
        "labelLayout": {"hideOverlap": True, "moveOverlap": "shiftY"},
        "tooltip": {"show": False},
        "markLine": {
            "silent": True,
            "symbol": "none",
            "animation": False,
            "lineStyle": {"color": paint("ink"), "width": 1.2, "type": "solid", "opacity": 0.7},
            "data": at,
        },
        "z": 5,
    }


def _x_axis(axes: Axes, curves: Sequence[Curve], paint: _Paint) -> Option:
    low, high = _x_range(axes, curves)
    return _axis(paint) | {
        "type": "value",
        "name": clean(axes.x_name),
        "nameLocation": "middle",
        "nameGap": 24,
        "min": low,
        "max": high,
        "axisLabel": _axis(paint)["axisLabel"] | _ends_shown(low, high),
        "splitLine": {"show": False},
        "splitNumber": 4,
    }


def _ends_shown(low: float, high: float) -> Option:
    """Leave out the numbers at the ends where they have more digits than can be read."""
    return {
        name: len(f"{end:.12g}") <= 7
        for name, end in (("showMinLabel", low), ("showMaxLabel", high))
    }


def _x_range(axes: Axes, curves: Sequence[Curve]) -> tuple[float, float]:
    ends = [*(axes.x_range or ()), *(x for one in curves for x in _ends(one.x))]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    return low, high if high > low else low + 1


def _range(axes: Axes, curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the least and the largest number that is drawn."""
    marks = np.array([y for _, y, _ in axes.points])
    ends = [y for values in (*(one.y for one in curves), marks) for y in _ends(values)]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _ends(values: Array) -> list[float]:
    finite = drawable(values)
    finite = finite[np.isfinite(finite)]
    return [float(finite.min()), float(finite.max())] if len(finite) else []


# A chart that takes the place of another is merged with it: what is not said stays as it was.
FREE: Option = {"min": None, "max": None, "interval": None}


def _y_axis(axes: Axes, low: float, high: float, paint: _Paint) -> Option:
    option = _axis(paint) | {
        "type": "log" if axes.scale == "log" else "value",
        "name": clean(axes.y_name),
        "nameLocation": "end",
        "nameGap": 8,
        "nameTextStyle": {"align": "left", "color": paint("soft"), "fontSize": 12},
        "scale": True,
        **FREE,
        "splitLine": {"show": True, "lineStyle": {"color": paint("line")}},
        "splitNumber": 4,
    }
    if axes.scale == "percent":
        label = option["axisLabel"] | {"formatter": "{value} %"}
        option |= {"axisLabel": label, "min": 0, "max": 100, "interval": 25}
    elif axes.scale == "linear" and high - low <= FLAT * max(abs(low), abs(high)):
        pad = abs(high) / 10 or 1.0
        option |= {"min": float(f"{low - pad:.2g}"), "max": float(f"{high + pad:.2g}")}
    return option


def _axis(paint: _Paint) -> Option:
    return {
        "axisLine": {"onZero": False, "lineStyle": {"color": paint("soft")}},
        "axisTick": {"lineStyle": {"color": paint("soft")}},
        "axisLabel": {
            "color": paint("soft"),
            "hideOverlap": True,
            "fontSize": 11,
            "formatter": None,
            "showMinLabel": None,
            "showMaxLabel": None,
        },
        "nameTextStyle": {"color": paint("soft"), "fontSize": 12},
    }


def _pairs(x: Array, y: Array, scale: Scale, spread: float) -> list[list[float | None]]:
    """Return pairs for JSON, with as many digits as can be seen.

    Where a line is broken, and where a logarithm has no place for it, y is None.
    """
    if scale == "percent":
        y = 100 * y
    drawn = np.isfinite(y) & ((y > 0) if scale == "log" else True)
    digits = 4 - math.floor(math.log10(spread)) if spread > 0 and scale == "linear" else 4
    return [
        [float(one), _rounded(float(other), scale, digits) if shown else None]
        for one, other, shown in zip(x, y, drawn, strict=True)
    ]


def _rounded(y: float, scale: Scale, digits: int) -> float:
    return float(f"{y:.5g}") if scale == "log" else round(y, digits)


def thinned(x: Array, y: Array, most: int = MOST) -> tuple[Array, Array]:
    """Return at most so many points: all, or the first, the last, and of each stretch the extremes.

    >>> x, y = thinned(np.arange(5000.0), np.sin(np.arange(5000.0)))
    >>> len(x) <= 1000, float(x[0]), float(x[-1])
    (True, 0.0, 4999.0)
    """
    y = np.asarray(y, float)
    if len(y) <= most:
        return x, y
    kept = {0, len(y) - 1}
    for stretch in np.array_split(np.arange(len(y)), most // 2 - 1):
        values = y[stretch]
        if np.isfinite(values).all():
            kept |= {int(stretch[values.argmin()]), int(stretch[values.argmax()])}
        else:
            kept |= {int(stretch[np.argmax(~np.isfinite(values))])}
    places = sorted(kept)
    return x[places], y[places]


def _name(one: Curve) -> str:
    return cut(clean(one.name), NAME)


def _description(axes: Axes, names: Sequence[str]) -> str:
    """Describe for screen readers what is drawn."""
    lines = ", ".join(names)
    return clean(f"{axes.title}: {axes.y_name} by {axes.x_name}. Lines: {lines}.")
