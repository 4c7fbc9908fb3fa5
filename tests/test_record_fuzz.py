"""Runs that were damaged, or come from a stranger: every command gives the same answer, or one line.

A hundred by default, two thousand by `make test-long`. Whatever the command raises passes through
`command.whygrad`, so an unexpected exception fails the test; an alarm ends what would wait for ever.
"""

import hashlib
import os
import random
import shutil
from contextlib import contextmanager

import pytest

import whygrad as wg
from bounded import bounded
from command import whygrad
from damages import DAMAGES, FORGED, OWN
from whygrad.record.files import snapshots

RUNS = int(os.environ.get("WHYGRAD_DAMAGED", "100"))
TABLE = "size,weight,colour,kind\n" + "".join(
    f"{i % 7},{i * 37 % 11 + 0.5},{'red' if i % 3 else 'blue'},{'abc'[i % 7 % 3]}\n"
    for i in range(60)
)
QUICK = ("--hidden", "3", "--epochs", "4", "--engine", "reference", "--batch-size", "8")
READING = {
    "show": ("show", "t.run"),
    "show --json": ("show", "t.run", "--json"),
    "runs": ("runs", "."),
    "evaluate": ("evaluate", "t.run"),
    "evaluate a file": ("evaluate", "t.run", "table.csv"),
    "predict": ("predict", "t.run", "table.csv"),
    "weight": ("why", "weight", "t.run"),
    "paths": ("why", "paths", "t.run"),
    "blame": ("why", "blame", "t.run"),
    "ripple": ("why", "ripple", "t.run"),
    "neuron": ("why", "neuron", "t.run"),
    "prediction": ("why", "prediction", "t.run"),
    "check": ("why", "check", "t.run", "--sample", "5"),
    "ledger": ("why", "ledger", "t.run"),
    "influence": ("why", "influence", "t.run"),
    "without": ("why", "without", "t.run", "--examples", "1"),
    "replay": ("replay", "t.run"),
    "replay a step": ("replay", "t.run", "--step", "9"),
    "diff": ("diff", "t.run", "good.run"),
    "export": ("export", "t.run", "t.run/out.c", "--overwrite"),
}
WRITING = {
    "fork": (
        "fork",
        "t.run",
        "--step",
        "9",
        "--learning-rate",
        "0.5",
        "--record",
        "f.run",
        "--json",
    ),
    "resume": ("resume", "t.run", "--json"),
    "resume further": ("resume", "t.run", "--epochs", "6", "--json"),
}
COMMANDS = READING | WRITING
EACH = 4  # of them meet each damaged run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two runs on a table, one that was broken off, and what all commands say of them."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(snapshots, "SPACING", 0.0)
        (folder / "table.csv").write_text(TABLE)
        for name in ("whole.run", "good.run"):
            words = ("train", "table.csv", "--target", "kind", *QUICK, "--run", name)
            assert whygrad(*words).code == 0
        run = wg.open_run("whole.run")
        broken = run.fork(3, record="broken.run", callbacks=[lambda r: r.state.epoch == 3])
        assert broken.stopped == "stopped by a callback"
        answers = {}
        for kind in ("whole", "broken"):
            for command in COMMANDS:
                with fresh(folder, kind):
                    answers[kind, command] = asked(command)
    return folder, answers


@contextmanager
def fresh(folder, kind):
    """Copy a run to t.run, and leave nothing behind."""
    shutil.copytree(folder / f"{kind}.run", folder / "t.run")
    (folder / "outside").mkdir()
    for name in ("note.txt", "journal"):
        (folder / "outside" / name).write_text("mine")
    try:
        yield folder / "t.run"
    finally:
        for name in ("t.run", "f.run", "outside"):
            if os.path.lexists(folder / name):
                shutil.rmtree(folder / name)


def asked(command):
    """Return exit code, answer, and what was said beside it; progress is no answer."""
    result = whygrad(*COMMANDS[command])
    return result.code, result.out, [line for line in result.lines if line.startswith("whygrad: ")]


def others(folder):
    """Return all that lies in a folder beside the run, with what it is."""
    found = {}
    for top, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in ("t.run", "f.run")]
        for name in (*names, *files):
            path = os.path.join(top, name)
            about = os.lstat(path)
            content = b""
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = about.st_mode, about.st_ino, hashlib.sha256(content).hexdigest()
    return found


def users(run):
    """Return the files in a run that are the user's own, those that a link leads to aside."""
    return {name for name in OWN if (run / name).is_file() and not (run / name).parent.is_symlink()}


@pytest.mark.parametrize("number", range(RUNS))
def test_a_damaged_run_gives_the_same_answers_or_one_line(runs, number, monkeypatch):
    folder, answers = runs
    monkeypatch.chdir(folder)
    chance = random.Random(number)
    name = list(DAMAGES)[number % len(DAMAGES)]
    kind, seed = chance.choice(["whole", "whole", "broken"]), chance.random()
    for command in chance.sample(list(COMMANDS), EACH):
        what = f"{name}, {kind} run, {command}"
        with fresh(folder, kind) as run:
            DAMAGES[name](run, folder / "outside", random.Random(seed))
            before, own = others(folder), users(run)
            with bounded(what):
                code, out, said = asked(command)
            assert others(folder) == before, f"{what}: something outside was touched"
            assert users(run) == own, f"{what}: a file of the user's is gone"
        before = answers[kind, command]
        if command == "runs":
            assert "good.run" in out, what
        if code == 2:
            assert out == "" and said, (what, out)
        elif name not in FORGED:
            told = len(said) > len(before[2]) or (command == "replay" and code == 1)
            assert told or (code, out) == before[:2], (what, code, out, said, before)
