"""Warm start: going on from a state under another plan, and what of the state still holds.

Warm starts of the estimators and forks of a recorded run are both this. Steps, epochs and examples are
counted on, so that a number means the same in what was before and in what follows.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.plan.plan import EarlyStopping, Plan, Plateau, State


def warm_start_from(state: State, before: Plan, plan: Plan, others: Collection[str] = ()) -> State:
    """Return the state that another plan goes on from: all of it that the new plan allows.

    Another optimizer starts with an empty state, another schedule or learning rate at its full rate. A rule
    that goes by another measure than before starts without a best one: another cost or score, or one of
    other examples, of which `others` names "data" and "validation". An epoch that was broken off is
    finished where the data still fit, else begun again.
    """
    if plan.net.sizes != before.net.sizes:
        raise InputError(
            f"cannot go on with layers of {plan.net.sizes} units: the fit so far has {before.net.sizes}. "
            "Use warm_start=False to start afresh"
        )
    if not np.array_equal(plan.net.masked, before.net.masked):
        raise InputError("cannot go on with other masks of the layers than the fit so far has")
    cast = state.theta.dtype != plan.dtype  # L-BFGS counts in float64
    if cast:
        state = replace(state, theta=state.theta.astype(plan.dtype))
    opt_state = plan.optimizer.init(state.theta)
    another = type(plan.optimizer) is not type(before.optimizer)
    if cast or another or opt_state.shape != state.opt_state.shape:
        state = replace(state, opt_state=opt_state, begun=state.step)
    if another or (plan.schedule, plan.optimizer.learning_rate) != (
        before.schedule,
        before.optimizer.learning_rate,
    ):
        state = replace(state, learning_rate_scale=1.0)
    if (plan.net.C, plan.l1, plan.l2) != (before.net.C, before.l1, before.l2):
        state = replace(state, first_cost=0.0)
    measured, measured_before = _measured(plan, plan.schedule), _measured(before, before.schedule)
    another = plan.schedule != before.schedule or measured != measured_before
    if another or _elsewhere(measured, others):
        state = replace(state, plateau=Plateau())
    measured, measured_before = _measured(plan, plan.stopping), _measured(before, before.stopping)
    restore = plan.stopping is not None and plan.stopping.restore_best
    unkept = restore and state.early_stopping.best_theta is None  # the best are not there
    if measured != measured_before or _elsewhere(measured, others) or unkept:
        state = replace(state, early_stopping=EarlyStopping())
    if state.batch_index and (plan.n, plan.batch_size) != (before.n, before.batch_size):
        state = replace(state, batch_index=0, cost_sum=0.0)
    return state


def _measured(plan: Plan, rule: Any) -> tuple[Any, ...]:
    """Return what decides the measure that a rule goes by, the examples aside."""
    on = getattr(rule, "on", "")
    with_penalties = (plan.l1, plan.l2, plan.label_smoothing) if on == "cost" else ()
    return on, plan.net.C if on else None, *with_penalties


def _elsewhere(measured: tuple[Any, ...], others: Collection[str]) -> bool:
    """Return whether a rule goes by other examples than before."""
    part = {"": None, "cost": "data"}.get(measured[0], "validation")
    return part in others
