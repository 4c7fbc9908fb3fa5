"""The layered graph of paths from a weight to the cost: their sum, their number, their flow.

A path leads from unit j of layer l over one unit of every layer to zᴸ_m, and carries

    s/S · aˡ⁻¹ₖ · f′(zˡⱼ) Wˡ⁺¹ₚⱼ · f′(zˡ⁺¹ₚ) Wˡ⁺²_qp · … · ∂C/∂zᴸ_m

There are Π n_i (i > l) of them, or fewer where layers have masks. Their sum needs only a pass forward from
the weight (dynamic programming): what arrives at a unit is the sum of what arrives over the units below.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whygrad.nn.functions import Array

LIMB = 2**26  # whole numbers up to here, times a row of up to 2^27 ones, are exact in float64


@dataclass(frozen=True, eq=False)
class PathGraph:
    """What paths are products of, all in float64.

    Parameters
    ----------
    start : s/S · ∂zˡⱼ/∂Wˡⱼₖ of every example, (n,).
    unit : j.
    slopes : f′(z), masks included, of layers l … L − 1, (n, n_i).
    W : the weights of layers l + 1 … L, (n_i, n_{i-1}); of the last one the rows of `ends`.
    end : ∂C/∂zᴸ of the outputs at which paths end, (n, len(ends)).
    ends : these outputs.
    kept : which of these weights there are, by the masks of their layers; None where all, () without masks.
    """

    start: Array
    unit: int
    slopes: tuple[Array, ...]
    W: tuple[Array, ...]
    end: Array
    ends: Array
    kept: tuple[Array | None, ...] = ()

    @property
    def n(self) -> int:
        """The number of examples."""
        return len(self.start)

    @property
    def steps(self) -> int:
        """How many layers a path crosses: L − l."""
        return len(self.W)

    @cached_property
    def count(self) -> int:
        """The number of paths of one example, exactly."""
        if not self.steps:
            return int(self.unit in self.ends)
        if not self._masked:
            return math.prod(len(W) for W in self.W)
        return self._ways[0][self.unit]

    @property
    def _masked(self) -> bool:
        return any(mask is not None for mask in self.kept)

    @cached_property
    def _ways(self) -> list[list[int]]:
        """The number of ways on to an end from each unit of layers l … L, exactly."""
        ways = [[1] * len(self.ends)]
        for W, mask in zip(reversed(self.W), reversed(self.kept), strict=True):
            ways.insert(0, _times(np.ones(W.T.shape, bool) if mask is None else mask.T, ways[0]))
        return ways

    def onward(self, step: int, below: int) -> Array:
        """Return the units of the next layer that a path may go on to from unit `below`, in order."""
        if not self._masked:
            return np.arange(len(self.W[step]))
        leads, mask = np.array([ways > 0 for ways in self._ways[step + 1]]), self.kept[step]
        return np.flatnonzero(leads if mask is None else leads & mask[:, below])

    @cached_property
    def arriving(self) -> tuple[Array, ...]:
        """What arrives at the units of layers l … L, summed over the paths so far: (n, n_i)."""
        return self._pushed(self.start, self.slopes, self.W)

    @cached_property
    def totals(self) -> Array:
        """The sum over all paths, of every example, (n,)."""
        return (self.arriving[-1] * self.end).sum(axis=1)

    @cached_property
    def sizes(self) -> Array:
        """The sum of |path| over all paths, of every example, (n,)."""
        slopes, W = tuple(map(np.abs, self.slopes)), tuple(map(np.abs, self.W))
        arriving = self._pushed(np.abs(self.start), slopes, W)[-1]
        return (arriving * np.abs(self.end)).sum(axis=1)

    def flow(self, above: tuple[Array, ...]) -> list[Array]:
        """Return the flow over every connection of layers l + 1 … L, (n_i, n_{i-1}), summed over examples.

        `above` is ∂C/∂z of layers l + 1 … L as training has it, (n, n_i), the last one of the ends only.
        """
        parts = zip(self.arriving, self.slopes, self.W, above, strict=False)
        return [W * (error.T @ (arriving * slope)) for arriving, slope, W, error in parts]

    def alive(self, i: int) -> int:
        """Count the paths of example i that carry anything at all, exactly."""
        if not self.steps:
            return int(self.count and bool(self.start[i]) and bool(self.end[i, self.column]))
        counts = [0] * len(self.slopes[0][i])
        counts[self.unit] = int(self.start[i] != 0)
        for slope, W in zip(self.slopes, self.W, strict=True):
            open_ = [count * bool(s) for count, s in zip(counts, slope[i].tolist(), strict=True)]
            counts = _times(W != 0, open_)
        return sum(c for c, end in zip(counts, self.end[i].tolist(), strict=True) if end)

    def product(self, i: int, units: tuple[int, ...]) -> float:
        """Return the product along one path; `units` are its units of layers l + 1 … L."""
        value, below = float(self.start[i]), self.unit
        for slope, W, above in zip(self.slopes, self.W, units, strict=True):
            value *= float(slope[i, below]) * float(W[above, below])
            below = above
        return value * float(self.end[i, units[-1] if units else self.column])

    @cached_property
    def column(self) -> int:
        """Where unit j stands among the ends, if it is an output."""
        return int(np.flatnonzero(self.ends == self.unit)[0])

    def _pushed(
        self, start: Array, slopes: tuple[Array, ...], weights: tuple[Array, ...]
    ) -> tuple[Array, ...]:
        if not weights:
            return (start[:, None] * (self.ends == self.unit),)
        first = np.zeros((len(start), weights[0].shape[1]))
        first[:, self.unit] = start
        arriving = [first]
        # A single unit of the first layer is not worth a product of matrices.
        arriving.append((start * slopes[0][:, self.unit])[:, None] * weights[0][:, self.unit])
        for slope, W in zip(slopes[1:], weights[1:], strict=True):
            arriving.append((arriving[-1] * slope) @ W.T)
        return tuple(arriving)


def _times(connected: Array, counts: list[int]) -> list[int]:
    """Multiply a matrix of truth values by whole numbers of any size, exactly.

    >>> _times(np.array([[True, True], [False, True]]), [2**80, 1])
    [1208925819614629174706177, 1]
    """
    limbs = []
    while any(counts):
        limbs.append([count % LIMB for count in counts])
        counts = [count // LIMB for count in counts]
    if not limbs:
        return [0] * len(connected)
    sums = connected.astype(np.float64) @ np.array(limbs, np.float64).T
    return [sum(int(part) * LIMB**power for power, part in enumerate(row)) for row in sums.tolist()]
