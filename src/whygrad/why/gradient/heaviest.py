"""The k heaviest paths, by best-first search, without listing them all.

From every unit the heaviest way on to the cost is known exactly,

    bestᴸ_m = log |∂C/∂zᴸ_m|,   bestⁱ_p = log |f′(zⁱₚ)| + max_q (log |Wⁱ⁺¹_qp| + bestⁱ⁺¹_q)

so that a search never enters a path that is not the next heaviest. After each one found, the paths left
are divided by where they first leave it, and each part is known by its heaviest (Lawler 1972). Logarithms
are whole numbers, of 2^-44: their sums are exact in any order, so that equal products are equal, and come
in the order of their units.

Of a batch, an example is looked into only when its turn comes. Until then it stands for an upper bound that
one product of matrices gives for all of them: max |path| ≤ (Σ |path|^16)^(1/16).
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from whygrad.nn.functions import Array
from whygrad.why.gradient.path_graph import PathGraph

UNIT = 2**44  # of a logarithm: a path's weight is told apart to some 1e-13 of itself
ZERO = -(2**58)  # the logarithm of 0: less than that of any number there is
FLOOR = 1e-300  # what vanishes when a small number is raised to the 16th power is less


class Path(NamedTuple):
    """A path: its example, and its units of layers l + 1 … L, the last one by index into the ends."""

    example: int
    units: tuple[int, ...]


def heaviest(graph: PathGraph, k: int) -> list[Path]:
    """Return the k paths that carry most, by size; equal ones by example, then unit for unit."""
    search = Search(graph)
    found: list[Path] = []
    for path in search.run():
        if len(found) == k:
            break
        found.append(path)
    return found


@dataclass(eq=False)
class Search:
    """The state of one search: what is known of the ways on, by example, and the queue."""

    graph: PathGraph
    W: list[Array] = field(init=False)
    best: dict[int, list[Array]] = field(default_factory=dict)
    slopes: dict[int, list[Array]] = field(default_factory=dict)
    orders: dict[tuple[int, int, int], Array] = field(default_factory=dict)
    weights: dict[tuple[int, ...], int] = field(default_factory=dict)
    ways: dict[tuple[int, int], Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.W = [_logs(np.ascontiguousarray(W.T)) for W in self.graph.W]
        self.start = _logs(self.graph.start).tolist()

    def run(self) -> Iterator[Path]:
        """Return one path after the other."""
        graph = self.graph
        if not graph.count:
            return
        # Entries: (−weight, 0, (example,)) for an example not yet looked into, and
        # (−weight, 1, (example, units …), step, rank) for the heaviest of those paths that agree before
        # `ref` and take what comes at or after `rank` there.
        queue: list[tuple] = [(-bound, 0, (i,)) for i, bound in enumerate(self._bounds())]  # type: ignore[type-arg]
        heapq.heapify(queue)
        while queue:
            weight, looked, path, *rest = heapq.heappop(queue)
            if not looked:
                heapq.heappush(queue, self._entry(path, 0, 0))
                continue
            yield Path(path[0], path[1:])
            first, rank = rest
            for ref in range(first, graph.steps):
                next_rank = rank + 1 if ref == first else 1
                if next_rank < len(self._onward(ref, path[ref] if ref else graph.unit)):
                    heapq.heappush(queue, self._entry(path[: ref + 1], ref, next_rank))

    def _entry(self, path: tuple[int, ...], ref: int, rank: int) -> tuple:  # type: ignore[type-arg]
        """Complete a path by the heaviest way on, which begins with what comes at `rank`."""
        i, best = path[0], self._best(path[0])
        below = path[-1] if ref else self.graph.unit
        for step in range(ref, self.graph.steps):
            weight = _sum(self._weight(path), int(self._slopes(i)[step][below]))
            choice = rank if step == ref else 0
            # What is 0 already stays so, whichever way it goes on: ties, in the order of the units.
            ways = self._onward(step, below) if weight == ZERO else self._order(i, step, below)
            unit = int(ways[choice])
            path, below = (*path, unit), unit
        last = best[-1][below if self.graph.steps else self.graph.column]
        return (-_sum(self._weight(path), int(last)), 1, path, ref, rank)

    def _weight(self, path: tuple[int, ...]) -> int:
        """Return the logarithm of what a path carries up to z of its last unit."""
        if len(path) == 1:
            return int(self.start[path[0]])
        if path not in self.weights:
            step, above = len(path) - 2, path[-1]
            below = path[-2] if step else self.graph.unit
            weight = _sum(self._weight(path[:-1]), int(self._slopes(path[0])[step][below]))
            self.weights[path] = _sum(weight, int(self.W[step][below, above]))
        return self.weights[path]

    def _order(self, i: int, step: int, below: int) -> Array:
        """Return the units of a layer by how much the best way on through each of them carries."""
        key = (i, step, below)
        if key not in self.orders:
            onward = self._onward(step, below)
            forward_from = _sums(self.W[step][below], self._best(i)[step + 1])[onward]
            self.orders[key] = onward[np.argsort(-forward_from, kind="stable")]
        return self.orders[key]

    def _onward(self, step: int, below: int) -> Array:
        if (step, below) not in self.ways:
            self.ways[step, below] = self.graph.onward(step, below)
        return self.ways[step, below]

    def _best(self, i: int) -> list[Array]:
        """Return for the units of layers l … L the logarithm of the heaviest way on from z, exactly."""
        if i not in self.best:
            best = [_logs(self.graph.end[i])]
            for step in range(self.graph.steps - 1, -1, -1):
                forward_from = (self.W[step] + best[0]).max(axis=1)
                best.insert(0, _sums(self._slopes(i)[step], np.maximum(forward_from, ZERO)))
            self.best[i] = best
        return self.best[i]

    def _slopes(self, i: int) -> list[Array]:
        if i not in self.slopes:
            self.slopes[i] = [_logs(slope[i]) for slope in self.graph.slopes]
        return self.slopes[i]

    def _bounds(self) -> list[int]:
        """Return for every example an upper bound of the logarithm of its heaviest path."""
        if self.graph.n == 1:
            return [2**62]
        graph = self.graph
        if not graph.steps:
            ends = graph.end[:, graph.column]
            return _sums(_logs(graph.start), _logs(ends)).tolist()
        forward_from, scale = _scaled(np.abs(graph.end))
        for slope, W in zip(reversed(graph.slopes), reversed(graph.W), strict=True):
            largest = float(np.abs(W).max()) or 1.0
            sums = np.maximum(_power(forward_from) @ _power(W / largest), FLOOR)
            forward_from, more = _scaled(np.sqrt(np.sqrt(np.sqrt(np.sqrt(sums)))) * np.abs(slope))
            scale = scale + more + np.log2(largest)
        with np.errstate(divide="ignore"):
            whole = np.log2(np.abs(graph.start) * forward_from[:, graph.unit]) + scale
        known = np.isfinite(whole)
        bounds = np.full(graph.n, ZERO)
        bounds[known] = np.ceil((whole[known] + 1e-9) * UNIT).astype(np.int64)
        return np.maximum(bounds, ZERO).tolist()


def _logs(x: Array) -> Array:
    """Return log₂ |x| in whole numbers of 2^-44.

    >>> (_logs(np.array([1.0, -0.5, 0.0])) / UNIT).tolist()
    [0.0, -1.0, -16384.0]
    """
    x = np.asarray(x)
    with np.errstate(divide="ignore"):
        found = np.log2(np.abs(x)) * UNIT
    return np.where(x == 0, ZERO, np.rint(np.where(x == 0, 0.0, found))).astype(np.int64)


def _sums(one: Array, other: Array) -> Array:
    found = one + other
    return np.where(found < ZERO // 2, ZERO, found)


def _sum(one: int, other: int) -> int:
    return ZERO if one + other < ZERO // 2 else one + other


def _scaled(x: Array) -> tuple[Array, Array]:
    """Return rows divided by their largest number, and its logarithm."""
    largest = x.max(axis=1)
    largest = np.where(largest > 0, largest, 1.0)
    return x / largest[:, None], np.log2(largest)


def _power(x: Array) -> Array:
    """Return x to the 16th."""
    for _ in range(4):
        x = x * x
    return x
