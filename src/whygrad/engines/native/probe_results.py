"""Memory for what the compiled loop shows of its steps, and what it says afterwards (see `watching`)."""

import numpy as np

from whygrad.engines import probe_data as tapping
from whygrad.engines.native.layout import Layout, aligned_zeros
from whygrad.engines.native.probes import Watching
from whygrad.engines.probes import (
    BOUNDED,
    ONE_SIDED,
    STATISTICS,
    Block,
    ProbeResult,
    Probes,
    Statistics,
    WeightProbe,
    probed_steps,
)
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.nn.network import Network
from whygrad.plan.plan import Plan, State


def recording(
    plan: Plan, watch: Probes, layout: Layout, first: int, steps: int, opt_state: int
) -> Watching:
    """Return room for what is watched in so many steps from step `first` on."""
    nothing = not watch.every and not watch.weights
    if nothing and layout.unwatched is not None and len(layout.unwatched.scale) >= steps:
        return layout.unwatched
    net, real = plan.net, np.dtype(plan.dtype)
    due = probed_steps(first, first + steps, watch.every)
    size, widest = (layout.size, max(net.sizes[1:]) * plan.batch_size) if len(due) else (0, 0)
    places, width = _places(net, watch.weights, plan.batch_size, opt_state)
    found = Watching(
        every=watch.every if len(due) else 0,
        row=int(due[0]) // watch.every if len(due) else 0,
        statistics=np.zeros((len(due), net.L, len(STATISTICS))),
        theta=aligned_zeros(size, real),
        squares=np.zeros(layout.room.penalties.shape),
        slope=np.zeros((layout.blocks, widest), real),
        greatest=np.array(
            [0.0, *(BOUNDED.get(f.name, -ONE_SIDED.get(f.name, 0.0)) for f in net.f[1:])]
        ),
        taps=places,
        record=np.zeros((steps, width), real),
        scale=np.ones(steps),
    )
    if nothing:
        layout.unwatched = found
    return found


def _places(
    net: Network, taps: tuple[WeightProbe, ...], B: int, opt_state: int
) -> tuple[Array, int]:
    """Return the taps as numbers, and the length of a step's row of their record."""
    rows, width = [], 0
    for tap in taps:
        tall, wide = tap.shape
        sizes = (tall * wide, opt_state * tall * wide, B * wide * (tap.layer > 1), B * tall)
        begins = [width + sum(sizes[:i]) for i in range(4)]
        rows.append([tap.layer, *tap.to, *tap.from_, *begins])
        width += sum(sizes)
    return np.array(rows, np.int64).reshape(len(taps), 9), width


def read(
    plan: Plan,
    before: State,
    data: Data,
    watch: Probes,
    watching: Watching,
    coefficients: Array,
    costs: Array,
    diverged: bool,
) -> ProbeResult:
    """Describe what was seen in the steps taken, which have these costs, from the state `before` on."""
    taken, found, tapped = len(costs), None, None
    if watch.every:
        steps = probed_steps(before.step, before.step + taken, watch.every)
        found = Statistics(steps, watching.statistics[: len(steps)])
    if watch.weights and taken:
        blocks = [
            _block(tap, place, watching.record[:taken], plan.batch_size, len(before.opt_state))
            for tap, place in zip(watch.weights, watching.taps.tolist(), strict=True)
        ]
        tapped = tapping.tapped(
            plan, before, data, coefficients, watching.scale[:taken], blocks
        )  # fmt: skip
    return ProbeResult(costs if watch.costs else None, diverged, found, tapped)


def _block(tap: WeightProbe, place: list[int], record: Array, B: int, opt_state: int) -> Block:
    """Return views of what a tap recorded."""
    m, (tall, wide) = len(record), tap.shape
    theta, at_opt_state, a, delta = place[5:]
    return Block(
        tap,
        record[:, theta:at_opt_state].reshape(m, tall, wide),
        record[:, at_opt_state:a].reshape(m, opt_state, tall, wide),
        record[:, a:delta].reshape(m, B, wide) if tap.layer > 1 else np.empty((m, 0, wide)),
        record[:, delta : delta + B * tall].reshape(m, B, tall),
    )
