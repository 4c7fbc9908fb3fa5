"""Masks of dropout, from counters: a pure function of (seed, step, layer, example, unit).

A unit is kept with probability 1 − p and then multiplied by 1/(1 − p), so that its mean stays (inverted
dropout). Nothing is drawn from a stream, so every engine, thread and replay finds the same mask.

Sources: Srivastava et al. (2014) for dropout; Steele, Lea & Flood (2014) for the mixing function.
"""

from typing import Any

import numpy as np

from whygrad.nn.functions import Array, namespace

# SplitMix64: an odd number near 2^64 / golden ratio, and the two factors of its mixing function.
GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
WORD = 2**64


def key(seed: int, step: int, layer: int) -> int:
    """Return the key of a layer at a step: the counters, mixed into one number."""
    number = 0
    for counter in (seed, step, layer):
        number = _mix((number + (counter + 1) * GOLDEN) % WORD)
    return number


def threshold(rate: float) -> int:
    """Return the number of 2^32 equally likely cases in which a unit is kept."""
    return round((1 - rate) * 2**32)


def mask(seed: int, step: int, layer: int, examples: Array, units: int, rate: float) -> Array:
    """Return the factors for a batch, (n, units) in float64: 0, or 1/(1 − rate).

    >>> factors = mask(seed=0, step=7, layer=1, examples=np.arange(1000), units=100, rate=0.2)
    >>> sorted(set(factors.ravel().tolist())), bool(abs(factors.mean() - 1) < 0.01)
    ([0.0, 1.25], True)
    """
    with np.errstate(over="ignore"):  # counters wrap around
        return mask_of_key(np.uint64(key(seed, step, layer)), examples, units, rate)


def mask_of_key(key: Any, examples: Array, units: int, rate: float) -> Array:
    """Return the factors of a layer whose key at the step is known, in the array library of `examples`."""
    word, xp = np.uint64, namespace(examples)
    rows = _mix_all(key + (examples.astype(word) + word(1)) * word(GOLDEN))
    columns = (xp.arange(units).astype(word) + word(1)) * word(GOLDEN)
    cases = _mix_all(rows[:, None] + columns) >> word(32)
    return xp.where(cases < word(threshold(rate)), 1 / (1 - rate), 0.0)


def _mix(number: int) -> int:
    number = (number ^ (number >> 30)) * FIRST % WORD
    number = (number ^ (number >> 27)) * SECOND % WORD
    return number ^ (number >> 31)


def _mix_all(numbers: Array) -> Array:
    word = np.uint64
    numbers = (numbers ^ (numbers >> word(30))) * word(FIRST)
    numbers = (numbers ^ (numbers >> word(27))) * word(SECOND)
    return numbers ^ (numbers >> word(31))
