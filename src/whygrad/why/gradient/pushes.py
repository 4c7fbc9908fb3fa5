"""Per-example gradients: ∂C_x/∂Wˡⱼₖ of every example by itself, as an array.

    push[i, j, k] = δˡᵢⱼ aˡ⁻¹ᵢₖ

The gradient of a batch is their weighted mean, plus the penalties' derivative (BP3, BP4).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.names import Names, check_layer
from whygrad.nn import Array, Network, Parameters, dense
from whygrad.why.context import Context, ask


def pushes(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    layer: int,
    to: Any = slice(None),
    from_: Any = slice(None),
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
) -> Array:
    """Per-example gradients: return ∂C_x/∂W of every example and every weight of a layer.

        push[i, j, k] = δˡᵢⱼ aˡ⁻¹ᵢₖ

    The gradient of a batch is their weighted mean, plus the derivatives of the penalties (BP3, BP4).

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters θ.
    X : array-like or sparse matrix, shape (n, n_0)
        The examples, one a row.
    Y : array-like, shape (n, n_L) or (n,)
        Their targets, or class indices.
    layer : int
        The layer l, 1 to L.
    to, from_ : int, str, slice or list
        Units of layer l and of the layer below, by index or name; all by default. A single unit drops its
        axis. `from_="bias"` or None stands for the biases. Nothing else is computed.
    masks : sequence of arrays, optional
        Factors of dropout by layer, (n, n_l) or None each, as `forward` takes them.
    names : Names, optional
        What inputs, outputs and classes are called.

    Returns
    -------
    array, shape (n, n_l, n_{l-1})
        In cost per unit of weight, not divided by n and without penalties; (n, n_l) for the biases.

    Raises
    ------
    InputError
        For a layer or unit that is not there, and for shapes that do not fit the network.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> theta = net.init(W=[None, [[1.0, -1.0]]])
    >>> pushes(net, theta, [[1.0, 2.0], [0.0, 1.0]], [[0.0], [0.0]], layer=1)
    array([[[-1., -2.]],
    <BLANKLINE>
           [[-0., -1.]]])
    >>> pushes(net, theta, [[1.0, 2.0], [0.0, 1.0]], [[0.0], [0.0]], layer=1, to=0, from_=1)
    array([-2., -1.])
    """
    l = check_layer(net, layer)
    context = ask(net, theta, X, Y, masks=masks, names=names)
    j = _chosen(context, l, to)
    delta: Array = context.delta[l][:, j]
    if from_ is None or (isinstance(from_, str) and from_ == "bias"):
        return delta.copy()
    k = _chosen(context, l - 1, from_)
    below = context.trace.a[l - 1]
    columns = dense(below[:, [k] if isinstance(k, int) else k])
    a = columns[:, 0] if isinstance(k, int) else columns
    if delta.ndim == 1:
        found = delta.reshape(-1, *[1] * (a.ndim - 1)) * a
    else:
        found = delta[:, :, None] * a[:, None, :] if a.ndim == 2 else delta * a[:, None]
    mask = net.kept[l]
    return found if mask is None else np.where(mask[j][..., k], found, 0)


def _chosen(context: Context, l: int, units: Any) -> Any:
    """Return an index for one unit, else a slice or a list of indices."""
    if isinstance(units, slice):
        return units
    if isinstance(units, Sequence | np.ndarray) and not isinstance(units, str):
        return [
            context.names.find(context.net, l, unit) for unit in np.asarray(units, object).tolist()
        ]
    return context.names.find(context.net, l, units)
