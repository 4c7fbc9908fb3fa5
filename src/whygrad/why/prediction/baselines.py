"""Baselines: the rows that a prediction is compared with; a seeded sample of training rows by default.

    "training"   a sample of the training rows, each a baseline of its own
    "mean"       one baseline, the mean of the training rows; it need not be a row that can exist
    "zero"       one baseline, 0 in every input: black, in an image
    rows         those given, or a sample of them

A row that cannot exist, such as one of no category at all, is never chosen unasked.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.answers.names import Names
from whygrad.errors import InputError, nearest
from whygrad.nn import Array, Network, as_inputs, dense
from whygrad.why.prediction.columns import InputColumn
from whygrad.why.prediction.members import Members, above_first
from whygrad.why.prediction.quadrature import kinks_of

WAYS = ("training", "mean", "zero")
SAMPLE = (20, 100)  # baselines that are drawn at least and at most, unless asked otherwise
WORK = 2e10  # multiplications that they may take, about, some seconds
SMOOTH, KINKED = 64, 8  # passes along a line of a curved network, and for each unit that has a kink
ONE = "the baseline's"
GIVE = "give 'training', 'mean', 'zero', or rows such as X is"


@dataclass(frozen=True, eq=False)
class Baselines:
    """Rows (B, n_0) to compare with, of how many they were drawn, and what they are in words."""

    rows: Array
    of: int
    said: str
    note: str

    @property
    def many(self) -> bool:
        """Whether there is more than one."""
        return len(self.rows) > 1

    def standard_errors(self, parts: Array) -> Array | None:
        """Return the standard error of means of parts (B, columns), or None where all rows were taken."""
        B = len(self.rows)
        if B < 2 or self.of == B:
            return None
        error: Array = parts.std(axis=0, ddof=1) / np.sqrt(B) * np.sqrt(1 - B / self.of)
        return error


def how_many(members: Members) -> int:
    """Return how many baselines are drawn unasked: 100, of large networks fewer, by their shape alone."""
    line = 0.0
    for net, _ in members.each:
        hidden = [(net.sizes[l], net.f[l]) for l in range(1, net.L)]
        units = sum(n for n, f in hidden if kinks_of(f))
        straight = all(f.linear for _, f in hidden)
        line += above_first(net) * (units / 2 + 1 if straight else max(SMOOTH, KINKED * units))
    return int(np.clip(WORK / line, *SAMPLE))


def choose_baselines(
    net: Network,
    names: Names,
    columns: tuple[InputColumn, ...],
    given: Any,
    training: Any,
    sample: int,
    seed: int,
) -> Baselines:
    """Return the baselines that are meant: by a word, as rows, or by nothing."""
    if given is None and training is None and not _can_be_zero(columns):
        raise InputError(
            "no training rows are known here, and a row of 0 is of no category: give baseline=, such as "
            "the training rows"
        )
    if given is None:
        given = "zero" if training is None else "training"
    if not isinstance(given, str):
        return _sampled(rows_of(net, given, "the baseline"), "rows given", sample, seed)
    if given not in WAYS:
        raise InputError(f"baseline is {given!r}: {nearest(given, WAYS)}; or {GIVE}")
    if given == "zero":
        return _zero(net, names, columns, training is not None)
    if training is None:
        raise InputError(
            f"baseline is {given!r}, but no training rows are known here: give rows, or 'zero'"
        )
    if given == "training":
        return _sampled(training, "training rows", sample, seed)
    mean = np.asarray(training.mean(axis=0, dtype=np.float64)).reshape(1, -1)
    note = "The baseline is the mean of the training rows, which need not be a row that can exist."
    return Baselines(mean, 1, ONE, note)


def _zero(
    net: Network, names: Names, columns: tuple[InputColumn, ...], asked_for: bool
) -> Baselines:
    if not _can_be_zero(columns):
        raise InputError("baseline is 'zero', which is of no category: give rows, or 'training'")
    note = "The baseline is black" if names.image else "The baseline is 0 in every input"
    if not asked_for:
        note += ", since no training rows are known: baseline= gives others"
    return Baselines(np.zeros((1, net.sizes[0])), 1, ONE, f"{note}.")


def _sampled(rows: Any, what: str, sample: int, seed: int) -> Baselines:
    """Return rows, each a baseline, or where they are many some of them, drawn by a seed."""
    of, chosen = int(rows.shape[0]), np.arange(rows.shape[0])
    if of == 1:
        return Baselines(_plain(rows), 1, ONE, "")
    note = f"Parts are means over {of:,} baselines, the {what}."
    if of > sample:
        chosen = np.sort(np.random.default_rng(seed).choice(of, sample, replace=False))
        note = (
            f"Parts are means over {sample:,} baselines, drawn by seed {seed} from {of:,} {what}; ± is "
            "their standard error."
        )
    said = ONE if len(chosen) == 1 else f"the {len(chosen):,} baselines' mean of"
    return Baselines(_plain(rows[chosen]), of, said, note)


def rows_of(net: Network, given: Any, what: str) -> Any:
    """Return rows as the network takes them, (n, n_0); a message of an error says `what` they are."""
    try:
        return as_inputs(net, given)
    except InputError as error:
        raise InputError(f"{what} cannot be used: {error}") from None


def _plain(rows: Any) -> Array:
    plain: Array = np.asarray(dense(rows), np.float64)
    return plain


def _can_be_zero(columns: tuple[InputColumn, ...]) -> bool:
    """Return whether 0 in every input may be a row: not where a column is a category, a date or spread."""
    return all(column.numeric for column in columns)
