"""Activations with parameters, as other libraries let one choose them: a family, and its numbers.

    leaky ReLU   z > 0: z, else slope · z            ELU        z > 0: z, else α (e^z − 1)
    softplus     log(1 + e^(βz)) / β, and z itself where βz is past the threshold
    GELU         the approximation ½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))
    clipped      z between two bounds, and these beyond      Mish       z · tanh(log(1 + e^z))
    CELU         z > 0: z, else α (e^(z/α) − 1)              Softsign   z / (1 + |z|)

Whygrad's own are in `functions`. These are exact in answers, trained on from there, and exported.

Sources: the functions' definitions in PyTorch's documentation; Hendrycks & Gimpel (2016) for GELU;
Misra (2019) for Mish.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from whygrad.nn.functions import ACTIVATIONS, LEAK, Activation, Array, find_activation

GELU_SCALE, GELU_CUBIC = math.sqrt(2 / math.pi), 0.044715


@dataclass(frozen=True)
class Parametric(Activation):
    """An activation of a family, with its parameters, which say all that it computes."""

    family: str = ""
    parameters: tuple[float, ...] = ()


# Of whygrad's own activations that are members of a family, their parameters.
OWN = {"leaky_relu": (LEAK,), "elu": (1.0,)}


def family_of(f: Activation) -> tuple[str, tuple[float, ...]] | None:
    """Return family and parameters of an activation; None for one of the user's own, which is but code.

    >>> family_of(sloped_relu(0.2)), family_of(ACTIVATIONS["elu"]), family_of(ACTIVATIONS["tanh"])
    (('leaky_relu', (0.2,)), ('elu', (1.0,)), ('tanh', ()))
    """
    if isinstance(f, Parametric):
        return f.family, f.parameters
    return (f.name, OWN.get(f.name, ())) if ACTIVATIONS.get(f.name) == f else None


def sloped_relu(slope: float) -> Activation:
    """Return the leaky ReLU with this slope below zero.

    >>> sloped_relu(0.2).name, sloped_relu(0.01).name
    ('leaky_relu(0.2)', 'leaky_relu')
    """
    if slope == LEAK:
        return ACTIVATIONS["leaky_relu"]
    return Parametric(
        f"leaky_relu({_number(slope)})",
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, 1.0, slope),
        kinks=(0.0,),
        linear=True,
        family="leaky_relu",
        parameters=(float(slope),),
    )


def scaled_elu(alpha: float) -> Activation:
    """Return the ELU that goes to −α.

    >>> float(scaled_elu(2.0).value(np.array(-50.0)))
    -2.0
    """
    if alpha == 1:
        return ACTIVATIONS["elu"]
    return Parametric(
        f"elu({_number(alpha)})",
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
        kinks=(0.0,),
        family="elu",
        parameters=(float(alpha),),
    )


def sharp_softplus(beta: float, threshold: float) -> Activation:
    """Return the softplus with PyTorch's β: z itself where βz exceeds the threshold.

    >>> float(sharp_softplus(1.0, 20.0).value(np.array(21.0)))
    21.0
    """
    soft, sigmoid = ACTIVATIONS["softplus"].value, ACTIVATIONS["sigmoid"].value
    usual = (beta, threshold) == (1, 20)
    return Parametric(
        "softplus" if usual else f"softplus({float(beta)}, {float(threshold)})",
        lambda z: np.where(beta * z > threshold, z, soft(beta * z) / beta),
        lambda z: np.where(beta * z > threshold, 1.0, sigmoid(beta * z)),
        kinks=(threshold / beta,),
        family="sharp_softplus",
        parameters=(float(beta), float(threshold)),
    )


def gelu_tanh() -> Activation:
    """Return GELU as approximated by tanh."""

    def value(z: Array) -> Array:
        return z / 2 * (1 + np.tanh(GELU_SCALE * (z + GELU_CUBIC * z**3)))

    def derivative(z: Array) -> Array:
        t = np.tanh(GELU_SCALE * (z + GELU_CUBIC * z**3))
        return (1 + t) / 2 + z / 2 * (1 - t * t) * GELU_SCALE * (1 + 3 * GELU_CUBIC * z * z)

    return Parametric("gelu_tanh", value, derivative, family="gelu_tanh")


def clipped(low: float, high: float) -> Activation:
    """Return z between two bounds, and these beyond: ReLU6, the hard tanh.

    >>> clipped(0, 6).name, float(clipped(-1, 1).value(np.array(7.0)))
    ('relu6', 1.0)
    """
    return Parametric(
        "relu6" if (low, high) == (0, 6) else f"hardtanh({low:g}, {high:g})",
        lambda z: np.clip(z, low, high),
        lambda z: ((z > low) & (z < high)).astype(z.dtype),
        kinks=(float(low), float(high)),
        linear=True,
        family="clipped",
        parameters=(float(low), float(high)),
    )


def celu(alpha: float) -> Activation:
    """Return CELU, of which ELU is the one that goes to −1.

    >>> celu(1.0).name, float(celu(0.5).value(np.array(-50.0)))
    ('elu', -0.5)
    """
    if alpha == 1:
        return scaled_elu(1.0)
    return Parametric(
        f"celu({alpha:g})",
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha)),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0) / alpha)),
        kinks=(0.0,),
        family="celu",
        parameters=(float(alpha),),
    )


def _mish_slope(z: Array) -> Array:
    rise = np.tanh(ACTIVATIONS["softplus"].value(z))
    slope: Array = rise + z * (1 - rise**2) * ACTIVATIONS["sigmoid"].value(z)
    return slope


MISH = Parametric(
    "mish", lambda z: z * np.tanh(ACTIVATIONS["softplus"].value(z)), _mish_slope, family="mish"
)
SOFTSIGN = Parametric(
    "softsign",
    lambda z: z / (1 + np.abs(z)),
    lambda z: 1 / (1 + np.abs(z)) ** 2,
    kinks=(0.0,),
    family="softsign",
)

# The function that makes a member of each family.
FAMILIES: dict[str, Callable[..., Activation]] = {
    "leaky_relu": sloped_relu,
    "elu": scaled_elu,
    "sharp_softplus": sharp_softplus,
    "gelu_tanh": gelu_tanh,
    "clipped": clipped,
    "celu": celu,
    "mish": lambda: MISH,
    "softsign": lambda: SOFTSIGN,
}


def of_family(family: str, parameters: Sequence[float] = ()) -> Activation:
    """Return the activation that `family_of` names; raises `InputError` for an unknown family.

    >>> of_family("leaky_relu", (0.2,)).name, of_family("tanh").name
    ('leaky_relu(0.2)', 'tanh')
    """
    if family in FAMILIES:
        return FAMILIES[family](*parameters)
    return find_activation(family)


def _number(x: float) -> str:
    """Return a number as its own precision writes it: 0.3 of float32 is not 0.30000001192092896."""
    single = np.float32(x)
    return str(single if float(single) == x else float(x))
