"""A folder of Parquet files as one table: every row has a number, from the files' footers alone.

Files are taken in the order of their names, their row groups in the order in which they stand. All have the
columns of the first file, in any order.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from whygrad.errors import FileError
from whygrad.nn.functions import Array
from whygrad.tables.columns import (
    HOLDS,
    Kind,
    computable,
    kind_of,
    names_of_columns,
    quoted,
)
from whygrad.tables.opening import PARQUET, told


@dataclass(frozen=True)
class Group:
    """A row group: the file it lies in, its place there, its first row's number, and how many it has."""

    path: Path
    place: int
    first: int
    rows: int


@dataclass(frozen=True)
class Folder:
    """A table in several Parquet files."""

    path: Path
    kinds: dict[str, Kind]
    groups: tuple[Group, ...]

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(group.rows for group in self.groups)

    @cached_property
    def _firsts(self) -> Array:
        return np.array([group.first for group in self.groups])

    def read(self, first: int, last: int, names: Collection[str]) -> Iterator[tuple[int, Any]]:
        """Yield the columns of rows first … last − 1, a row group at a time, each with its first number."""
        at = int(np.searchsorted(self._firsts, first, side="right")) - 1
        while first < last:
            group = self.groups[at]
            until = min(last, group.first + group.rows)
            yield first, self.group(at, names).slice(first - group.first, until - first)
            first, at = until, at + 1

    def group(self, at: int, names: Collection[str]) -> Any:
        """Return some columns of a row group, by its place among all."""
        group = self.groups[at]
        with told(group.path):
            # A file that has changed since it was looked at no longer has what the footer said.
            with _opened(group.path) as file:
                known = dict(zip(_names(file, group.path), file.schema_arrow.names, strict=True))
                gone = [name for name in names if name not in known]
                if gone or group.place >= file.num_row_groups:
                    raise FileError(f"{group.path}: it has changed while it was read")
                table = file.read_row_group(group.place, [known[name] for name in names])
            if table.num_rows != group.rows:
                raise FileError(f"{group.path}: it has changed while it was read")
        columns = [computable(table.column(known[name]), name) for name in names]
        return pa.table(columns, names=[*names])


def is_folder(path: Any) -> bool:
    """Return whether a table is given as a folder of files."""
    return isinstance(path, str | PathLike) and Path(path).is_dir()


def files_of(path: str | PathLike[str]) -> list[Path]:
    """Return the Parquet files of a folder, by name; raise `FileError` where there is none.

    Names that begin with _ or . are those of programs that write such folders, and no tables.
    """
    folder = Path(path)
    with told(folder):
        names = sorted(one.name for one in folder.iterdir() if one.name[0] not in "_.")
    files = [folder / name for name in names if Path(name).suffix.lower() in PARQUET]
    if files:
        return files
    inside = [name for name in names if (folder / name).is_dir()]
    if inside:
        raise FileError(
            f"{folder}: no Parquet file in it, but a folder {quoted(inside[0])}: files within "
            "are not read, put all into one"
        )
    raise FileError(f"{folder}: a folder without a Parquet file: they end in .parquet or .pq")


def open_folder(path: str | PathLike[str]) -> Folder:
    """Return a folder of Parquet files as one table, after a look at the end of each.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    Folder
        Its columns and row groups.

    Raises
    ------
    FileError
        Where there is no file or no row, and for a file that is damaged or unlike the first one.
    InputError
        For two columns of one name.
    """
    files = files_of(path)
    kinds: dict[str, Kind] = {}
    groups: list[Group] = []
    first = 0
    for file in files:
        with told(file), _opened(file) as found:
            about = found.metadata
            here = {
                name: kind_of(field)
                for name, field in zip(_names(found, file), found.schema_arrow, strict=True)
            }
            kinds = kinds or here
            _check_alike(file, here, files[0], kinds)
            for place in range(about.num_row_groups):
                rows = about.row_group(place).num_rows
                if rows:
                    groups.append(Group(file, place, first, rows))
                    first += rows
    if not groups:
        raise FileError(f"{path}: its files have column names, but no rows")
    return Folder(Path(path), kinds, tuple(groups))


def _opened(path: Path) -> Any:
    try:
        return pyarrow.parquet.ParquetFile(path)
    except pa.ArrowInvalid:
        raise FileError(f"{path}: not a Parquet file, or a damaged one") from None


def _names(file: Any, path: Path) -> list[str]:
    return names_of_columns(file.schema_arrow.names, str(path))


def _check_alike(file: Path, here: dict[str, Kind], first: Path, kinds: dict[str, Kind]) -> None:
    """Raise `FileError` where a file has other columns than the first one, or holds something else."""
    for name in kinds:
        if name not in here:
            raise FileError(f"{file}: no column {quoted(name)}, which {first.name} has")
    for name, kind in here.items():
        if name not in kinds:
            raise FileError(f"{file}: column {quoted(name)} is not in {first.name}")
        if kind != kinds[name]:
            raise FileError(
                f"{file}: column {quoted(name)} holds {HOLDS[kind]}, in {first.name} {HOLDS[kinds[name]]}"
            )


@dataclass(frozen=True)
class Span:
    """Rows that follow one another, by their numbers."""

    first: int
    last: int

    @property
    def rows(self) -> int:
        """How many."""
        return self.last - self.first


def blocks_of(folder: Folder, rows: int) -> list[Span]:
    """Return the row groups as spans, those of more than so many rows in equal parts."""
    found = []
    for group in folder.groups:
        parts = -(-group.rows // rows)
        ends = [group.first + i * group.rows // parts for i in range(parts + 1)]
        found += [Span(low, high) for low, high in pairwise(ends)]
    return found
