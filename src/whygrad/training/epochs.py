"""The end of an epoch: measure, compare with the best so far, lower the learning rate or stop.

Everything that is remembered from epoch to epoch is in the state, so a training that is continued decides
as one that was never interrupted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from whygrad import handed
from whygrad.cores import one_thread
from whygrad.engines import Engine, ProbeResult, Probes
from whygrad.engines.reference import of_next_batch
from whygrad.errors import InputError, nearest, needs
from whygrad.nn import Array, Data, Gradients, Parameters
from whygrad.nn.metrics import measure
from whygrad.plan.plan import EarlyStopping, Plan, Plateau, State, Stopping
from whygrad.plan.schedules import Adaptive, OnPlateau
from whygrad.training.metrics import Measure

# What an epoch shows without metrics; those that a rule may go by are the second to the fourth.
MEASURES = ("epoch", "cost", "validation_cost", "validation_score", "learning_rate")
WORDS = {
    "cost": "training cost",
    "validation_cost": "validation cost",
    "validation_score": "validation score",
}


@dataclass(frozen=True)
class LayerStatistics:
    """How the last step of an epoch moved one layer, its W and b taken together as one vector.

    `gradient` is ‖∂C/∂θˡ‖ of that step's batch, penalties included; `update` is ‖Δθˡ‖/‖θˡ‖, how far
    the step went in proportion to what it moved.
    """

    gradient: float
    update: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed.

    Parameters
    ----------
    cost : float
        The mean of the batches' costs before each update, weighted by their numbers of examples, penalties
        included.
    learning_rate : float
        η at the epoch's last step; 1 for L-BFGS, which has none.
    validation_cost : float or None
        The cost of the validation data, without penalties.
    validation_score : float or None
        Their accuracy, or R² of a regression. Both are None where there are no validation data.
    layers : tuple of LayerStatistics
        Those of layers 1 … L, () where not asked for.
    metrics : mapping of str to float
        What `metrics=` asked for, by name; NaN where it could not be measured.
    """

    cost: float
    learning_rate: float
    validation_cost: float | None = None
    validation_score: float | None = None
    layers: tuple[LayerStatistics, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, float]:
        """Return all its numbers by name: cost, learning rate, validation, metrics, layers.

        Examples
        --------
        >>> Epoch(0.5, 0.001, metrics={"f1": 0.75}).to_dict()
        {'cost': 0.5, 'learning_rate': 0.001, 'f1': 0.75}
        """
        found = {
            "cost": self.cost,
            "learning_rate": self.learning_rate,
            "validation_cost": self.validation_cost,
            "validation_score": self.validation_score,
            **self.metrics,
        }
        for l, layer in enumerate(self.layers, start=1):
            found |= {f"layer_{l}_gradient": layer.gradient, f"layer_{l}_update": layer.update}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class History:
    """A training, epoch by epoch, and why it ended.

    Parameters
    ----------
    epochs : tuple of Epoch
        What each epoch showed.
    stopped : str
        Why the training ended, such as "all epochs done".
    """

    epochs: tuple[Epoch, ...] = ()
    stopped: str = ""

    def __repr__(self) -> str:
        last = f"last cost {self.epochs[-1].cost:.4g}, " if self.epochs else ""
        return f"<History of {len(self.epochs):,} epochs, {last}{self.stopped or 'not ended'}>"

    def _repr_html_(self) -> str | None:
        """Show the costs in a notebook."""
        return handed.card(self) if handed.card else None

    @property
    def cost(self) -> list[float]:
        """The cost of each epoch."""
        return [epoch.cost for epoch in self.epochs]

    @property
    def validation_cost(self) -> list[float | None]:
        """The cost of the validation examples after each epoch."""
        return [epoch.validation_cost for epoch in self.epochs]

    @property
    def validation_score(self) -> list[float | None]:
        """Accuracy or R² of the validation examples after each epoch."""
        return [epoch.validation_score for epoch in self.epochs]

    def to_frame(self, backend: str | None = None) -> Any:
        """Return the history as a data frame, a row for each epoch.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose frame it is to be; by default the first of them that is installed.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Columns epoch (from 1), cost, learning_rate, and where they were measured validation_cost,
            validation_score, the metrics by name, layer_1_gradient, layer_1_update and so on; missing where
            an epoch did not measure them.

        Raises
        ------
        InputError
            For another backend, and for one that is not installed.

        Examples
        --------
        >>> History((Epoch(0.5, 0.1), Epoch(0.25, 0.1))).to_frame("pyarrow").column("cost").to_pylist()
        [0.5, 0.25]
        """
        from whygrad.training.frames import data_frame

        rows = [epoch.to_dict() for epoch in self.epochs]
        names = dict.fromkeys(["cost", "learning_rate", *(name for row in rows for name in row)])
        columns = {name: [row.get(name) for row in rows] for name in names}
        return data_frame({"epoch": list(range(1, len(rows) + 1)), **columns}, backend)

    def plot(self) -> Any:
        """Draw cost, score and metrics over epochs with matplotlib.

        Returns
        -------
        matplotlib.figure.Figure
            A figure that a notebook shows; `savefig` writes it. Its `axes` can be drawn on.

        Raises
        ------
        InputError
            Where matplotlib is not installed, or there are no epochs.
        """
        if not self.epochs:
            raise InputError("the history has no epochs: there is nothing to plot")
        needs("matplotlib", "plot()")
        from whygrad.training.figures import history_figure  # which imports matplotlib

        costs: Any = {"training": self.cost, "validation": self.validation_cost}
        scores = {"validation score": self.validation_score, **self.metrics}
        return history_figure(costs, scores)

    @property
    def metrics(self) -> dict[str, list[float | None]]:
        """Each metric after every epoch, by name; None for an epoch that did not measure it."""
        names = dict.fromkeys(name for epoch in self.epochs for name in epoch.metrics)
        return {name: [epoch.metrics.get(name) for epoch in self.epochs] for name in names}


