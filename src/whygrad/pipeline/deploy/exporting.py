"""A `Deployable` → a file, by its ending: whole or not at all, and only where nothing is yet or may go."""

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from whygrad.errors import FileError
from whygrad.files import refuse_taken, write_atomically
from whygrad.pipeline.deploy.c_source import to_c
from whygrad.pipeline.deploy.form import Deployable, Proof
from whygrad.pipeline.deploy.js_source import to_js
from whygrad.pipeline.deploy.onnx_model import checked_model, names_of
from whygrad.pipeline.deploy.source_text import identifier
from whygrad.pipeline.deploy.tensors import to_tensors
from whygrad.tables import quoted


@dataclass(frozen=True, repr=False)
class Exported:
    """A network that was exported.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Its bytes.
    difference : float or None
        The largest difference of its values from whygrad's, over `rows`; None where another program has to
        run the file.
    rows : str
        The rows that were compared, or that the file holds to compare.
    notes : tuple of str
        What is to be known of the columns that go in, and how a file proves itself.
    relative : float or None
        The same difference beside the largest of these values; None where that is 0.
    """

    path: Path
    size: int
    difference: float | None
    rows: str
    notes: tuple[str, ...] = ()
    relative: float | None = None

    def __str__(self) -> str:
        said = f"{self.path}: {self.size:,} bytes"
        if self.difference is None:
            return f"{said}, with {self.rows}" if self.rows else said
        of = "" if self.relative is None else f" ({self.relative:.1g} of the largest value)"
        return f"{said}; at most {self.difference:.2g}{of} from whygrad, on {self.rows}"

    __repr__ = __str__  # so that a bare prompt shows it as well


def check_place(path: Path, overwrite: bool) -> None:
    """Raise `FileError` for an unknown ending, and where a file is already, before any work is done."""
    if path.suffix.lower() not in ENDINGS:
        raise FileError(f"{path}: the ending says what to write: {', '.join(ENDINGS)}")
    refuse_taken(path, overwrite=True)
    if os.path.lexists(path) and not overwrite:
        raise FileError(
            f"{path}: exists already: choose another name, or --overwrite it (overwrite=True)"
        )


def write(given: Deployable, proof: Proof, path: Path, overwrite: bool = False) -> Exported:
    """Write a network to a file.

    Parameters
    ----------
    given : Deployable
        The network.
    proof : Proof
        Rows, and what whygrad predicts for them.
    path : Path
        The file; its ending is a key of `ENDINGS`.
    overwrite : bool, default False
        Whether to replace what is there.

    Returns
    -------
    Exported
        What was written.

    Raises
    ------
    FileError
        Where a file is already, or cannot be written.
    InputError
        For what the format cannot say, and where the file would predict something else.
    """
    check_place(path, overwrite)
    content, found = ENDINGS[path.suffix.lower()](given, proof, path)
    check_place(path, overwrite)
    write_atomically(path, content)
    return found


def _onnx(given: Deployable, proof: Proof, path: Path) -> tuple[bytes, Exported]:
    model, difference = checked_model(given, proof)
    content: bytes = model.SerializeToString()
    renamed = [
        f"column {quoted(column.name)} is called {quoted(name)} there, since an output has its name"
        for column, name in zip(given.columns, names_of(given), strict=False)
        if column.name != name
    ]
    rows = f"{len(proof):,} {proof.what}"
    notes, largest = (*given.notes, *renamed), float(np.abs(proof.values).max(initial=0.0))
    relative = difference / largest if largest else None
    return content, Exported(path, len(content), difference, rows, notes, relative)


def _c(given: Deployable, proof: Proof, path: Path) -> tuple[bytes, Exported]:
    content = to_c(given, proof, path.stem).encode()
    macro = identifier(path.stem, "net").upper()
    how = f"cc -std=c99 -D{macro}_MAIN {shlex.quote(str(path))} -lm && ./a.out"
    return content, _with_proof(given, path, content, how)


def _js(given: Deployable, proof: Proof, path: Path) -> tuple[bytes, Exported]:
    content = to_js(given, proof, path.stem).encode()
    file = json.dumps(path.as_uri() if path.is_absolute() else f"./{quote(path.as_posix())}")
    how = "node -e " + shlex.quote(f"import({file}).then((net) => console.log(net.prove()))")
    if path.suffix.lower() == ".js":
        how += " (Node before 22.7 knows a module by the ending .mjs)"
    return content, _with_proof(given, path, content, how)


def _with_proof(given: Deployable, path: Path, content: bytes, how: str) -> Exported:
    notes = (*given.notes, f"to see it prove itself: {how}")
    return Exported(path, len(content), None, "rows to prove itself on", notes)


def _tensors(given: Deployable, proof: Proof, path: Path) -> tuple[bytes, Exported]:
    content, notes = to_tensors(given), given.notes
    if given.columns:
        said = f"its {given.n_0} inputs are encoded columns: as metadata says, not as the table has them"
        notes = (said,)
    return content, Exported(path, len(content), None, "", notes)


Writer = Callable[[Deployable, Proof, Path], tuple[bytes, Exported]]
ENDINGS: dict[str, Writer] = {
    ".onnx": _onnx,
    ".c": _c,
    ".js": _js,
    ".mjs": _js,
    ".safetensors": _tensors,
}
