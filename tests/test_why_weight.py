"""One weight: its derivative is the product of local derivatives, and the number that training used."""

import math

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, given, settings

import whygrad as wg
from adding_up import assert_sums, says, some_places, walk
from comparisons import ROUNDING, TOLERANCE, backpropagate, needs_torch, rounding_decides
from networks import HIDDEN, PAIRINGS, cases, make_case
from whygrad.answers.expression import Words
from whygrad.answers.names import Names
from whygrad.answers.parts import Factor
from whygrad.engines.reference import ReferenceEngine
from whygrad.nn.arrays import Data
from whygrad.plan.plan import Plan
from worked_example import THETA, WORKED, X, Y

random_networks = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def options(case):
    return {"sample_weight": case.sample_weight, "l1": case.l1, "l2": case.l2, "masks": case.masks}


def ask(case, layer, to, from_=None, **more):
    given = (case.net, case.theta, case.X, case.Y)
    return wg.why.weight(*given, layer=layer, to=to, from_=from_, **options(case) | more)


def alone(case, i):
    """The case with one of its examples only."""
    masks = case.masks and tuple(m if m is None else m[[i]] for m in case.masks)
    return {"X": case.X[[i]], "Y": case.Y[[i]], "masks": masks, "l1": case.l1, "l2": case.l2}


def derivative(found, place):
    layer, to, from_ = place
    return found.db[layer][to] if from_ is None else found.dW[layer][to, from_]


# ── the worked example, by hand ──────────────────────────────────────────────────────────────────────

BY_HAND = {
    "a[1][0]": 1.0,
    "a[1][1]": 2.0,
    "W[2][1,0]": 1.0,
    "W[2][1,1]": -0.5,
    "b[2][1]": math.log(3),
    "z[2][1]": math.log(3),
    "a[2][1]": 0.75,
    "a[2][0]": 0.5,
    "f′(z[2][1])": 0.1875,
    "W[3][0,0]": 2.0,
    "W[3][0,1]": 4.0,
    "b[3][0]": -4.0,
    "z[3][0]": 0.0,
    "a[3][0]": 0.5,
    "C": 0.125,
    "∂C/∂a[3][0]": -0.5,
    "f′(z[3][0])": 0.25,
    "δ[3][0]": -0.125,
    "δ[2][1]": -0.09375,
    "∂C/∂W[2][1,1]": -0.1875,
}


def worked(layer, to, from_, **more):
    return wg.why.weight(WORKED, THETA, X, Y, layer=layer, to=to, from_=from_, **more)


@pytest.mark.parametrize("what", BY_HAND)
def test_every_number_of_the_hand_calculation_is_in_the_answer(what):
    assert says(worked(2, 1, 1, depth=None), BY_HAND[what])


def test_the_worked_example_has_its_value_by_hand():
    assert math.isclose(worked(2, 1, 1).value, -0.1875, rel_tol=1e-15)
    assert math.isclose(worked(1, 0, 1).value, -0.4375, rel_tol=1e-15)


def test_the_worked_example_is_a_product_whose_factors_are_unrolled_to_the_output():
    term = worked(2, 1, 1, depth=None).terms[0]
    assert [factor.value for factor in term.factors] == pytest.approx([2, 0.1875, 4, -0.125])
    assert [f.part for f in term.factors] == ["1:1", "2:1", "3:0,1", "3:0"]
    above = term.factors[-1].terms[0].factors
    assert [factor.value for factor in above] == pytest.approx([0.25, -0.5])


def test_a_weight_below_is_followed_through_both_neurons_above():
    found = worked(1, 0, 1, depth=None)
    assert [term.value for term in found.terms] == pytest.approx([-0.25, -0.1875])
    assert [term.name for term in found.terms] == ["through hidden 2:0", "through hidden 2:1"]
    for number in (-0.21875, -0.0625, -0.09375, -0.125, 0.1875, 0.25):
        assert says(found, number)


def test_each_layer_of_depth_unrolls_the_errors_of_one_layer_more():
    for depth, unrolled in ((1, 0), (2, 2), (3, 3), (9, 3)):
        factors = [f for f in walk(worked(1, 0, 1, depth=depth).terms) if isinstance(f, Factor)]
        assert sum(bool(factor.terms) for factor in factors) == unrolled
    slopes = [
        [f.meaning for f in walk(worked(1, 0, 1, depth=depth).terms) if isinstance(f, Factor)]
        for depth in (2, 3)
    ]
    last = "how squared_error changes with output 0"
    assert last not in slopes[0] and last in slopes[1]


