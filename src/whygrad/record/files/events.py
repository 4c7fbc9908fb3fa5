"""What happened in a training, as an SQLite file: costs, layers, epochs, snapshots.

    chunks       cost of every step and statistics of the layers, one row for each chunk of steps
    epochs       what each epoch showed
    snapshots    states that were written, with the SHA-256 of their files
    stages       the number of epochs that the training is to have, from a step on
    ended        why training ended, and at which step, once it has; and how many rows there then were

Steps are numbered from 0: step t leads from the state after t updates to that after t + 1. One transaction
holds what one chunk of steps gave. In WAL mode readers follow a run while it is written; file systems that
other machines write to get a journal instead, where a reader may have to wait a moment.

A run may come from a stranger. The file must hold these tables and nothing else; every row has a checksum,
and rows must follow one another without a gap, so that no damage changes an answer silently.
"""

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from whygrad.engines.probes import STATISTICS, Statistics
from whygrad.errors import FileError, WhygradError
from whygrad.files import checksum, from_json, sync_file
from whygrad.nn.functions import Array
from whygrad.record.files import inside, schema
from whygrad.record.files.checking import Check
from whygrad.record.files.inside import snapshot_name
from whygrad.record.files.location import on_network
from whygrad.training.epochs import Epoch
from whygrad.training.model_file import epoch_from_dict

NAME = inside.EVENTS
PATIENCE = 30.0  # seconds to wait for another connection

# The chunks from the one on that a step lies in; they follow one another, and are found by their key.
SINCE = (
    "WHERE first >= coalesce((SELECT max(first) FROM chunks WHERE first <= ?), 0) ORDER BY first"
)

# What a damaged file raises, and what a damaged row does.
UNUSABLE = (sqlite3.Error, ValueError, TypeError, LookupError, AttributeError, OverflowError)

Database: TypeAlias = sqlite3.Connection
Error = sqlite3.Error

# The columns of each table and what they hold; the first is its key, and a checksum comes after the last.
COLUMNS: dict[str, dict[str, type]] = {
    "chunks": {"first": int, "steps": int, "costs": bytes, "watched": bytes, "statistics": bytes},
    "epochs": {"epoch": int, "step": int, "about": str},
    "snapshots": {"step": int, "path": str, "sha256": str},
    "stages": {"number": int, "step": int, "about": str},
    "ended": {"step": int, "stopped": str, "rows": str},
}
COUNTED = ("chunks", "epochs", "snapshots", "stages")
IN_SQL = {int: "INTEGER", str: "TEXT", bytes: "BLOB"}
TABLES = {
    table: f"CREATE TABLE {table} ("
    + ", ".join(
        f"{name} {IN_SQL[kind]} {'NOT NULL' if place else 'PRIMARY KEY'}"
        for place, (name, kind) in enumerate([*columns.items(), ("checksum", int)])
    )
    + ")"
    for table, columns in COLUMNS.items()
}
# A file whose pages lead back to one another would be read for ever: a row takes a few instructions.
INSTRUCTIONS = 10_000  # between two looks at how many there were
MOST = 100  # such looks, and one more for every so many bytes:
BYTES = 1000
SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # how a journal ends that names another file


@dataclass(frozen=True)
class Snapshot:
    """A state that was written: after `step` updates, in a file whose path starts at the run's folder."""

    step: int
    path: str
    sha256: str


