"""Columns with several numbers in each cell, 120/80 or 40 x 30 cm: each number is a column of its own."""

import json

import numpy as np
import pyarrow as pa
import pytest

import exported
import whygrad as wg
from command import whygrad
from whygrad.interop.exporting import export
from whygrad.pipeline.deploy.building import drawn_table
from whygrad.tables import Encoding, Oddities, SplitColumn, choose_target, describe, learn

N = 60
DRAWS = np.random.default_rng(5)
A = DRAWS.integers(90, 180, N)
B = DRAWS.integers(50, 110, N)
C = DRAWS.integers(1, 40, N)
ANY = np.linspace(100, 999, N).astype(int)  # all over from 100 to 999, as the digits of codes
QUICK = ("--hidden", "3", "--epochs", "2", "--engine", "reference", "--no-comparison")


def cells(write, *given):
    """A column in which each cell is written from some numbers."""
    return [write(*row) for row in zip(*given, strict=True)]


def with_target(**columns):
    y = [f"{a + 2 * b + i % 7 / 3:.3f}" for i, (a, b) in enumerate(zip(A, B, strict=True))]
    return pa.table({name: pa.array(values) for name, values in columns.items()} | {"y": y})


def learned(table, bins=0, types=None):
    rows, target = choose_target(table, "y", None, types or {})
    return learn(rows, target, types, bins)


PRESSURE = cells("{}/{}".format, A, B)
# A column's cells, and the numbers of each of its parts.
FORMS = {
    "a slash": (PRESSURE, [A, B]),
    "spaces around it": (cells("{} / {}".format, A, B), [A, B]),
    "a unit behind it": (cells("{}/{} mmHg".format, A, B), [A, B]),
    "all but a few": ([*PRESSURE[:-2], "high", "?"], [[*A[:-2], np.nan, np.nan]] * 1),
    "an x": (cells("{}x{}".format, A, C), [A, C]),
    "a sign of multiplication": (cells("{} × {}".format, A, C), [A, C]),
    "three with a unit": (cells("{} x {} x {} cm".format, A, B, C), [A, B, C]),
    "a unit behind each": (cells("{}cm X {}cm".format, A, C), [A, C]),
    "decimal commas": (cells("{},5 x {},25".format, A, C), [A + 0.5, C + 0.25]),
    "thousands": (cells("{},000/{},500".format, A, B), [A * 1000, B * 1000 + 500]),
    "coordinates": (cells("({}.25, -{}.5)".format, B, C), [B + 0.25, -C - 0.5]),
    "semicolons": (cells("{};{}".format, A, C), [A, C]),
    "any digits with an x": (cells("{}x{}".format, ANY, ANY[::-1]), [ANY, ANY[::-1]]),
    "ranges backwards": (cells("{}-{}".format, A, B), [A, B]),
    "a score": (cells("{}-{}".format, C, C[::-1]), [C, C[::-1]]),
    "the second is always the same": (cells("({}, 1)".format, A), [A]),
}


