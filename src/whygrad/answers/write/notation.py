"""One walk over the tree of an equation; a `Notation` says how its pieces are written.

Brackets and signs are decided here, once, so that text, LaTeX and MathML say the same thing:

    a · (b + c)      a · (−0.5)      a − 0.5 rather than a + (−0.5)      −a rather than −1 · a
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Expression,
    Fraction,
    Number,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)


@dataclass(frozen=True)
class Notation:
    """How the pieces of an equation are written; every function takes what is already written.

    Parameters
    ----------
    symbol, number, words : write a leaf.
    product : factors, without a sign.
    sum : signs ("", "+" or "-") and terms.
    sum_over : an index and a body.
    minus : what a minus stands before.
    fraction, power, derivative, call : two parts.
    bracket : something in round brackets.
    beside : a number, and words that say what it is.
    at : something that points at a part of the network.
    flat : a fraction is written on one line, so that what is above and below needs brackets.
    """

    symbol: Callable[[Symbol], str]
    number: Callable[[float], str]
    words: Callable[[str], str]
    product: Callable[[Sequence[str]], str]
    sum: Callable[[Sequence[tuple[str, str]]], str]
    sum_over: Callable[[str, str], str]
    minus: Callable[[str], str]
    fraction: Callable[[str, str], str]
    power: Callable[[str, str], str]
    derivative: Callable[[str, str], str]
    call: Callable[[str, str], str]
    bracket: Callable[[str], str]
    beside: Callable[[str, str], str]
    at: Callable[[str, str], str]
    flat: bool = False


def write(about: Expression, notation: Notation) -> str:
    """Write an expression; an equation is written on one line."""
    written = _written(about, notation)
    return notation.at(written, about.part) if about.part else written


def sides(about: Equation, notation: Notation) -> list[str]:
    """Write the sides of an equation, each by itself."""
    return [write(side, notation) for side in about.sides]


def _written(about: Expression, how: Notation) -> str:
    match about:
        case Symbol():
            return how.symbol(about)
        case Number(value):
            number = how.number(float(value))
            return how.beside(number, how.words(f"from {about.of}")) if about.of else number
        case Words(text):
            return how.words(text)
        case Product((Number(-1.0, ""), *others)) if not all(isinstance(o, Number) for o in others):
            rest = others[0] if len(others) == 1 else Product(tuple(others))
            return how.minus(_below_minus(rest, how))
        case Product(factors):
            last = len(factors) - 1
            return how.product(
                [factor_of(f, how, i == 0, i == last) for i, f in enumerate(factors)]
            )
        case Sum(terms):
            return how.sum([term_of(term, how, i == 0) for i, term in enumerate(terms)])
        case SumOver(index, body):
            return how.sum_over(index, _held(body, how, (Sum, Equation)))
        case Fraction(top, bottom):
            below = (Sum, SumOver, Product, Fraction, Equation, Derivative)
            return how.fraction(
                _held(top, how, (Sum, SumOver, Equation) if how.flat else ()),
                _held(bottom, how, below if how.flat else ()),
            )
        case Power(base, exponent):
            loose = (Sum, SumOver, Product, Fraction, Equation, Derivative, Call, Power)
            held = _negative(base) is not None or isinstance(base, loose)
            inner = write(base, how)
            return how.power(how.bracket(inner) if held else inner, write(exponent, how))
        case Derivative(of, by):
            deep = (Sum, SumOver, Product, Fraction, Equation, Derivative)
            return how.derivative(_held(of, how, deep), _held(by, how, deep))
        case Call(function, argument):
            return how.call(write(function, how), write(argument, how))
        case Equation(parts):
            return how.sum([("=" if i else "", write(side, how)) for i, side in enumerate(parts)])


def _held(about: Expression, how: Notation, loose: tuple[type, ...]) -> str:
    """Write a part; of a kind that would fall apart there, in brackets."""
    return how.bracket(write(about, how)) if isinstance(about, loose) else write(about, how)


def factor_of(about: Expression, how: Notation, first: bool, last: bool) -> str:
    """Write a factor of a product, in brackets where it would fall apart."""
    loose: tuple[type, ...] = (Sum, Equation) if last else (Sum, Equation, SumOver)
    if not first and _negative(about) is not None:
        return how.bracket(write(about, how))
    return _held(about, how, loose)


def term_of(about: Expression, how: Notation, first: bool) -> tuple[str, str]:
    """Write a term of a sum, its sign apart: none, "+" or "-"."""
    positive = None if first else _negative(about)
    if positive is not None:
        return "-", _below_minus(positive, how)
    return "" if first else "+", _held(about, how, (Equation,))


def _below_minus(about: Expression, how: Notation) -> str:
    """Write what a minus stands before."""
    if _negative(about) is not None:
        return how.bracket(write(about, how))
    return _held(about, how, (Sum, Equation))


def _negative(about: Expression) -> Expression | None:
    """Return an expression without the sign that it begins with, or None if it has none."""
    match about:
        case Number(value) if value < 0:
            return replace(about, value=-value)
        case Product((Number(-1.0), only), ""):
            return only
        case Product((Number(-1.0), *others), part) if others:
            return Product(tuple(others), part)
        case Product((first, *others), part) if (positive := _negative(first)) is not None:
            return Product((positive, *others), part)
    return None


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
