"""Mathematics as data: one tree, which `write` writes as text, LaTeX or MathML.

    ∂C/∂W[2][1,1] = a[1][1] · f′(z[2][1]) · ∂C/∂a[2][1] = 0.5 · 0.25 · 0.7 = 0.0875

A tree holds what is said, not how it looks. Every node may carry `part`, the unit, weight or bias
that it speaks of (`Ref.part`), so that a page can point at both together.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Symbol:
    """A letter of the book with its layer above and its units below, such as Wˡⱼₖ.

    Parameters
    ----------
    name : str
        The letter, "W", "b", "a", "z", "δ", "C", "y", "x", "f", …
    layer : int, str or None
        What stands above, or None. Written W[2] in text, a superscript elsewhere.
    index : tuple of int or str
        What stands below, the units: (1, 0) is written W[2][1,0] in text.
    prime : bool
        Whether it is a derivative, f′.
    part : str
        What it speaks of (`Ref.part`), for pointing at.
    """

    name: str
    layer: int | str | None = None
    index: tuple[int | str, ...] = ()
    prime: bool = False
    part: str = ""


@dataclass(frozen=True)
class Number:
    """A number of the user's own network, and what it sums up where it stands for many: "6 others"."""

    value: float
    part: str = ""
    of: str = ""


@dataclass(frozen=True)
class Words:
    """Words within an equation: the name of a unit, "rounding"."""

    text: str
    part: str = ""


@dataclass(frozen=True)
class Product:
    """Factors, multiplied; a −1 before what is more than numbers is written as a minus."""

    factors: tuple["Expression", ...]
    part: str = ""


@dataclass(frozen=True)
class Sum:
    """Terms, added; a negative number among them is written as a subtraction."""

    terms: tuple["Expression", ...]
    part: str = ""


@dataclass(frozen=True)
class SumOver:
    """Σ over an index of one body."""

    index: str
    body: "Expression"
    part: str = ""


@dataclass(frozen=True)
class Fraction:
    """A quotient, `top` / `bottom`."""

    top: "Expression"
    bottom: "Expression"
    part: str = ""


@dataclass(frozen=True)
class Power:
    """A base to a power, (a − y)²."""

    base: "Expression"
    exponent: "Expression"
    part: str = ""


@dataclass(frozen=True)
class Derivative:
    """∂ `of` / ∂ `by`."""

    of: "Expression"
    by: "Expression"
    part: str = ""


@dataclass(frozen=True)
class Call:
    """A function of an argument, f′(z)."""

    function: "Expression"
    argument: "Expression"
    part: str = ""


@dataclass(frozen=True)
class Equation:
    """Sides that are equal: the first, then one line for each further one."""

    sides: tuple["Expression", ...]
    part: str = ""


Expression: TypeAlias = (
    Symbol
    | Number
    | Words
    | Product
    | Sum
    | SumOver
    | Fraction
    | Power
    | Derivative
    | Call
    | Equation
)


def counted_from(first: int, about: Any) -> Any:
    """Return equations, or terms with their factors, whose units are counted from `first` instead of 0.

    What they point at stays the same.

    >>> counted_from(1, (Symbol("W", 2, (0, "k"), part="2:0"),))
    (Symbol(name='W', layer=2, index=(1, 'k'), prime=False, part='2:0'),)
    """
    if isinstance(about, Symbol):
        index = tuple(one + first if isinstance(one, int) else one for one in about.index)
        return replace(about, index=index)
    if isinstance(about, tuple):
        return tuple(counted_from(first, one) for one in about)
    if not is_dataclass(about) or isinstance(about, type):
        return about
    within = {one.name: counted_from(first, getattr(about, one.name)) for one in fields(about)}
    return replace(about, **within)
