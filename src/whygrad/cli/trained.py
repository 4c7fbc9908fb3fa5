"""`whygrad doctor`; `why ledger`, `labels`, `influence`, `settings`, `harmful`, `without`."""

import re
from typing import Annotated, Any

import numpy as np

from whygrad.answers.classes import class_names, classifies
from whygrad.answers.names import Names, Ref, check_layer
from whygrad.cli import answers
from whygrad.cli.arguments import (
    DEFAULT_ROWS,
    PLAIN,
    OutputFormat,
    Rows,
    RunFolder,
    choice,
    question,
)
from whygrad.cli.refs import ARROW, find_unit, find_weight
from whygrad.cli.rows import ALL, ONE, choose_of_any
from whygrad.cli.runs import note_the_first
from whygrad.errors import InputError
from whygrad.escaping import note
from whygrad.interop import FILES
from whygrad.nn import Array, Network, Parameters
from whygrad.record import Run, open_run
from whygrad.tables.columns import quoted
from whygrad.why.choosing import find_class
from whygrad.why.training_history.functional import Meant
from whygrad.why.training_history.influence import METHODS, Method

LAYER = re.compile(r"\s*(?:layer\s+)?([0-9]{1,9})\s*", re.IGNORECASE)
NUMBERS = re.compile(r"([0-9]{1,12})(?:-([0-9]{1,12}))?")

Output = Annotated[str | None, question("Which class or output. [the class it says]")]


def ledger(
    run: RunFolder,
    ref: Annotated[
        str | None,
        question(
            "Which weight or bias, as in `why weight`; or all of a neuron, 1:3 or its name; or of a layer, "
            "'layer 2' or 2. [of those to an output the weight that went furthest]",
            name="WEIGHT",
        ),
    ] = None,
    /,
    *,
    influence: Annotated[
        bool | None,
        question(
            "Train without each of the three largest, and show what that changes, or not. [where the "
            "answer takes less than 2 seconds]",
            negative="--no-influence",
        ),
    ] = None,
    top: Annotated[int, question("How many examples are listed, up and down. [10]")] = 10,
    how: OutputFormat = PLAIN,
) -> int:
    """Print the ledger of a weight, a neuron or a layer, by default of one weight to an output."""
    answers.check(how)
    opened = open_run(run)
    why = opened.why
    of = _furthest(opened) if ref is None else _meant(opened.net, why.names, ref)
    of |= {"influence": influence, "top": top, "progress": True}
    return answers.show(why.ledger(**of), how, {"run": str(run)})


def doctor(
    run: RunFolder,
    /,
    *,
    seconds: Annotated[
        float | None,
        question("How long cures may be tried. [30, or the training's own time if longer]"),
    ] = None,
    how: OutputFormat = PLAIN,
) -> int:
    """Diagnose why a training does not learn, and prove a cure by training it again."""
    answers.check(how)
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InputError(f"--seconds {seconds:g}: it must be above 0")
    if run.suffix.lower() in FILES and not run.is_dir():
        raise InputError(
            f"{run}: a model alone does not say how it was trained, nor on what: give a run, or in "
            f"Python the rows, whygrad.diagnose(whygrad.explain({str(run)!r}), X, y)"
        )
    opened = open_run(run)
    note_the_first(opened)
    note(
        "It is trained again with cures, for "
        + ("half a minute or so" if seconds is None else f"up to {seconds:g} s")
        + "; Ctrl-C ends that, and what was found by then is the answer."
    )
    answer = opened.why.learning(seconds=seconds, progress=True)
    return answers.show(answer, how, {"run": str(run)})


def labels(
    run: RunFolder,
    /,
    *,
    top: Annotated[int, question("How many rows are listed. [10]")] = 10,
    folds: Annotated[
        int, question("How many parts are left out, one at a time, to train without. [5]")
    ] = 5,
    how: OutputFormat = PLAIN,
) -> int:
    """Rank the training rows by how likely their labels are wrong."""
    answers.check(how)
    opened = open_run(run)
    answer = opened.why.labels(top=top, folds=folds, progress=True)
    return answers.show(answer, how, {"run": str(run)})


