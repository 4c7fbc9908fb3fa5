"""Thousands of files and argument lists that nobody would write: one line and exit code 2, or a result.

Whatever the command raises passes through `command.whygrad`, so an unexpected exception fails the test.
"""

import os
import shutil
from collections import Counter
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import whygrad

FILES, ARGUMENTS, PREDICTED, DAMAGED, TOML = 900, 700, 300, 150, 150

many = partial(
    settings,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TABLE = "size,weight,colour,kind\n" + "".join(
    f"{i % 7},{i * 37 % 11 + 0.5},{'red' if i % 3 else 'blue'},{'a' if i % 7 > 3 else 'b'}\n"
    for i in range(40)
)
QUICK = ("--hidden", "3", "--epochs", "1", "--engine", "reference")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own, the current one, whose files are known."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture
def run(here):
    """A run on the table, in the folder."""
    assert whygrad("train", "table.csv", "--target", "kind", *QUICK, "--run", "t.run").code == 0
    return here / "t.run"


def as_it_should(result, here, before):
    """A result, or one line on standard error with nothing left behind."""
    assert result.code in (0, 1, 2), result
    assert "Traceback" not in result.err
    after = set(os.listdir(here))
    if result.code == 2:
        assert len(result.lines) == 1, result.err
        assert result.lines[0].startswith("whygrad: ")
        assert result.out == ""
        assert after == before
    for name in after - before:
        assert not name.startswith(".")
        shutil.rmtree(here / name) if (here / name).is_dir() else (here / name).unlink()
    return result.code


# ── files ────────────────────────────────────────────────────────────────────────────────────────────

odd_numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.sampled_from(["1e400", "-0", "007", "1,5", "1_000", "0x1F", "٣", "1e-320", "99" * 60]),
).map(str)
words = st.one_of(
    st.sampled_from(
        ["a", "b", "", " ", "NA", "nan", "inf", "true", "2024-01-05", '"', "'", "#", "\t"]
    ),
    st.text(max_size=8),
)
fields = st.one_of(st.integers(0, 2).map(str), odd_numbers, words)
ROWS = 12


def of(values):
    return st.lists(values, min_size=ROWS, max_size=ROWS)


columns = st.one_of(
    of(st.integers(0, 3).map(str)),
    of(st.sampled_from(["x", "y", "z"])),
    of(st.sampled_from(["x", "y", ""])),
    of(st.sampled_from(["true", "false"])),
    of(st.floats(-1e3, 1e3).map(repr)),
    of(st.floats(allow_nan=False, allow_infinity=False).map(repr)),
    of(odd_numbers),
    of(fields),
)


@st.composite
def near_tables(draw):
    """Text that is close to a table: some columns of twelve rows, then perhaps something done to it."""
    width = draw(st.integers(1, 5))
    names = [f"c{k}" for k in range(width)]
    if draw(st.integers(0, 3)) == 0:
        names = draw(st.lists(words, min_size=width, max_size=width))
    table = [names, *zip(*(draw(columns) for _ in range(width)), strict=True)]
    if draw(st.integers(0, 7)) == 0:
        table = table[: draw(st.integers(0, 4))]
    delimiter = draw(st.sampled_from([",", ",", ",", ";", "\t", "|", " "]))
    quote = draw(st.sampled_from(["", "", '"']))
    lines = [delimiter.join(f"{quote}{field}{quote}" for field in row) for row in table]
    text = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])).join(lines)
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "cp1252"]))
    content = text.encode(encoding, "replace")
    if draw(st.integers(0, 7)) == 0:  # some bytes are others
        place = draw(st.integers(0, max(0, len(content) - 1)))
        content = content[:place] + draw(st.binary(max_size=3)) + content[place + 1 :]
    target = names[-1] if draw(st.integers(0, 7)) else draw(words)
    return content, target


@many(max_examples=FILES)
@given(
    file=st.one_of([near_tables()] * 7 + [st.tuples(st.binary(max_size=200), words)]),
    task=st.sampled_from([[], [], [], ["--task=regression"], ["--task=classification"]]),
)
def test_any_file_is_trained_on_or_refused_in_one_line(here, file, task):
    content, target = file
    (here / "odd.csv").write_bytes(content)
    before = set(os.listdir(here))
    result = whygrad("train", "odd.csv", f"--target={target}", "--run=odd.run", *task, *QUICK)
    if result.code == 0:  # what can be trained on can be shown and predicted
        assert whygrad("show", "odd.run").code == 0
        assert whygrad("predict", "odd.run", "odd.csv").code == 0
    as_it_should(result, here, before)


@many(max_examples=PREDICTED)
@given(file=st.one_of(near_tables(), st.tuples(st.binary(max_size=200), words)), data=st.data())
def test_any_file_is_predicted_or_refused_in_one_line(run, file, data):
    content = file[0]
    if data.draw(st.integers(0, 3)):
        numbers, colours = (
            st.one_of(odd_numbers, st.just("")),
            st.sampled_from(["red", "mauve", ""]),
        )
        kinds = st.sampled_from(["a", "b", "b", "", "c"])
        rows = data.draw(
            st.lists(st.tuples(numbers, numbers, colours, kinds), min_size=1, max_size=4)
        )
        content = "\n".join([TABLE.split()[0], *(",".join(row) for row in rows)]).encode(
            "utf-8", "replace"
        )
    (run.parent / "odd.csv").write_bytes(content)
    before = set(os.listdir(run.parent))
    command = data.draw(st.sampled_from(["predict", "evaluate"]))
    more = ("-o", "out.csv") if command == "predict" else ()
    as_it_should(whygrad(command, "t.run", "odd.csv", *more), run.parent, before)


