"""`whygrad why …` and `whygrad check`: the questions of `whygrad.why`, about the rows of a run."""

from pathlib import Path
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Ref
from whygrad.cli import answers
from whygrad.cli.arguments import OutputFormat, Rows
from whygrad.cli.places import find_output, find_unit, find_weight, is_input
from whygrad.cli.rows import ALL, ONE, Chosen, choose, wanted_of
from whygrad.errors import InputError
from whygrad.nn.backprop import backward, forward, gradients
from whygrad.tables.columns import quoted

CHECKED_ROWS = 100  # a wrong derivative shows on any row; each costs two passes for every parameter


def weight(
    run: Path, place: str | None, rows: Rows, how: OutputFormat, depth: int, top: int
) -> int:
    """Explain a weight or a bias, by default the weight of layer 1 that the rows would move most."""
    chosen = _begin(run, rows, ONE, how)
    meant = _weight(chosen, place)
    answer = chosen.why.weight(chosen.table, **meant.ends, depth=depth, top=top)
    return _end(chosen, answer, how)


def paths(
    run: Path, place: str | None, rows: Rows, how: OutputFormat, output: str | None, top: int
) -> int:
    """Explain the same as a sum over paths, to the cost or to an output."""
    chosen = _begin(run, rows, ONE, how)
    ends = _weight(chosen, place).ends
    ends["to_output"] = find_output(chosen.run.net, chosen.why.names, output)
    return _end(chosen, chosen.why.paths(chosen.table, **ends, k=top), how)


def blame(run: Path, place: str | None, rows: Rows, how: OutputFormat, top: int) -> int:
    """Describe how much of the error is whose, in the whole network, or why that of one neuron."""
    chosen = _begin(run, rows, ALL, how)
    of: dict[str, Any] = {}
    if place is not None:
        meant = find_unit(chosen.run.net, chosen.why.names, place)
        of = {"layer": meant.layer, "unit": meant.to}
    return _end(chosen, chosen.why.blame(chosen.table, top=top, **of), how)


def ripple(run: Path, place: str | None, rows: Rows, how: OutputFormat, by: float, top: int) -> int:
    """Move a weight, a bias or an input a little, and see what happens."""
    chosen = _begin(run, rows, ONE, how)
    net, names = chosen.run.net, chosen.why.names
    if place is not None and is_input(net, names, place):
        of: dict[str, Any] = {"input": find_unit(net, names, place).to}
    else:
        of = _weight(chosen, place).ends
    return _end(chosen, chosen.why.ripple(chosen.table, by=by, top=top, **of), how)


def neuron(run: Path, place: str | None, rows: Rows, how: OutputFormat, top: int) -> int:
    """Describe what a neuron looks for, by default the hidden one that the rows blame most."""
    chosen = _begin(run, rows, ALL, how)
    net, names = chosen.run.net, chosen.why.names
    meant = _most_blamed(chosen) if place is None else find_unit(net, names, place)
    answer = chosen.why.neuron(chosen.table, layer=meant.layer, unit=meant.to, top=top)
    return _end(chosen, answer, how)


def prediction(
    run: Path, row: int, how: OutputFormat, output: str | None, wanted: str | None, top: int
) -> int:
    """Describe what each column contributes to the output for one row, and what would change the answer."""
    chosen = _begin(run, Rows(row=row), ONE, how)
    meant = find_output(chosen.run.net, chosen.why.names, output)
    answer = chosen.why.prediction(
        chosen.table, output=meant, wanted=wanted_of(chosen.run, wanted), top=top
    )
    return _end(chosen, answer, how)


def check(run: Path, rows: Rows, how: OutputFormat, sample: str, seed: int) -> int:
    """Hold the gradient against central differences; the exit code is 1 where they disagree."""
    answers.check(how)
    chosen = choose(run, rows, ALL, CHECKED_ROWS)
    answer = chosen.why.check(chosen.table, sample=_sample(sample), seed=seed)
    return _end(chosen, answer, how) or int(not answer["passed"])


def _sample(text: str) -> int | None:
    """Read how many parameters are checked."""
    digits = text.isascii() and text.isdecimal() and len(text) < 10
    if text != "all" and not (digits and int(text) > 0):
        raise InputError(f"--sample {quoted(text)}: give a number of parameters, or all")
    return None if text == "all" else int(text)


def _begin(run: Path, rows: Rows, baseline: Rows, how: OutputFormat) -> Chosen:
    answers.check(how)
    return choose(run, rows, baseline)


def _end(chosen: Chosen, answer: Explanation, how: OutputFormat) -> int:
    return answers.show(answer, how, chosen.about, chosen.note)


def _weight(chosen: Chosen, place: str | None) -> Ref:
    """Return the weight that is named, or the one of layer 1 that the rows would move most."""
    net, theta = chosen.run.net, chosen.run.theta
    if place is not None:
        return find_weight(net, chosen.why.names, place)
    X, Y, _ = chosen.why.examples(chosen.table)
    dW = gradients(net, theta, backward(net, theta, forward(net, theta, X), Y)).dW[1]
    return Ref(1, *divmod(int(np.abs(dW).argmax()), net.sizes[0]))


def _most_blamed(chosen: Chosen) -> Ref:
    """Return the hidden neuron, of an only layer the output, whose mean |δ| is largest."""
    net, theta = chosen.run.net, chosen.run.theta
    X, Y, _ = chosen.why.examples(chosen.table)
    delta = backward(net, theta, forward(net, theta, X), Y).delta
    assert delta is not None
    sizes = [np.abs(each).mean(axis=0) for each in delta[1 : max(2, net.L)]]
    l = int(np.argmax([each.max() for each in sizes]))
    return Ref(l + 1, int(sizes[l].argmax()))