def influence(
    run: RunFolder,
    ref: Annotated[
        str | None,
        question("A weight or bias, as in `why weight`, in place of rows.", name="WEIGHT"),
    ] = None,
    /,
    *more: Annotated[str, question("More of them, in the same walk back.", name="MORE")],
    output: Output = None,
    each: Annotated[bool, question("Of every row by itself, not of their mean.")] = False,
    by: Annotated[
        Meant | None,
        question(
            "The cost, the output's weighted input z, or the output a. [cost, a with --output]"
        ),
    ] = None,
    method: Annotated[
        Method, choice("adjoint, or tracin: pushes, to compare. [adjoint]", METHODS)
    ] = "adjoint",
    exact: Annotated[int, question("Train without each of so many of the strongest. [3]")] = 0,
    rescale: Annotated[bool, question("Divide by the examples that remain in a batch.")] = False,
    top: Annotated[int, question("How many examples are listed, up and down. [10]")] = 10,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Compute what a number would be without each training example, by default the rows' cost."""
    answers.check(how)
    options: dict[str, Any] = {"exact": exact, "rescale": rescale, "top": top, "progress": True}
    if each or more:
        if method != "adjoint":
            raise InputError(
                f"--method {method} takes one number: leave out --each, and other weights"
            )
        if how.svg or how.html or how.latex:
            raise InputError("--svg, --html and --latex show one answer: ask about one number")
    if ref is not None:
        if rows != DEFAULT_ROWS or output is not None or by is not None or each:
            raise InputError(
                "a weight is asked about by itself: leave out rows, --output, --by and --each"
            )
        opened = open_run(run)
        why, about = opened.why, {"run": str(run)}
        ends = [find_weight(opened.net, why.names, one).ends for one in (ref, *more)]
        if not more:
            return answers.show(why.influence(**ends[0], method=method, **options), how, about)
        found = why.influences(weights=[tuple(one.values()) for one in ends], **options)
        return answers.show_all(found, how, about)
    chosen = choose_of_any(run, rows, ALL)
    of = _output(chosen.run.net, chosen.why.names, output)
    options |= {"of": of, "by": by}
    y = chosen.y if of is None else None
    if each:
        found = chosen.why.influences(chosen.table, y, **options)
        return answers.show_all(found, how, chosen.about, chosen.note)
    answer = chosen.why.influence(chosen.table, y, method=method, **options)
    return answers.show(answer, how, chosen.about, chosen.note)


def settings(
    run: RunFolder,
    /,
    *,
    attempt: Annotated[
        bool,
        question("Train again with what promises most, and show what it brings.", name="--try"),
    ] = False,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Compute what other settings would have done to the cost of rows."""
    answers.check(how)
    chosen = choose_of_any(run, rows, ALL)
    answer = chosen.why.settings(chosen.table, chosen.y, attempt=attempt, progress=True)
    return answers.show(answer, how, chosen.about, chosen.note)


def harmful(
    run: RunFolder,
    /,
    *,
    top: Annotated[int, question("How many examples are listed. [10]")] = 10,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Find training examples whose removal lowers the cost of rows."""
    answers.check(how)
    chosen = choose_of_any(run, rows, ALL)
    answer = chosen.why.harmful(chosen.table, chosen.y, top=top, progress=True)
    return answers.show(answer, how, chosen.about, chosen.note)


def without(
    run: RunFolder,
    examples: Annotated[
        str,
        question(
            "Which training examples, by the numbers that `why influence` lists: 17, 3,5, 10-14.",
            name="EXAMPLES",
        ),
    ],
    /,
    *more: Annotated[str, question("More of them.", name="MORE")],
    output: Output = None,
    rescale: Annotated[bool, question("Divide by the examples that remain in a batch.")] = False,
    rows: Rows = DEFAULT_ROWS,
    how: OutputFormat = PLAIN,
) -> int:
    """Train again without some examples, and compare the prediction for a row."""
    answers.check(how)
    indices = numbers_of((examples, *more))
    chosen = choose_of_any(run, rows, ONE)
    of = _output(chosen.run.net, chosen.why.names, output)
    options: dict[str, Any] = {"of": of, "rescale": rescale, "progress": True}
    answer = chosen.why.without(indices, chosen.table, chosen.y, **options)
    return answers.show(answer, how, {"examples": indices} | chosen.about, chosen.note)


def numbers_of(words: tuple[str, ...]) -> list[int]:
    """Read the numbers of training examples: 17, 3,5 and 10-14.

    >>> numbers_of(("17", "3,5", "10-12"))
    [3, 5, 10, 11, 12, 17]
    """
    found: set[int] = set()
    for word in ",".join(words).split(","):
        match = NUMBERS.fullmatch(word.strip())
        if not match:
            raise InputError(
                f"examples {quoted(word)}: give their numbers in the training data, 17 or 3,5 or 10-14"
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low or high - low > 10**7:
            raise InputError(f"examples {quoted(word)}: give the lower number first, such as 10-14")
        found.update(range(low, high + 1))
    return sorted(found)


def _meant(net: Network, names: Names, text: str) -> dict[str, Any]:
    """Return the weight, bias, neuron or layer that is meant; digits alone are a layer."""
    whole = LAYER.fullmatch(text)
    if whole:
        return {"layer": check_layer(net, int(whole[1]))}
    try:
        unit = find_unit(net, names, text)
    except InputError:
        if not ARROW.search(text) and "," not in text:
            raise
        return find_weight(net, names, text).ends
    if unit.layer == 0:
        raise InputError(
            f"{quoted(text)} is an input, which has no weights of its own: name a neuron"
        )
    return {"layer": unit.layer, "to": unit.to}


def _furthest(run: Run) -> dict[str, Any]:
    """Return the weight to the outputs that is furthest from where it started.

    Below, penalties may have moved those of inputs that are always 0 furthest, and no example any.
    """
    L, sizes = run.net.L, run.net.sizes
    start = Parameters(sizes, run.state(run.start).theta)
    # What was killed has the parameters of its last snapshot, which may be the first.
    now = run.theta if run.concluded else Parameters(sizes, run.state(run.step).theta)
    gaps: Array = np.abs(now.W[L] - start.W[L])
    return Ref(L, *map(int, divmod(int(gaps.argmax()), gaps.shape[1]))).ends


def _output(net: Network, names: Names, text: str | None) -> int | None:
    """Return the class or output that is meant, by number or by name."""
    if text is None:
        return None
    text = text.strip()
    digits = text.isascii() and text.isdecimal() and len(text) < 10
    known = class_names(net, names) if classifies(net) else names.layer(net, net.L)
    given: Any = int(text) if digits and text not in known else text
    return find_class(net, names, given) if classifies(net) else names.find(net, net.L, given)
