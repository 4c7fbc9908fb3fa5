"""Cures: for each kind of fault what could mend it, in the order to be tried, as changes of a setting.

A cure that changes nothing here, such as less dropout where there is none, is not among those returned.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from whygrad.answers.formatting import number
from whygrad.diagnosis.contradictions import BELONGS, ENDS
from whygrad.diagnosis.labels import FOLDS, of_rows, ranked
from whygrad.diagnosis.setting import (
    Setting,
    between,
    hidden_changed,
    output_changed,
    standard,
    with_layers,
)
from whygrad.diagnosis.task import balancing
from whygrad.nn.functions import DOMAINS
from whygrad.plan import LBFGS, SGD, Adam, Clip

Cured: TypeAlias = tuple[str, Setting]  # what is done, in words, and the setting with it

MOST_EPOCHS = 10
WIDER = 4


def cures(kind: str, setting: Setting) -> list[Setting]:
    """Return the setting with each cure of a kind of fault, in the order to be tried."""
    return [
        replace(cured, cures=(*setting.cures, (kind, said))) for said, cured in CURES[kind](setting)
    ]


def with_cures(setting: Setting, chosen: Iterable[tuple[str, str]]) -> Setting:
    """Return the setting with cures of several kinds, told by their words, as they follow each other."""
    for kind, said in sorted(chosen, key=lambda cure: list(CURES).index(cure[0])):
        options = cures(kind, setting)
        same = [option for option in options if option.cures[-1][1] == said]
        setting = (same or options or [setting])[0]
    return setting


def _scaled_inputs(setting: Setting) -> Iterator[Cured]:
    if setting.scale_X is None:
        yield "standardise the inputs", replace(setting, scale_X=standard(setting.X))


def _scaled_targets(setting: Setting) -> Iterator[Cured]:
    if setting.task.kind != "numbers" or setting.scale_Y is not None:
        return
    low, high = ENDS.get(setting.net.f[setting.net.L].name, (-np.inf, np.inf))
    if np.isfinite(low) and np.isfinite(high):
        margin = 0.1 * (high - low)
        scale, said = (
            between(setting.Y, low + margin, high - margin),
            f"scale the targets to {low:g} … {high:g}",
        )
    elif np.isfinite(low):
        scale, said = between(setting.Y, low, low + 2), "scale the targets to 0 … 2"
    else:
        scale, said = standard(setting.Y), "standardise the targets"
    yield said, replace(setting, scale_Y=scale)


def _output(setting: Setting) -> Iterator[Cured]:
    task, net = setting.task, setting.net
    f, units = net.f[net.L].name, task.Y.shape[1]
    if task.kind == "numbers":
        cost = net.C if DOMAINS.index(net.C.domain) == 0 else "squared_error"
        if f != "identity":
            yield _linear_output(setting, cost)
        return
    wanted = "softmax" if task.kind == "classes" and units > 1 else "sigmoid"
    cost = BELONGS[wanted]
    if f != wanted or net.sizes[-1] != units:
        yield (
            f"take {wanted} outputs with {cost}",
            replace(
                setting,
                net=output_changed(net, units, wanted, cost),
                theta=None,
                in_form=True,
                scale_Y=None,
            ),
        )


def _linear_output(setting: Setting, cost: Any) -> Cured:
    net = output_changed(setting.net, setting.Y.shape[1], "identity", cost)
    return "take a linear output", replace(setting, net=net, theta=None, scale_Y=None)


def _cost(setting: Setting) -> Iterator[Cured]:
    task, net = setting.task, setting.net
    cost = "squared_error" if task.kind == "numbers" else BELONGS.get(net.f[net.L].name)
    if cost and net.C.name != cost and DOMAINS.index(net.f[net.L].range) >= DOMAINS.index("real"):
        yield (
            f"take {cost}",
            replace(
                setting, net=with_layers(net, net.layers, cost), in_form=task.kind != "numbers"
            ),
        )


def _rate(*factors: float) -> Callable[[Setting], Iterator[Cured]]:
    def changed(setting: Setting) -> Iterator[Cured]:
        optimizer = setting.optimizer
        if isinstance(optimizer, LBFGS):
            return
        for factor in factors:
            rate = optimizer.learning_rate * factor
            yield _option(
                setting,
                f"set the learning rate to {number(rate)}",
                optimizer=replace(optimizer, learning_rate=rate),  # type: ignore[type-var]
            )

    return changed


def _option(setting: Setting, said: str, **options: Any) -> Cured:
    return said, replace(setting, options={**setting.options, **options})


def _epochs(setting: Setting) -> Iterator[Cured]:
    epochs = setting.options.get("epochs", 100) or 1
    yield _option(
        setting, f"train for {MOST_EPOCHS * epochs:,} epochs", epochs=MOST_EPOCHS * epochs
    )


def _optimizer(setting: Setting) -> Iterator[Cured]:
    if not isinstance(setting.optimizer, Adam):
        yield _option(setting, "take Adam with its rate of 0.001", optimizer=Adam())
        yield _option(setting, "take Adam with a rate of 0.01", optimizer=Adam(0.01))
    else:
        yield _option(
            setting, "take gradient descent with momentum", optimizer=SGD(0.05, momentum=0.9)
        )


def _batch(setting: Setting) -> Iterator[Cured]:
    n, size = len(setting.X), setting.batch_size
    if size > 8 and size > n // 16:
        smaller = max(1, min(32, n // 16))
        yield _option(setting, f"take batches of {smaller}", batch_size=smaller)
    if size < 8 < n:
        yield _option(setting, "take batches of 32", batch_size=min(32, n))


def _hidden(setting: Setting) -> Iterator[Cured]:
    names = {layer.f.name for layer in setting.net.layers[:-1]}
    for name in ("relu", "tanh"):
        if names and names != {name}:
            net = hidden_changed(setting.net, activation=name)
            yield f"take {name} in the hidden layers", replace(setting, net=net, theta=None)


def _leaky(setting: Setting) -> Iterator[Cured]:
    if any(layer.f.name == "relu" for layer in setting.net.layers[:-1]):
        for name in ("leaky_relu", "elu"):
            net = hidden_changed(setting.net, activation=name)
            yield f"take {name} in the hidden layers", replace(setting, net=net, theta=None)


def _init(setting: Setting) -> Iterator[Cured]:
    layers = [replace(layer, init="auto", bias_init="auto") for layer in setting.net.layers]
    if setting.theta is not None or tuple(layers) != tuple(setting.net.layers):
        net = with_layers(setting.net, layers)
        yield "draw the weights by layer (init='auto')", replace(setting, net=net, theta=None)


def _units(setting: Setting) -> Iterator[Cured]:
    if setting.net.L > 1 and not len(setting.net.masked):  # whose masks fit no other size
        hidden = [replace(l, units=max(WIDER * l.units, 16)) for l in setting.net.layers[:-1]]
        net = with_layers(setting.net, [*hidden, setting.net.layers[-1]])
        said = "-".join(str(layer.units) for layer in hidden)
        yield f"take hidden layers of {said} units", replace(setting, net=net, theta=None)


def _dropout(setting: Setting) -> Iterator[Cured]:
    if any(layer.dropout for layer in setting.net.layers):
        yield "leave dropout out", replace(setting, net=hidden_changed(setting.net, dropout=0.0))


def _penalty(setting: Setting) -> Iterator[Cured]:
    if setting.penalised:
        yield _option(setting, "leave the penalty out", l1=0.0, l2=0.0)


def _clipping(setting: Setting) -> Iterator[Cured]:
    if setting.clipped:
        options = {name: value for name, value in setting.options.items() if name != "clip"}
        yield "leave the clipping out", replace(setting, options=options)


def _clipped(setting: Setting) -> Iterator[Cured]:
    if not setting.clipped:
        yield _option(setting, "clip the gradient at a length of 1", clip=Clip(norm=1.0))


def _class_weights(setting: Setting) -> Iterator[Cured]:
    if setting.task.kind == "classes":
        own = setting.options.get("sample_weight")
        weights = balancing(setting.task, setting.task.Y) * (1.0 if own is None else own)
        said, weighted = _option(setting, "weigh the classes alike", sample_weight=weights)
        yield said, replace(weighted, balanced=True)


def _seen_inputs(setting: Setting) -> Iterator[Cured]:
    first = setting.net.layers[0]
    if setting.net.kept[1] is not None and not setting.net.kept[1].any(axis=0).all():
        net = with_layers(setting.net, [replace(first, mask=None), *setting.net.layers[1:]])
        yield "leave the mask of layer 1 out", replace(setting, net=net, theta=None)
    if setting.options.get("rate_multipliers"):
        yield _option(setting, "leave the rate multipliers out", rate_multipliers=None)


def _without_suspects(setting: Setting) -> Iterator[Cured]:
    suspect = ranked(setting).suspect
    if 0 < suspect.sum() < len(suspect) / 2:
        said = f"mend or leave out the {suspect.sum():,} suspects of suspect_labels"
        yield said, of_rows(setting, np.flatnonzero(~suspect))


def _smaller(setting: Setting) -> Iterator[Cured]:
    if setting.penalised:
        return
    for strength in (0.01, 0.001):
        yield _option(setting, f"penalise the weights (l2={strength:g})", l2=strength)
    if setting.net.L > 1 and not any(layer.dropout for layer in setting.net.layers):
        net = hidden_changed(setting.net, dropout=0.3)
        yield "leave 0.3 of the hidden units out (dropout)", replace(setting, net=net)


CURES: dict[str, Callable[[Setting], Iterator[Cured]]] = {
    "inputs_unscaled": _scaled_inputs,
    "targets_unscaled": _scaled_targets,
    "output_activation": _output,
    "cost": _cost,
    "init": _init,
    "activation_hidden": _hidden,
    "learning_rate_high": _rate(0.1, 0.01, 0.001),
    "learning_rate_low": _rate(10, 100, 1000),
    "epochs_few": _epochs,
    "optimizer": _optimizer,
    "batch": _batch,
    "dead_relu": _leaky,
    "units_few": _units,
    "dropout": _dropout,
    "regularization": _penalty,
    "clipping": _clipping,
    "overfitting": _smaller,
    "exploding_gradients": _clipped,
    "class_imbalance": _class_weights,
    "inputs_ignored": _seen_inputs,
    "labels_corrupted": _without_suspects,
}
FIRST_TRAINS = {"labels_corrupted": FOLDS}  # cures that need so many trainings before their own
ADVICE = {  # where no training can tell
    "inputs_ignored": "see what becomes of the inputs on their way to the network",
    "labels_corrupted": "look at the suspects of suspect_labels",
}


def advice(kind: str, setting: Setting) -> str:
    """Return in words what could mend a kind of fault, where no cure of it was tried."""
    if kind in ADVICE:
        return ADVICE[kind]
    return next((said for said, _ in CURES[kind](setting)), "")


def steps(setting: Setting) -> int:
    """Return how many multiply-adds a training of a setting takes, by which trials are budgeted."""
    weights = sum(a * b for a, b in zip(setting.net.sizes, setting.net.sizes[1:], strict=False))
    return int(setting.options.get("epochs", 100)) * len(setting.X) * weights
