"""`whygrad replay`, `resume`, `fork`, `diff`: a training computed again or further; and `launch`."""

import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from whygrad.answers.formatting import clean, counted, number
from whygrad.cli.arguments import Json, RunFolder, choice, option
from whygrad.cli.facts import facts
from whygrad.cli.options import metrics_of
from whygrad.cli.printing import (
    ended,
    print_copies,
    print_json,
    print_scores,
    printer,
    show_next,
    written,
)
from whygrad.engines.xla.launcher import MODULE, completed, on_cluster, option_of, run_together
from whygrad.errors import FileError, InputError, WhygradError
from whygrad.escaping import note
from whygrad.files import refuse_taken
from whygrad.nn.network import Parameters
from whygrad.pipeline.settings import OF_THE_RECIPE, SCHEDULES, Settings
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.plan.plan import State
from whygrad.record import Run, forking, kept, open_run
from whygrad.record.files import manifest
from whygrad.record.members import resume_members
from whygrad.training import model_file
from whygrad.training.progress import ProgressBar

EXIT_INTERRUPTED = 130
DIFFERS = 1  # the exit code where the bits are not those recorded, or two runs differ


def replay(
    run: RunFolder,
    /,
    *,
    step: Annotated[int | None, option("Show the state after so many steps.")] = None,
    out: Annotated[
        Path | None, option("Write the parameters at that step.", name=["-o", "--out"])
    ] = None,
    json: Json = False,
) -> int:
    """Print the state at a step, or compute the whole training again and compare."""
    opened = open_run(run)
    if out is not None:
        refuse_taken(out, overwrite=None)
    if step is None:
        if out is not None:
            raise InputError("-o writes the parameters at a step: say which, --step N")
        verdict = opened.replay().verdict
        assert verdict is not None
        note_the_first(opened)
        print_json(
            {"run": str(run), **vars(verdict), "holds": verdict.holds}
        ) if json else printer().print(str(verdict))
        return 0 if verdict.holds else DIFFERS
    state = opened.state(step)
    about = _state(opened, state)
    note_the_first(opened)
    if out is not None:
        theta = Parameters(opened.net.sizes, state.theta)
        model_file.write(out, opened.net, theta, opened.history)
    if json:
        print_json({"run": str(run)} | about)
        return 0
    _print_state(opened, about, out)
    return 0


def note_the_first(run: Run) -> None:
    """Note that of an ensemble this is one network: the others have folders of their own."""
    if run.members > 1:
        where = f"{run.path}/members/2.run to {run.members}.run"
        n = run.predicting
        which = "that are averaged" if n == run.members else f"of which {n} had an epoch"
        note(f"this is the first of {run.members} networks {which}; the others are {where}")


def _state(run: Run, state: State) -> dict[str, Any]:
    theta = Parameters(run.net.sizes, state.theta)
    at = state.step - run.start
    costs = run.costs
    layers = [
        {"layer": l, "W": float(np.linalg.norm(theta.W[l])), "b": float(np.linalg.norm(theta.b[l]))}
        for l in range(1, run.net.L + 1)
    ]
    return {
        "step": state.step,
        "epoch": state.epoch,
        "batch_index": state.batch_index,
        "cost": float(costs[at]) if at < len(costs) else None,
        "learning_rate_scale": state.learning_rate_scale,
        "layers": layers,
    }


def _print_state(run: Run, about: dict[str, Any], out: Path | None) -> None:
    console = printer()
    cost = "" if about["cost"] is None else f", cost of the next batch {number(about['cost'])}"
    epochs = f"{counted(about['epoch'], 'epochs')} and {counted(about['batch_index'], 'batches')}"
    said = f" after step {about['step']:,}: {epochs}{cost}"
    console.print(Text.assemble((clean(run.path.name), "bold"), said))
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    for head in ("layer", "‖W‖", "‖b‖"):
        table.add_column(head, justify="right")
    for layer in about["layers"]:
        table.add_row(str(layer["layer"]), number(layer["W"]), number(layer["b"]))
    console.print(table)
    if out is not None:
        console.print(f"parameters in {out}")


@contextmanager
def standing(path: Path, *, there: bool = False) -> Iterator[None]:
    """Turn a Ctrl-C that ends all at once into a line on what stands of a run, and exit code 130.

    The run is made within, unless it is `there` and gone on with.
    """
    before = None if there else _id_of(path)
    try:
        yield
    except KeyboardInterrupt:
        if _id_of(path) in (None, before):
            raise
        note(
            f"interrupted: {path} holds what was recorded by then; whygrad resume "
            f"{shlex.quote(str(path))} goes on from there"
        )
        raise SystemExit(EXIT_INTERRUPTED) from None


def _id_of(path: str | Path | None) -> Any:
    """Return what tells a run from every other, None where there is none."""
    try:
        return None if path is None else manifest.read(Path(path)).get("id")
    except WhygradError:
        return None


