"""Tables as people have them: wide, padded, half empty, of rare types, mistyped; and odd options."""

import datetime as dt
import decimal
import os

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

import whygrad as wg
from command import whygrad
from whygrad.cli.options import with_file
from whygrad.tables import as_table, batches, choose_target, columns, learn, leave_out, read, split
from whygrad.tables.cells import is_missing, read_numbers
from whygrad.tables.decisions import decide
from whygrad.tables.learning import median, standardised
from whygrad.tables.target import far_outside
from whygrad.tables.text import layout

N = 24
DRAWS = np.random.default_rng(3)
QUICK = ("--hidden", "3", "--epochs", "2", "--engine", "reference")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# ── wide tables ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [1 << 16, (1 << 16) - 3, 1 << 18, 1_000_000])
def test_a_header_of_any_length_is_read_whole(tmp_path, length):
    width = 2_000
    names = [f"column {k} ".ljust(length // width, "x") for k in range(width)] + ["y"]
    lines = [",".join(names), *(",".join(["1.5"] * width + ["2"]) for _ in range(3))]
    path = write(tmp_path / "wide.csv", "\n".join(lines))
    assert layout(path).names == tuple(names)
    table = read(path)
    assert table.column_names == names and table.num_rows == 3
    assert sum(piece.num_rows for piece in batches(path, 2, {names[7]: "number"}, [names[7]])) == 3


def test_decimal_commas_are_found_below_a_long_header(tmp_path):
    names = [f"column {k} of a table" for k in range(5_000)]
    lines = [";".join(names), *(";".join(["1,5"] * 5_000) for _ in range(2))]
    column = read(write(tmp_path / "t.csv", "\n".join(lines)))[names[4_999]]
    assert read_numbers(column, form=decide(column, "t").number)[0].tolist() == [1.5, 1.5]


class Unsearched(list):
    """Names of a wide table: looking one up by going through them all is what must not happen."""

    def __contains__(self, name):
        raise AssertionError(f"looked for {name!r} in a list of names")

    index = __contains__


class Wide:
    """A table that counts how often its names are listed, and says how it is searched."""

    def __init__(self, table):
        self.table, self.listed = table, 0

    @property
    def schema(self):
        self.listed += 1
        return type("Schema", (), {"names": Unsearched(self.table.schema.names)})

    def column(self, name):
        return self.table.column(name)

    def select(self, names):
        return self.table.select(names)

    def __getattr__(self, name):
        return getattr(self.table, name)


def test_columns_are_found_without_going_through_their_names():
    table = pa.table(
        {f"c{k}": DRAWS.normal(size=N) for k in range(300)} | {"y": DRAWS.normal(size=N)}
    )
    wide = Wide(table)
    assert columns.find(wide, "c299").equals(table["c299"]) and wide.listed == 0
    encoding = learn(*choose_target(table, "y"))
    encoding.encode(wide)
    assert wide.listed <= 2
    assert encoding.kinds is encoding.kinds  # not made anew for every name
    kept = leave_out(wide, [f"c{k}" for k in range(0, 300, 2)], "y")
    assert kept.num_columns == 151 and wide.listed <= 3


def test_numbers_are_standardised_to_the_bit_as_scikit_learn_does():
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    for n in (2, 3, 9, 130, 1_000):
        for values in (
            DRAWS.normal(size=n),
            DRAWS.lognormal(3, 2, n),
            DRAWS.integers(0, 9, n).astype(float),
            np.full(n, 0.1),
            1e8 + 1e-6 * DRAWS.normal(size=n),
            1e90 * DRAWS.normal(size=n),
        ):
            scaler = StandardScaler().fit(values[:, None])
            assert standardised(values) == (scaler.mean_[0], scaler.scale_[0])
            values[0] = np.nan
            imputer = SimpleImputer(strategy="median").fit(values[:, None])
            assert median(values[1:]) == np.median(values[1:]) == imputer.statistics_[0]


# ── what is missing ──────────────────────────────────────────────────────────────────────────────────

ROWS = [
    (i * 17 % 7, i * 37 % 11 + 0.5, "Bern" if i % 3 else "Basel", i * 29 % 13 / 7)
    for i in range(60)
]
HOUSES = "rooms,area,town,price\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in ROWS)


@pytest.fixture
def houses(here):
    """A run on a table in which nothing is missing."""
    write(here / "houses.csv", HOUSES)
    assert whygrad("train", "houses.csv", "--target", "price", *QUICK).code == 0
    return wg.open_run(here / "houses.run")


def test_a_column_without_a_value_is_left_out_and_told(here):
    write(here / "t.csv", HOUSES.replace("rooms,", "rooms,note,").replace(",Ba", "!,Ba"))
    text = "rooms,note,area,price\n" + "".join(f"{a},,{b},{d}\n" for a, b, _, d in ROWS)
    write(here / "t.csv", text)
    result = whygrad("train", "t.csv", "--target", "price", *QUICK)
    assert result.code == 0
    assert "whygrad: column 'note' left out: it has no value in any training row" in result.lines
    assert wg.open_run(here / "t.run").encoding.names == ("rooms", "area")


@pytest.mark.parametrize("blank", ["", " ", "    ", " NA", "NA  ", '" ? "', '""'])
def test_a_blank_cell_is_filled_in_as_in_training_and_told(here, houses, blank):
    cells = [blank, "4.5", "Bern"], ["3", blank, "Bern"], ["3", "4.5", blank], ["3", "4.5", "Bern"]
    write(here / "new.csv", "rooms,area,town\n" + "".join(",".join(row) + "\n" for row in cells))
    result = whygrad("predict", "houses.run", "new.csv")
    assert result.code == 0
    assert result.out.count("\n") == 1 + 4
    assert result.lines == [
        "whygrad: column 'rooms' is empty in row 0 (from 0) as it never was in training: taken for 3, "
        "the median of training",
        "whygrad: column 'area' is empty in row 1 (from 0) as it never was in training: taken for 4.5, "
        "the median of training",
        "whygrad: column 'town' is empty in row 2 (from 0) as it never was in training: taken for none "
        "of the values of training",
    ]
    said = [float(line) for line in result.out.splitlines()[1:]]
    assert said[0] == said[1] == said[3]  # since 3 and 4.5 are the medians
    frame = pd.DataFrame({"rooms": [None, 3.0], "area": [4.5, None], "town": ["Bern", "Bern"]})
    assert houses.predict(frame).tolist() == said[:2]


def test_blank_cells_of_many_pieces_are_counted_from_the_first(here, houses, monkeypatch):
    monkeypatch.setattr("whygrad.record.rows.ROWS", 4)
    lines = [f"{'' if i in (5, 9, 10) else 3},5.5,Bern,{i / 7}" for i in range(12)]
    write(here / "new.csv", "\n".join(["rooms,area,town,price", *lines]))
    told = (
        "whygrad: column 'rooms' is empty in 3 rows, the first is row 5 (from 0), as it never was "
        "in training: taken for 3, the median of training"
    )
    for words in (
        ("predict", "houses.run", "new.csv"),
        ("predict", "houses.run", "new.csv", "-o", "out.csv"),
        ("evaluate", "houses.run", "new.csv"),
    ):
        assert whygrad(*words).lines == [told]


def test_what_was_missing_in_training_needs_no_words(here):
    write(here / "t.csv", HOUSES + ",2.5,,0.5\n" * 6)
    assert whygrad("train", "t.csv", "--target", "price", *QUICK).code == 0
    write(here / "new.csv", "rooms,area,town\n,2.5,\n")
    assert whygrad("predict", "t.run", "new.csv").err == ""


@pytest.mark.parametrize("padded", ["  ", " NA", "?  "])
def test_blanks_around_a_sign_of_a_missing_value_do_not_matter_in_training(tmp_path, padded):
    path = write(tmp_path / "t.csv", f"a,b,c\n1,{padded},x\n{padded},true,{padded}\n3,false,y z\n")
    table = read(path)
    gone = [is_missing(table[name]).tolist() for name in "abc"]
    assert gone == [[False, True, False], [True, False, False], [False, True, False]]
    assert [decide(table[name], name).kind for name in "abc"] == ["number", "boolean", "text"]


def test_what_a_file_to_predict_says_of_the_target_does_not_matter(here, houses):
    write(here / "new.csv", "rooms,area,town,price\n3,5.5,Bern,to be told\n")
    assert whygrad("predict", "houses.run", "new.csv").code == 0
    result = whygrad("evaluate", "houses.run", "new.csv")
    assert result.lines == ["whygrad: no row has a value of the target 'price': nothing to score"]


def test_hexadecimal_numbers_are_read_alike_in_training_and_predicting(here):
    lines = [f"{a:#x},{b},{d}\n" for a, b, _, d in ROWS]
    write(here / "t.csv", "flag,area,price\n" + "".join(lines))
    assert whygrad("train", "t.csv", "--target", "price", *QUICK).code == 0
    assert "flag=0x3" in wg.open_run(here / "t.run").encoding.names
    assert whygrad("predict", "t.run", "t.csv").code == 0


# ── names ────────────────────────────────────────────────────────────────────────────────────────────


def test_spaces_around_names_do_not_count_wherever_a_table_comes_from(tmp_path):
    frame = pd.DataFrame({" a ": [1, 2], "b\t": [3, 4], "c d": [5, 6], "": [7, 8]})
    names = ["a", "b", "c d", "column 4"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    tables = [
        *(read(tmp_path / name) for name in ("t.csv", "t.parquet")),
        *(next(batches(tmp_path / name, 10)) for name in ("t.csv", "t.parquet")),
        *(as_table(each) for each in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame))),
    ]
    for table in tables:
        assert table.column_names == names
    [piece] = batches(tmp_path / "t.parquet", 10, {"c d": "number", "a": "number"}, ["a"])
    assert piece.to_pydict() == {"a": [1, 2], "c d": [5, 6]}
    assert leave_out(tables[0], [" c d "], "a").column_names == ["a", "b", "column 4"]


def test_names_of_a_frame_that_are_equal_but_for_spaces_are_refused_with_both_places(tmp_path):
    frame = pd.DataFrame([[1, 2]], columns=["a", " a"])
    message = "columns 1 and 2 are both called 'a', spaces around it aside: rename one"
    with pytest.raises(wg.WhygradError) as error:
        as_table(frame)
    assert str(error.value).partition(": ")[2] == message
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert read(tmp_path / name).column_names == ["a", "a 2"]


def test_a_run_trained_on_a_file_predicts_a_frame_whose_names_have_spaces(here):
    write(here / "t.csv", HOUSES.replace("rooms,area", " rooms, area "))
    assert whygrad("train", "t.csv", "--target", " price", *QUICK).code == 0
    run = wg.open_run(here / "t.run")
    frame = pd.read_csv(here / "t.csv")
    assert list(frame.columns[:2]) == [" rooms", " area "]
    assert (run.predict(frame) == run.predict(here / "t.csv")).all()


# ── at 80 columns ────────────────────────────────────────────────────────────────────────────────────

LONG = "median price of all owner-occupied houses in the district, in thousands of dollars of 1990"


@pytest.mark.parametrize("values", ["numbers", "classes"])
def test_a_long_name_of_the_target_hides_no_score_at_80_columns(here, monkeypatch, values):
    monkeypatch.setenv("COLUMNS", "80")
    kinds = ["low", "high", "average"]
    lines = [f"{a},{b},{d if values == 'numbers' else kinds[a % 3]}\n" for a, b, _, d in ROWS]
    write(here / "t.csv", f'rooms,area,"{LONG}"\n' + "".join(lines))
    run = "a_run_with_a_name_of_its_own.run"
    trained = whygrad("train", "t.csv", "--target", LONG, *QUICK, "--test", "0", "--run", run)
    scores = wg.open_run(here / run).scores
    for result in (trained, whygrad("show", run), whygrad("evaluate", run)):
        assert result.code == 0
        lines = result.out.splitlines()
        assert "".join(lines).count(f"{LONG} of 60 training rows (there are no test rows)") == 1
        assert "…" not in result.out
        if values == "numbers":
            row = next(line for line in lines if line.startswith("R² (1 is perfect)"))
            assert row.split()[-2:] == [f"{round(scores.r2, 4):.4g}", "0"]
        else:
            shown = [line for line in lines if line.startswith("accuracy")]
            assert (
                "".join(shown).count("%") == 2
            )  # that of the network, and of always the largest class
    result = trained.out.partition("\nHow it came")[0]
    assert max(map(len, result.splitlines())) <= 80
    [head, row] = whygrad("runs").out.splitlines()
    assert len(row.rstrip()) <= 80 and head.split()[-1] == "written"
    assert "60" in row.split() and row.split()[-1].count("-") == 2
    assert row.startswith("a_run_with_a") and "median" in row
    if values == "numbers":
        assert f"R² {round(scores.r2, 4):.4g}" in row and "R² 0" in row


# ── slips in the target ──────────────────────────────────────────────────────────────────────────────


def prices(*slips):
    """Prices of houses, with what was typed in some rows instead, and the table."""
    values = np.round(DRAWS.uniform(50_000, 450_000, 120))
    for row, value in slips:
        values[row - 1] = value
    return values


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e60])
@pytest.mark.parametrize("origin", [0.0, -3e5])
def test_slips_are_found_whatever_the_unit_and_the_origin(unit, origin):
    values = prices((31, 250e9), (78, 3.1e9), (5, -40e6))
    places, ratio = far_outside((values + origin) * unit)
    assert places.tolist() == [4, 30, 77]
    assert ratio == pytest.approx(100, rel=0.1)


