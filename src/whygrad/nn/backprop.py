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

from whygrad.nn.arrays import as_inputs, as_sample_weight, as_targets, check_fit, check_trace
from whygrad.nn.functions import Array, namespace
from whygrad.nn.network import Gradients, Network, Parameters
from whygrad.nn.pairings import output_costs, output_error


@dataclass(frozen=True, eq=False)
class Trace:
    """What one pass through the network computed, for n examples.

    z[l], a[l] and delta[l] have shape (n, n_l); a[0] is the input, z[0] and delta[0] are None. `delta` is
    None before `backward`. `masks` are the factors of dropout, by layer, or None.
    """

    z: tuple[Any, ...]
    a: tuple[Any, ...]
    delta: Any = None
    masks: Sequence[Any] | None = field(default=None, repr=False)


def forward(net: Network, theta: Parameters, X: Any, masks: Sequence[Any] | None = None) -> Trace:
    """Pass examples forward: zˡ = Wˡ aˡ⁻¹ + bˡ, aˡ = f_l(zˡ).

    X has shape (n, n_0), or n examples of any shape with n_0 numbers each; it may be sparse (SciPy). Where
    `masks` are given, masks[l] of shape (n, n_l) multiplies a[l]. Raises `InputError` for shapes that do
    not fit and for NaN or infinity in X.

    >>> net, theta = _example()
    >>> forward(net, theta, [[1.0, 2.0]]).z[1]
    array([[-1.]])
    """
    check_fit(net, theta)
    W, b, f = theta.W, theta.b, net.f
    z: list[Any] = [None]
    a: list[Any] = [as_inputs(net, X)]
    for l in range(1, net.L + 1):
        z.append(a[l - 1] @ W[l].T + b[l])
        a.append(f[l].value(z[l]))
        if masks is not None and masks[l] is not None:
            a[l] = a[l] * masks[l]
    return Trace(tuple(z), tuple(a), masks=masks)


def backward(net: Network, theta: Parameters, trace: Trace, Y: Any) -> Trace:
    """Pass the error backwards (BP1, BP2): give the trace with delta[l] = ∂C_x/∂z[l], (n, n_l).

    Y has shape (n, n_L). delta is the error of every neuron for each example by itself, in cost per unit
    of z, not divided by n.

    >>> net, theta = _example()
    >>> backward(net, theta, forward(net, theta, [[1.0, 2.0]]), [[0.5]]).delta[1]
    array([[-1.5]])
    """
    check_fit(net, theta)
    check_trace(trace)
    W, f, z, a, masks = theta.W, net.f, trace.z, trace.a, trace.masks
    L = net.L
    y = as_targets(net, Y, len(a[L]))
    delta: list[Any] = [None] * (L + 1)
    delta[L] = output_error(f[L], net.C, z[L], a[L], y)
    for l in range(L - 1, 0, -1):
        blame = delta[l + 1] @ W[l + 1]
        if masks is not None and masks[l] is not None:
            blame = blame * masks[l]
        delta[l] = blame * f[l].derivative(z[l])
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

    ∂C/∂Wˡ = δˡᵀ (s aˡ⁻¹) / S + λ₁ sign Wˡ + λ₂ Wˡ, ∂C/∂bˡ = Σ s δˡ / S, with S = Σ s. `sample_weight` are s,
    shape (n,), 1 where not given. Needs a trace from `backward`.

    >>> net, theta = _example()
    >>> trace = backward(net, theta, forward(net, theta, [[1.0, 2.0]]), [[0.5]])
    >>> gradients(net, theta, trace).dW[1]
    array([[-1.5, -3. ]])
    """
    check_trace(trace, delta=True)
    a, delta = trace.a, trace.delta
    s = as_sample_weight(sample_weight, len(delta[net.L]))
    xp = namespace(delta[net.L])
    S = len(delta[net.L]) if s is None else s.sum() + (s.sum() == 0)  # never 0: then every s is
    parts = []
    for l in range(1, net.L + 1):
        d = delta[l] if s is None else delta[l] * s[:, None]
        dW = d.T @ a[l - 1] / S + l1 * xp.sign(theta.W[l]) + l2 * theta.W[l]
        db = d.sum(axis=0) / S
        parts += [dW.reshape(-1), db]
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
) -> Any:
    """Return the cost that `gradients` is the derivative of: Σ s C_x / S + λ₁ Σ|W| + ½ λ₂ Σ W²."""
    C_x = example_costs(net, trace, Y)
    s = as_sample_weight(sample_weight, len(C_x))
    C = C_x.mean() if s is None else (s * C_x).sum() / (s.sum() + (s.sum() == 0))
    xp = namespace(C_x)
    for W in theta.W[1:]:
        C = C + l1 * xp.abs(W).sum() + l2 / 2 * (W * W).sum()
    return C


def _example() -> tuple[Network, Parameters]:
    """Return a network of one unit, for the examples above."""
    from whygrad.nn.network import Dense

    net = Network(2, (Dense(1, "identity"),))
    return net, net.init(W=[None, [[1.0, -1.0]]])
