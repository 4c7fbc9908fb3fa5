"""What scikit-learn's parameters mean here: a network, the parameters to start from, a plan.

Everything here is a plain function of an estimator's parameters (`p`, an object that has them as
attributes) and of the sizes of the data. The initial parameters and the split into training and validation
examples take the same draws from `random_state` as scikit-learn does, in the same order, so both are equal.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from whygrad.errors import InputError, nearest, warn
from whygrad.nn.functions import ACTIVATIONS, Activation, Array, Domain, find_activation, find_cost
from whygrad.nn.network import Dense, Network, Parameters, Uniform
from whygrad.plan.lbfgs import LBFGS, by_steps
from whygrad.plan.optimizers import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Nadam,
    Optimizer,
    RMSprop,
    find_optimizer,
)
from whygrad.plan.plan import Clip, Penalty, Plan, Stopping
from whygrad.plan.schedules import Adaptive, Constant, InverseScaling, Schedule, find_schedule

# scikit-learn's name of an output activation: ours, and the cost that belongs to it.
OUTPUTS = {
    "softmax": ("softmax", "cross_entropy"),
    "logistic": ("sigmoid", "binary_cross_entropy"),
    "identity": ("identity", "squared_error"),
}
# The output activation for numbers, by what the cost can take.
FITTING: dict[Domain, str] = {
    "real": "identity",
    "positive": "exp",
    "unit": "sigmoid",
    "simplex": "softmax",
}
SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam")
# scikit-learn's name of a hidden activation is ours, but for one.
HIDDEN = {"logistic": "sigmoid"} | {
    f.name: f.name for f in ACTIVATIONS.values() if f.custom_vjp is None
}


def check_offered(p: Any, incremental: bool) -> None:
    """Raise `InputError` for parameters that `partial_fit` cannot take."""
    if p.early_stopping and incremental:
        raise InputError(
            "partial_fit does not support early_stopping=True: it makes one pass, and sets nothing aside"
        )
    if incremental and p.class_weight == "balanced":
        raise InputError(
            "class_weight='balanced' is not for partial_fit, which does not see all the data: give the "
            "weights as a dict"
        )


# ── the network, and where it starts ─────────────────────────────────────────────────────────────────


def network(p: Any, n_0: int, n_L: int, default_output: str) -> Network:
    """Return the network: the hidden layers of `hidden_layer_sizes`, and one that fits the targets.

    Weights and biases start uniform in ±√(6 / (n_l + n_{l-1})), for sigmoid layers ±√(2 / …); the output
    layer starts as a layer of the last hidden activation would.
    """
    sizes: Any = p.hidden_layer_sizes
    hidden = list(sizes) if np.iterable(sizes) else [sizes]
    f = [_hidden(name) for name in _by_layer(p, "activation", len(hidden))]
    dropout = _by_layer(p, "dropout", len(hidden))
    output, cost = _output_and_cost(p, default_output)
    starts = [*f, f[-1]] if f else [_hidden(p.activation)]
    layers = []
    units = [n_0, *hidden, n_L]
    for l in range(1, len(units)):
        spread = (2 if starts[l - 1] == "sigmoid" else 6) / max(1, units[l] + units[l - 1])
        bound = Uniform(-math.sqrt(spread), math.sqrt(spread))
        last = l == len(units) - 1
        layers.append(
            Dense(units[l], output, bound, bound)
            if last
            else Dense(units[l], f[l - 1], bound, bound, float(dropout[l - 1]))
        )
    return Network(n_0, tuple(layers), cost)


def _by_layer(p: Any, name: str, count: int) -> list[Any]:
    """Return one value for each hidden layer: a list as it is, anything else for every layer."""
    given = getattr(p, name)
    if not isinstance(given, list | tuple | np.ndarray):
        return [given] * count
    if len(given) != count:
        raise InputError(f"{name} has {len(given)} values for {count} hidden layers: give one each")
    return list(given)


def _hidden(given: Any) -> str | Activation:
    if isinstance(given, Activation):
        return given
    if isinstance(given, str) and given in HIDDEN:
        return HIDDEN[given]
    raise InputError(f"unknown activation {given!r}: {nearest(given, HIDDEN)}")


def _output_and_cost(p: Any, default: str) -> tuple[str | Activation, Any]:
    """Return output activation and cost: scikit-learn's, unless `loss` or `out_activation` is set."""
    output: str | Activation
    output, cost = OUTPUTS[default]
    if not (isinstance(p.loss, str) and p.loss == "log_loss"):
        cost = p.loss
        if default == "identity":
            output = FITTING[find_cost(cost).domain]
    if not (isinstance(p.out_activation, str) and p.out_activation == "auto"):
        output = _named(p.out_activation)
    return output, cost


