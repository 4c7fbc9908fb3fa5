"""How answers speak: one way to write numbers, names that are no numbers, sums that end, no noise."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from whygrad.answers.draw.svg import told_svg
from whygrad.answers.expression import Equation, Number, Sum, Words
from whygrad.answers.formatting import share
from whygrad.answers.names import Names
from whygrad.answers.parts import Answer, Term
from whygrad.answers.write.html import to_fragment
from whygrad.answers.write.text import to_text
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why import influence, ledger, without
from whygrad.why.bound import Why
from whygrad.why.symbols import LISTED
from whygrad.why.training_history.trajectory import trajectory

CLASSES = ("7001", "7002", "7003")  # which no other number of an answer is
DRAWS = np.random.default_rng(2)
NET = wg.Network(
    4, [wg.Dense(9, "tanh"), wg.Dense(7, "tanh"), wg.Dense(3, "softmax")], "cross_entropy"
)
X = DRAWS.normal(size=(12, 4))
Y = np.eye(3)[np.arange(12) % 3]
NAMES = Names(inputs=("age", "1", "height", "2,5"), outputs=CLASSES)
WHY = Why(NET, NET.init(seed=1), NAMES, l2=wg.Penalty(0.1), n=12)
ONE = (X[:1], Y[:1])
ANSWERS = {
    "weight": lambda: WHY.weight(*ONE, layer=1, to=2, from_="1"),
    "weight of a batch": lambda: WHY.weight(X, Y, layer=1, to=2, from_=3),
    "paths": lambda: WHY.paths(*ONE, layer=1, to=2, from_=0),
    "blame": lambda: WHY.blame(X, Y),
    "blame of a class": lambda: WHY.blame(X, Y, of="7002"),
    "blame of a unit": lambda: WHY.blame(*ONE, layer=1, unit=2),
    "ripple": lambda: WHY.ripple(*ONE, layer=1, to=2, from_=0),
    "neuron": lambda: WHY.neuron(X, Y, layer=2, unit=1),
    "an output": lambda: WHY.neuron(X, Y, layer=3, unit="7003"),
    "prediction": lambda: WHY.prediction(X[:1], baseline=X),
    "wanted": lambda: WHY.prediction(X[:1], baseline=X, wanted=_other()),
    "check": lambda: WHY.check(X, Y),
}


def _other():
    return CLASSES[(int(wg.forward(NET, WHY.theta, X[:1]).a[-1].argmax()) + 1) % 3]


@pytest.fixture(scope="module")
def trained():
    plan = Plan(NET, wg.SGD(0.1), 12, epochs=2, batch_size=4)
    made = trajectory(plan, start(plan), as_data(NET, X, Y))
    names = Names(outputs=CLASSES)
    return {
        "ledger": ledger(made, 3, 0, 1, names=names),
        "influence": influence(made, made.data.X[:1], names=names),
        "who taught it": influence(made, made.data.X[:1], method="tracin", names=names),
        "without": without(made, [3], made.data.X[:1], names=names),
    }


@pytest.fixture(scope="module")
def texts(trained):
    found = {name: make() for name, make in ANSWERS.items()} | trained
    return {
        name: to_text(replace(answer, equations=()), width=110) for name, answer in found.items()
    }


def test_a_class_or_column_that_reads_as_a_number_stands_in_quotes_in_every_answer(texts):
    for name, text in texts.items():
        bare = re.findall(rf'(?<!")\b({"|".join(CLASSES)})\b(?!")', text)
        assert not bare, f"{name}: {text}"
    assert sum('"7002"' in text for text in texts.values()) > 6
    assert 'from "1" to hidden 1:2' in texts["weight"]
    assert '"2,5"' in texts["prediction"]


def test_answers_speak_no_python(texts):
    for name, text in texts.items():
        assert not re.search(r"`|\b(at|exact|limits|baseline|method)=|\[l\]\[", text), (name, text)


def test_the_numbers_of_a_sentence_are_those_of_its_equations_and_tables():
    for name, alone in (("weight", 0), ("blame of a unit", 0), ("ripple", 4), ("prediction", 5)):
        found = ANSWERS[name]()
        said = [one.rstrip(".") for one in re.findall(r"[-+]?\d[\d.]*\.\d+", found.answer)]
        below = to_text(replace(found, question="", answer="", notes=()), width=110)
        numbers = {one.lstrip("-+") for one in re.findall(r"[-+]?\d[\d.]*", below)}
        missing = [one for one in said if one.lstrip("-+") not in numbers]
        assert len(said) > 1
        # costs and weights before and after, shares of classes, the length of a change stand nowhere else
        assert len(missing) <= alone, (name, missing, below)


def test_a_long_sum_ends_in_one_number_for_all_others_and_is_right():
    found = ANSWERS["weight"]()
    main = found.equations[0]
    symbols, numbers = main.sides[3], main.sides[4]
    for side in (symbols, numbers):
        inner = next(f for f in side.terms[0].factors if isinstance(f, Sum))
        assert len(inner.terms) == LISTED + 1
    assert inner.terms[-1].of == "3 others"
    products = [math.prod(f.value for f in term.factors) for term in inner.terms[:-1]]
    a = wg.forward(NET, WHY.theta, X[:1])
    delta = wg.backward(NET, WHY.theta, a, Y[:1]).delta
    passed = float(WHY.theta.W[2][:, 2] @ delta[2][0])
    assert math.fsum([*products, inner.terms[-1].value]) == pytest.approx(passed, rel=1e-12)
    assert re.search(r"[+−] [\d.e-]+ from 3 others", to_text(found, width=110))
    assert "<mtext>from 3 others</mtext>" in found.mathml()
    assert r"\text{from 3 others}" in found.latex()


def test_of_a_batch_the_largest_examples_are_written_out_and_the_others_are_one_number():
    main = ANSWERS["weight of a batch"]().equations[0]
    numbers = main.sides[3]
    assert numbers.terms[LISTED].of == "8 others"
    assert math.fsum(one.value for one in numbers.terms) == pytest.approx(main.sides[-1].value)


def test_rounding_that_no_digit_shows_is_not_printed_and_stays_in_the_data():
    noise = Answer(
        "", "Why?", "", 2.5, (Term("age", 2.0), Term("height", 0.5)), {"rounding": 8e-22}
    )
    more = replace(noise, residuals={"rounding": 1e-3, "beyond first order": 1e-20})
    for write in (to_text, to_fragment):
        assert "rounding" not in write(noise)
        assert "rounding" in write(more)
        assert "beyond first order" in write(more)
    found = ANSWERS["weight"]()
    assert "rounding" in found.residuals
    assert found.to_dict()["residuals"].keys() == {"rounding"}
    assert "rounding  " not in to_text(found)


def test_pages_set_the_numbers_of_sentences_as_those_of_formulas():
    found = Answer("", "From -2e-05?", "It fell by -0.5 (-3.5e+06), row-3 stays.", equations=(
        Equation((Words("w"), Number(-2e-5))),))  # fmt: skip
    page = to_fragment(found)
    assert "From −2×10⁻⁵?" in page
    assert "It fell by −0.5 (−3.5×10⁶), row-3 stays." in page


def test_a_probability_is_told_in_per_cent_and_z_a_line_below():
    found = ANSWERS["prediction"]()
    said, z, *_ = found.answer.splitlines()
    p = np.sort(wg.forward(NET, WHY.theta, X[:1]).a[-1][0])[::-1]
    assert re.fullmatch(
        rf'The network says "700\d": {share(p[0])}, against {share(p[1])} for "700\d"\.', said
    )
    assert re.match(r'z of "700\d" less z of "700\d", ', z)
    assert found.question.startswith('Why "700')


def test_one_example_has_no_correlation_of_activity_and_tweaks():
    assert "correlation" not in to_text(WHY.blame(*ONE))
    assert "correlation" in to_text(WHY.blame(X, Y))


def test_shares_stand_in_per_cent_and_are_numbers_in_the_data():
    found = ANSWERS["paths"]()
    rows = found.tables[0].rows
    assert share(rows[0][2]) in to_text(found, width=110)
    assert found.to_dict()["tables"][0]["rows"][0][2] == pytest.approx(rows[0][2])


def test_a_saved_picture_has_its_question_and_answer():
    for name in ("check", "weight"):
        found = ANSWERS[name]()
        drawn = told_svg(found.pictures[0], found)
        assert " ".join(found.question.split()[:3]) in drawn
        assert " ".join(found.answer.split()[:3]) in drawn
    assert "Derivatives in both ways" in told_svg(found.pictures[-1], found) or name != "check"


def test_a_gradient_check_draws_both_ways_and_sees_a_planted_error():
    right = ANSWERS["check"]().pictures[-1]
    marks = np.array([mark[:2] for mark in right.marks])
    np.testing.assert_allclose(marks[:, 0], marks[:, 1], atol=1e-7)
    trace = wg.backward(NET, WHY.theta, wg.forward(NET, WHY.theta, X), Y)
    given = wg.gradients(NET, WHY.theta, trace, None, 0.0, WHY.l2.of_batch(12, 12))
    given.dW[1][2, 1] *= 1.5
    wrong = (
        Why(NET, WHY.theta, NAMES, l2=wg.Penalty(0.1), n=12)
        .check(X, Y, gradients=given)
        .pictures[-1]
    )
    marks = np.array([mark[:2] for mark in wrong.marks])
    assert np.abs(marks[:, 0] - marks[:, 1]).max() > 1e-3


def test_units_have_names_in_words_where_that_is_asked_for():
    words = replace(Names(), in_words=True)
    assert words.of(NET, 1, 7) == "unit 7 of layer 1"
    assert Names().of(NET, 1, 7) == "hidden 1:7"
    assert words.find(NET, 1, "unit 7 of layer 1") == 7
