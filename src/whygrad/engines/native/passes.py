"""The parts of a training step in native code: gather, forward, cost, backward, gradient.

Each works on the examples (or, for the gradient, the units) from `low` to `high`, so that threads can share
a step. The order of work is that of `backprop`; every function names its equation.
"""

from typing import Any

import numpy as np

from whygrad.engines.native import sparse, updates
from whygrad.engines.native.arguments import Examples, Layers, Workspace
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ZERO, kernel
from whygrad.engines.native.costs import output_costs, output_error
from whygrad.engines.native.dropout import following, lay_mask, multiply
from whygrad.engines.native.elementwise import activate, times_slope
from whygrad.engines.native.memory import copy, fill, prefetch
from whygrad.engines.native.products.dense import (
    as_operands,
    few_rows,
    into_inputs,
    into_units,
    into_weights,
    way_forward,
)
from whygrad.nn.functions import Array

# Batches of at least so many examples ask for compressed rows a few examples ahead, smaller ones for all of
# the next batch. They also move a panel in pieces where it takes more bytes than the second-level cache has
# room for beside the rest.
_MANY, _SECOND = 24, 2**19


@kernel
def total_weight(examples: Examples, first: int, rows: int) -> float:
    """Return S, the sum of what the examples of a batch count."""
    if len(examples.counts) == 0:
        return float(rows)
    S = 0.0
    for i in range(first, first + rows):
        S += float(examples.counts[examples.order[i]])
    return S


@kernel
def strengths(
    penalties: updates.Penalties, examples: Examples, first: int, rows: int
) -> tuple[float, float, float]:
    """Return S of a batch, by which its gradient is divided, and λ₁ and λ₂; S is 1 where nothing counts."""
    S = total_weight(examples, first, rows)
    if S > 0:
        l1 = penalties.l1 + penalties.l1_per_example / S
        return S, l1, penalties.l2 + penalties.l2_per_example / S
    return 1.0, penalties.l1, penalties.l2


@kernel
def gather(
    layers: Layers, examples: Examples, workspace: Workspace, first: int, low: int, high: int,
    rows: int,
) -> None:  # fmt: skip
    """Copy examples of a batch side by side, and ask for those of the next.

    In large batches compressed rows are asked for when the rows before them are read. Of a batch that is
    turned these examples' share of the inputs is.
    """
    inputs, outputs = layers.sizes[0], layers.sizes[-1]
    for i in range(low, high):
        example, later = examples.order[first + i], first + rows + i
        copy(examples.Y, example * outputs, workspace.y, i * outputs, outputs)
        if layers.stretch == 0:
            copy(examples.X, example * inputs, workspace.work, layers.a[0] + i * inputs, inputs)
        if later < len(examples.order):
            next_one = examples.order[later]
            prefetch(examples.Y, next_one * outputs, outputs)
            if layers.stretch == 0:
                prefetch(examples.X, next_one * inputs, inputs)
            elif len(workspace.costs) < _MANY:
                sparse.prefetch_row(examples.rows, next_one)
        if len(examples.weights) > 0:
            workspace.weights[i] = examples.weights[example]
    if len(workspace.turned.ends) > 0:
        sparse.turn(
            examples.rows, examples.order, first, rows, low * inputs // rows, high * inputs // rows, inputs,
            workspace.turned,
        )  # fmt: skip


