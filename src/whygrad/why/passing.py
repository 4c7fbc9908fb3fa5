"""Parts of a pass: the slopes of a layer, changes pushed forward, and activations passed on from a layer.

    first order   Δaˡ = f′(zˡ) ⊙ Δzˡ,  Δzˡ⁺¹ = Wˡ⁺¹ Δaˡ
    pulled back   ∂/∂zˡ = (Wˡ⁺¹ᵀ ∂/∂zˡ⁺¹) ⊙ f′(zˡ)

Examples are rows. What training computes already, z, a and δ, is read from its trace and not made again.
"""

from collections.abc import Sequence
from typing import Any

from whygrad.nn import Activation, Array, Network, Parameters


def slope(f: Activation, z: Array, mask: Any = None) -> Array:
    """Return f′(z), times the mask of dropout where there is one, (n, n_l); not for softmax."""
    slopes = f.derivative(z)
    return slopes if mask is None else slopes * mask


def activate(f: Activation, z: Array, mask: Any = None) -> Array:
    """Return a = f(z), times the mask of dropout where there is one."""
    a = f.value(z)
    return a if mask is None else a * mask


def mask_of(masks: Sequence[Any] | None, l: int) -> Any:
    """Return the mask of a layer, or None."""
    return None if masks is None else masks[l]


def jvp(f: Activation, z: Array, dz: Array, mask: Any = None) -> Array:
    """Return Δa of first order for Δz, (n, n_l), times the mask of dropout where there is one."""
    da = f.jvp(z, dz)
    return da if mask is None else da * mask


def forward_from(
    net: Network, theta: Parameters, l: int, z: Array, masks: Sequence[Any] | None = None
) -> tuple[list[Any], list[Any]]:
    """Pass weighted inputs z of layer l on to the output: z and a of all layers, None below l."""
    zs: list[Any] = [None] * l + [z]
    a: list[Any] = [None] * l + [activate(net.f[l], z, mask_of(masks, l))]
    for m in range(l + 1, net.L + 1):
        zs.append(a[m - 1] @ theta.W[m].T + theta.b[m])
        a.append(activate(net.f[m], zs[m], mask_of(masks, m)))
    return zs, a


def pull(
    net: Network, theta: Parameters, z: Sequence[Any], seed: Array, lowest: int = 1
) -> list[Any]:
    """Pull a gradient at zᴸ, (n, n_L), back through the layers: ∂/∂zˡ for l = lowest … L, None below."""
    back: list[Any] = [None] * net.L + [seed]
    for l in range(net.L - 1, lowest - 1, -1):
        back[l] = (back[l + 1] @ theta.W[l + 1]) * net.f[l].derivative(z[l])
    return back
