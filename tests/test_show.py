"""An answer as text, LaTeX, MathML and plain data: all of them say the same, whatever the names are."""

import json
import math
import re
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import answers
from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Fraction,
    Number,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)
from whygrad.answers.formatting import clean, columns, cut, number, short
from whygrad.answers.parts import Table, Term
from whygrad.answers.write.latex import escaped, expression_latex
from whygrad.answers.write.mathml import equations_mathml, expression_mathml
from whygrad.answers.write.text import expression_text, to_text
from whygrad.cli.answers import print_explanation

A, B, C = Symbol("a"), Symbol("b"), Symbol("c")
finite = st.floats(allow_nan=False, allow_infinity=False)


# ── one tree, three notations ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("tree", "text", "latex"),
    [
        (Symbol("W", 2, (1, 0)), "W[2][1,0]", "W^{2}_{1,0}"),
        (Symbol("f", 2, prime=True), "f′[2]", "{f'}^{2}"),
        (Symbol("δ", "l+1", ("m",)), "δ[l+1][m]", r"\delta^{l+1}_{m}"),
        (Symbol("x", None, ("petal width",)), "x[petal width]", r"x_{\text{petal width}}"),
        (Symbol("ΔW"), "ΔW", r"{\Delta W}"),
        (Symbol("λ₂"), "λ₂", r"\lambda_{2}"),
        (Number(51079.96), "51,080", "51{,}080"),
        (Number(-1.5e-7), "-1.5e-07", r"-1.5 \times 10^{-7}"),
        (Number(math.inf), "inf", r"\infty"),
        (Product((A, Sum((B, C)))), "a · (b + c)", r"a \cdot \left(b + c\right)"),
        (Product((A, Number(-0.5))), "a · (-0.5)", r"a \cdot \left(-0.5\right)"),
        (Product((Number(-0.5), A)), "-0.5 · a", r"-0.5 \cdot a"),
        (Sum((A, Number(-0.5))), "a − 0.5", "a - 0.5"),
        (Sum((A, Product((Number(-2.0), B)))), "a − 2 · b", r"a - 2 \cdot b"),
        (Product((SumOver("m", A), B)), "(Σ_m a) · b", r"\left(\sum_{m} a\right) \cdot b"),
        (Product((B, SumOver("m", A))), "b · Σ_m a", r"b \cdot \sum_{m} a"),
        (Fraction(A, Product((B, C))), "a / (b · c)", r"\frac{a}{b \cdot c}"),
        (Fraction(Sum((A, B)), C), "(a + b) / c", r"\frac{a + b}{c}"),
        (Power(Sum((A, Number(-0.5))), Number(2)), "(a − 0.5)²", r"{\left(a - 0.5\right)}^{2}"),
        (Power(Number(-0.5), B), "(-0.5)^(b)", r"{\left(-0.5\right)}^{b}"),
        (Product((Number(-1.0), Call(Symbol("ln"), A))), "−ln(a)", r"-\text{ln}\left(a\right)"),
        (Product((Number(-1.0), Number(0.5))), "-1 · 0.5", r"-1 \cdot 0.5"),
        (
            Sum((A, Product((Number(-1.0), Number(-0.5))))),
            "a − (-0.5)",
            r"a - \left(-0.5\right)",
        ),
        (Sum((A, Product((Number(-1.0), Sum((B, C)))))), "a − (b + c)", r"a - \left(b + c\right)"),
        (Derivative(A, B), "∂a/∂b", r"\frac{\partial a}{\partial b}"),
        (Call(Symbol("f", prime=True), A), "f′(a)", r"f'\left(a\right)"),
        (Words("50 % of_it"), "50 % of_it", r"\text{50 \% of\_it}"),
    ],
)
def test_a_tree_is_written_as_text_and_as_latex(tree, text, latex):
    assert expression_text(tree) == text
    assert expression_latex(tree) == latex
    ElementTree.fromstring(expression_mathml(tree))


@pytest.mark.parametrize("first", [(), (Number(0.5),)])
def test_a_long_sum_goes_on_in_further_rows_and_says_the_same(first):
    terms = tuple(Product((Number(0.1234 * (-1) ** i), Symbol("a", 1, (i,)))) for i in range(9))
    side = Product((*first, Sum(terms))) if first else Sum(terms)
    whole, broken = (
        ElementTree.fromstring(equations_mathml([Equation((A, side, B))], most=most))
        for most in (None, 40)
    )
    assert "".join(broken.itertext()) == "".join(whole.itertext())
    rows = ["".join(row.itertext()) for row in broken.iter() if row.tag.endswith("mtr")]
    assert len(rows) > 3
    assert max(map(len, rows)) <= 45


def test_words_that_fill_a_row_stand_apart_from_the_sign_of_equality():
    written = equations_mathml([Equation((A, Words("the mean"), B))])
    spaced = re.findall(r'=</mo>(<mspace width="[.\d]+em"/>)?(?:<mrow>)*<(\w+)', written)
    assert [(bool(space), tag) for space, tag in spaced] == [(True, "mtext"), (False, "mi")]


