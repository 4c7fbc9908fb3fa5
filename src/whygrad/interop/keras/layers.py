"""The configuration of a Keras model, and its weights by layer → a chain.

Dense is a = f(x K + b): K is Wᵀ. A layer works on the numbers of a row; their shape is followed, since a
Dense, a normalisation and a Flatten mean something else on images than on rows.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from whygrad.errors import InputError
from whygrad.interop.chain import Chain, Drop, Function, Linear, Scaling, Step, chained
from whygrad.nn import Activation
from whygrad.nn.functions import Array
from whygrad.nn.parametric import (
    MISH,
    SOFTSIGN,
    celu,
    clipped,
    scaled_elu,
    sloped_relu,
)


class Place(NamedTuple):
    """A layer among those of its model: its own name, and what a `.keras` file calls it."""

    name: str
    stored: str


# Where a layer is, from the model inwards, and what its weights are called → these.
Weights: TypeAlias = Callable[[tuple[Place, ...], tuple[str, ...]], dict[str, Array]]
Shape: TypeAlias = tuple[int, ...] | None


@dataclass(eq=False)
class Reading:
    """What was read: the chain, the configurations of its Dense layers, and the shape of a row."""

    weights: Weights
    dense: list[dict[str, Any]] = field(default_factory=list)
    shape: Shape = None  # of a row of the input
    now: Shape = None  # after the layers so far
    chain: Chain = field(init=False)


def read(about: dict[str, Any], weights: Weights) -> Reading:
    """Return what a model's configuration and weights say; raises `InputError` for what is no chain."""
    reading = Reading(weights)
    reading.chain = chained(_model(about, (), reading))
    return reading


# ── models ───────────────────────────────────────────────────────────────────────────────────────────


def _model(about: dict[str, Any], above: tuple["Place", ...], reading: Reading) -> Iterator[Step]:
    config, kind = about["config"], about["class_name"]
    if kind not in MODELS:
        raise InputError(f"a {kind} is no chain of layers, but code of its own, which is never run")
    if isinstance(config, list):  # of the first Keras
        config = {"layers": config}
    layers = config["layers"]
    if kind != "Sequential":
        layers = _in_order(config)
    elif not above and (build := config.get("build_input_shape")):
        _begin(reading, build)
    stored = _numbered(config["layers"])
    for each in layers:
        here = Place(each["config"].get("name", "?"), stored[id(each)])
        yield from _layer(each, (*above, here), reading)


def _numbered(layers: list[dict[str, Any]]) -> dict[int, str]:
    """Return what layers are called in a `.keras` file: by class, numbered from the second of it on."""
    names, counts = {}, Counter[str]()
    for each in layers:
        kind = each["class_name"]
        name = re.sub("(?<=[a-z])(?=[A-Z])", "_", kind).lower()
        names[id(each)] = f"{name}_{counts[kind]}" if counts[kind] else name
        counts[kind] += 1
    return names


