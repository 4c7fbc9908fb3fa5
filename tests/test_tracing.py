"""The four equations run unchanged under another array library, and under its compiler."""

from importlib.util import find_spec

import numpy as np
import pytest

import whygrad as wg
from comparisons import assert_close, backpropagate
from networks import HIDDEN, PAIRINGS, make_case

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: make peers")


@pytest.fixture
def jax():
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def under_compiler(jax, case):
    """Cost, δ and gradient of a case, traced and compiled."""
    net, sizes = case.net, case.sizes

    @jax.jit
    def backpropagate(flat, X, Y, sample_weight):
        theta = wg.Parameters(sizes, flat)
        trace = wg.backward(net, theta, wg.forward(net, theta, X), Y)
        options = {"sample_weight": sample_weight, "l1": case.l1, "l2": case.l2}
        grads = wg.gradients(net, theta, trace, **options)
        return wg.cost(net, theta, trace, Y, **options), trace.delta[1:], grads.flat

    return backpropagate(*map(jax.numpy.asarray, (case.flat, case.X, case.Y, case.sample_weight)))


def check(jax, hidden, output, cost):
    case = make_case((2, 3, 2), (hidden, output), cost, weighted=True, l1=0.01, l2=0.1, seed=1)
    ours = backpropagate(case)
    C, delta, flat = under_compiler(jax, case)
    assert_close("cost", float(C), ours.cost)
    for layer, theirs in enumerate(delta, start=1):
        assert_close(f"delta[{layer}]", ours.delta[layer], np.asarray(theirs))
    mine = np.concatenate(
        [np.ravel(g) for pair in zip(ours.dW[1:], ours.db[1:], strict=True) for g in pair]
    )
    assert_close("gradient", mine, np.asarray(flat))


@needs_jax
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_compiler_can_trace_every_hidden_activation(hidden, jax):
    check(jax, hidden, "identity", "squared_error")


@needs_jax
@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_a_compiler_can_trace_every_pairing(output, cost, jax):
    check(jax, "tanh", output, cost)


@needs_jax
def test_the_gradient_is_that_of_automatic_differentiation(jax):
    case = make_case(
        (3, 4, 4, 2), ("tanh", "gelu", "softmax"), "cross_entropy", weighted=True, l2=0.1
    )
    net = case.net

    def cost(flat):
        theta = wg.Parameters(case.sizes, flat)
        trace = wg.forward(net, theta, jax.numpy.asarray(case.X))
        return wg.cost(net, theta, trace, jax.numpy.asarray(case.Y), case.sample_weight, l2=case.l2)

    assert_close(
        "gradient", under_compiler(jax, case)[2], jax.grad(cost)(jax.numpy.asarray(case.flat))
    )
