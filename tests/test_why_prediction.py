"""A prediction: its parts sum to the output less the baselines', and every change does what it says."""

from dataclasses import replace
from importlib import import_module
from math import erf

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from networks import HIDDEN, OUTPUTS, make_case
from whygrad.answers.formatting import cell
from whygrad.answers.names import Names
from whygrad.nn.functions import ACTIVATIONS, Activation
from whygrad.pipeline.names import names_of_encoding
from whygrad.tables import Target, learn
from whygrad.why.bound import Why
from whygrad.why.prediction.attribution import integrated_gradients
from whygrad.why.prediction.columns import InputColumn, columns_of
from whygrad.why.prediction.prediction import prediction

STRAIGHT = ["identity", "leaky_relu", "relu"]
EXACT = 1e-12  # of the sum of the absolute terms


def network(sizes, activations, seed=0):
    outputs = wg.functions.ACTIVATIONS[activations[-1]].range
    cost = {"simplex": "cross_entropy", "unit": "binary_cross_entropy"}.get(
        outputs, "squared_error"
    )
    case = make_case(sizes, activations, cost, seed=seed, n=4)
    return case.net, case.theta, case.X


def number(net, theta, x, m, at):
    trace = wg.forward(net, theta, x)
    return (trace.z if at == "z" else trace.a)[-1][:, m]


@st.composite
def networks(draw, hidden, outputs=OUTPUTS):
    depth = draw(st.integers(1, 4))
    activations = [draw(st.sampled_from(hidden)) for _ in range(depth - 1)]
    activations.append(draw(st.sampled_from(outputs)))
    sizes = [draw(st.integers(1, 5)) for _ in range(depth)] + [draw(st.integers(2, 4))]
    return network(sizes, activations, seed=draw(st.integers(0, 2**32 - 1)))


def assert_parts_sum(net, theta, X, m, at):
    """The terms of the first row beside the others, and what they leave."""
    found = prediction(net, theta, X[0], output=m, at=at, baseline=X[1:])
    outputs = number(net, theta, X, m, at)
    difference = float((outputs[0] - outputs[1:]).mean())
    size = sum(abs(term.value) for term in found.terms) + abs(outputs).max()
    assert abs(found.value - difference) <= EXACT * size
    assert abs(sum(term.value for term in found.terms) - difference) <= EXACT * size
    return found


@given(drawn=networks(STRAIGHT))
@settings(max_examples=40, deadline=None)
def test_of_straight_lines_the_parts_sum_exactly_to_output_less_baselines(drawn):
    net, theta, X = drawn
    for m in range(net.sizes[-1]):
        assert "rounding" in assert_parts_sum(net, theta, X, m, "z").residuals


@given(drawn=networks(HIDDEN), at=st.sampled_from("za"))
@settings(max_examples=40, deadline=None)
def test_of_curved_and_mixed_networks_they_do_so_as_well(drawn, at):
    net, theta, X = drawn
    assert_parts_sum(net, theta, X, 0, at)


