"""Probes in the compiled loop: statistics of the layers, and all that moves chosen weights.

A step is probed three times: before it (θ), between its two halves (a, δ, and the gradient ∂C/∂θ, which
fused updates never hold), and after it (the optimizer's state, Δθ). Nothing that the step works with is
written. Probes read where no thread writes: θ and the optimizer's state between the last barrier of a step
and the first of the next, a and δ from there to the last. Between the halves each thread probes the part of
θ that it will move itself. θ is copied over the gradient once that is measured: hardly any of a probe's
memory is in the cache, so it takes as little as it can.
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
from whygrad.engines.native.memory import copy, fill, stream
from whygrad.engines.native.partition import moved_blocks, units_of, weights_of
from whygrad.engines.native.passes import add_gradient, panel_width
from whygrad.engines.native.updates import add_penalty, keep
from whygrad.engines.probes import SATURATED
from whygrad.nn.functions import Array

# The columns of `ProbeBuffers.weights`.
LAYER, TO, TO_END, FROM, FROM_END, THETA, OPT_STATE, A, DELTA, SUMMED, ROWS, STRETCH = range(12)

# Squares are added up in pieces of so many numbers, in the numbers' own precision: that takes half as long.
# Pieces whose sum is not within bounds, beyond which squares leave the range of float32, are added up anew.
PIECE, TINY, HUGE = 1024, 1e-28, 1e38
SUMMED_PIECE = 512  # numbers of θ that are added up at a time


class ProbeBuffers(NamedTuple):
    """What to probe, and memory for it; all of length 0 where nothing is asked for.

    Every `every` steps (0: never) a row (L, 9) of `statistics` is filled; `row` belongs to the first of
    them. `theta` holds ∂C/∂θ and then θ before the step, `squares` Σ (∂C/∂θ)² of each layer's blocks, and
    `slope` f′ of a layer, a row for each thread. `greatest` is the greatest |f′| of each layer, negative
    where its f fades to one side, 0 where it does not fade. `weights` (·, 12) says what weights are probed,
    where their numbers begin in a row of `record`, which has one for each step, whether of θ there is only
    a sum, which rows of the optimizer's state are recorded (a bit for each), and how far apart columns of a
    whole layer lie that are recorded as the loop has them (0: by units). `scale` receives the
    factor of clipping, and `states` a row for each step, of θ from its number `low` on and the optimizer's
    state before it, as the loop has them, and one for those after the last; where `apart` is not 1, only
    the first row of the optimizer's state is there, and `others` has the other ones of every `apart`-th
    step. Of layers that are `summed`, `thetas` has Σ |θ| over the steps, in the loop's order, and `taken`
    Σ lost θ, where there is a share `lost` of each step that the rule's decay takes off. Where there are
    `rates` of each step, β₁, 1 − β₁, η and ε of Adam, `penalties` has four such rows of sums: what
    penalties moved, what they left in m, and the sizes of both. `traces` has a row for each step, or none:
    what lies in the workspace from `traced` on, z, a and δ of the layers.
    """

    every: int
    row: int
    statistics: Array
    theta: Array
    squares: Array
    slope: Array
    greatest: Array
    weights: Array
    record: Array
    scale: Array
    states: Array
    others: Array
    low: int
    apart: int
    traces: Array
    traced: int
    summed: Array
    thetas: Array
    lost: Array
    taken: Array
    rates: Array
    penalties: Array
    inverse: Array


@inlined_kernel
def is_probed(probes: ProbeBuffers, step: int) -> bool:
    """Return whether there is anything to probe at a step."""
    return len(probes.weights) > 0 or len(probes.states) > 0 or _due(probes, step)


@inlined_kernel
def _due(probes: ProbeBuffers, step: int) -> bool:
    return probes.every > 0 and step % probes.every == 0


@kernel
def probe_before(
    probes: ProbeBuffers, layers: Layers, theta: Array, opt_state: Array, part: int, i: int, l1: float,
    l2: float,
) -> None:  # fmt: skip
    """Keep what is probed of θ, or all, as it is before a step, which is the i-th of this call."""
    if part != 0:
        return
    if len(probes.states) > 0:
        keep_state(probes, theta, opt_state, i)
    for n in range(len(probes.weights)):
        probe = probes.weights[n]
        if probe[SUMMED] == 0:
            _copy_weights(layers, probe, theta, probes.record[i], probe[THETA])
    for l in range(len(probes.summed)):
        if probes.summed[l]:
            _add_up(probes, layers, l, theta, opt_state, i, l1, l2)


@kernel
def _add_up(
    probes: ProbeBuffers, layers: Layers, l: int, theta: Array, opt_state: Array, i: int, l1: float,
    l2: float,
) -> None:  # fmt: skip
    """Add up what follows from a layer's θ before step i, piece by piece: each stays in the nearest cache.

    What penalties have in m moves θ by the step before, if any, and then they add to it by this one.
    """
    end = layers.b[l] + layers.sizes[l]
    for start in range(layers.W[l], end, SUMMED_PIECE):
        n = min(SUMMED_PIECE, end - start)
        weights, sizes = vector(theta, start, n), vector(probes.thetas, start, n)
        if len(probes.lost) > 0:
            _add_sizes_and_lost(weights, probes.lost[i], sizes, vector(probes.taken, start, n))
        else:
            add_sizes(weights, sizes)
        n = min(n, layers.b[l] - start)
        if n > 0 and len(probes.rates) > 0:
            if i > 0:
                _move_by_penalties(probes, opt_state, i - 1, start, n)
            rates = probes.rates[i]
            _add_penalties(
                rates[0], rates[1] * l1, rates[1] * l2, vector(theta, start, n),
                vector(probes.penalties[1], start, n), vector(probes.penalties[3], start, n),
            )  # fmt: skip


@kernel
def add_sizes(numbers: Array, sizes: Array) -> None:
    """Add |numbers| to sizes, as many."""
    for k in range(len(numbers)):
        sizes[k] += abs(float(numbers[k]))


@kernel
def _add_sizes_and_lost(numbers: Array, lost: float, sizes: Array, taken: Array) -> None:
    """Add |numbers| to sizes, and a share of them to what was taken off."""
    for k in range(len(numbers)):
        number = float(numbers[k])
        sizes[k] += abs(number)
        taken[k] += lost * number


@kernel
def _move_by_penalties(probes: ProbeBuffers, opt_state: Array, i: int, start: int, n: int) -> None:
    """Add up what penalties moved by step i, after which v is as it is now."""
    inverse, rates = vector(probes.inverse, 0, n), probes.rates[i]
    invert(vector(opt_state, opt_state.shape[1] + start, n), rates[3], inverse)
    _move(
        rates[2], inverse, vector(probes.penalties[1], start, n), vector(probes.penalties[3], start, n),
        vector(probes.penalties[0], start, n), vector(probes.penalties[2], start, n),
    )  # fmt: skip


@kernel
def _move(
    eta: float, inverse: Array, left: Array, left_size: Array, moved: Array, size: Array
) -> None:
    for k in range(len(inverse)):
        rate = eta * float(inverse[k])
        moved[k] -= rate * left[k]
        size[k] += rate * left_size[k]


@kernel
def _add_penalties(
    mu: float, l1: float, l2: float, W: Array, left: Array, left_size: Array
) -> None:
    """Add to what penalties have in m: m ← μ m + λ₁ sign W + λ₂ W, and their sizes as well."""
    if l1 == 0:
        for k in range(len(W)):
            push = l2 * float(W[k])
            left[k] = mu * left[k] + push
            left_size[k] = mu * left_size[k] + abs(push)
        return
    for k in range(len(W)):
        w = float(W[k])
        sign = 1.0 if w > 0 else -1.0 if w < 0 else 0.0
        push = l1 * sign + l2 * w
        left[k] = mu * left[k] + push
        left_size[k] = mu * left_size[k] + abs(push)


@kernel
def invert(v: Array, epsilon: float, inverse: Array) -> None:
    """Find 1/(√v + ε), rounded as the steps were, and so in as many lanes as these had."""
    one, small = type(v[0])(1), type(v[0])(epsilon)
    for k in range(len(v)):
        inverse[k] = one / (math.sqrt(v[k]) + small)


@kernel
def keep_state(probes: ProbeBuffers, theta: Array, opt_state: Array, i: int) -> None:
    """Keep what is asked for of a state, in the i-th row."""
    row, low, apart = probes.states[i], probes.low, probes.apart
    size, width = opt_state.size, opt_state.shape[1]
    stream(theta, low, row, ZERO, len(theta) - low)
    stream(opt_state, ZERO, row, width - low, size if apart == 1 else width)
    if apart > 1 and i % apart == 0:
        stream(opt_state, width, probes.others[i // apart], ZERO, size - width)


@kernel
def probe_between(
    probes: ProbeBuffers, layers: Layers, theta: Array, examples: Examples, workspace: Workspace,
    thread: ThreadContext, i: int, step: int, first: int, rows: int, S: float, l1: float, l2: float,
) -> None:  # fmt: skip
    """Keep a and δ of a step's batch, measure its gradient, and then keep θ, each part its share."""
    if thread.part == 0:
        if len(probes.traces) > 0:
            row = probes.traces[i]
            copy(workspace.work, probes.traced, row, ZERO, len(row))
        for n in range(len(probes.weights)):
            _copy_batch(layers, probes.weights[n], workspace.work, rows, probes.record[i])
    if not _due(probes, step):
        return
    g = probes.theta
    for l in range(1, len(layers.sizes)):
        units = layers.sizes[l]
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        for block in range(own, end):
            low, high = units_of(layers, l, block)
            W, size = weights_of(layers, l, low, high)
            b, biases = layers.b[l] + low, high - low
            add_gradient(
                l, layers, examples, workspace, thread.part, first, ZERO, rows, low, high,
                1 / S, 0.0, 0.0, g, W, b, block > own,
            )  # fmt: skip
            add_penalty(theta, g, W, W, W + size, l1, l2)
            keep(workspace.kept, W, g, W, size)
            squares = _sum_of_squares(vector(g, W, size)) + _sum_of_squares(vector(g, b, biases))
            probes.squares[l, block] = squares
            copy(theta, W, g, W, size)
            copy(theta, b, g, b, biases)
        if l % thread.parts == thread.part:
            found = probes.statistics[step // probes.every - probes.row, l - 1]
            n = rows * units
            found[5], found[6] = _mean_and_spread(vector(workspace.work, layers.a[l], n))
            found[7], found[8] = _mean_and_spread(vector(workspace.work, layers.delta[l], n))
            if probes.greatest[l] != 0:
                _count_faded(probes, layers, workspace, l, rows, thread.part, found)


@kernel
def probe_after(
    probes: ProbeBuffers, layers: Layers, theta: Array, opt_state: Array, thread: ThreadContext, i: int,
    step: int,
) -> None:  # fmt: skip
    """Keep the optimizer's state as it is after a step, and measure the step."""
    if thread.part != 0:
        return
    for n in range(len(probes.weights)):
        probe = probes.weights[n]
        across = probe[STRETCH] if probe[STRETCH] > 0 else probe[TO_END] - probe[TO]
        size, at = across * (probe[FROM_END] - probe[FROM]), probe[OPT_STATE]
        for s in range(len(opt_state)):
            if probe[ROWS] >> s & 1:
                row = vector(opt_state, s * opt_state.shape[1], len(theta))
                _copy_weights(layers, probe, row, probes.record[i], at)
                at += size
    if i == len(probes.rates) - 1:
        for l in range(len(probes.summed)):
            if probes.summed[l]:
                for start in range(layers.W[l], layers.b[l], SUMMED_PIECE):
                    n = min(SUMMED_PIECE, layers.b[l] - start)
                    _move_by_penalties(probes, opt_state, i, start, n)
    if not _due(probes, step):
        return
    for l in range(1, len(layers.sizes)):
        W, n = layers.W[l], layers.b[l] + layers.sizes[l] - layers.W[l]
        found = probes.statistics[step // probes.every - probes.row, l - 1]
        before = vector(probes.theta, W, n)
        squares = 0.0
        for block in range(layers.moving[l]):
            squares += probes.squares[l, block]
        found[0] = math.sqrt(_sum_of_squares(before))
        found[1] = math.sqrt(squares)
        found[2] = math.sqrt(_squared_distance(vector(theta, W, n), before))


@kernel
def _copy_weights(layers: Layers, probe: Array, flat: Array, target: Array, at: int) -> None:
    """Copy what belongs to a probe's weights from a vector in θ's order."""
    l = probe[LAYER]
    below = layers.sizes[l - 1]
    first, wide = probe[FROM], probe[FROM_END] - probe[FROM]
    weights = min(probe[FROM_END], below) - first
    if probe[STRETCH] > 0:
        _copy_columns(layers, flat, target, at)
        return
    for j in range(probe[TO], probe[TO_END]):
        row = vector(target, at, wide)
        if l == 1 and layers.stretch > 0:
            panel = j - j % layers.panel  # its first unit
            width = panel_width(layers, panel)
            for k in range(weights):
                row[k] = flat[layers.W[l] + panel * below + (first + k) * width + j - panel]
        else:
            source_row = vector(flat, layers.W[l] + j * below + first, max(weights, 0))
            for k in range(weights):
                row[k] = source_row[k]
        if probe[FROM_END] > below:
            row[wide - 1] = flat[layers.b[l] + j]
        at += wide


@kernel
def _copy_columns(layers: Layers, source: Array, target: Array, at: int) -> None:
    """Copy the first layer, whose columns lie side by side, to columns of all units, the biases last.

    Past the cache, where they lie as they will, and begin with a line: they are read much later.
    """
    below, stretch = layers.sizes[0], layers.stretch
    if stretch <= layers.panel:
        stream(source, layers.W[1], target, at, below * stretch)
    else:
        for panel in range(0, stretch, layers.panel):
            width = panel_width(layers, panel)
            for k in range(below):
                row = vector(source, layers.W[1] + panel * below + k * width, width)
                column = vector(target, at + k * stretch + panel, width)
                for j in range(width):
                    column[j] = row[j]
    copy(source, layers.b[1], target, at + below * stretch, layers.sizes[1])


@kernel
def _copy_batch(layers: Layers, probe: Array, work: Array, rows: int, target: Array) -> None:
    """Copy a (but for the inputs, which are the data) and δ of a probe, row by row."""
    l = probe[LAYER]
    units, below = layers.sizes[l], layers.sizes[l - 1]
    wide, tall = probe[FROM_END] - probe[FROM], probe[TO_END] - probe[TO]
    for i in range(rows):
        if l > 1:
            a, at = layers.a[l - 1] + i * below, probe[A] + i * wide
            for k in range(probe[FROM], min(probe[FROM_END], below)):
                target[at + k - probe[FROM]] = work[a + k]
        delta, at = layers.delta[l] + i * units, probe[DELTA] + i * tall
        for j in range(probe[TO], probe[TO_END]):
            target[at + j - probe[TO]] = work[delta + j]


@kernel
def _count_faded(
    probes: ProbeBuffers, layers: Layers, workspace: Workspace, l: int, rows: int, part: int,
    found: Array,
) -> None:  # fmt: skip
    """Find the share of dead units, or of saturated values, from f′(z)."""
    units, n = layers.sizes[l], rows * layers.sizes[l]
    real = type(workspace.work[0])
    slope = vector(probes.slope, part * probes.slope.shape[1], n)
    fill(slope, ZERO, n, 1.0)
    z, f = vector(workspace.work, layers.z[l], n), vector(workspace.work, layers.f[l], n)
    times_slope(layers.activations[l], z, f, slope, rows, units)
    small, count = real(SATURATED * abs(probes.greatest[l])), 0
    if probes.greatest[l] > 0:
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
