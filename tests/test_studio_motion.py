"""Slow motion: every number of the story is one of training's own, and it can be told of any network."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from networks import HIDDEN, PAIRINGS, cases, make_case
from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.expression import Call, Number, Power, Product, Sum, Symbol, Words
from whygrad.answers.names import Names
from whygrad.engines import Probes
from whygrad.engines.reference import ReferenceEngine
from whygrad.nn.arrays import as_data
from whygrad.pipeline.datasets import load
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.plan.plan import Clip, Penalty, Plan, start
from whygrad.studio.story.motion import frames, frames_of_training, step_of_training
from whygrad.studio.story.phrases import said

PHASES = ["forward", "cost", "backward", "gradients", "update", "again"]
PART = re.compile(r"(\d+):(\d+)(?:,(\d+|bias))?")


def of(case, example=0, **about):
    about = {
        "sample_weight": case.sample_weight,
        "l1": case.l1,
        "l2": case.l2,
        "masks": case.masks,
    } | about
    return frames(case.net, case.theta, case.X, case.Y, example=example, **about)


def passes(case, example):
    """The example's own pass, as training makes it."""
    masks = case.masks and [None if m is None else m[[example]] for m in case.masks]
    trace = wg.forward(case.net, case.theta, case.X[[example]], masks)
    return wg.backward(case.net, case.theta, trace, case.Y[[example]])


def by_phase(told, phase):
    return [frame for frame in told if frame.phase == phase]


def value_of(tree):
    """Work an expression of numbers out, whatever it is said to be; None with symbols in it."""
    match tree:
        case Number(value):
            return value
        case Product(factors):
            values = [value_of(one) for one in factors]
            return None if None in values else math.prod(values)
        case Sum(terms):
            values = [value_of(one) for one in terms]
            return None if None in values else math.fsum(values)
        case Power(base, exponent):
            return None if value_of(base) is None else value_of(base) ** value_of(exponent)
        case Call(Symbol("ln"), argument) if value_of(argument) is not None:
            return math.log(value_of(argument))
        case _:
            top, bottom = getattr(tree, "top", None), getattr(tree, "bottom", None)
            if top is not None and value_of(top) is not None and value_of(bottom):
                return value_of(top) / value_of(bottom)
            return None


