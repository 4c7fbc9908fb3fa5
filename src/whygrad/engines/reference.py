"""The reference engine: `backprop` as written, step by step in NumPy. The truth the others are held to."""

from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.backprop import backward, cost, forward, gradients
from whygrad.engines import Watch, Watched
from whygrad.functions import Array
from whygrad.network import Parameters
from whygrad.plan import Data, Plan, State


class ReferenceEngine:
    """Runs every plan."""

    name = "reference"

    def supports(self, plan: Plan) -> str | None:
        """Give None: there is no plan that it cannot run."""
        return None

    def run(
        self, plan: Plan, state: State, data: Data, until: int, watch: Watch
    ) -> tuple[State, Watched]:
        """Take the steps up to `until`, one after the other."""
        costs: list[float] = []
        decay = plan.l2.decay
        with np.errstate(all="ignore"):  # a diverging run is seen by its cost
            for numbers in plan.numbers(state, until).tolist():
                batch = plan.batch(state.epoch, state.place)
                masks = plan.masks(state.step, batch)
                C, g = _cost_and_gradient(plan, state.theta, _rows(data, batch), masks)
                if not np.isfinite(C):
                    return state, Watched(np.array(costs), diverged=True)
                costs.append(C)
                g = plan.clip.apply(g)
                theta, slots = plan.optimizer.update(state.theta, g, state.slots, numbers)
                state = replace(
                    state,
                    theta=(1 - decay) * theta if decay else theta,
                    slots=slots,
                    step=state.step + 1,
                    place=state.place + 1,
                    cost_sum=state.cost_sum + C * len(batch),
                )
        return state, Watched(np.array(costs))

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Give the cost of these examples and its gradient, without dropout."""
        return _cost_and_gradient(plan, theta, data, None)


def _cost_and_gradient(
    plan: Plan, theta: Array, data: Data, masks: list[Any] | None
) -> tuple[float, Array]:
    net, weights = plan.net, data.weights
    parameters = Parameters(net.sizes, theta)
    S = len(data.Y) if weights is None else float(weights.sum())
    l1, l2 = plan.l1.of_batch(S, plan.n), plan.l2.of_batch(S, plan.n)
    trace = backward(net, parameters, forward(net, parameters, data.X, masks), data.Y)
    C = cost(net, parameters, trace, data.Y, weights, l1, l2)
    return float(C), gradients(net, parameters, trace, weights, l1, l2).flat


def _rows(data: Data, batch: Array) -> Data:
    return Data(data.X[batch], data.Y[batch], None if data.weights is None else data.weights[batch])
