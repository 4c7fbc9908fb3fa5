"""Dropout in native code: the masks of `whygrad.plan.dropout`, bit for bit, in whole vectors.

A number stands for a chain of counters: (seed, step, layer, example, unit). Each link adds a counter, times
an odd constant, and mixes the bits; what comes out for a unit decides whether it is kept.
"""

from typing import Any

import numpy as np

from whygrad.engines.native.compiling import inlined_kernel, kernel
from whygrad.nn.functions import Array
from whygrad.plan.dropout import FIRST, GOLDEN, SECOND

_GOLDEN, _FIRST, _SECOND = np.uint64(GOLDEN), np.uint64(FIRST), np.uint64(SECOND)
# Shifts, too, are of one type: a signed number beside an unsigned one would make a float of them.
_ONE, _27, _30, _31, _32 = (np.uint64(n) for n in (1, 27, 30, 31, 32))


@inlined_kernel
def following(number: Any, counter: Any) -> Any:
    """Add one more counter to the chain that `number` stands for (SplitMix64)."""
    number = number + (counter + _ONE) * _GOLDEN
    number = (number ^ (number >> _30)) * _FIRST
    number = (number ^ (number >> _27)) * _SECOND
    return number ^ (number >> _31)


@kernel
def lay_mask(
    key: Any, order: Array, first: int, rows: int, left: int, units: int, threshold: Any, factor: float,
    mask: Array,
) -> None:  # fmt: skip
    """mask (rows, units) ← `factor` or 0 for the examples order[first : first + rows] of one layer.

    Its columns are the units from `left` on.
    """
    real = type(mask[0])
    kept, dropped = real(factor), real(0)
    for i in range(rows):
        row = following(key, np.uint64(order[first + i]))
        for j in range(units):
            case = following(row, np.uint64(left + j)) >> _32
            mask[i * units + j] = kept if case < threshold else dropped


@kernel
def multiply(values: Array, mask: Array, n: int) -> None:
    """values ← values ⊙ mask, for the first n of them."""
    for i in range(n):
        values[i] *= mask[i]
