"""`whygrad why …` and `whygrad check`: the questions of `whygrad.why`, about the rows of a run."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Ref
from whygrad.cli import answers
from whygrad.cli.arguments import (
    DEFAULT_ROWS,
    PLAIN,
    OutputFormat,
    Rows,
    RunFolder,
    Top,
    Weight,
    question,
)
from whygrad.cli.refs import find_output, find_unit, find_weight, is_input
from whygrad.cli.rows import ALL, ONE, Chosen, choose, wanted_of
from whygrad.errors import InputError
from whygrad.nn.backprop import backward, forward, gradients
from whygrad.tables.columns import quoted
from whygrad.why.prediction.baselines import WAYS

CHECKED_ROWS = 100  # a wrong derivative shows on any row; each costs two passes for every parameter


def weight(
    run: RunFolder,
    ref: Weight = None,
    /,
    *,
    depth: Annotated[int, question("How many layers are unrolled on the way to the cost. [1]")] = 1,
    top: Top = 10,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Explain a weight or a bias, by default the weight of layer 1 that the rows would move most."""
    chosen = _begin(run, rows, ONE, how)
    meant = _weight(chosen, ref)
    answer = chosen.why.weight(chosen.table, **meant.ends, depth=depth, top=top)
    return _end(chosen, answer, how)


def paths(
    run: RunFolder,
    ref: Weight = None,
    /,
    *,
    output: Annotated[str | None, question("To this output instead of the cost.")] = None,
    top: Top = 10,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Explain the same derivative as a sum over paths, to the cost or to an output."""
    chosen = _begin(run, rows, ONE, how)
    ends = _weight(chosen, ref).ends
    ends["to_output"] = find_output(chosen.run.net, chosen.why.names, output)
    return _end(chosen, chosen.why.paths(chosen.table, **ends, k=top), how)


def blame(
    run: RunFolder,
    ref: Annotated[
        str | None, question("Whose blame: 1:3, or its name. [all]", name="NEURON")
    ] = None,
    /,
    *,
    top: Top = 10,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Attribute the error to the neurons of the whole network, or explain that of one."""
    chosen = _begin(run, rows, ALL, how)
    of: dict[str, Any] = {}
    if ref is not None:
        meant = find_unit(chosen.run.net, chosen.why.names, ref)
        of = {"layer": meant.layer, "unit": meant.to}
    return _end(chosen, chosen.why.blame(chosen.table, top=top, **of), how)


def ripple(
    run: RunFolder,
    ref: Annotated[
        str | None,
        question("Which weight, as in `why weight`, or which input: 0:rooms.", name="WEIGHT"),
    ] = None,
    /,
    *,
    by: Annotated[
        float, question("By how much it is moved; an input in standard deviations. [0.1]")
    ] = 0.1,
    top: Top = 10,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Compare what a small change of a weight, a bias or an input does with what was to be expected."""
    chosen = _begin(run, rows, ONE, how)
    net, names = chosen.run.net, chosen.why.names
    if ref is not None and is_input(net, names, ref):
        of: dict[str, Any] = {"input": find_unit(net, names, ref).to}
    else:
        of = _weight(chosen, ref).ends
    return _end(chosen, chosen.why.ripple(chosen.table, by=by, top=top, **of), how)


def neuron(
    run: RunFolder,
    ref: Annotated[
        str | None,
        question(
            "Which one: 1:3, or its name. [the hidden one that the rows blame most]", name="NEURON"
        ),
    ] = None,
    /,
    *,
    top: Annotated[int, question("How many examples are listed. [8]")] = 8,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Explain what a neuron looks for, by default the hidden one that the rows blame most."""
    chosen = _begin(run, rows, ALL, how)
    net, names = chosen.run.net, chosen.why.names
    meant = _most_blamed(chosen) if ref is None else find_unit(net, names, ref)
    answer = chosen.why.neuron(chosen.table, layer=meant.layer, unit=meant.to, top=top)
    return _end(chosen, answer, how)


def prediction(
    run: RunFolder,
    /,
    *,
    row: Annotated[int, question("Which of the test rows, from 0. [0]")] = 0,
    output: Annotated[str | None, question("Which output. [that of the class it says]")] = None,
    at: Annotated[
        Literal["z", "a"] | None,
        question("The output's weighted input z, or a, which is the probability. [z of classes]"),
    ] = None,
    wanted: Annotated[str | None, question("The answer it should change to. [any other]")] = None,
    baseline: Annotated[
        str | None,
        question(
            "What it is compared with: training, mean or zero, a training row's number, or a file of rows. "
            "[training]"
        ),
    ] = None,
    sample: Annotated[
        int | None, question("How many baselines are drawn. [100, of large networks fewer]")
    ] = None,
    seed: Annotated[int, question("Draws them. [0]")] = 0,
    top: Top = 10,
    how: OutputFormat = PLAIN,
) -> int:
    """Attribute the output for one row to the columns, and find what would change the answer."""
    chosen = _begin(run, Rows(row=row), ONE, how)
    meant = find_output(chosen.run.net, chosen.why.names, output)
    answer = chosen.why.prediction(
        chosen.table,
        output=meant,
        at=at,
        wanted=wanted_of(chosen.run, wanted),
        baseline=_baseline(baseline),
        sample=sample,
        seed=seed,
        top=top,
    )
    return _end(chosen, answer, how)


def check(
    run: RunFolder,
    /,
    *,
    sample: Annotated[str, question("How many parameters are checked, or all. [1000]")] = "1000",
    seed: Annotated[int, question("Draws them. [0]")] = 0,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Check the gradient against central differences; the exit code is 1 where they disagree."""
    answers.check(how)
    chosen = choose(run, rows, ALL, CHECKED_ROWS)
    answer = chosen.why.check(chosen.table, sample=_sample(sample), seed=seed)
    return _end(chosen, answer, how) or int(not answer["passed"])


def _baseline(text: str | None) -> str | int | None:
    """Read what a prediction is compared with."""
    if text is None or text in WAYS:
        return text
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    if Path(text).is_file():
        return text
    raise InputError(
        f"--baseline {quoted(text)}: give training, mean, zero, the number of a training row, or a file of "
        "rows"
    )


def _sample(text: str) -> int | None:
    """Read how many parameters are checked."""
    digits = text.isascii() and text.isdecimal() and len(text) < 10
    if text != "all" and not (digits and int(text) > 0):
        raise InputError(f"--sample {quoted(text)}: give a number of parameters, or all")
    return None if text == "all" else int(text)


def _begin(run: RunFolder, rows: Rows, default: Rows, how: OutputFormat) -> Chosen:
    answers.check(how)
    return choose(run, rows, default)


def _end(chosen: Chosen, answer: Explanation, how: OutputFormat) -> int:
    return answers.show(answer, how, chosen.about, chosen.note)


def _weight(chosen: Chosen, ref: str | None) -> Ref:
    """Return the weight that is named, or the one of layer 1 that the rows would move most."""
    net, theta = chosen.run.net, chosen.run.theta
    if ref is not None:
        return find_weight(net, chosen.why.names, ref)
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
