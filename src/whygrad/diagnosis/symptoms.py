"""Hypotheses: what a training shows that goes with a kind of fault, from numbers that it has anyway.

A symptom proves nothing: it says which cures are worth a trial, and in which order. Each is free of scale:
it compares numbers of one training with each other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whygrad.diagnosis.contradictions import BELONGS
from whygrad.diagnosis.setting import Setting
from whygrad.fitted import Fitted
from whygrad.nn import Array, Parameters, Trace, backward, forward, hessian_times
from whygrad.plan import LBFGS, SGD

ROWS = 500  # so many rows are looked at
CURVED_ROWS, POWERS = 100, 10  # rows and steps of the power iteration
ENOUGH_STEPS = 1000
SPREAD = 20.0  # of the sizes of columns, or of sizes from layer to layer
FALLING = 0.03  # of the whole fall of the cost, in the last tenth of the epochs
GAP = 0.1  # between the scores of training rows and others
DEAD = 0.3  # of the units of a layer
WELL = 0.95  # a score on training rows that leaves little to be learned
BENT = {"sigmoid", "tanh"}


@dataclass(frozen=True)
class Symptom:
    """A kind of fault that a training's numbers speak for: how strongly, 0 … 1, and what was seen."""

    kind: str
    strength: float
    evidence: str


