"""Every activation and cost has the derivative it states, and keeps its head at the extremes."""

import numpy as np
import pytest

import whygrad as wg
from whygrad.nn.functions import (
    ACTIVATIONS,
    CANONICAL_LINKS,
    COSTS,
    DOMAINS,
    canonical_link,
    check_pairing,
    find_cost,
)

UNIT_BY_UNIT = sorted(name for name, f in ACTIVATIONS.items() if f.custom_vjp is None)
# No point is 0, where relu and its kin have a corner.
Z = np.linspace(-8, 8, 160)[:, None]


def central_differences(function, at, h=1e-5):
    return (function(at + h) - function(at - h)) / (2 * h)


@pytest.mark.parametrize("name", UNIT_BY_UNIT)
def test_an_activation_has_the_slope_it_states(name):
    f = ACTIVATIONS[name]
    slope = f.derivative(Z)
    np.testing.assert_allclose(slope, central_differences(f.value, Z), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "softmax"])
def test_kinks_are_where_they_are_stated_and_between_those_of_a_linear_one_all_is_straight(name):
    f, h = ACTIVATIONS[name], 1e-3
    z = np.arange(-4, 4, h) + h / 2  # 0 lies between two of them
    slope = f.derivative(z[None])[0]
    jumps = np.abs(np.diff(slope, 2)) > 1e-4  # of the slope or of its slope: smooth ones leave h²
    found = sorted({round(x, 2) + 0.0 for x in z[1:-1][jumps]})
    assert found == list(f.kinks)
    pieces = np.split(slope, np.searchsorted(z, f.kinks))
    assert f.linear == all(np.ptp(piece) == 0 for piece in pieces)


def test_at_their_corner_relu_is_flat_and_leaky_relu_leaks():
    zero = np.zeros((1, 1))
    assert ACTIVATIONS["relu"].derivative(zero) == 0
    assert ACTIVATIONS["leaky_relu"].derivative(zero) == 0.01


@pytest.mark.parametrize("name", UNIT_BY_UNIT)
def test_an_activation_passes_a_gradient_back_through_its_slope(name):
    f = ACTIVATIONS[name]
    np.testing.assert_array_equal(f.vjp(Z, 3 + Z), (3 + Z) * f.derivative(Z))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_keeps_shape_and_dtype(name, dtype):
    f = ACTIVATIONS[name]
    z = np.linspace(-3, 3, 12).reshape(4, 3).astype(dtype)
    assert f.value(z).dtype == f.derivative(z).dtype == f.vjp(z, z).dtype == dtype
    assert f.value(z).shape == f.vjp(z, z).shape == (4, 3)


SELU_FLOOR = -1.0507009873554805 * 1.6732632423543772
FAR_OUT = {  # f(−1000), f(1000), f′(−1000), f′(1000)
    "identity": (-1000, 1000, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, 1000, 0, 1),
    "leaky_relu": (-10, 1000, 0.01, 1),
    "elu": (-1, 1000, 0, 1),
    "selu": (SELU_FLOOR, 1050.7009873554805, 0, 1.0507009873554805),
    "gelu": (0, 1000, 0, 1),
    "silu": (0, 1000, 0, 1),
    "softplus": (0, 1000, 0, 1),
    "exp": (0, np.inf, 0, np.inf),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNIT_BY_UNIT)
def test_far_out_an_activation_takes_its_limits(name, dtype):
    f, z = ACTIVATIONS[name], np.array([[-1000, 1000]], dtype)
    with np.errstate(over="ignore"):
        got = np.concatenate([f.value(z), f.derivative(z)], axis=None)
    np.testing.assert_allclose(got, FAR_OUT[name], rtol=1e-6)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_nan_is_never_hidden_by_an_activation(name):
    z = np.array([[0.5, np.nan, -0.5]])
    assert np.isnan(ACTIVATIONS[name].value(z)[0, 1])


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu"])
def test_an_infinite_weighted_input_stays_visible(name):
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(ACTIVATIONS[name].value(np.array([[np.inf]])))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_values_lie_in_the_range_that_is_stated(name):
    f = ACTIVATIONS[name]
    a = f.value(np.random.default_rng(0).normal(0, 3, (50, 4)))
    if f.range != "real":
        assert (a > 0).all()
    if f.range in ("unit", "simplex"):
        assert (a < 1).all()
    if f.range == "simplex":
        np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-15)


# ── softmax ──────────────────────────────────────────────────────────────────────────────────────


def test_the_jacobian_of_softmax_is_that_of_its_values():
    f, z = ACTIVATIONS["softmax"], np.random.default_rng(0).normal(size=(5, 4))
    J = f.derivative(z)
    assert J.shape == (5, 4, 4)
    for k in range(4):
        along = np.zeros(4)
        along[k] = 1e-6
        difference = (f.value(z + along) - f.value(z - along)) / 2e-6
        np.testing.assert_allclose(J[:, :, k], difference, atol=1e-9)


def test_softmax_multiplies_by_its_jacobian_without_building_it():
    rng = np.random.default_rng(0)
    f, z, gradient = ACTIVATIONS["softmax"], rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    by_jacobian = np.einsum("nj,njk->nk", gradient, f.derivative(z))
    np.testing.assert_allclose(f.vjp(z, gradient), by_jacobian, rtol=1e-12, atol=1e-15)


