"""An answer's equations as MathML Core, which browsers draw by themselves.

Whatever speaks of a part of the network carries it as `data-part="2:1,0"`, as the drawings do, so that a
page can light up both together.
"""

import math
import re
from collections.abc import Sequence
from html import escape

from whygrad.answers.expression import Equation, Expression, Number, Product, Sum, Symbol
from whygrad.answers.formatting import Share, cell, clean, columns, number, typeset
from whygrad.answers.parts import Answer, Table
from whygrad.answers.write.notation import (
    Notation,
    factor_of,
    is_mathematics,
    letter,
    term_of,
    write,
)
from whygrad.answers.write.outline import main_equations, main_table, numeric_columns
from whygrad.answers.write.text import expression_text

NAMESPACE = 'xmlns="http://www.w3.org/1998/Math/MathML"'
MOST_ROWS = 30  # of a table
INDENT = '<mspace width="1.4em"/>'
OPEN, CLOSE = '<mo form="infix">·</mo><mo stretchy="false">(</mo>', '<mo stretchy="false">)</mo>'
INDICES, QUOTIENT = re.compile(r"(?:\[[^\]]*\])+"), re.compile(r"∂(\S+)/∂(\S+)")
SMALL = 0.7  # how wide a character of an index is
EQUALS = '<mo form="infix">=</mo>'
# A row of an operator and words alone passes for the operator, and has its space around it.
WORDS, GAP = re.compile(r"(<mrow>)*<mtext>[^<]*</mtext>(</mrow>)*"), '<mspace width=".28em"/>'
LEFT, RIGHT = 'style="text-align:left"', 'style="text-align:right"'


def to_mathml(about: Answer, block: bool = True, most: int | None = None) -> str:
    """Write the equations of an answer as one element, signs of equality below each other.

    As a `block` it stands by itself in the middle of the page, else where it is put. A side that is written
    with more than `most` characters goes on in further rows.
    """
    rows = _equation_rows(main_equations(about), most)
    if not rows and (table := main_table(about)):
        rows = _table(table)
    if not rows:
        return f"<math {NAMESPACE}>{_words(about.answer or about.question)}</math>"
    return _element(rows, block)


def equations_mathml(
    equations: Sequence[Equation], block: bool = True, most: int | None = None
) -> str:
    """Write equations as one element, signs of equality below each other.

    A side that is written with more than `most` characters goes on in further rows.
    """
    return _element(_equation_rows(equations, most), block)


def _equation_rows(equations: Sequence[Equation], most: int | None = None) -> list[str]:
    """Write equations as rows of a table, one for each side but the first, more for long sums."""
    rows = []
    for equation in equations:
        first, others = write(equation.sides[0], MATHML), equation.sides[1:]
        if not others:
            rows.append(f'<mtr><mtd columnspan="2" {LEFT}>{first}</mtd></mtr>')
        for place, other in enumerate(others):
            left = f"<mtd {RIGHT}>{'' if place else first}</mtd>"
            begun, *more = _broken(other, most)
            begun = (GAP if WORDS.fullmatch(begun) else "") + begun
            rows.append(f"<mtr>{left}<mtd {LEFT}>{EQUALS}{begun}</mtd></mtr>")
            rows += [f"<mtr><mtd></mtd><mtd {LEFT}>{INDENT}{piece}</mtd></mtr>" for piece in more]
    return rows


def _broken(side: Expression, most: int | None) -> list[str]:
    """Write a side in pieces, broken before signs and, where need be, before factors."""
    if most is None or _length(side) <= most:
        return [write(side, MATHML)]
    pieces, used = [""], 0
    for written, length in _atoms(side, most):
        if used and used + length > most:
            pieces.append("")
            used = 0
        pieces[-1] += written
        used += length
    return [_row(piece) for piece in pieces]


def _length(about: Expression) -> int:
    """Estimate how wide an expression is in characters; indices are small and stand one above the other."""
    small = INDICES.sub(lambda found: "_" * _small(found[0]), expression_text(about))
    return columns(QUOTIENT.sub(lambda found: f"∂{max(found[1], found[2], key=len)}", small))


def _small(indices: str) -> int:
    return math.ceil(SMALL * max(map(len, indices[1:-1].split("]["))))


def _atoms(about: Expression, most: int) -> list[tuple[str, int]]:
    """Take an expression apart into what stays on a row, with the columns that it takes.

    Of a part that points at a place, and of one that fits on a row, nothing is taken apart but terms.
    """
    match about:
        case Sum(terms, part="") if terms:
            return [
                atom for i, term in enumerate(terms) for atom in _term_atoms(term, most, i == 0)
            ]
        case Product((*first, Sum(terms, part="") as last), part="") if first and terms:
            opened, *inner = _atoms(last, most)
            inner = [(OPEN + opened[0], opened[1] + 2), *inner]
            inner[-1] = inner[-1][0] + CLOSE, inner[-1][1] + 1
            return _factor_atoms(first) + inner
        case Product(factors, part="") if len(factors) > 1:
            return _factor_atoms(factors)
    return [(write(about, MATHML), _length(about))]


def _term_atoms(term: Expression, most: int, first: bool) -> list[tuple[str, int]]:
    sign, written = term_of(term, MATHML, first)
    length = _length(term)
    atoms = [(written, length)]
    if length > most and sign != "-" and not term.part:
        atoms = _atoms(term, most)
    begun = f'<mo form="infix">{typeset(sign)}</mo>' if sign else ""
    return [(begun + atoms[0][0], atoms[0][1] + 3), *atoms[1:]]


