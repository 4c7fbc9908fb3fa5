"""Nothing that a file or a folder holds steers a terminal or hides in it, whatever the command."""

import ast
import contextlib
import io
import json
import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.csv
import pytest

import whygrad as wg
from command import Result, whygrad
from whygrad import cli, escaping
from whygrad.errors import RecordWarning, warn

CLEAR, RED, BELL, CLIPBOARD = "\x1b[2J", "\x9b31m", "\x07", "\x1b]52;c;QQ==\x07"
TURNED, BACK, RETURN, HALF = "\u202e", "\x08", "\r", "\udc9b"
QUICK = ("--hidden", "3", "--epochs", "2", "--engine", "reference")
# Characters of these kinds that a reader sees, or that scripts are spelled with.
SEEN = {
    *"\t\n\u200c\u200d\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd",
    *map(chr, range(0x600, 0x606)),
}


def hidden(text):
    """The characters of a text that a terminal obeys or a reader does not see."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - SEEN


def test_every_character_that_is_obeyed_or_not_seen_is_escaped_and_no_other():
    for number in range(0x110000):
        c = chr(number)
        if hidden(c):
            assert escaping.visible(c) == json.dumps(c)[1:-1]
        elif unicodedata.category(c) != "Cn":
            assert escaping.visible(c) == c or 0x13430 <= number <= 0x1345F


def test_json_is_the_same_when_it_is_parsed():
    about = {CLEAR: [RED, BELL, CLIPBOARD, TURNED, BACK, RETURN, HALF, "\U000e0041", "a\nb\tc"]}
    text = escaping.visible(json.dumps(about, ensure_ascii=False))
    assert not hidden(text)
    assert "\\u009b31m" in text
    assert json.loads(text) == about


# ── every command ────────────────────────────────────────────────────────────────────────────────────

TARGET = f"kind{CLEAR}{TURNED}"
SIZE, WEIGHT = f"size{RED}", f"weight{BACK}{BELL}"
ONE, TWO = f"a{CLIPBOARD}", f"b{RETURN}{TURNED}{RED}"
STEM = f"table{CLEAR}{RED}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table and a run on it, whose names and values all carry what a terminal obeys."""
    folder = tmp_path_factory.mktemp("names")
    lines = [f'"{SIZE}","{WEIGHT}",town,"{TARGET}"']
    for i in range(40):
        town = ONE if i % 3 else TWO
        lines.append(f'{i * 17 % 7},{i * 37 % 11 + 0.5},"{town}","{TWO if i % 7 > 3 else ONE}"')
    (folder / f"{STEM}.csv").write_bytes("\n".join(lines).encode())
    with contextlib.chdir(folder):
        assert whygrad("train", f"{STEM}.csv", "--target", TARGET, *QUICK).code == 0
    return folder


