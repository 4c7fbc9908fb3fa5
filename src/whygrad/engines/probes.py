"""Probes: what engines show of the steps of a training while they run, without changing a bit of it.

    cost          of every step
    statistics    of every layer, at the steps t with t mod `every` = 0
    weights       a, δ and θ of chosen weights at every step: all that made them move

Steps are numbered from 0: step t leads from the state after t updates to that after t + 1. What is probed
is a pure function of the step. Every optimizer moves a parameter by a function of its own gradient

    g = c · (Σ_i s_i δ_i a_i / S + λ₁ sign W + λ₂ W),

c being the scale of clipping, so that a probe suffices to account for a weight without a second engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.arrays import dense
from whygrad.nn.functions import Array
from whygrad.nn.network import Network

STATISTICS = (
    "theta",
    "gradient",
    "update",
    "dead",
    "saturated",
    "mean_a",
    "std_a",
    "mean_delta",
    "std_delta",
)

# A unit is dead or saturated where |f′(z)| is below this share of the greatest that its f can have.
SATURATED = 0.05

# The greatest |f′| of activations that saturate: those that are bounded, and those that do so on one side.
BOUNDED = {"sigmoid": 0.25, "tanh": 1.0}
ONE_SIDED = {
    "relu": 1.0,
    "leaky_relu": 1.0,
    "elu": 1.0,
    "selu": 1.7580993408473766,
    "gelu": 1.1289,
    "silu": 1.0998,
    "softplus": 1.0,
}


@dataclass(frozen=True)
class WeightProbe:
    """The weights W[layer][j, k] for j in range(*to) and k in range(*from_), to be recorded at every step.

    A bias is the weight from a unit that is always 1, which comes after the others: k = n_{l−1}. `weight`,
    `bias`, `neuron` and `whole` return the usual probes.

    Parameters
    ----------
    layer : int
        The layer that the weights lead to, from 1 to L.
    to, from_ : (int, int)
        The first unit, and the one after the last: of the layer, and of the layer below.
    rows : tuple of int, optional
        Rows of the optimizer's state, where only these are to be recorded. All are by default.
    theta : bool
        Whether θ is recorded; where it is not, Σ |θ| over the steps is, and what follows from it (`Block`).

    Examples
    --------
    >>> neuron((784, 30, 10), layer=2, to=1)
    WeightProbe(layer=2, to=(1, 2), from_=(0, 31), rows=None, theta=True)
    """

    layer: int
    to: tuple[int, int]
    from_: tuple[int, int]
    rows: tuple[int, ...] | None = None
    theta: bool = True

    def check(self, net: Network) -> None:
        """Raise `InputError` where the network has no such weights."""
        if not 1 <= self.layer <= net.L:
            raise InputError(f"layer {self.layer}: the layers with weights are 1 to {net.L}")
        for name, (low, high), most in (
            ("to", self.to, net.sizes[self.layer]),
            ("from", self.from_, net.sizes[self.layer - 1] + 1),
        ):
            if not 0 <= low < high <= most:
                raise InputError(
                    f"{name} {low} … {high - 1}: in layer {self.layer} up to {most - 1}"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """The number of units to, and of units from, the bias included: (R, K)."""
        return self.to[1] - self.to[0], self.from_[1] - self.from_[0]


def weight(layer: int, to: int, from_: int) -> WeightProbe:
    """Return the probe of one weight, W[layer][to, from_]."""
    return WeightProbe(layer, (to, to + 1), (from_, from_ + 1))


def bias(sizes: tuple[int, ...], layer: int, to: int) -> WeightProbe:
    """Return the probe of one bias, b[layer][to]."""
    return weight(layer, to, sizes[layer - 1])


def neuron(sizes: tuple[int, ...], layer: int, to: int) -> WeightProbe:
    """Return the probe of all weights of a neuron, and of its bias."""
    return WeightProbe(layer, (to, to + 1), (0, sizes[layer - 1] + 1))


def whole(sizes: tuple[int, ...], layer: int) -> WeightProbe:
    """Return the probe of all weights and biases of a layer."""
    return WeightProbe(layer, (0, sizes[layer]), (0, sizes[layer - 1] + 1))


@dataclass(frozen=True, eq=False)
class Probes:
    """What engines are to show of the steps they run; probes change nothing.

    Parameters
    ----------
    costs : bool
        Whether to show the cost of every step.
    every : int
        Show the statistics of every layer at each step t with t mod `every` = 0; never where it is 0.
    weights : tuple of WeightProbe
        Weights to record at every step, with all that moves them.
    """

    costs: bool = False
    every: int = 0
    weights: tuple[WeightProbe, ...] = ()

    def check(self, net: Network) -> None:
        """Raise `InputError` where the network has no such weights."""
        for probe in self.weights:
            probe.check(net)


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the layers did at some steps: `values`, (m, L, 9) in float64, at `steps`, (m,).

    values[:, l − 1] belongs to layer l, values[..., i] is STATISTICS[i]; `statistics["update"]` is the
    column of that name, (m, L):

    - theta, gradient, update: ‖θˡ‖ before the step, ‖∂C/∂θˡ‖ with the penalties and before clipping, and
      ‖Δθˡ‖ of the step; W and b taken together as one vector.
    - dead: the share of units with |f′(z)| below 5% of its greatest for all examples of the batch, for
      activations that fade to one side (relu: never active); else 0.
    - saturated: the share of values of the batch with |f′(z)| below 5% of its greatest, for sigmoid and
      tanh; else 0.
    - mean_a, std_a, mean_delta, std_delta: over examples and units; a with the masks of dropout, δ times
      the examples' weights.
    """

    steps: Array
    values: Array

    def __getitem__(self, name: str) -> Array:
        column: Array = self.values[..., STATISTICS.index(name)]
        return column


