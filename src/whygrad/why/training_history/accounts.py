"""The ledger of a set of weights: what each example, class and epoch moved them by, start to end.

    θ_T = θ_0 + Σ_i c_i + penalties + decay + momentum carried over + rounding

Every account, of a class or of one example, has the weights' moves so far and a momentum buffer of its own;
steps are taken in by the chunk. All sums are in float64, whatever the training was in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from whygrad.engines import Block, Probes, WeightProbe, WeightProbeResult
from whygrad.engines.native import missing
from whygrad.engines.probe_data import follows_penalties, rows_of
from whygrad.engines.probes import whole
from whygrad.engines.pushes import Below, Chunk, below, lengths, sums, take_in
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan
from whygrad.why import rounding
from whygrad.why.training_history.linear import (
    Effects,
    Linear,
    clipped,
    decays,
    differs,
    effects,
    linear,
)
from whygrad.why.training_history.rules import buffer_slot, form_of
from whygrad.why.training_history.trajectory import Trajectory, epochs_of, groups_of

MEMORY = 2**22  # numbers that one chunk of steps may take
RECORDED = 11 * 2**24  # bytes, where nothing is needed of them but what is recorded
MOST = 2**24  # numbers that accounts of single examples may take
FEW = 64  # weights whose accounts are kept for every example
WAITING = 2**25  # numbers of the steps that wait until their momentum has worn off
NOTHING = 2.0**-60  # what is left of a momentum that has


@dataclass(frozen=True, eq=False)
class Accounts:
    """The accounts of R x K weights; G classes, n examples, E epochs.

    `by_class` (G, R, K); `by_example` (n, R, K), or None where these would be too many, and
    `along` (n,) their lengths along `direction`, or None where momentum carries too far. `by_epoch` (E, G)
    and `other` (E,) are moves along `direction` (R, K), the way from start to value as a vector of length 1
    (1 for a single weight), by the examples of a class and by all else; `path` (E + 1,) is the position on
    it. `sizes` is Σ_t |θ_t| and `pushes` Σ |c|, (R, K) each. `reached` is where the steps, run again, end:
    the value, but on another machine. `bound` is how far rounding can take what they add up to, (R, K):

        γ_{B+16} Σ |c|  +  γ_8 (Σ_t |m_t| Q_t + Σ_t |θ_t|)  +  γ′_{T(B+16)} (all that is summed here)

    A gradient is a sum over B examples, whose roundings act as the pushes do; every step rounds m, which
    acts on through Q, and θ. γ′ is of float64, in which accounts are kept. Σ |m_t| Q_t is at most Σ |c|
    times what `_roundings_of_m` returns.
    """

    probe: WeightProbe
    start: Array
    value: Array
    by_class: Array
    by_example: Array | None
    along: Array | None
    penalty: Array
    decay: Array
    carried_over: Array
    direction: Array
    by_epoch: Array
    other: Array
    path: Array
    sizes: Array
    pushes: Array
    reached: Array
    bound: Array

    @property
    def rounding(self) -> Array:
        """What is left of where the steps end, (R, K)."""
        accounted = self.start + self.by_class.sum(axis=0) + self.penalty + self.decay
        return self.reached - (accounted + self.carried_over)


def chunk_of(
    trajectory: Trajectory, probes: tuple[WeightProbe, ...], copies: int, gathered: bool = True
) -> int:
    """Return how many steps at a time the memory allows, if that many copies of the weights are needed.

    They are needed beside what is recorded of the optimizer's state. `gathered` says whether the rows below
    the weights are laid side by side, or read where they lie.
    """
    rows, B = range(len(trajectory.start.opt_state)), trajectory.plan.batch_size
    weights = sum(
        probe.shape[0] * probe.shape[1] * (copies + len(rows if probe.rows is None else probe.rows))
        for probe in probes
    )
    batch = sum(B * (probe.shape[0] + gathered * probe.shape[1]) for probe in probes)
    alone = sum(
        B * probe.shape[0] * probe.shape[1]
        for probe in probes
        if probe.shape[0] * probe.shape[1] <= FEW
    )
    each = weights + 3 * batch + 2 * alone
    recorded = all(probe.rows is not None for probe in probes)
    room = RECORDED // np.dtype(trajectory.plan.dtype).itemsize if recorded else MEMORY
    return max(1, min(4096, room // each))


def carries_too_far(trajectory: Trajectory, probe: WeightProbe) -> bool:
    """Return whether more steps than may wait act on through momentum: examples are then followed back."""
    plan, (R, K) = trajectory.plan, probe.shape
    form = form_of(plan.optimizer, np.zeros((0, 3)))
    if not form.mu:
        return False
    acting = math.log(NOTHING) / math.log(form.mu) if form.mu < 1 else math.inf
    steps = min(acting, trajectory.last - trajectory.start.step)
    each = plan.batch_size * (R + 2 + K * (probe.layer > 1))
    if form.early:  # the denominators wait as well
        each += R * K * np.dtype(plan.dtype).itemsize // 8
    each += R * K * (plan.clip.value is not None)  # and what clipping left
    return steps * each > WAITING


def accounts(trajectory: Trajectory, probe: WeightProbe) -> Accounts:
    """Return the ledger of the weights of a probe; the training is run again."""
    plan, n = trajectory.plan, trajectory.plan.n
    probe.check(plan.net)
    buffer_slot(plan.optimizer)
    groups, G = groups_of(trajectory)
    index, shape = rows_of(plan.net, probe), probe.shape
    P, E = shape[0] * shape[1], epochs_of(plan, trajectory.start, trajectory.last)
    start, value = (
        theta[index].astype(np.float64) for theta in (trajectory.start.theta, trajectory.theta)
    )
    length = float(np.linalg.norm(value - start))
    direction = np.ones(shape) if P == 1 else (value - start) / (length or 1.0)
    slot = buffer_slot(plan.optimizer)
    carried_over = _Account(np.zeros((1, *shape)), np.zeros((1, *shape)))
    if slot is not None:
        carried_over.buffer[0] = trajectory.start.opt_state[slot][index]
    penalty = _Account(*np.zeros((2, 1, *shape)))
    kept_apart = P <= FEW and n * P <= MOST
    pushed = _Account(*np.zeros((2, n if kept_apart else G, *shape)))
    decay, sizes, pushes = (np.zeros(shape) for _ in range(3))
    bounded, reached = _Far(shape, plan), start
    along = None if kept_apart or carries_too_far(trajectory, probe) else _Along(n)
    by_epoch, other, path = np.zeros((E, G)), np.zeros(E), np.zeros(E + 1)
    path[:] = (start * direction).sum()
    first = trajectory.start.step - trajectory.start.batch_index
    X, compiled = trajectory.data.X, not kept_apart and missing("float64") is None
    # Else the inputs were other numbers, or are read as the steps need them.
    rows_of_X = isinstance(X, np.ndarray) and plan.products is None
    by_value = plan.clip.value is not None  # how far a gradient is bounded is found from all rows
    gathered = kept_apart or probe.layer > 1 or not rows_of_X or by_value
    lean = compiled and not by_value
    if lean and probe.shape == whole(plan.net.sizes, probe.layer).shape:
        squared = form_of(plan.optimizer, np.zeros((0, 3))).v
        rows = () if squared is None else (squared,)
        probe = replace(probe, rows=rows, theta=reads_theta(plan))
    # θ as recorded; and in float64 coefficients, of every weight where they differ, else of the step.
    copies = int(probe.theta) if lean else 8 if differs(plan) else 2
    made, by_else = np.zeros(G), 0.0
    each = chunk_of(trajectory, (probe,), copies, gathered)
    for state, seen in trajectory.steps(Probes(weights=(probe,)), each):
        assert seen.weights is not None
        block, who = seen.weights.blocks[0], seen.weights.examples
        reached = state.theta[index]
        steps = _Steps(plan, seen.weights, block, reached, direction, groups[who], G)
        if kept_apart:
            chunk = _side_by_side(steps, who)
        else:
            a = below(block, X if rows_of_X else None, plan.net.sizes[probe.layer - 1], who)
            chunk = (_compiled if compiled else _in_numpy)(steps, a)
            if along is not None:
                along.take(chunk, who)
        pushed.take(chunk, chunk.moves, chunk.leaves)
        penalty.take(chunk, *(part[None] for part in chunk.penalty))
        carried_over.take(chunk, 0.0, 0.0)
        decay += chunk.decay
        pushes += chunk.sizes[0]
        sizes += chunk.thetas
        bounded.take(chunk, seen.weights.coefficients)
        at = state.step - first
        epoch = (seen.weights.first - first) // plan.steps_per_epoch
        path[epoch + 1 :] = (reached * direction).sum(dtype=np.float64)
        if at % plan.steps_per_epoch == 0 or state.step == trajectory.last:
            before = made
            made = np.tensordot(pushed.total, direction, 2)
            if kept_apart:
                made = np.bincount(groups, made, G).astype(np.float64)
            rest = penalty.total[0] + carried_over.total[0] + decay
            by_epoch[epoch], other[epoch] = made - before, (rest * direction).sum() - by_else
            by_else += other[epoch]
    reached = reached.astype(np.float64)
    lengths_along = None if along is None else along.lengths()
    by_example, by_class = None, pushed.total
    if kept_apart:
        by_example = pushed.total
        lengths_along = np.tensordot(by_example, direction, 2)
        by_class = np.tensordot(
            np.equal.outer(np.arange(G), groups).astype(np.float64), by_class, 1
        )
    ends = np.abs(start) + np.abs(reached)
    bound = bounded.bound(trajectory, sizes + np.abs(reached), ends, carried_over.total[0])
    return Accounts(
        probe, start, value, by_class, by_example, lengths_along, penalty.total[0], decay,
        carried_over.total[0], direction, by_epoch, other, path, sizes, pushes, reached, bound,
    )  # fmt: skip


@dataclass
class _Account:
    """What some accounts moved so far, and their momentum, (·, R, K) each."""

    total: Array
    buffer: Array
    laid_out: bool = False  # as the numbers are that are added

    def take(self, chunk: Chunk, moves: Array | float, left: Array | float | None) -> None:
        """Add what a chunk of steps moved, and what the momentum from before it did."""
        if isinstance(moves, np.ndarray) and not self.laid_out:
            self.total, self.buffer = (_laid_as(moves, part) for part in (self.total, self.buffer))
            self.laid_out = True
        self.total += moves
        if left is not None and (chunk.kept or chunk.carried.any()):
            self.total += self.buffer * chunk.carried
            self.buffer *= chunk.kept
            self.buffer += left


def _laid_as(other: Array, numbers: Array) -> Array:
    """Return a copy whose axes follow one another in memory as those of `other` of the same shape."""
    copy = np.empty_like(other)
    copy[...] = numbers
    return copy


class _Far:
    """How far rounding can take the weights: what is rounded, with what it does to them at the end."""

    def __init__(self, shape: tuple[int, ...], plan: Plan) -> None:
        self.plan, self.pushed = plan, _Account(*np.zeros((2, 1, *shape)))
        self.shrunk = np.zeros(shape)
        self.coefficients: list[Array] = []

    def take(self, chunk: Chunk, coefficients: Array) -> None:
        """Add a chunk of steps."""
        sized = replace(chunk, carried=np.abs(chunk.carried), kept=abs(chunk.kept))
        moved, left = (
            (pushed + penalty)[None]
            for pushed, penalty in zip(chunk.sizes, chunk.penalty_sizes, strict=True)
        )
        self.pushed.take(sized, moved, left)
        self.shrunk += np.abs(chunk.decay)
        self.coefficients.append(coefficients)

    def bound(
        self, trajectory: Trajectory, thetas: Array, ends: Array, carried_over: Array
    ) -> Array:
        """Return the bound of `Accounts`, twice, for what is of second order; `ends` are summed up too."""
        dtype, roundings = self.plan.dtype, self.plan.batch_size + rounding.FEW
        steps = max(1, trajectory.last - trajectory.start.step)
        pushed, carried = self.pushed.total[0], np.abs(carried_over)
        rolled = _roundings_of_m(self.plan, self.coefficients) * (pushed + carried)
        trained = rounding.gamma(roundings, dtype) * pushed
        trained += rounding.gamma(8, dtype) * (rolled + thetas)
        summed: Array = pushed + carried + rolled + self.shrunk + ends
        return 2 * (trained + rounding.gamma(steps * roundings) * summed)


def _roundings_of_m(plan: Plan, coefficients: list[Array]) -> float:
    """Return the most that Σ_t |m_t| Q_t can be of the pushes, from the coefficients of all steps.

    |m_t| ≤ Σ_{s≤t} μ^{t−s} |p_s ĝ_s|, so that the sum is at most Σ_s |p_s ĝ_s| Σ_{t≥s} μ^{t−s} Q_t. With
    Q_t = Σ_{u≥t} μ^{u−t} q_u/D_u the inner sum is Q_s times the mean of u − s + 1, weighted with
    μ^{u−s} q_u/D_u. D falls by the factor √β at most from one step to the next, and where it always does
    that mean is greatest.
    """
    form = form_of(plan.optimizer, np.concatenate(coefficients or [np.zeros((0, 3))]))
    divided = form.v is not None and not form.early
    mu = form.mu / np.sqrt(form.beta) if divided and form.beta else form.mu
    if not mu < 1:
        return float(len(form.q))
    most, Q, beyond = 0.0, 0.0, 0.0
    for q in np.abs(form.q[::-1]).tolist() if form.mu else ():
        Q = q + mu * Q
        beyond = Q + mu * beyond
        if beyond > most * Q:
            most = beyond / Q
    return most


def reads_theta(plan: Plan) -> bool:
    """Return whether a ledger reads θ at every step: what penalties and decay per step do follows from it.

    What AdamW's decay takes off is summed up while the steps run, and what Adam makes of penalties.
    """
    penalised = plan.l1.strength > 0 or plan.l2.strength > 0
    return plan.l2.decay > 0 or (penalised and not follows_penalties(plan))


@dataclass(frozen=True, eq=False)
class _Steps:
    """Some steps, as a probe saw them; `after` is θ after the last of them, `labels` are the classes."""

    plan: Plan
    probed: WeightProbeResult
    block: Block
    after: Array
    direction: Array
    labels: Array
    count: int


def _compiled(steps: _Steps, a: Below) -> Chunk:
    """Return what steps came to, by compiled code."""
    plan, probed, block = steps.plan, steps.probed, steps.block
    index = rows_of(plan.net, block.probe)
    there = ~np.isin(index, plan.net.masked)
    chunk = take_in(
        form_of(plan.optimizer, probed.coefficients),
        probed.scale / probed.S,
        (probed.scale, probed.l1, probed.l2),
        plan.l2.decay,
        None if plan.factors is None else plan.factors.astype(np.float64)[index],
        clipped(plan, probed, block),
        block,
        steps.after,
        a,
        steps.labels,
        steps.count,
        steps.direction * there,
    )
    if not there.all():
        for pushed in (chunk.moves, chunk.leaves, *chunk.sizes):
            if pushed is not None:
                pushed *= there
    return chunk


def _in_numpy(steps: _Steps, a: Below) -> Chunk:
    """Return what steps came to, by NumPy: for where nothing is compiled."""
    numbers = linear(steps.plan, steps.probed, steps.block)
    come, delta, direction = effects(numbers), np.array(steps.block.delta), steps.direction
    moved, left = come.moved * numbers.push, come.left * numbers.push
    by_label, sizes = sums(a, delta, steps.labels, steps.count, (moved, left))
    whole = (len(delta), *direction.shape)

    def later(carried: Array) -> Array:
        return lengths(a, delta, np.broadcast_to(left * carried * direction, whole))

    along = lengths(a, delta, np.broadcast_to(moved * direction, whole))
    return _chunk(steps, numbers, come, by_label, sizes, along, later)


def _side_by_side(steps: _Steps, who: Array) -> Chunk:
    """Return what steps came to, example by example, (n, R, K): by one product with who is who."""
    from scipy.sparse import csr_array  # here, since most questions sum up no single pushes

    numbers, block = linear(steps.plan, steps.probed, steps.block), steps.block
    come, label = effects(numbers), np.where(who >= 0, who, 0)
    a, delta = block.a.astype(np.float64), block.delta.astype(np.float64)
    pushes = delta[..., :, None] * a[..., None, :]
    m, B, R, K = pushes.shape
    rows = csr_array(
        (np.ones(m * B), label.ravel(), np.arange(m * B + 1)), shape=(m * B, steps.plan.n)
    )  # fmt: skip
    parts = [part * numbers.push for part in (come.moved, come.left)]
    of_each = [(pushes * part[:, None]).reshape(m * B, R * K) for part in parts]
    moves, leaves = ((rows.T @ part).reshape(-1, R, K) for part in of_each)
    size = np.abs(pushes).sum(axis=1)
    moved, left = ((np.abs(part) * size).sum(axis=0) for part in parts)
    return _chunk(steps, numbers, come, (moves, leaves), (moved, left), np.zeros(who.shape), None)


def _chunk(
    steps: _Steps, numbers: Linear, come: Effects, by_label: tuple[Array, Array],
    sizes: tuple[Array, Array], along: Array, later: Callable[[Array], Array] | None,
) -> Chunk:  # fmt: skip
    """Put together what was found of the pushes with what is no example's."""
    block = steps.block
    shape = (len(block.delta), *steps.direction.shape)
    moved, left = (np.broadcast_to(part, shape) for part in (come.moved, come.left))
    penalised = [part * numbers.penalty for part in (moved, left)]
    thetas = block.thetas
    if thetas is None:
        thetas = np.abs(block.theta).sum(axis=0, dtype=np.float64)
    return Chunk(
        *by_label,
        sizes,
        (penalised[0].sum(axis=0), penalised[1].sum(axis=0)),
        (np.abs(penalised[0]).sum(axis=0), np.abs(penalised[1]).sum(axis=0)),
        thetas,
        _decays(numbers, block, steps.after),
        come.carried,
        come.kept,
        along,
        later,
    )


