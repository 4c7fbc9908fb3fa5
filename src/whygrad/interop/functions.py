"""Activations of other libraries that are none of whygrad's own: exact in answers, and trained on from.

    clipped    z between two bounds, and these beyond       Mish       z · tanh(log(1 + e^z))
    CELU       z > 0: z, else α (e^(z/α) − 1)               Softsign   z / (1 + |z|)

Sources: the functions' definitions in PyTorch's documentation; Misra (2019) for Mish.
"""

import numpy as np

from whygrad.nn import Activation
from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.parametric import scaled_elu


def clipped(low: float, high: float) -> Activation:
    """Return z between two bounds, and these beyond: ReLU6, the hard tanh.

    >>> clipped(0, 6).name, float(clipped(-1, 1).value(np.array(7.0)))
    ('relu6', 1.0)
    """
    return Activation(
        "relu6" if (low, high) == (0, 6) else f"hardtanh({low:g}, {high:g})",
        lambda z: np.clip(z, low, high),
        lambda z: ((z > low) & (z < high)).astype(z.dtype),
        kinks=(float(low), float(high)),
        linear=True,
    )


def celu(alpha: float) -> Activation:
    """Return CELU, of which ELU is the one that goes to −1.

    >>> celu(1.0).name, float(celu(0.5).value(np.array(-50.0)))
    ('elu', -0.5)
    """
    if alpha == 1:
        return scaled_elu(1.0)
    return Activation(
        f"celu({alpha:g})",
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha)),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0) / alpha)),
        kinks=(0.0,),
    )


def _mish_slope(z: Array) -> Array:
    rise = np.tanh(ACTIVATIONS["softplus"].value(z))
    slope: Array = rise + z * (1 - rise**2) * ACTIVATIONS["sigmoid"].value(z)
    return slope


MISH = Activation("mish", lambda z: z * np.tanh(ACTIVATIONS["softplus"].value(z)), _mish_slope)
SOFTSIGN = Activation(
    "softsign", lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2, kinks=(0.0,)
)