def test_the_picture_marks_the_weight_and_what_its_derivative_is_written_with():
    marked = worked(1, 0, 1).pictures[0].marked
    assert {"1:0,1", "0:1", "1:0", "2:0", "2:1", "2:0,0", "2:1,0"} == set(marked)
    assert {"3:0", "3:0,0", "3:0,1"} <= set(worked(1, 0, 1, depth=2).pictures[0].marked)


# ── value and terms ──────────────────────────────────────────────────────────────────────────────────


@random_networks
@given(case=cases())
def test_in_a_random_network_value_and_terms_agree(case):
    for place in some_places(case.net, case.seed):
        assert_sums(ask(case, *place, depth=None))
        layer, to, from_ = place
        given = alone(case, case.seed % len(case.X)) | {"layer": layer, "to": to, "from_": from_}
        assert_sums(wg.why.weight(case.net, case.theta, depth=2, **given))


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_for_every_activation_and_cost_value_and_terms_agree(output, cost):
    for hidden in HIDDEN:
        kinds = (hidden, hidden, output)
        more = {"weighted": True, "masked": True, "l1": 0.01, "l2": 0.1, "sparse": True}
        case = make_case((2, 3, 2, 3), kinds, cost, **more)
        for place in ((1, 1, 0), (2, 0, 2), (3, 1, 1), (3, 2, None)):
            assert_sums(ask(case, *place, depth=3))
            given = alone(case, 0)
            layer, to, from_ = place
            found = wg.why.weight(
                case.net, case.theta, layer=layer, to=to, from_=from_, depth=3, **given
            )
            assert_sums(found)


def test_what_is_not_listed_is_gathered_so_that_the_terms_still_sum():
    case = make_case((5, 40, 30, 12), ("tanh", "silu", "softmax"), "huber", n=60, l2=0.1)
    found = ask(case, 1, 3, 2, top=4)
    assert len(found.terms) <= 10 and "other examples" in found.terms[-2].name
    assert_sums(found)
    one = wg.why.weight(
        case.net, case.theta, layer=1, to=3, from_=2, top=4, depth=3, **alone(case, 7)
    )
    assert [term.name for term in one.terms[-2:]] == ["26 others", "L2 penalty"]
    assert_sums(one)


@random_networks
@given(case=cases())
def test_the_value_is_bit_for_bit_the_gradient_of_training(case):
    plan = Plan(case.net, wg.SGD(0.1), n=len(case.X), batch_size=len(case.X))
    data = Data(case.X, case.Y, None)
    _, flat = ReferenceEngine().cost_and_gradient(plan, case.theta.flat, data)
    used = wg.Gradients(case.sizes, flat)
    answer = backpropagate(case)
    for place in some_places(case.net, case.seed):
        assert ask(case, *place).value == derivative(answer, place)
        plain = {"sample_weight": None, "masks": None, "l1": 0.0, "l2": 0.0}
        assert ask(case, *place, **plain).value == derivative(used, place)


@needs_torch
@random_networks
@given(case=cases())
def test_the_value_is_pytorchs(case):
    import peer_torch

    assume(not rounding_decides(case, backpropagate(case)))
    theta = case.theta
    given = (case.sizes, case.activations, case.cost, theta.W, theta.b, case.X, case.Y)
    theirs = peer_torch.backpropagate(*given, **options(case))
    for place in some_places(case.net, case.seed):
        parts = theirs.db if place[2] is None else theirs.dW
        gap = abs(ask(case, *place).value - derivative(theirs, place))
        assert gap <= TOLERANCE * np.abs(parts[place[0]]).max() + ROUNDING


# ── penalties, masks, batches ────────────────────────────────────────────────────────────────────────


def test_each_penalty_is_a_term_of_its_own_and_biases_have_none():
    case = make_case((3, 2), ("identity",), "squared_error", l1=0.5, l2=0.25)
    w = case.theta.W[1][1, 2]
    terms = {term.name: term.value for term in ask(case, 1, 1, 2).terms}
    assert terms["L1 penalty"] == 0.5 * np.sign(w) and terms["L2 penalty"] == 0.25 * w
    assert not any("penalty" in term.name for term in ask(case, 1, 1).terms)


