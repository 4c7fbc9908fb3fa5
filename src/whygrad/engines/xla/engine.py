"""The XLA engine's side of Python: a plan, a state and data become arrays of a device, and come back."""

import operator
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from whygrad.engines import BatchCurvature
from whygrad.engines.probe_data import batches, weight_probe_result
from whygrad.engines.probes import (
    STATISTICS,
    Block,
    ProbeResult,
    Probes,
    Statistics,
    WeightProbe,
    probed_steps,
)
from whygrad.engines.reference import ReferenceEngine, one_after_the_other
from whygrad.engines.xla.processes import ALONE, NEEDS, STUCK, TIMES, Processes, waiting
from whygrad.engines.xla.steps import Examples, Given, Seen, essence, loop, sums_over
from whygrad.nn.arrays import Data, dense, is_sparse
from whygrad.nn.backprop import mean_gradient, penalty
from whygrad.nn.functions import Array
from whygrad.nn.network import Gradients, Parameters, count
from whygrad.plan.dropout import key
from whygrad.plan.plan import Plan, State

CAPACITY = 1024  # steps at most in one call
NUMBERS = 2**22  # of a call's examples, given rows and probed weights: it bounds its steps
BLOCK = 2**22  # numbers of X at a time where the gradient of all data is asked for
# What of a state decides the next steps, beside its arrays.
COUNTERS = ("step", "begun", "epoch", "batch_index", "seen", "learning_rate_scale")


# Devices by which an accelerator shows itself without JAX: NVIDIA's, AMD's, Google's.
DEVICES = ("/dev/nvidia0", "/dev/kfd", "/dev/accel0", "/dev/vfio/0")
# Multiply-adds of a step from which "auto" takes an accelerator: a guess on the side of the CPU, which no
# accelerator has been there to measure.
WORTH = 2**26


def accelerator(plan: Plan) -> str:
    """Return what JAX calls the accelerator that would gain on a plan's steps, or "" where there is none.

    JAX takes a second to import, so it is only asked where the machine shows a device.
    """
    sizes = plan.net.sizes
    work = 3 * plan.batch_size * sum(n * m for n, m in pairwise(sizes))
    if work < WORTH or find_spec("jax") is None or not any(map(os.path.exists, DEVICES)):
        return ""
    import jax

    found: str = jax.default_backend()
    return "" if found == "cpu" else found


