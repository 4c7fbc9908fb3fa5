"""Kinks: where a piecewise linear network turns on its way along straight lines in the space of its inputs.

    z¹(t) = z¹(0) + t (z¹(1) − z¹(0))      zˡ⁺¹ is straight wherever aˡ is, aˡ wherever no zˡⱼ meets a kink

Layer by layer, the points where a unit meets a kink of its activation function are put in; between two
points the next layer is then straight, and its own are found the same way. Points of many lines lie one
after the other. What is gathered piece by piece above a layer is added up over the pieces of that layer
before it is pulled through its weights: slopes are the same all along a piece.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.nn import Array, Network, Parameters


@dataclass(frozen=True, eq=False)
class Points:
    """Points in order, line by line: their line and where on it they are, 0 ≤ t ≤ 1, (N,) each."""

    line: Array
    t: Array

    @cached_property
    def left(self) -> Array:
        """The points at which pieces begin, (S,): all but the last of each line."""
        return np.flatnonzero(self.line[1:] == self.line[:-1])

    @cached_property
    def lengths(self) -> Array:
        """The length of each piece, (S,)."""
        return self.t[self.left + 1] - self.t[self.left]


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk up to layer `top`, on which every layer below is straight piece by piece.

    `points` and `z` (N, n_top) are those of the top; by layer 1 … top, `firsts` says at which piece each
    piece of the layer below begins, and `slopes` what f′ is on each piece, (S, n_l), None of the top.
    """

    theta: Parameters
    top: int
    points: Points
    z: Array
    firsts: tuple[Array, ...]
    slopes: tuple[Any, ...]

    def pull(self, G: Array) -> Array:
        """Pull ∫ ∂out/∂zᵗᵒᵖ dt of pieces, (S, n_top), back to ∫ ∂out/∂z¹ dt of lines, (B, n_1)."""
        for l in range(self.top, 0, -1):
            G = np.add.reduceat(G, self.firsts[l - 1], axis=0)
            if l > 1:
                G = (G @ self.theta.W[l]) * self.slopes[l - 2]
        return G


def straight_below(net: Network) -> int:
    """Return the first layer with a curved activation function, or L: up to it zˡ is straight by pieces."""
    return next((l for l in range(1, net.L) if not net.f[l].linear), net.L)


def walk(net: Network, theta: Parameters, start: Array, end: Array) -> Walk:
    """Walk from z¹ = `start` to `end`, (B, n_1) each, as far up as the network is piecewise linear."""
    B, top = len(start), straight_below(net)
    points = Points(np.repeat(np.arange(B), 2), np.tile([0.0, 1.0], B))
    z = np.stack([start, end], axis=1).reshape(2 * B, -1)
    firsts, slopes = [], []
    for l in range(1, top + 1):
        kinks = net.f[l].kinks if l < net.L else ()
        points, z, first = put_in(points, z, kinks)
        firsts.append(first)
        if l < top:
            left = points.left
            slopes.append(net.f[l].derivative((z[left] + z[left + 1]) / 2))
            z = net.f[l].value(z) @ theta.W[l + 1].T + theta.b[l + 1]
    return Walk(theta, top, points, z, tuple(firsts), tuple(slopes))


def put_in(points: Points, z: Array, kinks: tuple[float, ...]) -> tuple[Points, Array, Array]:
    """Put in the points where a z meets a kink; return as well where the old pieces begin now."""
    left, t = points.left, points.t
    lines, ts, zs = [points.line], [t], [z]
    for kink in kinks:
        below = z < kink
        piece, unit = np.nonzero(below[left] != below[left + 1])
        a = left[piece]
        far = z[a, unit] - kink
        share = far / (z[a, unit] - z[a + 1, unit])
        there = t[a] + share * (t[a + 1] - t[a])
        inside = (there > t[a]) & (there < t[a + 1])
        a, unit, share = a[inside], unit[inside], share[inside, None]
        between = z[a] + share * (z[a + 1] - z[a])
        between[np.arange(len(a)), unit] = kink
        lines.append(points.line[a])
        ts.append(there[inside])
        zs.append(between)
    line, t = np.concatenate(lines), np.concatenate(ts)
    order = np.lexsort((t, line))
    found = Points(line[order], t[order])
    old = order < len(z)
    first = np.flatnonzero(old)[left] - points.line[left]
    return found, np.concatenate(zs)[order], first
