"""What happened in a training, as an SQLite file: costs, layers, epochs, snapshots.

    chunks       cost of every step and statistics of the layers, one row for each chunk of steps
    epochs       what each epoch showed
    snapshots    states that were written, with the SHA-256 of their files
    stages       the number of epochs that the training is to have, from a step on
    ended        why training ended, and at which step, once it has

Steps are numbered from 0: step t leads from the state after t updates to that after t + 1. One transaction
holds what one chunk of steps gave. In WAL mode readers follow a run while it is written; file systems that
other machines write to get a journal instead, where a reader may have to wait a moment.
"""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from whygrad.engines.watching import STATISTICS, Statistics
from whygrad.epochs import Epoch
from whygrad.errors import FileError, WhygradError
from whygrad.files import sync_file
from whygrad.functions import Array
from whygrad.record.place import on_network
from whygrad.saving import epoch_from_dict

NAME = "events.sqlite"
PATIENCE = 30.0  # seconds to wait for another connection

# The chunks from the one on that a step lies in; they follow one another, and are found by their key.
SINCE = """FROM chunks
    WHERE first >= coalesce((SELECT max(first) FROM chunks WHERE first <= ?), 0) ORDER BY first"""

# What a damaged file raises, and what a damaged row does.
UNUSABLE = (sqlite3.Error, ValueError, TypeError, LookupError, AttributeError)

Database: TypeAlias = sqlite3.Connection
Error = sqlite3.Error

TABLES = """
CREATE TABLE chunks (
    first INTEGER PRIMARY KEY, steps INTEGER NOT NULL, costs BLOB NOT NULL,
    watched BLOB NOT NULL, statistics BLOB NOT NULL);
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, step INTEGER NOT NULL, about TEXT NOT NULL);
CREATE TABLE snapshots (step INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE stages (number INTEGER PRIMARY KEY, step INTEGER NOT NULL, about TEXT NOT NULL);
CREATE TABLE ended (step INTEGER PRIMARY KEY, stopped TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Snapshot:
    """A state that was written: after `step` updates, in a file whose path starts at the run's folder."""

    step: int
    path: str
    sha256: str


@dataclass(frozen=True)
class Stage:
    """From `step` on the training is to have so many epochs, and runs in this environment."""

    step: int
    epochs: int
    environment: dict[str, Any]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def created(path: Path) -> Iterator[Database]:
    """Make the file, of which nobody knows yet; it is on the disk when this ends."""
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
    """Open the file for writing, and make it where it is not there."""
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    db.execute(f"PRAGMA journal_mode={'DELETE' if on_network(path) else 'WAL'}")
    db.execute("PRAGMA synchronous=NORMAL")
    if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        with transaction(db):
            _make_tables(db)
    return db


def _make_tables(db: Database) -> None:
    for statement in TABLES.strip().split(";\n"):
        db.execute(statement)


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Make all that happens inside one change of the file, which is there whole or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # SQLite takes some back by itself, on a full disk for one
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def add_chunk(db: Database, first: int, costs: Array, statistics: Statistics | None) -> None:
    """Add the costs of the steps from `first` on; what is known already stays as it is."""
    at = np.zeros(0, np.int64) if statistics is None else statistics.steps
    values = np.zeros(0) if statistics is None else statistics.values
    db.execute(
        "INSERT OR IGNORE INTO chunks VALUES (?, ?, ?, ?, ?)",
        (
            first,
            len(costs),
            np.asarray(costs, "<f8").tobytes(),
            np.asarray(at, "<i8").tobytes(),
            np.asarray(values, "<f8").tobytes(),
        ),
    )


def add_epoch(db: Database, number: int, step: int, epoch: Epoch) -> None:
    """Add what an epoch showed, the number-th of the training, which ended at a step."""
    about = json.dumps(asdict(epoch))  # NaN and infinity as Python has them
    db.execute("INSERT OR IGNORE INTO epochs VALUES (?, ?, ?)", (number, step, about))


def add_snapshot(db: Database, snapshot: Snapshot) -> None:
    """Add a state that has been written to the disk."""
    row = (snapshot.step, snapshot.path, snapshot.sha256)
    db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", row)


def remove_snapshots(db: Database, steps: Iterable[int]) -> None:
    """Forget states, before their files are removed."""
    db.executemany("DELETE FROM snapshots WHERE step = ?", [(step,) for step in steps])


def add_stage(db: Database, stage: Stage) -> None:
    """Add how training goes on from a step, and forget that it had ended."""
    about = json.dumps({"epochs": stage.epochs, "environment": stage.environment})
    db.execute("INSERT INTO stages (step, about) VALUES (?, ?)", (stage.step, about))
    db.execute("DELETE FROM ended")


