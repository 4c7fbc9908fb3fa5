"""The ledger of a set of weights: what each example, class and epoch moved them by, start to end.

    θ_T = θ_0 + Σ_i c_i + penalties + decay + momentum carried over + rounding

Every account, of a class or of one example, has the weights' moves so far and a momentum buffer of its own;
steps are taken in by the chunk. All sums are in float64, whatever the training was in.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.engines import Block, Probes, WeightProbe
from whygrad.engines.probe_data import rows_of
from whygrad.engines.pushes import Below, below, lengths, sums
from whygrad.nn.arrays import is_sparse
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan
from whygrad.why import rounding
from whygrad.why.training_history.linear import (
    Effects,
    Linear,
    decays,
    differs,
    effects,
    linear,
)
from whygrad.why.training_history.rules import buffer_slot
from whygrad.why.training_history.trajectory import Trajectory, epochs_of, groups_of

MEMORY = 2**22  # numbers that one chunk of steps may take
MOST = 2**24  # numbers that accounts of single examples may take
FEW = 64  # weights whose accounts are kept for every example
WAITING = 2**24  # numbers of the chunks that wait until their momentum has worn off
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
    acts on through Q, and θ. γ′ is of float64, in which accounts are kept.
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

    `gathered` says whether the rows below the weights are laid side by side, or read where they lie.
    """
    opt_state, B = len(trajectory.start.opt_state), trajectory.plan.batch_size
    weights = sum(probe.shape[0] * probe.shape[1] for probe in probes)
    batch = sum(B * (probe.shape[0] + gathered * probe.shape[1]) for probe in probes)
    alone = sum(
        B * probe.shape[0] * probe.shape[1]
        for probe in probes
        if probe.shape[0] * probe.shape[1] <= FEW
    )
    each = weights * (copies + opt_state) + 3 * batch + 2 * alone
    return max(1, min(4096, MEMORY // each))


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
    classes, penalty = (_Account(np.zeros((c, *shape)), np.zeros((c, *shape))) for c in (G, 1))
    examples, members = None, np.equal.outer(np.arange(G), groups).astype(np.float64)
    if P <= FEW and n * P <= MOST:
        examples = _Account(*(np.zeros((n, *shape)) for _ in range(2)))
    decay, sizes, pushes = (np.zeros(shape) for _ in range(3))
    far, reached, along = _Far(shape), start, _Along(n, direction)
    by_epoch, other, path = np.zeros((E, G)), np.zeros(E), np.zeros(E + 1)
    path[:] = (start * direction).sum()
    probes, first = Probes(weights=(probe,)), trajectory.start.step - trajectory.start.batch_index
    X = trajectory.data.X
    rows_of_X = not is_sparse(X) and plan.products is None  # else the inputs were other numbers
    gathered = examples is not None or probe.layer > 1 or not rows_of_X
    # Coefficients of every weight, where there are denominators, penalties or bounds; else of the step.
    copies = 8 if differs(plan) else 2
    for state, seen in trajectory.steps(probes, chunk_of(trajectory, (probe,), copies, gathered)):
        assert seen.weights is not None
        block, who = seen.weights.blocks[0], seen.weights.examples
        numbers = linear(plan, seen.weights, block)
        come = effects(numbers)
        epoch = (seen.weights.first - first) // plan.steps_per_epoch
        pushed = _collect(
            plan, numbers.push, come, block, who, X if rows_of_X else None, groups, G, examples
        )
        if examples is not None:
            moved = np.tensordot(members, examples.take(come, pushed.moves, pushed.leaves), 1)
            classes.total += moved
        else:
            moved = classes.take(come, pushed.moves, pushed.leaves)
            along.take(pushed, come, block, who)
        by_epoch[epoch] += np.einsum("grk,rk->g", moved, direction)
        pushes += pushed.moved_size
        m = None if slot is None else np.abs(block.opt_state[:, slot], dtype=np.float64)
        of_penalty = [
            (part * numbers.penalty).sum(axis=0)[None] for part in (come.moved, come.left)
        ]
        taken = _decays(numbers, block, state.theta[index])
        rest = penalty.take(come, *of_penalty) + carried_over.take(come, 0.0, 0.0)
        other[epoch] += ((rest[0] + taken) * direction).sum()
        decay += taken
        far.take(come.sizes(), pushed, np.abs(numbers.penalty), m, np.abs(taken))
        reached = state.theta[index].astype(np.float64)
        sizes += np.abs(block.theta).sum(axis=0, dtype=np.float64)
        path[epoch + 1 :] = (state.theta[index] * direction).sum(dtype=np.float64)
    ends = np.abs(start) + np.abs(reached) + np.abs(carried_over.total[0])
    bound = far.bound(trajectory, sizes + np.abs(reached), ends)
    return Accounts(
        probe, start, value, classes.total, examples.total if examples else None,
        np.tensordot(examples.total, direction, 2) if examples else along.lengths(),
        penalty.total[0], decay, carried_over.total[0], direction, by_epoch, other, path, sizes, pushes,
        reached, bound,
    )  # fmt: skip


@dataclass
class _Account:
    """What some accounts moved so far, and their momentum, (·, R, K) each."""

    total: Array
    buffer: Array

    def take(self, come: Effects, moves: Array | float, left: Array | float) -> Array:
        """Add a chunk of steps, and return its moves, with those by momentum from before it."""
        if not (come.kept or come.carried.any()):  # there is no momentum
            self.total += moves
            return np.broadcast_to(moves, self.total.shape)
        moved: Array = self.buffer * come.carried + moves
        self.total += moved
        self.buffer *= come.kept
        self.buffer += left
        return moved


class _Far:
    """How far rounding can take the weights: what is rounded, with what it does to them at the end."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.pushed, self.rolled = (_Account(*np.zeros((2, 1, *shape))) for _ in range(2))
        self.shrunk = np.zeros(shape)

    def take(
        self, come: Effects, pushed: "_Pushed", penalty: Array, m: Array | None, taken: Array
    ) -> None:
        """Add a chunk of steps: sizes of effects, pushes, penalties, momentum (m, R, K), and of decay."""
        moved, left = pushed.moved_size, pushed.left_size
        if penalty.any():
            moved, left = moved + _weighed(come.moved, penalty), left + _weighed(come.left, penalty)
        self.pushed.take(come, moved[None], left[None])
        if m is not None:
            through, rest = _weighed(come.through, m), _weighed(come.rest, m)
            self.rolled.take(come, through[None], rest[None])
        self.shrunk += taken

    def bound(self, trajectory: Trajectory, thetas: Array, ends: Array) -> Array:
        """Return the bound of `Accounts`, twice, for what is of second order; `ends` are summed up too."""
        dtype, roundings = trajectory.plan.dtype, trajectory.plan.batch_size + rounding.FEW
        steps = max(1, trajectory.last - trajectory.start.step)
        pushed, rolled = self.pushed.total[0], self.rolled.total[0]
        trained = rounding.gamma(roundings, dtype) * pushed
        trained += rounding.gamma(8, dtype) * (rolled + thetas)
        summed: Array = pushed + rolled + self.shrunk + ends
        return 2 * (trained + rounding.gamma(steps * roundings) * summed)


def _weighed(effect: Array, size: Array) -> Array:
    """Return Σ_t effect size, (R, K)."""
    found: Array = np.einsum("trk,trk->rk", effect, size)
    return found


@dataclass(frozen=True, eq=False)
class _Pushed:
    """The moves of a chunk's pushes by label and what they leave in the buffers, (count, R, K).

    `moved_size` and `left_size` (R, K) are the sums of their sizes. A push is `moved` or `left` (m, ·, ·)
    times δ a, with a from `below`.
    """

    moved: Array
    left: Array
    below: Below
    moves: Array
    leaves: Array
    moved_size: Array
    left_size: Array


def _collect(
    plan: Plan, push: Array, come: Effects, block: Block, who: Array, X: Any, groups: Array, G: int,
    examples: _Account | None,
) -> _Pushed:  # fmt: skip
    """Add up a chunk's pushes, by example where these have accounts, and by class elsewhere.

    `who` (m, B) says which examples are in the batches.
    """
    layer = block.probe.layer
    a = below(block, X, plan.net.sizes[layer - 1], who)
    moved, left = come.moved * push, come.left * push
    if examples is not None:
        return _side_by_side(moved, left, a, block, np.where(who >= 0, who, 0), plan.n)
    by_moves, by_left = sums(a, block.delta, groups[who], G, (moved, left))
    by_label = by_moves.by_label, by_left.by_label
    return _Pushed(moved, left, a, *by_label, by_moves.sizes, by_left.sizes)


def _side_by_side(
    moved: Array, left: Array, below: Below, block: Block, label: Array, count: int
) -> _Pushed:
    """Sum up single pushes, (m B, R K) of them, by one product with who is who."""
    from scipy.sparse import csr_array  # here, since most questions sum up no single pushes

    a, delta = block.a.astype(np.float64), block.delta.astype(np.float64)
    pushes = delta[..., :, None] * a[..., None, :]
    m, B, R, K = pushes.shape
    rows = csr_array(
        (np.ones(m * B), label.ravel(), np.arange(m * B + 1)), shape=(m * B, count)
    )  # fmt: skip
    effects_of = [(pushes * part[:, None]).reshape(m * B, R * K) for part in (moved, left)]
    by_label = [(rows.T @ part).reshape(count, R, K) for part in effects_of]
    size = np.abs(pushes).sum(axis=1)
    sizes = [(np.abs(part) * size).sum(axis=0) for part in (moved, left)]
    return _Pushed(moved, left, below, *by_label, *sizes)


class _Along:
    """The lengths of examples' moves along a direction, without an account of every weight for each.

    A push acts on through momentum, by what steps make of it that come later: so a chunk waits until what
    is left of its momentum is less than rounding.
    """

    def __init__(self, n: int, direction: Array) -> None:
        self.direction, self.found = direction, np.zeros(n)
        self.waiting: list[_Waiting] = []
        self.far = False  # momentum carries too far

    def take(self, pushed: _Pushed, come: Effects, block: Block, who: Array) -> None:
        """Add a chunk of steps."""
        for chunk in self.waiting:
            chunk.carried = chunk.carried + chunk.kept * come.carried
            chunk.kept *= come.kept
        if not self.far:
            kept = 1.0 if pushed.left.any() else 0.0
            self.waiting.append(_Waiting(pushed, block.delta, who, np.zeros((1, 1)), kept))
        while self.waiting and abs(self.waiting[0].kept) < NOTHING:
            self._settle(self.waiting.pop(0))
        if sum(chunk.size for chunk in self.waiting) > WAITING:
            self.far, self.waiting = True, []

    def _settle(self, chunk: "_Waiting") -> None:
        pushed, delta = chunk.pushed, chunk.delta
        effect = pushed.left * chunk.carried + pushed.moved
        if effect.shape[1:] == (1, 1):
            pushes = effect[:, 0] * lengths(pushed.below, delta, self.direction[None])
        else:
            effect *= self.direction
            pushes = lengths(pushed.below, delta, effect)
        there = chunk.who >= 0
        self.found += np.bincount(chunk.who[there], pushes[there], len(self.found))

    def lengths(self) -> Array | None:
        """Return the lengths, (n,), once all steps have been taken."""
        for chunk in self.waiting:
            self._settle(chunk)
        self.waiting = []
        return None if self.far else self.found


@dataclass
class _Waiting:
    """A chunk of steps whose pushes still act on: the effects of theirs, and on a buffer after them.

    1 in that buffer has moved θ by `carried` since, and of it `kept` is left.
    """

    pushed: _Pushed
    delta: Array
    who: Array
    carried: Array
    kept: float

    @property
    def size(self) -> int:
        """How many numbers it takes."""
        return self.pushed.moved.size + self.pushed.left.size + self.delta.size + self.who.size


def _decays(numbers: Linear, block: Block, last: Array) -> Array:
    """Return what decay took off the weights in all steps, (R, K), the last of which ended at `last`."""
    if not np.any(numbers.decay) and (numbers.keep == 1).all():
        return np.zeros(last.shape)
    taken: Array = decays(numbers, block, np.concatenate([block.theta[1:], last[None]]))
    return taken.sum(axis=0)
