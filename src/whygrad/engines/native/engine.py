"""The native engine's side of Python: a plan becomes numbers, a chunk of steps becomes one call.

Compiled code is kept on disk (`cache`), one function per dtype for networks of every shape, so that a
machine compiles once. Where Numba or a BLAS that it knows is missing, the reference engine serves.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.address_space import COMPILING, blas, refuse_without
from whygrad.cores import one_thread, own_cores
from whygrad.engines import BatchCurvature, ProbeResult, Probes, WalkBack
from whygrad.engines.machine_code import bfloat16
from whygrad.engines.machine_code.kernel import Call, Kernel
from whygrad.engines.pace import Pace
from whygrad.errors import InputError, WhygradError
from whygrad.escaping import note
from whygrad.nn.arrays import Data, is_sparse
from whygrad.nn.functions import ACTIVATIONS, COSTS, Array
from whygrad.nn.network import Network
from whygrad.plan.dropout import WORD
from whygrad.plan.multipliers import Multipliers
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.plan.plan import Clip, Plan, State

if TYPE_CHECKING:  # Numba takes a while to import: it is left until a training needs it
    from whygrad.engines.native.arguments import ThreadContext
    from whygrad.engines.native.curvature.memory import NativeWalk
    from whygrad.engines.native.layout import Layout

BLOCK = 1024  # examples at a time where the whole data's gradient is asked for
POISON = 2**62  # more arrivals than any barrier waits for
RUN_EPOCHS = Kernel("whygrad.engines.native.epochs", "run_epochs")
DRAW_ORDERS = Kernel("whygrad.engines.native.epochs", "draw_orders")
COST_AND_GRADIENT = Kernel("whygrad.engines.native.steps", "cost_and_gradient")
PULL_BACK = Kernel("whygrad.engines.native.curvature.pulling", "pull_back")
_NO_PROBES, _NOTHING_SEEN, _DIVERGED = Probes(), ProbeResult(), ProbeResult(diverged=True)
WIDE = 2**16  # columns of sparse data beyond which the loop is compiled anew, see `sparse`


def _timed(call: Call) -> tuple[Any, float]:
    """Make a call; return what it does, and the processor's seconds of this thread."""
    began = time.thread_time()
    return call(), time.thread_time() - began


@dataclass(frozen=True, eq=False)
class Taken:
    """The examples of some steps as the loop takes them: arrays, the order in them, and where it begins.

    They are all data, of which the order takes n in an epoch; or, where rows are read on demand, those of
    these steps alone, one after the other. `ids` are the examples' indices in all data.
    """

    data: Data
    order: Array
    ids: Array
    batch_index: int
    n: int
    part: bool = False


