"""What stands out while a training goes: one line when its numbers speak for a fault, and else none.

A line is a hypothesis, from the costs of the epochs and the layers' statistics that are measured at some
steps anyway. Each compares numbers of this training with each other; `whygrad.diagnose` proves or drops it.
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from whygrad.engines import Statistics
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan
from whygrad.training.callbacks import Report
from whygrad.training.epochs import Epoch

SLOWER = 1e3  # times that a layer's relative change is below that of the fastest
OFF = 0.6  # of a layer's units, or of its values
LEAST, RECENT = 4, 8  # steps that were measured, over which the median is taken
EPOCHS = 5  # that are over before the costs are judged
STILL = 1e-3  # of the first cost
RISEN = 1.5
RARER = 1.4  # times as many steps lie before a look as before the last: looks cost little


class Watch:
    """Sees the reports of a training, and has a line once, when one stands out.

    `earlier` are the costs of the epochs that a training which is resumed has had: by then its own are
    small, and vary so much from one to the next that they would seem to rise.
    """

    def __init__(self, earlier: Sequence[float] = ()) -> None:
        self.said = ""
        self._earlier = list(earlier)
        self._epochs: list[tuple[Epoch, ...]] = []
        self._recent: deque[Statistics] = deque(maxlen=RECENT)
        self._due = 0.0  # the step from which on it looks again

    def see(self, report: Report) -> str:
        """Return a line where one stands out for the first time, or ""."""
        if self.said:
            return ""
        more, state = report.probed.statistics, report.state  # here every microsecond counts
        if more is not None and len(more.steps):
            self._recent.append(more)
        if report.epochs:
            self._epochs.append(report.epochs)
        if state.step < self._due and state.epoch < report.plan.epochs:
            return ""
        self._due = RARER * state.step
        costs = self._earlier + [epoch.cost for epochs in self._epochs for epoch in epochs]
        self.said = stands_out(report.plan, costs, _together(self._recent))
        return self.said


def stood_out(plan: Plan, start: int, costs: Sequence[float], statistics: Statistics) -> str:
    """Return the line that a `Watch` had first of a training from step `start` on, as it was recorded."""
    epoch = 1
    while epoch <= len(costs):
        until = int(np.searchsorted(statistics.steps, start + epoch * plan.steps_per_epoch))
        known = Statistics(statistics.steps[:until], statistics.values[:until])
        if line := stands_out(plan, costs[:epoch], known):
            return line
        later = max(epoch + 1, math.floor(RARER * epoch))
        epoch = len(costs) if epoch < len(costs) < later else later
    return ""


def _together(parts: Sequence[Statistics]) -> Statistics | None:
    if not parts:
        return None
    steps, values = zip(*((part.steps, part.values) for part in parts), strict=True)
    return Statistics(np.concatenate(steps), np.concatenate(values))


def stands_out(plan: Plan, costs: Sequence[float], statistics: Statistics | None) -> str:
    """Return one line about what stands out, or "" for nothing.

    Parameters
    ----------
    plan : Plan
        All that decides the training.
    costs : sequence of float
        The cost of each epoch that is over.
    statistics : Statistics or None
        What the layers did at steps that were measured, of which the last count.

    Examples
    --------
    >>> from whygrad.nn import Dense, Network
    >>> plan = Plan(Network(2, [Dense(1)]), "sgd", n=10, batch_size=10)
    >>> stands_out(plan, [1.0, 1.2, 1.4, 1.8, 2.0, 2.4], None)
    'the cost has risen from 1 to 2.4: is the learning rate too high?'
    """
    return (statistics is not None and _of_layers(plan, statistics)) or _of_costs(plan, costs)


def _of_layers(plan: Plan, statistics: Statistics) -> str:
    if len(statistics.steps) < LEAST or plan.net.L < 2:
        return ""
    with np.errstate(all="ignore"):
        change = _recent(statistics["update"] / statistics["theta"])
    fast = int(np.nanargmax(change)) if np.isfinite(change).any() else 0
    for l in range(1, plan.net.L):  # hidden layers
        slower = change[fast] / change[l - 1] if change[l - 1] > 0 else np.inf
        if change[fast] > 0 and slower > SLOWER:
            said = (
                f"{slower:,.0f} times slower than layer {fast + 1}"
                if slower < np.inf
                else "nothing"
            )
            return f"layer {l} learns {said}{_reason(plan, l, statistics)}"
    return ""


def _reason(plan: Plan, l: int, statistics: Statistics) -> str:
    dead, saturated = (_recent(statistics[name])[l - 1] for name in ("dead", "saturated"))
    if saturated > OFF:
        return f": {plan.net.f[l].name} is at its flat ends for {saturated:.0%} of its values"
    return f": {dead:.0%} of its units are off for whole batches" if dead > OFF else ""


def _recent(values: Array) -> Array:
    ordered = np.sort(values[-RECENT:], axis=0)  # of so few far quicker than `np.median`
    n = len(ordered)
    median: Array = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return median


def _of_costs(plan: Plan, costs: Sequence[float]) -> str:
    if len(costs) <= EPOCHS or not math.isfinite(costs[-1]):
        return ""
    first, last = costs[0], costs[-1]
    if last > RISEN * first and costs[-2] > first:
        return f"the cost has risen from {first:.4g} to {last:.4g}: is the learning rate too high?"
    # All costs are looked at only where the last one is near the first: otherwise every epoch would.
    near = abs(last - first) < STILL * first and len(costs) >= plan.epochs // 5
    if near and max(costs) - min(costs) < STILL * first:
        return f"the cost stands still at {last:.4g}"
    return ""
