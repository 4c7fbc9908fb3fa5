"""What a network, a pass, a training and a run are, as answers: a notebook shows them so, in place.

A network is drawn with its weights blank, a pass with its activations, a training by its costs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.formatting import counted, number
from whygrad.answers.names import Names
from whygrad.answers.parts import Answer, Table
from whygrad.answers.pictures import CurvePicture, Line, NetworkPicture, Picture
from whygrad.answers.write.html import STILL, to_fragment
from whygrad.nn import Dense, Network, Trace, dense
from whygrad.nn.functions import Array
from whygrad.nn.network import count
from whygrad.training.epochs import History

MOST_UNITS = 4_096  # of a layer that is drawn
FEW = 8  # units of a layer without numbers
MOST_ROWS = 24  # of a pass that are listed


def card(about: Any) -> str:
    """Return a network, a pass, a training or an answer as a piece of a page, for a notebook."""
    return to_fragment(KINDS.get(type(about), lambda answer: answer)(about), form=STILL)


def network_answer(net: Network) -> Answer:
    """Return what a network is: its layers, and its drawing, blank as it is without parameters."""
    layers = [
        (f"{l}", layer.units, layer.f.name, layer.units * below, _start(layer))
        for l, (layer, below) in enumerate(zip(net.layers, net.sizes, strict=False), start=1)
    ]
    sizes = net.sizes
    inputs = counted(sizes[0], "inputs")
    said = f"{inputs}, {count(sizes):,} weights and biases; cost: {_plain(net.C.name)}."
    heads = ("layer", "units", "activation", "weights", "start")
    pictures: tuple[Picture, ...] = () if max(sizes) > MOST_UNITS else (_sketch(net),)
    table = Table("Layers", heads, tuple(layers))
    return Answer("network", f"Network {_sizes(sizes)}", said, tables=(table,), pictures=pictures)


def trace_answer(trace: Trace) -> Answer:
    """Return what a pass computed: the activations in the network, and z, a and δ of the first example."""
    sizes, n = [a.shape[1] for a in trace.a], trace.a[0].shape[0]
    which = "this example" if n == 1 else f"the first of {n:,} examples"
    none = (None,) * len(sizes)
    firsts: list[list[Any]] = [
        [None if one is None else dense(one[:1]).astype(float)[0] for one in of]
        for of in (trace.z, trace.a, trace.delta or none)
    ]
    rows = [
        (f"{l}:{j}", *(None if of[l] is None else float(of[l][j]) for of in firsts))
        for l, units in enumerate(sizes)
        for j in range(units)
    ]
    ends = rows[: MOST_ROWS // 2] + rows[-MOST_ROWS // 2 :]
    listed = rows if len(rows) <= MOST_ROWS else ends
    left = f", the first and the last of {len(rows):,}" * (len(listed) < len(rows))
    table = Table(f"Units, as layer:unit{left}", ("unit", "z", "a", "δ"), tuple(listed))
    pictures: tuple[Picture, ...] = ()
    if max(sizes) <= MOST_UNITS:
        title, names = f"Activations, {which}", _names(sizes)
        activations = NetworkPicture(
            title, tuple(firsts[1]), none, names, unit_meaning="activation"
        )
        pictures = (activations,)
    examples = f"of {n:,} example{'s' * (n != 1)}"
    said = f"z, a and δ, {examples}."
    if trace.delta is None:
        said = f"z and a, {examples}; δ comes with backward()."
    question = f"Pass through {_sizes(sizes)}"
    return Answer("trace", question, said, tables=(table,), pictures=pictures)


def history_answer(history: History) -> Answer:
    """Return how a training went: its costs, the last of them, and why it ended."""
    epochs = history.epochs
    said = [history.stopped.capitalize() if history.stopped else "It has not ended"]
    if epochs:
        last = {WORDS.get(name, name): value for name, value in epochs[-1].to_dict().items()
                if not name.startswith("layer_")}  # fmt: skip
        said.append("at last " + ", ".join(f"{name} {number(v)}" for name, v in last.items()))
    question = f"Training of {len(epochs):,} epoch{'s' * (len(epochs) != 1)}"
    pictures = (cost_picture(history),) if len(epochs) > 1 else ()
    return Answer("history", question, f"{'; '.join(said)}.", pictures=pictures)


def run_answer(
    name: str, net: Network, history: History, facts: Sequence[tuple[str, str]]
) -> Answer:
    """Return what a recorded training is: how it went, and the facts about it."""
    about = history_answer(history)
    table = Table("The training", ("", ""), tuple(facts))
    question = f"{name}: {_sizes(net.sizes)}, {about.question[0].lower()}{about.question[1:]}"
    return Answer("run", question, about.answer, tables=(table,), pictures=about.pictures)


def cost_picture(history: History, cost: str = "cost") -> CurvePicture:
    """Return the costs of a training by epochs, those of the validation rows beside them."""
    costs = np.array(history.cost, np.float64)
    lines = [Line(f"training {cost}", costs)]
    held = history.validation_cost
    if held and held[0] is not None:
        values = [np.nan if one is None else one for one in held]
        lines.append(Line("validation cost", np.array(values, np.float64), stroke=1))
    x = np.arange(1.0, len(costs) + 1)
    title = "The cost, epoch by epoch"
    return CurvePicture(title, "epoch", "cost", x, tuple(lines), scale="log")


WORDS = {
    name: name.replace("_", " ")
    for name in ("learning_rate", "validation_cost", "validation_score")
}
KINDS: dict[type, Any] = {Network: network_answer, Trace: trace_answer, History: history_answer}


def _sketch(net: Network) -> NetworkPicture:
    """Return the network with nothing in it: all numbers are still to come."""
    blank: list[Array] = [np.full(units, np.nan) for units in net.sizes]
    shown = [tuple(range(min(units, FEW))) for units in net.sizes]
    image = net.inputs if isinstance(net.inputs, tuple) and len(net.inputs) == 2 else None
    if image:
        shown[0] = tuple(np.linspace(0, net.sizes[0] - 1, FEW, dtype=int).tolist())
    edges = [
        np.broadcast_to(np.nan, (to, below))
        for below, to in zip(net.sizes, net.sizes[1:], strict=False)
    ]
    return NetworkPicture(
        "Layers and connections",
        tuple(blank),
        (None, *edges),
        _names(net.sizes),
        image=image,
        shown=tuple(shown),
        partial=True,
        kept=net.kept,
        biases=(None, *blank[1:]),
    )


def _names(sizes: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    return Names().layers(Network(sizes[0], [Dense(units) for units in sizes[1:]]))


def _sizes(sizes: Sequence[int]) -> str:
    return "-".join(map(str, sizes))


def _start(layer: Dense) -> str:
    kind = layer.init
    if not isinstance(kind, str):
        kind = f"uniform, {number(kind.low)} to {number(kind.high)}"
    return f"{kind}, dropout {layer.dropout:g}" if layer.dropout else kind


def _plain(name: str) -> str:
    return name.replace("_", " ")
