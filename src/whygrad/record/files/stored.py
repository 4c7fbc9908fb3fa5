"""The data of a run: their hashes, and where they lie.

    copied     files of NumPy in the run's own folder, where asked or where they are small
    mapped     a file mapped into memory, by its path
    a table    read and encoded again, see `source`
    arrays     they lay in memory only: the user gives them again when they are needed

Hashes are of the bytes that training saw: row by row, in the dtype of training. Those of sparse inputs are
of shape, row starts, columns and numbers, in this order.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError, InputError
from whygrad.files import check_regular, sync
from whygrad.nn.arrays import Data, RowsOnDemand, is_sparse
from whygrad.nn.functions import Array
from whygrad.nn.metrics import ValidationData
from whygrad.record.files import inside

FOLDER = inside.DATA
SMALL = 8 * 2**20  # bytes that are copied without asking
SHOWN = 16  # digits of a hash in a message
SPARSE = ("data", "indices", "indptr")


def hashes(data: Data) -> dict[str, str]:
    """Return the SHA-256 of X, y and, where there are any, sample weights."""
    found = {"X": _hash(data.X), "y": _hash(data.Y)}
    if data.sample_weight is not None:
        found["sample_weight"] = _hash(data.sample_weight)
    return found


def _hash(array: Any) -> str:
    if isinstance(array, RowsOnDemand):
        return array.digest
    digest = hashlib.sha256()
    if is_sparse(array):
        digest.update(np.array(array.shape, "<i8").tobytes())
        digest.update(array.indptr.astype("<i8").tobytes())
        digest.update(array.indices.astype("<i8").tobytes())
        array = array.data
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def check_same(name: str, part: str, recorded: dict[str, str], found: dict[str, str]) -> None:
    """Raise `InputError` with both hashes for examples that are not those recorded."""
    for key in sorted({*recorded, *found}):
        then, now = recorded.get(key, "none"), found.get(key, "none")
        if then != now:
            what = "" if part == inside.TRAINING else f"{part} "
            raise InputError(
                f"the data are not those that {name} was trained on: {what}{key} has SHA-256 "
                f"{now[:SHOWN]}…, recorded was {then[:SHOWN]}…. History and parameters are there without "
                "data; to go on with others, fork the run"
            )


def size(data: Data | None) -> int:
    """Return the number of bytes of examples."""
    if data is None:
        return 0
    X = sum(getattr(data.X, name).nbytes for name in SPARSE) if is_sparse(data.X) else data.X.nbytes
    return int(X + data.Y.nbytes + (0 if data.sample_weight is None else data.sample_weight.nbytes))


# ── copies ───────────────────────────────────────────────────────────────────────────────────────────


def copy(run: Path, part: str, data: Data) -> None:
    """Write examples into a run's folder, as files that can be mapped into memory."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {"y": data.Y}
    if is_sparse(data.X):
        arrays |= {f"X_{name}": getattr(data.X, name) for name in SPARSE}
        arrays["X_shape"] = np.array(data.X.shape)
    else:
        arrays["X"] = data.X
    if data.sample_weight is not None:
        arrays["sample_weight"] = data.sample_weight
    for name, array in arrays.items():
        with inside.path_of(run, f"{FOLDER}/{part}_{name}.npy").open("xb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    sync(folder)


def is_copied(run: Path, part: str) -> bool:
    """Return whether examples lie in a run's folder."""
    return (run / FOLDER / f"{part}_y.npy").exists()


def read_copy(run: Path, part: str) -> Data:
    """Read the examples in a run's folder, mapped into memory; raises `FileError` where they are gone."""

    def read(name: str) -> Array:
        file = f"{FOLDER}/{part}_{name}.npy"
        if not inside.exists(run, file):
            raise FileError(
                f"{run}: damaged, {file} is missing. History and parameters are there; to go "
                "on, give the data again, open_run(path, data=(X, Y))"
            )
        try:
            return np.lib.format.open_memmap(inside.path_of(run, file), mode="r")
        except FileError:
            raise
        except (OSError, ValueError, TypeError, OverflowError, EOFError) as error:
            raise FileError(f"{run}: damaged, {file} ({error})") from None

    def has(name: str) -> bool:
        return inside.exists(run, f"{FOLDER}/{part}_{name}.npy")

    if has("X_indptr"):
        from scipy.sparse import csr_array

        parts = tuple(np.array(read(f"X_{name}")) for name in SPARSE)
        shape = read("X_shape").tolist()
        try:
            X: Any = csr_array(parts, shape=tuple(shape))
            X.check_format(full_check=True)
        except (ValueError, TypeError, OverflowError) as error:
            raise FileError(f"{run}: damaged, {FOLDER}/{part}_X… ({error})") from None
    else:
        X = np.asarray(read("X"))
    return Data(
        X,
        np.asarray(read("y")),
        np.asarray(read("sample_weight")) if has("sample_weight") else None,
    )


# ── files mapped into memory ─────────────────────────────────────────────────────────────────────────


def mapped(data: Data) -> dict[str, Any] | None:
    """Return where X and y lie, if they are files mapped into memory, as they are."""
    if data.sample_weight is not None:
        return None
    places = {"X": _place(data.X), "y": _place(data.Y)}
    return None if None in places.values() else places


def _place(array: Any) -> dict[str, Any] | None:
    owner = array
    while owner is not None and not isinstance(owner, np.memmap):
        owner = getattr(owner, "base", None)
    if owner is None or owner.filename is None:
        return None
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    if not array.flags.c_contiguous or not 0 <= start <= owner.nbytes - array.nbytes:
        return None
    return {
        "path": str(Path(owner.filename).resolve()),
        "offset": int(owner.offset + start),
        "dtype": array.dtype.str,
        "shape": list(array.shape),
    }


def read_mapped(places: dict[str, Any]) -> Data:
    """Map the files of a run's examples into memory again; raises `FileError` where they are gone."""

    def read(about: dict[str, Any]) -> Array:
        path, shape = Path(about["path"]), tuple(about["shape"])
        check_regular(path)
        try:
            return np.asarray(np.memmap(path, about["dtype"], "r", about["offset"], shape))
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise FileError(f"{path}: the training data are gone ({error})") from None

    return Data(read(places["X"]), read(places["y"]))


def judged(data: Data, several: bool | None) -> Data:
    """Return validation examples that are scored as they were in training."""
    return (
        data
        if several is None
        else ValidationData(data.X, data.Y, data.sample_weight, several=several)
    )