@given(case=cases(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_of_any_network_the_story_can_be_told(case, data):
    example = data.draw(st.integers(0, len(case.X) - 1))
    told = of(case, example, optimizer=data.draw(st.sampled_from(sorted(OPTIMIZERS))))
    assert [phase for phase in PHASES if by_phase(told, phase)] == PHASES
    order = [PHASES.index(frame.phase) for frame in told]
    assert order == sorted(order)
    for frame in told:
        assert frame.title
        assert not re.search(r"\b(nan|inf)\b|None|\d{9}|  ", frame.words), frame.words
        assert frame.words.endswith((".", "!"))
        check_picture(frame, case)
        for equation in frame.equations:
            assert len(equation.sides) > 1
        assert frame.mathml() or not frame.equations


def check_picture(frame, case):
    """The picture has a number or a blank for every part, is drawn, and what is lit is there and drawn."""
    picture = frame.picture
    assert [len(one) for one in picture.units] == list(case.sizes)
    assert [one.shape for one in picture.edges[1:]] == [W.shape for W in case.theta.W[1:]]
    assert all(not np.isinf(one).any() for one in (*picture.units, *picture.edges[1:]))
    svg = frame.svg()
    drawn = set(re.findall(r'data-part="([^"]+)"', svg))
    for part in frame.lit:
        l, to, source = PART.fullmatch(part).groups()
        assert int(l) < len(case.sizes)
        assert int(to) < case.sizes[int(l)]
        if source is None:
            assert part in drawn
        elif source != "bias":
            assert int(source) < case.sizes[int(l) - 1]
            assert part in drawn
    assert picture_svg(picture)


@given(case=cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_numbers_in_the_pictures_are_those_of_the_passes(case, data):
    example = data.draw(st.integers(0, len(case.X) - 1))
    told, trace, L = of(case, example), passes(case, example), len(case.sizes) - 1
    a = [np.asarray(one)[0] for one in trace.a]
    answered = by_phase(told, "cost")[0].picture
    for l in range(L + 1):
        np.testing.assert_array_equal(answered.units[l], a[l])
    for frame in by_phase(told, "forward"):
        for l, units in enumerate(frame.picture.units):
            known = ~np.isnan(units)
            assert known.all() or not known.any()
            sums = trace.z[l][0] if l and trace.z[l] is not None else a[0]
            assert not known.any() or (units == a[l]).all() or (units == sums).all()
    for steps_back, frame in enumerate(by_phase(told, "backward")):
        l = L - steps_back
        for m in range(1, L + 1):
            if m >= l:
                np.testing.assert_array_equal(frame.picture.units[m], trace.delta[m][0])
            else:
                assert np.isnan(frame.picture.units[m]).all()
        for m in range(l + 1, L + 1):
            shares = frame.picture.edges[m]
            if m > 1:
                np.testing.assert_allclose(
                    shares.sum(axis=0), trace.delta[m - 1][0], rtol=1e-9, atol=1e-12
                )
    own = wg.gradients(case.net, case.theta, trace)
    whole = wg.forward(case.net, case.theta, case.X, case.masks)
    whole = wg.backward(case.net, case.theta, whole, case.Y)
    batch = wg.gradients(case.net, case.theta, whole, case.sample_weight, case.l1, case.l2)
    found = by_phase(told, "gradients")
    for l in range(1, L + 1):
        np.testing.assert_array_equal(found[0].picture.edges[l], own.dW[l])
        np.testing.assert_array_equal(
            found[-1].picture.edges[l], (batch if len(found) > 1 else own).dW[l]
        )


@given(case=cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_written_with_numbers_comes_to_the_number_beside_it(case, data):
    told = of(case, data.draw(st.integers(0, len(case.X) - 1)), optimizer="sgd", learning_rate=0.5)
    checked = 0
    for frame in told:
        for equation in frame.equations:
            *sides, last = equation.sides
            size = max((abs(one) for one in numbers(equation)), default=0.0)
            for side in sides:
                found = value_of(side)
                if found is not None:
                    assert math.isclose(
                        found, last.value, rel_tol=1e-9, abs_tol=1e-11 * (1 + size**2)
                    )
                    checked += 1
    assert checked >= 3


def numbers(tree):
    """All numbers of a tree."""
    if isinstance(tree, Number):
        return [tree.value]
    parts = vars(tree).values()
    trees = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
    return [n for one in trees if hasattr(one, "part") for n in numbers(one)]


@pytest.mark.parametrize("error", ["weight", "delta", "cost"])
def test_a_planted_error_is_seen_in_the_equations(error, monkeypatch):
    from whygrad.studio.story import motion

    case = make_case((3, 4, 2), ("tanh", "softmax"), "cross_entropy", n=1)
    right = motion.ask

    def wrong(net, theta, *args, **about):
        asked = right(net, theta, *args, **about)
        if error == "delta":
            delta = (None, asked.delta[1], asked.delta[2] * 1.001)
            return replace(asked, trace=replace(asked.trace, delta=delta))
        if error == "weight":
            return replace(asked, theta=wg.Parameters(theta.sizes, theta.flat * 1.001))
        asked.__dict__["costs"] = asked.costs * 1.001
        return asked

    def agree():
        told = frames(case.net, case.theta, case.X, np.array([1]), optimizer="sgd")
        return all(
            math.isclose(found, equation.sides[-1].value, rel_tol=1e-9, abs_tol=1e-12)
            for frame in told
            for equation in frame.equations
            for found in map(value_of, equation.sides[:-1])
            if found is not None
        )

    assert agree()
    monkeypatch.setattr(motion, "ask", wrong)
    assert not agree()


# ── the step ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("clip", [Clip(), Clip(norm=0.01)])
def test_the_change_that_is_told_is_the_one_that_training_makes(name, clip):
    data = load("iris")
    net = wg.Network(4, [wg.Dense(5, "relu", dropout=0.3), wg.Dense(3, "softmax")], "cross_entropy")
    plan = Plan(
        net,
        OPTIMIZERS[name](),
        n=150,
        batch_size=10,
        l2=Penalty(0.1, per="example"),
        clip=clip,
        seed=3,
    )
    engine, rows = ReferenceEngine(), as_data(net, data.X, data.y)
    state, _ = engine.run(plan, start(plan), rows, 7, Probes())
    after, _ = engine.run(plan, state, rows, 8, Probes())
    batch = plan.batch(state.epoch, state.batch_index)
    theta, _, scale = step_of_training(plan, state, rows.X[batch], rows.Y[batch], batch)
    np.testing.assert_array_equal(theta.flat, after.theta)
    assert (scale < 1) == (clip.norm is not None)
    told = frames_of_training(plan, state, rows.X[batch], rows.Y[batch], batch, example=4)
    moved = wg.Parameters(net.sizes, after.theta - state.theta)
    picture = by_phase(told, "update")[0].picture
    for l in (1, 2):
        np.testing.assert_array_equal(picture.edges[l], moved.W[l])
        np.testing.assert_array_equal(picture.units[l], moved.b[l])
    again = by_phase(told, "again")[0].picture
    np.testing.assert_array_equal(again.edges[2], wg.Parameters(net.sizes, after.theta).W[2])


def test_decay_per_step_is_part_of_the_change_and_is_told():
    case = make_case((2, 3, 1), ("tanh", "identity"), "squared_error", n=1)
    plan = Plan(case.net, wg.SGD(0.1), n=1, batch_size=1, l2=Penalty(0.01, per="step"))
    state, _ = start(plan, case.theta), None
    after, _ = ReferenceEngine().run(plan, state, as_data(case.net, case.X, case.Y), 1, Probes())
    told = frames_of_training(plan, state, case.X, case.Y, [0])
    update = by_phase(told, "update")[0]
    np.testing.assert_array_equal(
        update.picture.edges[1], wg.Parameters(plan.net.sizes, after.theta - state.theta).W[1]
    )
    assert "shrink by 1 %" in update.words


def test_of_l_bfgs_the_step_is_one_of_gradient_descent_and_says_so():
    case = make_case((2, 3, 1), ("tanh", "identity"), "squared_error", n=4)
    plan = Plan(case.net, wg.LBFGS(), n=4, batch_size=4)
    told = frames_of_training(plan, start(plan, case.theta), case.X[:1], case.Y[:1], [0])
    update = by_phase(told, "update")[0]
    assert update.words.startswith("This network was trained by L-BFGS")
    gradient = by_phase(told, "gradients")[0].picture.edges[1]
    np.testing.assert_allclose(update.picture.edges[1], -0.1 * gradient, rtol=1e-9)


def test_the_grade_afterwards_is_that_of_the_new_weights():
    case = make_case((3, 4, 2), ("tanh", "identity"), "squared_error", n=1)
    after = wg.Parameters(case.sizes, case.flat * 0.9)
    told = frames(case.net, case.theta, case.X, case.Y, after=after)
    before, now = (
        float(wg.cost(case.net, theta, wg.forward(case.net, theta, case.X), case.Y))
        for theta in (case.theta, after)
    )
    last = told[-1]
    assert math.isclose(last.equations[0].sides[-1].value, now - before, rel_tol=1e-12)
    assert f"from {said(before)} to {said(now)}" in last.words
    assert ("better" in last.title) == (now < before)


def test_a_step_too_long_is_told_honestly():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1.0]]])
    told = frames(net, theta, [[2.0]], [[0.0]], optimizer="sgd", learning_rate=10.0)
    assert told[-1].title == "The exam again: a worse grade"
    assert "too long" in told[-1].words


