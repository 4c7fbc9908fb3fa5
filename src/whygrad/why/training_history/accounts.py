"""The ledger of a set of weights: what each example, class and epoch moved them by, start to end.

    θ_T = θ_0 + Σ_i c_i + penalties + decay + momentum carried over + rounding

Every account, of a class or of one example, has the weights' moves so far and a momentum buffer of its own;
steps are taken in by the chunk. All sums are in float64, whatever the training was in.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from whygrad.engines import Block, Probes, WeightProbe
from whygrad.engines.probe_data import rows_of
from whygrad.nn.functions import Array
from whygrad.why import rounding
from whygrad.why.training_history.linear import Effects, decays, effects, linear
from whygrad.why.training_history.rules import buffer_slot
from whygrad.why.training_history.trajectory import Trajectory, epochs_of, groups_of

MEMORY = 2**22  # numbers that one chunk of steps may take
MOST = 2**24  # numbers that accounts of single examples may take
FEW = 64  # weights that are taken in side by side; more of them by products of matrices


@dataclass(frozen=True, eq=False)
class Accounts:
    """The accounts of R x K weights; G classes, n examples, E epochs.

    `by_class` (G, R, K); `by_example` (n, R, K), or None where these would be too many. `by_epoch` (E, G)
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


def chunk_of(trajectory: Trajectory, probes: tuple[WeightProbe, ...], copies: int) -> int:
    """Return how many steps at a time the memory allows, if that many copies of the weights are needed."""
    opt_state, B = len(trajectory.start.opt_state), trajectory.plan.batch_size
    weights = sum(probe.shape[0] * probe.shape[1] for probe in probes)
    batch = sum(B * sum(probe.shape) for probe in probes)
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
    far, reached = _Far(shape), start
    by_epoch, other, path = np.zeros((E, G)), np.zeros(E), np.zeros(E + 1)
    path[:] = (start * direction).sum()
    probes, first = Probes(weights=(probe,)), trajectory.start.step - trajectory.start.batch_index
    for state, seen in trajectory.steps(probes, chunk_of(trajectory, (probe,), 8)):
        assert seen.weights is not None
        block, who = seen.weights.blocks[0], seen.weights.examples
        after = np.concatenate([block.theta[1:], state.theta[index][None]])
        numbers = linear(plan, seen.weights, block)
        come = effects(numbers)
        epoch = (seen.weights.first - first) // plan.steps_per_epoch
        if examples is not None:
            moves, left, size = _collect(numbers.push, come, block, who, np.arange(n), n)
            moved = np.tensordot(members, examples.take(come, moves, left), 1)
            classes.total += moved
        else:
            moves, left, size = _collect(numbers.push, come, block, who, groups, G)
            moved = classes.take(come, moves, left)
        by_epoch[epoch] += (moved * direction).sum(axis=(1, 2))
        size = np.abs(numbers.push) * size
        pushes += (np.abs(come.moved) * size).sum(axis=0)
        m = None if slot is None else np.abs(block.opt_state[:, slot].astype(np.float64))
        of_penalty = [
            (part * numbers.penalty).sum(axis=0)[None] for part in (come.moved, come.left)
        ]
        taken = decays(numbers, block, after).sum(axis=0)
        rest = penalty.take(come, *of_penalty) + carried_over.take(come, 0.0, 0.0)
        other[epoch] += ((rest[0] + taken) * direction).sum()
        decay += taken
        far.take(come.sizes(), size + np.abs(numbers.penalty), m, np.abs(taken))
        reached = state.theta[index].astype(np.float64)
        sizes += np.abs(block.theta).sum(axis=0, dtype=np.float64)
        path[epoch + 1 :] = (state.theta[index] * direction).sum(dtype=np.float64)
    ends = np.abs(start) + np.abs(reached) + np.abs(carried_over.total[0])
    bound = far.bound(trajectory, sizes + np.abs(reached), ends)
    return Accounts(
        probe, start, value, classes.total, examples.total if examples else None, penalty.total[0], decay,
        carried_over.total[0], direction, by_epoch, other, path, sizes, pushes, reached, bound,
    )  # fmt: skip