@pytest.mark.parametrize("bins", [0, 6])
@pytest.mark.parametrize("name", FORMS)
def test_several_numbers_in_a_cell_are_columns_of_numbers(name, bins):
    given, numbers = FORMS[name]
    table = with_target(c=given)
    encoding = learned(table, bins)
    [column] = encoding.columns
    assert isinstance(column, SplitColumn)
    found = column.read(table.column("c"), ())
    np.testing.assert_array_equal(found[: len(numbers)], np.array(numbers, float))
    # They are encoded as if the file had a column for each.
    apart = {part.name: values for part, values in zip(column.parts, found, strict=True)}
    as_columns = learned(with_target(**apart), bins)
    X = encoding.encode(table)
    np.testing.assert_array_equal(X, as_columns.encode(with_target(**apart)))
    assert (encoding.names, encoding.origins) == (as_columns.names, as_columns.origins)
    assert encoding.scales == as_columns.scales
    pieces = [encoding.encode(table.slice(i, 7)) for i in range(0, N, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), X)
    assert Encoding.from_dict(json.loads(json.dumps(encoding.to_dict()))) == encoding


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (cells("{}/{}".format, [1, 2, 3] * 20, [1, 2] * 30), "category"),  # few values
        (cells("{}-{}".format, A * 10 + 1000, B), "identifier"),  # a telephone
        (cells("{}/0{}".format, A, C), "identifier"),  # codes
        (cells("{}/{}".format, A % 90 + 10, ANY), "identifier"),  # numbers of files
        (cells("{}-{}".format, ANY, ANY[::-1]), "identifier"),  # telephones
        (cells("555-{}".format, ANY * 10), "identifier"),  # no range
        (cells("0x{}".format, range(10, 10 + N)), "identifier"),  # hexadecimal numbers
        (cells("{} - {}".format, C, C + 5), "number"),  # ranges
        (cells("{}/100".format, A), "number"),  # a unit
        (cells("{:02}/2{:03}".format, C % 12 + 1, C), "date"),
        (cells("{}:{}".format, C % 9 + 14, B % 50 + 10), "date"),
        (cells("{}:15-{}:30".format, C % 3 + 8, C % 5 + 12), "category"),  # from when to when
        (cells("{}:15-0{}:30".format, C % 3 + 8, C % 5 + 3), "date"),  # with zones
        (cells("{}/{}/x".format, A, B), "identifier"),
    ],
)
def test_what_is_no_several_numbers_stays_what_it_is(given, kind):
    assert describe(pa.table({"c": given})).facts[0].kind == kind


def test_what_was_decided_is_told_and_can_be_decided_otherwise():
    [fact] = describe(pa.table({"blood pressure": PRESSURE})).facts
    assert (fact.kind, fact.read) == ("numbers", "2 numbers in each cell, '/' between them")
    assert fact.becomes == (
        "'blood pressure 1': 1 input: standardised; 'blood pressure 2': 1 input: standardised"
    )
    assert fact.note == (
        "2 numbers in each cell, '/' between them: columns 'blood pressure 1', 'blood pressure 2'; "
        "--type 'blood pressure=category' takes cells whole"
    )
    often = pa.table({"c": PRESSURE[:30] * 2})
    assert describe(often).facts[0].kind == "numbers"
    asked = describe(often, types={"c": "category"})
    assert asked.facts[0].kind == "category"
    few = pa.table({"c": cells("{}x{}".format, [4, 16, 3] * 20, [3, 9] * 30)})
    assert [describe(few).facts[0].kind, describe(few, types={"c": "number"}).facts[0].kind] == [
        "category",
        "numbers",
    ]
    codes = pa.table({"c": cells("{}/{}".format, ANY, A)})
    assert [
        describe(codes).facts[0].kind,
        describe(codes, types={"c": "number"}).facts[0].kind,
    ] == [
        "identifier",
        "numbers",
    ]
    telephones = pa.table({"c": cells("555-{}".format, ANY * 10)})
    assert describe(telephones, types={"c": "number"}).facts[0].read == "ranges as their middle"
    rising = pa.table({"c": cells("{}/{}".format, range(100, 100 + N), range(900, 900 - N, -1))})
    assert [
        describe(rising).facts[0].kind,
        describe(rising, types={"c": "number"}).facts[0].kind,
    ] == [
        "identifier",
        "numbers",
    ]
    # A column that has such a name already is not shadowed.
    taken = pa.table({"c": PRESSURE, "c 2": A})
    assert describe(taken).facts[0].kind == "identifier"
    # A target is one value.
    _, target = choose_target(pa.table({"x": A, "y": ["3x4", "4x3"] * 30}), "y")
    assert target.classes == ("3x4", "4x3")
    assert (
        "'c 2' left out: it is 1 in every row"
        in describe(pa.table({"c": cells("({}, 1)".format, A)})).facts[0].note
    )


