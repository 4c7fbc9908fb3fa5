"""A step shared by threads: which part computes what, and where the barriers are.

A step can be divided by examples, so that each thread takes its own all the way forward and back. Then
every core reads all of W, which for wide layers does not fit its cache. Those are divided by units: a
thread computes, and later moves, the same rows of W, with a barrier after each layer. Which of the two a
layer is divided by follows from its shape (`Layers.wide`), and whether W¹ lies in panels (`sparse`). Each
number is summed up in the same order whoever does it, so that shares may depend on how many threads there
are. Layers move in blocks of units, as many as their shape says, whose gradients stay in the cache. Where
a batch has more numbers than θ, its blocks of examples add up gradients of their own (`block_by_examples`).
"""

from typing import Any

import numpy as np

from whygrad.engines.native.arguments import Examples, Layers, ThreadContext, Workspace
from whygrad.engines.native.barrier import begin, wait_at_barrier
from whygrad.engines.native.compiling import NO, ZERO, kernel
from whygrad.engines.native.memory import fill, prefetch
from whygrad.engines.native.passes import (
    add_gradient,
    backward_layer,
    find_costs,
    find_error,
    forward_layer,
    gather,
    panel_width,
)
from whygrad.engines.native.products.microkernels import HEIGHT
from whygrad.engines.native.updates import penalty_cost
from whygrad.nn.functions import Array

# Examples and units that shares are multiples of: whole tiles, and whole lines of the cache.
_CACHE = 2**19  # bytes
_EXAMPLES: Any = np.int64(HEIGHT)
_UNITS: Any = np.int64(16)


@kernel
def forward_and_back(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, thread: ThreadContext,
    first: int, rows: int, key: Any, phase: int,
) -> int:  # fmt: skip
    """Find this part's costs and errors of a batch, and return the number of the last barrier.

    `key`, seed and step, decides the masks of dropout.
    """
    L, part, parts = len(layers.sizes) - 1, thread.part, thread.parts
    low, high = share(rows, parts, part, _EXAMPLES), share(rows, parts, part + 1, _EXAMPLES)
    # Asked for at once, what other cores have moved takes less time.
    if parts > 1 and fits_cache(theta):
        prefetch(theta, ZERO, len(theta))
    gather(layers, examples, workspace, first, low, high, rows)
    if not layers.any_wide:  # these examples need nobody else's
        _forward(layers, theta, examples, workspace, first, low, high, key, part)
        for l in range(L, 1, -1):
            units = layers.sizes[l - 1]
            backward_layer(l, layers, theta, workspace, low, high, ZERO, units, part)
        return phase
    for l in range(1, L + 1):
        phase += 1
        wait_at_barrier(thread.barrier_count, parts, phase)
        low, high, left, right = _shares(layers, l, rows, parts, part)
        forward_layer(
            l, layers, theta, examples, workspace, first, low, high, left, right, key, part
        )
    find_costs(layers, workspace, low, high)
    find_error(layers, workspace, low, high)
    for l in range(L, 1, -1):
        phase += 1
        wait_at_barrier(thread.barrier_count, parts, phase)
        low, high, left, right = _shares(layers, l - 1, rows, parts, part)
        backward_layer(l, layers, theta, workspace, low, high, left, right, part)
    return phase


@kernel
def _forward(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, first: int, low: int,
    high: int, key: Any, part: int,
) -> None:  # fmt: skip
    """Find costs and output errors of the examples from low to high."""
    for l in range(1, len(layers.sizes)):
        units = layers.sizes[l]
        forward_layer(
            l, layers, theta, examples, workspace, first, low, high, ZERO, units, key, part
        )  # fmt: skip
    find_costs(layers, workspace, low, high)
    find_error(layers, workspace, low, high)


