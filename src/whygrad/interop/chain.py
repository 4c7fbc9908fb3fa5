"""A chain of operations, as other libraries write networks → layers W, b, f, and what was folded.

    Linear     a ↦ W a + b                     Function   a ↦ f(a)
    Scaling    a ↦ by · a + plus, by unit      Drop       dropout: off, as in prediction

A batch normalisation in prediction is a `Scaling`: γ/√(σ² + ε) · (a − μ) + β. Between a linear layer and
its activation it is folded into that layer, W ← by · W and b ← by · b + plus; else into the one that
follows, W ← W · by and b ← b + W plus. What is folded is named: every answer speaks of the product.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from whygrad.errors import InputError
from whygrad.nn import Activation, Dense, Network, Parameters
from whygrad.nn.functions import Array


@dataclass(frozen=True, eq=False)
class Linear:
    """W, (n_l, n_{l-1}), and b, (n_l,) or None; `where` names the operation in messages."""

    where: str
    W: Array
    b: Array | None = None


@dataclass(frozen=True, eq=False)
class Scaling:
    """A factor and a shift for every unit, (n_l,), or the same for all."""

    where: str
    by: Any = 1.0
    plus: Any = 0.0


@dataclass(frozen=True, eq=False)
class Function:
    """An activation; `logarithm` says that the original takes the logarithm of it."""

    where: str
    f: str | Activation
    logarithm: bool = False


@dataclass(frozen=True, eq=False)
class Drop:
    """Dropout with this probability; noise of another kind, which has no place here, is not plain."""

    where: str
    p: float
    plain: bool = True


Step: TypeAlias = Linear | Scaling | Function | Drop


@dataclass(eq=False)
class _Layer:
    where: str
    W: Array
    b: Array
    f: str | Activation | None = None
    dropout: float = 0.0


@dataclass(frozen=True, eq=False)
class Chain:
    """The layers that a chain of steps comes to, and notes on what is not as it was written.

    Parameters
    ----------
    layers : tuple
        W, b, f (None where there is none) and dropout of every layer, and its name in the original.
    logarithms : bool
        Whether the original gives the logarithms of its softmax.
    notes : tuple of str
        What was folded or left out.
    """

    layers: tuple[_Layer, ...]
    logarithms: bool = False
    notes: tuple[str, ...] = ()

    @property
    def n_0(self) -> int:
        """The number of inputs."""
        return self.layers[0].W.shape[1]

    @property
    def n_L(self) -> int:
        """The number of outputs."""
        return len(self.layers[-1].b)

    @property
    def f(self) -> str | Activation:
        """The activation of the last layer, "identity" where there is none."""
        return self.layers[-1].f or "identity"

    def network(
        self, f: str | Activation | None = None, cost: Any = "squared_error"
    ) -> tuple[Network, Parameters]:
        """Return network and parameters; f, in place of the chain's own, follows the last layer."""
        layers = tuple(
            Dense(len(each.b), each.f or "identity", dropout=each.dropout)
            for each in self.layers[:-1]
        )
        net = Network(self.n_0, (*layers, Dense(self.n_L, f or self.f)), cost)
        W, b = ([None, *(getattr(each, name) for each in self.layers)] for name in "Wb")
        return net, net.init(W=W, b=b)


@dataclass(eq=False)
class _Reading:
    """The layers so far, and the scalings that wait for the linear layer after them."""

    layers: list[_Layer] = field(default_factory=list)
    waiting: list[Scaling] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    logarithms: str = ""

    def linear(self, step: Linear) -> None:
        if self.layers and step.W.shape[1] != len(self.layers[-1].b):
            raise InputError(
                f"{step.where} takes {step.W.shape[1]} numbers, the layer before it gives "
                f"{len(self.layers[-1].b)}"
            )
        W, b = step.W, np.zeros(len(step.W)) if step.b is None else step.b
        for each in reversed(self.waiting):
            by, plus = (_fitting(each, factor, W.shape[1]) for factor in (each.by, each.plus))
            W, b = W * by, b + W @ plus
            l = len(self.layers) + 1
            self.notes.append(f"{each.where} is folded into layer {l}, which follows it")
        self.waiting.clear()
        self.layers.append(_Layer(step.where, W, b))

    def scaling(self, step: Scaling) -> None:
        last = self.layers[-1] if self.layers else None
        if last is None or last.f is not None or self.waiting:
            self.waiting.append(step)
            return
        by, plus = (_fitting(step, factor, len(last.b)) for factor in (step.by, step.plus))
        if np.any(by != 1):  # a shift alone is but a bias
            self.notes.append(f"{step.where} is folded into layer {len(self.layers)}, before it")
        last.W, last.b = last.W * by[:, None], last.b * by + plus

    def function(self, step: Function) -> None:
        if not self.layers:
            raise InputError(f"{step.where} follows no linear layer: put one before it")
        self.settle()
        last = self.layers[-1]
        if last.f is not None:
            raise InputError(
                f"{step.where} follows another activation: put a linear layer before it"
            )
        last.f = step.f
        self.logarithms = step.where if step.logarithm else ""

    def drop(self, step: Drop) -> None:
        last = self.layers[-1] if self.layers else None
        if not step.p:
            return
        if last is None or self.waiting or last.f is None or not step.plain:
            self.notes.append(f"{step.where} is left out: it is off when the network predicts")
        else:
            last.dropout = 1 - (1 - last.dropout) * (1 - step.p)

    def settle(self) -> None:
        """Make scalings that no linear layer follows a layer of their own, with a diagonal W."""
        if self.waiting and self.layers:
            where, n = self.waiting[0].where, len(self.layers[-1].b)
            for each in self.waiting:  # of all, before any of them is folded
                _fitting(each, each.by, n), _fitting(each, each.plus, n)
            self.linear(Linear(where, np.eye(n)))
            self.notes.append(f"{where} is layer {len(self.layers)}, with a diagonal W")


def chained(steps: Iterable[Step]) -> Chain:
    """Return the layers that these steps come to.

    Raises
    ------
    InputError
        For sizes that do not fit, an activation without a linear layer of its own, and no linear layer.

    Examples
    --------
    >>> chain = chained([Linear("first", np.ones((1, 2))), Scaling("norm", 2.0, 1.0)])
    >>> chain.layers[0].W, chain.layers[0].b, chain.notes
    (array([[2., 2.]]), array([1.]), ('norm is folded into layer 1, before it',))
    """
    reading = _Reading()
    for step in steps:
        if reading.logarithms and not isinstance(step, Drop):
            raise InputError(f"{step.where} follows {reading.logarithms}, which serves at the end")
        match step:
            case Linear():
                reading.linear(step)
            case Scaling():
                reading.scaling(step)
            case Function():
                reading.function(step)
            case Drop():
                reading.drop(step)
    reading.settle()
    if not reading.layers:
        raise InputError("there is no linear layer: there are no weights to ask about")
    last = reading.layers[-1]
    if last.dropout:
        reading.notes.append("dropout after the last layer is left out: it is off in prediction")
    return Chain(tuple(reading.layers), bool(reading.logarithms), tuple(reading.notes))


def _fitting(step: Scaling, factor: Any, n: int) -> Array:
    """Return a factor or shift for n units, (n,)."""
    factor = np.asarray(factor, np.float64)
    if factor.size not in (1, n):
        raise InputError(f"{step.where} is of {factor.size} numbers, the layer before it of {n}")
    return np.broadcast_to(factor.reshape(-1), n)
