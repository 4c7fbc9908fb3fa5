"""Pictures and equations as images, for notebooks that nobody trusts yet and for sites that show notebooks.

Both are read without SVG, MathML, style sheets and scripts: of what is left out, the text stays and runs
together. An image stays whole. It has a ground of its own, and is light or dark as the page says.
"""

import re
from base64 import b64encode
from dataclasses import replace
from html import escape

from whygrad.answers.draw.drawing import tag, to_svg
from whygrad.answers.draw.palette import MATH_FONT, colour, style
from whygrad.answers.draw.svg import draw
from whygrad.answers.expression import Expression, Symbol
from whygrad.answers.formatting import clean, number, typeset
from whygrad.answers.parts import Answer
from whygrad.answers.pictures import Picture
from whygrad.answers.write.mathml import to_mathml
from whygrad.answers.write.notation import letter, write
from whygrad.answers.write.outline import main_equations
from whygrad.answers.write.text import TEXT, expression_text

WIDEST = 732.0  # pixels of an answer, without its margins
LETTER = 17.6  # pixels
# A browser sets an equation; how high its rows are at most, in letters, is known by what stands in them.
ROWS = (("<mfrac", 3.95), ("∑", 3.75), ("<msub", 2.5), ("", 2.2))
ACROSS = 0.66  # of a character, in letters
MOST_READ = 600  # characters of an equation that are read aloud


def picture_still(picture: Picture) -> str:
    """Write a picture as an image."""
    drawing = draw(picture)
    return _image(to_svg(drawing), drawing.title, drawing.width)


def equations_still(about: Answer, most: int) -> str:
    """Write the equations of an answer as an image; where none is shown, they are read as text."""
    math = to_mathml(about, block=False, most=most)
    rows = math.split("</mtr>")[:-1]
    height = LETTER * (1 + sum(next(high for mark, high in ROWS if mark in row) for row in rows))
    longest = max(len(re.sub("<[^>]*>", "", row)) for row in rows)
    width = max(WIDEST, LETTER * (3 + ACROSS * longest))
    sheet: dict[str, object] = {"width": width, "height": height}
    box = f"0 0 {width:g} {height:g}"
    rules = (
        f".wg-math{{{colour('color', 'ink')};font-size:{LETTER}px}}"
        f"math{{font-family:{MATH_FONT}}}mtd{{padding:.35em .2em}}"
    )
    page = f'<div xmlns="http://www.w3.org/1999/xhtml" class="wg-math">{math}</div>'
    svg = tag(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "class": "wg", "viewBox": box} | sheet,
        f"<style>{style()}{rules}</style>",
        tag("rect", sheet | {"class": "wg-surface"}),
        tag("foreignObject", sheet, page),
    )  # fmt: skip
    said = "; ".join(map(expression_text, main_equations(about)))
    return _image(svg, said if len(said) <= MOST_READ else f"{said[:MOST_READ]}…", width)


def expression_html(about: Expression) -> str:
    """Write an expression with HTML's own raised and lowered letters.

    >>> expression_html(Symbol("W", 2, (1, 0)))
    '<i>W</i><sup>2</sup><sub>1,0</sub>'
    """
    return write(about, HTML)


def _image(svg: str, said: str, width: float) -> str:
    data = b64encode(svg.encode()).decode("ascii")
    address = f"data:image/svg+xml;base64,{data}"
    return f'<img src="{address}" alt="{escape(clean(said))}" width="{min(width, WIDEST):.0f}"/>'


def _symbol(about: Symbol) -> str:
    found = letter(about)
    raised, lowered = (
        ",".join(escape(clean(one)) for one in two) for two in (found.above, found.below)
    )
    name = f"<i>{escape(clean(found.name))}</i>{'′' * about.prime}"
    return name + f"<sup>{raised}</sup>" * bool(raised) + f"<sub>{lowered}</sub>" * bool(lowered)


HTML = replace(
    TEXT,
    symbol=_symbol,
    number=lambda value: typeset(number(value)),
    words=lambda text: escape(clean(text)),
)
