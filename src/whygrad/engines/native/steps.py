"""The training loop in native code: whole chunks of steps in one call, for networks of any shape.

The network is described by data (sizes, where each layer's numbers begin, codes of its functions), so
that one compiled function per dtype serves all of them. A step reads like `backprop`: gather the batch,
forward, cost, backward, and then each layer moves.

Threads share a large batch by examples or by units on the way forward and back (`partition`), and layers by
blocks of units when they move; small layers on many examples go another way (`by_units`). There are two
barriers a step at least: when all errors are there, and when all layers have moved. Large batches come in
blocks that add up gradients of their own. The bits do not depend on how many threads there are.

Nothing is allocated within a step: a, z and δ of every layer lie in one workspace. Weights
of examples multiply δᴸ, and with it everything below; gradients divide by their sum S.
"""

import math
from typing import Any

import numpy as np

from whygrad.engines.machine_code.denormals import flush, restore
from whygrad.engines.native.arguments import (
    Examples,
    FeatureMajor,
    Layers,
    ThreadContext,
    Workspace,
)
from whygrad.engines.native.barrier import begin, claim_block, wait_at_barrier
from whygrad.engines.native.by_units import (
    LANES,
    block_by_units,
    cost_of_blocks,
    is_by_units,
    sum_of_blocks,
    sums_blocks,
)
from whygrad.engines.native.compiling import NO, ONE, ZERO, cached_kernel, kernel
from whygrad.engines.native.dropout import following
from whygrad.engines.native.memory import fill, prefetch
from whygrad.engines.native.partition import (
    block_by_examples,
    find_penalties,
    fits_cache,
    forward_and_back,
    moved_blocks,
    share,
    sum_of_penalties,
    units_of,
    weights_of,
)
from whygrad.engines.native.passes import (
    add_gradient,
    mean_cost,
    strengths,
)
from whygrad.engines.native.probes import (
    ProbeBuffers,
    is_probed,
    keep_state,
    probe_after,
    probe_before,
    probe_between,
)
from whygrad.engines.native.updates import (
    SGD,
    Bounds,
    Penalties,
    Rule,
    add_penalty,
    add_steps,
    bound,
    decay_by_factors,
    keep,
    lanes_of,
    move,
    scale,
)
from whygrad.nn.functions import Array

_GRAIN: Any = np.int64(LANES)  # of examples in blocks by units