@kernel
def forward_layer(
    l: int, layers: Layers, theta: Array, examples: Examples, workspace: Workspace, first: int,
    low: int, high: int, left: int, right: int, key: Any, part: int,
) -> None:  # fmt: skip
    """zˡ = aˡ⁻¹ Wˡᵀ + bˡ, aˡ = f(zˡ) for examples from low to high and units from left to right."""
    work, rows, count = workspace.work, high - low, right - left
    units, below = layers.sizes[l], layers.sizes[l - 1]
    W, b = layers.W[l] + left * below, layers.b[l] + left
    begin = low * units + left
    z, f, a = layers.z[l] + begin, layers.f[l] + begin, layers.a[l] + begin
    if l == 1 and layers.stretch > 0:
        forward_sparse(layers, theta, examples, workspace, first + low, rows, left, right, z, part)
    else:
        inputs = layers.a[l - 1] + low * below
        into_units(
            way_forward(below, units, len(workspace.costs), layers.shared, rows), work, inputs, theta, W, b,
            work, z, units, rows, count, below, workspace.panel[part],
        )  # fmt: skip
    # Whole rows lie side by side and go through in one piece, parts of rows one by one.
    pieces, tall = (1, rows) if count == units else (rows, 1)
    size, code = tall * count, layers.activations[l]
    for piece in range(pieces):
        z_i, f_i, a_i = z + piece * units, f + piece * units, a + piece * units
        if f != z:
            copy(work, z_i, work, f_i, size)
        activate(code, vector(work, f_i, size), tall, count)
        if a != f:
            copy(work, f_i, work, a_i, size)
        if layers.factors[l] != 0:
            mask = vector(work, layers.mask[l] + begin + piece * units, size)
            lay_mask(
                following(key, np.uint64(l)), examples.ids, first + low + piece, tall, left, count,
                layers.thresholds[l], layers.factors[l], mask,
            )  # fmt: skip
            multiply(vector(work, a_i, size), mask, size)
        if l + 1 < len(layers.sizes):
            as_operands(work, a_i, size, workspace.panel[part])