@dataclass(frozen=True)
class Stage:
    """From `step` on, the training is planned to have so many epochs, and runs in this environment.

    `plan` is the SHA-256 of what decides it, as `manifest.plan_digest` returns it.
    """

    step: int
    epochs: int
    environment: dict[str, Any]
    plan: str


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def created(path: Path) -> Iterator[Database]:
    """Make the file, which nobody else has open yet; it is on the disk when this ends."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for careless in ("journal_mode=MEMORY", "synchronous=OFF"):
            db.execute(f"PRAGMA {careless}")
        with transaction(db):
            _make_tables(db)
            yield db
    finally:
        db.close()
    sync_file(path)


def connect(path: Path) -> Database:
    """Open the file for writing, and make it where it is missing.

    Raises `FileError` for one that is no database of a run, or has a hard link elsewhere.
    """
    _check_files(path)
    if path.exists() and path.stat().st_nlink > 1:
        raise FileError(
            f"{path.parent}: {NAME} is the same file as another, a hard link, which would change with it: "
            "copy the run, and go on with the copy"
        )
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        if db.execute("SELECT 1 FROM sqlite_master").fetchone():
            _check_tables(db)
        db.execute(f"PRAGMA journal_mode={'DELETE' if on_network(path) else 'WAL'}")
        db.execute("PRAGMA synchronous=NORMAL")
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            with transaction(db):
                _make_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: Database) -> None:
    for statement in TABLES.values():
        db.execute(statement)


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Write all that happens inside, or nothing, as one change of the file."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # SQLite takes some back by itself, on a full disk for one
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def add_chunk(db: Database, first: int, costs: Array, statistics: Statistics | None) -> None:
    """Add the costs of the steps from `first` on; a chunk that is there already stays."""
    at = np.zeros(0, np.int64) if statistics is None else statistics.steps
    values = np.zeros(0) if statistics is None else statistics.values
    row = (
        first,
        len(costs),
        np.asarray(costs, "<f8").tobytes(),
        np.asarray(at, "<i8").tobytes(),
        np.asarray(values, "<f8").tobytes(),
    )
    _insert(db, "chunks", row, "OR IGNORE")


def _insert(db: Database, table: str, row: Sequence[int | str | bytes], how: str = "") -> None:
    places = ", ".join("?" * (len(row) + 1))
    db.execute(f"INSERT {how} INTO {table} VALUES ({places})", (*row, checksum(*row)))


def add_epoch(db: Database, number: int, step: int, epoch: Epoch) -> None:
    """Add what the `number`-th epoch showed, which ended at a step."""
    about = json.dumps(asdict(epoch))  # NaN and infinity as Python has them
    _insert(db, "epochs", (number, step, about), "OR IGNORE")


def add_snapshot(db: Database, snapshot: Snapshot) -> None:
    """Add a state that is on the disk."""
    _insert(db, "snapshots", (snapshot.step, snapshot.path, snapshot.sha256), "OR REPLACE")


def remove_snapshots(db: Database, steps: Iterable[int]) -> None:
    """Forget states, before their files are removed."""
    db.executemany("DELETE FROM snapshots WHERE step = ?", [(step,) for step in steps])


def add_stage(db: Database, stage: Stage) -> None:
    """Add a stage, with which training goes on, and remove that it had ended."""
    about = json.dumps({name: value for name, value in vars(stage).items() if name != "step"})
    (last,) = db.execute("SELECT max(number) FROM stages").fetchone()
    _insert(db, "stages", ((last or 0) + 1, stage.step, about))
    db.execute("DELETE FROM ended")


def end(db: Database, step: int, stopped: str) -> None:
    """Add that training ended with the state after `step` updates, and remove what was undone.

    A training that diverges undoes its last steps, which may have been recorded already.
    """
    db.execute("DELETE FROM epochs WHERE step > ?", (step,))
    db.execute("DELETE FROM snapshots WHERE step > ?", (step,))
    _insert(db, "ended", (step, stopped, json.dumps(row_counts(db))), "OR REPLACE")


def row_counts(db: Database) -> dict[str, int]:
    """Return the number of rows of each table, as the end of a run states them."""
    # One by one: SQLite counts by itself in a single instruction, which nothing could break off.
    return {table: sum(1 for _ in db.execute(f"SELECT rowid FROM {table}")) for table in COUNTED}


def close(db: Database) -> None:
    """Close the file, and leave a single one, without a journal."""
    try:
        db.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error:  # someone reads: the next one to close it will do
        pass
    finally:
        db.close()


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """Open the file to read; raises `FileError` where it is missing or damaged.

    On a read-only medium, a run that was killed is read from a copy, in which SQLite can finish what was
    begun.
    """
    _check_files(path)
    if not path.exists():
        raise FileError(f"{path.parent}: damaged, {NAME} is missing")
    try:
        with _opened(path) as db:
            yield db
    except WhygradError:
        raise
    except UNUSABLE as error:
        reason = error if isinstance(error, sqlite3.Error) else "a row in it makes no sense"
        raise FileError(f"{path.parent}: damaged, {NAME} cannot be read ({reason})") from None


def _check_files(path: Path) -> None:
    """Raise for links, pipes, and a journal that names a file elsewhere, which SQLite would remove."""
    journal = f"{NAME}-journal"
    for name in (NAME, f"{NAME}-wal", f"{NAME}-shm", journal):
        inside.path_of(path.parent, name)
    content = inside.read_if_there(path.parent, journal)  # a writer may remove it at any moment
    if content is not None and content.endswith(SUPER_JOURNAL):
        raise FileError(f"{path.parent}: damaged, {journal} is not of a run")


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    db = connect_read_only(path)
    try:
        _try(db)
    except sqlite3.OperationalError:
        db.close()
        with tempfile.TemporaryDirectory() as folder:
            for name in (NAME, f"{NAME}-wal", f"{NAME}-journal"):
                if inside.exists(path.parent, name):
                    shutil.copy(path.parent / name, folder)
            copy = sqlite3.connect(Path(folder) / NAME)
            try:
                _guard(copy, path)
                yield copy
            finally:
                copy.close()
        return
    try:
        _guard(db, path)
        yield db
    finally:
        db.close()


def _try(db: Database) -> None:
    """Read something, once more where a writer was opening or closing the file just then."""
    for left in (2, 1, 0):
        try:
            db.execute("SELECT 1 FROM chunks").fetchone()
            return
        except sqlite3.OperationalError:
            if not left:
                raise
            time.sleep(0.01)


def connect_read_only(path: Path) -> Database:
    """Open a database that nothing will be written to, not even its log."""
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None
    )


def _guard(db: Database, path: Path) -> None:
    """Check that the file holds only the tables of a run, and limit how long statements may take."""
    for careful in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
        db.execute(f"PRAGMA {careful}")
    sizes = (inside.size(path.parent, name) or 0 for name in (NAME, f"{NAME}-wal"))
    looks = iter(range(MOST + sum(sizes) // BYTES))
    db.set_progress_handler(lambda: next(looks, None) is None, INSTRUCTIONS)
    _check_tables(db)


def _check_tables(db: Database) -> None:
    known = {("table", name, name, statement) for name, statement in TABLES.items()}
    found = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    if set(found.fetchmany(len(known) + 1)) != known:
        raise sqlite3.DatabaseError("its tables are not those of a run")


def _rows(db: Database, table: str, which: str = "", *values: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows of a table, each checked against its checksum."""
    kinds, last = [*COLUMNS[table].values(), int], None
    for *row, written in db.execute(f"SELECT * FROM {table} {which}", values):
        if list(map(type, [*row, written])) != kinds or written != checksum(*row):
            raise ValueError("a row is not what was written there")
        if last is not None and row[0] <= last:
            raise ValueError("rows are out of order")
        last = row[0]
        yield tuple(row)