def end_of_epoch(
    plan: Plan, state: State, validation: Data | None, metrics: Measure | None = None
) -> tuple[State, Epoch]:
    """Measure the epoch that has just ended, and let the plan's rules decide: a pure function."""
    epoch = measured(
        plan, state.theta, Epoch(state.cost_sum / plan.n, plan.learning_rate(state)), validation, metrics
    )  # fmt: skip
    state = replace(
        state, epoch=state.epoch + 1, batch_index=0, seen=state.seen + plan.n, cost_sum=0.0
    )
    if isinstance(plan.schedule, OnPlateau):
        state = _lower(plan.schedule, plan.optimizer.learning_rate, state, epoch)
    if plan.stopping:
        state = _compare(plan, plan.stopping, state, epoch)
    if plan.cost_below is not None and epoch.cost < plan.cost_below:
        state = replace(state, stopped=f"training cost below {plan.cost_below:g}")
    return state, epoch


def measured(
    plan: Plan, theta: Array, epoch: Epoch, validation: Data | None, metrics: Measure | None
) -> Epoch:
    """Return an epoch with what is measured of the parameters at its end."""
    parameters = Parameters(plan.net.sizes, theta)
    if validation is not None:
        cost, score = measure(plan.net, parameters, validation)
        epoch = replace(epoch, validation_cost=cost, validation_score=score)
    return epoch if metrics is None else replace(epoch, metrics=metrics(parameters))


def take_steps(
    engine: Engine,
    plan: Plan,
    state: State,
    data: Data,
    validation: Data | None,
    until: int,
    probes: Probes,
    metrics: Measure | None = None,
) -> tuple[State, ProbeResult]:
    """Take the steps to `until`, at most those of one epoch, and end that epoch after its last."""
    last = state.step + plan.steps_per_epoch - state.batch_index
    state, seen = engine.run(plan, state, data, min(until, last), probes)
    if state.batch_index == plan.steps_per_epoch and not seen.diverged:
        state, _ = end_of_epoch(plan, state, validation, metrics)
    return state, seen


def rise(state: State, cost: float, dtype: str) -> str:
    """Explain how far a cost that is still finite has risen, where that is a divergence; else "".

    It is one where the cost has risen by a greater factor than is left to it before it overflows: half of
    the way to infinity, in orders of magnitude, from where it began, on whatever scale the data are. Where
    it began near the end of the range that is not much: so it must also have risen by 1/ε², as from outputs
    as large as the targets to outputs in whose rounding the targets are lost.
    """
    began = abs(state.first_cost)
    times = abs(cost) / began if began > 0 else 0.0
    if times <= 1:
        return ""
    about = np.finfo(dtype)
    if times * abs(cost) > float(about.max) and times > float(about.eps) ** -2:
        change = f"from {state.first_cost:.3g} to {cost:.3g}"
        return f"the cost overflowed half of the range of {dtype}, {change}"
    return ""


