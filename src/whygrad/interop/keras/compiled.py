"""What a Keras model was compiled with → cost, penalties and optimizer.

    categorical_crossentropy, also sparse    softmax, cross_entropy; from_logits: the loss applies it
    binary_crossentropy                      1/n_L of the sum over the outputs, as all means over outputs
    mean_squared_error                       2/n_L of the squared error ½ Σ
    regularizers.L2(λ), of every kernel      λ Σ W², which is ½ λ₂ Σ W² with λ₂ = 2 λ

Class weights are given to `fit` and kept in no file; weights of the loss are a factor of the cost.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from whygrad.errors import InputError
from whygrad.interop.chain import Chain
from whygrad.interop.outputs import (
    CANONICAL_COSTS,
    Output,
    by_default,
    from_logits,
    huber_at,
    of_own_cost,
    scaled,
)
from whygrad.nn.functions import COSTS, Activation
from whygrad.plan import SGD, Adagrad, Adam, AdamW, Nadam, Penalty, RMSprop

# The arguments of a loss, the activation it follows, the number of outputs and the factor → output.
Loss = Callable[[dict[str, Any], str | Activation, int, Fraction], Output]


def output_of(cost: Any, compiled: Any, chain: Chain) -> Output:
    """Return output activation and cost: of whygrad's own cost, or of the loss compiled, or by default."""
    if cost is not None:
        given = _of_keras(cost)
        if given is None:
            return of_own_cost(cost, chain.f)
        compiled = {"loss": given}
    loss = _only((compiled or {}).get("loss"), "loss")
    if loss is None:
        return by_default(chain.f, "cost='squared_error' or cost='cross_entropy'")
    name, config = _named(loss)
    known = LOSSES.get(_plain(name))
    if known is None:
        said = "it was compiled with" if cost is None else "cost is"
        raise InputError(
            f"{said} the loss {name!r}, which is not supported: known are "
            f"{', '.join(LOSSES)}; or give cost= one of {', '.join(COSTS)}"
        )
    if chain.logarithms:
        raise InputError(
            "it ends in log_softmax, which is supported with cost='cross_entropy' only"
        )
    weight = _only((compiled or {}).get("loss_weights"), "loss_weights")
    factor = Fraction(1 if weight is None else float(weight)).limit_denominator(10**6)
    return known(config, chain.f, chain.n_L, factor)


def _of_keras(cost: Any) -> Any:
    """Return the configuration of a loss of Keras, by object, function or name; None for what is none."""
    if isinstance(cost, str):
        return cost if cost not in COSTS and _plain(cost) in LOSSES else None
    if (getattr(cost, "__module__", None) or "").partition(".")[0] not in ("keras", "tf_keras"):
        return None
    if not hasattr(cost, "get_config"):
        return cost.__name__
    return {"class_name": type(cost).__name__, "config": with_arguments(cost, cost.get_config())}


