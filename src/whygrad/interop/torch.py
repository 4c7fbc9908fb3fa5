"""A `torch.nn.Sequential` → `Why`: Linear, activations, Dropout and Flatten, in order.

Linear is z = W a + b with W as here, (n_l, n_{l-1}); parameters are copied and taken to float64. Dropout is
off, as in prediction. This is the only place that knows PyTorch; a loss becomes a cost in `torch_loss`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from whygrad.errors import InputError
from whygrad.interop.torch_functions import gelu_tanh, scaled_elu, sharp_softplus, sloped_relu
from whygrad.interop.torch_loss import Output, cost_of
from whygrad.nn import Activation, Dense, Network
from whygrad.nn.arrays import one_hot
from whygrad.why.bound import Examples, Why, as_given

# Layers that do nothing when a network predicts.
INACTIVE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)

ACTIVATIONS: dict[type[nn.Module], Callable[[Any], str | Activation]] = {
    nn.ReLU: lambda layer: "relu",
    nn.Sigmoid: lambda layer: "sigmoid",
    nn.Tanh: lambda layer: "tanh",
    nn.SELU: lambda layer: "selu",
    nn.SiLU: lambda layer: "silu",
    nn.Softmax: lambda layer: "softmax",
    nn.LogSoftmax: lambda layer: "softmax",
    nn.LeakyReLU: lambda layer: sloped_relu(layer.negative_slope),
    nn.ELU: lambda layer: scaled_elu(layer.alpha),
    nn.GELU: lambda layer: gelu_tanh() if layer.approximate == "tanh" else "gelu",
    nn.Softplus: lambda layer: sharp_softplus(layer.beta, layer.threshold),
}
KNOWN = ("Linear", *(kind.__name__ for kind in ACTIVATIONS), "Dropout", "Flatten", "Identity")


@dataclass(frozen=True, eq=False)
class _LayerRead:
    """One layer of PyTorch's, and its position in the `Sequential`, such as "2.0"."""

    position: str
    layer: nn.Module

    def __str__(self) -> str:
        return f"layer {self.position}, {type(self.layer).__name__},"


def why_of_sequential(model: Any, cost: Any = None) -> Why:
    """Return all questions about a `torch.nn.Sequential`, or a single `Linear`.

    Parameters
    ----------
    model : torch.nn.Sequential or torch.nn.Linear
        The network; its parameters are copied.
    cost : torch.nn.Module, str or Cost, optional
        The loss it was trained with, as of `explain`.

    Returns
    -------
    Why
        The questions.

    Raises
    ------
    InputError
        For a layer that is not supported, with its position, and for a loss that is not.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    >>> why_of_sequential(model, nn.CrossEntropyLoss()).net.f[2].name
    'softmax'
    """
    if not isinstance(model, nn.Sequential | nn.Linear):
        raise InputError(
            f"a {type(model).__name__} cannot be read layer by layer: give a torch.nn.Sequential of "
            f"{', '.join(KNOWN)}"
        )
    layers = list(_layers(model))
    linear, activations = _pairs(layers)
    logarithms = any(isinstance(each.layer, nn.LogSoftmax) for each in layers)
    output = cost_of(cost, activations[-1], linear[-1].out_features, logarithms)
    activations[-1] = output.f
    net = Network(
        linear[0].in_features,
        tuple(Dense(each.out_features, f) for each, f in zip(linear, activations, strict=True)),
        output.cost,
    )
    theta = net.init(
        W=[None, *(_to_float64(each.weight) for each in linear)],
        b=[None, *(None if each.bias is None else _to_float64(each.bias) for each in linear)],
    )
    encode = partial(_encode, output, net.sizes[-1])
    return Why(net, theta, encode=encode, notes=output.notes)


def _layers(model: nn.Module, above: str = "") -> Iterator[_LayerRead]:
    """Yield the layers in order, those of a nested `Sequential` as 2.0, 2.1 and so on."""
    if not isinstance(model, nn.Sequential):
        yield _LayerRead("0", model)
        return
    for name, layer in model.named_children():
        if isinstance(layer, nn.Sequential):
            yield from _layers(layer, f"{above}{name}.")
        else:
            yield _LayerRead(above + name, layer)


def _pairs(layers: list[_LayerRead]) -> tuple[list[nn.Linear], list[str | Activation]]:
    """Return the linear layers and the activation after each, "identity" where there is none."""
    linear: list[nn.Linear] = []
    activations: list[str | Activation] = []
    fresh = False  # whether the last linear layer still waits for its activation
    for each in layers:
        kind = type(each.layer)
        if kind in INACTIVE:
            continue
        if kind is nn.Flatten:
            _check_flatten(each)
        elif kind is nn.Linear:
            _check_sizes(each, linear)
            linear.append(each.layer)
            activations.append("identity")
            fresh = True
        elif kind in ACTIVATIONS:
            if not fresh:
                what = "another activation" if linear else "no Linear"
                raise InputError(f"{each} follows {what}: put a Linear before it")
            activations[-1], fresh = _activation(each), False
        else:
            raise InputError(f"{each} is not supported: known are {', '.join(KNOWN)}")
    if not linear:
        raise InputError("the Sequential holds no Linear: there are no weights to ask about")
    return linear, activations


def _activation(each: _LayerRead) -> str | Activation:
    layer: Any = each.layer
    if isinstance(layer, nn.Softmax | nn.LogSoftmax) and layer.dim not in (None, 1, -1):
        raise InputError(f"{each} has dim={layer.dim}: over the outputs of an example it is 1")
    return ACTIVATIONS[type(layer)](layer)


def _check_flatten(each: _LayerRead) -> None:
    layer: Any = each.layer
    if layer.start_dim != 1 or layer.end_dim != -1:
        raise InputError(
            f"{each} flattens dimensions {layer.start_dim} to {layer.end_dim}: only all of an example, "
            "1 to -1, is supported"
        )


def _check_sizes(each: _LayerRead, linear: list[nn.Linear]) -> None:
    layer: Any = each.layer
    if linear and layer.in_features != linear[-1].out_features:
        raise InputError(
            f"{each} takes {layer.in_features} numbers, the Linear before it gives "
            f"{linear[-1].out_features}"
        )


def _to_float64(tensor: torch.Tensor) -> Any:
    return tensor.detach().to("cpu", torch.float64).numpy().copy()


def _encode(output: Output, n_L: int, X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return examples as arrays; the weights of classes in the loss become weights of examples."""
    X, y, s = as_given(X, y, sample_weight)
    if y is None or (output.class_weights is None and not output.smoothing):
        return Examples(X, y, s)
    y = np.atleast_1d(np.asarray(y))
    if y.ndim == 1 and y.dtype.kind in "iu":
        y = one_hot(y, n_L)
    elif output.class_weights is not None:
        raise InputError("a loss with weights for the classes needs y as class numbers, (n,)")
    if output.class_weights is not None:
        s = y @ output.class_weights * (1.0 if s is None else np.asarray(s))
    return Examples(X, (1 - output.smoothing) * y + output.smoothing / n_L, s)
