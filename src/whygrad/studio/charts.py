"""The curves of a training as ECharts options: cost and score, gradients and updates by layer, units that
no longer react.

    ‖∂C/∂θˡ‖   and   ‖Δθˡ‖ / ‖θˡ‖   of every layer, on logarithmic axes

Another run beside it is dashed. The line upwards is the step that the page shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whygrad.engines import Statistics
from whygrad.engines.watching import BOUNDED, ONE_SIDED
from whygrad.epochs import Epoch
from whygrad.functions import Array
from whygrad.network import Network
from whygrad.pictures import CurvePicture
from whygrad.studio.charting import Axes, Curve, Option, chart

NAMES = ("cost", "score", "gradient", "update", "quiet")
WIDE = 30.0  # costs that differ by more than this factor are drawn on a logarithmic axis

TRAINING, HELD_OUT = 0, 1  # colours


@dataclass(frozen=True, eq=False)
class Points:
    """What some steps came to on one part of the rows: `steps`, `cost` and `score`, each (m,)."""

    steps: Array
    cost: Array
    score: Array


@dataclass(frozen=True, eq=False)
class Seen:
    """What a training showed so far, all that its curves are drawn from.

    Parameters
    ----------
    net : the network.
    first, last : the steps from which and up to which it is recorded.
    per_epoch : steps of an epoch.
    epochs : what its epochs showed, the first of them the one in which step `first` lies.
    costs : the cost of each step from `first` on, (m,).
    statistics : what the layers did.
    points : by part ("training", "held out"), what some steps came to, where that was measured besides.
    name : what it is called beside another.
    """

    net: Network
    first: int
    last: int
    per_epoch: int
    epochs: tuple[Epoch, ...]
    costs: Array
    statistics: Statistics
    points: Mapping[str, Points] = field(default_factory=dict)
    name: str = ""

    @property
    def ends(self) -> Array:
        """The steps at which the epochs ended."""
        before = self.first // self.per_epoch
        return (before + 1 + np.arange(len(self.epochs))) * self.per_epoch

    def of_epochs(self, what: str) -> Array:
        """Give a number of every epoch, NaN where it was not measured."""
        values = (getattr(epoch, what) for epoch in self.epochs)
        return np.array([np.nan if value is None else float(value) for value in values])


def seen(run: Any, points: Mapping[str, Points] | None = None, name: str = "") -> Seen:
    """Give what a recorded run showed so far."""
    return Seen(
        run.net,
        run.start,
        run.step,
        run.plan.steps_per_epoch,
        run.history.epochs,
        run.costs,
        run.statistics,
        points or {},
        name or run.path.name,
    )


def options(
    one: Seen, step: int | None = None, other: Seen | None = None, *, dark: bool = False
) -> dict[str, Option]:
    """Give the charts of a run, by name (`NAMES`); one that would be empty is left out.

    `step` is where the page stands; `other` is a run to compare with, such as the one it was forked from.
    """
    made = {
        "cost": cost_chart(one, step, other, dark),
        "score": score_chart(one, step, other, dark),
        "gradient": gradient_chart(one, step, other, dark),
        "update": update_chart(one, step, other, dark),
        "quiet": quiet_chart(one, step, other, dark),
    }
    return {name: found for name, found in made.items() if found is not None}


def cost_chart(one: Seen, step: int | None, other: Seen | None, dark: bool) -> Option | None:
    """Draw the cost of every step, of the epochs, and of the rows held out."""
    curves = _costs(one)
    if other is not None:
        curves += _costs(other, beside=True)[1:]
    if not any(len(curve.x) for curve in curves):
        return None
    known = np.concatenate([curve.y[np.isfinite(curve.y)] for curve in curves])
    wide = bool(len(known)) and known.min() > 0 and known.max() > WIDE * known.min()
    axes = _axes("Cost", "cost", one, step, other, "log" if wide else "linear")
    return chart(axes, curves, dark)


def _costs(one: Seen, beside: bool = False) -> list[Curve]:
    called, dash = _called(one, beside), int(beside)
    steps = one.first + 1.0 + np.arange(len(one.costs))
    curves = [Curve(f"each step{called}", steps, one.costs, "c7", dash, thin=True)]
    ends, held_out = one.ends, one.of_epochs("held_out_cost")
    measured = one.points.get("training")
    if measured is None:
        curves.append(Curve(f"training{called}", ends, one.of_epochs("cost"), TRAINING, dash))
    else:
        curves.append(Curve(f"training{called}", measured.steps, measured.cost, TRAINING, dash))
    if (outside := one.points.get("held out")) is not None:
        curves.append(Curve(f"held out{called}", outside.steps, outside.cost, HELD_OUT, dash))
    elif np.isfinite(held_out).any():
        curves.append(Curve(f"held out{called}", ends, held_out, HELD_OUT, dash))
    return curves


def score_chart(one: Seen, step: int | None, other: Seen | None, dark: bool) -> Option | None:
    """Draw the accuracy, or R² of numbers, on training and held-out rows."""
    curves = _scores(one)
    if other is not None:
        curves += _scores(other, beside=True)
    if not curves:
        return None
    classes = one.net.C.targets in ("unit", "distribution")
    title, what = ("Accuracy", "right answers") if classes else ("R²", "R²: 1 is perfect")
    axes = _axes(title, what, one, step, other, "percent" if classes else "linear")
    return chart(axes, curves, dark)


def _scores(one: Seen, beside: bool = False) -> list[Curve]:
    called, dash, curves = _called(one, beside), int(beside), []
    for part, colour in (("training", TRAINING), ("held out", HELD_OUT)):
        if (found := one.points.get(part)) is not None:
            curves.append(Curve(f"{part}{called}", found.steps, found.score, colour, dash))
    held_out = one.of_epochs("held_out_score")
    if "held out" not in one.points and np.isfinite(held_out).any():
        curves.append(Curve(f"held out{called}", one.ends, held_out, HELD_OUT, dash))
    return curves


def gradient_chart(one: Seen, step: int | None, other: Seen | None, dark: bool) -> Option | None:
    """Draw the size of each layer's gradient."""
    return _by_layer(one, step, other, dark, "Gradient of each layer", "‖∂C/∂θ‖", _gradient)