@dataclass(frozen=True, eq=False)
class Block:
    """The weights of one probe at m steps; R units to, K units from (the bias last), B examples a batch.

    `theta` (m, R, K) is taken before the step, `opt_state` (m, s, R, K) of the optimizer after it; `a`
    (m, B, K) includes the masks of dropout, `delta` (m, B, R) the examples' weights and multipliers. Rows
    beyond the end of a smaller batch are 0, and so is a there for the bias. Where the probe names rows,
    `opt_state` has those alone, and memory is used again by the engine's next call; where it leaves θ out,
    `theta` is empty, `thetas` (R, K) is Σ |θ| over the steps, `lost` (R, K) is Σ ηλθ, what AdamW's decay
    took off, and `penalties` (4, R, K) is what penalties moved by Adam or AdamW, what they left in m, and
    the sizes of both: None for other rules, without penalties, and with clipping. Factors on the learning
    rate are in none of them. Where the steps end in divergence, the native engine's sums have the step that
    diverged in them as well. Of inputs that an engine has without their zeros, `compressed` says in rows of
    X which others there are: where each row starts, columns and values.
    """

    probe: WeightProbe
    theta: Array
    opt_state: Array
    below: Array | Callable[[], Array] = field(repr=False)
    delta: Array
    thetas: Array | None = None
    lost: Array | None = None
    penalties: Array | None = None
    compressed: Any = field(default=None, repr=False)

    def slot(self, row: int) -> Array:
        """Return a row of the optimizer's state, (m, R, K), by its number in the whole."""
        rows = self.probe.rows
        found: Array = self.opt_state[:, row if rows is None else rows.index(row)]
        return found

    @cached_property
    def a(self) -> Array:
        """What the units below said; inputs are read from the data once they are asked for."""
        return self.below() if callable(self.below) else self.below


@dataclass(frozen=True, eq=False)
class WeightProbeResult:
    """All that decided m steps, from step `first` on, and what the probes of weights saw.

    `examples` (m, B) are indices into the data, −1 beyond the end of a smaller batch. `S` (m,) is what the
    steps divided by, `l1` and `l2` (m,) the penalties λ of the batch, `scale` (m,) the factor by which
    clipping shortened the gradient, and `coefficients` (m, ·) those of `Optimizer.coefficients`.
    """

    first: int
    examples: Array
    S: Array
    l1: Array
    l2: Array
    scale: Array
    coefficients: Array
    blocks: tuple[Block, ...]


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """What the probes saw: `costs`, `statistics` and `weights` where asked for, else None.

    `costs` holds the cost of every step run. `diverged` is True where the cost at the step reached is not
    finite; that step's update has not been made.
    """

    costs: Array | None = None
    diverged: bool = False
    statistics: Statistics | None = None
    weights: WeightProbeResult | None = None


def probed_steps(first: int, until: int, every: int) -> Array:
    """Return the steps t from `first` to before `until` with t mod every = 0.

    >>> probed_steps(7, 20, 5)
    array([10, 15])
    """
    if not every:
        return np.zeros(0, np.int64)
    return np.arange(-(-first // every) * every, until, every, dtype=np.int64)


def inputs_of(X: Any, examples: Array, low: int, high: int) -> Array:
    """Return columns of X for the examples of some steps, (m, B, high − low); 0 where examples are −1."""
    missing = examples < 0
    if isinstance(X, np.ndarray):
        a = X[np.where(missing, 0, examples), low:high]
    else:
        rows = X[np.where(missing, 0, examples).ravel()][:, low:high]
        a = dense(rows).reshape(*examples.shape, high - low)
    a[missing] = 0
    return a
