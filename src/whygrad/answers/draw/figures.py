"""A picture of an answer as a figure of matplotlib, in matplotlib's own style: curves, bars, images.

This module imports matplotlib, and is itself imported by `Explanation.plot`.
"""

import math
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from whygrad.answers.pictures import BarPicture, CurvePicture, ImagePicture, Line, NetworkPicture
from whygrad.training.figures import HEIGHT, panels

BAR = 0.3  # inches
ACROSS = 5  # images beside each other
STROKES = ("-", "--", ":", "-.")


def picture_figure(picture: BarPicture | CurvePicture | ImagePicture) -> Any:
    """Return the figure of a picture, with the title, names and numbers of its SVG."""
    match picture:
        case CurvePicture():
            return _curves(picture)
        case BarPicture():
            return _bars(picture)
        case ImagePicture():
            return _images(picture)


def can_be_plotted(picture: Any) -> bool:
    """Return whether a picture is drawn as a figure: networks are as SVG alone."""
    return not isinstance(picture, NetworkPicture)


def _curves(picture: CurvePicture) -> Any:
    upper = bool(picture.lines or picture.marks)
    figure, axes = panels(max(1, upper + bool(picture.stacked)), picture.title)
    if upper:
        _lines(axes[0], picture)
    if picture.stacked:
        _areas(axes[-1], picture)
    for one in axes:
        if picture.at is not None:
            one.axvline(picture.at, color="0.5", linewidth=0.8, label=picture.at_name or None)
        if one.get_legend_handles_labels()[1]:
            one.legend()
    if picture.x_range is not None:
        low, high = axes[-1].get_xlim()
        axes[-1].set_xlim(min(low, picture.x_range[0]), max(high, picture.x_range[1]))
    axes[-1].set_xlabel(picture.x_label)
    return figure


def _lines(axes: Any, picture: CurvePicture) -> None:
    for one in (one for one in picture.lines if not one.dashed):
        style = STROKES[one.stroke % len(STROKES)]
        axes.plot(picture.x_of(one), one.y, style, **_look(one), linewidth=0.6 if one.thin else 1.5)
    limits = axes.get_ylim()
    for one in (one for one in picture.lines if one.dashed):
        axes.plot(picture.x_of(one), one.y, "--", **_look(one), linewidth=1)
    for x, y, name in picture.marks:
        axes.plot([x], [y], "o", color="0.2", markersize=5)
        axes.annotate(name, (x, y), xytext=(5, 5), textcoords="offset points")
    if any(not one.dashed for one in picture.lines):
        axes.set_ylim(limits)  # a tangent does not decide how far the axis goes
    if picture.scale == "log":
        axes.set_yscale("log")
    elif picture.scale == "percent":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(picture.y_label)


def _areas(axes: Any, picture: CurvePicture) -> None:
    """Stack areas on both sides of zero."""
    tops = {1: np.zeros(len(picture.x)), -1: np.zeros(len(picture.x))}
    for i, one in enumerate(picture.stacked):
        colour = "0.6" if one.dashed else f"C{i}"
        for sign, below in tops.items():
            above = below + np.where(sign * one.y > 0, one.y, 0.0)
            name = (one.name if one.listed else None) if sign > 0 else None
            axes.fill_between(picture.x, below, above, color=colour, label=name, linewidth=0)
            tops[sign] = above
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_ylabel(picture.stack_label)


def _look(one: Line) -> dict[str, Any]:
    look: dict[str, Any] = {"label": one.name if one.listed else None}
    if isinstance(one.colour, int):
        look["color"] = f"C{one.colour}"
    return look


def _bars(picture: BarPicture) -> Any:
    figure, (axes,) = panels(1, picture.title, max(HEIGHT / 2, 1 + BAR * len(picture.names)))
    places = np.arange(len(picture.names))
    colours = ["C0" if value >= 0 else "C1" for value in picture.values]
    axes.barh(places, picture.values, 0.8 if len(places) > 2 else 0.4, color=colours)
    axes.set_yticks(places, picture.names)
    axes.invert_yaxis()
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_xlabel(picture.label)
    return figure


def _images(picture: ImagePicture) -> Any:
    images = np.asarray(picture.images, float)
    across = max(1, min(ACROSS, len(images)))
    down = max(1, math.ceil(len(images) / across))
    figure, _ = panels(1, picture.title, 1.6 * down + 0.6)
    figure.clf()
    figure.set_layout_engine("compressed")  # images keep their shape
    figure.suptitle(picture.title)
    finite = images[np.isfinite(images)]
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    signed = picture.signed or float(finite.min(initial=0.0)) < 0
    colours = {"cmap": "RdBu", "vmin": -largest} if signed else {"cmap": "gray", "vmin": 0.0}
    places = figure.subplots(down, across, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    shown = None
    for place, image, caption in zip(places, images, picture.captions, strict=False):
        shown = place.imshow(image, vmax=largest, **colours)
        place.set_title(caption, fontsize="small")
    if shown is not None:
        figure.colorbar(shown, ax=list(places))
    return figure
