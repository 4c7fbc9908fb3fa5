"""Feature attribution by integrated gradients: what each input adds to an output beside baselines'.

    out(x) − mean_b out(x⁰ᵇ) = Σ_k mean_b (xₖ − x⁰ₖᵇ) ∫₀¹ ∂out/∂xₖ (x⁰ᵇ + t (x − x⁰ᵇ)) dt

Where the network is piecewise linear the integral is a sum over the pieces of the line between its kinks,
length times gradient, and exact (`kinks`); curved parts of it are integrated until they are as exact
(`quadrature`). Along a line z¹ is straight, so that every point starts there, and W¹ is needed only once.
The output is that of one network or of the mean z̄ of several.

Sources: Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks; Erion et al. (2021),
Improving performance of deep learning models with axiomatic attribution priors and expected gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from whygrad.nn.functions import ACTIVATIONS, Activation, Array
from whygrad.why.prediction.kinks import Walk, walk
from whygrad.why.prediction.members import Member, Members
from whygrad.why.prediction.quadrature import Integrand, integrate

BLOCK = 2**20  # numbers of a layer at the kinks of the lines that are walked together
IDENTITY = ACTIVATIONS["identity"]


@dataclass(frozen=True, eq=False)
class Parts:
    """What the inputs add beside each baseline, (B, n_0), found from so many gradients.

    `exact` says that no part of the way was curved.
    """

    each: Array
    gradients: int
    exact: bool


def integrated_gradients(
    members: Sequence[Member], x: Array, baselines: Array, m: int, last: Activation = IDENTITY
) -> Parts:
    """Take out(x) − out(x⁰) apart for every baseline x⁰, out = last(z̄)ₘ, z̄ the mean zᴸ of the members.

    Parameters
    ----------
    members : sequence of (Network, Parameters)
        The networks; a single one is the list of one.
    x : array, shape (n_0,)
        The example.
    baselines : array, shape (B, n_0)
        What it is compared with.
    m : int
        The output.
    last : Activation
        The function of z̄ that is explained: the identity for z, the output activation for a.

    Returns
    -------
    Parts
        (B, n_0): each row sums to out(x) − out(x⁰).

    Examples
    --------
    >>> from whygrad.nn.network import Dense, Network
    >>> net = Network(2, [Dense(1, "relu"), Dense(1, "identity")])
    >>> theta = net.init(W=[None, [[1.0, 1.0]], [[2.0]]])
    >>> integrated_gradients([(net, theta)], np.array([3.0, 0.0]), np.array([[-3.0, 0.0]]), 0).each
    array([[6., 0.]])
    """
    asked = Members(tuple(members)).in_double()
    x, baselines = np.asarray(x, np.float64), np.asarray(baselines, np.float64)
    # To a straight end each member adds its own; through a curved one they act together.
    alone = last.linear and not last.kinks
    groups = [Members((one,)) for one in asked.each] if alone else [asked]
    total, gradients, exact = np.zeros_like(baselines), 0, True
    for group in groups:
        hidden = sum(sum(net.sizes[1:-1]) + 2 for net, _ in group.each)
        widest = max(max(net.sizes[1:]) for net, _ in group.each)
        at_once = max(1, BLOCK // (hidden * widest))
        z1_x = group.start(x[None])
        for first in range(0, len(baselines), at_once):
            lines = slice(first, first + at_once)
            found = _along(group, z1_x, group.start(baselines[lines]), m, last)
            total[lines] += found.slopes @ group.W1 / len(groups)
            gradients += found.gradients
            exact &= found.exact
    return Parts((x - baselines) * total, gradients, exact)


class _Along(NamedTuple):
    """∫ ∂out/∂z¹ dt of lines, (B, Σ n_1), found from so many gradients, and whether all was straight."""

    slopes: Array
    gradients: int
    exact: bool


def _along(group: Members, z1_x: Array, z1: Array, m: int, last: Activation) -> _Along:
    """Integrate along the lines from z¹ of baselines to that of x."""
    walks = tuple(
        walk(net, theta, start, np.broadcast_to(end, start.shape))
        for (net, theta), start, end in zip(
            group.each, group.split(z1), group.split(z1_x), strict=True
        )
    )
    straight = all(one.top == net.L for one, (net, _) in zip(walks, group.each, strict=True))
    if straight and last.linear and not last.kinks:
        found, gradients = [], 0
        for one in walks:
            lengths = one.points.lengths
            G = np.zeros((len(lengths), one.z.shape[1]))
            G[:, m] = lengths / group.count
            found.append(G)
            gradients += len(lengths)
        return _Along(_pulled(walks, found), gradients, True)
    found, gradients = integrate(Integrand(group, walks, last, m))
    return _Along(_pulled(walks, found), gradients, False)


def _pulled(walks: Sequence[Walk], found: list[Array]) -> Array:
    return np.concatenate([one.pull(G) for one, G in zip(walks, found, strict=True)], axis=1)
