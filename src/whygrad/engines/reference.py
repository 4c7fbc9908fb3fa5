"""The reference engine: `backprop` as written, step by step in NumPy. The truth the others are held to."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from whygrad.cores import one_thread
from whygrad.engines import BatchCurvature, Engine, ProbeResult, Probes, probe_data
from whygrad.engines.blocks import block_rows, tree_sum
from whygrad.engines.probes import (
    BOUNDED,
    ONE_SIDED,
    SATURATED,
    STATISTICS,
    Block,
    Statistics,
    probed_steps,
)
from whygrad.nn.arrays import Data
from whygrad.nn.backprop import (
    Trace,
    backward,
    example_costs,
    forward,
    gradient_sums,
    mean_gradient,
    penalty,
)
from whygrad.nn.functions import ACTIVATIONS, Activation, Array, namespace
from whygrad.nn.hessian import hessian_times
from whygrad.nn.network import Gradients, Network, Parameters
from whygrad.nn.products import as_multiplied
from whygrad.plan.plan import Plan, State


class ReferenceEngine:
    """Runs every plan."""

    name = "reference"
    compiling = False

    def supports(self, plan: Plan) -> str | None:
        """Return None: there is no plan that it cannot run."""
        return None

    def run(
        self, plan: Plan, state: State, data: Data, until: int, probes: Probes
    ) -> tuple[State, ProbeResult]:
        """Take the steps up to `until`, one after the other."""
        probes.check(plan.net)
        seen = _Seen(plan, probes)
        first, coefficients, diverged = state, plan.coefficients(state, until), False
        with one_thread(numpy=True), np.errstate(all="ignore"):  # the cost shows a diverging run
            for row in coefficients.tolist():
                C, g, trace, s = of_next_batch(plan, state, data)
                s = None if plan.products else s  # which δ has in it already
                if not np.isfinite(C):
                    diverged = True
                    break
                clipped, scale = plan.clip.shorten(g)
                theta, opt_state = plan.moved(state.theta, clipped, state.opt_state, row)
                seen.step(state, theta, opt_state, C, g, scale, trace, s)
                state = replace(
                    state,
                    theta=theta,
                    opt_state=opt_state,
                    step=state.step + 1,
                    batch_index=state.batch_index + 1,
                    cost_sum=state.cost_sum + C * len(trace.a[-1]),
                )
        return state, seen.all(first, data, coefficients, diverged)

    def run_epochs(
        self, plan: Plan, state: State, data: Data, epochs: int
    ) -> tuple[State, list[float]]:
        """Run epochs one after the other, as `Engine.run_epochs` says."""
        return one_after_the_other(self, plan, state, data, epochs)

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the cost of these examples and its gradient, without dropout."""
        with one_thread(numpy=True):
            rows = Data(data.X, data.Y, data.factors)
            C, g, _ = _cost_and_gradient(plan, theta, rows, None, data.counts)
        return C, g

    def hessian_times(
        self, plan: Plan, state: State, data: Data, directions: Array
    ) -> BatchCurvature:
        """Return the next batch's gradient and its Hessian times each direction, by `nn.hessian`."""
        net, batch = plan.net, plan.batch(state.epoch, state.batch_index)
        with one_thread(numpy=True), np.errstate(all="ignore"):
            _, g, trace, s = of_next_batch(plan, state, data)
            share, l2 = _share_and_l2(plan, len(batch), s, _of(data.counts, batch))
            theta, Y = Parameters(net.sizes, state.theta), data.Y[batch]
            if plan.products:  # rounding counts as the identity: H at what was multiplied
                theta = as_multiplied(theta, plan.products)
                trace = backward(net, theta, trace, Y)
            found = [
                hessian_times(net, theta, trace, Y, Parameters(net.sizes, v), s, l2)
                for v in np.asarray(directions, state.theta.dtype)
            ]
        return BatchCurvature(
            g,
            np.array([share * each.product.flat for each in found]),
            np.array([each.slopes for each in found]),
            np.array([each.outputs for each in found]),
        )


