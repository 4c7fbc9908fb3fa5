"""Runs changed on purpose, so that the change shows, or so that all checksums are right again."""

import json
import sqlite3
from contextlib import closing

from whygrad.files import checksum
from whygrad.record.files import events, manifest


def edit_manifest(path, **changes):
    """Change keys of a manifest as a text editor would: what it says of itself stays."""
    about = json.loads((path / manifest.NAME).read_text())
    (path / manifest.NAME).write_text(json.dumps(about | changes))


def rewrite(run, table, which="", counted=True, **columns):
    """Change columns of rows to a value, or by a function of it, and give all rows their checksums anew.

    With `counted` the end counts the rows that are there now.
    """
    names = list(events.COLUMNS[table])
    with closing(sqlite3.connect(run / events.NAME)) as db, db:
        for row in db.execute(f"SELECT {', '.join(names)} FROM {table} {which}").fetchall():
            new = dict(zip(names, row, strict=True))
            for name, value in columns.items():
                new[name] = value(new[name]) if callable(value) else value
            db.execute(f"DELETE FROM {table} WHERE {names[0]} = ?", row[:1])
            places = ", ".join("?" * (len(names) + 1))
            values = tuple(new.values())
            db.execute(f"INSERT INTO {table} VALUES ({places})", (*values, checksum(*values)))
    if counted and table != "ended":
        recount(run)


def recount(run):
    """Make the end of a run count the rows that are there now."""
    with closing(sqlite3.connect(run / events.NAME)) as db:
        rows = json.dumps(events.row_counts(db))
    rewrite(run, "ended", rows=rows)


def sql(run, *statements):
    """Change a database as anyone can."""
    with closing(sqlite3.connect(run / events.NAME)) as db, db:
        for statement in statements:
            db.execute(statement)
