"""A recorded run → the trajectory that questions about a training follow: its steps, taken again."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from whygrad.engines import ProbeResult, Probes
from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.plan.plan import State, smooth
from whygrad.record import forking, replay, why
from whygrad.record.recorded import Recorded, folder_of, nearest
from whygrad.record.source import names_of_run
from whygrad.training.again import Change, Tell, trained_again
from whygrad.training.epochs import final
from whygrad.why.training_history.trajectory import Trajectory, refuse


def trajectory_of(run: Recorded, step: int | None = None) -> Trajectory:
    """Return the trajectory of a recorded run, to its end or to a step.

    Raises `InputError` for L-BFGS, and where the run ended with its parent's best parameters.
    """
    refuse(run.plan)
    last = run.step if step is None else step
    last_state = replay.state_at(run, last)
    theta = last_state.theta if step is not None else final(run.plan, last_state)
    if theta is not last_state.theta:
        last = last_state.early_stopping.best_step
    if last < run.start:
        raise InputError(
            f"{run.path.name} ended with the best parameters of its parent, those of step {last}, before "
            f"it began itself at step {run.start}: ask that run"
        )

    def advance(
        state: State, until: int, watch: Probes, chunk: int
    ) -> Iterator[tuple[State, ProbeResult]]:
        return replay.steps(run, state, until, watch, chunk)

    def retrain(changes: Sequence[Change], tell: Tell) -> list[Array]:
        run.data  # noqa: B018  read once, before there are several who would
        return trained_again(
            lambda change: forking.bare(run, forking.changed_from_start(run, change)),
            changes,
            None if step is None else last,
            tell,
            replay.resumptions(run),
        )

    def encode(x: Any, y: Any) -> tuple[Any, Any]:
        return why.rows_asked(run, x, y)

    return Trajectory(
        run.plan,
        smooth(run.plan, run.data),
        replay.state_at(run, run.start),
        last,
        theta,
        advance,
        retrain,
        names_of_run(run),
        encode,
        partial(why.table_rows, run),
        run.elsewhere,
        _seconds(run),
        run.engine,
        stages=tuple((stage.step, stage.epochs) for stage in run.stages()),
        snapshots={one.step: partial(nearest, run, one.step) for one in run.snapshots(last)},
        known=run.states_met.setdefault(last, []),
    )


def _seconds(run: Recorded) -> float | None:
    """Return how long one network took: of several the last, which waited for no compilation."""
    one = run
    if run.members > 1 and folder_of(run.path, run.members).exists():
        one = run.member(run.members)
    return one.manifest.get("seconds")
