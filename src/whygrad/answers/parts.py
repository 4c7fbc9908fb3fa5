"""The parts of an answer: what was asked, the value, the terms that add up to it, and what they leave.

    value = Σ terms + Σ residuals

Value and terms are computed independently of each other, so that their agreement is evidence. Writers and
drawings know these parts alone; `Explanation` is the same data with the doors to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whygrad.answers.expression import Equation, Expression
from whygrad.answers.pictures import Picture


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
class Answer:
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
    arrays : the arrays behind it, by name; `explanation["delta"]` gives one.
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
    arrays: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    part: str = ""

    def __getitem__(self, name: str) -> Any:
        """Return an array of `arrays` by name."""
        return self.arrays[name]
