"""Feature attribution: what each input adds to an output beside a baseline's; integrated gradients.

    straight lines   out(x) − out(x⁰) = Σ_k (xₖ − x⁰ₖ) ∂out/∂xₖ + Σ_l b̃ˡ · (gˡ(x) − gˡ(x⁰)),  gˡ = ∂out/∂zˡ
    elsewhere        out(x) − out(x⁰) = Σ_k (xₖ − x⁰ₖ) ∫₀¹ ∂out/∂xₖ (x⁰ + t (x − x⁰)) dt

The first holds where every activation function is straight on either side of 0: each summand is the sum of
all paths that start there, the biases among them, counted from the baseline (b̃¹ = z¹(x⁰), b̃ˡ = bˡ above).
The second is integrated gradients (Sundararajan, Taly & Yan, 2017), by Gauss and Legendre on pieces that
are halved until two halves say what the whole says. Along the way z¹ is straight, so that every point
starts there, and W¹ is needed only once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.network import Network, Parameters
from whygrad.why.passing import forward_from, pull
from whygrad.why.what_if.perturbation import kinked

STRAIGHT = ("identity", "relu", "leaky_relu")
POINTS = 8  # of a piece
TOLERANCE = 1e-11  # of the integral: pieces that differ less from their halves are done
ROUNDS = 45  # of halving: a kink is then boxed in to 3e-14 of the way
MOST_POINTS = 50_000


@dataclass(frozen=True)
class Outcome:
    """The number that is explained: output m of a network, its z, or its a where `at` is "a"."""

    net: Network
    theta: Parameters
    m: int
    at: str

    def start(self, x: Array) -> Array:
        """Return z¹ of rows x, (n, n_1)."""
        return x @ self.theta.W[1].T + self.theta.b[1]

    def values(self, z1: Array) -> Array:
        """Return the number for rows z¹, (n,)."""
        z, a = forward_from(self.net, self.theta, 1, z1)
        return (z if self.at == "z" else a)[-1][:, self.m]

    def slopes(self, z1: Array) -> list[Any]:
        """Return gˡ = ∂out/∂zˡ for rows z¹, (n, n_l) by layer."""
        z, _ = forward_from(self.net, self.theta, 1, z1)
        seed = np.zeros_like(z[-1])
        seed[:, self.m] = 1
        if self.at == "a":
            seed = self.net.f[self.net.L].vjp(z[-1], seed)
        return pull(self.net, self.theta, z, seed)

    @property
    def straight(self) -> bool:
        """Whether every activation function on the way is straight on either side of 0."""
        last = self.net.L if self.at == "z" else self.net.L + 1
        return all(f.name in STRAIGHT and f == ACTIVATIONS[f.name] for f in self.net.f[1:last])


@dataclass(frozen=True, eq=False)
class Parts:
    """What inputs, (n_0,), and biases, by layer, add; `error` and `points` are of the integral."""

    inputs: Array
    biases: tuple[float, ...] = ()
    error: float = 0.0
    points: int = 0


def attribute(outcome: Outcome, x: Array, baseline: Array) -> Parts:
    """Take out(x) − out(baseline) apart, both (n_0,)."""
    return _paths(outcome, x, baseline) if outcome.straight else _integral(outcome, x, baseline)


def _paths(outcome: Outcome, x: Array, baseline: Array) -> Parts:
    W, b = outcome.theta.W, outcome.theta.b
    z1 = outcome.start(np.stack([x, baseline]))
    g = outcome.slopes(z1)
    bias = (None, z1[1], *b[2:])
    biases = [float(bias[l] @ (g[l][0] - g[l][1])) for l in range(1, outcome.net.L + 1)]
    return Parts((x - baseline) * (g[1][0] @ W[1]), tuple(biases))


def _integral(outcome: Outcome, x: Array, baseline: Array) -> Parts:
    z0, z1 = outcome.start(np.stack([baseline, x])).astype(np.float64)
    way = z1 - z0
    edges = [0.0, 1.0]
    if kinked(outcome.net.f[1]):
        with np.errstate(divide="ignore", invalid="ignore"):
            kinks = -z0 / way
        edges += kinks[(kinks > 0) & (kinks < 1)].tolist()
    ends = np.unique(edges)
    pieces = np.column_stack([ends[:-1], ends[1:]])
    done, error, points = np.zeros_like(way), 0.0, 0
    coarse = _pieces(outcome, z0, way, pieces)
    for halving in range(ROUNDS):
        middle = pieces.mean(axis=1)
        halves = np.stack([pieces[:, 0], middle, middle, pieces[:, 1]], axis=1).reshape(-1, 2)
        fine = _pieces(outcome, z0, way, halves)
        points += POINTS * len(halves)
        both = fine.reshape(len(pieces), 2, -1).sum(axis=1)
        reached = outcome.values(z0 + pieces.reshape(-1, 1) * way).reshape(-1, 2)
        rise = reached[:, 1] - reached[:, 0]
        off = abs(both - coarse) @ abs(way) + abs(rise - both @ way)
        scale = abs(done * way).sum() + abs(both * way).sum() + abs(reached).max()
        last = halving == ROUNDS - 1 or points > MOST_POINTS
        fits = (off <= TOLERANCE * scale / 100) | last
        done += both[fits].sum(axis=0)
        error += float(off[fits].sum())
        if fits.all():
            break
        left = np.repeat(~fits, 2)
        pieces, coarse = halves[left], fine[left]
    return Parts((x - baseline) * (done @ outcome.theta.W[1]), error=error, points=points)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(POINTS)


def _pieces(outcome: Outcome, z0: Array, way: Array, pieces: Array) -> Array:
    """Integrate g¹ over each piece of the way, (pieces, n_1)."""
    half = np.diff(pieces, axis=1) / 2
    t = pieces.mean(axis=1)[:, None] + half * NODES
    g = outcome.slopes(z0 + t.reshape(-1, 1) * way)[1].reshape(len(pieces), POINTS, -1)
    return np.einsum("p,ipj->ij", WEIGHTS, g) * half