def test_an_answer_that_is_perfect_blames_nobody_and_changes_nothing():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    told = frames(net, net.init(W=[None, [[1.0]]]), [[2.0]], [[2.0]], optimizer="sgd")
    assert "no blame" in by_phase(told, "backward")[0].words
    assert "nothing changes" in by_phase(told, "update")[0].words
    assert told[-1].title == "The exam again: the same grade"


def test_a_step_that_overflows_says_so():
    net = wg.Network(1, [wg.Dense(1, "exp")], "squared_error")
    theta = net.init(W=[None, [[1.0]]])
    with pytest.raises(wg.InputError, match="overflow on this example"):
        frames(net, theta, [[1000.0]], [[1.0]])
    last = frames(net, theta, [[1.0]], [[1.0]], after=wg.Parameters((1, 1), theta.flat * 1000))[-1]
    assert last.title == "The exam again: no answer"
    assert np.isnan(last.picture.units[1]).all()
    with pytest.raises(wg.InputError, match="example 3: the batch has the examples 0 to 0"):
        frames(net, theta, [[1.0]], [[1.0]], example=3)
    with pytest.raises(wg.InputError, match="give after="):
        frames(net, theta, [[1.0]], [[1.0]], optimizer=None)


# ── the words ────────────────────────────────────────────────────────────────────────────────────────


def iris(activation="relu", **about):
    data = load("iris")
    X = (data.X - data.X.mean(0)) / data.X.std(0)
    net = wg.Network(4, [wg.Dense(6, activation), wg.Dense(3, "softmax")], "cross_entropy")
    names = Names(inputs=data.features, outputs=data.classes)
    return frames(net, net.init(seed=1), X[70:71], data.y[70:71], names=names, **about)


def test_the_story_speaks_in_the_users_own_names_of_answer_grade_blame_and_change():
    told = iris()
    assert "sepal width (cm)" in told[0].words
    assert "“setosa”, “versicolor” or “virginica”" in told[0].words
    assert "The network's answer is “virginica”, and it is 39.3 % sure." in told[4].words
    assert "The truth is “versicolor”. The network was wrong" in told[5].words
    assert "“versicolor” said 0.285 where 1 was right: 0.715 too little." in told[6].words
    assert "most of it from “versicolor”" in told[7].words
    assert "The lazy are spared: hidden 1, hidden 3 and 2 others" in told[8].words
    assert "hidden 0 → “versicolor”: −0.665 becomes −0.628" in told[9].words
    assert "36 % sure" in told[10].words