def test_an_output_that_is_called_penalty_is_none():
    net = wg.Network(1, [wg.Dense(1, "tanh"), wg.Dense(2, "identity")])
    theta = net.init(W=[None, [[0.5]], [[2.0], [1.0]]])
    given = {"layer": 1, "to": 0, "from_": 0, "l2": 0.1}
    answers = [
        wg.why.weight(net, theta, [[3.0]], [[1.0, 2.0]], names=Names(outputs=names), **given)
        for names in (("a", "b"), ("a", "penalty"))
    ]
    assert "Penalties add 0.05." in answers[0].answer
    assert answers[1].answer == answers[0].answer
    assert answers[1].equations == answers[0].equations


def test_the_mask_is_a_factor_of_its_own():
    case = make_case((2, 3, 1), ("tanh", "identity"), "squared_error", n=1)
    masks = [None, np.array([[0.0, 1.25, 1.25]]), None]
    for to, kept in ((0, 0.0), (1, 1.25)):
        found = ask(case, 1, to, 0, masks=masks)
        mask = next(f for f in found.terms[0].factors if "dropout" in f.meaning)
        assert mask.value == kept
    assert "error" in ask(case, 1, 0, 0, masks=masks).answer
    assert "1.25 included" in ask(case, 2, 0, 1, masks=masks).terms[0].factors[0].meaning


def test_where_the_slopes_cancel_the_error_is_the_output_less_the_target():
    case = make_case((2, 3), ("softmax",), "cross_entropy", n=1)
    factors = ask(case, 1, 2, 0).terms[0].factors
    a = wg.forward(case.net, case.theta, case.X).a[1]
    assert factors[1].value == a[0, 2] - case.Y[0, 2] and "cancel out" in factors[1].meaning


def test_the_error_of_an_output_is_written_as_its_activation_less_its_target():
    net = wg.Network(1, [wg.Dense(1, "tanh"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[0.5]], [[2.0]]])
    for at in ({"layer": 2, "depth": 1}, {"layer": 1, "depth": 2}):
        text = str(wg.why.weight(net, theta, [[0.0]], [[3.0]], to=0, from_=0, **at))
        assert "(0 − 3)" in text or "= 0 − 3" in text, text
        assert "= -3\n          = -3" not in text


def test_a_softmax_without_shortcut_goes_through_its_jacobian_to_every_output():
    case = make_case((2, 3), ("softmax",), "squared_error", n=1)
    found = ask(case, 1, 2, 0)
    trace = wg.forward(case.net, case.theta, case.X)
    jacobian = case.net.f[1].derivative(trace.z[1])[0]
    by_name = {term.name: term.factors[1].value for term in found.terms}
    assert by_name == {f"through output {m}": jacobian[m, 2] for m in range(3)}


def test_a_batch_names_the_examples_that_contribute_most_on_either_side():
    case = make_case((3, 4, 1), ("tanh", "identity"), "squared_error", n=50, weighted=True)
    found = ask(case, 1, 2, 1, top=3)
    parts = found["share"] * found["push"]
    order = np.argsort(-parts)
    listed = [int(t.name.split()[1]) for t in found.terms if t.name.startswith("example")]
    assert listed == [*order[:3], *order[-3:]]
    assert [row[0] for row in found.tables[0].rows] == listed
    assert math.isclose(parts.sum(), found.value, rel_tol=1e-12)


def test_names_of_columns_and_classes_stand_in_the_answer():
    net = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(2, "softmax")], cost="cross_entropy")
    names = Names(("petal width", "petal length"), ("setosa", "virginica"))
    given = (net, net.init(seed=1), [[1.0, 2.0]], [0])
    found = wg.why.weight(*given, layer=1, to=1, from_="petal length", names=names)
    assert found.question == "Why would the weight from petal length to hidden 1 move?"
    assert {term.name for term in found.terms} == {"through setosa", "through virginica"}
    assert found.part == "1:1,1"
    assert wg.why.weight(*given, layer=2, to="setosa", from_="bias", names=names).part == "2:0,bias"


def test_a_weight_that_nothing_moves_says_which_factor_is_zero():
    net = wg.Network(2, [wg.Dense(1, "relu"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[-1.0, -1.0]], [[1.0]]])
    given = (net, theta, [[1.0, 0.0]], [[1.0]])
    assert "hidden 0 has no error" in wg.why.weight(*given, layer=1, to=0, from_=0).answer
    assert "sender gives nothing" in wg.why.weight(*given, layer=1, to=0, from_=1).answer


