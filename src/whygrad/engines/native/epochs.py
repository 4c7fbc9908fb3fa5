"""Whole epochs in native code: the orders of the examples are drawn, and the steps of many epochs taken.

An order is a pure function of seed and epoch, bit for bit NumPy's `default_rng([seed, epoch]).shuffle`: the
words of seed and epoch are hashed into the state of the generator PCG64, and each place from the last to
the second is exchanged with one at or before it. Sources: O'Neill (2014) for PCG, O'Neill (2015) for the
hash, Lemire (2019) for numbers below a bound. `self_test` holds it against NumPy.
"""

from typing import Any

import numpy as np

from whygrad.engines.native.arguments import (
    Examples,
    FeatureMajor,
    Layers,
    ThreadContext,
    Workspace,
)
from whygrad.engines.native.blas import matrix, vector
from whygrad.engines.native.compiling import ONE, ZERO, cached_kernel, inlined_kernel, kernel
from whygrad.engines.native.probes import ProbeBuffers
from whygrad.engines.native.steps import run_steps
from whygrad.engines.native.updates import Bounds, Penalties, Rule
from whygrad.nn.functions import Array

_run_steps = kernel(run_steps.py_func)  # type: ignore[attr-defined]


@cached_kernel
def run_epochs(
    layers: Layers, rule: Rule, penalties: Penalties, bounds: Bounds, theta: Array, opt_state: Array,
    examples: Examples, workspace: Workspace, by_units: FeatureMajor, thread: ThreadContext,
    batch_size: int, batch_index: int, seed: Any, step: int, coefficients: Array, costs: Array,
    probes: ProbeBuffers, n: int,
) -> int:  # fmt: skip
    """Take a step for every row of coefficients, across the ends of epochs; return the number taken.

    `examples.order` holds the orders of the epochs one after the other, n examples each, and
    `thread.barrier_count` a counter for each. The first epoch begins at batch `batch_index`.
    """
    taken, epoch, per_epoch = ZERO, ZERO, (n + batch_size - 1) // batch_size
    rates = coefficients.shape[1]
    while taken < len(coefficients):
        steps = min(per_epoch - batch_index, len(coefficients) - taken)
        done = _run_steps(
            layers, rule, penalties, bounds, theta, opt_state,
            Examples(
                examples.X, examples.rows, examples.Y, examples.weights, examples.counts,
                vector(examples.order, epoch * n, n), vector(examples.ids, epoch * n, n),
            ),
            workspace, by_units,
            ThreadContext(
                thread.blocks, thread.parts, thread.part, vector(thread.barrier_count, epoch, ONE),
                thread.claims,
            ),
            batch_size, batch_index, seed, step + taken,
            matrix(coefficients, taken * rates, steps, rates), vector(costs, taken, steps), probes,
        )  # fmt: skip
        taken += done
        if done < steps:
            break
        epoch, batch_index = epoch + 1, ZERO
    return taken


# Numbers of the hash (SeedSequence), and of the generator: its 128 bits are two words of 64.
_LOW, _HALF = np.uint64(2**32 - 1), np.uint64(32)
_SHIFT, _POOL = np.uint64(16), 4
_START, _GROW = np.uint64(0x43B0D7E5), np.uint64(0x931E8875)
_START_OUT, _GROW_OUT = np.uint64(0x8B51F9DD), np.uint64(0x58F38DED)
_LEFT, _RIGHT = np.uint64(0xCA01F9DD), np.uint64(0x4973F715)
_FACTOR_HIGH, _FACTOR_LOW = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)
_NOTHING, _BIT = np.uint64(0), np.uint64(1)


@cached_kernel
def draw_orders(orders: Array, n: int, words: Array, epoch: int) -> int:
    """Fill `orders` with those of the epochs from `epoch` on, n numbers each; return how many.

    `words` holds the seed in words of 32 bits, and room for the epoch and four words of the hash.
    """
    count = len(orders) // n
    for e in range(count):
        words[len(words) - _POOL - 1] = np.uint64(epoch + e)
        _hash(words)
        _shuffle(vector(orders, e * n, n), words)
    return count


