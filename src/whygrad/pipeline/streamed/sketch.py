"""The distribution of many numbers in K of them, which that of two parts can be merged to.

With F(x) the share of the numbers up to x, the sketch keeps the smallest x with F(x) ≥ (j + ½)/K, for
j = 0 … K − 1, each for n/K numbers. Of these the share up to x is ⌊K F(x) + ½⌋/K, which is at most 1/(2K)
from F(x). To merge two sketches is to put their points together, whose share is the mean of both by their
sizes and so no further off than they are, and to keep K of these again. After d mergers one above the
other a share is off by at most

    (d + 1) / (2K),

and a quantile is that of a probability so close. Up to K numbers are kept as they are, and nothing is off.
"""

from dataclasses import dataclass

import numpy as np

from whygrad.nn.functions import Array

POINTS = 2048  # K: with a million row groups, 20 mergers, a share is off by half a hundredth


@dataclass(frozen=True, eq=False)
class Sketch:
    """Points in order, (k,), and for how many numbers each of them stands, (k,)."""

    points: Array
    weights: Array

    @property
    def n(self) -> float:
        """Of how many numbers it is."""
        return float(self.weights.sum())

    def quantile(self, p: float) -> float:
        """Return the smallest point with a share of p up to it, 0 < p ≤ 1."""
        reached = np.cumsum(self.weights)
        return float(self.points[np.searchsorted(reached, p * reached[-1])])

    def evenly(self) -> Array:
        """Return points that all stand for as many numbers."""
        even = len(self.weights) == 0 or (self.weights == self.weights[0]).all()
        return self.points if even else _kept(self, POINTS).points


def sketch_of(values: Array, K: int = POINTS) -> Sketch:
    """Return the sketch of numbers without NaN, (n,)."""
    return _kept(Sketch(np.sort(values), np.ones(len(values))), K)


def merged(one: Sketch, other: Sketch, K: int = POINTS) -> Sketch:
    """Return the sketch of the numbers of two sketches."""
    points = np.concatenate([one.points, other.points])
    order = np.argsort(points, kind="stable")
    weights = np.concatenate([one.weights, other.weights])[order]
    return _kept(Sketch(points[order], weights), K)


def _kept(all_of_them: Sketch, K: int) -> Sketch:
    """Return K points for all; up to K numbers stay as they are."""
    n = all_of_them.n
    if len(all_of_them.points) <= K:
        return all_of_them
    reached = np.cumsum(all_of_them.weights)
    at = np.searchsorted(reached, (np.arange(K) + 0.5) * (reached[-1] / K))
    return Sketch(all_of_them.points[at], np.full(K, n / K))
