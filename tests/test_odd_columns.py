"""Columns as people write them: what each is read as, what becomes of it, and the words that are said."""

import json
from itertools import permutations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from command import whygrad
from whygrad.pipeline.fit import Source, prepare
from whygrad.pipeline.settings import Settings, from_dict
from whygrad.tables import (
    Encoding,
    Oddities,
    Target,
    as_table,
    choose_target,
    describe,
    learn,
    learning,
    spellings,
    written_numbers,
)
from whygrad.tables.cells import read_dates, read_numbers
from whygrad.tables.dates import DAY, DateForm
from whygrad.tables.decisions import decide
from whygrad.tables.written_numbers import NumberForm

N = 40
QUICK = ("--hidden", "3", "--epochs", "2", "--engine", "reference")
NAN = float("nan")


def text(values):
    return pa.array(list(values), pa.large_string())


def cycled(*values):
    """Return a column of N cells in which these follow one another."""
    return [values[i % len(values)] for i in range(N)]


def with_odd(odd, values=None, row=7):
    """Return a column of numbers with one cell, in row 7, that is something else."""
    values = [str(i * 13 % 17) for i in range(N)] if values is None else list(values)
    values[row - 1] = odd
    return values


def described(values, name="c", **more):
    """Return what was decided about a column of text, or of a type."""
    column = values if isinstance(values, pa.Array) else text(values)
    [fact] = describe(pa.table({name: column}), **more).facts
    return fact


def learned(columns, types=None, na=(), y=None):
    """Return the encoding of columns of text beside a target of numbers, and the table."""
    y = [f"{i * 37 % 11 / 7:.4f}" for i in range(N)] if y is None else y
    table = pa.table({name: text(values) for name, values in columns.items()} | {"y": text(y)})
    table, target = choose_target(table, "y", None, types, na)
    return learn(table, target, types), table


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────

SIGNS = ["", " ", "-", "NA", "na", "<NA>", ".", "?", "#DIV/0!", "None", " n/a "]


@pytest.mark.parametrize("sign", SIGNS)
def test_signs_of_a_missing_value_are_missing_without_a_word(sign):
    fact = described(with_odd(sign))
    assert (fact.kind, fact.missing, fact.note) == ("number", 1, "")
    assert fact.becomes == "2 inputs: standardised, one tells where it is missing"


@pytest.mark.parametrize(
    "word", ["unknown", "nil", "n.k.", "about 3", "inf", "1e999", "12 kg", "3,5"]
)
def test_any_other_word_among_numbers_is_missing_and_named_with_its_row(word):
    fact = described(with_odd(word))
    assert (fact.kind, fact.missing) == ("number", 1)
    assert fact.note == f"is no number in row 6 (from 0), '{word}': taken for a missing value"


def test_several_words_are_counted_and_the_first_is_named():
    values = with_odd("low", with_odd("high"), row=3)
    fact = described(values * 3)
    assert (
        fact.note
        == "is no number in 6 rows, the first is row 2 (from 0), 'low': taken for a missing value"
    )


def test_words_for_missing_values_do_not_count_against_numbers_and_others_do():
    assert described(cycled("1", "unknown", "2", "nil", "-")).kind == "number"
    assert described(cycled("1", "low", "2", "high", "-")).kind == "category"