def _in_order(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layers of a functional model from its input to its output."""
    layers = {each.get("name", each["config"]["name"]): each for each in config["layers"]}
    (first, *more), outputs = _tensors(config["input_layers"]), _tensors(config["output_layers"])
    if more or len(outputs) != 1:
        what = f"{1 + len(more)} inputs" if more else f"{len(outputs)} outputs"
        raise InputError(f"it has {what}: only a chain of layers, with one of each, is supported")
    order, name = [], outputs[0]
    while True:
        layer = layers[name]
        order.append(layer)
        calls = layer["inbound_nodes"]
        if name == first or not calls:
            break
        where = _what(layer)
        if len(calls) != 1:
            raise InputError(f"{where} is used {len(calls)} times: the model is no chain")
        sources = _tensors(calls[0])
        if len(sources) != 1:
            raise InputError(f"{where} joins {' and '.join(sources)}: the model is no chain")
        name = sources[0]
        if len(order) > len(layers):
            raise InputError(f"{where} leads back to itself: the model is no chain")
    if len(order) != len(layers):
        kept = {id(each) for each in order}
        off = next(each for each in config["layers"] if id(each) not in kept)
        raise InputError(f"{_what(off)} lies beside the chain from input to output: it is no chain")
    return order[::-1]


def _tensors(given: Any) -> list[str]:
    """Return the layers whose outputs these are, in Keras 3's notation or the older one."""
    if isinstance(given, dict):
        if given.get("class_name") == "__keras_tensor__":
            return [given["config"]["keras_history"][0]]
        return [name for each in given.values() for name in _tensors(each)]
    if isinstance(given, list):
        if len(given) >= 3 and isinstance(given[0], str) and isinstance(given[1], int):
            return [given[0], *(name for each in given[3:] for name in _tensors(each))]
        return [name for each in given for name in _tensors(each)]
    return []


def _begin(reading: Reading, batch_shape: Any) -> None:
    """Take the shape of the input, (n, …), as that of the numbers so far."""
    if (
        isinstance(batch_shape, list | tuple)
        and None not in batch_shape[1:]
        and reading.now is None
    ):
        reading.shape = reading.now = tuple(int(each) for each in batch_shape[1:])


# ── layers ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class _Layer:
    kind: str
    config: dict[str, Any]
    where: str
    path: tuple[Place, ...]
    reading: Reading

    def weights(self, *names: str) -> dict[str, Array]:
        """Return the weights of these names."""
        found = self.reading.weights(self.path, names)
        missing = [name for name in names if name not in found and name != "count"]
        if missing:
            raise InputError(
                f"{self.where} has no weights called {missing[0]}: build the model first"
            )
        return found


def _what(about: dict[str, Any]) -> str:
    return f"layer {about['config'].get('name', '?')} ({about['class_name']})"


def code_in(where: str) -> str:
    """Return what is said of a layer with code of its user's own, a lambda as activation as well."""
    return f"{where} is code of its own, which is never run: use a layer in its place"


def _layer(about: dict[str, Any], path: tuple[Place, ...], reading: Reading) -> Iterator[Step]:
    kind, config, where = about["class_name"], about["config"], _what(about)
    if kind in MODELS:
        yield from _model(about, path, reading)
        return
    if kind in CODE or kind.endswith("OpLambda"):
        raise InputError(code_in(where))
    if kind not in LAYERS:
        raise InputError(f"{where} is not supported: known are {', '.join(LAYERS)}")
    _begin(reading, config.get("batch_shape", config.get("batch_input_shape")))
    yield from LAYERS[kind](_Layer(kind, config, where, path, reading))


def _dense(layer: _Layer) -> Iterator[Step]:
    config, now = layer.config, layer.reading.now
    if now is not None and len(now) != 1:
        raise InputError(
            f"{layer.where} works along the last of {len(now)} dimensions: put a Flatten before it"
        )
    if config.get("lora_rank") or config.get("quantization_config"):
        raise InputError(f"{layer.where} is quantized, or has a LoRA: merge that into its weights")
    found = layer.weights("kernel", *(("bias",) if config.get("use_bias", True) else ()))
    K, b = found["kernel"], found.get("bias")
    units = config["units"]
    if K.ndim != 2 or K.shape[1] != units or (b is not None and b.shape != (units,)):
        raise InputError(f"{layer.where} has {units} units, and weights of shape {K.shape}")
    if now is not None and math.prod(now) != len(K):
        raise InputError(
            f"{layer.where} takes {len(K)} numbers, what comes before it gives {now[0]}"
        )
    layer.reading.now = (units,)
    layer.reading.dense.append(config)
    yield Linear(layer.where, K.T, b)
    yield from _function(layer.where, config.get("activation"))


def _activation(layer: _Layer) -> Iterator[Step]:
    yield from _function(layer.where, layer.config["activation"])


def _function(where: str, given: Any) -> Iterator[Step]:
    """Yield the activation of a layer: a name, or a layer in its place."""
    if isinstance(given, dict):
        if given.get("class_name", "__lambda__") == "__lambda__":
            raise InputError(code_in(where))
        name, config = given["class_name"], given["config"]
        if name == "function" or isinstance(config, str):
            name = config
        elif name in LAYER_ACTIVATIONS:
            yield Function(where, LAYER_ACTIVATIONS[name](config, where))
            return
        given = name
    if given in (None, "linear"):
        return
    if given not in ACTIVATIONS:
        raise InputError(
            f"{where} has the activation {given!r}, which is not supported: known are "
            f"{', '.join(ACTIVATIONS)}"
        )
    yield Function(where, ACTIVATIONS[given], logarithm=given == "log_softmax")


def _layer_activation(layer: _Layer) -> Iterator[Step]:
    yield Function(layer.where, LAYER_ACTIVATIONS[layer.kind](layer.config, layer.where))


def _relu(config: dict[str, Any], where: str) -> str | Activation:
    high = _number(config.get("max_value"))
    if config.get("threshold") or (high is not None and _number(config.get("negative_slope"))):
        raise InputError(
            f"{where} has a threshold, or both a max_value and a negative_slope, which is not supported"
        )
    if high is not None:
        return clipped(0, high)
    slope = _number(config.get("negative_slope")) or 0.0
    return sloped_relu(slope) if slope else "relu"


def _leaky(config: dict[str, Any], where: str) -> str | Activation:
    slope = config.get("negative_slope", config.get("alpha", 0.3))
    return sloped_relu(_number(slope))


def _softmax(config: dict[str, Any], where: str) -> str | Activation:
    if config.get("axis", -1) not in (-1, 1, [-1], [1]):
        raise InputError(f"{where} has axis={config['axis']}: over the outputs of a row it is -1")
    return "softmax"


def _number(given: Any) -> Any:
    """Return a number, which older versions wrote as an array in a dictionary."""
    return given["config"]["value"] if isinstance(given, dict) else given


def _batch_normalization(layer: _Layer) -> Iterator[Step]:
    config = layer.config
    _check_axis(layer, config.get("axis", -1))
    names = [
        *(("gamma",) if config.get("scale", True) else ()),
        *(("beta",) if config.get("center", True) else ()),
        *("moving_mean", "moving_variance"),
    ]
    found = layer.weights(*names)
    variance = found["moving_variance"] + config.get("epsilon", 1e-3)
    by = found.get("gamma", 1.0) / _root(layer, variance)
    plus = found.get("beta", 0.0) - by * found["moving_mean"]
    yield _tiled(layer, by, plus)


def _normalization(layer: _Layer) -> Iterator[Step]:
    config = layer.config
    mean, variance = config.get("mean"), config.get("variance")
    if config.get("axis", -1) not in (None, []):
        _check_axis(layer, config.get("axis", -1))
    if mean is None or variance is None:
        found = layer.weights("mean", "variance", "count")
        mean, variance = found["mean"], found["variance"]
    mean, variance = (np.asarray(_number(each), np.float64).ravel() for each in (mean, variance))
    by = np.maximum(_root(layer, variance), 1e-7)
    if config.get("invert"):
        yield _tiled(layer, by, mean)
    else:
        yield _tiled(layer, 1 / by, -mean / by)


def _root(layer: _Layer, variance: Array) -> Array:
    if not np.all(variance >= 0):
        raise InputError(f"{layer.where} has a variance that is negative or NaN")
    return np.sqrt(variance)


def _rescaling(layer: _Layer) -> Iterator[Step]:
    scale, offset = (_number(layer.config.get(name, 0.0)) for name in ("scale", "offset"))
    yield _tiled(layer, np.asarray(scale, np.float64), np.asarray(offset, np.float64))


def _tiled(layer: _Layer, by: Array, plus: Array) -> Scaling:
    """Return a scaling along the last dimension, for all numbers of a row."""
    now = layer.reading.now
    if now is not None and len(now) > 1 and by.size > 1:
        by, plus = (np.broadcast_to(each, now).ravel() for each in (by, plus))
    return Scaling(layer.where, by, plus)


def _check_axis(layer: _Layer, axis: Any) -> None:
    axes, now = axis if isinstance(axis, list) else [axis], layer.reading.now
    if axes not in ([-1], [1 if now is None else len(now)]):
        raise InputError(f"{layer.where} is along axis {axis}: only the last one is supported")


def _flatten(layer: _Layer) -> Iterator[Step]:
    if layer.config.get("data_format") == "channels_first" and len(layer.reading.now or (0, 0)) > 1:
        raise InputError(f"{layer.where} moves the channels: save it with channels_last")
    if layer.reading.now is not None:
        layer.reading.now = (math.prod(layer.reading.now),)
    yield from ()


def _reshape(layer: _Layer) -> Iterator[Step]:
    target, now = layer.config["target_shape"], layer.reading.now
    rest = math.prod(now) // -math.prod(target) if now and -1 in target else 0
    found = tuple(rest if n == -1 else int(n) for n in target)
    layer.reading.now = found if now is not None or -1 not in target else None
    yield from ()


def _unchanged(layer: _Layer) -> Iterator[Step]:
    yield from ()


def _dropout(layer: _Layer) -> Iterator[Step]:
    yield Drop(layer.where, layer.config["rate"])


def _noise(layer: _Layer) -> Iterator[Step]:
    yield Drop(layer.where, 1.0, plain=False)


MODELS = ("Sequential", "Functional", "Model")
LAYER_ACTIVATIONS: dict[str, Callable[[dict[str, Any], str], str | Activation]] = {
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": lambda config, where: scaled_elu(_number(config.get("alpha", 1.0))),
    "Softmax": _softmax,
}
ACTIVATIONS: dict[str, str | Activation] = {
    **{
        name: name for name in ("relu", "sigmoid", "tanh", "softmax", "elu", "selu", "gelu", "silu")
    },
    "softplus": "softplus",
    "swish": "silu",
    "exponential": "exp",
    "log_softmax": "softmax",
    "leaky_relu": sloped_relu(0.2),
    "relu6": clipped(0, 6),
    "hard_tanh": clipped(-1, 1),
    "celu": celu(1.0),
    "mish": MISH,
    "softsign": SOFTSIGN,
}
LAYERS: dict[str, Callable[[_Layer], Iterator[Step]]] = {
    "Dense": _dense,
    "Activation": _activation,
    **dict.fromkeys(LAYER_ACTIVATIONS, _layer_activation),
    "BatchNormalization": _batch_normalization,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Dropout": _dropout,
    **dict.fromkeys(
        ("AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"), _noise
    ),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "InputLayer": _unchanged,
    "Identity": _unchanged,
}
CODE = ("Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper")