def with_arguments(loss: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a loss with those of its arguments that Keras writes into none."""
    return config | getattr(loss, "_fn_kwargs", {})


def _only(given: Any, what: str) -> Any:
    """Return the one entry of a list or dictionary by output, or what is given."""
    if isinstance(given, dict) and "class_name" not in given:
        given = list(given.values())
    if isinstance(given, list | tuple):
        if len(given) > 1:
            raise InputError(f"it was compiled with {len(given)} of {what}: one is supported")
        return given[0] if given else None
    return given


def _named(given: Any) -> tuple[str, dict[str, Any]]:
    """Return name and arguments of an object in a configuration."""
    if isinstance(given, str):
        return given, {}
    config = given["config"]
    return (config, {}) if isinstance(config, str) else (given["class_name"], config)


def _plain(name: str) -> str:
    name = re.sub(r"[\W_]", "", name).lower()
    return {"mse": "meansquarederror", "mae": "meanabsoluteerror"}.get(name, name)


def _categorical(config: dict[str, Any], f: Any, n_L: int, factor: Fraction) -> Output:
    smoothing = float(config.get("label_smoothing") or 0.0)
    if config.get("ignore_class") is not None:
        raise InputError("its loss has an ignore_class, which is not supported")
    output = _cross_entropy("softmax", config, f, factor)
    return replace(output, smoothing=smoothing)


def _binary(config: dict[str, Any], f: Any, n_L: int, factor: Fraction) -> Output:
    output = _cross_entropy("sigmoid", config, f, factor / n_L)
    return replace(output, smoothing=float(config.get("label_smoothing") or 0.0), even=0.5)


def _cross_entropy(kind: str, config: dict[str, Any], f: Any, factor: Fraction) -> Output:
    if config.get("from_logits"):
        return from_logits("the loss", kind, f, factor)
    return scaled("the loss", f, COSTS[CANONICAL_COSTS[kind]], factor)


def _squared(config: dict[str, Any], f: Any, n_L: int, factor: Fraction) -> Output:
    return scaled("the loss", f, COSTS["squared_error"], 2 * factor / n_L)


def _absolute(config: dict[str, Any], f: Any, n_L: int, factor: Fraction) -> Output:
    return scaled("the loss", f, COSTS["absolute_error"], factor / n_L)


def _huber(config: dict[str, Any], f: Any, n_L: int, factor: Fraction) -> Output:
    output = scaled("the loss", f, huber_at(float(config.get("delta", 1.0))), factor / n_L)
    if "delta" in config:
        return output
    said = "Keras writes no delta of Huber's loss into a file: 1 is assumed"
    return replace(output, notes=(*output.notes, said))


def _poisson(config: dict[str, Any], f: Any, n_L: int, factor: Fraction) -> Output:
    output = scaled("the loss", f, COSTS["poisson"], factor / n_L)
    return replace(output, notes=(*output.notes, "the cost is Keras's but for a constant"))


LOSSES: dict[str, Loss] = {
    "categoricalcrossentropy": _categorical,
    "sparsecategoricalcrossentropy": _categorical,
    "binarycrossentropy": _binary,
    "meansquarederror": _squared,
    "meanabsoluteerror": _absolute,
    "huber": _huber,
    "huberloss": _huber,
    "poisson": _poisson,
}


# ── penalties and optimizer ──────────────────────────────────────────────────────────────────────────


def penalties_of(
    dense: list[dict[str, Any]], chain: Chain
) -> tuple[Penalty, Penalty, tuple[str, ...]]:
    """Return λ₁ and λ₂ where every kernel has the same; else none, and a note."""
    strengths = {_strengths(config.get("kernel_regularizer")) for config in dense}
    others = [
        name
        for config in dense
        for name in ("bias_regularizer", "activity_regularizer")
        if config.get(name)
    ]
    notes = tuple(f"the {name} is left out of the cost" for name in dict.fromkeys(others))
    nothing = Penalty(0.0)
    if strengths == {(0.0, 0.0)}:
        return nothing, nothing, notes
    if len(strengths) > 1 or any("folded" in note or "diagonal" in note for note in chain.notes):
        why = "differ by layer" if len(strengths) > 1 else "are of the weights before folding"
        return (
            nothing,
            nothing,
            (*notes, f"kernel_regularizers are left out of the cost: they {why}"),
        )
    ((l1, l2),) = strengths
    return Penalty(l1), Penalty(2 * l2), notes


def _strengths(given: Any) -> tuple[float, float]:
    if not given:
        return 0.0, 0.0
    name, config = _named(given)
    if _plain(name) not in ("l1", "l2", "l1l2"):
        raise InputError(
            f"the kernel_regularizer {name!r} is not supported: known are L1, L2, L1L2"
        )
    default = {"l1": (0.01, 0.0), "l2": (0.0, 0.01)}.get(_plain(name), (0.0, 0.0))
    l1, l2 = (float(config.get(k, d) or 0.0) for k, d in zip(("l1", "l2"), default, strict=True))
    return l1, l2


def optimizer_of(compiled: Any) -> Any:
    """Return the optimizer that a model was compiled with, None where whygrad has none like it."""
    given = (compiled or {}).get("optimizer")
    if not given:
        return None
    name, config = _named(given)
    known = OPTIMIZERS.get(_plain(name.removeprefix("Custom>")))  # as Keras 2.11 wrote its own
    if known is None or isinstance(config.get("learning_rate"), dict):  # a schedule
        return None
    kind, arguments = known
    ours = {
        own: config[theirs] for own, theirs in arguments.items() if config.get(theirs) is not None
    }
    form = {"epsilon_hat": True} if kind is Adam else {}
    try:
        return kind(**ours, **form)
    except InputError:  # out of the bounds that whygrad sets
        return None


_ADAM = {
    "learning_rate": "learning_rate",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "epsilon": "epsilon",
}
_RATE = {"learning_rate": "learning_rate"}
OPTIMIZERS: dict[str, tuple[Any, dict[str, str]]] = {
    "sgd": (SGD, _RATE | {"momentum": "momentum", "nesterov": "nesterov"}),
    "adam": (Adam, _ADAM),
    "adamw": (AdamW, _ADAM | {"decay": "weight_decay"}),
    "nadam": (Nadam, _ADAM),
    "adagrad": (Adagrad, _RATE | {"epsilon": "epsilon"}),
    "rmsprop": (RMSprop, _RATE | {"beta": "rho", "momentum": "momentum", "epsilon": "epsilon"}),
}