def end(db: Database, step: int, stopped: str) -> None:
    """Say that training ended with the state after `step` updates; what was undone goes.

    A training that diverges takes its last steps back, which may have been told of already.
    """
    db.execute("DELETE FROM epochs WHERE step > ?", (step,))
    db.execute("DELETE FROM snapshots WHERE step > ?", (step,))
    db.execute("INSERT OR REPLACE INTO ended VALUES (?, ?)", (step, stopped))


def close(db: Database) -> None:
    """Close the file such that it is a single one, to be read from anywhere."""
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

    On a medium that cannot be written to, a run that was killed is read from a copy: SQLite then has to
    finish what was begun.
    """
    if not path.is_file():
        raise FileError(f"{path.parent}: damaged, {NAME} is missing")
    try:
        with _opened(path) as db:
            yield db
    except WhygradError:
        raise
    except UNUSABLE as error:
        reason = error if isinstance(error, sqlite3.Error) else "a row in it makes no sense"
        raise FileError(f"{path.parent}: damaged, {NAME} cannot be read ({reason})") from None


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    db = _read_only(path)
    try:
        db.execute("SELECT 1 FROM chunks").fetchone()
    except sqlite3.OperationalError:
        db.close()
        with tempfile.TemporaryDirectory() as folder:
            for name in (NAME, f"{NAME}-wal"):
                if (path.parent / name).exists():
                    shutil.copy(path.parent / name, folder)
            copy = sqlite3.connect(Path(folder) / NAME)
            try:
                yield copy
            finally:
                copy.close()
        return
    try:
        yield db
    finally:
        db.close()


def _read_only(path: Path) -> Database:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None
    )


def costs(db: Database, first: int, until: int | None = None) -> Array:
    """Give the cost of every step from `first` on, to before `until`; (steps,)."""
    parts = []
    rows = db.execute(f"SELECT first, costs {SINCE}", (first,))
    for start, blob in rows:
        part = np.frombuffer(blob, "<f8")
        parts.append(part[max(0, first - start) :])
    found = np.concatenate(parts) if parts else np.zeros(0)
    return found if until is None else found[: max(0, until - first)]


def statistics(db: Database, layers: int, first: int, until: int) -> Statistics:
    """Give what the layers did, at the steps from `first` to before `until` that were looked at."""
    steps, values = [], []
    for at, blob in db.execute(f"SELECT watched, statistics {SINCE}", (first,)):
        looked = np.frombuffer(at, "<i8")
        late = (looked >= first) & (looked < until)
        steps.append(looked[late])
        values.append(np.frombuffer(blob, "<f8").reshape(-1, layers, len(STATISTICS))[late])
    if not steps:
        return Statistics(np.zeros(0, np.int64), np.zeros((0, layers, len(STATISTICS))))
    return Statistics(np.concatenate(steps), np.concatenate(values))


def epochs(db: Database, after: int = 0) -> dict[int, Epoch]:
    """Give what each epoch showed, by its number, of those after a number."""
    rows = db.execute("SELECT epoch, about FROM epochs WHERE epoch > ? ORDER BY epoch", (after,))
    return {number: epoch_from_dict(json.loads(about)) for number, about in rows}


def first_end(db: Database) -> int:
    """Give the step at which the first epoch ended, 0 where none has."""
    row = db.execute("SELECT step FROM epochs ORDER BY epoch LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def snapshots(db: Database, until: int | None = None) -> list[Snapshot]:
    """Give the states that were written, up to a step, the earliest first."""
    most = 2**62 if until is None else until
    rows = db.execute("SELECT * FROM snapshots WHERE step <= ? ORDER BY step", (most,))
    return [Snapshot(*row) for row in rows]


def stages(db: Database) -> list[Stage]:
    """Give how training was to go, from which step on."""
    rows = db.execute("SELECT step, about FROM stages ORDER BY number")
    return [Stage(step, **json.loads(about)) for step, about in rows]


def ended(db: Database) -> tuple[int, str] | None:
    """Give the step at which training ended and why, or None where it has not."""
    row: tuple[int, str] | None = db.execute("SELECT step, stopped FROM ended").fetchone()
    return row


def last_step(db: Database) -> int:
    """Give the number of updates that are known: recorded as chunks, or as a state."""
    finished = ended(db)
    if finished is not None:
        return finished[0]
    # Chunks follow one another: the last one is found by its key, however many there are.
    last = db.execute("SELECT first + steps FROM chunks ORDER BY first DESC LIMIT 1").fetchone()
    (of_snapshots,) = db.execute("SELECT max(step) FROM snapshots").fetchone()
    return max(last[0] if last else 0, of_snapshots or 0)
