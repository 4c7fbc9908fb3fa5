"""Runs that come from a stranger: nothing outside is touched, and what is wrong is named in one line."""

import json
import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from bounded import bounded
from command import whygrad
from damages import DEEP, DEEP_OBJECTS, OWN, STATEMENTS, own_files, places, seal, super_journal
from damaging import edit_manifest, rewrite
from whygrad.answers.names import names_of
from whygrad.files import from_json
from whygrad.pipeline.scores import OF_CLASSES
from whygrad.record.files import events, inside, manifest, schema, snapshots
from whygrad.tables.columns import HOLDS
from whygrad.tables.target import TASKS

TABLE = "size,colour,kind\n" + "".join(
    f"{i * 37 % 11 + 0.5},{'red' if i % 3 else 'blue'},{'abc'[i % 7 % 3]}\n" for i in range(40)
)
QUICK = ("--hidden", "3", "--epochs", "3", "--engine", "reference", "--batch-size", "8")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with a table and a run on it."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "table.csv").write_text(TABLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(snapshots, "SPACING", 0.0)
        assert whygrad("train", "table.csv", "--target", "kind", *QUICK, "--run", "t.run").code == 0
    return folder


@pytest.fixture
def path(recorded, tmp_path, monkeypatch):
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "t.run"


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


def refused(path, message):
    with pytest.raises(wg.FileError) as raised:
        wg.open_run(path)
    assert message in str(raised.value) and "\n" not in str(raised.value)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


def test_resuming_removes_nothing_through_a_link(path, outside):
    shutil.move(path / "snapshots", outside / "mine")
    for name in ("000000001.safetensors", "holiday.jpg", f".000000001.safetensors.{'a' * 32}"):
        (outside / "mine" / name).write_text("mine")
    (path / "snapshots").symlink_to(outside / "mine")
    before = sorted(os.listdir(outside / "mine"))
    result = whygrad("resume", path, "--epochs", "5")
    assert result.code == 2 and "snapshots is a link" in result.err
    assert sorted(os.listdir(outside / "mine")) == before


def test_files_of_the_users_own_stay_in_a_run_whatever_is_done_with_it(path):
    own_files(path, None, None)
    half = path / "snapshots" / f".000000001.safetensors.{'a' * 32}"
    half.write_bytes(b"half")
    assert whygrad("resume", path, "--epochs", "5").code == 0
    assert all((path / name).read_text() == "mine" for name in OWN)
    assert (path / "snapshots" / "mine").is_dir() and not half.exists()
    said = whygrad("train", "table.csv", "--target", "kind", *QUICK, "--run", path, "--overwrite")
    assert said.code == 2 and "which is no file of a run and would go with it" in said.err
    assert all((path / name).read_text() == "mine" for name in OWN)


FILES = [
    "manifest.json",
    "encoding.json",
    "model.safetensors",
    "events.sqlite",
    "data/training_X.npy",
]
FILES += ["events.sqlite-wal", "events.sqlite-shm", "events.sqlite-journal", "live.safetensors"]
FILES += ["snapshots/000000000.safetensors"]


def every_file_read(path):
    """Read all of a run; give what is said on the way."""
    try:
        run = wg.open_run(path)
        run.check()
        inside.read(path, "live.safetensors") if os.path.lexists(
            path / "live.safetensors"
        ) else None
        assert run.replay().verdict.holds
    except wg.FileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore::whygrad.RecordWarning")
def test_no_file_of_a_run_is_read_through_a_link(path, outside, name):
    if (path / name).exists():
        shutil.move(path / name, outside / "copy")
    else:
        (outside / "copy").write_bytes(b"")
    (path / name).symlink_to(outside / "copy")
    with pytest.raises(wg.FileError, match="is a link"):
        inside.path_of(path, name)
    said = every_file_read(path)
    assert "is a link" in said or name == "model.safetensors"
    assert whygrad("runs", ".").code == 0


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore::whygrad.RecordWarning")
def test_a_pipe_in_a_run_keeps_nobody_waiting(path, name):
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    with bounded(name):
        said = every_file_read(path)
        assert whygrad("runs", ".").code == 0
    assert "is not a regular file" in said or name == "model.safetensors"


