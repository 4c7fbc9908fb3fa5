"""`whygrad train`: find the table, train, write the run, show what came of it."""

import shlex
from pathlib import Path
from typing import Any

from rich.text import Text

from whygrad.answers.formatting import clean
from whygrad.cli.options import settings_of, with_file
from whygrad.cli.printing import ended, note, note_lines, print_json, print_scores, printer
from whygrad.errors import InputError, nearest
from whygrad.pipeline import datasets
from whygrad.pipeline.fit import Learned, find
from whygrad.record import free_name
from whygrad.record.files.location import check_place
from whygrad.record.rows import record_table
from whygrad.tables.target import TASKS
from whygrad.training.loop import INTERRUPTED
from whygrad.training.progress import ProgressBar

EXIT_DIVERGED, EXIT_INTERRUPTED = 1, 130


def train(file: str, given: dict[str, Any], *, overwrite: bool, copy_data: bool, json: bool) -> int:
    """Train as the options say; give the exit code, 130 after Ctrl-C, 1 where the cost diverged."""
    options = with_file(given)
    settings = settings_of(options)
    if options["task"] is not None and options["task"] not in TASKS:
        raise InputError(f"unknown task {options['task']!r}: {nearest(options['task'], TASKS)}")
    path = _place(file, options["run"], overwrite)
    check_place(path, overwrite)
    source = find(file, options["target"], options["task"], settings.seed)
    learned = record_table(path, source, settings, [ProgressBar()], overwrite, copy_data or None)
    stopped = learned.fitted.history.stopped
    if stopped == INTERRUPTED:
        note(f"interrupted: {path} holds what training gave so far")
    note_lines(learned.encoding.notes)
    if json:
        print_json(summary(learned, path))
    else:
        show_result(learned, path)
    if stopped == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_DIVERGED if stopped.startswith("diverged") else 0


def _place(file: str, run: str | None, overwrite: bool) -> Path:
    """Give the folder to write: the one named, or the first free one named after the table."""
    if run is not None:
        return Path(run)
    stem = file if file in datasets.NAMES else Path(file).stem or "table"
    return Path(f"{stem}.run") if overwrite else free_name(stem, Path())


def summary(learned: Learned, path: Path) -> dict[str, Any]:
    """Give the result as what JSON can hold."""
    history = learned.fitted.history
    return {
        "run": str(path),
        "target": learned.encoding.target.name,
        "task": learned.encoding.task,
        "settings": vars(learned.settings),
        "rows": {name: len(rows) for name, rows in vars(learned.parts).items()},
        "inputs": list(learned.encoding.names),
        "notes": list(learned.encoding.notes),
        "engine": learned.ready.training.engine.name,
        "epochs": len(history.epochs),
        "stopped": history.stopped,
        "seconds": learned.seconds,
        "scored_on": learned.scored_on,
        "scores": learned.scores.to_dict(),
    }


def show_result(learned: Learned, path: Path) -> None:
    """Print how good the network is, and what to ask next."""
    console = printer()
    parts, history = learned.parts, learned.fitted.history
    rows = len(parts.training) + len(parts.stopping)
    epochs = len(history.epochs)
    stopped = ended(history.stopped)
    if stopped.startswith("diverged"):
        stopped = stopped.partition(":")[0]  # the warning has said where and why
    took = f"{epochs} epoch{'' if epochs == 1 else 's'} in {learned.seconds:.1f} s"
    said = f"  {rows:,} rows, {took}: {stopped}"
    console.print(Text.assemble((clean(path.name), "bold"), said))
    held_out = len(parts.held_out) > 0
    print_scores(console, learned.scores, learned.encoding.target, _what(held_out))
    name = shlex.quote(str(path))
    for said, command in (
        ("\nHow it came to this", "show"),
        ("Why one of its weights would move", "why weight"),
    ):
        line = Text.assemble(f"{said}:  ", (f"whygrad {command} {name}", "bold"))
        console.print(line, soft_wrap=True)  # to be copied as it is


def _what(held_out: bool) -> str:
    return "held-out rows" if held_out else "training rows (none were held out)"
