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
from itertools import accumulate
from typing import Any

import numpy as np

from whygrad.engines import Watch, Watched
from whygrad.functions import ACTIVATIONS, COSTS, Array
from whygrad.network import Network
from whygrad.optimizers import SGD, Adam, Optimizer
from whygrad.plan import Data, Penalty, Plan, State

BLOCK = 1024  # examples at a time where the whole data's gradient is asked for
THREADED_PRODUCT = 2**22  # multiplications from which a matrix product gains from a second thread


class NativeEngine:
    """Runs the built-in functions and optimizers on a CPU. One training at a time uses an instance."""

    name = "native"

    def __init__(self) -> None:
        self._room: _Room | None = None

    def supports(self, plan: Plan) -> str | None:
        """Give None, or what it is that only the reference engine runs."""
        net = plan.net
        for l, f in enumerate(net.f[1:], start=1):
            if ACTIVATIONS.get(f.name) is not f:
                return f"the activation {f.name!r} of layer {l} is your own"
        if COSTS.get(net.C.name) is not net.C:
            return f"the cost {net.C.name!r} is your own"
        if type(plan.optimizer) not in (SGD, Adam):
            return f"the optimizer {type(plan.optimizer).__name__} is your own"
        return _unavailable()

    def run(
        self, plan: Plan, state: State, data: Data, until: int, watch: Watch
    ) -> tuple[State, Watched]:
        """Take the steps up to `until` in one call; the state's arrays are reused."""
        from whygrad.engines.native.blas import at_most
        from whygrad.engines.native.steps import run_steps

        rates = plan.rates(state, until)
        costs = np.empty(len(rates))
        room = self._room_for(plan.net, plan.batch_size, plan.dtype)
        with _announced(plan.dtype), at_most(_threads(plan.net, plan.batch_size)):
            taken = run_steps(
                room.layers,
                _rule(plan.optimizer),
                _penalties(plan),
                state.theta,
                state.slots,
                room.work,
                room.batch,
                *_read_only(data),
                plan.order(state.epoch),
                plan.batch_size,
                state.place,
                state.step,
                rates,
                costs,
            )
        cost_sum = state.cost_sum
        for place, cost in enumerate(costs[:taken].tolist(), start=state.place):
            cost_sum += cost * min(plan.batch_size, plan.n - place * plan.batch_size)
        state = replace(
            state, step=state.step + taken, place=state.place + taken, cost_sum=cost_sum
        )
        seen = costs[:taken] if watch.costs else None
        return state, Watched(seen, diverged=taken < len(rates))

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Give the cost over all the data and its gradient, in blocks of rows."""
        from whygrad.engines.native.blas import at_most
        from whygrad.engines.native.steps import cost_and_gradient

        gradient = np.empty_like(theta)
        block = min(BLOCK, plan.n)
        room = self._room_for(plan.net, block, plan.dtype)
        with _announced(plan.dtype), at_most(_threads(plan.net, block)):
            cost = cost_and_gradient(
                room.layers,
                _penalties(plan),
                theta,
                room.work,
                room.batch,
                *_read_only(data),
                np.arange(plan.n, dtype=np.int32),
                block,
                gradient,
            )
        return cost, gradient

    def _room_for(self, net: Network, rows: int, dtype: str) -> "_Room":
        if self._room is None or self._room.key != (net.sizes, rows, dtype):
            self._room = _Room(net, rows, dtype)
        return self._room


class _Room:
    """A network as numbers, and the memory that one batch needs."""

    def __init__(self, net: Network, rows: int, dtype: str) -> None:
        from whygrad.engines.native.costs import COST_CODES
        from whygrad.engines.native.elementwise import ACTIVATION_CODES, SLOPE_NEEDS_Z
        from whygrad.engines.native.steps import Batch, Layers

        self.key = (net.sizes, rows, dtype)
        sizes, L = net.sizes, net.L
        codes = [0, *(ACTIVATION_CODES[f.name] for f in net.f[1:])]
        blocks = [units * (below + 1) for below, units in zip(sizes, sizes[1:], strict=False)]
        W = [0, *accumulate(blocks[:-1], initial=0)]
        b = [W[l] + sizes[l] * sizes[l - 1] if l else 0 for l in range(L + 1)]
        # One place for each of a, z and δ of every layer; z has its own only where it is read later.
        own_z = [l == L or code in SLOPE_NEEDS_Z for l, code in enumerate(codes)]
        widths = [width for l in range(L + 1) for width in (sizes[l], sizes[l] * own_z[l], sizes[l])]
        places = list(accumulate((rows * width for width in widths), initial=0))
        a, z, delta = places[0:-1:3], places[1::3], places[2::3]
        z = [z[l] if own_z[l] else a[l] for l in range(L + 1)]
        as_index = [np.array(values, dtype=np.int64) for values in (sizes, codes, W, b, z, a, delta)]
        self.layers = Layers(*as_index[:2], COST_CODES[net.C.name], *as_index[2:])
        self.work = np.zeros(places[-1], dtype)
        self.batch = Batch(
            y=np.zeros(rows * sizes[-1], dtype),
            weights=np.ones(rows, dtype),
            costs=np.zeros(rows),
            gradient=np.zeros(max(blocks), dtype),
        )


def _rule(optimizer: Optimizer) -> Any:
    from whygrad.engines.native.updates import ADAM, MOMENTUM, NESTEROV, Rule
    from whygrad.engines.native.updates import SGD as PLAIN

    if isinstance(optimizer, Adam):
        return Rule(ADAM, optimizer.beta1, optimizer.beta2, optimizer.epsilon, optimizer.epsilon_hat)
    assert isinstance(optimizer, SGD)
    code = NESTEROV if optimizer.nesterov else MOMENTUM if optimizer.momentum else PLAIN
    return Rule(code, float(optimizer.momentum), 0.0, 0.0, False)


def _penalties(plan: Plan) -> Any:
    """State each λ as a constant and a part that is divided by the S of the batch."""
    from whygrad.engines.native.updates import Penalties

    def split(penalty: Penalty) -> tuple[float, float]:
        if penalty.per == "example":
            return 0.0, float(penalty.strength)
        return penalty.of_batch(1, plan.n), 0.0

    return Penalties(*split(plan.l1), *split(plan.l2))


def _read_only(data: Data) -> tuple[Array, Array, Array]:
    """Give X, Y and the weights as arrays of one kind, whoever owns them: it decides what is compiled."""
    weights = np.empty(0, data.X.dtype) if data.weights is None else data.weights
    views = (data.X.view(), data.Y.view(), weights.view())
    for view in views:
        view.flags.writeable = False
    return views


def _threads(net: Network, rows: int) -> int:
    """Give the number of threads for the products: it follows from the shapes and the cores allowed."""
    products = [rows * below * units for below, units in zip(net.sizes, net.sizes[1:], strict=False)]
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
def _announced(dtype: str) -> Iterator[None]:
    """Say so where the first call of a process has to compile, which it does once per machine."""
    if dtype in _compiled:
        yield
        return
    line = f"whygrad: compiling its native engine for {dtype}, once on this machine …\n"
    timer = threading.Timer(1.5, sys.stderr.write, [line])
    timer.start()
    try:
        yield
        _compiled.add(dtype)
    finally:
        timer.cancel()
