"""PyTorch's losses → output activation and cost, such that the gradient is the one that PyTorch takes.

    logits, CrossEntropyLoss      softmax, cross_entropy (δ = a − y); so is LogSoftmax, NLLLoss
    logit,  BCEWithLogitsLoss     sigmoid, binary_cross_entropy (δ = a − y)
    MSELoss                       the mean over the n_L outputs of (a − y)²: 2/n_L of the squared error ½ Σ
    L1Loss, HuberLoss, …          1/n_L of the sum over the outputs, as all means over outputs

A factor other than 1 is part of the cost, and every answer says so. With reduction="sum" PyTorch's
gradient of n examples is n times the mean that is explained here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from torch import nn

from whygrad.errors import InputError
from whygrad.nn.functions import (
    ACTIVATIONS,
    CANONICAL_LINKS,
    COSTS,
    Activation,
    Array,
    Cost,
    find_activation,
)


@dataclass(frozen=True, eq=False)
class Output:
    """Output activation and cost, class weights, (n_L,), the label smoothing ε, and notes on them."""

    f: str | Activation
    cost: Any
    class_weights: Any = None
    smoothing: float = 0.0
    notes: tuple[str, ...] = ()


# The cost that is assumed after these activations, and that a loss on logits applies together with them.
CANONICAL_COSTS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


def cost_of(given: Any, f: str | Activation, n_L: int, logarithms: bool = False) -> Output:
    """Return output activation and cost for a loss of PyTorch's, a cost of whygrad's or None, after f.

    A cross-entropy of whygrad's after a last layer without activation takes that layer's outputs as logits.
    `logarithms` says that the network returns the logarithms of its softmax.
    """
    if given is None:
        return _by_default(f)
    if not isinstance(given, nn.Module):
        meant = [
            kind for kind, cost in CANONICAL_COSTS.items() if cost == given and f == "identity"
        ]
        return Output(meant[0] if meant else f, given)
    name, loss = type(given).__name__, LOSSES.get(type(given))
    if loss is None:
        raise InputError(
            f"{name} is not supported: known are {', '.join(kind.__name__ for kind in LOSSES)}, and "
            f"whygrad's own costs by name, {', '.join(COSTS)}"
        )
    if given.reduction not in ("mean", "sum"):
        raise InputError(f"{name} has reduction={given.reduction!r}: give it with 'mean' or 'sum'")
    if logarithms != (name == "NLLLoss") and not (logarithms and name == "CrossEntropyLoss"):
        raise InputError(
            "LogSoftmax and NLLLoss belong together: here is only one of them, with "
            + (name if logarithms else f"{find_activation(f).name} outputs")
        )
    if logarithms:
        return _cross_entropy(given, "identity", n_L)
    return loss(given, f, n_L)


def _by_default(f: str | Activation) -> Output:
    name = find_activation(f).name
    if name not in CANONICAL_COSTS:
        raise InputError(
            f"the network ends in {name!r}, which tells no loss: give the one that it was trained with, "
            "such as cost=torch.nn.MSELoss() or cost=torch.nn.CrossEntropyLoss()"
        )
    said = f"no loss was given: {CANONICAL_COSTS[name]} is assumed, since the last layer is {name}"
    return Output(f, CANONICAL_COSTS[name], notes=(said,))


def _cross_entropy(loss: Any, f: str | Activation, n_L: int) -> Output:
    """CrossEntropyLoss; or NLLLoss after LogSoftmax, which is the same of what comes before that."""
    name, smoothing = type(loss).__name__, float(getattr(loss, "label_smoothing", 0.0))
    weights = None if loss.weight is None else loss.weight.detach().cpu().double().numpy()
    if weights is not None and (smoothing or loss.reduction == "sum"):
        what = "label_smoothing" if smoothing else "reduction='sum'"
        raise InputError(f"{name} with both weight and {what} is not supported")
    output = _from_logits(loss, "softmax", f, 1)
    return replace(output, class_weights=weights, smoothing=smoothing)


def _binary(loss: Any, f: str | Activation, n_L: int) -> Output:
    if loss.weight is not None or getattr(loss, "pos_weight", None) is not None:
        raise InputError(f"{type(loss).__name__} with weight or pos_weight is not supported")
    factor = _factor(loss, n_L)
    if isinstance(loss, nn.BCEWithLogitsLoss):
        return _from_logits(loss, "sigmoid", f, factor)
    return _scaled(loss, f, COSTS["binary_cross_entropy"], factor)


def _squared(loss: Any, f: str | Activation, n_L: int) -> Output:
    return _scaled(loss, f, COSTS["squared_error"], 2 * _factor(loss, n_L))


def _absolute(loss: Any, f: str | Activation, n_L: int) -> Output:
    return _scaled(loss, f, COSTS["absolute_error"], _factor(loss, n_L))


def _huber(loss: Any, f: str | Activation, n_L: int) -> Output:
    """HuberLoss with its δ; SmoothL1Loss, which is that with β, divided by β."""
    smooth = isinstance(loss, nn.SmoothL1Loss)
    turn = float(loss.beta if smooth else loss.delta)
    if turn == 0:
        return _absolute(loss, f, n_L)
    factor = _factor(loss, n_L) / (Fraction(turn) if smooth else 1)
    return _scaled(loss, f, COSTS["huber"] if turn == 1 else _huber_at(turn), factor)


def _poisson(loss: Any, f: str | Activation, n_L: int) -> Output:
    if not loss.log_input or find_activation(f).name != "identity":
        raise InputError(
            "PoissonNLLLoss is supported with log_input=True, after a last Linear without activation"
        )
    output = _scaled(loss, "exp", COSTS["poisson"], _factor(loss, n_L))
    said = "the outputs here are e^z, the means; the cost is PyTorch's but for a constant"
    return replace(output, notes=(*output.notes, said))


LOSSES: dict[Any, Callable[[Any, str | Activation, int], Output]] = {
    nn.CrossEntropyLoss: _cross_entropy,
    nn.NLLLoss: _cross_entropy,
    nn.BCEWithLogitsLoss: _binary,
    nn.BCELoss: _binary,
    nn.MSELoss: _squared,
    nn.L1Loss: _absolute,
    nn.SmoothL1Loss: _huber,
    nn.HuberLoss: _huber,
    nn.PoissonNLLLoss: _poisson,
}


def _factor(loss: Any, n_L: int) -> Fraction:
    """Return what a mean over the outputs multiplies the sum over them by."""
    return Fraction(1, n_L) if loss.reduction == "mean" else Fraction(1)


def _of_the_examples(loss: Any) -> tuple[str, ...]:
    """Return a note on reduction="sum", which adds up the examples."""
    if loss.reduction == "mean":
        return ()
    name = type(loss).__name__
    return (f"{name} adds up the examples: PyTorch's gradient of n examples is n times this one",)


def _scaled(loss: Any, f: str | Activation, C: Cost, factor: Fraction) -> Output:
    """Return an output whose cost is multiplied by a factor, which every answer then states."""
    notes = _of_the_examples(loss)
    if factor == 1:
        return Output(f, C, notes=notes)
    said = (
        f"{type(loss).__name__} is {factor} of the cost {C.name}, which is the sum over the outputs"
    )
    return Output(f, _times(C, factor), notes=(said, *notes))


def _times(C: Cost, factor: Fraction) -> Cost:
    by, second = float(factor), C.second_derivative
    return replace(
        C,
        name=f"{factor} {C.name}",
        value=lambda a, y: by * C.value(a, y),
        derivative=lambda a, y: by * C.derivative(a, y),
        second_derivative=second and (lambda a, y: by * second(a, y)),
    )


def _from_logits(loss: Any, kind: str, f: str | Activation, factor: Fraction | int) -> Output:
    """Return the output where the loss itself applies softmax or the sigmoid to the network's outputs.

    With a factor, or after an activation of the network's own, the cost stays one of the logits: nothing
    cancels there, and a saturated output would lose its digits on the way through f′.
    """
    name = find_activation(f).name
    if name == "identity" and factor == 1:
        return Output(kind, CANONICAL_COSTS[kind], notes=_of_the_examples(loss))
    C, value, from_z = (
        COSTS[CANONICAL_COSTS[kind]],
        ACTIVATIONS[kind].value,
        CANONICAL_LINKS[kind, CANONICAL_COSTS[kind]],
    )
    of_logits = Cost(f"{C.name} of logits", from_z, lambda a, y: value(a) - y, targets=C.targets)
    said = f"the outputs here are logits: {type(loss).__name__} applies {kind} to them"
    if name != "identity":
        said = f"{type(loss).__name__} applies {kind} to what {name} has given already"
    output = _scaled(loss, f, of_logits, Fraction(factor))
    return replace(output, notes=(said, *output.notes))


def _huber_at(turn: float) -> Cost:
    """Return the Huber cost that turns from a square to a line at this distance."""

    def value(a: Array, y: Array) -> Array:
        r = np.abs(a - y)
        near = np.minimum(r, turn)
        return (near * (r - near / 2)).sum(axis=-1)

    return Cost(f"huber({turn:g})", value, lambda a, y: np.clip(a - y, -turn, turn))
