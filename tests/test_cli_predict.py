"""`whygrad predict` with ids and columns kept, names of one's own, and fewer digits."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import whygrad as wg
from command import whygrad
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import rows
from whygrad.record.rows import record_table

N = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table, as text and as Parquet, and runs that predict a class and a number."""
    place = tmp_path_factory.mktemp("kept")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "key": [f"{i:04d}" for i in range(N)],
            "size": rng.uniform(50, 200, N).round(1),
            "kind": rng.choice(["flat", "house"], N),
            "note": ["", 'two "words", a comma'] * (N // 2),
        }
    )
    frame["price"] = 3 * frame["size"] + 10 * (frame["kind"] == "house")
    frame.to_csv(place / "houses.csv", index=False)
    frame.to_parquet(place / "houses.parquet")
    quick = Settings(hidden=(3,), epochs=2, leave_out=("key", "note"), engine="reference")
    for target in ("price", "kind"):
        source = find(str(place / "houses.csv"), target)
        record_table(place / f"{target}.run", source, quick)
    return place


@pytest.fixture
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return pd.read_csv(folder / "houses.csv", dtype=str, keep_default_na=False)


def predicted(*words):
    found = whygrad("predict", *words)
    assert found.code == 0, found.err
    return pd.read_csv(io.StringIO(found.out), dtype=str, keep_default_na=False)


def refusal(*words):
    found = whygrad("predict", *words)
    assert found.code == 2 and found.out == ""
    (line,) = found.lines
    return line.removeprefix("whygrad: ")


def test_columns_that_are_kept_come_first_as_they_are_written(inside):
    alone = predicted("price.run", "houses.csv")
    found = predicted("price.run", "houses.csv", "--keep", "key", "--keep", "note")
    assert list(found) == ["key", "note", "price"]
    assert found["key"].tolist() == inside["key"].tolist(), "0007 stays 0007"
    assert found["note"].tolist() == inside["note"].tolist()
    assert found["price"].tolist() == alone["price"].tolist()


def test_all_columns_are_kept_beside_predictions_of_another_name(inside):
    found = predicted(
        "kind.run", "houses.csv", "--keep", "all", "--name", "guess", "--probabilities"
    )
    assert list(found) == [*inside, "guess", "guess=flat", "guess=house"]
    pd.testing.assert_frame_equal(found[list(inside)], inside)


def test_a_column_that_is_learned_from_is_kept_too(inside):
    found = predicted("price.run", "houses.csv", "--keep", "size")
    assert found["size"].tolist() == inside["size"].tolist()


def test_chunks_standard_input_and_parquet_keep_the_same(inside, monkeypatch):
    words = ("--keep", "key", "--keep", "size", "--digits", "3")
    whole = predicted("price.run", "houses.csv", *words)
    monkeypatch.setattr(rows, "ROWS", 7)
    assert predicted("price.run", "houses.csv", *words).equals(whole)
    piped = io.TextIOWrapper(io.BytesIO(Path("houses.csv").read_bytes()))
    monkeypatch.setattr(sys, "stdin", piped)
    assert predicted("price.run", "-", *words).equals(whole)
    for given, out in (("houses.csv", "a.parquet"), ("houses.parquet", "b.parquet")):
        assert whygrad("predict", "price.run", given, *words, "-o", out).code == 0
        table = pyarrow.parquet.read_table(out)
        assert table.column_names == ["key", "size", "price"]
        assert table["key"].to_pylist() == whole["key"].tolist()
        assert [float(size) for size in table["size"].to_pylist()] == [*map(float, whole["size"])]
        assert table["price"].to_pylist() == [*map(float, whole["price"])]


def test_digits_are_those_behind_the_point(inside):
    exact = wg.open_run("price.run").predict("houses.csv")
    found = predicted("price.run", "houses.csv", "--digits", "2")["price"]
    assert [float(value) for value in found] == np.round(exact, 2).tolist()
    assert max(len(value.partition(".")[2]) for value in found) == 2
    probabilities = predicted("kind.run", "houses.csv", "--digits", "1", "--probabilities")
    assert set(probabilities["kind"]) <= {"flat", "house"}
    assert all(len(value) <= 3 for value in probabilities["kind=flat"])


def test_digits_leave_no_minus_before_zero_and_no_infinity():
    from whygrad.cli.predict import rounded_to

    assert str(rounded_to(np.array([-0.001]), 2)[0]) == "0.0"
    assert rounded_to(np.array([1e300, 0.125]), 15).tolist() == [1e300, 0.125]
    labels = np.array(["a"])
    assert rounded_to(labels, 2) is labels


@pytest.mark.parametrize(
    "words, said",
    [
        (["--keep", "kee"], "houses.csv: no column 'kee': did you mean 'key'?"),
        (["--keep", "key", "--keep", "key"], "--keep has 'key' twice: name each column once"),
        (["--keep", "all"], "column 'price' is kept and predicted: name the predictions otherwise,"),
        (["--keep", "price"], "column 'price' is kept and predicted: name the predictions otherwise,"),
        (["--keep", "key", "--name", "key"], "column 'key' is kept and predicted"),
        (["--digits", "-1"], "digits is -1: it must be a whole number from 0 to 15"),
        (["--digits", "16"], "digits is 16: it must be a whole number from 0 to 15"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_named_in_one_line_and_nothing_is_written(inside, words, said):
    assert refusal("price.run", "houses.csv", *words).startswith(said)
    assert refusal("price.run", "houses.csv", *words, "-o", "never.csv").startswith(said)
    assert not [
        path for path in wg.open_run("price.run").path.parent.iterdir() if "never" in path.name
    ]


def test_a_data_set_keeps_its_columns(inside, tmp_path):
    record_table(tmp_path / "iris.run", find("iris", seed=0), Settings(hidden=(3,), epochs=1))
    found = predicted(tmp_path / "iris.run", "iris", "--keep", "petal width (cm)")
    assert list(found)[0] == "petal width (cm)" and len(found) == 150
    said = refusal(tmp_path / "iris.run", "iris", "--keep", "petal")
    assert said.startswith("no column 'petal': ")


def test_what_csv_cannot_hold_is_said_in_one_line(inside, tmp_path):
    table = pyarrow.parquet.read_table("houses.parquet")
    lists = pyarrow.array([[1, 2]] * N)
    pyarrow.parquet.write_table(table.append_column("tags", lists), tmp_path / "lists.parquet")
    words = ("price.run", tmp_path / "lists.parquet", "--keep", "tags")
    assert refusal(*words).startswith("standard output: cannot be written (")
    assert whygrad("predict", *words, "-o", tmp_path / "kept.parquet").code == 0


def test_every_odd_column_of_the_rows_predicted_is_told_as_no_run_keeps_these_lines(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(size=(N, 9)).round(4), columns=list("abcdefghy"))
    frame.to_csv(tmp_path / "t.csv", index=False)
    quick = Settings(hidden=(3,), epochs=2, engine="reference")
    record_table(tmp_path / "t.run", find(str(tmp_path / "t.csv"), "y"), quick)
    odd = frame.astype(str)
    odd.loc[3, list("abcdefgh")] = "odd"
    odd.to_csv(tmp_path / "new.csv", index=False)
    for words in (("predict", "t.run", "new.csv"), ("evaluate", "t.run", "new.csv")):
        found = whygrad(words[0], *(str(tmp_path / word) for word in words[1:]))
        told = [line for line in found.lines if "training has seen" not in line]
        assert found.code == 0 and len(told) == 8
        assert all("is no number in row 3 (from 0)" in line for line in told)