def test_a_missing_model_behind_a_link_is_told_and_the_last_snapshot_stands_in(path, outside):
    expected = wg.open_run(path).theta.flat
    shutil.move(path / manifest.MODEL, outside / "copy")
    (path / manifest.MODEL).symlink_to(outside / "copy")
    with pytest.warns(wg.RecordWarning, match="is a link.*the last snapshot is used instead"):
        assert (wg.open_run(path).theta.flat == expected).all()


@pytest.mark.parametrize(
    "name",
    ["../t.run/manifest.json", "/etc/passwd", "snapshots/../manifest.json", "notes.txt", ""]
    + [
        "snapshots/1.safetensors",
        "snapshots/000000001.safetensors/",
        "data/mine.npy",
        "manifest.json\n",
    ],
)
def test_only_names_of_a_runs_own_are_files_of_it(path, name):
    with pytest.raises(wg.FileError, match="is no file of a run"):
        inside.path_of(path, name)


@pytest.mark.parametrize(
    "where", ["../outside/copy", "/etc/passwd", "snapshots/000000001.safetensors"]
)
def test_a_state_lies_where_its_step_says(path, where):
    rewrite(path, "snapshots", "WHERE step = 0", path=where)
    with pytest.raises(wg.FileError, match=r"events\.sqlite cannot be read"):
        wg.open_run(path).state(0)


def test_a_journal_that_names_a_file_elsewhere_removes_none(path, outside):
    (outside / "journal").write_text("mine")
    super_journal(path, outside, random)
    assert whygrad("resume", path, "--epochs", "5").code == 2
    assert (outside / "journal").read_text() == "mine"


def test_a_database_that_is_a_file_elsewhere_as_well_is_not_written(path, outside):
    os.link(path / events.NAME, outside / "other")
    before = (outside / "other").read_bytes()
    result = whygrad("resume", path, "--epochs", "5")
    assert result.code == 2 and "a hard link" in result.err
    assert (outside / "other").read_bytes() == before


@pytest.mark.parametrize("kind", ["file", "mapped"])
def test_data_that_are_a_pipe_or_a_device_keep_nobody_waiting(path, outside, kind):
    os.mkfifo(outside / "pipe")
    about = json.loads((path / manifest.NAME).read_text())
    for where in (outside / "pipe", "/dev/zero", outside):
        place = {"path": str(where), "offset": 0, "dtype": "<f4", "shape": [about["n"], 3]}
        more = {"path": str(where)} if kind == "file" else {"places": {"X": place, "y": place}}
        data = {k: v for k, v in about["data"].items() if k not in ("path", "name", "seed")}
        edit_manifest(path, data=data | {"kind": kind, "copied": False} | more)
        seal(path)
        with bounded(where), pytest.raises(wg.FileError, match="a pipe or device|a folder"):
            wg.open_run(path).data  # noqa: B018


def test_without_database_and_model_the_last_state_of_a_training_that_ended_is_there(path):
    expected = wg.open_run(path).theta.flat
    for name in (events.NAME, manifest.MODEL):
        (path / name).write_bytes(b"neither" * 999)
    with pytest.warns(wg.RecordWarning, match="the last snapshot is used instead|but no replay"):
        run = wg.open_run(path)
    assert (run.theta.flat == expected).all()
    result = whygrad("show", path)
    assert result.code == 2 and "events.sqlite cannot be read" in result.err


# ── the manifest ─────────────────────────────────────────────────────────────────────────────────────


def named(way):
    """Return a key as a message names it."""
    text = ""
    for key in way:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def test_every_key_of_a_manifest_is_named_where_it_is_missing_or_of_another_type(path):
    whole = manifest.read(path)
    # May be missing at any time, or in runs of an older version.
    free = {
        "own",
        "parent",
        "files",
        "seconds",
        "baseline",
        "scores",
        "types",
        "na",
        "quality",
        "member",
    }
    free |= {
        "class_weight",
        "aim",
        "blocks",
        "products",
        "metrics",
        "comparison",
        "copies",
        "error_quantiles",
    } | set(OF_CLASSES) - {"accuracy"}
    count = 0
    for way in places(whole):
        *above, last = way
        for value in (..., {"x": [{}]}):
            about = json.loads(json.dumps(whole))
            inner = about
            for key in above:
                inner = inner[key]
            if value is ...:
                del inner[last]
            else:
                inner[last] = value
            try:
                schema.check_manifest(about)
            except ValueError as error:
                key = str(error).removeprefix("a key of ")
                assert key.startswith(named(way)) or "rows" in way or value is ..., error
                assert "\n" not in str(error)
                count += 1
            else:
                part_of_many = (
                    isinstance(last, int)
                    or "measures" in above
                    or above[:1]
                    in (
                        ["versions"],
                        ["files"],
                        ["data"],
                    )
                )
                assert value is ... and (last in free or part_of_many), way
    assert count > 250


