"""A newcomer reads a page from the first line to the last, and types what it says: `newcomer.py PAGE`.

Run in a folder of its own, in plain Python: what only extras bring (pandas, matplotlib, …) is not there.
Python goes into one session; a bare expression at the end of a block shows what the prompt shows, and a
text block has to be what the code above it printed. Of the shell, `whygrad` is run; what sets an
environment up is only looked at.
"""

import ast
import contextlib
import io
import re
import shlex
import sys
import tomllib
from importlib.abc import MetaPathFinder
from pathlib import Path

ROOT = Path(__file__).parent.parent
ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ABOUT["optional-dependencies"]
SET_UP = {"make", "source", "python3", ".venv/bin/pip", ".venv/bin/python"}


class OnlyDependencies(MetaPathFinder):
    """Nothing that extras bring can be imported."""

    absent = {
        re.match(r"[\w-]+", each)[0].replace("-", "_") for need in EXTRAS.values() for each in need
    }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.absent - {"whygrad"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def type_in(text, session, page):
    """Run a block of Python, its last line as at the prompt; give what is printed."""
    code = ast.parse(text, page)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for statement in code.body:
            bare = isinstance(statement, ast.Expr) and statement is code.body[-1]
            module = ast.Interactive([statement]) if bare else ast.Module([statement], [])
            exec(compile(module, page, "single" if bare else "exec"), session)
    return out.getvalue()


def run_line(line):
    """Run a line of the shell, or look whether it could be run."""
    from whygrad.cli import run

    words = shlex.split(line, comments=True)
    if words[:2] == ["pip", "install"]:
        assert re.fullmatch(r"\.(\[\w+\])?", words[2]), line
        assert set(re.findall(r"\w+", words[2])) <= set(EXTRAS), line
    elif words[:2] == ["whygrad", "studio"]:  # which would wait for a browser
        assert run(["studio", "--help"]) == 0
    elif words[:1] == ["whygrad"]:
        assert run(words[1:]) == 0, line
    else:
        assert not words or words[0] in SET_UP, f"who runs {line!r}?"


def read(page):
    """Follow a page; gives how many blocks of each kind it had."""
    text = (ROOT / page).read_text(encoding="utf-8")
    session, printed, seen = {"__name__": "__main__"}, "", []
    for kind, block in re.findall(r"^```(?:\{code-cell\} )?(\w+)\n(.*?)^```$", text, re.M | re.S):
        seen.append(kind)
        if kind == "python":
            printed = type_in(block, session, page)
            assert not re.search(r"^<.*>$", printed, re.M), f"{page} shows nothing: {printed}"
        elif kind == "text":
            # States are saved by the clock: their number is the machine's.
            said, shown = (
                re.sub(r"and \d+ states?", "and some states", one) for one in (block, printed)
            )
            assert shown == said, f"{page} says\n{block}\nand it is\n{printed}"
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                for line in block.splitlines():
                    run_line(line)
    return {kind: seen.count(kind) for kind in seen}


if __name__ == "__main__":
    sys.meta_path.insert(0, OnlyDependencies())
    print(read(sys.argv[1]))
