"""How a step is linear in the examples' gradients, once its denominators and clipping are held as recorded.

Every rule is, for each weight by itself,

    m ← μ m + p ĝ,    θ ← κ θ + q m + r ĝ,    then θ ← (1 − d) θ,
    ĝ = c v (Σ_i s_i δ_i a_i / S + λ₁ sign W + λ₂ W)

with coefficients p, q, r, κ of the step: for Adam and its kin they hold the denominator √v̂ + ε, which was
found from the gradients squared; c is the scale of clipping by norm, and v = clip(g)/g that of clipping by
value. Factors on the learning rate are in q, r, 1 − κ and d; to a weight that a mask leaves out there are
no pushes. A push at step t moves the weight at t and, through m, at every later step. Its whole effect up
to the end of m steps is w_t = r_t + p_t Q_t, with Q summed backwards in time, Q_t = q_t + μ Q_{t+1}.
"""

from dataclasses import dataclass

import numpy as np

from whygrad.engines import Block, WeightProbeResult
from whygrad.engines.probe_data import rows_of
from whygrad.engines.pushes import carried_on
from whygrad.nn.functions import Array
from whygrad.plan import Clip, Plan
from whygrad.why.training_history.rules import ADAPTIVE, form_of

HELD = "The denominators of {rule} are held as they were recorded."
CLIPPED = "How far gradients were clipped is held as it was recorded."


@dataclass(frozen=True, eq=False)
class Linear:
    """The coefficients of m steps of one probe: p, q, r and κ (m, 1, 1), or (m, R, K) where weights differ.

    `keep` is κ, `decay` is d, (R, K) where weights differ. `push` is c v / S, what turns s δ a of an
    example into its part of ĝ; `penalty` is the penalties' part of ĝ, (m, R, K), 0 without any.
    """

    mu: float
    p: Array
    q: Array
    r: Array
    keep: Array
    decay: float | Array
    push: Array
    penalty: Array


def held(plan: Plan) -> list[str]:
    """Return notes on what is held as it was recorded: the denominators of the rule, and clipping."""
    adaptive, clips = isinstance(plan.optimizer, ADAPTIVE), plan.clip != Clip()
    return [HELD.format(rule=type(plan.optimizer).__name__)] * adaptive + [CLIPPED] * clips


def differs(plan: Plan) -> bool:
    """Return whether weights of one step have coefficients of their own."""
    bounded = plan.clip.value is not None or plan.factors is not None or len(plan.net.masked) > 0
    penalised = plan.l1.strength > 0 or plan.l2.strength > 0
    return isinstance(plan.optimizer, ADAPTIVE) or bounded or penalised


def linear(plan: Plan, probed: WeightProbeResult, block: Block) -> Linear:
    """Return the coefficients of a probe's steps, in float64."""
    form = form_of(plan.optimizer, probed.coefficients)
    p, q, r, keep = (column[:, None, None] for column in (form.p, form.q, form.r, form.keep))
    decay: float | Array = plan.l2.decay
    if form.v is not None:
        v = block.slot(form.v)
        one, small = v.dtype.type(1), form.epsilon.astype(v.dtype)[:, None, None]
        over_D = (one / (np.sqrt(v) + small)).astype(np.float64)  # rounded as the steps were
        divided = [
            each * over_D if each.any() else each for each in ((p,) if form.early else (q, r))
        ]
        p, q, r = (*divided, q, r) if form.early else (p, *divided)
    index = rows_of(plan.net, block.probe)
    if plan.factors is not None:
        factor = plan.factors.astype(np.float64)[index]
        q, r, keep, decay = factor * q, factor * r, 1 - factor * (1 - keep), factor * decay
    push, penalty = _pushes(plan, probed, block)
    if len(plan.net.masked):
        push = push * ~np.isin(index, plan.net.masked)
    return Linear(form.mu, p, q, r, keep, decay, push, penalty)


def _pushes(plan: Plan, probed: WeightProbeResult, block: Block) -> tuple[Array, Array]:
    """Return c v / S, and the penalties' part of ĝ."""
    S, c, penalty = (
        probed.S[:, None, None],
        probed.scale[:, None, None],
        _penalties(plan, probed, block),
    )
    v = clipped(plan, probed, block)
    return (c / S, c * penalty) if v is None else (c * v / S, c * v * penalty)


def clipped(plan: Plan, probed: WeightProbeResult, block: Block) -> Array | None:
    """Return v = clip(g)/g, what clipping by value leaves of each weight's gradient; None without it."""
    bound = plan.clip.value
    if bound is None:
        return None
    g = np.matmul(block.delta.astype(np.float64).swapaxes(1, 2), block.a.astype(np.float64))
    g = g / probed.S[:, None, None] + _penalties(plan, probed, block)
    found: Array = np.where(np.abs(g) > bound, bound / np.where(g == 0, 1, np.abs(g)), 1.0)
    return found


def _penalties(plan: Plan, probed: WeightProbeResult, block: Block) -> Array:
    """Return λ₁ sign W + λ₂ W of each step, (m, R, K), or 0."""
    l1, l2 = probed.l1[:, None, None], probed.l2[:, None, None]
    if not (l1.any() or l2.any()):
        return np.zeros((len(l1), 1, 1))
    W = block.theta.astype(np.float64)
    if block.probe.from_[1] > plan.net.sizes[block.probe.layer - 1]:
        W[..., -1] = 0  # biases are not penalised
    return l1 * np.sign(W) + l2 * W


def decays(numbers: Linear, block: Block, after: Array) -> Array:
    """Return what decay took off the weights at each step, (m, R, K), from θ before and `after` it.

    −(1 − κ) θ_t, and d of what the step had made, which is θ_{t+1}/(1 − d).
    """
    rate = numbers.decay
    theta, later = block.theta.astype(np.float64), after.astype(np.float64)
    return -(1 - numbers.keep) * theta - rate / (1 - rate) * later


@dataclass(frozen=True, eq=False)
class Effects:
    """What pushes of m steps came to: each as large as the p, q and r it is made of.

    `moved` is w_t, the move of θ within these steps by a push of 1 at t; `left` what such a push leaves in
    the buffer after them; `carried` the move by 1 in the buffer before them, of which `kept` is left.
    """

    moved: Array
    left: Array
    carried: Array
    kept: float


def effects(numbers: Linear) -> Effects:
    """Sum up backwards in time: Q_t = q_t + μ Q_{t+1}, w_t = r_t + p_t Q_t."""
    m = len(numbers.q)
    if not numbers.mu:
        w, none = numbers.r + numbers.p * numbers.q, np.zeros((m, 1, 1))
        return Effects(w, none, np.zeros((1, 1)), 0.0)
    Q = carried_on(numbers.q, numbers.mu)
    powers = numbers.mu ** np.arange(m - 1, -1, -1.0)[:, None, None]
    moved = numbers.r + numbers.p * Q
    carried, kept = numbers.mu * Q[0], float(numbers.mu**m)
    return Effects(moved, numbers.p * powers, carried, kept)
