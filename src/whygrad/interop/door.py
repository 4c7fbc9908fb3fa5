"""At the door: a network that was read gives what its original gives, or is refused.

Networks are read in float64. An original in float32 rounds at every step; by how much is found by passing
the same rows through what was read in float32 as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.answers.formatting import counted, number
from whygrad.engines.prediction import outputs
from whygrad.errors import InputError
from whygrad.fitted import Ensemble, Fitted
from whygrad.nn import Array, Parameters
from whygrad.why.bound import Why

ROWS = 8  # compared when a network is read
TIMES = 32  # how much further another order of the sums may lead than rounding to float32 does
EXACT = 1e-10  # of the largest output: what two ways through float64 may differ by


@dataclass(frozen=True, eq=False)
class Original:
    """What a network was read from, where it can be asked.

    Parameters
    ----------
    name : str
        Who computes it: "onnxruntime".
    outputs : callable
        From rows, as the user has them, to outputs, (n, n_L).
    single : bool
        Whether it computes in float32.
    within : float
        How far outputs may lie apart, as a share of the largest; in float32 it follows from rounding.
    last : str
        What it calls its last layer.
    """

    name: str
    outputs: Callable[[Any], Array]
    single: bool = False
    within: float = EXACT
    last: str = ""


def rows_at_the_door(n_inputs: int) -> Array:
    """Return rows to compare on, (n, n_0): zeros, ones, and drawn ones, the same every time.

    They are multiples of 1/16, which every number format has.
    """
    drawn = np.round(16 * np.random.default_rng(0).normal(size=(ROWS - 2, n_inputs))) / 16
    return np.vstack([np.zeros((1, n_inputs)), np.ones((1, n_inputs)), drawn])


def average_of(why: Why) -> Fitted:
    """Return the network that predicts: of several members all of them, joined."""
    if why.members:
        return Ensemble([Fitted(*member) for member in why.members]).joined()
    return Fitted(why.net, why.theta)


def predicted(why: Why, x: Array, single: bool = False) -> Array:
    """Return the outputs for rows as the network takes them, in units of the target, (n, n_L)."""
    kind = np.float32 if single else np.float64
    one = average_of(why)
    theta = Parameters(one.theta.sizes, one.theta.flat.astype(kind, copy=False))
    return why.names.own(why.net, why.net.L, 0, outputs(one.net, theta, x.astype(kind)))


def checked(why: Why, original: Original, X: Any) -> str:
    """Compare the outputs for rows, as the user has them; return a note on how far they lie apart.

    Raises `InputError` for an output that is another, with both numbers.
    """
    x = np.asarray(why.examples(X).X)
    ours, theirs = predicted(why, x), np.asarray(original.outputs(X), np.float64)
    if theirs.shape != ours.shape:
        last = f", the last layer being {original.last}" if original.last else ""
        raise InputError(
            f"{original.name} gives outputs of shape {theirs.shape}, what was read {ours.shape}{last}: it "
            "is another network than it seems"
        )
    largest = float(np.abs(ours).max(initial=1.0))
    allowed = original.within * largest
    if original.single:
        rounding = float(np.abs(ours - predicted(why, x, single=True)).max(initial=0.0))
        allowed = TIMES * (rounding + float(np.finfo(np.float32).eps) * largest)
    apart = np.abs(ours - theirs)
    if not (apart <= allowed).all():
        i, m = np.unravel_index(int(np.nan_to_num(apart, nan=np.inf).argmax()), apart.shape)
        name = why.names.of(why.net, why.net.L, int(m))
        raise InputError(
            f"{name} of row {i} is {float(ours[i, m])!r} as it was read, {float(theirs[i, m])!r} in "
            f"{original.name}: it is another network than it seems"
        )
    most = number(float(apart.max()))
    return f"On {counted(len(ours))} the outputs are those of {original.name} to {most}."
