"""The native engine's side of Python: a plan becomes numbers, a chunk of steps becomes one call.

Compiled code is kept on disk (`cache`), one function per dtype for networks of every shape, so that a
machine compiles once. Where Numba or a BLAS that it knows is missing, the reference engine serves.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.address_space import COMPILING, blas, refuse_without
from whygrad.cores import one_thread, own_cores
from whygrad.engines import ProbeResult, Probes
from whygrad.errors import InputError, WhygradError
from whygrad.escaping import note
from whygrad.nn.arrays import Data, is_sparse
from whygrad.nn.functions import ACTIVATIONS, COSTS, Array
from whygrad.nn.network import Network
from whygrad.plan.dropout import WORD
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.plan.plan import Clip, Plan, State

if TYPE_CHECKING:  # Numba takes a while to import: it is left until a training needs it
    from whygrad.engines.native.layout import Layout

BLOCK = 1024  # examples at a time where the whole data's gradient is asked for
POISON = 2**62  # more arrivals than any barrier waits for
WIDE = 2**16  # columns of sparse data beyond which the loop is compiled anew, see `sparse`


class NativeEngine:
    """Runs the built-in functions and optimizers on a CPU. One training at a time uses an instance."""

    name = "native"

    def __init__(self, pool: ThreadPoolExecutor | None = None) -> None:
        self._layout: Layout | None = None
        self._pool = (
            pool  # the threads that share a step; one of its own is made when they are needed
        )
        self._plan: Plan | None = None
        self.compiling = False
        self._as_numbers: tuple[Any, Any, Any]

    def supports(self, plan: Plan) -> str | None:
        """Return None, or what it is that only the reference engine runs."""
        net = plan.net
        for l, f in enumerate(net.f[1:], start=1):
            if ACTIVATIONS.get(f.name) != f:
                return f"the activation {f.name!r} of layer {l} is your own"
        if COSTS.get(net.C.name) != net.C:
            return f"the cost {net.C.name!r} is your own"
        if type(plan.optimizer) not in OPTIMIZERS.values():
            return f"the optimizer {type(plan.optimizer).__name__} is your own"
        return missing(plan.dtype)

    def run(
        self, plan: Plan, state: State, data: Data, until: int, probes: Probes
    ) -> tuple[State, ProbeResult]:
        """Take the steps up to `until` in one call; the state's arrays are reused."""
        from whygrad.engines.native.arguments import ThreadContext
        from whygrad.engines.native.probe_results import probe_buffers, read
        from whygrad.engines.native.steps import run_steps

        probes.check(plan.net)
        coefficients = np.ascontiguousarray(plan.coefficients(state, until))
        costs = np.empty(len(coefficients))
        whole = plan.clip != Clip()
        with one_thread():
            layout = self._layout_for(plan.net, plan.batch_size, plan.dtype, data, True, whole)
            theta, opt_state = layout.enter(state.theta, state.opt_state)
            # Clipping and decay act on all of θ at once, which is left to one thread.
            alone = whole or plan.l2.decay > 0
            parts = 1 if alone else min(own_cores(), layout.blocks)
            barrier_count, claims = np.zeros(1, np.int64), np.zeros(1, np.int64)
            network = (layout.layers, *self._rules(plan))
            examples = layout.examples(plan.order(state.epoch), data)
            workspace, by_units = layout.workspace, layout.by_units
            buffers = probe_buffers(
                plan, probes, layout, state.step, len(coefficients), len(opt_state)
            )
            where = (plan.batch_size, state.batch_index, np.uint64(plan.seed % WORD), state.step)

            def work(part: int, coefficients: Array = coefficients) -> int:
                thread = ThreadContext(layout.blocks, parts, part, barrier_count, claims)
                taken: int = run_steps(
                    *network, theta, opt_state, examples, workspace, by_units, thread, *where,
                    coefficients, costs, buffers,
                )  # fmt: skip
                return taken

            with self._compiling("steps", plan.dtype, data) as needed:
                if needed:
                    work(
                        0, coefficients[:0]
                    )  # while nobody waits for others, and before anything moves
            try:
                others = [self._threads().submit(work, part) for part in range(1, parts)]
                taken = work(0)
                for other in others:
                    other.result()
            except BaseException:
                barrier_count[0] = POISON  # no part waits for one that will not come
                raise
        theta, opt_state = layout.leave(theta, opt_state, state.theta, state.opt_state)
        # One after the other, as the reference engine adds them.
        firsts = np.arange(state.batch_index, state.batch_index + taken) * plan.batch_size
        with np.errstate(over="ignore", invalid="ignore"):
            terms = costs[:taken] * np.minimum(plan.batch_size, plan.n - firsts)
            cost_sum = float(np.cumsum(np.concatenate([[state.cost_sum], terms]))[-1])
        before = state
        state = replace(
            state,
            theta=theta,
            opt_state=opt_state,
            step=state.step + taken,
            batch_index=state.batch_index + taken,
            cost_sum=cost_sum,
        )
        diverged = taken < len(coefficients)
        return state, read(
            plan, before, data, probes, buffers, coefficients, costs[:taken], diverged
        )

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the cost over all the data and its gradient, in blocks of rows."""
        from whygrad.engines.native.arguments import ThreadContext
        from whygrad.engines.native.layout import aligned_zeros, penalties
        from whygrad.engines.native.steps import cost_and_gradient

        n = data.X.shape[0]
        block = min(BLOCK, n)
        with self._compiling("gradient", plan.dtype, data):
            layout = self._layout_for(
                plan.net, block, plan.dtype, data, has_dropout=False, whole=False
            )
            inner, _ = layout.enter(theta, np.zeros((0, len(theta)), theta.dtype))
            gradient = aligned_zeros(layout.size, theta.dtype)
            with one_thread():
                cost = cost_and_gradient(
                    layout.layers, penalties(plan), inner,
                    layout.examples(np.arange(n, dtype=np.int32), data), layout.workspace,
                    layout.by_units,
                    ThreadContext(1, 1, 0, np.zeros(1, np.int64), np.zeros(1, np.int64)), block,
                    gradient,
                )  # fmt: skip
        if not layout.layers.stretch:
            return cost, gradient
        flat = np.empty_like(theta)
        layout.to_rows(gradient, flat)
        return cost, flat

    def _rules(self, plan: Plan) -> tuple[Any, Any, Any]:
        """Return optimizer, penalties and bounds as numbers, which stay as long as the plan does."""
        from whygrad.engines.native.layout import bounds, penalties, rule

        if self._plan is not plan:
            self._plan = plan
            self._as_numbers = (rule(plan.rule), penalties(plan), bounds(plan.clip))
        return self._as_numbers

    @contextmanager
    def _compiling(self, what: str, dtype: str, data: Data) -> Iterator[bool]:
        """Compile within, where this process has not yet: gives whether that is needed."""
        from whygrad.engines.native.cache import end_turn, report

        kind = dtype
        if is_sparse(data.X) and data.X.shape[1] > WIDE:
            kind += f" and more than {WIDE} columns"
        if (what, kind) in compiled:
            yield False
            return
        self.compiling = True
        try:
            with announced(kind):
                yield True
        except (WhygradError, MemoryError):
            raise
        except Exception as problem:
            raise InputError(
                f"the native engine cannot be compiled ({_first_line(problem)}): "
                'train with engine="reference"'
            ) from problem
        finally:
            self.compiling = False
            end_turn()
        compiled.add((what, kind))
        report()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from whygrad.engines.native.layout import MOST_BLOCKS

            self._pool = ThreadPoolExecutor(MOST_BLOCKS - 1, thread_name_prefix="whygrad")
        return self._pool

    def _layout_for(
        self, net: Network, rows: int, dtype: str, data: Data, has_dropout: bool, whole: bool
    ) -> "Layout":
        from whygrad.engines.native.layout import Layout, layout_key

        key = layout_key(net, rows, dtype, data, has_dropout, whole)
        if self._layout is None or self._layout.key != key:
            self._layout = Layout(net, rows, dtype, data, has_dropout, whole)
        return self._layout


@cache
def missing(dtype: str) -> str | None:
    """Return None where this machine has what the native engine needs, or what is missing."""
    if find_spec("numba") is None:
        return "Numba is not installed"
    try:
        refuse_without(COMPILING + blas(), "compiling")
        from numba import config

        if config.DISABLE_JIT:
            return "Numba is told not to compile, by NUMBA_DISABLE_JIT"
        from whygrad.engines.native import layout, steps  # noqa: F401
        from whygrad.engines.native.self_test import unavailable

        return unavailable(dtype)
    except MemoryError as problem:
        return str(problem) or "there is too little memory to compile"
    except Exception as problem:  # whatever a version of Numba that nobody knows yet may raise
        return f"Numba does not work as it should here: {_first_line(problem)}"


def _first_line(problem: Exception) -> str:
    lines = str(problem).split("\n")
    return f"{type(problem).__name__}: {lines[0]}"


compiled: set[tuple[str, str]] = set()
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
