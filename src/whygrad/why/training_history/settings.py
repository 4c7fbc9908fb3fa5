"""Settings: what a little more of each would have done to the cost of rows that training did not see.

    ∂C/∂ log η_e = Σ_{t in epoch e} λ · ∂θ′/∂ log η,   ∂C/∂λ₂ = Σ_t u · W,   ∂C/∂λ₁ = Σ_t u · sign W

All come of the same walk back through the training as influence (see `adjoint`), for next to nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number
from whygrad.answers.names import Names
from whygrad.answers.parts import Table
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.nn.pairings import output_error
from whygrad.plan.plan import Penalty, Plan
from whygrad.plan.schedules import Adaptive, OnPlateau, Schedule
from whygrad.training.again import Change
from whygrad.why.training_history.adjoint import IN_NUMPY, Step, rate_slopes, steps_back, weights_of
from whygrad.why.training_history.functional import Functional, functional
from whygrad.why.training_history.removals import GROWTH
from whygrad.why.training_history.trajectory import (
    Trajectory,
    epochs_of,
    group_names,
    groups_of,
    trajectory_of,
)
from whygrad.why.training_history.waiting import Progress, watched

BY_RULES = (Adaptive, OnPlateau)  # schedules whose rates follow from how epochs end
MOST_TRIED = 3  # trainings with `attempt`: the rate and both penalties
MORE = 0.1  # how much more of a setting is spoken of
HELD = (
    "These are derivatives of the recorded training. What early stopping and adaptive rates decided is "
    "held as recorded; a change that is tried decides anew."
)


@dataclass(frozen=True)
class Faster:
    """A schedule with the rates of epochs `first` to `last`, counted from 0, times a factor."""

    schedule: Schedule
    first: int
    last: int
    factor: float

    def factors(self, batches: Array, clock: Any) -> Array:
        """Return the factors of the batches of an epoch."""
        inside = self.first <= clock.epoch <= self.last
        return self.schedule.factors(batches, clock) * (self.factor if inside else 1.0)


def settings(
    run: Any,
    x: Any = None,
    *,
    y: Any = None,
    attempt: bool = False,
    progress: Progress = False,
    names: Names | None = None,
) -> Explanation:
    """Settings: say what a little more of each rate, penalty and class weight would have brought.

    Derivatives of the cost of x by the settings of the whole recorded training, by the same walk back
    through it as `influence`.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    x : array-like, shape (m, n_0), optional
        Rows that training did not see; of a run its test or validation rows by default.
    y : array-like, optional
        Their targets.
    attempt : bool
        Train again with the change of the learning rate that promises most, and with other penalties,
        and show what these truly bring.
    progress : bool or callable, default False
        Say on the terminal how long it takes, and show how far it is; a callable is given each `Stage`
        instead.
    names : Names, optional
        What inputs, outputs and classes are called; those of the run by default.

    Returns
    -------
    Explanation
        `value` is the cost of x. `arrays` holds `by_epoch` (E,), ∂C/∂ log η of each epoch; `l1`, `l2`,
        `decay`, `momentum` and `label_smoothing`, ∂C by each, NaN where there is none; `by_class` (G,),
        ∂C/∂ log of the weight of each class; `growth`; and with `attempt` the true changes, `true`.

    Raises
    ------
    InputError
        Without rows and targets, for an optimizer of your own, for L-BFGS, and where the steps, run again,
        do not arrive at the parameters asked about.

    See Also
    --------
    influence : The same by what each example counts.

    References
    ----------
    Maclaurin, Duvenaud & Adams (2015), Gradient-based hyperparameter optimization through reversible
    learning. ICML.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.01), n=2, epochs=4, batch_size=2)
    >>> found = settings(trajectory(plan, start(plan), data), [[3.0]], y=[[6.0]])
    >>> bool((found["by_epoch"] < 0).all())
    True
    """
    trajectory = trajectory_of(run)
    names, plan = names or trajectory.names, trajectory.plan
    x, y = trajectory.encode(x, y)
    if x is None or y is None:
        raise InputError("settings are judged by the cost of rows: give x and y")
    f = functional(plan.net, names, trajectory.theta, x, y, None, "cost")
    with watched(trajectory, progress, IN_NUMPY[0], MOST_TRIED * attempt) as trajectory:
        return _answer(trajectory, f, names, attempt)


def _answer(trajectory: Trajectory, f: Functional, names: Names, attempt: bool) -> Explanation:
    plan, found = trajectory.plan, slopes_of(trajectory, f.slope(trajectory.theta))
    value, epochs = f.value(trajectory.theta), trajectory.start.epoch
    first, last, promised = _best_epochs(plan, found.by_epoch, trajectory.start.step > 0)
    advice = _advice(found.by_epoch, first, last, promised, epochs)
    rows = _rows(plan, found, value, group_names(trajectory, names, len(found.by_class)))
    true: list[float] = []
    if attempt:
        tried = _tried(plan, epochs + first, epochs + last, promised, found)
        thetas = trajectory.again([Change(plan=each) for _, each, _ in tried])
        true = [f.value(theta) - value for theta in thetas]
        advice += f" Trained again so, it changes by {number(true[0], sign=True)}."
    advice += promises_more(rows[1:], promised)
    unstable = found.growth > GROWTH
    if unstable:
        advice = (
            f"Do not trust this: the run is at the edge of stability (growth {number(found.growth)}); "
            "train with other settings and compare." + (f" {advice}" if attempt else "")
        )
    tables = [Table("What a little more of each brings, to first order", HEADS, tuple(rows))]
    if attempt:
        trials = [
            (name, said, brought) for (name, _, said), brought in zip(tried, true, strict=True)
        ]
        tables.append(Table("Tried", ("change", "computed", "trained again"), tuple(trials)))
    e = epochs + np.arange(len(found.by_epoch)) + 1
    return Explanation(
        kind="settings",
        question=f"What would other settings have done to the {f.name(names)}?",
        answer=advice,
        value=value,
        tables=tuple(tables),
        pictures=(
            CurvePicture(
                "By the rate of each epoch",
                "epoch",
                f"change of the cost by {MORE:.0%} more",
                e,
                (Line("computed", MORE * found.by_epoch),),
            ),
        ),
        arrays=vars(found) | ({"true": np.array(true)} if attempt else {}),
        notes=(HELD,),
    )


HEADS = ("setting", "now", "slope of the cost", "a change of", "brings")


@dataclass(frozen=True, eq=False)
class Slopes:
    """∂C by the settings: rates by epoch and classes by their logarithms, all else as it is."""

    by_epoch: Array
    by_class: Array
    l1: float
    l2: float
    decay: float
    momentum: float
    label_smoothing: float
    growth: float


def slopes_of(trajectory: Trajectory, slope: Array) -> Slopes:
    """Return the slopes of a number by all settings, given its gradient ∂f/∂θ_T, (P,)."""
    plan, start = trajectory.plan, trajectory.start
    W = weights_of(plan.net)
    smooth = plan.net.C.targets in ("unit", "distribution")
    by_epoch = np.zeros(epochs_of(plan, start, trajectory.last))
    by_example = np.zeros(plan.n)
    l1 = l2 = decay = momentum = smoothing = 0.0
    first, back = start.step - start.batch_index, slope[None]
    for step, back in steps_back(trajectory, slope[None]):  # noqa: B007  the last is needed
        theta, u = step.state.theta, step.u[0]
        by_epoch[(step.state.step - first) // plan.steps_per_epoch] += rate_slopes(plan, step)[0]
        by_example[step.examples] += step.s * step.along[0].slopes / step.S
        # Per unit of the strength, which is divided as the penalty says.
        l1 += float(u @ (W * np.sign(theta))) * replace(plan.l1, strength=1.0).of_batch(
            step.S, plan.n
        )
        l2 += float(u @ (W * theta)) * _of_one(plan.l2).of_batch(step.S, plan.n)
        if plan.l2.per == "step":
            decay += _decay_slope(plan, step)
        momentum += _momentum_slope(plan, step)
        if smooth:
            smoothing += _smoothing_slope(plan, step)
    groups, count = groups_of(trajectory)
    has = getattr(plan.optimizer, "momentum", None) or getattr(plan.optimizer, "beta1", None)
    return Slopes(
        by_epoch,
        np.bincount(groups, by_example, count),
        l1,
        l2 if plan.l2.per != "step" else np.nan,
        decay if plan.l2.per == "step" else np.nan,
        momentum if has and type(plan.optimizer).__name__ != "Nadam" else np.nan,
        smoothing if smooth else np.nan,
        float(np.linalg.norm(back) / (np.linalg.norm(slope) or 1.0)),
    )


def _of_one(penalty: Penalty) -> Penalty:
    """Return the penalty of strength 1; of a decay per step there is none."""
    return Penalty(0.0) if penalty.per == "step" else replace(penalty, strength=1.0)


def _decay_slope(plan: Plan, step: Step) -> float:
    """Return ∂f by the decay per step: θ′ = (1 − d m) θ̃."""
    m = 1.0 if plan.factors is None else plan.factors.astype(np.float64)
    kept = step.state.theta * (1 - m * (1 - step.form.keep[0])) + m * step.move
    return -float(step.lam[0] @ (m * kept / (1 - plan.l2.decay * m)))


def _momentum_slope(plan: Plan, step: Step) -> float:
    """Return ∂f by μ of SGD and RMSprop, and by β₁ of Adam and AdamW."""
    form, rule = step.form, plan.optimizer
    if form.m is None or step.at_m is None:
        return 0.0
    before = step.state.opt_state[form.m]
    found = float(step.at_m[0] @ before)
    if form.by_gradient:
        if getattr(rule, "nesterov", False):  # θ moves by μ m′ − η g
            found += float(step.moving[0] @ (form.mu * before + form.p[0] * step.clipped))
        return found
    beta1 = getattr(rule, "beta1", None)
    if beta1 is None:
        return found
    t = step.state.step + 1 - step.state.begun
    found -= float(step.at_m[0] @ step.clipped)  # m′ = β₁ m + (1 − β₁) g
    return found + float(step.moving[0] @ step.move) * t * beta1 ** (t - 1) / (1 - beta1**t)


def _smoothing_slope(plan: Plan, step: Step) -> float:
    """Return ∂f by ε: δ at the output is linear in y, and y = (1 − ε) y₀ + ε e."""
    net, trace = plan.net, step.trace
    equal = 1 / step.y.shape[1] if net.C.targets == "distribution" else 0.5
    dy = (equal - step.y) / (1 - plan.label_smoothing)
    z, a = trace.z[net.L], trace.a[net.L]
    ends = [output_error(net.f[net.L], net.C, z, a, step.y + h * dy) for h in (0.0, 1.0)]
    return float((step.s[:, None] * (ends[1] - ends[0]) * step.along[0].outputs).sum() / step.S)


def _best_epochs(plan: Plan, by_epoch: Array, later: bool) -> tuple[int, int, float]:
    """Return the run of epochs, first to last, whose rates promise most, and what 10 % more bring."""
    if isinstance(plan.schedule, BY_RULES) or later:
        return 0, len(by_epoch) - 1, MORE * float(by_epoch.sum())
    sums = np.concatenate([[0.0], np.cumsum(by_epoch)])
    gaps = np.triu(sums[None, :] - sums[:, None], 1)
    first, after = np.unravel_index(np.abs(gaps).argmax(), gaps.shape)
    return int(first), int(after) - 1, MORE * float(gaps[first, after])


def _advice(by_epoch: Array, first: int, last: int, promised: float, before: int) -> str:
    """Return the sentence: "Raise the rate of epochs 1 to 4 by 10 %: cost −0.006, to first order."."""
    which = "the learning rate"
    if last - first + 1 < len(by_epoch):
        a, b = before + first + 1, before + last + 1
        which = f"the rate of epoch {a}" if a == b else f"the rate of epochs {a} to {b}"
    way = "Raise" if promised < 0 else "Lower"
    return f"{way} {which} by {MORE:.0%}: cost {number(-abs(promised), sign=True)}, to first order."


def promises_more(rows: list[Any], promised: float) -> str:
    """Return the sentence on the other setting whose change promises more than the rate's, or ""."""
    # Of a setting that is 0 there is no less.
    changes = [(what, change, brings) for what, now, _, change, brings in rows if now or brings < 0]
    what, change, brings = max(changes, key=lambda each: abs(each[2]), default=("", "", 0.0))
    if abs(brings) <= abs(promised):
        return ""
    if brings > 0:
        change = change.replace("+", "-", 1).replace(f"× {1 + MORE:g}", f"× {1 - MORE:g}")
    least = number(-abs(brings), sign=True)
    return f" A change of {what}, {change}, promises more: cost {least}, to first order."


