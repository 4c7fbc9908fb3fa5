"""The training loop in native code: whole chunks of steps in one call, for networks of any shape.

The network is described by data (sizes, where each layer's numbers begin, codes of its functions), so
that one compiled function per dtype serves all of them. A step reads like `backprop`: gather the batch,
forward, cost, backward, and then each layer moves.

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
from whygrad.engines.native.dropout import following, lay_mask, multiply
from whygrad.engines.native.elementwise import activate, times_slope
from whygrad.engines.native.memory import copy, prefetch
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

    `work` holds z, a and δ of every layer; y, weights and costs those of the examples; `gradient` has room
    for one layer's gradient, or for all of it where it is clipped, and `row` for one stretch of W¹.
    """

    work: Array
    y: Array
    weights: Array
    costs: Array
    gradient: Array
    row: Array


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
    for i in range(len(numbers)):
        first = (place + i) * batch_size
        rows = min(batch_size, len(examples.order) - first)
        S = _gather(layers, examples, room, first, rows)
        l1 = penalties.l1 + (penalties.l1_per_example / S if S > 0 else 0.0)
        l2 = penalties.l2 + (penalties.l2_per_example / S if S > 0 else 0.0)
        S = S if S > 0 else 1.0

        key = following(following(np.uint64(0), seed), np.uint64(step + i))
        _forward(layers, theta, examples, room, first, rows, key)
        costs[i] = _cost(layers, room, rows, S) + _penalty(layers, theta, l1, l2)
        if not math.isfinite(costs[i]):
            return i
        _backward(layers, theta, room, rows)
        for l in range(1, len(layers.sizes)):
            W, b, stop = layers.W[l], layers.b[l], layers.b[l] + layers.sizes[l]
            if rule.code == SGD and l1 == 0 and not clips:
                # No gradient is stored: W ← (1 − ηλ₂) W − η/S δᵀ a is one product.
                rate = numbers[i, 0]
                keep = 1 - rate * l2
                _add_gradient(
                    l, layers, examples, room, first, rows, -rate / S, keep, 1.0, theta, W
                )
            else:
                g = room.gradient
                at = W if clips else ZERO
                _add_gradient(l, layers, examples, room, first, rows, 1 / S, 0.0, 0.0, g, at)
                add_penalty(theta, g, at, W, b, l1, l2)
                if not clips:
                    move(rule, theta, slots, g, at, W, stop, numbers[i])
        if clips:
            bound(bounds, room.gradient, ZERO, len(theta))
            move(rule, theta, slots, room.gradient, ZERO, ZERO, len(theta), numbers[i])
        if penalties.decay != 0:
            scale(1 - penalties.decay, theta, ZERO, len(theta))
    return len(numbers)


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
    n = len(examples.order)
    S = 0.0
    for i in range(n):
        S += float(examples.weights[i]) if len(examples.weights) > 0 else 1.0
    l1 = penalties.l1 + penalties.l1_per_example / S
    l2 = penalties.l2 + penalties.l2_per_example / S
    cost = 0.0
    gradient[:] = 0
    for first in range(0, n, batch_size):
        rows = min(batch_size, n - first)
        _gather(layers, examples, room, first, rows)
        _forward(layers, theta, examples, room, first, rows, np.uint64(0))
        cost += _cost(layers, room, rows, S)
        _backward(layers, theta, room, rows)
        for l in range(1, len(layers.sizes)):
            W = layers.W[l]
            _add_gradient(l, layers, examples, room, first, rows, 1 / S, 1.0, 1.0, gradient, W)
    for l in range(1, len(layers.sizes)):
        W, b = layers.W[l], layers.b[l]
        add_penalty(theta, gradient, W, W, b, l1, l2)
    return cost + _penalty(layers, theta, l1, l2)


@kernel
def _gather(layers: Layers, examples: Examples, room: Room, first: int, rows: int) -> float:
    """Copy the examples of a batch side by side and ask for the next; give S, the sum of weights."""
    inputs, outputs = layers.sizes[0], layers.sizes[-1]
    S = 0.0
    for i in range(rows):
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
        S += float(room.weights[i])
    return S


