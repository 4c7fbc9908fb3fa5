"""An answer as data: what was asked, the value, the terms that add up to it, and what they leave.

    value = Σ terms + Σ residuals

Value and terms are computed independently of each other, so that their agreement is evidence. Each residual
has a name: "rounding", "beyond first order", "not listed". `show` writes an answer as text, LaTeX, MathML,
SVG or HTML; nothing is computed there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whygrad.answers.expression import Equation, Expression
from whygrad.answers.pictures import Picture
from whygrad.errors import InputError


@dataclass(frozen=True)
class Factor:
    """One local derivative of a product: its symbol, its number, and what it means in words.

    A factor that is itself a sum, unrolled, has its `terms`; they add up to its value.
    """

    symbol: Expression
    value: float
    meaning: str
    part: str = ""
    terms: tuple["Term", ...] = ()


@dataclass(frozen=True)
class Term:
    """One summand of the value; where it is a product, its factors.

    `part` is the place that it speaks of, or several with spaces between them: the edges of a path.
    """

    name: str
    value: float
    factors: tuple[Factor, ...] = ()
    part: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under headings; `parts` has a place for every row, or is empty."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Explanation:
    """The answer to one question about a network.

    Parameters
    ----------
    kind : the question's name, "weight", "paths", "blame", …
    question : what was asked, in words, with names.
    answer : the answer in one or two sentences.
    value : the number that is explained, or None where the answer is many numbers.
    terms : what adds up to the value.
    residuals : what the terms leave of the value, by name.
    equations : the answer as mathematics, first in symbols, then with the numbers in it.
    tables, pictures : the answer for people.
    numbers : the arrays behind it, by name; `explanation["delta"]` gives one.
    notes : sentences that say how the answer is to be read: exact, first order, accounting.
    part : the place that was asked about, such as "2:1,0".
    """

    kind: str
    question: str
    answer: str
    value: float | None = None
    terms: tuple[Term, ...] = ()
    residuals: Mapping[str, float] = field(default_factory=dict)
    equations: tuple[Equation, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    part: str = ""

    def __getitem__(self, name: str) -> Any:
        """Give an array of `numbers` by name."""
        return self.numbers[name]

    def __str__(self) -> str:
        from whygrad.answers.write.text import to_text

        return to_text(self)

    __repr__ = __str__  # so that a bare prompt shows the answer as well

    def to_dict(self, limit: int | None = 10_000) -> dict[str, Any]:
        """Give the answer as plain data for JSON, with None for what is not finite.

        An array of more than `limit` numbers is given by its shape and its 100 largest entries; with
        `limit=None` everything is listed.
        """
        from whygrad.answers.write.data import to_dict

        return to_dict(self, limit)

    def latex(self) -> str:
        """Give the equations as LaTeX (amsmath), to stand within `$$`; a table where there are none."""
        from whygrad.answers.write.latex import to_latex

        return to_latex(self)

    def mathml(self) -> str:
        """Give the equations as one MathML element; `data-part` names the place a term speaks of."""
        from whygrad.answers.write.mathml import to_mathml

        return to_mathml(self)

    def svg(self, index: int = 0) -> str:
        """Give a picture, the first unless `index` says which, as an SVG that stands alone.

        Raises `InputError` where there is no such picture.
        """
        from whygrad.answers.draw.svg import picture_svg

        if not 0 <= index < len(self.pictures):
            count = len(self.pictures)
            there = f"the pictures are 0 to {count - 1}" if count else "this answer has none"
            raise InputError(f"picture {index}: {there}")
        return picture_svg(self.pictures[index])

    def html(self) -> str:
        """Give the whole answer as one page that needs nothing else: no script, no file, no network."""
        from whygrad.answers.write.html import to_html

        return to_html(self)

    def _repr_html_(self) -> str:
        """Show the answer on pages that ask for HTML alone, such as those of Sphinx-Gallery."""
        from whygrad.answers.write.html import to_fragment

        return to_fragment(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show the answer in a notebook; what is shown is saved with it."""
        bundle = {"text/html": self._repr_html_(), "text/plain": str(self)}
        if self.equations:
            bundle["text/latex"] = f"$$\n{self.latex()}\n$$"
        return bundle
