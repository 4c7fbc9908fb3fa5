"""Memory for the probes of the compiled loop, and what they saw, as a `ProbeResult` (see `probes`)."""

from typing import Any

import numpy as np

from whygrad.engines.native.layout import Layout, aligned_zeros
from whygrad.engines.native.probes import THETA, A, ProbeBuffers
from whygrad.engines.probe_data import weight_probe_result
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


def probe_buffers(
    plan: Plan, probes: Probes, layout: Layout, first: int, steps: int, opt_state: int
) -> ProbeBuffers:
    """Return memory for what is probed in so many steps from step `first` on."""
    nothing = not probes.every and not probes.weights
    if nothing and layout.no_probes is not None and len(layout.no_probes.scale) >= steps:
        return layout.no_probes
    net, real = plan.net, np.dtype(plan.dtype)
    due = probed_steps(first, first + steps, probes.every)
    size, widest = (layout.size, max(net.sizes[1:]) * plan.batch_size) if len(due) else (0, 0)
    rows, width = _rows(net, probes.weights, plan.batch_size, opt_state)
    found = ProbeBuffers(
        every=probes.every if len(due) else 0,
        row=int(due[0]) // probes.every if len(due) else 0,
        statistics=np.zeros((len(due), net.L, len(STATISTICS))),
        theta=aligned_zeros(size, real),
        squares=np.zeros(layout.workspace.penalties.shape),
        slope=np.zeros((layout.blocks, widest), real),
        greatest=np.array(
            [0.0, *(BOUNDED.get(f.name, -ONE_SIDED.get(f.name, 0.0)) for f in net.f[1:])]
        ),
        weights=rows,
        record=_record(steps, width, rows, real),
        scale=np.ones(steps),
        states=np.zeros((0, 0), real),
        low=0,
        traces=np.zeros((0, 0), real),
        traced=0,
    )
    if nothing:
        layout.no_probes = found
    return found


def _record(steps: int, width: int, rows: Array, real: Any) -> Array:
    """Return memory for what probes of weights record: 0 where a batch may end, all else as it is."""
    record = np.empty((steps, width), real)
    ends = [*rows[1:, THETA].tolist(), width] if len(rows) else []
    for begin, end in zip(rows[:, A].tolist(), ends, strict=True):
        record[:, begin:end] = 0
    return record


def _rows(
    net: Network, weights: tuple[WeightProbe, ...], B: int, opt_state: int
) -> tuple[Array, int]:
    """Return the probes of weights as numbers, and the length of a step's row of their record."""
    rows, width = [], 0
    for probe in weights:
        tall, wide = probe.shape
        sizes = (tall * wide, opt_state * tall * wide, B * wide * (probe.layer > 1), B * tall)
        begins = [width + sum(sizes[:i]) for i in range(4)]
        rows.append([probe.layer, *probe.to, *probe.from_, *begins])
        width += sum(sizes)
    return np.array(rows, np.int64).reshape(len(weights), 9), width


def read(
    plan: Plan, before: State, data: Data, probes: Probes, buffers: ProbeBuffers, coefficients: Array,
    costs: Array, diverged: bool,
) -> ProbeResult:  # fmt: skip
    """Return what the probes saw in the steps taken from the state `before` on, which have these costs."""
    taken, statistics, weights = len(costs), None, None
    if probes.every:
        steps = probed_steps(before.step, before.step + taken, probes.every)
        statistics = Statistics(steps, buffers.statistics[: len(steps)])
    if probes.weights and taken:
        blocks = [
            _block(probe, row, buffers.record[:taken], plan.batch_size, len(before.opt_state))
            for probe, row in zip(probes.weights, buffers.weights.tolist(), strict=True)
        ]
        weights = weight_probe_result(
            plan, before, data, coefficients, buffers.scale[:taken], blocks
        )  # fmt: skip
    return ProbeResult(costs if probes.costs else None, diverged, statistics, weights)


def _block(probe: WeightProbe, row: list[int], record: Array, B: int, opt_state: int) -> Block:
    """Return views of what a probe of weights recorded."""
    m, (tall, wide) = len(record), probe.shape
    theta, at_opt_state, a, delta = row[5:]
    return Block(
        probe,
        record[:, theta:at_opt_state].reshape(m, tall, wide),
        record[:, at_opt_state:a].reshape(m, opt_state, tall, wide),
        record[:, a:delta].reshape(m, B, wide) if probe.layer > 1 else np.empty((m, 0, wide)),
        record[:, delta : delta + B * tall].reshape(m, B, tall),
    )
