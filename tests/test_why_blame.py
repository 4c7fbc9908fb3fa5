"""Blame: every neuron's shares sum to its error, and the rankings, tweaks and quiet neurons are right."""

import math
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
import whygrad as wg
from networks import HIDDEN, PAIRINGS, cases, make_case
from whygrad.answers.names import Names
from whygrad.why.error.blame import blame

EXACT = 1e-12  # of the sum of the absolute terms
ROUNDING = 1e-14  # what float64 leaves of values of size 1 that cancel to nothing


def ask(case, **about):
    about = {
        "sample_weight": case.sample_weight,
        "l1": case.l1,
        "l2": case.l2,
        "masks": case.masks,
    } | about
    return blame(case.net, case.theta, case.X, case.Y, **about)


def truth(case):
    theta = case.theta
    return oracle.backpropagate(
        case.sizes, case.activations, case.cost, theta.W, theta.b, case.X, case.Y,
        sample_weight=case.sample_weight, l1=case.l1, l2=case.l2, masks=case.masks,
    )  # fmt: skip


def mean(case, values):
    s = np.ones(len(case.X)) if case.sample_weight is None else case.sample_weight
    return (s @ values) / s.sum()


def shares_of_oracle(case, answer, layer):
    """Every example's share(k ← j) in loops of plain numbers, (n, n_{layer+1}, n_layer)."""
    W = case.theta.W[layer + 1]
    shares = np.zeros((len(case.X), *W.shape))
    for i in range(len(case.X)):
        for j in range(W.shape[0]):
            for k in range(W.shape[1]):
                slope = 1.0
                if layer:
                    _, derivative = oracle.ACTIVATIONS[case.activations[layer - 1]]
                    slope = derivative(float(answer.z[layer][i, k]))
                    if case.masks is not None and case.masks[layer] is not None:
                        slope *= float(case.masks[layer][i, k])
                shares[i, j, k] = float(W[j, k]) * float(answer.delta[layer + 1][i, j]) * slope
    return shares


