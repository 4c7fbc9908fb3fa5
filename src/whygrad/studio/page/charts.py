"""The curves of a training as charts.

Cost and score, gradients and updates of every layer, and units that no longer react:

    ‖∂C/∂θˡ‖   and   ‖Δθˡ‖ / ‖θˡ‖   of every layer, on logarithmic axes

Another run beside it is dashed; of several each has a colour. The line upwards is the step that the page
shows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np

from whygrad.answers.pictures import CurvePicture, Line, Scale
from whygrad.engines import Statistics
from whygrad.engines.probes import BOUNDED, ONE_SIDED
from whygrad.nn import Array, Network
from whygrad.record.so_far import SoFar
from whygrad.studio.page.charting import Option, chart, zoomed
from whygrad.training.epochs import Epoch, History
from whygrad.training.metrics import by_rows

NAMES = ("cost", "score", "gradient", "update", "quiet")  # beside the run's metrics
WIDE = 30.0  # costs that differ by more than this factor are drawn on a logarithmic axis

TRAINING, VALIDATION = 0, 1  # colours
FEW = 10  # measured states: fewer draw no line of the training rows
PARTS = {"training": TRAINING, "validation": VALIDATION}


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
    first_end : the step at which the first of its epochs ended.
    per_epoch : steps of an epoch.
    epochs : what its epochs showed, the first of them the one in which step `first` lies.
    costs : the cost of each step from `first` on, (m,).
    statistics : what the layers did.
    points : by part, "training" and "validation", what was measured besides; it stands in for the epochs
        where it is no less.
    name : what it is called beside another.
    judged : whether scores are accuracy whatever the cost is.
    cost_name : what the cost of a step is called, by the penalties in it.
    """

    net: Network
    first: int
    last: int
    first_end: int
    per_epoch: int
    epochs: tuple[Epoch, ...]
    costs: Array
    statistics: Statistics
    points: Mapping[str, Points] = field(default_factory=dict)
    name: str = ""
    judged: bool = False
    cost_name: str = "cost"

    @property
    def accuracy(self) -> bool:
        """Whether scores are accuracy, and not R²."""
        return self.judged or self.net.C.targets in ("unit", "distribution")

    @property
    def ends(self) -> Array:
        """The steps at which the epochs ended."""
        return self.first_end + np.arange(len(self.epochs)) * self.per_epoch

    def of_epochs(self, what: str) -> Array:
        """Return a number of every epoch, NaN where it was not measured."""
        values = (getattr(epoch, what) for epoch in self.epochs)
        return np.array([np.nan if value is None else float(value) for value in values])

    @cached_property
    def metrics(self) -> dict[str, Array]:
        """The metrics of every epoch by name, NaN where they were not measured."""
        return {name: np.array(v, float) for name, v in History(self.epochs).metrics.items()}


def seen(run: Any, points: Iterable[Any] = (), name: str = "", now: SoFar | None = None) -> Seen:
    """Return what a recorded run showed so far, or what it had shown at the moment `now`.

    `points` are what was measured besides, each with its `step` and by part (cost, score) in `by_part`.
    """
    shown: Any = run if now is None else now
    return Seen(
        run.net,
        run.start,
        shown.step,
        run.first_end,
        run.plan.steps_per_epoch,
        shown.history.epochs,
        shown.costs,
        shown.statistics,
        _points_of(points),
        name or run.path.name,
        run.judged,
        run.plan.cost_name,
    )


def _points_of(points: Iterable[Any]) -> dict[str, Points]:
    """Return what was measured at single steps as lines, by part of the rows."""
    known, found = list(points), {}
    for part in PARTS:
        rows = [(one.step, *one.by_part[part]) for one in known if part in one.by_part]
        if rows:
            found[part] = Points(*np.array(rows, float).T)
    return found


def options(
    one: Seen,
    step: int | None = None,
    others: Sequence[Seen] = (),
    *,
    dark: bool = False,
    smoothing: float = 0.0,
) -> dict[str, Option]:
    """Return the charts of a run as ECharts options, by name."""
    made = pictures(one, step, others)
    return {n: zoomed(chart(smoothed(picture, smoothing), dark)) for n, picture in made.items()}


