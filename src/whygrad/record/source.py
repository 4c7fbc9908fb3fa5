"""The examples of an opened run, found again and compared with the hashes of those it was trained on."""

from typing import TYPE_CHECKING, Any

from whygrad.errors import FileError, InputError
from whygrad.nn.arrays import Data, as_data
from whygrad.record.files import stored
from whygrad.record.folder import TRAINING

if TYPE_CHECKING:
    from whygrad.record.run import Run


def training_data(run: "Run") -> Data:
    """Give the training examples of a run."""
    return _checked(run, TRAINING, run.given)


def held_out_data(run: "Run") -> Data | None:
    """Give the examples that a run measured after every epoch, or None where there were none."""
    about = run.manifest["data"]
    part = about["measured"]
    if part is None:
        return None
    return stored.judged(_checked(run, part, run.given_held_out), about["several"])


def part_of(run: "Run", part: str) -> Data:
    """Give the examples of a part of the data, which training need not have seen."""
    return _checked(run, part, None)


def _checked(run: "Run", part: str, given: tuple[Any, ...] | None) -> Data:
    about = run.manifest["data"]
    recorded = about["sha256"].get(part)
    data = _found(run, part, given, about)
    if recorded is None:  # killed before the first step was recorded: nothing follows from them yet
        return data
    found = stored.hashes(data)
    if about["copied"] and given is None and found != recorded:
        raise FileError(
            f"{run.path}: damaged, the files in {stored.FOLDER} are not what was written there. History "
            "and parameters are there; give the data again with open_run(path, data=(X, Y)) to replay it"
        )
    stored.check_same(run.path.name, part, recorded, found)
    return data


def _fitting(run: "Run", data: Data) -> Data:
    """Give examples that are as training takes them: engines rely on it."""
    try:
        return as_data(run.net, data.X, data.Y, data.weights, run.manifest["dtype"])
    except InputError as error:
        raise FileError(f"{run.path}: damaged, its data do not fit its network ({error})") from None


def _found(run: "Run", part: str, given: tuple[Any, ...] | None, about: dict[str, Any]) -> Data:
    if given is not None:
        X, Y, weights = (*given, None)[:3]
        return as_data(run.net, X, Y, weights, run.manifest["dtype"])
    if about["copied"]:
        return _fitting(run, stored.read_copy(run.path, part))
    try:
        if about["kind"] == "mapped":
            return _fitting(run, stored.read_mapped(about["places"]))
        if run.on_table and about["kind"] != "frame":
            from whygrad.record.held_out import read_part

            data = read_part(run, part)[1]
            return as_data(run.net, data.X, data.Y, dtype=run.manifest["dtype"])
    except FileError as error:
        raise FileError(
            f"{error}. History and parameters of {run.path.name} are there without the data"
        ) from None
    name = "data" if part == TRAINING else "held_out"
    raise InputError(
        f"{run.path.name} was trained on arrays in memory, which it does not hold: give them again, "
        f"open_run(path, {name}=(X, Y)). History and parameters are there without them"
    )