def test_one_unit_of_each_layer_is_followed_through_the_whole_story():
    told = iris()
    units = {
        part for frame in told for part in frame.lit if part.startswith("1:") and "," not in part
    }
    assert "1:0" in units
    for place in (1, 2, 7, 8):
        assert "hidden 0" in told[place].words


def test_numbers_are_also_told_in_the_targets_own_units():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    own = "${:,.0f}".format
    told = frames(net, net.init(W=[None, [[1.0]]]), [[2000.0]], [[1500.0]], own=own)
    assert (
        "The truth is 1,500, that is $1,500. The answer was 2,000, that is $2,000: 500 too high."
        in told[3].words
    )


def test_inputs_are_told_as_the_data_have_them_with_what_they_are_inside():
    net = wg.Network(2, [wg.Dense(1, "identity")])
    names, scales = Names(inputs=("age", "owner")), ((40.0, 10.0), (0.0, 1.0))
    told = frames(net, net.init(), [[2.5, 1.0]], [[1.0]], names=names, scales=scales)
    assert "one question: age = 65, owner = 1. Inside" in told[0].words
    assert "this age is 2.5 there" in told[0].words
    plain = frames(net, net.init(), [[2.5, 1.0]], [[1.0]], names=names)
    assert "one question: age = 2.5, owner = 1. The network" in plain[0].words


def test_two_classes_of_one_output_are_both_named():
    net = wg.Network(2, [wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    names = Names(outputs=("sick",), classes=("well", "sick"))
    theta = net.init(W=[None, [[1.0, -1.0]]])
    for truth, name in ((1.0, "sick"), (0.0, "well")):
        told = frames(net, theta, [[2.0, 1.0]], [[truth]], names=names)
        assert "“well” or “sick”" in told[0].words
        assert f"The truth is “{name}”." in by_phase(told, "cost")[0].words


def test_the_story_begins_with_what_the_example_is_called():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    told = frames(net, net.init(), [[2.0]], [[1.0]], question="house 7")
    assert told[0].words.startswith("This is an exam with one question, house 7: input 0 = 2.")


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_every_output_and_cost_has_words_and_an_equation(output, cost):
    case = make_case((3, 4, 3), ("tanh", output), cost, n=1, seed=5)
    told = of(case)
    assert by_phase(told, "cost")[0].equations
    words = by_phase(told, "backward")[0].words
    assert any(said in words for said in ("blame δ", "its blame, δ", "there is no blame"))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_activation_is_said_in_words(hidden):
    case = make_case((3, 4, 2), (hidden, "softmax"), "cross_entropy", n=1, seed=2)
    assert "turns z into a" not in of(case)[2].words


def test_functions_costs_and_rules_of_the_users_own_are_told_too():
    cube = wg.Activation("my_cube", lambda z: z**3, lambda z: 3 * z**2)
    fourth = wg.Cost(
        "my_fourth", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3
    )

    class Mine:
        learning_rate = 0.1

        def init(self, theta):
            return np.zeros((0, len(theta)))

        def coefficients(self, t, learning_rates):
            return learning_rates[:, None]

        def update(self, theta, g, opt_state, coefficients):
            return theta - 0.1 * g, opt_state

    net = wg.Network(2, [wg.Dense(2, cube), wg.Dense(1, cube)], fourth)
    told = frames(net, net.init(), [[1.0, 2.0]], [[0.5]], optimizer=Mine())
    words = " ".join(frame.words for frame in told)
    assert "my cube turns z into a" in words
    assert "my fourth, a cost of your own" in words
    assert "Mine, a rule of your own" in words


def test_a_wide_network_shows_the_same_few_units_in_every_frame():
    net = wg.Network((8, 8), [wg.Dense(100, "sigmoid"), wg.Dense(10, "softmax")], "cross_entropy")
    digits = load("digits")
    told = frames(net, net.init(), digits.X[3:4], digits.y[3:4])
    assert len({frame.picture.shown for frame in told}) == 1
    assert len(told[0].picture.shown[1]) < 12
    assert "an image of 8 × 8 pixels" in told[0].words
    sums = told[1].equations[0].sides[2]
    assert any(isinstance(term, Words) and "from 60 others" in term.text for term in sums.terms)


def test_names_that_hold_markup_do_no_harm():
    net = wg.Network(2, [wg.Dense(2, "softmax")], "cross_entropy")
    names = Names(inputs=("<b>", 'a"b\n'), outputs=("<script>", "&amp;"))
    for frame in frames(net, net.init(), [[1.0, 2.0]], [1], names=names):
        assert "\n" not in frame.words
        assert "<script>" not in frame.mathml() + frame.svg()
