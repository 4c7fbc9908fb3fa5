"""The training loop in native code: whole chunks of steps in one call, for networks of any shape.

The network is described by data (sizes, where each layer's numbers begin, codes of its functions), so
that one compiled function per dtype serves all of them. A step reads like `backprop`: gather the batch,
forward, cost, backward, and then each layer moves.

Large batches are divided into blocks of examples on the way forward and back, and large layers into blocks
of units when they move. Threads share the blocks out and meet twice a step: when all errors are there, and
when all layers have moved. The blocks follow from the shapes, however many threads there are.

Nothing is allocated within a step: a, z and δ of every layer have their places in one workspace. Weights
of examples multiply δᴸ, and with it everything below; gradients divide by their sum S.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from whygrad.engines.native import products, sparse
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ZERO, cached_kernel, kernel
from whygrad.engines.native.costs import output_costs, output_error
from whygrad.engines.native.denormals import flush, restore
from whygrad.engines.native.dropout import following, lay_mask, multiply
from whygrad.engines.native.elementwise import activate, times_slope
from whygrad.engines.native.memory import copy, prefetch
from whygrad.engines.native.threads import begin, meet
from whygrad.engines.native.updates import (
    SGD,
    Bounds,
    Penalties,
    Rule,
    add_penalty,
    bound,
    move,
    penalty_cost,
    scale,
)
from whygrad.functions import Array

_WHOLE = 2**16  # weights; layers with fewer move as a whole


class Layers(NamedTuple):
    """A network as numbers, one entry per layer in every array; layer 0 is the input.

    `W` and `b` say where a layer's parameters begin in θ, and `z`, `f`, `a`, `mask` and `delta` where its
    values for a batch begin in the workspace. `f` is f(z) and `a` is f(z) times the mask; without dropout
    they share a place. Where f′ is a function of f(z) alone, z shares it as well. `factors` says what
    multiplies the units that dropout keeps, 0 without it, and `thresholds` how often it keeps them (see
    `whygrad.masks`). `stretch` is 0, or how long the columns of W¹ are where zeros of the input are skipped
    (see `sparse`).
    """

    sizes: Array
    activations: Array
    cost: int
    W: Array
    b: Array
    z: Array
    f: Array
    a: Array
    mask: Array
    delta: Array
    factors: Array
    thresholds: Array
    stretch: int


class Examples(NamedTuple):
    """The training data, in the order in which the epoch takes them.

    `rows` holds X without its zeros where they are skipped; `weights` is empty where all are 1.
    """

    X: Array
    rows: sparse.Rows
    Y: Array
    weights: Array
    order: Array


class Room(NamedTuple):
    """Memory for one batch, used anew in every step.

    `work` holds z, a and δ of every layer; y, weights and costs those of the examples. `gradient` has room
    for one layer's gradient, or for all of it where blocks of layers move or where it is clipped. `row`
    has a row for each thread, as long as the widest layer, or as a stretch of W¹. `penalty` is one number.
    """

    work: Array
    y: Array
    weights: Array
    costs: Array
    gradient: Array
    row: Array
    penalty: Array


class Team(NamedTuple):
    """How a batch is divided into `blocks`, and which of the `parts` that work on it this one is.

    `arrivals` counts who has come to the meetings.
    """

    blocks: int
    parts: int
    part: int
    arrivals: Array


@cached_kernel
def run_steps(
    layers: Layers,
    rule: Rule,
    penalties: Penalties,
    bounds: Bounds,
    theta: Array,
    slots: Array,
    examples: Examples,
    room: Room,
    team: Team,
    batch_size: int,
    place: int,
    seed: Any,
    step: int,
    numbers: Array,
    costs: Array,
) -> int:
    """Take a step for every row of numbers, from batch `place` of the epoch on; give the number taken.

    costs[i] receives the cost at the i-th step. Where it is not finite the loop ends before the update.
    """
    clips = math.isfinite(bounds.norm) or math.isfinite(bounds.value)
    before, taken, meeting = flush(), len(numbers), 0
    for i in range(len(numbers)):
        first = (place + i) * batch_size
        rows = min(batch_size, len(examples.order) - first)
        S = _weight(examples, first, rows)
        l1 = penalties.l1 + (penalties.l1_per_example / S if S > 0 else 0.0)
        l2 = penalties.l2 + (penalties.l2_per_example / S if S > 0 else 0.0)
        S = S if S > 0 else 1.0

        key = following(following(np.uint64(0), seed), np.uint64(step + i))
        for block in range(team.part, team.blocks, team.parts):
            low, high = begin(rows, team.blocks, block), begin(rows, team.blocks, block + 1)
            _gather(layers, examples, room, first, low, high, rows)
            _forward(layers, theta, examples, room, first, low, high, key, team.part)
            _costs(layers, room, low, high)
            _backward(layers, theta, room, low, high)
        if team.part == 0:
            room.penalty[0] = _penalty(layers, theta, l1, l2)
        meeting += 1
        meet(team.arrivals, team.parts, meeting)

        cost = _mean(room, rows, S) + room.penalty[0]
        costs[i] = cost
        if not math.isfinite(cost):
            taken = i
            break
        _move(
            layers, rule, l1, l2, clips, theta, slots, examples, room, team, first, rows, S, numbers[i]
        )  # fmt: skip
        if clips and team.part == 0:
            bound(bounds, room.gradient, ZERO, len(theta))
            move(rule, theta, slots, room.gradient, ZERO, ZERO, len(theta), numbers[i])
        if penalties.decay != 0 and team.part == 0:
            scale(1 - penalties.decay, theta, ZERO, len(theta))
        meeting += 1
        meet(team.arrivals, team.parts, meeting)
    restore(before)
    return taken


@kernel
def _move(
    layers: Layers,
    rule: Rule,
    l1: float,
    l2: float,
    clips: bool,
    theta: Array,
    slots: Array,
    examples: Examples,
    room: Room,
    team: Team,
    first: int,
    rows: int,
    S: float,
    numbers: Array,
) -> None:
    """Take the step of this part's share of the layers; where the gradient is clipped, only find it."""
    for l in range(1, len(layers.sizes)):
        blocks = _unit_blocks(layers, l, team.blocks)
        for block in range(blocks):
            owner = block if blocks > 1 else l
            if owner % team.parts != team.part:
                continue
            low, high = (
                begin(layers.sizes[l], blocks, block),
                begin(layers.sizes[l], blocks, block + 1),
            )
            width = layers.stretch if l == 1 and layers.stretch > 0 else layers.sizes[l - 1]
            tall = layers.sizes[0] if l == 1 and layers.stretch > 0 else high - low
            W = layers.W[l] + low * width
            b, stop = layers.b[l] + low, layers.b[l] + high
            if rule.code == SGD and l1 == 0 and not clips:
                # No gradient is stored: W ← (1 − ηλ₂) W − η/S δᵀ a is one product.
                rate = numbers[0]
                _add_gradient(
                    l, layers, examples, room, team.part, first, rows, low, high,
                    -rate / S, 1 - rate * l2, 1.0, theta, W, b,
                )  # fmt: skip
                continue
            # The gradient of a whole layer, or of all, lies as θ does; that of one layer at the start.
            g, at = room.gradient, ZERO
            if clips or team.blocks > 1:
                at = W
            size = tall * width
            at_b = at + size if at != W else b
            _add_gradient(
                l, layers, examples, room, team.part, first, rows, low, high,
                1 / S, 0.0, 0.0, g, at, at_b,
            )  # fmt: skip
            add_penalty(theta, g, at, W, W + size, l1, l2)
            if not clips:
                move(rule, theta, slots, g, at, W, W + size, numbers)
                move(rule, theta, slots, g, at_b, b, stop, numbers)


