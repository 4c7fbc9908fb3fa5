"""What scikit-learn's parameters mean here: a network, a start, a plan, a state to go on from.

Everything here is a plain function of an estimator's parameters (`p`, an object that has them as
attributes) and of the sizes of the data. The start and the split into training and held-out examples take
the same draws from `random_state` as scikit-learn does, in the same order, so that both are the same there
and here.
"""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from whygrad.errors import InputError, nearest
from whygrad.functions import ACTIVATIONS, Activation, Array
from whygrad.network import Dense, Network, Parameters, Uniform
from whygrad.optimizers import SGD, Adam, Optimizer
from whygrad.plan import Penalty, Plan, State, Stopping
from whygrad.schedules import Adaptive, Constant, InverseScaling, Schedule
from whygrad.training import Report

# scikit-learn's name of an output activation: ours, and the cost that belongs to it.
OUTPUTS = {
    "softmax": ("softmax", "cross_entropy"),
    "logistic": ("sigmoid", "binary_cross_entropy"),
    "identity": ("identity", "squared_error"),
    "exp": ("exp", "poisson"),
}
# scikit-learn's name of a hidden activation is ours, but for one.
HIDDEN = {"logistic": "sigmoid"} | {
    f.name: f.name for f in ACTIVATIONS.values() if f.product is None
}


def check_offered(p: Any, incremental: bool) -> None:
    """Refuse what this version does not do, and what makes no sense."""
    if p.solver == "lbfgs":
        raise InputError("solver='lbfgs' is not offered yet: use 'adam' (the default) or 'sgd'")
    if p.early_stopping and incremental:
        raise InputError(
            "partial_fit does not support early_stopping=True: it makes one pass, and holds nothing out"
        )


# ── the network, and where it starts ─────────────────────────────────────────────────────────────────


def network(p: Any, n_0: int, n_L: int, out_activation: str) -> Network:
    """Give the network: the hidden layers of `hidden_layer_sizes`, and one that fits the targets.

    Weights and biases start uniform in ±√(6 / (n_l + n_{l-1})), for sigmoid layers ±√(2 / …).
    """
    f = _activation(p.activation)
    sizes: Any = p.hidden_layer_sizes
    hidden = list(sizes) if np.iterable(sizes) else [sizes]
    output, cost = OUTPUTS[out_activation]
    layers = []
    units = [n_0, *hidden, n_L]
    for l in range(1, len(units)):
        spread = (2 if f == "sigmoid" else 6) / max(1, units[l] + units[l - 1])
        bound = Uniform(-math.sqrt(spread), math.sqrt(spread))
        layers.append(Dense(units[l], output if l == len(units) - 1 else f, bound, bound))
    return Network(n_0, tuple(layers), cost)


def _activation(given: str | Activation) -> str | Activation:
    if isinstance(given, Activation):
        return given
    if given in HIDDEN:
        return HIDDEN[given]
    raise InputError(f"unknown activation {given!r}: {nearest(given, HIDDEN)}")


class Draws(NamedTuple):
    """What a fresh fit takes from `random_state` besides the start; a warm start keeps it.

    `seed` orders the examples, `split` is the generator that holds examples out, always used as a copy.
    """

    seed: int
    split: np.random.RandomState


def draw(net: Network, random: np.random.RandomState) -> tuple[Parameters, Draws]:
    """Draw the parameters to start from, as scikit-learn does, and then our own seed."""
    W: list[Any] = [None]
    b: list[Any] = [None]
    for l, layer in enumerate(net.layers, start=1):
        assert isinstance(layer.weights, Uniform)
        low, high = layer.weights.low, layer.weights.high
        W.append(random.uniform(low, high, (net.sizes[l - 1], net.sizes[l])).T)
        b.append(random.uniform(low, high, net.sizes[l]))
    split = copy.deepcopy(random)
    return net.init(W=W, b=b), Draws(int(random.randint(2**31 - 1)), split)


def split(p: Any, n: int, classes: Array | None, draws: Draws) -> tuple[Array, Array]:
    """Give the examples to train on and those to hold out, stratified by `classes` where given."""
    rows, kept = train_test_split(
        np.arange(n),
        test_size=p.validation_fraction,
        stratify=classes,
        random_state=copy.deepcopy(draws.split),
    )
    if len(kept) < 2:
        raise InputError(
            f"The validation set is too small, {len(kept)} of {n} examples: raise validation_fraction, "
            "or give more data"
        )
    return rows, kept


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────


