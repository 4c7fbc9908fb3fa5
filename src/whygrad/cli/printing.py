"""Results for people, in a terminal of 80 columns or more; and as JSON for programs.

Results go to standard output, all else to standard error.
"""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from whygrad.answers.formatting import clean, columns, cut, number
from whygrad.escaping import note, visible, write
from whygrad.pipeline.scores import ClassificationScores, ClassScore, RegressionScores, Scores
from whygrad.tables import Target

MOST_NOTES = 6
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


def note_lines(notes: Sequence[str]) -> None:
    """Report what was done to the table; of many lines the first ones."""
    shown = notes if len(notes) <= MOST_NOTES else notes[: MOST_NOTES - 1]
    for line in shown:
        note(line)
    if len(shown) < len(notes):
        note(f"… and {len(notes) - len(shown)} more such lines, all of them in `whygrad show`")


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


def print_scores(console: Console, scores: Scores, target: Target, what: str) -> None:
    """Print scores beside those of the baseline; `what` says of which rows they are."""
    console.print()
    if isinstance(scores, RegressionScores):
        _print_numbers(console, scores, target, what)
    else:
        _print_classes(console, scores, target, what)


def _print_numbers(console: Console, scores: RegressionScores, target: Target, what: str) -> None:
    title = f"{clean(target.name)} of {scores.rows:,} {what}"
    table = _headed(console, title, "this network", "always the mean")
    table.add_row("R² (1 is perfect)", r2(scores.r2), r2(scores.baseline))
    table.add_row("root mean squared error", number(scores.rmse), number(scores.baseline_rmse))
    table.add_row(
        "mean absolute error", number(scores.absolute_error), number(scores.baseline_absolute_error)
    )
    console.print(table)
    console.print()
    table = _table("true value", "rows", "mean absolute error", "mean error")
    for part in scores.parts:
        table.add_row(
            f"{number(part.low)} to {number(part.high)}",
            f"{part.rows:,}",
            number(part.absolute_error),
            number(part.error, sign=True),
        )
    console.print(table)


def _print_classes(
    console: Console, scores: ClassificationScores, target: Target, what: str
) -> None:
    always = f"always {_short(scores.baseline_label, 20)}"
    title = f"{clean(target.name)} of {scores.rows:,} {what}"
    table = _headed(console, title, "this network", always)
    table.add_row("accuracy", share(scores.accuracy), share(scores.baseline))
    console.print(table)
    console.print()
    shown: Sequence[ClassScore] = scores.classes
    first = "class"
    if len(shown) > MOST_CLASSES:
        worst = sorted(shown, key=lambda one: (one.recall is None, one.recall or 0.0))
        shown, first = worst[: MOST_CLASSES // 2], f"worst of {len(shown)} classes"
    table = _table(first, "rows", "precision", "recall")
    for one in shown:
        table.add_row(
            _short(one.label, 30), f"{one.rows:,}", share(one.precision), share(one.recall)
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


def _headed(console: Console, title: str, *heads: str) -> Table:
    """Return a table whose title, where it would push the numbers out, stands on lines of its own above."""
    if columns(title) + sum(3 + columns(head) for head in heads) > console.width:
        console.print(title, style="bold")
        title = ""
    return _table(title, *heads)


def _table(*heads: str) -> Table:
    """Return a table without frames: text on the left, numbers on the right."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(
            Text(head), justify="left" if place == 0 else "right", overflow="ellipsis", no_wrap=True
        )
    return table


# ── numbers and names ────────────────────────────────────────────────────────────────────────────────


def ended(stopped: str) -> str:
    """Explain why a training ended, in few words where it went as it should."""
    early = stopped.startswith("validation cost did not improve")
    return "validation cost no longer improved" if early else stopped


def share(value: float | None) -> str:
    """Write a share as per cent; never 100 where something is wrong.

    >>> share(0.93333), share(0.99999), share(1.0), share(None)
    ('93.3 %', '99.9 %', '100 %', '–')
    """
    if value is None:
        return "–"
    return "100 %" if value == 1 else f"{min(value, 0.9994) * 100:.1f} %"


def r2(value: float | None) -> str:
    """Write R², or a dash where there is none."""
    if value is None:
        return "–"
    return f"{round(value if value == 1 else min(value, 0.9999), 4) + 0.0:.4g}"


def _short(label: Any, length: int) -> str:
    """Return a label as one line of at most so many characters."""
    return cut(clean(label), length)