@cached_kernel
def run_steps(
    layers: Layers, rule: Rule, penalties: Penalties, bounds: Bounds, theta: Array, opt_state: Array,
    examples: Examples, workspace: Workspace, by_units: FeatureMajor, thread: ThreadContext,
    batch_size: int, batch_index: int, seed: Any, step: int, coefficients: Array, costs: Array,
    probes: ProbeBuffers,
) -> int:  # fmt: skip
    """Take a step for every row of coefficients, from batch `batch_index` on; return the number taken.

    costs[i] receives the cost at the i-th step. Where it is not finite the loop ends before the update.
    """
    clips = math.isfinite(bounds.norm) or math.isfinite(bounds.value)
    before, taken, phase = flush(), len(coefficients), ZERO
    for i in range(len(coefficients)):
        # Decided here: even a call that finds nothing to probe takes a microsecond.
        probed = is_probed(probes, step + i)
        first = (batch_index + i) * batch_size
        rows = min(batch_size, len(examples.order) - first)
        S, l1, l2 = strengths(penalties, examples, first, rows)
        if probed:
            probe_before(probes, layers, theta, opt_state, thread.part, i, l1, l2)

        key = following(following(np.uint64(0), seed), np.uint64(step + i))
        if sums_blocks(by_units):
            own = begin(thread.blocks, thread.parts, thread.part)
            for n in range(thread.blocks):
                block = (own + n) % thread.blocks
                if not claim_block(thread.claims, block, step + i + 1):
                    continue
                if is_by_units(by_units):
                    low = share(rows, thread.blocks, block, _GRAIN)
                    high = share(rows, thread.blocks, block + 1, _GRAIN)
                    block_by_units(
                        layers, theta, examples, workspace, by_units, thread.part, block, first, rows,
                        low, high, probed,
                    )  # fmt: skip
                else:
                    block_by_examples(
                        layers, theta, examples, workspace, by_units.gradients[block], thread, block,
                        first, rows, key,
                    )  # fmt: skip
        else:
            phase = forward_and_back(
                layers, theta, examples, workspace, thread, first, rows, key, phase
            )  # fmt: skip
        penalised = l1 != 0 or l2 != 0
        if penalised:
            find_penalties(layers, theta, workspace, thread, l1, l2)
        phase += 1
        wait_at_barrier(thread.barrier_count, thread.parts, phase)

        if is_by_units(by_units):
            cost = cost_of_blocks(by_units, thread.blocks, S)
        else:
            cost = mean_cost(workspace, rows, S)
        if penalised:
            cost += sum_of_penalties(layers, workspace)
        if thread.part == 0:
            costs[i] = cost
        if not math.isfinite(cost):
            taken = i
            break
        if probed:
            probe_between(
                probes, layers, theta, examples, workspace, thread, i, step + i, first, rows, S, l1, l2
            )  # fmt: skip
        _move(
            layers, rule, l1, l2, clips, theta, opt_state, examples, workspace, by_units, thread, first,
            rows, S, coefficients[i],
        )  # fmt: skip
        if clips and thread.part == 0:
            probes.scale[i] = bound(bounds, workspace.gradient, ZERO, len(theta))
            _step(
                rule, workspace, theta, opt_state, workspace.gradient, ZERO, ZERO, len(theta),
                coefficients[i],
            )  # fmt: skip
        if penalties.decay != 0 and thread.part == 0:
            if len(workspace.factors) > 0:
                decay_by_factors(penalties.decay, workspace.factors, theta)
            else:
                scale(1 - penalties.decay, theta, ZERO, len(theta))
        phase += 1
        wait_at_barrier(thread.barrier_count, thread.parts, phase)
        if probed:
            probe_after(probes, layers, theta, opt_state, thread, i, step + i)
    if len(probes.states) > taken and thread.part == 0:
        keep_state(probes, theta, opt_state, taken)
    restore(before)
    return taken


@kernel
def _step(
    rule: Rule, workspace: Workspace, theta: Array, opt_state: Array, g: Array, at: int, start: int,
    stop: int, coefficients: Array,
) -> None:  # fmt: skip
    """Move θ[start:stop] by the gradient g[at:], parameters at learning rates of their own if need be."""
    apart = len(workspace.factors) > 0
    moved = workspace.steps if apart else theta
    if apart:
        fill(moved, start, stop - start, 0.0)
    move(rule, moved, opt_state, g, at, start, stop, coefficients)
    if apart:
        add_steps(rule, workspace.factors, moved, theta, start, stop, coefficients)


