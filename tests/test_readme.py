"""The README and the pages keep their word: their code runs, prints what it says, and names what exists."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "docs/explanations.md"]


def blocks(name):
    """Give the blocks of a page, (what it is, its text), and how many there are."""
    page = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return found, page.count("```") / 2


@pytest.mark.parametrize("name", PAGES)
def test_every_block_says_what_it_is(name):
    found, count = blocks(name)
    assert {"python", "text"} <= {kind for kind, _ in found} <= {"sh", "python", "text"}
    assert len(found) == count


@pytest.mark.parametrize("name", PAGES)
def test_the_code_runs_and_prints_what_it_says(name, tmp_path, monkeypatch):
    """The Python blocks in order, in one namespace; a text block is the output of the one above."""
    monkeypatch.chdir(tmp_path)
    namespace, printed = {}, ""
    for kind, text in blocks(name)[0]:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, name, "exec"), namespace)
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
