"""PyTorch's losses → output activation and cost, such that the gradient is the one that PyTorch takes.

    logits, CrossEntropyLoss      softmax, cross_entropy (δ = a − y); so is LogSoftmax, NLLLoss
    logit,  BCEWithLogitsLoss     sigmoid, binary_cross_entropy (δ = a − y)
    MSELoss                       the mean over the n_L outputs of (a − y)²: 2/n_L of the squared error ½ Σ
    L1Loss, HuberLoss, …          1/n_L of the sum over the outputs, as all means over outputs

A factor other than 1 is part of the cost, and every answer says so. With reduction="sum" PyTorch's
gradient of n examples is n times the mean that is explained here.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from torch import nn
from torch.nn import functional

from whygrad.errors import InputError
from whygrad.interop.outputs import (
    Output,
    by_default,
    from_logits,
    huber_at,
    of_own_cost,
    scaled,
)
from whygrad.nn.functions import ACTIVATIONS, COSTS, Activation, Array, Cost, find_activation


def cost_of(given: Any, f: str | Activation, n_L: int, logarithms: bool = False) -> Output:
    """Return output activation and cost for a loss of PyTorch's, a cost of whygrad's or None, after f.

    A cross-entropy of whygrad's after a last layer without activation takes that layer's outputs as logits.
    `logarithms` says that the network returns the logarithms of its softmax.
    """
    if given is None:
        return by_default(f, "cost=torch.nn.MSELoss() or cost=torch.nn.CrossEntropyLoss()")
    given = _loss(given)
    if not isinstance(given, nn.Module):
        return of_own_cost(given, f)
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


def _loss(given: Any) -> Any:
    """Return a loss for its class or for the function that computes it; what is neither as it is."""
    if isinstance(given, type):
        return given() if given in LOSSES else given
    name = getattr(given, "__name__", "")
    is_own = name in FUNCTIONS and given is getattr(functional, name)
    return FUNCTIONS[name]() if is_own else given


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
    factor = _factor(loss, n_L)
    if isinstance(loss, nn.BCEWithLogitsLoss):
        if loss.weight is not None or loss.pos_weight is not None:
            return _weighted_binary(loss, f, n_L, factor)
        return _from_logits(loss, "sigmoid", f, factor)
    if loss.weight is not None:
        raise InputError(f"{type(loss).__name__} with weight is not supported")
    return _scaled(loss, f, COSTS["binary_cross_entropy"], factor)


def _weighted_binary(loss: Any, f: str | Activation, n_L: int, factor: Fraction) -> Output:
    """BCEWithLogitsLoss that weighs outputs, w, and in each the positive class, p; its rows weigh the same.

    C = Σ w (p y softplus(−z) + (1 − y) softplus(z)),  ∂C/∂z = w ((1 − y) σ(z) − p y σ(−z))
    """
    name = type(loss).__name__
    w, p = (_by_output(name, loss, what, n_L) for what in ("weight", "pos_weight"))
    sigmoid, softplus = (ACTIVATIONS[kind].value for kind in ("sigmoid", "softplus"))

    def value(z: Array, y: Array) -> Array:
        return (w * (p * y * softplus(-z) + (1 - y) * softplus(z))).sum(axis=-1)

    def derivative(z: Array, y: Array) -> Array:
        return w * ((1 - y) * sigmoid(z) - p * y * sigmoid(-z))

    C = Cost("weighted binary_cross_entropy of logits", value, derivative, targets="unit")
    output = _scaled(loss, f, C, factor)
    return replace(
        output, notes=(f"the outputs here are logits, as {name} takes them", *output.notes)
    )


def _by_output(name: str, loss: Any, what: str, n_L: int) -> Any:
    """Return the weights of a loss by output, (n_L,) or a number."""
    given = getattr(loss, what)
    if given is None:
        return 1.0
    if given.numel() not in (1, n_L):
        raise InputError(
            f"{name} has {what} of shape {tuple(given.shape)}: one number, or one for each of the {n_L} "
            "outputs, is supported"
        )
    return given.detach().cpu().double().numpy().reshape(-1)


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
    return _scaled(loss, f, huber_at(turn), factor)


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

# The same as functions, by name.
FUNCTIONS = {
    "cross_entropy": nn.CrossEntropyLoss,
    "nll_loss": nn.NLLLoss,
    "binary_cross_entropy_with_logits": nn.BCEWithLogitsLoss,
    "binary_cross_entropy": nn.BCELoss,
    "mse_loss": nn.MSELoss,
    "l1_loss": nn.L1Loss,
    "smooth_l1_loss": nn.SmoothL1Loss,
    "huber_loss": nn.HuberLoss,
    "poisson_nll_loss": nn.PoissonNLLLoss,
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
    return _noted(loss, scaled(type(loss).__name__, f, C, factor))


def _from_logits(loss: Any, kind: str, f: str | Activation, factor: Fraction | int) -> Output:
    return _noted(loss, from_logits(type(loss).__name__, kind, f, factor))


def _noted(loss: Any, output: Output) -> Output:
    return replace(output, notes=(*output.notes, *_of_the_examples(loss)))