@kernel
def forward_sparse(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, first: int, rows: int,
    left: int, right: int, z: int, part: int,
) -> None:  # fmt: skip
    """z¹ of the examples from `first` on, for units from left to right, which begin and end with panels."""
    row, units, inputs = workspace.row[part], layers.sizes[1], layers.sizes[0]
    starts, columns, values = examples.rows
    cuts, work = workspace.cuts[part], workspace.work
    ahead, deep = len(workspace.costs) >= _MANY, inputs
    if len(workspace.turned.ends) > 0:
        ahead = False  # the rows have been read
        deep = depth(layers, examples, theta.itemsize)
    pieces = -(-inputs // deep)
    for start in range(left, right, layers.panel):
        count, width = min(layers.panel, right - start), panel_width(layers, start)
        W = layers.W[1] + start * inputs
        whole = width < layers.panel  # of two sums in turn the bits would follow from the pieces
        for piece in range(1 if whole else pieces):
            stop = inputs if whole else (piece + 1) * deep
            for i in range(rows):
                example, cut = examples.order[first + i], i * pieces + piece
                to = z + i * units + start - left
                begin, end = starts[example] if piece == 0 else cuts[cut], starts[example + 1]
                if stop < inputs:
                    if start == left:
                        cuts[cut + 1] = sparse.until_column(examples.rows, begin, end, stop)
                    end = cuts[cut + 1]
                if piece == 0:
                    copy(theta, layers.b[1] + start, work, to, count)
                    if ahead and start == left and first + i + sparse.AHEAD < len(examples.order):
                        sparse.prefetch_row(examples.rows, examples.order[first + i + sparse.AHEAD])
                sums, at = work, to
                if count < width:
                    fill(row, ZERO, width, 0.0)
                    copy(work, to, row, ZERO, count)
                    sums, at = row, ZERO
                if whole:
                    sparse.read_numbers(
                        columns, values, begin, end, sums, at, theta, W, width, workspace.panel[part]
                    )  # fmt: skip
                else:
                    sparse.read_panel(
                        columns, values, begin, end, sums, at, theta, W, width, workspace.panel[part]
                    )  # fmt: skip
                if count < width:
                    copy(row, ZERO, work, to, count)


@kernel
def depth(layers: Layers, examples: Examples, itemsize: int) -> int:
    """Return how many inputs a piece of a panel of W¹ has."""
    starts, _, values = examples.rows
    numbers = max(1, len(values) // (len(starts) - 1))  # of a row
    inputs = layers.sizes[0]
    return max(sparse.NEAR // (layers.panel * itemsize), sparse.NUMBERS * inputs // numbers)


@kernel
def panel_width(layers: Layers, unit: int) -> int:
    """Return the width of the panel of W¹ that begins with a unit."""
    return min(layers.panel, layers.stretch - unit)


@kernel
def find_costs(layers: Layers, workspace: Workspace, low: int, high: int) -> None:
    """C_x of the examples from low to high."""
    L, rows = len(layers.sizes) - 1, high - low
    units = layers.sizes[L]
    z = vector(workspace.work, layers.z[L] + low * units, rows * units)
    a = vector(workspace.work, layers.a[L] + low * units, rows * units)
    y = vector(workspace.y, low * units, rows * units)
    terms = vector(workspace.work, layers.delta[L] + low * units, rows * units)  # δᴸ comes later
    f, cost = layers.activations[L], layers.cost
    output_costs(f, cost, z, a, y, rows, units, terms, vector(workspace.costs, low, rows))


@kernel
def mean_cost(workspace: Workspace, rows: int, S: float) -> float:
    """Σ s C_x / S over the batch."""
    cost = 0.0
    for i in range(rows):
        cost += float(workspace.weights[i]) * workspace.costs[i]
    return cost / S


@kernel
def find_error(layers: Layers, workspace: Workspace, low: int, high: int) -> None:
    """BP1 for the outputs, times the weights of the examples."""
    work, L, rows = workspace.work, len(layers.sizes) - 1, high - low
    units = layers.sizes[L]
    z = vector(work, layers.z[L] + low * units, rows * units)
    a = vector(work, layers.a[L] + low * units, rows * units)
    y = vector(workspace.y, low * units, rows * units)
    delta = vector(work, layers.delta[L] + low * units, rows * units)
    output_error(layers.activations[L], layers.cost, z, a, y, rows, units, delta)
    for i in range(rows):
        for j in range(units):
            delta[i * units + j] *= workspace.weights[low + i]
    as_operands(work, layers.delta[L] + low * units, rows * units, workspace.panel[0])


@kernel
def backward_layer(
    l: int, layers: Layers, theta: Array, workspace: Workspace, low: int, high: int, left: int,
    right: int, part: int,
) -> None:  # fmt: skip
    """BP2: from δˡ to δˡ⁻¹, for examples from low to high and units from left to right of layer l − 1."""
    work, rows, count = workspace.work, high - low, right - left
    units, below = layers.sizes[l], layers.sizes[l - 1]
    begin = low * below + left
    above, to = layers.delta[l] + low * units, layers.delta[l - 1] + begin
    W = layers.W[l] + left
    into_inputs(
        few_rows(layers, rows), len(workspace.costs), work, above, theta, W, work, to, rows, units,
        count, below, workspace.panel[part],
    )  # fmt: skip
    pieces, tall = (1, rows) if count == below else (rows, 1)
    size = tall * count
    for piece in range(pieces):
        at = begin + piece * below
        z, f = vector(work, layers.z[l - 1] + at, size), vector(work, layers.f[l - 1] + at, size)
        delta = vector(work, layers.delta[l - 1] + at, size)
        if layers.factors[l - 1] != 0:
            multiply(delta, vector(work, layers.mask[l - 1] + at, size), size)
        times_slope(layers.activations[l - 1], z, f, delta, tall, count)
        as_operands(work, layers.delta[l - 1] + at, size, workspace.panel[part])


@kernel
def add_gradient(
    l: int, layers: Layers, examples: Examples, workspace: Workspace, part: int, first: int, top: int,
    rows: int, low: int, high: int, scale: float, keep_W: float, keep_b: float, target: Array, W: int,
    b: int, laid: bool,
) -> None:  # fmt: skip
    """BP4 and BP3 for the units from low to high of layer l, in the target's places W and b.

    Of `rows` examples of the batch, from the one at `top` on. W ← keep_W W + scale δᵀ a, b ← keep_b b +
    scale Σ δ; where a factor to keep is 0, what stood there may be anything. `laid`: see `into_weights`.
    """
    real = type(target[0])
    units, below, row = layers.sizes[l], layers.sizes[l - 1], workspace.row[part]
    delta = layers.delta[l] + top * units + low
    if l == 1 and layers.stretch > 0:
        _add_gradient_sparse(
            layers, examples, workspace, part, first + top, rows, delta, high - low,
            panel_width(layers, low), scale, keep_W, target, W,
        )  # fmt: skip
    else:
        into_weights(
            few_rows(layers, rows), scale, workspace.work, delta, units, workspace.work,
            layers.a[l - 1] + top * below, keep_W, target, W, rows, high - low, below, laid,
            workspace.panel[part],
        )  # fmt: skip
    biases, sums = vector(target, b, high - low), vector(row, ZERO, high - low)
    fill(sums, ZERO, len(sums), 0.0)
    for i in range(rows):
        errors = vector(workspace.work, delta + i * units, high - low)
        for j in range(len(sums)):
            sums[j] += errors[j]
    for j in range(len(sums)):
        biases[j] = real(scale) * sums[j] + (real(keep_b) * biases[j] if keep_b != 0 else real(0))


@kernel
def _add_gradient_sparse(
    layers: Layers, examples: Examples, workspace: Workspace, part: int, first: int, rows: int,
    delta: int, count: int, width: int, scale: float, keep: float, target: Array, W: int,
) -> None:  # fmt: skip
    """BP4 for `count` units of the first layer, whose δ begin at `delta`: those of a panel of W¹."""
    real = type(target[0])
    inputs, units, row = layers.sizes[0], layers.sizes[1], workspace.row[part]
    turned, starts = workspace.turned, examples.rows.starts
    if len(turned.ends) == 0 or width < layers.panel:
        cursors = workspace.cuts[part]
        deep = inputs
        if rows >= _MANY and inputs * width * target.itemsize > _SECOND:
            deep = depth(layers, examples, target.itemsize)
        fill(row, ZERO, width, 0.0)
        for i in range(rows):
            cursors[i] = starts[examples.order[first + i]]
        for k in range(0, inputs, deep):
            stop = min(inputs, k + deep)
            _keep(keep, target, W + k * width, W + stop * width)
            for i in range(rows):
                begin, end = cursors[i], starts[examples.order[first + i] + 1]
                if stop < inputs:
                    end = sparse.until_column(examples.rows, begin, end, stop)
                if begin < end:
                    errors = vector(workspace.work, delta + i * units, count)
                    for j in range(len(errors)):
                        row[j] = real(scale) * errors[j]
                    sparse.add_numbers(examples.rows, begin, end, row, target, W, width)
                    cursors[i] = end
        return
    _keep(keep, target, W, W + inputs * width)
    room = sparse.room_of(turned)
    for start in range(0, rows, sparse.TOGETHER):
        for i in range(min(sparse.TOGETHER, rows - start)):
            errors = vector(workspace.work, delta + (start + i) * units, count)
            said = vector(row, i * width, width)
            for j in range(len(said)):
                said[j] = real(scale) * errors[j] if j < count else real(0)
        for k in range(inputs):
            at = start // sparse.TOGETHER * inputs + k
            sparse.read_panel(
                turned.examples, turned.values, at * room, np.int64(turned.ends[at]), target, W + k * width,
                row, ZERO, width, row,
            )  # fmt: skip


@kernel
def _keep(factor: float, target: Array, start: int, stop: int) -> None:
    """Multiply a stretch by a factor; where that is 0, what stands there may be anything."""
    if factor == 0:
        fill(target, start, stop - start, 0.0)
    elif factor != 1:
        updates.scale(factor, target, start, stop)
