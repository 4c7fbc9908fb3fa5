"""Odd little files, by kind: each with the names and rows that must come out, and the notes on it."""

import bz2
import gzip
import io
import json
import os
import tempfile
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import whygrad as wg
from command import whygrad
from whygrad.tables import batches, opening, read
from whygrad.tables.header import distinct, is_header
from whygrad.tables.opening import ReadOptions, ending, stem

TEXT = "town,size,price\nBern,3,1.5\nBasel,4,2.5\nChur,5,4\n"
NAMES = ["town", "size", "price"]
ROWS = [("Bern", 3, 1.5), ("Basel", 4, 2.5), ("Chur", 5, 4)]
QUICK = ("--hidden", "3", "--epochs", "2", "--engine", "reference")


def packed(name, text=TEXT, more=()):
    """An archive with some files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, content in [(name, text), *more]:
            archive.writestr(inner, content)
    return file.getvalue()


def written(write, *given, **options):
    """What a library writes to a file."""
    file = io.BytesIO()
    write(*given, file, **options)
    return file.getvalue()


def cell(value, place):
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>' if value is not None else ""


def workbook(**sheets):
    """A workbook as the standard has it, of sheets as lists of rows; `hidden` in a name hides it."""
    space = "http://schemas.openxmlformats.org/"
    main, office = f"{space}spreadsheetml/2006/main", f"{space}officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml."
    listed = related = types = ""
    parts = []
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        state = ' state="hidden"' if "hidden" in name else ""
        listed += f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"{state}/>'
        related += (
            f'<Relationship Id="rId{number}" Type="{office}/worksheet" '
            f'Target="worksheets/sheet{number}.xml"/>'
        )
        types += (
            f'<Override PartName="/xl/worksheets/sheet{number}.xml" '
            f'ContentType="{kind}worksheet+xml"/>'
        )
        cells = "".join(
            f'<row r="{i}">{"".join(cell(v, f"{chr(65 + j)}{i}") for j, v in enumerate(row))}</row>'
            for i, row in enumerate(rows, start=1)
        )
        sheet = f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
        parts.append((f"xl/worksheets/sheet{number}.xml", sheet))
    parts += [
        (
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        ),
        (
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{space}package/2006/relationships">{related}</Relationships>',
        ),
        (
            "_rels/.rels",
            f'<Relationships xmlns="{space}package/2006/relationships"><Relationship Id="rId1" '
            f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        ),
    ]
    content = (
        f'<Types xmlns="{space}package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}sheet.main+xml"/>{types}</Types>'
    )
    return packed("[Content_Types].xml", content, parts)


FRAME = pd.DataFrame(ROWS, columns=NAMES)
TABLE = pa.Table.from_pandas(FRAME)
SHEET = [NAMES, *map(list, ROWS)]
LINES = "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in ROWS)
PASSED = "line{} above the table passed over, the first is {!r}"
NO_HEADER = (
    "no header: line {} holds values as the lines below it do ({}), so the columns are called "
    "'column 1' to 'column {}' (--header {} takes it for one)"
)
BARE = "Bern,3,1.5\nBasel,4,2.5\nChur,5,4\n"
THREE = ["column 1", "column 2", "column 3"]
INSECTS = "p,x,s\ne,x,y\np,b,s\ne,x,s\np,x,y\n"

# What kind of file: its name, its content, the names of its columns, its rows, its notes.
FILES = {
    # packed
    "gzip": ("t.csv.gz", gzip.compress(TEXT.encode()), NAMES, ROWS, []),
    "gzip of two members": (
        "t.csv.gz",
        gzip.compress(TEXT[:20].encode()) + gzip.compress(TEXT[20:].encode()),
        NAMES,
        ROWS,
        [],
    ),
    "gzip without an inner ending": ("t.gz", gzip.compress(TEXT.encode()), NAMES, ROWS, []),
    "gzip that says it is text": ("t.csv", gzip.compress(TEXT.encode()), NAMES, ROWS, []),
    "gzip of Parquet": (
        "t.parquet.gz",
        gzip.compress(written(lambda f: pa.parquet.write_table(TABLE, f))),
        NAMES,
        ROWS,
        [],
    ),
    "zstandard": ("t.csv.zst", pa.compress(TEXT.encode(), "zstd", asbytes=True), NAMES, ROWS, []),
    "bzip2": ("t.csv.bz2", bz2.compress(TEXT.encode()), NAMES, ROWS, []),
    "zip": ("t.csv.zip", packed("t.csv"), NAMES, ROWS, []),
    "zip with what a Mac adds": (
        "t.zip",
        packed("folder/t.csv", more=[("__MACOSX/folder/._t.csv", "x"), ("read me.md", "x")]),
        NAMES,
        ROWS,
        [],
    ),
    "zip of JSON lines": ("t.zip", packed("t.jsonl", LINES), NAMES, ROWS, []),
    "zip of a workbook": ("t.zip", packed("t.xlsx", workbook(one=SHEET)), NAMES, ROWS, []),
    # other forms
    "Feather": (
        "t.feather",
        written(lambda f: pa.feather.write_feather(TABLE, f)),
        NAMES,
        ROWS,
        [],
    ),
    "Feather that is not compressed": (
        "t.arrow",
        written(lambda f: pa.feather.write_feather(TABLE, f, compression="uncompressed")),
        NAMES,
        ROWS,
        [],
    ),
    "Parquet": ("t.pq", written(lambda f: pa.parquet.write_table(TABLE, f)), NAMES, ROWS, []),
    "JSON lines": ("t.jsonl", LINES, NAMES, ROWS, []),
    "JSON lines of different keys": (
        "t.ndjson",
        '\ufeff{"a": 1, "b": "x"}\n\n{"b": "y", "c": true}\n',
        ["a", "b", "c"],
        [(1, "x", None), (None, "y", True)],
        [],
    ),
    "JSON lines of objects within objects": (
        "t.jsonl",
        '{"a": {"b": 1, "c": {"d": "x"}}, "e": 5}\n{"e": 6, "a": {"b": 2, "c": {}}}\n{"a": null}\n',
        ["a.b", "a.c.d", "e", "a"],
        [(1, "x", 5, None), (2, None, 6, None), (None, None, None, None)],
        [],
    ),
    "JSON lines of numbers as keys": ("t.jsonl", '{"7": 1}\n{"7": 2}\n', ["7"], [(1,), (2,)], []),
    "workbook": ("t.xlsx", workbook(one=SHEET), NAMES, ROWS, []),
    "text that is named a workbook": ("t.xlsx", TEXT, NAMES, ROWS, []),
    "workbook of several sheets": (
        "t.xlsx",
        workbook(hidden=[["a"], [1]], empty=[], houses=SHEET, more=[["b"]]),
        NAMES,
        ROWS,
        ["sheet 'houses' was read (--sheet takes another: 'hidden', 'empty', 'more')"],
    ),
    "workbook with a title and an empty column": (
        "t.xlsx",
        workbook(
            one=[["Houses of 2024"], [], [*NAMES, None, "x"], *([*row, None, 1] for row in ROWS)]
        ),
        [*NAMES, "x"],
        [(*row, 1) for row in ROWS],
        ["1 " + PASSED.format("", "Houses of 2024"), "1 column without a name or a value left out"],
    ),
    # the header
    "a title above": (
        "t.csv",
        "Houses of 2024\n\n" + TEXT,
        NAMES,
        ROWS,
        ["1 " + PASSED.format("", "Houses of 2024")],
    ),
    "a title padded with delimiters": (
        "t.csv",
        "Houses of 2024,,\n,,\nof Bern\n" + TEXT,
        NAMES,
        ROWS,
        ["2 " + PASSED.format("s", "Houses of 2024")],
    ),
    "comments above": (
        "t.csv",
        "# source: a page, with a comma\n# 2024\n" + TEXT,
        NAMES,
        ROWS,
        ["2 " + PASSED.format("s", "# source: a page, with a comma")],
    ),
    "a header that is a comment": ("t.csv", "# town,size,price\n" + BARE, NAMES, ROWS, []),
    "a first name that is #": ("t.csv", "#,a\n1,x\n2,y\n", ["#", "a"], [(1, "x"), (2, "y")], []),
    "sep= of a spreadsheet": ("t.csv", "sep=;\n" + TEXT.replace(",", ";"), NAMES, ROWS, []),
    "sep= of a rare delimiter": ("t.csv", "sep=~\r\n" + TEXT.replace(",", "~"), NAMES, ROWS, []),
    "no header": ("t.csv", BARE, THREE, ROWS, [NO_HEADER.format(1, "Bern, 3, 1.5", 3, 1)]),
    "no header, numbers only": (
        "t.csv",
        "5.1,3.5\n4.9,3\n",
        THREE[:2],
        [(5.1, 3.5), (4.9, 3)],
        [NO_HEADER.format(1, "5.1, 3.5", 2, 1)],
    ),
    "no header, one column": (
        "t.csv",
        "7.5\n8\n9\n",
        ["column 1"],
        [(7.5,), (8,), (9,)],
        [
            "no header: line 1 holds values as the lines below it do (7.5), so the column is called "
            "'column 1' (--header 1 takes it for one)"
        ],
    ),
    "no header, words only": (
        "t.csv",
        INSECTS,
        THREE,
        [tuple(line.split(",")) for line in INSECTS.split()],
        [NO_HEADER.format(1, "p, x, s", 3, 1)],
    ),
    "no header, the first number missing": (
        "t.csv",
        "?,3,1.5\n7,4,2.5\n8,5,4\n",
        THREE,
        [(None, 3, 1.5), (7, 4, 2.5), (8, 5, 4)],
        [NO_HEADER.format(1, "?, 3, 1.5", 3, 1)],
    ),
    "years as names": (
        "t.csv",
        "town,1990,1991\nBern,3,1.5\nBasel,4,2.5\n",
        ["town", "1990", "1991"],
        ROWS[:2],
        [],
    ),
    "one year as a name": (
        "t.csv",
        "town,2024\nBern,3.5\nBasel,4.5\n",
        ["town", "2024"],
        [("Bern", 3.5), ("Basel", 4.5)],
        [],
    ),
    "equal names": (
        "t.csv",
        "a,b, a ,a 2\n1,2,3,4\n",
        ["a", "b", "a 3", "a 2"],
        [(1, 2, 3, 4)],
        ["columns 1 and 3 are both called 'a': the second is called 'a 3' here"],
    ),
    "many equal names": (
        "t.csv",
        "a,a,a,a,a,a\n1,2,3,4,5,6\n",
        ["a", "a 2", "a 3", "a 4", "a 5", "a 6"],
        [(1, 2, 3, 4, 5, 6)],
        [
            *(
                f"columns 1 and {k} are both called 'a': the second is called 'a {k}' here"
                for k in (2, 3, 4)
            ),
            "2 more columns are numbered like that",
        ],
    ),
    "equal names of Parquet": (
        "t.parquet",
        written(lambda f: pa.parquet.write_table(pa.table([[1], [2]], names=["a", "a "]), f)),
        ["a", "a 2"],
        [(1, 2)],
        ["columns 1 and 2 are both called 'a': the second is called 'a 2' here"],
    ),
    "a delimiter too many in every line": (
        "t.csv",
        "a,b,\n1,x,\n2,y,\n",
        ["a", "b"],
        [(1, "x"), (2, "y")],
        ["1 column without a name or a value left out"],
    ),
    "a delimiter too many in every row": (
        "t.csv",
        "a,b\n1,x,\n2,y,\n",
        ["a", "b"],
        [(1, "x"), (2, "y")],
        ["1 column without a name or a value left out"],
    ),
    "a header without a name for the row names": (
        "t.csv",
        "a,b\nr1,1,2\nr2,3,4\n",
        ["column 1", "a", "b"],
        [("r1", 1, 2), ("r2", 3, 4)],
        ["the header has one name less than the rows have fields: the first has none"],
    ),
    # between blanks
    "blanks between fields": (
        "t.txt",
        "  town   size price\n Bern  3   1.5\n Basel 4\t2.5 \nChur 5 4\n",
        NAMES,
        ROWS,
        [],
    ),
    "blanks between quoted fields": (
        "t.dat",
        'a b\n"x y" 1\n"z"   2\n',
        ["a", "b"],
        [("x y", 1), ("z", 2)],
        [],
    ),
    "blanks and a decimal comma": (
        "t.txt",
        "a b\n1,5 2\n2,5 3\n",
        ["a", "b"],
        [(1.5, 2), (2.5, 3)],
        [],
    ),
    "blanks, a comment as header": ("t.txt", "# a b\n1 2\n3 4\n", ["a", "b"], [(1, 2), (3, 4)], []),
    "a title and blanks after commas": (
        "t.csv",
        "My title\nname, size\nBern, 3\nBasel, 4\n",
        ["name", "size"],
        [("Bern", 3), ("Basel", 4)],
        ["1 " + PASSED.format("", "My title")],
    ),
    "words in one column": (
        "t.csv",
        "text\nhello world\ngood day\n",
        ["text"],
        [("hello world",), ("good day",)],
        [],
    ),
    # encodings
    "UTF-16 with a title": (
        "t.csv",
        ("Städte\n" + TEXT.replace("Chur", "Zürich")).encode("utf-16"),
        NAMES,
        [*ROWS[:2], ("Zürich", 5, 4)],
        ["1 " + PASSED.format("", "Städte")],
    ),
    "Latin-1": (
        "t.csv",
        TEXT.replace("Chur", "Zürich").encode("latin-1"),
        NAMES,
        [*ROWS[:2], ("Zürich", 5, 4)],
        [],
    ),
    "a mark before sep=": (
        "t.csv",
        ("\ufeffsep=;\n" + TEXT.replace(",", ";")).encode(),
        NAMES,
        ROWS,
        [],
    ),
}


def save(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(table):
    columns = ([as_read(cell) for cell in column.to_pylist()] for column in table.columns)
    return list(zip(*columns, strict=True))


def as_read(cell):
    """A cell as a person reads it: what is text in the file stays so in a table."""
    if not isinstance(cell, str):
        return cell
    cell = cell.strip()
    if cell in ("", "?", "true", "false"):
        return {"true": True, "false": False}.get(cell)
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return cell


def needs_calamine(kind):
    if "workbook" in kind:
        pytest.importorskip("python_calamine", reason="python-calamine is not installed")


@pytest.mark.parametrize("kind", FILES)
def test_an_odd_file_gives_its_names_its_rows_and_its_notes(tmp_path, kind):
    needs_calamine(kind)
    name, content, names, rows, notes = FILES[kind]
    said = []
    table = read(save(tmp_path, name, content), notes=said)
    assert (table.column_names, rows_of(table), said) == (names, rows, notes)


@pytest.mark.parametrize("kind", FILES)
def test_an_odd_file_gives_the_same_in_pieces(tmp_path, kind):
    needs_calamine(kind)
    name, content, names, rows, _ = FILES[kind]
    path = save(tmp_path, name, content)
    table = read(path)
    kinds = {
        name: "boolean" if pa.types.is_boolean(t) else "text" if pa.types.is_string(t) else "number"
        for name, t in zip(names, table.schema.types, strict=True)
    }
    pieces = list(batches(path, 2, kinds, names))
    assert [piece.num_rows for piece in pieces[:-1]] == [2] * (len(pieces) - 1)
    assert rows_of(pa.concat_tables(piece.select(names) for piece in pieces)) == rows


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "files"
    folder.mkdir()
    for kind in ("gzip", "zip", "JSON lines", "blanks between fields"):
        path = save(folder, *FILES[kind][:2])
        assert len(list(batches(path, 2))) == 2
        next(batches(path, 2))
    with pytest.raises(wg.FileError):
        read(save(folder, "t.csv.gz", gzip.compress(b"a,b\n1,2\n3\n")))
    with pytest.raises(wg.FileError):
        read(save(folder, "t.jsonl", LINES + "{"))
    assert os.listdir(tmp_path) == ["files"]


# ── what the user says ───────────────────────────────────────────────────────────────────────────────


def test_the_line_of_the_header_can_be_said(tmp_path):
    path = save(tmp_path, "t.csv", "1,2\n3,4\n5,6\n")
    assert read(path).column_names == ["1", "2"]
    assert rows_of(read(path, ReadOptions(header=2))) == [(5, 6)]
    assert read(path, ReadOptions(header=2)).column_names == ["3", "4"]
    notes = []
    assert rows_of(read(path, ReadOptions(header=0), notes)) == [(1, 2), (3, 4), (5, 6)]
    assert notes == []
    with pytest.raises(wg.FileError, match="line 9 is not there or empty: it cannot be the header"):
        read(path, ReadOptions(header=9))


def test_a_line_with_all_columns_that_are_needed_is_the_header(tmp_path):
    path = save(tmp_path, "t.csv", "a,b\na,b\nx,y\na,b\n")
    assert read(path).column_names == ["column 1", "column 2"]
    assert read(path, needed=["b", "a"]).column_names == ["a", "b"]
    one = save(tmp_path, "one.csv", "x,y\n")  # which could be names as well
    [piece] = batches(one, 5, dict.fromkeys(THREE[:2], "text"), THREE[:2])
    assert rows_of(piece) == [("x", "y")]


def test_a_sheet_can_be_chosen_by_name_and_by_number(tmp_path):
    needs_calamine("workbook")
    path = save(tmp_path, "t.xlsx", workbook(one=[["a"], [1]], two=SHEET))
    for sheet in ("two", "2"):
        assert rows_of(read(path, ReadOptions(sheet=sheet))) == ROWS
    with pytest.raises(wg.FileError) as error:
        read(path, ReadOptions(sheet="tow"))
    assert str(error.value) == f"{path}: no sheet 'tow': did you mean 'two'?"
    csv = save(tmp_path, "t.csv", TEXT)
    with pytest.raises(wg.FileError) as error:
        read(csv, ReadOptions(sheet="two"))
    assert str(error.value) == f"{csv}: it is no workbook, so there is no sheet 'two' in it"


def test_names_and_endings_of_packed_files():
    assert [ending(name) for name in ("A.CSV.GZ", "a.b.zip", "a.csv.csv", "a.json", "csv")] == [
        ".csv.gz",
        ".zip",
        ".csv",
        "",
        "",
    ]
    assert [stem(name) for name in ("/x/a.CSV.gz", "a.b.zip", "a.csv", "a")] == [
        "a",
        "a.b",
        "a",
        "a",
    ]


@pytest.mark.parametrize(
    ("first", "below", "told"),
    [
        ("a,b", ["1,x", "2,y"], True),
        ("1,x", ["1,x", "2,y"], False),
        ("x,y", ["x,z", "u,y", "x,y"], False),
        ("x,y", ["x1,z", "u,y1"], None),
        ("0,1,2", ["7,8,9"], True),
        ("1,2,x", ["1,4,x", "5,6,x"], False),
        ("2,4,6", ["1,3,5"], False),
        ("1990,2000", ["1.5,2"], True),
        ("1990,2000", ["1991,2001"], True),  # as evenly as years do: names, in doubt
        ("1990,2", ["1991,3"], False),
        ("a", [], None),
        ("5,7", [], False),
    ],
)
def test_a_header_is_told_from_the_types_below_it(first, below, told):
    assert is_header(first.split(","), [row.split(",") for row in below]) is told


def test_names_are_numbered_past_those_that_are_there():
    assert distinct(["a", "a", "a 2", "a", ""])[0] == ("a", "a 3", "a 2", "a 4", "column 5")


# ── what is no table ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.zip",
            packed("a.csv", more=[("b.csv", TEXT), ("c.xlsx", "")]),
            "the archive holds 3 tables ('a.csv', 'b.csv', 'c.xlsx'): unpack it and name one of them",
        ),
        (
            "t.zip",
            packed("a.pdf"),
            "the archive holds no table ('a.pdf'): unpack it and name the file of rows",
        ),
        (
            "t.zip",
            b"PK\x03\x04" + bytes(50),
            "the archive cannot be unpacked: damaged, or packed in a rare way",
        ),
        (
            "t.csv.gz",
            gzip.compress(TEXT.encode() * 100)[:-20],
            "damaged, it cannot be unpacked to its end",
        ),
        ("t.csv.gz", TEXT, "not packed as .gz, or damaged"),
        ("t.csv.gz", gzip.compress(b""), "empty, a table has a line of column names, then rows"),
        ("t.csv.gz", gzip.compress(gzip.compress(TEXT.encode())), "packed twice: unpack it first"),
        (
            "t.csv.gz",
            gzip.compress(b"a,b\n1,2\n3\n"),
            "line 3 has 1 field, the header has 2 (separated by ',')",
        ),
        (
            "t.csv",
            "1,2.5\n3,4.5\n3\n",
            "line 3 has 1 field, the first line has 2 (separated by ',')",
        ),
        (
            "t.csv",
            "Houses\n\na,b\n1,2\n1,2\n1\n",
            "line 6 has 1 field, the header has 2 (separated by ',')",
        ),
        ("t.jsonl", LINES + "{", "line 4 is no JSON object"),
        (
            "t.jsonl",
            '[{"a": 1}]',
            "line 1 is no JSON object: write each object on a line of its own",
        ),
        (
            "t.jsonl",
            '{"a": {"b": 1}}\n{"a": {"b": [1]}}\n',
            "line 2: 'a.b' holds a list: lists are not read, write each value into a key of its own",
        ),
        (
            "t.jsonl",
            '{"a.b": 1, "a": {"b": 1}}\n',
            "line 1: two keys make the column 'a.b': rename one",
        ),
        ("t.jsonl", "{}\n", 'it has no object with a key: each line is one, such as {"a": 1}'),
        ("t.feather", b"ARROW1" + bytes(50), "not an Arrow or Feather file, or a damaged one"),
        ("t.xlsx", b"PK\x03\x04" + bytes(50), "not a workbook, or a damaged one"),
        (
            "t.csv",
            "\n<!DOCTYPE html>\n<p>Not found, sorry</p>\n",
            "a page of HTML, not a table: save the file that it links to",
        ),
        (
            "t.csv",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "a pointer of Git LFS, not the file itself: `git lfs pull` gets it",
        ),
        ("t.xlsx", workbook(one=[]), "no sheet holds anything"),
        ("t.xlsx", workbook(one=[["a"]]), "it has column names, but no rows"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,  # packed files hold the time
)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path, name, content, message):
    needs_calamine("workbook" if "xlsx" in name else "")
    path = save(tmp_path, name, content)
    for load in (read, lambda path: list(batches(path, 5))):
        with pytest.raises(wg.FileError) as error:
            load(path)
        assert str(error.value).startswith(f"{path}: {message}")
        assert "\n" not in str(error.value)


def test_a_file_that_unpacks_to_a_flood_is_refused_before_it_fills_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "LEAST_LIMIT", 1 << 20)
    flood = b"a\n" + b"0\n" * 3_000_000
    size = []
    write = opening.os.fdopen

    class Counted:
        """A file that counts what is written to it."""

        def __init__(self, file):
            self.file = file

        def writelines(self, pieces):
            for piece in pieces:
                size.append(len(piece))
                self.file.write(piece)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    monkeypatch.setattr(opening, "CHUNK", 1 << 16)
    monkeypatch.setattr(opening.os, "fdopen", lambda *given: Counted(write(*given)))
    for name, content in (("t.csv.gz", gzip.compress(flood)), ("t.zip", packed("t.csv", flood))):
        path, most = save(tmp_path, name, content), max(1 << 20, opening.RATIO * len(content))
        size.clear()
        with pytest.raises(wg.FileError) as error:
            read(path)
        assert str(error.value) == (
            f"{path}: its {len(content):,} bytes unpack to more than {most:,}: where that is meant, "
            "unpack it first"
        )
        assert sum(size) <= most


def test_a_workbook_with_a_cell_far_from_all_others_is_refused(tmp_path):
    needs_calamine("workbook")
    far = workbook(one=SHEET).replace(b"", b"")
    file = io.BytesIO(far)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    row = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    parts[sheet] = parts[sheet].replace(b"</sheetData>", row)
    path = save(tmp_path, "t.xlsx", packed(*parts.popitem(), parts.items()))
    with pytest.raises(wg.FileError, match=r"reaches to cell XFD1048576, 17,179,869,184 cells"):
        read(path)


def test_a_workbook_without_its_library_is_refused_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    path = save(tmp_path, "t.xlsx", workbook(one=SHEET))
    with pytest.raises(wg.FileError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: workbooks are read by python-calamine: pip install 'whygrad[xlsx]'"
    )


# ── the same at training, at prediction and afterwards ───────────────────────────────────────────────

HOUSES = "town,size,price\n" + "".join(
    f"{('Bern', 'Basel')[i % 2]},{i * 7 % 11 + 0.5},{i * 5 % 13 / 7}\n" for i in range(40)
)
BODY = HOUSES.partition("\n")[2]


def test_a_file_without_header_is_trained_on_asked_about_and_predicted(here):
    save(here, "t.csv.gz", gzip.compress(BODY.encode()))
    result = whygrad("train", "t.csv.gz", "--target", "3", "--leave-out", "1", *QUICK)
    note = NO_HEADER.format(1, "Bern, 0.5, 0.0", 3, 1)
    assert result.code == 0 and f"whygrad: {note}" in result.lines
    run = wg.open_run(here / "t.run")
    assert run.target == "column 3" and run.settings.leave_out == ("column 1",)
    assert note in run.encoding.notes
    assert run.evaluate() == run.scores
    save(here, "one.csv", BODY.partition("\n")[0])
    save(here, "named.csv", "column 2,column 3\n0.5,7\n")
    whole = run.predict(str(here / "t.csv.gz"))
    assert (
        whole[0] == run.predict(str(here / "one.csv"))[0] == run.predict(str(here / "named.csv"))[0]
    )
    assert len(whole) == 40


def test_what_the_user_says_of_a_file_goes_with_the_run(here):
    needs_calamine("workbook")
    rows = [line.split(",") for line in BODY.split()]
    rows = [[town, float(size), float(price)] for town, size, price in rows]
    save(here, "t.xlsx", workbook(notes=[["x"], ["y"]], data=rows))
    words = ("train", "t.xlsx", "--target", "column 3", "--sheet", "data", "--no-header", *QUICK)
    assert whygrad(*words).code == 0
    run = wg.open_run(here / "t.run")
    assert (run.manifest["data"]["header"], run.manifest["data"]["sheet"]) == (0, "data")
    assert run.evaluate() == run.scores
    predicted = whygrad("predict", "t.run", "t.xlsx")
    assert len(predicted.out.splitlines()) == 41
    save(here, "new.csv", HOUSES)
    result = whygrad("predict", "t.run", "new.csv", "--header", 1)
    assert result.err.startswith("whygrad: new.csv: no column 'column 1'")


def test_where_header_and_sheet_were_in_training_binds_no_other_file(here):
    needs_calamine("workbook")
    rows = [line.split(",") for line in BODY.split()]
    sheet = [["about"], [], *[HOUSES.partition("\n")[0].split(",")], *rows]
    save(here, "t.xlsx", workbook(notes=[["x"], ["y"]], data=sheet))
    words = ("--target", "price", "--sheet", "data", "--header", 3)
    assert whygrad("train", "t.xlsx", *words, *QUICK).code == 0
    save(here, "new.csv", HOUSES)
    predicted = [whygrad("predict", "t.run", name) for name in ("new.csv", "t.xlsx")]
    assert predicted[0].code == 0 and predicted[0].out == predicted[1].out
    asked = whygrad("predict", "t.run", "new.csv", "--sheet", "data")
    assert asked.err == "whygrad: new.csv: it is no workbook, so there is no sheet 'data' in it\n"


def test_options_of_a_file_can_stand_in_a_whygrad_toml(here):
    save(here, "t.csv", "0,1,2\n" + BODY)
    save(here, "whygrad.toml", 'target = "3"\nheader = 1\n')
    assert whygrad("train", "t.csv", *QUICK).code == 0
    assert wg.open_run(here / "t.run").target == "2"
    save(here, "whygrad.toml", "no-header = 1\n")
    assert whygrad("train", "t.csv").err == (
        "whygrad: whygrad.toml: no-header is 1: it must be true or false\n"
    )
    os.remove(here / "whygrad.toml")
    result = whygrad("train", "t.csv", "--header", 2, "--no-header")
    assert result.err == "whygrad: --header and --no-header exclude each other: give one of them\n"
    result = whygrad("train", "t.csv", "--header", 0)
    assert result.err == (
        "whygrad: header is 0: lines are counted from 1; --no-header says there is none\n"
    )


def feed(monkeypatch, content):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_standard_input_is_read_and_kept_with_the_run(here, monkeypatch):
    feed(monkeypatch, HOUSES.encode())
    result = whygrad("train", "-", "--target", "price", *QUICK, "--json")
    assert result.code == 0
    run = wg.open_run(here / "table.run")
    assert run.manifest["data"]["path"] == "-" and run.manifest["data"]["copied"]
    assert run.evaluate().score == pytest.approx(run.scores.score, rel=1e-5)
    feed(monkeypatch, gzip.compress(HOUSES.encode()))
    assert len(whygrad("predict", "table.run", "--probabilities", "-").lines) == 1
    feed(monkeypatch, gzip.compress(HOUSES.encode()))
    assert len(whygrad("predict", "table.run", "-").out.splitlines()) == 41
    assert "standard input, copied" in whygrad("show", "table.run").out
    feed(monkeypatch, LINES.encode())
    assert len(whygrad("predict", "table.run", "-").out.splitlines()) == 4
    feed(monkeypatch, b"")
    assert whygrad("predict", "table.run", "-").err == (
        "whygrad: standard input: empty, a table has a line of column names, then rows\n"
    )
