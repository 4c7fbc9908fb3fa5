"""`whygrad show`, `whygrad runs` and `whygrad evaluate`: what a run says, and what it is worth."""

import math
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from whygrad.cli.curves import curve
from whygrad.cli.printing import ended, note, print_json, print_scores, printer, r2, share
from whygrad.errors import FileError
from whygrad.network import count
from whygrad.record import Run, open_run
from whygrad.scores import Numbers, Scores


def evaluate(run: Path, file: str | None, *, json: bool) -> int:
    """Score the predictions for a file, or for the rows that were held out."""
    opened = open_run(run)
    scored_on = "held_out" if file is None else file
    if file is None:
        scores, left_out = opened.evaluate(), 0
        scored_on = opened.manifest["scored_on"]
    else:
        scores, left_out = opened.measure(file)
    if left_out:
        note(f"{left_out} rows left out: no value in the target {opened.target!r}")
    if json:
        print_json({"run": str(run), "scored_on": scored_on, "scores": scores.to_dict()})
    else:
        what = _rows(scored_on) if file is None else "rows"
        print_scores(printer(), scores, opened.encoding.target, what)
    return 0


def _rows(scored_on: str) -> str:
    return "held-out rows" if scored_on == "held_out" else "training rows (none were held out)"


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────


def show(run: Path, *, json: bool) -> int:
    """Show settings, curves and scores of a run."""
    opened = open_run(run)
    history = opened.history
    if json:
        more: dict[str, Any] = {
            "run": str(run),
            "inputs": list(opened.encoding.names),
            "notes": list(opened.encoding.notes),
            "stopped": history.stopped,
            "history": [vars(epoch) for epoch in history.epochs],
        }
        print_json(more | opened.manifest)
        return 0
    console = printer()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(opened):
        table.add_row(name, Text(text))
    console.print(table)
    width = min(console.width, 100)
    for name, values in _curves(opened):
        drawn = curve(values, width, height=5)
        if drawn:
            console.print(f"\n[bold]{name}[/]")
            console.print("\n".join(drawn), markup=False)
    print_scores(
        console, opened.scores, opened.encoding.target, _rows(opened.manifest["scored_on"])
    )
    return 0


def _facts(run: Run) -> list[tuple[str, str]]:
    about, net, settings = run.manifest, run.net, run.settings
    data, rows = about["data"], about["data"]["rows"]
    where = data.get("path") or data.get("name") or "a frame in memory"
    layers = " → ".join(
        [f"{net.sizes[0]} inputs", *(f"{layer.units} {layer.f.name}" for layer in net.layers)]
    )
    penalties = [
        f"{name} {getattr(settings, name):.3g}" for name in ("l1", "l2") if getattr(settings, name)
    ]
    epochs = len(run.history.epochs)
    columns = [column.name for column in run.encoding.columns]
    shown = "; ".join(columns if len(columns) <= 12 else [*columns[:4], "…", columns[-1]])
    task = f"{len(run.encoding.classes)} classes" if run.encoding.classes else "numbers"
    facts = [
        ("run", f"{run.path.name}, written {about['created'].replace('T', ' ')[:16]} UTC"),
        ("target", f"{run.target}, {task}"),
        ("columns", f"{len(columns)}: {shown}"),
        *(("", line) for line in run.encoding.notes),
        ("network", f"{layers}, {net.C.name}; {count(net.sizes):,} weights and biases"),
        (
            "training",
            ", ".join(
                [
                    f"{settings.optimizer}, rate {settings.rate:g} {settings.schedule}",
                    f"batches of {settings.batch_size}",
                    *penalties,
                    f"seed {settings.seed}",
                    f"{about['dtype']} by the {about['engine']} engine",
                ]
            ),
        ),
        (
            "ended",
            f"after {epochs} of {settings.epochs} epochs, {about['seconds']:.1f} s: "
            + ended(run.history.stopped),
        ),
        (
            "rows",
            f"{rows['training']:,} trained on, {rows['stopping']:,} to stop by, "
            f"{rows['held_out']:,} held out",
        ),
        ("from", str(where)),
    ]
    return facts


def _curves(run: Run) -> list[tuple[str, list[float | None]]]:
    epochs = run.history.epochs
    if len(epochs) < 2:
        return []
    found: list[tuple[str, list[float | None]]] = [
        ("log₁₀ of the training cost, epoch by epoch", [_log(epoch.cost) for epoch in epochs])
    ]
    if epochs[0].held_out_score is not None:
        what = "R²" if run.encoding.task == "regression" else "accuracy"
        found.append((f"{what} of the rows to stop by", [epoch.held_out_score for epoch in epochs]))
    return found


def _log(value: float) -> float | None:
    return math.log10(value) if math.isfinite(value) and value > 0 else None


# ── all runs ─────────────────────────────────────────────────────────────────────────────────────────


def runs(folder: Path, *, json: bool) -> int:
    """List the runs in a folder, those that cannot be opened with the reason."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".run")
    except OSError as error:
        raise FileError(f"{folder}: cannot be listed ({error.strerror or error})") from None
    found: list[tuple[Path, Run | FileError]] = []
    for path in paths:
        try:
            found.append((path, open_run(path)))
        except FileError as error:
            found.append((path, error))
    if json:
        print_json([_listed(path, run) for path, run in found])
        return 0
    console = printer()
    if not found:
        console.print(f"no runs in {folder.resolve()}: `whygrad train` makes one", markup=False)
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in ("run", "target", "score", "trivial", "rows", "epochs", "written"):
        numeric = head in ("score", "trivial", "rows", "epochs")
        table.add_column(
            head, justify="right" if numeric else "left", no_wrap=True, overflow="ellipsis"
        )
    damaged = []
    for path, run in found:
        if isinstance(run, FileError):
            damaged.append(str(run))
            continue
        score, trivial = _score(run.scores)
        table.add_row(
            Text(path.name),
            Text(run.target),
            score,
            trivial,
            f"{sum(run.manifest['data']['rows'].values()):,}",
            f"{len(run.history.epochs):,}",
            run.manifest["created"].replace("T", " ")[:16],
        )
    console.print(table)
    for line in damaged:
        note(line)
    return 0


def _listed(path: Path, run: Run | FileError) -> dict[str, Any]:
    if isinstance(run, FileError):
        return {"run": str(path), "error": str(run)}
    return {
        "run": str(path),
        "target": run.target,
        "task": run.encoding.task,
        "created": run.manifest["created"],
        "score": run.scores.score,
        "baseline": run.scores.baseline,
        "rows": run.manifest["data"]["rows"],
        "epochs": len(run.history.epochs),
    }


def _score(scores: Scores) -> tuple[str, str]:
    if isinstance(scores, Numbers):
        return f"R² {r2(scores.r2)}", f"R² {r2(scores.baseline)}"
    return share(scores.accuracy), share(scores.baseline)
