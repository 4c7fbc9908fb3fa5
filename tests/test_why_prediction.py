"""A prediction: its parts sum to the output less the baseline's, and every change does what it says."""

import itertools
import math
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from networks import HIDDEN, OUTPUTS, make_case
from whygrad.answers.names import Names
from whygrad.why.prediction.prediction import prediction

STRAIGHT = ["identity", "leaky_relu", "relu"]
EXACT = 1e-12  # of the sum of the absolute terms


def network(sizes, activations, seed=0):
    outputs = wg.functions.ACTIVATIONS[activations[-1]].range
    cost = {"simplex": "cross_entropy", "unit": "binary_cross_entropy"}.get(
        outputs, "squared_error"
    )
    case = make_case(sizes, activations, cost, seed=seed, n=2)
    return case.net, case.theta, case.X


def number(net, theta, x, m, at):
    trace = wg.forward(net, theta, x)
    return float((trace.z if at == "z" else trace.a)[-1][0, m])


@st.composite
def networks(draw, hidden):
    depth = draw(st.integers(1, 4))
    activations = [draw(st.sampled_from(hidden)) for _ in range(depth - 1)]
    activations.append(draw(st.sampled_from(OUTPUTS)))
    sizes = [draw(st.integers(1, 5)) for _ in range(depth)] + [draw(st.integers(2, 4))]
    return network(sizes, activations, seed=draw(st.integers(0, 2**32 - 1)))


@given(drawn=networks(STRAIGHT), origin=st.booleans())
@settings(max_examples=60, deadline=None)
def test_of_straight_lines_the_parts_sum_exactly_to_output_less_baseline(drawn, origin):
    net, theta, X = drawn
    x, baseline = X[0], np.zeros(len(X[0])) if origin else X[1]
    for m in range(net.sizes[-1]):
        found = prediction(net, theta, x, output=m, at="z", baseline=None if origin else baseline)
        difference = number(net, theta, x, m, "z") - number(net, theta, baseline, m, "z")
        size = abs(found["output"]) + abs(found["baseline_output"])
        size += sum(abs(term.value) for term in found.terms)
        assert abs(found.value - difference) <= EXACT * size
        assert abs(sum(term.value for term in found.terms) - difference) <= EXACT * size
        assert "rounding" in found.residuals


@given(drawn=networks(HIDDEN), at=st.sampled_from("za"))
@settings(max_examples=60, deadline=None)
def test_elsewhere_they_do_so_up_to_a_residual_that_is_stated_and_small(drawn, at):
    net, theta, X = drawn
    found = prediction(net, theta, X[0], baseline=X[1], output=0, at=at)
    difference = number(net, theta, X[0], 0, at) - number(net, theta, X[1], 0, at)
    size = abs(found["output"]) + abs(found["baseline_output"])
    size += sum(abs(term.value) for term in found.terms)
    total = sum(term.value for term in found.terms)
    (left,) = found.residuals.values()
    assert abs(total + left - difference) <= EXACT * size
    assert abs(left) <= 1e-9 * size


def brute_force(net, theta, x, m):
    """The sum over all paths from every input, in plain numbers, for a straight network."""
    trace, W = wg.forward(net, theta, x), theta.W
    slopes = [None, *(net.f[l].derivative(trace.z[l])[0] for l in range(1, net.L))]
    sums = np.zeros(net.sizes[0])
    paths = {}
    for units in itertools.product(*(range(size) for size in net.sizes[:-1])):
        value, path = float(x[units[0]]), (*units, m)
        for l in range(1, net.L + 1):
            value *= float(W[l][path[l], path[l - 1]])
            if l < net.L:
                value *= float(slopes[l][path[l]])
        sums[units[0]] += value
        paths[path] = value
    return sums, paths


@pytest.mark.parametrize("hidden", STRAIGHT)
def test_a_columns_part_is_the_sum_of_its_paths_and_the_heaviest_come_first(hidden):
    for seed in range(4):
        net, theta, X = network((3, 4, 3, 2), (hidden, "relu", "softmax"), seed=seed)
        found = prediction(net, theta, X[0], output=1, top=7)
        sums, paths = brute_force(net, theta, X[0], 1)
        np.testing.assert_allclose(found["inputs"], sums, rtol=1e-12, atol=1e-14)
        sizes = sorted((abs(value) for value in paths.values() if value), reverse=True)[:7]
        np.testing.assert_allclose([abs(v) for _, v in found["paths"]], sizes, rtol=1e-12)
        for units, value in found["paths"]:
            assert math.isclose(paths[units], value, rel_tol=1e-12)


