"""A folder of Parquet files as one table: every row has a number, from the files' footers alone.

Files are taken in the order of their names, their row groups in the order in which they stand. All have the
columns of the first file, in any order. A folder is a path, or an address such as s3://bucket/folder of a
file system that PyArrow has.
"""

import hashlib
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet

from whygrad.errors import FileError, InputError
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

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://.")
SECRET = re.compile(r"@|\?")  # what begins or ends the credentials and options in an address
END = 8  # bytes behind a Parquet file's footer: its length, and PAR1


@dataclass(frozen=True)
class Place:
    """A file, in the file system that has it; `shown` is what a user calls it."""

    system: Any
    path: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def opened(self) -> Any:
        """Open it, to be read at any place."""
        return self.system.open_input_file(self.path)


@dataclass(frozen=True)
class Group:
    """A row group: the file it lies in, its place there, its first row's number, and how many it has."""

    path: Place
    place: int
    first: int
    rows: int


@dataclass(frozen=True)
class Folder:
    """A table in several Parquet files, at `path` as it was given.

    `digest` is the SHA-256 of the files' names, sizes and footers, which have the places, sizes and least
    and largest values of all columns of all row groups.
    """

    path: str
    kinds: dict[str, Kind]
    groups: tuple[Group, ...]
    digest: str

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
            with group.path.opened() as opened, _parquet(group.path, opened) as file:
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
    """Return whether a table is given as a folder of files, or as the address of one."""
    return isinstance(path, str | PathLike) and (is_address(path) or Path(path).is_dir())


def is_address(path: str | PathLike[str]) -> bool:
    """Return whether a folder is given as an address, such as s3://bucket/folder."""
    return isinstance(path, str) and ADDRESS.match(path) is not None


def where(path: str | PathLike[str]) -> str:
    """Return a folder as a run remembers it: an address as it is, a path from the root on."""
    return str(path) if is_address(path) else str(Path(path).resolve())


def files_of(path: str | PathLike[str]) -> list[Place]:
    """Return the Parquet files of a folder, by name; raise `FileError` where there is none.

    Names that begin with _ or . are those of programs that write such folders, and no tables. The address
    of a file is that of a folder with this file alone: only its file system knows which of them it is.
    """
    shown = str(path)
    if is_address(path) and SECRET.search(shown):
        raise InputError(
            "the address of a folder is written into its run: give credentials and options by the "
            "environment, such as AWS_ACCESS_KEY_ID, and not in it"
        )
    with told(path):
        if is_address(path):
            system, root = pa.fs.FileSystem.from_uri(shown)
            if system.get_file_info(root).type == pa.fs.FileType.File:
                return [Place(system, root, shown)]
        else:
            system, root = pa.fs.LocalFileSystem(), Path(path).as_posix()
        found = system.get_file_info(pa.fs.FileSelector(root))
    kinds = {one.base_name: one.type for one in found if one.base_name[:1] not in ("_", ".", "")}
    above = "" if shown == "." else f"{shown.rstrip('/')}/"
    files = [
        Place(system, f"{root.rstrip('/')}/{name}", above + name)
        for name in sorted(kinds)
        if Path(name).suffix.lower() in PARQUET
    ]
    for file in files:
        if kinds[file.name] != pa.fs.FileType.File:  # to read a pipe may never end
            raise FileError(f"{file}: not a regular file")
    if files:
        return files
    inside = [name for name in sorted(kinds) if kinds[name] == pa.fs.FileType.Directory]
    if inside:
        raise FileError(
            f"{shown}: no Parquet file in it, but a folder {quoted(inside[0])}: files within "
            "are not read, put all into one"
        )
    raise FileError(f"{shown}: a folder without a Parquet file: they end in .parquet or .pq")


def with_rows(path: str | PathLike[str]) -> list[tuple[Place, int]]:
    """Return the files of a folder that have rows, each with its first row's number.

    They need not be alike. Raises `FileError` as `files_of` does, and where there is no row.
    """
    found, first = [], 0
    for file in files_of(path):
        with told(file):
            about = _parquet(file, _footer(file, hashlib.sha256()))
            rows = about.metadata.num_rows
            about.close()
        if rows:
            found.append((file, first))
            first += rows
    if not found:
        raise FileError(f"{path}: its files have column names, but no rows")
    return found


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
    first, digest = 0, hashlib.sha256()
    for file in files:
        with told(file):
            footer = _footer(file, digest)
            found = _parquet(file, footer)
            about = found.metadata
            here = {
                name: kind_of(field)
                for name, field in zip(_names(found, file), found.schema_arrow, strict=True)
            }
            found.close()
            kinds = kinds or here
            _check_alike(file, here, files[0], kinds)
            for place in range(about.num_row_groups):
                rows = about.row_group(place).num_rows
                if rows:
                    groups.append(Group(file, place, first, rows))
                    first += rows
    if not groups:
        raise FileError(f"{path}: its files have column names, but no rows")
    return Folder(str(path), kinds, tuple(groups), digest.hexdigest())


def _parquet(path: Place, file: Any) -> Any:
    try:
        return pyarrow.parquet.ParquetFile(file)
    except pa.ArrowInvalid:
        raise FileError(f"{path}: not a Parquet file, or a damaged one") from None


def _footer(path: Place, digest: Any) -> Any:
    """Return the footer of a file as one without rows, and add to the digest what it tells of the file."""
    with path.opened() as file:
        size = file.size()
        file.seek(max(0, size - END))
        length = int.from_bytes(file.read(4), "little") + END
        file.seek(max(0, size - length))
        footer = file.read()
    digest.update(f"{path.name} {size} ".encode() + footer)
    return io.BytesIO(b"PAR1" + footer)


def _names(file: Any, path: Place) -> list[str]:
    return names_of_columns(file.schema_arrow.names, str(path))


def _check_alike(file: Place, here: dict[str, Kind], first: Place, kinds: dict[str, Kind]) -> None:
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


def set_aside(
    blocks: Sequence[Span], share: float, most: int, seed: int
) -> tuple[list[Span], list[Span]]:
    """Return the blocks to train on, and those of about so large a share of the rows, at most so many.

    At least one block is left to train on. The last of those set aside may be cut.
    """
    left = int(min(share * sum(block.rows for block in blocks), most))
    test: list[Span] = []
    training: list[Span] = []
    for i in np.random.Generator(np.random.Philox(key=seed)).permutation(len(blocks)):
        block = blocks[i]
        taken = min(left, block.rows) if len(blocks) > 1 or block.rows > left else 0
        left -= taken
        if taken:
            test.append(Span(block.first, block.first + taken))
        if taken < block.rows:
            training.append(Span(block.first + taken, block.last))
    return sorted(training, key=_first), sorted(test, key=_first)


def _first(block: Span) -> int:
    return block.first