def _chunks(db: Database, first: int) -> Iterator[tuple[int, bytes, bytes, bytes]]:
    """Yield the chunks from the one that a step lies in on; none may be missing."""
    at = None
    for start, steps, costs, watched, statistics in _rows(db, "chunks", SINCE, first):
        if (start > first if at is None else start != at) or len(costs) != 8 * steps:
            raise ValueError("a chunk of steps is missing")
        at = start + steps
        yield start, costs, watched, statistics


def check(db: Database, first: int, layers: int) -> None:
    """Read everything; raises, as all reading does, where any of it is not as it was written."""
    (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(" ".join(str(said).split()))
    (
        costs(db, first),
        statistics(db, layers, first, last_step(db)),
        epochs(db),
        snapshots(db),
        stages(db),
        ended(db),
    )


def costs(db: Database, first: int, until: int | None = None) -> Array:
    """Return the cost of every step from `first` on, to before `until`; (steps,)."""
    parts = [np.zeros(0)]
    for start, blob, _, _ in _chunks(db, first):
        parts.append(np.frombuffer(blob, "<f8")[max(0, first - start) :])
    found = np.concatenate(parts)
    return found if until is None else found[: max(0, until - first)]


def statistics(db: Database, layers: int, first: int, until: int) -> Statistics:
    """Return what the layers did, at the steps from `first` to before `until` that were looked at."""
    steps, values = [np.zeros(0, np.int64)], [np.zeros((0, layers, len(STATISTICS)))]
    for _, _, at, blob in _chunks(db, first):
        looked = np.frombuffer(at, "<i8")
        late = (looked >= first) & (looked < until)
        steps.append(looked[late])
        values.append(np.frombuffer(blob, "<f8").reshape(-1, layers, len(STATISTICS))[late])
    return Statistics(np.concatenate(steps), np.concatenate(values))


def epochs(db: Database, after: int = 0) -> dict[int, Epoch]:
    """Return what each epoch after the `after`-th showed, by its number."""
    found: dict[int, Epoch] = {}
    for number, _, about in _rows(db, "epochs", "WHERE epoch > ? ORDER BY epoch", after):
        if found and number - 1 not in found:
            raise ValueError("an epoch is missing")
        found[number] = epoch_from_dict(_checked(about, schema.EPOCH, finite=False))
    return found


def first_end(db: Database) -> int:
    """Return the step at which the first epoch ended, 0 where none has."""
    row = next(_rows(db, "epochs", "ORDER BY epoch LIMIT 1"), None)
    return int(row[1]) if row else 0


def snapshots(db: Database, until: int | None = None) -> list[Snapshot]:
    """Return the states that were written, up to a step, the earliest first."""
    most = 2**62 if until is None else until
    rows = _rows(db, "snapshots", "WHERE step <= ? ORDER BY step", most)
    found = [Snapshot(*row) for row in rows]
    if any(snapshot.path != snapshot_name(snapshot.step) for snapshot in found):
        raise ValueError("a state has another name than its step")
    return found


def stages(db: Database) -> list[Stage]:
    """Return the stages of the training, the first first."""
    rows = list(_rows(db, "stages", "ORDER BY number"))
    if not rows or [number for number, _, _ in rows] != list(range(1, len(rows) + 1)):
        raise ValueError("a stage is missing")
    return [Stage(step, **_checked(about, schema.STAGE)) for _, step, about in rows]


def _checked(text: str, check: Check, finite: bool = True) -> Any:
    about = from_json(text, finite)
    check(about, "")
    return about


def ended(db: Database) -> tuple[int, str] | None:
    """Return the step at which training ended and why, or None where it has not."""
    for step, stopped, rows in _rows(db, "ended"):
        if _checked(rows, schema.ROWS) != row_counts(db):
            raise ValueError("rows are missing")
        return step, stopped
    return None


def last_step(db: Database) -> int:
    """Return the number of updates recorded, as chunks or as a state."""
    finished = ended(db)
    if finished is not None:
        return finished[0]
    # Chunks follow one another: the last one is found by its key, however many there are.
    last = db.execute("SELECT first + steps FROM chunks ORDER BY first DESC LIMIT 1").fetchone()
    (of_snapshots,) = db.execute("SELECT max(step) FROM snapshots").fetchone()
    return max(last[0] if last else 0, of_snapshots or 0)
