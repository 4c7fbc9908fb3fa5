"""What the build of the documentation calls by name: the order of the gallery, and equations as MathML."""

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
    """Give the place of a page in the gallery; files that pages import are no pages."""
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
