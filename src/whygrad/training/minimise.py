"""L-BFGS: quasi-Newton descent on the cost of all the examples at once.

    p = −H g,   θ ← θ + αp

H estimates the inverse of the second derivatives from the last few changes of θ and of the gradient g, and
a line search finds α. SciPy's L-BFGS-B does this, with the cost and the gradient of an engine; here is what
a training makes of it: an epoch for each iteration, a history, and a clean end. It suits small data, of
which every epoch sees all. Sources: Liu & Nocedal (1989); Byrd et al. (1995).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.cores import one_thread
from whygrad.engines import Engine
from whygrad.errors import DivergenceWarning, InputError, warn
from whygrad.nn import Array, Data
from whygrad.plan import LBFGS, Clip, Constant, Plan, State
from whygrad.plan.plan import EarlyStopping, of_gradients
from whygrad.training.epochs import Epoch, History, layers_of, measured, rise
from whygrad.training.metrics import Measure

ALL_DONE = "all epochs done"  # what `stopped` says at the end of a training that nothing stopped
# How SciPy's messages begin, and what they mean.
WORDS = {
    "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL": "converged: the gradient is within tol of 0",
    "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH": "converged: the cost hardly falls any more",
    "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT": ALL_DONE,
    "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT": "the cost was computed as often as max_fun allows",
    "ABNORMAL: ": "no lower cost was found along the line of search",
}

# What SciPy wrote otherwise before 1.15, beside its underscores.
OLDER = {
    "REL REDUCTION": "RELATIVE REDUCTION",
    "F AND G": "F,G",
    "ABNORMAL TERMINATION IN LNSRCH": "ABNORMAL: ",
}

# What callbacks are told after an iteration, and its answer: why to stop, or "".
Look = Callable[[State, Epoch], str]


def minimise(
    plan: Plan,
    state: State,
    data: Data,
    validation: Data | None,
    engine: Engine,
    look: Look,
    layer_statistics: bool = False,
    metrics: Measure | None = None,
) -> tuple[State, History]:
    """Go on from `state` until L-BFGS converges, or the plan's epochs are over, or `look` says why to stop.

    Raises `InputError` where the plan asks for what only single steps can do.
    """
    from scipy.optimize import minimize

    rule = plan.optimizer
    assert isinstance(rule, LBFGS)
    _check(plan, data)
    inner, epochs, stopped = of_gradients(plan), [], ""
    gradient = np.zeros(0)

    def cost_and_gradient(x: Array) -> tuple[float, Array]:
        nonlocal gradient
        with np.errstate(all="ignore"):
            theta = x.astype(plan.dtype)
            C, gradient = engine.cost_and_gradient(inner, theta, data)
        return float(C), gradient.astype(np.float64)

    def end_of_iteration(intermediate_result: Any) -> None:
        nonlocal state, stopped
        C, theta = float(intermediate_result.fun), intermediate_result.x.astype(plan.dtype)
        risen = rise(state, C, plan.dtype)
        if risen or not (math.isfinite(C) and np.isfinite(theta).all()):
            stopped = _report_divergence(state, risen)
            raise StopIteration
        epoch = Epoch(C, rule.learning_rate)
        if layer_statistics:  # the gradient last asked for is the one where the iteration ended
            epoch = replace(epoch, layers=layers_of(plan, state.theta, theta, gradient))
        epoch = measured(plan, theta, epoch, validation, metrics)
        step, done = state.step + 1, state.epoch + 1
        lowest = EarlyStopping(min(state.early_stopping.best, C))
        state = replace(state, theta=theta, step=step, epoch=done, early_stopping=lowest)
        if plan.cost_below is not None and plan.cost_below > C:
            state = replace(state, stopped=f"training cost below {plan.cost_below:g}")
        epochs.append(epoch)
        stopped = look(state, epoch)
        if stopped:
            raise StopIteration

    state = replace(state.copy(), stopped="", batch_index=0, cost_sum=0.0)
    if state.epoch >= plan.epochs:
        return replace(state, stopped=ALL_DONE), History((), ALL_DONE)
    first, _ = cost_and_gradient(state.theta)
    state = replace(state, early_stopping=EarlyStopping(first))
    if not math.isfinite(first):
        stopped = _report_divergence(state)
    else:
        with one_thread(numpy=True):  # SciPy's own sums, whose bits would depend on their threads
            found = minimize(
                cost_and_gradient,
                state.theta.astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                callback=end_of_iteration,
                options={
                    "maxfun": rule.max_fun,
                    "maxiter": plan.epochs - state.epoch,
                    "gtol": rule.tol,
                    "ftol": rule.flat,
                    "maxcor": rule.memory,
                },
            )
        stopped = stopped or in_words(str(found.message))
    state = replace(state, stopped=stopped)
    return state, History(tuple(epochs), stopped)


def in_words(message: str) -> str:
    """Return what a message of SciPy's means, or the message where that is not known."""
    current = message.upper().replace("_", " ")
    for older, newer in OLDER.items():
        current = current.replace(older, newer)
    for begin, words in WORDS.items():
        if current.startswith(begin):
            return words
    return message


def failure(stopped: str) -> str:
    """Return SciPy's message where L-BFGS ended for want of iterations or of a descent, else ""."""
    message = {words: begin for begin, words in WORDS.items()}.get(stopped, stopped)
    return message if message.startswith(("STOP", "ABNORMAL")) else ""


def _check(plan: Plan, data: Data) -> None:
    """Reject what L-BFGS has no use for."""
    if data.multipliers is not None and not data.rescale:
        raise InputError("L-BFGS knows no divisor of a step: leave examples out with rescale=True")
    useless = {
        f"batch_size={plan.batch_size}": plan.batch_size != plan.n,
        "dropout": plan.net.has_dropout,
        "a schedule": plan.schedule != Constant(),
        "a stopping rule": plan.stopping is not None,
        "clipping": plan.clip != Clip(),
        "l1": plan.l1.strength > 0,
        "decay per step": plan.l2.decay > 0,
        "rate_multipliers": plan.factors is not None,
    }
    for what, given in useless.items():
        if given:
            raise InputError(
                f"L-BFGS takes all examples at once, finds its own steps and needs a smooth cost: {what} "
                "cannot be combined with it. Leave that out, or use another optimizer such as 'adam'"
            )


def _report_divergence(state: State, risen: str = "") -> str:
    reason = f"diverged at iteration {state.epoch + 1}"
    warn(
        f"training {reason}: {risen or 'the cost is not finite'}. The last parameters with a finite cost "
        "are kept. Scale the inputs and targets, or start from smaller parameters.",
        DivergenceWarning,
    )
    return reason
