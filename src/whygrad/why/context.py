"""The context of a question: a traced batch, one pass forward and one back, as training makes them.

An explanation reads z, a and δ of this pass; it has no arithmetic of its own for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.answers.formatting import number
from whygrad.answers.names import Names, names_of
from whygrad.errors import InputError
from whygrad.nn.arrays import as_inputs, as_sample_weight, as_targets
from whygrad.nn.backprop import Trace, backward, cost, example_costs, forward, gradients
from whygrad.nn.functions import Array
from whygrad.nn.network import Gradients, Network, Parameters
from whygrad.nn.products import as_multiplied, operand


@dataclass(frozen=True, eq=False)
class Context:
    """A traced batch: the network, its parameters, the examples asked about, and the pass through them.

    The cost is C = Σ s C_x / S + λ₁ Σ|W| + ½ λ₂ Σ W².

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters, as they are multiplied.
    trace : Trace
        z, a and δ of the pass, (n, n_l) by layer.
    y : array, shape (n, n_L)
        The targets.
    s : array, shape (n,)
        The weights of the examples, with sum S.
    l1, l2 : float
        The strengths λ₁ and λ₂ of the penalties.
    names : Names
        What inputs, outputs and classes are called.
    stored : Parameters
        θ itself, whose penalties are taken; other numbers than `theta` where products are rounded.
    """

    net: Network
    theta: Parameters
    trace: Trace
    y: Array
    s: Array
    l1: float
    l2: float
    names: Names
    stored: Parameters

    @property
    def n(self) -> int:
        """The number of examples."""
        return len(self.y)

    @property
    def delta(self) -> tuple[Any, ...]:
        """The errors, delta[l] of shape (n, n_l), in cost per unit of z."""
        assert self.trace.delta is not None
        return self.trace.delta

    @cached_property
    def S(self) -> float:
        """The sum of the weights of the examples; 1 where all of them are 0."""
        return float(self.s.sum()) or 1.0

    @cached_property
    def gradients(self) -> Gradients:
        """∂C/∂θ as training takes it, penalties included."""
        return gradients(self.net, self.stored, self.trace, self.s, self.l1, self.l2)

    @cached_property
    def cost(self) -> float:
        """The cost, penalties included."""
        given = (self.net, self.stored, self.trace, self.y, self.s)
        return float(cost(*given, self.l1, self.l2))

    @property
    def of_penalties(self) -> tuple[str, ...]:
        """A note on how much of the cost penalties are, () where there are none."""
        if not (self.l1 or self.l2):
            return ()
        penalty = self.cost - float(self.s @ self.costs) / self.S
        return (f"The cost includes penalties on weights: {number(penalty)}.",)

    @cached_property
    def costs(self) -> Array:
        """The cost of every example, (n,), without penalties."""
        return example_costs(self.net, self.trace, self.y)


def ask(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
) -> Context:
    """Return the context of a question: pass the examples forward and their errors back.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters.
    X : array-like or sparse matrix, shape (n, n_0)
        The examples.
    Y : array-like, shape (n, n_L) or (n,)
        Their targets, or class indices.
    sample_weight : array-like, shape (n,), optional
        Weights of the examples; 1 each by default.
    l1, l2 : float
        Strengths of the penalties on weights.
    masks : sequence of arrays, optional
        Factors of dropout by layer, as `forward` takes them.
    names : Names, optional
        What inputs, outputs and classes are called.
    products : {None, "bfloat16"}
        What inputs and weights are rounded to where they are multiplied; penalties are of θ itself.

    Returns
    -------
    Context
        The batch, traced as training traces it.

    Raises
    ------
    InputError
        For shapes that do not fit the network.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(1, [Dense(1, "identity")])
    >>> ask(net, net.init(W=[None, [[2.0]]]), [[1.0]], [[1.0]]).cost
    0.5
    """
    stored, theta = theta, as_multiplied(theta, products)
    if products is not None:
        X = operand(products, as_inputs(net, X))
    trace = forward(net, theta, X, masks)
    n = len(trace.a[net.L])
    y = as_targets(net, Y, n)
    s = as_sample_weight(sample_weight, n)
    trace = backward(net, theta, trace, y)
    ones = np.ones(n, trace.a[net.L].dtype)
    s = ones if s is None else s
    return Context(net, theta, trace, y, s, l1, l2, names_of(net, names), stored)


def at_least_one(name: str, given: Any) -> int:
    """Return a whole number of at least 1, or raise `InputError`."""
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 1:
        raise InputError(f"{name} is {given!r}: it must be a whole number of at least 1")
    return int(given)
