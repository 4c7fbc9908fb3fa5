"""A run, opened again: its settings, scores and history, and predictions for new rows.

Rows come as a CSV or Parquet file, the name of a data set, or a pandas, polars or arrow frame; columns are
found by name, in any order. A row has the same prediction to the last bit, whatever stands beside it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad import datasets, scores
from whygrad.epochs import History
from whygrad.errors import FileError, InputError, nearest
from whygrad.fitting import find, judge_values, predict, truth
from whygrad.functions import Array
from whygrad.network import Network, Parameters
from whygrad.record import manifest
from whygrad.record.held_out import read_again
from whygrad.saving import load
from whygrad.scores import Scores
from whygrad.settings import Settings
from whygrad.tables import Encoding, as_table, batches
from whygrad.training import Fitted

if TYPE_CHECKING:
    from whygrad.why.bound import Why

ROWS = 8192  # that are in memory at a time


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training that was written to a folder; `open_run` gives it.

    Parameters
    ----------
    path : the folder.
    manifest : what its manifest.json says.
    fitted : the network, its parameters and the history.
    encoding : how rows become inputs, and outputs labels or numbers.
    settings : the options of the training, all filled in.
    scores : of the rows that were held out, as training gave them.
    """

    path: Path
    manifest: dict[str, Any]
    fitted: Fitted
    encoding: Encoding
    settings: Settings
    scores: Scores

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {self.fitted!r}>"

    @property
    def net(self) -> Network:
        """The network."""
        return self.fitted.net

    @property
    def theta(self) -> Parameters:
        """The parameters that training ended with."""
        return self.fitted.theta

    @property
    def history(self) -> History:
        """The training, epoch by epoch; held-out there are the rows set aside to stop by."""
        return self.fitted.history

    @property
    def target(self) -> str:
        """The name of the column that is predicted."""
        return self.encoding.target.name

    @property
    def why(self) -> "Why":
        """Ask why: `run.why.weight(frame, layer=1, to=0, from_="rooms")`, and the other questions of `Why`.

        Rows are a frame or a file with the target, or without any the rows that were held out.
        """
        from whygrad.record.asking import why_of_run

        return why_of_run(self)

    def predict(self, data: Any) -> Array:
        """Give the predicted labels, or numbers in the target's own units, (n,).

        Raises `InputError` for a column that is missing or of another kind than in training, and
        `FileError` for a file that cannot be read.
        """
        return np.concatenate([self.encoding.decode(a) for a, _ in self.outputs(data)])

    def probabilities(self, data: Any) -> Array:
        """Give the probability of each class, (n, len(encoding.classes))."""
        target = self.encoding.target
        return np.concatenate([target.probabilities(a) for a, _ in self.outputs(data)])

    def evaluate(self, data: Any = None) -> Scores:
        """Score the predictions for rows that have the target.

        Without `data` they are the rows that were held out, read again from where training found them: the
        scores are then `scores`, to the last bit. Rows without a value of the target are left out.
        """
        return self.measure(read_again(self) if data is None else data)[0]

    def measure(self, data: Any) -> tuple[Scores, int]:
        """Give the scores of rows, and how many were left out as they have no value of the target."""
        target = self.encoding.target
        a: list[Array] = []
        true: list[Array] = []
        left_out = 0
        for outputs, table in self.outputs(data):
            present = target.present(table)
            left_out += int((~present).sum())
            start = sum(map(len, true)) + left_out
            a.append(outputs[present])
            true.append(truth(target, table.filter(present), start))
        rows = np.concatenate(true)
        if len(rows) == 0:
            raise InputError(f"no row has a value of the target {target.name!r}: nothing to score")
        return judge_values(target, np.concatenate(a), rows, self.manifest["trivial"]), left_out

    def outputs(self, data: Any) -> Iterator[tuple[Array, Any]]:
        """Give the network's outputs, (rows, n_L), beside the rows they are of, in pieces."""
        start = 0
        for table in self._pieces(data):
            X = self.encoding.encode(table, self.theta.flat.dtype, start)
            yield predict(self.fitted, X, start), table
            start += table.num_rows

    def _pieces(self, data: Any) -> Iterator[Any]:
        if isinstance(data, str) and data in datasets.NAMES:
            table = find(data, seed=self.settings.seed).table
        elif isinstance(data, str | PathLike):
            needed = [column.name for column in self.encoding.columns]
            yield from batches(data, ROWS, self.encoding.kinds, needed)
            return
        else:
            table = as_table(data)
            if table.num_rows == 0:
                raise InputError("the frame has no rows")
        for start in range(0, table.num_rows, ROWS):
            yield table.slice(start, ROWS)


def open_run(path: str | PathLike[str]) -> Run:
    """Open a run that `whygrad train` has written.

    Raises `FileError` for a folder that is missing, is no run, is damaged, or of a newer schema.

    >>> run = open_run("houses.run")           # doctest: +SKIP
    >>> run.predict("new_houses.csv")          # doctest: +SKIP
    """
    folder = Path(path)
    _check_folder(folder)
    about = manifest.read(folder)
    fitted = load(manifest.check_file(folder, manifest.MODEL, about))
    described = manifest.check_file(folder, manifest.ENCODING, about).read_text(encoding="utf-8")
    try:
        encoding = Encoding.from_dict(json.loads(described))
        given = about["settings"] | {"hidden": tuple(about["settings"]["hidden"])}
        found = Run(
            folder,
            about,
            fitted,
            encoding,
            Settings(**given),
            scores.from_dict(about["scores"]),
        )
        sizes = (len(encoding.names), encoding.target.n_outputs)
        if (fitted.net.sizes[0], fitted.net.sizes[-1]) != sizes:
            raise FileError(f"{folder}: damaged, its network does not fit its columns")
        return found
    except (InputError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder}: damaged, its description cannot be used ({error})") from None


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        exists = folder.exists()
    except (OSError, ValueError) as error:
        raise FileError(f"{folder!s:.200}: cannot be read ({error})") from None
    if exists:
        raise FileError(f"{folder}: a file, not a run: a run is a folder whose name ends in .run")
    try:
        others = [other.name for other in folder.parent.iterdir() if other.suffix == ".run"]
    except OSError:
        others = []
    near = nearest(folder.name, others).partition("? ")
    hint = f"{near[0]}?" if near[1] else "`whygrad runs` lists those in a folder"
    raise FileError(f"{folder}: there is no such run: {hint}")
