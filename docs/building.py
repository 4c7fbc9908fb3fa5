"""What the build of the docs calls: order of the gallery, equations, links to lines, docstrings."""

import re
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.pycode import ModuleAnalyzer

ORDER = [
    "plot_delta_w.py",
    "plot_one_weight.py",
    "plot_why_backpropagation.py",
    "plot_blame.py",
    "plot_symmetry.py",
    "plot_family_trees.py",
    "plot_small_problems.py",
    "plot_mnist.py",
    "plot_learning_rate.py",
    "plot_made_this_weight.py",
    "plot_coming_from.py",
]


def in_order(filename: str) -> int:
    """Return the position of a page in the gallery; files that pages import are no pages."""
    name = Path(filename).name
    return ORDER.index(name) if name in ORDER else len(ORDER)


def equations_as_mathml(app):
    """Draw equations as MathML, which every current browser draws by itself: nothing is loaded."""

    def inline(writer, node):
        writer.body.append(convert(node.astext()))
        raise nodes.SkipNode

    def display(writer, node):
        equation = convert(node.astext(), display="block")
        writer.body.append(f'<div class="equation">{equation}</div>')
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (display, None))


# links to lines

SOURCE = Path(__file__).parent.parent / "src" / "whygrad"
CITED = set()  # modules that a page links to a line of


def line(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Link to a line of the source by file and beginning: {line}`nn/backprop: delta[L] = a[L] - y`."""
    file, _, start = text.partition(": ")
    rows = (SOURCE / f"{file}.py").read_text(encoding="utf-8").splitlines()
    found = [i for i, row in enumerate(rows, 1) if row.strip().startswith(start)]
    if len(found) != 1:
        problem = f"{len(found)} lines of {file}.py begin with {start!r}: one must"
        return [], [inliner.reporter.error(problem, line=lineno)]
    CITED.add(f"whygrad.{file.replace('/', '.')}")
    address = f"_modules/whygrad/{file}.html#line-{found[0]}"
    link = f'<a href="{address}">{file}.py, line {found[0]}</a>'
    return [nodes.raw("", link, format="html")], []


def pages_of_lines(app, env):
    """Show the source of modules that are linked to, though the reference has nothing of theirs."""
    for name in CITED - set(env._viewcode_modules):
        analyzer = ModuleAnalyzer.for_module(name)
        analyzer.find_tags()
        env._viewcode_modules[name] = (analyzer.code, analyzer.tags, {}, name)


LINE_NUMBER = re.compile(r'<span class="linenos">( *)(\d+)</span>')


def anchors_of_lines(app, pagename, templatename, context, doctree):
    """Add an anchor to every line on the pages of the source, line-83."""
    if pagename.startswith("_modules/"):
        context["body"] = LINE_NUMBER.sub(
            r'<span class="linenos" id="line-\2">\1\2</span>', context["body"]
        )


# docstrings

HEADING = re.compile(r"^-{3,}$")
ENTRY = re.compile(r"^(\*{0,2}[\w.]+(?:, \*{0,2}\w+)*(?:, …)?)(?: : (.*))?$")
DEFINED = ("Parameters", "Attributes")  # by names of their own; others name what there is
CLASS = re.compile(r"[A-Z][a-zA-Z]+(\.\w+)?")  # `.Name` leads to it, whatever its module
KIND = re.compile(r"\b(?!None|True|False)[A-Z]\w*[a-z]\w*(?=[, ]|$)")
INTERNAL = re.compile(r", \*\*unknown(: \w+)?|=<factory>")


def signature(app, what, name, about, options, arguments, returned):
    """Leave out of a signature what no caller writes."""
    return (arguments and INTERNAL.sub("", arguments)), returned


def as_restructured_text(app, what, name, about, options, lines):
    """Turn a docstring, numpydoc in plain text with `code`, into the reStructuredText that it means.

    Entries of a section become a list of definitions, equations keep their lines, and references are a
    list. |W| is no substitution, and clf.why_ no link.
    """
    written, section, example = [], "", False
    for row, below in zip(lines, [*lines[1:], ""], strict=True):
        example = row.lstrip().startswith(">>>") or (example and bool(row.strip()))
        entry = ENTRY.match(row) if section and section != "Notes" else None
        if example:
            written.append(row)
        elif HEADING.match(row):
            section = written.pop()
            written += [f".. rubric:: {section}", ""]
        elif section == "References" and row.strip() and not HEADING.match(below):
            reference = re.sub(r"^\.\. \[\d+\] ", "", row.strip())
            new = re.search(r"\(\d{4}", row) or not written[-1]
            written.append(("* " if new else "  ") + _plain(reference))
        elif entry and (entry[2] or below.startswith(" ")):
            written += _entry(*entry.groups(), section in DEFINED, below.startswith(" "))
        elif row.startswith("    ") and section in ("", "Notes"):
            written.append(f"    | {_plain(row.strip())}")
        else:
            written.append(_plain(row))
    lines[:] = written


def _entry(names, kind, named, described):
    """Return the lines of one entry: a term, or a term and its kind, or both where no more is said."""
    quoted = [f"``{one}``" if named else _plain(f"`{one}`") for one in names.split(", ")]
    term = ", ".join(quoted)
    if kind is None:
        return [term]
    if not described:
        return [term, f"    {_plain(kind)}"]
    linked = KIND.sub(r"`\g<0>`", kind)
    return [f"{term} : {_plain(linked)}"]


def _plain(row):
    """Return text with `code` in which nothing else means anything; a class is linked to."""
    parts = row.split("`")
    parts[::2] = [re.sub(r"([\\*|_])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f".{part}" if CLASS.fullmatch(part) else part for part in parts[1::2]]
    return "`".join(parts)
