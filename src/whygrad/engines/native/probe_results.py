"""Memory for the probes of the compiled loop, and what they saw, as a `ProbeResult` (see `probes`)."""

from typing import Any

import numpy as np

from whygrad.engines.native.layout import Layout, aligned_zeros, whole_lines
from whygrad.engines.native.probes import STRETCH, SUMMED, SUMMED_PIECE, THETA, A, ProbeBuffers
from whygrad.engines.native.sparse import Rows
from whygrad.engines.probe_data import penalty_rates, rows_of, shares_lost, weight_probe_result
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
    plan: Plan, probes: Probes, layout: Layout, first: int, coefficients: Array, opt_state: int
) -> ProbeBuffers:
    """Return memory for what is probed in the steps of these coefficients, from step `first` on."""
    steps, nothing = len(coefficients), not probes.every and not probes.weights
    if nothing and layout.no_probes is not None and len(layout.no_probes.scale) >= steps:
        return layout.no_probes
    net, real = plan.net, np.dtype(plan.dtype)
    due = probed_steps(first, first + steps, probes.every)
    size, widest = (layout.size, max(net.sizes[1:]) * plan.batch_size) if len(due) else (0, 0)
    rows, width = _rows(layout, probes.weights, plan.batch_size, opt_state)
    summed = np.zeros(len(net.sizes) if rows[:, SUMMED].any() else 0, np.bool_)
    for probe in probes.weights:
        if not probe.theta:
            summed[probe.layer] = True
    shares = shares_lost(plan, coefficients) if len(summed) else None
    rates = penalty_rates(plan, coefficients) if len(summed) else None
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
        record=_record(layout, steps, width, rows, real, probes.weights),
        scale=np.ones(steps),
        states=np.zeros((0, 0), real),
        others=np.zeros((0, 0), real),
        low=0,
        apart=1,
        traces=np.zeros((0, 0), real),
        traced=0,
        summed=summed,
        thetas=np.zeros(layout.size if len(summed) else 0),
        lost=np.zeros(0) if shares is None else np.ascontiguousarray(shares),
        taken=np.zeros(0 if shares is None else layout.size),
        rates=np.zeros((0, 4)) if rates is None else rates,
        penalties=np.zeros((0, 0)) if rates is None else np.zeros((4, layout.size)),
        inverse=aligned_zeros(SUMMED_PIECE, real),
    )
    if nothing:
        layout.no_probes = found
    return found


def _record(
    layout: Layout, steps: int, width: int, rows: Array, real: Any, weights: tuple[WeightProbe, ...]
) -> Array:
    """Return memory for what probes of weights record: 0 where a batch may end, all else as it is.

    Where all of them name rows, it is that of the last call: new memory takes as long as the steps.
    """
    record = layout.record
    if not weights or any(probe.rows is None for probe in weights):
        record = aligned_zeros(steps * width, real).reshape(steps, width)
    elif record is None or len(record) < steps or record.shape[1] != width:
        record = layout.record = aligned_zeros(steps * width, real).reshape(steps, width)
    record = record[:steps]
    ends = [*rows[1:, THETA].tolist(), width] if len(rows) else []
    # What fills up columns is not written.
    for begin, end in zip(rows[:, A].tolist(), ends, strict=True):
        record[:, begin:end] = 0
    return record


def _rows(
    layout: Layout, weights: tuple[WeightProbe, ...], B: int, opt_state: int
) -> tuple[Array, int]:
    """Return the probes of weights as numbers, and the length of a step's row of their record."""
    rows, width = [], 0
    for probe in weights:
        tall, wide = probe.shape
        stretch = _stretch(layout, probe)
        one, summed = (stretch or tall) * wide, not probe.theta
        slots = range(opt_state) if probe.rows is None else probe.rows
        sizes = (one * (not summed), len(slots) * one, B * wide * (probe.layer > 1), B * tall)
        begins = [width + sum(sizes[:i]) for i in range(4)]
        bits = sum(1 << s for s in slots)
        rows.append([probe.layer, *probe.to, *probe.from_, *begins, summed, bits, stretch])
        width = whole_lines(width + sum(sizes))
    return np.array(rows, np.int64).reshape(len(weights), STRETCH + 1), width


def _stretch(layout: Layout, probe: WeightProbe) -> int:
    """Return how far apart columns are recorded of a first layer that has them side by side, or 0."""
    sizes, stretch = layout.sizes, layout.layers.stretch
    whole = probe.layer == 1 and probe.shape == (sizes[1], sizes[0] + 1)
    return stretch if whole and stretch <= 2 * sizes[1] else 0


def read(
    plan: Plan, before: State, data: Data, probes: Probes, layout: Layout, buffers: ProbeBuffers,
    coefficients: Array, costs: Array, diverged: bool,
) -> ProbeResult:  # fmt: skip
    """Return what the probes saw in the steps taken from the state `before` on, which have these costs."""
    taken, statistics, weights = len(costs), None, None
    if probes.every:
        steps = probed_steps(before.step, before.step + taken, probes.every)
        statistics = Statistics(steps, buffers.statistics[: len(steps)])
    if probes.weights and taken:
        found = (buffers.thetas[None], buffers.taken[None], buffers.penalties)
        sums = [_in_order(layout, part, len(before.theta)) for part in found]
        blocks = [
            _block(plan.net, probe, row, buffers.record[:taken], plan.batch_size, sums, layout.rows)
            for probe, row in zip(probes.weights, buffers.weights.tolist(), strict=True)
        ]
        weights = weight_probe_result(
            plan, before, data, coefficients, buffers.scale[:taken], blocks
        )  # fmt: skip
    return ProbeResult(costs if probes.costs else None, diverged, statistics, weights)


def _in_order(layout: Layout, sums: Array, size: int) -> Array | None:
    """Return sums over the steps in the order of θ, None where there are none."""
    if not sums.size:
        return None
    found = np.zeros((len(sums), size))
    layout.copy_out(sums, found)
    return found


def _block(
    net: Network,
    probe: WeightProbe,
    row: list[int],
    record: Array,
    B: int,
    sums: list[Array | None],
    rows: Rows,
) -> Block:
    """Return views of what a probe of weights recorded; `sums` over the steps are in the order of θ."""
    m, (tall, wide) = len(record), probe.shape
    theta, at_opt_state, a, delta, summed, _, stretch = row[5:]
    index = rows_of(net, probe)
    thetas, lost, penalties = (
        part[:, index] if summed and part is not None else None for part in sums
    )

    def weights(first: int, last: int) -> Array:
        numbers, count = record[:, first:last], (last - first) // (wide * (stretch or tall))
        if not stretch:
            return numbers.reshape(m, count, tall, wide)
        return numbers.reshape(m, count, wide, stretch)[..., :tall].swapaxes(2, 3)

    nothing = np.empty((0, tall, wide), record.dtype)
    return Block(
        probe,
        nothing if summed else weights(theta, at_opt_state)[:, 0],
        weights(at_opt_state, a),
        record[:, a:delta].reshape(m, B, wide) if probe.layer > 1 else np.empty((m, 0, wide)),
        record[:, delta : delta + B * tall].reshape(m, B, tall),
        None if thetas is None else thetas[0],
        None if lost is None else lost[0],
        penalties,
        tuple(rows) if stretch else None,
    )