# ── argument lists ───────────────────────────────────────────────────────────────────────────────────

NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "0.5",
    "0.01",
    "-1",
    "1e-3",
    "nan",
    "inf",
    "1e999",
    "x",
    "",
    "9" * 30,
]
PLACES = [
    "x.run",
    "t.run",
    "out.csv",
    "out.parquet",
    "table.csv",
    "/",
    ".",
    "no/such/x.run",
    "\0",
    "a" * 300,
]
TRAIN = {
    "--target": ["kind", "size", "weight", "colour", "Kind", "", "[bold]", "\ud800"],
    "--task": ["classification", "regression", "clustering"],
    "--leave-out": ["size", "weight", "kind", "nothing", "", "[bold]", "\ud800"],
    "--test": NUMBERS,
    "--run": PLACES,
    "--hidden": ["3,2", "2", "none", "3,,2", "0", "-1", "1e3", "9" * 30],
    "--activation": ["relu", "tanh", "gelu", "softmax", "rleu"],
    "--cost": ["huber", "poisson", "cross_entropy", "binary_cross_entropy", "hubber"],
    "--optimizer": ["adam", "sgd", "adan"],
    "--learning-rate": NUMBERS,
    "--schedule": ["adaptive", "inverse_scaling", "constant", "cosine"],
    "--epochs": ["1", "2", "0", "-3", "many", "1.5"],
    "--batch-size": NUMBERS,
    "--dropout": ["0", "0.5"],
    "--l1": NUMBERS,
    "--l2": NUMBERS,
    "--seed": NUMBERS,
    "--engine": ["reference", "xla"],
}
MORE = {
    "predict": {
        "-o": PLACES,
        "--out": PLACES,
        "--keep": ["all", "a", "y", "b", "nosuch"],
        "--name": ["y", "p"],
        "--digits": NUMBERS,
    },
    "evaluate": {},
    "runs": {},
    "show": {},
    "trian": {},
    "train": TRAIN,
}
FLAGS = (
    "--overwrite",
    "--json",
    "--probabilities",
    "--help",
    "--version",
    "--",
    "-x",
    "--no-json",
    "-",
)


@st.composite
def argument_lists(draw):
    """A command with options of its own, or nearly."""
    command = draw(st.sampled_from([*["train"] * 5, *["predict"] * 3, *MORE]))
    words = [draw(st.sampled_from(["t.run"] * 6 + ["table.csv", ".", "\0", "xor"]))]
    if command == "train":
        words = [draw(st.sampled_from(["table.csv"] * 5 + ["xor", "nothing.csv", "t.run", ""]))]
    elif command in ("predict", "evaluate"):
        words.append(draw(st.sampled_from(["table.csv"] * 5 + ["xor", "nothing.csv", "t.run"])))
    options = {"--target": "kind", **dict(zip(QUICK[::2], QUICK[1::2], strict=True))}
    options = options if command == "train" else {}
    for name in draw(st.lists(st.sampled_from(sorted(MORE[command]) or ["--json"]), max_size=3)):
        options[name] = draw(st.sampled_from(MORE[command].get(name, [""])))
    for name, value in options.items():
        words += [f"{name}={value}"] if draw(st.booleans()) else [name, value]
    words += draw(st.lists(st.sampled_from(FLAGS), max_size=1))
    if draw(st.integers(0, 5)) == 0:
        words.insert(draw(st.integers(0, len(words))), draw(st.text(max_size=6)))
    return [command, *words]


@many(max_examples=ARGUMENTS)
@given(words=argument_lists())
def test_any_arguments_are_obeyed_or_refused_in_one_line(run, words):
    before = set(os.listdir(run.parent))
    as_it_should(whygrad(*words), run.parent, before)
    (run.parent / "table.csv").write_text(TABLE)  # it may have been named as what to overwrite


@many(max_examples=TOML)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.tuples(
            st.sampled_from(sorted(TRAIN)).map(lambda name: name.lstrip("-")),
            st.sampled_from(
                ["3", "'x'", "[1]", "['a']", "true", "1.5", "-2", "{}", "nan", "2020-01-01"]
            ),
        ).map(" = ".join),
    )
)
def test_any_whygrad_toml_is_obeyed_or_refused_in_one_line(here, text):
    (here / "whygrad.toml").write_text(text, encoding="utf-8", errors="replace", newline="")
    before = set(os.listdir(here))
    as_it_should(whygrad("train", "table.csv", "--target", "kind", *QUICK), here, before)


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────


@many(max_examples=DAMAGED)
@given(data=st.data())
def test_any_damage_to_a_run_is_told_in_one_line(run, data):
    name = data.draw(st.sampled_from(["manifest.json", "model.safetensors", "encoding.json"]))
    path = run / name
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    done = data.draw(st.sampled_from(["cut", "changed", "removed"]))
    if done == "removed":
        path.unlink()
    else:
        rest = b"" if done == "cut" else whole[place + 1 :]
        path.write_bytes(whole[:place] + data.draw(st.binary(min_size=1, max_size=2)) + rest)
    changed = done == "removed" or path.read_bytes() != whole
    before = set(os.listdir(run.parent))
    codes = Counter(
        as_it_should(whygrad(command, "t.run", *more), run.parent, before)
        for command, more in (
            ("show", ()),
            ("predict", ("table.csv",)),
            ("evaluate", ("table.csv",)),
        )
    )
    path.write_bytes(whole)
    if changed and name == "encoding.json":
        assert codes == {2: 3}
    if changed and name == "model.safetensors":
        assert codes == {0: 3}, "the last snapshot has the same parameters"


def test_these_are_at_least_two_thousand():
    assert FILES + ARGUMENTS + PREDICTED + DAMAGED + TOML >= 2000
