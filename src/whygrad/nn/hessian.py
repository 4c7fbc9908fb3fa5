"""The Hessian of the cost times a direction, exactly, for the price of another pass there and back.

R is the derivative along the direction (V, v) in the space of all parameters, taken of every number of the
two passes:

    Rzˡ = Vˡ aˡ⁻¹ + vˡ + Wˡ Raˡ⁻¹,   Raˡ = f′(zˡ) ⊙ Rzˡ,   Ra⁰ = 0
    Rδᴸ = ∂²C/∂z² Rzᴸ
    Rδˡ = (Wˡ⁺¹ᵀ Rδˡ⁺¹ + Vˡ⁺¹ᵀ δˡ⁺¹) ⊙ f′(zˡ) + (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ f″(zˡ) ⊙ Rzˡ
    (Hv)W = Rδˡ aˡ⁻¹ᵀ + δˡ Raˡ⁻¹ᵀ,   (Hv)b = Rδˡ

RC_x = δᴸ · Rzᴸ is each example's own gradient times the direction, and comes for nothing. After
Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).
"""

from dataclasses import dataclass
from typing import Any

from whygrad.nn.arrays import as_sample_weight, as_targets, check_fit, check_trace
from whygrad.nn.backprop import Trace
from whygrad.nn.functions import Array, namespace
from whygrad.nn.network import Gradients, Network, Parameters
from whygrad.nn.pairings import output_error_change


@dataclass(frozen=True, eq=False)
class HessianTimes:
    """What the pass along a direction computed.

    Parameters
    ----------
    product : Gradients
        H v, in the order of `Parameters.flat`; 0 where the mask of a layer leaves a weight out.
    slopes : ndarray
        ∇C_x · v of each example by itself, (n,), without penalties.
    outputs : ndarray
        Rzᴸ: how the weighted inputs of the outputs change along v, (n, n_L).
    """

    product: Gradients
    slopes: Array
    outputs: Array


def hessian_times(
    net: Network,
    theta: Parameters,
    trace: Trace,
    Y: Any,
    direction: Parameters,
    sample_weight: Any = None,
    l2: float = 0,
) -> HessianTimes:
    """Multiply the Hessian of the cost, which `gradients` is the gradient of, with a direction.

    At a kink of an activation f″ is 0, as on both sides of it. A penalty λ₁ Σ|W| has no curvature.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its weights and biases.
    trace : Trace
        What `backward` returned.
    Y : array-like of shape (n, n_L) or (n,)
        The targets that `backward` was given.
    direction : Parameters
        v: by how much every parameter changes.
    sample_weight : array-like of shape (n,), optional
        s, how much each example counts; 1 where not given.
    l2 : float, default 0
        The strength λ₂ of the penalty.

    Returns
    -------
    HessianTimes
        H v, and the slope of each example's cost along v.

    Raises
    ------
    InputError
        For shapes that do not fit, and for a trace that has not been through `backward`.

    Examples
    --------
    The cost ½(w₁ + 2w₂ + b − y)² bends by (1, 2, 1) ⊗ (1, 2, 1):

    >>> from whygrad.nn import Dense, backward, forward
    >>> net = Network(2, (Dense(1, "identity"),))
    >>> theta = net.init(W=[None, [[1.0, -1.0]]])
    >>> trace = backward(net, theta, forward(net, theta, [[1.0, 2.0]]), [[0.5]])
    >>> hessian_times(net, theta, trace, [[0.5]], net.init(W=[None, [[0.0, 1.0]]])).product.flat
    array([2., 4., 2.])
    """
    check_fit(net, theta)
    check_fit(net, direction)
    check_trace(trace, delta=True)
    W, V, v, f = theta.W, direction.W, direction.b, net.f
    z, a, delta, masks, L = trace.z, trace.a, trace.delta, trace.masks, net.L
    y = as_targets(net, Y, len(a[L]))

    Rz: list[Any] = [None] * (L + 1)
    Ra: list[Any] = [None] * (L + 1)
    for l in range(1, L + 1):
        Rz[l] = a[l - 1] @ V[l].T + v[l]
        if l > 1:
            Rz[l] = Rz[l] + Ra[l - 1] @ W[l].T
        Ra[l] = _masked(f[l].jvp(z[l], Rz[l]), masks, l)

    Rdelta: list[Any] = [None] * (L + 1)
    Rdelta[L] = output_error_change(f[L], net.C, z[L], a[L], y, Rz[L])
    for l in range(L - 1, 0, -1):
        error = _masked(delta[l + 1] @ W[l + 1], masks, l)
        change = _masked(Rdelta[l + 1] @ W[l + 1] + delta[l + 1] @ V[l + 1], masks, l)
        Rdelta[l] = f[l].vjp(z[l], change) + f[l].bend(z[l], error, Rz[l])

    xp, n = namespace(delta[L]), len(delta[L])
    s = as_sample_weight(sample_weight, n)
    S = n if s is None else s.sum() + (s.sum() == 0)
    parts = []
    for l in range(1, L + 1):
        d, Rd = (each if s is None else each * s[:, None] for each in (delta[l], Rdelta[l]))
        HW = Rd.T @ a[l - 1]
        if l > 1:
            HW = HW + d.T @ Ra[l - 1]
        HW = HW / S + l2 * V[l]
        if net.kept[l] is not None:
            HW = xp.where(net.kept[l], HW, 0)
        parts += [HW.reshape(-1), Rd.sum(axis=0) / S]
    return HessianTimes(
        Gradients(net.sizes, xp.concatenate(parts)), (delta[L] * Rz[L]).sum(axis=-1), Rz[L]
    )


def _masked(array: Array, masks: Any, l: int) -> Array:
    return array if masks is None or masks[l] is None else array * masks[l]
