"""Files come in as tables, whatever their dialect; what is no table is refused in one line."""

import csv
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import whygrad as wg
from whygrad.tables import as_table, batches, choose_target, learn, read, reading, split
from whygrad.tables.cells import read_numbers
from whygrad.tables.columns import texts
from whygrad.tables.decisions import decide

ROWS = [("Zürich", 1.5, 3), ("Bern", -2.25, 4), ("Genève", 1000.0, 5)]


def write(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_as(column, name):
    """Return the values of a column as they are read: numbers, true and false, text, None where missing."""
    decision = decide(column, name)
    if decision.kind not in ("number", "boolean"):
        return texts(column).to_pylist()
    values, _, _ = read_numbers(column, decision.kind, decision.number)
    kind = bool if decision.kind == "boolean" else float
    return [None if np.isnan(value) else kind(value) for value in values]


def rows_of(table):
    """Return the rows of a table, numbers as numbers."""
    columns = [read_as(table[name], name) for name in table.column_names]
    return list(zip(*columns, strict=True))


def refused(path, message, load=read):
    """Check that a file is refused with this message, on one line that begins with its name."""
    with pytest.raises(wg.FileError) as error:
        load(path)
    assert str(error.value) == f"{path}: {message}"


# ── dialects ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding_are_found(tmp_path, delimiter, encoding):
    lines = [("town", "height", "size"), *ROWS]
    text = "\r\n".join(delimiter.join(str(field) for field in line) for line in lines)
    path = write(tmp_path, text.encode(encoding))
    assert rows_of(read(path)) == ROWS
    kinds = {"size": "number", "town": "text", "height": "number"}
    [piece] = batches(path, 10, kinds)
    assert piece.column_names == ["town", "height", "size"]
    assert rows_of(piece) == ROWS


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_decimal_comma_is_found_where_commas_do_not_separate(tmp_path, delimiter):
    text = "a;b\n1,5;x,y\n-2,25;z\n".replace(";", delimiter)
    path = write(tmp_path, text)
    assert rows_of(read(path)) == [(1.5, "x,y"), (-2.25, "z")]
    [piece] = batches(path, 10, {"a": "number", "b": "text"})
    assert rows_of(piece) == [(1.5, "x,y"), (-2.25, "z")]


def test_a_decimal_point_is_kept_where_text_has_commas(tmp_path):
    path = write(tmp_path, "a;b\n1.5;p,2\n2.5;q,4\n")
    assert rows_of(read(path)) == [(1.5, "p,2"), (2.5, "q,4")]


def test_quoted_fields_may_hold_anything(tmp_path):
    path = write(tmp_path, '"a\nb",c\n"1,5\n""x""",2\n')
    assert read(path).to_pylist() == [{"a\nb": '1,5\n"x"', "c": "2"}]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NULL", "n/a", "?"])
def test_usual_signs_of_missing_values_are_read_as_missing(tmp_path, missing):
    path = write(tmp_path, f"a,b\n1,x\n{missing},{missing}\n")
    assert rows_of(read(path)) == [(1, "x"), (None, None)]


def test_empty_lines_and_spaces_around_names_do_not_matter(tmp_path):
    path = write(tmp_path, "\n\n a , b\n1,2\n\n3,4\n\n")
    assert read(path).to_pylist() == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_a_column_without_a_name_is_called_by_its_place(tmp_path):
    assert read(write(tmp_path, ",b\n1,2\n")).column_names == ["column 1", "b"]


@pytest.mark.parametrize("header", [",0,1,2", "0,1,2", "1,2,3"])
def test_numbers_that_count_the_columns_are_names(tmp_path, header):
    fields = header.count(",") + 1
    path = write(tmp_path, header + "\n" + ",".join(["7"] * fields) + "\n")
    assert read(path).num_rows == 1


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_numbers_beyond_all_floats_count_no_columns(tmp_path, number):
    path = write(tmp_path, f"a,b,c\n,1,{number}\n,1,{number}\n")
    assert read(path).column_names == ["a", "b", "c"]
    assert read(write(tmp_path, f"0,1,{number}\n7,7,7\n")).num_rows == 2


def test_what_a_column_is_follows_from_all_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 1 << 12)
    path = write(tmp_path, "a\n" + "1\n" * 20_000 + "x1\n" * 2_000)
    assert decide(read(path)["a"], "a").kind == "text"
    path = write(tmp_path, "a\n" + "1\n" * 20_000 + "x1\n" * 200)
    assert decide(read(path)["a"], "a").kind == "number"


