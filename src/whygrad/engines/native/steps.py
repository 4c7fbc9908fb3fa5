"""The training loop in native code: whole chunks of steps in one call, for networks of any shape.

The network is described by data (sizes, where each layer's numbers begin, codes of its functions), so
that one compiled function per dtype serves all of them. A step reads like `backprop`: gather the batch,
forward, cost, backward, and then each layer moves.

Nothing is allocated within a step: a, z and δ of every layer have their places in one workspace. Weights
of examples multiply δᴸ, and with it everything below; gradients divide by their sum S.
"""

import math
from typing import NamedTuple

from whygrad.engines.native.blas import (
    matrix,
    product_into_inputs,
    product_into_units,
    product_into_weights,
)
from whygrad.engines.native.compiling import cached_kernel, kernel
from whygrad.engines.native.costs import output_costs, output_error
from whygrad.engines.native.elementwise import activate, times_slope
from whygrad.engines.native.updates import SGD, Penalties, Rule, add_penalty, move, penalty_cost
from whygrad.functions import Array


class Layers(NamedTuple):
    """A network as numbers, one entry per layer in every field but `cost`; layer 0 is the input.

    `W` and `b` say where a layer's parameters begin in θ, and `z`, `a` and `delta` where its values for
    a batch begin in the workspace. Where f′ is a function of a alone, z and a share a place.
    """

    sizes: Array
    activations: Array
    cost: int
    W: Array
    b: Array
    z: Array
    a: Array
    delta: Array


class Batch(NamedTuple):
    """Room for what belongs to one batch beside the workspace: targets, weights, costs, a gradient."""

    y: Array
    weights: Array
    costs: Array
    gradient: Array


@cached_kernel
def run_steps(
    layers: Layers,
    rule: Rule,
    penalties: Penalties,
    theta: Array,
    slots: Array,
    work: Array,
    batch: Batch,
    X: Array,
    Y: Array,
    weights: Array,
    order: Array,
    batch_size: int,
    place: int,
    step: int,
    rates: Array,
    costs: Array,
) -> int:
    """Take a step for every rate, from batch number `place` of the epoch on; give the number taken.

    costs[i] receives the cost at the i-th step. Where it is not finite the loop ends before the update.
    """
    for i in range(len(rates)):
        first = (place + i) * batch_size
        rows = min(batch_size, len(order) - first)
        S = _gather(layers, work, batch, X, Y, weights, order, first, rows)
        l1 = penalties.l1 + (penalties.l1_per_example / S if S > 0 else 0.0)
        l2 = penalties.l2 + (penalties.l2_per_example / S if S > 0 else 0.0)
        S = S if S > 0 else 1.0

        _forward(layers, theta, work, rows)
        costs[i] = _cost(layers, theta, work, batch, rows, S, l1, l2)
        if not math.isfinite(costs[i]):
            return i
        _backward(layers, theta, work, batch, rows)
        for l in range(1, len(layers.sizes)):
            _move_layer(l, layers, rule, theta, slots, work, batch, rows, S, l1, l2, rates[i], step + i)
    return len(rates)


@cached_kernel
def cost_and_gradient(
    layers: Layers,
    penalties: Penalties,
    theta: Array,
    work: Array,
    batch: Batch,
    X: Array,
    Y: Array,
    weights: Array,
    order: Array,
    batch_size: int,
    gradient: Array,
) -> float:
    """Give the cost over all examples, and its gradient in `gradient`, in blocks of `batch_size`."""
    S = float(len(order))
    if len(weights) > 0:
        S = 0.0
        for i in range(len(weights)):
            S += float(weights[i])
    l1 = penalties.l1 + penalties.l1_per_example / S
    l2 = penalties.l2 + penalties.l2_per_example / S
    cost = 0.0
    gradient[:] = 0
    for first in range(0, len(order), batch_size):
        rows = min(batch_size, len(order) - first)
        _gather(layers, work, batch, X, Y, weights, order, first, rows)
        _forward(layers, theta, work, rows)
        cost += _cost(layers, theta, work, batch, rows, S, 0.0, 0.0)
        _backward(layers, theta, work, batch, rows)
        for l in range(1, len(layers.sizes)):
            _add_gradient(l, layers, work, gradient[layers.W[l] :], rows, 1 / S, 1.0, 1.0)
    for l in range(1, len(layers.sizes)):
        W, b = layers.W[l], layers.b[l]
        add_penalty(theta, gradient[W:b], W, b, l1, l2)
        cost += penalty_cost(theta, W, b, l1, l2)
    return cost


@kernel
def _gather(
    layers: Layers,
    work: Array,
    batch: Batch,
    X: Array,
    Y: Array,
    weights: Array,
    order: Array,
    first: int,
    rows: int,
) -> float:
    """Copy the examples of a batch side by side; give S, the sum of their weights."""
    inputs, outputs = layers.sizes[0], layers.sizes[-1]
    S = 0.0
    for i in range(rows):
        example = order[first + i]
        start = layers.a[0] + i * inputs
        for k in range(inputs):
            work[start + k] = X[example, k]
        for j in range(outputs):
            batch.y[i * outputs + j] = Y[example, j]
        if len(weights) > 0:
            batch.weights[i] = weights[example]
        S += float(batch.weights[i])
    return S


