"""A worksheet: one step of backpropagation by hand, one example through a network, as a page to print.

    zˡⱼ = Σ_k Wˡⱼₖ aˡ⁻¹ₖ + bˡⱼ,  aˡⱼ = f(zˡⱼ)  →  C  →  δᴸ, …, δ¹  →  ∂C/∂W = a δ, ∂C/∂b = δ  →  θ − η ∂C/∂θ

What is given stands there, and what is to be computed is a line to write on, or filled in. The numbers are
those of `forward`, `backward` and `gradients`. Of a large network the units that count most are computed by
hand; what the others add to a sum is given as one number.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.answers.draw.palette import COLOURS, FONT, MATH_FONT, style
from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.expression import (
    Call,
    Derivative,
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
from whygrad.answers.formatting import clean
from whygrad.answers.names import Bin, unscaled
from whygrad.answers.pictures import NetworkPicture
from whygrad.answers.write.mathml import CLOSE, MATHML, NAMESPACE, OPEN
from whygrad.answers.write.notation import factor_of, term_of, write
from whygrad.errors import InputError
from whygrad.files import refuse_taken, write_atomically
from whygrad.nn import Array, Parameters, example_costs, forward
from whygrad.nn.arrays import dense
from whygrad.nn.functions import canonical_link
from whygrad.studio.film.recording import opened, parts_of
from whygrad.why.context import Context, ask

DIGITS = 9  # of a number: as many as one compares with a calculator
UNITS = 4  # of a layer, that are computed by hand
BLANK = '<mpadded width="5.4em"><mtext>&#160;</mtext></mpadded>'
RATE = 0.1  # η where the training does not say

PAGE = f"""
@page{{size:auto;margin:14mm}}
body{{margin:0 auto;max-width:180mm;padding:16px;font:15px/1.5 {FONT};color:#1b1f26;background:#fff}}
h1{{font-size:1.4em;margin:0 0 .2em}} h2{{font-size:1.1em;margin:1.1em 0 .3em;break-after:avoid}}
p{{margin:.3em 0}} .wg-note{{color:{COLOURS["soft"][0]};font-size:.9em}}
.wg-line{{margin:.45em 0;padding-left:1.6em;text-indent:-1.6em;break-inside:avoid}}
math{{text-indent:0;font-family:{MATH_FONT}}}
mpadded{{border-bottom:1px solid {COLOURS["soft"][0]}}}
.wg-step{{display:flex;flex-wrap:wrap;gap:0 1.5em;break-inside:avoid;font-size:.88em}}
.wg-drawing svg{{max-width:100%;max-height:72mm;display:block;margin:.6em auto}}
ul{{columns:2;list-style:none;padding:0;margin:.3em 0}} li{{break-inside:avoid;padding:.08em 0}}
@media (max-width:500px){{body{{padding:10px;font-size:13px}}}}
""".strip().replace("\n", "")


def worksheet(
    x: Any,
    path: str | PathLike[str],
    X: Any = None,
    y: Any = None,
    *,
    example: int = 0,
    rate: float | None = None,
    filled: bool = False,
    first: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write one step of backpropagation as a page to print: one example through a network, by hand.

        zˡ = Wˡ aˡ⁻¹ + bˡ,  aˡ = f(zˡ),  C,  δˡ,  ∂C/∂W = a δ,  ∂C/∂b = δ,  θ − η ∂C/∂θ

    Parameters
    ----------
    x : Run, Fitted, Model, estimator, str or path
        The network, as `whygrad.explain` takes it, or the folder of a run.
    path : str or path
        The page to write; its name ends in .html.
    X : array-like, shape (n, features), optional
        Examples, as `x.why` takes them; by default the test rows of a run.
    y : array-like, shape (n,) or (n, n_L), optional
        Their targets.
    example : int, default 0
        Which of them is computed.
    rate : float, optional
        The learning rate η of the step, by default the training's own, else 0.1.
    filled : bool, default False
        Whether the numbers to be computed are filled in, or left blank.
    first : {0, 1}, default 0
        What the first unit of a layer is called.
    overwrite : bool, default False
        Whether to replace a file that is there.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    InputError
        For a network that `explain` does not take, for an example or targets that are not there, and where
        the numbers of its pass overflow.
    FileError
        For another ending of the name, and where a file is already or cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import whygrad as wg
    >>> net = wg.Network(2, [wg.Dense(2, "sigmoid"), wg.Dense(1, "sigmoid")], "squared_error")
    >>> fitted = wg.Fitted(net, net.init(seed=1))
    >>> with TemporaryDirectory() as folder:
    ...     worksheet(fitted, f"{folder}/sheet.html", X=[[0.0, 1.0]], y=[[1.0]]).name
    'sheet.html'
    """
    from whygrad.interop import explain

    path = Path(path)
    refuse_taken(path, overwrite, ".html")
    given = opened(x)
    why = explain(given).why
    if X is None and getattr(given, "on_table", True) is False:
        parts, gone = parts_of(given)  # of a training on arrays the rows that it learned from
        if gone:
            raise InputError(f"a worksheet needs an example: {gone}")
        X, y = parts["training"].data.X, parts["training"].data.Y
    if first not in (0, 1):
        raise InputError(f"first={first}: units are counted from 0 or from 1")
    if rate is not None and not 0 < rate < np.inf:
        raise InputError(f"rate={rate:g}: the learning rate of the step is a number above 0")
    rows = why.examples(X, y)
    if rows.Y is None:
        raise InputError("a worksheet needs targets beside its examples: give y")
    n = rows.X.shape[0]
    if not 0 <= example < n:
        raise InputError(f"example {example}: there are the examples 0 to {n - 1}")
    here = slice(example, example + 1)
    if rate is None:
        plan = getattr(why.run, "plan", None)
        rate = float(getattr(getattr(plan, "rule", None), "learning_rate", RATE))
    with np.errstate(all="ignore"):  # what overflows is found out, and said
        context = ask(why.net, why.theta, dense(rows.X[here]), rows.Y[here], names=why.names)
        sheet = Sheet(context, rate, filled, first)
        if not all(np.isfinite(one).all() for one in (*sheet.a, *sheet.delta[1:], sheet.cost)):
            raise InputError(f"example {example}: the network's numbers overflow on it")
        page = sheet.page()
    write_atomically(path, page.encode())
    return path


def _number(value: float) -> str:
    """Write a number with nine digits, and what is not known as a line to write on."""
    if math.isnan(value):
        return BLANK
    digits, _, power = f"{abs(value):.{DIGITS}g}".partition("e")
    sign = "<mo>−</mo>" if value < 0 else ""
    if power:
        exponent = str(int(power)).replace("-", "−")
        digits += f"</mn><mo>×</mo><msup><mn>10</mn><mn>{exponent}</mn></msup><mn>"
    return f"<mrow>{sign}<mn>{digits}</mn></mrow>".replace("<mn></mn>", "")


HOW = replace(MATHML, number=_number)


@dataclass(frozen=True, eq=False)
class Sheet:
    """What a page is written of: one example's pass, η, whether it is filled, how units are counted."""

    context: Context
    rate: float
    filled: bool
    first: int

    @cached_property
    def a(self) -> tuple[Array, ...]:
        """The activations, by layer."""
        return tuple(dense(of)[0] for of in self.context.trace.a)

    @cached_property
    def delta(self) -> tuple[Any, ...]:
        """The errors, by layer; None of the inputs."""
        return (None, *(of[0] for of in self.context.delta[1:]))

    @property
    def cost(self) -> float:
        """C of the example."""
        return float(self.context.costs[0])

    @cached_property
    def after(self) -> Parameters:
        """The parameters after the step."""
        theta = self.context.theta
        return Parameters(theta.sizes, theta.flat - self.rate * self.context.gradients.flat)

    @cached_property
    def chosen(self) -> tuple[tuple[int, ...], ...]:
        """The units of each layer that are computed by hand: those that carry most of the gradient."""
        gradients, L = self.context.gradients, self.context.net.L
        sizes = [
            abs(self.delta[l]) if l else abs(gradients.dW[1]).sum(axis=0) for l in range(L + 1)
        ]
        return tuple(tuple(sorted(np.argsort(-of, kind="stable")[:UNITS].tolist())) for of in sizes)

    # ── numbers and symbols ──

    def found(self, value: float) -> Number:
        """Return a number that is to be computed."""
        return Number(float(value) if self.filled else math.nan)

    def said(self, l: int, k: int) -> Number:
        """Return the activation of a unit: given of an input, and of one that is not computed by hand."""
        known = l == 0 or k not in self.chosen[l]
        return Number(float(self.a[l][k])) if known else self.found(self.a[l][k])

    def unit(self, name: str, l: int, j: int) -> Symbol:
        """Return a letter of a unit: z, a, δ."""
        return Symbol(name, l, (j + self.first,))

    def weight(self, l: int, j: int, k: int | None) -> Symbol:
        """Return Wˡⱼₖ, or without k bˡⱼ."""
        if k is None:
            return Symbol("b", l, (j + self.first,))
        return Symbol("W", l, (j + self.first, k + self.first))

    def name(self, l: int, j: int) -> str:
        """Return what a column or a class is called, or ""; hidden units have no names."""
        names = self.context.names
        given = {0: names.inputs, self.context.net.L: names.outputs}.get(l, ())
        return clean(given[j]) if given else ""

    def others(self, products: Array, chosen: Sequence[int]) -> list[Expression]:
        """Return what is not computed by hand of a sum, as a number that is given."""
        rest = np.delete(products, list(chosen))
        if not len(rest):
            return []
        whose = f"from {len(rest):,} {'other' if len(rest) == 1 else 'others'}"
        return [Number(float(rest.sum())), Words(whose)]

    # ── the page ──

    def page(self) -> str:
        """Return the page."""
        title = "Backpropagation by hand" + (": the solution" if self.filled else "")
        body = "\n".join(self.parts(title))
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{style(paper=True)}{PAGE}</style>\n</head>\n"
            f'<body class="wg">\n{body}\n</body>\n</html>\n'
        )

    def parts(self, title: str) -> Iterator[str]:
        """Return the parts of the page, in order."""
        net, L = self.context.net, self.context.net.L
        yield f"<h1>{title}</h1>"
        yield f"<p>{self.what()}</p>"
        yield f'<div class="wg-drawing">{picture_svg(self.picture())}</div>'
        yield "<h2>What is given</h2>"
        yield from self.given()
        yield "<h2>1. Forward: what does the network say?</h2>"
        for l in range(1, L + 1):
            for j in self.chosen[l]:
                yield self.sum_of(l, j)
                yield self.reaction(l, j)
        yield "<h2>2. The cost: how far is it off?</h2>"
        yield from self.costs()
        yield "<h2>3. Backward: the error δ of every unit</h2>"
        for l in range(L, 0, -1):
            if l == L - 1:
                yield "<p>Of a hidden unit, where f′ is the slope of its activation:</p>"
                slope = Call(Symbol("f", prime=True), Symbol("z", "l", ("j",)))
                above = Product((Symbol("W", "l+1", ("m", "j")), Symbol("δ", "l+1", ("m",))))
                yield self.line(Symbol("δ", "l", ("j",)), [Product((slope, SumOver("m", above)))])
            for j in self.chosen[l]:
                yield self.error(l, j)
        yield "<h2>4. The gradients, and the step</h2>"
        product = Product((Symbol("a", "l−1", ("k",)), Symbol("δ", "l", ("j",))))
        yield self.line(_by(Symbol("W", "l", ("j", "k"))), [product])
        for l in range(L, 0, -1):
            for j in self.chosen[l]:
                for k in (*self.chosen[l - 1], None):
                    kept = net.kept[l]
                    if k is None or kept is None or kept[j, k]:
                        yield self.step(l, j, k)
        yield "<h2>5. The same example again, with the new weights</h2>"
        yield self.again()

    def what(self) -> str:
        """State what is to be computed."""
        net = self.context.net
        shape = "-".join(map(str, net.sizes))
        functions = ", ".join(f.name.replace("_", " ") for f in net.f[1:])
        shown = ""
        if any(len(some) < size for some, size in zip(self.chosen, net.sizes, strict=True)):
            shown = f" Of each layer the {UNITS} units that count most are computed by hand; "
            shown += "what the others add is given."
        return (
            f"One step of gradient descent on one example, through the network {shape} ({functions}; cost: "
            f"{escape(net.C.name.replace('_', ' '))}). {'' if self.filled else 'Fill in the blank lines. '}"
            f"Units are counted from {self.first}.{shown}"
        )

    def picture(self) -> NetworkPicture:
        """Return the network, its activations blank where they are to be computed."""
        net, a = self.context.net, self.a
        known = a if self.filled else (a[0], *(np.full_like(of, np.nan) for of in a[1:]))
        names = tuple(
            tuple(self.name(l, j) or f"{kind} {j + self.first}" for j in range(size))
            for l, (size, kind) in enumerate(zip(net.sizes, self.kinds(), strict=True))
        )
        return NetworkPicture(
            "", known, self.context.theta.W, names, "activation" if self.filled else "input",
            image=self.context.names.image, shown=() if self.context.names.image else self.chosen,
            partial=True, kept=net.kept, biases=self.context.theta.b, targets=self.context.y[0],
        )  # fmt: skip

    def kinds(self) -> list[str]:
        """Return what the units of each layer are called."""
        L = self.context.net.L
        return ["input", *("hidden" for _ in range(L - 1)), "output"]

    def given(self) -> Iterator[str]:
        """List what is given: inputs, truth, the learning rate, weights and biases."""
        net, theta = self.context.net, self.context.theta
        yield "<ul>"
        for k in self.chosen[0]:
            x = float(self.a[0][k])
            yield f"<li>{self.equation(self.unit('a', 0, k), x)}{self.own(0, k, x)}</li>"
        for j in self.chosen[net.L]:
            true, y = float(self.context.y[0, j]), Symbol("y", None, (j + self.first,))
            yield f"<li>{self.equation(y, true)}{self.own(net.L, j, true)}</li>"
        yield f"<li>{self.equation(Symbol('η'), self.rate)}</li>"
        for l in range(1, net.L + 1):
            for j in self.chosen[l]:
                for k in self.chosen[l - 1]:
                    yield f"<li>{self.equation(self.weight(l, j, k), theta.W[l][j, k])}</li>"
                yield f"<li>{self.equation(self.weight(l, j, None), theta.b[l][j])}</li>"
        yield "</ul>"

    def own(self, l: int, j: int, value: float) -> str:
        """Return the name of a column and its number there, where it differs from that inside."""
        scale = self.context.names.scale(self.context.net, l, j)
        # A piece of a column says of its number only where in the bin it is, or on which side of it.
        there = value if isinstance(scale, Bin) else float(unscaled(float(value), scale))
        name = self.name(l, j)
        note = ": ".join(part for part in (name, f"{there:.4g}" if there != value else "") if part)
        return f' <span class="wg-note">{escape(note)}</span>' if note else ""

    def equation(self, left: Expression, value: float) -> str:
        """Return what is given, as an equation."""
        return _math(f"{write(left, HOW)}<mo>=</mo>{_number(float(value))}")

    def line(self, left: Expression, *sides: list[Expression], before: str = "") -> str:
        """Return an equation; a side of several terms may go on in the next row."""
        pieces = [before + _math(write(left, HOW))]
        for side in sides:
            written = [term_of(term, HOW, i == 0) for i, term in enumerate(side)]
            for i, (sign, inner) in enumerate(written):
                words = isinstance(side[i], Words)
                begun = "<mo>=</mo>" if i == 0 else ""
                begun += (
                    "" if words or not sign else f'<mo form="infix">{sign.replace("-", "−")}</mo>'
                )
                opened, *more = (_apart(side[i]) if not sign else []) or [inner]
                pieces += [_math(begun + opened), *map(_math, more)]
        return f'<div class="wg-line">{" ".join(pieces)}</div>'

    # ── forward ──

    def sum_of(self, l: int, j: int) -> str:
        """Return zˡⱼ = Σ W a + b."""
        W, below = self.context.theta.W[l][j], self.chosen[l - 1]
        products: list[Expression] = [
            Product((Number(float(W[k])), self.said(l - 1, k))) for k in below
        ]
        terms = [*products, *self.others(W * self.a[l - 1], below)]
        terms.append(Number(float(self.context.theta.b[l][j])))
        return self.line(self.unit("z", l, j), terms, [self.found(self.context.trace.z[l][0, j])])

    def reaction(self, l: int, j: int) -> str:
        """Return aˡⱼ = f(zˡⱼ)."""
        f, z = self.context.net.f[l], self.context.trace.z[l][0]
        right: Expression = Call(Symbol(f.name.replace("_", " ")), self.unit("z", l, j))
        if f.name == "sigmoid":
            power = Power(Symbol("e"), Product((Number(-1.0), self.unit("z", l, j))))
            right = Fraction(Number(1), Sum((Number(1), power)))
        elif f.name == "softmax":
            sent = np.exp(z - z.max())
            rest = float(np.delete(sent, self.chosen[l]).sum() * np.exp(z.max()))
            every: list[Expression] = [
                Call(Symbol("exp"), self.unit("z", l, m)) for m in self.chosen[l]
            ]
            if len(z) > len(every):
                every.append(Number(rest))
            right = Fraction(Call(Symbol("exp"), self.unit("z", l, j)), Sum(tuple(every)))
        return self.line(self.unit("a", l, j), [right], [self.found(self.a[l][j])])

    def costs(self) -> Iterator[str]:
        """Return C of the example."""
        net, y, L = self.context.net, self.context.y[0], self.context.net.L
        left, chosen = Symbol("C"), self.chosen[net.L]
        every = len(chosen) == len(y)
        if net.C.name == "squared_error":
            off = Sum((Symbol("a", L, ("m",)), Product((Number(-1.0), Symbol("y", None, ("m",))))))
            yield self.line(
                left,
                [Product((Fraction(Number(1), Number(2)), SumOver("m", Power(off, Number(2)))))],
            )
            if every:
                terms: list[Expression] = [
                    Product(
                        (
                            Fraction(Number(1), Number(2)),
                            Power(Sum((self.said(L, m), Number(-float(y[m])))), Number(2)),
                        )
                    )
                    for m in chosen
                ]
                yield self.line(left, terms, [self.found(self.cost)])
                return
        elif net.C.name == "cross_entropy":
            true = int(np.argmax(y))
            if y[true] == 1 and true in chosen:
                yield self.line(
                    left,
                    [Product((Number(-1.0), Call(Symbol("ln"), self.unit("a", L, true))))],
                    [self.found(self.cost)],
                )
                return
        elif net.C.name == "binary_cross_entropy" and len(y) == 1 and y[0] in (0, 1):
            one = self.unit("a", L, 0)
            of: Expression = one if y[0] else Sum((Number(1), Product((Number(-1.0), one))))
            yield self.line(
                left, [Product((Number(-1.0), Call(Symbol("ln"), of)))], [self.found(self.cost)]
            )
            return
        yield self.line(left, [Words(net.C.name.replace("_", " "))], [self.found(self.cost)])

    # ── backward ──

    def error(self, l: int, j: int) -> str:
        """Return δˡⱼ: of an output from cost and truth, of a hidden unit from those above."""
        net, theta, L = self.context.net, self.context.theta, self.context.net.L
        f, value = net.f[l], self.found(self.delta[l][j])
        left, y = self.unit("δ", l, j), float(self.context.y[0, j]) if l == L else 0.0
        if l == L and canonical_link(f, net.C):
            return self.line(left, [self.said(l, j), Number(-y)], [value])
        slope = self.slope(l, j)
        if l == L:
            if f.custom_vjp is not None:
                return self.line(left, [_by(self.unit("z", l, j))], [value])
            passed = float(net.C.derivative(self.context.trace.a[L], self.context.y)[0, j])
            by: Expression = _by(self.unit("a", l, j))
            if net.C.name == "squared_error":
                by = Sum((self.said(l, j), Number(-y)))
                return self.line(left, [Product((by, *slope))], [value])
            return self.line(
                left, [Product((by, *slope))], [Product((self.found(passed), *slope))], [value]
            )
        W, above, chosen = theta.W[l + 1][:, j], self.delta[l + 1], self.chosen[l + 1]
        products = [Product((Number(float(W[m])), self.found(above[m]))) for m in chosen]
        rest = self.others(W * above, chosen)
        return self.line(left, [Product((*slope, Sum((*products, *rest))))], [value])

    def slope(self, l: int, j: int) -> list[Expression]:
        """Return f′(zˡⱼ) as what is easiest to compute: of sigmoid and tanh from the activation."""
        f = self.context.net.f[l]
        if f.name == "sigmoid":
            a = self.said(l, j)
            less = Product((Number(-1.0), a)) if math.isnan(a.value) else Number(-a.value)
            return [a, Sum((Number(1), less))]
        if f.name == "tanh":
            a = self.said(l, j)
            return [Sum((Number(1), Product((Number(-1.0), Power(a, Number(2))))))]
        return [self.found(float(f.derivative(self.context.trace.z[l])[0, j]))]

    def step(self, l: int, j: int, k: int | None) -> str:
        """Return the gradient of a weight or bias, and what it is after the step."""
        context, symbol, blame = self.context, self.weight(l, j, k), self.found(self.delta[l][j])
        sizes = context.theta.sizes
        before, gradient, after = (
            float(of.b[l][j] if k is None else of.W[l][j, k])
            for of in (context.theta, Parameters(sizes, context.gradients.flat), self.after)
        )
        g = self.found(gradient)
        sides: list[list[Expression]] = [[blame]]
        if k is not None:
            sides = [[Product((self.said(l - 1, k), blame))], [g]]
        step = Product((Number(-1.0), Number(self.rate), g))
        moved: list[Expression] = [Number(before), step]
        found = self.line(_by(symbol), *sides)
        new = self.line(symbol, moved, [self.found(after)], before="new ")
        return f'<div class="wg-step">{found}{new}</div>'

    def again(self) -> str:
        """Return the cost afterwards, beside the one before."""
        trace = forward(self.context.net, self.after, self.a[0][None])
        C = float(example_costs(self.context.net, trace, self.context.y)[0])
        if not math.isfinite(C):
            return "<p>With the new weights the numbers overflow: the step was too long.</p>"
        verdict = (
            "It is better."
            if self.cost > C
            else "It is worse: the step was too long."
            if self.cost < C
            else "It is the same."
        )
        asked = f" {verdict}" if self.filled else " Is it better?"
        return (
            self.line(Symbol("C"), [self.found(C)], before="new ")
            + f"<p>It was {_math(_number(self.cost)) if self.filled else 'C'}.{asked}</p>"
        )


def _by(symbol: Symbol) -> Derivative:
    return Derivative(Symbol("C"), symbol)


def _apart(about: Expression) -> list[str]:
    """Return a product with a sum in brackets in pieces, so that it may go on in the next row."""
    match about:
        case Product((*factors, Sum(terms))) if factors:
            before = "<mo>·</mo>".join(
                factor_of(factor, HOW, i == 0, False) for i, factor in enumerate(factors)
            )
            pieces = []
            for i, term in enumerate(terms):
                sign, inner = term_of(term, HOW, i == 0)
                signed = sign and not isinstance(term, Words)
                pieces.append(
                    (f'<mo form="infix">{sign.replace("-", "−")}</mo>' if signed else "") + inner
                )
            pieces[0], pieces[-1] = OPEN + pieces[0], pieces[-1] + CLOSE
            return [before, *pieces]
    return []


def _math(inner: str) -> str:
    return f"<math {NAMESPACE}>{inner}</math>"