def test_parquet_is_read_as_it_is(tmp_path):
    table = pa.table({"a": [1, None, 3], "b": ["x", "y", None]})
    path = tmp_path / "table.parquet"
    pa.parquet.write_table(table, path)
    assert read(path).equals(table)
    renamed = tmp_path / "table.csv"
    path.rename(renamed)
    assert read(renamed).equals(table)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
@pytest.mark.parametrize("rows", [1, 7, 100, 101, 10_000])
def test_pieces_have_the_rows_asked_for_and_join_to_the_whole(tmp_path, name, rows):
    table = pa.table({"a": np.arange(100) / 7, "b": [f"v{i}" for i in range(100)]})
    path = tmp_path / name
    if name.endswith("csv"):
        as_pandas = table.to_pandas()
        as_pandas.to_csv(path, index=False)
    else:
        pa.parquet.write_table(table, path, row_group_size=33)
    pieces = list(batches(path, rows, {"b": "text", "a": "number", "not there": "number"}))
    assert [piece.num_rows for piece in pieces[:-1]] == [rows] * (len(pieces) - 1)
    assert 0 < pieces[-1].num_rows <= rows
    assert rows_of(pa.concat_tables(pieces)) == rows_of(table)


def test_types_are_the_same_in_every_piece_of_a_file_larger_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 1 << 12)
    path = write(tmp_path, "a,b\n" + "1,\n" * 20_000 + "2.5,x\n")
    types = {tuple(p.schema.types) for p in batches(path, 5_000, {"a": "number", "b": "text"})}
    assert types == {(pa.string(), pa.string())}
    types = {tuple(p.schema.types) for p in batches(path, 5_000)}
    assert types == {(pa.string(), pa.string())}


# ── what is no table ─────────────────────────────────────────────────────────────────────────────────


def both(path):
    """Read a file whole and in pieces: both must refuse it, in the same words."""
    with pytest.raises(wg.FileError) as whole:
        read(path)
    with pytest.raises(wg.FileError) as pieces:
        list(batches(path, 10))
    assert str(whole.value) == str(pieces.value)
    raise whole.value


def test_a_missing_file_is_refused_and_the_nearest_named(tmp_path):
    refused(tmp_path / "houses.csv", "there is no such file", both)
    write(tmp_path, "a\n1\n", "house.csv")
    refused(tmp_path / "wine.csv", "there is no such file", both)
    refused(tmp_path / "houses.csv", "there is no such file: did you mean 'house.csv'?", both)


def test_a_folder_is_refused(tmp_path):
    refused(tmp_path, "a folder, not a file: name a CSV or Parquet file in it", both)


@pytest.mark.parametrize("content", ["", "\n\n", "  \n"])
def test_an_empty_file_is_refused(tmp_path, content):
    path = write(tmp_path, content)
    refused(path, "empty, a table has a line of column names, then rows", both)


def test_a_header_without_rows_is_refused(tmp_path):
    refused(write(tmp_path, "a,b\n"), "it has column names, but no rows", both)
    refused(write(tmp_path, "a,b"), "it has column names, but no rows", both)
    path = tmp_path / "table.parquet"
    pa.parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), path)
    refused(path, "it has column names, but no rows", both)


