"""An answer as lines of plain text, for a terminal of any width; `terminal` gives them colours.

∂C/∂W[2][1,1] = a[1][1] · f′(z[2][1]) · ∂C/∂a[2][1]
              = 0.5 · 0.25 · 0.7
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from whygrad.answers.expression import Equation, Expression, Symbol
from whygrad.answers.formatting import RAISED, cell, clean, columns, cut, number
from whygrad.answers.parts import Answer, Term
from whygrad.answers.pictures import BarPicture
from whygrad.answers.write.notation import Notation, sides, write
from whygrad.answers.write.outline import numeric_columns, residuals_shown

NARROWEST, WIDEST = 40, 110
MOST_TERMS = 24  # that get a line each
MOST_ROWS = 30  # of a table
OPERATORS = re.compile(r" ([·+−=]) ")  # which a broken line begins with
SIGNS = re.compile(" [+−] ")
BAR = 24  # columns of the longest bar
GAP = "   "  # between the columns of a table
HANG = "  "  # before the further lines of a cell
SHORTEST = 12  # columns that a text is not made narrower than

Style = Literal["", "question", "answer", "equation", "heading", "note"]


@dataclass(frozen=True)
class Line:
    """One line, and what it is."""

    text: str
    style: Style = ""


def to_text(about: Answer, width: int | None = None) -> str:
    """Write an answer as plain text, as wide as the terminal or as `width` says."""
    return "\n".join(line.text.rstrip() for line in text_lines(about, width))


def text_lines(about: Answer, width: int | None = None) -> Iterator[Line]:
    """Return the lines of an answer."""
    wide = shutil.get_terminal_size((88, 24)).columns if width is None else width
    wide = max(NARROWEST, min(WIDEST, wide))
    yield from (Line(text, "question") for text in _wrapped(clean(about.question), wide))
    if about.answer:
        for said in about.answer.splitlines():
            yield from (Line(text, "answer") for text in _wrapped(clean(said), wide))
    for equation in about.equations:
        yield Line("")
        yield from (Line(text, "equation") for text in _equation_lines(equation, wide))
    for lines in (_terms(about, wide), *_tables(about, wide), *_bars(about, wide)):
        if lines:
            yield Line("")
            yield from lines
    if about.notes:
        yield Line("")
        for note in about.notes:
            yield from (Line(text, "note") for text in _wrapped(clean(note), wide, later="  "))


def expression_text(about: Expression) -> str:
    """Write an expression on one line.

    >>> from whygrad.answers.expression import Derivative, Number, Product
    >>> expression_text(Derivative(Symbol("C"), Symbol("W", 2, (1, 0))))
    '∂C/∂W[2][1,0]'
    >>> expression_text(Product((Number(0.5), Number(-0.25), Symbol("f", prime=True))))
    '0.5 · (-0.25) · f′'
    """
    return write(about, TEXT)


def _equation_lines(about: Equation, width: int) -> list[str]:
    """Write an equation, a line for each side but the first, signs of equality below each other."""
    first, *others = (_breakable(side, width) for side in sides(about, TEXT))
    return [line.replace("\u00a0", " ") for line in _broken(first, others, width)]


def _breakable(side: str, width: int) -> str:
    """Leave blanks only where a line may be broken: before signs, before dots where there are no signs."""
    pieces = SIGNS.split(side)
    if len(pieces) > 1 and max(map(columns, pieces)) < width // 2:
        side = side.replace(" · ", "\u00a0·\u00a0")
    return OPERATORS.sub(" \\1\u00a0", side)


def _broken(first: str, others: Sequence[str], width: int) -> list[str]:
    if not others:
        return _wrapped(f"  {first}", width, later="      ")
    gap = "  " + " " * columns(first)
    if len(gap) > width // 2:  # too long a left side to begin every line as far in
        lines, gap = _wrapped(f"  {first}", width, later="      "), "    "
    else:
        lines = []
    for other in others:
        start = gap if lines else f"  {first}"
        lines += _wrapped(f"{start} = {other}", width, later=f"{gap}     ")
    return lines


def _wrapped(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """Break a text between words into lines of at most `width` columns; a longer word stays whole."""
    lines, line, empty = [], first, True
    for word in text.split(" "):
        if not empty and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line, empty = later, True
        line += word if empty else f" {word}"
        empty = False
    return [*lines, line]


# ── terms and tables ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Grid:
    """Headings and rows of text; `right` are the columns of numbers, `wrap` the first to be narrowed.

    Where the rows are too wide, the widest columns of text are broken between words into lines, so that
    names stay whole: two paths that begin alike can be told apart. A word that is too long by itself is
    cut, and columns that still do not fit are left out and counted.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    wrap: int = -1


