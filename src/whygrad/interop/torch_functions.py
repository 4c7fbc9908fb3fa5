"""Activation functions with the parameters that PyTorch has, where they are not whygrad's own.

    leaky ReLU   z > 0: z, else slope · z            ELU        z > 0: z, else α (e^z − 1)
    softplus     log(1 + e^(βz)) / β, and z itself where βz is past the threshold
    GELU         the approximation ½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))

Sources: the functions' definitions in PyTorch's documentation; Hendrycks & Gimpel (2016) for GELU.
"""

import math

import numpy as np

from whygrad.nn.functions import ACTIVATIONS, LEAK, Activation


def sloped_relu(slope: float) -> str | Activation:
    """Return the leaky ReLU with this slope below zero.

    >>> sloped_relu(0.01)
    'leaky_relu'
    """
    if slope == LEAK:
        return "leaky_relu"
    return Activation(
        f"leaky_relu({_number(slope)})",
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, 1.0, slope),
        kinks=(0.0,),
        linear=True,
    )


def scaled_elu(alpha: float) -> str | Activation:
    """Return the ELU that goes to −α.

    >>> float(scaled_elu(2.0).value(np.array(-50.0)))
    -2.0
    """
    if alpha == 1:
        return "elu"
    return Activation(
        f"elu({_number(alpha)})",
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
        kinks=(0.0,),
    )


def sharp_softplus(beta: float, threshold: float) -> Activation:
    """Return the softplus with PyTorch's β: z itself where βz exceeds the threshold.

    >>> float(sharp_softplus(1.0, 20.0).value(np.array(21.0)))
    21.0
    """
    soft, sigmoid = ACTIVATIONS["softplus"].value, ACTIVATIONS["sigmoid"].value
    usual = (beta, threshold) == (1, 20)
    return Activation(
        "softplus" if usual else f"softplus({float(beta)}, {float(threshold)})",
        lambda z: np.where(beta * z > threshold, z, soft(beta * z) / beta),
        lambda z: np.where(beta * z > threshold, 1.0, sigmoid(beta * z)),
        kinks=(threshold / beta,),
    )


def gelu_tanh() -> Activation:
    """Return GELU as approximated by tanh."""
    scale, cubic = math.sqrt(2 / math.pi), 0.044715

    def value(z: np.ndarray) -> np.ndarray:
        return z / 2 * (1 + np.tanh(scale * (z + cubic * z**3)))

    def derivative(z: np.ndarray) -> np.ndarray:
        t = np.tanh(scale * (z + cubic * z**3))
        return (1 + t) / 2 + z / 2 * (1 - t * t) * scale * (1 + 3 * cubic * z * z)

    return Activation("gelu_tanh", value, derivative)


def _number(x: float) -> str:
    """Return a number as its own precision writes it: 0.3 of float32 is not 0.30000001192092896."""
    single = np.float32(x)
    return str(single if float(single) == x else float(x))
