"""Settings: what a little more of each would have done to the cost of rows that training did not see.

    ∂C/∂ log η_e = Σ_{t in epoch e} λ · ∂θ′/∂ log η,   ∂C/∂λ₂ = Σ_t u · W,   ∂C/∂λ₁ = Σ_t u · sign W

All come of the same walk back through the training as influence (see `adjoint`), for next to nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
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
from whygrad.why.training_history.adjoint import Stretch, back, cost_of, differenced, growth
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
STEEP = ("l1", "l2")  # settings whose change is trained again where the slope is steep
MORE = 0.1  # how much more of a setting is spoken of
FAR = 0.5  # of what a slope promises, by which the truth may differ where the slope is shown
UNITS = (
    "A slope is the change of the cost by 1 more of a setting; of rates and class weights, which are "
    "changed by factors, by a factor e. What a change brings is its first order, unless it was "
    "trained again."
)
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
        `value` is the cost of x. Steep changes of penalties are trained again, and shown with what they
        truly bring. `arrays` holds `by_epoch` (E,), ∂C/∂ log η of each epoch; `l1`, `l2`,
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
    with watched(
        trajectory, progress, cost_of(trajectory), len(STEEP) + MOST_TRIED * attempt
    ) as trajectory:
        return _answer(trajectory, f, names, attempt)


def _answer(trajectory: Trajectory, f: Functional, names: Names, attempt: bool) -> Explanation:
    plan, found = trajectory.plan, slopes_of(trajectory, f.slope(trajectory.theta))
    value, epochs = f.value(trajectory.theta), trajectory.start.epoch
    first, last, promised = _best_epochs(plan, found.by_epoch, trajectory.start.step > 0)
    advice = _advice(found.by_epoch, first, last, promised, epochs)
    rows = _rows(plan, found, group_names(trajectory, names, len(found.by_class)))
    steep = _steep(plan, rows, min(abs(promised), MORE * abs(value)))
    tried = _tried(plan, epochs + first, epochs + last, promised, found) if attempt else []
    thetas = trajectory.again([Change(plan=each) for _, each, _ in (*tried, *steep)])
    true = [f.value(theta) - value for theta in thetas[: len(tried)]]
    if attempt:
        advice += f" Trained again so, it changes by {number(true[0], sign=True)}."
    # Only a cost above 0 bounds what there is to gain.
    most = value if value > 0 else np.inf
    again = {
        what: (change, f.value(theta) - value)
        for (what, _, change), theta in zip(steep, thetas[len(tried) :], strict=True)
    }
    advice += promises_more(rows[1:], promised, most, again)
    rows, notes = _within_reach(rows, most, again)
    unstable = found.growth > GROWTH
    if unstable:
        advice = (
            f"Do not trust this: the run is at the edge of stability (growth {number(found.growth)}); "
            "train with other settings and compare." + (f" {advice}" if attempt else "")
        )
    tables = [Table("What a little more of each brings", HEADS, tuple(rows))]
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
        notes=(UNITS, HELD, *notes, *differenced(plan.net)),
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
    plan, start, data = trajectory.plan, trajectory.start, trajectory.data
    smooth = plan.net.C.targets in ("unit", "distribution")
    by_epoch = np.zeros(epochs_of(plan, start, trajectory.last))
    by_example, lam = np.zeros((1, plan.n)), slope[None]
    l1 = l2 = decay = momentum = smoothing = 0.0
    first = start.step - start.batch_index
    for stretch in back(trajectory, slope[None], measured=True):
        found, S = stretch.pulled, stretch.batches.S.tolist()
        by_epoch[(stretch.state.step - first) // plan.steps_per_epoch] += found.by_rate.sum()
        who, changes = stretch.by_example(data, found.slopes)
        by_example[:, who] += changes
        # Per unit of the strength, which is divided as the penalty says.
        for_one = [[_of_one(each).of_batch(s, plan.n) for s in S] for each in (plan.l1, plan.l2)]
        l1 += float(for_one[0] @ found.by_sign[:, 0])
        l2 += float(for_one[1] @ found.by_weight[:, 0])
        decay += float(found.by_decay.sum())
        momentum += _momentum_slope(plan, stretch)
        if smooth:
            smoothing += _smoothing_slope(trajectory, stretch)
        lam = lam if stretch.lam is None else stretch.lam
    groups, count = groups_of(trajectory)
    has = getattr(plan.optimizer, "momentum", None) or getattr(plan.optimizer, "beta1", None)
    return Slopes(
        by_epoch,
        np.bincount(groups, by_example[0], count),
        l1,
        l2 if plan.l2.per != "step" else np.nan,
        decay if plan.l2.per == "step" else np.nan,
        momentum if has and type(plan.optimizer).__name__ != "Nadam" else np.nan,
        smoothing if smooth else np.nan,
        float(growth(slope[None], lam)[0]),
    )


def _of_one(penalty: Penalty) -> Penalty:
    """Return the penalty of strength 1; of a decay per step there is none."""
    return Penalty(0.0) if penalty.per == "step" else replace(penalty, strength=1.0)


def _momentum_slope(plan: Plan, stretch: Stretch) -> float:
    """Return ∂f by μ of SGD and RMSprop, and by β₁ of Adam and AdamW: m′ = β₁ m + (1 − β₁) g."""
    rule, found, form = plan.optimizer, stretch.pulled, stretch.form
    slope = float(found.by_buffer.sum())
    if form.by_gradient:
        # With Nesterov's θ moves by μ m′ − η g.
        return slope + (float(found.by_after.sum()) if getattr(rule, "nesterov", False) else 0.0)
    beta1 = getattr(rule, "beta1", None)
    if beta1 is None:
        return slope
    t = stretch.state.step + 1 - stretch.state.begun + np.arange(len(found.by_move))
    bias = t * beta1 ** (t - 1) / (1 - beta1**t)
    return slope - float(found.by_push.sum()) + float(bias @ found.by_move[:, 0])


def _smoothing_slope(trajectory: Trajectory, stretch: Stretch) -> float:
    """Return ∂f by ε: δ at the output is linear in y, and y = (1 − ε) y₀ + ε e."""
    plan, net, there = trajectory.plan, trajectory.plan.net, stretch.batches.examples >= 0
    y = trajectory.data.Y[stretch.batches.examples[there]].astype(np.float64)
    equal = 1 / y.shape[1] if net.C.targets == "distribution" else 0.5
    dy = (equal - y) / (1 - plan.label_smoothing)
    z = stretch.pulled.z[there].astype(np.float64)
    a = net.f[net.L].value(z)
    near, far = (output_error(net.f[net.L], net.C, z, a, y + h * dy) for h in (0.0, 1.0))
    along = stretch.pulled.outputs[:, 0][there]
    changes = np.zeros((len(there), 1, there.shape[1]))
    changes[:, 0][there] = ((far - near) * along).sum(axis=1)
    return float(stretch.by_example(trajectory.data, changes)[1].sum())


def _best_epochs(plan: Plan, by_epoch: Array, later: bool) -> tuple[int, int, float]:
    """Return the run of epochs, first to last, whose rates promise most, and what 10% more bring."""
    if isinstance(plan.schedule, BY_RULES) or later:
        return 0, len(by_epoch) - 1, MORE * float(by_epoch.sum())
    sums = np.concatenate([[0.0], np.cumsum(by_epoch)])
    gaps = np.triu(sums[None, :] - sums[:, None], 1)
    first, after = np.unravel_index(np.abs(gaps).argmax(), gaps.shape)
    return int(first), int(after) - 1, MORE * float(gaps[first, after])


def _advice(by_epoch: Array, first: int, last: int, promised: float, before: int) -> str:
    """Return the sentence: "Raise the rate of epochs 1 to 4 by 10%: cost −0.006, to first order."."""
    which = "the learning rate"
    if last - first + 1 < len(by_epoch):
        a, b = before + first + 1, before + last + 1
        which = f"the rate of epoch {a}" if a == b else f"the rate of epochs {a} to {b}"
    way = "Raise" if promised < 0 else "Lower"
    return f"{way} {which} by {MORE:.0%}: cost {number(-abs(promised), sign=True)}, to first order."


def promises_more(
    rows: list[Any],
    promised: float,
    cost: float = np.inf,
    again: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> str:
    """Return the sentence on the other setting whose change promises more than the rate's, or "".

    What is to take off more than the whole cost is left to `_within_reach`. Of what was trained `again`,
    change and true effect count.
    """
    # Of a setting that is 0 there is no less.
    changes = [
        (what, change, brings)
        for what, now, _, change, brings in rows
        if (now or brings < 0) and abs(brings) < cost and what not in again
    ]
    changes += [
        (what, f"{change:+g}", brings) for what, (change, brings) in again.items() if brings < 0
    ]
    what, change, brings = max(changes, key=lambda each: abs(each[2]), default=("", "", 0.0))
    if abs(brings) <= abs(promised):
        return ""
    if what in again:
        true = number(brings, sign=True)
        return f" A change of {what}, {change}, brings more: cost {true}, trained again."
    if brings > 0:
        change = change.replace("+", "-", 1).replace(f"× {1 + MORE:g}", f"× {1 - MORE:g}")
    least = number(-abs(brings), sign=True)
    return f" A change of {what}, {change}, promises more: cost {least}, to first order."


def _steep(plan: Plan, rows: list[Any], least: float) -> list[tuple[str, Plan, float]]:
    """Return the penalties whose change is to bring more than `least`: names, plans and changes.

    Such a slope may hold for far smaller changes only: Adam and its kin divide what a penalty says of a
    weight without a gradient by no more than their epsilon.
    """
    found = []
    for what, now, _, change, brings in rows:
        if what in STEEP and abs(brings) > least:
            # Less, where that is to lower the cost and there is something to take away.
            step = -float(change) if brings > 0 and now else float(change)
            penalty = replace(getattr(plan, what), strength=now + step)
            found.append((what, replace(plan, **{what: penalty}), step))
    return found


def _within_reach(
    rows: list[Any], cost: float, again: Mapping[str, tuple[float, float]]
) -> tuple[list[Any], tuple[str, ...]]:
    """Return the rows without what a slope cannot tell of such a change, and notes on it.

    A change that was trained again is shown with what it truly brought; one that promises more than the
    whole cost, with nothing.
    """
    shown: list[Any] = []
    far: list[str] = []
    beyond: list[str] = []
    for what, now, slope, change, brings in rows:
        if what in again:
            step, true = again[what]
            holds = abs(true - step * slope) <= FAR * abs(step * slope)
            far += [] if holds else [what]
            shown.append((what, now, slope if holds else None, f"{step:+g}", true))
        elif abs(brings) >= cost:
            beyond.append(what)
            shown.append((what, now, slope, change, None))
        else:
            shown.append((what, now, slope, change, brings))
    notes: list[str] = []
    if again:
        notes.append(f"What the {_changes(again)} brings was trained again.")
    if far:
        notes.append(
            f"No slope of {' and '.join(far)} is shown: it holds for far smaller changes only."
        )
    if beyond:
        notes.append(
            f"The first order of the {_changes(beyond)} is more than the whole cost: so steep a slope "
            "holds for far smaller changes only."
        )
    return shown, tuple(notes)


def _changes(names: Iterable[str]) -> str:
    """Return "change of l1 and of l2"."""
    return "change of " + " and of ".join(names)


def _rows(plan: Plan, found: Slopes, classes: tuple[str, ...]) -> list[Any]:
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
