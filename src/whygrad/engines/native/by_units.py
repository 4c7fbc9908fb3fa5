"""Small layers on many examples in native code: feature-major, with examples in the lanes of vectors.

Four units are too few for a vector, and a softmax over them too short for a loop. So a piece of the batch
is laid out by units: row j of aˡ holds what unit j says to each of the piece's examples. Then all of a step
is long loops over examples, and a piece goes forward, back and into the gradient before the next one comes,
while its values are in the nearest cache:

    forward    zⱼ = bⱼ + Σ_k W_jk a_k          rows from rows
    back       δ_k = f′(z_k) Σ_j W_jk δⱼ       rows from rows
    gradient   ∂C/∂W_jk = Σ δⱼ a_k / S         rows times rows

Each of the batch's blocks adds up a gradient of its own, piece by piece, and the layers then move by the
sum over the blocks: the bits do not depend on how many threads there are.
"""

from typing import Any

from whygrad.engines.native.arguments import Examples, FeatureMajor, Layers, Workspace
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ONE, ZERO, inlined_kernel, kernel, lanes_kernel
from whygrad.engines.native.costs import output_costs, output_error
from whygrad.engines.native.dropout import multiply
from whygrad.engines.native.elementwise import SOFTMAX, activate, softmax_by_units, times_slope
from whygrad.engines.native.memory import copy, fill, prefetch
from whygrad.engines.native.products.microkernels import combine, dots, gather_square
from whygrad.engines.native.updates import lanes_of
from whygrad.nn.functions import Array

# Examples of a piece at most, in whole tiles of vectors; examples that blocks are multiples of; and numbers
# of a row that are too few for squares.
PIECE, LANES, _NARROW = 240, 16, 3


@inlined_kernel
def is_by_units(by_units: FeatureMajor) -> bool:
    """Return whether the batch goes through by units: whether there is memory for it."""
    return len(by_units.work) > 0


@inlined_kernel
def sums_blocks(by_units: FeatureMajor) -> bool:
    """Return whether each of the batch's blocks adds up a gradient of its own."""
    return len(by_units.gradients) > 0


@kernel
def block_by_units(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, by_units: FeatureMajor,
    part: int, block: int, first: int, rows: int, low: int, high: int, probed: bool,
) -> None:  # fmt: skip
    """Find costs and errors of the batch's examples from low to high, and add up the block's gradient.

    With `probed`, a, z and δ are written to `workspace.work` as well, example by example.
    """
    cost = 0.0
    gradient = by_units.gradients[block]
    fill(gradient, ZERO, len(gradient), 0.0)
    for start in range(low, high, by_units.piece):
        count = min(by_units.piece, high - start)
        _gather(layers, examples, workspace, by_units, part, first, rows, start, count)
        _forward(layers, theta, by_units, part, count)
        cost += _sum_of_costs(layers, examples, workspace, by_units, part, start, count)
        _back(layers, theta, examples, workspace, by_units, part, block, start, count)
        if probed:
            _lay_by_examples(layers, workspace, by_units, part, start, count)
    by_units.cost[block] = cost


@kernel
def cost_of_blocks(by_units: FeatureMajor, blocks: int, S: float) -> float:
    """Σ s C_x / S over so many blocks."""
    cost = 0.0
    for block in range(blocks):
        cost += by_units.cost[block]
    return cost / S


@kernel
def sum_of_blocks(
    by_units: FeatureMajor, blocks: int, factor: float, at: int, size: int, g: Array, to: int,
) -> None:  # fmt: skip
    """g[to :] ← g + factor times the blocks' gradients of θ[at : at + size]."""
    total, scale = vector(g, to, size), type(g[0])(factor)
    for block in range(blocks):
        part = vector(by_units.gradients[block], at, size)
        for i in range(len(part)):
            total[i] += scale * part[i]


@kernel
def _gather(
    layers: Layers, examples: Examples, workspace: Workspace, by_units: FeatureMajor, part: int,
    first: int, rows: int, start: int, count: int,
) -> None:  # fmt: skip
    """a⁰ and y of a piece, by units; and ask for those of the next batch of `rows` examples."""
    work, order = by_units.work[part], vector(examples.order, first + start, count)
    inputs, outputs = layers.sizes[0], layers.sizes[-1]
    _lay_by_units(examples.X, inputs, order, work)
    _lay_by_units(examples.Y, outputs, order, by_units.y[part])
    for later in range(
        first + rows + start, min(first + rows + start + count, len(examples.order))
    ):
        prefetch(examples.X, examples.order[later] * inputs, inputs)
        prefetch(examples.Y, examples.order[later] * outputs, outputs)
    if len(examples.weights) > 0:
        for i in range(len(order)):
            workspace.weights[start + i] = examples.weights[order[i]]


@kernel
def _lay_by_units(rows: Array, width: int, order: Array, by_units: Array) -> None:
    """Lay rows[order] out by columns, in whole squares but where they are narrow."""
    count, lanes = len(order), lanes_of(by_units)
    if width < _NARROW:
        for k in range(width):
            column = vector(by_units, k * count, count)
            for i in range(len(order)):
                column[i] = rows[order[i], k]
        return
    for k in range(0, width, lanes):
        for i in range(0, count, lanes):
            gather_square(
                rows, width, order, i, count - i, k, width - k, by_units, k * count + i, count
            )


