"""A step shared by threads: which part computes what, and where the barriers are.

A step can be divided by examples, so that each thread takes its own all the way forward and back. Then
every core reads all of W, which for wide layers does not fit its cache. Those are divided by units: a
thread computes, and later moves, the same rows of W, with a barrier after each layer. Which of the two a
layer is divided by follows from its shape (`layout.wide`), and whether W¹ lies in panels (`sparse`).
"""

from typing import Any

from whygrad.engines.native.arguments import Examples, Layers, ThreadContext, Workspace
from whygrad.engines.native.barrier import begin, wait_at_barrier
from whygrad.engines.native.compiling import ZERO, kernel
from whygrad.engines.native.passes import (
    backward_layer,
    find_costs,
    find_error,
    forward_layer,
    gather,
    panel_width,
)
from whygrad.engines.native.updates import penalty_cost
from whygrad.nn.functions import Array

_WHOLE = 2**16  # weights; layers with fewer move as a whole


@kernel
def forward_and_back(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, thread: ThreadContext,
    first: int, rows: int, key: Any, phase: int,
) -> int:  # fmt: skip
    """Find this part's costs and errors of a batch, and return the number of the last barrier.

    `key`, seed and step, decides the masks of dropout.
    """
    L, wide = len(layers.sizes) - 1, layers.wide.any()
    for block in range(thread.part, thread.blocks, thread.parts):
        low, high = begin(rows, thread.blocks, block), begin(rows, thread.blocks, block + 1)
        gather(layers, examples, workspace, first, low, high, rows)
        if not wide:  # these examples need nobody else's
            for l in range(1, L + 1):
                units = layers.sizes[l]
                forward_layer(
                    l, layers, theta, examples, workspace, first, low, high, ZERO, units, key, thread.part
                )  # fmt: skip
            find_costs(layers, workspace, low, high)
            find_error(layers, workspace, low, high)
            for l in range(L, 1, -1):
                units = layers.sizes[l - 1]
                backward_layer(l, layers, theta, workspace, low, high, ZERO, units, thread.part)
    if not wide:
        return phase
    for l in range(1, L + 1):
        phase += 1
        wait_at_barrier(thread.barrier_count, thread.parts, phase)
        for block in range(thread.part, thread.blocks, thread.parts):
            low, high, left, right = _share(layers, l, rows, thread.blocks, block)
            forward_layer(
                l, layers, theta, examples, workspace, first, low, high, left, right, key, thread.part
            )  # fmt: skip
            if l == L:
                find_costs(layers, workspace, low, high)
                find_error(layers, workspace, low, high)
    for l in range(L, 1, -1):
        phase += 1
        wait_at_barrier(thread.barrier_count, thread.parts, phase)
        for block in range(thread.part, thread.blocks, thread.parts):
            low, high, left, right = _share(layers, l - 1, rows, thread.blocks, block)
            backward_layer(l, layers, theta, workspace, low, high, left, right, thread.part)
    return phase


@kernel
def _share(layers: Layers, l: int, rows: int, blocks: int, block: int) -> tuple[int, int, int, int]:
    """Return examples and units of a block of layer l: low, high, left, right."""
    if layers.wide[l]:
        left, right = units_of(layers, l, blocks, block)
        return 0, rows, left, right
    return begin(rows, blocks, block), begin(rows, blocks, block + 1), 0, layers.sizes[l]


@kernel
def units_of(layers: Layers, l: int, blocks: int, block: int) -> tuple[int, int]:
    """Return where the units of a block of layer l begin and end: with panels, where W¹ lies in such."""
    units = layers.sizes[l]
    if l == 1 and layers.stretch > 0:
        panels, wide = moving_blocks(layers, l, blocks), layers.panel
        first, end = block, block + 1
        if panels > blocks:
            first, end = begin(panels, blocks, block), begin(panels, blocks, block + 1)
        return min(units, first * wide), min(units, end * wide)
    return begin(units, blocks, block), begin(units, blocks, block + 1)


@kernel
def moving_blocks(layers: Layers, l: int, blocks: int) -> int:
    """Return the number of blocks that layer l moves in: 1 for small layers, and that of W¹'s panels."""
    if l == 1 and layers.stretch > 0:
        return -(-layers.sizes[l] // layers.panel)
    if layers.sizes[l] * layers.sizes[l - 1] < _WHOLE:
        return 1
    return min(blocks, layers.sizes[l])


@kernel
def moved_by(l: int, block: int, blocks: int, parts: int) -> int:
    """Return the part that moves one of a layer's blocks."""
    return (block if blocks > 1 else l) % parts


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
        blocks = moving_blocks(layers, l, thread.blocks)
        for block in range(blocks):
            if moved_by(l, block, blocks, thread.parts) == thread.part:
                left, right = units_of(layers, l, blocks, block)
                W, size = weights_of(layers, l, left, right)
                workspace.penalties[l, block] = penalty_cost(theta, W, W + size, l1, l2)


@kernel
def sum_of_penalties(layers: Layers, workspace: Workspace, blocks: int) -> float:
    """Add up what all parts have found."""
    penalty = 0.0
    for l in range(1, len(layers.sizes)):
        for block in range(moving_blocks(layers, l, blocks)):
            penalty += workspace.penalties[l, block]
    return penalty