def test_a_binary_file_is_refused(tmp_path):
    binary = bytes(range(256)) * 100
    message = "a binary file, not text: a table is CSV text or a .parquet file"
    refused(write(tmp_path, binary), message, both)
    late = b"a,b\n" + b"1,2\n" * 100_000 + b"\0\n"
    refused(
        write(tmp_path, late), "a zero byte in line 100002: a binary file, or a damaged one", both
    )
    message = "not a Parquet file, or a damaged one"
    refused(write(tmp_path, binary, "table.parquet"), message, both)


def test_a_wrongly_encoded_file_is_refused_with_its_line(tmp_path):
    path = write(tmp_path, b"a,b\n1,x\n2,\x81\x8d\n")
    message = "line 3 is neither UTF-8 nor Windows-1252 text: save the file as UTF-8"
    refused(path, message, both)
    path = write(tmp_path, b"\xef\xbb\xbfa,b\n1,x\n2,\xff\n")
    message = "line 3 is not utf-8-sig text, as its start says: save it as UTF-8"
    refused(path, message, both)


@pytest.mark.parametrize(
    ("text", "line", "fields"),
    [
        ("a,b,c\n1,2,3\n1,2\n", 3, "2 fields"),
        ("a,b,c\n1,2,3\n\n1,2,3,4\n", 4, "4 fields"),
        ('a,b,c\n1,"x\ny",3\n1\n', 4, "1 field"),
    ],
)
def test_a_ragged_file_is_refused_with_its_line(tmp_path, text, line, fields):
    message = (
        f"line {line} has {fields}, the header has 3 (separated by ','): correct the line, or put "
        "quotes around fields with ','"
    )
    refused(write(tmp_path, text), message, both)


def test_an_unknown_ending_is_refused(tmp_path):
    endings = (
        "tables are read from .csv, .tsv, .tab, .txt, .dat, .data (text), .parquet, .feather, .jsonl and "
        ".xlsx, packed as .gz, .zst, .bz2, .zip as well"
    )
    refused(write(tmp_path, "x", "a.pdf"), f"a name that ends in .pdf: {endings}", both)
    refused(write(tmp_path, "x", "a"), f"a name without an ending: {endings}", both)
    hint = "(JSON lines, an object for each row, end in .jsonl)"
    refused(write(tmp_path, "x", "a.json"), f"a name that ends in .json {hint}: {endings}", both)


def test_an_open_quotation_mark_is_refused(tmp_path):
    path = write(tmp_path, 'a,b\n3,x\n1,"x\n' + "1,2\n" * 100_000)
    refused(path, "a quotation mark in the row of line 3 is never closed", both)


def test_a_mark_of_inches_is_no_open_quotation(tmp_path):
    path = write(tmp_path, 'a,b\n1,2" pipe\n3,5 pipe\n')
    assert rows_of(read(path)) == [(1, '2" pipe'), (3, "5 pipe")]


def test_a_row_longer_than_a_block_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 1 << 20)
    path = write(tmp_path, "a,b\n1," + "x" * 3_000_000 + "\n1,2\n")
    refused(path, "a row of more than 1 MB: is a quotation mark misplaced?", both)


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────


def test_frames_of_every_library_give_the_same_table():
    import polars as pl

    values = {"a": [1.5, None, 3.0], "b": ["x", None, "z"], "c": [True, False, True]}
    expected = [tuple(row) for row in zip(*values.values(), strict=True)]
    arrow = pa.table(values)
    frames = [
        pd.DataFrame(values),
        pd.DataFrame(values, index=[7, 8, 9]),
        pl.DataFrame(values),
        pl.LazyFrame(values),
        arrow,
        arrow.to_batches()[0],
    ]
    for frame in frames:
        assert rows_of(as_table(frame)) == expected


def test_what_is_no_frame_is_refused():
    with pytest.raises(wg.InputError, match="not ndarray"):
        as_table(np.zeros(3))
    with pytest.raises(wg.InputError, match="column 'm' mixes values of several types"):
        as_table(pd.DataFrame({"m": [1, "x"]}))
    with pytest.raises(wg.InputError, match="two columns of the same name"):
        as_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# ── generated files ──────────────────────────────────────────────────────────────────────────────────

