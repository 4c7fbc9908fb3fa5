"""Covering arrays: few combinations in which every pair of choices occurs."""

from collections.abc import Sequence
from itertools import combinations, product


def pairwise(factors: dict[str, Sequence[str]]) -> list[dict[str, str]]:
    """Rows that hold every pair of values of any two factors at least once.

    Each row begins with a pair that is still missing; the other factors take, one after the other, the
    value that brings the most missing pairs. The result follows from the order of the factors and values.
    """
    missing = {
        ((one, v), (other, w)): None
        for one, other in combinations(factors, 2)
        for v, w in product(factors[one], factors[other])
    }
    rows = []
    while missing:
        row = dict(next(iter(missing)))
        for name, values in factors.items():
            if name not in row:
                row[name] = max(values, key=lambda v: _gain(factors, row | {name: v}, missing))
        row = {name: row[name] for name in factors}
        for pair in combinations(row.items(), 2):
            missing.pop(pair, None)
        rows.append(row)
    return rows


def _gain(factors, row, missing) -> int:
    ordered = [(name, row[name]) for name in factors if name in row]
    return sum(pair in missing for pair in combinations(ordered, 2))