def _terms(about: Answer, width: int) -> list[Line]:
    """Return the sum that makes the value: one product with what its factors mean, or a line per term."""
    if len(about.terms) == 1 and about.terms[0].factors:
        rows = [
            (expression_text(one.symbol), number(one.value), clean(one.meaning))
            for one in about.terms[0].factors
        ]
        grid = _Grid(("factor", "value", "what it is"), tuple(rows), right=(1,), wrap=2)
        return [*_grid(grid, width), Line(""), *_sum(about, width)]
    return _sum(about, width)


def _sum(about: Answer, width: int) -> list[Line]:
    if about.value is None:
        return []
    left = residuals_shown(about)
    terms = about.terms if len(about.terms) > 1 or left else ()
    rows = [(clean(term.name), _product(term), number(term.value)) for term in terms[:MOST_TERMS]]
    if len(terms) > MOST_TERMS:
        rows.append((f"… and {len(terms) - MOST_TERMS:,} more", "", "…"))
    rows += [(clean(name), "", number(value)) for name, value in left.items()]
    if not rows:
        return [Line(f"value {number(about.value)}", "heading")]
    rows.append(("value", "", number(about.value)))
    keep = (0, 1, 2) if len(about.terms) > 1 and any(row[1] for row in rows) else (0, 2)
    heads = tuple(("adds up to the value", "factors", "")[i] for i in keep)
    grid = _Grid(heads, tuple(tuple(row[i] for i in keep) for row in rows), (len(keep) - 1,))
    lines = _grid(grid, width)
    return [*lines[:-1], Line(lines[-1].text, "heading")]


def _product(term: Term) -> str:
    """Write the factors of a term as numbers, where there are so few that they can be read."""
    return " · ".join(number(one.value) for one in term.factors) if len(term.factors) < 7 else ""


def _tables(about: Answer, width: int) -> Iterator[list[Line]]:
    for table in about.tables:
        rows = [tuple(map(cell, row)) for row in table.rows[:MOST_ROWS]]
        heads = tuple(map(clean, table.columns))
        lines = _grid(_Grid(heads, tuple(rows), numeric_columns(table)), width)
        titles = [Line(text, "heading") for text in _wrapped(clean(table.title), width)]
        if len(table.rows) > MOST_ROWS:
            lines.append(Line(f"… and {len(table.rows) - MOST_ROWS:,} more rows", "note"))
        if not table.rows:
            lines.append(Line("  none"))
        yield [*(titles if table.title else ()), *lines]


def _grid(grid: _Grid, width: int) -> list[Line]:
    """Lay out the headings and the rows, two columns in from the left.

    >>> for line in _grid(_Grid(("name", "value"), (("a", "1.5"), ("b", "-2"))), 40): print(line.text)
      name   value
      a      1.5
      b      -2
    """
    widths = [max(map(columns, texts)) for texts in zip(grid.heads, *grid.rows, strict=True)]
    kept = _fit(grid, widths, width - 2)
    head, *rows = (
        line for row in (grid.heads, *grid.rows) for line in _row(grid, row, widths[:kept])
    )
    if kept < len(widths):
        names = ", ".join(grid.heads[kept:])
        left = len(widths) - kept
        more = "1 more column" if left == 1 else f"{left} more columns"
        rows.append(cut(f"  … and {more}: {names}", width))
    return [*((Line(head, "note"),) if head.strip() else ()), *map(Line, rows)]


