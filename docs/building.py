"""What the build of the docs calls: order of the gallery, equations, links to lines, docstrings."""

import re
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

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
    """Return the place of a page in the gallery; files that pages import are no pages."""
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


def line(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Link to a line of the source by file and beginning: {line}`nn/backprop: delta[L] = a[L] - y`."""
    file, _, start = text.partition(": ")
    rows = (SOURCE / f"{file}.py").read_text(encoding="utf-8").splitlines()
    found = [i for i, row in enumerate(rows, 1) if row.strip().startswith(start)]
    if len(found) != 1:
        problem = f"{len(found)} lines of {file}.py begin with {start!r}: one must"
        return [], [inliner.reporter.error(problem, line=lineno)]
    address = f"_modules/whygrad/{file}.html#line-{found[0]}"
    link = f'<a href="{address}">{file}.py, line {found[0]}</a>'
    return [nodes.raw("", link, format="html")], []


LINE_NUMBER = re.compile(r'<span class="linenos">( *)(\d+)</span>')


def anchors_of_lines(app, pagename, templatename, context, doctree):
    """Add an anchor to every line on the pages of the source, line-83."""
    if pagename.startswith("_modules/"):
        context["body"] = LINE_NUMBER.sub(
            r'<span class="linenos" id="line-\2">\1\2</span>', context["body"]
        )


# docstrings

HEADING = re.compile(r"^\s*-{3,}$")
PARAMETER = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*(?:, …)?) : (.*)$")
REFERENCE = re.compile(r"^\.\. (\[\d+\] .*)$")


def as_restructured_text(app, what, name, about, options, lines):
    """Let docstrings, which are plain text with `code`, mean in reStructuredText what they say.

    Parameters become a list of definitions with their types, references lines; |W| shall be no
    substitution, and clf.why_ no link.
    """
    written, example = [], False
    for row, below in zip(lines, [*lines[1:], ""], strict=True):
        example = row.lstrip().startswith(">>>") or (example and bool(row.strip()))
        parameter, reference = PARAMETER.match(row), REFERENCE.match(row)
        if example:
            written.append(row)
        elif HEADING.match(row):
            written[-1:] = [f".. rubric:: {written[-1]}", ""]
        elif parameter and below.startswith(" "):
            written.append(f"``{parameter[1]}`` : {_plain(parameter[2])}")
        elif parameter:
            written += [f"``{parameter[1]}``", f"    {_plain(parameter[2])}"]
        elif reference:
            written.append(f"| {_plain(reference[1])}")
        else:
            written.append(_plain(row))
    lines[:] = written


def _plain(row):
    parts = row.split("`")
    parts[::2] = [re.sub(r"([\\*|_])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
