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

    Parameters
    ----------
    symbol : Expression
        The derivative as mathematics, such as f′(z[1][3]).
    value : float
        Its number.
    meaning : str
        What it means, in words.
    part : str
        The unit, weight or bias that it speaks of, as `Ref.part` writes it.
    terms : tuple of Term
        Of a factor that is itself a sum, unrolled: they add up to its value.

    Examples
    --------
    >>> from whygrad.answers.expression import Symbol
    >>> Factor(Symbol("a", 0, (2,)), 0.5, "petal width").value
    0.5
    """

    symbol: Expression
    value: float
    meaning: str
    part: str = ""
    terms: tuple["Term", ...] = ()


@dataclass(frozen=True)
class Term:
    """One summand of the value; where it is a product, its factors.

    Parameters
    ----------
    name : str
        What it is called, such as the path that it belongs to.
    value : float
        Its number.
    factors : tuple of Factor
        What multiplies to it, or ().
    part : str
        What it speaks of, as `Ref.part` writes it, or several with spaces between: the edges of a path.

    Examples
    --------
    >>> Term("petal width", 0.25)
    Term(name='petal width', value=0.25, factors=(), part='')
    """

    name: str
    value: float
    factors: tuple[Factor, ...] = ()
    part: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under headings.

    Parameters
    ----------
    title : str
        A line above it, or "".
    columns : tuple of str
        The headings.
    rows : tuple of tuples
        For each heading a text, a number, or None.
    parts : tuple of str
        For each row what it speaks of, as `Ref.part` writes it, or () for none.

    Examples
    --------
    >>> Table("Largest", ("example", "pushes"), ((17, 0.25), (3, -1.0))).columns
    ('example', 'pushes')
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one question about a network.

    Parameters
    ----------
    kind : str
        The question's name, "weight", "paths", "blame", …
    question : str
        What was asked, in words, with names.
    answer : str
        The answer in one or two sentences.
    value : float or None
        The number that is explained, or None where the answer is many numbers.
    terms : tuple of Term
        What adds up to the value.
    residuals : dict of str to float
        What the terms leave of the value, by name.
    equations : tuple of Equation
        The answer as mathematics, first in symbols, then with the numbers in it.
    tables, pictures : tuple of Table, tuple of Picture
        The answer for people.
    arrays : dict of str to array
        The arrays behind it, by name; `explanation["delta"]` gives one.
    notes : tuple of str
        Sentences that say how the answer is to be read: exact, first order, accounting.
    part : str
        The unit, weight or bias that was asked about, as `Ref.part` writes it: "2:1,0".
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
