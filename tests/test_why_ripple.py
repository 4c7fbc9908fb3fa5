"""Ripple: the true change is a forward pass with the number changed, first order is gradient times step."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from networks import PAIRINGS, cases, make_case
from whygrad.answers.names import Names
from whygrad.why.what_if.ripple import ripple

# Of the largest number compared: what two orders of the same float64 sums may differ by.
ROUNDING = 1e-11


def ask(case, **about):
    about = {
        "sample_weight": case.sample_weight,
        "l1": case.l1,
        "l2": case.l2,
        "masks": case.masks,
    } | about
    return ripple(case.net, case.theta, case.X, case.Y, **about)


def options(case):
    return {"sample_weight": case.sample_weight, "l1": case.l1, "l2": case.l2}


def passed(case, place=None, by=0.0):
    """A real pass with the number changed: its trace and its cost."""
    theta, X = case.theta, case.X.copy()
    if place is not None and place[0] == 0:
        X[:, place[1]] += by
    elif place is not None and place[2] == "bias":
        theta.b[place[0]][place[1]] += by
    elif place is not None:
        theta.W[place[0]][place[1], place[2]] += by
    trace = wg.forward(case.net, theta, X, case.masks)
    return trace, float(wg.cost(case.net, theta, trace, case.Y, **options(case)))


def arguments(place):
    layer, to, from_ = place
    return {"input": to} if layer == 0 else {"layer": layer, "to": to, "from_": from_}


def size_of_first_order(case, trace, place, by):
    """Σ |term| over the examples and all paths from a number to the cost: what rounding is a share of."""
    theta, L, n = case.theta, len(case.sizes) - 1, len(case.X)
    layer, to, from_ = place
    s = np.ones(n) if case.sample_weight is None else case.sample_weight
    if layer == 0:
        moved, layer = np.tile(abs(by * theta.W[1][:, to]), (n, 1)), 1
    else:
        moved = np.zeros((n, case.sizes[layer]))
        moved[:, to] = abs(by) if from_ == "bias" else abs(by * trace.a[layer - 1][:, from_])
    for l in range(layer, L):
        mask = 1 if case.masks is None or case.masks[l] is None else case.masks[l]
        moved = (moved * abs(mask * case.net.f[l].derivative(trace.z[l]))) @ abs(theta.W[l + 1]).T
    size = s @ (moved * abs(trace.delta[L])).sum(axis=1) / s.sum()
    if place[0] > 0 and from_ != "bias":
        size += (case.l1 + case.l2 * abs(theta.W[place[0]][to, from_])) * abs(by)
    return size


@st.composite
def places(draw, case):
    layer = draw(st.integers(0, len(case.sizes) - 1))
    to = draw(st.integers(0, case.sizes[layer] - 1))
    if layer == 0:
        return (0, to, None)
    below = st.integers(0, case.sizes[layer - 1] - 1)
    return (layer, to, draw(st.one_of(below, st.just("bias"))))


def equal(mine, other, about=1.0):
    scale = max(about, float(np.abs(other).max(initial=0)))
    np.testing.assert_allclose(mine, other, rtol=0, atol=ROUNDING * scale)


@given(case=cases(), by=st.sampled_from([0.1, -0.5, 1e-3, 2.0]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_true_changes_are_those_of_a_pass_with_the_number_changed(case, by, data):
    place = data.draw(places(case))
    found = ask(case, by=by, **arguments(place))
    (before, C), (after, D) = passed(case), passed(case, place, by)
    equal(found.value, D - C, about=abs(C) + abs(D))
    for layer in range(max(1, place[0]), len(case.sizes)):
        alone = layer == place[0] < len(case.sizes) - 1
        of = [place[1]] if alone else slice(None)
        for name in "za":
            change = (getattr(after, name)[layer] - getattr(before, name)[layer])[:, of]
            size = abs(getattr(after, name)[layer]).max()
            equal(found[f"d{name}"][layer], change, about=size)


@given(case=cases(), by=st.sampled_from([0.1, -0.5]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_first_order_is_the_gradient_times_the_step(case, by, data):
    layer, to, from_ = place = data.draw(places(case))
    found = ask(case, by=by, **arguments(place))
    theta = case.theta
    trace = wg.backward(case.net, theta, wg.forward(case.net, theta, case.X, case.masks), case.Y)
    gradients = wg.gradients(case.net, theta, trace, **options(case))
    if layer == 0:
        s = np.ones(len(case.X)) if case.sample_weight is None else case.sample_weight
        slope = (s @ trace.delta[1]) @ theta.W[1][:, to] / s.sum()
    elif from_ == "bias":
        slope = gradients.db[layer][to]
    else:
        slope = gradients.dW[layer][to, from_]
    first = sum(term.value for term in found.terms)
    rounding = 1e-13 * size_of_first_order(case, trace, place, by)
    np.testing.assert_allclose(first, slope * by, rtol=0, atol=rounding + 1e-300)
    np.testing.assert_allclose(
        found.value, first + found.residuals["beyond first order"], rtol=1e-14
    )


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_of_a_tiny_step_first_order_is_nearly_all(output, cost):
    case = make_case((3, 4, 2), ("tanh", output), cost, seed=5, weighted=True, l2=0.1, masked=True)
    for place in ((1, 2, 0), (2, 1, 3), (2, 0, "bias"), (0, 1, None)):
        found = ask(case, by=1e-5, **arguments(place))
        # The second order of a step of 1e-5 is 1e-10 times a curvature.
        assert abs(found.residuals["beyond first order"]) < 1e-8


def test_every_relu_that_flips_is_listed_and_no_other():
    case = make_case((4, 6, 5, 2), ("relu", "leaky_relu", "identity"), "huber", seed=2, n=20)
    seen = 0
    for place in ((1, 3, 2), (2, 1, 4), (0, 2, None), (1, 0, "bias")):
        found = ask(case, by=0.8, **arguments(place))
        before, after = passed(case)[0], passed(case, place, 0.8)[0]
        expected = {
            (int(i), layer, int(j))
            for layer in (1, 2)
            for i, j in np.argwhere((before.z[layer] > 0) != (after.z[layer] > 0))
        }
        assert set(map(tuple, found["flips"].tolist())) == expected
        seen += len(expected)
    assert seen > 10


def test_smooth_activations_have_nothing_to_flip():
    case = make_case((4, 6, 2), ("elu", "tanh"), "squared_error", n=20)
    assert len(ask(case, layer=1, to=0, from_=0, by=3.0)["flips"]) == 0


@pytest.mark.parametrize("place", [(1, 2, 0), (2, 1, 3), (3, 0, "bias"), (0, 1, None)])
def test_the_curve_is_the_cost_of_a_pass_at_every_step_and_its_tangent_touches_it(place):
    case = make_case(
        (3, 4, 4, 2), ("tanh", "relu", "softmax"), "cross_entropy", n=4, weighted=True, l1=0.02, l2=0.1
    )  # fmt: skip
    found = ask(case, by=0.4, **arguments(place))
    steps, costs = found["steps"], found["costs"]
    assert 0.4 in steps and 0.0 in steps
    for step, C in zip(steps[::5], costs[::5], strict=True):
        np.testing.assert_allclose(C, passed(case, place, step)[1], rtol=1e-12)
    curve, tangent = found.pictures[0].lines
    middle = len(steps) // 2
    assert curve.y[middle] == pytest.approx(tangent.y[middle], rel=1e-14)
    np.testing.assert_allclose(np.diff(tangent.y), found["slope"] * np.diff(steps), rtol=1e-9)


def test_the_curve_in_blocks_is_the_curve_at_once(monkeypatch):
    from importlib import import_module

    case = make_case((3, 4, 4, 2), ("tanh", "relu", "softmax"), "cross_entropy", n=7, masked=True)
    whole = ask(case, layer=1, to=0, from_=0)["costs"]
    monkeypatch.setattr(import_module("whygrad.why.what_if.perturbation"), "BLOCK", 1)
    np.testing.assert_allclose(ask(case, layer=1, to=0, from_=0)["costs"], whole, rtol=1e-14)


def test_the_gap_of_a_neuron_is_what_first_order_misses_of_its_activity():
    case = make_case((3, 4, 4, 2), ("tanh", "relu", "sigmoid"), "squared_error", n=6, weighted=True)
    found = ask(case, layer=1, to=1, from_=2, by=0.7)
    s = case.sample_weight / case.sample_weight.sum()
    for layer in (1, 2, 3):
        missed = abs(found["da"][layer] - found["da_first_order"][layer])
        np.testing.assert_allclose(found["gap"][layer], s @ missed, rtol=1e-12)
    assert found["gap"][3].max() > 1e-4


@pytest.mark.parametrize("error", ["slope", "weight", "sender"])
def test_a_planted_error_is_seen_by_the_comparison_with_the_gradient(error, monkeypatch):
    from importlib import import_module

    moving = import_module("whygrad.why.what_if.perturbation")
    case = make_case((3, 4, 4, 2), ("tanh", "silu", "sigmoid"), "squared_error")
    right = ask(case, layer=1, to=1, from_=2)
    if error == "slope":
        monkeypatch.setattr(moving, "jvp", lambda f, z, dz, mask=None: 1.001 * dz)
    elif error == "weight":
        init = moving.Perturbation.first_order
        wrong = case.theta
        wrong.W[2][:] = wrong.W[2].T
        asked = {"theta": wrong}
        monkeypatch.setattr(
            moving.Perturbation, "first_order",
            lambda self, step: init(moving.Perturbation(replace(self.context, **asked), self.ref), step),
        )  # fmt: skip
    else:
        monkeypatch.setattr(moving.Perturbation, "sender", np.ones(3))
    found = ask(case, layer=1, to=1, from_=2)
    assert abs(found["slope"] - right["slope"]) > 1e-4 * abs(right["slope"])


def test_names_of_columns_stand_in_question_and_answer():
    net = wg.Network(2, [wg.Dense(3, "relu"), wg.Dense(1, "identity")])
    names = Names(("age", "height"), ("weight",))
    about = {"layer": 1, "to": 2, "from_": "height", "names": names}
    found = ripple(net, net.init(seed=1), [[1.0, 2.0]], [[0.0]], **about)
    assert "height → hidden 2" in found.question and found.part == "1:2,1"
    assert found.terms[0].name == "through weight"
    assert "height" in ripple(net, net.init(), [[1.0, 2.0]], [[0.0]], input=1, names=names).question


def test_a_weight_of_any_size_is_answered():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1e200]]])
    found = ripple(net, theta, [[1e-200]], [[0.0]], layer=1, to=0, from_=0, by=1e199)
    assert np.isclose(found.value, (1.1**2 - 1) / 2, rtol=1e-12)


def test_one_neuron_more_is_told_in_the_singular():
    net = wg.Network(1, [wg.Dense(4, "relu"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, np.ones((4, 1)), np.ones((1, 4))])
    found = ripple(net, theta, [[-0.01]], [[1.0]], input=0, by=0.1)
    assert found.answer.endswith("; so does 1 other neuron.")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({}, "what is to move? Give layer=, to=, from_= of a weight or bias, or input="),
        ({"layer": 1}, "what is to move?"),
        ({"layer": 3, "to": 0}, "layer 3: the layers are 1 to 2"),
        ({"layer": 1, "to": 4}, "unit 4 of layer 1: its units are 0 to 3"),
        ({"layer": 1, "to": 0, "from_": 3}, "unit 3 of layer 0: its units are 0 to 2"),
        ({"layer": 1, "to": 0, "from_": "agee"}, "did you mean 'age'?"),
        ({"input": "heigth"}, "did you mean 'height'?"),
        ({"input": 0, "layer": 1}, "either an input or a weight moves"),
        ({"input": 0, "by": 0}, "by is 0: it must be a finite number other than 0"),
        ({"input": 0, "by": float("nan")}, "by is nan: it must be a finite number other than 0"),
        ({"input": 0, "by": "much"}, "by is 'much': it must be a finite number other than 0"),
    ],
)
def test_what_cannot_be_moved_is_named_in_one_line(about, message):
    case = make_case((3, 4, 2), ("tanh", "identity"), "squared_error")
    with pytest.raises(wg.InputError) as caught:
        ask(case, names=Names(("age", "height", "sex")), **about)
    assert message in str(caught.value) and "\n" not in str(caught.value)
