"""The README keeps its word: its code runs, prints what it says, and names what exists."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_every_block_says_what_it_is():
    assert {kind for kind, _ in BLOCKS} == {"sh", "python", "text"}
    assert README.count("```") == 2 * len(BLOCKS)


def test_the_code_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    """The Python blocks in order, in one namespace; a text block is the output of the one above."""
    monkeypatch.chdir(tmp_path)
    namespace, printed = {}, ""
    for kind, text in BLOCKS:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, "README.md", "exec"), namespace)
            printed = out.getvalue()
        elif kind == "text":
            assert printed == text


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_named_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:src|tests|examples|benchmarks|\.ci)/[\w./]*)`", text)
    paths += re.findall(r"\]\((\w[\w./]*)\)", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
