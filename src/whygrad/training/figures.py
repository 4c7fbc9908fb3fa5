"""A history as a figure of matplotlib: cost above, score and metrics below.

This module imports matplotlib, and is itself imported by whoever has a `plot`. A figure is made without
`pyplot`: nothing is kept, no window opens, and a notebook shows it as the value of a cell.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 6.4, 3.2  # inches, of a panel
LOGARITHMIC = (
    30  # how many times the least cost the greatest is, where the axis becomes logarithmic
)


Curves = Mapping[str, Sequence[float | None]]


def _png(figure: Figure) -> bytes:
    """Return a figure as a notebook asks for it."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


# A figure that shows itself in a notebook, which matplotlib's own does only once `pyplot` is there.
NotebookFigure: Any = type("NotebookFigure", (Figure,), {"_repr_png_": _png})


def panels(count: int, title: str = "", height: float = HEIGHT) -> tuple[Figure, list[Any]]:
    """Return a figure, and its panels one below the other."""
    figure = NotebookFigure(figsize=(WIDTH, height * count), layout="constrained")
    axes = figure.subplots(count, sharex=True, squeeze=False)[:, 0]
    if title:
        figure.suptitle(title)
    return figure, list(axes)


def history_figure(costs: Curves, scores: Curves) -> Figure:
    """Draw costs over epochs 1, 2 and so on, and below them scores and metrics, where there are any."""
    below = any(value is not None for values in scores.values() for value in values)
    figure, axes = panels(2 if below else 1)
    _curves(axes[0], costs, "cost")
    known = [value for values in costs.values() for value in values if value is not None]
    finite = [value for value in known if np.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) > LOGARITHMIC * min(finite):
        axes[0].set_yscale("log")
    if below:
        _curves(axes[1], scores, "score")
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _curves(axes: Any, curves: Curves, what: str) -> None:
    """Draw those curves of which there is anything."""
    for name, values in curves.items():
        y = np.array(values, float)  # None becomes NaN, where a curve is broken
        if not np.isnan(y).all():
            axes.plot(np.arange(1, len(y) + 1), y, label=name, marker="." if len(y) < 30 else "")
    axes.set_ylabel(what)
    axes.legend()
