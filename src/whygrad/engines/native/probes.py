"""What the compiled loop shows of its steps: statistics of the layers, and the weights that are tapped.

Three looks in a step: before it (θ), between its two halves (a, δ, and the gradient ∂C/∂θ, which fused
updates never hold), and after it (the optimizer's slots, Δθ). None writes to what the step works with. The
looks lie where no thread changes what they read: θ and slots between the last meeting of a step and the
first of the next, a and δ from there to the last. Between its halves each thread looks at the part of θ
that it will move itself. The gradient is measured and gone when θ is copied to its place: hardly any of a
look's memory is in the cache when it comes, so it takes as little as it can.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from whygrad.engines.native.arguments import Examples, Layers, ThreadContext, Workspace
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import (
    ZERO,
    inlined_kernel,
    kernel,
    lanes_kernel,
)
from whygrad.engines.native.elementwise import times_slope
from whygrad.engines.native.memory import copy
from whygrad.engines.native.partition import moved_by, moving_blocks, units_of, weights_of
from whygrad.engines.native.passes import add_gradient, panel_width
from whygrad.engines.native.updates import add_penalty
from whygrad.engines.probes import SATURATED
from whygrad.nn.functions import Array

# Which row of `Watching.taps` says what.
LAYER, TO, TO_END, FROM, FROM_END, THETA, OPT_STATE, A, DELTA = range(9)

# Squares are added up in pieces of so many numbers, in the numbers' own precision: that takes half as long.
# Pieces whose sum is not within bounds, beyond which squares leave the range of float32, are added up anew.
PIECE, TINY, HUGE = 1024, 1e-28, 1e38


class Watching(NamedTuple):
    """What to look at, and where to put it; all of length 0 where nothing is asked for.

    Every `every` steps (0: never) a row (L, 9) of `statistics` is filled; `row` belongs to the first of
    them. `theta` holds ∂C/∂θ and then θ before the step, `squares` Σ (∂C/∂θ)² of each layer's blocks, and
    `slope` f′ of a layer, a row for each thread. `greatest` is the greatest |f′| of each layer, negative
    where its f fades to one side, 0 where it does not fade. `taps` (·, 9) says which weights are tapped,
    and where their numbers begin in a row of `record`, which has one for each step. `scale` receives the
    factor of clipping.
    """

    every: int
    row: int
    statistics: Array
    theta: Array
    squares: Array
    slope: Array
    greatest: Array
    taps: Array
    record: Array
    scale: Array


@inlined_kernel
def looks(watching: Watching, step: int) -> bool:
    """Return whether there is anything to see at a step."""
    return len(watching.taps) > 0 or _due(watching, step)


@inlined_kernel
def _due(watching: Watching, step: int) -> bool:
    return watching.every > 0 and step % watching.every == 0


@kernel
def look_before(watching: Watching, layers: Layers, theta: Array, part: int, i: int) -> None:
    """Keep the tapped weights as they are before a step, which is the i-th of this call."""
    if part != 0:
        return
    for tap in range(len(watching.taps)):
        place = watching.taps[tap]
        _copy_weights(layers, place, theta, ZERO, watching.record[i], place[THETA])


@kernel
def look_between(
    watching: Watching,
    layers: Layers,
    theta: Array,
    examples: Examples,
    room: Workspace,
    team: ThreadContext,
    i: int,
    step: int,
    first: int,
    rows: int,
    S: float,
    l1: float,
    l2: float,
) -> None:
    """Keep a and δ of a step's batch, measure its gradient, and then keep θ, each part its share."""
    if team.part == 0:
        for tap in range(len(watching.taps)):
            _copy_batch(layers, watching.taps[tap], room.work, rows, watching.record[i])
    if not _due(watching, step):
        return
    g = watching.theta
    for l in range(1, len(layers.sizes)):
        units, blocks = layers.sizes[l], moving_blocks(layers, l, team.blocks)
        for block in range(blocks):
            if moved_by(l, block, blocks, team.parts) != team.part:
                continue
            low, high = units_of(layers, l, blocks, block)
            W, size = weights_of(layers, l, low, high)
            b, biases = layers.b[l] + low, high - low
            add_gradient(
                l, layers, examples, room, team.part, first, rows, low, high,
                1 / S, 0.0, 0.0, g, W, b,
            )  # fmt: skip
            add_penalty(theta, g, W, W, W + size, l1, l2)
            squares = _sum_of_squares(vector(g, W, size)) + _sum_of_squares(vector(g, b, biases))
            watching.squares[l, block] = squares
            copy(theta, W, g, W, size)
            copy(theta, b, g, b, biases)
        if l % team.parts == team.part:
            found = watching.statistics[step // watching.every - watching.row, l - 1]
            n = rows * units
            found[5], found[6] = _mean_and_spread(vector(room.work, layers.a[l], n))
            found[7], found[8] = _mean_and_spread(vector(room.work, layers.delta[l], n))
            if watching.greatest[l] != 0:
                _count_faded(watching, layers, room, l, rows, team.part, found)


@kernel
def look_after(
    watching: Watching,
    layers: Layers,
    theta: Array,
    opt_state: Array,
    team: ThreadContext,
    i: int,
    step: int,
) -> None:
    """Keep the optimizer's slots as they are after a step, and measure the step."""
    if team.part != 0:
        return
    for tap in range(len(watching.taps)):
        place = watching.taps[tap]
        size = (place[TO_END] - place[TO]) * (place[FROM_END] - place[FROM])
        for s in range(len(opt_state)):
            at = place[OPT_STATE] + s * size
            _copy_weights(layers, place, opt_state, s * len(theta), watching.record[i], at)
    if not _due(watching, step):
        return
    for l in range(1, len(layers.sizes)):
        W, n = layers.W[l], layers.b[l] + layers.sizes[l] - layers.W[l]
        found = watching.statistics[step // watching.every - watching.row, l - 1]
        before = vector(watching.theta, W, n)
        squares = 0.0
        for block in range(moving_blocks(layers, l, team.blocks)):
            squares += watching.squares[l, block]
        found[0] = math.sqrt(_sum_of_squares(before))
        found[1] = math.sqrt(squares)
        found[2] = math.sqrt(_squared_distance(vector(theta, W, n), before))


@kernel
def _copy_weights(
    layers: Layers, place: Array, source: Array, start: int, target: Array, at: int
) -> None:
    """Copy what belongs to a tap's weights from an array in θ's order, which begins at `start`."""
    l = place[LAYER]
    below, size = layers.sizes[l - 1], layers.b[-1] + layers.sizes[-1]
    flat = vector(source, start, size)
    first, wide = place[FROM], place[FROM_END] - place[FROM]
    weights = min(place[FROM_END], below) - first
    for j in range(place[TO], place[TO_END]):
        row = vector(target, at, wide)
        if l == 1 and layers.stretch > 0:
            panel = j - j % layers.panel  # its first unit
            width = panel_width(layers, panel)
            for k in range(weights):
                row[k] = flat[layers.W[l] + panel * below + (first + k) * width + j - panel]
        else:
            source_row = vector(source, start + layers.W[l] + j * below + first, max(weights, 0))
            for k in range(weights):
                row[k] = source_row[k]
        if place[FROM_END] > below:
            row[wide - 1] = flat[layers.b[l] + j]
        at += wide


@kernel
def _copy_batch(layers: Layers, place: Array, work: Array, rows: int, target: Array) -> None:
    """Copy a (but for the inputs, which are the data) and δ of a tap, row by row."""
    l = place[LAYER]
    units, below = layers.sizes[l], layers.sizes[l - 1]
    wide, tall = place[FROM_END] - place[FROM], place[TO_END] - place[TO]
    for i in range(rows):
        if l > 1:
            a, at = layers.a[l - 1] + i * below, place[A] + i * wide
            for k in range(place[FROM], min(place[FROM_END], below)):
                target[at + k - place[FROM]] = work[a + k]
        delta, at = layers.delta[l] + i * units, place[DELTA] + i * tall
        for j in range(place[TO], place[TO_END]):
            target[at + j - place[TO]] = work[delta + j]


@kernel
def _count_faded(
    watching: Watching, layers: Layers, room: Workspace, l: int, rows: int, part: int, found: Array
) -> None:
    """Find the share of dead units, or of saturated values, from f′(z)."""
    units, n = layers.sizes[l], rows * layers.sizes[l]
    real = type(room.work[0])
    slope = vector(watching.slope, part * watching.slope.shape[1], n)
    slope[:] = real(1)
    z, f = vector(room.work, layers.z[l], n), vector(room.work, layers.f[l], n)
    times_slope(layers.activations[l], z, f, slope, rows, units)
    small, count = real(SATURATED * abs(watching.greatest[l])), 0
    if watching.greatest[l] > 0:
        for i in range(n):
            count += abs(slope[i]) < small
        found[4] = count / n
        return
    for j in range(units):
        dead = True
        for i in range(rows):
            dead = dead and abs(slope[i * units + j]) < small
        count += dead
    found[3] = count / units


@lanes_kernel
def _mean_and_spread(values: Any) -> Any:
    """Return the mean and the standard deviation."""
    total, squares, n = 0.0, 0.0, len(values)
    for i in range(n):
        total += np.float64(values[i])
    mean = total / n
    for i in range(n):
        gap = np.float64(values[i]) - mean
        squares += gap * gap
    return mean, math.sqrt(squares / n)


@kernel
def _sum_of_squares(values: Array) -> float:
    total = 0.0
    for start in range(0, len(values), PIECE):
        piece = vector(values, start, min(PIECE, len(values) - start))
        quick = float(_quick_sum_of_squares(piece))
        total += quick if TINY < quick < HUGE else _slow_sum_of_squares(piece)
    return total


@kernel
def _squared_distance(one: Array, other: Array) -> float:
    total = 0.0
    for start in range(0, len(one), PIECE):
        size = min(PIECE, len(one) - start)
        this, that = vector(one, start, size), vector(other, start, size)
        quick = float(_quick_squared_distance(this, that))
        total += quick if TINY < quick < HUGE else _slow_squared_distance(this, that)
    return total


@lanes_kernel
def _quick_sum_of_squares(values: Any) -> Any:
    total = type(values[0])(0)
    for i in range(len(values)):
        total += values[i] * values[i]
    return total


@lanes_kernel
def _quick_squared_distance(one: Any, other: Any) -> Any:
    total = type(one[0])(0)
    for i in range(len(one)):
        gap = one[i] - other[i]
        total += gap * gap
    return total


@lanes_kernel
def _slow_sum_of_squares(values: Any) -> Any:
    total = 0.0
    for i in range(len(values)):
        total += np.float64(values[i]) * np.float64(values[i])
    return total


@lanes_kernel
def _slow_squared_distance(one: Any, other: Any) -> Any:
    total = 0.0
    for i in range(len(one)):
        gap = np.float64(one[i]) - np.float64(other[i])
        total += gap * gap
    return total
