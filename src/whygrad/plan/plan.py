"""A training as a pure function: what decides it (`Plan`, its hyperparameters), where it stands (`State`).

(plan, state, data) → every later state. The mini-batch of a step is a pure function of (seed, epoch,
index of the batch), so recording, resuming, replaying and leaving an example out are one operation: run
the function again from a known state.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from threading import local
from typing import Any, Literal

import numpy as np

from whygrad.errors import InputError, known_arguments
from whygrad.nn.arrays import Data, check_fit
from whygrad.nn.functions import Array, namespace
from whygrad.nn.network import Network, Parameters, count
from whygrad.nn.products import PRODUCTS
from whygrad.plan.dropout import mask
from whygrad.plan.lbfgs import LBFGS, by_steps
from whygrad.plan.multipliers import as_multipliers, check_decay, factors_of, multiplied
from whygrad.plan.optimizers import SGD, Optimizer
from whygrad.plan.schedules import (
    CHANGED_BY_EPOCHS,
    Adaptive,
    Clock,
    Constant,
    Schedule,
    check_measure,
)
from whygrad.plan.windows import Windows


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} is {value!r}: it must be a whole number of at least {least}")


@known_arguments
@dataclass(frozen=True)
class Penalty:
    """The strength λ of a penalty, and what it is divided by.

    Parameters
    ----------
    strength : float
        λ, finite and at least 0.
    per : {"batch", "example", "data", "step"}
        "batch" adds λ to the cost of every batch as it is. "example" divides λ by S, the batch's number
        (total weight) of examples, which is scikit-learn's `alpha`. "data" divides it by the number of
        training examples, which is Nielsen's λ. "step", for `l2` only, is weight decay and no part of the
        cost: after every step θ ← (1 − λ)θ, biases included, as Rumelhart, Hinton & Williams did in 1986.

    Examples
    --------
    >>> Penalty(0.5, per="example").of_batch(S=10, n=1000)
    0.05
    """

    strength: float
    per: Literal["batch", "example", "data", "step"] = "batch"

    def __post_init__(self) -> None:
        if not _is_number(self.strength) or not 0 <= self.strength < math.inf:
            raise InputError(f"penalty {self.strength!r}: it must be a finite number of at least 0")
        if self.per not in ("batch", "example", "data", "step"):
            raise InputError(f"penalty per {self.per!r}: use 'batch', 'example', 'data' or 'step'")
        if self.per == "step" and self.strength >= 1:
            raise InputError(f"a decay of {self.strength!r} per step: it must be below 1")

    def of_batch(self, S: float, n: int) -> float:
        """Return λ as the cost of one batch has it."""
        if self.per == "step":
            return 0.0
        divisor = {"batch": 1, "example": S, "data": n}[self.per]
        return float(self.strength / divisor) if divisor > 0 else 0.0

    @property
    def decay(self) -> float:
        """The share by which every step shrinks the parameters themselves."""
        return float(self.strength) if self.per == "step" else 0.0


@known_arguments
@dataclass(frozen=True)
class Clip:
    """Bound the total gradient, penalties included.

    Both bounds are off where None; the components are bounded first.

    Parameters
    ----------
    norm : float, optional
        The greatest length: g ← g · min(1, norm/‖g‖).
    value : float, optional
        The greatest size of a component: g ← min(max(g, −value), value).

    Examples
    --------
    >>> Clip(norm=1.0).apply(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """

    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        for name, bound in (("norm", self.norm), ("value", self.value)):
            if bound is not None and not (_is_number(bound) and 0 < bound < math.inf):
                raise InputError(f"clip {name} is {bound!r}: it must be a finite number above 0")

    def apply(self, g: Array) -> Array:
        """Return the bounded gradient."""
        return self.shorten(g)[0]

    def shorten(self, g: Array) -> tuple[Array, Any]:
        """Return the bounded gradient, and the factor in float64 by which `norm` scaled it down."""
        xp, scale = namespace(g), 1.0
        if self.value is not None:
            g = xp.clip(g, -self.value, self.value)
        if self.norm is not None:
            length = xp.linalg.norm(g.astype(np.float64))
            scale = xp.where(length > self.norm, self.norm / xp.where(length > 0, length, 1.0), 1.0)
            g = g * scale.astype(g.dtype)
        return g, scale


@known_arguments
@dataclass(frozen=True)
class Stopping:
    """Early stopping: end after more than `patience` epochs in a row that improve by less than `tol`.

    Parameters
    ----------
    on : str, default "cost"
        What has to improve: the training "cost", or "validation_cost" or "validation_score" (accuracy, or
        R² of a regression), which need validation data; or a metric of `train(metrics=…)`, by its name, of
        which more is better.
    tol : float, default 1e-4
        The least improvement over the best epoch so far that counts.
    patience : int, default 10
        How many epochs in a row may fail to bring it.
    restore_best : bool, default False
        End with the parameters of the best epoch rather than of the last.
    """

    on: str = "cost"
    tol: float = 1e-4
    patience: int = 10
    restore_best: bool = False

    def __post_init__(self) -> None:
        check_measure("stopping", self.on)
        if not (_is_number(self.patience) and self.patience >= 1):  # infinity is for ever
            raise InputError(f"patience is {self.patience!r}: it must be at least 1")
        if not _is_number(self.tol) or math.isnan(self.tol):
            raise InputError(f"tol is {self.tol!r}: it must be a number")


@dataclass(frozen=True)
class Plan:
    """All that decides a training, but for the data themselves.

    Parameters
    ----------
    net : Network
        Layers and cost.
    optimizer : Optimizer or LBFGS
        The rule of a step.
    n : int
        The number of training examples.
    epochs : int
        Passes through the data, in all.
    batch_size : int
        Examples per step. The last batch of an epoch is smaller where this does not divide n.
    seed : int
        Decides the initial parameters, the order of the examples and the masks of dropout.
    shuffle : bool or Windows
        Whether every epoch takes the examples in a new order; or how it does where they are too many to be
        in memory at a time.
    l1, l2 : Penalty
        The penalties λ₁ Σ|W| and ½ λ₂ Σ W² (regularization).
    schedule : Schedule
        How the learning rate changes.
    stopping : Stopping or None
        Early stopping.
    dtype : {"float32", "float64"}
        Of parameters and data.
    clip : Clip
        Bounds on the gradient.
    label_smoothing : float
        ε, the share by which targets move towards equal probabilities; see `smooth`.
    cost_below : float or None
        End after an epoch whose cost is below this.
    rate_multipliers : dict
        Factors on the learning rate by group of parameters, see `train`; kept as sorted pairs.
    blocks : int
        Into how many equal blocks a batch is cut: 1, 2, 4 …. Each block's gradients are summed on their
        own, and these sums in pairs, so that the bits are those of any number of processes that share them.
    products : {None, "bfloat16"}
        What the operands of the steps' matrix products are rounded to: x, W, a and δ. Sums, θ, the
        optimizer and the costs stay in float32.

    Raises
    ------
    InputError
        For settings that no training can have, or that do not fit together.
    """

    net: Network
    optimizer: Optimizer | LBFGS
    n: int
    epochs: int = 100
    batch_size: int = 32
    seed: int = 0
    shuffle: bool | Windows = True
    l1: Penalty = Penalty(0.0)
    l2: Penalty = Penalty(0.0)
    schedule: Schedule = Constant()
    stopping: Stopping | None = None
    dtype: str = "float64"
    clip: Clip = Clip()
    label_smoothing: float = 0.0
    cost_below: float | None = None
    rate_multipliers: Any = ()
    blocks: int = 1
    products: str | None = None

    def __post_init__(self) -> None:
        factors = as_multipliers(self.rate_multipliers, self.net)
        object.__setattr__(self, "rate_multipliers", factors)
        check_decay(self.rate_multipliers, self.l2.decay)
        if self.n < 1:
            raise InputError("there are no training examples")
        if isinstance(self.shuffle, Windows) and self.shuffle.n != self.n:
            raise InputError(
                f"the blocks of the windows have {self.shuffle.n} examples, not {self.n}"
            )
        _check_whole("epochs", self.epochs, 0)
        _check_whole("batch_size", self.batch_size, 1)
        _check_whole("seed", self.seed, 0)
        if self.batch_size > self.n:
            raise InputError(
                f"batch_size is {self.batch_size}, but there are only {self.n} examples: "
                f"use at most {self.n}"
            )
        _check_whole("blocks", self.blocks, 1)
        if self.blocks & (self.blocks - 1) or self.blocks > self.batch_size:
            raise InputError(
                f"blocks is {self.blocks}: a batch is cut into 1, 2, 4 … blocks, of at least one example "
                f"each, and batch_size is {self.batch_size}"
            )
        if not (_is_number(self.label_smoothing) and 0 <= self.label_smoothing < 1):
            raise InputError(
                f"label_smoothing is {self.label_smoothing!r}: it must be at least 0 and below 1"
            )
        if self.cost_below is not None and not _is_number(self.cost_below):
            raise InputError(f"cost_below is {self.cost_below!r}: it must be a number")
        for name, kind in (("clip", Clip), ("stopping", Stopping | None)):
            if not isinstance(getattr(self, name), kind):
                made = "Clip(norm=1.0)" if name == "clip" else "Stopping(patience=10)"
                raise InputError(f"{name} is {getattr(self, name)!r}: give one such as {made}")
        if not callable(getattr(self.schedule, "factors", None)):
            raise InputError(f"schedule is {self.schedule!r}: give one such as Cosine()")
        if self.label_smoothing and self.net.C.targets not in ("unit", "distribution"):
            raise InputError(
                f"label_smoothing needs targets that are classes, not {self.net.C.name!r}"
            )
        if self.l1.per == "step":
            raise InputError("a penalty per step decays parameters: it is for l2 only")
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"dtype is {self.dtype!r}: use 'float32' or 'float64'")
        self._check_products()
        if isinstance(self.schedule, Adaptive) and self.stopping is None:
            raise InputError(
                "the schedule Adaptive acts when a stopping rule's patience ends: give one"
            )

    def _check_products(self) -> None:
        if self.products is None:
            return
        if self.products not in PRODUCTS:
            raise InputError(f"products is {self.products!r}: use 'bfloat16', or None")
        if self.dtype != "float32":
            raise InputError(
                f"products in {self.products} are summed in float32, and this training is in {self.dtype}: "
                "give dtype='float32', or an estimator X in float32"
            )
        if not self.by_steps:
            raise InputError(
                f"products in {self.products} are too coarse for the line search of L-BFGS: use 'adam'"
            )

    @property
    def by_steps(self) -> bool:
        """Whether an optimizer takes a step for every batch; L-BFGS minimises over all examples instead."""
        return by_steps(self.optimizer)

    @property
    def cost_name(self) -> str:
        """What the cost of its steps and epochs is called: with the penalties in it, "cost+L2"."""
        penalties = {"L1": self.l1, "L2": self.l2}
        there = [name for name, one in penalties.items() if one.strength and one.per != "step"]
        return "+".join(["cost", *there])

    @property
    def rule(self) -> Optimizer:
        """The optimizer of a training that goes by steps."""
        assert not isinstance(self.optimizer, LBFGS), "L-BFGS takes no single steps"
        return self.optimizer

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "factors"}

    @cached_property
    def factors(self) -> Array | None:
        """The factor m of each parameter's learning rate, (P,), or None where all are 1."""
        return factors_of(self.rate_multipliers, self.net, self.dtype)

    def moved(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the parameters and the optimizer's state after a step, decay per step included."""
        m, decay = self.factors, self.l2.decay
        if m is None:
            theta, opt_state = self.rule.update(theta, g, opt_state, coefficients)
            theta = (1 - decay) * theta if decay else theta
        else:
            theta, opt_state = multiplied(self.rule, m, theta, g, opt_state, coefficients)
            theta = (1 - decay * m) * theta if decay else theta
        if len(self.net.masked):  # 0 as they are, unless a rule of the user's own moves them
            theta = namespace(theta).where(self.net.present, theta, 0)
        return theta, opt_state

    @property
    def steps_per_epoch(self) -> int:
        """The number of mini-batches in one epoch."""
        return -(-self.n // self.batch_size)

    def order(self, epoch: int) -> Array:
        """Return the order in which an epoch takes the examples: a pure function of (seed, epoch)."""
        if isinstance(self.shuffle, Windows):
            return self.batches(epoch, 0, self.steps_per_epoch)
        return _order(self.seed if self.shuffle else None, epoch, self.n)

    def batches(self, epoch: int, first: int, last: int) -> Array:
        """Return the examples of the batches `first` … `last` − 1 of an epoch, one after the other."""
        if isinstance(self.shuffle, Windows):
            return self.shuffle.examples(
                self.seed, epoch, self.batch_size, self.blocks, first, last
            )
        return self.order(epoch)[first * self.batch_size : last * self.batch_size]

    def batch(self, epoch: int, batch_index: int) -> Array:
        """Return the examples of one step: batch number `batch_index` of an epoch."""
        return self.batches(epoch, batch_index, batch_index + 1)

    def learning_rates(self, state: "State", until: int) -> Array:
        """Return η for the steps from the state up to `until`, all of one epoch."""
        clock = Clock(state.epoch, self.epochs, state.seen, self.steps_per_epoch)
        batches = np.arange(state.batch_index, state.batch_index + until - state.step)
        return (
            self.optimizer.learning_rate
            * state.learning_rate_scale
            * self.schedule.factors(batches, clock)
        )

    def learning_rate(self, state: "State") -> float:
        """Return η of the last step before the state, which ends an epoch that is not yet counted."""
        if type(self.schedule) in CHANGED_BY_EPOCHS:
            return float(self.optimizer.learning_rate * state.learning_rate_scale)
        before = replace(state, batch_index=state.batch_index - 1)
        return float(self.learning_rates(before, state.step + 1)[0])

    def coefficients_of_epochs(self, state: "State", epochs: int) -> Array:
        """Return the coefficients of the next epochs' steps, of rules that act at the end of none of them.

        The state is at the beginning of the first.
        """
        steps = self.steps_per_epoch
        t = np.arange(state.step + 1, state.step + epochs * steps + 1) - state.begun
        if type(self.schedule) in CHANGED_BY_EPOCHS:
            return self.rule.coefficients(t, np.full(len(t), self.learning_rate(state)))
        rates = [
            self.learning_rates(
                replace(state, epoch=state.epoch + e, seen=state.seen + e * self.n),
                state.step + steps,
            )
            for e in range(epochs)
        ]
        return self.rule.coefficients(t, np.concatenate(rates))

    def coefficients(self, state: "State", until: int) -> Array:
        """Return the optimizer's coefficients of the steps up to `until`, a row for each."""
        t = np.arange(state.step + 1, until + 1) - state.begun
        return self.rule.coefficients(t, self.learning_rates(state, until))

    def masks(self, step: int, examples: Array) -> list[Any] | None:
        """Return the factors of dropout for one step, by layer, or None without dropout."""
        if not self.net.has_dropout:
            return None
        masks: list[Any] = [None]
        for l, layer in enumerate(self.net.layers, start=1):
            factors = None
            if layer.dropout:
                factors = mask(self.seed, step, l, examples, layer.units, layer.dropout)
            masks.append(None if factors is None else factors.astype(self.dtype))
        return masks


@dataclass(frozen=True, eq=False)
class EarlyStopping:
    """What the rule `Stopping` remembers from epoch to epoch, of a measure of which less is better.

    Parameters
    ----------
    best : float
        The best measure so far; of L-BFGS the lowest cost.
    best_theta : ndarray of shape (number of parameters,), or None
        The parameters of that epoch, where the rule restores them.
    best_step : int
        The step at its end.
    stalled : int
        Epochs in a row without improvement.
    """

    best: float = math.inf
    best_theta: Array | None = None
    best_step: int = 0
    stalled: int = 0


@dataclass(frozen=True)
class Plateau:
    """What the schedule `OnPlateau` remembers: the lowest measure, and the epochs since then."""

    lowest: float = math.inf
    waiting: int = 0


@dataclass(frozen=True, eq=False)
class State:
    """Where a training stands after `step` updates.

    Steps, epochs and examples are counted through, from the first parameters on: a fork and a warm start go
    on counting, whatever they change.

    Parameters
    ----------
    theta : ndarray of shape (number of parameters,)
        The flat vector of parameters θ.
    opt_state : ndarray of shape (rows, number of parameters)
        The optimizer's running averages.
    step : int
        Updates so far.
    begun : int
        The step at which `opt_state` was empty, from which the optimizer's own time t is counted.
    epoch : int
        Epochs that are over.
    batch_index : int
        Batches taken of the current epoch.
    seen : int
        Examples of the epochs that are over, since n may differ between continued trainings.
    cost_sum : float
        Cost times examples, added up over the epoch so far.
    learning_rate_scale : float
        What the schedules `Adaptive` and `OnPlateau` have left of the learning rate.
    early_stopping : EarlyStopping
        The memory of the stopping rule.
    plateau : Plateau
        The memory of the schedule `OnPlateau`.
    first_cost : float
        The cost that the training began with, 0 where that is not known.
    stopped : str
        Why the training has ended, or "".
    """

    theta: Array
    opt_state: Array
    step: int = 0
    begun: int = 0
    epoch: int = 0
    batch_index: int = 0
    seen: int = 0
    cost_sum: float = 0.0
    learning_rate_scale: float = 1.0
    early_stopping: EarlyStopping = EarlyStopping()
    plateau: Plateau = Plateau()
    first_cost: float = 0.0
    stopped: str = ""

    def copy(self) -> "State":
        """Return a state whose arrays are its own."""
        return replace(self, theta=self.theta.copy(), opt_state=self.opt_state.copy())


def smooth(plan: Plan, data: Data) -> Data:
    """Return the data with smoothed targets: y ← (1 − ε) y + ε/n_L, for independent labels ε/2."""
    share = plan.label_smoothing
    if not share:
        return data
    equal = 1 / data.Y.shape[1] if plan.net.C.targets == "distribution" else 0.5

    def smoothed(Y: Array) -> Array:
        return ((1 - share) * Y + share * equal).astype(Y.dtype)

    return replace(data, Y=data.Y.changed(smoothed) if data.on_demand else smoothed(data.Y))


def of_gradients(plan: Plan) -> Plan:
    """Return the plan as far as it decides the gradient, which is all that L-BFGS asks an engine for."""
    return plan if plan.by_steps else replace(plan, optimizer=SGD())


def start(plan: Plan, theta: Parameters | None = None) -> State:
    """Return the state before the first step: the given parameters, or drawn ones."""
    theta = plan.net.init(plan.seed) if theta is None else theta
    check_fit(plan.net, theta)
    if not np.isfinite(theta.flat).all():
        raise InputError("the parameters to start from contain NaN or infinity")
    flat = np.array(theta.flat, dtype=plan.dtype)
    assert flat.shape == (count(plan.net.sizes),)
    return State(flat, plan.optimizer.init(flat))


class _LastOrder(local):
    """The order that was drawn last, by each thread: the chunks of an epoch ask for the same."""

    key: tuple[Any, ...] = ()
    order: Array


_last = _LastOrder()


def _order(seed: int | None, epoch: int, n: int) -> Array:
    if _last.key != (seed, epoch, n):
        _last.key, _last.order = (seed, epoch, n), _drawn(seed, epoch, n)
    return _last.order


def _drawn(seed: int | None, epoch: int, n: int) -> Array:
    index = np.arange(n)  # as wide as NumPy shuffles fastest
    if seed is not None:
        np.random.default_rng([seed, epoch]).shuffle(index)
    order = index.astype(np.int32 if n < 2**31 else np.int64, copy=False)
    order.flags.writeable = False
    return order
