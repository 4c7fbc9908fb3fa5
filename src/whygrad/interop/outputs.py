"""What a loss of another library comes to: an output activation, a cost, class weights and notes.

    logits and a loss that applies softmax      softmax, cross_entropy (δ = a − y)
    logits and a loss that applies the sigmoid  sigmoid, binary_cross_entropy (δ = a − y)
    a mean over the n_L outputs                 1/n_L of the sum, as a factor of the cost

A factor other than 1 is part of the cost, and every answer says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.interop.chain import Chain
from whygrad.interop.door import Original, checked, rows_at_the_door
from whygrad.interop.model import Model
from whygrad.nn import Network
from whygrad.nn.arrays import one_hot
from whygrad.nn.functions import (
    ACTIVATIONS,
    CANONICAL_LINKS,
    COSTS,
    Activation,
    Array,
    Cost,
    find_activation,
)
from whygrad.why.bound import Examples, Why, as_given


@dataclass(frozen=True, eq=False)
class Output:
    """Output activation and cost, class weights, (n_L,), the label smoothing ε, and notes on them.

    Labels are smoothed towards `even`, by default 1/n_L.
    """

    f: str | Activation
    cost: Any
    class_weights: Any = None
    smoothing: float = 0.0
    even: float = 0.0
    notes: tuple[str, ...] = ()


# The cost that is assumed after these activations, and that a loss on logits applies together with them.
CANONICAL_COSTS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


def by_default(f: str | Activation, example: str) -> Output:
    """Return the output for the cost that belongs to f; `example` is a loss that could be given."""
    name = find_activation(f).name
    if name not in CANONICAL_COSTS:
        raise InputError(
            f"the network ends in {name!r}, which tells no loss: give the one that it was trained with, "
            f"such as {example}"
        )
    said = f"no loss was given: {CANONICAL_COSTS[name]} is assumed, since the last layer is {name}"
    return Output(f, CANONICAL_COSTS[name], notes=(said,))


def of_own_cost(cost: Any, f: str | Activation) -> Output:
    """Return the output for whygrad's own cost: a cross-entropy takes what has no activation as logits."""
    meant = [kind for kind, name in CANONICAL_COSTS.items() if name == cost and f == "identity"]
    return Output(meant[0] if meant else f, cost)


def scaled(name: str, f: str | Activation, C: Cost, factor: Fraction) -> Output:
    """Return an output whose cost is multiplied by a factor, which every answer then states."""
    if factor == 1:
        return Output(f, C)
    said = f"{name} is {factor} of the cost {C.name}, which is the sum over the outputs"
    by, second = float(factor), C.second_derivative
    times = replace(
        C,
        name=f"{factor} {C.name}",
        value=lambda a, y: by * C.value(a, y),
        derivative=lambda a, y: by * C.derivative(a, y),
        second_derivative=second and (lambda a, y: by * second(a, y)),
    )
    return Output(f, times, notes=(said,))


def from_logits(name: str, kind: str, f: str | Activation, factor: Fraction | int = 1) -> Output:
    """Return the output where the loss itself applies softmax or the sigmoid to the network's outputs.

    With a factor, or after an activation of the network's own, the cost stays one of the logits: nothing
    cancels there, and a saturated output would lose its digits on the way through f′.
    """
    own = find_activation(f).name
    if own == "identity" and factor == 1:
        return Output(kind, CANONICAL_COSTS[kind])
    C, value, from_z = (
        COSTS[CANONICAL_COSTS[kind]],
        ACTIVATIONS[kind].value,
        CANONICAL_LINKS[kind, CANONICAL_COSTS[kind]],
    )
    of_logits = Cost(f"{C.name} of logits", from_z, lambda a, y: value(a) - y, targets=C.targets)
    said = f"the outputs here are logits: {name} applies {kind} to them"
    if own != "identity":
        said = f"{name} applies {kind} to what {own} has given already"
    output = scaled(name, f, of_logits, Fraction(factor))
    return replace(output, notes=(said, *output.notes))


def huber_at(turn: float) -> Cost:
    """Return the Huber cost that turns from a square to a line at this distance."""
    if turn == 1:
        return COSTS["huber"]

    def value(a: Array, y: Array) -> Array:
        r = np.abs(a - y)
        near = np.minimum(r, turn)
        return (near * (r - near / 2)).sum(axis=-1)

    return Cost(f"huber({turn:g})", value, lambda a, y: np.clip(a - y, -turn, turn))


def as_predicted(chain: Chain, net: Network, outputs: Any) -> Array:
    """Return what the original gives, (n, n_L), as the network does: after what its loss applies to it."""
    a = np.asarray(outputs, np.float64).reshape(len(outputs), -1)
    if chain.logarithms:
        return np.exp(a)
    own, last = find_activation(chain.f), find_activation(net.f[-1])
    return a if own.name == last.name else last.value(a)


def model_of_chain(
    chain: Chain, why: Why, source: str, name: str, run: Callable[[Array], Array], eps: float
) -> Model:
    """Return the network that a chain came to, where its outputs are those of its original.

    Parameters
    ----------
    chain : Chain
        What was read.
    why : Why
        The questions about it.
    source, name : str
        What it was read from, and what the original is called in messages.
    run : callable
        The original: rows, (n, n_0), float64 → outputs.
    eps : float
        The ε of the number format that it computes in.

    Raises
    ------
    InputError
        Where a number is another, with both, or where the shape is another.
    """

    def original(one: Why) -> Original:
        def outputs(X: Any) -> Array:
            x = np.asarray(one.examples(X).X, np.float64)
            return as_predicted(chain, one.net, run(x.reshape(len(x), -1)))

        return Original(name, outputs, within=math.sqrt(eps), last=chain.layers[-1].where)

    alone = Why(
        *chain.network()
    )  # logits are compared as they are: softmax would hide a shift of them
    note = checked(alone, original(alone), rows_at_the_door(chain.n_0))
    return Model(why, source, original(why), (note,))


def why_of_chain(chain: Chain, output: Output, **options: Any) -> Why:
    """Return all questions about a chain with this output; options are fields of `Why`."""
    net, theta = chain.network(output.f, output.cost)
    encode, notes = partial(_encode, output, net.sizes[-1]), (*chain.notes, *output.notes)
    return Why(net, theta, encode=encode, notes=notes, **options)


def _encode(output: Output, n_L: int, X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return examples as arrays; the weights of classes in the loss become weights of examples."""
    X, y, s = as_given(X, y, sample_weight)
    if y is None or (output.class_weights is None and not output.smoothing):
        return Examples(X, y, s)
    y = np.atleast_1d(np.asarray(y))
    if y.ndim == 1 and y.dtype.kind in "iu" and n_L > 1:
        y = one_hot(y, n_L)
    elif output.class_weights is not None:
        raise InputError("a loss with weights for the classes needs y as class numbers, (n,)")
    if output.class_weights is not None:
        s = y @ output.class_weights * (1.0 if s is None else np.asarray(s))
    even = output.smoothing * (output.even or 1 / n_L)
    return Examples(X, (1 - output.smoothing) * y + even, s)
