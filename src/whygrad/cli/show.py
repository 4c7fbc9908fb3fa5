"""`whygrad show`, `report`, `film`, `worksheet`, `runs`, `evaluate`: what a run says, and its worth.

What writes pages is imported by who writes one: it takes as long as all else that these commands import.
"""

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from rich.table import Table

from whygrad.answers.formatting import clean, columns, counted, cut, number
from whygrad.cli.arguments import AS_TRAINED, FileOptions, Json, RunFolder, option, read_options
from whygrad.cli.facts import facts, layers, table_of_layers
from whygrad.cli.printing import (
    note_lines,
    print_copies,
    print_json,
    print_repeated,
    print_scores,
    printer,
)
from whygrad.cli.runs import note_the_first
from whygrad.errors import FileError
from whygrad.escaping import note
from whygrad.files import refuse_taken, write_atomically
from whygrad.pipeline.scores import written_score
from whygrad.record import Run, open_run
from whygrad.record.listing import Listed, layers_of, listed, settings_of
from whygrad.record.rows import measure, rows_alike, rows_seen
from whygrad.training.progress import waiting

Overwrite = Annotated[bool, option("Replace that file.")]


def evaluate(
    run: RunFolder,
    file: Annotated[
        str | None,
        option(
            "A table with the target, as `train` takes it, or a data set's name. [the test rows]",
            name="FILE",
        ),
    ] = None,
    /,
    *,
    reading: FileOptions = AS_TRAINED,
    json: Json = False,
) -> int:
    """Score the predictions for a file, or for the test rows."""
    opened = open_run(run)
    scored_on = "test" if file is None else file
    notes: list[str] = []
    asked = read_options(**vars(reading)) if reading != AS_TRAINED else None
    if file is None:
        scores, left_out = opened.evaluate(), 0
        scored_on = opened.manifest["scored_on"]
    else:
        scores, left_out = measure(opened, file, notes, asked)
        if seen := rows_seen(opened, file, scores.rows, asked):
            note(_seen(run, seen, scores.rows))
        elif alike := rows_alike(opened, file, scores.rows, asked):
            note(_alike(alike, scores.rows))
    if left_out:
        note(f"{counted(left_out)} left out: no value in the target {opened.target!r}")
    note_lines(notes)
    if json:
        print_json({"run": str(run), "scored_on": scored_on, "scores": scores.to_dict()})
    else:
        what = _rows(scored_on) if file is None else "rows"
        beside = opened.comparison if file is None else None
        print_scores(printer(), scores, opened.encoding.target, what, beside)
        if file is None:
            print_copies(printer(), opened.copies, scores.rows)
    return 0


def _alike(alike: int, n: int) -> str:
    """Return a note on rows that equal some that training has seen."""
    equal = "equals a row" if alike == 1 else "equal rows"
    which = "this row" if n == 1 else f"{alike:,} of these {n:,} rows"
    return f"{which} {equal} that training has seen: it may do worse on others"


def _seen(run: Path, seen: int, n: int) -> str:
    """Return a note on rows that training has seen."""
    if seen == n:
        these = "this row" if n == 1 else f"these {n:,} rows"
        return f"training has seen {these}: it may do worse on others"
    others = "the other one" if n - seen == 1 else f"the other {n - seen:,}"
    others += f" alone: whygrad evaluate {shlex.quote(str(run))}"
    return f"training has seen {seen:,} of these {n:,} rows, and may do worse on others; {others}"


def _rows(scored_on: str) -> str:
    return "test rows" if scored_on == "test" else "training rows (there are no test rows)"


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────


def show(run: RunFolder, /, *, json: Json = False) -> int:
    """Show settings, curves, layers and scores of a run, of one that is being written as well."""
    opened = open_run(run)
    history = opened.history
    if json:
        more: dict[str, Any] = {
            "run": str(run),
            "step": opened.step,
            "stopped": history.stopped,
            "history": [asdict(epoch) for epoch in history.epochs],
            "layers": layers(opened),
        }
        if opened.on_table:
            more |= {
                "inputs": list(opened.encoding.names),
                "notes": list(opened.encoding.notes),
                "columns": [asdict(one) for one in opened.encoding.facts],
            }
        print_json(more | opened.manifest)
        return 0
    console = printer()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts(opened):
        table.add_row(name, clean(text))
    console.print(table)
    width = min(console.width, 100)
    for name, values in _curves(opened):
        drawn = _curve(values, width, height=5)
        if drawn:
            console.print(f"\n{name}", style="bold")
            console.print("\n".join(drawn))
    of_layers = layers(opened)
    if of_layers:
        console.print()
        console.print(table_of_layers(of_layers))
    if opened.scores is not None:
        scored_on = opened.manifest["scored_on"]
        what, target = _rows(scored_on), opened.encoding.target
        console.print()
        print_scores(console, opened.scores, target, what, opened.comparison)
        print_copies(console, opened.copies, opened.scores.rows)
        if opened.repeated is not None:
            print_repeated(console, opened.repeated)
    return 0


