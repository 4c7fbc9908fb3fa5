"""Masks of dropout are counted, not drawn: a pure function of seed, step, layer, example and unit."""

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from kernels import from_python
from whygrad.plan.dropout import key, mask, threshold
from whygrad.plan.plan import Plan

EXAMPLES = np.arange(2000)
HERE = {"seed": 5, "step": 17, "layer": 2}
RATES = [0.01, 0.2, 0.5, 0.9]

# Seed 0, step 0, layer 1, and a far one; the masks of three examples.
KEYS = 0xF89A2566B5822C54, 0xB8F02E6B18447E4F
BITS = ["0010011101001011", "1101010111100010", "0101101000111011"]


def kept(examples=EXAMPLES, units=50, rate=0.5, **counters):
    return mask(**(HERE | counters), examples=examples, units=units, rate=rate) > 0


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_a_mask_is_a_pure_function_of_its_counters():
    np.testing.assert_array_equal(kept(), kept())


def test_an_example_has_its_mask_wherever_it_stands_in_a_batch_and_whatever_else_does():
    whole = kept()
    np.testing.assert_array_equal(kept(EXAMPLES[::-7]), whole[::-7])
    np.testing.assert_array_equal(kept(np.array([1999], np.int32)), whole[1999:])


def test_a_unit_has_its_mask_however_many_there_are_beside_it():
    np.testing.assert_array_equal(kept(units=9), kept()[:, :9])


@pytest.mark.parametrize("rate", RATES)
def test_units_are_kept_as_often_as_the_rate_says_and_their_mean_stays(rate):
    factors = mask(**HERE, examples=EXAMPLES, units=50, rate=rate)
    assert set(np.unique(factors)) == {0.0, 1 / (1 - rate)}
    error = 5 * np.sqrt(rate / (1 - rate) / factors.size)
    assert abs(factors.mean() - 1) < error
    assert abs(factors.mean(axis=0) - 1).max() < error * np.sqrt(50)  # every unit
    assert abs(factors.mean(axis=1) - 1).max() < error * np.sqrt(2000)  # and every example


def test_the_share_that_is_kept_is_met_to_32_bits():
    assert threshold(0.0) == 2**32
    assert threshold(0.25) == 3 * 2**30


# Of 100,000 cases a correlation of five standard deviations is 0.016.
@pytest.mark.parametrize(
    "counters",
    [{"seed": 6}, {"step": 18}, {"layer": 3}, {"seed": 17, "step": 5}, {"step": 2, "layer": 17}],
    ids=str,
)
def test_another_seed_step_or_layer_has_a_mask_of_its_own(counters):
    assert abs(correlation(kept(), kept(**counters))) < 0.016


@pytest.mark.parametrize("distance", [1, 2, 8, 1000])
def test_examples_that_follow_each_other_have_masks_of_their_own(distance):
    drawn = kept()
    assert abs(correlation(drawn[distance:], drawn[:-distance])) < 0.025


@pytest.mark.parametrize("distance", [1, 2, 16])
def test_units_beside_each_other_have_masks_of_their_own(distance):
    drawn = kept()
    assert abs(correlation(drawn[:, distance:], drawn[:, :-distance])) < 0.025


def test_an_example_at_one_unit_is_not_its_neighbour_at_the_next():
    drawn = kept()
    assert abs(correlation(drawn[1:, :-1], drawn[:-1, 1:])) < 0.025
    assert abs(correlation(drawn[:-1, :-1], drawn[1:, 1:])) < 0.025


def test_dropout_have_the_known_bits():
    """A replay of an old run depends on these numbers: they never change."""
    assert key(0, 0, 1) == KEYS[0]
    assert key(2**70 + 3, 10**6, 4) == KEYS[1]
    drawn = mask(seed=1, step=2, layer=3, examples=np.arange(3), units=16, rate=0.5) > 0
    assert ["".join("01"[int(k)] for k in row) for row in drawn] == BITS


def test_a_plan_has_masks_for_the_layers_with_dropout_only():
    layers = [wg.Dense(4, "relu", dropout=0.5), wg.Dense(3, "relu"), wg.Dense(1, "identity")]
    plan = Plan(wg.Network(2, layers), wg.SGD(0.1), n=10, batch_size=10, dtype="float32")
    _, first, second, third = plan.masks(3, np.arange(10))
    assert first.shape == (10, 4)
    assert first.dtype == np.float32
    assert second is third is None
    without = [wg.Dense(1, "identity")]
    assert Plan(wg.Network(2, without), wg.SGD(0.1), n=10, batch_size=10).masks(3, []) is None


def test_predicting_leaves_no_unit_out():
    X, Y = np.random.default_rng(0).normal(size=(20, 2)), np.zeros(20)
    net = wg.Network(2, [wg.Dense(5, "tanh", dropout=0.5), wg.Dense(1, "identity")])
    fitted = wg.train(net, X, Y, epochs=2, engine="reference")
    W, b = fitted.theta.W, fitted.theta.b
    np.testing.assert_allclose(fitted.predict(X), np.tanh(X @ W[1].T + b[1]) @ W[2].T + b[2])


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", RATES)
def test_native_masks_are_the_same_bit_for_bit(rate, dtype):
    from whygrad.engines.native.dropout import following, lay_mask

    order = np.random.default_rng(0).permutation(999).astype(np.int32)
    order.flags.writeable = False
    for seed, step, layer, units in [
        (0, 0, 1, 1),
        (7, 123456789, 2, 33),
        (2**64 - 1, 2**40, 9, 130),
    ]:
        number = np.uint64(0)
        for counter in (seed, step, layer):
            number = np.uint64(from_python(following)(number, np.uint64(counter)))
        assert number == key(seed, step, layer)
        drawn = np.empty(20 * units, dtype)
        from_python(lay_mask)(
            number, order, 31, 20, 0, units, np.uint64(threshold(rate)), 1 / (1 - rate), drawn
        )  # fmt: skip
        truth = mask(seed, step, layer, order[31:51], units, rate).astype(dtype)
        np.testing.assert_array_equal(drawn.reshape(20, units), truth)
        from_python(lay_mask)(
            number, order, 31, 20, units // 2, units - units // 2, np.uint64(threshold(rate)),
            1 / (1 - rate), drawn,
        )  # fmt: skip
        some = drawn[: 20 * (units - units // 2)].reshape(20, -1)
        np.testing.assert_array_equal(some, truth[:, units // 2 :])
