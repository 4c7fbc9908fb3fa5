"""The gradients are right: beside scalar loops, beside PyTorch, and beside the cost itself."""

import numpy as np
import pytest
from hypothesis import assume, given, settings

import oracle
import whygrad as wg
from comparisons import (
    assert_close,
    assert_equals_central_differences,
    assert_equals_oracle,
    assert_equals_torch,
    backpropagate,
    derivative_between,
    flatten,
    needs_torch,
    rounding_decides,
)
from networks import HIDDEN, PAIRINGS, cases, make_case

# The same 200 networks in every run, so that a red build is red again on the next machine.
random_networks = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def every_function(hidden, output, cost):
    """A case with this hidden activation and this pairing at the end, and every option in use."""
    return make_case(
        (2, 3, 2, 2), (hidden, hidden, output), cost, weighted=True, l1=0.01, l2=0.1, sparse=True
    )


@random_networks
@given(case=cases())
def test_a_random_network_has_the_gradients_of_the_scalar_loops(case):
    answer = backpropagate(case)
    assume(not rounding_decides(case, answer))
    assert_equals_oracle(case, answer)


@needs_torch
@random_networks
@given(case=cases())
def test_a_random_network_has_the_gradients_of_pytorch(case):
    answer = backpropagate(case)
    assume(not rounding_decides(case, answer))
    assert_equals_torch(case, answer)


@random_networks
@given(case=cases(zero_biases=False))
def test_a_random_network_has_the_gradients_of_its_own_cost(case):
    answer = backpropagate(case)
    assume(not rounding_decides(case, answer))
    assert_equals_central_differences(case, answer)


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_activation_and_pairing_has_the_right_gradient(hidden, output, cost):
    case = every_function(hidden, output, cost)
    answer = backpropagate(case)
    assert_equals_oracle(case, answer)
    assert_equals_central_differences(case, answer)


@needs_torch
@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_every_activation_and_pairing_has_the_gradient_of_pytorch(output, cost):
    for hidden in HIDDEN:
        case = every_function(hidden, output, cost)
        assert_equals_torch(case, backpropagate(case))


def test_the_oracle_knows_every_activation_and_cost():
    assert {*oracle.ACTIVATIONS, "softmax"} == set(wg.functions.ACTIVATIONS)
    assert set(oracle.COSTS) == set(wg.functions.COSTS)


def test_the_pairings_are_those_whose_outputs_every_cost_can_take():
    bounded = {"poisson": {"softplus", "exp", "sigmoid", "softmax"}}
    bounded["binary_cross_entropy"] = {"sigmoid", "softmax"}
    bounded["cross_entropy"] = {"softmax"}
    for cost in wg.functions.COSTS:
        outputs = {activation for activation, paired in PAIRINGS if paired == cost}
        assert outputs == bounded.get(cost, set(wg.functions.ACTIVATIONS))


@pytest.mark.parametrize(("output", "cost"), sorted(wg.functions.CANONICAL_LINKS))
@pytest.mark.parametrize("masked", [False, True])
def test_a_shortcut_gives_the_delta_and_the_cost_of_the_general_route(
    output, cost, masked, monkeypatch
):
    case = make_case((3, 5, 4), ("tanh", output), cost, n=5, weighted=True, masked=masked)
    short = backpropagate(case)
    assert_close("delta", short.delta[-1], short.a[-1] - case.Y)

    monkeypatch.setattr(wg.functions, "CANONICAL_LINKS", {})
    general = backpropagate(case)
    f, C = wg.functions.ACTIVATIONS[output], wg.functions.COSTS[cost]
    through = f.vjp(general.z[-1], C.derivative(general.a[-1], case.Y))
    assert np.array_equal(general.delta[-1], through)

    assert_close("delta", short.delta[-1], general.delta[-1])
    assert_close("costs", short.costs, general.costs)
    assert_close("gradient", flatten(short), flatten(general))


def test_the_shortcuts_are_the_four_canonical_pairings():
    assert set(wg.functions.CANONICAL_LINKS) == {
        ("exp", "poisson"),
        ("identity", "squared_error"),
        ("sigmoid", "binary_cross_entropy"),
        ("softmax", "cross_entropy"),
    }


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_masked_network_has_the_gradients_of_the_thinned_one(hidden):
    case = make_case((3, 6, 5, 2), (hidden, hidden, "softmax"), "cross_entropy", n=5, masked=True)
    assert any(mask is not None and (mask == 0).any() for mask in case.masks)
    answer = backpropagate(case)
    assert_equals_oracle(case, answer)
    assert_equals_central_differences(case, answer)


def test_a_unit_masked_out_for_an_example_has_no_error_there():
    case = make_case((3, 6, 5, 2), ("tanh", "tanh", "sigmoid"), "squared_error", n=5, masked=True)
    answer = backpropagate(case)
    for layer, mask in enumerate(case.masks):
        if mask is not None:
            assert (answer.delta[layer][mask == 0] == 0).all()
            assert (answer.delta[layer][mask > 0] != 0).all()


def test_dropout_of_one_change_nothing():
    case = make_case((3, 4, 2), ("silu", "identity"), "huber")
    ones = [None, np.ones((len(case.X), 4)), None]
    masked = wg.forward(case.net, case.theta, case.X, masks=ones)
    plain = wg.forward(case.net, case.theta, case.X)
    assert np.array_equal(masked.a[2], plain.a[2])


def test_an_example_of_weight_two_counts_as_two_examples():
    case = make_case((3, 4, 2), ("gelu", "exp"), "poisson", n=2)
    net, theta = case.net, case.theta

    def gradient(rows, sample_weight=None):
        trace = wg.backward(net, theta, wg.forward(net, theta, case.X[rows]), case.Y[rows])
        return wg.gradients(net, theta, trace, sample_weight=sample_weight).flat

    assert_close("gradient", gradient([0, 1], sample_weight=[2.0, 1.0]), gradient([0, 0, 1]))


def test_delta_does_not_depend_on_the_other_examples_of_the_batch():
    case = make_case((3, 4, 2), ("elu", "softmax"), "cross_entropy", n=4)
    net, theta = case.net, case.theta
    batch = wg.backward(net, theta, wg.forward(net, theta, case.X), case.Y)
    for i in range(len(case.X)):
        alone = wg.backward(net, theta, wg.forward(net, theta, case.X[[i]]), case.Y[[i]])
        for layer in (1, 2):
            assert_close("delta", batch.delta[layer][[i]], alone.delta[layer])


def test_on_the_kink_of_the_l1_penalty_its_slope_is_zero_and_the_differences_allow_it():
    case = make_case((2, 1), ("identity",), "squared_error", l1=0.5)
    case.flat[0] = 0.0
    answer = backpropagate(case)
    low, high = derivative_between(case, 0)
    assert low < answer.dW[1][0, 0] < high
    assert 0 < (high - low) - 2 * case.l1 < 1e-5


def test_away_from_kinks_the_differences_leave_little_room():
    for hidden in HIDDEN:
        case = make_case((3, 4, 2), (hidden, "sigmoid"), "binary_cross_entropy", n=5, l1=0.01)
        bounds = np.array([derivative_between(case, index) for index in range(len(case.flat))])
        assert np.ptp(bounds, axis=1).max() < 1e-7