class _Along:
    """The lengths of examples' moves along a direction, without an account of every weight for each.

    A push acts on through momentum, by what steps make of it that come later: so a chunk waits until what
    is left of its momentum is less than rounding.
    """

    def __init__(self, n: int) -> None:
        self.found = np.zeros(n)
        self.waiting: list[_Waiting] = []

    def take(self, chunk: Chunk, who: Array) -> None:
        """Add a chunk of steps."""
        for one in self.waiting:
            one.carried = one.carried + one.kept * chunk.carried
            one.kept *= chunk.kept
        self._add(who, chunk.along)
        if chunk.later is not None and chunk.leaves is not None and chunk.leaves.any():
            self.waiting.append(_Waiting(chunk.later, who, np.zeros((1, 1))))
        while self.waiting and abs(self.waiting[0].kept) < NOTHING:
            self._settle(self.waiting.pop(0))

    def _settle(self, one: "_Waiting") -> None:
        if one.carried.any():
            self._add(one.who, one.later(one.carried))

    def _add(self, who: Array, pushes: Array) -> None:
        there = who >= 0
        self.found += np.bincount(who[there], pushes[there], len(self.found))

    def lengths(self) -> Array:
        """Return the lengths, (n,), once all steps have been taken."""
        for one in self.waiting:
            self._settle(one)
        self.waiting = []
        return self.found


@dataclass
class _Waiting:
    """A chunk of steps whose pushes still act on.

    1 in the buffer after them has moved the weights by `carried` since, and of it `kept` is left.
    """

    later: Callable[[Array], Array]
    who: Array
    carried: Array
    kept: float = 1.0


def _decays(numbers: Linear, block: Block, last: Array) -> Array:
    """Return what decay took off the weights in all steps, (R, K), the last of which ended at `last`."""
    if not np.any(numbers.decay) and (numbers.keep == 1).all():
        return np.zeros(last.shape)
    taken: Array = decays(numbers, block, np.concatenate([block.theta[1:], last[None]]))
    return taken.sum(axis=0)
