"""Results for people, in a terminal of 80 columns or more; and as JSON for programs.

Results go to standard output, all else to standard error.
"""

import json
import math
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from whygrad.answers.formatting import clean, columns, counted, cut, number
from whygrad.escaping import note, visible, write
from whygrad.pipeline.comparing import Comparison
from whygrad.pipeline.copies import Copies
from whygrad.pipeline.repeating import Repeated
from whygrad.pipeline.scores import (
    OF_CLASSES,
    OF_NUMBERS,
    QUANTILES,
    SHARES,
    ClassificationScores,
    ClassScore,
    RegressionScores,
    Scores,
    written_r2,
    written_share,
)
from whygrad.tables import Target

MOST_NOTES = 6  # lines on the table that a run was trained on, which `show` has as well
MOST_NOTES_ELSEWHERE = 30
MOST_CLASSES = 20  # that get a line each


class Printer(Console):
    """A console on which text is text: never markup or an emoji's code, and never what a terminal obeys."""

    def __init__(self, stream: TextIO, **options: Any) -> None:
        super().__init__(file=stream, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text of a string, as wide as it will be."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the pieces that are written: all that is drawn comes through here."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else piece._replace(text=visible(piece.text))


def printer() -> Console:
    """Return the console for results."""
    return Printer(sys.stdout)


def note_lines(notes: Sequence[str], of_a_run: bool = False) -> None:
    """Report what was done to the table; of many lines the first ones, more where no run keeps them."""
    most = MOST_NOTES if of_a_run else MOST_NOTES_ELSEWHERE
    shown = notes if len(notes) <= most else notes[: most - 1]
    for line in shown:
        note(line)
    if len(shown) < len(notes):
        where = ", all of them in `whygrad show`" if of_a_run else ""
        note(f"… and {len(notes) - len(shown)} more such lines{where}")


def print_json(about: Any) -> None:
    """Print data as JSON, with null for what is not finite."""
    text = json.dumps(_finite(about), indent=1, allow_nan=False, ensure_ascii=False)
    write(f"{text}\n", sys.stdout)


def _finite(about: Any) -> Any:
    if isinstance(about, dict):
        return {str(name): _finite(value) for name, value in about.items()}
    if isinstance(about, list | tuple):
        return [_finite(value) for value in about]
    return None if isinstance(about, float) and not math.isfinite(about) else about


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────


def print_scores(
    console: Console,
    scores: Scores,
    target: Target,
    what: str,
    comparison: Comparison | None = None,
) -> None:
    """Print scores beside those of other models, or of the baseline; `what` says of which rows they are."""
    if isinstance(scores, RegressionScores):
        _print_numbers(console, scores, target, what, comparison)
    else:
        _print_classes(console, scores, target, what, comparison)


def print_copies(console: Console, copies: Copies | None, n: int) -> None:
    """Print how many of the n scored rows training has seen, where these are enough to change scores."""
    if copies is not None and copies.many:
        said = copies.of(f"These are of {counted(n, 'test rows')}", n)
        console.print()
        console.print(f"{said}. {copies.score_of_others}".rstrip())


def _print_measures(
    console: Console,
    scores: Scores,
    title: str,
    always: str,
    comparison: Comparison | None,
) -> None:
    """Print the measures of the network beside those of others, and what follows from them."""
    numbers = isinstance(scores, RegressionScores)
    models = [] if comparison is None else list(comparison.models)
    heads = [always, *(model.name for model in models if model.name != "trivial")]
    others = [model.measures for model in models] or [scores.trivial]
    rows = []
    for name, label in (OF_NUMBERS if numbers else OF_CLASSES).items():
        cells = [scores.measures[name], *(other.get(name) for other in others)]
        if cells[0] is not None or any(cell is not None for cell in cells):
            rows.append((label, *(_measure(name, cell) for cell in cells)))
    console.print(_headed(console, rows, title, "this network", *heads[: len(others)]))
    if comparison is None:
        return
    console.print()
    if comparison.verdict:
        console.print(comparison.verdict)
    console.print(Text(_of_the_others(comparison), style="dim"))


def _of_the_others(comparison: Comparison) -> str:
    """Return how the models beside the network were fitted."""
    fitted = [model for model in comparison.models if model.name != "trivial"]
    seconds = sum(model.seconds for model in fitted)
    rows = " and ".join(dict.fromkeys(f"{model.rows:,}" for model in fitted))
    names = " and ".join(KINDS[model.name] for model in fitted)
    rows += " row" if rows == "1" else " rows"
    return f"Beside: {names}, on {rows} in {seconds:.1f} s; train --no-comparison leaves them out."


KINDS = {
    "linear": "scikit-learn's linear model",
    "boosting": "its HistGradientBoosting",
}


def _measure(name: str, value: float | None) -> str:
    if name in SHARES:
        return written_share(value)
    if name == "r2":
        return written_r2(value)
    return "–" if value is None else number(float(f"{value:.4g}"))


def print_repeated(console: Console, repeated: Repeated) -> None:
    """Print mean and standard deviation of the scores over folds or seeds."""
    names = [name for name in repeated.models if name != "trivial"]
    title = f"mean ± sd, {repeated.times} {repeated.what}"
    console.print()
    rows = [
        (label, *(_spread(repeated, name, measure) for name in names))
        for measure, label in (OF_NUMBERS | OF_CLASSES).items()
        if measure in repeated.models[names[0]]
    ]
    console.print(_headed(console, rows, title, *names))


def _spread(repeated: Repeated, name: str, measure: str) -> str:
    found = repeated.spread(name, measure)
    if found is None:
        return "–"
    mean, sd = found
    if measure in SHARES:
        return f"{100 * mean:.1f} ± {100 * sd:.1f}%"
    return f"{number(float(f'{mean:.4g}'))} ± {number(float(f'{sd:.2g}'))}"


def show_next(path: Path, averaged: bool, scores: Scores | None, stopped: str) -> None:
    """Print what to ask of a run next.

    Of networks that are averaged it is what the average is asked, and of what diverged, or is no better
    than a baseline that looks at no column, what is wrong.
    """
    console, name = printer(), shlex.quote(str(path))
    if stopped.startswith("diverged") or _no_better(scores):
        why = ("What is wrong with it", "doctor")
    elif averaged:
        why = ("Why it predicts what it does", "why prediction")
    else:
        why = ("Why one of its weights would move", "why weight")
    for said, command in (("\nHow it came to this", "show"), why):
        line = Text.assemble(f"{said}:  ", (f"whygrad {command} {name}", "bold"))
        console.print(line, soft_wrap=True)  # to be copied as it is


def _no_better(scores: Scores | None) -> bool:
    """Return whether a baseline does as well: of classes in the accuracy and in the balanced one."""
    if scores is None:
        return False
    names = (
        ("balanced_accuracy", "accuracy") if isinstance(scores, ClassificationScores) else ("r2",)
    )
    ours, theirs = scores.measures, scores.trivial
    pairs = [(ours[name], theirs[name]) for name in names]
    return all(a is not None and b is not None and a <= b for a, b in pairs)


def written(scores: Scores) -> str:
    """Write the score with its name.

    The one number that models are compared by.
    """
    if isinstance(scores, RegressionScores):
        return f"R² {written_r2(scores.r2)}"
    return f"accuracy {written_share(scores.accuracy)}"


def _print_numbers(
    console: Console,
    scores: RegressionScores,
    target: Target,
    what: str,
    comparison: Comparison | None,
) -> None:
    title = f"{clean(target.name)} of {counted(scores.rows, what)}"
    _print_measures(console, scores, title, "always the mean", comparison)
    if scores.error_quantiles:
        at = [f"{quantile:.0%}" for quantile in QUANTILES]
        values = [number(value, sign=True) for value in scores.error_quantiles]
        head = "quantiles of the error"
        console.print()
        table = _table(head, *at)
        table.add_row("", *values)
        if len(head) + sum(3 + len(value) for value in values) > console.width:
            table = _table(head, "")  # below each other: a number is never cut
            for row in zip(at, values, strict=True):
                table.add_row(*row)
        console.print(table)
    console.print()
    table = _table("true value", "rows", "mean absolute error", "mean error")
    for part in scores.parts:
        table.add_row(
            part.values,
            f"{part.rows:,}",
            number(part.absolute_error),
            number(part.error, sign=True),
        )
    console.print(table)


def _print_classes(
    console: Console,
    scores: ClassificationScores,
    target: Target,
    what: str,
    comparison: Comparison | None,
) -> None:
    always = f"always {_short(scores.baseline_label, 13)}"
    title = f"{clean(target.name)} of {counted(scores.rows, what)}"
    _print_measures(console, scores, title, always, comparison)
    if len(scores.classes) == 2 and scores.classes[1].rows > scores.classes[0].rows:
        positive = _short(scores.classes[1].label, 30)
        console.print(
            Text(f"Average precision is that of {positive}, the second class.", style="dim")
        )
    console.print()
    shown: Sequence[ClassScore] = scores.classes
    first = "class"
    if len(shown) > MOST_CLASSES:
        worst = sorted(shown, key=lambda one: (one.recall is None, one.recall or 0.0))
        shown, first = worst[: MOST_CLASSES // 2], f"worst of {len(shown)} classes"
    table = _table(first, "rows", "precision", "recall")
    for one in shown:
        table.add_row(
            _short(one.label, 30),
            f"{one.rows:,}",
            written_share(one.precision),
            written_share(one.recall),
        )
    console.print(table)
    console.print()
    matrix = _confusion_matrix(scores, console.width)
    if matrix is not None:
        console.print("rows: the true class; columns: what it was taken for")
    console.print(_confusions(scores) if matrix is None else matrix)


def _confusion_matrix(scores: ClassificationScores, width: int) -> Table | None:
    """Return the confusion matrix as a table, or None where it does not fit into the width."""
    names = [_short(one.label, 18) for one in scores.classes]
    counts = len(f"{max(max(row) for row in scores.confusion):,}")
    numbers = [str(i) for i in range(len(names))]
    numbered = [f"{i} {name}" if name != str(i) else name for i, name in enumerate(names)]
    for labels, heads, gap in ((names, names, 2), (numbered, numbers, 2), (numbered, numbers, 1)):
        cell = max(counts, *map(len, heads))
        if max(map(len, labels)) + len(heads) * (cell + gap) <= width:
            break
    else:
        return None
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("")
    for head in heads:
        table.add_column(Text(head), justify="right", min_width=cell, no_wrap=True)
    for i, row in enumerate(scores.confusion):
        table.add_row(Text(labels[i], style="bold"), *(_cell(n, i == j) for j, n in enumerate(row)))
    return table


def _cell(count: int, right: bool) -> Text:
    if count == 0:
        return Text("·", style="dim")
    return Text(f"{count:,}", style="green" if right else "bold red")


def _confusions(scores: ClassificationScores) -> Table:
    """Return the most frequent confusions, in place of a matrix that is too large."""
    counts = np.array(scores.confusion)
    np.fill_diagonal(counts, 0)
    table = _table("most frequent confusions", "taken for", "rows")
    for place in np.argsort(-counts, axis=None, kind="stable")[:10]:
        i, j = divmod(int(place), len(counts))
        if counts[i, j]:
            names = (_short(scores.classes[k].label, 28) for k in (i, j))
            table.add_row(*names, f"{counts[i, j]:,}")
    if not table.row_count:
        table.add_row("none", "", "")
    return table


def _headed(console: Console, rows: Sequence[Sequence[str]], title: str, *heads: str) -> Table:
    """Return a table whose title, where it would push the numbers out, stands on lines of its own above.

    Where that is not enough, columns move together and what the rows are called takes several lines.
    """
    numbers = [heads, *(row[1:] for row in rows)]
    widths = [max(map(columns, column)) for column in zip(*numbers, strict=True)]
    room = console.width - sum(3 + width for width in widths)
    if columns(title) > room:
        console.print(title, style="bold")
        title = ""
    tight = max((columns(row[0]) for row in rows), default=0) > room
    table = _table(title, *heads, tight=tight)
    for row in rows:
        table.add_row(*row)
    return table


def _table(*heads: str, tight: bool = False) -> Table:
    """Return a table without frames: text on the left, numbers on the right."""
    gap = 1 if tight else 3
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(
            Text(head),
            justify="left" if place == 0 else "right",
            overflow="ellipsis",
            no_wrap=place > 0 or not tight,
        )
    return table


# ── numbers and names ────────────────────────────────────────────────────────────────────────────────


def ended(stopped: str) -> str:
    """Explain why a training ended, in few words where it went as it should."""
    early = stopped.startswith("validation cost did not improve")
    return "validation cost no longer improved" if early else stopped


def _short(label: Any, length: int) -> str:
    """Return a label as one line of at most so many characters."""
    return cut(clean(label), length)