def one_after_the_other(
    engine: Engine, plan: Plan, state: State, data: Data, epochs: int
) -> tuple[State, list[float]]:
    """Run whole epochs by an engine's `run`, as `Engine.run_epochs` says."""
    inner, cost_sums = state, []
    for _ in range(epochs):
        inner, seen = engine.run(plan, inner, data, inner.step + plan.steps_per_epoch, Probes())
        if seen.diverged:
            break
        cost_sums.append(inner.cost_sum)
        inner = replace(
            inner, epoch=inner.epoch + 1, batch_index=0, seen=inner.seen + plan.n, cost_sum=0.0
        )
    return replace(inner, epoch=state.epoch, seen=state.seen), cost_sums


def of_next_batch(plan: Plan, state: State, data: Data) -> tuple[float, Array, Trace, Array | None]:
    """Return the cost, gradient, trace and examples' factors of the batch that the next step takes."""
    batch = plan.batch(state.epoch, state.batch_index)
    rows = Data(data.X[batch], data.Y[batch], _of(data.factors, batch))
    masks = plan.masks(state.step, batch)
    found = _cost_and_gradient(plan, state.theta, rows, masks, _of(data.counts, batch))
    return *found, rows.sample_weight


def _of(values: Array | None, batch: Any) -> Array | None:
    return None if values is None else values[batch]


def _cost_and_gradient(
    plan: Plan, theta: Array, data: Data, masks: list[Any] | None, counts: Array | None
) -> tuple[float, Array, Trace]:
    """Return cost and gradient of some examples, divided by S = Σ counts, whatever their weights are."""
    net, s = plan.net, data.sample_weight
    parameters = Parameters(net.sizes, theta)
    S = float(len(data.Y) if counts is None else counts.sum())
    l1, l2 = (each.of_batch(S, plan.n) for each in (plan.l1, plan.l2))
    S = S or 1.0
    in_delta, beside = (s, None) if plan.products else (None, s)  # rounded is s δ, not δ
    trace = forward(net, parameters, data.X, masks, plan.products)
    trace = backward(net, parameters, trace, data.Y, in_delta)
    costs = example_costs(net, trace, data.Y)
    costs = costs if s is None else s * costs
    parts = [
        (costs[rows].sum(), gradient_sums(net, _rows_of(trace, rows), _of(beside, rows)).flat)
        for rows in block_rows(len(costs), plan.blocks)
    ]
    C, sums = (tree_sum(np.array(part)) for part in zip(*parts, strict=True))
    g = mean_gradient(net, parameters, Gradients(net.sizes, sums), S, l1, l2).flat
    return float(C / S + penalty(parameters, l1, l2)), g, trace


def _rows_of(trace: Trace, rows: slice) -> Trace:
    a, delta = ([None if x is None else x[rows] for x in xs] for xs in (trace.a, trace.delta))
    return replace(trace, a=tuple(a), delta=tuple(delta))


def _share_and_l2(plan: Plan, n: int, s: Array | None, counts: Array | None) -> tuple[float, float]:
    """Return what turns a mean over Σ s into one over S = Σ counts, and λ₂ before that."""
    S = float(n if counts is None else counts.sum())
    # `hessian_times` divides by Σ s, which is another number where examples are left out.
    total = S if s is None else float(s.sum())
    share = total / S if total and S else 1.0
    return share, plan.l2.of_batch(S, plan.n) / share


