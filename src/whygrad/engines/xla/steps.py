"""A run of steps as one loop of XLA: the four equations and the optimizer's rule as they stand, traced.

The loop goes on while there are steps left and the cost is finite. What a step takes from outside (its
examples, S, penalties, the optimizer's coefficients, the keys of dropout) follows from plan and step alone,
and lies in arrays with a row for each step. A batch is cut into blocks, whose sums are added up as
`engines.blocks` says; where several processes share the work, each computes its own blocks, and all are
gathered before they are added.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from whygrad.engines.blocks import tree_sum
from whygrad.engines.probe_data import rows_of
from whygrad.engines.probes import STATISTICS, WeightProbe
from whygrad.engines.reference import statistics_of_step
from whygrad.engines.xla.processes import ALONE, AXIS, Processes
from whygrad.nn.backprop import (
    Trace,
    backward,
    example_costs,
    forward,
    gradient_sums,
    mean_gradient,
    penalty,
)
from whygrad.nn.functions import Array
from whygrad.nn.network import Gradients, Network, Parameters
from whygrad.plan.dropout import mask_of_key
from whygrad.plan.plan import Plan
from whygrad.plan.schedules import Constant

EXACT = {"xla_cpu_multi_thread_eigen": False}  # with threads, bits depend on the load


class Examples(NamedTuple):
    """The data as a device holds them: X, and Y, are None where every step is given its own rows."""

    X: Any
    Y: Any
    factors: Any


class Given(NamedTuple):
    """What each of K steps takes from outside: arrays with a row for each.

    `examples` (K, R, r) are indices into the data by block, −1 where the last blocks are not full, `X`
    (K, R, r, n_0) and `Y` (K, R, r, n_L) their inputs and targets, where these do not lie on the device: of
    several processes each has its own blocks. S, l1, l2 (K,), `coefficients` (K, c), `keys` (K, L + 1) of
    dropout. What is asked of a batch beside its gradient takes `whole` (K, b), its examples, and `slot`
    (K,), the row for the step's statistics, −1 where there are none.
    """

    examples: Any
    X: Any
    Y: Any
    S: Any
    l1: Any
    l2: Any
    coefficients: Any
    keys: Any
    whole: Any = None
    slot: Any = None


class Loop(NamedTuple):
    """What a run of steps carries along, and what it writes down."""

    step: Any
    finite: Any
    theta: Any
    opt_state: Any
    costs: Any
    scale: Any
    sampled: Any
    statistics: Any
    weights: Any


@dataclass(frozen=True)
class Seen:
    """What a loop is to write down: statistics of how many steps, and which weights at every one."""

    statistics: int = 0
    weights: tuple[WeightProbe, ...] = ()


def essence(plan: Plan) -> Plan:
    """Return the plan without what reaches the steps as arrays: plans of one essence share machine code."""
    return replace(
        plan, n=plan.batch_size, epochs=0, seed=0, shuffle=True, schedule=Constant(), stopping=None,
        cost_below=None, label_smoothing=0.0,
    )  # fmt: skip


@lru_cache(maxsize=64)
def loop(
    plan: Plan, capacity: int, seen: Seen, processes: Processes = ALONE
) -> Callable[..., Loop]:
    """Return the compiled function (θ, optimizer's state, examples, given, count) → `Loop`."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    net, dtype = plan.net, plan.dtype

    def run(theta: Any, opt_state: Any, data: Examples, given: Given, count: Any) -> Loop:
        def whole(theta: Any, this: Given) -> tuple[Trace, Any]:
            return _passed(
                plan, theta, data, this.whole, *_of_all_blocks(processes, this), this.keys
            )[:2]

        def goes_on(now: Loop) -> Any:
            return (now.step < count) & now.finite

        def step(now: Loop) -> Loop:
            i = now.step
            this = Given(*(None if part is None else part[i] for part in given))
            C, sums = _cost_and_sums(plan, processes, now.theta, data, this)
            parameters = Parameters(net.sizes, now.theta)
            C = C / this.S + penalty(parameters, this.l1, this.l2)
            gradient = Gradients(net.sizes, sums)
            g = mean_gradient(net, parameters, gradient, this.S, this.l1, this.l2).flat
            clipped, scale = plan.clip.shorten(g)
            moved = plan.moved(now.theta, clipped, now.opt_state, list(this.coefficients))
            finite = jnp.isfinite(C)
            theta, opt_state = (
                jnp.where(finite, new, old)
                for new, old in zip(moved, (now.theta, now.opt_state), strict=True)
            )
            statistics, weights = now.statistics, now.weights
            if seen.statistics:
                statistics = lax.cond(
                    finite & (this.slot >= 0),
                    lambda: statistics.at[this.slot].set(
                        statistics_of_step(net, now.theta, theta, g, *whole(now.theta, this))
                    ),
                    lambda: statistics,
                )
            if seen.weights:
                trace, s = whole(now.theta, this)
                weights = tuple(
                    tuple(
                        buffer.at[i].set(part) for buffer, part in zip(buffers, parts, strict=True)
                    )
                    for buffers, parts in zip(
                        weights,
                        (_of_probe(net, p, now.theta, opt_state, trace, s) for p in seen.weights),
                        strict=True,
                    )
                )
            return Loop(
                i + finite,
                finite,
                theta,
                opt_state,
                now.costs.at[i].set(C),
                now.scale.at[i].set(scale),
                now.sampled + (finite & (this.slot >= 0) if seen.statistics else 0),
                statistics,
                weights,
            )

        weights = tuple(
            _buffers(probe, capacity, len(opt_state), given.whole.shape[1], dtype)
            for probe in seen.weights
        )
        statistics = jnp.zeros((seen.statistics, net.L, len(STATISTICS)))
        zeros = jnp.zeros(capacity)
        begin = Loop(
            jnp.int64(0), jnp.bool_(True), theta, opt_state, zeros.astype(dtype), zeros, jnp.int64(0),
            statistics, weights,
        )  # fmt: skip
        return lax.while_loop(goes_on, step, begin)

    if processes.count == 1:
        return jax.jit(run, compiler_options=_options())
    alike, shared = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(None, AXIS)
    given = Given(*[alike] * len(Given._fields))._replace(examples=shared, X=shared, Y=shared)
    specs = {"in_specs": (alike, alike, alike, given, alike), "out_specs": alike}
    together = jax.shard_map(run, mesh=processes.mesh, check_vma=False, **specs)
    return jax.jit(together, compiler_options=_options())


@lru_cache(maxsize=16)
def sums_over(net: Network) -> Callable[..., Any]:
    """Return the compiled function (θ, X, Y, s) → Σ s C_x and Σ s ∇C_x, for the gradient over all data."""
    import jax

    def sums(theta: Any, X: Any, Y: Any, s: Any) -> Any:
        return _sums(net, _trace(net, theta, X, Y), s, Y)

    return jax.jit(sums, compiler_options=_options())


def _options() -> dict[str, Any] | None:
    import jax

    return EXACT if jax.default_backend() == "cpu" else None


def _cost_and_sums(
    plan: Plan, processes: Processes, theta: Any, data: Examples, this: Given
) -> tuple[Any, Any]:
    """Return Σ s C_x and Σ s ∇C_x of a batch, block by block, added up by the tree."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    def of_block(block: Any) -> Any:
        examples, X, Y = block
        rows = examples if plan.blocks == 1 else jnp.maximum(examples, 0)
        trace, s, Y = _passed(plan, theta, data, rows, X, Y, this.keys)
        if plan.blocks == 1:
            return _sums(plan.net, trace, s, Y)
        there = (examples >= 0).astype(plan.dtype)  # the others count for nothing
        s = there if s is None else s * there
        return lax.optimization_barrier(_sums(plan.net, trace, s, Y))

    given = this.examples, this.X, this.Y
    if plan.blocks == 1:
        return of_block(jax.tree.map(lambda part: part[0], given))
    C, sums = jax.tree.map(tree_sum, lax.map(of_block, given))
    if processes.count > 1:  # each has the root of its own subtree, and sends it in one piece
        both = jnp.concatenate([C[None], sums])
        both = tree_sum(lax.all_gather(both, AXIS))
        C, sums = both[0], both[1:]
    return C, sums


def _of_all_blocks(processes: Processes, this: Given) -> tuple[Any, Any]:
    """Return inputs and targets of a whole batch, (b, ·) each, where a step is given them by block."""
    from jax import lax

    def joined(blocks: Any) -> Any:
        if blocks is None:
            return None
        if processes.count > 1:
            blocks = lax.all_gather(blocks, AXIS, tiled=True)
        return blocks.reshape(-1, blocks.shape[-1])[: len(this.whole)]

    return joined(this.X), joined(this.Y)


def _passed(
    plan: Plan, theta: Any, data: Examples, rows: Any, X: Any, Y: Any, keys: Any
) -> tuple[Trace, Any, Any]:
    """Pass some examples forward and back; return the trace, what multiplies their gradients, and Y."""
    net, masks = plan.net, None
    if net.has_dropout:
        masks = [None] + [
            mask_of_key(keys[l], rows, layer.units, layer.dropout).astype(plan.dtype)
            if layer.dropout
            else None
            for l, layer in enumerate(net.layers, start=1)
        ]
    s = None if data.factors is None else data.factors[rows]
    X, Y = (of[rows] if given is None else given for of, given in ((data.X, X), (data.Y, Y)))
    return _trace(net, theta, X, Y, masks), s, Y


def _trace(net: Network, theta: Any, X: Any, Y: Any, masks: list[Any] | None = None) -> Trace:
    parameters = Parameters(net.sizes, theta)
    return backward(net, parameters, forward(net, parameters, X, masks), Y)


def _sums(net: Network, trace: Trace, s: Any, Y: Any) -> tuple[Any, Any]:
    costs = example_costs(net, trace, Y)
    return (costs if s is None else s * costs).sum(), gradient_sums(net, trace, s).flat


def _buffers(probe: WeightProbe, K: int, rows: int, b: int, dtype: str) -> tuple[Array, ...]:
    """Return the arrays that a probe of weights fills: θ, the optimizer's state, a and δ."""
    from jax import numpy as jnp

    R, k = probe.shape
    shapes = ((K, R, k), (K, rows, R, k), (K, b, k), (K, b, R))
    return tuple(jnp.zeros(shape, dtype) for shape in shapes)


def _of_probe(
    net: Network, probe: WeightProbe, theta: Any, opt_state: Any, trace: Trace, s: Any
) -> tuple[Any, ...]:
    """Return θ before a step, the optimizer's state after it, a and δ s, for a probe of weights."""
    from jax import numpy as jnp

    indices, (low, high) = rows_of(net, probe), probe.from_
    delta = trace.delta[probe.layer][:, slice(*probe.to)]
    delta = delta if s is None else delta * s[:, None]
    a = jnp.zeros((len(delta), high - low), theta.dtype)
    if probe.layer > 1:
        part = trace.a[probe.layer - 1][:, low:high]
        a = a.at[:, : part.shape[1]].set(part)
    return theta[indices], opt_state[:, indices], a, delta
