"""Backpropagation: the forward pass and the four equations, for dense layers.

    zˡ = Wˡ aˡ⁻¹ + bˡ,   aˡ = f_l(zˡ)
    BP1  δᴸ = ∇ₐC ⊙ f′(zᴸ)
    BP2  δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ f′(zˡ)
    BP3  ∂C/∂bˡⱼ = δˡⱼ
    BP4  ∂C/∂Wˡⱼₖ = aˡ⁻¹ₖ δˡⱼ

Examples are rows, so that Wˡ aˡ⁻¹ reads `a[l-1] @ W[l].T`. δ is ∂C_x/∂z of each example by itself; only
`gradients` takes the mean. After Rumelhart, Hinton & Williams, Nature 323 (1986), and Nielsen, Neural
Networks and Deep Learning (2015), chapter 2; our layer l is their l + 1, since the input is our layer 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from whygrad import handed
from whygrad.nn.arrays import as_inputs, as_sample_weight, as_targets, check_fit, check_trace
from whygrad.nn.functions import Array, namespace
from whygrad.nn.network import Gradients, Network, Parameters
from whygrad.nn.pairings import output_costs, output_error
from whygrad.nn.products import as_multiplied, operand


@dataclass(frozen=True, eq=False)
class Trace:
    """What one pass through the network computed, for n examples.

    Parameters
    ----------
    z : tuple of ndarray
        Weighted inputs, z[l] of shape (n, n_l); z[0] is None.
    a : tuple of ndarray
        Activations, a[l] of shape (n, n_l); a[0] is the input.
    delta : tuple of ndarray, or None
        Errors δ, delta[l] of shape (n, n_l), in cost per unit of z; delta[0] is None. None altogether
        before `backward`.
    masks : sequence of ndarray, or None
        The factors of dropout, by layer.
    products : str or None
        What operands are rounded to, where they are (`nn.products`): then a[l] and delta[l] are as products
        took them; the outputs a[L] are none of these operands.
    """

    z: tuple[Any, ...]
    a: tuple[Any, ...]
    delta: Any = None
    masks: Sequence[Any] | None = field(default=None, repr=False)
    products: str | None = None

    def _repr_html_(self) -> str | None:
        """Show activations and errors in a notebook."""
        return handed.card(self) if handed.card else None


def forward(
    net: Network,
    theta: Parameters,
    X: Any,
    masks: Sequence[Any] | None = None,
    products: str | None = None,
) -> Trace:
    """Pass examples forward: zˡ = Wˡ aˡ⁻¹ + bˡ, aˡ = f_l(zˡ).

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its weights and biases.
    X : array-like or sparse matrix of shape (n, n_0)
        Inputs; or n examples of any shape with n_0 numbers each.
    masks : sequence of ndarray, optional
        Factors of dropout: masks[l] of shape (n, n_l) multiplies a[l]; None for a layer without.
    products : {None, "bfloat16"}
        What the operands of matrix products are rounded to, if anything.

    Returns
    -------
    Trace
        z[l] and a[l] of every layer.

    Raises
    ------
    InputError
        For shapes that do not fit, and for NaN or infinity in X.

    Examples
    --------
    >>> net, theta = _example()
    >>> forward(net, theta, [[1.0, 2.0]]).z[1]
    array([[-1.]])
    """
    check_fit(net, theta)
    W, b, f = as_multiplied(theta, products).W, theta.b, net.f
    z: list[Any] = [None]
    a: list[Any] = [operand(products, as_inputs(net, X))]
    for l in range(1, net.L + 1):
        z.append(a[l - 1] @ W[l].T + b[l])
        a.append(f[l].value(z[l]))
        if masks is not None and masks[l] is not None:
            a[l] = a[l] * masks[l]
        if l < net.L:
            a[l] = operand(products, a[l])
    return Trace(tuple(z), tuple(a), masks=masks, products=products)


def backward(
    net: Network, theta: Parameters, trace: Trace, Y: Any, sample_weight: Any = None
) -> Trace:
    """Pass the error backward (BP1, BP2): δˡ = ∂C_x/∂zˡ of every layer.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its weights and biases.
    trace : Trace
        What `forward` returned.
    Y : array-like of shape (n, n_L) or (n,)
        Targets; classes 0 … n_L − 1 where they are whole numbers, one per example.
    sample_weight : array-like of shape (n,), optional
        What multiplies the error of each example, before it is rounded for a product; nothing by default.

    Returns
    -------
    Trace
        The same with delta[l] of shape (n, n_l): the error of every neuron for each example by itself, in
        cost per unit of z, not divided by n.

    Examples
    --------
    >>> net, theta = _example()
    >>> backward(net, theta, forward(net, theta, [[1.0, 2.0]]), [[0.5]]).delta[1]
    array([[-1.5]])
    """
    check_fit(net, theta)
    check_trace(trace)
    W, f = as_multiplied(theta, trace.products).W, net.f
    z, a, masks, L = trace.z, trace.a, trace.masks, net.L
    y, s = as_targets(net, Y, len(a[L])), as_sample_weight(sample_weight, len(a[L]))
    delta: list[Any] = [None] * (L + 1)
    delta[L] = output_error(f[L], net.C, z[L], a[L], y)
    if s is not None:
        delta[L] = delta[L] * s[:, None]
    delta[L] = operand(trace.products, delta[L])
    for l in range(L - 1, 0, -1):
        error = delta[l + 1] @ W[l + 1]
        if masks is not None and masks[l] is not None:
            error = error * masks[l]
        delta[l] = error * f[l].derivative(z[l])
        delta[l] = operand(trace.products, delta[l])
    return replace(trace, delta=tuple(delta))


def gradients(
    net: Network,
    theta: Parameters,
    trace: Trace,
    sample_weight: Any = None,
    l1: float = 0,
    l2: float = 0,
) -> Gradients:
    """Take the weighted mean over the examples (BP3, BP4) and add the penalties' derivatives.

        ∂C/∂Wˡ = δˡᵀ (s aˡ⁻¹) / S + λ₁ sign Wˡ + λ₂ Wˡ,   ∂C/∂bˡ = Σ s δˡ / S,   S = Σ s

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its weights and biases.
    trace : Trace
        What `backward` returned.
    sample_weight : array-like of shape (n,), optional
        s, how much each example counts; 1 where not given.
    l1, l2 : float, default 0
        The strengths λ₁ and λ₂ of the penalties.

    Returns
    -------
    Gradients
        ∂C/∂W as dW[l] and ∂C/∂b as db[l], in cost per unit of the parameter; 0 where the mask of a layer
        leaves a weight out.

    Raises
    ------
    InputError
        For a trace that has not been through `backward`.

    Examples
    --------
    >>> net, theta = _example()
    >>> trace = backward(net, theta, forward(net, theta, [[1.0, 2.0]]), [[0.5]])
    >>> gradients(net, theta, trace).dW[1]
    array([[-1.5, -3. ]])
    """
    check_trace(trace, delta=True)
    s = as_sample_weight(sample_weight, len(trace.delta[net.L]))
    S = (
        len(trace.delta[net.L]) if s is None else s.sum() + (s.sum() == 0)
    )  # never 0: then every s is
    return mean_gradient(net, theta, gradient_sums(net, trace, s), S, l1, l2)


def gradient_sums(net: Network, trace: Trace, s: Array | None = None) -> Gradients:
    """Return Σ s δˡ aˡ⁻¹ᵀ and Σ s δˡ of the examples of a trace: their gradients, added up."""
    a, delta, parts = trace.a, trace.delta, []
    for l in range(1, net.L + 1):
        d = delta[l] if s is None else delta[l] * s[:, None]
        dW = d.T @ a[l - 1]
        db = d.sum(axis=0)
        parts += [dW.reshape(-1), db]
    return Gradients(net.sizes, namespace(parts[0]).concatenate(parts))


def mean_gradient(
    net: Network, theta: Parameters, sums: Gradients, S: Any, l1: Any = 0, l2: Any = 0
) -> Gradients:
    """Return the gradient of the cost from the sums over its examples: over S, with the penalties' own."""
    xp, parts = namespace(sums.flat), []
    for l in range(1, net.L + 1):
        mean = sums.dW[l] / S + l1 * xp.sign(theta.W[l]) + l2 * theta.W[l]
        if net.kept[l] is not None:
            mean = xp.where(net.kept[l], mean, 0)
        parts += [mean.reshape(-1), sums.db[l] / S]
    return Gradients(net.sizes, xp.concatenate(parts))


