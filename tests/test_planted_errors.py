"""Every comparison notices a planted error: what a green gradient test is worth.

Each error goes into the package's own computation, or into its result where nothing else would
show; then the very assertions of test_gradients must fail. Beside each stands the same case without
the error, which must pass.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

import whygrad as wg
from comparisons import (
    assert_equals_central_differences,
    assert_equals_oracle,
    assert_equals_torch,
    backpropagate,
    flatten,
    needs_torch,
)
from networks import cases, make_case
from whygrad.nn import pairings

FACTOR = 1.001

COMPARISONS = [
    pytest.param(assert_equals_oracle, id="oracle"),
    pytest.param(assert_equals_torch, id="torch", marks=needs_torch),
    pytest.param(assert_equals_central_differences, id="differences"),
]

# Square layers, so that a transposed W fits; one smooth network and one full of kinks.
OPTIONS = {"n": 4, "weighted": True, "l1": 0.02, "l2": 0.1}
CASES = {
    "smooth": make_case((3, 3, 3, 3), ("tanh", "softplus", "softmax"), "squared_error", **OPTIONS),
    "kinked": make_case((3, 3, 3, 3), ("relu", "selu", "leaky_relu"), "huber", seed=2, **OPTIONS),
    "masked": make_case(
        (3, 3, 3, 3), ("gelu", "silu", "sigmoid"), "poisson", seed=1, masked=True, **OPTIONS
    ),
    "one_layer": make_case((3, 3), ("sigmoid",), "binary_cross_entropy", **OPTIONS),
}


# An error takes a case and its right answer, and gives a wrong one.


def gradient_too_large(case, answer):
    return replace(answer, dW=scale(answer.dW, FACTOR), db=scale(answer.db, FACTOR))


def gradient_of_the_wrong_sign(case, answer):
    return replace(answer, dW=scale(answer.dW, -1), db=scale(answer.db, -1))


def sum_where_the_mean_belongs(case, answer):
    return from_parts(case, factor=case.sample_weight.sum())


def mean_taken_twice(case, answer):
    return from_parts(case, factor=1 / case.sample_weight.sum())


def example_weights_forgotten(case, answer):
    return from_parts(case, sample_weight=None)


def mean_over_the_number_of_examples_not_their_weight(case, answer):
    return from_parts(case, factor=case.sample_weight.sum() / len(case.X))


def l1_penalty_forgotten(case, answer):
    return from_parts(case, l1=0)


def l1_penalty_without_the_sign(case, answer):
    return penalised(answer, [np.full_like(W, case.l1) for W in case.theta.W[1:]], case, l1=0)


def l2_penalty_forgotten(case, answer):
    return from_parts(case, l2=0)


def l2_penalty_not_halved_in_the_cost(case, answer):
    return from_parts(case, l2=2 * case.l2)


def l2_penalty_with_an_extra_half(case, answer):
    return from_parts(case, l2=case.l2 / 2)


def l2_penalty_divided_by_the_examples(case, answer):
    return from_parts(case, l2=case.l2 / len(case.X))


def l2_penalty_of_the_wrong_sign(case, answer):
    return from_parts(case, l2=-case.l2)


def l2_penalty_on_the_biases(case, answer):
    db = [None, *(d + case.l2 * b for d, b in zip(answer.db[1:], case.theta.b[1:], strict=True))]
    return replace(answer, db=db)


def gradient_transposed(case, answer):
    return replace(answer, dW=[None, *(dW.T for dW in answer.dW[1:])])


def one_unit_too_large_in_the_first_layer(case, answer):
    return at_one_unit(answer, 1)


def one_unit_too_large_in_the_last_layer(case, answer):
    return at_one_unit(answer, -1)


def one_weight_too_large(case, answer):
    dW = [None, *(part.copy() for part in answer.dW[1:])]
    dW[1][np.unravel_index(np.abs(dW[1]).argmax(), dW[1].shape)] *= FACTOR
    return replace(answer, dW=dW)


def one_bias_forgotten(case, answer):
    db = [None, *(part.copy() for part in answer.db[1:])]
    db[-1][np.abs(db[-1]).argmax()] = 0
    return replace(answer, db=db)


def not_a_number(case, answer):
    return replace(answer, dW=scale(answer.dW, np.nan))


ERRORS_OF_GRADIENTS = [
    gradient_too_large,
    gradient_of_the_wrong_sign,
    sum_where_the_mean_belongs,
    mean_taken_twice,
    example_weights_forgotten,
    mean_over_the_number_of_examples_not_their_weight,
    l1_penalty_forgotten,
    l1_penalty_without_the_sign,
    l2_penalty_forgotten,
    l2_penalty_not_halved_in_the_cost,
    l2_penalty_with_an_extra_half,
    l2_penalty_divided_by_the_examples,
    l2_penalty_of_the_wrong_sign,
    l2_penalty_on_the_biases,
    gradient_transposed,
    one_unit_too_large_in_the_first_layer,
    one_unit_too_large_in_the_last_layer,
    one_weight_too_large,
    one_bias_forgotten,
    not_a_number,
]


# Errors of the backward pass: of these, delta and all that is computed from it are wrong.


def bp1_too_large(case, answer):
    return from_delta(case, last=lambda delta: FACTOR * delta)


def bp1_of_the_wrong_sign(case, answer):
    return from_delta(case, last=lambda delta: -delta)


def bp1_takes_a_minus_y_for_every_pairing(case, answer):
    return from_delta(case, last=lambda delta: answer.a[-1] - case.Y + 0 * delta)


def bp2_with_w_transposed(case, answer):
    return from_delta(case, W=lambda W: W.T)


def bp2_too_large(case, answer):
    return from_delta(case, W=lambda W: FACTOR * W)


def bp2_without_the_slope(case, answer):
    return from_delta(case, slope=lambda f, z: np.ones_like(z))


def bp2_with_the_slope_at_a(case, answer):
    return from_delta(case, slope=lambda f, z: f.derivative(f.value(z)))


def bp2_without_the_masks(case, answer):
    return from_delta(case, masks=None)


ERRORS_OF_DELTA = [
    bp1_too_large,
    bp1_of_the_wrong_sign,
    bp1_takes_a_minus_y_for_every_pairing,
    bp2_with_w_transposed,
    bp2_too_large,
    bp2_without_the_slope,
    bp2_with_the_slope_at_a,
    bp2_without_the_masks,
]


def harmless(error, name):
    """Whether an error changes nothing in a case, by its very nature."""
    return (
        (error.__name__.startswith("bp2") and name == "one_layer")
        or (error is bp2_without_the_masks and name != "masked")
        or (error is bp1_takes_a_minus_y_for_every_pairing and name == "one_layer")
    )


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("name", CASES)
def test_without_an_error_the_comparison_passes(compare, name):
    compare(CASES[name], backpropagate(CASES[name]))


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("error", [*ERRORS_OF_GRADIENTS, *ERRORS_OF_DELTA])
def test_a_planted_error_is_noticed(compare, error):
    for name, case in CASES.items():
        if not harmless(error, name):
            wrong = error(case, backpropagate(case))
            with pytest.raises(AssertionError, match=r"differs by|dC/dtheta"):
                compare(case, wrong)
                pytest.fail(f"{error.__name__} passed for {name}", pytrace=False)


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("name", sorted(wg.functions.ACTIVATIONS))
def test_a_slope_one_thousandth_too_large_is_noticed(compare, name, monkeypatch):
    hidden = "tanh" if name == "softmax" else name
    case = make_case((3, 4, 2), (hidden, name), "squared_error", n=4)
    compare(case, backpropagate(case))
    right = wg.functions.ACTIVATIONS[name]
    wrong = replace(right, derivative=lambda z: FACTOR * right.derivative(z))
    if right.custom_vjp is not None:
        wrong = replace(
            wrong, custom_vjp=lambda z, gradient: FACTOR * right.custom_vjp(z, gradient)
        )
    monkeypatch.setitem(wg.functions.ACTIVATIONS, name, wrong)
    with pytest.raises(AssertionError, match=r"differs by|dC/dtheta"):
        compare(case, backpropagate(case))


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("name", sorted(wg.functions.COSTS))
def test_a_slope_of_the_cost_one_thousandth_too_large_is_noticed(compare, name, monkeypatch):
    case = make_case((3, 4, 2), ("tanh", "softmax"), name, n=4)
    monkeypatch.setattr(wg.functions, "CANONICAL_LINKS", {})
    monkeypatch.setattr(pairings, "TOGETHER", {})
    compare(case, backpropagate(case))
    right = wg.functions.COSTS[name]
    wrong = replace(right, derivative=lambda a, y: FACTOR * right.derivative(a, y))
    monkeypatch.setitem(wg.functions.COSTS, name, wrong)
    with pytest.raises(AssertionError, match=r"differs by|dC/dtheta"):
        compare(case, backpropagate(case))


@pytest.mark.parametrize("compare", COMPARISONS)
def test_softmax_without_the_rest_of_its_jacobian_is_noticed(compare, monkeypatch):
    case = make_case((3, 4, 3), ("tanh", "softmax"), "squared_error", n=4)
    right = wg.functions.ACTIVATIONS["softmax"]

    def diagonal(z, gradient):
        a = right.value(z)
        return gradient * a * (1 - a)

    monkeypatch.setitem(wg.functions.ACTIVATIONS, "softmax", replace(right, custom_vjp=diagonal))
    with pytest.raises(AssertionError, match=r"differs by|dC/dtheta"):
        compare(case, backpropagate(case))


@pytest.mark.parametrize("compare", COMPARISONS)
def test_a_canonical_link_for_a_pairing_that_has_none_is_noticed(compare, monkeypatch):
    case = make_case((3, 4, 3), ("tanh", "sigmoid"), "squared_error", n=4)
    f, C = wg.functions.ACTIVATIONS["sigmoid"], wg.functions.COSTS["squared_error"]
    claimed = {(f.name, C.name): lambda z, y: C.value(f.value(z), y)}
    monkeypatch.setattr(wg.functions, "CANONICAL_LINKS", claimed)
    with pytest.raises(AssertionError, match=r"differs by|dC/dtheta"):
        compare(case, backpropagate(case))


@pytest.mark.parametrize("compare", COMPARISONS[:2])
@pytest.mark.parametrize("part", ["z", "a", "delta", "costs", "cost"])
def test_an_error_in_any_part_of_the_trace_is_noticed(compare, part):
    for case in CASES.values():
        answer = backpropagate(case)
        right = getattr(answer, part)
        wrong = scale(right, FACTOR) if isinstance(right, list) else FACTOR * right
        with pytest.raises(AssertionError, match="differs by"):
            compare(case, replace(answer, **{part: wrong}))


@pytest.mark.parametrize("compare", COMPARISONS[:2])
def test_delta_divided_by_the_examples_is_noticed_though_the_gradient_is_right(compare):
    for case in CASES.values():
        answer = backpropagate(case)
        wrong = replace(answer, delta=scale(answer.delta, 1 / len(case.X)))
        assert_equals_central_differences(case, wrong)
        with pytest.raises(AssertionError, match="delta"):
            compare(case, wrong)


@pytest.mark.parametrize("compare", COMPARISONS)
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(case=cases(zero_biases=False))
def test_a_thousandth_is_noticed_in_a_random_network(compare, case):
    case = replace(case, l1=0.0)  # on a weight of 0 its kink would excuse the error
    answer = backpropagate(case)
    assume(np.abs(flatten(answer)).max() > 1e-3)
    with pytest.raises(AssertionError, match=r"differs by|dC/dtheta"):
        compare(case, gradient_too_large(case, answer))


# The equations once more, with a place for every mistake.


def scale(parts, factor):
    return [None if part is None else factor * part for part in parts]


def from_parts(case, factor=1.0, **changed):
    """The answer where the penalties or the example weights differ, the mean times `factor`."""
    right = {"sample_weight": case.sample_weight, "l1": case.l1, "l2": case.l2}
    wrong = right | changed
    net, theta = case.net, case.theta
    trace = wg.backward(net, theta, wg.forward(net, theta, case.X, masks=case.masks), case.Y)
    data = wg.gradients(net, theta, trace, sample_weight=wrong["sample_weight"]).flat
    both = wg.gradients(net, theta, trace, **wrong).flat
    grads = wg.Parameters(net.sizes, factor * data + (both - data))
    return replace(backpropagate(case), dW=list(grads.W), db=list(grads.b))


def penalised(answer, penalties, case, **changed):
    """The answer with penalties of one's own on the weights."""
    without = from_parts(case, **changed)
    dW = [dW + p for dW, p in zip(without.dW[1:], penalties, strict=True)]
    return replace(answer, dW=[None, *dW])


