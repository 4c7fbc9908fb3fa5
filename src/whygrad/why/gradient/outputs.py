"""A network whose cost is one of its outputs, so that what is asked of the cost can be asked of an output.

C = zᴸₘ   or   C = aᴸₘ
"""

from dataclasses import replace

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array, Cost, namespace
from whygrad.nn.network import Network


def output_as_cost(net: Network, m: int, of: str | None) -> tuple[Network, str]:
    """Give the network whose cost is output m, of z or of a, and which of the two it is.

    By default it is z for softmax, whose activations all depend on each other, and else a.

    >>> from whygrad.nn.network import Dense
    >>> network, of = output_as_cost(Network(2, [Dense(3, "softmax")], "cross_entropy"), 1, None)
    >>> of, network.C.name, network.f[1].name
    ('z', 'z of output 1', 'identity')
    """
    if of not in (None, "z", "a"):
        raise InputError(f"of is {of!r}: 'z' is an output's weighted input, 'a' its activation")
    of = of or ("z" if net.f[net.L].product is not None else "a")

    def value(a: Array, y: Array) -> Array:
        return a[:, m]

    def derivative(a: Array, y: Array) -> Array:
        chosen = np.arange(a.shape[1]) == m
        return namespace(a).zeros_like(a) + chosen

    layers = net.layers
    if of == "z":
        layers = (*layers[:-1], replace(layers[-1], activation="identity"))
    cost = Cost(f"{of} of output {m}", value, derivative)
    return Network(net.inputs, layers, cost), of