def plan_of(p: Any, net: Network, n: int, seed: int, dtype: str) -> Plan:
    """Give the plan that the parameters describe, for n training examples."""
    return Plan(
        net=net,
        optimizer=_optimizer(p),
        n=n,
        epochs=p.max_iter,
        batch_size=_batch_size(p, n),
        seed=seed,
        shuffle=bool(p.shuffle),
        l2=Penalty(p.alpha, per="example"),
        schedule=_schedule(p),
        stopping=_stopping(p),
        dtype=dtype,
    )


def _optimizer(p: Any) -> Optimizer:
    if p.solver == "sgd":
        return SGD(p.learning_rate_init, p.momentum, bool(p.nesterovs_momentum and p.momentum))
    return Adam(p.learning_rate_init, p.beta_1, p.beta_2, p.epsilon, epsilon_hat=True)


def _schedule(p: Any) -> Schedule:
    if p.solver == "sgd" and p.learning_rate == "invscaling":
        return InverseScaling(p.power_t)
    if p.solver == "sgd" and p.learning_rate == "adaptive":
        return Adaptive()
    return Constant()


def _stopping(p: Any) -> Stopping:
    if p.early_stopping:
        return Stopping("held_out_score", p.tol, p.n_iter_no_change, restore_best=True)
    return Stopping("cost", p.tol, p.n_iter_no_change)


def _batch_size(p: Any, n: int) -> int:
    if p.batch_size == "auto":
        return min(200, n)
    if p.batch_size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=6,
        )
    return min(int(p.batch_size), n)


# ── going on ─────────────────────────────────────────────────────────────────────────────────────────


def carry_on(state: State, before: Plan, plan: Plan) -> State:
    """Give the state that a warm start or `partial_fit` goes on from: all of it that the new plan allows.

    Another optimizer starts with empty slots, another schedule or rate at its full rate, another stopping
    rule without a best epoch. An epoch that was broken off is finished where the data still fit, else begun
    again.
    """
    if plan.net.sizes != before.net.sizes:
        raise InputError(
            f"cannot go on with layers of {plan.net.sizes} units: the fit so far has {before.net.sizes}. "
            "Use warm_start=False to start afresh"
        )
    if type(plan.optimizer) is not type(before.optimizer):
        state = replace(state, step=0)
    slots = plan.optimizer.init(state.theta)
    if state.step == 0 or slots.shape != state.slots.shape:
        state = replace(state, slots=slots)
    if (plan.schedule, plan.optimizer.rate) != (before.schedule, before.optimizer.rate):
        state = replace(state, rate_scale=1.0)
    if plan.stopping and before.stopping and plan.stopping.on != before.stopping.on:
        state = replace(state, best=math.inf, best_theta=None, stalled=0)
    if state.place and (plan.n, plan.batch_size) != (before.n, before.batch_size):
        state = replace(state, place=0, cost_sum=0.0)
    return state


# ── verbose ──────────────────────────────────────────────────────────────────────────────────────────


def printer(state: State) -> Callable[[Report], None]:
    """Give an observer that prints, in scikit-learn's words, every epoch after the state given."""
    first, scale = state.epoch, state.rate_scale

    def look(report: Report) -> None:
        nonlocal scale
        plan, state, epoch = report.plan, report.state, report.epoch
        if epoch is None:
            return
        print(f"Iteration {state.epoch - first}, loss = {epoch.cost:.8f}")
        if epoch.held_out_score is not None:
            print(f"Validation score: {epoch.held_out_score:f}")
        if state.stopped:
            small = " Learning rate too small." if isinstance(plan.schedule, Adaptive) else ""
            print(f"{_no_improvement(plan)}{small} Stopping.")
        elif state.rate_scale != scale:
            rate = plan.optimizer.rate * state.rate_scale
            print(f"{_no_improvement(plan)} Setting learning rate to {rate:f}")
        scale = state.rate_scale

    return look


def _no_improvement(plan: Plan) -> str:
    rule = plan.stopping
    assert rule is not None
    what = "Training loss" if rule.on == "cost" else "Validation score"
    return (
        f"{what} did not improve more than tol={rule.tol:f} for {rule.patience} consecutive epochs."
    )
