"""What stands for an answer where there is room for one thing only: its equations, or its first table.

An answer without equations of its own, but with a value, still has one: the value and its terms.
"""

from whygrad.answers.expression import Equation, Number, Sum, Words
from whygrad.answers.formatting import is_number
from whygrad.answers.parts import Answer, Table

MOST_TERMS = 12  # that are written out as a sum
NOISE = ("rounding", "integration")  # residuals that say nothing where they are small
INVISIBLE = 1e-6  # of the largest term: what is less cannot be seen in numbers of four digits


def main_equations(about: Answer) -> tuple[Equation, ...]:
    """Return the equations of an answer, or that of its value and its terms."""
    if about.equations or about.value is None:
        return about.equations
    value, terms = Number(about.value, about.part), about.terms
    left = Words("value")
    if not terms or len(terms) > MOST_TERMS:
        return (Equation((left, value)),)
    named = tuple(Words(term.name, term.part) for term in terms)
    numbers = tuple(Number(term.value, term.part) for term in terms)
    rest = tuple((Words(name), Number(left)) for name, left in residuals_shown(about).items())
    names = Sum((*named, *(name for name, _ in rest)))
    return (Equation((left, names, Sum((*numbers, *(number for _, number in rest))), value)),)


def residuals_shown(about: Answer) -> dict[str, float]:
    """Return the residuals that are more than noise: rounding that no digit of the terms shows is none.

    >>> from whygrad.answers.parts import Term
    >>> terms = (Term("age", 2.0),)
    >>> residuals_shown(Answer("", "", "", 2.5, terms, {"rounding": 4e-16, "beyond first order": 0.5}))
    {'beyond first order': 0.5}
    """
    size = max((abs(term.value) for term in about.terms), default=0.0)
    return {
        name: left
        for name, left in about.residuals.items()
        if name not in NOISE or not abs(left) <= INVISIBLE * size
    }


def main_table(about: Answer) -> Table | None:
    """Return the first table with rows."""
    return next((table for table in about.tables if table.rows), None)


def numeric_columns(table: Table) -> tuple[int, ...]:
    """Return the columns that hold numbers, which stand on the right; an empty cell is neither."""
    columns = range(len(table.columns))
    cells = [[row[i] for row in table.rows if row[i] is not None] for i in columns]
    return tuple(i for i in columns if cells[i] and all(map(is_number, cells[i])))