def test_the_paths_of_smooth_networks_have_slopes_of_chords_and_carry_the_whole_difference():
    net, theta, X = network((3, 4, 4, 2), ("tanh", "silu", "sigmoid"))
    found = prediction(net, theta, X[0], baseline=X[1], output=0, top=500)
    assert len(found["paths"]) == 3 * 4 * 4
    assert math.fsum(value for _, value in found["paths"]) == pytest.approx(found.value, rel=1e-12)


def test_the_integral_is_that_of_a_fine_sum():
    net, theta, X = network((3, 4, 3, 2), ("tanh", "relu", "softmax"), seed=1)
    found = prediction(net, theta, X[0], baseline=X[1], output=0, at="a")
    steps = 20_000
    t = (np.arange(steps) + 0.5)[:, None] / steps
    points = X[1] + t * (X[0] - X[1])
    trace = wg.forward(net, theta, points)
    seed = np.zeros((steps, 2))
    seed[:, 0] = 1
    back = net.f[3].vjp(trace.z[3], seed)
    for l in (2, 1):
        back = (back @ theta.W[l + 1]) * net.f[l].derivative(trace.z[l])
    fine = (X[0] - X[1]) * (back @ theta.W[1]).mean(axis=0)
    np.testing.assert_allclose(found["inputs"], fine, atol=1e-4)


@pytest.mark.parametrize("error", ["weight", "slope"])
def test_a_planted_error_breaks_the_sum(error, monkeypatch):
    net, theta, X = network((3, 4, 3, 2), ("relu", "relu", "identity"), seed=1)
    assert abs(prediction(net, theta, X[0]).residuals["rounding"]) < 1e-12
    module = import_module("whygrad.why.prediction.attribution")
    right = module.pull

    def wrong(net, theta, z, seed, lowest=1):
        back = right(net, theta, z, seed, lowest)
        factor = np.linspace(1, 1.001, len(back[1][0])) if error == "slope" else 1.001
        return [None, back[1] * factor, *back[2:]]

    monkeypatch.setattr(module, "pull", wrong)
    assert abs(prediction(net, theta, X[0]).residuals["unexplained"]) > 1e-7


# One-hot columns beside numbers, as tables are encoded.
ENCODED = Names(
    ("age", "age is missing", "pet=cat", "pet=dog", "pet is rare", "size"),
    ("calm", "wild"),
    origins=("age", "age", "pet", "pet", "pet", "size"),
)


def encoded(seed=0):
    net, theta, _ = network((6, 8, 2), ("relu", "softmax"), seed=seed)
    return net, theta, np.array([0.5, 0, 1, 0, 0, -1.0])


def test_encoded_columns_are_gathered_back():
    net, theta, x = encoded()
    found = prediction(net, theta, x, names=ENCODED, baseline=np.full(6, 0.2))
    names = [term.name for term in found.terms if "bias" not in term.name]
    assert sorted(names) == ["age", "pet", "size"]
    parts = dict(zip(("age", "pet", "size"), found["columns"], strict=True))
    np.testing.assert_allclose(parts["pet"], found["inputs"][2:5].sum())
    assert {row[0]: row[1] for row in found.tables[0].rows}["pet"] == "cat"


def test_a_change_of_one_column_turns_the_answer_just_there_and_nothing_else_moves():
    turned = 0
    for seed in range(10):
        net, theta, x = encoded(seed)
        found = prediction(net, theta, x, names=ENCODED)
        before = wg.forward(net, theta, x).a[-1].argmax()
        places = {"age": [0], "size": [5], "pet": [2, 3, 4]}
        for column, changed, size, verified in found["changes"]:
            assert verified and wg.forward(net, theta, changed).a[-1].argmax() != before
            still = np.delete(np.arange(6), places[column])
            np.testing.assert_array_equal(changed[still], x[still])
            if column == "pet":
                assert sorted(changed[2:5]) == [0, 0, 1] and size is None
            else:
                less = x + (changed - x) * (1 - 1e-6)
                assert wg.forward(net, theta, less).a[-1].argmax() == before
            turned += 1
    assert turned > 5