class NativeEngine:
    """Runs the built-in functions and optimizers on a CPU. One training at a time uses an instance."""

    name = "native"

    def __init__(self, pool: ThreadPoolExecutor | None = None) -> None:
        self._layout: Layout | None = None
        self._pace, self._pace_back = Pace(), Pace()  # of steps, and of walks back over them
        self._pool = (
            pool  # the threads that share a step; one of its own is made when they are needed
        )
        self._plan: Plan | None = None
        self.compiling = False
        self._as_numbers: tuple[Any, Any, Any]
        self._calls: dict[tuple[Kernel, int], Call] = {}
        self._drawn: tuple[int, ...] = (-1,)
        self._changes: tuple[Any, Any] = None, None
        self._room: tuple[Any, ...] = (None, (), (), ())
        self._before: tuple[Array, Array]
        self._order = self._seed = np.empty(0, np.int32)
        self._shown: tuple[Any, ...] = (None, None, None)
        self._examples: Any = None
        self._threads: list[ThreadContext] = []
        self._threads_shape: tuple[int, ...] = ()

    def supports(self, plan: Plan) -> str | None:
        """Return None, or what it is that only the reference engine runs."""
        net = plan.net
        if plan.blocks > 1:
            return f"a batch in {plan.blocks} blocks is for the engines 'xla' and 'reference'"
        for l, f in enumerate(net.f[1:], start=1):
            if ACTIVATIONS.get(f.name) != f:
                return f"the activation {f.name!r} of layer {l} is your own"
        if COSTS.get(net.C.name) != net.C:
            return f"the cost {net.C.name!r} is your own"
        if type(plan.optimizer) not in OPTIMIZERS.values():
            return f"the optimizer {type(plan.optimizer).__name__} is your own"
        if plan.products and (reason := bfloat16.missing()):
            return reason
        return missing(plan.dtype, plan.products)

    def run(
        self, plan: Plan, state: State, data: Data, until: int, probes: Probes
    ) -> tuple[State, ProbeResult]:
        """Take the steps up to `until` in one call; the state's arrays are reused."""
        probes.check(plan.net)
        before, coefficients = state, plan.coefficients(state, until)
        taken_from = self._taken(plan, state, data, len(coefficients))
        theta, opt_state, costs, buffers = self._take(
            plan, state, taken_from, coefficients, 1, probes
        )
        cost_sum = _sum_of_costs(plan, before.batch_index, costs, before.cost_sum)
        taken = before.batch_index + len(costs)
        state = _after(before, theta, opt_state, len(costs), taken, cost_sum)
        diverged = len(costs) < len(coefficients)
        if not (probes.costs or probes.every or probes.weights):
            return state, _DIVERGED if diverged else _NOTHING_SEEN
        from whygrad.engines.native.probe_results import read

        layout = self._layout_of(plan, taken_from.data, taken_from.part)
        seen = read(plan, before, data, probes, layout, buffers, coefficients, costs, diverged)
        return state, seen

    def run_epochs(
        self, plan: Plan, state: State, data: Data, epochs: int
    ) -> tuple[State, list[float]]:
        """Run epochs in one call, as `Engine.run_epochs` says."""
        if data.on_demand:
            from whygrad.engines.reference import one_after_the_other

            return one_after_the_other(self, plan, state, data, epochs)
        coefficients = plan.coefficients_of_epochs(state, epochs)
        all_data = self._taken(plan, state, data, len(coefficients), epochs)
        theta, opt_state, costs, _ = self._take(
            plan, state, all_data, coefficients, epochs, _NO_PROBES
        )
        per_epoch = plan.steps_per_epoch
        whole = len(costs) // per_epoch
        cost_sums = [
            _sum_of_costs(plan, 0, costs[i * per_epoch : (i + 1) * per_epoch], 0.0)
            for i in range(whole)
        ]
        rest = costs[whole * per_epoch :]
        cost_sum = _sum_of_costs(plan, 0, rest, 0.0)
        return _after(state, theta, opt_state, len(costs), len(rest), cost_sum), cost_sums

    def _take(
        self,
        plan: Plan,
        state: State,
        given: Taken,
        coefficients: Array,
        epochs: int,
        probes: Probes,
        kept: dict[str, Any] | None = None,
    ) -> tuple[Array, Array, Array, Any]:
        """Take a step for each row of coefficients, and keep of each what `ProbeBuffers` then has room for.

        Returns θ and the optimizer's state after them, the costs, and what probes wrote.
        """
        from whygrad.engines.native.probe_results import probe_buffers

        coefficients = np.ascontiguousarray(coefficients)
        costs = np.empty(len(coefficients))
        whole, seed = plan.clip != Clip(), np.uint64(plan.seed % WORD)
        with one_thread():
            layout = self._layout_of(plan, given.data, given.part)
            theta, opt_state = layout.enter(state.theta, state.opt_state)
            # Clipping and decay act on all of θ at once, which is left to one thread.
            alone = whole or plan.l2.decay > 0
            most = 1 if alone or layout.blocks == 1 else min(own_cores(), layout.blocks)
            network = (layout.layers, *self._rules(plan))
            examples = self._examples_for(layout, given)
            buffers = probe_buffers(plan, probes, layout, state.step, coefficients, len(opt_state))
            if kept is not None:
                buffers = buffers._replace(**kept, scale=np.ones(len(coefficients)))
            divided = kept is None and not probes.weights
            taken, per_epoch = 0, max(1, -(-given.n // plan.batch_size))
            while True:
                steps, parts = self._pace.next(
                    most, len(coefficients) - taken, layout.effort, divided, time.perf_counter()
                )
                epoch, batch_index = divmod(given.batch_index + taken, per_epoch)
                if epoch:
                    later = given.order[epoch * given.n :], given.ids[epoch * given.n :]
                    examples = layout.examples(*later, given.data)
                threads = self._threads_of(layout.blocks, parts, epochs - epoch)
                asked = taken + steps
                before = *network, theta, opt_state, examples, layout.workspace, layout.by_units
                behind = (
                    plan.batch_size, batch_index, seed, state.step + taken, coefficients[taken:asked],
                    costs[taken:asked], buffers, given.n,
                )  # fmt: skip
                calls = self._calls_of(RUN_EPOCHS, threads, before, behind)
                self._prepare(calls, "steps", plan, given.data)
                done = self._time_calls(calls, threads, self._pace)
                taken += done
                if taken < asked or asked == len(coefficients):
                    break  # it diverged, or all is done; without a step the code is there at least
        theta, opt_state = layout.leave(theta, opt_state, state.theta, state.opt_state)
        return theta, opt_state, costs[:taken], buffers

    def _calls_of(
        self, kernel: Kernel, threads: "list[ThreadContext]", before: tuple[Any, ...],
        behind: tuple[Any, ...],
    ) -> list[Call]:  # fmt: skip
        """Return a kernel's call for each thread, which is an argument between the others."""
        calls = [self._call(kernel, thread.part) for thread in threads]
        for call, thread in zip(calls, threads, strict=True):
            call.give((*before, thread, *behind))
        return calls

    def _prepare(self, calls: list[Call], what: str, plan: Plan, data: Data) -> None:
        """Have the code of all calls at hand before one of them waits for others, or moves anything."""
        for call in calls:
            if not call.ready:
                with self._compiling(what, plan, data):
                    call.prepare()

    def _time_calls(
        self, calls: list[Call], threads: "list[ThreadContext]", pace: Pace, steps: int | None = None
    ) -> Any:  # fmt: skip
        """Return what the first call does; tell the pace what so many steps took, or as many as that."""
        began = time.perf_counter()
        found, worked = self.run_calls(calls, threads)
        pace.saw(found if steps is None else steps, began, time.perf_counter(), worked)
        return found

    def run_calls(
        self, calls: list[Call], threads: "list[ThreadContext]"
    ) -> tuple[Any, float]:  # fmt: skip
        """Make the calls, each on a thread of its own; return what the first does, and how long all worked.

        That is in seconds of these threads alone: other threads of this process may want the cores as well.
        """
        try:
            others = [self._pool_of_threads().submit(_timed, call) for call in calls[1:]]
            found, worked = _timed(calls[0])
            for other in others:
                worked += other.result()[1]
        except BaseException:
            threads[0].barrier_count[:] = POISON  # no part waits for one that will not come
            self._threads_shape = ()
            raise
        return found, worked

    def _taken(self, plan: Plan, state: State, data: Data, steps: int, epochs: int = 1) -> Taken:
        """Return the examples of the next steps, which lie in so many epochs."""
        if not data.on_demand:
            order = self._orders(plan, state.epoch, epochs)
            return Taken(data, order, order, state.batch_index, plan.n)
        first = state.batch_index
        ids = plan.batches(state.epoch, first, first + steps)
        ids = ids.astype(_index_type(plan), copy=False)
        order = np.arange(len(ids), dtype=ids.dtype)
        return Taken(data.taken(ids), order, ids, 0, len(ids), part=True)

    def _orders(self, plan: Plan, epoch: int, epochs: int) -> Array:
        """Return the orders of some epochs, one after the other."""
        if plan.shuffle is True and plan.n < 2**31 and epoch + epochs < 2**32 and orders_agree():
            which = (plan.seed, plan.n, epoch, epochs)
            if which != self._drawn:
                if len(self._order) != epochs * plan.n:
                    self._order = np.empty(epochs * plan.n, np.int32)
                if plan.seed != self._drawn[0]:
                    self._seed = seed_words(plan.seed)
                call = self._call(DRAW_ORDERS, 0)
                call.give((self._order, plan.n, self._seed, epoch))
                call()
                self._drawn = which
            return self._order
        orders = [plan.order(epoch + e) for e in range(epochs)]
        order = orders[0] if epochs == 1 else np.concatenate(orders)
        return order.astype(_index_type(plan), copy=False)

    def _examples_for(self, layout: "Layout", given: Taken) -> Any:
        """Return the data in this order; the same tuple as long as both are."""
        which = (layout, given.order, given.data)
        if any(now is not before for now, before in zip(which, self._shown, strict=True)):
            examples = layout.examples(given.order, given.ids, given.data)
            self._shown, self._examples = which, examples
        return self._examples

    def _threads_of(self, blocks: int, parts: int, epochs: int) -> "list[ThreadContext]":
        """Return what each of the threads knows of the others, all counters at 0."""
        from whygrad.engines.native.arguments import ThreadContext
        from whygrad.engines.native.barrier import CLAIM

        shape = (blocks, parts, max(epochs, 8))
        if shape == self._threads_shape:
            self._threads[0].barrier_count[:] = 0
            self._threads[0].claims[:] = 0
            return self._threads
        self._threads_shape = shape
        counters = np.zeros(shape[2], np.int64), np.zeros(blocks * CLAIM, np.int64)
        self._threads = [ThreadContext(blocks, parts, part, *counters) for part in range(parts)]
        return self._threads

    def _call(self, kernel: Kernel, part: int) -> Call:
        """Return the call of a kernel that this part makes again and again."""
        call = self._calls.get((kernel, part))
        if call is None:
            call = self._calls[kernel, part] = Call(kernel)
        return call

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the cost over all the data and its gradient, in blocks of rows."""
        from whygrad.engines.native.arguments import ThreadContext
        from whygrad.engines.native.layout import aligned_zeros, penalties

        n = data.X.shape[0]
        block = min(BLOCK, n)
        layout = self._layout_for(
            plan.net,
            block,
            plan.dtype,
            data,
            has_dropout=False,
            whole=False,
            products=plan.products,
        )
        inner, _ = layout.enter(theta, np.zeros((0, len(theta)), theta.dtype))
        gradient = aligned_zeros(layout.size, theta.dtype)
        call = self._call(COST_AND_GRADIENT, 0)
        order = np.arange(n, dtype=np.int32)
        call.give((
            layout.layers, penalties(plan), inner, layout.examples(order, order, data), layout.workspace,
            layout.by_units,
            ThreadContext(1, 1, 0, np.zeros(1, np.int64), np.zeros(1, np.int64)), block,
            gradient,
        ))  # fmt: skip
        if not call.ready:
            with self._compiling("gradient", plan, data):
                call.prepare()
        with one_thread():
            cost = call()
        if not layout.layers.stretch:
            return cost, gradient
        flat = np.empty_like(theta)
        layout.to_rows(gradient, flat)
        return cost, flat

    def hessian_times(
        self, plan: Plan, state: State, data: Data, directions: Array
    ) -> BatchCurvature:
        """Return the next batch's gradient and its Hessian times some directions, by the R-pass.

        Where operands are rounded, the reference engine does.
        """
        if plan.products:
            from whygrad.engines.reference import ReferenceEngine

            return ReferenceEngine().hessian_times(plan, state, data, directions)
        from whygrad.engines.native.curvature.memory import ALONG, adjoints_of, curvature
        from whygrad.engines.native.probe_results import probe_buffers

        rows = min(plan.batch_size, plan.n - state.batch_index * plan.batch_size)
        given = self._taken(plan, state, data, 1)
        with one_thread():
            layout = self._layout_of(plan, given.data, given.part)
            adjoints = adjoints_of(layout, ALONG, np.asarray(directions), ())
            theta, _ = layout.enter(state.theta, np.zeros((0, len(state.theta)), plan.dtype))
            kept = probe_buffers(
                plan, _NO_PROBES, layout, state.step, np.zeros((1, 0)), 0
            )._replace(states=theta[None])
            slopes, outputs, *_ = self._pull(
                layout, plan, state, given, ALONG, adjoints, kept, True
            )
            return curvature(layout, adjoints, rows, slopes, outputs)

    def walk_back(
        self,
        plan: Plan,
        data: Data,
        form: Any,
        lam: Array,
        lam_state: Array,
        measured: bool = False,
    ) -> WalkBack:
        """Begin to walk back, as `PullsBack.walk_back` says."""
        from whygrad.engines.native.curvature.memory import NativeWalk

        # Of rows that are read on demand only some are at hand at a time: their layout lays out θ alike.
        at_hand = data.taken(np.zeros(1, np.int64)) if data.on_demand else data
        with one_thread():
            layout = self._layout_of(plan, at_hand, data.on_demand)
            return NativeWalk(self, layout, plan, data, form, lam, lam_state, measured)

    def walk_over(
        self, walk: "NativeWalk", state: State, coefficients: Array, form: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        """Take steps again and pull a walk's ∂f back over them; return θ after them and what was found."""
        plan, data = walk.plan, walk.data
        given = self._taken(plan, state, data, len(coefficients))
        layout = self._layout_of(plan, given.data, given.part) if given.part else walk.layout
        kept = self._room_for(walk, layout, len(coefficients), state)
        theta, opt_state = self._before
        np.copyto(theta, state.theta)
        np.copyto(opt_state, state.opt_state)
        before = replace(state, theta=theta, opt_state=opt_state)
        after, _, costs, buffers = self._take(
            plan, before, given, coefficients, 1, _NO_PROBES, kept
        )
        if len(costs) < len(coefficients):
            raise InputError(f"the training diverged at step {state.step + len(costs)}")
        return after, self._pull(
            layout, plan, state, given, form, walk.adjoints, buffers, walk.measured
        )

    def _pull(
        self, layout: "Layout", plan: Plan, state: State, given: Taken, form: Any, adjoints: Any,
        kept: Any, measured: bool,
    ) -> tuple[Array, Array, Array, Array]:  # fmt: skip
        """Walk back over steps that kept this; return slopes, outputs, their z and sums, by step and f."""
        from whygrad.engines.native.curvature.memory import ALONG, rule_of
        from whygrad.engines.native.layout import bounds

        B, K, m, outputs = plan.batch_size, len(adjoints.lam), len(form.p), plan.net.sizes[-1]
        workspace, changes = self._changes_for(layout, B)
        _, penalties, limits = self._rules(plan)
        if form is ALONG:  # u is λ itself
            penalties, limits = penalties._replace(decay=0.0), bounds(Clip())
            workspace = workspace._replace(factors=workspace.factors[:0])
        rows = np.stack([form.p, form.q, form.r, form.keep, form.epsilon], axis=1)
        slopes, sums = np.zeros((m, K, B)), np.zeros((m, K, adjoints.parts.shape[-1]))
        change = np.zeros((m * measured, K, B * outputs), plan.dtype)
        z = np.zeros((m * measured, B * outputs), plan.dtype)
        most, pace = min(own_cores(), layout.blocks), self._pace_back
        # A walk begins with as many threads as the steps do, where they have found how many are fast.
        first = self._pace.best if self._pace.shape == (most, layout.effort) else most
        _, parts = pace.next(most, m, K * layout.effort, False, time.perf_counter(), first)
        threads = self._threads_of(layout.blocks, parts, 1)
        examples = self._examples_for(layout, given)
        before = (
            layout.layers, changes, rule_of(layout, form, kept.low, kept.apart), penalties, limits,
            adjoints, kept.states, kept.others if kept.apart > 1 else kept.states, kept.apart,
            kept.traces, kept.traced, kept.scale, rows, examples, workspace,
        )  # fmt: skip
        behind = (
            layout.size, B, given.batch_index, np.uint64(plan.seed % WORD), state.step, measured, slopes,
            change, z, sums,
        )  # fmt: skip
        calls = self._calls_of(PULL_BACK, threads, before, behind)
        self._prepare(calls, "adjoint", plan, given.data)
        self._time_calls(calls, threads, pace, m)
        shape = (B, outputs)
        return slopes, change.reshape(len(change), K, *shape), z.reshape(len(z), *shape), sums

    def _layout_of(self, plan: Plan, data: Data, part: bool) -> "Layout":
        """Return the layout of a training's steps."""
        whole = plan.clip != Clip()
        return self._layout_for(
            plan.net, plan.batch_size, plan.dtype, data, True, whole, plan.rate_multipliers,
            plan.products, part,
        )  # fmt: skip

    def _room_for(
        self, walk: "NativeWalk", layout: "Layout", steps: int, state: State
    ) -> dict[str, Any]:
        """Return room for what steps keep, the same from call to call: new takes as long as the steps."""
        from whygrad.engines.native.layout import rows_apart

        kept, dtype = walk.kept, layout.workspace.work.dtype
        if self._room[0] != (kept, dtype) or len(self._room[3]) < steps:
            states = rows_apart(steps + 1, kept.state, dtype)
            others = rows_apart(steps // kept.apart + 1, kept.others, dtype)
            self._room = (kept, dtype), states, others, rows_apart(steps, kept.trace, dtype)
            self._before = np.empty_like(state.theta), np.empty_like(state.opt_state)
        _, states, others, traces = self._room
        return {
            "states": states[: steps + 1], "others": others, "traces": traces[:steps],
            "traced": int(layout.layers.a[1]), "low": kept.low, "apart": kept.apart,
        }  # fmt: skip

    def _changes_for(self, layout: "Layout", rows: int) -> Any:
        """Return the memory of the R-pass for a layout; the same as long as that is."""
        from whygrad.engines.native.curvature.memory import with_changes

        if self._changes[0] is not layout:
            self._changes = layout, with_changes(layout, rows)
        return self._changes[1]

    def _rules(self, plan: Plan) -> tuple[Any, Any, Any]:
        """Return optimizer, penalties and bounds as numbers, which stay as long as the plan does."""
        from whygrad.engines.native.layout import bounds, penalties, rule

        if self._plan is not plan:
            self._plan = plan
            self._as_numbers = (rule(plan.rule), penalties(plan), bounds(plan.clip))
        return self._as_numbers

    @contextmanager
    def _compiling(self, what: str, plan: Plan, data: Data) -> Iterator[None]:
        """Compile within, or read from disk what another process has compiled."""
        from whygrad.engines.machine_code.cache import report

        kind = plan.dtype if plan.products is None else f"products in {plan.products}"
        if is_sparse(data.X) and data.X.shape[1] > WIDE:
            kind += f" and more than {WIDE} columns"
        self.compiling = True
        try:
            with announced(kind):
                yield
        except (WhygradError, MemoryError):
            raise
        except Exception as problem:
            raise InputError(
                f"the native engine cannot be compiled ({_first_line(problem)}): "
                'train with engine="reference"'
            ) from problem
        finally:
            self.compiling = False
        report()

    def _pool_of_threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from whygrad.engines.native.layout import MOST_BLOCKS

            self._pool = ThreadPoolExecutor(MOST_BLOCKS - 1, thread_name_prefix="whygrad")
        return self._pool

    def _layout_for(
        self, net: Network, rows: int, dtype: str, data: Data, has_dropout: bool, whole: bool,
        multipliers: Multipliers = (), products: str | None = None, part: bool = False,
    ) -> "Layout":  # fmt: skip
        from whygrad.engines.native.layout import Layout, layout_key

        what = (net, rows, dtype, data, has_dropout, whole, multipliers, products, part)
        if self._layout is None or self._layout.key != layout_key(*what):
            self._layout = Layout(*what)
        return self._layout


def _after(
    state: State, theta: Array, opt_state: Array, steps: int, batch_index: int, cost_sum: float
) -> State:
    step = state.step + steps
    return replace(
        state, theta=theta, opt_state=opt_state, step=step, batch_index=batch_index, cost_sum=cost_sum
    )  # fmt: skip


def _sum_of_costs(plan: Plan, batch_index: int, costs: Array, before: float) -> float:
    """Return cost times examples of the steps from a batch on, added to what was before."""
    # One after the other, as the reference engine adds them.
    sizes = [plan.batch_size] * len(costs)
    if batch_index + len(costs) == plan.steps_per_epoch and sizes:
        sizes[-1] = plan.n - (plan.steps_per_epoch - 1) * plan.batch_size
    for cost, size in zip(costs.tolist(), sizes, strict=True):
        before += cost * size
    return before


def seed_words(seed: int) -> Array:
    """Return memory for `draw_orders`: the seed in words of 32 bits, with room for what it adds."""
    seed = int(seed)
    words = [seed & 0xFFFFFFFF]
    while seed := seed >> 32:
        words.append(seed & 0xFFFFFFFF)
    return np.array([*words, *[0] * 5], np.uint64)


def _index_type(plan: Plan) -> type[np.integer]:
    """Return the type of the numbers of examples, one for all orders: each is compiled for anew."""
    return np.int32 if plan.n < 2**31 else np.int64


@cache
def orders_agree() -> bool:
    """Return whether the orders drawn in native code are those of this NumPy, which promises no stream."""
    for seed, epoch, n in ((0, 0, 9), (2**33 + 5, 2**20, 60)):
        order = np.empty(n, np.int32)
        DRAW_ORDERS(order, n, seed_words(seed), epoch)
        expected = np.arange(n, dtype=np.int32)
        np.random.default_rng([seed, epoch]).shuffle(expected)
        if not np.array_equal(order, expected):
            return False
    return True


@cache
def missing(dtype: str, products: str | None = None) -> str | None:
    """Return None where this machine has what the native engine needs, or what is missing."""
    if find_spec("numba") is None:
        return "Numba is not installed"
    try:
        refuse_without(COMPILING + blas(), "compiling")
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return "Numba is told not to compile, by NUMBA_DISABLE_JIT"
        from whygrad.engines.native.self_test import pairs_unavailable, unavailable

        return unavailable(dtype) or (pairs_unavailable() if products else None)
    except MemoryError as problem:
        return str(problem) or "there is too little memory to compile"
    except Exception as problem:  # whatever a version of Numba that nobody knows yet may raise
        return f"Numba does not work as it should here: {_first_line(problem)}"


def _first_line(problem: Exception) -> str:
    lines = str(problem).split("\n")
    return f"{type(problem).__name__}: {lines[0]}"


_told: set[str] = set()  # what this process has said that it compiles


def _tell(kind: str) -> None:
    if kind not in _told:  # several functions are compiled for one kind
        _told.add(kind)
        note(f"compiling its native engine for {kind}, once on this machine …")


@contextmanager
def announced(kind: str) -> Iterator[None]:
    """Announce a compilation that takes long, which it does once per machine."""
    timer = threading.Timer(1.5, _tell, [kind])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