def test_numbers_as_they_come_are_not_called_mistakes():
    for n in (20, 50, 300, 5_000):
        for _ in range(50):
            for values in (
                DRAWS.normal(size=n),
                DRAWS.uniform(size=n),
                DRAWS.exponential(size=n),
                DRAWS.lognormal(0, 0.5, n),
                DRAWS.poisson(0.5, n).astype(float),
                DRAWS.gamma(0.5, size=n),
                np.where(DRAWS.random(n) < 0.8, 0.0, DRAWS.exponential(size=n)),
                np.where(DRAWS.random(n) < 0.98, 7.0, DRAWS.exponential(size=n)),
                np.r_[DRAWS.normal(size=n // 2), DRAWS.normal(1000, 1, n // 2)],
            ):
                assert far_outside(values)[0].tolist() == []


def test_far_values_of_the_target_are_named_with_row_and_value(here):
    values = prices((31, 250e9), (78, 3.1e9))
    lines = [f"{i % 7},{i * 37 % 11 + 0.5},{v:.0f}\n" for i, v in enumerate(values)]
    lines[10] = "1,2,\n"  # rows without a target do not shift the numbers
    write(here / "t.csv", "rooms,area,price\n" + "".join(lines))
    result = whygrad("train", "t.csv", "--target", "price", *QUICK)
    told = [line for line in result.lines if "away from them" in line]
    assert result.code == 0 and len(told) == 1
    assert told[0].startswith(
        "whygrad: target 'price' is 250000000000 in row 30 (from 0) and 3100000000 in row 77, 7,"
    )
    assert told[0].endswith(
        " times the range of all other values away from them: correct that if it is a mistake, since "
        "squared errors and R² follow such values alone"
    )
    assert told[0].removeprefix("whygrad: ") in wg.open_run(here / "t.run").encoding.notes
    assert told[0] in whygrad("evaluate", "t.run", "t.csv").lines
    assert whygrad("evaluate", "t.run").code == 0  # the rows are found again


def test_what_is_told_of_a_table_does_not_decide_whether_it_is_the_same():
    table = pa.table({"a": DRAWS.normal(size=N), "y": DRAWS.normal(size=N)})
    encoding = learn(*choose_target(table, "y"))
    other = wg.tables.Encoding(encoding.columns, encoding.target, ("told otherwise",))
    assert encoding == other


# ── every type of arrow ──────────────────────────────────────────────────────────────────────────────


def repeated(*values):
    return [values[i % len(values)] for i in range(N)]


NUMBERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
NUMBERS += [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
DAY, D = dt.datetime(2024, 1, 31, 12), decimal.Decimal
# Name: type, values, what comes of it: "number", "boolean", "text", "date", "other", "empty".
PLAIN = {
    "null": (pa.null(), [None], "empty"),
    "bool": (pa.bool_(), [True, False], "boolean"),
    **{str(kind): (kind, [1, 2, 7], "number") for kind in NUMBERS},
    "float16": (pa.float16(), [np.float16(1.5), np.float16(2.5)], "number"),
    "float32": (pa.float32(), [1.5, 2.5], "number"),
    "float64": (pa.float64(), [1.5, 2.5], "number"),
    "decimal32": (pa.decimal32(5, 2), [D("1.5"), D("2.5")], "number"),
    "decimal64": (pa.decimal64(10, 2), [D("1.5"), D("2.5")], "number"),
    "decimal128": (pa.decimal128(20, 2), [D("1.5"), D("2.5")], "number"),
    "decimal256": (pa.decimal256(50, 2), [D("1.5"), D("2.5")], "number"),
    "string": (pa.string(), ["a", "b"], "text"),
    "large_string": (pa.large_string(), ["a", "b"], "text"),
    "string_view": (pa.string_view(), ["a", "b"], "text"),
    "binary": (pa.binary(), [b"a", b"b"], "other"),
    "large_binary": (pa.large_binary(), [b"a", b"b"], "other"),
    "binary_view": (pa.binary_view(), [b"a", b"b"], "other"),
    "fixed_size_binary": (pa.binary(2), [b"ab", b"cd"], "other"),
    "date32": (pa.date32(), [DAY.date()], "date"),
    "date64": (pa.date64(), [DAY.date()], "date"),
    "time32": (pa.time32("s"), [DAY.time()], "date"),
    "time64": (pa.time64("us"), [DAY.time()], "date"),
    "timestamp": (pa.timestamp("s"), [DAY], "date"),
    "timestamp with a zone": (pa.timestamp("ns", "UTC"), [DAY], "date"),
    "duration": (pa.duration("s"), [dt.timedelta(1), dt.timedelta(2)], "number"),
    "list": (pa.list_(pa.int64()), [[1, 2]], "other"),
    "large_list": (pa.large_list(pa.int64()), [[1, 2]], "other"),
    "fixed_size_list": (pa.list_(pa.int64(), 2), [[1, 2]], "other"),
    "list_view": (pa.list_view(pa.int64()), [[1, 2]], "other"),
    "large_list_view": (pa.large_list_view(pa.int64()), [[1, 2]], "other"),
    "map": (pa.map_(pa.string(), pa.int64()), [[("a", 1)]], "other"),
    "struct": (pa.struct([("x", pa.int64())]), [{"x": 1}], "other"),
}  # fmt: skip
ARRAYS = {
    name: (pa.array(repeated(*values), kind), what) for name, (kind, values, what) in PLAIN.items()
}
for name in ("string", "large_string", "float64", "bool", "decimal128", "date32", "binary"):
    array, what = ARRAYS[name]
    ARRAYS[f"dictionary of {name}"] = (pc.dictionary_encode(array), what)
INDICES = pa.array(repeated(0, 1), pa.int32())
STORED = {
    "bool8": (pa.bool8(), pa.array(repeated(0, 1), pa.int8()), "boolean"),
    "uuid": (pa.uuid(), pa.array(repeated(b"0" * 16), pa.binary(16)), "other"),
    "json": (pa.json_(), pa.array(repeated("{}", "1")), "other"),
    "opaque": (pa.opaque(pa.int64(), "t", "v"), pa.array(repeated(1, 2)), "other"),
    "tensor": (
        pa.fixed_shape_tensor(pa.int32(), [2]),
        pa.array(repeated([1, 2]), pa.list_(pa.int32(), 2)),
        "other",
    ),
}
for name, (kind, storage, what) in STORED.items():
    ARRAYS[name] = (pa.ExtensionArray.from_storage(kind, storage), what)
TYPES_OF_A = pa.array(repeated(0, 1), pa.int8())
# What a Parquet file cannot hold, but a frame in memory can, such as one from Feather.
IN_MEMORY = {
    "interval": (
        pa.array(repeated(pa.MonthDayNano([1, 2, 3])), pa.month_day_nano_interval()),
        "date",
    ),
    "dictionary of int64": (pc.dictionary_encode(pa.array(repeated(3, 4))), "code"),
    "dictionary of string_view": (
        pa.DictionaryArray.from_arrays(INDICES, pa.array(["a", "b"], pa.string_view())),
        "text",
    ),
    "run-end encoded numbers": (pc.run_end_encode(pa.array(repeated(1.5, 2.5))), "number"),
    "run-end encoded text": (pc.run_end_encode(pa.array(repeated("a", "b"))), "text"),
    "sparse union": (
        pa.UnionArray.from_sparse(TYPES_OF_A, [pa.array(repeated(1)), pa.array(repeated("x"))]),
        "other",
    ),
    "dense union": (
        pa.UnionArray.from_dense(
            TYPES_OF_A,
            pa.array([i // 2 for i in range(N)], pa.int32()),
            [pa.array(repeated(1)), pa.array(repeated("x"))],
        ),
        "other",
    ),
}
X, Y = (
    pa.array([i % 5 + 0.5 for i in range(N)]),
    pa.array([*(i * i % 7 + 0.5 for i in range(N - 1)), None]),
)


def told(name, column, what):
    """The line on a column that is of no use."""
    if name == "interval":
        return f"column '{name}' left out: it holds intervals, which are neither numbers nor dates"
    if what == "date":
        return (
            f"column '{name}' left out: it is {columns.quoted(str(column[0].as_py()))} in every row"
        )
    if what == "empty":
        return f"column '{name}' left out: it has no value in any training row"
    kind = columns.quoted(str(column.type))
    return f"column '{name}' left out: it holds neither numbers nor text but {kind}"


def check_all(table, arrays):
    """Hold what is learned of each column, and that every row can be encoded."""
    table, target = choose_target(table, "y")
    rows, _ = split(target, table, 0.25, seed=0)
    encoding = learn(table.take(rows), target)
    assert np.isfinite(encoding.encode(table)).all()
    used = {
        name: what
        for name, (_, what) in arrays.items()
        if what in ("number", "boolean", "text", "code")
    }
    assert {c.name: c.kind for c in encoding.columns if c.name != "x"} == used
    left = [told(name, table[name], arrays[name][1]) for name in arrays if name not in used]
    assert list(encoding.notes) == ["1 row left out: no value in the target 'y'", *left]
    return encoding


def test_a_parquet_file_with_a_column_of_every_type_is_read(tmp_path):
    table = pa.table({name: array for name, (array, _) in ARRAYS.items()} | {"x": X, "y": Y})
    path = tmp_path / "all.parquet"
    pa.parquet.write_table(table, path)
    encoding = check_all(read(path), ARRAYS)
    pieces = list(batches(path, 7, encoding.kinds, [c.name for c in encoding.columns]))
    whole = encoding.encode(read(path))
    assert (np.concatenate([encoding.encode(piece) for piece in pieces]) == whole).all()


def test_a_frame_with_a_column_of_every_type_is_read():
    arrays = ARRAYS | IN_MEMORY
    check_all(
        as_table(pa.table({name: a for name, (a, _) in arrays.items()} | {"x": X, "y": Y})), arrays
    )


@pytest.mark.parametrize("name", [*ARRAYS, *IN_MEMORY])
def test_a_target_of_any_type_is_read_or_refused_with_its_type(name):
    array, what = (ARRAYS | IN_MEMORY)[name]
    table = as_table(pa.table({"c": array, "x": X}))
    if what in ("date", "other", "empty"):
        with pytest.raises(wg.InputError) as error:
            choose_target(table, "c")
        kind = columns.quoted(str(table["c"].type))
        assert (
            str(error.value)
            == {
                "date": "target 'c' holds dates or times: a target is text, true and false, or numbers",
                "other": f"target 'c' holds neither numbers nor text but {kind}: a target is text, true "
                "and false, or numbers",
                "empty": "target 'c' has no value in any row: choose another column",
            }[what]
        )
    else:
        table, target = choose_target(table, "c")
        assert target.targets(table).shape[0] == N


def test_a_type_that_arrow_cannot_compute_with_is_refused_in_one_line(monkeypatch):
    def no_kernel(*_):
        raise pa.ArrowNotImplementedError("Function 'run_end_decode' has no kernel\nmatching")

    monkeypatch.setattr("pyarrow.compute.run_end_decode", no_kernel)
    frame = pa.table({"c": IN_MEMORY["run-end encoded text"][0]})
    with pytest.raises(wg.InputError) as error:
        as_table(frame)
    assert str(error.value) == (
        "column 'c' is of arrow's type run_end_encoded<run_ends: int32, values: string>, which cannot be "
        "read: write it as numbers or text, or remove it"
    )


# ── whygrad.toml ─────────────────────────────────────────────────────────────────────────────────────

DIGITS, HEX = "9" * 5_000, "0x" + "F" * 5_000
GIVEN = dict.fromkeys(("target", "learning_rate", "epochs", "hidden", "run", "seed"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"epochs = {DIGITS}", "a number of thousands of digits: no option is that large"),
        (f"learning-rate = {DIGITS}", "a number of thousands of digits: no option is that large"),
        (f"epochs = {HEX}", "epochs has more than 15 digits: no option is that large"),
        (f"learning-rate = {HEX}", "learning-rate has more than 15 digits: no option is that large"),
        (f"hidden = [3, {HEX}]", "hidden has more than 15 digits: no option is that large"),
        (f"target = {HEX}", "target has more than 15 digits: no option is that large"),
        ("hidden = " + "[" * 100_000, "not TOML (nested too deep)"),
        ("target" + ".a" * 3_000 + " = 1", 'target is a table: it must be text, as in "adam"'),
        ("target = {a = 1}", 'target is a table: it must be text, as in "adam"'),
        ("target = 2024-01-01", 'target is datetime.date(2024, 1, 1): it must be text, as in "adam"'),
        ("epochs = true", "epochs is True: it must be a whole number"),
        ("epochs = 2.0", "epochs is 2.0: it must be a whole number"),
        ("learning-rate = '0.1'", "learning-rate is '0.1': it must be a number"),
        ("hidden = [1.5]", "hidden is [1.5]: it must be whole numbers, as in [40, 20]"),
        ("hidden = [[1]]", "hidden is a list: it must be whole numbers, as in [40, 20]"),
        ("epochs = 1\nepochs = 2", "not TOML (Cannot overwrite a value (at end of document))"),
        ("batch-size = 1\nbatch_size = 2", "batch_size stands there twice, with - and with _: remove one"),
        (b"epochs = 1\nrun = '\xff'", "line 2 is not UTF-8 text: save the file as UTF-8"),
        ("epochs = 1".encode("utf-16"), "line 1 is not UTF-8 text: save the file as UTF-8"),
        ("#" * 1_000_001, "has 1,000,001 bytes, options need fewer than 1,000,000: shorten it"),
    ],
)  # fmt: skip
def test_an_odd_whygrad_toml_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "whygrad.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(wg.FileError) as error:
        with_file(GIVEN, tmp_path)
    assert str(error.value) == f"whygrad.toml: {message}"


def test_an_unknown_option_of_a_whygrad_toml_is_named_without_what_a_terminal_obeys(tmp_path):
    write(tmp_path / "whygrad.toml", f'"{"x" * 5_000}" = 1')
    with pytest.raises(wg.FileError, match=r"unknown option 'x{59}…': Known: target, "):
        with_file(GIVEN, tmp_path)
    write(tmp_path / "whygrad.toml", '"\\u001b[2J\\u009b" = 1')
    with pytest.raises(wg.FileError, match=r"unknown option '\\x1b\[2J\\x9b': Known: target, "):
        with_file(GIVEN, tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        "learning-rate = nan",
        "learning-rate = inf",
        "l1 = nan",
        "dropout = nan",
        "test = nan",
        "validation = nan",
    ],
)
def test_numbers_that_are_none_are_refused_in_one_line(here, option):
    write(here / "whygrad.toml", option)
    write(here / "houses.csv", HOUSES)
    result = whygrad("train", "houses.csv", "--target", "price", *QUICK)
    assert result.code == 2 and len(result.lines) == 1
    assert f" is {option.split()[-1]}: " in result.err


@pytest.mark.parametrize("place", ["folder", "pipe", "device", "circle"])
def test_what_stands_in_the_place_of_a_whygrad_toml_is_neither_read_nor_waited_for(tmp_path, place):
    path = tmp_path / "whygrad.toml"
    make = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "circle": lambda: path.symlink_to(path),
    }
    make[place]()
    reason = "not a regular file: remove it, or write options as TOML there"
    if place == "circle":
        reason = "cannot be read (Too many levels of symbolic links)"
    with pytest.raises(wg.FileError) as error:
        with_file(GIVEN, tmp_path)
    assert str(error.value) == f"whygrad.toml: {reason}"


def test_a_whygrad_toml_may_begin_with_a_mark_and_end_lines_as_windows_does(tmp_path):
    (tmp_path / "whygrad.toml").write_bytes("\ufeffepochs = 3\r\nseed = 2\r\n".encode())
    options = with_file(GIVEN, tmp_path)
    assert (options["epochs"], options["seed"]) == (3, 2)


@pytest.mark.parametrize(
    "words",
    [
        ("check", "houses.run", "--sample", DIGITS),
        ("why", "ledger", "houses.run", f"1:{DIGITS},0"),
        ("why", "influence", "houses.run", "--output", DIGITS),
        ("why", "without", "houses.run", DIGITS),
        ("why", "weight", "houses.run", "--row", DIGITS),
        ("replay", "houses.run", "--step", DIGITS),
        ("resume", "houses.run", "--epochs", DIGITS),
        ("train", "houses.csv", "--target", "price", "--hidden", DIGITS),
        ("train", "houses.csv", "--target", "price", "--seed", DIGITS),
    ],
)
def test_numbers_of_thousands_of_digits_on_the_command_line_are_refused_in_one_line(houses, words):
    result = whygrad(*words)
    assert result.code == 2 and len(result.lines) == 1


def test_questions_and_predictions_read_a_frame_alike(here, houses):
    frame = pa.table(
        {" rooms": [3.0], "area ": [4.5], "town": pa.array(["Bern"], pa.string_view())}
    )
    same = pa.table({"rooms": [3.0], "area": [4.5], "town": ["Bern"]})
    assert (houses.predict(frame) == houses.predict(same)).all()
    asked = [houses.why.prediction(each, output=0).value for each in (frame, same)]
    assert asked[0] == asked[1]