RUN = f"{STEM}.run"
SHOWN = {
    "train": ("train", f"{STEM}.csv", "--target", TARGET, *QUICK, "--run", f"other{CLEAR}.run"),
    "predict": ("predict", RUN, f"{STEM}.csv", "--probabilities"),
    "predict into a file": ("predict", RUN, f"{STEM}.csv", "-o", f"out{RED}.csv"),
    "evaluate": ("evaluate", RUN),
    "evaluate a file": ("evaluate", RUN, f"{STEM}.csv"),
    "show": ("show", RUN),
    "runs": ("runs",),
    "replay": ("replay", RUN),
    "replay a step": ("replay", RUN, "--step", "2"),
    "resume": ("resume", RUN, "--epochs", "3"),
    "fork": ("fork", RUN, "--step", "1", "--record", f"fork{CLEAR}.run"),
    "diff": ("diff", RUN, RUN),
    "export": ("export", RUN, f"out{RED}.c", "--overwrite"),
    "check": ("check", RUN),
    **{
        name: ("why", name, RUN)
        for name in ("weight", "paths", "blame", "ripple", "neuron", "prediction", "ledger", "influence")
    },
    "without": ("why", "without", RUN, "3"),
    "labels": ("why", "labels", RUN),
    "a class": ("why", "blame", RUN, "--class", TWO),
    "latex": ("why", "weight", RUN, "--latex"),
    "no such column": ("train", f"{STEM}.csv", "--target", f"kimd{CLEAR}"),
    "no such file": ("train", f"tabel{CLEAR}{RED}.csv", "--target", TARGET),
    "no such run": ("show", f"no{CLEAR}{TURNED}"),
    "no such unit": ("why", "weight", RUN, f"1:{BELL}{TURNED},0"),
    "no such option": ("show", RUN, f"--{CLEAR}{RED}"),
    "no such command": (f"sho{CLEAR}{RED}",),
    "no such class": ("why", "blame", RUN, "--class", f"{CLEAR}{TURNED}"),
}  # fmt: skip
JSON = [
    *("train", "predict into a file", "evaluate", "evaluate a file", "show", "runs", "replay"),
    *(
        "replay a step",
        "resume",
        "fork",
        "diff",
        "check",
        "weight",
        "paths",
        "blame",
        "ripple",
        "export",
    ),
    *("neuron", "prediction", "ledger", "influence", "without", "labels", "a class"),
]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, so that colours are written to it."""

    def isatty(self):
        return True


def on_a_terminal(*words):
    """Run a command whose output goes to a terminal."""
    out, err = Terminal(), Terminal()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(list(words))
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture
def inside(folder, tmp_path, monkeypatch):
    """A copy of that folder, to be changed."""
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("name", SHOWN)
def test_no_name_reaches_a_terminal_as_it_is(inside, name):
    result = whygrad(*SHOWN[name])
    assert result.code in ((2,) if name.startswith("no such") else (0, 1))
    assert hidden(result.out + result.err) == set()
    assert not {"\x1b", *hidden(RED + TURNED)} & set(result.out + result.err)


@pytest.mark.parametrize(
    "name", ["train", "show", "runs", "evaluate", "replay a step", "diff", "weight"]
)
def test_colours_are_all_that_a_terminal_is_told_to_do(inside, monkeypatch, name):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if name == "train":  # whose bar moves the cursor; its own words are held below
        monkeypatch.setattr("whygrad.cli.train.ProgressBar", lambda: lambda report: None)
    result = on_a_terminal(*SHOWN[name])
    assert result.code in (0, 1)
    assert "\x1b[1m" in result.out
    assert hidden(re.sub(r"\x1b\[[\d;]*m", "", result.out + result.err)) == set()


@pytest.mark.parametrize("name", JSON)
def test_json_carries_every_name_unchanged_and_escaped(inside, name):
    result = whygrad(*SHOWN[name], "--json")
    assert result.code in (0, 1)
    assert hidden(result.out + result.err) == set()
    said = json.loads(result.out)
    if name in ("train", "runs"):
        assert (said[0] if name == "runs" else said)["target"] == TARGET
    if name == "a class":
        assert said["class"] == TWO


def test_a_file_of_predictions_holds_the_data_as_they_are(inside):
    assert whygrad("predict", RUN, f"{STEM}.csv", "-o", "out.csv").code == 0
    table = pyarrow.csv.read_csv(
        "out.csv", parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)
    )
    assert table.column_names == [TARGET]
    assert set(table[TARGET].to_pylist()) <= {ONE, TWO}
    shown = whygrad("predict", RUN, f"{STEM}.csv")
    assert hidden(shown.out) == set()
    assert shown.lines[-1] == (
        "whygrad: the predictions hold characters that a terminal obeys, written here as \\u001b and the "
        "like: -o OUT writes them as they are"
    )


@pytest.mark.parametrize("name", ["weight", "paths", "blame", "ripple", "neuron", "prediction"])
def test_pictures_and_pages_are_whole_whatever_the_names(inside, name):
    result = whygrad("why", name, RUN, "--svg", "a.svg", "--html", "a.html")
    assert result.code == 0
    for file in ("a.svg", "a.html"):
        text = Path(file).read_text(encoding="utf-8")
        assert hidden(text) == set()
        # Characters that no XML may hold, of which some are neither controls nor formats.
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text)
    ElementTree.parse("a.svg")


def test_names_that_look_like_markup_or_emoji_are_written_as_they_are(here):
    name, run = "[bold]:cat:[/x]", "[b]:cat:.run"
    lines = [f"a,{name}", *(f"{i * 17 % 7},{i * 37 % 11 + 0.5}" for i in range(40))]
    (here / "t.csv").write_text("\n".join(lines))
    for words in (
        ("train", "t.csv", "--target", name, *QUICK, "--run", run),
        ("show", run),
        ("runs",),
        ("diff", run, run),
        ("resume", run, "--epochs", "3"),
        ("replay", run, "--step", "1"),
    ):
        result = whygrad(*words)
        assert result.code == 0
        assert run in result.out or words[0] == "diff"
        assert name in result.out or words[0] not in ("train", "show", "runs")


@pytest.mark.parametrize("key", ["created", "path", "versions", "baseline", "names of versions"])
def test_what_a_manifest_says_reaches_no_terminal_as_it_is(inside, key):
    path = inside / RUN / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    said = f"[/x]\n{CLEAR}{RED}{TURNED}"
    if key == "path":
        manifest["data"]["path"] = f"/{said}"
    elif key == "versions":
        manifest["versions"] = dict.fromkeys(manifest["versions"], said)
    elif key == "names of versions":
        manifest["versions"] |= {said: "1"}
    elif key == "baseline":
        manifest["scores"]["baseline_label"] = said
    else:
        manifest[key] = said
    path.write_text(json.dumps(manifest), encoding="utf-8")
    for words in (("show", RUN), ("runs",), ("diff", RUN, RUN), ("evaluate", RUN)):
        for more in ((), ("--json",)):
            result = whygrad(*words, *more)
            assert result.code in (0, 1, 2)
            assert hidden(result.out + result.err) == set()


# ── in Python ────────────────────────────────────────────────────────────────────────────────────────


def test_errors_and_warnings_are_visible_in_python_as_well(tmp_path):
    with pytest.raises(wg.FileError) as error:
        wg.open_run(tmp_path / f"no{CLEAR}{RED}.run")
    assert hidden(str(error.value)) == set()
    assert "no\\u001b[2J\\u009b31m.run" in str(error.value)
    with pytest.warns(RecordWarning, match=r"^the run \\u001b\[2J$"):
        warn(f"the run {CLEAR}", RecordWarning)


def test_nothing_else_writes_to_standard_output_or_error():
    """Text leaves by `escaping.write` and the `Printer`; `verbose` and the progress bar show numbers."""
    root = Path(wg.__file__).parent
    found = []
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("print", "Console") or called.endswith(("stdout.write", "stderr.write")):
                found.append(path.relative_to(root).as_posix())
    assert sorted(set(found)) == ["estimators/messages.py", "training/progress.py"]
