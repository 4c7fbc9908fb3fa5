"""Answers made by hand: what the renderers are tested on, from the plainest to the most hostile."""

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Number,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)
from whygrad.answers.parts import Factor, Table, Term
from whygrad.answers.pictures import BarPicture, CurvePicture, ImagePicture, Line, NetworkPicture

HOSTILE = (
    "<script>alert(1)</script>",
    "a & b",
    "\"double\" 'single'",
    "]]> --> &amp;",
    "אבג דהו",  # written from right to left
    "\u202eturned round",
    "重み と バイアス",
    "line\nbreak\tand \x00\x1b[31m control",
    r"50 %_of $the #cost {x} \input{file} ~^",
    "a very long name that goes on and on, much further than any drawing has room for it",
    "👩‍👩‍👧 e\u0301",
    "",
)


def weight() -> Explanation:
    """One weight of a small network, through its chain rule."""
    W, z = Symbol("W", 2, (1, 0), part="2:1,0"), Symbol("z", 2, (1,), part="2:1")
    factors = (
        Factor(
            Symbol("a", 1, (0,), part="1:0"), 0.622459, "activation of hidden 0, the sender", "1:0"
        ),
        Factor(Call(Symbol("f", prime=True), z), -0.25, "slope of sigmoid at z = 0.1", "2:1"),
        Factor(
            Derivative(Symbol("C"), Symbol("a", 2, (1,))),
            1.5e-05,
            "what the cost passes back",
            "2:1",
        ),
    )
    deep = SumOver("m", Product((Symbol("W", 3, ("m", 1)), Symbol("δ", "l+1", ("m",)))))
    equation = Equation(
        (
            Derivative(Symbol("C"), W),
            Product(tuple(factor.symbol for factor in factors)),
            Product((factors[0].symbol, factors[1].symbol, deep)),
            Product(tuple(Number(factor.value, factor.part) for factor in factors)),
            Sum((Number(-0.5), Product((Number(-2.0), Number(0.3))), Number(51080.0))),
            Number(-2.33422e-06),
        )
    )
    return Explanation(
        kind="weight",
        question="Why would W[2][1,0], from hidden 0 to setosa, move?",
        answer="It is pushed up a little: hidden 0 is active, and setosa is said too rarely.",
        value=-2.33422e-06,
        terms=(Term("row 17", -2.33422e-06, factors, "2:1,0"),),
        residuals={"beyond first order": 1e-22},
        equations=(equation,),
        tables=(
            Table(
                "Examples that push most",
                ("row", "class", "push"),
                ((17, "setosa", 0.25), (3, None, -1.0)),
            ),
        ),
        pictures=(network((4, 2, 2), marked=("2:1,0",)),),
        arrays={"per example": np.array([0.25, np.nan, -np.inf])},
        notes=("exact: the terms add up to the gradient that training uses",),
        part="2:1,0",
    )


def network(
    sizes: tuple[int, ...],
    seed: int = 0,
    marked: tuple[str, ...] = (),
    backwards: bool = False,
    image: tuple[int, int] | None = None,
    names: tuple[str, ...] = (),
) -> NetworkPicture:
    """A network with random numbers on it; `names` are taken in turn for every unit."""
    rng = np.random.default_rng(seed)
    called = [
        [f"{kind} {j}" for j in range(n)] for kind, n in zip(_kinds(len(sizes)), sizes, strict=True)
    ]
    if names:
        called = [[names[(j + l) % len(names)] for j in range(n)] for l, n in enumerate(sizes)]
    edges = [rng.normal(size=(n, m)) / m**0.5 for m, n in zip(sizes, sizes[1:], strict=False)]
    return NetworkPicture(
        title="A network, " + " – ".join(map(str, sizes)),
        units=tuple(rng.uniform(-1 if backwards else 0, 1, n) for n in sizes),
        edges=(None, *edges),
        names=tuple(map(tuple, called)),
        unit_meaning="error δ" if backwards else "activation",
        edge_meaning="blame" if backwards else "weight",
        backwards=backwards,
        marked=marked,
        image=image,
    )


def _kinds(count: int) -> list[str]:
    return ["input", *["hidden"] * (count - 2), "output"]


def curves() -> CurvePicture:
    """The cost against a weight, with its tangent and a point, and the pushes of three classes."""
    x = np.linspace(-0.5, 0.5, 101)
    y = 0.4 + (x - 0.3) ** 2
    pushes = [np.abs(x) * (k - 1) + 0.1 * k for k in range(3)]
    return CurvePicture(
        title="The cost as W[2][1,0] moves",
        x_label="Δw",
        y_label="cost",
        x=x,
        lines=(Line("cost", y), Line("first order", 0.49 - 0.6 * x, dashed=True)),
        stacked=tuple(
            Line(name, push)
            for name, push in zip(("setosa", "versicolor", "virginica"), pushes, strict=True)
        ),
        stack_label="pushes",
        marks=((0.0, 0.49, "now"), (0.1, 0.44, "moved by 0.1")),
    )


def bars(names: tuple[str, ...], seed: int = 0) -> BarPicture:
    """Named numbers on both sides of zero."""
    values = np.random.default_rng(seed).normal(size=len(names)) * 3
    return BarPicture("What each column adds", "part of the output", names, values)


def images(count: int = 5, signed: bool = True) -> ImagePicture:
    """Round shapes of 28 by 28 pixels."""
    rows, columns = np.mgrid[:28, :28]
    rings = [np.cos(np.hypot(rows - 14, columns - 10 - k) / (2 + k)) for k in range(count)]
    pixels = np.array(rings) if signed else np.abs(np.array(rings))
    return ImagePicture(
        "Incoming weights", pixels, tuple(f"hidden {k}" for k in range(count)), signed
    )


def hostile() -> Explanation:
    """Every text of an answer and its pictures is hostile, and the numbers are not finite."""
    names = HOSTILE
    nan = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e-300, 1.0, 2.0, 3.0, 4.0, 5.0])
    terms = tuple(
        Term(name, float(value), (Factor(Words(name), float(value), name, name),), name)
        for name, value in zip(names, nan, strict=True)
    )
    return Explanation(
        kind="paths",
        question=names[0],
        answer=" ".join(names),
        value=float("nan"),
        terms=terms,
        residuals={name: float("inf") for name in names},
        equations=(
            Equation(
                tuple(
                    Product((Symbol(n, n, (n, n), part=n), Words(n), Number(float("nan"))))
                    for n in names
                )
            ),
        ),
        tables=(
            Table(names[1], names, tuple(tuple(nan.tolist()) for _ in names)),
            Table("", names, (names,)),
        ),
        pictures=(
            network((4, 12, 12), names=names),
            BarPicture(names[0], names[1], names, nan),
            CurvePicture(
                names[0],
                names[1],
                names[2],
                nan,
                (Line(names[0], nan), Line(names[8], nan, True)),
                (Line(names[3], nan),),
                names[4],
                ((float("nan"), 1.0, names[1]), (1.0, 2.0, names[0])),
            ),
            ImagePicture(names[0], np.full((2, 3, 4), np.nan), names[:2]),
        ),
        arrays={name: nan for name in names},
        notes=names,
        part=names[0],
    )