def test_the_change_of_one_column_is_the_smallest_that_a_fine_search_finds():
    for seed in range(5):
        net, theta, X = network((4, 8, 3), ("relu", "softmax"), seed=seed)
        x = X[0]
        found = {name: size for name, _, size, _ in prediction(net, theta, x)["changes"]}
        before = wg.forward(net, theta, x).a[-1].argmax()
        for k in range(4):
            d = np.linspace(-10, 10, 20_001)
            points = np.repeat(x[None], len(d), axis=0)
            points[:, k] += d
            turned = wg.forward(net, theta, points).a[-1].argmax(axis=1) != before
            if not turned.any():
                assert f"input {k}" not in found
            else:
                assert found[f"input {k}"] == pytest.approx(abs(d[turned]).min(), abs=2e-3)


def test_where_passes_are_long_the_promising_columns_are_looked_at_and_the_answer_says_so(
    monkeypatch,
):
    net, theta, X = network((30, 8, 3), ("tanh", "softmax"), seed=4)
    whole = prediction(net, theta, X[0], top=3)
    monkeypatch.setattr(import_module("whygrad.why.prediction.sensitivity"), "WORK", 1)
    found = prediction(net, theta, X[0], top=3)
    assert any("27 columns" in note for note in found.notes)
    assert not any("not looked at" in note for note in whole.notes)
    assert {name for name, *_ in found["changes"]} & {name for name, *_ in whole["changes"]}


def test_the_nearest_change_of_all_columns_is_the_distance_to_the_plane_where_there_is_one():
    net = wg.Network(3, [wg.Dense(2, "softmax")], cost="cross_entropy")
    W = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 2.0]])
    theta = net.init(W=[None, W], b=[None, [0.3, -0.2]])
    x = np.array([1.0, -1.0, 0.5])
    found = prediction(net, theta, x)
    w = W[0] - W[1]
    assert found["nearest_size"] == pytest.approx((w @ x + 0.5) / np.linalg.norm(w), rel=1e-6)


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid"])
def test_the_nearest_change_is_another_answer_and_no_longer_than_that_of_one_column(hidden):
    for seed in range(8):
        net, theta, X = network((5, 8, 6, 3), (hidden, hidden, "softmax"), seed=seed)
        found = prediction(net, theta, X[0])
        before = wg.forward(net, theta, X[0]).a[-1].argmax()
        singles = [size for _, _, size, verified in found["changes"] if verified]
        if found["nearest"] is not None:
            assert wg.forward(net, theta, found["nearest"]).a[-1].argmax() != before
            size = np.linalg.norm(found["nearest"] - X[0])
            assert size == pytest.approx(found["nearest_size"])
            assert not singles or size <= min(singles) * (1 + 1e-9)


def test_a_wanted_class_or_number_is_what_comes_out():
    net, theta, X = network((4, 8, 3), ("tanh", "softmax"), seed=3)
    said = int(wg.forward(net, theta, X[0]).a[-1].argmax())
    wanted = (said + 1) % 3
    found = prediction(net, theta, X[0], wanted=wanted)
    assert found["changes"]
    for _, changed, _, _ in found["changes"]:
        assert wg.forward(net, theta, changed).a[-1].argmax() == wanted
    net, theta, X = network((4, 8, 1), ("tanh", "identity"), seed=3)
    now = float(wg.forward(net, theta, X[0]).a[-1][0, 0])
    for goal in (now + 0.3, now - 0.3):
        changes = prediction(net, theta, X[0], wanted=goal)["changes"]
        assert changes
        for _, changed, _, _ in changes:
            assert wg.forward(net, theta, changed).a[-1][0, 0] == pytest.approx(goal, abs=1e-6)
    assert "changes" not in prediction(net, theta, X[0]).arrays


def test_of_one_sigmoid_output_the_answer_turns_at_one_half():
    net, theta, X = network((4, 8, 1), ("tanh", "sigmoid"), seed=1)
    for x in X:
        found = prediction(net, theta, x)
        before = wg.forward(net, theta, x).a[-1][0, 0] > 0.5
        assert found["changes"]
        for _, changed, _, verified in found["changes"]:
            a = wg.forward(net, theta, changed).a[-1][0, 0]
            assert verified and (a > 0.5) != before and a == pytest.approx(0.5, abs=1e-6)


