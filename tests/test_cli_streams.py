"""The command without its standard streams, as services start it, and without docstrings (`python -OO`)."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import whygrad as wg
from browser import ENVIRONMENT, PATIENCE
from command import whygrad
from whygrad.cli.app import app
from whygrad.engines.native.engine import announced

needs_posix = pytest.mark.skipif(os.name != "posix", reason="streams are closed by a shell")
CLOSED = "whygrad: standard output is closed: send it to a file, or to /dev/null\n"


def started(folder, streams, *words):
    """Run the command with streams as a shell says, such as `>&-`."""
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable]
    return subprocess.run(
        [*shell, "-m", "whygrad", *map(str, words)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run, and a row of the table it was trained on."""
    folder = tmp_path_factory.mktemp("streams")
    words = ("--epochs", 2, "--hidden", 3, "--engine", "reference", "--run", folder / "iris.run")
    assert whygrad("train", "iris", *words).code == 0
    names = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
    (folder / "new.csv").write_text(f"{names}\n5.1,3.5,1.4,0.2\n")
    return folder


COMMANDS = (
    ("--version",),
    ("show", "iris.run", "--json"),
    ("predict", "iris.run", "new.csv"),
)


@needs_posix
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_result_that_nobody_can_read_is_told_in_one_line(trained, words):
    result = started(trained, ">&-", *words)
    assert (result.returncode, result.stderr) == (2, CLOSED)


@needs_posix
def test_without_standard_output_a_training_is_recorded_as_with_it(tmp_path):
    words = ("train", "iris", "--epochs", 2, "--hidden", 3, "--engine", "reference")
    result = started(tmp_path, ">&-", *words)
    assert result.stderr.splitlines(keepends=True)[-1] == CLOSED
    assert "Traceback" not in result.stderr
    assert whygrad("replay", tmp_path / "iris.run").code == 0


@needs_posix
def test_without_standard_error_the_result_is_the_same_and_nothing_gets_into_it(trained):
    words = ("train", "iris", "--epochs", 2, "--hidden", 3, "--engine", "reference", "--json")
    result = started(trained, "<&- 2>&-", *words, "--run", "again.run")
    assert result.returncode == 0
    assert json.loads(result.stdout)["stopped"] == "all epochs done"
    for streams in ("2>&-", *(["2>/dev/full"] if os.path.exists("/dev/full") else [])):
        refused = started(trained, streams, "frob")
        assert (refused.returncode, refused.stdout) == (2, "")


@needs_posix
def test_with_no_stream_at_all_a_command_ends_with_its_code(trained):
    assert started(trained, "<&- >&- 2>&-", "show", "iris.run").returncode == 2
    words = ("predict", "iris.run", "new.csv", "-o", "out.csv", "--overwrite")
    assert started(trained, "<&- >/dev/null 2>&-", *words).returncode == 0
    assert (trained / "out.csv").read_text() == '"species"\n"setosa"\n'


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("standard_error", [None, Gone()], ids=["none", "closed"])
def test_a_training_outlives_the_terminal_that_it_tells(monkeypatch, standard_error):
    monkeypatch.setattr(sys, "stderr", standard_error)
    net = wg.Network(2, [wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    X, y = np.eye(2), np.array([0.0, 1.0])
    fitted = wg.train(net, X, y, epochs=3, engine="reference", progress=True)
    assert len(fitted.history.epochs) == 3


@pytest.mark.parametrize("standard_error", [None, Gone()], ids=["none", "closed"])
def test_that_something_is_compiled_is_told_where_it_can_be(monkeypatch, standard_error):
    said = []

    class AtOnce:
        def __init__(self, seconds, say, given):
            self.start = lambda: said.append(say(*given))

        def cancel(self):
            pass

    monkeypatch.setattr("threading.Timer", AtOnce)
    monkeypatch.setattr(sys, "stderr", standard_error)
    with announced(f"a test of {standard_error}"):
        assert said == [None]


# ── without docstrings ───────────────────────────────────────────────────────────────────────────────


def commands_of(app, above=()):
    """Return every command, as the words that call it."""
    for name in app:
        if name.startswith("-"):
            continue
        words = (*above, name)
        yield words
        yield from commands_of(app[name], words)


AFTER_HELP = """
import io, sys
from contextlib import redirect_stdout
from whygrad import cli
with redirect_stdout(io.StringIO()) as out:
    assert cli.run(["--help"]) == 0 and "fork" in out.getvalue()
print(*sorted(sys.modules))
with redirect_stdout(out):
    assert cli.run(["runs"]) == 0 and "no runs in" in out.getvalue()
print(*sorted(sys.modules))
"""


def test_help_imports_no_command_and_a_list_of_runs_nothing_that_answers_or_learns(here):
    done = subprocess.run(
        [sys.executable, "-c", AFTER_HELP],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    after_help, after_runs = (set(line.split()) for line in done.stdout.splitlines())
    assert {name for name in after_help if name.startswith("whygrad.cli.")} == {"whygrad.cli.app"}
    assert not {"pyarrow", "numba", "sklearn", "whygrad.record"} & after_help
    assert not {"pandas", "numba", "scipy", "sklearn", "whygrad.why"} & after_runs


EVERY_ANSWER = """
import io, json, sys
from contextlib import redirect_stdout
from whygrad import cli
assert False, "asserts are off"
for words in json.load(sys.stdin):
    with redirect_stdout(io.StringIO()) as out:
        cli.run(words)
    print(json.dumps(out.getvalue()))
"""


def test_help_and_answers_are_the_same_under_python_oo(trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(trained)
    asked = [[*words, "--help"] for words in [(), *commands_of(app)]]
    assert len(asked) > 20
    asked += [*map(list, COMMANDS), ["why", "weight", "iris.run"]]
    without = subprocess.run(
        [sys.executable, "-OO", "-c", EVERY_ANSWER],
        input=json.dumps(asked),
        env=ENVIRONMENT | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert without.stderr == ""
    answers = [json.loads(line) for line in without.stdout.splitlines()]
    assert answers == [whygrad(*words).out for words in asked]
    assert all(answers)
