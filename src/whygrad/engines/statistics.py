"""The statistics of a layer at one step, from what that step computed: norms, shares, means and spreads.

‖θ‖, ‖∂C/∂θ‖ and ‖Δθ‖ of each layer; how many units no longer react, by f′(z); mean and standard deviation
of a and of δ. What each of them means is said in `watching.Statistics`.
"""

import math

import numpy as np

from whygrad.engines.probes import BOUNDED, FADED, ONE_SIDED
from whygrad.nn.backprop import Trace
from whygrad.nn.functions import ACTIVATIONS, Activation, Array
from whygrad.nn.network import Gradients, Network


def of_step(
    net: Network, before: Array, after: Array, g: Array, trace: Trace, weights: Array | None
) -> Array:
    """Give the statistics of each layer, (L, 9), of the step from θ `before` to `after` at gradient g."""
    assert trace.delta is not None
    flats = [flat.astype(np.float64) for flat in (before, g)]
    parts = [Gradients(net.sizes, flat) for flat in (*flats, after.astype(np.float64) - flats[0])]
    rows = []
    for l in range(1, net.L + 1):
        a, delta = trace.a[l].astype(np.float64), trace.delta[l].astype(np.float64)
        if weights is not None:
            delta = delta * weights[:, None]
        norms = [math.hypot(np.linalg.norm(p.dW[l]), np.linalg.norm(p.db[l])) for p in parts]
        spread = [a.mean(), a.std(), delta.mean(), delta.std()]
        rows.append([*norms, *faded(net.f[l], trace.z[l]), *spread])
    return np.array(rows)


def faded(f: Activation, z: Array) -> tuple[float, float]:
    """Give the shares of dead units and of saturated values at z, (n, units); 0 for all other f.

    >>> faded(ACTIVATIONS["relu"], np.array([[1.0, -1.0], [2.0, -3.0], [-1.0, -2.0]]))
    (0.5, 0.0)
    """
    if ACTIVATIONS.get(f.name) != f:
        return 0.0, 0.0
    greatest = ONE_SIDED.get(f.name) or BOUNDED.get(f.name)
    if greatest is None:
        return 0.0, 0.0
    small = np.abs(f.derivative(z)) < FADED * greatest
    if f.name in ONE_SIDED:
        return float(small.all(axis=0).mean()), 0.0
    return 0.0, float(small.mean())