def smoothed(picture: CurvePicture, weight: float) -> CurvePicture:
    """Return a chart whose lines are moving averages, sₜ = w sₜ₋₁ + (1 − w) yₜ, with yₜ thin behind them.

    What the start at zero takes away is given back, sₜ / (1 − wᵗ); gaps stay gaps.
    """
    if not weight:
        return picture
    lines: list[Line] = []
    for i, one in enumerate(picture.lines):
        colour = i if one.colour is None else one.colour
        lines.append(replace(one, thin=True, listed=False, colour=colour))
        lines.append(replace(one, y=averaged(one.y, weight), colour=colour, thin=False))
    return replace(picture, lines=tuple(lines))


def averaged(y: Array, weight: float) -> Array:
    """Return the moving average of numbers, (m,), over those that are finite.

    >>> averaged(np.array([1.0, np.nan, 3.0]), 0.5).round(3).tolist()
    [1.0, nan, 2.333]
    """
    found, known = np.full(len(y), np.nan), np.isfinite(y)
    total = seen = 0.0
    means = []
    for value in np.asarray(y, float)[known].tolist():
        total, seen = weight * total + (1 - weight) * value, weight * seen + (1 - weight)
        means.append(total / seen)
    found[known] = means
    return found


def pictures(
    one: Seen, step: int | None = None, others: Sequence[Seen] = ()
) -> dict[str, CurvePicture]:
    """Return the charts of a run that are not empty, by name: those of `NAMES`, "metric f1" and so on.

    `step` is where the page stands; `others` are runs to compare with, such as the one it was forked from.
    """
    about = _About(one, step, tuple(others))
    made = {
        "cost": _cost(about),
        "score": _score(about),
        "gradient": _by_layer(about, "Gradient of each layer", "‖∂C/∂θ‖", itemgetter("gradient")),
        "update": _by_layer(about, "Update of each layer", "‖Δθ‖ / ‖θ‖", _update),
        "quiet": _quiet(about),
        **{f"metric {what}": _metric(about, what) for what in by_rows(one.metrics)},
    }
    return {name: found for name, found in made.items() if found is not None}


@dataclass(frozen=True, eq=False)
class _Run:
    """A run among those that are drawn: its place, 0 for the one that the page shows, and of how many."""

    seen: Seen
    place: int
    of: int

    @property
    def called(self) -> str:
        """What is added to the names of its lines."""
        return f", {self.seen.name}" if self.place or self.of > 2 else ""

    def line(self, name: str, steps: Array, values: Array, colour: int, stroke: int = 0) -> Line:
        """Return a line of it, with the colour and the strokes that it has where it is alone.

        Of two runs the other is dashed and not listed; of more each has a colour, and strokes tell parts
        and layers apart.
        """
        name += self.called
        if self.of > 2:
            return Line(name, values, x=steps, colour=self.place, stroke=stroke or colour)
        if self.of == 2:
            stroke = self.place
        return Line(name, values, x=steps, colour=colour, stroke=stroke, listed=not self.place)


@dataclass(frozen=True, eq=False)
class _About:
    """A run, others to compare it with, and where the page stands."""

    one: Seen
    step: int | None
    others: tuple[Seen, ...]

    @property
    def runs(self) -> Iterator[_Run]:
        """Each run in its place."""
        every = (self.one, *self.others)
        return (_Run(one, place, len(every)) for place, one in enumerate(every))

    def drawn(
        self, title: str, y_label: str, lines: Sequence[Line], scale: Scale = "linear"
    ) -> CurvePicture | None:
        """Return the chart, or None without any point."""
        if not any(np.isfinite(one.y).any() for one in lines):
            return None
        runs = (self.one, *self.others)
        return CurvePicture(
            title,
            "step",
            y_label,
            np.zeros(0),
            tuple(lines),
            scale=scale,
            at=None if self.step is None else float(self.step),
            at_name="" if self.step is None else f"step {self.step:,}",
            x_range=(float(min(run.first for run in runs)), float(max(run.last for run in runs))),
            stroke_name=f"dashed: {self.others[0].name}" if len(runs) == 2 else "",
        )


