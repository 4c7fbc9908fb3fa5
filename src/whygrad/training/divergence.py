"""Divergence: at which step and in which layer it began, and the rollback to the state before it.

That state is found by running again from one kept a little earlier.
"""

import time
from dataclasses import replace

import numpy as np

from whygrad.cores import one_thread
from whygrad.engines import Engine, Probes
from whygrad.errors import DivergenceWarning, warn
from whygrad.nn import Data, Parameters, Trace, example_costs, forward
from whygrad.nn.metrics import BLOCK
from whygrad.plan.plan import Plan, State
from whygrad.training.epochs import take_steps
from whygrad.training.metrics import Measure

DIVERGED = "diverged"  # how `stopped` begins at the end of such a training
CHECKPOINT_SECONDS = 1.0  # between two states kept to go back to, should the cost become infinite


class Rollback:
    """The last two states known to be good, so that there is always one before the present step."""

    def __init__(self, state: State) -> None:
        self.older = self.newer = state.copy()
        self.taken = time.perf_counter()

    def offer(self, state: State) -> None:
        """Keep a copy of a good state, if the last one was taken a while ago."""
        if time.perf_counter() - self.taken > CHECKPOINT_SECONDS:
            self.older, self.newer = self.newer, state.copy()
            self.taken = time.perf_counter()

    def before(self, step: int) -> State:
        """Return the last state kept from before a step."""
        return self.newer if self.newer.step < step else self.older


def roll_back(
    plan: Plan,
    step: int,
    checkpoints: Rollback,
    data: Data,
    validation: Data | None,
    engine: Engine,
    metrics: Measure | None = None,
) -> State:
    """Return the state one step before `step` by running again from a checkpoint."""
    state = checkpoints.before(step)
    while state.step < step - 1:
        state, _ = take_steps(engine, plan, state, data, validation, step - 1, Probes(), metrics)
    return state


def with_first_cost(plan: Plan, state: State, data: Data) -> State:
    """Return the state with the cost that its training begins with, unless it knows it already.

    It is that of some examples, spread over the data where these are in memory, penalties included. That is
    as good as that of all for telling by how many orders of magnitude a cost rises.
    """
    if state.first_cost:
        return state
    # Where rows are read on demand, those side by side: the others lie in all files.
    n = len(data.Y)
    few = np.arange(min(n, BLOCK)) if data.on_demand else slice(None, None, -(-n // BLOCK))
    s = None if data.factors is None else data.factors[few]
    theta = Parameters(plan.net.sizes, state.theta)
    with one_thread(numpy=True), np.errstate(all="ignore"):
        trace = forward(plan.net, theta, data.X[few])
        C_x = example_costs(plan.net, trace, data.Y[few]).astype(np.float64)
        mean = float(np.average(C_x, weights=s if s is not None and s.any() else None))
        W = np.concatenate([W.ravel() for W in theta.W[1:]]).astype(np.float64)
        l1, l2 = (penalty.of_batch(plan.batch_size, plan.n) for penalty in (plan.l1, plan.l2))
        penalty = l1 * float(np.abs(W).sum()) + l2 / 2 * float(W @ W)
    return replace(state, first_cost=mean + penalty)


def report_divergence(plan: Plan, state: State, data: Data, rise: str = "") -> str:
    """Warn at which step and in which layer a training diverged, with what helps; return the reason."""
    batch = plan.batch(state.epoch, state.batch_index)
    rate = float(plan.learning_rates(state, state.step + 1)[0])
    with np.errstate(all="ignore"):
        theta = Parameters(plan.net.sizes, state.theta)
        trace = forward(plan.net, theta, data.X[batch], plan.masks(state.step, batch))
    reason = f"{DIVERGED} at step {state.step}: {rise or _first_overflow(theta, trace)}"
    warn(
        f"training {reason} (learning rate {rate:g}). The last parameters with a finite cost are kept. "
        "Try a smaller learning rate, or scale the inputs and targets.",
        DivergenceWarning,
    )
    return reason


def _first_overflow(theta: Parameters, trace: Trace) -> str:
    """Explain which array stopped being finite first, in the order of the forward pass."""
    for l in range(1, len(trace.z)):
        for name, array in (
            ("W", theta.W[l]),
            ("b", theta.b[l]),
            ("z", trace.z[l]),
            ("a", trace.a[l]),
        ):
            if not np.isfinite(array).all():
                what = "NaN" if np.isnan(array).any() else "infinite"
                return f"layer {l} overflowed first, {name}[{l}] is {what}"
    return "the cost overflowed, every layer's values are finite"