NAMES = {
    "inputs": ["size", "red", "<img src=x onerror=alert(1)>"],
    "outputs": ["a", "b", "</script><script>alert(1)</script>"],
    "image": None,
    "origins": ["size", "colour", "colour"],
    "classes": [],
    "scales": [[5.5, 2.0, 4.0], [0, 1], [0, 1]],
    "target": [0, 1],
}


@pytest.fixture
def named_run(path):
    """A fork on arrays, and what writes its manifest with names of our own."""
    run = wg.open_run(path)
    fork = run.fork(1, record=path.with_name("f.run"), data=(run.data.X[:8], run.data.Y[:8]))

    def write(**names):
        about = json.loads((fork.path / manifest.NAME).read_text())
        about["names"] |= names
        (fork.path / manifest.NAME).write_text(json.dumps(about))
        seal(fork.path)
        return fork.path

    return write


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": "abc"}, "names.inputs is 'abc': it must be a list"),
        ({"outputs": [1, 2, 3]}, "names.outputs[0] is 1: it must be text"),
        ({"inputs": ["size"]}, "names.inputs are 1: they must be 3, or none"),
        ({"outputs": ["a"] * 4}, "names.outputs are 4: they must be 3, or none"),
        ({"origins": ["size"]}, "names.origins are 1: they must be 3, or none"),
        ({"classes": ["a"]}, "names.classes are 1: they must be 2, or none"),
        ({"scales": [[0, 1]]}, "names.scales are 1: they must be 3, or none"),
        ({"scales": [[0, 1], [0, 1], [0]]}, "names.scales[2] is a list: it must be a center and"),
        ({"scales": [[0, 1], [0, 1], [0, 1, 0]]}, "names.scales[2][2] is 0: it must be above 0"),
        ({"target": []}, "names.target is a list: it must be a center and a scale"),
        ({"image": [3]}, "names.image must be a height and a width, of 3 pixels"),
        ({"image": [2, 2]}, "names.image must be a height and a width, of 3 pixels"),
    ],
)
def test_names_that_do_not_fit_the_network_are_refused(named_run, wrong, message):
    refused(named_run(**wrong), f"damaged, in its manifest.json {message}")


def test_names_of_a_stranger_are_text_wherever_they_are_written(named_run, tmp_path):
    run = wg.open_run(named_run(**NAMES))
    assert run.why.names.inputs == tuple(NAMES["inputs"])
    wg.film(run, tmp_path / "film.html")
    answer = run.why.prediction(run.data.X[:1])._repr_html_()
    for text in ((tmp_path / "film.html").read_text(), answer):
        assert "alert(1)" in text
        assert "<img src=x" not in text and "</script><script>alert" not in text


def test_columns_called_as_pixels_of_an_endless_image_are_columns(path):
    about, name = json.loads((path / manifest.ENCODING).read_text()), f"row {'9' * 5_000}, column 1"
    about["columns"] = [one for one in about["columns"] if one["type"] == "number"] * 3
    for column in about["columns"]:
        column["name"] = name
    (path / manifest.ENCODING).write_text(json.dumps(about))
    seal(path, manifest.ENCODING)
    assert set(wg.open_run(path).why.names.inputs) == {name}


def test_no_changed_bit_of_a_manifest_changes_what_it_says(path):
    whole, content = manifest.read(path), (path / manifest.NAME).read_bytes()
    chance = random.Random(5)
    for _ in range(300):
        changed = bytearray(content)
        changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (path / manifest.NAME).write_bytes(changed)
        try:
            found = manifest.read(path)
        except wg.FileError as error:
            assert "damaged" in str(error) or "not a run" in str(error) or "whygrad" in str(error)
        else:
            assert found == whole