def _factor_atoms(factors: Sequence[Expression]) -> list[tuple[str, int]]:
    if isinstance(factors[0], Number) and factors[0].value == -1:  # written as a minus
        whole = Product(tuple(factors))
        return [(write(whole, MATHML), _length(whole))]
    last = len(factors) - 1
    return [
        (
            ('<mo form="infix">·</mo>' if i else "") + factor_of(factor, MATHML, i == 0, i == last),
            _length(factor) + 3,
        )
        for i, factor in enumerate(factors)
    ]


def _element(rows: Sequence[str], block: bool) -> str:
    display = "block" if block else "inline"
    inner = f'<mtable displaystyle="true">{"".join(rows)}</mtable>'
    return f'<math {NAMESPACE} display="{display}">{inner}</math>'


def expression_mathml(about: Expression) -> str:
    """Write an expression as an element for within a line of text."""
    return f"<math {NAMESPACE}>{write(about, MATHML)}</math>"


def _table(table: Table) -> list[str]:
    right = numeric_columns(table)
    heads = "".join(f"<mtd {LEFT}>{_words(name)}</mtd>" for name in table.columns)
    rows = [f"<mtr>{heads}</mtr>"]
    for row in table.rows[:MOST_ROWS]:
        cells = [
            f"<mtd {RIGHT}>{_number(float(value))}</mtd>"
            if i in right and value is not None and not isinstance(value, Share)
            else f"<mtd {LEFT}>{_words(cell(value))}</mtd>"
            for i, value in enumerate(row)
        ]
        rows.append(f"<mtr>{''.join(cells)}</mtr>")
    return rows


def _row(*pieces: str) -> str:
    return f"<mrow>{''.join(pieces)}</mrow>"


def _number(value: float) -> str:
    digits, _, power = number(value).partition("e")
    if not math.isfinite(value):
        digits = "∞" if math.isinf(value) else "nan"
        power = ""
    sign = "<mo>−</mo>" if value < 0 else ""
    written = f"<mn>{digits.removeprefix('-')}</mn>"
    if power:
        exponent = typeset(str(int(power)))
        written += f"<mo>×</mo><msup><mn>10</mn><mn>{exponent}</mn></msup>"
    return _row(sign, written) if sign or power else written


def _words(text: str) -> str:
    return f"<mtext>{escape(clean(text))}</mtext>"


def _symbol(about: Symbol) -> str:
    parts = letter(about)
    name = "".join(f"<mi>{escape(one)}</mi>" for one in _letters(clean(parts.name)))
    name = _row(name) if name.count("<mi>") > 1 else name
    if about.prime:
        name = f"<msup>{name}<mo>′</mo></msup>"
        if parts.above or parts.below:
            name = _row(name)
    below, above = _indices(parts.below), _indices(parts.above)
    if below and above:
        return f"<msubsup>{name}{below}{above}</msubsup>"
    if below or above:
        tag = "msub" if below else "msup"
        return f"<{tag}>{name}{below or above}</{tag}>"
    return name


def _letters(name: str) -> tuple[str, ...]:
    """Take the Δ off a letter, which then stands by itself."""
    return ("Δ", name[1:]) if name.startswith("Δ") and len(name) == 2 else (name,)


def _indices(indices: Sequence[str]) -> str:
    if not indices:
        return ""
    pieces = [_index(clean(one)) for one in indices]
    return pieces[0] if len(pieces) == 1 else _row("<mo>,</mo>".join(pieces))


def _index(text: str) -> str:
    if text.isdigit():
        return f"<mn>{text}</mn>"
    if len(text) > 1 and is_mathematics(text):
        sign = typeset(text[1]) if text[1] in "+-−" else ""
        rest = text[2:] if sign else text[1:]
        return _row(f"<mi>{text[0]}</mi>", f"<mo>{sign}</mo>" if sign else "", f"<mn>{rest}</mn>")
    return f"<mi>{escape(text)}</mi>" if len(text) == 1 else _words(text)


def _plus(terms: Sequence[tuple[str, str]]) -> str:
    return _row(*(f"<mo>{typeset(sign)}</mo>{term}" if sign else term for sign, term in terms))


def _at(inner: str, part: str) -> str:
    return f'<mrow data-part="{escape(clean(part))}">{inner}</mrow>'


def _bracket(inner: str) -> str:
    return _row("<mo>(</mo>", inner, "<mo>)</mo>")


MATHML = Notation(
    symbol=_symbol,
    number=_number,
    words=_words,
    product=lambda factors: _row("<mo>·</mo>".join(factors)),
    sum=_plus,
    sum_over=lambda index, body: _row(f"<munder><mo>∑</mo>{_index(clean(index))}</munder>", body),
    minus=lambda inner: _row("<mo>−</mo>", inner),
    fraction=lambda top, bottom: f"<mfrac>{_row(top)}{_row(bottom)}</mfrac>",
    power=lambda base, exponent: f"<msup>{_row(base)}{_row(exponent)}</msup>",
    derivative=lambda of, by: f"<mfrac>{_row('<mo>∂</mo>', of)}{_row('<mo>∂</mo>', by)}</mfrac>",
    call=lambda function, argument: _row(function, _bracket(argument)),
    bracket=_bracket,
    beside=lambda number, words: _row(number, "<mspace width='.3em'/>", words),
    at=_at,
)
