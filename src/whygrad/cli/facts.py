"""A run in lines: its data, network and plan, and where it stands; and its layers, as a table."""

from contextlib import suppress
from typing import Any

import numpy as np
from rich.table import Table

from whygrad.answers.formatting import counted, number
from whygrad.cli.printing import ended
from whygrad.errors import FileError, RecordWarning, warn
from whygrad.nn.network import count
from whygrad.record import Run, kept

RECENT = 100  # looks at the layers that the table is the mean of


def facts(run: Run) -> list[tuple[str, str]]:
    """Return a run's name, data, network, plan and state as lines with a heading each."""
    about, net, plan = run.manifest, run.net, run.plan
    layers = " → ".join(
        [
            counted(net.sizes[0], "inputs"),
            *(f"{layer.units} {layer.f.name}" for layer in net.layers),
        ]
    )
    lines = [("run", f"{run.path.name}, written {about['created'].replace('T', ' ')[:16]} UTC")]
    if run.on_table:
        lines += _of_table(run)
    return [
        *lines,
        ("network", f"{layers}, {net.C.name}; {count(net.sizes):,} weights and biases"),
        *_members(run),
        (
            "training",
            ", ".join(
                [
                    _rule(plan.optimizer),
                    *([] if _name(plan.schedule) == "constant" else [_name(plan.schedule)]),
                    f"batches of {plan.batch_size}",
                    *(
                        f"{name} {penalty.strength:.3g}"
                        for name, penalty in (("l1", plan.l1), ("l2", plan.l2))
                        if penalty.strength
                    ),
                    *(f"{name} learns at {_factor(m)}" for name, m in plan.rate_multipliers),
                    f"seed {plan.seed}",
                    *([] if plan.products is None else [f"products in {plan.products}"]),
                    f"{plan.dtype} by the {about['engine']} engine",
                ]
            ),
        ),
        _where_it_stands(run),
        *_metrics(run),
        *_origin(about),
        ("rows", _counts(about["data"]["rows"])),
        ("from", _source(about["data"])),
    ]


def _members(run: Run) -> list[tuple[str, str]]:
    if run.members == 1:
        return []
    n = run.predicting
    who = "whose average predicts"
    if n < run.members:
        what = {0: "the first", 1: "that one"}.get(n, "their average")
        who = f"of which {n or 'none'} had an epoch: {what} predicts"
    others = f"this is the first, the others are in {run.path.name}/members"
    lines = [("members", f"{run.members} such networks, {who}; {others}")]
    if run.pilots < run.members:
        lines.append(("", _learned_from_all(run)))
    return lines


def _learned_from_all(run: Run) -> str:
    """Return how long the members learned that set no rows aside."""
    said = f"the first {run.pilots} set rows aside; the others learn from all rows, for the mean of their"
    found = ""
    with suppress(FileError):  # where a kill left no folder of it
        last = run.member(run.members)
        before = [stage.epochs for stage in last.stages() if stage.step == 0]  # any resumption
        found = f", {before[-1]:,}" if last.step else ""
    return f"{said} best epochs{found}"


def _of_table(run: Run) -> list[tuple[str, str]]:
    encoding = run.encoding
    columns = [column.name for column in encoding.columns]
    shown = "; ".join(columns if len(columns) <= 12 else [*columns[:4], "…", columns[-1]])
    task = f"{len(encoding.classes)} classes" if encoding.classes else "numeric"
    return [
        ("target", f"{run.target}, {task}"),
        ("columns", f"{len(columns)}: {shown}"),
        *(("", line) for line in encoding.notes),
    ]


def _name(rule: Any) -> str:
    return type(rule).__name__.lower()


def _rule(rule: Any) -> str:
    learning_rate = getattr(rule, "learning_rate", None)
    momentum = getattr(rule, "momentum", 0)
    more = f", momentum {momentum:g}" if momentum else ""
    return (
        f"{_name(rule)}, learning rate {learning_rate:g}{more}"
        if learning_rate is not None
        else _name(rule)
    )


def _factor(m: Any) -> str:
    return f"{m:g} times the rate" if isinstance(m, float) else "rates of its own"


def _where_it_stands(run: Run) -> tuple[str, str]:
    history, plan = run.history, run.plan
    done = f"{len(history.epochs):,} of {plan.epochs:,} epochs"
    if not history.stopped:
        return ("so far", f"{done}, step {run.step:,}; if nobody is training it, resume it")
    seconds = run.manifest.get("seconds")
    took = "" if seconds is None else f", {seconds:.1f} s"
    return ("ended", f"after {done}{took}: {ended(history.stopped)}{kept(run)}")


def _metrics(run: Run) -> list[tuple[str, str]]:
    """Return what the metrics came to."""
    last = {name: values[-1] for name, values in run.history.metrics.items()}
    said = [f"{name} {number(value)}" for name, value in last.items() if value is not None]
    return [("metrics", f"{', '.join(said)} after the last epoch")] if said else []


def _origin(about: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    parent, left_out = about.get("parent"), about.get("left_out")
    if parent:
        changes = ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in parent["changes"].items()
        )
        more = f" with {changes}" if changes and not left_out else ""
        found.append(("fork", f"of {parent['run']} from step {parent['step']:,}{more}"))
    if left_out:
        how = "divided by those that remain" if left_out["rescale"] else "divided as before"
        found.append(("without", f"{len(left_out['examples']):,} training examples, {how}"))
    return found


def _counts(rows: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {part}" for part, number in rows.items())


def _source(data: dict[str, Any]) -> str:
    kinds = {"frame": "a frame in memory", "arrays": "arrays in memory"}
    path = data.get("path")
    where = (
        ("standard input" if path == "-" else path)
        or data.get("name")
        or kinds.get(data["kind"], "files of arrays")
    )
    return f"{where}{', copied' if data['copied'] else ''}"


# ── layers ───────────────────────────────────────────────────────────────────────────────────────────


def layers(run: Run) -> list[dict[str, float]]:
    """Return the means of what the layers did lately, by name, one dict for each layer."""
    try:
        seen = run.statistics
    except FileError as error:
        warn(f"{error}: there is nothing to say of the layers", RecordWarning)
        return []
    if not len(seen.steps):
        return []
    values = np.where(np.isfinite(seen.values), seen.values, np.nan)[-RECENT:]
    from whygrad.engines import STATISTICS

    means = values.mean(axis=0)
    found = [dict(zip(STATISTICS, map(float, row), strict=True)) for row in means]
    for layer in found:
        layer["update_share"] = layer["update"] / layer["theta"] if layer["theta"] else 0.0
    return [{"layer": l, "units": run.net.sizes[l]} | layer for l, layer in enumerate(found, 1)]


def table_of_layers(found: list[dict[str, float]]) -> Table:
    """Return the table of what the layers did lately."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    heads = ("layer", "units", "‖θ‖", "‖∂C/∂θ‖", "‖Δθ‖/‖θ‖", "dead", "sat.", "a", "δ")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            f"{one['layer']:.0f}",
            f"{one['units']:,.0f}",
            number(_short(one["theta"])),
            number(_short(one["gradient"])),
            f"{one['update_share']:.1e}",
            f"{one['dead']:.0%}",
            f"{one['saturated']:.0%}",
            f"{_short(one['mean_a']):g} ± {_short(one['std_a']):g}",
            f"{_short(one['mean_delta']):g} ± {_short(one['std_delta']):g}",
        )
    return table


def _short(value: float) -> float:
    return float(f"{value:.2g}")