def _rows(plan: Plan, found: Slopes, value: float, classes: tuple[str, ...]) -> list[Any]:
    """Return the rows of the table: each setting, its value, its slope, and what a change brings."""
    rule = plan.optimizer
    rows: list[Any] = []
    rate = float(found.by_epoch.sum())
    rows.append(("learning rate", float(rule.learning_rate), rate, f"× {1 + MORE:g}", MORE * rate))
    name = "momentum" if hasattr(rule, "momentum") else "beta1"
    for what, now, slope in (
        ("l1", plan.l1.strength, found.l1),
        ("l2", plan.l2.strength, found.l2),
        ("decay per step", plan.l2.strength, found.decay),
        (name, getattr(rule, name, 0.0), found.momentum),
        ("label smoothing", plan.label_smoothing, found.label_smoothing),
    ):
        if np.isfinite(slope):
            step = _step(what, now)
            rows.append((what, float(now), slope, f"{step:+g}", step * slope))
    if len(classes) > 1:
        for label, slope in zip(classes, found.by_class.tolist(), strict=True):
            rows.append((f"weight of {label}", 1.0, slope, f"× {1 + MORE:g}", MORE * slope))
    return rows


def _step(what: str, now: float) -> float:
    """Return the change of a setting that is spoken of: a tenth of it, or a little where it is 0."""
    if what in ("momentum", "beta1"):
        return MORE * (1 - now)
    return MORE * now if now else {"label smoothing": 0.01}.get(what, 1e-4)


def _tried(
    plan: Plan, first: int, last: int, promised: float, found: Slopes
) -> list[tuple[str, Plan, float]]:
    """Return what is tried: the rates that promise most, and penalties that lower the cost."""
    factor = 1 + MORE if promised < 0 else 1 - MORE
    if isinstance(plan.schedule, BY_RULES):
        rule: Any = plan.optimizer
        faster = replace(plan, optimizer=replace(rule, learning_rate=factor * rule.learning_rate))
    else:
        faster = replace(plan, schedule=Faster(plan.schedule, first, last, factor))
    tried = [(f"rate of epochs {first + 1} to {last + 1} × {factor:g}", faster, -abs(promised))]
    for name, slope in (("l1", found.l1), ("l2", found.l2)):
        penalty = getattr(plan, name)
        if not np.isfinite(slope) or (slope >= 0 and not penalty.strength):
            continue
        step = -np.sign(slope) * _step(name, penalty.strength)
        changed = replace(penalty, strength=float(penalty.strength + step))
        tried.append(
            (f"{name} {changed.strength:g}", replace(plan, **{name: changed}), step * slope)
        )
    return tried