@dataclass
class _Account:
    """What some accounts moved so far, and their momentum, (·, R, K) each."""

    total: Array
    buffer: Array

    def take(self, come: Effects, moves: Array | float, left: Array | float) -> Array:
        """Add a chunk of steps, and return its moves, with those by momentum from before it."""
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

    def take(self, come: Effects, gradient: Array, m: Array | None, taken: Array) -> None:
        """Add a chunk of steps: sizes of effects, gradients and momentum, (m, R, K), and of decay."""
        self._weigh(self.pushed, come, come.moved, come.left, gradient)
        if m is not None:
            self._weigh(self.rolled, come, come.through, come.rest, m)
        self.shrunk += taken

    @staticmethod
    def _weigh(account: _Account, come: Effects, moved: Array, left: Array, size: Array) -> None:
        account.take(come, *((part * size).sum(axis=0)[None] for part in (moved, left)))

    def bound(self, trajectory: Trajectory, thetas: Array, ends: Array) -> Array:
        """Return the bound of `Accounts`, twice, for what is of second order; `ends` are summed up too."""
        dtype, roundings = trajectory.plan.dtype, trajectory.plan.batch_size + rounding.FEW
        steps = max(1, trajectory.last - trajectory.start.step)
        pushed, rolled = self.pushed.total[0], self.rolled.total[0]
        trained = rounding.gamma(roundings, dtype) * pushed
        trained += rounding.gamma(8, dtype) * (rolled + thetas)
        summed: Array = pushed + rolled + self.shrunk + ends
        return 2 * (trained + rounding.gamma(steps * roundings) * summed)


def _collect(
    push: Array, come: Effects, block: Block, who: Array, labels: Array, count: int
) -> tuple[Array, Array, Array]:
    """Return the moves by each label's pushes, what they leave in the buffers, (count, R, K), and Σ |δ a|.

    `labels` has a label for every example of the data, `who` (m, B) says which are in the batches.
    """
    there = who >= 0
    label = np.where(there, labels[who], 0)
    a, delta = block.a.astype(np.float64), block.delta.astype(np.float64)
    moved, left = (part * push for part in (come.moved, come.left))
    if block.probe.shape[0] * block.probe.shape[1] <= FEW:
        return _side_by_side(moved, left, a, delta, label, count)
    size = np.matmul(np.abs(delta).swapaxes(1, 2), np.abs(a))
    moves, leaves = (_by_products(part, a, delta, label, there, count) for part in (moved, left))
    return moves, leaves, size


def _side_by_side(
    moved: Array, left: Array, a: Array, delta: Array, label: Array, count: int
) -> tuple[Array, Array, Array]:
    """Sum up single pushes, (m B, R K) of them, by one product with who is who."""
    pushes = delta[..., :, None] * a[..., None, :]
    m, B, R, K = pushes.shape
    rows = csr_array(
        (np.ones(m * B), label.ravel(), np.arange(m * B + 1)), shape=(m * B, count)
    )  # fmt: skip
    effects_of = [(pushes * part[:, None]).reshape(m * B, R * K) for part in (moved, left)]
    moves, leaves = ((rows.T @ part).reshape(count, R, K) for part in effects_of)
    return moves, leaves, np.abs(pushes).sum(axis=1)


def _by_products(
    part: Array, a: Array, delta: Array, label: Array, there: Array, count: int
) -> Array:
    """Sum up Σ part δᵀ a by label: one product for each where a step has one number, else one a step."""
    found = np.zeros((count, delta.shape[2], a.shape[2]))
    if not part.any():
        return found
    if part.shape[1:] == (1, 1):
        scaled = delta * part
        for g in range(count):
            mine = there & (label == g)
            found[g] = scaled[mine].T @ a[mine]
        return found
    for t in range(len(a)):
        for g in np.unique(label[t][there[t]]).tolist():
            mine = there[t] & (label[t] == g)
            found[g] += part[t] * (delta[t][mine].T @ a[t][mine])
    return found