@dataclass(frozen=True, eq=False)
class Seen:
    """A training and two passes of some of its rows, with the parameters of its start and its end."""

    setting: Setting
    rows: Array
    costs: Array
    start: Trace
    end: Trace
    score: float
    held_out: float
    diverged: bool

    @property
    def n(self) -> int:
        """The number of training rows."""
        return len(self.setting.X)

    @property
    def steps(self) -> int:
        """The number of steps taken."""
        return len(self.costs) * -(-self.n // self.batch)

    @property
    def batch(self) -> int:
        """The rows of a step."""
        return self.setting.batch_size

    @property
    def falls_short(self) -> bool:
        """Whether the training rows themselves are not told well."""
        return self.score < WELL


def look(setting: Setting, fitted: Fitted, score: float, held_out: float) -> Seen:
    """Look at a training that is over, and at its scores of training rows and of rows set aside."""
    rows = np.linspace(0, len(setting.X) - 1, min(ROWS, len(setting.X))).astype(int)
    X = setting.inputs[rows]
    with np.errstate(all="ignore"):
        start = forward(setting.net, setting.start(0), X)
        end = forward(setting.net, fitted.theta, X)
    diverged = "diverge" in fitted.history.stopped or not np.isfinite(end.a[-1]).all()
    return Seen(
        setting, rows, np.array(fitted.history.cost, float), start, end, score, held_out, diverged
    )


def symptoms(seen: Seen) -> list[Symptom]:
    """Return the symptoms of a training, the strongest first."""
    with np.errstate(all="ignore"):
        found = [Symptom(kind, *shown) for kind, test in TESTS.items() if (shown := test(seen))]
    return sorted(found, key=lambda each: -each.strength)


Shown = tuple[float, str] | None


def _inputs(seen: Seen) -> Shown:
    size = np.sqrt((seen.setting.X**2).mean(axis=0))
    size = size[size > 0]
    if not len(size):
        return None
    ratio = size.max() / size.min()
    up_to = f"columns are of a size up to {size.max():.3g}"
    if size.max() > 10 or size.max() < 0.05:
        return min(1.0, 0.6 + 0.1 * abs(np.log10(size.max()))), up_to
    if ratio > SPREAD:
        return 0.4, f"columns are of a size from {size.min():.3g} to {size.max():.3g}"
    return (0.1, up_to) if size.max() > 2 else None


def _targets(seen: Seen) -> Shown:
    if seen.setting.task.kind != "numbers":
        return None
    size, started = np.abs(seen.setting.Y).max(), 1 + np.nan_to_num(np.abs(seen.start.a[-1])).max()
    if size > 5 * started:
        strength = min(1.0, 0.5 + 0.1 * np.log10(size / started))
        shown = f"targets of up to {size:.3g} are asked of outputs that start at {started - 1:.3g}"
        return strength, shown
    if size < 0.05:
        return 0.4, f"the targets are no larger than {size:.3g}"
    return None


def _rate_high(seen: Seen) -> Shown:
    costs = seen.costs
    if seen.diverged or not np.isfinite(costs).all():
        return 1.0, "the cost is no longer finite"
    if (sharp := _sharpness(seen)) > 1:
        return 0.6, f"a step is {sharp:.3g} times as long as the curvature at the start bears"
    if len(costs) < 3:
        return None
    rises = float((np.diff(costs) > 0).mean())
    if costs[-1] > 1.05 * costs[0]:
        return 0.9, f"the cost ends at {costs[-1]:.3g}, above the {costs[0]:.3g} of the first epoch"
    if rises > 0.3:
        return 0.3 + 0.5 * rises, f"the cost rises in {rises:.0%} of the epochs"
    return None


def _sharpness(seen: Seen) -> float:
    """Return η λ_max / (2 + 2μ) at the start of gradient descent: above 1 steps grow along that direction.

    λ_max is the largest eigenvalue of the Hessian, by power iteration on a few rows.
    """
    optimizer = seen.setting.optimizer
    if not isinstance(optimizer, SGD):
        return 0.0
    setting = seen.setting
    rows = seen.rows[:: max(1, len(seen.rows) // CURVED_ROWS)]
    net, theta, Y = setting.net, setting.start(0), setting.targets[rows]
    trace = backward(net, theta, forward(net, theta, setting.inputs[rows]), Y)
    v, largest = np.random.default_rng(0).normal(size=theta.flat.shape), 0.0
    v[net.masked] = 0
    for _ in range(POWERS):
        v = v / np.linalg.norm(v)
        Hv = hessian_times(net, theta, trace, Y, Parameters(net.sizes, v)).product.flat
        largest, v = float(v @ Hv), Hv
        if not np.isfinite(largest) or not Hv.any():
            return 0.0
    return optimizer.learning_rate * largest / (2 + 2 * optimizer.momentum)


def _falling(seen: Seen) -> float:
    """Return which part of its whole fall the cost took in the last tenth of the epochs."""
    costs = seen.costs
    if len(costs) < 2 or not np.isfinite(costs).all():
        return 1.0
    before = costs[-max(2, len(costs) // 10 + 1)]
    fall = costs[0] - costs[-1]
    return float((before - costs[-1]) / fall) if fall > 0 else 0.0


def _still(falling: float) -> str:
    """Return in words how much of its fall the cost took in the last tenth of the epochs."""
    if falling >= 1:  # before it had risen
        return "the cost fell in the last tenth of the epochs alone"
    return f"the last tenth of the epochs still took {falling:.0%} of the cost's fall"


def _rate_low(seen: Seen) -> Shown:
    if isinstance(seen.setting.optimizer, LBFGS):
        return None
    falling = _falling(seen)
    if falling > FALLING:
        return min(0.8, 0.3 + falling), _still(falling)
    if seen.diverged or not seen.costs[0] > 0:
        return None
    fall = 1 - seen.costs[-1] / seen.costs[0]
    return (0.4, f"the cost fell by {fall:.1%} in all") if fall < 0.1 else None


def _epochs(seen: Seen) -> Shown:
    falling = _falling(seen)
    if seen.steps < ENOUGH_STEPS:
        return 0.3 + 0.4 * (1 - seen.steps / ENOUGH_STEPS), f"there are {seen.steps} steps in all"
    if falling > FALLING:
        return min(0.7, 0.25 + falling), _still(falling)
    return None


def _optimizer(seen: Seen) -> Shown:
    optimizer = seen.setting.optimizer
    slow = _rate_low(seen) or _rate_high(seen)
    return (0.2, f"{type(optimizer).__name__} has not arrived") if slow else None


def _batch(seen: Seen) -> Shown:
    an_epoch = -(-seen.n // seen.batch)
    if an_epoch <= 2 and seen.n > 16 and seen.steps < ENOUGH_STEPS:
        return 0.5, f"an epoch has {an_epoch} step{'s' * (an_epoch > 1)}, of {seen.batch} rows"
    if seen.batch == 1 and seen.n > 32 and (_rate_high(seen) or seen.score < 0.9):
        return 0.15, "a step sees one row"
    return None


def _hidden(seen: Seen) -> Shown:
    layers = seen.setting.net.layers[:-1]
    linear = [l for l, layer in enumerate(layers, 1) if layer.f.name == "identity"]
    if linear:
        return 0.7, f"hidden layer {linear[0]} is linear, so that it bends nothing"
    flat = [l for l, layer in enumerate(layers, 1) if layer.f.name in BENT and _flat(seen, l) > 0.5]
    if flat:
        return (
            0.5,
            f"{_flat(seen, flat[0]):.0%} of the activations of layer {flat[0]} are at its flat ends",
        )
    deep = [layer for layer in layers if layer.f.name == "sigmoid"]
    return (
        (0.3, f"{len(deep)} hidden layers of sigmoid units pass little back")
        if len(deep) > 1
        else None
    )


def _flat(seen: Seen, l: int) -> float:
    slope = seen.setting.net.f[l].derivative(seen.end.z[l])
    return float((slope < 0.1 * (0.25 if seen.setting.net.f[l].name == "sigmoid" else 1.0)).mean())


def _dead(seen: Seen) -> Shown:
    for l, layer in enumerate(seen.setting.net.layers[:-1], 1):
        dead = float((seen.end.z[l] <= 0).all(axis=0).mean())
        if layer.f.name == "relu" and dead > DEAD:
            return 0.2 + 0.5 * dead, f"{dead:.0%} of the units of layer {l} are off for all rows"
    return None


def _init(seen: Seen) -> Shown:
    before = np.sqrt((seen.start.a[0] ** 2).mean())
    for l in range(1, seen.setting.net.L + 1):
        now = float(np.nan_to_num(seen.start.z[l]).std())
        ratio = now / before if before else 1.0
        if ratio > 4 or ratio < 0.12:
            return 0.5, f"z of layer {l} starts {ratio:.2g} times as large as what comes in"
        before = np.sqrt((np.nan_to_num(seen.start.a[l]) ** 2).mean())
    return None


def _units(seen: Seen) -> Shown:
    hidden = seen.setting.net.sizes[1:-1]
    if hidden and seen.falls_short:
        few = min(hidden)
        shown = (
            f"a hidden layer has {few} units, and the score on training rows is {seen.score:.0%}"
        )
        return (0.35 if few <= 4 else 0.15), shown
    return None


def _dropout(seen: Seen) -> Shown:
    most = max(layer.dropout for layer in seen.setting.net.layers)
    return (
        (0.2 + 0.4 * most, f"{most:.0%} of a layer are left out")
        if most >= 0.3 and seen.falls_short
        else None
    )


def _penalty(seen: Seen) -> Shown:
    return (0.4, "weights are penalised") if seen.setting.penalised and seen.falls_short else None


def _clipping(seen: Seen) -> Shown:
    return (0.2, "gradients are clipped") if seen.setting.clipped and seen.falls_short else None


def _overfitting(seen: Seen) -> Shown:
    gap = seen.score - seen.held_out
    if gap > GAP and seen.score > 0.8:
        shown = f"the score on training rows is {seen.score:.0%}, on others {seen.held_out:.0%}"
        return min(0.6, 0.2 + gap), shown
    return None


def _output(seen: Seen) -> Shown:
    net, task = seen.setting.net, seen.setting.task
    f = net.f[net.L].name
    wanted = {"numbers": ("identity",), "labels": ("sigmoid",), "classes": ("softmax", "sigmoid")}[
        task.kind
    ]
    if f in wanted and (f != "softmax" or net.sizes[-1] > 1):
        return None
    return 0.5, f"{f} outputs for {task.kind}"


def _cost(seen: Seen) -> Shown:
    net = seen.setting.net
    belongs = BELONGS.get(net.f[net.L].name)
    if seen.setting.task.kind == "numbers" or belongs in (None, net.C.name):
        return None
    return 0.25, f"{net.C.name} flattens out where {net.f[net.L].name} does"


TESTS: dict[str, Callable[[Seen], Shown]] = {
    "inputs_unscaled": _inputs,
    "targets_unscaled": _targets,
    "output_activation": _output,
    "activation_hidden": _hidden,
    "learning_rate_high": _rate_high,
    "init": _init,
    "batch": _batch,
    "learning_rate_low": _rate_low,
    "epochs_few": _epochs,
    "dead_relu": _dead,
    "units_few": _units,
    "dropout": _dropout,
    "regularization": _penalty,
    "clipping": _clipping,
    "overfitting": _overfitting,
    "cost": _cost,
    "optimizer": _optimizer,
}


def told(seen: Seen) -> str:
    """Return the training's course in a line."""
    if not len(seen.costs):
        return "no epoch"
    n = len(seen.costs)
    if n == 1:
        return f"the cost was {seen.costs[0]:.4g} in the only epoch"
    return f"the cost went from {seen.costs[0]:.4g} to {seen.costs[-1]:.4g} in {n} epochs"
