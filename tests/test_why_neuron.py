"""A neuron: what the network is without it equals a network that has its outgoing weights set to 0."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import whygrad as wg
from networks import PAIRINGS, cases, make_case
from whygrad.answers.names import Names
from whygrad.why.what_if.neuron import neuron


def ask(case, **about):
    about = {
        "sample_weight": case.sample_weight,
        "l1": case.l1,
        "l2": case.l2,
        "masks": case.masks,
    } | about
    return neuron(case.net, case.theta, case.X, case.Y, **about)


def cut(case, layer, unit):
    """The parameters with the unit's outgoing weights at 0."""
    theta = case.theta
    theta.W[layer + 1][:, unit] = 0
    return theta


def cost(case, theta):
    trace = wg.forward(case.net, theta, case.X, case.masks)
    return trace, float(wg.cost(case.net, theta, trace, case.Y, case.sample_weight))


@given(case=cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_its_worth_and_its_effects_are_those_of_a_network_cut_off_from_it(case, data):
    layer = data.draw(st.integers(0, len(case.sizes) - 2))
    unit = data.draw(st.integers(0, case.sizes[layer] - 1))
    found = ask(case, layer=layer, unit=unit, top=3)
    (whole, C), (without, D) = cost(case, case.theta), cost(case, cut(case, layer, unit))
    scale = abs(C) + abs(D)
    assert abs(found.value - (D - C)) <= 1e-11 * scale
    for name, values in (("effect_z", "z"), ("effect_a", "a")):
        before, after = getattr(whole, values)[-1], getattr(without, values)[-1]
        largest = abs(before).max() + abs(after).max() + abs(case.theta.flat).max()
        np.testing.assert_allclose(found[name], before - after, rtol=0, atol=1e-11 * largest)
    total = sum(term.value for term in found.terms) + sum(found.residuals.values())
    assert abs(found.value - total) <= 1e-12 * scale
    assert abs(found.residuals["rounding"]) <= 1e-12 * scale


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_every_unit_of_every_layer_has_an_answer(output, cost):
    case = make_case((3, 4, 4, 3), ("relu", "gelu", output), cost, weighted=True, masked=True)
    for layer, unit in ((0, 2), (1, 3), (2, 0), (3, 1)):
        found = ask(case, layer=layer, unit=unit)
        assert found.answer and found.part == f"{layer}:{unit}"
        assert (found.value is None) == (layer == 3)


@given(case=cases(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_its_effect_of_first_order_is_the_slope_of_a_central_difference(case, data):
    layer = data.draw(st.integers(0, len(case.sizes) - 2))
    unit = data.draw(st.integers(0, case.sizes[layer] - 1))
    assume(not {"relu", "leaky_relu", "elu", "selu"} & set(case.activations))  # kinks have no slope
    slopes = ask(case, layer=layer, unit=unit)["slopes"]
    W, b, step = case.theta.W, case.theta.b, 1e-5
    trace = wg.forward(case.net, case.theta, case.X, case.masks)
    ends = []
    for sign in (1, -1):
        a = trace.a[layer].copy()
        a[:, unit] += sign * step
        for l in range(layer + 1, len(case.sizes)):
            z = a @ W[l].T + b[l]
            a = wg.functions.ACTIVATIONS[case.activations[l - 1]].value(z)
            if case.masks is not None and case.masks[l] is not None:
                a = a * case.masks[l]
        ends.append(z)
    size = 1 + abs(slopes).max()
    np.testing.assert_allclose(slopes, (ends[0] - ends[1]) / (2 * step), atol=1e-6 * size)


def test_of_a_network_of_straight_lines_first_order_is_exact():
    case = make_case((3, 4, 4, 2), ("identity",) * 3, "squared_error")
    found = ask(case, layer=1, unit=2)
    np.testing.assert_allclose(found["activity"][:, None] * found["slopes"], found["effect_z"])


def test_the_examples_that_activate_it_most_come_first_and_say_what_is_true():
    net = wg.Network(1, [wg.Dense(1, "relu"), wg.Dense(2, "softmax")], cost="cross_entropy")
    theta = net.init(W=[None, [[1.0]], [[1.0], [-1.0]]])
    names = Names(("age",), ("young", "old"))
    about = {"layer": 1, "unit": 0, "top": 2, "names": names}
    found = neuron(net, theta, [[1.0], [3.0], [-2.0], [2.0]], [0, 1, 0, 0], **about)
    assert found["strongest"].tolist() == [1, 3]
    assert found.tables[2].rows == ((1, 3.0, "old", "young"), (3, 2.0, "young", "young"))
    assert (found["score"], found["score_without"]) == (0.75, 0.75)


def test_the_score_counts_weights_of_examples_and_is_r2_for_numbers():
    from sklearn.metrics import accuracy_score, r2_score

    X, s = np.random.default_rng(0).normal(size=(30, 3)), np.linspace(0.1, 2, 30)
    y, Y = (X[:, 0] > 0).astype(int), X[:, :2]
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    theta = net.init(seed=2)
    found = neuron(net, theta, X, y, layer=1, unit=0, sample_weight=s)
    said = wg.forward(net, theta, X).a[-1][:, 0] > 0.5
    assert found["score"] == pytest.approx(accuracy_score(y, said, sample_weight=s))
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2, "identity")])
    theta = net.init(seed=2)
    found = neuron(net, theta, X, Y, layer=1, unit=0, sample_weight=s)
    said = wg.forward(net, theta, X).a[-1]
    true = r2_score(Y, said, sample_weight=s, multioutput="variance_weighted")
    assert found["score"] == pytest.approx(true)