@kernel
def _forward(layers: Layers, theta: Array, work: Array, rows: int) -> None:
    """zˡ = aˡ⁻¹ Wˡᵀ + bˡ, aˡ = f(zˡ): the biases are laid down first and the product added to them."""
    for l in range(1, len(layers.sizes)):
        z, b = _values(work, layers.z, layers, l, rows), layers.b[l]
        for i in range(rows):
            for j in range(layers.sizes[l]):
                z[i, j] = theta[b + j]
        product_into_units(
            _values(work, layers.a, layers, l - 1, rows), _weights(theta, layers, l), 1.0, z
        )
        if layers.a[l] != layers.z[l]:
            _values(work, layers.a, layers, l, rows)[:] = z
        activate(layers.activations[l], work[layers.a[l] :], rows, layers.sizes[l])


@kernel
def _cost(
    layers: Layers,
    theta: Array,
    work: Array,
    batch: Batch,
    rows: int,
    S: float,
    l1: float,
    l2: float,
) -> float:
    """C = Σ s C_x / S + λ₁ Σ|W| + ½ λ₂ Σ W²."""
    L = len(layers.sizes) - 1
    z, a = work[layers.z[L] :], work[layers.a[L] :]
    output_costs(
        layers.activations[L], layers.cost, z, a, batch.y, rows, layers.sizes[L], batch.costs
    )
    cost = 0.0
    for i in range(rows):
        cost += float(batch.weights[i]) * batch.costs[i]
    cost /= S
    if l1 != 0 or l2 != 0:
        for l in range(1, L + 1):
            cost += penalty_cost(theta, layers.W[l], layers.b[l], l1, l2)
    return cost


@kernel
def _backward(layers: Layers, theta: Array, work: Array, batch: Batch, rows: int) -> None:
    """BP1 for the outputs, times the weights of the examples; BP2 from layer to layer below."""
    L = len(layers.sizes) - 1
    z, a, delta = work[layers.z[L] :], work[layers.a[L] :], work[layers.delta[L] :]
    units = layers.sizes[L]
    output_error(layers.activations[L], layers.cost, z, a, batch.y, rows, units, delta)
    for i in range(rows):
        for j in range(units):
            delta[i * units + j] *= batch.weights[i]
    for l in range(L, 1, -1):
        above = _values(work, layers.delta, layers, l, rows)
        below = _values(work, layers.delta, layers, l - 1, rows)
        product_into_inputs(above, _weights(theta, layers, l), 0.0, below)
        z, a, delta = work[layers.z[l - 1] :], work[layers.a[l - 1] :], work[layers.delta[l - 1] :]
        times_slope(layers.activations[l - 1], z, a, delta, rows, layers.sizes[l - 1])


@kernel
def _move_layer(
    l: int,
    layers: Layers,
    rule: Rule,
    theta: Array,
    slots: Array,
    work: Array,
    batch: Batch,
    rows: int,
    S: float,
    l1: float,
    l2: float,
    rate: float,
    step: int,
) -> None:
    """Take the step of one layer.

    Plain gradient descent needs no gradient in memory: W ← (1 − ηλ₂) W − η/S δᵀ a is one product.
    """
    W, b, stop = layers.W[l], layers.b[l], layers.b[l] + layers.sizes[l]
    if rule.code == SGD and l1 == 0:
        _add_gradient(l, layers, work, theta[W:stop], rows, -rate / S, 1 - rate * l2, 1.0)
        return
    g = batch.gradient
    _add_gradient(l, layers, work, g, rows, 1 / S, 0.0, 0.0)
    add_penalty(theta, g, W, b, l1, l2)
    move(rule, theta, slots, g, W, stop, rate, step)


@kernel
def _add_gradient(
    l: int,
    layers: Layers,
    work: Array,
    target: Array,
    rows: int,
    scale: float,
    keep_W: float,
    keep_b: float,
) -> None:
    """BP4 and BP3: W ← keep_W W + scale δᵀ a, b ← keep_b b + scale Σ δ; target holds W, then b."""
    real = type(target[0])
    units, below = layers.sizes[l], layers.sizes[l - 1]
    delta = _values(work, layers.delta, layers, l, rows)
    a = _values(work, layers.a, layers, l - 1, rows)
    product_into_weights(scale, delta, a, keep_W, matrix(target, 0, units, below))
    b = target[units * below :]
    for j in range(units):
        total = real(0)
        for i in range(rows):
            total += delta[i, j]
        b[j] = real(scale) * total + (real(keep_b) * b[j] if keep_b != 0 else real(0))


@kernel
def _values(work: Array, places: Array, layers: Layers, l: int, rows: int) -> Array:
    """Give z, a or δ of layer l as (rows, n_l): `places` is the field of `layers` that says where."""
    return matrix(work, places[l], rows, layers.sizes[l])


@kernel
def _weights(theta: Array, layers: Layers, l: int) -> Array:
    """Give W of layer l as (n_l, n_{l-1})."""
    return matrix(theta, layers.W[l], layers.sizes[l], layers.sizes[l - 1])