@kernel
def _forward(
    layers: Layers, theta: Array, examples: Examples, room: Room, first: int, rows: int, key: Any
) -> None:
    """zˡ = aˡ⁻¹ Wˡᵀ + bˡ, aˡ = f(zˡ): the biases are laid down first and the product added to them.

    `key` stands for seed and step, which decide the masks of dropout.
    """
    work = room.work
    for l in range(1, len(layers.sizes)):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        z, f, a, W, b = layers.z[l], layers.f[l], layers.a[l], layers.W[l], layers.b[l]
        if l == 1 and layers.stretch > 0:
            for i in range(rows):
                room.row[:] = 0
                copy(theta, b, room.row, ZERO, units)
                example = examples.order[first + i]
                sparse.read_row(examples.rows, example, room.row, theta, W, layers.stretch)
                copy(room.row, ZERO, work, z + i * units, units)
        else:
            for i in range(rows):
                copy(theta, b, work, z + i * units, units)
            products.into_units(work, layers.a[l - 1], theta, W, work, z, rows, units, below)
        if f != z:
            copy(work, z, work, f, rows * units)
        activate(layers.activations[l], vector(work, f, rows * units), rows, units)
        if layers.factors[l] != 0:
            copy(work, f, work, a, rows * units)
            mask = vector(work, layers.mask[l], rows * units)
            lay_mask(
                following(key, np.uint64(l)), examples.order, first, rows, units,
                layers.thresholds[l], layers.factors[l], mask,
            )  # fmt: skip
            multiply(vector(work, a, rows * units), mask, rows * units)


@kernel
def _cost(layers: Layers, room: Room, rows: int, S: float) -> float:
    """Σ s C_x / S over the batch."""
    L = len(layers.sizes) - 1
    units = layers.sizes[L]
    z = vector(room.work, layers.z[L], rows * units)
    a = vector(room.work, layers.a[L], rows * units)
    output_costs(layers.activations[L], layers.cost, z, a, room.y, rows, units, room.costs)
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
def _backward(layers: Layers, theta: Array, room: Room, rows: int) -> None:
    """BP1 for the outputs, times the weights of the examples; BP2 from layer to layer below."""
    work, L = room.work, len(layers.sizes) - 1
    units = layers.sizes[L]
    z = vector(work, layers.z[L], rows * units)
    a = vector(work, layers.a[L], rows * units)
    delta = vector(work, layers.delta[L], rows * units)
    output_error(layers.activations[L], layers.cost, z, a, room.y, rows, units, delta)
    for i in range(rows):
        for j in range(units):
            delta[i * units + j] *= room.weights[i]
    for l in range(L, 1, -1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        above, to = layers.delta[l], layers.delta[l - 1]
        products.into_inputs(work, above, theta, layers.W[l], work, to, rows, units, below)
        z = vector(work, layers.z[l - 1], rows * below)
        f = vector(work, layers.f[l - 1], rows * below)
        delta = vector(work, to, rows * below)
        if layers.factors[l - 1] != 0:
            multiply(delta, vector(work, layers.mask[l - 1], rows * below), rows * below)
        times_slope(layers.activations[l - 1], z, f, delta, rows, below)


@kernel
def _add_gradient(
    l: int,
    layers: Layers,
    examples: Examples,
    room: Room,
    first: int,
    rows: int,
    scale: float,
    keep_W: float,
    keep_b: float,
    target: Array,
    start: int,
) -> None:
    """BP4 and BP3: W ← keep_W W + scale δᵀ a, b ← keep_b b + scale Σ δ, in target[start:].

    Where a factor to keep is 0, what stood there may be anything.
    """
    real = type(target[0])
    units, below = layers.sizes[l], layers.sizes[l - 1]
    delta = layers.delta[l]
    if l == 1 and layers.stretch > 0:
        stop = start + below * layers.stretch
        if keep_W == 0:
            target[start:stop] = 0
        elif keep_W != 1:
            for k in range(start, stop):
                target[k] *= real(keep_W)
        room.row[:] = 0
        for i in range(rows):
            for j in range(units):
                room.row[j] = real(scale) * room.work[delta + i * units + j]
            example = examples.order[first + i]
            sparse.add_row(examples.rows, example, room.row, target, start, layers.stretch)
    else:
        stop = start + units * below
        products.into_weights(
            scale, room.work, delta, room.work, layers.a[l - 1], keep_W, target, start, rows, units, below
        )  # fmt: skip
    b = vector(target, stop, units)
    sums = vector(room.row, ZERO, units)
    sums[:] = 0
    for i in range(rows):
        for j in range(units):
            sums[j] += room.work[delta + i * units + j]
    for j in range(units):
        b[j] = real(scale) * sums[j] + (real(keep_b) * b[j] if keep_b != 0 else real(0))
