"""How much scores depend on which rows are test rows, and on the seed: the training, several times.

folds    every row is a test row once; each time another network learns from the others
seeds    the same rows, other initial parameters and another order
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.pipeline.comparing import compare
from whygrad.pipeline.fit import (
    EncodedTable,
    Result,
    Source,
    fit_members,
    ready,
    result_of,
    tabulate,
)
from whygrad.pipeline.settings import Settings
from whygrad.tables import choose_target, leave_out
from whygrad.training.loop import INTERRUPTED, run

NETWORK = "this network"


@dataclass(frozen=True)
class Repeated:
    """By model and measure the values of all times; `what` is "folds" or "seeds"."""

    what: str
    times: int
    models: dict[str, dict[str, list[float | None]]]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain data for JSON."""
        return asdict(self)

    def spread(self, model: str, measure: str) -> tuple[float, float] | None:
        """Return mean and standard deviation of a measure, or None where it is not always there."""
        values = self.models[model][measure]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or len(known) < 2:
            return None
        return float(np.mean(known)), float(np.std(known, ddof=1))


def from_dict(about: dict[str, Any] | None) -> Repeated | None:
    """Return the values that `to_dict` wrote."""
    return None if about is None else Repeated(**about)


def over_folds(
    source: Source,
    given: Settings,
    folds: Sequence[Array],
    compared: bool = True,
    tell: Callable[[int, Result], Any] | None = None,
    seconds: float | None = None,
) -> Repeated:
    """Train on all but one fold of the rows and score on that, for each fold.

    Parameters
    ----------
    source : Source
        The table.
    given : Settings
        The options of the training; its share of test rows does not count.
    folds : sequence of arrays of int
        The test rows of each fold, as `folds_of` returns them.
    compared : bool, default True
        Whether the simpler models of `comparing` are fitted to each as well.
    tell : function, optional
        Called with the number of the fold and its result.
    seconds : float, optional
        The time that each training of a quality may take.

    Returns
    -------
    Repeated
        Every measure of every fold.
    """
    results = (_result(tabulate(source, given, rows), given, seconds) for rows in folds)
    return _repeated("folds", len(folds), results, compared, tell)


def over_seeds(
    source: Source,
    given: Settings,
    times: int,
    tell: Callable[[int, Result], Any] | None = None,
    seconds: float | None = None,
) -> Repeated:
    """Train on the same rows with several seeds, the first of which is that of the settings.

    Parameters
    ----------
    source, given, tell, seconds
        As of `over_folds`; only the network depends on the seed, so that nothing else is fitted.
    times : int
        How many seeds.

    Returns
    -------
    Repeated
        Every measure of every seed.
    """
    _check(times, "seeds")
    table = tabulate(source, given)
    seeds = range(given.seed, given.seed + times)
    results = (_result(table, replace(given, seed=seed), seconds) for seed in seeds)
    return _repeated("seeds", times, results, False, tell)


def _result(table: EncodedTable, given: Settings, seconds: float | None) -> Result:
    """Train on an encoded table, and score."""
    if given.quality:
        result = fit_members(table, given, seconds)
    else:
        training = ready(table, given)
        result = result_of(training, *run(training.training), 0.0)
    if result.stopped == INTERRUPTED:
        raise KeyboardInterrupt
    return result


def _check(times: int, what: str) -> None:
    if times < 2:
        raise InputError(f"{what} is {times}: it must be at least 2")


def folds_of(source: Source, given: Settings, times: int) -> list[Array]:
    """Return the test rows of each fold, stratified where the target holds classes.

    Parameters
    ----------
    source, given
        As of `over_folds`.
    times : int
        How many folds.

    Returns
    -------
    list of arrays of int
        The numbers of the rows among those with a value of the target; each row is in one fold.

    Raises
    ------
    InputError
        For fewer than two folds, or more than the smallest class has rows.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    _check(times, "folds")
    table = leave_out(source.table, given.leave_out, source.target)
    table, target = choose_target(table, source.target, source.task, dict(given.types), given.na)
    index = np.zeros(table.num_rows, np.int64)
    if target.task == "classification":
        index = target.indices(table)
    least = int(np.bincount(index).min())
    if least < times:
        raise InputError(
            f"folds is {times}, and {'the smallest class' if target.classes else 'the table'} has {least} "
            f"row{'' if least == 1 else 's'}: give at most as many folds"
        )
    kind = StratifiedKFold if target.task == "classification" else KFold
    split = kind(times, shuffle=True, random_state=given.seed).split(index, index)
    return [rows for _, rows in split]


def _repeated(
    what: str,
    times: int,
    results: Iterator[Result],
    compared: bool,
    tell: Callable[[int, Result], Any] | None,
) -> Repeated:
    models: dict[str, dict[str, list[float | None]]] = {}
    for number, result in enumerate(results, start=1):
        found = {NETWORK: result.scores.measures}
        comparison = compare(result, warned=False) if compared else None
        found |= {} if comparison is None else {m.name: m.measures for m in comparison.models}
        for name, measures in found.items():
            for measure, value in measures.items():
                models.setdefault(name, {}).setdefault(measure, []).append(value)
        if tell is not None:
            tell(number, result)
    return Repeated(what, times, models)
