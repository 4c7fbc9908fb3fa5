"""TracIn, by every step: which examples pushed a prediction; and what it would be without them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import whygrad as wg
from plans import OPTIMIZERS, OUTPUTS, REGULARISATION
from trajectories import ROW, SIZES, N, make_trajectory
from whygrad import Parameters
from whygrad.answers.names import Names
from whygrad.engines import choose
from whygrad.engines.probes import whole
from whygrad.nn.arrays import as_data
from whygrad.nn.backprop import backward, cost, forward, gradients
from whygrad.plan.plan import Plan, start
from whygrad.training.loop import Training, run
from whygrad.why import influence, without
from whygrad.why.training_history.accounts import accounts
from whygrad.why.training_history.functional import functional
from whygrad.why.training_history.trajectory import trajectory

X = np.random.default_rng(5).normal(size=(4, SIZES[0]))
tracin = partial(influence, method="tracin")


def parts(found):
    return sum(term.value for term in found.terms) + sum(found.residuals.values())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("regularisation", REGULARISATION)
def test_pushes_and_what_first_order_leaves_add_up_to_the_prediction(optimizer, regularisation):
    made = make_trajectory(
        ROW | {"optimizer": optimizer, "regularisation": regularisation}, begin=0.01
    )
    found = tracin(made, X[0])
    assert parts(found) == pytest.approx(found.value, rel=1e-13)
    # Who pushed is found from gradients, what the steps did from θ before and after them.
    assert abs(found.residuals["rounding"]) <= 1e-13 * np.abs(found["by_example"]).sum()
    assert abs(found.residuals["beyond first order"]) < 0.5 * np.abs(found["by_step"]).sum()


def test_half_the_rate_leaves_a_quarter_of_each_steps_curvature():
    left = []
    for learning_rate in (0.02, 0.01, 0.005):
        made = make_trajectory(ROW)
        plan = replace(made.plan, optimizer=wg.SGD(learning_rate), epochs=1, shuffle=False)
        left.append(
            tracin(trajectory(plan, start(plan), made.data), X[0]).residuals["beyond first order"]
        )
    assert left[0] / left[1] == pytest.approx(4, rel=0.1)
    assert left[1] / left[2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("regularisation", ["none", "everything"])
def test_where_the_output_is_linear_pushes_are_the_ledgers_and_nothing_is_left(
    optimizer, regularisation
):
    rng = np.random.default_rng(1)
    options = dict(REGULARISATION[regularisation])
    for name in ("dropout", "sample_weight"):
        options.pop(name, None)
    if "l1" in options:
        options["l1"] = wg.Penalty(options["l1"])
    net = wg.Network(4, [wg.Dense(2, "identity")])
    data = as_data(net, rng.normal(size=(N, 4)), rng.normal(size=(N, 2)))
    plan = Plan(net, OPTIMIZERS[optimizer], N, epochs=4, batch_size=5, **options)
    made, x = trajectory(plan, start(plan), data), rng.normal(size=4)
    found = tracin(made, x, of=1)
    ledger = accounts(made, whole((4, 2), 1))
    np.testing.assert_allclose(
        found["by_example"], ledger.by_example[:, 1] @ np.append(x, 1), rtol=1e-9, atol=1e-14
    )
    assert abs(found.residuals["beyond first order"]) <= 1e-12 * np.abs(found["by_example"]).sum()


@pytest.mark.parametrize("by", ["a", "z", "cost"])
@pytest.mark.parametrize("cost_name", OUTPUTS)
def test_the_slope_of_what_is_asked_is_that_of_the_four_equations(cost_name, by):
    made = make_trajectory(ROW | {"cost": cost_name})
    net, theta = made.plan.net, made.theta
    y = made.data.Y[:4]
    f = functional(net, Names(), theta, X, y, None if by == "cost" else 2, by)
    value, found = f.at([np.concatenate([W, W * 1.5]) for W in blocks(net, theta)])
    assert f.value(theta) == pytest.approx(value[0], rel=1e-14)
    for l in (1, 2, 3):
        for place in ((0, 0), (1, 3), (2, -1)):
            h, ends = 1e-6, []
            for sign in (1, -1):
                moved = [W.copy() for W in blocks(net, theta)]
                moved[l - 1][0][place] += sign * h
                ends.append(f.at(moved)[0][0])
            slope = (ends[0] - ends[1]) / (2 * h)
            assert found[l - 1][0][place] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    if by == "cost":
        parameters = Parameters(net.sizes, theta)
        trace = backward(net, parameters, forward(net, parameters, X), y)
        assert value[0] == pytest.approx(cost(net, parameters, trace, y), rel=1e-12)
        dW = gradients(net, parameters, trace).dW
        np.testing.assert_allclose(found[1][0, :, :-1], dW[2], rtol=1e-9, atol=1e-14)


def blocks(net, theta):
    from whygrad.why.training_history.functional import blocks as of

    return of(net, theta)


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
def test_where_the_steps_are_cut_changes_nothing(optimizer, monkeypatch):
    from whygrad.why.training_history import first_order
    from whygrad.why.training_history import trajectory as trajectories

    made = make_trajectory(ROW | {"optimizer": optimizer})
    truth = tracin(made, X[0])
    monkeypatch.setattr(trajectories, "LONG", 2)
    for steps in (1, 3):
        monkeypatch.setattr(first_order, "chunk_of", lambda *_, steps=steps: steps)
        found = tracin(made, X[0])
        for name in ("by_example", "by_step"):
            np.testing.assert_allclose(found[name], truth[name], rtol=1e-9, atol=1e-15)


def test_a_lost_momentum_is_caught(monkeypatch):
    from whygrad.why.training_history import first_order

    made = make_trajectory(ROW | {"optimizer": "momentum"})
    true = first_order.linear
    monkeypatch.setattr(first_order, "linear", lambda *given: replace(true(*given), mu=0.79))
    found = tracin(made, X[0])
    assert abs(found.residuals["unexplained"]) > 1e-6 * np.abs(found["by_example"]).sum()


def test_an_example_that_counts_for_nothing_pushes_nothing():
    s = np.ones(N)
    s[[2, 9]] = 0
    found = tracin(make_trajectory(ROW, sample_weight=s), X[0])
    assert np.flatnonzero(found["by_example"] == 0).tolist() == [2, 9]


def test_the_largest_pushes_up_and_down_are_listed():
    made = make_trajectory(ROW)
    found = tracin(made, X[0], top=4)
    by_example = found["by_example"]
    up, down = found.tables
    assert [row[1] for row in up.rows] == np.argsort(-by_example)[:4].tolist()
    assert [row[1] for row in down.rows] == np.argsort(by_example)[:4].tolist()
    predicted = forward(made.plan.net, Parameters(SIZES, made.theta), X[:1]).a[-1].argmax()
    assert found.question == (
        f"Which pushes add up to the change of the output for output {predicted}?"
    )
    assert str(found) and found.to_dict()


def test_of_two_classes_at_one_output_the_first_is_one_less_the_output():
    rng = np.random.default_rng(0)
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    data = as_data(net, rng.normal(size=(8, 2)), rng.integers(2, size=8))
    plan = Plan(net, wg.SGD(0.3), 8, epochs=3, batch_size=4)
    made = trajectory(plan, start(plan), data)
    first, second = (tracin(made, [0.3, 0.1], of=i) for i in (0, 1))
    assert first.value == pytest.approx(1 - second.value)
    np.testing.assert_allclose(first["by_example"], -second["by_example"], rtol=1e-12)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_without_is_the_training_with_multipliers_of_zero(optimizer, rescale):
    made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": "everything"})
    found = without(made, [3, 7], X[0], rescale=rescale)
    multipliers = np.ones(N)
    multipliers[[3, 7]] = 0
    plan = replace(made.plan, label_smoothing=0.0)  # the targets are smoothed already
    data = replace(made.data, multipliers=multipliers, rescale=rescale)
    ended, _ = run(Training(plan, start(plan), data, None, choose("auto", plan)))
    np.testing.assert_array_equal(found["theta"], ended.theta)
    mask = multipliers == 0
    np.testing.assert_array_equal(
        without(made, mask, X[0], rescale=rescale)["theta"], found["theta"]
    )
    before, after = (
        forward(made.plan.net, Parameters(SIZES, theta), X[:1]).a[-1][0]
        for theta in (made.theta, found["theta"])
    )
    assert found.value == pytest.approx((after - before)[before.argmax()], rel=1e-9)
    assert np.abs(found["theta"] - made.theta).max() > 1e-5


def test_without_compares_the_cost_where_the_target_is_given():
    made = make_trajectory(ROW)
    found = without(made, 4, X[0], y=[1])
    what, before, after, change = found.tables[0].rows[1]
    assert what == "cost" and change == after - before
    parameters = Parameters(SIZES, made.theta)
    trace = forward(made.plan.net, parameters, X[:1])
    assert before == pytest.approx(-np.log(trace.a[-1][0, 1]), rel=1e-9)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda c: tracin(c, X[0], by="b"), 'by is \'b\': give "a", "z" or "cost"'),
        (lambda c: tracin(c, X[0], by="cost"), "the cost of x needs its target: give y"),
        (lambda c: tracin(c, X[0], top=0), "top is 0: it must be a whole number of at least 1"),
        (lambda c: tracin(c, X[0], of=3), "unit 3 of layer 3: its units are 0 to 2"),
        (lambda c: without(c, 23, X[0]), "example 23: the training data have 0 to 22"),
        (
            lambda c: without(c, [], X[0]),
            "examples are indices into the training data, from 0 to 22",
        ),
        (
            lambda c: without(c, range(N), X[0]),
            "all examples are left out: at least one must remain",
        ),
    ],
)
def test_what_cannot_be_asked(ask, line):
    with pytest.raises(wg.InputError) as caught:
        ask(make_trajectory(ROW))
    assert str(caught.value) == line
