"""A table becomes arrays and outputs become its words again: bit for bit, in pieces, in another process."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from whygrad.tables import (
    Encoding,
    Target,
    as_table,
    batches,
    choose_target,
    from_arrays,
    learn,
    leave_out,
    plain,
    split,
)
from whygrad.tables.dates import WEEKDAYS
from whygrad.tables.learning import rows_to_tell

N = 60
DRAWS = np.random.default_rng(0)


def sometimes(values, every=7):
    return [None if i % every == 0 else value for i, value in enumerate(values)]


# A column of every kind that there is, and what becomes of it.
TOWNS = ["Bern", "Basel", "Chur"] * 19 + ["Brig", "Visp", "Thun"]
TABLE = pa.table(
    {
        "rooms": sometimes(DRAWS.integers(1, 9, N).tolist()),
        "area": DRAWS.lognormal(4, 1, N),
        "lift": [i % 3 == 0 for i in range(N)],
        "town": sometimes(TOWNS, every=11),
        "zip": pa.array([3000, 4000, 7000] * 20).dictionary_encode(),
        "id": DRAWS.permutation(N) + 1000,
        "uuid": [f"{i:04x}" for i in range(N)],
        "built": pa.array([19000 + i for i in range(N)], pa.date32()),
        "seen": [f"{1 + i % 28}.{1 + i % 12}.2024" for i in range(N)],
        "remarks": [f"a remark on {i // 2}" for i in range(N)],
        "country": ["CH"] * N,
        "floors": [2] * N,
        "tags": [["x"]] * N,
        "price": (DRAWS.lognormal(13, 0.5, N) // 10) / 7,
    }
)
FULL, TARGET = choose_target(TABLE, "price")
RENT = Target("rent", "regression", "number")
ENCODING = learn(FULL, TARGET)


def refused(message, function, *args, **options):
    """Check that a call is refused with this very message."""
    with pytest.raises(wg.InputError) as error:
        function(*args, **options)
    assert str(error.value) == message


def with_column(name, values):
    table = TABLE
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, pa.array(values))
    return table.append_column(name, pa.array(values))


# ── what is learned ──────────────────────────────────────────────────────────────────────────────────


def test_columns_are_encoded_by_kind_and_keep_their_names():
    assert ENCODING.names == (
        "rooms",
        "rooms is missing",
        "area",
        "lift",
        "town=Basel",
        "town=Bern",
        "town=Chur",
        "town is rare",
        "town is missing",
        "zip=3000",
        "zip=4000",
        "zip=7000",
        *(f"built is {day}" for day in WEEKDAYS),
        "built day number",
        "seen month sin",
        "seen month cos",
        *(f"seen is {day}" for day in WEEKDAYS),
        "seen day",
        "seen day number",
    )
    assert ENCODING.origins == (
        *("rooms",) * 2,
        "area",
        "lift",
        *("town",) * 5,
        *("zip",) * 3,
        *("built",) * 8,
        *("seen",) * 11,
    )


def test_inputs_are_brought_back_to_the_units_of_their_columns_by_the_scales():
    X = ENCODING.encode(FULL, np.float64)
    value = X * [scale for _, scale in ENCODING.scales] + [center for center, _ in ENCODING.scales]
    frame = FULL.to_pandas()
    np.testing.assert_allclose(value[:, 2], frame["area"], rtol=1e-12)
    known = frame["rooms"].notna().to_numpy()
    np.testing.assert_allclose(value[known, 0], frame["rooms"][known], rtol=1e-12)
    scaled = ("rooms", "area", "lift", "built day number", "seen day", "seen day number")
    others = [k for k, name in enumerate(ENCODING.names) if name not in scaled]
    np.testing.assert_array_equal(value[:, others], X[:, others])


def test_what_is_left_out_is_told_with_the_reason():
    assert ENCODING.notes == (
        "column 'id' left out: it identifies the rows, every one is different",
        "column 'uuid' left out: it identifies the rows, every one is different",
        "column 'remarks' left out: free text, 30 different values in 60 rows",
        "column 'country' left out: it is 'CH' in every row",
        "column 'floors' left out: it is 2 in every row",
        "column 'tags' left out: it holds neither numbers nor text but 'list<item: string>'",
    )


def test_the_encoding_is_what_scikit_learns_transformers_give():
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = TABLE.select(["rooms", "area", "town", "price"]).filter(
        pa.compute.is_valid(TABLE["town"])
    )
    encoding = learn(table, TARGET)
    peer = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["rooms", "area"]),
        (OneHotEncoder(min_frequency=2, sparse_output=False), ["town"]),
    ).fit_transform(table.to_pandas())
    X = encoding.encode(table, np.float64)
    flag = encoding.names.index("rooms is missing")
    np.testing.assert_array_equal(np.delete(X, flag, axis=1), peer)
    np.testing.assert_array_equal(X[:, flag], np.isnan(table.to_pandas()["rooms"]))


def test_only_the_rows_given_are_learned_from():
    rows = np.arange(0, N, 2)
    encoding = learn(FULL.take(rows), TARGET)
    [area] = [column for column in encoding.columns if column.name == "area"]
    assert area.center == pytest.approx(np.mean(np.array(TABLE["area"])[rows]))
    assert encoding.target.center == pytest.approx(np.mean(np.array(TABLE["price"])[rows]))


def test_a_value_never_seen_counts_as_rare_and_as_nothing_where_nothing_is_rare():
    columns = {"town": ["Genf", "Brig", "Bern", None], "zip": ["9999", "3000", "4000", None]}
    table = FULL.slice(0, 4)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    X = ENCODING.encode(table)
    town = X[:, [name.startswith("town") for name in ENCODING.names]]
    np.testing.assert_array_equal(town.argmax(axis=1), [3, 3, 1, 4])
    np.testing.assert_array_equal(town.sum(axis=1), 1)
    code = X[:, [name.startswith("zip") for name in ENCODING.names]]
    np.testing.assert_array_equal(code, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])


def towns_of(rows, per_town, told_apart):
    """Return a table of towns with so many rows each, whose rents differ from town to town or at random."""
    draws = np.random.default_rng(1)
    town = np.repeat(np.arange(rows // per_town), per_town)
    rent = draws.normal(size=rows) * 0.5 + told_apart * draws.normal(size=len(town))[town]
    names = [f"town {k:03}" for k in town]
    return pa.table({"town": names, "area": draws.normal(size=rows), "rent": rent})


def test_values_of_few_rows_have_columns_where_the_target_tells_them_apart():
    apart, alike = (learn(towns_of(600, 4, told), RENT).names for told in (1, 0))
    assert apart == (*(f"town={f'town {k:03}'}" for k in range(150)), "area")
    assert alike == ("area",)  # 4 rows are too few, and nothing is frequent
    # An estimator has the targets apart from the table.
    table = towns_of(600, 4, 1)
    Y = np.array(table["rent"])[:, None]
    assert learn(table.drop_columns(["rent"]), RENT, Y=Y).names == apart
    labels = pa.array(["dear" if rent > 0 else "cheap" for rent in Y[:, 0]])
    classes = table.set_column(2, "rent", labels)
    assert len(learn(*choose_target(classes, "rent")).names) == 151


def test_values_told_apart_have_columns_as_far_as_all_rows_have_room_for_them():
    k = np.arange(20_000)
    owner = np.random.default_rng(5).permutation(k) // 10
    columns = {
        "town": [f"town {i}" for i in k // 10],
        "rent": k // 10 + owner + 10.0 * (k % 100),
    }
    assert len(learn(pa.table(columns), RENT).names) == 500  # 10⁷ cells
    # One of few values leaves the rest of its share to the others.
    columns |= {"street": [f"street {i}" for i in k % 100], "owner": [f"owner {i}" for i in owner]}
    origins = learn(pa.table(columns), RENT).origins
    assert [origins.count(name) for name in ("street", "owner", "town")] == [100, 200, 200]


def test_text_of_many_values_is_a_category_where_the_target_tells_these_apart():
    pupils = towns_of(600, 2, 1)
    alone = pa.table({"town": [f"pupil {k}" for k in range(150)]})
    grades = alone.append_column("area", pa.array(np.arange(150.0) % 7))
    grades = grades.append_column("rent", pa.array(np.arange(150.0) % 11))
    table = pa.concat_tables([pupils, grades])  # 450 different values in 750 rows
    assert len(learn(table, RENT).names) == 302
    # By chance they are text, also where one of them is frequent.
    shuffled = np.random.default_rng(3).permutation(np.array(table["rent"]))
    text = pa.array([*table["town"].to_pylist()[:-30], *["nobody"] * 30])
    table = table.set_column(0, "town", text).set_column(2, "rent", pa.array(shuffled))
    assert learn(table, RENT).names == ("area",)


def test_rows_to_tell_are_the_variance_within_over_that_between():
    draws = np.random.default_rng(2)
    category = draws.integers(0, 4000, 40_000)
    y = 3.0 * draws.normal(size=40_000) + draws.normal(size=4000)[category]
    assert rows_to_tell(category, y[:, None]) == pytest.approx(9, rel=0.1)
    assert rows_to_tell(category, np.column_stack([y, y])) == pytest.approx(
        rows_to_tell(category, 1e6 * y[:, None] + 1e9)
    )
    gone = np.r_[category, np.full(500, -1)]
    assert rows_to_tell(gone, np.r_[y, 99 * np.ones(500)][:, None]) == pytest.approx(
        rows_to_tell(category, y[:, None])
    )


def test_a_missing_number_is_filled_in_where_none_was_missing_in_training():
    table = FULL.set_column(1, "area", pa.array([None] * N, pa.float64()))
    x = ENCODING.encode(table, np.float64)[:, ENCODING.names.index("area")]
    area = np.array(TABLE["area"])
    np.testing.assert_allclose(x, (np.median(area) - area.mean()) / area.std())


def test_whole_numbers_are_an_identifier_by_name_order_or_packing_only():
    n = 50
    columns = {
        "id": DRAWS.choice(10**6, n, replace=False),
        "customer_id": DRAWS.choice(10**6, n, replace=False),
        "rowNo": np.arange(n) * 3,
        "shuffled": DRAWS.permutation(n),
        "dollars": DRAWS.choice(10**6, n, replace=False),
        "valid": DRAWS.choice(10**6, n, replace=False),
        "y": DRAWS.normal(size=n),
    }
    encoding = learn(pa.table(columns), Target("y", "regression", "number"))
    assert encoding.names == ("dollars", "valid")


def test_numbers_spoilt_by_text_are_named():
    values = [f"about {i}" if i < N // 10 else str(i / 7) for i in range(N)]
    notes = learn(with_column("spoilt", values), TARGET).notes
    assert (
        "column 'spoilt' left out: numbers mixed with text such as 'about 0'; --type spoilt=number takes "
        "the rest for missing"
    ) in notes


def test_columns_are_left_out_whatever_they_hold_and_in_whatever_order_they_are_named():
    table = pa.table({"a": [1.0, 2], "b": [None, None], "c": [1.0, float("inf")], "y": [1.5, 2.5]})
    left = leave_out(table, ("c", "b"), "y")
    assert left.column_names == ["a", "y"]
    assert choose_target(left, "y")[0].equals(left)
    assert leave_out(table, (), "y") is table


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("romms",), "no column 'romms' to leave out: did you mean 'rooms'?"),
        (("rooms", "y"), "column 'y' is to be predicted: it cannot be left out as well"),
        (
            ("rooms", "lift"),
            "all columns but the target are left out: one must remain to learn from",
        ),
    ],
)
def test_columns_that_cannot_be_left_out_are_named(names, message):
    table = pa.table({"rooms": [1, 2], "lift": [True, False], "y": [1.5, 2.5]})
    with pytest.raises(wg.InputError) as error:
        leave_out(table, names, "y")
    assert str(error.value) == message


def test_nothing_left_to_learn_from_is_refused():
    message = "no column is left to learn from: column 'country' left out: it is 'CH' in every row"
    refused(message, learn, TABLE.select(["country", "price"]), TARGET)
    message = "no column is left to learn from: there is none besides the target"
    refused(message, learn, TABLE.select(["price"]), TARGET)


def test_numbers_are_handed_through_where_asked():
    X = DRAWS.uniform(size=(5, 4)).astype(np.float32)
    table = from_arrays(X, ["p", "q", "r", "s"], np.array(["a", "b", "a", "b", "a"]), "y")
    _, target = choose_target(table, "y")
    np.testing.assert_array_equal(plain(["p", "q", "r", "s"], target).encode(table), X)


# ── bit for bit ──────────────────────────────────────────────────────────────────────────────────────


def test_an_encoding_goes_to_json_and_back():
    assert Encoding.from_dict(json.loads(json.dumps(ENCODING.to_dict()))) == ENCODING
    assert Encoding.from_dict(ENCODING.to_dict()).to_dict() == ENCODING.to_dict()


@pytest.mark.parametrize("damage", [None, [], {}, {"columns": [{}], "target": {}, "notes": []}])
def test_a_damaged_description_is_refused(damage):
    with pytest.raises(wg.InputError, match="the description of the table is damaged"):
        Encoding.from_dict(damage)


def test_another_process_gives_the_same_bits(tmp_path):
    file = tmp_path / "table.parquet"
    pa.parquet.write_table(TABLE, file)
    (tmp_path / "encoding.json").write_text(json.dumps(ENCODING.to_dict()))
    code = (
        "import json, sys; from pathlib import Path; from whygrad.tables import Encoding, read;"
        "folder = Path(sys.argv[1]); about = json.loads((folder / 'encoding.json').read_text());"
        "encoding, table = Encoding.from_dict(about), read(folder / 'table.parquet');"
        "sys.stdout.buffer.write(encoding.encode(table).tobytes() + encoding.targets(table).tobytes())"
    )
    there = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, check=True)
    here = ENCODING.encode(TABLE).tobytes() + ENCODING.targets(TABLE).tobytes()
    assert there.stdout == here


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 3, 7, 59])
def test_pieces_give_the_bits_of_the_whole(rows, dtype):
    starts = range(0, N, rows)
    pieces = [(ENCODING.encode(TABLE.slice(i, rows), dtype, i)) for i in starts]
    assert np.concatenate(pieces).tobytes() == ENCODING.encode(TABLE, dtype).tobytes()
    targets = [ENCODING.targets(TABLE.slice(i, rows), dtype, i) for i in starts]
    assert np.concatenate(targets).tobytes() == ENCODING.targets(TABLE, dtype).tobytes()


def test_columns_are_found_by_name_in_any_order_and_others_ignored():
    shuffled = TABLE.select(sorted(TABLE.column_names, reverse=True)).append_column(
        "more", [[1] * N]
    )
    np.testing.assert_array_equal(ENCODING.encode(shuffled), ENCODING.encode(TABLE))
    needed = TABLE.select([column.name for column in ENCODING.columns])
    np.testing.assert_array_equal(ENCODING.encode(needed), ENCODING.encode(TABLE))
    batch = TABLE.to_batches()[0]
    np.testing.assert_array_equal(ENCODING.encode(batch), ENCODING.encode(TABLE))


def test_pandas_and_polars_frames_give_the_bits_of_the_table():
    import polars as pl

    names = [column.name for column in ENCODING.columns]
    table = TABLE.select(names)
    for frame in (table.to_pandas(), pl.from_arrow(table), table):
        np.testing.assert_array_equal(ENCODING.encode(as_table(frame)), ENCODING.encode(table))


to_float = st.one_of(st.none(), st.floats(-1e9, 1e9), st.just(float("nan")))


@settings(deadline=None, max_examples=150)
@given(
    x=st.lists(to_float, min_size=6, max_size=6),
    whole=st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), min_size=6, max_size=6),
    words=st.lists(st.one_of(st.none(), st.sampled_from("abc")), min_size=6, max_size=6),
    y=st.one_of(
        st.lists(st.sampled_from(["p", "q", "r"]), min_size=6, max_size=6),
        st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=6, max_size=6),
        st.lists(st.booleans(), min_size=6, max_size=6),
        st.lists(st.integers(0, 2), min_size=6, max_size=6),
    ),
)
def test_targets_come_back_and_pieces_agree_for_any_table(x, whole, words, y):
    table = pa.table({"x": pa.array(x, pa.float64()), "whole": whole, "words": words, "y": y})
    try:
        table, target = choose_target(table, "y")
        encoding = learn(table, target)
    except wg.InputError:
        return
    X, Y = encoding.encode(table), encoding.targets(table, np.float64)
    assert np.isfinite(X).all()
    again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    pieces = [again.encode(table.slice(i, 2), start=i) for i in range(0, 6, 2)]
    assert np.concatenate(pieces).tobytes() == X.tobytes()
    decoded = encoding.decode(Y)
    if encoding.task == "classification":
        assert decoded.tolist() == y
    else:
        np.testing.assert_allclose(decoded, y, rtol=1e-12, atol=1e-6 * encoding.target.scale)


# ── targets ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a", "b", "a"] * 5, "classification", ("a", "b")),
        ([True, False] * 10, "classification", (False, True)),
        ([3, 1, 2, 1] * 5, "classification", (1, 2, 3)),
        ([3.0, 1.0, None, 1.0] * 5, "classification", (1, 3)),
        (list(range(10)) * 2, "regression", ()),
        ([0.5, 1.0] * 10, "regression", ()),
        ([7 * i for i in range(20)], "regression", ()),
    ],
)
def test_the_task_is_told_from_the_target(values, task, classes):
    _, target = choose_target(pa.table({"y": values}), "y")
    assert (target.task, target.classes) == (task, classes)
    assert [type(label) for label in target.classes] == [type(label) for label in classes]


def test_the_task_can_be_asked_for():
    table = pa.table({"y": [0, 1, 2] * 10, "z": [0.5, 1.5, 2.5] * 10})
    assert choose_target(table, "y", "regression")[1].task == "regression"
    assert choose_target(table, "z", "classification")[1].classes == (0.5, 1.5, 2.5)
    message = (
        "unknown task 'classify': did you mean 'classification'? Known: classification, regression"
    )
    refused(message, choose_target, table, "y", "classify")


def test_whole_numbers_taken_as_classes_are_told():
    [note] = choose_target(pa.table({"y": [0, 1, 2] * 10}), "y")[1].notes
    assert note == (
        "target 'y': 3 different whole numbers, taken as classes (the task 'regression' takes them as "
        "numbers)"
    )


def test_rows_without_a_target_are_left_out_and_told():
    table, target = choose_target(
        pa.table({"x": [1, 2, 3, 4, 5], "y": ["a", None, " ", "b", "a"]}), "y"
    )
    assert table["x"].to_pylist() == [1, 4, 5]
    assert target.notes == ("2 rows left out: no value in the target 'y'",)
    np.testing.assert_array_equal(target.present(pa.table({"y": ["a", None, ""]})), [1, 0, 0])


def test_classes_are_one_hot_and_two_are_one_column():
    three, two = (
        pa.table({"y": ["a", "c", "b", "a"] * 2}),
        pa.table({"y": ["no", "yes", "yes", "no"] * 2}),
    )
    target = choose_target(three, "y")[1]
    assert target.n_outputs == 3
    np.testing.assert_array_equal(target.targets(three)[:3], [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    a = np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    assert target.decode(a).tolist() == ["b", "c"]
    np.testing.assert_array_equal(target.probabilities(a), a)
    target = choose_target(two, "y")[1]
    assert target.n_outputs == 1
    np.testing.assert_array_equal(target.targets(two)[:4], [[0], [1], [1], [0]])
    a = np.array([[0.25], [0.75]])
    assert target.decode(a).tolist() == ["no", "yes"]
    np.testing.assert_array_equal(target.probabilities(a), [[0.75, 0.25], [0.25, 0.75]])


def test_classes_that_look_like_numbers_are_found_in_a_file_that_has_only_those(tmp_path):
    _, target = choose_target(pa.table({"y": ["1", "2", "X"] * 3}), "y")
    (tmp_path / "part.csv").write_text("y\n1\n2\n")
    [piece] = batches(tmp_path / "part.csv", 10, {"y": target.kind})
    np.testing.assert_array_equal(target.indices(piece), [0, 1])
    np.testing.assert_array_equal(target.indices(pa.table({"y": [2, 1]})), [1, 0])


def test_numbers_are_standardised_and_come_back_in_their_own_units():
    Y = ENCODING.targets(TABLE, np.float64)
    assert Y.mean() == pytest.approx(0, abs=1e-12)
    assert Y.std() == pytest.approx(1)
    np.testing.assert_allclose(ENCODING.decode(Y), np.array(TABLE["price"]), rtol=1e-12)
    np.testing.assert_array_equal(ENCODING.target.observed(TABLE), np.array(TABLE["price"]))


CLASSES = choose_target(pa.table({"y": ["cat", "dog", "cow"] * 4}), "y")[1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda: choose_target(TABLE, "prize"),
            "no column 'prize' to predict: did you mean 'price'?",
        ),
        (
            lambda: choose_target(TABLE.select(["id", "area"]), "y"),
            "no column 'y' to predict: there is 'id', 'area'",
        ),
        (
            lambda: choose_target(TABLE, "country"),
            "target 'country' is 'CH' in every row: there is nothing to learn, choose another column",
        ),
        (
            lambda: choose_target(TABLE, "uuid"),
            "target 'uuid' is different in every row: it cannot be learned as classes, choose another "
            "column",
        ),
        (
            lambda: choose_target(TABLE, "id"),
            "target 'id' numbers the rows, every one is different: choose another column, or the task "
            "'regression'",
        ),
        (
            lambda: choose_target(TABLE, "price", "classification"),
            "target 'price' is different in every row: it cannot be learned as classes, choose another "
            "column or the task 'regression'",
        ),
        (
            lambda: choose_target(TABLE, "town", "regression"),
            "target 'town' holds text: regression needs numbers",
        ),
        (
            lambda: choose_target(TABLE, "built"),
            "target 'built' holds dates or times: a target is text, true and false, or numbers",
        ),
        (
            lambda: choose_target(with_column("price", [*[1.5] * (N - 1), np.inf]), "price"),
            "column 'price' is infinite in row 59 (from 0): correct it, or leave it empty if unknown",
        ),
        (
            lambda: choose_target(with_column("area", [1e300, *[1.5] * (N - 1)]), "price"),
            "column 'area' is 1e+300, too large to compute with, in row 0 (from 0): correct it, or leave "
            "it empty if unknown",
        ),
        (
            lambda: choose_target(with_column("void", [None] * N), "void"),
            "target 'void' has no value in any row: choose another column",
        ),
        (
            lambda: choose_target(pa.table([[1], [2]], names=["y", "y"]), "y"),
            "the table: columns 1 and 2 are both called 'y': rename one",
        ),
        (
            lambda: CLASSES.targets(pa.table({"y": ["cat", "cows"]}), start=10),
            "target 'y' is 'cows' in row 11 (from 0), which is no class of training: did you mean 'cow'?",
        ),
        (
            lambda: CLASSES.targets(pa.table({"z": ["cat"]})),
            "no column 'y', the target: there is 'z'",
        ),
        (
            lambda: CLASSES.targets(pa.table({"y": [1.5]})),
            "target 'y' holds numbers, in training it held text",
        ),
        (
            lambda: TARGET.targets(pa.table({"price": [1.5, None]})),
            "target 'price' has no value in row 1 (from 0): leave such rows out",
        ),
        (
            lambda: ENCODING.encode(TABLE.drop_columns("area")),
            "no column 'area': there is 'rooms', 'lift', 'town', 'zip', 'id', 'uuid', 'built', 'seen' and "
            "5 more",
        ),
        (
            lambda: ENCODING.encode(
                TABLE.rename_columns(
                    [{"town": "towns"}.get(name, name) for name in TABLE.column_names]
                )
            ),
            "no column 'town': did you mean 'towns'?",
        ),
        (
            lambda: ENCODING.encode(with_column("town", [1.0] * N)),
            "column 'town' holds numbers, in training it held text such as 'Basel'",
        ),
        (
            lambda: ENCODING.targets(with_column("price", [1.5, *[1e90] * (N - 1)])),
            "target 'price' is 1e+90 in row 1 (from 0): too large, in training it was about 6966.42",
        ),
        (
            lambda: TARGET.probabilities(np.zeros((1, 1))),
            "target 'price' holds numbers: there are no probabilities",
        ),
    ],
)
def test_each_bad_input_is_refused_in_one_line(function, message):
    refused(message, function)


# ── splits ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_split_is_stratified_seeded_and_complete():
    table, target = choose_target(
        pa.table({"y": ["a"] * 50 + ["b"] * 25 + ["c"] * 5 + ["d"] * 2}), "y"
    )
    train, test = split(target, table, 0.2, seed=1)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(82))
    np.testing.assert_array_equal(np.bincount(target.indices(table)[test]), [10, 5, 1, 1])
    np.testing.assert_array_equal(train, split(target, table, 0.2, seed=1)[0])
    assert not np.array_equal(train, split(target, table, 0.2, seed=2)[0])


@settings(deadline=None, max_examples=100)
@given(
    counts=st.lists(st.integers(2, 30), min_size=2, max_size=6),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_every_class_is_in_both_parts_of_any_split(counts, fraction, seed):
    y = np.repeat([f"class {k}" for k in range(len(counts))], counts)
    target = Target("y", "classification", "text", tuple(np.unique(y).tolist()))
    for part in split(target, pa.table({"y": y}), fraction, seed):
        assert set(y[part]) == set(y)


def test_numbers_are_split_by_the_fraction():
    train, test = split(TARGET, FULL, 0.25)
    assert (len(train), len(test)) == (45, 15)


def test_the_only_row_of_a_class_is_a_training_row():
    target = Target("y", "classification", "text", ("a", "b", "c"))
    y = np.array(["a"] * 9 + ["b"] + ["c"] * 10)
    for seed in range(20):
        training, test = split(target, pa.table({"y": y}), 0.3, seed)
        assert 9 in training
        assert {*y[test]} == {"a", "c"}


def test_impossible_splits_are_refused():
    target = Target("y", "classification", "text", ("a", "b"))
    refused(
        "every class of target 'y' has a single row: a test split needs two rows of one class or more; add "
        "rows, or set test to 0",
        split,
        target,
        pa.table({"y": ["a", "b"]}),
    )
    refused(
        "the test part is 1.5 of the rows: it must be between 0 and 1", split, TARGET, FULL, 1.5
    )
    refused(
        "1 row cannot be split into training and test rows: add rows, or set test to 0",
        split,
        TARGET,
        FULL.slice(0, 1),
    )


def test_a_pandas_frame_trains_and_predicts_as_it_is():
    frame = pd.DataFrame({"size": np.arange(40) / 3, "kind": ["p", "q"] * 20})
    frame["label"] = np.where(frame["size"] > 6, "big", "small")
    table, target = choose_target(as_table(frame), "label")
    encoding = learn(table, target)
    X, Y = encoding.encode(table), encoding.targets(table)
    net = wg.Network(
        X.shape[1], [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy"
    )
    fitted = wg.train(
        net, X, Y, optimizer=wg.Adam(0.05), epochs=60, batch_size=8, engine="reference"
    )
    assert (encoding.decode(fitted.predict(X)) == frame["label"]).mean() > 0.9