def _curves(run: Run) -> list[tuple[str, list[float | None]]]:
    epochs = run.history.epochs
    if len(epochs) < 2:
        return []
    found: list[tuple[str, list[float | None]]] = [
        (
            f"log₁₀ of the training {run.plan.cost_name}, epoch by epoch",
            [_log(epoch.cost) for epoch in epochs],
        )
    ]
    if epochs[0].validation_score is not None:
        right = run.judged or run.net.C.targets in ("unit", "distribution")
        what = "accuracy" if right else "R²"
        of = "validation rows" if run.on_table else "validation examples"
        found.append((f"{what} of the {of}", [epoch.validation_score for epoch in epochs]))
    for name, values in run.history.metrics.items():
        found.append((name, [v if v is not None and math.isfinite(v) else None for v in values]))
    return found


def _log(value: float) -> float | None:
    return math.log10(value) if math.isfinite(value) and value > 0 else None


def report(
    run: RunFolder,
    /,
    *,
    out: Annotated[
        Path | None, option("The page to write. [RUN's name].html", name=["-o", "--out"])
    ] = None,
    overwrite: Overwrite = False,
) -> int:
    """Write the report on a run."""
    from whygrad.answers.write.html import to_page
    from whygrad.record.report import report as sections_of

    path = run.with_suffix(".html") if out is None else out
    refuse_taken(path, overwrite, ".html")
    with waiting("the run is opened") as tell:
        page = to_page(sections_of(open_run(run), tell))
    write_atomically(path, page.encode())
    printer().print(f"written: {path}", soft_wrap=True)
    return 0


def film(
    run: RunFolder,
    /,
    *,
    out: Annotated[
        Path | None, option("The film to write. [RUN's name]-film.html", name=["-o", "--out"])
    ] = None,
    examples: Annotated[
        int | None,
        option("How many examples to carry: the most wrong, and some of each class. [40]"),
    ] = None,
    size: Annotated[float | None, option("How large the file may be, in MB. [5]")] = None,
    overwrite: Overwrite = False,
) -> int:
    """Write a run as a film."""
    from whygrad.studio.film.film import film as film_of

    path = run.with_name(f"{run.stem}-film.html") if out is None else out
    asked: dict[str, Any] = {"examples": examples, "size": size}
    asked = {name: value for name, value in asked.items() if value is not None}
    film_of(run, path, overwrite=overwrite, **asked)
    _note_the_first(run)
    printer().print(f"written: {path}", soft_wrap=True)
    return 0


def worksheet(
    run: RunFolder,
    /,
    *,
    out: Annotated[
        Path | None, option("The page to write. [RUN's name]-worksheet.html", name=["-o", "--out"])
    ] = None,
    example: Annotated[
        int, option("Which of the test rows, or of the rows of a run on arrays. [0]")
    ] = 0,
    rate: Annotated[
        float | None, option("The learning rate of the step. [that of the training]")
    ] = None,
    filled: Annotated[bool, option("Fill the numbers in, as a solution.")] = False,
    first: Annotated[
        int, option("What the first unit of a layer is called, 0 or 1. [0]", name="--from")
    ] = 0,
    overwrite: Overwrite = False,
) -> int:
    """Write one step of backpropagation as a page to print."""
    from whygrad.studio.film.worksheet import worksheet as worksheet_of

    path = run.with_name(f"{run.stem}-worksheet.html") if out is None else out
    worksheet_of(
        run, path, example=example, rate=rate, filled=filled, first=first, overwrite=overwrite
    )
    _note_the_first(run)
    printer().print(f"written: {path}", soft_wrap=True)
    return 0


def _note_the_first(run: Path) -> None:
    """Note which of several networks it shows; the file of a network is one."""
    if run.is_dir():
        note_the_first(open_run(run))


# ── all runs ─────────────────────────────────────────────────────────────────────────────────────────