def at_one_unit(answer, layer):
    """The gradients of the unit with the largest of a layer, a thousandth too large."""
    dW = [None, *(part.copy() for part in answer.dW[1:])]
    db = [None, *(part.copy() for part in answer.db[1:])]
    unit = np.abs(dW[layer]).max(axis=1).argmax()
    dW[layer][unit] *= FACTOR
    db[layer][unit] *= FACTOR
    return replace(answer, dW=dW, db=db)


def from_delta(
    case, last=lambda delta: delta, W=lambda W: W, slope=lambda f, z: f.derivative(z), masks=()
):
    """The answer of a backward pass in which BP1 or BP2 reads otherwise."""
    net, theta = case.net, case.theta
    masks = case.masks if masks == () else masks
    trace = wg.backward(net, theta, wg.forward(net, theta, case.X, masks=case.masks), case.Y)
    delta = [*trace.delta[:-1], last(trace.delta[-1])]
    for layer in range(net.L - 1, 0, -1):
        delta[layer] = delta[layer + 1] @ W(theta.W[layer + 1])
        if masks is not None and masks[layer] is not None:
            delta[layer] = delta[layer] * masks[layer]
        delta[layer] = delta[layer] * slope(net.f[layer], trace.z[layer])
    grads = wg.gradients(
        net,
        theta,
        replace(trace, delta=tuple(delta)),
        sample_weight=case.sample_weight,
        l1=case.l1,
        l2=case.l2,
    )
    return replace(backpropagate(case), delta=delta, dW=list(grads.dW), db=list(grads.db))


def test_the_equations_with_no_mistake_in_them_pass():
    for case in CASES.values():
        for answer in (from_delta(case), from_parts(case)):
            assert_equals_oracle(case, answer)
            assert_equals_central_differences(case, answer)
