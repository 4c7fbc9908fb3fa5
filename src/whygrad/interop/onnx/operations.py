"""ONNX's operations on numbers: what they compute of one number, and of constants."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from whygrad.interop.onnx.recognise import log_softmax, own_selu
from whygrad.nn import Array
from whygrad.nn.functions import ACTIVATIONS, LEAK
from whygrad.nn.parametric import MISH, SOFTSIGN, celu, gelu_tanh, scaled_elu, sloped_relu

LARGEST = 2**26  # numbers of a constant that is computed from others

# Operations that hand on what they are given: a cast changes no number beyond rounding.
PASSING = ("Identity", "Dropout", "Cast", "CastLike")
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)

# α and γ of a Selu that gives none, in float32 as ONNX has them.
SELU = (1.67326319217681884765625, 1.05070102214813232421875)

About = dict[str, Any]


def _alpha(about: About, default: float) -> float:
    return float(about.get("alpha", default))


def _erf(z: Array) -> Array:
    from scipy.special import erf

    return erf(z)


def _clip(about: About) -> Callable[..., Array]:
    low, high = about.get("min"), about.get("max")  # of operator sets before 11

    def clip(z: Array, least: Any = None, most: Any = None) -> Array:
        least, most = low if least is None else least, high if most is None else most
        z = z if least is None else np.maximum(z, least)
        return z if most is None else np.minimum(z, most)

    return clip


def _gelu(about: About) -> Callable[[Array], Array]:
    tanh = about.get("approximate", b"none") in (b"tanh", "tanh")
    return (gelu_tanh() if tanh else ACTIVATIONS["gelu"]).value


def _reduced(f: Callable[..., Array]) -> Callable[[About], Callable[..., Array]]:
    def of(about: About) -> Callable[..., Array]:
        if about.get("axes", [-1]) not in ([1], [-1]) or not about.get("keepdims", 1):
            raise ValueError("over the units it has axes [1] and keepdims 1")

        def reduced(z: Array, axes: Any = -1.0) -> Array:
            if axes not in (1.0, -1.0):
                raise ValueError("over the units it has axes [1]")
            return f(z, axis=-1, keepdims=True)

        return reduced

    return of


def _plain(f: Callable[..., Any]) -> Callable[[About], Callable[..., Any]]:
    return lambda about: f


def _all(f: Callable[[Array, Array], Array]) -> Callable[[About], Callable[..., Array]]:
    """Return an operation of two or more as one of any number of arrays."""

    def of(*arrays: Array) -> Array:
        found = arrays[0]
        for array in arrays[1:]:
            found = f(found, array)
        return found

    return lambda about: of


# What an operation computes: from its attributes to a function of arrays, each (m, units).
FUNCTIONS: dict[str, Callable[[About], Callable[..., Any]]] = {
    "Relu": _plain(lambda z: np.maximum(z, 0)),
    "Sigmoid": _plain(ACTIVATIONS["sigmoid"].value),
    "Tanh": _plain(np.tanh),
    "Softplus": _plain(ACTIVATIONS["softplus"].value),
    "Exp": _plain(np.exp),
    "Log": _plain(np.log),
    "Erf": _plain(_erf),
    "Abs": _plain(np.abs),
    "Neg": _plain(np.negative),
    "Sqrt": _plain(np.sqrt),
    "Reciprocal": _plain(lambda z: 1 / z),
    "Sign": _plain(np.sign),
    "Not": _plain(np.logical_not),
    "Softsign": _plain(SOFTSIGN.value),
    "Mish": _plain(MISH.value),
    "HardSwish": _plain(lambda z: z * np.clip(z / 6 + 0.5, 0, 1)),
    "Gelu": _gelu,
    "Clip": _clip,
    "LeakyRelu": lambda about: sloped_relu(_alpha(about, LEAK)).value,
    "PRelu": _plain(lambda z, slope: np.where(z > 0, z, slope * z)),
    "Elu": lambda about: scaled_elu(_alpha(about, 1.0)).value,
    "Celu": lambda about: celu(_alpha(about, 1.0)).value,
    "Selu": lambda about: (
        own_selu(float(about.get("gamma", SELU[1])), _alpha(about, SELU[0])).value
    ),
    "Swish": lambda about: lambda z: z * ACTIVATIONS["sigmoid"].value(_alpha(about, 1.0) * z),
    "ThresholdedRelu": lambda about: lambda z: np.where(z > _alpha(about, 1.0), z, 0),
    "HardSigmoid": lambda about: (
        lambda z: np.clip(_alpha(about, 0.2) * z + float(about.get("beta", 0.5)), 0, 1)
    ),
    "Softmax": _plain(lambda z: ACTIVATIONS["softmax"].value(z)),
    "LogSoftmax": _plain(log_softmax),
    "ReduceMax": _reduced(np.max),
    "ReduceSum": _reduced(np.sum),
    "ReduceLogSumExp": _reduced(lambda z, **how: np.log(np.exp(z).sum(**how))),
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Div": _plain(np.divide),
    "Pow": _plain(np.power),
    "Max": _all(np.maximum),
    "Min": _all(np.minimum),
    "Sum": _all(np.add),
    "Where": _plain(np.where),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
}


# ── constants ────────────────────────────────────────────────────────────────────────────────────────


def constant_of(about: About) -> Array:
    """Return the array of a Constant."""
    for name, value in about.items():
        if name == "value":
            return numpy_helper.to_array(value)
        if name.startswith("value_"):
            return np.array(value)
    raise ValueError("it holds no value")


def fitting(array: Any) -> Array:
    """Return an array computed from constants; one that few numbers blow up to millions is refused."""
    array = np.asarray(array)
    if array.size > LARGEST:
        raise ValueError(f"it makes a constant of {array.size:,} numbers")
    return array


def _axes(about: About, given: tuple[Any, ...]) -> tuple[int, ...]:
    axes = given[0] if given else about.get("axes", [])
    return tuple(int(axis) for axis in np.asarray(axes).reshape(-1))


def _cast(about: About, x: Array) -> Array:
    kind = (
        helper.tensor_dtype_to_np_dtype(about["to"])
        if about["to"] != TensorProto.STRING
        else object
    )
    return x.astype(kind)


def _reshaped(about: About, x: Array, shape: Array) -> Array:
    lengths = [x.shape[i] if n == 0 else int(n) for i, n in enumerate(shape.reshape(-1))]
    return x.reshape(lengths)


def _broadcast(f: Callable[..., Array]) -> Callable[..., Array]:
    def checked(about: About, *arrays: Array) -> Array:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        if np.prod(shape, dtype=float) > LARGEST:
            raise ValueError(f"it makes a constant of shape {shape}")
        return f(*arrays)

    return checked


# What an operation makes of constants: exporters leave weights transposed, cast and scaled in the graph.
CONSTANTS: dict[str, Callable[..., Any]] = {
    "Identity": lambda about, x: x,
    "Cast": _cast,
    "Transpose": lambda about, x: x.transpose(about.get("perm")),
    "Reshape": _reshaped,
    "Unsqueeze": lambda about, x, *axes: np.expand_dims(x, _axes(about, axes)),
    "Squeeze": lambda about, x, *axes: np.squeeze(x, _axes(about, axes) or None),
    "Add": _broadcast(np.add),
    "Sub": _broadcast(np.subtract),
    "Mul": _broadcast(np.multiply),
    "Div": _broadcast(np.divide),
    "Neg": lambda about, x: -x,
    "Sqrt": lambda about, x: np.sqrt(x),
    "Reciprocal": lambda about, x: 1 / x,
    "Concat": lambda about, *arrays: np.concatenate(arrays, axis=about["axis"]),
    "Gather": lambda about, x, at: np.take(x, at, axis=about.get("axis", 0)),
}