@given(case=cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_shares_of_a_neuron_sum_to_its_error(case, data):
    layer = data.draw(st.integers(0, len(case.sizes) - 1))
    unit = data.draw(st.integers(0, case.sizes[layer] - 1))
    found = ask(case, layer=layer, unit=unit)
    values = [term.value for term in found.terms]
    # A term is a mean over the examples, whose own shares may cancel in it: those are what is rounded.
    size = math.fsum(abs(value) for value in values) + mean(case, abs(found["delta"]))
    if layer < len(case.sizes) - 1:
        size += ask(case)["share_sizes"][layer + 1][:, unit].sum()
    assert abs(found.value - math.fsum(values)) <= EXACT * size
    total = math.fsum(values) + sum(found.residuals.values())
    assert abs(found.value - total) <= EXACT * size


@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_errors_and_shares_are_those_of_scalar_loops(case):
    found, answer = ask(case), truth(case)
    for layer in range(1, len(case.sizes)):
        error = mean(case, answer.delta[layer])
        scale = 1e-30 + abs(answer.delta[layer]).max()
        np.testing.assert_allclose(
            found["error"][layer], error, rtol=0, atol=1e-10 * scale + ROUNDING
        )
        size = mean(case, abs(answer.delta[layer]))
        np.testing.assert_allclose(
            found["size"][layer], size, rtol=0, atol=1e-10 * scale + ROUNDING
        )
        shares = shares_of_oracle(case, answer, layer - 1)
        scale = 1e-30 + abs(shares).max()
        for name, values in (("shares", shares), ("share_sizes", abs(shares))):
            expected = mean(case, values.reshape(len(case.X), -1)).reshape(shares.shape[1:])
            np.testing.assert_allclose(
                found[name][layer], expected, rtol=0, atol=1e-10 * scale + ROUNDING
            )
        tweaks = np.einsum("ij,ik->ijk", answer.delta[layer], answer.a[layer - 1])
        expected = mean(case, tweaks.reshape(len(case.X), -1)).reshape(tweaks.shape[1:])
        scale = 1e-30 + abs(tweaks).max()
        np.testing.assert_allclose(
            found["tweaks"][layer], expected, rtol=0, atol=1e-10 * scale + ROUNDING
        )


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_the_parts_of_an_output_sum_to_its_error_for_every_cost(output, cost):
    for weighted, hidden in zip((False, True), ("tanh", "relu"), strict=True):
        case = make_case((3, 4, 3), (hidden, output), cost, seed=3, weighted=weighted, masked=True)
        answer = truth(case)
        for unit in range(3):
            found = ask(case, layer=2, unit=unit)
            expected = mean(case, answer.delta[2][:, unit])
            size = sum(abs(term.value) for term in found.terms)
            assert abs(sum(term.value for term in found.terms) - expected) <= EXACT * size
            assert abs(found.value - expected) <= EXACT * size


@pytest.mark.parametrize("hidden", HIDDEN)
def test_of_one_example_a_share_is_the_product_of_its_factors(hidden):
    case = make_case((3, 4, 2), (hidden, "sigmoid"), "squared_error", n=1, masked=True)
    for layer in (0, 1, 2):
        for term in ask(case, layer=layer, unit=1).terms:
            product = math.prod(factor.value for factor in term.factors)
            assert math.isclose(product, term.value, rel_tol=1e-14, abs_tol=1e-300)


def test_the_tweaks_are_the_gradient_without_its_penalties():
    case = make_case((3, 4, 2), ("relu", "softmax"), "cross_entropy", n=5, weighted=True, l2=0.3)
    found = ask(case)
    trace = wg.backward(case.net, case.theta, wg.forward(case.net, case.theta, case.X), case.Y)
    dW = wg.gradients(case.net, case.theta, trace, case.sample_weight).dW
    for layer in (1, 2):
        np.testing.assert_allclose(found["tweaks"][layer], dW[layer], rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("error", ["slope", "delta", "weight"])
def test_a_planted_error_in_what_training_computed_breaks_the_sum(error, monkeypatch):
    case = make_case((3, 4, 3, 2), ("tanh", "tanh", "sigmoid"), "squared_error")
    module = import_module("whygrad.why.error.blame")

    right = module.ask

    def wrong(*args, **kwargs):
        asked = right(*args, **kwargs)
        if error == "delta":
            delta = [None, asked.delta[1] * 1.001, *asked.delta[2:]]
            return replace(asked, trace=replace(asked.trace, delta=tuple(delta)))
        if error == "weight":
            theta = asked.theta.copy()
            theta.W[2][:, 1] *= 1.001
            return replace(asked, theta=theta)
        z = list(asked.trace.z)
        z[1] = z[1] + 0.001
        return replace(asked, trace=replace(asked.trace, z=tuple(z)))

    def worst(name):
        found = ask(case, layer=1, unit=1)
        return abs(found.residuals[name]) / sum(abs(term.value) for term in found.terms)

    assert worst("rounding") < EXACT
    monkeypatch.setattr(module, "ask", wrong)
    assert worst("unexplained") > 1e-6


def iris():
    from whygrad.pipeline import datasets

    data = datasets.load("iris")
    X = (data.X - data.X.mean(axis=0)) / data.X.std(axis=0)
    net = wg.Network(4, [wg.Dense(5, "relu"), wg.Dense(3, "softmax")], cost="cross_entropy")
    return net, net.init(seed=1), X, data.y, Names(data.features, data.classes)


def test_a_class_by_name_is_the_batch_of_its_examples():
    net, theta, X, y, names = iris()
    sample_weight = np.linspace(0, 1, 150)
    found = blame(net, theta, X, y, of="versicolor", sample_weight=sample_weight, names=names)
    same = blame(net, theta, X[50:100], y[50:100], sample_weight=sample_weight[50:100], names=names)
    by_index = blame(net, theta, X, y, of=1, sample_weight=sample_weight)
    for layer in (1, 2):
        np.testing.assert_array_equal(found["error"][layer], same["error"][layer])
        np.testing.assert_array_equal(by_index["error"][layer], same["error"][layer])
    assert "versicolor" in found.question


def test_of_one_sigmoid_output_the_classes_are_0_and_1():
    case = make_case((3, 4, 1), ("tanh", "sigmoid"), "binary_cross_entropy", n=6)
    y = np.array([0, 1, 1, 0, 1, 0])
    for of, rows in ((0, y == 0), (1, y == 1)):
        found = blame(case.net, case.theta, case.X, y, of=of)
        same = blame(case.net, case.theta, case.X[rows], y[rows])
        np.testing.assert_array_equal(found["error"][1], same["error"][1])


def test_only_of_several_examples_a_number_is_called_a_mean():
    net, theta, X, y, names = iris()
    for rows, mean in (([7], False), ([7, 99], True)):
        found = blame(net, theta, X[rows], y[rows], names=names)
        heads = [head for table in found.tables[:-1] for head in table.columns]
        assert ("mean |δ|" in found.answer) == ("mean |δ|" in heads) == mean
        assert ("|share|" in heads) != mean
        assert any("mean" in head for head in heads) == mean


def test_names_of_columns_and_classes_stand_in_the_answer():
    net, theta, X, y, names = iris()
    found = blame(net, theta, X, y, layer=1, unit="hidden 3", names=names)
    assert [term.name for term in found.terms] == ["setosa", "versicolor", "virginica"]
    assert {row[0] for row in found.tables[1].rows} == set(names.inputs)
    assert found.part == "1:3" and found.pictures[0].marked == ("1:3",)


def test_ranked_by_mean_size_and_not_by_mean_since_that_vanishes_at_a_minimum():
    net = wg.Network(1, [wg.Dense(2, "identity"), wg.Dense(2, "identity")])
    theta = net.init(W=[None, [[0.0], [0.0]], [[1.0, 0.0], [0.0, 0.1]]])
    # Unit 0 is pulled both ways and more strongly than unit 1, which is pulled one way.
    found = blame(net, theta, [[1.0], [1.0]], [[1.0, 1.0], [-1.0, 1.0]])
    np.testing.assert_allclose(found["error"][1], [0.0, -0.1])
    np.testing.assert_allclose(found["size"][1], [1.0, 0.1])
    assert [row[0] for row in found.tables[0].rows] == ["hidden 0", "hidden 1"]


def test_silent_and_saturated_neurons_are_told_apart():
    net = wg.Network(1, [wg.Dense(3, "relu"), wg.Dense(3, "sigmoid"), wg.Dense(1, "identity")])
    theta = net.init(
        W=[None, [[1.0], [-1.0], [1.0]], np.zeros((3, 3)), None],
        b=[None, [0.0, 0.0, -9.0], [0.0, 9.0, -9.0], None],
    )
    found = blame(net, theta, [[1.0], [2.0]], [[0.0], [0.0]])
    np.testing.assert_array_equal(found["silent"][1], [0, 1, 1])
    np.testing.assert_array_equal(found["saturated"][2], [0, 1, 1])
    np.testing.assert_array_equal(found["silent"][2], [0, 0, 0])
    quiet = found.tables[-1]
    assert {row[0] for row in quiet.rows} == {f"hidden {at}" for at in ("1:1", "1:2", "2:1", "2:2")}


def test_who_is_idle_is_spared():
    net, theta, X, y, _ = iris()
    found = blame(net, theta, X, y)
    idle = found["silent"][1] == 1
    assert (found["tweaks"][2][:, idle] == 0).all()
    assert found["correlation"][2] > 0.5
    # Of one example a tweak is activity times error by definition: that both go together says nothing.
    one = blame(net, theta, X[:1], y[:1])
    assert one["correlation"] == (None, None, None)
    assert "Activity beside tweaks, into layer 1" in {table.title for table in one.tables}


def test_the_picture_runs_backwards_and_its_edges_are_the_shares():
    net, theta, X, y, names = iris()
    found = blame(net, theta, X, y, names=names)
    picture = found.pictures[0]
    assert picture.backwards
    np.testing.assert_allclose(picture.edges[2].sum(axis=0), found["error"][1], atol=1e-15)
    np.testing.assert_allclose(picture.edges[1].sum(axis=0), found["error"][0], atol=1e-15)


def test_sparse_inputs_give_the_same_blame():
    import scipy.sparse

    net, theta, X, y, _ = iris()
    found, same = blame(net, theta, scipy.sparse.csr_array(X), y), blame(net, theta, X, y)
    for layer in (1, 2):
        np.testing.assert_allclose(found["tweaks"][layer], same["tweaks"][layer], atol=1e-14)
        np.testing.assert_allclose(found["shares"][layer], same["shares"][layer], atol=1e-14)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"layer": 1, "unit": 5}, "unit 5 of layer 1: its units are 0 to 4"),
        ({"layer": 3}, "layer 3: the layers are 0 to 2"),
        ({"unit": 1}, "unit 1 of which layer? Give layer=0 to 2"),
        ({"layer": 0, "unit": "petal widt (cm)"}, "did you mean 'petal width (cm)'?"),
        ({"of": "setossa"}, "did you mean 'setosa'?"),
        ({"of": 3}, "unit 3 of layer 2: its units are 0 to 2"),
        ({"top": 0}, "top is 0: it must be a whole number of at least 1"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(about, message):
    net, theta, X, y, names = iris()
    with pytest.raises(wg.InputError) as caught:
        blame(net, theta, X, y, names=names, **about)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_class_of_numbers_or_without_examples_is_refused():
    case = make_case((3, 2, 2), ("tanh", "identity"), "squared_error")
    with pytest.raises(wg.InputError, match="outputs of 'identity' are numbers, not classes"):
        ask(case, of=0)
    net, theta, X, y, names = iris()
    with pytest.raises(wg.InputError, match="none of the 50 examples is of class 'virginica'"):
        blame(net, theta, X[:50], y[:50], of="virginica", names=names)
    X[7, 2] = np.nan
    with pytest.raises(wg.InputError, match=r"X\[7, 2\] is NaN"):
        blame(net, theta, X, y)
