"""The browser's modules as one script and one style sheet, for pages that must not ask for anything.

A module there imports others by `import { name } from "./other.js";` and exports names where it declares
them. In the bundle each is a function that returns what it exports, called once, after those it imports:
names of its own stay its own, as in the browser.
"""

import re
from functools import cache
from pathlib import Path

BROWSER = Path(__file__).parent.parent / "browser"
_IMPORT = re.compile(
    r'^import\s*\{([^}]*)\}\s*from\s*"\./([\w-]+)\.js";[ \t]*(?://[^\n]*)?\n', re.MULTILINE
)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class)\s+(\w+))", re.MULTILINE)
_REMARK = re.compile(r"^[ \t]*//[^\n]*\n|^/\*\*(?:[^*]|\*(?!/))*\*/\n", re.MULTILINE)


@cache
def bundle(entry: str) -> str:
    """Return a module of the browser and all that it imports as one script.

    Parameters
    ----------
    entry : str
        The name of the module, such as "film".

    Returns
    -------
    str
        The script, without comments. What the module exports are properties of `$NAME`: `$film.playFilm`.

    Examples
    --------
    >>> "const $recording = (() => {" in bundle("recording"), "import {" in bundle("store")
    (True, False)
    """
    return "".join(map(_wrapped, modules(entry)))


def modules(entry: str) -> tuple[str, ...]:
    """Return the names of a module and of all that it imports, each after those that it imports.

    Raises `ValueError` where modules import each other in a circle.

    >>> modules("recording")
    ('model', 'recording')
    """
    found: dict[str, None] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"modules in a circle: {' → '.join((*above, name))}")
        if name in found:
            return
        for _, imported in _IMPORT.findall(_source(name)):
            visit(imported, (*above, name))
        found[name] = None

    visit(entry, ())
    return tuple(found)


@cache
def styles() -> str:
    """Return the style sheets of the browser's modules as one."""
    return "".join(path.read_text("utf-8") for path in sorted(BROWSER.glob("*.css")))


def _wrapped(name: str) -> str:
    """Return a module as a function that is called once."""
    source = _REMARK.sub("", _source(name))
    exported = ", ".join(_EXPORT.findall(source))
    inner = _EXPORT.sub("", _IMPORT.sub(_constants, source))
    return f"const ${name} = (() => {{\n{inner}return {{ {exported} }};\n}})();\n"


def _constants(found: re.Match[str]) -> str:
    names = re.sub(r"\s+as\s+", ": ", " ".join(found[1].split()))
    return f"const {{ {names} }} = ${found[2]};\n"


def _source(name: str) -> str:
    return (BROWSER / f"{name}.js").read_text("utf-8")
