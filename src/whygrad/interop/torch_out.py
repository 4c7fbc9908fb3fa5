"""A trained network → a `torch.nn.Sequential`.

Linear, the activation, Dropout where the layer has some, and so on: 0.weight, 0.bias, 3.weight, … By these
names `export` writes a file of safetensors.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.errors import InputError
from whygrad.fitted import Ensemble, Fitted
from whygrad.interop.door import average_of
from whygrad.interop.model import best_of
from whygrad.nn import Network, Parameters
from whygrad.nn.functions import Activation
from whygrad.nn.parametric import family_of
from whygrad.why.bound import Why

if TYPE_CHECKING:
    import torch

# An activation's family: PyTorch's module, and its arguments where they are not the family's parameters.
# Its softplus is z itself from 40 on, as ours is to the last digit.
MODULES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "sigmoid": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "relu": ("ReLU", ()),
    "leaky_relu": ("LeakyReLU", ()),
    "elu": ("ELU", ()),
    "selu": ("SELU", ()),
    "gelu": ("GELU", ()),
    "gelu_tanh": ("GELU", ("tanh",)),
    "silu": ("SiLU", ()),
    "softplus": ("Softplus", (1.0, 40.0)),
    "sharp_softplus": ("Softplus", ()),
    "clipped": ("Hardtanh", ()),
    "celu": ("CELU", ()),
    "mish": ("Mish", ()),
    "softsign": ("Softsign", ()),
    "exp": ("Exp", ()),
    "softmax": ("Softmax", (1,)),
}


def to_torch(x: Any) -> "torch.nn.Sequential":
    """Return a trained network as a PyTorch module, with the same outputs.

    Parameters
    ----------
    x : Fitted, Ensemble, Run, Model, Why or an estimator of whygrad
        The network; several that are averaged become one. Of a table the module takes the columns as they
        were encoded, of a search its best estimator is taken.

    Returns
    -------
    torch.nn.Sequential
        Linear layers, activations and dropout, in evaluation mode, in the network's dtype. A last softmax
        or sigmoid is part of it: `module[:-1]` gives the logits.

    Raises
    ------
    InputError
        For an activation of your own: it is code, which no module of PyTorch is known for.

    Examples
    --------
    >>> from whygrad import Dense
    >>> net = Network(2, [Dense(3, "tanh", dropout=0.5), Dense(1)])
    >>> module = to_torch(Fitted(net, net.init()))
    >>> [type(layer).__name__ for layer in module], module.training
    (['Linear', 'Tanh', 'Dropout', 'Linear'], False)
    """
    import torch

    net, theta = _network_of(x)
    dtype = torch.float64 if theta.flat.dtype == np.float64 else torch.float32
    modules: list[torch.nn.Module] = []
    linear = iter(range(1, net.L + 1))
    for name, arguments in _modules(net):
        if name == "Exp":
            modules.append(_exp())
            continue
        module = getattr(torch.nn, name)(*arguments)
        if name == "Linear":
            l = next(linear)
            with torch.no_grad():
                module = module.to(dtype)
                module.weight.copy_(torch.tensor(theta.W[l]))
                module.bias.copy_(torch.tensor(theta.b[l]))
        modules.append(module)
    return torch.nn.Sequential(*modules).eval()


def _network_of(x: Any) -> tuple[Network, Parameters]:
    x = best_of(x)
    if hasattr(x, "net_"):  # an estimator
        return x.net_, x.theta_
    for name in ("ensemble_", "average", "why"):  # of a tabular estimator, a run and a Model
        x = getattr(x, name, x)
    if isinstance(x, Why):
        x = average_of(x)
    if isinstance(x, Ensemble):
        x = x.joined()
    if isinstance(x, Fitted):
        return x.net, x.theta
    raise InputError(
        f"a {type(x).__name__} is no trained network of whygrad: give what train or explain returns, "
        "a fitted estimator of whygrad, or a run"
    )


def _modules(net: Network) -> list[tuple[str, tuple[Any, ...]]]:
    """Return name and arguments of each of PyTorch's modules that the network comes to."""
    modules: list[tuple[str, tuple[Any, ...]]] = []
    for l, layer in enumerate(net.layers, start=1):
        modules.append(("Linear", (net.sizes[l - 1], net.sizes[l])))
        if layer.f.name != "identity":
            modules.append(_activation(layer.f, l))
        if layer.dropout:
            modules.append(("Dropout", (layer.dropout,)))
    return modules


def _activation(f: Activation, l: int) -> tuple[str, tuple[Any, ...]]:
    """Return PyTorch's module for an activation, also one with a parameter that came from there."""
    found = family_of(f)
    if found is None:
        raise InputError(
            f"the activation {f.name!r} of layer {l} is code, of which whygrad knows no module of PyTorch"
        )
    if found == ("clipped", (0.0, 6.0)):
        return "ReLU6", ()
    family, parameters = found
    name, arguments = MODULES[family]
    return name, parameters or arguments


def _exp() -> Any:
    import torch

    class Exp(torch.nn.Module):  # type: ignore[misc]
        """e^z, which PyTorch has no module for."""

        def forward(self, z: Any) -> Any:
            """Return e^z."""
            return torch.exp(z)

    return Exp()