# Cells → the form they have in common, and the numbers.
WRITTEN = {
    "dollars": (["$1,200", "$950", "$1,000.50"], "commas between thousands, in $", [1200, 950, 1000.5]),
    "codes of currencies": (["CHF 1'200", "CHF 950"], "apostrophes between thousands, in CHF", [1200, 950]),
    "euros": (["1.200,50 €", "300 €"], "decimal commas, points between thousands, in €", [1200.5, 300]),
    "one spelling for two": (["EUR 5", "€6"], "in €", [5, 6]),
    "spaces": (["1 200", "12 000,5"], "decimal commas, spaces between thousands", [1200, 12000.5]),
    "narrow spaces": (["1\u202f200", "12\u00a0000"], "spaces between thousands", [1200, 12000]),
    "lakhs": (["1,23,456", "12,345.5"], "commas between thousands", [123456, 12345.5]),
    "decimal commas": (["1,5", "12,25", "3"], "decimal commas", [1.5, 12.25, 3]),
    "percents": (["12 %", "13%", "0.5 percent"], "in %", [12, 13, 0.5]),
    "parentheses": (["(300)", "200", "(1.5)"], "parentheses as minus", [-300, 200, -1.5]),
    "areas": (["34 m²", "35.5 m2", "30m²"], "in m²", [34, 35.5, 30]),
    "years": (["1 year", "5 years"], "in year", [1, 5]),
    "of ten": (["8/10", "7/10", "9.5/10"], "in /10", [8, 7, 9.5]),
    "ranges": (["1000 - 1200", "900", "1 to 2"], "ranges as their middle", [1100, 900, 1.5]),
    "ranges with a unit": (["2–3 days", "4 days"], "in day, ranges as their middle", [2.5, 4]),
    "a long minus": (["−5 kg", "3 kg"], "in kg", [-5, 3]),
    "powers": (["1.5e3", "2E-1"], "as written", [1500, 0.2]),
    "plus": (["+1", "2"], "as written", [1, 2]),
    "a minus apart": (["- 5", "3", "−2.5"], "as written", [-5, 3, -2.5]),
    "a minus behind": (["300-", "1,000.50-", "7"], "commas between thousands", [-300, -1000.5, 7]),
    "money in parentheses": (["$ (300.00)", "$ 15.00"], "in $, parentheses as minus", [-300, 15]),
    "a dash for no cents": (["12,-", "13,50"], "decimal commas", [12, 13.5]),
    "marks of footnotes": (["1.2*", "3.4**", "0.3", "5[a]"], "as written", [1.2, 3.4, 0.3, 5]),
    "lacs and crores": (["₹ 91.5 Lac", "₹ 1.5 Cr"], "in ₹, k, M and the like as factors", [9.15e6, 1.5e7]),
    "areas in several units": (
        ["1000 sq.ft.", "100 sq. yards", "2 acres"], "in m², units converted",
        [92.90304, 83.612736, 8093.7128448]),
    "feet and inches": (
        ["5'7\"", "6'2", "6’ 0”", "5'11.5\""], "in m, units converted", [1.7018, 1.8796, 1.8288, 1.8161]),
    "feet and inches in words": (
        ["5 ft 7 in", "6 ft", "5ft 2"], "in m, units converted", [1.7018, 1.8288, 1.5748]),
    "limits of detection": (["<0.1", "0.5", "1.2"], "<x as x/2, >x as x", [0.05, 0.5, 1.2]),
    "the ends of a scale": (
        ["18-24", "25-34", "35–44", "65+"], "ranges as their middle, <x as x/2, >x as x",
        [21, 29.5, 39.5, 65]),
    "more than": (["10,000+", "500+"], "commas between thousands, <x as x/2, >x as x", [10000, 500]),
    "about": (["~5", "12", "≥ 20", "9"], "<x as x/2, >x as x", [5, 12, 20, 9]),
    "millions": (
        ["€1.2M", "€565K", "€0", "€900"], "in €, k, M and the like as factors", [1.2e6, 565e3, 0, 900]),
    "thousands": (["12k", "900", "1.5k"], "k, M and the like as factors", [12000, 900, 1500]),
    "words for them": (["1.5 million", "750 thousand"], "k, M and the like as factors", [1.5e6, 750e3]),
    "bytes": (["10 MB", "512 KB"], "in b, units converted", [1e7, 512e3]),
    "masses": (["1.5 kg", "500 g"], "in g, units converted", [1500, 500]),
    "ages": (["2 years", "3 weeks", "5 days"], "in day, units converted", [730.5, 21, 5]),
    "durations": (["2h 50m", "19h", "1 hr 30 mins", "45m"], "in day, units converted", [
        (2 + 50 / 60) / 24, 19 / 24, 1.5 / 24, 45 / 1440]),
    "spellings of hours": (["1 hr", "2 hrs", "3 Hours"], "in hr", [1, 2, 3]),
    "spellings of an area": (["34 m²", "35 sqm", "36 m2", "37 qm"], "in m²", [34, 35, 36, 37]),
    "spellings of ages": (["31 yrs", "42 years", "5 yo"], "in yrs", [31, 42, 5]),
    "spellings of degrees": (["21 °C", "22C", "23.5°C"], "in °C", [21, 22, 23.5]),
    "spellings of degrees Fahrenheit": (["71 °F", "72F"], "in °F", [71, 72]),
    "a piece and several": (["1 pc", "12 pcs"], "in pc", [1, 12]),
    "ranks": (
        ["1st", "2nd", "3rd", *(f"{k}th" for k in range(4, 24))], "1st, 2nd as numbers", [*range(1, 24)]),
    "euros in words": (["5 €", "7 Euro", "9 EUR"], "in €", [5, 7, 9]),
    "degrees of both kinds": (["20 °C", "32 °F", "212°F"], "in °C, units converted", [20, 0, 100]),
    "miles and kilometres": (["2 mi", "3 km"], "in m, units converted", [3218.688, 3000]),
    "ounces and pounds": (["2 oz", "1 lb", "2 lbs"], "in g, units converted", [
        56.69904625, 453.59237, 907.18474]),
    "inches and centimetres": (["2 in", "3 cm", "4 inches"], "in m, units converted", [
        0.0508, 0.03, 0.1016]),
    "what shows nothing": (["\u200b12", "13\ufeff"], "as written", [12, 13]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_are_read_as_people_write_them(name):
    cells, form, numbers = WRITTEN[name]
    decision = decide(text(cells), "c")
    assert (decision.kind, decision.number.described) == ("number", form)
    values, odd, _ = read_numbers(text([*cells, "rather"]), form=decision.number)
    assert values.tolist() == pytest.approx([*numbers, NAN], nan_ok=True)
    assert odd.tolist() == [False] * len(cells) + [True]


NO_NUMBERS = {
    "two units": ["34 m²", "35 kg", "36 m²", "37 kg"],
    "two currencies": ["USD 5", "EUR 6"],
    "codes with letters": ["12A", "13B", "14C"],
    "postal codes with a dash": ["94103-1234", "10001-0007", "60601-2000"],
    "percents and numbers": ["12 %", "0.13", "14 %", "0.15"],
    "versions": ["1.2.3", "2.0.1"],
    "hexadecimal": ["0x1F", "0x2A"],
    "an underscore": ["1_000", "12_000"],
    "halves": ["5½", "6"],
    "classes of a ship": ["1st", "2nd", "3rd"],
    "classes of income": ["<=50K", ">50K"],
    "results": ["3-1", "2-0", "1-4"],
    "minutes and seconds": ["5'30\"", "6'05\"", "4'45\"", "7'20\""],
}


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_has_no_single_form_is_no_number(name):
    assert decide(text(NO_NUMBERS[name]), "c").kind == "text"


@pytest.mark.parametrize(
    ("large", "value", "read"),
    [
        ("1,234", 1234, "commas between thousands"),
        ("1 234.5", 1234.5, "spaces between thousands"),
        ("<0.1", 0.05, "<x as x/2, >x as x"),
    ],
)
def test_a_mark_that_only_the_largest_numbers_show_is_known(large, value, read):
    cells = with_odd(large)
    assert cells.count(large) < 0.05 * N
    encoding, table = learned({"c": cells})
    [column] = encoding.columns
    assert column.form.described == read
    assert column.read(table["c"], ())[cells.index(large)] == value


def test_a_letter_behind_some_numbers_is_no_million():
    form = decide(text(cycled("12", "14", "12M", "3")), "number of the house").number
    assert (form.unit, form.family) == ("M", "")


def test_whether_a_comma_divides_thousands_is_told_by_the_other_columns():
    unclear, clear = cycled("1,234", "12,345", "7,100"), cycled("1,5", "2,25", "3,5")
    marks: dict[tuple[str, ...], str] = {}
    for others in ({}, {"d": clear}, {"d": cycled("1,234.5", "2,000.25", "7")}):
        encoding, _ = learned({"c": unclear, **others}, y=[str(i * 37 % 23) for i in range(N)])
        marks[tuple(others.get("d", ())[:1])] = encoding.columns[0].form.decimal
        said = [note for note in encoding.notes if "'c'" in note]
        assert said == (
            []
            if others
            else [
                "column 'c': '1,234' could be read in two ways: the comma is taken for the mark of "
                "thousands"
            ]
        )
    assert marks == {(): ".", ("1,5",): ",", ("1,234.5",): "."}


# Numbers as they are written, none of which is plain.
FORMS = {
    "decimal commas": lambda v: f"{v:.2f}".replace(".", ","),
    "thousands": lambda v: f"{1000 * v:,.0f}",
    "money": lambda v: f"${1000 * v:,.2f}",
    "percent": lambda v: f"{v:.1f} %",
    "a unit": lambda v: f"{v:.1f} m²",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [40, 100, 50_000])
def test_a_column_is_numbers_in_whatever_form_if_19_of_20_cells_are(form, n):
    draws = np.random.default_rng(n)
    for odd, kind in ((n // 20, "number"), (n // 20 + 1, None)):
        values = [FORMS[form](v) for v in draws.uniform(1, 99, n)]
        for i in draws.permutation(n)[:odd]:
            values[i] = draws.choice(["n.k.", "siehe oben", "about 5"])
        fact = described(values)
        if kind:
            assert fact.kind == "number" and fact.missing == odd
        else:
            assert fact.kind != "number"
            told = f"{fact.becomes} {fact.note}"
            assert "--type c=number takes the rest for missing" in told


@pytest.mark.parametrize(
    ("units", "two"),
    [
        (("€", "$"), "'$' and '€'"),
        (("km", "kg"), "'kg' and 'km'"),
        (("m²", "°C"), "'m²' and '°C'"),
    ],
)
@pytest.mark.parametrize("n", [60, 600])
def test_numbers_in_units_that_nothing_converts_are_named(units, two, n):
    values = [f"{i % 30 + 1} {units[i % len(units)]}" for i in range(n)]
    fact = described(values)
    assert fact.kind in ("category", "free text")
    said = "numbers in several units, {}: write all in one, or the unit in a column of its own"
    two = {*two.split(" and ")}
    assert any(
        said.format(" and ".join(pair)) in fact.becomes + fact.note for pair in permutations(two)
    )
    assert "--type" not in fact.becomes + fact.note
    seats = described([f"{i % 30 + 1}{'ABCDEF'[i % 6]}" for i in range(n)])
    assert "several units" not in seats.becomes + seats.note
    assert (
        described([f"{i % 30 + 1}{'CF'[i % 2]}" for i in range(n)]).kind != "number"
    )  # no degrees


def test_numbers_with_decimal_commas_that_too_many_words_spoil_are_named():
    values = ["unb." if i % 10 == 3 else f"{i / 7:.3f}".replace(".", ",") for i in range(N)]
    assert described(values).becomes == (
        "left out: numbers mixed with text such as 'unb.'; --type c=number takes the rest for missing"
    )
    assert described(values, types={"c": "number"}).read == "decimal commas"


def test_points_between_thousands_are_told_by_the_other_columns():
    columns = {"c": cycled("1.234", "12.345", "7.100"), "d": cycled("1,5", "2,25", "3,5")}
    encoding, _ = learned(columns, y=[str(i * 37 % 23) for i in range(N)])
    assert encoding.columns[0].form == NumberForm(",", ".")
    encoding, _ = learned({"c": columns["c"]}, y=[str(i * 37 % 23) for i in range(N)])
    assert encoding.columns[0].form == NumberForm()


def test_no_thousands_begin_with_a_zero():
    fact = described(cycled("0,143", "1,286", "12,429"))
    assert (fact.read, fact.note) == ("decimal commas", "")


# ── numbers that are names ───────────────────────────────────────────────────────────────────────────


def panel(effect, of=60, rows=10, seed=0):
    """Return a whole number from 1 to `of`, each in so many rows, and a target that follows its effect."""
    draws = np.random.default_rng(seed)
    number = np.repeat(np.arange(1, of + 1), rows)
    return number, effect(draws, number) + draws.normal(size=len(number))


ORDERS = {
    "names": (lambda draws, x: 2 * draws.normal(size=x.max() + 1)[x], True),
    "a line": (lambda draws, x: x / 10, False),
    "a parabola": (lambda draws, x: (x - 30) ** 2 / 100, False),
    "a wave of ten": (lambda draws, x: 2 * np.sin(2 * np.pi * x / 10), False),
    "a step": (lambda draws, x: 4.0 * (x > 30), False),
    "nothing": (lambda draws, x: 0.0 * x, False),
    "little": (lambda draws, x: 0.3 * draws.normal(size=x.max() + 1)[x], False),
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("seed", range(5))
def test_whole_numbers_are_names_where_the_target_knows_no_order_of_theirs(name, seed):
    effect, names = ORDERS[name]
    number, y = panel(effect, seed=seed)
    target = Target("y", "regression", "number")
    for column in (pa.array(number), pa.array(number * 1.0), text(map(str, number))):
        table = pa.table({"firm": column, "y": y})
        [found] = learn(table, target, bins=8).columns
        assert found.kind == ("code" if names else "number")
        if names:
            assert found.values == tuple(sorted(map(str, set(number.tolist()))))
        assert learn(table, target, {"firm": "number"}, bins=8).columns[0].kind == "number"
        assert learn(table, target).columns[0].kind == "number"  # without pieces


def test_a_code_with_a_point_and_nothing_behind_is_the_one_of_training():
    number, y = panel(ORDERS["names"][0])
    encoding = learn(
        pa.table({"firm": number, "y": y}), Target("y", "regression", "number"), bins=8
    )
    odd = Oddities()
    X = encoding.encode(pa.table({"firm": text(["7.0", "7", "7.5"])}), odd=odd)
    np.testing.assert_array_equal(X[0], X[1])
    assert X[0].sum() == 1 and X[2].sum() == 0
    assert [line.partition(", in ")[2] for line in encoding.oddities(odd)] == [
        "row 2 (from 0), '7.5': taken for none of the values of training"
    ]


def test_what_no_name_is_stays_a_number():
    number, y = panel(ORDERS["names"][0])
    kinds = {
        "halves": number / 2,
        "negative": -number,
        "years": number + 1949,
        "nearly all different": np.repeat(np.arange(len(y) // 2), 2) * 7,
        "scattered": np.where(np.arange(len(y)) % 3, 7, number),
        "codes of text": number,
    }
    alike = np.repeat(np.random.default_rng(1).normal(size=len(y) // 2), 2)
    for name, values in kinds.items():
        column = text(f"{v:.1f}" for v in values) if name == "codes of text" else values
        table = pa.table({"c": column, "y": alike if name == "nearly all different" else y})
        [found] = learn(table, Target("y", "regression", "number"), bins=8).columns
        assert found.kind == "number", name


def test_numbers_taken_for_names_are_told_and_met_again_in_any_type():
    number, y = panel(ORDERS["names"][0])
    table = pa.table({"firm": number, "y": y})
    encoding = learn(table, Target("y", "regression", "number"), bins=8)
    assert encoding.notes == (
        "column 'firm': categories, not numbers: targets of neighbouring ones are no more alike than of "
        "any two; --type firm=number takes them for numbers",
    )
    again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    for column in (pa.array([3, 61]), pa.array([3.0, 61.0]), text(["3", "61"])):
        odd = Oddities()
        X = again.encode(pa.table({"firm": column}), odd=odd)
        assert X[0].sum() == 1 and X[1].sum() == 0 and X[0, again.names.index("firm=3")] == 1
        [line] = again.oddities(odd)
        assert "never seen in training, in row 1 (from 0)" in line


# ── the hand-over to prediction ──────────────────────────────────────────────────────────────────────

# What training saw, what comes, the value it is taken for (None: missing), and the words.
LATER = {
    "a word": (
        cycled("1", "2", "4"), "x", None,
        "is no number in row 0 (from 0), 'x': taken for 2, the median of training"),
    "a decimal comma where there were points": (
        cycled("1.5", "2.5", "4"), "3,5", None,
        "is no number in row 0 (from 0), '3,5': taken for 2.5, the median of training"),
    "a point where there were decimal commas": (
        cycled("1,5", "2,5", "4"), "3.5", None,
        "is no number (decimal commas) in row 0 (from 0), '3.5': taken for 2.5, the median of training"),
    "another unit": (
        cycled("34 m²", "35 m²", "40 m²"), "34 ft²", None,
        "is no number (in m²) in row 0 (from 0), '34 ft²': taken for 35, the median of training"),
    "no unit": (
        cycled("34 m²", "35 m²", "40 m²"), "38", 38,
        "lacks 'm²' in row 0 (from 0), '38': taken as if it stood there"),
    "no unit, as before": (cycled("34 m²", "35", "40 m²"), "38", 38, None),
    "no percent": (
        cycled("12 %", "13 %", "15 %"), "0.14", None,
        "is no number (in %) in row 0 (from 0), '0.14': taken for 13, the median of training"),
    "percent where there were numbers": (
        cycled("0.12", "0.13", "0.15"), "14 %", None,
        "is no number in row 0 (from 0), '14 %': taken for 0.13, the median of training"),
    "a bound where there was none": (
        cycled("1", "2", "4"), "<1", None,
        "is no number in row 0 (from 0), '<1': taken for 2, the median of training"),
    "another bound": (cycled("<1", "2", "4"), "<3", 1.5, None),
    "a unit of the family": (cycled("500 g", "1 kg", "2 kg"), "3000 mg", 3, None),
    "another family": (
        cycled("500 g", "1 kg", "2 kg"), "3 m", None,
        "is no number (in g, units converted) in row 0 (from 0), '3 m': taken for 1000, the median of "
        "training"),
    "a minus apart": (cycled("1", "2", "4"), "- 3", -3, None),
    "the same form": (cycled("$1,200", "$950", "$3,000"), "$2,500.50", 2500.5, None),
    "a number of which no square is finite": (
        cycled("1", "2", "4"), "1e119", None,
        "is too large to compute with in row 0 (from 0), '1e119': taken for 2, the median of training"),
    "a number that is infinite in the inputs": (
        cycled("1", "2", "4"), "-1e90", None,
        "is too large to compute with in row 0 (from 0), '-1e90': taken for 2, the median of training"),
    "nothing": (
        cycled("1", "2", "4"), "", None,
        "is empty in row 0 (from 0) as it never was in training: taken for 2, the median of training"),
}  # fmt: skip


@pytest.mark.parametrize("name", LATER)
def test_what_is_met_later_is_read_as_in_training_or_missing_and_told(name):
    cells, later, value, words = LATER[name]
    encoding, _ = learned({"c": cells})
    encoding = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    [column] = encoding.columns
    odd = Oddities()
    x = encoding.encode(pa.table({"c": text([later])}), odd=odd)[0, 0]
    assert x * column.scale + column.center == pytest.approx(
        column.fill if value is None else value
    )
    assert encoding.oddities(odd) == ([f"column 'c' {words}"] if words else [])


@pytest.mark.parametrize("bins", [0, 4])
def test_an_infinite_number_of_a_frame_is_missing_in_every_input_that_it_makes(bins):
    rng = np.random.default_rng(0)
    seen = {"latitude": rng.uniform(46, 48, N), "longitude": rng.uniform(7, 9, N)}
    seen["count"] = np.where(np.arange(N) % 7, rng.normal(size=N), np.nan)
    target = Target("y", "regression", "number")
    encoding = learn(pa.table(seen), target, bins=bins, Y=rng.normal(size=(N, 1)))
    rows = {name: [values[1]] * 4 for name, values in seen.items()}
    gone = {name: [*values[:1], None, None, None] for name, values in rows.items()}
    odd = Oddities()
    for name, values in rows.items():
        rows[name] = [*values[:1], np.inf, -np.inf, 1e200]
    X = encoding.encode(pa.table(rows), odd=odd)
    np.testing.assert_array_equal(X, encoding.encode(pa.table(gone)))
    assert np.isfinite(X).all()
    for name, line in zip(seen, encoding.oddities(odd), strict=True):
        where = "3 rows, the first is row 1 (from 0), 'inf'"
        assert line.startswith(
            f"column '{name}' is too large to compute with in {where}: taken for "
        )


@pytest.mark.parametrize("seed", [0, 1])  # of which one has the row among the test rows
def test_a_cell_too_large_is_missing_in_training_as_later_and_its_row_is_named(tmp_path, seed):
    rows = [f"{i % 5},{i * 37 % 23}.25" for i in range(N)]
    rows[17] = "1e119,3.25"
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]))
    run, file = str(tmp_path / "t.run"), str(tmp_path / "t.csv")
    found = whygrad("train", file, "--target", "y", "--run", run, *QUICK, "--seed", seed)
    assert found.code == 0
    assert "'a' is too large to compute with in row 17 (from 0), '1e119'" in found.err
    [fact] = describe(pa.table({"a": text(row.split(",")[0] for row in rows)})).facts
    assert fact.missing == 1 and "too large to compute with in row 17" in fact.note


def test_a_row_without_a_target_may_hold_a_number_too_large_and_its_file_is_predicted(tmp_path):
    rows = [f"{i % 5},{i % 3}.5,{i * 37 % 23}.25" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows, "1e119,1.5,", "2,1.5,1e119"]))
    run, file = str(tmp_path / "t.run"), str(tmp_path / "t.csv")
    assert whygrad("train", file, "--target", "y", "--run", run, *QUICK).code == 0
    large = f"column 'a' is too large to compute with in row {N} (from 0), '1e119'"
    for command in ("predict", "evaluate"):
        found = whygrad(command, run, file)
        assert found.code == 0 and large in found.err
    left_out = f"target 'y' is too large to compute with in row {N + 1} (from 0), '1e119'"
    assert left_out in found.err
    assert "2 rows left out: no value in the target 'y'" in found.err
    same = pd.DataFrame({"a": ["1e119", ""], "b": ["1.5"] * 2})
    first, second = (wg.open_run(run).why.prediction(same[k : k + 1]) for k in range(2))
    assert first.value == second.value and first.terms == second.terms


def test_a_frame_in_which_a_column_of_any_kind_has_no_value_is_read_as_missing():
    columns = {
        "word": cycled("a", "b", "c"),
        "code": cycled("0041", "0177"),
        "day": cycled("2024-01-31", "2024-02-01", "2024-02-05"),
        "size": cycled("34 m²", "35 m²", "37 m²"),
        "pair": [f"{i + 100}/{i % 31}" for i in range(N)],
        "yes": cycled("yes", "Yes", "no"),
    }
    encoding, _ = learned(columns)
    rows = {name: cells[:1] for name, cells in columns.items()}
    for name in columns:
        given = [
            encoding.encode(as_table(pd.DataFrame(rows | {name: [gap]})))
            for gap in (np.nan, None, "", "NA")
        ]
        assert all((one == given[0]).all() for one in given)
    with pytest.raises(
        wg.InputError, match="column 'word' holds numbers, in training it held text"
    ):
        encoding.encode(as_table(pd.DataFrame(rows | {"word": [5.0]})))


def test_a_frame_of_numbers_is_read_by_the_unit_of_training():
    frame = pa.table({"c": [0.14, 0.2]})
    for cells, taken in ((cycled("12 %", "13 %"), False), (cycled("0.3 m", "0.7 m"), True)):
        encoding, _ = learned({"c": cells})
        odd = Oddities()
        X = encoding.encode(frame, np.float64, odd=odd)
        [column] = encoding.columns
        values = X[:, 0] * column.scale + column.center
        assert values.tolist() == pytest.approx([0.14, 0.2] if taken else [column.fill] * 2)
        [line] = encoding.oddities(odd)
        assert ("lacks 'm' in 2 rows" in line) == taken


def test_a_date_later_is_read_in_the_order_of_training():
    encoding, _ = learned({"d": [f"{1 + i % 12}/{1 + i % 28}/2023" for i in range(N)]})
    encoding = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    [column] = encoding.columns
    assert column.form == DateForm("month first")
    seconds, odd = read_dates(text(["2/3/2023", "31/12/2023"]), column.form)
    assert str(np.datetime64(int(seconds[0] // DAY), "D")) == "2023-02-03" and odd.tolist() == [
        False,
        True,
    ]


def test_an_encoding_that_an_older_version_wrote_reads_as_it_did():
    encoding, table = learned({"c": cycled("1,5", "2", "4"), "d": cycled("p", "q")})
    about = encoding.to_dict()
    for column in about["columns"]:
        column.pop("form", None)
        column.pop("spellings", None)
    for name in ("form", "spellings", "na"):
        del about["target"][name]
    del about["facts"]
    old = Encoding.from_dict(about)
    assert old == encoding
    np.testing.assert_array_equal(old.encode(table), encoding.encode(table))
    np.testing.assert_array_equal(old.targets(table), encoding.targets(table))
    settings = json.loads(json.dumps(vars(Settings())))
    del settings["types"], settings["na"]
    assert from_dict(settings) == Settings()


@pytest.mark.parametrize(
    ("part", "damage"),
    [("form", {"form": "x"}), ("parts", ["x"]), ("centers", []), ("widths", [1.0])],
)
def test_a_damaged_description_of_dates_is_refused(part, damage):
    encoding, _ = learned({"d": [f"2023-{1 + i % 12:02}-01" for i in range(N)]})
    about = encoding.to_dict()
    about["columns"][0][part] = damage
    with pytest.raises(wg.InputError, match="the description of the table is damaged"):
        Encoding.from_dict(about)


# ── codes and identifiers ────────────────────────────────────────────────────────────────────────────

CODES = {
    "leading zeros": (cycled("0041", "0177", "1200"), "c", "code", "leading zeros"),
    "many digits": (
        cycled(*(f"{10**17 + i}" for i in range(5))), "c", "code", "numbers of more than 15 digits"),
    "postal codes": (cycled("10000", "20000", "30000"), "Zip Code", "code", "postal codes"),
    "one zero among numbers": (with_odd("07"), "c", "number", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_codes_are_categories(name):
    values, column, kind, why = CODES[name]
    fact = described(values, column)
    assert (fact.kind, fact.note) == (kind, f"categories, not numbers: {why}" if why else "")


def test_a_code_keeps_its_zeros():
    encoding, _ = learned({"c": cycled("0041", "0177", "1200")})
    assert encoding.names == ("c=0041", "c=0177", "c=1200")


def test_identifiers_are_told_by_their_values():
    draws = np.random.default_rng(1)
    grown = 198_712 + np.cumsum(draws.integers(150, 400, N))
    identifiers = {
        "PID": 526_301_100 + draws.choice(480_000_000, N, replace=False),
        "in order": np.arange(N) * 7 + 3,
        "most of those in order": np.sort(draws.choice(N + 9, N, replace=False)) * 7 + 3,
        "Order no.": grown,
        "packed": draws.permutation(N) + 1000,
    }
    quantities = {
        "population": np.unique((10 ** draws.uniform(3, 9, 2 * N)).astype(int))[
            draws.permutation(N)
        ],
        "dollars": draws.choice(10**6, N, replace=False),
        "key": draws.choice(10**6, N, replace=False),
        "grown in time": grown,
        "fallen": grown[::-1],
        "grown, in thousands": 1000 * grown,
        "Year": np.arange(N) + 1950,
        "week": np.arange(N) + 1,
    }
    for name, values in (identifiers | quantities).items():
        for column in (pa.array(values), text(map(str, values))):
            kind = described(column, name).kind
            assert kind == ("identifier" if name in identifiers else "number"), name


def test_text_of_many_words_and_text_that_is_mostly_missing_identify_no_rows():
    notes = [f"fever on day {i}, then better" for i in range(N)]
    promised = [f"code{i}" if i % 9 == 0 else "" for i in range(N)]
    users = [f"u{i}" for i in range(N)]
    columns = {"notes": notes, "promised": promised, "user": users, "k": cycled("a", "b")}
    facts = {fact.name: fact for fact in learned(columns)[0].facts}
    for name, distinct in (("notes", N), ("promised", len(set(promised)) - 1)):
        assert facts[name].kind == "free text"
        said = f"left out: free text, its {distinct} values are all different"
        assert facts[name].becomes == said
    assert facts["user"].kind == "identifier"


@pytest.mark.parametrize(
    ("values", "value"),
    [
        (["-999", "20", "25.5", "-999", "31"], "-999"),
        (["9999", "1", "2", "3"], "9999"),
        (["-1", "1999", "2005"], "-1"),
        (["-1", "1", "2", "0"], ""),
        (["99", "98", "97", "50"], ""),
        (["-99.5", "1", "2"], ""),
    ],
)
def test_a_number_that_may_stand_for_a_missing_one_is_named(values, value):
    note = described(cycled(*values)).note
    if not value:
        assert note == ""
        return
    there = cycled(*values).count(value)
    others = [float(cell) for cell in values if cell != value]
    assert note == (
        f"is {value} in {there} rows, far from its other values, which are {min(others):g} to "
        f"{max(others):g}: if it stands for a missing value, --na={value} takes it for one, in all columns"
    )
    encoding, table = learned({"c": cycled(*values)}, na=(value,))
    assert encoding.facts[0].missing == there and encoding.facts[0].note == ""


# ── spellings ────────────────────────────────────────────────────────────────────────────────────────

SPELLINGS = {
    "case": (
        cycled("yes", "yes", "Yes", "no"), ["no", "yes"], "'Yes' is taken for 'yes'"),
    "ways to say yes": (
        cycled("true", "true", "T", "F", "1"), ["F", "true"],
        "'T' is taken for 'true', '1' is taken for 'true'"),
    "accents as one sign and as two": (
        cycled("Zürich", "Zürich", "Zu\u0308rich", "Bern"), ["Bern", "Zürich"],
        "'Zu\u0308rich' is taken for 'Zürich'"),
    "blanks": (
        cycled("New York ", "New  York", "Bern", "New York"), ["Bern", "New York"],
        "'New  York' is taken for 'New York'"),
    "one letter": (cycled("m", "M", "kg"), ["M", "kg", "m"], ""),
    "two letters": (cycled("Aa", "AA", "aa"), ["AA", "Aa", "aa"], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_of_one_value_are_merged_and_told(name):
    values, kept, words = SPELLINGS[name]
    encoding, _ = learned({"c": values})
    assert sorted(encoding.names) == [f"c={value}" for value in kept]
    assert list(encoding.notes) == ([f"column 'c': {words}"] if words else [])


def test_a_spelling_that_training_never_saw_is_known_later():
    encoding, _ = learned({"c": cycled("yes", "no"), "d": cycled("m", "M")})
    encoding = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    X = encoding.encode(pa.table({"c": text(["YES ", "No", "y"]), "d": text(["m", "M", "x"])}))
    assert X.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_a_column_of_which_no_value_is_known_is_told():
    encoding, _ = learned({"c": cycled("yes", "no")})
    odd = Oddities()
    encoding.encode(pa.table({"c": text(["1", "0"])}), odd=odd)
    assert encoding.oddities(odd) == [
        "column 'c' holds only values never seen in training, in 2 rows, the first is row 0 (from 0), "
        "'1': taken for none of the values of training"
    ]


def test_what_is_odd_in_parts_of_a_table_is_joined_in_any_order():
    odd = [Oddities() for _ in range(4)]
    parts = [[("x", [0, 0, 1], 0)], [("x", [1, 1, 0], 7), ("y", [1], 9)], [("x", [1], 5)]]
    for one, found in zip(odd, parts, strict=False):
        for name, where, start in found:
            cells = text([f"{name}{start + i}" for i in range(len(where))])
            one.add(name, "odd", np.array(where, bool), cells, start)
    for order in ((0, 1, 2), (2, 1, 0), (1, 3, 2, 0)):
        whole = Oddities()
        for i in order:
            whole.join(json.loads(json.dumps(odd[i].to_list())))
        assert whole.said("x", "odd") == (4, "4 rows, the first is row 2 (from 0)", "'x2'")
        assert whole.said("y", "odd") == (1, "row 9 (from 0)", "'y9'")


RARE = [*cycled("flat", "house")[:-3], "Mill", "boat", "hut"]


def test_categories_never_seen_in_training_are_told_and_rare_ones_that_were_are_not():
    encoding, _ = learned({"c": RARE, "d": cycled("a", "b")})
    encoding = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    odd = Oddities()
    for start, c, d in ((0, ["flat", "mill", "hut"], "aab"), (3, ["tent", "boat", "yurt"], "axb")):
        rows = pa.table({"c": text(c), "d": text(d)})
        X = encoding.encode(rows, start=start, odd=odd)
    assert X.tolist() == [[0, 0, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 1]]
    assert encoding.oddities(odd) == [
        "column 'c' holds values never seen in training, in 2 rows, the first is row 3 (from 0), 'tent': "
        "taken for rare ones",
        "column 'd' holds a value never seen in training, in row 4 (from 0), 'x': taken for none of the "
        "values of training",
    ]


@pytest.mark.parametrize(
    "values, what",
    [
        (
            ["tent"],
            "a value never seen in training, in row 0 (from 0), 'tent': taken for a rare one",
        ),
        (
            ["boat", "tent", "yurt"],
            "values never seen in training, in 2 rows, the first is row 1 (from 0), ",
        ),
        (
            ["tent", "", "yurt"],
            "only values never seen in training, in 2 rows, the first is row 0 (from 0), ",
        ),
    ],
)
def test_only_new_values_are_said_of_several_beside_none_that_training_knew(values, what):
    encoding, odd = learned({"c": RARE})[0], Oddities()
    encoding.encode(pa.table({"c": text(values)}), odd=odd)
    assert encoding.oddities(odd, gaps=False)[0].startswith(f"column 'c' holds {what}")


@pytest.mark.parametrize("most, kept", [(2, ()), (3, ("Mill", "boat", "hut"))])
def test_rare_values_are_kept_unless_they_are_too_many(most, kept, monkeypatch):
    monkeypatch.setattr(learning, "MOST", most)
    assert learned({"c": RARE})[0].columns[0].rare_values == kept


def test_where_training_did_not_keep_its_rare_values_a_new_one_may_be_one_of_them():
    encoding, _ = learned({"c": RARE})
    about = encoding.to_dict()
    assert about["columns"][0].pop("rare_values") == ["Mill", "boat", "hut"]
    older, odd = Encoding.from_dict(about), Oddities()
    older.encode(pa.table({"c": text(["flat", "boat"])}), odd=odd)
    assert older.oddities(odd) == [
        "column 'c' holds a value never or rarely seen in training, in row 1 (from 0), 'boat': taken for a "
        "rare one"
    ]


def test_classes_are_merged_and_told():
    table = pa.table({"x": text(map(str, range(N))), "y": text(cycled("Yes", "yes", "yes ", "no"))})
    _, target = choose_target(table, "y")
    assert target.classes == ("no", "yes")
    assert target.notes == ("target 'y': 'Yes' is taken for 'yes'",)
    assert target.indices(pa.table({"y": ["YES", "no", "Yes"]})).tolist() == [1, 0, 1]


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────

DATES = {
    "ISO": (["2020-01-31", "2020-02-01"], "year-month-day", "2020-01-31T00:00:00"),
    "ISO with time and zone": (["2020-01-31T10:00:00+02:00"], "year-month-day", "2020-01-31T08:00:00"),
    "points": (["31.1.2020", "1.2.2020"], "day/month/year", "2020-01-31T00:00:00"),
    "British": (["31/01/2020 23:15", "01/02/2020 10:00"], "day/month/year", "2020-01-31T23:15:00"),
    "American": (["1/31/20 11:15 PM", "2/1/20 1:00 am"], "month/day/year", "2020-01-31T23:15:00"),
    "names": (["31 Jan 2020", "1-Feb-20"], "day month year", "2020-01-31T00:00:00"),
    "American names": (["January 31, 2020", "Feb 1 2020"], "month day, year", "2020-01-31T00:00:00"),
    "German names": (["31. Jänner 2020", "1. Okt. 2020"], "day month year", "2020-01-31T00:00:00"),
    "of a mail": (["Fri, 31 Jan 2020 12:00:00 GMT"], "day month year", "2020-01-31T12:00:00"),
    "months": (["2020-01", "2020-02"], "year-month", "2020-01-01T00:00:00"),
    "months by name": (["Jan-2020", "Feb 2020"], "month year", "2020-01-01T00:00:00"),
    "seconds": (["1580428800", "1580515200", "1580601600"], "seconds since 1970", "2020-01-31T00:00:00"),
    "milliseconds": (
        ["1580428800000", "1580515200000", "1580601600000"], "milliseconds since 1970",
        "2020-01-31T00:00:00"),
    "Unix": (["Fri Jan 31 10:11:12 CET 2020", "Mon Feb 3 00:00:00 CET 2020"], "month day time year",
             "2020-01-31T10:11:12"),
    "basic": (["20200131T101112Z", "20200201T0000"], "yyyymmddThhmm", "2020-01-31T10:11:12"),
    "a zone of hours": (["2020-01-31 10:11:12+02"], "year-month-day", "2020-01-31T08:11:12"),
    "a zone of an online form": (
        ["2023/03/01 3:32:42 PM GMT+1"], "year-month-day", "2023-03-01T14:32:42"),
    "a zone behind UTC": (["2023-12-15 09:30 UTC-3:30"], "year-month-day", "2023-12-15T13:00:00"),
    "a French time": (["24/04/2023 à 18h45"], "day/month/year", "2023-04-24T18:45:00"),
    "a German time": (["31.5.2024 um 14:30 Uhr"], "day/month/year", "2024-05-31T14:30:00"),
    "a time said with at": (["Jan 5, 2024 at 5:30 PM"], "month day, year", "2024-01-05T17:30:00"),
    "a zone by its name": (["2020-01-31 10:11 EST"], "year-month-day", "2020-01-31T10:11:00"),
    "the end of a day": (["2020-01-31 24:00", "2020-02-01 01:00"], "year-month-day", "2020-02-01T00:00:00"),
    "months by number": (["01/2020", "12/2021"], "month/year", "2020-01-01T00:00:00"),
    "months of short years": (["Jan-20", "Dec-85"], "month-year", "2020-01-01T00:00:00"),
    "short years first": (["99-01-31", "20-12-01"], "yy-mm-dd", "1999-01-31T00:00:00"),
    "quarters": (["Q2 2020", "Q4-2021"], "quarter year", "2020-04-01T00:00:00"),
    "quarters behind": (["2020Q2", "2021-Q4"], "year quarter", "2020-04-01T00:00:00"),
    "French": (["1er juillet 2020", "7 juin 2020"], "day month year", "2020-07-01T00:00:00"),
    "Spanish": (["31 de enero de 2020", "1 de agosto de 2020"], "day month year", "2020-01-31T00:00:00"),
    "Chinese": (["2020年1月31日", "2020年12月1日"], "year-month-day", "2020-01-31T00:00:00"),
    "none, of a database": (
        ["2020-01-31", "0000-00-00", "9999-12-31"], "year-month-day", "2020-01-31T00:00:00"),
    "eight digits": (["20200131", "20200201", "20200301"], "yyyymmdd", "2020-01-31T00:00:00"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATES)
def test_dates_are_read_in_iso_and_local_forms(name):
    cells, form, first = DATES[name]
    decision = decide(text(cells), "c")
    assert (decision.kind, decision.date.described) == ("date", form)
    seconds, odd = read_dates(text([*cells, "soon"]), decision.date)
    assert seconds[0] == np.datetime64(first, "s").astype(np.int64)
    sentinels = [cell in ("0000-00-00", "9999-12-31") for cell in cells]
    assert odd.tolist() == [*sentinels, True]


@pytest.mark.parametrize(
    "cells",
    [
        ["30/2/2020", "31/4/2020"],
        ["25:10", "31:70"],
        ["12-34", "56-78"],
        ["1.5", "2.10"],
        ["24:30"],
        ["Jan 15", "Feb 20"],
    ],
)
def test_what_no_calendar_has_is_no_date(cells):
    assert decide(text(cells), "c").kind != "date"


def test_day_and_month_that_cannot_be_told_apart_are_told():
    slashes, points = (
        described(cycled("3/4/2020", "5/6/2021")),
        described(cycled("3.4.2020", "5.6.2021")),
    )
    said = "day and month cannot be told apart: read as {}, not {}"
    assert (slashes.read, points.read) == ("month/day/year", "day/month/year")
    assert slashes.note == said.format("month/day/year", "day/month/year")
    assert points.note == said.format("day/month/year", "month/day/year")


def test_short_years_are_told_from_days_that_would_be_years_to_come():
    cells = [f"20-0{1 + 2 * (i // 31)}-{1 + i % 31:02}" for i in range(N)]
    first, last = described(cells), described([cell[6:] + cell[2:6] + cell[:2] for cell in cells])
    assert (first.read, last.read) == ("yy-mm-dd", "day/month/year")
    assert first.note == "day and year cannot be told apart: read as yy-mm-dd, not day/month/year"
    assert last.note == ""
    firsts = [f"01-{1 + i % 12:02}-{5 + i // 12:02}" for i in range(N)]  # of the months of years
    assert described(firsts).read == "day/month/year"


def test_an_odd_cell_among_dates_is_missing_and_named():
    fact = described(with_odd("soon", [f"2023-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(N)]))
    assert (fact.kind, fact.missing, fact.note) == (
        "date",
        1,
        "is no date (year-month-day) in row 6 (from 0), 'soon': taken for a missing value",
    )


SPANS = {
    "years of days": (DAY * np.arange(0, 4000, 100), "year, month, weekday, day, day number"),
    "a season of days": (DAY * np.arange(N), "weekday, day number"),
    "a day of hours": (3600.0 * np.arange(N) / 2, "hour"),
    "months": ("M", "year, month, day number"),
}


@pytest.mark.parametrize("name", SPANS)
def test_the_parts_of_dates_are_those_that_their_span_makes_worth_knowing(name):
    seconds, parts = SPANS[name]
    if isinstance(seconds, str):
        stamps = np.datetime64("2020-01", "M") + np.arange(N)
    else:
        stamps = np.datetime64("2020-01-01", "s") + seconds.astype(np.int64)
    fact = described(pa.array(stamps.astype("datetime64[s]")))
    assert fact.becomes.partition(": ")[2] == parts
    assert described(text(map(str, stamps))).becomes == fact.becomes


def test_the_parts_of_a_date_are_what_a_calendar_says():
    stamps = [pd.Timestamp("2020-01-01") + pd.Timedelta(hours=1000 * i) for i in range(N)]
    encoding, table = learned({"t": map(str, stamps)})
    X = encoding.encode(table, np.float64)
    centers, widths = np.transpose(encoding.scales)
    value = dict(zip(encoding.names, (X * widths + centers).T, strict=True))
    stamps = pd.DatetimeIndex(stamps)
    np.testing.assert_allclose(value["t year"], stamps.year)
    np.testing.assert_allclose(value["t day"], stamps.day)
    np.testing.assert_allclose(
        value["t day number"],
        stamps.to_julian_date() - 2440587.5,
    )
    turn = 2 * np.pi * (stamps.month - 1) / 12
    np.testing.assert_allclose(value["t month sin"], np.sin(turn), atol=1e-12)
    np.testing.assert_allclose(value["t month cos"], np.cos(turn), atol=1e-12)
    np.testing.assert_allclose(
        value["t hour cos"], np.cos(2 * np.pi * stamps.hour / 24), atol=1e-12
    )
    for day in ("Monday", "Sunday"):
        np.testing.assert_array_equal(value[f"t is {day}"], stamps.day_name() == day)
    assert set(encoding.origins) == {"t"}


def test_a_missing_date_is_the_median_and_flagged():
    values = [f"2023-{1 + i % 12:02}-01" for i in range(N)]
    values[3] = "NA"
    encoding, table = learned({"d": values})
    X = encoding.encode(table, np.float64)
    assert encoding.names[-1] == "d is missing" and X[:, -1].nonzero()[0].tolist() == [3]
    assert np.isfinite(X).all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_span_of_time_is_a_number_of_seconds(unit):
    values = np.array([90, 86_400, "NaT"], "timedelta64[s]").astype(f"timedelta64[{unit}]")
    column = pa.array(values)
    assert decide(column, "c").kind == "number"
    assert read_numbers(column)[0].tolist() == pytest.approx([90, 86_400, NAN], nan_ok=True)


# ── splitting by time ────────────────────────────────────────────────────────────────────────────────


def dated(order):
    days = np.datetime64("2023-01-01") + order
    columns = {"when": text(map(str, days)), "x": pa.array(order * 7.0), "y": pa.array(order / 7)}
    return Source(pa.table(columns), "y", {"kind": "frame"})


@pytest.mark.parametrize(("test", "rows"), [("last", 20), ("last:0.1", 10), ("last:0.5", 50)])
def test_the_test_rows_are_the_latest(test, rows):
    order = np.random.default_rng(2).permutation(100)
    _, encoding, parts = prepare(dated(order), Settings(test=test))
    assert order[parts.test].min() == 100 - rows and len(parts.test) == rows
    assert "the test rows are the latest ones by column 'when'" in encoding.notes


def test_rows_of_one_day_stay_together():
    order = np.repeat(np.arange(10), 10)
    _, _, parts = prepare(dated(order), Settings(test="last:0.25"))
    assert order[parts.training].max() < order[parts.test].min() and len(parts.test) in (20, 30)


def test_a_drawn_test_set_beside_dates_is_asked_about():
    _, encoding, _ = prepare(dated(np.arange(100)), Settings())
    asked = [note for note in encoding.notes if "--test last" in note]
    assert asked == [
        "column 'when' holds dates, and the test rows were drawn from all of them: to predict what is to "
        "come, test on the latest ones, with --test last"
    ]
    for chosen in (Settings(test="last"), Settings(test=0.0)):
        assert not any(
            "--test last" in note for note in prepare(dated(np.arange(100)), chosen)[1].notes
        )


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("first", "test is 'first': it is a share such as 0.2, or last, or last:0.2"),
        ("last:x", "test is 'last:x': it is a share such as 0.2, or last, or last:0.2"),
        ("last:1", "test is 'last:1': a share of the rows is at least 0 and below 1, as 0.2"),
        (1.0, "test is 1.0: a share of the rows is at least 0 and below 1, as 0.2"),
    ],
)
def test_an_impossible_test_share_is_refused(test, message):
    with pytest.raises(wg.InputError) as error:
        Settings(test=test)
    assert str(error.value) == message


def test_a_split_by_time_needs_a_time():
    source = dated(np.arange(100))
    without = Source(source.table.drop_columns("when"), "y", source.about)
    with pytest.raises(
        wg.InputError, match="--test last needs a column of dates, and there is none"
    ):
        prepare(without, Settings(test="last"))


# ── targets ──────────────────────────────────────────────────────────────────────────────────────────


def test_odd_cells_of_a_numeric_target_leave_their_rows_out_and_are_named():
    y = [f"${1000 + i * 37 % 977:,}" for i in range(N)]
    y[4], y[9] = "on request", ""
    table, target = choose_target(pa.table({"x": text(map(str, range(N))), "y": text(y)}), "y")
    assert table.num_rows == N - 2
    assert target.notes[:2] == (
        "1 row left out: no value in the target 'y'",
        "1 row left out: the target 'y' is no number (commas between thousands, in $) in row 4 (from 0), "
        "'on request'",
    )
    assert target.observed(table)[:5].tolist() == [1000, 1037, 1074, 1111, 1185]


def test_bounds_are_classes_where_they_are_to_be_predicted():
    x = text(map(str, range(N)))
    y = cycled("NO", "<30", "5", ">30")
    target = choose_target(pa.table({"x": x, "y": text(y)}), "y")[1]
    assert (target.task, target.classes) == ("classification", ("5", "<30", ">30", "NO"))
    y = [str(i * 1.5) for i in range(N)]
    y[4] = ">200"
    table, target = choose_target(pa.table({"x": x, "y": text(y)}), "y")
    assert (target.task, table.num_rows) == ("regression", N - 1)
    assert target.notes == (
        "1 row left out: the target 'y' is no number in row 4 (from 0), '>200'",
    )


def test_a_target_a_million_times_the_median_is_named():
    draws = np.random.default_rng(3)
    y = np.exp(draws.normal(0, 3, 2000))
    y[77] = 3e6 * np.median(y)
    y[78] = y[77] / 5  # so that neither is far from all others
    table = pa.table({"x": np.arange(2000.0), "y": y})
    [note] = choose_target(table, "y")[1].notes
    assert note.startswith(f"target 'y' is {y[77]:g} in row 77 (from 0)")
    assert "more than a million times the median" in note or "away from them" in note


# ── what the user says ───────────────────────────────────────────────────────────────────────────────


def test_types_and_missing_values_are_as_the_user_says():
    columns = {
        "a": cycled("1", "2", "3"),
        "b": cycled("1", "low", "2"),
        "c": cycled("2020", "2021", "-9", "-9.0"),
        "d": [str(k) for k in range(N)],
    }
    types = {"a": "category", "b": "number", "d": "leave-out"}
    encoding, table = learned(columns, types, ("-9",))
    assert encoding.names == ("a=1", "a=2", "a=3", "b", "b is missing", "c", "c is missing")
    assert encoding.notes == ("column 'd' left out: you asked for that",)
    X = encoding.encode(table)
    np.testing.assert_array_equal(X[:, -1], [cell[:2] == "-9" for cell in columns["c"]])
    again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    np.testing.assert_array_equal(
        again.encode(pa.table({"a": [1], "b": [2.0], "c": [-9]}))[0, -2:], X[2, -2:]
    )


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"x": "number"}, "no column 'x' to be read as number: there is 'c', 'y'"),
        ({"c": "numbr"},
         "column 'c': unknown type 'numbr': did you mean 'number'? Known: number, category, date, "
         "leave-out"),
        ({"c": "date"},
         "column 'c' cannot be read as date: no one form fits 50% of its cells, such as 'p'"),
        ({"y": "date"}, "column 'y' is to be predicted: it cannot be of type date"),
    ],
)  # fmt: skip
def test_types_that_make_no_sense_are_refused(types, message):
    with pytest.raises(wg.InputError) as error:
        learned({"c": cycled("p", "q")}, types)
    assert str(error.value) == message


HOUSES = "rooms,area,when,sold,price\n" + "".join(
    f'{"n.k." if i == 30 else i * 17 % 7},"{30 + i * 13 % 40},5 m²",{1 + i % 28}.{1 + i % 12}.2023,'
    f'{("yes", "Yes", "no")[i % 3]},"${900 + i * 37 % 977:,}"\n'
    for i in range(60)
)


@pytest.fixture
def houses(here):
    (here / "houses.csv").write_text(HOUSES, encoding="utf-8")
    return here


def test_the_command_shows_every_column_with_the_words(houses, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    result = whygrad("columns", "houses.csv", "--target", "price")
    assert result.code == 0
    assert result.out.splitlines() == [
        "rooms  number; 8 different, 1 missing: 0, 3, 6",
        "       6 inputs: clipped, and in 4 pieces, one tells where it is missing",
        "       is no number in row 30 (from 0), 'n.k.': taken for a missing value",
        "area   number; 40 different, nothing missing: 30,5 m², 43,5 m², 56,5 m²",
        "       decimal commas, in m² → 5 inputs: clipped, and in 4 pieces",
        "when   date; 60 different, nothing missing: 1.1.2023, 2.2.2023, 3.3.2023",
        "       day/month/year → 19 inputs: month, weekday, day, day number",
        "sold   category; 3 different, nothing missing: yes, Yes, no",
        "       2 inputs: one-hot",
        "       'Yes' is taken for 'yes'",
        "price  number; 60 different, nothing missing: $900, $937, $974",
        "       commas between thousands, in $ → the target: a number",
    ]
    found = json.loads(whygrad("columns", "houses.csv", "--json", "--type", "rooms=category").out)
    assert [one["kind"] for one in found] == ["category", "number", "date", "category", "number"]


def test_what_was_decided_stands_in_the_run_and_prediction_follows_it(houses):
    asked = ("--test", "last", "--type", "sold=leave-out", "--na", "3")
    trained = whygrad("train", "houses.csv", "--target", "price", *QUICK, *asked)
    assert trained.code == 0, trained.err
    assert (
        "whygrad: column 'rooms' is no number in row 30 (from 0), 'n.k.': taken for a missing value"
        in trained.lines
    )
    shown = json.loads(whygrad("show", "houses.run", "--json").out)
    assert [(one["name"], one["kind"]) for one in shown["columns"]] == [
        ("rooms", "number"), ("area", "number"), ("when", "date"), ("sold", "left out"), ("price", "number")
    ]  # fmt: skip
    assert (shown["settings"]["test"], shown["settings"]["types"]) == (
        "last",
        [["sold", "leave-out"]],
    )
    run = wg.open_run(houses / "houses.run")
    [when] = [column for column in run.encoding.columns if column.name == "when"]
    assert run.settings.na == ("3",) and run.evaluate() == run.scores
    (houses / "new.csv").write_text(
        'rooms,area,when\n2,"40,5 m²",5.6.2023\n2,40.5 m²,6/5/2023\nmany,"40,5 m²",31.31.2023\n',
        "utf-8",
    )
    result = whygrad("predict", "houses.run", "new.csv")
    assert (result.code, result.out.count("\n")) == (0, 4)
    assert result.lines == [
        "whygrad: column 'rooms' is no number in row 2 (from 0), 'many': taken for a missing value",
        "whygrad: column 'area' is no number (decimal commas, in m²) in row 1 (from 0), '40.5 m²': taken "
        "for 52, the median of training",
        "whygrad: column 'when' is no date (day/month/year) in row 2 (from 0), '31.31.2023': taken for "
        f"{when.stand_in}",
    ]


def test_answers_speak_of_the_date_and_no_part_of_it_moves_alone(houses):
    asked = ("--leave-out", "rooms", "--leave-out", "sold")
    assert whygrad("train", "houses.csv", "--target", "price", *QUICK, *asked).code == 0
    frame = pd.read_csv(houses / "houses.csv")
    answer = wg.open_run(houses / "houses.run").why.prediction(frame.iloc[[3]])
    tables = {table.title: table for table in answer.tables}
    adds = tables["What each column adds"].rows
    assert {row[0] for row in adds if "bias" not in row[0]} == {"area", "when"}
    assert [row[1] for row in adds if row[0] == "when"] == ["2023-04-04"]
    changes = [table for title, table in tables.items() if title.startswith("What would change")]
    assert all(row[0] != "when" for table in changes for row in table.rows)


def test_options_stand_in_whygrad_toml_too(houses):
    (houses / "whygrad.toml").write_text(
        'target = "price"\ntest = "last:0.3"\ntype = ["sold=leave-out"]\nna = [-9]\n', "utf-8"
    )
    assert whygrad("train", "houses.csv", *QUICK).code == 0
    settings = wg.open_run(houses / "houses.run").settings
    assert (settings.test, settings.types, settings.na) == (
        "last:0.3",
        (("sold", "leave-out"),),
        ("-9",),
    )


def test_rows_are_counted_in_the_file_also_where_some_have_no_target():
    table = pa.table(
        {"c": text(with_odd("n.k.")), "y": text(["", *(f"{i / 7:.3f}" for i in range(N - 1))])}
    )
    said = "is no number in row 6 (from 0), 'n.k.': taken for a missing value"
    found = describe(table, "y")
    assert found.facts[0].note == said and f"column 'c' {said}" in found.notes


# ── any cells at all ─────────────────────────────────────────────────────────────────────────────────

CELLS = st.one_of(
    st.sampled_from(["", "NA", "1", "-3.5", "1e3", "inf", "true", "T", "12:30 PM", "1,5", "1e999"]),
    st.sampled_from(["$1,200", "12 %", "3 kg", "(5)", "5 - 3", "1-2", "1.2.2024", "31/12/2024"]),
    st.sampled_from(["13/13/2024", "Yes", "no", "NO", "007", "1600000000", "20240131", "−5", "1’000"]),
    st.sampled_from(["12345678901234567890", "2024-02-30", "24:00", "\u0308", "İ", "ß", "SS", "1 to"]),
    st.sampled_from(["٣", "½", "1.234.567,8", "+-1", "5 Mai 24"]),
    st.text(max_size=6),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    pools=st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=2, max_size=4),
    n=st.integers(2, 40),
    draws=st.randoms(use_true_random=False),
    asked=st.sampled_from([None, "number", "category", "date"]),
    na=st.sampled_from([(), ("0",), ("x", "1")]),
)
def test_any_cells_end_in_numbers_or_in_one_line_and_read_alike_in_pieces(
    pools, n, draws, asked, na
):
    table = pa.table(
        {f"c{i}": text(draws.choice(p) for _ in range(n)) for i, p in enumerate(pools)}
    )
    types = {"c1": asked} if asked else {}
    try:
        rows, target = choose_target(table, "c0", None, types, na)
        encoding = learn(rows, target, types)
        odd = Oddities()
        X = encoding.encode(rows, odd=odd)
        assert np.isfinite(X).all() and np.isfinite(encoding.targets(rows)).all()
        again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
        pieces = [again.encode(rows.slice(i, 3), start=i) for i in range(0, rows.num_rows, 3)]
        assert np.concatenate(pieces).tobytes() == X.tobytes()
        lines = [*encoding.noted(odd).notes, *again.oddities(odd)]
    except wg.InputError as error:
        lines = [str(error)]
    assert not any("\n" in line or len(line) > 1000 for line in lines)


# ── scale ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_python_looks_at_is_values_not_cells(monkeypatch):
    n, seen = 5_000, []
    for module, name in (
        (spellings, "key_of"),
        (written_numbers, "unit_of"),
    ):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda value, f=function: seen.append(value) or f(value))
    table = pa.table(
        {
            "a": text(f"{i / 7:.3f}" for i in range(n)),
            "b": text(f"${i % 977:,}" for i in range(n)),
            "c": text(("red", "Red", "blue")[i % 3] for i in range(n)),
            "d": text(f"2023-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(n)),
            "y": text(str(i * 37 % 977) for i in range(n)),
        }
    )
    table, target = choose_target(table, "y")
    encoding = learn(table, target)
    encoding.encode(table)
    assert encoding.names[:2] == ("a", "b") and 0 < len(seen) < 100


# ── how long something took ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "cells", "values", "said"),
    [
        ("finish", ["2:45:10", "3:05:00", "59:30"], [9910 / 3600, 37 / 12, 119 / 120], "h:min:s, in h"),
        ("call", ["45:10", "1:02", "120:30"], [2710 / 60, 62 / 60, 7230 / 60], "min:s, in min"),
        ("song", ["3:05", "0:59", "4:31.5"], [185 / 60, 59 / 60, 271.5 / 60], "min:s, in min"),
        ("lap time", ["1:02", "13:10", "2:00"], [62 / 60, 790 / 60, 2], "min:s, in min"),
        ("hours worked", ["38:30", "40:00", "7:45"], [38.5, 40, 7.75], "h:min, in h"),
        ("late by", ["-0:30", "30:15", "1:00"], [-0.5, 30.25, 1], "min:s, in min"),
    ],
)  # fmt: skip
def test_durations_are_numbers_with_their_unit(name, cells, values, said):
    column = pa.array(cells * 20 + ["?"])
    found = decide(column, name)
    assert (found.kind, found.unclear.split(" not ")[0].rstrip(",")) == (
        "number",
        f"durations, read as {said}",
    )
    read, odd, _ = read_numbers(column, "number", found.number)
    np.testing.assert_allclose(read[: len(cells)], values, rtol=1e-15)
    assert not odd.any() and np.isnan(read[-1])
    again, odd, _ = read_numbers(pa.array([cells[0], "soon", "1:99"]), "number", found.number)
    assert again[0] == read[0] and odd.tolist() == [False, True, True]


@pytest.mark.parametrize("cells", [["9:05", "14:30"], ["08:15", "09:45"], ["9:05 am", "8:00 am"]])
def test_times_of_the_day_are_none(cells):
    column = pa.array(cells * 20)
    assert decide(column, "at").date.form == "clock"


def test_what_is_said_to_be_a_number_or_a_date_is_one():
    column = pa.array(["3:05", "0:59"] * 20)
    assert decide(column, "song").kind == "number"
    assert decide(column, "song", "date").date.form == "clock"
    assert decide(pa.array(["14:30", "08:15"] * 20), "at", "number").number.unit == "min"


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────


def notes_of(**columns):
    return describe(pa.table({**columns, "y": np.arange(240) % 7 / 2}), "y").notes


def test_long_codes_that_are_all_different_are_said_to_identify_the_rows():
    [note] = notes_of(
        **{"order id": [str(10**16 + 7919 * k) for k in range(240)], "b": [1.5, 2] * 120}
    )
    assert note == (
        "column 'order id' left out: it identifies the rows, every one is different; "
        "--type 'order id=number' takes its codes for numbers"
    )


def test_whole_numbers_with_many_foreign_words_are_not_made_categories_without_a_word():
    cells = [f"{k % 16}" if k % 8 else "n.b." for k in range(240)]
    [note] = notes_of(a=cells)
    assert note == (
        "column 'a': 14 of its 15 values are numbers, all are taken for categories: "
        "--type a=number takes the rest for missing"
    )
    assert not notes_of(a=[f"{k % 5}" if k % 8 else "n.b." for k in range(240)])


def test_decimal_points_of_another_column_tell_what_a_comma_is():
    cells = [f"{1 + k % 9},{100 + k}" for k in range(240)]
    unclear = "column 'a': '1,100' could be read in two ways: the comma is taken for the mark of thousands"
    assert unclear in notes_of(a=cells)
    for other in (["3.25 %", "1.5 %"], ["0.5", "1.25"]):
        assert not notes_of(a=cells, b=other * 120)
    assert unclear in notes_of(a=cells, b=["1.250", "2.500"] * 120)
