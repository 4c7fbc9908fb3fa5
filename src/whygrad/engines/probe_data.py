"""What surrounds the probed weights: the examples of each batch, the S it was divided by, its penalties.

All of it follows from plan, data and step, so both engines take it from here. They add what only the
running steps know: θ, the optimizer's state, a, δ and the scale of clipping.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from whygrad.engines.probes import Block, WeightProbe, WeightProbeResult, inputs_of
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.nn.network import Network
from whygrad.nn.products import operand
from whygrad.plan.multipliers import lost
from whygrad.plan.optimizers import Adam, AdamW
from whygrad.plan.plan import Clip, Penalty, Plan, State

HELD = 2**22  # numbers of X, where rows are read on demand


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of some steps: examples (m, B), −1 beyond the end, and S, λ₁ and λ₂ of each, (m,)."""

    examples: Array
    S: Array
    l1: Array
    l2: Array


def batches(plan: Plan, state: State, data: Data, steps: int) -> Batches:
    """Return the batches of the next steps, which lie in the state's epoch."""
    B, first = plan.batch_size, state.batch_index
    taken = plan.batches(state.epoch, first, first + steps)
    examples: Array = np.full((steps, B), -1, np.int64)
    examples.ravel()[: len(taken)] = taken
    counts = data.counts
    there = examples >= 0
    if counts is None:
        S = there.sum(axis=1).astype(np.float64)
    else:
        S = np.where(there, counts[examples], 0).sum(axis=1, dtype=np.float64)
    l1, l2 = (_of_batches(penalty, S, plan.n) for penalty in (plan.l1, plan.l2))
    return Batches(examples, np.where(S > 0, S, 1.0), l1, l2)


def _of_batches(penalty: Penalty, S: Array, n: int) -> Array:
    """Return λ of a penalty as the cost of each batch has it."""
    if not penalty.strength:
        return np.zeros(len(S))
    sizes, of_batch = np.unique(S, return_inverse=True)
    return np.array([penalty.of_batch(s, n) for s in sizes.tolist()])[of_batch]


def steps_held(plan: Plan, data: Data) -> int:
    """Return of how many steps the examples may be in memory at a time; of rows read on demand few."""
    if not data.on_demand:
        return plan.n
    return max(1, HELD // (plan.batch_size * plan.net.sizes[0]))


def rows_of(net: Network, probe: WeightProbe) -> Array:
    """Return the indices in θ of the weights of a probe, (R, K)."""
    sizes = net.sizes
    width, units, n = sizes[probe.layer - 1], sizes[probe.layer], probe.layer
    before = sum(sizes[l] * (sizes[l - 1] + 1) for l in range(1, n))
    W = before + np.arange(units * width, dtype=np.int64).reshape(units, width)
    b = before + units * width + np.arange(units, dtype=np.int64)
    return np.concatenate([W, b[:, None]], axis=1)[slice(*probe.to), slice(*probe.from_)]


def _inputs(plan: Plan, probe: WeightProbe, data: Data, examples: Array) -> Array:
    """Return a of the units that a probe of layer 1 leads from, (m, B, K): of the data, as multiplied."""
    width, (low, high) = plan.net.sizes[0], probe.from_
    a = np.empty((*examples.shape, high - low), data.Y.dtype)
    x = inputs_of(data.X, examples, low, min(high, width))
    a[..., : min(high, width) - low] = operand(plan.products, x)
    _add_bias(plan.net, probe, a, examples)
    return a


def _add_bias(net: Network, probe: WeightProbe, a: Array, examples: Array) -> None:
    """Set a of the bias to 1 for every example, where the probe includes it."""
    if probe.from_[1] > net.sizes[probe.layer - 1]:
        a[..., -1] = examples >= 0


def weight_probe_result(
    plan: Plan,
    state: State,
    data: Data,
    coefficients: Array,
    scale: Array,
    blocks: list[Block],
) -> WeightProbeResult:
    """Put together what the probes of weights saw in the steps after `state`, one for each scale."""
    about = batches(plan, state, data, len(scale))
    coefficients = coefficients[: len(scale)]
    filled = tuple(_filled(plan, block, data, about, coefficients) for block in blocks)
    return WeightProbeResult(
        state.step, about.examples, about.S, about.l1, about.l2, scale, coefficients, filled
    )


def follows_penalties(plan: Plan) -> bool:
    """Return whether engines follow what penalties move, where θ is not recorded: by Adam, unclipped."""
    penalised = plan.l1.strength > 0 or plan.l2.strength > 0
    return penalised and isinstance(plan.optimizer, Adam | AdamW) and plan.clip == Clip()


def penalty_rates(plan: Plan, coefficients: Array) -> Array | None:
    """Return β₁, 1 − β₁, η and ε of some steps of Adam, (m, 4), where penalties are followed."""
    rule = plan.optimizer
    if not (follows_penalties(plan) and isinstance(rule, Adam | AdamW)):
        return None
    rates = np.empty((len(coefficients), 4))
    rates[:, 0], rates[:, 1], rates[:, 2:] = rule.beta1, 1 - rule.beta1, coefficients[:, :2]
    return rates


def _followed(plan: Plan, block: Block, about: Batches, coefficients: Array) -> Array | None:
    """Return what penalties moved and left, and the sizes of both, (4, R, K), from what was recorded."""
    rates = penalty_rates(plan, coefficients)
    if rates is None:
        return None
    found = np.zeros((4, *block.probe.shape))
    inputs = plan.net.sizes[block.probe.layer - 1] - block.probe.from_[0]
    strengths = zip(about.l1, about.l2, strict=True)
    for rate, (l1, l2), theta, v in zip(
        rates, strengths, block.theta, block.opt_state[:, 1], strict=True
    ):
        W, small = theta[:, :inputs].astype(np.float64), v.dtype.type(rate[3])
        push = rate[1] * (l1 * np.sign(W) + l2 * W)
        inverse = v.dtype.type(1) / (np.sqrt(v[:, :inputs]) + small)
        moved, left, moved_size, left_size = found[..., :inputs]
        left[...] = rate[0] * left + push
        left_size[...] = rate[0] * left_size + np.abs(push)
        moved -= rate[2] * inverse.astype(np.float64) * left
        moved_size += rate[2] * inverse.astype(np.float64) * left_size
    return found


def shares_lost(plan: Plan, coefficients: Array) -> Array | None:
    """Return the shares of θ that the rule's decay takes off in some steps, None for rules without."""
    if not isinstance(plan.optimizer, AdamW):
        return None
    shares: Array = lost(plan.optimizer, coefficients.T)
    return shares


def _filled(plan: Plan, block: Block, data: Data, about: Batches, coefficients: Array) -> Block:
    """Return the block with what engines leave out, the inputs and the ones of the biases, and no more."""
    examples = about.examples
    if not block.probe.theta and block.thetas is None:
        shares = shares_lost(plan, coefficients)
        block = replace(
            block,
            theta=block.theta[:0],
            thetas=np.abs(block.theta).sum(axis=0, dtype=np.float64),
            lost=None if shares is None else np.tensordot(shares, block.theta, 1),
            penalties=_followed(plan, block, about, coefficients),
        )
    rows, state = block.probe.rows, block.opt_state
    if rows is not None and state.shape[1] > len(rows):
        block = replace(block, opt_state=state[:, list(rows)])
    if block.probe.layer == 1:
        return replace(block, below=partial(_inputs, plan, block.probe, data, examples))
    _add_bias(plan.net, block.probe, block.a, examples)
    return block