def _cost(about: _About) -> CurvePicture | None:
    """Draw the cost of every step, and that of the training and validation rows."""
    one = about.one
    steps = one.first + 1.0 + np.arange(len(one.costs))
    penalties = one.cost_name.removeprefix("cost")
    lines = [Line(f"each step{penalties}", one.costs, x=steps, colour="c7", thin=True)]
    for run in about.runs:
        lines += _parts(run, "cost", {"training": "cost", "validation": "validation_cost"})
    known = np.concatenate([one.y[np.isfinite(one.y)] for one in lines])
    wide = bool(len(known)) and known.min() > 0 and known.max() > WIDE * known.min()
    return about.drawn("Cost", "cost", lines, "log" if wide else "linear")


def _score(about: _About) -> CurvePicture | None:
    """Draw the accuracy, or R² of a regression, of the training and validation rows."""
    lines: list[Line] = []
    for run in about.runs:
        if run.seen.accuracy == about.one.accuracy:  # one axis has no room for both
            lines += _parts(run, "score", {"validation": "validation_score"})
    if about.one.accuracy:
        return about.drawn("Accuracy", "right answers", lines, "percent")
    return about.drawn("R²", "R²: 1 is perfect", lines)


def _metric(about: _About, what: str) -> CurvePicture | None:
    """Draw a metric that the epochs measured."""
    lines: list[Line] = []
    for run in about.runs:
        for part, name in by_rows(run.seen.metrics).get(what, {}).items():
            lines.append(run.line(part, run.seen.ends, run.seen.metrics[name], PARTS[part]))
    return about.drawn(what, what, lines)


def _parts(run: _Run, what: str, of_epochs: Mapping[str, str]) -> list[Line]:
    """Return a line for each part of the rows: as measured, or as the epochs had it.

    Where more epochs than states were measured on validation rows these are shown, the best among them;
    and of training rows, where so few states would draw a line that never was.
    Of a run alone the held-out one is dashed, so that of two equal lines both are seen.
    """
    lines, shown = [], run.seen
    for part, colour in PARTS.items():
        stroke = int(run.of == 1 and colour != TRAINING)
        values = shown.of_epochs(of_epochs[part]) if part in of_epochs else np.empty(0)
        found, known = shown.points.get(part), np.isfinite(values).sum()
        enough = FEW if part == "training" else known  # whose epochs were measured while they went
        if found is not None and (known <= len(found.steps) or len(found.steps) >= enough):
            lines.append(run.line(part, found.steps, getattr(found, what), colour, stroke))
        elif known:
            lines.append(run.line(part, shown.ends, values, colour, stroke))
    return lines


def _update(statistics: Statistics) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return statistics["update"] / statistics["theta"]


def _by_layer(about: _About, title: str, y_name: str, of: Any) -> CurvePicture | None:
    """Draw a number of every layer, on a logarithmic axis."""
    lines = [
        _layer(run, l, f"layer {l}", of(run.seen.statistics))
        for run in about.runs
        for l in range(1, run.seen.net.L + 1)
    ]
    return about.drawn(title, y_name, lines, "log")


def _quiet(about: _About) -> CurvePicture | None:
    """Draw the share of units that are dead, where activations end on one side, or saturated."""
    kinds = {kind for run in about.runs for _, kind in _kinds(run.seen.net)}
    one = len(kinds) == 1  # named once, in the title: six layers fit into the legend
    lines = [
        _layer(run, l, f"layer {l}" if one else f"{kind}, layer {l}", run.seen.statistics[kind])
        for run in about.runs
        for l, kind in _kinds(run.seen.net)
    ]
    title = f"{next(iter(kinds)).capitalize()} units" if one else "Dead and saturated units"
    return about.drawn(title, "share of the layer", lines, "percent")


def _layer(run: _Run, l: int, name: str, values: Array) -> Line:
    """Return the line of a layer, which has its own colour and strokes where its run is alone."""
    return run.line(name, run.seen.statistics.steps, values[:, l - 1], l - 1, l - 1)


def _kinds(net: Network) -> list[tuple[int, str]]:
    """Return the layers whose units can die or saturate, and which of the two."""
    names = [f.name for f in net.f[1:]]
    kinds = ["dead" if f in ONE_SIDED else "saturated" if f in BOUNDED else "" for f in names]
    return [(l, kind) for l, kind in enumerate(kinds, start=1) if kind]
