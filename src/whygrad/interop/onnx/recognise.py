"""Activation functions, known by what they compute: one operation or ten, the function is the same.

A function of z is seen on a grid of z, and compared with those that there are, to what float32 rounds.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from whygrad.interop.chain import Function
from whygrad.nn import Array
from whygrad.nn.functions import ACTIVATIONS, LEAK, Activation
from whygrad.nn.parametric import (
    MISH,
    SOFTSIGN,
    celu,
    clipped,
    gelu_tanh,
    scaled_elu,
    sharp_softplus,
    sloped_relu,
)

CLOSE = 3e-6  # constants of float32 are off by 6e-8 of themselves, and some are taken to the third power
EXACT = 1e-13
WIDTH = 3  # units on the grid, so that softmax is told from functions of one unit
STEEP = 1e9  # βz beyond which a softplus is z itself: never, on the grid


@lru_cache(maxsize=4)
def grid(units: int) -> Array:
    """Return weighted inputs to see a function on, (m, units), of at most 3 units; not to be written to."""
    z = np.concatenate([np.linspace(-9, 9, 73), [-40.0, -20.0, 20.0, 40.0, 1e-3, -1e-3]])
    found = np.stack([np.roll(z, 11 * k) for k in range(min(units, WIDTH))], axis=1)
    found.setflags(write=False)
    return found


def log_softmax(z: Array) -> Array:
    """Return the logarithm of softmax along the last axis, (n, units) as z."""
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def function_of(seen: Array, z: Array, where: str, single: bool = True) -> Function | None:
    """Return the activation that gives `seen` on the grid `z`, or None; `where` is its operation.

    In float32, `single`, a constant that is off by its rounding is taken for what it stands for.

    >>> z = grid(2)
    >>> function_of(np.maximum(z, 0.01 * z), z, "Max").f, function_of(z**2, z, "Pow")
    ('leaky_relu', None)
    """
    if seen.shape != z.shape or seen.dtype.kind != "f" or not np.isfinite(seen).all():
        return None
    with np.errstate(all="ignore"):
        for close in (CLOSE,) if single else (EXACT, CLOSE):
            found = _known(seen, z, where, close)
            if found is not None:
                return found
    return None


def _known(seen: Array, z: Array, where: str, close: float) -> Function | None:
    for name, f in ACTIVATIONS.items():
        told = name != "identity" and not (name == "softmax" and z.shape[1] == 1)
        if told and _close(seen, f.value(z), close):
            return Function(where, name)
    if z.shape[1] > 1 and _close(seen, log_softmax(z), close):
        return Function(where, "softmax", logarithm=True)
    for own in _with_parameters(seen[:, 0], z[:, 0], close):
        if _close(seen, own.value(z), close):
            return Function(where, own)
    return None


def _close(seen: Array, values: Array, close: float) -> bool:
    return bool((np.abs(seen - values) <= close * (1 + np.abs(values))).all())


def _with_parameters(seen: Array, z: Array, close: float) -> Iterator[Activation]:
    """Yield the functions with a parameter, which is read off at one point."""

    def at(point: float) -> float:
        return float(seen[np.abs(z - point).argmin()])

    slope, alpha, at_0, gamma = -at(-1.0), -at(-40.0), at(0.0), at(1.0)
    if abs(slope - LEAK) > close:
        yield sloped_relu(slope)
    if abs(alpha - 1) > close:
        yield scaled_elu(alpha)
    if at_0 > 0:
        yield sharp_softplus(np.log(2) / at_0, STEEP)
    yield gelu_tanh()
    yield clipped(at(-40.0), at(40.0))
    yield MISH
    yield SOFTSIGN
    if alpha > 0:
        yield celu(alpha)
    if gamma > 0:
        yield own_selu(gamma, alpha / gamma)


def own_selu(gamma: float, alpha: float) -> Activation:
    """Return the SELU with these numbers in place of the fixed point's.

    >>> float(own_selu(2.0, 3.0).value(np.array(-50.0)))
    -6.0
    """
    return Activation(
        f"selu({alpha:g}, {gamma:g})",
        lambda z: gamma * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z: gamma * np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
    )