@pytest.mark.parametrize("command", ["show", "replay", "resume", "fork"])
def test_another_plan_than_the_recorded_one_is_noticed(path, command):
    about = manifest.read(path)
    manifest.write(path, about | {"l2": {"strength": 0.5, "per": "batch"}})
    result = whygrad(command, path, *(["--epochs", "5"] if command in ("resume", "fork") else []))
    assert (
        result.code == 2 and "manifest.json is of another training than events.sqlite" in result.err
    )


@pytest.mark.parametrize(
    "odd",
    [
        DEEP,
        DEEP_OBJECTS,
        "9" * 5_000,
        "NaN",
        "Infinity",
        "1e999",
        '{"a": 1, "a": 2}',
        '"\ufeff',
        "[1,]",
    ],
)
def test_json_that_no_program_writes_is_refused(path, odd):
    with pytest.raises(ValueError):
        from_json(odd)
    text = (path / manifest.NAME).read_text()
    (path / manifest.NAME).write_text(text.replace('"seed": 0,', f'"seed": {odd},', 1))
    refused(path, "damaged, its manifest.json is not JSON; load(")
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        (path / manifest.NAME).write_bytes(text.encode(encoding))
        refused(path, "its manifest.json is not JSON")


@pytest.mark.parametrize(
    ("name", "text"),
    [("network", DEEP), ("history", DEEP_OBJECTS), ("network", "9" * 5000), ("schema", "9" * 5000)]
    + [("history", '{"epochs": [{"cost": "x", "rate": 1}], "stopped": ""}'), ("network", "[]")]
    + [("history", '{"epochs": [], "stopped": 1}'), ("history", '{"epochs": [], "epochs": []}')],
)
def test_metadata_of_a_model_that_no_program_writes_are_told(path, name, text):
    file = path / manifest.MODEL
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"][name] = text
    changed = json.dumps(header).encode()
    file.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])
    with pytest.raises(wg.FileError, match="damaged") as raised:
        wg.load(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.pop("target"), "in its encoding.json target is missing"),
        (
            lambda about: about["columns"][0].update(scale=0),
            "columns[0].scale is 0: it must be above 0",
        ),
        (
            lambda about: about["columns"][1].update(values=[1]),
            "columns[1].values[0] is 1: it must be text",
        ),
        (
            lambda about: about["target"].update(kind="odd"),
            "target.kind is 'odd': it must be one of",
        ),
        (lambda about: about["target"].update(more=1), "target.more is unknown"),
    ],
)
def test_a_key_of_an_encoding_that_is_not_as_it_must_be_is_named(path, change, message):
    about = json.loads((path / manifest.ENCODING).read_text())
    change(about)
    (path / manifest.ENCODING).write_text(json.dumps(about))
    seal(path, manifest.ENCODING)
    refused(path, message)


def test_scales_for_fewer_inputs_than_there_are_are_refused(path):
    run = wg.open_run(path)
    few = replace(run.why.names, scales=run.why.names.scales[1:])
    with pytest.raises(wg.InputError, match="scales for . inputs: give one for each"):
        names_of(run.net, few)


def test_one_bad_run_hides_none_of_the_others(path):
    bad = {"a.run": lambda p: (p / "manifest.json").write_text("{"), "b.run": None, "c.run": None}
    for name in bad:
        shutil.copytree(path, path.with_name(name))
    (path.with_name("a.run") / "manifest.json").write_text("{")
    edit_manifest(path.with_name("b.run"), created=7)
    os.remove(path.with_name("c.run") / "manifest.json")
    os.mkfifo(path.with_name("c.run") / "manifest.json")
    result = whygrad("runs", ".", "--json")
    told = {one["run"]: one.get("error", "") for one in json.loads(result.out)}
    assert result.code == 0 and told.pop("t.run") == ""
    assert "not JSON" in told["a.run"] and "not a regular file" in told["c.run"]
    assert "in its manifest.json created is 7: it must be a time" in told["b.run"]
    shown = whygrad("runs", ".")
    assert "t.run" in shown.out and len(shown.lines) == 3


# ── the database ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("statements", STATEMENTS)
def test_a_database_of_other_tables_is_refused_in_one_line(path, statements):
    # Some come to light here already.
    with closing(sqlite3.connect(path / events.NAME)) as db, suppress(sqlite3.Error):
        db.executescript(statements)
    run = wg.open_run(path)
    with pytest.raises(wg.FileError, match=r"events\.sqlite cannot be read") as raised:
        run.check()
    assert "\n" not in str(raised.value)
    assert whygrad("resume", path, "--epochs", "5").code == 2