@kernel
def _unit_blocks(layers: Layers, l: int, blocks: int) -> int:
    """Give the number of blocks that layer l moves in: 1 for small layers, and for stretches of W¹."""
    if (l == 1 and layers.stretch > 0) or layers.sizes[l] * layers.sizes[l - 1] < _WHOLE:
        return 1
    return min(blocks, layers.sizes[l])


@cached_kernel
def cost_and_gradient(
    layers: Layers,
    penalties: Penalties,
    theta: Array,
    examples: Examples,
    room: Room,
    batch_size: int,
    gradient: Array,
) -> float:
    """Give the cost over all examples, and its gradient in `gradient`, in blocks of `batch_size`.

    The layers are without dropout.
    """
    n, low = len(examples.order), ZERO
    S = _weight(examples, low, n)
    l1 = penalties.l1 + penalties.l1_per_example / S
    l2 = penalties.l2 + penalties.l2_per_example / S
    cost = 0.0
    gradient[:] = 0
    for first in range(0, n, batch_size):
        rows = min(batch_size, n - first)
        _gather(layers, examples, room, first, low, rows, rows)
        _forward(layers, theta, examples, room, first, low, rows, np.uint64(0), low)
        _costs(layers, room, low, rows)
        cost += _mean(room, rows, S)
        _backward(layers, theta, room, low, rows)
        for l in range(1, len(layers.sizes)):
            W, b, units = layers.W[l], layers.b[l], layers.sizes[l]
            _add_gradient(
                l, layers, examples, room, low, first, rows, low, units, 1 / S, 1.0, 1.0, gradient, W, b
            )  # fmt: skip
    for l in range(1, len(layers.sizes)):
        W, b = layers.W[l], layers.b[l]
        add_penalty(theta, gradient, W, W, b, l1, l2)
    return cost + _penalty(layers, theta, l1, l2)