def last_step(plan: Plan, before: State, after: Array, data: Data) -> tuple[LayerStatistics, ...]:
    """Return each layer's statistics of the step from the state `before` to the parameters `after`.

    Engines fuse the gradient into the update and never hold it: it is computed once more, for this batch.
    """
    with one_thread(numpy=True), np.errstate(all="ignore"):
        _, g, _, _ = of_next_batch(plan, before, data)
        return layers_of(plan, before.theta, after, g)


def layers_of(plan: Plan, before: Array, after: Array, g: Array) -> tuple[LayerStatistics, ...]:
    """Return each layer's statistics of a step from one vector of parameters to another, at gradient g."""
    found = []
    sizes = plan.net.sizes
    parts = [Gradients(sizes, flat) for flat in (g, after - before, before)]
    for l in range(1, plan.net.L + 1):
        slope, change, size = (math.hypot(_norm(p.dW[l]), _norm(p.db[l])) for p in parts)
        found.append(LayerStatistics(slope, change / size if size else math.inf))
    return tuple(found)


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array))


def final(plan: Plan, state: State) -> Array:
    """Return the parameters that a training ends with: the last, or the best where the plan says so."""
    restore = plan.stopping is not None and plan.stopping.restore_best
    best = state.early_stopping.best_theta
    return best if restore and best is not None else state.theta


def renewed(plan: Plan, state: State) -> State:
    """Return the state to go on from, with its patience restored where a stopping rule had ended it."""
    memory = state.early_stopping
    ended = plan.stopping is not None and memory.stalled > plan.stopping.patience
    return replace(state, early_stopping=replace(memory, stalled=0)) if ended else state


def _value(epoch: Epoch, on: str) -> float:
    """Return the measure that a rule goes by, its sign such that less is better; of metrics, more is."""
    if on in MEASURES:
        value = getattr(epoch, on)
        if value is None:
            raise InputError(f"a rule goes by {on!r}, which needs validation data")
        return -float(value) if on == "validation_score" else float(value)
    if on not in epoch.metrics:
        known = [*MEASURES[1:4], *epoch.metrics]
        raise InputError(
            f"a rule goes by {on!r}, which is not measured: {nearest(on, known)}; metrics=[…] measures "
            "more"
        )
    return -epoch.metrics[on]


def _compare(plan: Plan, rule: Stopping, state: State, epoch: Epoch) -> State:
    """Compare with the best epoch; when patience ends, lower an adaptive learning rate or stop."""
    value, memory = _value(epoch, rule.on), state.early_stopping
    improved = value <= memory.best - rule.tol
    stalled = 0 if improved else memory.stalled + 1
    if value < memory.best:
        theta = state.theta.copy() if rule.restore_best else None
        memory = EarlyStopping(value, theta, state.step)
    memory = EarlyStopping(memory.best, memory.best_theta, memory.best_step, stalled)
    state = replace(state, early_stopping=memory)
    if stalled <= rule.patience:
        return state
    schedule = plan.schedule
    if (
        isinstance(schedule, Adaptive)
        and plan.optimizer.learning_rate * state.learning_rate_scale > schedule.floor
    ):
        return replace(
            state,
            early_stopping=replace(state.early_stopping, stalled=0),
            learning_rate_scale=state.learning_rate_scale / schedule.divisor,
        )
    what = WORDS.get(rule.on, rule.on)
    return replace(
        state,
        stopped=f"{what} did not improve by more than {rule.tol:g} for {rule.patience} epochs",
    )


def _lower(schedule: OnPlateau, learning_rate: float, state: State, epoch: Epoch) -> State:
    """Count the epochs that do not improve; lower the learning rate when the schedule's patience ends."""
    value, memory = _value(epoch, schedule.on), state.plateau
    if value <= memory.lowest - schedule.tol:
        return replace(state, plateau=Plateau(value))
    if memory.waiting < schedule.patience:
        return replace(state, plateau=replace(memory, waiting=memory.waiting + 1))
    scale = max(
        state.learning_rate_scale * schedule.factor,
        min(state.learning_rate_scale, schedule.floor / learning_rate),
    )
    return replace(state, learning_rate_scale=scale, plateau=replace(memory, waiting=0))
