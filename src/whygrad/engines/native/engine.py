"""The native engine's side of Python: a plan becomes numbers, a chunk of steps becomes one call.

Compiled code is kept on disk by Numba, one function per dtype for networks of every shape, so that a
machine compiles once. Where Numba or a BLAS that it knows is missing, the reference engine serves.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from whygrad.arrays import is_sparse
from whygrad.engines import Watch, Watched
from whygrad.functions import ACTIVATIONS, COSTS, Array
from whygrad.masks import WORD
from whygrad.network import Network
from whygrad.optimizers import OPTIMIZERS
from whygrad.plan import Clip, Data, Plan, State

if TYPE_CHECKING:  # Numba takes a while to import: it is left until a training needs it
    from whygrad.engines.native.layout import Layout

BLOCK = 1024  # examples at a time where the whole data's gradient is asked for
WIDE = 2**16  # columns of sparse data beyond which the loop is compiled anew, see `sparse`
THREADED_PRODUCT = 2**24  # multiplications from which a matrix product gains from a second thread


class NativeEngine:
    """Runs the built-in functions and optimizers on a CPU. One training at a time uses an instance."""

    name = "native"

    def __init__(self) -> None:
        self._layout: Layout | None = None

    def supports(self, plan: Plan) -> str | None:
        """Give None, or what it is that only the reference engine runs."""
        net = plan.net
        for l, f in enumerate(net.f[1:], start=1):
            if ACTIVATIONS.get(f.name) != f:
                return f"the activation {f.name!r} of layer {l} is your own"
        if COSTS.get(net.C.name) != net.C:
            return f"the cost {net.C.name!r} is your own"
        if type(plan.optimizer) not in OPTIMIZERS.values():
            return f"the optimizer {type(plan.optimizer).__name__} is your own"
        return _unavailable()

    def run(
        self, plan: Plan, state: State, data: Data, until: int, watch: Watch
    ) -> tuple[State, Watched]:
        """Take the steps up to `until` in one call; the state's arrays are reused."""
        from whygrad.engines.native.blas import at_most
        from whygrad.engines.native.layout import bounds, penalties, rule
        from whygrad.engines.native.steps import run_steps

        numbers = np.ascontiguousarray(plan.numbers(state, until))
        costs = np.empty(len(numbers))
        with _announced(plan.dtype, data):
            layout = self._layout_for(
                plan.net, plan.batch_size, plan.dtype, data, drops=True, whole=plan.clip != Clip()
            )
            theta, slots = layout.enter(state.theta, state.slots)
            with at_most(_threads(plan.net, plan.batch_size)):
                taken = run_steps(
                    layout.layers,
                    rule(plan.optimizer),
                    penalties(plan),
                    bounds(plan.clip),
                    theta,
                    slots,
                    layout.examples(plan.order(state.epoch)),
                    layout.room,
                    plan.batch_size,
                    state.place,
                    np.uint64(plan.seed % WORD),
                    state.step,
                    numbers,
                    costs,
                )
        theta, slots = layout.leave(theta, slots, state.theta, state.slots)
        cost_sum = state.cost_sum
        for place, cost in enumerate(costs[:taken].tolist(), start=state.place):
            cost_sum += cost * min(plan.batch_size, plan.n - place * plan.batch_size)
        state = replace(
            state,
            theta=theta,
            slots=slots,
            step=state.step + taken,
            place=state.place + taken,
            cost_sum=cost_sum,
        )
        seen = costs[:taken] if watch.costs else None
        return state, Watched(seen, diverged=taken < len(numbers))

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Give the cost over all the data and its gradient, in blocks of rows."""
        from whygrad.engines.native.blas import at_most
        from whygrad.engines.native.layout import aligned_zeros, penalties
        from whygrad.engines.native.steps import cost_and_gradient

        n = data.X.shape[0]
        block = min(BLOCK, n)
        with _announced(plan.dtype, data):
            layout = self._layout_for(plan.net, block, plan.dtype, data, drops=False, whole=False)
            inner, _ = layout.enter(theta, np.zeros((0, len(theta)), theta.dtype))
            gradient = aligned_zeros(layout.size, theta.dtype)
            with at_most(_threads(plan.net, block)):
                cost = cost_and_gradient(
                    layout.layers,
                    penalties(plan),
                    inner,
                    layout.examples(np.arange(n, dtype=np.int32)),
                    layout.room,
                    block,
                    gradient,
                )
        if not layout.layers.stretch:
            return cost, gradient
        flat = np.empty_like(theta)
        layout.to_rows(gradient, flat)
        return cost, flat

    def _layout_for(
        self, net: Network, rows: int, dtype: str, data: Data, drops: bool, whole: bool
    ) -> "Layout":
        from whygrad.engines.native.layout import Layout, layout_key

        key = layout_key(net, rows, dtype, data, drops, whole)
        if self._layout is None or self._layout.key != key:
            self._layout = Layout(net, rows, dtype, data, drops, whole)
        return self._layout


def _threads(net: Network, rows: int) -> int:
    """Give the number of threads for the products: it follows from the shapes and the cores allowed."""
    products = [
        rows * below * units for below, units in zip(net.sizes, net.sizes[1:], strict=False)
    ]
    return _cores() if max(products) >= THREADED_PRODUCT else 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _unavailable() -> str | None:
    """Give None where this machine has what the native engine needs, or what is missing."""
    if find_spec("numba") is None:
        return "Numba is not installed"
    from whygrad.engines.native.blas import unavailable

    return unavailable("float32") or unavailable("float64")


_compiled: set[str] = set()


@contextmanager
def _announced(dtype: str, data: Data) -> Iterator[None]:
    """Say so where the first call of a process has to compile, which it does once per machine."""
    kind = dtype
    if is_sparse(data.X) and data.X.shape[1] > WIDE:
        kind += f" and more than {WIDE} columns"
    if kind in _compiled:
        yield
        return
    line = f"whygrad: compiling its native engine for {kind}, once on this machine …\n"
    timer = threading.Timer(1.5, sys.stderr.write, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
        _compiled.add(kind)
    finally:
        timer.cancel()