@kernel
def _weight(examples: Examples, first: int, rows: int) -> float:
    """Give S, the sum of the weights of a batch."""
    if len(examples.weights) == 0:
        return float(rows)
    S = 0.0
    for i in range(first, first + rows):
        S += float(examples.weights[examples.order[i]])
    return S


@kernel
def _gather(
    layers: Layers, examples: Examples, room: Room, first: int, low: int, high: int, rows: int
) -> None:
    """Copy examples of a batch side by side, and ask for those of the next."""
    inputs, outputs = layers.sizes[0], layers.sizes[-1]
    for i in range(low, high):
        example, later = examples.order[first + i], first + rows + i
        copy(examples.Y, example * outputs, room.y, i * outputs, outputs)
        if layers.stretch == 0:
            copy(examples.X, example * inputs, room.work, layers.a[0] + i * inputs, inputs)
        if later < len(examples.order):
            following = examples.order[later]
            prefetch(examples.Y, following * outputs, outputs)
            if layers.stretch == 0:
                prefetch(examples.X, following * inputs, inputs)
            else:
                sparse.prefetch_row(examples.rows, following)
        if len(examples.weights) > 0:
            room.weights[i] = examples.weights[example]


@kernel
def _forward(
    layers: Layers,
    theta: Array,
    examples: Examples,
    room: Room,
    first: int,
    low: int,
    high: int,
    key: Any,
    part: int,
) -> None:
    """zˡ = aˡ⁻¹ Wˡᵀ + bˡ, aˡ = f(zˡ): the biases are laid down first and the product added to them.

    `key` stands for seed and step, which decide the masks of dropout.
    """
    work, rows = room.work, high - low
    for l in range(1, len(layers.sizes)):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        W, b, row = layers.W[l], layers.b[l], room.row[part]
        z, f, a = (
            layers.z[l] + low * units,
            layers.f[l] + low * units,
            layers.a[l] + low * units,
        )
        if l == 1 and layers.stretch > 0:
            for i in range(rows):
                row[:] = 0
                copy(theta, b, row, ZERO, units)
                example = examples.order[first + low + i]
                sparse.read_row(examples.rows, example, row, theta, W, layers.stretch)
                copy(row, ZERO, work, z + i * units, units)
        else:
            for i in range(rows):
                copy(theta, b, work, z + i * units, units)
            inputs = layers.a[l - 1] + low * below
            products.into_units(work, inputs, theta, W, work, z, rows, units, below)
        if f != z:
            copy(work, z, work, f, rows * units)
        activate(layers.activations[l], vector(work, f, rows * units), rows, units)
        if layers.factors[l] != 0:
            copy(work, f, work, a, rows * units)
            mask = vector(work, layers.mask[l] + low * units, rows * units)
            lay_mask(
                following(key, np.uint64(l)), examples.order, first + low, rows, units,
                layers.thresholds[l], layers.factors[l], mask,
            )  # fmt: skip
            multiply(vector(work, a, rows * units), mask, rows * units)


