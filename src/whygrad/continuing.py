"""Going on from a state under another plan: what of the state still holds, and what begins anew.

Warm starts of the estimators and forks of a recorded run are both this.
"""

import math
from dataclasses import replace

from whygrad.errors import InputError
from whygrad.plan import Plan, State


def carry_on(state: State, before: Plan, plan: Plan) -> State:
    """Give the state that another plan goes on from: all of it that the new plan allows.

    Another optimizer starts with empty slots, another schedule or rate at its full rate, another schedule
    without a lowest epoch, another stopping rule without a best one. An epoch that was broken off is
    finished where the data still fit, else begun again.
    """
    if plan.net.sizes != before.net.sizes:
        raise InputError(
            f"cannot go on with layers of {plan.net.sizes} units: the fit so far has {before.net.sizes}. "
            "Use warm_start=False to start afresh"
        )
    if state.theta.dtype != plan.dtype:  # L-BFGS counts in float64
        state = replace(state, theta=state.theta.astype(plan.dtype), step=0)
    if type(plan.optimizer) is not type(before.optimizer):
        state = replace(state, step=0)
    slots = plan.optimizer.init(state.theta)
    if state.step == 0 or slots.shape != state.slots.shape:
        state = replace(state, slots=slots)
    if (plan.schedule, plan.optimizer.rate) != (before.schedule, before.optimizer.rate):
        state = replace(state, rate_scale=1.0)
    if plan.schedule != before.schedule:  # which may watch another measure
        state = replace(state, lowest=math.inf, waiting=0)
    if getattr(plan.stopping, "on", "") != getattr(before.stopping, "on", ""):
        state = replace(state, best=math.inf, best_theta=None, stalled=0)
    if (plan.net.C, plan.l1, plan.l2) != (before.net.C, before.l1, before.l2):
        state = replace(state, first_cost=0.0)
    if state.place and (plan.n, plan.batch_size) != (before.n, before.batch_size):
        state = replace(state, place=0, cost_sum=0.0)
    return state