MANY = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
FIELDS = st.one_of(
    st.sampled_from(["", "NA", "1", "0", "2", "-3.5", "1e3", "inf", "nan", "true", "x", "y"]),
    st.sampled_from(["2024-01-31", "12:30", "1,5", "1e999", '"', "'", ";", "a b", "\r", "é"]),
    st.floats().map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
)


@st.composite
def tables(draw):
    """A file of rows in any dialect: sometimes ragged, or with duplicate names."""
    width, n = draw(st.integers(1, 5)), draw(st.integers(0, 12))
    names = draw(st.lists(st.one_of(st.sampled_from("abc"), NAMES), min_size=width, max_size=width))
    columns = [draw(st.lists(FIELDS, min_size=1, max_size=4)) for _ in range(width)]
    rows = [[draw(st.sampled_from(column)) for column in columns] for _ in range(n)]
    if rows and draw(st.booleans()):
        rows[draw(st.integers(0, n - 1))] = draw(st.lists(FIELDS, max_size=6))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, None]))
    delimiter = draw(st.sampled_from(",;\t|"))
    if quoting is None:
        text = "\n".join(delimiter.join(row) for row in [names, *rows])
    else:
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([names, *rows])
        text = file.getvalue()
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return text.encode(encoding, errors="replace"), names


def use(path, target):
    """Do with a file all that training and predicting do; only a `WhygradError` may come out of it."""
    try:
        table, chosen = choose_target(read(path), target)
        train, _ = split(chosen, table, 0.25, seed=0)
        encoding = learn(table.take(train), chosen)
        X, Y = encoding.encode(table), encoding.targets(table)
        assert np.isfinite(X).all()
        assert np.isfinite(Y).all()
        assert X.shape == (table.num_rows, len(encoding.names))
        assert encoding.decode(Y).shape == (table.num_rows,)
        for piece in batches(path, 5, encoding.kinds):
            encoding.encode(piece)
    except wg.WhygradError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017
        return False
    return True


@MANY
@given(
    content=st.binary(max_size=300), start=st.sampled_from([b"", b"a,b\n", b"PAR1", b"\xff\xfe"])
)
def test_random_bytes_end_in_one_line_or_in_an_encoding(tmp_path, content, start):
    use(write(tmp_path, start + content), "a")


@MANY
@given(given_table=tables(), place=st.integers(0, 4))
def test_random_tables_end_in_one_line_or_in_an_encoding(tmp_path, given_table, place):
    content, names = given_table
    use(write(tmp_path, content), names[place % len(names)])


@MANY
@given(content=st.binary(max_size=300), cut=st.integers(0, 2000), at=st.integers(0, 2000))
def test_damaged_parquet_ends_in_one_line_or_in_an_encoding(tmp_path, content, cut, at):
    file = io.BytesIO()
    pa.parquet.write_table(pa.table({"a": [1.5, 2, 3, 4], "b": ["x", "y", "x", "y"]}), file)
    whole = bytearray(file.getvalue())
    at %= len(whole)
    whole[at : at + len(content)] = content
    use(write(tmp_path, bytes(whole[: max(1, cut % (len(whole) + 1))]), "t.parquet"), "a")


@settings(MANY, max_examples=100)
@given(
    x=st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8),
    letters=st.lists(st.sampled_from(["p", "q", ""]), min_size=8, max_size=8),
    dialect=st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", ".")]),
)
def test_a_file_says_the_same_in_every_dialect(tmp_path, x, letters, dialect):
    frame = pd.DataFrame({"x": x, "c": letters, "y": np.arange(8) / 7})
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False, sep=dialect[0], decimal=dialect[1])
    table = read(path)
    assert [float(v) for v in read_as(table["x"], "x")] == x
    assert [v or "" for v in table["c"].to_pylist()] == letters
    assert read_as(table["y"], "y") == frame["y"].to_list()