@kernel
def block_by_examples(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, gradient: Array,
    thread: ThreadContext, block: int, first: int, rows: int, key: Any,
) -> None:  # fmt: skip
    """Find costs and errors of one of the batch's blocks, and Σ ∂C_x/∂θ over its examples.

    So the cores exchange two vectors like θ, rather than what all units say to all examples.
    """
    part, parts, blocks = thread.part, thread.parts, thread.blocks
    low, high = share(rows, blocks, block, _EXAMPLES), share(rows, blocks, block + 1, _EXAMPLES)
    if low == high:  # of a last batch that is small: products of no examples may write nothing
        fill(gradient, ZERO, len(gradient), 0.0)
        return
    if parts > 1 and fits_cache(theta):
        prefetch(theta, ZERO, len(theta))
    gather(layers, examples, workspace, first, low, high, rows)
    _forward(layers, theta, examples, workspace, first, low, high, key, part)
    for l in range(len(layers.sizes) - 1, 0, -1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        add_gradient(
            l, layers, examples, workspace, part, first, low, high - low, ZERO, units,
            1.0, 0.0, 0.0, gradient, layers.W[l], layers.b[l], NO,
        )  # fmt: skip
        if l > 1:
            backward_layer(l, layers, theta, workspace, low, high, ZERO, below, part)


@kernel
def fits_cache(theta: Array) -> bool:
    """Return whether θ fits into a core's second-level cache, with room for more."""
    return len(theta) * theta.itemsize <= _CACHE


@kernel
def share(size: int, parts: int, part: int, grain: int) -> int:
    """Return where a part's share of `size` things begins: a multiple of the grain."""
    return min(size, begin(-(-size // grain), parts, part) * grain)


@kernel
def _shares(layers: Layers, l: int, rows: int, parts: int, part: int) -> tuple[int, int, int, int]:
    """Return a part's examples and units of layer l: low, high, left, right."""
    if layers.wide[l]:
        units, grain = layers.sizes[l], _UNITS
        if l == 1 and layers.stretch > 0:
            grain = layers.panel
        return 0, rows, share(units, parts, part, grain), share(units, parts, part + 1, grain)
    low, high = share(rows, parts, part, _EXAMPLES), share(rows, parts, part + 1, _EXAMPLES)
    return low, high, 0, layers.sizes[l]


@kernel
def units_of(layers: Layers, l: int, block: int) -> tuple[int, int]:
    """Return where the units of a block of layer l begin and end: with panels, where W¹ lies in such."""
    units, blocks = layers.sizes[l], layers.moving[l]
    grain = layers.panel if l == 1 and layers.stretch > 0 else _EXAMPLES
    return share(units, blocks, block, grain), share(units, blocks, block + 1, grain)


@kernel
def moved_blocks(layers: Layers, l: int, parts: int, part: int) -> tuple[int, int]:
    """Return which of a layer's blocks a part moves: from the first one up to the second."""
    blocks = layers.moving[l]
    if blocks == 1:
        return 0, 1 if l % parts == part else 0
    return -(-part * blocks // parts), -(-(part + 1) * blocks // parts)


@kernel
def weights_of(layers: Layers, l: int, low: int, high: int) -> tuple[int, int]:
    """Return where in θ the weights to the units from low to high of layer l begin, and how many they are.

    Where W¹ lies in panels, these are the units of one.
    """
    below = layers.sizes[l - 1]
    if l == 1 and layers.stretch > 0:
        return layers.W[l] + low * below, below * panel_width(layers, low)
    return layers.W[l] + low * below, (high - low) * below


@kernel
def find_penalties(
    layers: Layers, theta: Array, workspace: Workspace, thread: ThreadContext, l1: float, l2: float
) -> None:
    """λ₁ Σ|W| + ½ λ₂ Σ W² of every block of weights that this part moves: they lie in its core's cache."""
    for l in range(1, len(layers.sizes)):
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        for block in range(own, end):
            left, right = units_of(layers, l, block)
            W, size = weights_of(layers, l, left, right)
            workspace.penalties[l, block] = penalty_cost(theta, W, W + size, l1, l2)


@kernel
def sum_of_penalties(layers: Layers, workspace: Workspace) -> float:
    """Add up what all parts have found."""
    penalty = 0.0
    for l in range(1, len(layers.sizes)):
        for block in range(layers.moving[l]):
            penalty += workspace.penalties[l, block]
    return penalty