@given(drawn=networks(HIDDEN, ["softmax"]), asked=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_why_this_class_and_not_that_is_the_difference_of_their_z(drawn, asked):
    """The terms sum to z of the class it says less z of the other, less what that is of the baselines."""
    net, theta, X = drawn
    asked %= net.sizes[-1]
    z = wg.forward(net, theta, X).z[-1]
    order = np.argsort(-wg.forward(net, theta, X[:1]).a[-1][0], kind="stable").tolist()
    for output, other in ((None, order[1]), (asked, order[1] if asked == order[0] else asked)):
        found = prediction(net, theta, X[0], output=output, baseline=X[1:])
        assert found.question == (
            f'Why "output {order[0]}" and not "output {other}" in this example?'
        )
        apart = z[:, order[0]] - z[:, other]
        size = sum(abs(term.value) for term in found.terms) + abs(z).max()
        assert abs(found["output"] - apart[0]) <= EXACT * size
        assert abs(found.value - (apart[0] - apart[1:].mean())) <= EXACT * size
        assert abs(sum(term.value for term in found.terms) - found.value) <= EXACT * size


def test_what_raises_both_classes_alike_speaks_for_neither():
    net = wg.Network(2, [wg.Dense(3, "softmax")], "cross_entropy")
    theta = net.init(W=[None, [[5.0, 2.0], [5.0, -1.0], [-9.0, -9.0]]])
    found = prediction(net, theta, [3.0, 1.0], baseline=[0.0, 0.0])
    assert {term.name: term.value for term in found.terms} == {"input 1": 3.0, "input 0": 0.0}
    alone = prediction(net, theta, [3.0, 1.0], baseline=[0.0, 0.0], at="z")
    assert {term.name: term.value for term in alone.terms} == {"input 0": 15.0, "input 1": 2.0}
    # Outputs that may all be so, each with a cost of its own, do not exclude one another.
    many = wg.Network(2, [wg.Dense(3, "sigmoid")], "binary_cross_entropy")
    found = prediction(many, theta, [3.0, 1.0], baseline=[0.0, 0.0])
    assert {term.name: term.value for term in found.terms} == {"input 0": 15.0, "input 1": 2.0}
    assert found.question == "Why is z of output 0 17 in this example?"
    # Those of softmax do, whatever the cost.
    one = wg.Network(2, [wg.Dense(3, "softmax")], "binary_cross_entropy")
    found = prediction(one, theta, [3.0, 1.0], baseline=[0.0, 0.0])
    assert found.question == 'Why "output 0" and not "output 1" in this example?'
    assert {term.name: term.value for term in found.terms} == {"input 1": 3.0, "input 0": 0.0}


def test_the_runner_up_is_the_next_by_z_where_its_probability_rounds_to_nothing():
    net = wg.Network(1, [wg.Dense(4, "softmax")], "cross_entropy")
    theta = net.init(W=[None, [[0.0], [5.0], [900.0], [2000.0]]])
    found = prediction(net, theta, [1.0], baseline=[0.0])
    assert found["outputs"].tolist() == [0, 0, 0, 1] and found.value == 1100
    assert found.question == 'Why "output 3" and not "output 2" in this example?'


def test_of_which_function_a_difference_of_z_makes_probabilities_is_told():
    for output, cost, told in (
        ("softmax", "cross_entropy", ": its exponential is the ratio of the two probabilities."),
        ("sigmoid", "squared_error", ", what sigmoid makes probabilities of."),
    ):
        net = wg.Network(2, [wg.Dense(3, output)], cost)
        found = prediction(net, net.init(seed=1), [3.0, 1.0], baseline=[0.0, 0.0])
        assert f"The parts are of the difference of two z{told}" in found.notes
        assert any(note.endswith("walked from kink to kink, in 1 piece.") for note in found.notes)


# The functions again, in plain NumPy: what follows shares no line with the package.
PLAIN = {
    "identity": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: 1.0 * (z > 0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "gelu": (
        lambda z: z * (1 + np.vectorize(erf)(z / 2**0.5)) / 2,
        lambda z: (1 + np.vectorize(erf)(z / 2**0.5)) / 2 + z * np.exp(-z * z / 2) / (2 * np.pi) ** 0.5,
    ),
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1), lambda z: np.where(z > 0, 1, np.exp(z))),
}  # fmt: skip


def fine_sum(members, x, baseline, m, softmax, steps):
    """The integral as a sum of so many rectangles, of the mean of the members."""
    t = (np.arange(steps) + 0.5)[:, None] / steps
    passes, points = [], baseline + t * (x - baseline)
    for net, theta in members:
        zs, a = [], points
        for l in range(1, net.L + 1):
            zs.append(a @ theta.W[l].T + theta.b[l])
            a = PLAIN[net.f[l].name][0](zs[-1]) if l < net.L else zs[-1]
        passes.append(zs)
    mean = sum(zs[-1] for zs in passes) / len(passes)
    seed = np.zeros_like(mean)
    seed[:, m] = 1
    if softmax:
        p = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
        seed = p[:, [m]] * (seed - p)
    total = np.zeros_like(x)
    for (net, theta), zs in zip(members, passes, strict=True):
        g = seed / len(members)
        for l in range(net.L, 1, -1):
            g = (g @ theta.W[l]) * PLAIN[net.f[l - 1].name][1](zs[l - 2])
        total += (g @ theta.W[1]).mean(axis=0)
    return (x - baseline) * total


@pytest.mark.parametrize("at", ["z", "a"])
@pytest.mark.parametrize(
    "hidden", [["relu", "relu"], ["leaky_relu", "relu"], ["tanh", "relu"], ["relu", "tanh"],
               ["elu", "elu"], ["gelu"], ["relu", "elu", "leaky_relu"]]
)  # fmt: skip
def test_the_integral_is_that_of_a_fine_sum(hidden, at):
    sizes = (3, *(5 for _ in hidden), 2)
    cases = [network(sizes, (*hidden, "softmax"), seed=seed) for seed in (1, 2)]
    members, X = [(net, theta) for net, theta, _ in cases], 2 * cases[0][2]
    steps = 2_000 if "gelu" in hidden else 20_000
    for some in (members[:1], members):
        last = ACTIVATIONS["softmax" if at == "a" else "identity"]
        found = integrated_gradients(some, X[0], X[1:3], 1, last).each
        for parts, baseline in zip(found, X[1:3], strict=True):
            fine = fine_sum(some, X[0], baseline, 1, at == "a", steps)
            np.testing.assert_allclose(parts, fine, atol=2e-4 * abs(fine).sum())