def test_mathml_says_what_the_text_says():
    tree = Product((Symbol("a", 1, (0,), part="1:0"), Number(-0.25), Symbol("δ", 2, ("l-1",))))
    element = ElementTree.fromstring(expression_mathml(tree))
    assert "".join(element.itertext()) == "a01·(−0.25)·δl−12"
    assert [one.get("data-part") for one in element.iter() if one.get("data-part")] == ["1:0"]


@given(st.lists(finite, min_size=1, max_size=6))
def test_text_latex_and_mathml_say_the_same_numbers(values):
    about = Explanation(
        "weight", "?", "", equations=(Equation((A, Sum(tuple(map(Number, values))))),)
    )
    said = [float(number(value).replace(",", "")) for value in values]
    text = to_text(about, 100)
    assert numbers(text.split("=")[1].replace("− ", "-").replace("\n", " ")) == said
    latex = about.latex().split("&=")[1].replace("- ", "-")
    assert numbers(re.sub(r" \\times 10\^\{(-?\d+)\}", r"e\1", latex).replace("{,}", ",")) == said
    spelled = "".join(ElementTree.fromstring(about.mathml()).itertext()).split("=")[1]
    spelled = re.sub(
        r"×10(−?\d+)", r"e\1", spelled.replace("+", " ").replace("−", "-").replace("×10-", "e-")
    )
    assert numbers(re.sub(r"(?<!e)-", " -", spelled)) == said


def numbers(text):
    found = re.findall(r"-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?", text)
    return [float(one.replace(",", "")) for one in found]


def test_every_side_of_an_equation_begins_a_line_below_the_first():
    lines = str(answers.weight()).splitlines()
    signs = [line.index("=") for line in lines if re.match("  .* = ", line) and "slope" not in line]
    assert len(signs) == 5
    assert len(set(signs)) == 1


# ── the whole answer ─────────────────────────────────────────────────────────────────────────────────


def test_the_text_gives_question_answer_equation_terms_residuals_tables_and_notes():
    about = answers.weight()
    text = to_text(about, 88)
    for part in (
        about.question,
        about.answer,
        "∂C/∂W[2][1,0] = a[1][0] · f′(z[2][1]) · ∂C/∂a[2][1]",
        "= 0.6225 · (-0.25) · 1.5e-05",
        "slope of sigmoid at z = 0.1",
        "Examples that push most",
        *about.notes,
    ):
        assert part in text
    assert re.search(r"beyond first order +1e-22\n +value +-2.334e-06", text)


def test_many_terms_are_counted_not_listed():
    terms = tuple(Term(f"term {i}", float(i)) for i in range(1000))
    text = str(Explanation("paths", "?", "", value=499500.0, terms=terms))
    assert "… and 976 more" in text
    assert "term 24" not in text


def test_paths_that_begin_alike_can_be_told_apart_in_a_narrow_terminal():
    paths = [f"petal width (cm) → hidden 1:3 → hidden 2:{j} → virginica" for j in range(3)]
    rows = tuple((path, 0.5, 0.25, 1.0) for path in paths)
    heads = ("path", "carries", "share of Σ|path|", "together")
    terms = tuple(Term(path, 0.5) for path in paths)
    about = Explanation("paths", "?", "", 1.5, terms, tables=(Table("Paths", heads, rows),))
    for width in (40, 60, 88):
        lines = to_text(about, width).splitlines()
        words = (word for line in lines for word in line.split())
        text = " ".join(word for word in words if not re.fullmatch(r"[\d.]+", word))
        for path in paths:
            assert text.count(path) == 2
    assert "… and 2 more columns: share of" in to_text(about, 40)
    assert "… and 1 more column: together" in to_text(about, 50)


@pytest.mark.parametrize("width", [1, 40, 60, 88, 300])
@pytest.mark.parametrize("make", [answers.weight, answers.hostile])
def test_no_line_of_the_text_is_wider_than_asked_but_for_words_that_are(make, width):
    lines = to_text(make(), width).splitlines()
    for line in lines:
        longest = max((columns(word) for word in line.replace("\u00a0", " ").split(" ")), default=0)
        assert columns(line) <= max(40, min(width, 110)) or longest > 8


def test_the_text_of_hostile_names_is_printable():
    assert all(c.isprintable() or c in "\n\u200c\u200d" for c in str(answers.hostile()))


def test_the_terminal_shows_the_same_lines_with_styles():
    console = Console(
        width=70,
        force_terminal=True,
        color_system="standard",
        record=True,
        file=StringIO(),
    )
    print_explanation(console, answers.weight())
    shown = console.export_text(styles=True)
    assert "\x1b[1m" in shown
    assert re.sub(r"\x1b\[[\d;]*m", "", shown).split() == to_text(answers.weight(), 70).split()


