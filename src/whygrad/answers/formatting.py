"""How numbers and names are written, the same in every form of an answer.

Numbers have some four digits; short ones, for within a circle, two. A name is one line of printable
characters, and takes as many columns of a terminal as `columns` says.
"""

import math
import re
import unicodedata
from typing import Any

import numpy as np

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
COUNTED = re.compile(r"\b(row|column|input|epoch|step|batch)e?s\b")
JOINERS = "\u200c\u200d"  # which several scripts and emoji are spelled with


class Ordinal(float):
    """A number that counts nothing, such as a year: its thousands are not set apart.

    >>> cell(Ordinal(1990)), cell(1990.0)
    ('1990', '1,990')
    """


class Share(float):
    """A part of a whole, which texts give in per cent.

    >>> cell(Share(0.125)), cell(Share(1.0))
    ('12.5%', '100%')
    """


def number(value: float, sign: bool = False) -> str:
    """Write a number with some four digits, thousands set apart.

    >>> number(51079.96), number(0.0123456), number(3, sign=True)
    ('51,080', '0.01235', '+3')
    """
    plus = "+" if sign else ""
    if not math.isfinite(value) or not 1e-4 <= abs(value) < 1e12:
        return "0" if value == 0 else f"{value:{plus}.4g}"
    return f"{value:{plus},.0f}" if abs(value) >= 1000 else f"{value:{plus}.4g}"


def with_error(value: float, error: float, sign: bool = False) -> str:
    """Write a number with its ±, which has two digits; the number ends where these do.

    >>> with_error(0.0031415, 0.00042, sign=True), with_error(-12.345, 3.21), with_error(2.0, 0.0)
    ('+0.00314 ± 0.00042', '-12.3 ± 3.2', '2 ± 0')
    """
    if not 1e-8 < error < 10:
        return f"{number(value, sign)} ± {number(error)}"
    digits = 1 - math.floor(math.log10(error))
    return f"{value:{'+' if sign else ''},.{digits}f} ± {error:.{digits}f}"


def share(value: float) -> str:
    """Write a share in per cent, to a tenth; never all where it is not all, nor none where it is some.

    >>> share(0.5), share(0.7012), share(0.99999), share(1.0), share(1e-5), share(0.0)
    ('50%', '70.1%', 'more than 99.9%', '100%', 'less than 0.1%', '0%')
    """
    if 0.9995 <= value < 1:
        return "more than 99.9%"
    return "less than 0.1%" if 0 < value < 0.0005 else f"{value:.1%}".replace(".0%", "%")


def counted(n: int, what: str = "rows") -> str:
    """Write how many rows, columns, inputs, epochs, steps or batches there are, of one as of one.

    >>> counted(2400), counted(1), counted(1, "test rows"), counted(0, "training rows")
    ('2,400 rows', '1 row', '1 test row', '0 training rows')
    >>> counted(1, "batches"), counted(2, "epochs")
    ('1 batch', '2 epochs')
    """
    return f"{n:,} " + (COUNTED.sub(r"\1", what, count=1) if n == 1 else what)


def as_name(text: str) -> str:
    """Return a name as sentences and tables have it: in quotes where it could be read as a number.

    >>> as_name("setosa"), as_name("9"), as_name("-1.5e3"), as_name("1,000"), as_name("9 to 5")
    ('setosa', '"9"', '"-1.5e3"', '"1,000"', '9 to 5')
    """
    try:
        float(text.replace(",", ""))
    except ValueError:
        return text
    return f'"{text}"'


def short(value: float) -> str:
    """Write a number with two digits, in at most six characters.

    >>> short(-0.1234), short(0.0001234), short(1234567), short(-0.0)
    ('-0.12', '1e-4', '1e6', '0')
    """
    if not math.isfinite(value):
        return f"{value}"
    if value == 0 or 0.01 <= abs(round(value, 3)) < 999.5:
        digits = 0 if abs(value) >= 99.5 else 1 if abs(value) >= 9.95 else 2
        return _trimmed(f"{value:.{digits}f}")
    mantissa, _, power = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _trimmed(digits: str) -> str:
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


NEGATIVE = re.compile(r"(?<![^\s(])-(?=[\d.])")
SCIENTIFIC = re.compile(r"(?<![\w.,])([+\N{MINUS SIGN}]?\d(?:\.\d+)?)e([+-]?\d+)(?!\w)")


def typeset_within(text: str) -> str:
    """Write the numbers of a sentence as books do.

    >>> typeset_within("from -0.25 (-2e-05) to row-3, of 1990-05-01")
    'from −0.25 (−2×10⁻⁵) to row-3, of 1990-05-01'
    """
    text = NEGATIVE.sub("\N{MINUS SIGN}", text)
    return SCIENTIFIC.sub(
        lambda found: f"{found[1]}×10{str(int(found[2])).translate(RAISED)}", text
    )


def typeset(text: str) -> str:
    """Write a number as books do, with a minus as wide as a plus and powers of ten raised.

    >>> typeset("-0.25"), typeset("1.5e-05")
    ('−0.25', '1.5×10⁻⁵')
    """
    digits, _, power = text.replace("-", "\N{MINUS SIGN}").partition("e")
    if not power or not digits[-1:].isdigit():
        return text.replace("-", "\N{MINUS SIGN}")
    return f"{digits}×10{str(int(power.replace('−', '-'))).translate(RAISED)}"


def cell(value: Any) -> str:
    """Write a cell of a table: a number, a name, or a dash where there is nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, Ordinal):
        return f"{value:.6g}"
    if isinstance(value, Share):
        return share(value)
    if isinstance(value, float | np.floating):
        return number(float(value))
    return clean(value)


def is_number(value: Any) -> bool:
    """Whether a cell holds a number, which stands on the right of its column."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def clean(text: Any) -> str:
    r"""Return a text as one line, with "?" for what cannot be printed or would turn the line around.

    >>> clean("a\nb\u202ec")
    'a b?c'
    """
    line = " ".join(str(text).split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c in JOINERS else "?" for c in line)


def columns(text: str) -> int:
    r"""Return the number of columns that a text takes in a terminal.

    >>> columns("weight"), columns("重み"), columns("e\u0301")
    (6, 4, 1)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.category(c) in ("Mn", "Me", "Cf") for c in text)


def cut(text: str, most: int) -> str:
    """Return a text in at most so many columns, with an ellipsis where it was longer.

    >>> cut("petal width", 8), cut("petal", 8)
    ('petal w…', 'petal')
    """
    if columns(text) <= most:
        return text
    while text and columns(text) > most - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"