@kernel
def _costs(layers: Layers, room: Room, low: int, high: int) -> None:
    """C_x of the examples from low to high."""
    L, rows = len(layers.sizes) - 1, high - low
    units = layers.sizes[L]
    z = vector(room.work, layers.z[L] + low * units, rows * units)
    a = vector(room.work, layers.a[L] + low * units, rows * units)
    y = vector(room.y, low * units, rows * units)
    f, cost = layers.activations[L], layers.cost
    output_costs(f, cost, z, a, y, rows, units, vector(room.costs, low, rows))


@kernel
def _mean(room: Room, rows: int, S: float) -> float:
    """Σ s C_x / S over the batch."""
    cost = 0.0
    for i in range(rows):
        cost += float(room.weights[i]) * room.costs[i]
    return cost / S


@kernel
def _penalty(layers: Layers, theta: Array, l1: float, l2: float) -> float:
    """λ₁ Σ|W| + ½ λ₂ Σ W²."""
    cost = 0.0
    if l1 != 0 or l2 != 0:
        for l in range(1, len(layers.sizes)):
            cost += penalty_cost(theta, layers.W[l], layers.b[l], l1, l2)
    return cost


@kernel
def _backward(layers: Layers, theta: Array, room: Room, low: int, high: int) -> None:
    """BP1 for the outputs, times the weights of the examples; BP2 from layer to layer below."""
    work, L, rows = room.work, len(layers.sizes) - 1, high - low
    units = layers.sizes[L]
    z = vector(work, layers.z[L] + low * units, rows * units)
    a = vector(work, layers.a[L] + low * units, rows * units)
    y = vector(room.y, low * units, rows * units)
    delta = vector(work, layers.delta[L] + low * units, rows * units)
    output_error(layers.activations[L], layers.cost, z, a, y, rows, units, delta)
    for i in range(rows):
        for j in range(units):
            delta[i * units + j] *= room.weights[low + i]
    for l in range(L, 1, -1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        above, to = layers.delta[l] + low * units, layers.delta[l - 1] + low * below
        products.into_inputs(work, above, theta, layers.W[l], work, to, rows, units, below)
        z = vector(work, layers.z[l - 1] + low * below, rows * below)
        f = vector(work, layers.f[l - 1] + low * below, rows * below)
        delta = vector(work, to, rows * below)
        if layers.factors[l - 1] != 0:
            mask = vector(work, layers.mask[l - 1] + low * below, rows * below)
            multiply(delta, mask, rows * below)
        times_slope(layers.activations[l - 1], z, f, delta, rows, below)


@kernel
def _add_gradient(
    l: int,
    layers: Layers,
    examples: Examples,
    room: Room,
    part: int,
    first: int,
    rows: int,
    low: int,
    high: int,
    scale: float,
    keep_W: float,
    keep_b: float,
    target: Array,
    W: int,
    b: int,
) -> None:
    """BP4 and BP3 for the units from low to high of layer l, in the target's places W and b.

    W ← keep_W W + scale δᵀ a, b ← keep_b b + scale Σ δ; where a factor to keep is 0, what stood there may
    be anything.
    """
    real = type(target[0])
    units, below, row = layers.sizes[l], layers.sizes[l - 1], room.row[part]
    delta = layers.delta[l] + low
    if l == 1 and layers.stretch > 0:
        columns = vector(target, W, below * layers.stretch)
        if keep_W == 0:
            columns[:] = 0
        elif keep_W != 1:
            for k in range(len(columns)):
                columns[k] *= real(keep_W)
        row[:] = 0
        for i in range(rows):
            for j in range(units):
                row[j] = real(scale) * room.work[delta + i * units + j]
            example = examples.order[first + i]
            sparse.add_row(examples.rows, example, row, target, W, layers.stretch)
    else:
        products.into_weights(
            scale, room.work, delta, units, room.work, layers.a[l - 1],
            keep_W, target, W, rows, high - low, below,
        )  # fmt: skip
    biases, sums = vector(target, b, high - low), vector(row, ZERO, high - low)
    sums[:] = 0
    for i in range(rows):
        errors = vector(room.work, delta + i * units, high - low)
        for j in range(len(sums)):
            sums[j] += errors[j]
    for j in range(len(sums)):
        biases[j] = real(scale) * sums[j] + (real(keep_b) * biases[j] if keep_b != 0 else real(0))