def test_an_answer_without_equations_is_its_sum():
    about = Explanation(
        "prediction",
        "?",
        "",
        0.75,
        (Term("petal width", 0.5), Term("bias", 0.3)),
        {"rounding": -0.05},
    )
    latex = about.latex()
    assert r"\text{petal width} + \text{bias} + \text{rounding}" in latex
    assert "0.5 + 0.3 - 0.05" in latex


def test_an_answer_without_value_is_its_table():
    about = Explanation(
        "blame", "?", "", tables=(Table("", ("unit", "error"), (("a_b", 0.5), ("c", None))),)
    )
    assert r"\text{a\_b} & 0.5 \\" in about.latex()
    cells = [one.text for one in ElementTree.fromstring(about.mathml()).iter() if one.text]
    assert cells == ["unit", "error", "a_b", "0.5", "c", "–"]
    empty = Explanation("blame", "What?", "Nothing.")
    assert empty.latex() == r"\text{Nothing.}"
    assert "".join(ElementTree.fromstring(empty.mathml()).itertext()) == "Nothing."


# ── hostile names ────────────────────────────────────────────────────────────────────────────────────


@given(st.text())
def test_no_name_can_leave_its_place_in_latex(name):
    written = escaped(name)
    bare = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]", "", written)
    assert not set(bare) & set('\\~^&%$#_{}<>"\n')


@given(st.text(), st.text())
def test_no_name_can_break_mathml(name, part):
    tree = Product((Symbol(name, name, (name,), part=part), Words(name), Number(1.0)))
    assert "script" not in {
        one.tag.split("}")[1] for one in ElementTree.fromstring(expression_mathml(tree)).iter()
    }


def test_hostile_answers_are_valid_mathml():
    ElementTree.fromstring(answers.hostile().mathml())


@given(st.text(), st.integers(1, 20))
def test_a_cut_name_fits(name, most):
    assert columns(cut(clean(name), most)) <= most


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────


@given(st.floats())
def test_a_short_number_is_short_and_near(value):
    text = short(value)
    assert len(text) <= 6 or abs(value) < 1e-99 or abs(value) >= 1e100
    if math.isfinite(value) and 1e-300 < abs(value) < 9e307:
        assert float(text) == pytest.approx(value, rel=0.51)


# ── plain data ───────────────────────────────────────────────────────────────────────────────────────


def strict(about):
    return json.loads(json.dumps(about.to_dict(), allow_nan=False, ensure_ascii=True))


def test_plain_data_hold_everything_and_survive_json():
    about = answers.weight()
    plain = strict(about)
    assert plain == about.to_dict()
    assert plain["kind"] == "weight"
    assert plain["value"] == about.value
    assert [one["value"] for one in plain["terms"][0]["factors"]] == [0.622459, -0.25, 1.5e-05]
    assert plain["terms"][0]["factors"][1]["text"] == "f′(z[2][1])"
    assert plain["residuals"] == {"beyond first order": 1e-22}
    assert plain["equations"][0]["sides"][0]["by"] == {
        "node": "symbol",
        "name": "W",
        "layer": 2,
        "index": [1, 0],
        "part": "2:1,0",
    }
    assert plain["equations"][0]["latex"].startswith(r"\frac{\partial C}")
    assert plain["tables"][0]["rows"] == [[17, "setosa", 0.25], [3, None, -1.0]]
    assert plain["pictures"][0]["picture"] == "network"
    assert np.shape(plain["pictures"][0]["edges"][1]) == (2, 4)
    assert plain["arrays"] == {"per example": [0.25, None, None]}


def test_hostile_answers_are_strict_json():
    plain = strict(answers.hostile())
    assert plain["value"] is None
    assert [one["picture"] for one in plain["pictures"]] == ["network", "bars", "curves", "images"]


def test_a_large_array_is_given_by_its_largest_entries():
    large = np.zeros((200, 300), np.float32)
    large[3, 4], large[5, 6], large[7, 8] = -9, 4, np.nan
    about = Explanation(
        "blame", "?", "", arrays={"delta": large, "n": np.int64(3), "yes": np.bool_(True)}
    )
    arrays = strict(about)["arrays"]
    assert arrays["delta"]["shape"] == [200, 300]
    assert arrays["delta"]["left_out"] == 59_900
    assert arrays["delta"]["largest"][:2] == [
        {"at": [3, 4], "value": -9.0},
        {"at": [5, 6], "value": 4.0},
    ]
    assert (arrays["n"], arrays["yes"]) == (3, True)
    assert np.shape(about.to_dict(limit=None)["arrays"]["delta"]) == (200, 300)


@pytest.mark.parametrize("make", [answers.weight, answers.hostile])
def test_the_same_answer_is_always_written_in_the_same_way(make):
    for write in (
        str,
        Explanation.latex,
        Explanation.mathml,
        lambda one: json.dumps(one.to_dict()),
    ):
        assert write(make()) == write(make())


def test_the_bare_prompt_shows_what_print_shows():
    answer = Explanation(
        "weight", "Why would it move?", "Because of this.", 0.5, (Term("it", 0.5),)
    )
    assert repr(answer) == str(answer)
    assert "Why would it move?" in repr(answer)
