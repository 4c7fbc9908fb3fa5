"""The book's symbols with the units and weights they stand for, and phrases for numbers and examples.

Wˡⱼₖ, bˡⱼ, zˡⱼ, aˡⱼ, δˡⱼ, f′(zˡⱼ)
"""

from whygrad.answers.expression import Call, Expression, Fraction, Symbol
from whygrad.answers.formatting import number
from whygrad.answers.names import AS_IT_IS, Names, Ref
from whygrad.nn.network import Network


def unit(name: str, l: int, j: int) -> Symbol:
    """Return a letter of a unit: z, a, δ, b.

    >>> unit("z", 2, 1).part
    '2:1'
    """
    return Symbol(name, l, (j,), part=Ref(l, j).part)


def weight(l: int, j: int, k: int) -> Symbol:
    """Return Wˡⱼₖ."""
    return Symbol("W", l, (j, k), part=Ref(l, j, k).part)


def parameter(ref: Ref) -> Symbol:
    """Return Wˡⱼₖ or bˡⱼ, the letter of a weight or a bias."""
    if ref.from_ == "bias":
        return Symbol("b", ref.layer, (ref.to,), part=ref.part)
    return weight(ref.layer, ref.to, int(ref.from_))  # type: ignore[arg-type]


def slope_of(l: int, j: int) -> Expression:
    """Return f′(zˡⱼ)."""
    return Call(Symbol("f", prime=True), unit("z", l, j))


def share(i: str) -> Expression:
    """Return sᵢ/S, what example i counts in the mean."""
    return Fraction(Symbol("s", None, (i,)), Symbol("S"))


def shown(value: float) -> str:
    """Format a number with three digits.

    >>> shown(0.123456), shown(-2.0)
    ('0.123', '-2')
    """
    return f"{value:.3g}"


def shown_apart(before: float, after: float) -> tuple[str, str]:
    """Format two numbers that are compared, with as many digits as tell them apart.

    >>> shown_apart(0.23781, 0.23822), shown_apart(0.5, 0.25), shown_apart(1.0, 1.0)
    (('0.2378', '0.2382'), ('0.5', '0.25'), ('1', '1'))
    """
    pairs = ((f"{before:.{digits}g}", f"{after:.{digits}g}") for digits in range(3, 18))
    return next((one for one in pairs if one[0] != one[1]), (shown(before), shown(after)))


def in_units(net: Network, names: Names, l: int, j: int, value: float) -> str:
    """Format the number of a unit, in the user's own units where the network has it standardised.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> in_units(net, Names(), 1, 0, 0.51234), in_units(net, Names(target=(200.0, 80.0)), 1, 0, 0.5)
    ('0.512', '240')
    """
    if names.scale(net, l, j) == AS_IT_IS:
        return shown(value)
    return number(names.own(net, l, j, value))


def change_in_units(net: Network, names: Names, l: int, j: int, value: float) -> str:
    """Format the change of a unit's number, in the same units, with its sign."""
    scale = names.scale(net, l, j)
    return f"{value:+.3g}" if scale == AS_IT_IS else number(value * scale[1], sign=True)


def over(n: int) -> str:
    """Return a phrase that says what a number is a mean over.

    >>> over(1), over(12)
    ('in this example', 'on average over 12 examples')
    """
    return "in this example" if n == 1 else f"on average over {n:,} examples"


def smaller(n: int) -> str:
    """Return a name for what is not listed one by one.

    >>> smaller(1), smaller(1200)
    ('1 smaller one', '1,200 smaller ones')
    """
    return f"{n:,} smaller {'one' if n == 1 else 'ones'}"


def path(net: Network, names: Names, l: int, *units: int) -> str:
    """Return the names of units of layers l, l + 1, …, joined by arrows.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")])
    >>> path(net, Names(inputs=("age", "height")), 0, 1, 2, 0)
    'height → hidden 2 → output 0'
    """
    return " → ".join(names.of(net, l + step, j) for step, j in enumerate(units))


def short(net: Network, names: Names, ref: Ref) -> str:
    """Return a short name: a weight by its ends, a bias by its unit, an input by itself.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")])
    >>> [short(net, Names(), ref) for ref in (Ref(1, 2, 0), Ref(1, 2, "bias"), Ref(0, 1))]
    ['input 0 → hidden 2', 'the bias of hidden 2', 'input 1']
    """
    l, to = ref.layer, names.of(net, ref.layer, ref.to)
    if l == 0:
        return to
    if ref.from_ == "bias":
        return f"the bias of {to}"
    return path(net, names, l - 1, int(ref.from_), ref.to)  # type: ignore[arg-type]
