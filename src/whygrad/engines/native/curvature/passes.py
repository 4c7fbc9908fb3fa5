"""The R-pass in native code: R is the derivative along a direction v, of every number of the two passes.

    Rzˡ = Vˡ aˡ⁻¹ + vˡ + Wˡ Raˡ⁻¹,   Raˡ = f′(zˡ) ⊙ Rzˡ
    Rδˡ⁻¹ = (Wˡᵀ Rδˡ + Vˡᵀ δˡ) ⊙ f′(zˡ⁻¹) + (Wˡᵀ δˡ) ⊙ f″(zˡ⁻¹) ⊙ Rzˡ⁻¹
    (Hv)W = (Rδˡ aˡ⁻¹ᵀ + δˡ Raˡ⁻¹ᵀ)/S + λ₂ Vˡ,   (Hv)b = Σ Rδˡ/S

As `whygrad.engines.native.passes`, each function works on the examples (or, for what is summed over them,
the units) of one thread. Wˡᵀ δˡ, which is no longer there when the loop has δˡ⁻¹, has memory of its own, so
that all directions share what does not depend on them.
"""

from typing import Any, NamedTuple

from whygrad.engines.native.arguments import Examples, Layers, ThreadContext, Workspace
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import NO, ONE, ZERO, kernel
from whygrad.engines.native.costs import output_error
from whygrad.engines.native.curvature.bending import add_bend, output_change
from whygrad.engines.native.dropout import multiply
from whygrad.engines.native.elementwise import times_slope
from whygrad.engines.native.memory import copy
from whygrad.engines.native.partition import moved_blocks, units_of, weights_of
from whygrad.engines.native.passes import (
    add_gradient,
    forward_layer,
    forward_sparse,
    gather,
)
from whygrad.engines.native.products.dense import (
    few_rows,
    into_inputs,
    into_units,
    into_weights,
    way_forward,
)
from whygrad.engines.native.products.microkernels import combine, dots
from whygrad.engines.native.updates import add_penalty, keep
from whygrad.nn.functions import Array


class Changes(NamedTuple):
    """Where the numbers of the R-pass begin in the workspace, one entry per layer.

    `error` is Wˡ⁺¹ᵀ δˡ⁺¹ times the mask, and of the outputs δᴸ before the examples' weights. `dz`, `da` and
    `ddelta` are Rz, Ra and Rδ. `layers` describes the network with Rδ in the place of δ.
    """

    error: Array
    dz: Array
    da: Array
    ddelta: Array
    layers: Layers


@kernel
def trace(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, first: int, low: int,
    high: int, rows: int, key: Any, part: int,
) -> None:  # fmt: skip
    """Find z and a of every layer, for the examples of a batch from low to high."""
    gather(layers, examples, workspace, first, low, high, rows)
    for l in range(1, len(layers.sizes)):
        units = layers.sizes[l]
        forward_layer(
            l, layers, theta, examples, workspace, first, low, high, ZERO, units, key, part
        )  # fmt: skip