def runs(
    folder: Annotated[Path, option("Where to look. [here]", name="FOLDER")] = Path(),
    /,
    *,
    json: Json = False,
) -> int:
    """List the runs in a folder, those that cannot be opened with the reason."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".run")
    except (OSError, ValueError) as error:  # a name with a zero byte is no name
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{folder}: cannot be listed ({reason})") from None
    found = [listed(path) for path in paths]
    if json:
        print_json([_as_data(one) for one in found])
        return 0
    console = printer()
    if not found:
        console.print(f"no runs in {folder.resolve()}: `whygrad train` makes one")
        return 0
    rows = [_row(one.path, one.run) for one in found if one.run is not None]
    console.print(_table_of_runs(rows, console.width))
    for one in found:
        if one.error:
            note(one.error)
    return 0


HEADS = ("run", "target", "score", "baseline", "rows", "epochs", "written")
GAP = 2
LEAST = 8  # columns that a target's name is left, whatever the run is called
DAY = 10  # characters of a time without its hour


def _row(path: Path, run: Run) -> list[str]:
    return [
        clean(path.name),
        clean(run.target if run.on_table else "–"),
        written_score(run.scores),
        written_score(run.scores, baseline=True),
        f"{sum(run.manifest['data']['rows'].values()):,}",
        f"{len(run.history.epochs):,}",
        clean(run.manifest["created"].replace("T", " ")[:16]),
    ]


def _table_of_runs(rows: list[list[str]], width: int) -> Table:
    """Return the table of runs; where it is too wide hours go, then ends of names, never a number."""
    widest = [max(map(columns, cells)) for cells in zip(HEADS, *rows, strict=True)]
    room = width - GAP * (len(HEADS) - 1) - sum(widest[2:])
    if sum(widest[:2]) > room:
        rows, room = [[*row[:-1], row[-1][:DAY]] for row in rows], room + widest[-1] - DAY
    for_run = min(widest[0], max(LEAST, room - min(widest[1], LEAST)))
    for_target = max(LEAST, room - for_run)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for head in HEADS:
        numeric = head in ("score", "baseline", "rows", "epochs")
        table.add_column(head, justify="right" if numeric else "left", no_wrap=True)
    for run, target, *others in rows:
        table.add_row(cut(run, for_run), cut(target, for_target), *others)
    return table


def _as_data(one: Listed) -> dict[str, Any]:
    """Return what the list has of a run as data, or why it cannot be opened."""
    run, scores = one.run, one.scores
    if run is None:
        return {"run": str(one.path), "error": one.error}
    return {
        "run": str(one.path),
        "target": run.target if run.on_table else None,
        "task": run.encoding.task if run.on_table else None,
        "created": run.manifest["created"],
        "stopped": run.history.stopped,
        "score": None if scores is None else scores.score,
        "baseline": None if scores is None else scores.baseline,
        "rows": run.manifest["data"]["rows"],
        "epochs": len(run.history.epochs),
        "network": layers_of(run),
        "settings": settings_of(run),
        "bytes": one.bytes,
    }


# The bit of each dot of a braille character, by (row, column).
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def _curve(values: Sequence[float | None], width: int, height: int = 6) -> list[str]:
    """Draw numbers from left to right as lines of text, with the highest and lowest at the side.

    Very steep curves are better told by logarithms; the caller takes them. What is not finite is left out.

    >>> for line in _curve([1.0, 0.5, 0.25, 0.2], width=16, height=2): print(line)
      1 ┤⠑⠢⣀⠀⠀⠀⠀⠀⠀⠀⠀
    0.2 ┤⠀⠀⠀⠉⠒⠢⠤⣀⣀⣀⣀
    """
    known = [math.nan if v is None or not math.isfinite(v) else v for v in values]
    finite = [v for v in known if not math.isnan(v)]
    if not finite:
        return []
    low, high = min(finite), max(finite)
    labels = (number(high), number(low))
    margin = max(map(len, labels))
    across, down = 2 * max(4, width - margin - 2), 4 * height
    grid = np.zeros((height, across // 2), dtype=np.int64)
    before: int | None = None
    places = np.interp(np.linspace(0, len(known) - 1, across), np.arange(len(known)), known)
    for x, value in enumerate(places):
        if math.isnan(value):
            before = None
            continue
        share = (value - low) / (high - low) if high > low else 0.0
        y = round((1 - share) * (down - 1))
        # A steep piece is filled in, so that the line does not break.
        for dot in (
            range(min(y, before + 1), max(y, before - 1) + 1) if before is not None else (y,)
        ):
            grid[dot // 4, x // 2] |= DOTS[dot % 4][x % 2]
        before = y
    lines = []
    for row in range(height):
        label = labels[0] if row == 0 else labels[1] if row == height - 1 else ""
        dots = "".join(chr(0x2800 + int(bits)) for bits in grid[row])
        lines.append(f"{label:>{margin}} ┤{dots}")
    return lines