def _fit(grid: _Grid, widths: list[int], room: int) -> int:
    """Narrow the widths to the room there is, and return the number of columns that fit.

    >>> _fit(_Grid(("kind", "evidence"), (("learning_rate", "it never fell"),)), widths := [13, 13], 28)
    2
    >>> widths  # of which the first has one word
    [13, 12]
    """

    def total(count: int) -> int:
        return sum(widths[:count]) + len(GAP) * (count - 1)

    texts = [i for i in range(len(widths)) if i not in grid.right]
    words = [
        max(map(columns, " ".join(cells).split()), default=0)
        for cells in zip(grid.heads, *grid.rows, strict=True)
    ]
    while texts and total(len(widths)) > room:
        if grid.wrap >= 0 and widths[grid.wrap] > 2 * SHORTEST:
            widest = grid.wrap
        else:  # words are cut where nothing else helps
            whole = [i for i in texts if widths[i] > max(words[i], SHORTEST)]
            widest = max(whole or texts, key=lambda i: widths[i])
        if widths[widest] <= SHORTEST:
            break
        widths[widest] -= 1
    count = len(widths)
    while count > 1 and total(count) > room:
        count -= 1
    return count


def _row(grid: _Grid, row: tuple[str, ...], widths: list[int]) -> list[str]:
    cells = [
        [cut(line, width) for line in _wrapped(text, width, later=HANG)]
        for text, width in zip(row, widths, strict=False)
    ]
    lines = []
    for texts in zip_longest(*cells, fillvalue=""):
        gaps = [" " * (width - columns(text)) for text, width in zip(texts, widths, strict=True)]
        pieces = (
            gap + text if i in grid.right else text + gap
            for i, (text, gap) in enumerate(zip(texts, gaps, strict=True))
        )
        lines.append(f"  {GAP.join(pieces)}".rstrip())
    return lines


def _bars(about: Answer, width: int) -> Iterator[list[Line]]:
    """Return the bars of a picture, where no table says the same."""
    for picture in about.pictures:
        if isinstance(picture, BarPicture) and not about.tables:
            values = [float(value) for value in picture.values[:MOST_ROWS]]
            most = max((abs(v) for v in values if abs(v) < float("inf")), default=0.0) or 1.0
            rows = [
                (clean(name), number(value), _bar(value / most))
                for name, value in zip(picture.names, values, strict=False)
            ]
            grid = _Grid(("", clean(picture.label), ""), tuple(rows), right=(1,))
            yield [Line(clean(picture.title), "heading"), *_grid(grid, width)]


def _bar(share: float) -> str:
    if not abs(share) <= 1:
        return ""
    eighths = round(abs(share) * BAR * 8)
    blocks = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    return f"-{blocks}" if share < 0 and blocks else f" {blocks}"


# ── equations ────────────────────────────────────────────────────────────────────────────────────────


def _symbol(about: Symbol) -> str:
    layer = "" if about.layer is None else f"[{clean(about.layer)}]"
    index = f"[{','.join(map(clean, about.index))}]" if about.index else ""
    return f"{clean(about.name)}{'′' * about.prime}{layer}{index}"


def _raised(exponent: str) -> str:
    return exponent.translate(RAISED) if exponent.isdigit() else f"^({exponent})"


def _plus(terms: Sequence[tuple[str, str]]) -> str:
    signs = {"": "", "-": " − ", "+": " + ", "=": " = "}
    return "".join(f"{signs[sign]}{term}" for sign, term in terms)


TEXT = Notation(
    symbol=_symbol,
    number=number,
    words=clean,
    product=" · ".join,
    sum=_plus,
    sum_over=lambda index, body: f"Σ_{clean(index)} {body}",
    minus=lambda inner: f"−{inner}",
    fraction=lambda top, bottom: f"{top} / {bottom}",
    power=lambda base, exponent: f"{base}{_raised(exponent)}",
    derivative=lambda of, by: f"∂{of}/∂{by}",
    call=lambda function, argument: f"{function}({argument})",
    bracket=lambda inner: f"({inner})",
    beside=lambda number, words: f"{number} {words}".replace(" ", "\u00a0"),
    at=lambda inner, part: inner,
    flat=True,
)