def test_softmax_of_huge_values_is_finite():
    a = ACTIVATIONS["softmax"].value(
        np.array([[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -1000.0]])
    )
    np.testing.assert_allclose(a, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


# ── costs ────────────────────────────────────────────────────────────────────────────────────────


def outputs_and_targets(cost):
    """Pairs a, y within the cost's domain, (20, 3) each, away from corners."""
    rng = np.random.default_rng(0)
    a, y = rng.uniform(0.05, 0.95, (20, 3)), rng.uniform(0.05, 0.95, (20, 3))
    if cost.domain == "real":
        a, y = 4 * a - 2, 4 * y - 2
    if cost.domain == "simplex":
        a, y = a / a.sum(axis=1, keepdims=True), y / y.sum(axis=1, keepdims=True)
    return a, y


@pytest.mark.parametrize("name", sorted(COSTS))
def test_a_cost_has_the_derivative_it_states(name):
    cost = COSTS[name]
    a, y = outputs_and_targets(cost)
    for k in range(3):
        along = np.zeros(3)
        along[k] = 1e-6
        difference = (cost.value(a + along, y) - cost.value(a - along, y)) / 2e-6
        np.testing.assert_allclose(cost.derivative(a, y)[:, k], difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(COSTS))
def test_a_cost_is_least_where_the_outputs_are_the_targets(name):
    cost = COSTS[name]
    a, y = outputs_and_targets(cost)
    assert (cost.value(a, y) > cost.value(y, y)).all()


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "poisson"])
def test_a_cost_of_numbers_is_zero_where_they_are_met(name):
    y = np.array([[0.5, 2.0, 3.0]])
    assert COSTS[name].value(y, y) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "poisson"])
def test_a_saturated_output_costs_much_but_not_infinitely_much(name, dtype):
    a, y = np.array([[0, 1]], dtype), np.array([[1, 0]], dtype)
    cost = COSTS[name].value(a, y)
    assert cost.dtype == dtype
    assert 15 < cost[0] < np.inf
    assert np.isfinite(COSTS[name].derivative(a, y)).all()


@pytest.mark.parametrize("name", sorted(COSTS))
def test_nan_is_never_hidden_by_a_cost(name):
    a, y = outputs_and_targets(COSTS[name])
    a[2, 1] = np.nan
    assert np.flatnonzero(np.isnan(COSTS[name].value(a, y))).tolist() == [2]


# ── pairings ─────────────────────────────────────────────────────────────────────────────────────


def short_cuts():
    """Each pairing with a shortcut, and z and y to try it on."""
    rng = np.random.default_rng(0)
    for f, cost in CANONICAL_LINKS:
        y = rng.uniform(size=(6, 3))
        y = y / y.sum(axis=1, keepdims=True) if f == "softmax" else y
        yield pytest.param(ACTIVATIONS[f], COSTS[cost], rng.normal(0, 2, (6, 3)), y, id=f)


@pytest.mark.parametrize(("f", "cost", "z", "y"), list(short_cuts()))
def test_a_shortcut_gives_the_cost_and_the_error_of_the_general_route(f, cost, z, y):
    a = f.value(z)
    np.testing.assert_allclose(canonical_link(f, cost)(z, y), cost.value(a, y), rtol=1e-12)
    np.testing.assert_allclose(a - y, f.vjp(z, cost.derivative(a, y)), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("f", "cost", "z", "y", "expected"),
    [
        ("sigmoid", "binary_cross_entropy", [[-800.0]], [[1.0]], 800),
        ("sigmoid", "binary_cross_entropy", [[800.0]], [[1.0]], 0),
        ("softmax", "cross_entropy", [[0.0, 800.0]], [[1.0, 0.0]], 800),
    ],
)
def test_a_shortcut_loses_no_digits_where_outputs_saturate(f, cost, z, y, expected):
    value = canonical_link(ACTIVATIONS[f], COSTS[cost])
    assert value(np.array(z), np.array(y))[0] == pytest.approx(expected, abs=1e-300)


def test_a_function_of_ones_own_takes_no_shortcut_whatever_its_name():
    doubled = wg.Cost(
        "squared_error", lambda a, y: ((a - y) ** 2).sum(axis=1), lambda a, y: 2 * (a - y)
    )
    assert canonical_link(ACTIVATIONS["identity"], doubled) is None


@pytest.mark.parametrize("cost", sorted(COSTS))
@pytest.mark.parametrize("f", sorted(ACTIVATIONS))
def test_a_pairing_is_admitted_where_the_range_lies_in_the_domain(f, cost):
    f, cost = ACTIVATIONS[f], COSTS[cost]
    if DOMAINS.index(f.range) >= DOMAINS.index(cost.domain):
        check_pairing(f, cost)
    else:
        with pytest.raises(wg.InputError, match="use the output activation"):
            check_pairing(f, cost)


def test_any_object_with_value_and_derivative_is_a_cost():
    class Quartic:
        def value(self, a, y):
            return ((a - y) ** 4).sum(axis=1)

        def derivative(self, a, y):
            return 4 * (a - y) ** 3

    cost = find_cost(Quartic())
    assert cost.name == "Quartic"
    assert cost.derivative(np.array([[3.0]]), np.array([[1.0]])) == 32


def test_an_activation_of_ones_own_trains_like_the_one_it_copies():
    copy = wg.Activation("my_tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2)
    X, Y = np.array([[0.1, 0.7], [0.3, -0.2]]), np.array([0.5, -0.5])
    results = [
        wg.train(
            wg.Network(2, [wg.Dense(3, f, init="glorot_normal"), wg.Dense(1, "identity")]),
            X, Y, optimizer="sgd", epochs=5, batch_size=2, engine="reference",
        ).theta.flat
        for f in (copy, "tanh")
    ]  # fmt: skip
    np.testing.assert_array_equal(*results)