@kernel
def _hash(words: Array) -> None:
    """Hash seed and epoch into the pool, the last words."""
    known = len(words) - _POOL
    grown = _START
    for i in range(_POOL):
        value = words[i] if i < known else _NOTHING
        words[known + i], grown = _mixed_in(value, grown)
    # The words of the pool with one another, and then those that it had no room for.
    for source in range(_POOL, max(known, _POOL) + _POOL):
        own = source < 2 * _POOL
        at = known + source - _POOL if own else source - _POOL
        for j in range(_POOL):
            if own and j == source - _POOL:
                continue
            value, grown = _mixed_in(words[at], grown)
            mixed = (_LEFT * words[known + j] - _RIGHT * value) & _LOW
            words[known + j] = mixed ^ (mixed >> _SHIFT)


@inlined_kernel
def _mixed_in(value: Any, grown: Any) -> Any:
    value = value ^ grown
    grown = (grown * _GROW) & _LOW
    value = (value * grown) & _LOW
    return value ^ (value >> _SHIFT), grown


@kernel
def _shuffle(order: Array, words: Array) -> None:
    """Shuffle 0 … n − 1 by the generator that begins at the pool's state."""
    n, pool = len(order), len(words) - _POOL
    grown = _START_OUT
    start_high = start_low = more_high = more_low = _NOTHING
    for i in range(2 * _POOL):
        value = words[pool + i % _POOL] ^ grown
        grown = (grown * _GROW_OUT) & _LOW
        value = (value * grown) & _LOW
        value ^= value >> _SHIFT
        value = value << _HALF if i % 2 else value
        if i < 2:
            start_high |= value
        elif i < 4:
            start_low |= value
        elif i < 6:
            more_high |= value
        else:
            more_low |= value
    more_high, more_low = (
        (more_high << _BIT) | (more_low >> np.uint64(63)),
        (more_low << _BIT) | _BIT,
    )
    high, low = _sum(more_high, more_low, start_high, start_low)
    high, low = _next(high, low, more_high, more_low)
    for i in range(n):
        order[i] = i
    place = n - 1
    mask = np.uint64(place)
    for shift in (1, 2, 4, 8, 16):
        mask |= mask >> np.uint64(shift)
    while place > 0:
        high, low = _next(high, low, more_high, more_low)
        turn, both = high >> np.uint64(58), high ^ low
        both = (both >> turn) | (both << ((np.uint64(64) - turn) & np.uint64(63)))
        place, mask = _exchanged(order, place, mask, both & _LOW)
        place, mask = _exchanged(order, place, mask, both >> _HALF)


@inlined_kernel
def _exchanged(order: Array, place: int, mask: Any, number: Any) -> Any:
    """Exchange a place with the one that a number means, if it is none behind it; return what is next.

    Whether it is cannot be foreseen: without a branch nothing is guessed wrong. Place 0 stays.
    """
    last = np.uint64(place)
    mask = mask >> _BIT if last <= mask >> _BIT else mask
    number &= mask
    taken = number <= last
    other = np.int64(number) if taken else place
    here, there = order[place], order[other]
    order[other] = here
    order[place] = there
    return place - 1 if taken & (place > 0) else place, mask


@inlined_kernel
def _next(high: Any, low: Any, more_high: Any, more_low: Any) -> Any:
    """state ← state · factor + more, in 128 bits."""
    a, b, c, d = low >> _HALF, low & _LOW, _FACTOR_LOW >> _HALF, _FACTOR_LOW & _LOW
    middle = a * d + ((b * d) >> _HALF)
    carried = (middle & _LOW) + b * c
    top = a * c + (middle >> _HALF) + (carried >> _HALF)
    top += high * _FACTOR_LOW + low * _FACTOR_HIGH
    return _sum(top, low * _FACTOR_LOW, more_high, more_low)


@inlined_kernel
def _sum(high: Any, low: Any, more_high: Any, more_low: Any) -> Any:
    total = low + more_low
    return high + more_high + (_BIT if total < low else _NOTHING), total