def test_a_cell_that_is_none_later_is_missing_whole_and_told_once():
    for gap in (False, True):
        training = with_target(c=[None if gap and i < 3 else one for i, one in enumerate(PRESSURE)])
        encoding = learned(training, bins=6)
        table = with_target(c=["120/8.0.0", "120", *PRESSURE[2:-1], None])
        odd = Oddities()
        X = encoding.encode(table, odd=odd)
        missing = encoding.encode(with_target(c=[None, None, *PRESSURE[2:-1], None]))
        np.testing.assert_array_equal(X, missing)
        stand = (
            "a missing value"
            if gap
            else "/".join(f"{part.fill:g}" for part in encoding.columns[0].parts)
            + ", the medians of training"
        )
        said = encoding.oddities(odd)
        assert said[0] == (
            "column 'c' is not of its form (2 numbers in each cell, '/' between them) in 2 rows, the "
            f"first is row 0 (from 0), '120/8.0.0': taken for {stand}"
        )
        assert len(said) == (1 if gap else 3)  # and no number of the last row, each with its median
    odd = Oddities()
    encoding.encode(with_target(c=["900/80", *PRESSURE[1:]]), odd=odd)
    assert ["column 'c 1' is far outside the" in line for line in encoding.oddities(odd)] == [True]


@pytest.mark.parametrize(
    "damage",
    [
        {"mark": "@"},
        {"parts": []},
        {"places": [0]},
        {"places": [1, 0]},
        {"places": [0, 2]},
        {"forms": []},
    ],
    ids=str,
)
def test_a_damaged_description_of_several_numbers_is_refused(damage):
    about = learned(with_target(c=PRESSURE)).to_dict()
    about["columns"][0] |= damage
    with pytest.raises(wg.InputError, match="the description of the table is damaged"):
        Encoding.from_dict(about)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("pressure")
    rows = [
        f'"{p}","{box}",{y}'
        for p, box, y in zip(
            PRESSURE,
            cells("{} x {}".format, A, C),
            with_target()["y"].to_pylist(),
            strict=True,
        )
    ]
    (place / "t.csv").write_text("\n".join(["bp,box,y", *rows]))
    said = whygrad("train", place / "t.csv", "--target", "y", *QUICK, "--run", place / "t.run")
    assert said.code == 0, said.err
    assert "--type bp=category takes cells whole" in said.err
    return place / "t.run"


def test_predictions_answers_and_reports_follow(run, tmp_path):
    again = wg.open_run(run)
    first = again.predict(pa.table({"bp": [PRESSURE[0]], "box": [f"{A[0]} X {C[0]}"]}))
    assert first == again.predict(run.with_name("t.csv"))[:1]
    (tmp_path / "new.csv").write_text('box,bp\n"4 x 5",high\n')
    said = whygrad("predict", run, tmp_path / "new.csv")
    assert said.code == 0 and "column 'bp' is not of its form (2 numbers" in said.err
    answer = whygrad("why", "prediction", run, "--row", 0)
    assert answer.code == 0
    assert {"bp 1", "bp 2", "box 1", "box 2"} <= {*answer.out.replace("  ", "\n").splitlines()}
    said = whygrad("report", run, "-o", tmp_path / "r.html")
    assert said.code == 0 and "bp 2" in (tmp_path / "r.html").read_text()
    assert whygrad("replay", run).code == 0


def test_an_onnx_model_takes_each_number_as_a_column(run, tmp_path):
    exported.onnxruntime()
    opened = wg.open_run(run)
    assert "the numbers of column 'bp' go in as 'bp 1' and 'bp 2'" in (
        export(opened, tmp_path / "net.onnx").notes
    )
    columns = {"bp 1": A, "bp 2": B, "box 1": A, "box 2": C}
    feed = {name: values.astype("f8")[:, None] for name, values in columns.items()}
    found = exported.ran(tmp_path / "net.onnx", feed)["variable"]
    expected = opened.predict(run.with_name("t.csv"))
    assert np.abs(found[:, 0] - expected).max() < exported.limit("float32", expected)


@pytest.mark.parametrize("rows", ["of the run", "drawn"])
def test_exported_sources_prove_themselves_on_each_number(run, tmp_path, rows):
    opened = wg.open_run(run)
    table = drawn_table(opened.encoding) if rows == "drawn" else None
    export(opened, tmp_path / "net.c", rows=table)
    export(opened, tmp_path / "net.mjs", rows=table)
    code, difference = exported.compiled(tmp_path / "net.c", "NET")
    assert code == 0 and difference < exported.limit("float32", np.array([500.0]))
    assert exported.in_node(tmp_path / "net.mjs", "net.prove()") < 1e-3