def update_chart(one: Seen, step: int | None, other: Seen | None, dark: bool) -> Option | None:
    """Draw how far each step moved a layer, as a share of what it moved."""
    return _by_layer(one, step, other, dark, "Update of each layer", "‖Δθ‖ / ‖θ‖", _update)


def _gradient(statistics: Statistics) -> Array:
    return statistics["gradient"]


def _update(statistics: Statistics) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = statistics["update"] / statistics["theta"]
    return ratio


def _by_layer(
    one: Seen, step: int | None, other: Seen | None, dark: bool, title: str, y_name: str, of: Any
) -> Option | None:
    curves = []
    for beside, run in enumerate((one, other)):
        if run is None or not len(run.statistics.steps):
            continue
        values, called = of(run.statistics), _called(run, run is not one)
        for l in range(run.net.L):
            dash = l if other is None else beside
            name = f"layer {l + 1}{called}"
            curves.append(Curve(name, run.statistics.steps, values[:, l], l, dash))
    if not curves:
        return None
    return chart(_axes(title, y_name, one, step, other, "log"), curves, dark)


def quiet_chart(one: Seen, step: int | None, other: Seen | None, dark: bool) -> Option | None:
    """Draw the share of units that are dead, of activations that end on one side, or saturated."""
    curves = []
    for beside, run in enumerate((one, other)):
        if run is None or not len(run.statistics.steps):
            continue
        called = _called(run, run is not one)
        for l, kind in _kinds(run.net):
            dash = l - 1 if other is None else beside
            values = run.statistics[kind][:, l - 1]
            curves.append(
                Curve(f"layer {l} {kind}{called}", run.statistics.steps, values, l - 1, dash)
            )
    if not curves:
        return None
    axes = _axes("Dead and saturated units", "share of the layer", one, step, other, "percent")
    return chart(axes, curves, dark)


def _kinds(net: Network) -> list[tuple[int, str]]:
    """Give the layers whose units can die or saturate, and which of the two."""
    names = [f.name for f in net.f[1:]]
    kinds = ["dead" if f in ONE_SIDED else "saturated" if f in BOUNDED else "" for f in names]
    return [(l, kind) for l, kind in enumerate(kinds, start=1) if kind]


def _called(one: Seen, beside: bool) -> str:
    return f", {one.name}" if beside else ""


def _axes(
    title: str, y_name: str, one: Seen, step: int | None, other: Seen | None, scale: Any
) -> Axes:
    runs = [run for run in (one, other) if run is not None]
    ends = float(min(run.first for run in runs)), float(max(run.last for run in runs))
    mark = "" if step is None else f"step {step:,}"
    zero = scale == "percent"
    at = None if step is None else float(step)
    return Axes(title, "step", y_name, scale, at, mark, x_range=ends, from_zero=zero)


# ── pictures of answers ──────────────────────────────────────────────────────────────────────────────


def of_picture(picture: CurvePicture, *, dark: bool = False) -> Option:
    """Give the chart of a picture, its lines and marks, or where there are no lines its areas."""
    x = np.asarray(picture.x, float)
    if picture.lines or picture.marks:
        curves = [
            Curve(line.name, x, line.y, i, int(line.dashed)) for i, line in enumerate(picture.lines)
        ]
        axes = Axes(picture.title, picture.x_label, picture.y_label, points=picture.marks)
        return chart(axes, curves, dark)
    axes = Axes(picture.title, picture.x_label, picture.stack_label)
    return chart(axes, _areas(x, picture.stacked), dark)


def areas_of_picture(picture: CurvePicture, *, dark: bool = False) -> Option | None:
    """Give the chart of a picture's areas, which stand below its lines, or None."""
    if not picture.stacked:
        return None
    axes = Axes("", picture.x_label, picture.stack_label)
    return chart(axes, _areas(np.asarray(picture.x, float), picture.stacked), dark)


def _areas(x: Array, stacked: Sequence[Any]) -> list[Curve]:
    return [
        Curve(line.name, x, line.y, "ink" if line.dashed else i, area=True)
        for i, line in enumerate(stacked)
    ]
