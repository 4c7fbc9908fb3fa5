"""Parameters start as their initialiser says, and the seed decides every number."""

import numpy as np
import pytest

import whygrad as wg
from whygrad.nn.functions import ACTIVATIONS
from whygrad.nn.network import AUTO, INITIALISER_NAMES

BELOW, UNITS = 300, 500
DEVIATIONS = {
    "glorot": np.sqrt(2 / (BELOW + UNITS)),
    "he": np.sqrt(2 / BELOW),
    "lecun": np.sqrt(1 / BELOW),
    "nielsen": np.sqrt(1 / BELOW),
}
FAMILIES = pytest.mark.parametrize("family", DEVIATIONS)


def layer(weights="auto", biases="auto", activation="tanh", seed=0):
    """W and b of one large layer."""
    theta = wg.Network(BELOW, [wg.Dense(UNITS, activation, weights, biases)]).init(seed)
    return theta.W[1], theta.b[1]


@FAMILIES
def test_a_normal_initialiser_has_its_deviation(family):
    W, _ = layer(f"{family}_normal")
    assert W.std() == pytest.approx(DEVIATIONS[family], rel=0.01)
    assert abs(W.mean()) < 0.02 * W.std()
    assert np.abs(W).max() > 3.5 * W.std()  # tails: it is not a uniform one


@pytest.mark.parametrize("family", ["glorot", "he", "lecun"])
def test_a_uniform_initialiser_has_the_deviation_of_the_normal_one(family):
    W, _ = layer(f"{family}_uniform")
    assert W.std() == pytest.approx(DEVIATIONS[family], rel=0.01)
    bound = np.sqrt(3) * DEVIATIONS[family]
    assert 0.999 * bound < np.abs(W).max() <= bound


def test_the_uniform_initialiser_of_nielsen_fills_one_over_root_n():
    W, b = layer("nielsen_uniform")
    bound = 1 / np.sqrt(BELOW)
    assert 0.999 * bound < np.abs(W).max() <= bound
    assert 0.9 * bound < np.abs(b).max() <= bound


def test_nielsen_draws_biases_of_deviation_one():
    _, b = layer("nielsen_normal")
    assert b.std() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("weights", ["glorot_uniform", "he_normal", "lecun_normal", "zeros"])
def test_other_biases_start_at_zero(weights):
    assert not layer(weights)[1].any()


def test_biases_can_be_zero_beside_the_weights_of_nielsen():
    assert not layer("nielsen_normal", biases="zeros")[1].any()


def test_zeros_are_zeros():
    assert not layer("zeros")[0].any()


def test_a_range_is_filled_uniformly():
    W, b = layer(wg.Uniform(-0.3, 0.5), wg.Uniform(2, 3))
    assert -0.3 <= W.min() < -0.299
    assert 0.499 < W.max() <= 0.5
    assert W.mean() == pytest.approx(0.1, abs=0.01)
    assert b.min() >= 2
    assert b.max() <= 3


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS)))
def test_auto_picks_by_activation(activation):
    expected = {"relu": "he_normal", "selu": "lecun_normal", "sigmoid": "glorot_uniform"}
    name = AUTO.get(activation, "glorot_uniform")
    assert name in INITIALISER_NAMES
    assert name == expected.get(activation, name)
    np.testing.assert_array_equal(layer("auto", activation=activation)[0], layer(name)[0])


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    np.testing.assert_array_equal(layer(seed=7)[0], layer(seed=7)[0])
    assert (layer(seed=7)[0] != layer(seed=8)[0]).mean() > 0.99


def test_layers_of_one_seed_are_not_alike():
    theta = wg.Network(4, [wg.Dense(4, "tanh"), wg.Dense(4, "tanh")]).init(0)
    assert not np.isclose(theta.W[1], theta.W[2]).any()


def test_a_layer_keeps_its_numbers_when_another_one_follows():
    one = wg.Network(4, [wg.Dense(3, "tanh")]).init(0)
    two = wg.Network(4, [wg.Dense(3, "tanh"), wg.Dense(2, "tanh")]).init(0)
    np.testing.assert_array_equal(one.W[1], two.W[1])


def test_float32_starts_at_the_same_numbers_rounded():
    net = wg.Network(4, [wg.Dense(3, "tanh", "nielsen_normal")])
    np.testing.assert_array_equal(net.init(0, np.float32).flat, net.init(0).flat.astype(np.float32))


def test_given_arrays_replace_what_would_be_drawn():
    net = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(1, "tanh")])
    theta = net.init(W=[None, [[1, 2], [3, 4]]], b=[None, None, [5]])
    assert theta.W[1].tolist() == [[1, 2], [3, 4]]
    assert theta.b[2].tolist() == [5]
    np.testing.assert_array_equal(theta.W[2], net.init().W[2])


def test_matrices_are_views_of_the_flat_vector():
    theta = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(1, "tanh")]).init()
    theta.W[2][0, 1] = 42
    theta.b[1][:] = -1
    assert theta.flat[[4, 5, 7]].tolist() == [-1, -1, 42]
    assert theta.copy().W[2].base is not theta.W[2].base