def _named(given: str | Activation) -> str | Activation:
    """Return whygrad's name of an activation; raises `InputError` for an unknown one."""
    ours: str | Activation = "sigmoid" if isinstance(given, str) and given == "logistic" else given
    find_activation(ours)
    return ours


def gives_probabilities(p: Any) -> bool:
    """Return whether the outputs lie between 0 and 1: those of the fit, or before one those to come."""
    if p.__sklearn_is_fitted__():
        return p.net_.f[-1].range in ("unit", "simplex")
    if isinstance(p.out_activation, str) and p.out_activation == "auto":
        return True
    return find_activation(_named(p.out_activation)).range in ("unit", "simplex")


class Seeds(NamedTuple):
    """What a fresh fit takes from `random_state` besides its initial parameters; a warm start keeps it.

    `seed` orders the examples; `split` is the generator that draws the validation examples, from a copy.
    """

    seed: int
    split: np.random.RandomState


def draw(net: Network, random: np.random.RandomState) -> tuple[Parameters, Seeds]:
    """Draw the initial parameters as scikit-learn does, then our own seed."""
    W: list[Any] = [None]
    b: list[Any] = [None]
    for l, layer in enumerate(net.layers, start=1):
        assert isinstance(layer.init, Uniform)
        low, high = layer.init.low, layer.init.high
        W.append(random.uniform(low, high, (net.sizes[l - 1], net.sizes[l])).T)
        b.append(random.uniform(low, high, net.sizes[l]))
    split = copy.deepcopy(random)
    return net.init(W=W, b=b), Seeds(int(random.randint(2**31 - 1)), split)


def split(p: Any, n: int, classes: Array | None, seeds: Seeds) -> tuple[Array, Array]:
    """Return the indices of training and validation examples, stratified by `classes` where given."""
    from sklearn.model_selection import train_test_split  # a while to import, and few fits need it

    rows, kept = train_test_split(
        np.arange(n),
        test_size=p.validation_fraction,
        stratify=classes,
        random_state=copy.deepcopy(seeds.split),
    )
    if len(kept) < 2:
        raise InputError(
            f"The validation set is too small, {len(kept)} of {n} examples: raise validation_fraction, "
            "or give more data"
        )
    return rows, kept


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────


def plan_of(p: Any, net: Network, n: int, seed: int, dtype: str) -> Plan:
    """Return the plan that the parameters describe, for n training examples."""
    rule = optimizer(p)
    clip = p.clip if isinstance(p.clip, Clip) else Clip(norm=p.clip)
    return Plan(
        net=net,
        optimizer=rule,
        n=n,
        epochs=p.max_iter,
        batch_size=_batch_size(p, n) if by_steps(rule) else n,
        seed=seed,
        shuffle=bool(p.shuffle),
        l2=Penalty(p.alpha, per="example"),
        schedule=_schedule(p),
        stopping=_stopping(p) if by_steps(rule) else None,
        dtype=dtype,
        clip=clip,
        label_smoothing=p.label_smoothing,
        products=p.products,
    )


def optimizer(p: Any) -> Optimizer | LBFGS:
    """Return the optimizer that `solver` names, with the parameters that scikit-learn has for it."""
    if not isinstance(p.solver, str):
        return find_optimizer(p.solver)
    learning_rate, adam = p.learning_rate_init, (p.beta_1, p.beta_2, p.epsilon)
    rules: dict[str, Callable[[], Optimizer | LBFGS]] = {
        "lbfgs": lambda: LBFGS(p.tol, p.max_fun),
        "sgd": lambda: SGD(learning_rate, p.momentum, bool(p.nesterovs_momentum and p.momentum)),
        "adam": lambda: Adam(learning_rate, *adam, epsilon_hat=True),
        "adamw": lambda: AdamW(learning_rate, *adam),
        "nadam": lambda: Nadam(learning_rate, *adam),
        "rmsprop": lambda: RMSprop(learning_rate, epsilon=p.epsilon),
        "adagrad": lambda: Adagrad(learning_rate, epsilon=p.epsilon),
    }
    return rules[p.solver]()


def _schedule(p: Any) -> Schedule:
    if p.schedule is not None:
        return find_schedule(p.schedule)
    if isinstance(p.solver, str) and p.solver == "sgd":
        if p.learning_rate == "invscaling":
            return InverseScaling(p.power_t)
        if p.learning_rate == "adaptive":
            return Adaptive()
    return Constant()


def _stopping(p: Any) -> Stopping:
    if p.early_stopping:
        return Stopping("validation_score", p.tol, p.n_iter_no_change, restore_best=True)
    return Stopping("cost", p.tol, p.n_iter_no_change)


def _batch_size(p: Any, n: int) -> int:
    if p.batch_size == "auto":
        return min(200, n)
    if p.batch_size > n:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(p.batch_size), n)