def test_a_column_that_alone_made_the_change_has_all_of_it():
    """A unit that is off for the example: its slope there is 0, and what it did on the way is not."""
    net = wg.Network(2, [wg.Dense(1, "relu"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1.0, 1.0]], [[3.0]]])
    found = prediction(net, theta, [-2.0, 5.0], baseline=[4.0, 5.0])
    assert found.value == -18  # 9 above 0 becomes 3
    net = wg.Network(2, [wg.Dense(1, "relu"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1.0, 0.0]], [[3.0]]])
    found = prediction(net, theta, [-2.0, 5.0], baseline=[4.0, 7.0])
    assert {term.name: term.value for term in found.terms} == {"input 0": -12.0, "input 1": 0.0}
    for seed in range(5):
        net, theta, X = network((3, 6, 6, 1), ("leaky_relu", "relu", "identity"), seed=seed)
        changed = X[0] + [0, 5, 0]
        found = prediction(net, theta, changed, baseline=X[0])
        assert found["inputs"][0] == found["inputs"][2] == 0
        assert found["inputs"][1] == pytest.approx(found.value, rel=1e-12)


@pytest.mark.parametrize("hidden", ["relu", "tanh", "selu"])
def test_a_dummy_has_no_part_and_symmetric_columns_have_equal_ones(hidden):
    net, theta, X = network((4, 7, 5, 2), (hidden, hidden, "softmax"), seed=3)
    theta.W[1][:, 0] = 0
    theta.W[1][:, 2] = theta.W[1][:, 1]
    X[:, 2] = X[:, 1]
    for at in "za":
        found = prediction(net, theta, X[0], baseline=X[1:], at=at)
        assert found["inputs"][0] == 0
        assert found["inputs"][1] == pytest.approx(found["inputs"][2], rel=1e-12) != 0


def test_the_parts_of_an_ensemble_are_those_of_its_mean():
    cases = [
        network((4, 8, 3), (f, "softmax"), seed=seed) for seed, f in enumerate(["relu", "tanh"])
    ]
    members, X = [(net, theta) for net, theta, _ in cases], cases[0][2]
    found = prediction(members, None, X[0], baseline=X[1:], output=1, at="z")
    alone = [prediction(*one, X[0], baseline=X[1:], output=1, at="z") for one in members]
    np.testing.assert_allclose(
        found["inputs"], np.mean([one["inputs"] for one in alone], axis=0), rtol=1e-11
    )
    assert any("of the mean of 2 networks" in note for note in found.notes)
    z = sum(wg.forward(*one, X).z[-1] for one in members) / 2
    said = int(z[0].argmax())
    found = prediction(members, None, X[0], baseline=X[1:], output=(other := (said + 1) % 3))
    apart = z[:, said] - z[:, other]
    assert found.value == pytest.approx(apart[0] - apart[1:].mean(), rel=1e-12)
    assert sum(term.value for term in found.terms) == pytest.approx(found.value, rel=1e-12)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    found = prediction(members, None, X[0], baseline=X[1:], output=1, at="a")
    assert found.value == pytest.approx(p[0, 1] - p[1:, 1].mean(), rel=1e-12)
    assert sum(term.value for term in found.terms) == pytest.approx(found.value, rel=1e-12)
    for _, changed, _, verified in found["changes"]:
        said = sum(wg.forward(*one, changed).z[-1] for one in members).argmax()
        assert verified and said != p[0].argmax()
    why = Why(*members[0], members=tuple(members)).trained_on(X)
    assert why.prediction(X[0], output=1, at="a")["output"] == pytest.approx(p[0, 1], rel=1e-12)
    with pytest.raises(wg.InputError, match="member 1 has 3 inputs"):
        prediction([members[0], network((3, 3), ("softmax",))[:2]], None, X[0])


def test_kinks_that_nothing_tells_of_are_found_as_well():
    bent = Activation(
        "bent", lambda z: np.maximum(z - 0.3, 0) ** 1, lambda z: 1.0 * (z > 0.3)
    )  # its kink is not at 0, and it does not say where
    told = replace(bent, kinks=(0.3,), linear=True)
    rng = np.random.default_rng(0)
    x, baseline = 2 * rng.normal(size=(2, 3))
    found = []
    for f in (bent, told):
        net = wg.Network(3, [wg.Dense(4, f), wg.Dense(4, "tanh"), wg.Dense(1, "identity")])
        found.append(integrated_gradients([(net, net.init(seed=1))], x, baseline[None], 0))
    np.testing.assert_allclose(found[0].each, found[1].each, atol=1e-12)