def test_pixels_stay_within_black_and_white_and_limits_are_kept():
    net = wg.Network((3, 4), [wg.Dense(8, "relu"), wg.Dense(3, "softmax")], cost="cross_entropy")
    theta, x = net.init(seed=1), np.random.default_rng(1).random((3, 4))
    found = prediction(net, theta, x)
    for changed in (*(c[1] for c in found["changes"]), found["nearest"]):
        assert changed is None or (changed.min() >= 0 and changed.max() <= 1)
    assert [picture.title for picture in found.pictures][:2] == [
        "The example", "What each pixel adds to output 0"
    ]  # fmt: skip
    net, theta, X = network((4, 8, 3), ("tanh", "softmax"))
    tight = prediction(net, theta, X[0], limits=(X[0] - 1e-6, X[0] + 1e-6))
    assert tight["changes"] == () and tight["nearest"] is None
    assert "No change of one column alone was found" in tight.answer


def test_in_float32_changes_are_verified_as_the_network_is_given_them():
    net, theta, X = network((4, 8, 3), ("relu", "softmax"), seed=2)
    theta = wg.Parameters(theta.sizes, theta.flat.astype(np.float32))
    found = prediction(net, theta, X[0].astype(np.float32))
    before = wg.forward(net, theta, X[0].astype(np.float32)).a[-1].argmax()
    assert found["changes"]
    for _, changed, _, verified in found["changes"]:
        assert changed.dtype == np.float32
        assert verified == (wg.forward(net, theta, changed).a[-1].argmax() != before)


def test_the_names_of_columns_and_classes_stand_in_answer_and_paths():
    net, theta, x = encoded()
    found = prediction(net, theta, x, names=ENCODED)
    assert "calm" in found.question or "wild" in found.question
    assert any(row[0].startswith("size → hidden ") for row in found.tables[1].rows)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"output": 3}, "unit 3 of layer 2: its units are 0 to 1"),
        ({"output": "calmm"}, "did you mean 'calm'?"),
        ({"at": "b"}, "at is 'b': give 'z', the weighted input of the output, or 'a'"),
        ({"baseline": [1.0]}, "the baseline cannot be used"),
        ({"baseline": np.full(6, np.nan)}, "the baseline cannot be used: X[0, 0] is NaN"),
        ({"wanted": "tame"}, "no output is called 'tame'"),
        ({"limits": 3}, "limits are a pair (low, high) of numbers or arrays of 6, not 3"),
        ({"limits": (1, 0)}, "limits must be finite, and no low one above its high one"),
        ({"top": 0}, "top is 0"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(about, message):
    net, theta, x = encoded()
    with pytest.raises(wg.InputError) as caught:
        prediction(net, theta, x, names=ENCODED, **about)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_it_is_asked_about_one_example_without_gaps_and_about_another_class():
    net, theta, x = encoded()
    with pytest.raises(wg.InputError, match=r"x holds 2 examples: ask about one, such as X\[0\]"):
        prediction(net, theta, np.stack([x, x]))
    with pytest.raises(wg.InputError, match=r"X\[0, 3\] is NaN"):
        prediction(net, theta, [0, 0, 0, np.nan, 0, 0])
    said = int(wg.forward(net, theta, x).a[-1].argmax())
    with pytest.raises(wg.InputError, match="which the network says already"):
        prediction(net, theta, x, wanted=said)
    net, theta, X = network((4, 1), ("identity",))
    with pytest.raises(wg.InputError, match="give the number that the output should reach"):
        prediction(net, theta, X[0], wanted="much")


def test_in_float32_too_only_changes_that_change_the_answer_are_told():
    rng = np.random.default_rng(0)
    net = wg.Network(64, [wg.Dense(30, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
    theta = net.init(seed=0, dtype=np.float32)
    X = rng.random((20, 64), dtype=np.float32)
    said = wg.forward(net, theta, X).a[-1].argmax(axis=1)
    for x, now in zip(X, said, strict=True):
        found = wg.why.prediction(net, theta, x)
        assert f"makes it output {now}" not in found.answer and "verified" not in found.answer
        nearest = wg.forward(net, theta, found["nearest"]).a[-1].argmax()
        assert nearest != now
