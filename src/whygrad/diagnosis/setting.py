"""A training that is looked at, as data: network, rows, options; and what a cure makes of it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np

from whygrad.diagnosis.subject import Subject
from whygrad.diagnosis.task import Task, balancing, drawn, losses, right, score, task_of
from whygrad.fitted import Fitted
from whygrad.nn import Array, Dense, Network, Parameters
from whygrad.plan import LBFGS, Clip, Penalty
from whygrad.plan.optimizers import Optimizer, find_optimizer
from whygrad.plan.schedules import find_schedule
from whygrad.train import TrainOptions, train_many
from whygrad.training import INTERRUPTED, MEASURES

HELD_OUT = 0.3  # of the rows, where no validation rows are given
FEW_ROWS = 20  # no more: all are trained on and measured
FAR = 4.0  # of a row's loss: one row that is far off decides nothing by itself


@dataclass(frozen=True, eq=False)
class Scale:
    """A = (given − shift) / factor, column by column; `back` undoes it."""

    shift: Array
    factor: Array

    def __call__(self, A: Array) -> Array:
        """Return the scaled columns."""
        return (A - self.shift) / self.factor

    def back(self, A: Array) -> Array:
        """Return what was given."""
        return A * self.factor + self.shift


def changes(before: "Setting", after: "Setting") -> dict[str, Any]:
    """Return the options in which two settings differ, {} where anything else differs as well."""
    kept = replace(after, options=before.options, cures=before.cures)
    if any(getattr(kept, f.name) is not getattr(before, f.name) for f in fields(Setting)):
        return {}
    names = before.options.keys() | after.options.keys()
    was, now = ({name: one.options.get(name) for name in names} for one in (before, after))
    return {name: now[name] for name in sorted(names) if now[name] is not was[name]}


def standard(A: Array) -> Scale:
    """Return the scale that gives each column mean 0 and deviation 1; constant columns keep theirs."""
    deviation = A.std(axis=0)
    return Scale(A.mean(axis=0), np.where(deviation > 0, deviation, 1.0))


def between(A: Array, low: float, high: float) -> Scale:
    """Return the scale that brings each column between two numbers."""
    least, width = A.min(axis=0), np.ptp(A, axis=0)
    factor = np.where(width > 0, width, 1.0) / (high - low)
    return Scale(least - low * factor, factor)


@dataclass(frozen=True, eq=False)
class Setting:
    """A training: a network, rows and options, and in which units its outputs are meant.

    Parameters
    ----------
    net : Network
        The network.
    X, Y : ndarray
        Training rows, (n, n_0) and (n, K), the targets as the user gave them.
    X_held_out, Y_held_out : ndarray
        Rows that are only measured.
    task : Task
        What the targets ask for, of the training rows; `asked` of those that are measured.
    options : mapping
        The other arguments of `train`, without seed and validation, which is the rows that are measured.
    theta : Parameters or None
        What the user's training starts from; None where it is drawn.
    seed : int
        The seed that starts from `theta`, shuffled for others.
    scale_X, scale_Y : Scale or None
        How a cure scales inputs and targets.
    in_form : bool
        Train on the targets in the form that the task asks for, and not as they were given.
    cures : tuple of (str, str)
        The kinds that were cured, and by what.
    balanced : bool
        All classes count alike in the score and in the losses of rows.
    """

    net: Network
    X: Array
    Y: Array
    X_held_out: Array
    Y_held_out: Array
    task: Task
    asked: Array
    options: Mapping[str, Any]
    theta: Parameters | None = None
    seed: int = 0
    scale_X: Scale | None = None
    scale_Y: Scale | None = None
    in_form: bool = False
    cures: tuple[tuple[str, str], ...] = ()
    balanced: bool = False

    @property
    def optimizer(self) -> Optimizer | LBFGS:
        """The optimizer."""
        return find_optimizer(self.options.get("optimizer", "adam"))

    @property
    def batch_size(self) -> int:
        """The rows of a step."""
        return int(self.options.get("batch_size") or min(32, len(self.X)))

    @property
    def penalties(self) -> tuple[Penalty, Penalty]:
        """The penalties on |w| and on w²."""
        l1, l2 = (self.options.get(name) or 0.0 for name in ("l1", "l2"))
        return (
            l1 if isinstance(l1, Penalty) else Penalty(float(l1)),
            l2 if isinstance(l2, Penalty) else Penalty(float(l2)),
        )

    @property
    def penalised(self) -> bool:
        """Whether weights are penalised."""
        return any(each.strength > 0 for each in self.penalties)

    @property
    def clip(self) -> Clip:
        """The bounds of the gradient."""
        given = self.options.get("clip") or Clip()
        return given if isinstance(given, Clip) else Clip(norm=given)

    @property
    def clipped(self) -> bool:
        """Whether gradients are clipped."""
        return self.clip != Clip()

    @property
    def goes_by(self) -> set[str]:
        """The measures that rules of the training go by."""
        rules = (
            self.options.get("stopping"),
            find_schedule(self.options.get("schedule", "constant")),
        )
        return {getattr(rule, "on", "cost") for rule in rules}

    @property
    def targets(self) -> Array:
        """The targets that are trained on, (n, K)."""
        return self._targets(self.Y, self.task.Y)

    def _targets(self, given: Array, in_form: Array) -> Array:
        Y = in_form if self.in_form else given
        return Y if self.scale_Y is None else self.scale_Y(Y)

    @property
    def inputs(self) -> Array:
        """The inputs that are trained on, (n, n_0)."""
        return self._inputs(self.X)

    def _inputs(self, X: Array) -> Array:
        return X if self.scale_X is None else self.scale_X(X)

    def start(self, seed: int) -> Parameters:
        """Return the parameters that a seed starts from: the user's, or others shuffled like them."""
        if self.theta is None:
            return self.net.init(seed=seed)
        if seed == self.seed:
            return self.theta
        draws, theta = np.random.default_rng(seed), self.theta.copy()
        for W, mask in zip(theta.W[1:], self.net.kept[1:], strict=True):
            kept = np.ones(W.shape, bool) if mask is None else mask
            W[kept] = draws.permutation(W[kept])
        return theta

    def arguments(self, seed: int) -> TrainOptions:
        """Return the arguments of `train`."""
        own = TrainOptions(
            net=self.net, X=self.inputs, Y=self.targets, seed=seed, theta=self.start(seed)
        )
        if self.goes_by != {"cost"}:
            own["validation"] = (
                self._inputs(self.X_held_out), self._targets(self.Y_held_out, self.asked),
            )  # fmt: skip
        return cast(TrainOptions, {**self.options, **own})

    def outputs(self, predict: Callable[[Array], Array], held_out: bool = True) -> Array:
        """Return what a trained network says of the rows that are measured, in the task's own form."""
        X = self.X_held_out if held_out else self.X
        with np.errstate(all="ignore"):
            a = np.asarray(predict(self._inputs(X)), dtype=float)
        return self.told(a.reshape(len(X), -1))

    def told(self, a: Array) -> Array:
        """Return outputs of the network, (n, n_L), in the task's own form."""
        a = a if self.scale_Y is None else self.scale_Y.back(a)
        return a if self.in_form else in_form(self.task, self.Y, a)

    def measure(
        self, predict: Callable[[Array], Array], held_out: bool = True
    ) -> tuple[float, Array]:
        """Return the score of a trained network, and the loss of each row, (n,), of at most `FAR`."""
        a, Y = self.outputs(predict, held_out), self.asked if held_out else self.task.Y
        if a.shape != Y.shape:
            a = np.broadcast_to(a.mean(axis=1, keepdims=True), Y.shape)
        rows = np.minimum(losses(self.task, a, Y), FAR)
        if not self.balanced:
            return score(self.task, a, Y), rows
        weights = balancing(self.task, Y)
        return float((weights * right(self.task, a, Y)).mean()), weights * rows