@kernel
def _forward(layers: Layers, theta: Array, by_units: FeatureMajor, part: int, count: int) -> None:
    offsets, work = by_units.offsets, by_units.work[part]
    for l in range(1, len(layers.sizes)):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        z, a, n = offsets.z[l], offsets.a[l], units * count
        for j in range(units):
            fill(work, z + j * count, count, float(theta[layers.b[l] + j]))
        combine(
            1.0, theta, layers.W[l], below, ONE, work, offsets.a[l - 1], units, below, count, count,
            1.0, work, z,
        )  # fmt: skip
        values = vector(work, a, n)
        if a != z:
            copy(work, z, work, a, n)
        if layers.activations[l] == SOFTMAX:
            softmax_by_units(
                values, count, units, by_units.largest[part], by_units.total[part],
                by_units.scratch[part],
            )  # fmt: skip
        else:
            activate(layers.activations[l], values, ONE, n)


@kernel
def _sum_of_costs(
    layers: Layers, examples: Examples, workspace: Workspace, by_units: FeatureMajor, part: int,
    start: int, count: int,
) -> float:  # fmt: skip
    """Σ s C_x of a piece, each C_x the sum of what its outputs add to it."""
    L = len(layers.sizes) - 1
    work, scratch = by_units.work[part], vector(by_units.scratch[part], ZERO, count)
    costs, offsets = vector(by_units.costs[part], ZERO, count), by_units.offsets
    for i in range(len(costs)):
        costs[i] = 0.0
    for j in range(layers.sizes[L]):
        z_j, y_j = (
            vector(work, offsets.z[L] + j * count, count),
            vector(by_units.y[part], j * count, count),
        )
        if layers.activations[L] == SOFTMAX:  # with cross-entropy: scratch is log Σ_k exp z_k
            for i in range(len(costs)):
                costs[i] += float(y_j[i]) * (scratch[i] - float(z_j[i]))
        else:
            a_j, terms = (
                vector(work, offsets.a[L] + j * count, count),
                vector(work, offsets.delta[L], count),
            )
            output_costs(
                layers.activations[L], layers.cost, z_j, a_j, y_j, count, ONE, terms, scratch
            )  # fmt: skip
            for i in range(len(costs)):
                costs[i] += scratch[i]
    if len(examples.weights) > 0:
        multiply(costs, vector(workspace.weights, start, count), count)
    return _sum(costs)


@kernel
def _back(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, by_units: FeatureMajor,
    part: int, block: int, start: int, count: int,
) -> None:  # fmt: skip
    """BP1 to BP4 for a piece, from the outputs down; each layer's gradient as soon as its δ is there."""
    L = len(layers.sizes) - 1
    offsets, work = by_units.offsets, by_units.work[part]
    gradient = by_units.gradients[block]
    outputs, n = layers.sizes[L], layers.sizes[L] * count
    delta = vector(work, offsets.delta[L], n)
    output_error(
        layers.activations[L], layers.cost, vector(work, offsets.z[L], n), vector(work, offsets.a[L], n),
        vector(by_units.y[part], ZERO, n), count, outputs, delta,
    )  # fmt: skip
    if len(examples.weights) > 0:
        weights = vector(workspace.weights, start, count)
        for j in range(outputs):
            errors = vector(work, offsets.delta[L] + j * count, count)
            multiply(errors, weights, count)
    for l in range(L, 0, -1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        for j in range(units):
            errors = vector(work, offsets.delta[l] + j * count, count)
            gradient[layers.b[l] + j] += _sum(errors)
        dots(
            work, offsets.delta[l], work, offsets.a[l - 1], units, below, count,
            gradient, layers.W[l], below,
        )  # fmt: skip
        if l > 1:
            combine(
                1.0, theta, layers.W[l], ONE, below, work, offsets.delta[l], below, units, count, count,
                0.0, work, offsets.delta[l - 1],
            )  # fmt: skip
            size = below * count
            times_slope(
                layers.activations[l - 1], vector(work, offsets.z[l - 1], size),
                vector(work, offsets.a[l - 1], size), vector(work, offsets.delta[l - 1], size), ONE, size,
            )  # fmt: skip


@kernel
def _lay_by_examples(
    layers: Layers, workspace: Workspace, by_units: FeatureMajor, part: int, start: int, count: int
) -> None:
    """Write what probes read: a and δ of a piece, and z where it has memory of its own."""
    offsets, work = by_units.offsets, by_units.work[part]
    for l in range(len(layers.sizes)):
        units = layers.sizes[l]
        for i in range(count):
            to = (start + i) * units
            for j in range(units):
                from_ = j * count + i
                workspace.work[layers.a[l] + to + j] = work[offsets.a[l] + from_]
                if l > 0:
                    workspace.work[layers.delta[l] + to + j] = work[offsets.delta[l] + from_]
                if layers.z[l] != layers.f[l]:
                    workspace.work[layers.z[l] + to + j] = work[offsets.z[l] + from_]


@lanes_kernel
def _sum(values: Any) -> Any:
    total = type(values[0])(0)
    for i in range(len(values)):
        total += values[i]
    return total