def resume(
    run: RunFolder,
    /,
    *,
    epochs: Annotated[
        int | None, option("How many epochs in all. [as many as were asked for]")
    ] = None,
    json: Json = False,
) -> int:
    """Go on with a run, in its own folder."""
    opened = open_run(run)
    bar = ProgressBar(earlier=opened.history.cost)

    def begin(k: int) -> None:
        note(f"member {k} of {opened.members}:")
        bar.earlier = opened.member(k).history.cost

    with standing(run, there=True):
        if opened.members > 1:
            found = resume_members(opened, epochs, [bar], before_each=begin)
        else:
            found = opened.resume(epochs, callbacks=[bar])
    return _tell(found, json)


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What a fork does in another way, by the names of `record.forking.fork`."""

    learning_rate: Annotated[float | None, option("The learning rate.")] = None
    optimizer: Annotated[str | None, choice("Another optimizer.", OPTIMIZERS)] = None
    schedule: Annotated[str | None, choice("Another schedule.", SCHEDULES)] = None
    epochs: Annotated[int | None, option("How many epochs in all.")] = None
    batch_size: Annotated[int | None, option("Rows per step.")] = None
    l1: Annotated[float | None, option("Penalty on the size of weights.")] = None
    l2: Annotated[float | None, option("Penalty on their squares.")] = None
    clip: Annotated[float | None, option("The greatest length of the gradient.")] = None
    seed: Annotated[int | None, option("Decides the order of the rows from there on.")] = None
    metrics: Annotated[
        list[str] | None, option("Scorers of scikit-learn to measure after every epoch.")
    ] = None


NO_CHANGES = Changes()


def fork(
    run: RunFolder,
    /,
    *,
    step: Annotated[int | None, option("From which step. [the last]")] = None,
    record: Annotated[
        Path | None, option("The folder to write. [RUN-fork.run]", name=["--record"])
    ] = None,
    overwrite: Annotated[bool, option("Replace that folder.")] = False,
    changes: Changes = NO_CHANGES,
    json: Json = False,
) -> int:
    """Go on with a run from a step in another way, in a new folder."""
    opened = open_run(run)
    at = opened.step if step is None else step
    given = {name: value for name, value in vars(changes).items() if value is not None}
    if "metrics" in given:
        given["metrics"] = metrics_of(given["metrics"])
    path = forking.fork_path(opened, record, overwrite)
    with standing(path):
        found = forking.fork(opened, at, path, given, [ProgressBar()], overwrite=overwrite)
    note_the_first(opened)
    return _tell(found, json)


def _tell(run: Run, json: bool) -> int:
    history = run.history
    if json:
        scores = None if run.scores is None else run.scores.to_dict()
        print_json(
            {"run": str(run.path), "step": run.step, "stopped": history.stopped, "scores": scores}
        )
    else:
        console = printer()
        last = f", {run.plan.cost_name} {number(history.cost[-1])}" if history.epochs else ""
        since = f" since step {run.start:,}" if run.start else ""  # a fork has these of its own
        said = (
            f"  step {run.step:,}, {counted(len(history.epochs), 'epochs')}{since}{last}: "
            f"{ended(history.stopped)}"
        )
        said += kept(run)
        console.print(Text.assemble((clean(run.path.name), "bold"), said))
        if run.scores is not None:
            what = "test rows" if run.manifest["scored_on"] == "test" else "training rows"
            console.print()
            print_scores(console, run.scores, run.encoding.target, what, run.comparison)
            print_copies(console, run.copies, run.scores.rows)
        if run.on_table:
            show_next(run.path, run.members > 1, run.scores, history.stopped)
    if history.stopped == "interrupted":
        return EXIT_INTERRUPTED
    return 1 if history.stopped.startswith("diverged") else 0


# ── two runs ─────────────────────────────────────────────────────────────────────────────────────────


def diff(
    run: RunFolder,
    other: Annotated[Path, option("Another one.", name="OTHER")],
    /,
    *,
    json: Json = False,
) -> int:
    """Print what differs between two runs: how they were trained, and what came of it."""
    one, two = open_run(run), open_run(other)
    about = compare(one, two)
    same = not about["plan"] and about["first_cost"] is None and about["theta"] in (0.0, None)
    if json:
        print_json({"runs": [str(run), str(other)], "same": same} | about)
        return 0 if same else DIFFERS
    console = printer()
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    for head in ("", one.path.name, two.path.name):
        table.add_column(clean(head), overflow="fold")
    for name, values in about["plan"].items():
        table.add_row(*map(clean, (name, *values)))
    for name, values in about["results"].items():
        cells = ("–" if value is None else number(value) for value in values)
        table.add_row(name, *(map(_written, (one, two)) if name == "score" else cells))
    console.print(table)
    console.print(_in_words(about, same))
    return 0 if same else DIFFERS


def compare(one: Run, two: Run) -> dict[str, Any]:
    """Return what differs between two runs, as data."""
    first, second = dict(_described(one)), dict(_described(two))
    names = [*first, *(name for name in second if name not in first)]
    plan = {
        name: (first.get(name, "–"), second.get(name, "–"))
        for name in names
        if first.get(name) != second.get(name)
    }
    a, b = one.costs, two.costs
    start = max(one.start, two.start)
    a, b = a[start - one.start :], b[start - two.start :]
    size = min(len(a), len(b))
    unequal = np.flatnonzero(a[:size] != b[:size])
    first_cost = (
        start + int(unequal[0]) if len(unequal) else start + size if len(a) != len(b) else None
    )
    alike = one.net.sizes == two.net.sizes
    gap = float(np.linalg.norm(one.theta.flat - two.theta.flat)) if alike else None
    return {
        "plan": plan,
        "results": {
            "epochs": (len(one.history.epochs), len(two.history.epochs)),
            "last cost": (_last(one), _last(two)),
            "score": (_score(one), _score(two)),
        },
        "first_cost": first_cost,
        "theta": gap,
    }


SEEN = ("run", "", "ended", "so far", "metrics")  # facts that change nothing about a training


def _described(run: Run) -> list[tuple[str, str]]:
    named = [(name, text) for name, text in facts(run) if name not in SEEN]
    data = run.manifest["data"].get("sha256", {}).get("training", {})
    versions = run.manifest["versions"] | {"threads": run.manifest["threads"]}
    hashes = [(f"SHA-256 of {name}", digest[:16]) for name, digest in data.items()]
    return [*named, *hashes, *((name, str(value)) for name, value in versions.items())]


def _last(run: Run) -> float | None:
    costs = run.history.cost
    return costs[-1] if costs else None


def _written(run: Run) -> str:
    return "–" if run.scores is None else written(run.scores)


def _score(run: Run) -> float | None:
    return None if run.scores is None else run.scores.score


def _in_words(about: dict[str, Any], same: bool) -> str:
    if same:
        return "the same training, to the last bit"
    costs = "all costs are equal" if about["first_cost"] is None else (
        f"costs first differ at step {about['first_cost']:,}"
    )  # fmt: skip
    if about["theta"] is None:
        return f"{costs}; the networks have different layers"
    if about["theta"] == 0:
        return f"{costs}; the parameters that both keep are equal"
    return f"{costs}; the parameters that they keep are {number(about['theta'])} apart, ‖θ − θ′‖"


def launch(
    *command: Annotated[
        str, option("A command of whygrad, a Python script, or -m and a module, with its options.")
    ],
    processes: Annotated[
        int | None, option("How many. [those of the cluster's job]", name=["-n", "--processes"])
    ] = None,
    port: Annotated[
        int | None, option("Where the first listens on this machine. [a free one]")
    ] = None,
    restarts: Annotated[
        int, option("How often to go on from the last snapshot where a process died.")
    ] = 0,
) -> int:
    """Run a command in several processes, and return its exit code."""
    if not command:
        raise InputError("launch needs a command: whygrad launch -n 4 train big.csv --target y")
    if command == (MODULE,):
        raise InputError("-m needs a module: whygrad launch -n 4 -m package.module")
    if platform.system() == "Windows":
        raise InputError(
            "launch runs on Linux and macOS, where JAX connects processes: leave it out"
        )
    if command[0].endswith(".py") and not Path(command[0]).is_file():
        raise FileError(f"{command[0]}: there is no such file")
    words = _of_one_network(completed(command))
    if processes is None:
        return on_cluster(words)
    if processes < 1:
        raise InputError(f"-n is {processes}: it must be at least 1")
    if restarts < 0:
        raise InputError(f"restarts is {restarts}: it must be at least 0")
    run = words[1] if len(words) > 1 and words[0] == "resume" else option_of(words, "--run")
    if restarts and run is None:
        raise InputError(
            "--restarts goes on with a run's folder: name it, train FILE --run NAME.run"
        )
    before = _id_of(run)
    while True:
        code, died = run_together(words, processes, port)
        if not died or not restarts:
            return code
        restarts, processes = restarts - 1, 1 << max(0, (processes - 1).bit_length() - 1)
        if _id_of(run) != before:  # the run of this training is there, and not an older one alone
            words = ["resume", str(run)]
        note(f"going on with {processes} process{'es' * (processes > 1)}: {' '.join(words)}")


def _of_one_network(words: list[str]) -> list[str]:
    """Return a command that trains a single network, which is what several processes share."""
    if words[0] != "train":
        return words
    engine = option_of(words, "--engine")
    if engine != "xla":
        raise InputError(
            f"several processes train on the engine 'xla', not {engine!r}: leave --engine out"
        )
    for name in ("--quality", "--time-limit"):
        if option_of(words, name) is not None:
            raise InputError(f"several processes train one network: leave {name} out")
    given = [option_of(words, f"--{name.replace('_', '-')}") for name in OF_THE_RECIPE]
    return words if any(given) else [*words, "--optimizer", Settings.optimizer]
