"""An answer as one page: question, answer, picture, equations, sum, tables; nothing is loaded.

It is light or dark as its reader's system is, and needs no script. Within a page of others the same is a
piece that carries its style sheet with it. In a notebook pictures and equations are images (`still`), since
one that nobody trusts yet is read without SVG, MathML and style sheets.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from whygrad.answers.draw.palette import COLOURS, FONT, MATH_FONT, colour, style
from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.expression import Expression
from whygrad.answers.formatting import cell, clean, is_number, number, typeset, typeset_within
from whygrad.answers.parts import Answer, Table, Term
from whygrad.answers.pictures import Picture
from whygrad.answers.write.mathml import expression_mathml, to_mathml
from whygrad.answers.write.outline import numeric_columns, residuals_shown
from whygrad.answers.write.still import equations_still, expression_html, picture_still

OPEN_ROWS, MOST_ROWS = 12, 200  # rows of a table that is shown at once, and of any table
MOST = 64  # characters of a row of an equation
OPEN_TERMS, MOST_TERMS, MOST_FACTORS = 12, 200, 6
NARROW = 40  # characters side by side that a telephone has room for: wider rows stand line by line

PAGE = f"""
body.wg-page{{margin:0}}
.wg-answer{{font:16px/1.5 {FONT};{colour("color", "ink")};{colour("background", "surface")};\
max-width:760px;margin:0 auto;padding:14px;box-sizing:border-box;overflow-wrap:break-word}}
.wg-answer h1{{font-size:1.3em;line-height:1.3;margin:0 0 .4em}}
.wg-answer h2{{font-size:1.12em;line-height:1.3;margin:1.2em 0 .3em}}
.wg-answer p{{margin:.4em 0}}
.wg-answer figure{{margin:1em 0;overflow-x:auto}}
.wg-answer figure svg,.wg-answer figure img{{display:block;min-width:min(100%,330px);margin:0}}
.wg-answer img{{max-width:100%;height:auto;background:none;filter:none;padding:0}}
.wg-answer .wg-question{{font-size:1.15em;line-height:1.3;margin:0 0 .4em}}
.wg-scroll{{overflow-x:auto;padding:2px 0}}
.wg-answer math{{font-size:1.1em;font-family:{MATH_FONT}}}
.wg-answer mtable>mtr>mtd{{padding:.35em .2em}}
.wg-answer table{{border-collapse:collapse;font-size:.88em;{colour("color", "ink")};\
{colour("background", "surface")};margin:0}}
.wg-answer th,.wg-answer td{{padding:.3em .9em .3em 0;text-align:left;vertical-align:baseline;\
border-bottom:1px solid {COLOURS["line"][0]};{colour("border-bottom-color", "line")};\
{colour("background", "surface")}}}
.wg-answer th{{{colour("color", "soft")};font-weight:600}}
.wg-answer .wg-number{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
.wg-answer th.wg-number{{white-space:normal}}
@media (max-width:560px){{.wg-wide thead{{display:none}}\
.wg-answer .wg-wide,.wg-wide tbody,.wg-wide tr,.wg-answer .wg-wide td{{display:block}}\
.wg-answer .wg-wide td{{text-align:left;white-space:normal;overflow-wrap:anywhere;border:0;padding:.1em 0}}\
.wg-wide td[data-head]::before{{content:attr(data-head) ": ";{colour("color", "soft")}}}\
.wg-wide td:first-child{{font-weight:600}}.wg-wide td:empty{{display:none!important}}\
.wg-wide tr{{padding:.4em 0;border-bottom:1px solid {COLOURS["line"][0]};\
{colour("border-bottom-color", "line")}}}}}
.wg-answer tr.wg-total td{{font-weight:700;border-bottom:0}}
.wg-answer tr.wg-left td,.wg-note,.wg-answer summary,.wg-answer caption{{{colour("color", "soft")}}}
.wg-note{{font-size:.88em}}
.wg-answer summary{{display:list-item;cursor:pointer;font-weight:600;margin:.9em 0 .3em}}
""".strip().replace("\n", "")


@dataclass(frozen=True)
class Form:
    """How an answer writes what plain HTML cannot: pictures, equations of so many characters, symbols.

    `headed` is whether the question is a heading, which in a notebook would be one of the notebook's own.
    """

    picture: Callable[[Picture], str]
    equations: Callable[[Answer, int], str]
    symbol: Callable[[Expression], str]
    headed: bool


LIVE = Form(
    lambda picture: picture_svg(picture, alone=False),
    lambda about, most: to_mathml(about, block=False, most=most),
    expression_mathml,
    headed=True,
)
STILL = Form(picture_still, equations_still, expression_html, headed=False)


def to_html(about: Answer) -> str:
    """Write an answer as a whole page."""
    return to_page([about])


def to_page(sections: Sequence[Answer]) -> str:
    """Write answers as one page, of which the first has the title."""
    title = escape(clean(sections[0].question))
    body = "\n".join(_answer(one, level=1 + (i > 0)) for i, one in enumerate(sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{style()}{PAGE}body{{{colour('background', 'surface')}}}</style>\n"
        f'</head>\n<body class="wg wg-page">\n{body}\n</body>\n</html>\n'
    )


def to_fragment(about: Answer, most: int = MOST, form: Form = LIVE, level: int = 1) -> str:
    """Write an answer as a piece of a page, with its style sheet, and a heading of a `level`.

    Rows of equations hold about `most` characters.
    """
    return f"<div><style>{style(page=True)}{PAGE}</style>{_answer(about, most, level, form)}</div>"


def _answer(about: Answer, most: int = MOST, level: int = 1, form: Form = LIVE) -> str:
    kind = "article" if level == 1 else "section"
    content = "".join(_parts(about, most, level, form))
    return f'<{kind} class="wg wg-answer">{content}</{kind}>'


def _parts(about: Answer, most: int, level: int, form: Form) -> Iterator[str]:
    question = _prose(about.question)
    strong = f'<p class="wg-question"><strong>{question}</strong></p>'
    yield f"<h{level}>{question}</h{level}>" if form.headed else strong
    yield from (f"<p>{_prose(said)}</p>" for said in about.answer.splitlines())
    pictures = [f"<figure>{form.picture(one)}</figure>" for one in about.pictures]
    yield from pictures[:1]
    if about.equations:
        yield f'<div class="wg-scroll">{form.equations(about, most)}</div>'
    yield from _factors(about.terms, form)
    yield from _sum(about)
    yield from pictures[1:]
    for table in about.tables:
        yield _table(table)
    yield from (f'<p class="wg-note">{_prose(note)}</p>' for note in about.notes)


def _factors(terms: Sequence[Term], form: Form) -> Iterator[str]:
    """Write what each factor of a single product means."""
    if len(terms) == 1 and terms[0].factors:
        rows = [
            _row(
                (form.symbol(one.symbol), _cell(one.value), _prose(one.meaning)),
                (1,),
                part=one.part,
            )
            for one in terms[0].factors
        ]
        yield _rows(("factor", "value", "what it is"), (1,), rows)


def _sum(about: Answer) -> Iterator[str]:
    """Set the terms and what they leave above the value that they add up to."""
    if about.value is None or not about.terms:  # the answer says it
        return
    products = len(about.terms) > 1 and any(term.factors for term in about.terms)
    rows = [
        _row(
            (_words(term.name), *([_product(term)] * products), _cell(term.value)),
            (1 + products,),
            part=term.part,
        )
        for term in about.terms[:MOST_TERMS]
    ]
    blank = ("",) * products
    if len(about.terms) > MOST_TERMS:
        more = f"… and {len(about.terms) - MOST_TERMS:,} more"
        rows.append(_row((more, *blank, "…"), (1 + products,), "wg-left"))
    left = [
        _row((_words(name), *blank, _cell(value)), (1 + products,), "wg-left")
        for name, value in residuals_shown(about).items()
    ]
    total = _row(("value", *blank, _cell(about.value)), (1 + products,), "wg-total")
    heads = ("adds up to the value", *(("factors",) * products), "")
    table = _rows(heads, (1 + products,), [*rows, *left, total])
    yield _folded("The sum, term by term", table, len(rows) <= OPEN_TERMS)


def _product(term: Term) -> str:
    few = len(term.factors) <= MOST_FACTORS
    return " · ".join(typeset(number(one.value)) for one in term.factors) if few else ""


def _table(table: Table) -> str:
    right = numeric_columns(table)
    heads = table.columns if _is_wide(table, right) else ()
    rows = [
        _row(
            tuple(map(_cell, row)),
            right,
            part=table.parts[i] if i < len(table.parts) else "",
            heads=heads,
        )
        for i, row in enumerate(table.rows[:MOST_ROWS])
    ]
    if len(table.rows) > MOST_ROWS:
        rows.append(
            f'<tr class="wg-left"><td>… and {len(table.rows) - MOST_ROWS:,} more rows</td></tr>'
        )
    if not table.rows:
        rows.append('<tr class="wg-left"><td>none</td></tr>')
    written = _rows(tuple(map(_words, table.columns)), right, rows, wide=bool(heads))
    return _folded(table.title, written, len(rows) <= OPEN_ROWS)


def _is_wide(table: Table, right: Sequence[int]) -> bool:
    """Return whether the longest words of the columns, or their numbers, are too wide for a telephone."""
    width = 0
    for i, head in enumerate(table.columns):
        cells = [clean(cell(row[i])) for row in table.rows[:MOST_ROWS]]
        words = cells if i in right else [word for text in cells for word in text.split()]
        width += 2 + max(map(len, [*words, *head.split()]), default=0)
    return width > NARROW


def _folded(title: str, content: str, unfolded: bool) -> str:
    summary = f"<summary>{_words(title) or 'Table'}</summary>"
    start = '<details open="">' if unfolded else "<details>"
    return f"{start}{summary}{content}</details>"


def _rows(
    heads: Sequence[str], right: Sequence[int], rows: Sequence[str], wide: bool = False
) -> str:
    cells = "".join(
        f'<th scope="col"{_number_class(i in right)}>{name}</th>' for i, name in enumerate(heads)
    )
    head = f"<thead><tr>{cells}</tr></thead>" if any(heads) else ""
    table = '<table class="wg-wide">' if wide else "<table>"
    return f'<div class="wg-scroll">{table}{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _row(
    cells: Sequence[str],
    right: Sequence[int],
    look: str = "",
    part: str = "",
    heads: Sequence[str] = (),
) -> str:
    """Write a row; in a wide table each cell but the first knows the head of its column."""
    about = f' class="{look}"' * bool(look) + f' data-part="{escape(clean(part))}"' * bool(part)
    named = ["", *(f' data-head="{escape(clean(head))}"' * bool(head) for head in heads[1:])]
    named += [""] * (len(cells) - len(named))
    written = "".join(
        f"<td{_number_class(i in right)}{named[i]}>{one}</td>" for i, one in enumerate(cells)
    )
    return f"<tr{about}>{written}</tr>"


def _number_class(yes: bool) -> str:
    return ' class="wg-number"' * yes


def _cell(value: Any) -> str:
    return typeset(cell(value)) if is_number(value) else _words(cell(value))


def _prose(text: str) -> str:
    return _words(typeset_within(clean(text)))


def _words(text: str) -> str:
    """Write words; <bdi> keeps those that are written from right to left from turning their neighbours."""
    line = escape(clean(text))
    return line if line.isascii() else f"<bdi>{line}</bdi>"
