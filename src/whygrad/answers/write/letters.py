"""The letters of the book taken apart: λ₁ is λ with 1 below, l+1 is mathematics, "petal width" is words."""

import re
from dataclasses import dataclass

from whygrad.answers.expression import Symbol

BELOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
# An index is mathematics where it is a letter, a number, or a letter and a number: k, 12, l+1.
MATHEMATICS = re.compile(r"[^\W\d_]?(?:[+\-−]?\d+)?")


@dataclass(frozen=True)
class Letter:
    """A symbol with everything that stands above and below it, in order."""

    name: str
    above: tuple[str, ...]
    below: tuple[str, ...]


def letter(symbol: Symbol) -> Letter:
    """Take a symbol apart.

    >>> letter(Symbol("λ₁", layer=2, index=(0,)))
    Letter(name='λ', above=('2',), below=('1', '0'))
    """
    name = symbol.name.rstrip("₀₁₂₃₄₅₆₇₈₉")
    small = symbol.name[len(name) :].translate(BELOW)
    above = () if symbol.layer is None else (str(symbol.layer),)
    return Letter(name, above, (*((small,) if small else ()), *map(str, symbol.index)))


def is_mathematics(index: str) -> bool:
    """Whether an index is a letter or a number rather than words."""
    return MATHEMATICS.fullmatch(index) is not None