def test_its_weights_and_its_examples_are_images_where_the_input_is_one():
    net = wg.Network((4, 5), [wg.Dense(3, "relu"), wg.Dense(2, "softmax")], "cross_entropy")
    theta, X = net.init(seed=0), np.random.default_rng(0).random((6, 4, 5))
    found = neuron(net, theta, X, [0, 1] * 3, layer=1, unit=2, top=4)
    sample_weight, outgoing, examples = found.pictures
    np.testing.assert_array_equal(sample_weight.images[0], theta.W[1][2].reshape(4, 5))
    assert sample_weight.signed and not examples.signed
    np.testing.assert_array_equal(examples.images, X[found["strongest"]])
    assert len(examples.captions) == 4 and outgoing.names == ("output 0", "output 1")


def test_weights_of_columns_are_bars_by_name_and_of_many_only_the_largest():
    case = make_case((40, 3, 1), ("tanh", "identity"), "squared_error")
    names = Names(tuple(f"column {k}" for k in range(40)))
    found = ask(case, layer=1, unit=1, names=names)
    W = case.theta.W[1][1]
    bars = found.pictures[0]
    assert len(bars.values) == 20 and bars.names[0] == f"column {abs(W).argmax()}"
    assert "20 largest of 40" in bars.title


def test_a_silent_neuron_is_called_so_and_is_worth_nothing():
    net = wg.Network(1, [wg.Dense(2, "relu"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1.0], [-1.0]], None])
    found = neuron(net, theta, [[1.0], [2.0]], [[1.0], [0.0]], layer=1, unit=1)
    assert found.value == 0 and "silent, never active" in found.answer
    assert "the cost would stay" in found.answer


@pytest.mark.parametrize("question", ["neuron", "ripple"])
def test_the_answer_says_how_much_of_the_cost_penalties_are(question):
    net = wg.Network(1, [wg.Dense(1, "relu"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1.0]], [[2.0]]])
    about = {"unit": 0} if question == "neuron" else {"to": 0, "from_": 0, "by": 0.1}
    answers = [
        getattr(wg.why, question)(net, theta, [[1.0]], [[1.0]], layer=1, l2=l2, **about)
        for l2 in (0.1, 0)
    ]
    said = "The cost includes penalties on weights: 0.25."  # ½ 0.1 (1² + 2²), beside ½ (2 − 1)²
    assert [said in answer.notes for answer in answers] == [True, False]


def test_a_planted_error_in_what_it_sends_shows_in_its_worth(monkeypatch):
    from importlib import import_module

    case = make_case((3, 4, 2), ("tanh", "sigmoid"), "squared_error")
    C, D = cost(case, case.theta)[1], cost(case, cut(case, 1, 2))[1]
    assert abs(ask(case, layer=1, unit=2).value - (D - C)) < 1e-12
    module = import_module("whygrad.why.what_if.neuron")
    right = module.activity
    monkeypatch.setattr(module, "activity", lambda *place: 1.001 * right(*place))
    assert abs(ask(case, layer=1, unit=2).value - (D - C)) > 1e-6


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"layer": 1, "unit": 4}, "unit 4 of layer 1: its units are 0 to 3"),
        ({"layer": 3, "unit": 0}, "layer 3: the layers are 0 to 2"),
        ({"layer": 0, "unit": "agee"}, "did you mean 'age'?"),
        ({"layer": 1, "unit": 0, "top": 0}, "top is 0"),
    ],
)
def test_a_unit_that_is_not_there_is_named_in_one_line(about, message):
    case = make_case((3, 4, 2), ("tanh", "identity"), "squared_error")
    with pytest.raises(wg.InputError) as caught:
        ask(case, names=Names(("age", "height", "sex")), **about)
    assert message in str(caught.value) and "\n" not in str(caught.value)
