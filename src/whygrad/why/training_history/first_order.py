"""First-order (TracIn) accounting: examples' pushes on a function of the weights, back through a training.

    f(θ_T) − f(θ_0)  ≈  Σ_t ⟨∇f(θ_t), θ_{t+1} − θ_t⟩
                     =  Σ_i push_i + penalties + decay + momentum carried over

Each step is taken to first order. A push on the weights at step t acts at t and, through momentum, at every
later step: its coefficients are summed backwards in time, U_t = q_t ∇f_t + μ U_{t+1}, so that momentum is
carried exactly. What acts on ĝ_t is w_t = r_t ∇f_t + p_t U_t;
push_i = Σ_t ⟨w_t, c_t v_t s_i δ_i a_iᵀ⟩ / S_t.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from whygrad.engines import Block, Probes, WeightProbe
from whygrad.engines.probe_data import rows_of
from whygrad.nn.functions import Array
from whygrad.why import rounding
from whygrad.why.training_history.accounts import chunk_of
from whygrad.why.training_history.linear import Linear, decays, linear
from whygrad.why.training_history.rules import buffer_slot
from whygrad.why.training_history.trajectory import Trajectory

# From θ of the probed layers at m steps, (m, R, K) each, to ∇f there, each of the same shape or (1, R, K).
Slope = Callable[[Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """First order in every step: by example, (n,), by what is no example's, and by step, (T,).

    `reached` is θ where the steps, run again, end: what was asked about, but on another machine. `bound` is
    how far rounding can part the steps' sum from all others', as in `Accounts`, for f.
    """

    by_example: Array
    penalty: float
    decay: float
    carried_over: float
    by_step: Array
    reached: Array
    bound: float

    @property
    def total(self) -> float:
        """All of it."""
        return float(self.by_example.sum()) + self.penalty + self.decay + self.carried_over


def first_order(
    trajectory: Trajectory, probes: tuple[WeightProbe, ...], slope: Slope
) -> FirstOrder:
    """Follow the pushes on f back through a training; f depends on the weights of the probes."""
    plan, sizes = trajectory.plan, trajectory.plan.net
    slot = buffer_slot(plan.optimizer)
    by_example, by_step = np.zeros(plan.n), np.zeros(trajectory.last - trajectory.start.step)
    penalty, decay = 0.0, 0.0
    buffers, rolling = ([np.zeros(probe.shape) for probe in probes] for _ in range(2))
    far, reached = np.zeros(3), None
    index = [rows_of(sizes, probe) for probe in probes]
    for seen, theta in trajectory.backwards(
        Probes(weights=probes), chunk_of(trajectory, probes, 12)
    ):
        probed, reached = seen.weights, theta if reached is None else reached
        assert probed is not None
        slopes = slope([block.theta.astype(np.float64) for block in probed.blocks])
        pushes = np.zeros(probed.examples.shape)
        own = np.zeros(len(pushes))
        for i, block in enumerate(probed.blocks):
            after = np.concatenate([block.theta[1:], theta[index[i]][None]])
            numbers = linear(plan, probed, block)
            found = _followed(numbers, block, after, slopes[i], buffers[i])
            pushes += found[0]
            penalty, decay = penalty + found[1], decay + found[2]
            own += found[3]
            far += _far(numbers, slot, block, after, slopes[i], rolling[i])
        there = probed.examples >= 0
        by_example += np.bincount(probed.examples[there], pushes[there], plan.n)
        at = probed.first - trajectory.start.step
        by_step[at : at + len(own)] = own
    carried_over = 0.0
    if slot is not None:
        before = trajectory.start.opt_state[slot]
        carried_over = sum(
            float((U * before[at]).sum()) for U, at in zip(buffers, index, strict=True)
        )
    reached = trajectory.start.theta if reached is None else reached
    bound = _bound(trajectory, probes, far, carried_over)
    return FirstOrder(by_example, penalty, decay, carried_over, by_step, reached, bound)


def _bound(
    trajectory: Trajectory, probes: tuple[WeightProbe, ...], far: Array, carried_over: float
) -> float:
    """Return the bound of `FirstOrder`, twice, for what is of second order."""
    pushed, rolled, moved = far.tolist()
    dtype, roundings = trajectory.plan.dtype, trajectory.plan.batch_size + rounding.FEW
    weights = sum(probe.shape[0] * probe.shape[1] for probe in probes)
    summed = max(1, trajectory.last - trajectory.start.step) * roundings + weights
    trained = rounding.gamma(roundings, dtype) * pushed + rounding.gamma(8, dtype) * (
        rolled + moved
    )
    return 2 * (trained + rounding.gamma(summed) * (pushed + rolled + moved + abs(carried_over)))


def _far(
    numbers: Linear, slot: int | None, block: Block, after: Array, slope: Array, buffer: Array
) -> Array:
    """Return what is rounded in these steps, with the size of its effect on f: gradients, momentum, θ.

    `buffer` holds μ Σ |…| of the steps after these, and then of the first of them.
    """
    slope = np.abs(slope)
    w = np.abs(numbers.r) * slope
    rolled = 0.0
    if numbers.mu and slot is not None:
        U = np.abs(numbers.q) * slope
        for t in range(len(U) - 1, -1, -1):
            U[t] += buffer
            np.multiply(U[t], numbers.mu, out=buffer)
        w = w + np.abs(numbers.p) * U
        rolled = float((U * np.abs(block.opt_state[:, slot].astype(np.float64))).sum())
    a, delta = np.abs(block.a.astype(np.float64)), np.abs(block.delta.astype(np.float64))
    pushed = float((np.matmul(a, (w * np.abs(numbers.push)).swapaxes(1, 2)) * delta).sum())
    pushed += float((w * np.abs(numbers.penalty)).sum())
    thetas = np.abs(after.astype(np.float64)) + np.abs(block.theta)
    return np.array([pushed, rolled, float((slope * thetas).sum())])


def _followed(
    numbers: Linear, block: Block, after: Array, slope: Array, buffer: Array
) -> tuple[Array, float, float, Array]:
    """Return the pushes (m, B), those of penalties and of decay, and the first order of each step, (m,).

    `buffer` holds μ U of the step after these, and then of the first of them.
    """
    w = numbers.r * slope
    if numbers.mu:
        U = numbers.q * slope
        for t in range(len(U) - 1, -1, -1):
            U[t] += buffer
            np.multiply(U[t], numbers.mu, out=buffer)
        w = w + numbers.p * U
    a, delta = block.a.astype(np.float64), block.delta.astype(np.float64)
    pushes = (np.matmul(a, (w * numbers.push).swapaxes(1, 2)) * delta).sum(axis=2)
    of_penalty = float((w * numbers.penalty).sum()) if numbers.penalty.any() else 0.0
    taken = decays(numbers, block, after)
    of_decay = float((slope * taken).sum()) if taken.any() else 0.0
    change = after.astype(np.float64) - block.theta
    return pushes, of_penalty, of_decay, (slope * change).sum(axis=(1, 2))
