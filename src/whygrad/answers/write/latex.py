r"""An answer's equations as LaTeX, and a table as an array where there are none.

    \begin{aligned}
    \frac{\partial C}{\partial W^{2}_{1,1}} &= a^{1}_{1} \cdot {f'}(z^{2}_{1}) \\
     &= 0.5 \cdot 0.25
    \end{aligned}

It stands within `$$`, needs the package amsmath, and is what MathJax and KaTeX read.
"""

import math
from collections.abc import Sequence

from whygrad.answers.expression import Expression, Symbol
from whygrad.answers.formatting import Share, cell, clean, number
from whygrad.answers.parts import Answer, Table
from whygrad.answers.write.notation import Notation, is_mathematics, letter, sides, write
from whygrad.answers.write.outline import main_equations, main_table, numeric_columns

MOST_ROWS = 30  # of a table
# fmt: off
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Δ": "Delta", "Σ": "Sigma",
    "Θ": "Theta", "Φ": "Phi", "Ω": "Omega", "Π": "Pi", "∂": "partial", "∇": "nabla",
}
SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", '"': r"\textquotedbl{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}
# fmt: on


def to_latex(about: Answer) -> str:
    """Write the equations of an answer, signs of equality below each other."""
    equations = main_equations(about)
    if equations:
        rows = []
        for equation in equations:
            first, *others = sides(equation, LATEX)
            rows += [f"{first} &= {others[0]}" if others else first]
            rows += [f" &= {other}" for other in others[1:]]
        return "\n".join((r"\begin{aligned}", " \\\\\n".join(rows), r"\end{aligned}"))
    table = main_table(about)
    return _array(table) if table else f"\\text{{{escaped(about.answer or about.question)}}}"


def expression_latex(about: Expression) -> str:
    r"""Write an expression.

    >>> print(expression_latex(Symbol("δ", 2, (1,))))
    \delta^{2}_{1}
    """
    return write(about, LATEX)


def escaped(text: str) -> str:
    r"""Write words so that LaTeX prints them.

    >>> print(escaped("50 % of_it"))
    50 \% of\_it
    """
    return "".join(SPECIAL.get(c, c) for c in clean(text))


def _array(table: Table) -> str:
    right = numeric_columns(table)
    heads = " & ".join(map(_words, table.columns))
    rows = [
        " & ".join(
            _number(float(value))
            if i in right and value is not None and not isinstance(value, Share)
            else _words(cell(value))
            for i, value in enumerate(row)
        )
        for row in table.rows[:MOST_ROWS]
    ]
    align = "".join("r" if i in right else "l" for i in range(len(table.columns)))
    body = " \\\\\n".join((f"{heads} \\\\ \\hline\n{rows[0]}", *rows[1:]) if rows else (heads,))
    return f"\\begin{{array}}{{{align}}}\n{body}\n\\end{{array}}"


def _words(text: str) -> str:
    return f"\\text{{{escaped(text)}}}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return r"\text{nan}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    digits, _, power = number(value).partition("e")
    digits = digits.replace(",", "{,}")
    return f"{digits} \\times 10^{{{int(power)}}}" if power else digits


def _symbol(about: Symbol) -> str:
    parts = letter(about)
    name = _name(parts.name)
    if about.prime:
        name = f"{{{name}'}}" if parts.above or parts.below else f"{name}'"
    above = f"^{{{_indices(parts.above)}}}" if parts.above else ""
    below = f"_{{{_indices(parts.below)}}}" if parts.below else ""
    return f"{name}{above}{below}"


def _name(name: str) -> str:
    """Write a letter; Greek by its name, more letters than one upright."""
    start = 0
    while start < len(name) and name[start] in GREEK:
        start += 1
    greek, rest = name[:start], clean(name[start:])
    words = [f"\\{GREEK[c]}" for c in greek]
    if rest:
        plain = len(rest) == 1 and rest.isascii() and rest.isalpha()
        words.append(rest if plain else f"\\text{{{escaped(rest)}}}")
    return words[0] if len(words) == 1 else f"{{{' '.join(words)}}}"


def _indices(indices: Sequence[str]) -> str:
    return ",".join(
        one if one.isascii() and is_mathematics(one) else f"\\text{{{escaped(one)}}}"
        for one in indices
    )


def _plus(terms: Sequence[tuple[str, str]]) -> str:
    return "".join(f" {sign} {term}" if sign else term for sign, term in terms)


LATEX = Notation(
    symbol=_symbol,
    number=_number,
    words=_words,
    product=r" \cdot ".join,
    sum=_plus,
    sum_over=lambda index, body: f"\\sum_{{{_indices((index,))}}} {body}",
    minus=lambda inner: f"-{inner}",
    fraction=lambda top, bottom: f"\\frac{{{top}}}{{{bottom}}}",
    power=lambda base, exponent: f"{{{base}}}^{{{exponent}}}",
    derivative=lambda of, by: f"\\frac{{\\partial {of}}}{{\\partial {by}}}",
    call=lambda function, argument: f"{function}\\left({argument}\\right)",
    bracket=lambda inner: f"\\left({inner}\\right)",
    beside=lambda number, words: f"{number}\\ {words}",
    at=lambda inner, part: inner,
)