@kernel
def find_errors(
    layers: Layers, changes: Changes, theta: Array, workspace: Workspace, low: int, high: int,
    known: bool, part: int,
) -> None:  # fmt: skip
    """Find δᴸ without weights and Wᵀ δ of every layer, and δ itself, unless that is known."""
    work, L, count = workspace.work, len(layers.sizes) - 1, high - low
    units = layers.sizes[L]
    size, at = count * units, low * units
    error = vector(work, changes.error[L] + at, size)
    output_error(
        layers.activations[L], layers.cost, vector(work, layers.z[L] + at, size),
        vector(work, layers.a[L] + at, size), vector(workspace.y, at, size), count, units, error,
    )  # fmt: skip
    if not known:
        _weigh(workspace, low, count, units, error, vector(work, layers.delta[L] + at, size))
    for l in range(L, 1, -1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        at, size = low * below, count * below
        into_inputs(
            few_rows(layers, count), len(workspace.costs), work, layers.delta[l] + low * units, theta,
            layers.W[l], work, changes.error[l - 1] + at, count, units, below, below,
            workspace.panel[part],
        )  # fmt: skip
        error = vector(work, changes.error[l - 1] + at, size)
        if layers.factors[l - 1] != 0:
            multiply(error, vector(work, layers.mask[l - 1] + at, size), size)
        if not known:
            copy(work, changes.error[l - 1] + at, work, layers.delta[l - 1] + at, size)
            _times_slope(l - 1, layers, work, low, count, layers.delta[l - 1])


@kernel
def along(
    layers: Layers, changes: Changes, theta: Array, v: Array, examples: Examples, workspace: Workspace,
    first: int, low: int, high: int, part: int, slopes: Array, outputs: Array,
) -> None:  # fmt: skip
    """Find Rz, Ra and Rδ along v of these examples, their slopes ∇C_x · v, and Rzᴸ if there is room."""
    work, L, count = workspace.work, len(layers.sizes) - 1, high - low
    for l in range(1, L + 1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        at, size = low * units, count * units
        dz = changes.dz[l] + at
        if l == 1 and layers.stretch > 0:
            forward_sparse(
                layers, v, examples, workspace, first + low, count, ZERO, units, dz, part
            )  # fmt: skip
        else:
            into_units(
                way_forward(below, units, len(workspace.costs), layers.shared, count), work,
                layers.a[l - 1] + low * below, v, layers.W[l], layers.b[l], work, dz, units, count, units,
                below, workspace.panel[part],
            )  # fmt: skip
        if l > 1:
            da = changes.da[l - 1] + low * below
            dots(work, da, theta, layers.W[l], count, units, below, work, dz, units)
        if l < L:
            copy(work, dz, work, changes.da[l] + at, size)
            _times_slope(l, layers, work, low, count, changes.da[l])
            if layers.factors[l] != 0:
                mask = vector(work, layers.mask[l] + at, size)
                multiply(vector(work, changes.da[l] + at, size), mask, size)
    units = layers.sizes[L]
    at, size = low * units, count * units
    dz, change = vector(work, changes.dz[L] + at, size), vector(work, changes.ddelta[L] + at, size)
    output_change(
        layers.activations[L], layers.cost, vector(work, layers.z[L] + at, size),
        vector(work, layers.a[L] + at, size), vector(workspace.y, at, size), dz, count, units,
        vector(work, changes.da[L] + at, size), change,
    )  # fmt: skip
    if len(outputs) > 0:
        copy(dz, ZERO, outputs, at, size)
    for i in range(count):
        slope = 0.0
        for j in range(i * units, (i + 1) * units):
            slope += float(work[changes.error[L] + at + j]) * float(dz[j])
        slopes[low + i] = slope
    _weigh(workspace, low, count, units, change, change)
    for l in range(L, 1, -1):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        above, to, size = low * units, changes.ddelta[l - 1] + low * below, count * below
        into_inputs(
            few_rows(layers, count), len(workspace.costs), work, changes.ddelta[l] + above, theta,
            layers.W[l], work, to, count, units, below, below, workspace.panel[part],
        )  # fmt: skip
        combine(
            1.0, work, layers.delta[l] + above, units, ONE, v, layers.W[l], count, units, below, below,
            1.0, work, to,
        )  # fmt: skip
        at, change = low * below, vector(work, to, size)
        if layers.factors[l - 1] != 0:
            multiply(change, vector(work, layers.mask[l - 1] + at, size), size)
        _times_slope(l - 1, layers, work, low, count, changes.ddelta[l - 1])
        add_bend(
            layers.activations[l - 1], vector(work, layers.z[l - 1] + at, size),
            vector(work, layers.f[l - 1] + at, size), vector(work, changes.error[l - 1] + at, size),
            vector(work, changes.dz[l - 1] + at, size), change,
        )  # fmt: skip


@kernel
def _weigh(
    workspace: Workspace, low: int, count: int, units: int, error: Array, weighed: Array
) -> None:
    """weighed ← s error, for the outputs of the examples from `low` on."""
    for i in range(count):
        for j in range(i * units, (i + 1) * units):
            weighed[j] = error[j] * workspace.weights[low + i]


@kernel
def _times_slope(l: int, layers: Layers, work: Array, low: int, count: int, begin: int) -> None:
    """Multiply by f′ what begins at a place of the workspace, for `count` examples from `low` on."""
    units = layers.sizes[l]
    at, size = low * units, count * units
    z, f = vector(work, layers.z[l] + at, size), vector(work, layers.f[l] + at, size)
    times_slope(layers.activations[l], z, f, vector(work, begin + at, size), count, units)


@kernel
def find_gradient(
    layers: Layers, theta: Array, examples: Examples, workspace: Workspace, thread: ThreadContext,
    first: int, rows: int, S: float, l1: float, l2: float, gradient: Array,
) -> None:  # fmt: skip
    """Write the gradient of this thread's share of the layers, penalties included."""
    for l in range(1, len(layers.sizes)):
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        for block in range(own, end):
            low, high = units_of(layers, l, block)
            W, size = weights_of(layers, l, low, high)
            add_gradient(
                l, layers, examples, workspace, thread.part, first, ZERO, rows, low, high,
                1 / S, 0.0, 0.0, gradient, W, layers.b[l] + low, block > own,
            )  # fmt: skip
            add_penalty(theta, gradient, W, W, W + size, l1, l2)
            keep(workspace.kept, W, gradient, W, size)


@kernel
def add_product(
    layers: Layers, changes: Changes, v: Array, examples: Examples, workspace: Workspace,
    thread: ThreadContext, first: int, rows: int, S: float, l2: float, kept: float, lam: Array,
) -> None:  # fmt: skip
    """λ ← kept λ + Hv, for this thread's share of the layers, from what `along` has found."""
    work = workspace.work
    for l in range(1, len(layers.sizes)):
        units, below = layers.sizes[l], layers.sizes[l - 1]
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        for block in range(own, end):
            low, high = units_of(layers, l, block)
            W, size = weights_of(layers, l, low, high)
            add_gradient(
                l, changes.layers, examples, workspace, thread.part, first, ZERO, rows, low, high,
                1 / S, kept, kept, lam, W, layers.b[l] + low, NO,
            )  # fmt: skip
            if l > 1:
                into_weights(
                    few_rows(layers, rows), 1 / S, work, layers.delta[l] + low, units, work,
                    changes.da[l - 1], 1.0, lam, W, rows, high - low, below, NO,
                    workspace.panel[thread.part],
                )  # fmt: skip
            add_penalty(v, lam, W, W, W + size, 0.0, l2)
            keep(workspace.kept, W, lam, W, size)