def test_images_are_taken_apart_pixel_by_pixel():
    net = wg.Network((28, 28), [wg.Dense(30, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
    theta, X = net.init(seed=1), np.random.default_rng(1).random((12, 28, 28))
    found = prediction(net, theta, X[0], baseline=X[1:], limits=(0, 1))
    assert abs(found.residuals["rounding"]) <= EXACT * sum(abs(t.value) for t in found.terms)
    assert found["inputs"].shape == (784,)


# ── what can go wrong ──


@pytest.mark.parametrize("error", ["weight", "slope", "kink"])
def test_a_planted_error_breaks_the_sum(error, monkeypatch):
    net, theta, X = network((3, 4, 3, 2), ("relu", "relu", "identity"), seed=1)
    assert abs(prediction(net, theta, X[0], baseline=X[1:]).residuals["rounding"]) < 1e-12
    kinks = import_module("whygrad.why.prediction.kinks")
    right, put_in = kinks.Walk.pull, kinks.put_in

    def wrong(self, G):
        back = right(self, G)
        return back * (np.linspace(1, 1.001, back.shape[1]) if error == "slope" else 1.001)

    if error == "kink":  # one kink of all is forgotten
        monkeypatch.setattr(kinks, "put_in", lambda points, z, at: put_in(points, z, at[1:]))
    else:
        monkeypatch.setattr(kinks.Walk, "pull", wrong)
    assert abs(prediction(net, theta, X[0], baseline=X[1:]).residuals["unexplained"]) > 1e-7


def test_a_planted_error_of_the_quadrature_shows_in_its_residual(monkeypatch):
    net, theta, X = network((3, 4, 3, 2), ("tanh", "selu", "identity"), seed=1)
    clean = prediction(net, theta, X[0], baseline=X[1:])
    size = sum(abs(term.value) for term in clean.terms)
    assert abs(clean.residuals["integration"]) <= EXACT * size
    quadrature = import_module("whygrad.why.prediction.quadrature")
    right = quadrature.legendre

    def wrong(n):
        nodes, rows, between = right(n)
        return nodes, rows * 1.001, between

    monkeypatch.setattr(quadrature, "ROUNDS", 3)  # it would look for what it missed for long
    monkeypatch.setattr(quadrature, "legendre", wrong)
    found = prediction(net, theta, X[0], baseline=X[1:])
    assert abs(found.residuals["integration"]) > 1e-5 * size


# ── baselines ──


def test_baselines_are_a_seeded_sample_of_the_training_rows_and_its_error_is_told():
    net, theta, _ = network((3, 6, 1), ("tanh", "identity"), seed=2)
    X = np.random.default_rng(0).normal(size=(60, 3))
    ask = {"training": X, "sample": 15}
    found = prediction(net, theta, X[0], **ask)
    assert len(found["baseline_outputs"]) == 15
    assert "drawn by seed 0 from 60 training rows" in found.notes[0]
    again, other = (prediction(net, theta, X[0], **ask, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(found["inputs"], again["inputs"])
    assert (found["inputs"] != other["inputs"]).any()
    whole = prediction(net, theta, X[0], training=X)
    assert whole["standard_errors"] is None and "drawn" not in whole.notes[0]
    outputs = number(net, theta, X, 0, "z")
    assert whole.value == pytest.approx(outputs[0] - outputs.mean(), rel=1e-12)
    drawn = [prediction(net, theta, X[0], **ask, seed=seed) for seed in range(150)]
    off = np.std([one["columns"] - whole["columns"] for one in drawn], axis=0)
    said = np.mean([one["standard_errors"] for one in drawn], axis=0)
    np.testing.assert_allclose(said, off, rtol=0.2)
    assert found.tables[0].columns[-1] == "±"


def test_training_rows_can_be_told_to_any_model():
    net, theta, X = network((3, 6, 1), ("relu", "identity"), seed=2)
    found = prediction(net, theta, X[0], training=X)
    for why in (Why(net, theta).trained_on(X), wg.explain(wg.Fitted(net, theta), training=X).why):
        assert why.prediction(X[0]).value == found.value
        assert why.prediction(X[0], baseline=2).value == pytest.approx(
            float(number(net, theta, X[:1], 0, "a")[0] - number(net, theta, X[2:3], 0, "a")[0])
        )
    with pytest.raises(wg.InputError, match="no training rows are known here: give rows"):
        Why(net, theta).prediction(X[0], baseline=2)


def test_training_rows_may_be_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    net, theta, X = network((4, 6, 2), ("relu", "softmax"), seed=2)
    X = X * (abs(X) > 0.5)
    for way in ("training", "mean"):
        dense, thin = (
            prediction(net, theta, X[0], training=rows, baseline=way)
            for rows in (X, sparse.csr_array(X))
        )
        np.testing.assert_array_equal(dense["inputs"], thin["inputs"])
        assert [one[0] for one in dense["changes"]] == [one[0] for one in thin["changes"]]


def test_the_mean_of_the_training_rows_or_zero_are_baselines_where_asked_for():
    net, theta, X = network((3, 6, 1), ("relu", "identity"), seed=2)
    mean, zero = (prediction(net, theta, X[0], training=X, baseline=b) for b in ("mean", "zero"))
    assert mean["baseline_output"] == pytest.approx(
        number(net, theta, X.mean(axis=0), 0, "z")[0], rel=1e-12
    )
    assert zero["baseline_output"] == pytest.approx(number(net, theta, np.zeros(3), 0, "z")[0])
    assert any("need not be a row that can exist" in note for note in mean.notes)
    bare = prediction(net, theta, X[0])
    assert bare.value == zero.value
    assert any("since no training rows are known" in note for note in bare.notes)


@pytest.mark.parametrize("last, made", [("softmax", "a probability"), ("softplus", "the output")])
def test_parts_of_z_say_what_becomes_of_it(last, made):
    net, theta, X = network((3, 4, 2), ("tanh", last))
    notes = prediction(net, theta, X[0], at="z", baseline=X[1:]).notes
    assert f"The parts are of z, what {last} makes {made} of." in notes


def test_kinks_are_spoken_of_where_there_are_some_and_a_sign_of_z_by_the_classes_names():
    for hidden, divided in (("tanh", ""), ("selu", ", divided at kinks")):
        net, theta, X = network((3, 4, 1), (hidden, "sigmoid"))
        notes = prediction(net, theta, X[0], at="z", baseline=X[1:]).notes
        assert any(f" points{divided}; the residual" in note for note in notes)
        assert "z above 0 speaks for class 1, below 0 for class 0." in notes


@pytest.mark.parametrize(
    "name, said", [("built", "1986"), ("year of birth", "1986"), ("area", "1,986")]
)
def test_a_year_is_written_without_a_mark_of_thousands(name, said):
    net, theta, _ = network((2, 3, 1), ("tanh", "identity"))
    names = Names((name, "b"))
    column = InputColumn(name, np.array([0]))
    assert cell(column.shown(net, names, np.array([1986.0, 0.0]))) == said


def test_a_row_that_cannot_exist_is_no_baseline():
    net, theta, x = encoded()
    with pytest.raises(wg.InputError, match="a row of 0 is of no category: give baseline="):
        prediction(net, theta, x, names=ENCODED)
    with pytest.raises(wg.InputError, match="'zero', which is of no category"):
        prediction(net, theta, x, names=ENCODED, baseline="zero")


# One-hot columns beside numbers, as tables are encoded.
ENCODED = Names(
    ("age", "age is missing", "pet=cat", "pet=dog", "pet is rare", "size"),
    ("calm", "wild"),
    origins=("age", "age", "pet", "pet", "pet", "size"),
)


def encoded(seed=0):
    net, theta, _ = network((6, 8, 2), ("relu", "softmax"), seed=seed)
    return net, theta, np.array([0.5, 0, 1, 0, 0, -1.0])


# Rows of a table: ages, some missing; a pet of which no row is rare; sizes in halves.
SEEN = np.array(
    [[0.5, 0, 1, 0, 0, -1.0], [2, 0, 0, 1, 0, 0.5], [-1, 1, 1, 0, 0, 2], [0, 0, 0, 1, 0, -2.5]]
)


def test_encoded_columns_are_gathered_back():
    net, theta, x = encoded()
    found = prediction(net, theta, x, names=ENCODED, baseline=SEEN[1:])
    assert sorted(term.name for term in found.terms) == ["age", "pet", "size"]
    assert sum(term.value for term in found.terms) == pytest.approx(found.value, rel=1e-12)
    parts = dict(zip(("age", "pet", "size"), found["columns"], strict=True))
    np.testing.assert_allclose(parts["pet"], found["inputs"][2:5].sum())
    ends = {row[0]: row[1:3] for row in found.tables[0].rows}
    assert ends["pet"] == ("cat", "dog (66.7%)")
    assert ends["size"] == (-1, pytest.approx(0))


def test_a_change_of_one_column_turns_the_answer_just_there_and_nothing_else_moves():
    turned = 0
    for seed in range(10):
        net, theta, x = encoded(seed)
        found = prediction(net, theta, x, names=ENCODED, baseline=SEEN)
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


def test_a_single_column_that_is_left_stands_in_the_table_itself():
    net, theta, X = network((6, 8, 3), ("tanh", "softmax"), seed=4)
    for top, shown, rest in ((5, 6, None), (4, 4, "2 other columns")):
        (table,) = [
            table
            for table in prediction(net, theta, X[0], top=top).tables
            if table.title == "What each column adds"
        ]
        names = [row[0] for row in table.rows]
        assert len([name for name in names if "other" not in name]) == shown
        assert names[-1] == rest or rest is None


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
        "The example", "What each pixel adds to output 0 against output 1"
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


def test_the_names_of_columns_and_classes_stand_in_the_answer():
    net, theta, x = encoded()
    found = prediction(net, theta, x, names=ENCODED, baseline=SEEN)
    assert "calm" in found.question or "wild" in found.question
    assert "the 4 baselines' mean of" in found.answer


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"output": 3}, "unit 3 of layer 2: its units are 0 to 1"),
        ({"output": "calmm"}, "did you mean 'calm'?"),
        ({"at": "b"}, "at is 'b': give 'z', the weighted input of the output, or 'a'"),
        ({"baseline": [1.0]}, "the baseline cannot be used"),
        ({"baseline": np.full(6, np.nan)}, "the baseline cannot be used: X[0, 0] is NaN"),
        ({"baseline": "trainign"}, "did you mean 'training'?"),
        ({"baseline": "mean"}, "no training rows are known here: give rows, or 'zero'"),
        ({"sample": 0}, "sample is 0"),
        ({"baseline": np.zeros((0, 6))}, "the baseline cannot be used: X is empty"),
        ({"training": np.zeros((4, 5))}, "training cannot be used: X has shape (4, 5)"),
        ({"wanted": "tame"}, "no output is called 'tame'"),
        ({"limits": 3}, "limits are a pair (low, high) of numbers or arrays of 6, not 3"),
        ({"limits": (1, 0)}, "limits must be finite, and no low one above its high one"),
        ({"top": 0}, "top is 0"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(about, message):
    net, theta, x = encoded()
    with pytest.raises(wg.InputError) as caught:
        prediction(net, theta, x, names=ENCODED, **({"baseline": SEEN} | about))
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


# ── changes stay among what training saw ──

TABLE = Names(
    ("rooms", "rooms is missing", "pet=cat", "pet=dog", "pet=yak", "share", "when year", "when day number"),
    ("calm", "wild"),
    origins=("rooms", "rooms", "pet", "pet", "pet", "share", "when", "when"),
    scales=((4.0, 2.0), (0, 1), (0, 1), (0, 1), (0, 1), (0.5, 0.25), (2024, 1), (19_700.0, 100.0)),
)  # fmt: skip


def rows_of_a_table(n=60):
    """Whole rooms from 1 to 8, some missing; no yak; shares of a half or a quarter; days of 2024."""
    rng = np.random.default_rng(0)
    rooms, pet = rng.integers(1, 9, n), rng.integers(0, 2, n)
    share, day = rng.choice([0.25, 0.5, 1.0], n), rng.integers(19_723, 20_089, n)
    gone = rng.random(n) < 0.1
    rooms = np.where(gone, 4.5, rooms)  # what stands in for a missing one need not be whole
    return np.column_stack(
        [(rooms - 4) / 2, gone, pet == 0, pet == 1, np.zeros(n), (share - 0.5) / 0.25,
         np.zeros(n), (day - 19_700) / 100]
    )  # fmt: skip


def test_a_change_takes_values_that_training_saw():
    X = rows_of_a_table()
    moved = dict.fromkeys(("rooms", "pet", "share", "when", "together"), 0)
    days = set(np.rint(X[:, 7] * 100 + 19_700))
    for seed in range(30):
        net, theta, _ = network((8, 10, 2), ("tanh", "softmax"), seed=seed)
        x = X[seed] if not X[seed, 1] else X[-1]
        found = prediction(net, theta, x, names=TABLE, training=X)
        before = wg.forward(net, theta, x).a[-1].argmax()
        changed = [(name, x_) for name, x_, *_ in found["changes"]]
        changed += [] if found["nearest"] is None else [("together", found["nearest"])]
        for name, one in changed:
            moved[name] += 1
            assert wg.forward(net, theta, one).a[-1].argmax() != before
            rooms, share = one[0] * 2 + 4, one[5] * 0.25 + 0.5
            assert abs(rooms - np.rint(rooms)) < 1e-6 and 1 <= np.rint(rooms) <= 8
            assert min(abs(share - known) for known in (0.25, 0.5, 1.0)) < 1e-6
            assert one[4] == 0, "no row had a yak"
            assert np.rint(one[7] * 100 + 19_700) in days and one[6] == 0
        for row in found.tables[1].rows:
            if row[0] == "when":
                assert row[1] != row[2] and row[2].startswith("2024-")
    assert all(moved.values()), moved


def test_a_number_in_pieces_takes_a_value_of_training_with_all_its_inputs():
    names = Names(
        ("size", "size 0 to 2", "size 2 to 5", "age"), origins=("size", "size", "size", "age")
    )
    rng = np.random.default_rng(0)
    size, age = rng.uniform(0, 5, 80), rng.normal(size=80)
    X = np.column_stack([size / 5, size.clip(0, 2) / 2, (size.clip(2, 5) - 2) / 3, age])
    known, moved = {tuple(one) for one in X[:, :3]}, 0
    for seed in range(12):
        net, theta, _ = network((4, 10, 2), ("tanh", "softmax"), seed=seed)
        found = prediction(net, theta, X[seed], names=names, training=X)
        assert sorted(term.name for term in found.terms) == ["age", "size"]
        for name, x, _, verified in found["changes"]:
            if name == "size":
                moved += 1
                assert verified and tuple(x[:3]) in known and x[3] == X[seed, 3]
    assert moved > 2


def test_a_number_in_pieces_is_told_with_few_digits():
    names = Names(("size", "size 0 to 2", "size 2 to 5"), origins=("size",) * 3)
    size = np.random.default_rng(0).uniform(0, 5, 80)
    X = np.column_stack([size / 3, size.clip(0, 2) / 2, (size.clip(2, 5) - 2) / 3])
    net, theta, _ = network((3, 10, 2), ("tanh", "softmax"), seed=0)
    theta.b[2][:] -= wg.forward(net, theta, X).z[2].mean(axis=0)  # both answers occur
    found = prediction(net, theta, X[0], names=names, training=X)
    to = found["changes"][0][1][0]
    assert f"found: size as {to:.4g} makes it" in found.answer and f"{to:.4g}" != str(to)


def test_a_number_that_is_missing_is_said_to_be():
    X = rows_of_a_table()
    net, theta, _ = network((8, 10, 2), ("tanh", "softmax"), seed=1)
    x = X[0].copy()
    for gone in (0.0, 1.0):
        x[1] = gone
        found = prediction(net, theta, x, names=TABLE, training=X)
        held = {row[0]: row[1] for row in found.tables[0].rows}
        assert (held["rooms"] == "is missing") == bool(gone)
        assert isinstance(held["share"], float)


def test_the_mean_of_baselines_is_that_of_their_own_numbers_of_those_that_have_one():
    """Not what the mean of clipped inputs was before, and nothing of what stands in for a missing one."""
    names = Names(
        (
            "size",
            "size 0 to 9",
            "size is missing",
            "age",
            "on day number",
            "on 1 to 2",
            "on is missing",
        ),
        origins=("size", "size", "size", "age", "on", "on", "on"),
        scales=(
            (50.0, 20.0, 3.0),
            (0, 9),
            (0, 1),
            (40.0, 10.0),
            (9_000.0, 400.0, 3.0),
            (0, 9),
            (0, 1),
        ),
    )
    rng = np.random.default_rng(0)
    size, age, days = rng.lognormal(4, 1, 40), rng.normal(40, 10, 40), rng.lognormal(9, 0.3, 40)
    z, d = (size - 50) / 20, (days - 9_000) / 400
    gone = rng.random((2, 40)) < 0.3
    X = np.column_stack(
        [z / np.hypot(1, z / 3), z, gone[0], (age - 40) / 10, d / np.hypot(1, d / 3), d, gone[1]]
    )
    X[gone[0], :2] = X[gone[1], 4:6] = 0
    net, theta, _ = network((7, 10, 2), ("tanh", "softmax"), seed=1)
    held = {
        row[0]: row[2]
        for row in prediction(net, theta, X[0], names=names, baseline=X).tables[0].rows
    }
    assert held["size"] == pytest.approx(size[~gone[0]].mean())
    assert held["age"] == pytest.approx(age.mean())
    assert held["on"] == str(np.datetime64(int(days[~gone[1]].mean()), "D"))
    X[:, 2] = 1
    found = prediction(net, theta, X[0], names=names, baseline=X)
    assert {row[0]: row[2] for row in found.tables[0].rows}["size"] == "is missing"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("largest", [90, 900_000])
def test_whole_numbers_stay_whole_however_large(largest, dtype):
    rng = np.random.default_rng(0)
    pay, age = rng.integers(largest // 9, largest, 300), rng.normal(size=300)
    names = Names(("pay", "age"), scales=((pay.mean(), pay.std()), (0, 1)))
    X = np.column_stack([(pay - pay.mean()) / pay.std(), age]).astype(np.float32).astype(dtype)
    moved = 0
    for seed in range(12):
        net, theta, _ = network((2, 10, 2), ("tanh", "softmax"), seed=seed)
        theta = wg.Parameters(theta.sizes, theta.flat.astype(dtype))
        theta.b[2][:] -= wg.forward(net, theta, X).z[2].mean(axis=0)  # both answers occur
        found = prediction(net, theta, X[seed], names=names, training=X)
        ends = [row[1:3] for row in found.tables[1].rows if row[0] == "pay"]
        moved += len(ends)
        assert all(float(end).is_integer() for pair in ends for end in pair), ends
        if found["nearest"] is not None:
            near = float(found["nearest"][0]) * pay.std() + pay.mean()
            assert abs(near - np.rint(near)) < 1e-7 * largest
            assert pay.min() <= np.rint(near) <= pay.max()
    assert moved > 3


@pytest.mark.parametrize("bins", [0, 6], ids=["standardised", "in pieces"])
@pytest.mark.parametrize(
    ("span", "unit"),
    [(0.8, "m"), (30, "m"), (700, "m"), (25_000, "m"), (700, "D"), (100_000, "D")],
)
def test_dates_are_shown_with_their_time_and_change_to_one_that_training_saw(span, unit, bins):
    rng = np.random.default_rng(0)
    minutes = rng.integers(0, int(span * 1440), 200)
    at = np.datetime64("1750-03-01T00:00") + minutes.astype("timedelta64[m]")
    at = at.astype(f"datetime64[{unit}]")
    clock = [f"{m // 60}:{m % 60:02}" for m in rng.integers(0, 1440, 200)]
    late = [f"{one}:58" for one in clock]  # of the same minute
    table = pa.table({"at": at.astype("datetime64[s]"), "clock": late, "y": rng.normal(size=200)})
    encoding = learn(table, Target("y", "regression", "number"), bins=bins)
    X = encoding.encode(table)
    names = replace(names_of_encoding(encoding), outputs=("calm", "wild"), target=(0.0, 1.0))
    written = [str(one).replace("T", " ") for one in at]
    if span < 1:
        written = [f"{int(one[11:13])}{one[13:]}" for one in written]
    moved = {"at": 0, "clock": 0}
    for seed in range(20):
        net, theta, _ = network((X.shape[1], 10, 2), ("tanh", "softmax"), seed=seed)
        theta.b[2][:] -= wg.forward(net, theta, X).z[2].mean(axis=0)  # both answers occur
        found = prediction(net, theta, X[seed], names=names, training=X)
        held = {row[0]: row[1] for row in found.tables[0].rows}
        assert (held["at"], held["clock"]) == (written[seed], clock[seed])
        for name, before, after, *_ in found.tables[1].rows:
            if name in moved:
                moved[name] += 1
                assert before == held[name] != after and after in (
                    written if name == "at" else clock
                )
        said = wg.forward(net, theta, X[seed]).a[-1].argmax()
        for _, x, *_ in found["changes"]:
            assert wg.forward(net, theta, x).a[-1].argmax() != said
    assert all(moved.values()), moved


def test_changes_of_one_column_come_smallest_first_and_those_of_categories_last():
    X, met = rows_of_a_table(), set()
    for seed in range(300):
        net, theta, _ = network((8, 10, 2), ("tanh", "softmax"), seed=seed)
        x = X[seed % 60] if not X[seed % 60, 1] else X[-1]
        found = prediction(net, theta, x, names=TABLE, training=X)
        own = {"rooms": 0, "share": 5, "when": 7}
        far = [
            abs(x_[own[name]] - x[own[name]]) if name in own else np.inf
            for name, x_, *_ in found["changes"]
        ]
        assert far == sorted(far), found["changes"]
        kinds = tuple(dict.fromkeys(name for name, *_ in found["changes"]))
        met |= {kinds[:2]}
        if kinds:
            word = "A" if kinds[0] == "pet" else "The smallest"
            assert f"{word} change of one column found: {kinds[0]} " in found.answer
    assert {("pet",), ("when", "rooms"), ("rooms", "when")} <= met, met


def test_limits_narrow_what_training_saw():
    X = rows_of_a_table()
    net, theta, _ = network((8, 10, 2), ("tanh", "softmax"), seed=1)
    x = X[0]
    tight = prediction(net, theta, x, names=TABLE, training=X, limits=(x - 1e-6, x + 1e-6))
    assert not {name for name, *_ in tight["changes"]} & {"rooms", "share"}


def test_among_numbers_that_are_not_whole_a_change_is_as_small_as_it_can_be():
    net, theta, _ = network((2, 8, 2), ("tanh", "softmax"), seed=5)
    X = np.random.default_rng(0).normal(size=(100, 2))
    free, within = (prediction(net, theta, X[1], **about) for about in ({}, {"training": X}))
    sizes = [{name: size for name, _, size, _ in one["changes"]} for one in (free, within)]
    assert sizes[1] and all(sizes[0][name] == pytest.approx(sizes[1][name]) for name in sizes[1])


def test_a_category_that_begins_with_the_name_of_its_column_is_shown_whole():
    names = Names(("shop=shop 083", "shop=shop=1", "shop is rare"), origins=("shop",) * 3)
    (column,) = columns_of(wg.Network(3, [wg.Dense(1, "tanh")]), names)
    assert column.categories == ("shop 083", "shop=1", "is rare")