@dataclass
class _Seen:
    """Collects what probes see, step by step."""

    plan: Plan
    probes: Probes
    costs: list[float] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)
    statistics: list[Array] = field(default_factory=list)
    weights: list[list[Array]] = field(default_factory=list)

    def step(
        self,
        before: State,
        theta: Array,
        opt_state: Array,
        C: float,
        g: Array,
        scale: float,
        trace: Trace,
        sample_weight: Array | None,
    ) -> None:
        """Take note of one step; g is the gradient before clipping."""
        probes, net = self.probes, self.plan.net
        self.costs.append(C)
        self.scale.append(scale)
        if probes.every and before.step % probes.every == 0:
            self.statistics.append(
                statistics_of_step(net, before.theta, theta, g, trace, sample_weight)
            )
        for probe in probes.weights:
            indices, (low, high) = probe_data.rows_of(net, probe), probe.from_
            assert trace.delta is not None
            delta = trace.delta[probe.layer][:, slice(*probe.to)]
            delta = delta if sample_weight is None else delta * sample_weight[:, None]
            a = np.zeros((self.plan.batch_size, high - low), theta.dtype)
            whole = np.zeros((self.plan.batch_size, delta.shape[1]), theta.dtype)
            whole[: len(delta)] = delta
            if probe.layer > 1:
                part = trace.a[probe.layer - 1][:, low:high]
                a[: len(part), : part.shape[1]] = part
            self.weights.append([before.theta[indices], opt_state[:, indices], a, whole])

    def all(self, first: State, data: Data, coefficients: Array, diverged: bool) -> ProbeResult:
        """Return what was seen since the state `first`."""
        plan, probes, taken = self.plan, self.probes, len(self.costs)
        costs = np.array(self.costs) if probes.costs else None
        statistics, weights = None, None
        if probes.every:
            steps = probed_steps(first.step, first.step + taken, probes.every)
            shape = (len(steps), plan.net.L, len(STATISTICS))
            statistics = Statistics(steps, np.array(self.statistics).reshape(shape))
        if probes.weights and taken:
            blocks = [
                Block(
                    probe, *map(np.stack, zip(*self.weights[i :: len(probes.weights)], strict=True))
                )
                for i, probe in enumerate(probes.weights)
            ]
            weights = probe_data.weight_probe_result(
                plan, first, data, coefficients, np.array(self.scale), blocks
            )
        return ProbeResult(costs, diverged, statistics, weights)


def statistics_of_step(
    net: Network, before: Array, after: Array, g: Array, trace: Trace, sample_weight: Array | None
) -> Array:
    """Return the statistics of each layer, (L, 9), of the step from θ `before` to `after` at gradient g."""
    assert trace.delta is not None
    xp = namespace(before)
    flats = [flat.astype(np.float64) for flat in (before, g)]
    parts = [Gradients(net.sizes, flat) for flat in (*flats, after.astype(np.float64) - flats[0])]
    rows = []
    for l in range(1, net.L + 1):
        a, delta = trace.a[l].astype(np.float64), trace.delta[l].astype(np.float64)
        if sample_weight is not None:
            delta = delta * sample_weight[:, None]
        norms = [xp.hypot(*(xp.linalg.norm(each) for each in (p.dW[l], p.db[l]))) for p in parts]
        spread = [a.mean(), a.std(), delta.mean(), delta.std()]
        rows.append(xp.stack([*norms, *_faded(net.f[l], trace.z[l]), *spread]))
    return xp.stack(rows)


def _faded(f: Activation, z: Array) -> tuple[Any, Any]:
    """Return the shares of dead units and of saturated values at z, (n, units); 0 for all other f.

    >>> _faded(ACTIVATIONS["relu"], np.array([[1.0, -1.0], [2.0, -3.0], [-1.0, -2.0]]))
    (np.float64(0.5), np.float64(0.0))
    """
    xp = namespace(z)
    none = xp.float64(0.0)
    if ACTIVATIONS.get(f.name) != f:
        return none, none
    greatest = ONE_SIDED.get(f.name) or BOUNDED.get(f.name)
    if greatest is None:
        return none, none
    small = xp.abs(f.derivative(z)) < SATURATED * greatest
    if f.name in ONE_SIDED:
        return small.all(axis=0).astype(np.float64).mean(), none
    return none, small.astype(np.float64).mean()
