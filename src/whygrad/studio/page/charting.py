"""A chart as an ECharts option: a `CurvePicture` in the colours and with the numbers of its SVG.

A line has at most `MOST` points: of longer ones the least and the largest of each stretch. Nothing in an
option is code but `NUMBER`, which is always the same, and what the user named is never a key.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from whygrad.answers.draw.axes import drawable, finite_range, thinned
from whygrad.answers.draw.palette import COLOURS, DASHES, FONT, series
from whygrad.answers.formatting import clean, cut
from whygrad.answers.pictures import CurvePicture, Line, Scale
from whygrad.nn.functions import Array

Option: TypeAlias = dict[str, Any]

MOST = 1000  # points of a line
BEHIND = 500  # of a thin one
FLAT = 1e-6  # numbers that differ by a smaller share are drawn as a level line
NAME = 40  # columns of a name in a legend
# How a browser writes the numbers of axes and of what is under the mouse: as `formatting.number` does.
NUMBER = """(y) => {
  if (y === null || y === undefined || y === '' || !isFinite(y)) return '–';
  const size = Math.abs(y);
  if (y != 0 && (size < 1e-4 || size >= 1e6)) {
    const [digits, power] = Number(Number(y).toPrecision(4)).toExponential().split('e');
    const raised = [...power.replace('+', '')].map((c) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]);
    const before = {'1': '', '-1': '−'}[digits] ?? digits.replace('-', '−') + '×';
    return `${before}10${raised.join('')}`;
  }
  const digits = {maximumSignificantDigits: size >= 1000 ? Math.ceil(Math.log10(size + 1)) : 4};
  return Number(y).toLocaleString('en-US', digits).replace('-', '−');
}"""
STROKES = ["solid", *([int(n) for n in dashes.split()] for dashes in DASHES[1:])]


def zoomed(option: Option) -> Option:
    """Return a chart with zoom: drag over a part of it, or turn the wheel with Ctrl held.

    How far it is zoomed is not said, so that it stays so while the chart is drawn anew.
    """
    soft = option["textStyle"]["color"]
    titles = {"zoom": "zoom: drag over a part", "back": "back by one zoom"}
    return option | {
        "dataZoom": [
            {
                "type": "inside",
                "filterMode": "none",
                "zoomOnMouseWheel": "ctrl",
                "moveOnMouseMove": False,
            }
        ],
        "toolbox": {
            "right": 8,
            "top": 0,
            "itemSize": 14,
            "iconStyle": {"borderColor": soft},
            "feature": {"dataZoom": {"yAxisIndex": False, "title": titles}},
        },
    }


def chart(picture: CurvePicture, dark: bool = False) -> Option:
    """Return the option of a chart: its lines and marks, or where there are none its areas.

    >>> line = Line("training", np.array([0.5, 0.25]))
    >>> chart(CurvePicture("Cost", "step", "cost", np.arange(2.0), (line,)))["series"][0]["data"]
    [[0.0, 0.5], [1.0, 0.25]]
    """
    paint = _Paint(dark)
    areas = bool(picture.stacked) and not (picture.lines or picture.marks)
    lines = picture.stacked if areas else picture.lines
    low, high = _range(picture.x_range or (), *(picture.x_of(one) for one in lines))
    x_range = low, high if high > low else low + 1
    y_range = _range(*(one.y for one in lines), [y for _, y, _ in picture.marks])
    drawn = [_line(picture, i, areas, y_range, paint) for i in range(len(lines))]
    drawn.append(_marks(picture, x_range, y_range, paint))
    names = [_name(one) for one in lines if one.listed]
    if picture.stroke_name:
        drawn.append(_strokes(picture.stroke_name, paint))
        names.append(clean(picture.stroke_name))
    y_name = picture.stack_label if areas else picture.y_label
    scale: Scale = "linear" if areas else picture.scale
    plain = {"fontFamily": FONT, "fontSize": 12}
    return {
        "animation": False,
        "aria": {"enabled": True, "label": {"description": _description(picture, y_name, names)}},
        "backgroundColor": "transparent",
        "textStyle": plain | {"color": paint("soft")},
        "title": {
            "text": clean(picture.title),
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
            "order": "valueDesc",
            ":valueFormatter": NUMBER,
        },
        "xAxis": _x_axis(picture.x_label, x_range, paint),
        "yAxis": _y_axis(y_name, scale, y_range, paint),
        "series": drawn,
    }


@dataclass(frozen=True)
class _Paint:
    """The colours of one theme."""

    dark: bool

    def __call__(self, name: str) -> str:
        return COLOURS[name][self.dark]


def _range(*values: Any) -> tuple[float, float]:
    """Return the least and the largest number that is drawn."""
    return finite_range(drawable(np.concatenate([*values, ()]))) or (0.0, 1.0)


def _line(
    picture: CurvePicture, i: int, area: bool, y_range: tuple[float, float], paint: _Paint
) -> Option:
    """Return line or area number i."""
    one = (picture.stacked if area else picture.lines)[i]
    x, y = drawable(picture.x_of(one)), drawable(one.y)
    known = np.isfinite(x)
    x, y = x[known], y[known]
    kept = thinned(y, BEHIND if one.thin else MOST)
    x, y = x[kept], y[kept]
    colour = paint(series(one, i, area))
    stroke = 0 if area else one.stroke or int(one.dashed)
    few = len(x) == 1
    option: Option = {
        "type": "line",
        "name": _name(one),
        "data": _pairs(x, y, "linear" if area else picture.scale, y_range[1] - y_range[0]),
        "showSymbol": few,
        "symbol": "circle" if few else "none",
        "symbolSize": 7,
        "color": colour,
        "lineStyle": {
            "color": colour,
            "width": 1 if one.thin else 2.2,
            "opacity": 0.55 if one.thin else 1,
            "type": STROKES[stroke % len(STROKES)],
        },
        "emphasis": {"disabled": True},
        "z": 2 if one.thin else 3,
    }
    if area:
        option |= {"stack": "areas", "areaStyle": {"color": colour, "opacity": 0.75}}
        option["lineStyle"] |= {"width": 0}
    return option


def _strokes(name: str, paint: _Paint) -> Option:
    """Return a line that is in the legend only."""
    return {
        "type": "line",
        "name": clean(name),
        "data": [],
        "symbol": "none",
        "color": paint("soft"),
        "lineStyle": {"color": paint("soft"), "type": STROKES[1]},
    }


def _marks(
    picture: CurvePicture, x_range: tuple[float, float], y_range: tuple[float, float], paint: _Paint
) -> Option:
    """Return the line that stands at the present step, and single points, as a series without a line."""
    at: list[Any] = []
    if picture.at is not None:
        early = picture.at < sum(x_range) / 2
        label = {"formatter": clean(picture.at_name), "color": paint("ink"), "fontSize": 11}
        label |= {
            "backgroundColor": paint("surface"),
            "position": "insideEnd",
            "rotate": 0,
            "distance": 0,
            "padding": [2, 6],
        }
        label |= {"align": "left" if early else "right", "verticalAlign": "top"}
        at = [{"xAxis": float(picture.at), "label": label | {"show": bool(picture.at_name)}}]
    data = [
        {
            "value": [float(drawable(x)), float(drawable(y))],
            "name": clean(name),
            "label": {"position": "top" if y < sum(y_range) / 2 else "bottom"},
        }
        for x, y, name in picture.marks
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


def _x_axis(name: str, ends: tuple[float, float], paint: _Paint) -> Option:
    low, high = ends
    return _axis(paint) | {
        "type": "value",
        "name": clean(name),
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


# A chart that takes the place of another is merged with it: what is not said stays as it was.
FREE: Option = {"min": None, "max": None, "interval": None}


def _y_axis(name: str, scale: Scale, ends: tuple[float, float], paint: _Paint) -> Option:
    low, high = ends
    option = _axis(paint) | {
        "type": "log" if scale == "log" else "value",
        "name": clean(name),
        "nameLocation": "end",
        "nameGap": 8,
        "nameTextStyle": {"align": "left", "color": paint("soft"), "fontSize": 12},
        "scale": True,
        **FREE,
        "splitLine": {"show": True, "lineStyle": {"color": paint("line")}},
        "splitNumber": 4,
    }
    if scale == "percent":
        label = {key: v for key, v in option["axisLabel"].items() if key != ":formatter"}
        option |= {
            "axisLabel": label | {"formatter": "{value}%"},
            "min": 0,
            "max": 100,
            "interval": 25,
        }
    elif scale == "linear" and high - low <= FLAT * max(abs(low), abs(high)):
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
            ":formatter": NUMBER,
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


def _name(one: Line) -> str:
    return cut(clean(one.name), NAME)


def _description(picture: CurvePicture, y_name: str, names: Sequence[str]) -> str:
    """Return what is drawn in words, for screen readers."""
    return clean(f"{picture.title}: {y_name} by {picture.x_label}. Lines: {', '.join(names)}.")
