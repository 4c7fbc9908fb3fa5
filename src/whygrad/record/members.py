"""Runs of ensembles: the run of the first member, and in its folder those of the others.

    NAME.run                  member 1; its manifest has the number of members and the average's scores
    NAME.run/members/2.run    member 2, and so on: runs like any other

All folders are there before any training begins, so that a run that was killed can be resumed whole. Those
of members that learn as long as pilots found, see `pipeline.recipe`, are made anew when that is known.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from whygrad.fitted import Fitted, fitted_of
from whygrad.pipeline.fit import (
    EncodedTable,
    Prepared,
    Result,
    Source,
    find_again,
    of_member,
    ready,
    scored,
    tabulate,
)
from whygrad.pipeline.members import epochs_found, in_time
from whygrad.pipeline.recipe import Recipe
from whygrad.pipeline.settings import Settings, following, recipe_of, without_recipe
from whygrad.record import forking
from whygrad.record.folder import add_hashes, begin, conclude, go_on, parts_of
from whygrad.record.recorded import Recorded, folder_of
from whygrad.record.replay import state_at
from whygrad.record.rows import details_of, results_again, results_of
from whygrad.training.callbacks import AnyCallback, StepController, waited
from whygrad.training.loop import INTERRUPTED
from whygrad.training.progress import ProgressOfMany
from whygrad.training.side_by_side import Seat, side_by_side, warm_up

R = TypeVar("R", bound=Recorded)


def record_members(
    path: Path,
    source: Source,
    given: Settings,
    overwrite: bool = False,
    copy_data: bool | None = None,
    seconds: float | None = None,
    progress: bool = False,
    observers: Sequence[AnyCallback] = (),
    controller: StepController | None = None,
    before_each: Callable[[int], Any] = lambda k: None,
) -> Result:
    """Train an ensemble on a table, score its average, and record each member.

    Parameters
    ----------
    path : Path
        The folder to write.
    source : Source
        The table.
    given : Settings
        Settings with a quality.
    overwrite : bool, default False
        Replace the run that is there.
    copy_data : bool, optional
        Put the encoded rows into each folder; by default into the first where they are small.
    seconds : float, optional
        The time that all of it may take; see `pipeline.members.train_members`.
    progress : bool, default False
        Show a live line.
    observers : sequence of Callback or function
        Called during the training of the first member.
    controller : StepController, optional
        Bounds the steps of all members, which are then trained one after the other.
    before_each : function, optional
        Called with the number of each member, counted from 1, before it is trained.

    Returns
    -------
    Result
        Of the ensemble; `ready` is that of its first member.
    """
    asked_at = time.perf_counter()
    table = tabulate(source, given)
    first = ready(table, given)
    warm_up(first.training)
    began = time.perf_counter()
    rows = len(table.parts.training) + len(table.parts.validation)
    recipe, deadline = recipe_of(given, rows, 0, len(table.encoding.classes)), None
    if seconds is not None:
        asked, (recipe, deadline) = recipe, in_time(recipe, first.training, asked_at + seconds)
        share = given.validation if recipe.pilots == asked.pilots else recipe.share
        given = replace(given, epochs=recipe.epochs, validation=share)
        first = ready(table, given)
    pilots = range(1, recipe.setting_aside + 1)
    others = range(recipe.setting_aside + 1, recipe.members + 1)

    def make_folders(given: Settings, which: range) -> None:
        for k in which:
            _begin(path, _member(table, given, k), copy_data)

    _begin_first(path, first, recipe, overwrite, copy_data)
    make_folders(given, pilots[1:])
    make_folders(following(given, recipe.epochs), others)
    line = None
    if progress:
        line = ProgressOfMany([first.training.plan] * recipe.members)

    def train(given: Settings, k: int, seat: Seat) -> Fitted:
        one = first if k == 1 else _member(table, given, k)
        left = None if deadline is None else max(0.0, deadline - time.perf_counter())
        seen = list(observers) if k == 1 else []
        if line is not None:
            seen.append(line.of(k - 1, one.training.plan))
        before_each(k)
        return _trained(path, one, k, left, seat, seen, controller)

    def trained(given: Settings, which: range) -> list[Fitted | None]:
        tasks = [partial(train, given, k) for k in which]
        return _one_by_one(tasks) if controller else [*side_by_side(tasks, [first.training])]

    try:
        fits = trained(given, pilots)
        if others and (epochs := epochs_found(fits)) is not None:
            later = following(given, epochs)
            make_folders(later, others)
            fits += trained(later, others)
    finally:
        if line is not None:
            line.close()
    own = fits[0]
    assert own is not None
    fits += [None] * (recipe.members - len(fits))
    found = scored(first, fits, time.perf_counter() - began - waited(controller))
    conclude(path, own, results_of(found))
    return found


def _one_by_one(tasks: Sequence[Callable[[Seat], Fitted]]) -> list[Fitted | None]:
    """Train one after the other; None for those that follow one that was interrupted."""
    seat, fits = Seat(), list[Fitted | None]()
    for task in tasks:
        fits.append(task(seat))
        if fits[-1] is not None and fits[-1].history.stopped == INTERRUPTED:
            break
    return fits + [None] * (len(tasks) - len(fits))


def _member(table: EncodedTable, given: Settings, k: int) -> Prepared:
    own = replace(given, member=k)
    return ready(of_member(table, own), own)


def _begin_first(
    path: Path, one: Prepared, recipe: Recipe, overwrite: bool, copy_data: bool | None
) -> None:
    """Make the folder of the first member, which says how many there are."""
    details = details_of(one, overwrite, copy_data)
    more = {**details.more, "members": recipe.members}
    if recipe.setting_aside < recipe.members:
        more["pilots"] = recipe.pilots
    begin(path, one.training, replace(details, more=more))


def _begin(path: Path, one: Prepared, copy_data: bool | None) -> None:
    """Make the folder of another member, anew where it is there."""
    folder = folder_of(path, one.settings.member)
    folder.parent.mkdir(exist_ok=True)
    begin(folder, one.training, details_of(one, True, bool(copy_data)))


def _trained(
    path: Path,
    one: Prepared,
    k: int,
    seconds: float | None,
    seat: Seat,
    observers: Sequence[AnyCallback],
    controller: StepController | None,
) -> Fitted:
    """Train a member whose folder is there, and conclude all but the first."""
    folder, training, began = folder_of(path, k), seat.take(one.training), time.perf_counter()
    hashing = partial(add_hashes, folder, parts_of(training) | {"test": one.test})
    known = training.state.step
    state, history = go_on(
        folder, training, known, observers, seconds, hashing, controller=controller
    )
    found = fitted_of(training.plan, state, history)
    if k > 1:
        conclude(folder, found, results_of(scored(one, [found], time.perf_counter() - began)))
    return found


# ── gone on with ─────────────────────────────────────────────────────────────────────────────────────


def unfinished(run: Recorded) -> bool:
    """Return whether any member was broken off, or not begun, and can be resumed as it was."""
    return any(
        not folder_of(run.path, k).exists() or _cut_off(run.member(k))
        for k in range(1, run.members + 1)
    )


def _cut_off(one: Recorded) -> bool:
    """Return whether a member was broken off, or killed before its results were written."""
    return forking.broken_off(one) or not one.concluded


def resume_members(
    run: R,
    epochs: int | None = None,
    callbacks: Sequence[AnyCallback] = (),
    seconds: float | None = None,
    observers: Sequence[AnyCallback] = (),
    controller: StepController | None = None,
    before_each: Callable[[int], Any] = lambda k: None,
) -> R:
    """Resume all members of a run that were cut off, one after the other, and score the average.

    Parameters
    ----------
    run : Run
        The run of the first member.
    epochs : int, optional
        The number of epochs of each member in all.
    callbacks : sequence of callables
        Called with a `Report` by each.
    seconds : float, optional
        The time that each may take.
    observers, controller, before_each
        As of `record_members`.

    Returns
    -------
    Run
        The run as it then stands; Ctrl-C leaves the members that follow as they were.
    """
    last = None
    for k in [*range(2, run.pilots + 1), 1, *range(run.pilots + 1, run.members + 1)]:
        _begin_again(run, k)
        one, in_all = run.member(k), epochs
        if epochs is None:
            if not _cut_off(one):
                continue
            if k > run.pilots and one.step == 0:  # it waited for them
                in_all = epochs_found([run.member(i).fitted for i in range(1, run.pilots + 1)])
        last = k
        before_each(k)
        seen = observers if k == 1 else ()
        now = forking.resume(one, in_all, callbacks, seconds, seen, controller)
        run = now if k == 1 else run
        if now.stopped == INTERRUPTED:
            return run
    if last is None:
        return forking.resume(run)  # which has ended, and says so
    if last == 1:
        return run
    state = state_at(run, run.step)
    # Which nobody knows of a training that was killed.
    took = {"seconds": run.manifest.get("seconds")}
    conclude(run.path, run.fitted, results_again(run, state, run.history) | took)
    return run.opened_again()


def _begin_again(run: Recorded, k: int) -> None:
    """Make the folder of a member that a kill left none of."""
    if folder_of(run.path, k).exists():
        return
    given = replace(without_recipe(run.settings), member=k)
    if k > run.pilots:
        given = following(given, run.plan.epochs)
    source = find_again(run.manifest["data"], run.target, run.encoding.task)
    _begin(run.path, ready(tabulate(source, given), given), run.manifest["data"]["copied"])
