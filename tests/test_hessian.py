"""The Hessian times a direction is the derivative of the gradient along it, and its pass is exact."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

import whygrad as wg
from networks import HIDDEN, PAIRINGS, cases, make_case
from test_tracing import needs_jax
from whygrad.nn import hessian_times
from whygrad.nn.functions import ACTIVATIONS, COSTS

random_networks = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def gradient(case, flat):
    net, theta = case.net, wg.Parameters(case.sizes, flat)
    trace = wg.backward(net, theta, wg.forward(net, theta, case.X, masks=case.masks), case.Y)
    return trace, wg.gradients(net, theta, trace, case.sample_weight, 0, case.l2).flat


def along(case, v):
    """What the package says of a case along v."""
    trace, _ = gradient(case, case.flat)
    direction = wg.Parameters(case.sizes, v)
    return hessian_times(
        case.net, case.theta, trace, case.Y, direction, case.sample_weight, case.l2
    )


def direction_of(case, seed=1):
    return np.random.default_rng(seed).normal(size=case.flat.shape)


def differenced(case, v, h=1e-4):
    """H v from gradients on both sides, with the error that halving the step shows; None across a kink."""
    sides = [gradient(case, case.flat + by * v) for by in (h, -h, h / 2, -h / 2)]
    kinks = [
        [*(z > 0 for z in trace.z[1:]), trace.a[-1] > case.Y, abs(trace.a[-1] - case.Y) < 1]
        for trace, _ in sides
    ]
    if any((x != y).any() for other in kinks[1:] for x, y in zip(kinks[0], other, strict=True)):
        return None
    whole, half = (sides[i][1] - sides[i + 1][1] for i in (0, 2))
    whole, half = whole / (2 * h), half / h
    best = (4 * half - whole) / 3
    return best, 1e-7 * (1 + abs(best).max()) + abs(best - half)


def assert_is_the_change_of_the_gradient(case):
    v = direction_of(case)
    expected = differenced(case, v)
    assume(expected is not None)
    best, error = expected
    assert (abs(along(case, v).product.flat - best) <= error).all()


EVERY = [(hidden, *PAIRINGS[i % len(PAIRINGS)]) for i, hidden in enumerate(HIDDEN)]
EVERY += [("tanh", *pairing) for pairing in PAIRINGS]


@pytest.mark.parametrize(("hidden", "output", "cost"), EVERY)
def test_every_activation_and_pairing_has_the_curvature_of_its_gradient(hidden, output, cost):
    units = 3 if output == "softmax" else 2
    for seed in range(5):
        case = make_case(
            (2, 3, 2, units), (hidden, hidden, output), cost, weighted=True, l2=0.1, masked=True, seed=seed
        )  # fmt: skip
        expected = differenced(case, direction_of(case))
        if expected is not None:
            best, error = expected
            assert (abs(along(case, direction_of(case)).product.flat - best) <= error).all()
            return
    raise AssertionError("five networks have a kink in the way")


@random_networks
@given(case=cases(zero_biases=False))
def test_a_random_network_has_the_curvature_of_its_gradient(case):
    assert_is_the_change_of_the_gradient(case)


@needs_jax
@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_a_pairing_has_the_curvature_that_jax_derives_from_the_gradient(output, cost):
    import jax

    case = make_case((3, 4, 3), ("tanh", output), cost, weighted=True, l2=0.1, n=5)
    v = direction_of(case)
    with jax.enable_x64(True):
        net = case.net

        def of(flat):
            theta = wg.Parameters(case.sizes, flat)
            trace = wg.backward(
                net, theta, wg.forward(net, theta, jax.numpy.asarray(case.X)), case.Y
            )
            return wg.gradients(
                net, theta, trace, jax.numpy.asarray(case.sample_weight), 0, 0.1
            ).flat

        _, expected = jax.jvp(of, (jax.numpy.asarray(case.flat),), (jax.numpy.asarray(v),))
    found = along(case, v).product.flat
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * abs(found).max())


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_two_directions_meet_the_same_curvature_from_either_side(output, cost):
    case = make_case((3, 4, 3), ("silu", output), cost, n=5)
    u, v = direction_of(case, 1), direction_of(case, 2)
    there, back = u @ along(case, v).product.flat, v @ along(case, u).product.flat
    assert there == pytest.approx(back, rel=1e-11)


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_the_slope_of_an_example_is_its_own_gradient_along_the_direction(output, cost):
    case = make_case((3, 4, 3), ("gelu", output), cost, n=4, masked=True, l2=0.3)
    v = direction_of(case)
    slopes = along(case, v).slopes
    for i in range(4):
        masks = case.masks and tuple(m if m is None else m[i : i + 1] for m in case.masks)
        one = replace(case, X=case.X[i : i + 1], Y=case.Y[i : i + 1], masks=masks, l2=0.0)
        assert slopes[i] == pytest.approx(gradient(one, case.flat)[1] @ v, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("name", [name for name in HIDDEN if ACTIVATIONS[name].second_derivative])
def test_f_without_a_second_derivative_is_differenced(name):
    z, g, dz = np.random.default_rng(0).normal(size=(3, 6, 4)) + 0.01
    f = ACTIVATIONS[name]
    own = replace(f, second_derivative=None)
    np.testing.assert_allclose(own.bend(z, g, dz), f.bend(z, g, dz), rtol=1e-6, atol=1e-8)


def test_softmax_without_its_own_bend_is_differenced():
    z, g, dz = np.random.default_rng(0).normal(size=(3, 6, 4))
    f = ACTIVATIONS["softmax"]
    own = replace(f, custom_bend=None)
    np.testing.assert_allclose(own.bend(z, g, dz), f.bend(z, g, dz), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(COSTS))
def test_a_cost_without_a_second_derivative_is_differenced(name):
    a, y, da = np.random.default_rng(0).uniform(0.1, 0.8, size=(3, 6, 4))
    C = COSTS[name]
    np.testing.assert_allclose(
        replace(C, second_derivative=None).change(a, y, da),
        C.change(a, y, da),
        rtol=1e-6,
        atol=1e-8,
    )


def test_a_direction_of_other_shape_is_refused():
    case = make_case((3, 4, 3), ("tanh", "softmax"), "cross_entropy")
    trace, _ = gradient(case, case.flat)
    with pytest.raises(wg.InputError, match="layers of"):
        hessian_times(case.net, case.theta, trace, case.Y, wg.Parameters((1, 1), np.zeros(2)))


def test_a_trace_without_errors_is_refused():
    case = make_case((3, 4, 3), ("tanh", "softmax"), "cross_entropy")
    trace = wg.forward(case.net, case.theta, case.X)
    with pytest.raises(wg.InputError, match="backward"):
        hessian_times(case.net, case.theta, trace, case.Y, case.theta)


def test_the_weights_that_a_mask_leaves_out_have_no_curvature():
    mask = [[1, 0], [0, 1], [1, 1]]
    net = wg.Network(2, [wg.Dense(3, "tanh", mask=mask), wg.Dense(2)])
    draws = np.random.default_rng(0)
    X, Y = draws.normal(size=(5, 2)), draws.normal(size=(5, 2))
    theta, v, h = net.init(seed=0), net.init(seed=1), 1e-5

    def gradient_at(flat):
        there = wg.Parameters(net.sizes, flat)
        trace = wg.backward(net, there, wg.forward(net, there, X), Y)
        return trace, wg.gradients(net, there, trace, l2=0.1).flat

    trace, _ = gradient_at(theta.flat)
    sides = [gradient_at(theta.flat + by * v.flat)[1] for by in (h, -h)]
    product = hessian_times(net, theta, trace, Y, v, l2=0.1).product.flat
    np.testing.assert_allclose(product, (sides[0] - sides[1]) / (2 * h), rtol=1e-6, atol=1e-9)
    assert not product[net.masked].any()