def example_costs(net: Network, trace: Trace, Y: Any) -> Array:
    """Return the cost C_x of each example, shape (n,), without penalties."""
    check_trace(trace)
    z, a = trace.z[-1], trace.a[-1]
    y = as_targets(net, Y, len(a))
    return output_costs(net.f[net.L], net.C, z, a, y)


def cost(
    net: Network,
    theta: Parameters,
    trace: Trace,
    Y: Any,
    sample_weight: Any = None,
    l1: float = 0,
    l2: float = 0,
) -> float:
    """Return the cost that `gradients` is the derivative of: Σ s C_x / S + λ₁ Σ|W| + ½ λ₂ Σ W².

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its weights and biases.
    trace : Trace
        What `forward` returned.
    Y : array-like of shape (n, n_L) or (n,)
        Targets.
    sample_weight : array-like of shape (n,), optional
        s, how much each example counts; 1 where not given.
    l1, l2 : float, default 0
        The strengths λ₁ and λ₂ of the penalties.

    Returns
    -------
    float
        The mean cost of the examples, penalties included.

    Examples
    --------
    >>> net, theta = _example()
    >>> float(cost(net, theta, forward(net, theta, [[1.0, 2.0]]), [[0.5]]))
    1.125
    """
    C_x = example_costs(net, trace, Y)
    s = as_sample_weight(sample_weight, len(C_x))
    C = C_x.mean() if s is None else (s * C_x).sum() / (s.sum() + (s.sum() == 0))
    return C + penalty(theta, l1, l2)


def penalty(theta: Parameters, l1: Any = 0, l2: Any = 0) -> Any:
    """Return what the penalties add to the cost: λ₁ Σ|W| + ½ λ₂ Σ W²."""
    xp, added = namespace(theta.flat), 0.0
    for W in theta.W[1:]:
        added = added + l1 * xp.abs(W).sum() + l2 / 2 * (W * W).sum()
    return added


def _example() -> tuple[Network, Parameters]:
    """Return a network of one unit, for the examples above."""
    from whygrad.nn.network import Dense

    net = Network(2, (Dense(1, "identity"),))
    return net, net.init(W=[None, [[1.0, -1.0]]])
