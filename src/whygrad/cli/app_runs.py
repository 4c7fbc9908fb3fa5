"""The commands on recorded trainings and their options, as cyclopts reads them from these functions."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from whygrad.cli.arguments import Json, RunFolder, option
from whygrad.pipeline.settings import SCHEDULES
from whygrad.plan.optimizers import OPTIMIZERS


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
    from whygrad.cli.runs import replay

    return replay(run, step, out, json=json)


def resume(
    run: RunFolder,
    /,
    *,
    epochs: Annotated[
        int | None, option("How many epochs in all. [as many as were asked for]")
    ] = None,
    json: Json = False,
) -> int:
    from whygrad.cli.runs import resume

    return resume(run, epochs, json=json)


def fork(
    run: RunFolder,
    /,
    *,
    step: Annotated[int | None, option("From which step. [the last]")] = None,
    record: Annotated[
        Path | None, option("The folder to write. [RUN-fork.run]", name=["--record"])
    ] = None,
    overwrite: Annotated[bool, option("Replace that folder.")] = False,
    learning_rate: Annotated[float | None, option("The learning rate.")] = None,
    optimizer: Annotated[
        str | None, option("Another optimizer.", choices=tuple(OPTIMIZERS), show_choices=False)
    ] = None,
    schedule: Annotated[
        str | None, option("Another schedule.", choices=tuple(SCHEDULES), show_choices=False)
    ] = None,
    epochs: Annotated[int | None, option("How many epochs in all.")] = None,
    batch_size: Annotated[int | None, option("Rows per step.")] = None,
    l1: Annotated[float | None, option("Penalty on the size of weights.")] = None,
    l2: Annotated[float | None, option("Penalty on their squares.")] = None,
    clip: Annotated[float | None, option("The greatest length of the gradient.")] = None,
    seed: Annotated[int | None, option("Decides the order of the rows from there on.")] = None,
    json: Json = False,
) -> int:
    from whygrad.cli.runs import fork

    given = {
        "learning_rate": learning_rate,
        "optimizer": optimizer,
        "schedule": schedule,
        "epochs": epochs,
        "batch_size": batch_size,
        "l1": l1,
        "l2": l2,
        "clip": clip,
        "seed": seed,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return fork(run, step, record, changes, overwrite=overwrite, json=json)


def diff(
    run: RunFolder,
    other: Annotated[Path, option("Another one.", name="OTHER")],
    /,
    *,
    json: Json = False,
) -> int:
    from whygrad.cli.runs import diff

    return diff(run, other, json=json)


# Each with its help and the end of that.
COMMANDS: tuple[tuple[Callable[..., int], str, str], ...] = (
    (
        replay,
        "Compute a training again and compare every cost and state with what was recorded.",
        """Examples:

    whygrad replay houses.run
    whygrad replay houses.run --step 1000 -o early.safetensors""",
    ),
    (
        resume,
        "Go on with a training that was broken off, or with one at its end for more epochs.",
        """Examples:

    whygrad resume houses.run
    whygrad resume houses.run --epochs 100""",
    ),
    (
        fork,
        "Go on from a step in another way, as a new run; the old one stays as it is.",
        """Examples:

    whygrad fork houses.run --step 1000 --learning-rate 0.0001
    whygrad fork houses.run --step 0 --seed 7 --record other.run""",
    ),
    (
        diff,
        "Say what differs between two runs, and from which step on; exit code 1 where anything does.",
        """Example: whygrad diff houses.run houses-fork.run""",
    ),
)
