"""Docstrings: how they begin, and that public ones say what each parameter is, as numpydoc has it."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import whygrad as wg

PACKAGE = Path(wg.__file__).resolve().parent
# Whoever searches reads "Return …", "Raise …", "Compute …".
NOT_FIRST = ("Give", "Gives", "Say", "Says", "Tell", "Tells", "Refuse", "Refuses", "Let", "Lets")
MADE = (wg.Report, wg.Run)  # never by a user: what they offer has docstrings of its own
UNDERLINED = r"^{}\n-{{{}}}\n(.*?)(?=^[A-Z][\w ]*\n-{{3,}}$|\Z)"


def docstrings():
    """Return every docstring of the package: (where, text)."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    name = getattr(node, "name", "")
                    yield f"{path.relative_to(PACKAGE).as_posix()}:{name}", text


def public():
    """Return what `whygrad` and `whygrad.why` offer: functions and classes, errors and warnings aside."""
    found = {name: getattr(wg, name) for name in wg.__all__}
    found |= {f"why.{name}": getattr(wg.why, name) for name in wg.why.__all__}
    return {
        name: each
        for name, each in found.items()
        if inspect.isfunction(each)
        or (inspect.isclass(each) and not issubclass(each, BaseException))
    }


def section(text, name):
    """Return what stands under a heading of a docstring, "" where it has none.

    >>> section("Add.\\n\\nParameters\\n----------\\nx : int\\n\\nReturns\\n-------\\nint", "Parameters")
    'x : int\\n\\n'
    """
    found = re.search(UNDERLINED.format(name, len(name)), text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def documented(text):
    """Return the names under Parameters or, of a class that only holds, Attributes."""
    lines = (section(text, "Parameters") + section(text, "Attributes")).splitlines()
    heads = [
        re.match(r"([\w*`, ]+?)\s*(?::|$)", line) for line in lines if re.match(r"[\w*`]", line)
    ]
    return {name.strip("`* ") for head in heads if head for name in head[1].split(",")}


def wanted(each):
    if each in MADE:
        return set()
    parameters = inspect.signature(each).parameters.values()
    return {p.name for p in parameters if p.kind != p.VAR_KEYWORD and not p.name.startswith("_")}


def test_no_docstring_begins_with_a_word_that_nobody_searches():
    found = [where for where, text in docstrings() if text.split()[0].rstrip(",:") in NOT_FIRST]
    assert found == []


def test_what_is_documented_is_read_as_it_is_written():
    text = "Add.\n\nParameters\n----------\nx, y : int\n    Two numbers: both.\n**more\n    Others."
    text += "\n\nReturns\n-------\nint\n    Their sum."
    assert documented(text) == {"x", "y", "more"}
    assert documented("Add x and y.") == set()


@pytest.mark.parametrize("name", public())
def test_every_public_function_and_class_says_what_its_parameters_are(name):
    each = public()[name]
    text = inspect.getdoc(each) or ""
    assert wanted(each) - documented(text) == set()
