"""The book's symbols with the units and weights they stand for, and phrases for numbers and examples.

Wˡⱼₖ, bˡⱼ, zˡⱼ, aˡⱼ, δˡⱼ, f′(zˡⱼ)
"""

import math
from collections.abc import Sequence

from whygrad.answers.expression import Call, Expression, Fraction, Number, Symbol
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
    """Write a number in a sentence, as equations and tables do.

    >>> shown(0.123456), shown(-2.0), signed(0.5)
    ('0.1235', '-2', '+0.5')
    """
    return number(value)


def signed(value: float) -> str:
    """Write a number that is added, with its sign."""
    return number(value, sign=True)


def shown_apart(before: float, after: float) -> tuple[str, str]:
    """Format two numbers that are compared, with as many digits as tell them apart.

    >>> shown_apart(0.237811, 0.237822), shown_apart(0.5, 0.25), shown_apart(1.0, 1.0)
    (('0.23781', '0.23782'), ('0.5', '0.25'), ('1', '1'))
    """
    if (one := (shown(before), shown(after)))[0] != one[1]:
        return one
    pairs = ((f"{before:.{digits}g}", f"{after:.{digits}g}") for digits in range(5, 18))
    return next((one for one in pairs if one[0] != one[1]), (shown(before), shown(after)))


def in_units(net: Network, names: Names, l: int, j: int, value: float) -> str:
    """Format the number of a unit, in the user's own units where the network has it standardised.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> in_units(net, Names(), 1, 0, 0.51234), in_units(net, Names(target=(200.0, 80.0)), 1, 0, 0.5)
    ('0.5123', '240')
    """
    if names.scale(net, l, j) == AS_IT_IS:
        return shown(value)
    return number(names.own(net, l, j, value))


def change_in_units(net: Network, names: Names, l: int, j: int, value: float) -> str:
    """Format the change of a unit's number, in the same units, with its sign."""
    scale = names.scale(net, l, j)
    return signed(value if scale == AS_IT_IS else value * scale[1])


def over(n: int) -> str:
    """Return a phrase that says what a number is a mean over.

    >>> over(1), over(12)
    ('in this example', 'on average over 12 examples')
    """
    return "in this example" if n == 1 else f"on average over {n:,} examples"


LISTED = 4  # terms of a sum that an equation writes out


def others(n: int) -> str:
    """Return a name for the terms that an equation does not write out.

    >>> others(1), others(1200)
    ('1 other', '1,200 others')
    """
    return f"{n:,} other{'s' * (n != 1)}"


def summed_up(terms: Sequence[tuple[float, str]], count: int, left: float) -> list[Expression]:
    """Write a sum in numbers: its first terms, each with its part, and all else as one number.

    Of `count` terms `terms` are known, those of the largest size first; `left` is the sum of those that are
    not.

    >>> [one.value for one in summed_up([(5.0, ""), (4.0, ""), (3.0, ""), (2.0, ""), (1.0, "")], 7, 0.5)]
    [5.0, 4.0, 3.0, 2.0, 1.5]
    """
    written: list[Expression] = [Number(value, part) for value, part in terms[:LISTED]]
    if count > len(written):
        rest = math.fsum([*(value for value, _ in terms[LISTED:]), left])
        written.append(Number(rest, of=others(count - len(written))))
    return written


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