def setting_of(subject: Subject, task: Task) -> Setting:
    """Return the training with rows set aside: those that were measured, or three tenths."""
    options, weights = dict(subject.options), subject.sample_weight
    X, Y = subject.X, subject.Y
    if subject.validation is not None:
        XV, YV = subject.validation
        together = task_of(np.concatenate([Y, YV]), subject.net.sizes[-1], task.kind == "classes")
        fits = together.kind == task.kind and together.Y.shape[1] == task.Y.shape[1]
        parts, asked = (X, Y, XV, YV), together.Y[len(Y) :] if fits else YV
    else:
        rows, held = _set_aside(task, len(X))
        parts, asked = (X[rows], Y[rows], X[held], Y[held]), task.Y[held]
        if len(rows) == len(X):
            parts = (X, Y, X, Y)
        task = replace(task, Y=task.Y[rows])
        weights = None if weights is None else weights[rows]
    if weights is not None:
        options["sample_weight"] = weights
    if options.get("batch_size"):
        options["batch_size"] = min(options["batch_size"], len(parts[0]))
    setting = Setting(subject.net, *parts, task, asked, options, subject.theta)
    if setting.goes_by <= set(MEASURES):
        options.pop("metrics", None)  # which nobody sees here
    return setting


def _set_aside(task: Task, n: int) -> tuple[Array, Array]:
    """Return the rows to train on and those to measure, of every class some."""
    if n <= FEW_ROWS:
        return np.arange(n), np.arange(n)
    held = np.zeros(n, dtype=bool)
    held[drawn(task, 0)[np.arange(0, n, 1 / HELD_OUT).astype(int)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def in_form(task: Task, given: Array, a: Array) -> Array:
    """Return outputs trained on targets as they were given in the form that the task asks for."""
    values = task.values
    if task.kind != "classes" or values is None or a.shape[1] > 1:
        return a
    if len(values) == 2:
        return (a - values[0]) / (values[1] - values[0])
    told = np.abs(a - values).argmin(axis=1)
    return np.eye(len(values))[told]


def with_layers(net: Network, layers: Any, cost: Any = None) -> Network:
    """Return the network with other layers."""
    return Network(net.inputs, tuple(layers), net.cost if cost is None else cost)


def hidden_changed(net: Network, **changes: Any) -> Network:
    """Return the network with fields of all its hidden layers changed."""
    hidden = [replace(layer, **changes) for layer in net.layers[:-1]]
    return with_layers(net, [*hidden, net.layers[-1]])


def output_changed(net: Network, units: int, activation: str, cost: Any) -> Network:
    """Return the network with another output layer and cost."""
    last = net.layers[-1]
    output = Dense(units, activation, mask=last.mask if units == last.units else None)
    return with_layers(net, [*net.layers[:-1], output], cost)


def fit_all(
    settings: Sequence[Setting], seeds: Sequence[int], progress: bool = False
) -> list[list[Fitted]]:
    """Return what each setting's training gives from each seed; Ctrl-C ends them all."""
    ready = [setting.arguments(seed) for setting in settings for seed in seeds]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fits = train_many(ready, progress=progress)
    if any(fit.history.stopped == INTERRUPTED for fit in fits):
        raise KeyboardInterrupt
    S = len(seeds)
    return [fits[i * S : (i + 1) * S] for i in range(len(settings))]
