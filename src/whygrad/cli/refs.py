"""Which weight or neuron is meant: by numbers, or by the names of columns and classes.

2:0,5                        W[2][0,5], to unit 0 of layer 2 from unit 5 of layer 1
1:hidden 3,petal width       the same with names, which may themselves hold commas
1:hidden 3,bias              the bias of a unit
petal width -> hidden 3      without the layer, or with → for ->
1:3, hidden 3, setosa        a neuron, by layer and unit or by its name alone
0:petal width, petal width   an input
"""

import re

from whygrad.answers.names import Names, Ref, check_layer
from whygrad.errors import InputError, nearest
from whygrad.nn.network import Network
from whygrad.tables.columns import quoted

ARROW = re.compile(r"\s*(?:→|->)\s*")
LAYERED = re.compile(r"\s*([0-9]{1,9})\s*:(.*)", re.DOTALL)


def find_weight(net: Network, names: Names, text: str) -> Ref:
    """Return the weight or bias that is meant; raises `InputError` that says what there is instead.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")])
    >>> names = Names(("age", "height"), ("tall",))
    >>> [find_weight(net, names, text).part for text in ("1:2,height", "hidden 2 -> tall", "2:tall,bias")]
    ['1:2,1', '2:0,2', '2:0,bias']
    """
    ends = ARROW.split(text.strip())
    if len(ends) == 2:
        return _between(net, names, *ends)
    layered = LAYERED.fullmatch(text)
    if not layered or len(ends) > 2:
        raise InputError(
            f"weight {quoted(text)}: give it as LAYER:TO,FROM, such as 1:0,0, or as 'FROM -> TO' by name"
        )
    l, rest = check_layer(net, int(layered[1])), layered[2]
    commas = [i for i, letter in enumerate(rest) if letter == ","]
    if not commas:
        raise InputError(
            f"weight {quoted(text)}: give it as {l}:TO,FROM, such as {l}:0,0, or {l}:0,bias"
        )
    splits = [(rest[:i].strip(), rest[i + 1 :].strip()) for i in commas]
    for to, from_ in splits:
        if _is_unit(net, names, l, to) and (from_ == "bias" or _is_unit(net, names, l - 1, from_)):
            return _ref(net, names, l, to, from_)
    known = [split for split in splits if _is_unit(net, names, l, split[0])]
    return _ref(net, names, l, *(known or splits)[0])


def find_unit(net: Network, names: Names, text: str) -> Ref:
    """Return the neuron, or the input, that is meant.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")])
    >>> [find_unit(net, Names(("age", "height")), text).part for text in ("hidden 2", "2:0", "age")]
    ['1:2', '2:0', '0:0']
    """
    layered = LAYERED.fullmatch(text)
    if layered:
        l = check_layer(net, int(layered[1]), lowest=0)
        return Ref(l, _unit(net, names, l, layered[2].strip()))
    name = text.strip()
    found = [l for l in range(net.L + 1) if name in names.layer(net, l)]
    if len(found) == 1:
        return Ref(found[0], names.find(net, found[0], name))
    if found:
        said = " and ".join(f"{l}:{name}" for l in found)
        raise InputError(f"{quoted(name)} is the name of several units: say which, {said}")
    raise InputError(f"no unit is called {quoted(name)}: {_suggest(net, names, name)}")


def find_output(net: Network, names: Names, text: str | None) -> int | None:
    """Return the output that is meant by number or by name."""
    return None if text is None else _unit(net, names, net.L, text.strip())


def is_input(net: Network, names: Names, text: str) -> bool:
    """Return whether an input is meant: 0:UNIT, or the name of one alone."""
    layered = LAYERED.fullmatch(text)
    if layered:
        return int(layered[1]) == 0
    return not ARROW.search(text) and text.strip() in names.layer(net, 0)


def _between(net: Network, names: Names, from_: str, to: str) -> Ref:
    """Return the weight between two units that are given by name."""
    found = []
    for l in range(1, net.L + 1):
        below = [*names.layer(net, l - 1), "bias"]
        if to in names.layer(net, l) and from_ in below:
            found.append(_ref(net, names, l, to, from_))
    if len(found) == 1:
        return found[0]
    if found:
        said = " and ".join(ref.part for ref in found)
        raise InputError(f"{quoted(f'{from_} -> {to}')} may be {said}: give one of these")
    for name in (to, from_):
        if name != "bias" and not any(name in names.layer(net, l) for l in range(net.L + 1)):
            raise InputError(f"no unit is called {quoted(name)}: {_suggest(net, names, name)}")
    raise InputError(
        f"no weight leads from {quoted(from_)} to {quoted(to)}: give units of adjacent layers"
    )


def _ref(net: Network, names: Names, l: int, to: str, from_: str) -> Ref:
    j = _unit(net, names, l, to)
    return Ref(l, j, "bias" if from_ == "bias" else _unit(net, names, l - 1, from_))


def _unit(net: Network, names: Names, l: int, text: str) -> int:
    """Return the index of a unit: digits are an index, unless only a name looks like that."""
    digits = text.isascii() and text.isdecimal() and len(text) < 10
    if digits and not (int(text) >= net.sizes[l] and text in names.layer(net, l)):
        return names.find(net, l, int(text))
    return names.find(net, l, text)


def _is_unit(net: Network, names: Names, l: int, text: str) -> bool:
    try:
        _unit(net, names, l, text)
    except InputError:
        return False
    return True


def _suggest(net: Network, names: Names, name: str) -> str:
    known = [other for l in range(net.L + 1) for other in names.layer(net, l)]
    close, _, listed = nearest(name, known).partition("Known: ")
    return (
        f"{close}Known: {listed}" if len(known) <= 20 else f"{close}or give LAYER:UNIT by numbers"
    )
