"""Which rows a question is about: one of those that a run was scored on, those of a class, or all."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.answers.classes import class_names, classes
from whygrad.answers.formatting import counted, number
from whygrad.answers.names import Names
from whygrad.cli.arguments import Rows
from whygrad.errors import InputError, row_of
from whygrad.fitted import Ensemble, Fitted
from whygrad.nn.functions import Array
from whygrad.pipeline.fit import predict
from whygrad.record import Run, open_run
from whygrad.record.source import count, encoded, read_again, take, true_values
from whygrad.tables.columns import nearest_name, quoted
from whygrad.why.bound import Why
from whygrad.why.choosing import find_class

ONE = Rows(row=0)
ALL = Rows(all=True)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The run, the rows that are asked about, as a table, and what there is to say of them.

    Of a run on arrays the rows are an array, with their targets `y` beside it.
    """

    run: Run
    table: Any
    note: str
    about: dict[str, Any]
    y: Any = None

    @cached_property
    def why(self) -> Why:
        """The run's asker."""
        return self.run.why


def choose_of_any(path: Path, given: Rows, default: Rows) -> Chosen:
    """Read the rows that are meant; of a run on arrays those of validation, or else of training."""
    run = open_run(path)
    if run.on_table:
        return choose(path, given, default)
    _refuse_several(given)
    which = default if given == Rows() else given
    part = "training" if run.validation is None else "validation"
    data, said = run.validation or run.data, f"{part} rows"
    places, about = np.arange(len(data.Y)), {"run": str(path), "scored_on": part}
    note = _asked_of_all(len(places), said)
    if which.row is not None:
        if not 0 <= which.row < len(places):
            raise InputError(f"row {which.row}: the rows are 0 to {len(places) - 1}")
        places, note = places[which.row : which.row + 1], f"Row {which.row} of the {said}."
    elif which.of is not None:
        number = which.of.isascii() and which.of.isdecimal() and len(which.of) < 10
        wanted = find_class(run.net, Names(), int(which.of) if number else which.of)
        places = np.flatnonzero(classes(data.Y) == wanted)
        if not len(places):
            raise InputError(f"none of the {said} is of class {which.of}")
        note = f"Asked of the {counted(len(places), said)} of class {which.of}."
    return Chosen(run, data.X[places], note, about | {"rows": places.tolist()}, data.Y[places])


def _asked_of_all(n: int, said: str) -> str:
    return f"Asked of {'the' if n == 1 else 'all'} {counted(n, said)}."


def _refuse_several(given: Rows) -> None:
    if (given.row is not None) + (given.of is not None) + given.all > 1:
        raise InputError("--row, --class and --all exclude each other: give one of them")


def choose(path: Path, given: Rows, default: Rows, most: int | None = None) -> Chosen:
    """Open a run and read the rows that are meant; `default`, of which the first `most`, where none are."""
    run = open_run(path)
    _refuse_several(given)
    if not run.on_table:
        raise InputError(
            f"{path.name} was trained on arrays: here it is asked `why ledger`, `influence` and `without` "
            "alone; in Python, open_run(…).why with arrays"
        )
    which = default if given == Rows() else given
    rows = read_again(run)
    part = run.manifest["scored_on"]
    about: dict[str, Any] = {"run": str(path), "scored_on": part}
    if which.row is not None:
        note, more = _one(run, rows, which.row, part)
        return Chosen(run, take(rows, np.array([which.row])), note, about | more)
    said = f"{part} rows"
    n = count(rows)
    places = np.arange(n)
    note = _asked_of_all(n, said)
    if most is not None and given == Rows() and n > most:
        places = places[:most]
        note = f"Asked of the first {most:,} of {n:,} {said}; --all asks of all."
    if which.of is not None:
        places, label = _of_class(run, rows, which.of, said)
        about["class"] = label
        whose = f"{counted(len(places), said)} where {quoted(run.target)} is {quoted(str(label))}"
        note = (
            f"Asked of the {whose}; "
            f"examples are counted among these, the first is {row_of(places[0])}."
        )
    return Chosen(run, take(rows, places), note, about | {"rows": places.tolist()})


def _one(run: Run, rows: Any, row: int, part: str) -> tuple[str, dict[str, Any]]:
    if not 0 <= row < count(rows):
        raise InputError(f"row {row}: the rows are 0 to {count(rows) - 1}")
    one, target = take(rows, np.array([row])), run.encoding.target
    X, average = encoded(run, one), run.average
    true = true_values(target, one)[0]
    known = target.classes[int(true)] if target.classes else float(true)

    def said_by(network: Fitted | Ensemble) -> Any:
        said = target.decode(predict(network, X, row))[0]
        return said.item() if isinstance(said, np.generic) else said

    about = {"row": row, "target": target.name, "true": known, "predicted": said_by(average)}
    says = f"the network says {_shown(about['predicted'])}"
    if average is not run.fitted:  # most answers are about member 1, which may say otherwise
        about["predicted_by_member_1"] = own = said_by(run.fitted)
        who = "the one network that had an epoch"
        if isinstance(average, Ensemble):
            who = f"the average of {len(average.members)} networks"
        says = f"{who} says {_shown(about['predicted'])}, member 1 {_shown(own)}"
    return f"Row {row} of the {part} rows: {quoted(target.name)} is {_shown(known)}, {says}.", about


def _of_class(run: Run, rows: Any, given: str, what: str) -> tuple[Array, Any]:
    target = run.encoding.target
    if not target.classes:
        raise InputError(
            f"--class {given}: target {quoted(target.name)} holds numbers, not classes"
        )
    place = _class(run, given)
    found = np.flatnonzero(true_values(target, rows) == place)
    if not len(found):
        raise InputError(f"none of the {count(rows)} {what} is of class {quoted(given)}")
    return found, target.classes[place]


def wanted_of(run: Run, given: str | None) -> str | float | None:
    """Return the wanted answer as the network has it: the name of a class, or a scaled number."""
    target = run.encoding.target
    if given is None:
        return None
    if target.classes:
        names = class_names(run.net, run.why.names)
        return names[_class(run, given)]
    try:
        value = float(given)
    except ValueError:
        raise InputError(
            f"--wanted {quoted(given)}: target {quoted(target.name)} holds numbers"
        ) from None
    return (value - target.center) / target.scale


def _class(run: Run, given: str) -> int:
    """Return the place of a class that is given by its label."""
    labels = [str(label) for label in run.encoding.target.classes]
    if given not in labels:
        raise InputError(
            f"{quoted(given)} is no class of {quoted(run.target)}: {nearest_name(given, labels)}"
        )
    return labels.index(given)


def _shown(value: Any) -> str:
    return number(float(value)) if isinstance(value, float) else quoted(str(value))