@kernel
def _move(
    layers: Layers, rule: Rule, l1: float, l2: float, clips: bool, theta: Array, opt_state: Array,
    examples: Examples, workspace: Workspace, by_units: FeatureMajor, thread: ThreadContext, first: int,
    rows: int, S: float, coefficients: Array,
) -> None:  # fmt: skip
    """Take the step of this part's share of the layers; where the gradient is clipped, only find it."""
    fused = rule.code == SGD and l1 == 0 and not clips and len(workspace.factors) == 0
    fused = fused and not sums_blocks(by_units)
    room = workspace.block.shape[1] - 2 * lanes_of(theta)
    for l in range(len(layers.sizes) - 1, 0, -1):
        if thread.parts > 1 and not sums_blocks(by_units) and fits_cache(theta):
            prefetch(workspace.work, layers.a[l - 1], rows * layers.sizes[l - 1])
            prefetch(workspace.work, layers.delta[l], rows * layers.sizes[l])
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        begun = own
        while own < end:
            laid = own > begun
            low, high = units_of(layers, l, own)
            own += 1
            if own < end and not (l == 1 and layers.stretch > 0):
                _, last = units_of(layers, l, end - 1)
                if fused or (last - low) * (layers.sizes[l - 1] + 1) <= room:
                    high, own = last, end
            W, size = weights_of(layers, l, low, high)
            b, stop = layers.b[l] + low, layers.b[l] + high
            if fused:
                # No gradient is stored: W ← (1 − ηλ₂) W − η/S δᵀ a is one product, of all blocks at once.
                eta = coefficients[0]
                add_gradient(
                    l, layers, examples, workspace, thread.part, first, ZERO, rows, low, high,
                    -eta / S, 1 - eta * l2, 1.0, theta, W, b, NO,
                )  # fmt: skip
                keep(workspace.kept, W, theta, W, size)
                continue
            # The whole gradient lies as θ does, that of a block in memory that stays in the cache: each of
            # its parts as far from a whole vector as in θ.
            lanes = lanes_of(theta)
            g, at = workspace.block[thread.part], W % lanes
            at_b = at + size + (b - W - size) % lanes
            if clips:
                g, at, at_b = workspace.gradient, W, b
            if sums_blocks(by_units):
                fill(g, at, size, 0.0)
                fill(g, at_b, high - low, 0.0)
                sum_of_blocks(by_units, thread.blocks, 1 / S, W, size, g, at)
                sum_of_blocks(by_units, thread.blocks, 1 / S, b, high - low, g, at_b)
            else:
                add_gradient(
                    l, layers, examples, workspace, thread.part, first, ZERO, rows, low, high,
                    1 / S, 0.0, 0.0, g, at, at_b, laid,
                )  # fmt: skip
            add_penalty(theta, g, at, W, W + size, l1, l2)
            keep(workspace.kept, W, g, at, size)
            if not clips:
                _step(rule, workspace, theta, opt_state, g, at, W, W + size, coefficients)
                _step(rule, workspace, theta, opt_state, g, at_b, b, stop, coefficients)


@cached_kernel
def cost_and_gradient(
    layers: Layers, penalties: Penalties, theta: Array, examples: Examples, workspace: Workspace,
    by_units: FeatureMajor, thread: ThreadContext, batch_size: int, gradient: Array,
) -> float:  # fmt: skip
    """Return the cost over all examples, and its gradient in `gradient`, in blocks of `batch_size`.

    The layers are without dropout, and there is one thread.
    """
    n, phase = len(examples.order), ZERO
    S, l1, l2 = strengths(penalties, examples, ZERO, n)
    cost = 0.0
    fill(gradient, ZERO, len(gradient), 0.0)
    for first in range(0, n, batch_size):
        rows = min(batch_size, n - first)
        if is_by_units(by_units):
            block_by_units(
                layers, theta, examples, workspace, by_units, ZERO, ZERO, first, rows, ZERO, rows, False,
            )  # fmt: skip
            sum_of_blocks(by_units, ONE, 1 / S, ZERO, len(theta), gradient, ZERO)
            cost += cost_of_blocks(by_units, ONE, S)
            continue
        phase = forward_and_back(
            layers, theta, examples, workspace, thread, first, rows, np.uint64(0), phase
        )  # fmt: skip
        cost += mean_cost(workspace, rows, S)
        for l in range(1, len(layers.sizes)):
            for block in range(layers.moving[l]):
                left, right = units_of(layers, l, block)
                W, _ = weights_of(layers, l, left, right)
                add_gradient(
                    l, layers, examples, workspace, ZERO, first, ZERO, rows, left, right,
                    1 / S, 1.0, 1.0, gradient, W, layers.b[l] + left, block > 0,
                )  # fmt: skip
    for l in range(1, len(layers.sizes)):
        W, b = layers.W[l], layers.b[l]
        add_penalty(theta, gradient, W, W, b, l1, l2)
        keep(workspace.kept, W, gradient, W, b - W)
    if l1 != 0 or l2 != 0:
        find_penalties(layers, theta, workspace, thread, l1, l2)
        cost += sum_of_penalties(layers, workspace)
    return cost