def test_sparse_inputs_and_float32_are_answered_alike():
    case = make_case((6, 4, 3), ("tanh", "softmax"), "cross_entropy", n=7)
    case.X[np.abs(case.X) < 0.5] = 0
    dense = ask(case, 1, 2, 3)
    sparse = wg.why.weight(
        case.net, case.theta, scipy.sparse.csr_array(case.X), case.Y, layer=1, to=2, from_=3
    )
    assert math.isclose(dense.value, sparse.value, rel_tol=1e-12)
    assert [t.name for t in dense.terms] == [t.name for t in sparse.terms]
    theta = wg.Parameters(case.sizes, case.flat.astype(np.float32))
    small = wg.why.weight(
        case.net, theta, case.X.astype(np.float32), case.Y, layer=1, to=2, from_=3
    )
    assert math.isclose(dense.value, small.value, rel_tol=1e-4)
    assert abs(small.residuals["rounding"]) < 1e-6 * sum(abs(t.value) for t in small.terms)


# ── all weights of a layer, all examples ─────────────────────────────────────────────────────────────


@random_networks
@given(case=cases())
def test_pushes_are_the_gradients_of_each_example_alone(case):
    net, theta = case.net, case.theta
    trace = wg.backward(net, theta, wg.forward(net, theta, case.X, case.masks), case.Y)
    for layer in range(1, net.L + 1):
        given = (net, theta, case.X, case.Y)
        found = wg.why.pushes(*given, layer=layer, masks=case.masks)
        assert found.shape == (len(case.X), case.sizes[layer], case.sizes[layer - 1])
        for i, push in enumerate(found):
            alone = np.outer(trace.delta[layer][i], trace.a[layer - 1][i])
            assert np.array_equal(push, alone)
        biases = wg.why.pushes(*given, layer=layer, from_="bias", masks=case.masks)
        assert np.array_equal(biases, trace.delta[layer])


def test_a_slice_of_the_pushes_is_that_slice_of_all_of_them():
    case = make_case((5, 4, 3), ("tanh", "identity"), "squared_error", n=6)
    case.X[case.X < 0] = 0
    for rows in (case.X, scipy.sparse.csr_array(case.X)):
        given = (case.net, case.theta, rows, case.Y)
        whole = wg.why.pushes(*given, layer=1)
        for to in (slice(None), slice(1, 3), 2, [0, 3]):
            for from_ in (slice(None), slice(0, 5, 2), 4, [1, 2, 4]):
                part = wg.why.pushes(*given, layer=1, to=to, from_=from_)
                expected = whole[:, to][..., from_]
                np.testing.assert_allclose(part, expected, rtol=1e-14)


# ── bad input ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer": 3}, "layer 3: the layers are 1 to 2"),
        ({"to": 2}, "unit 2 of layer 1: its units are 0 to 1"),
        ({"from_": 7}, "unit 7 of layer 0: its units are 0 to 2"),
        ({"from_": "agee"}, "no input is called 'agee': did you mean 'age'? Known: age, height, w"),
        ({"depth": 0}, "depth is 0: it must be a whole number of at least 1"),
        ({"depth": 1.5}, "depth is 1.5: it must be a whole number of at least 1"),
        ({"top": 0}, "top is 0: it must be a whole number of at least 1"),
    ],
)
def test_what_is_not_there_is_refused(given, message):
    case = make_case((3, 2, 1), ("tanh", "identity"), "squared_error")
    place = {"layer": 1, "to": 1, "from_": 0} | given
    with pytest.raises(wg.InputError) as refused:
        ask(case, **place, names=Names(("age", "height", "w")))
    assert str(refused.value) == message


def test_a_missing_value_is_named_with_its_place():
    case = make_case((3, 2, 1), ("tanh", "identity"), "squared_error")
    case.X[1, 2] = np.nan
    with pytest.raises(wg.InputError, match=r"X\[1, 2\] is NaN"):
        ask(case, 1, 0, 0)


def test_words_of_equations_are_words():
    case = make_case((3, 30, 2), ("tanh", "softmax"), "cross_entropy", n=1)
    found = ask(case, 2, 0, 1, depth=None)
    assert any(isinstance(w, Words) and w.text == "26 others" for w in walk(found.equations))