class XlaEngine:
    """Runs plans on what JAX finds: a CPU, a GPU, a TPU. One training at a time uses an instance.

    Of several processes, `group`, each runs what it is asked by itself, a replay say; they share the steps
    of a training (`shared`), to the same bits.
    """

    name = "xla"
    compiling = False

    def __init__(self, group: Processes = ALONE) -> None:
        self.group, self.processes = group, ALONE
        self._placed: tuple[Any, Any] = (None, None)
        self._longest = 0.0  # seconds that a call took so far
        self._known: tuple[
            Any, ...
        ] = ()  # the arrays that the others have, too, since all took the steps

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Share the steps taken within among the processes of the group."""
        self.processes, self._placed, self._known = self.group, (None, None), ()
        try:
            yield
        finally:
            self.processes, self._placed, self._known = ALONE, (None, None), ()

    def supports(self, plan: Plan) -> str | None:
        """Return None, or what stands in the way: no JAX, or code of your own that it cannot trace."""
        if find_spec("jax") is None:
            return NEEDS
        if plan.products:
            return f"products in {plan.products} are for the engines 'native' and 'reference'"
        count = self.group.count
        if plan.blocks % count:
            return f"{count} processes share a batch by blocks, and blocks is {plan.blocks}: use a multiple"
        return _untraced(plan)

    def run(
        self, plan: Plan, state: State, data: Data, until: int, probes: Probes
    ) -> tuple[State, ProbeResult]:
        """Take the steps up to `until`, a loop of XLA for each run of batches of one size."""
        probes.check(plan.net)
        first, seen = state, _Seen(plan, probes)
        while state.step < until and not seen.diverged:
            if self.processes.count > 1:
                self._lead(state, until, probes)
            state = self._take(plan, state, data, until, probes, seen)
        return state, seen.all(first, data, plan.coefficients(first, until))

    def run_epochs(
        self, plan: Plan, state: State, data: Data, epochs: int
    ) -> tuple[State, list[float]]:
        """Run epochs one after the other, as `Engine.run_epochs` says."""
        return one_after_the_other(self, plan, state, data, epochs)

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the cost of these examples and its gradient, without dropout."""
        import jax

        net = plan.net
        compiled, C, sums = sums_over(net), 0.0, np.zeros(count(net.sizes))
        n, rows = len(data.Y), max(1, BLOCK // net.sizes[0])
        S = float(n if data.counts is None else data.counts.sum())
        l1, l2 = (each.of_batch(S, plan.n) for each in (plan.l1, plan.l2))
        with jax.enable_x64(True):
            for start in range(0, n, rows):
                some = slice(start, start + rows)
                s = None if data.factors is None else data.factors[some]
                part_C, part = compiled(theta, dense(data.X[some]), data.Y[some], s)
                C, sums = C + float(part_C), sums + np.asarray(part)
        parameters = Parameters(net.sizes, theta)
        g = mean_gradient(net, parameters, Gradients(net.sizes, sums), S or 1.0, l1, l2).flat
        return float(C / (S or 1.0) + penalty(parameters, l1, l2)), g

    def hessian_times(
        self, plan: Plan, state: State, data: Data, directions: Array
    ) -> BatchCurvature:
        """Return the next batch's gradient and its Hessian times each direction, by the reference."""
        return ReferenceEngine().hessian_times(plan, state, data, directions)

    def _take(
        self, plan: Plan, state: State, data: Data, until: int, probes: Probes, seen: "_Seen"
    ) -> State:
        """Take as many steps as one call holds, all with batches of one size."""
        import jax

        whole = plan.n // plan.batch_size - state.batch_index  # batches that are full
        b = plan.batch_size if whole else plan.n % plan.batch_size
        capacity = _capacity(plan, data, probes) if whole else 1
        until = state.step + min(until - state.step, capacity, max(1, whole))
        wanted = Seen(capacity // probes.every + 1 if probes.every else 0, probes.weights)
        given = self._given(plan, state, data, until, b, probes)
        given = Given(*[None if part is None else _padded(part, capacity) for part in given])
        compiled = loop(essence(plan), capacity, wanted, self.processes)

        def call() -> Any:
            arguments = self._everywhere((state.theta, state.opt_state, self._on_device(data)))
            return jax.device_get(compiled(*arguments, self._shared(given), until - state.step))

        with jax.enable_x64(True):
            found = call() if self.processes.count == 1 else self._in_time(call)
        taken, cost_sum = int(found.step), state.cost_sum
        for C in found.costs[:taken].tolist():
            cost_sum += C * b
        seen.add(found, taken, state.step + taken < until)
        if self.processes.count > 1:
            self._known = found.theta, found.opt_state
        return replace(
            state,
            theta=found.theta,
            opt_state=found.opt_state,
            step=state.step + taken,
            batch_index=state.batch_index + taken,
            cost_sum=cost_sum,
        )

    def _given(
        self, plan: Plan, state: State, data: Data, until: int, b: int, probes: Probes
    ) -> Given:
        """Return what the steps up to `until`, with batches of b examples, take from outside."""
        m = until - state.step
        about = batches(plan, state, data, m)
        whole = about.examples[:, :b].astype(np.int32 if plan.n < 2**31 else np.int64)
        size = -(-b // plan.blocks)
        blocks = np.full((m, plan.blocks * size), -1, whole.dtype)
        blocks[:, :b] = whole
        blocks = np.split(blocks.reshape(m, plan.blocks, size), self.processes.count, axis=1)[
            self.processes.index
        ]
        keys = np.zeros((m, plan.net.L + 1), np.uint64)
        for l, layer in enumerate(plan.net.layers, start=1):
            if layer.dropout:
                keys[:, l] = [key(plan.seed, state.step + i, l) for i in range(m)]
        given = Given(
            blocks, *_handed(data, blocks),
            about.S.astype(plan.dtype), about.l1.astype(plan.dtype), about.l2.astype(plan.dtype),
            plan.coefficients(state, until).astype(plan.dtype), keys,
        )  # fmt: skip
        if not (probes.every or probes.weights):
            return given
        slot = np.full(m, -1)
        at = probed_steps(state.step, until, probes.every) - state.step
        slot[at] = np.arange(len(at))
        return given._replace(whole=whole, slot=slot)

    def _on_device(self, data: Data) -> Examples:
        """Return the data as the device holds them; they are sent once."""
        import jax

        if self._placed[0] is not data:
            X, Y = _held(data)
            rows = Examples(X, Y, data.factors)
            alone = self.processes.count == 1
            self._placed = data, jax.device_put(rows) if alone else self._everywhere(rows)
        return self._placed[1]

    def _everywhere(self, arrays: Any) -> Any:
        """Return arrays that all processes have alike as those of all."""
        import jax

        if self.processes.count == 1:
            return arrays
        return jax.tree.map(
            lambda x: self.processes.everywhere(x) if isinstance(x, np.ndarray) else x, arrays
        )

    def _shared(self, given: Given) -> Given:
        """Return what steps take from outside, of which each process has its own blocks."""
        if self.processes.count == 1:
            return given
        own = {name: self.processes.shared(getattr(given, name)) for name in ("examples", "X", "Y")}
        return Given(*map(self._everywhere, given._replace(X=None, Y=None)))._replace(**own)

    # ── several processes ────────────────────────────────────────────────────────────────────────

    def follow(self, plan: Plan, data: Data) -> tuple[dict[str, Any], Array]:
        """Take the steps that the first process tells of, until it ends; return what it says, and its θ."""
        known: tuple[Array, ...] = ()
        while True:
            with waiting(None):  # the first may be made to wait; where it is gone, this fails
                said, arrays = self.processes.tell(None)
            if said["do"] == "end":
                return said, arrays[0]
            theta, opt_state = arrays or known
            state = State(theta, opt_state, **said["state"])
            probes = Probes(
                every=said["every"],
                weights=tuple(
                    WeightProbe(l, tuple(to), tuple(from_)) for l, to, from_ in said["weights"]
                ),
            )
            state = self._take(plan, state, data, said["until"], probes, _Seen(plan, probes))
            known = state.theta, state.opt_state

    def dismiss(self, said: dict[str, Any], theta: Array) -> None:
        """End the training of those that follow, and say what they return of it."""
        self._tell({"do": "end", **said}, theta)

    def _in_time(self, call: Callable[[], Any]) -> Any:
        """Return what a call gives that takes all processes, and end this one where another is stuck."""
        began = time.perf_counter()
        with waiting(max(STUCK, TIMES * self._longest)):
            found = call()
        self._longest = max(self._longest, time.perf_counter() - began)
        return found

    def _lead(self, state: State, until: int, probes: Probes) -> None:
        """Send those that follow which steps are to be taken, and from which state."""
        counters = {name: getattr(state, name) for name in COUNTERS}
        weights = [[probe.layer, probe.to, probe.from_] for probe in probes.weights]
        said = {
            "do": "take",
            "until": until,
            "state": counters,
            "every": probes.every,
            "weights": weights,
        }
        arrays = state.theta, state.opt_state
        fixed = not any(array.flags.writeable for array in arrays)
        same = fixed and self._known and all(map(operator.is_, arrays, self._known))
        self._tell(said, *(() if same else arrays))

    def _tell(self, said: dict[str, Any], *arrays: Array) -> None:
        """Send a message to those that follow: they wait for nothing else, so it is soon there."""
        self._in_time(lambda: self.processes.tell(said, *arrays))


def _held(data: Data) -> tuple[Array | None, Array | None]:
    """Return X and Y, None where a device is not to hold those of all examples."""
    return (
        None if data.on_demand or is_sparse(data.X) else data.X,
        None if data.on_demand else data.Y,
    )


def _handed(data: Data, examples: Array) -> tuple[Array | None, Array | None]:
    """Return inputs and targets of some examples, where a device does not hold those of all; 0 for −1."""
    there = examples >= 0
    rows_there = examples[there]

    def of_those(all_of_them: Any) -> Array:
        rows: Array = np.zeros((*examples.shape, all_of_them.shape[1]), all_of_them.dtype)
        rows[there] = dense(all_of_them[rows_there])
        return rows

    X, Y = _held(data)
    return of_those(data.X) if X is None else None, of_those(data.Y) if Y is None else None


class _Seen:
    """Collects what probes see, call by call."""

    def __init__(self, plan: Plan, probes: Probes) -> None:
        self.plan, self.probes = plan, probes
        self.diverged = False
        self.costs: list[Array] = []
        self.scale: list[Array] = []
        self.statistics: list[Array] = []
        self.weights: list[list[list[Array]]] = [[] for _ in probes.weights]

    def add(self, found: Any, taken: int, diverged: bool) -> None:
        """Take note of the steps of one call."""
        self.diverged = diverged
        self.costs.append(found.costs[:taken].astype(np.float64))
        self.scale.append(found.scale[:taken])
        self.statistics.append(found.statistics[: int(found.sampled)])
        for kept, buffers in zip(self.weights, found.weights, strict=True):
            kept.append([self._filled(part[:taken], i) for i, part in enumerate(buffers)])

    def _filled(self, part: Array, i: int) -> Array:
        """Return a and δ with rows of 0 for what a smaller batch lacks; the rest as it is."""
        lacking = self.plan.batch_size - part.shape[1]
        return part if i < 2 or not lacking else np.pad(part, ((0, 0), (0, lacking), (0, 0)))

    def _no_statistics(self) -> Array:
        return np.zeros((0, self.plan.net.L, len(STATISTICS)))

    def all(self, first: State, data: Data, coefficients: Array) -> ProbeResult:
        """Return what was seen since the state `first`."""
        probes = self.probes
        costs, scale = (np.concatenate([np.zeros(0), *each]) for each in (self.costs, self.scale))
        statistics, weights = None, None
        if probes.every:
            steps = probed_steps(first.step, first.step + len(costs), probes.every)
            statistics = Statistics(
                steps, np.concatenate([self._no_statistics(), *self.statistics])
            )
        if probes.weights and len(costs):
            blocks = [
                Block(probe, *(np.concatenate(part) for part in zip(*kept, strict=True)))
                for probe, kept in zip(probes.weights, self.weights, strict=True)
            ]
            weights = weight_probe_result(self.plan, first, data, coefficients, scale, blocks)
        return ProbeResult(costs if probes.costs else None, self.diverged, statistics, weights)


def _padded(rows: Array, capacity: int) -> Array:
    """Return an array with rows of 0 behind, so that there are as many as a loop has room for."""
    return np.pad(rows, ((0, capacity - len(rows)), *((0, 0) for _ in rows.shape[1:])))


def _capacity(plan: Plan, data: Data, probes: Probes) -> int:
    """Return for how many steps a call has room: a power of two, as each number is compiled anew."""
    ends = zip((plan.net.sizes[0], plan.net.sizes[-1]), _held(data), strict=True)
    numbers = plan.batch_size * (1 + sum(size for size, held in ends if held is None))
    for probe in probes.weights:
        R, k = probe.shape
        numbers += 4 * R * k + plan.batch_size * (R + k)
    most = max(1, min(CAPACITY, NUMBERS // numbers, plan.n // plan.batch_size))
    return 1 << (most.bit_length() - 1)


def _untraced(plan: Plan) -> str | None:
    """Return what JAX says of code of the user's own that it cannot trace, or None."""
    import jax

    net, b = plan.net, plan.batch_size

    def like(*shape: int, dtype: Any = plan.dtype) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype)

    row = plan.rule.coefficients(np.array([1]), np.array([1.0]))
    theta = np.zeros(count(net.sizes), plan.dtype)
    opt_state = plan.optimizer.init(theta)
    data = Examples(like(b, net.sizes[0]), like(b, net.sizes[-1]), None)
    given = Given(
        like(1, plan.blocks, -(-b // plan.blocks), dtype="int32"), None, None, like(1), like(1), like(1),
        like(1, row.shape[1]), like(1, net.L + 1, dtype="uint64"),
    )  # fmt: skip
    try:
        with jax.enable_x64(True):
            jax.eval_shape(loop(essence(plan), 1, Seen()), theta, opt_state, data, given, 1)
    except Exception as error:  # of any kind: it is the user's code
        told = str(error).split("\n", 1)[0]
        return f"JAX cannot trace code of your own ({type(error).__name__}: {told:.120})"
    return None
