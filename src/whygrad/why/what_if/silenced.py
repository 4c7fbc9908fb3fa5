"""The network without one unit: what it adds to each output, to the cost and to the score.

    zᴸ − zᴸ|aˡⱼ=0,   aᴸ − aᴸ|aˡⱼ=0        exactly, by a pass with its activity set to 0
    aˡⱼ ∂zᴸ/∂aˡⱼ                           to first order

Only what the unit sends is taken away from the layer above; from there on the network runs as ever.
"""

from typing import Any

import numpy as np

from whygrad.nn.backprop import Trace, example_costs
from whygrad.nn.functions import Array
from whygrad.why.asking import Asked
from whygrad.why.choosing import classes, classifies
from whygrad.why.passing import dense, mask_of, onward, push_through


def activity(asked: Asked, l: int, j: int) -> Array:
    """Give the activity of a unit in every example, (n,)."""
    return dense(asked.trace.a[l][:, [j]])[:, 0]


def run_without(asked: Asked, l: int, j: int) -> tuple[Array, Array]:
    """Give zᴸ and aᴸ, (n, n_L), where unit j of layer l < L sends nothing."""
    sent = activity(asked, l, j)[:, None] * asked.theta.W[l + 1][:, j]
    z = asked.trace.z[l + 1] - sent
    zs, a = onward(asked.net, asked.theta, l + 1, z, asked.trace.masks)
    return zs[-1], a[-1]


def first_order(asked: Asked, l: int, j: int) -> Array:
    """Give ∂zᴸ/∂aˡⱼ of every example, (n, n_L), l < L."""
    net, theta, z, masks = asked.net, asked.theta, asked.trace.z, asked.trace.masks
    dz: Any = np.repeat(theta.W[l + 1][None, :, j], asked.n, axis=0)
    for m in range(l + 1, net.L):
        dz = push_through(net.f[m], z[m], dz, mask_of(masks, m)) @ theta.W[m + 1].T
    slopes: Array = dz
    return slopes


def costs_of(asked: Asked, z: Array, a: Array) -> Array:
    """Give the cost of every example, (n,), of these outputs."""
    return example_costs(asked.net, Trace((z,), (a,)), asked.y)


def score(asked: Asked, a: Array) -> tuple[str, float | None]:
    """Give the accuracy where the outputs stand for classes, else R²; None where it says nothing."""
    s, y = asked.s / asked.S, asked.y
    if classifies(asked.net):
        return "accuracy", float(s @ (classes(a) == classes(y)))
    spread = float(s @ ((y - s @ y) ** 2).sum(axis=1))
    if spread == 0:
        return "R²", None
    return "R²", 1 - float(s @ ((a - y) ** 2).sum(axis=1)) / spread