def test_no_changed_byte_of_a_database_changes_what_a_run_shows(path):
    expected = whygrad("show", path, "--json")
    content = (path / events.NAME).read_bytes()
    chance, told = random.Random(3), 0
    used = [place for place, byte in enumerate(content) if byte]
    for _ in range(60):
        changed = bytearray(content)
        changed[chance.choice(used)] ^= chance.randrange(1, 256)
        (path / events.NAME).write_bytes(changed)
        result = whygrad("show", path, "--json")
        told += bool(result.err)
        assert result.err or (result.code, result.out) == (0, expected.out)
    assert told > 10


@pytest.mark.parametrize("table", list(events.COLUMNS))
def test_a_row_that_is_missing_is_noticed(path, table):
    key = next(iter(events.COLUMNS[table]))
    for order in ("ASC", "DESC"):
        copy = path.with_name(f"{order}.run")
        shutil.copytree(path, copy)
        with closing(sqlite3.connect(copy / events.NAME)) as db, db:
            row = f"SELECT {key} FROM {table} ORDER BY {key} {order} LIMIT 1"
            db.execute(f"DELETE FROM {table} WHERE {key} = ({row})")
        result = whygrad("replay", copy)
        assert result.code == 2 and "damaged" in result.err, (table, order, result)


def test_resuming_compares_the_last_step_with_what_was_recorded(path):
    run = wg.open_run(path)
    more = run.fork(0, epochs=9, record="b.run", callbacks=[lambda r: r.state.epoch == 2])
    last = float(more.costs[-1])

    def other(blob):
        costs = np.frombuffer(blob).copy()
        costs[-1] *= 1 + 1e-12
        return costs.tobytes()

    shutil.copytree("b.run", "c.run")
    first = max(step for step, *_ in rows("b.run", "chunks"))
    rewrite(more.path, "chunks", f"WHERE first = {first}", costs=other)
    before = (more.path / manifest.NAME).read_bytes()
    with pytest.raises(
        wg.InputError, match=rf"step {more.step - 1} computed again costs {last!r}, reco"
    ):
        wg.open_run("b.run").resume()
    assert (more.path / manifest.NAME).read_bytes() == before and wg.open_run("b.run").concluded
    assert wg.open_run("c.run").resume().stopped == "all epochs done"


def rows(path, table):
    with closing(sqlite3.connect(f"{path}/{events.NAME}")) as db:
        return db.execute(f"SELECT * FROM {table}").fetchall()


def test_a_state_of_another_network_never_reaches_an_engine(path):
    from safetensors.numpy import load, save

    file = path / "snapshots" / "000000000.safetensors"
    content = file.read_bytes()
    about = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    tensors = {name: array[..., :-1].copy() for name, array in load(content).items()}
    checksum = str(snapshots.checksum_of(about["state"], tensors))
    file.write_bytes(save(tensors, about | {"checksum": checksum}))
    rewrite(path, "snapshots", "WHERE step = 0", sha256=snapshots.sha256(file.read_bytes()))
    with pytest.raises(wg.FileError, match="is no state of this training"):
        wg.open_run(path).state(0)


def test_copied_arrays_that_do_not_fit_never_reach_an_engine(path):
    X = np.load(path / "data" / "training_X.npy")
    np.save(path / "data" / "training_X.npy", X[:, :-1].copy())
    with pytest.raises(wg.FileError, match="its data do not fit its network"):
        wg.open_run(path).data  # noqa: B018


def test_the_schema_has_the_words_of_those_who_use_them():
    for task in TASKS:
        schema.TASK(task, "task")
    target = {
        "name": "y",
        "task": "regression",
        "classes": [],
        "center": 0,
        "scale": 1,
        "notes": [],
    }
    for kind in HOLDS:
        about = {"columns": [], "target": target | {"kind": kind}, "notes": []}
        if kind in ("date", "empty", "other"):
            with pytest.raises(ValueError, match=r"target\.kind"):
                schema.ENCODING(about, "")
        else:
            schema.ENCODING(about, "")
