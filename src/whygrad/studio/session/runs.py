"""The runs of the studio's folder: a table of them, and renaming, deleting and putting back.

What is shown follows: a run that is renamed is shown under its new name, one that is deleted no longer.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from whygrad.answers.formatting import clean
from whygrad.errors import FileError
from whygrad.pipeline.scores import written_score
from whygrad.record.files import events
from whygrad.record.files.location import MANIFEST
from whygrad.record.listing import (
    Listed,
    in_trash,
    layers_of,
    listed,
    put_aside,
    put_back,
    rename,
    settings_of,
)
from whygrad.studio.server.guard import confined
from whygrad.studio.session.session import Session

MOST = 200  # that are listed
HEADS = {
    "name": "run",
    "score": "score",
    "target": "predicts",
    "written": "written",
    "epochs": "epochs",
    "network": "network",
    "settings": "settings",
    "size": "on the disk",
}


class RunTable:
    """The rows of the runs in a folder, read again where their files changed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[Path, tuple[Any, dict[str, Any]]] = {}
        self._reading = threading.Lock()

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each run, the best first, then those without a score, the newest first."""
        with self._reading:
            found = {}
            for path in list(self._session.runs().values())[:MOST]:
                with suppress(OSError):  # renamed or deleted a moment ago
                    stamp, known = _stamp(path), self._known.get(path)
                    if known is None or known[0] != stamp:
                        known = stamp, row(listed(path))
                    found[path] = known
            self._known = found
            rows = [one for _, one in found.values()]
        return sorted(rows, key=lambda one: -one["score"] if one["score"] is not None else 1e9)


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes whenever a run is written to."""
    files = [
        one
        for one in (path / MANIFEST, path / events.NAME, path / f"{events.NAME}-wal")
        if one.exists()
    ]
    return tuple(one.stat().st_mtime_ns for one in files)


def row(one: Listed) -> dict[str, Any]:
    """Return what the table says of a run: numbers to sort by, and beside them as they are written."""
    found: dict[str, Any] = dict.fromkeys(HEADS) | {"name": one.path.name, "score_text": "–"}
    run = one.run
    if run is None:
        return found | {"settings": clean(one.error)}
    return found | {
        "score": one.score,
        "score_text": written_score(one.scores),
        "target": clean(run.target) if run.on_table else "–",
        "written": run.manifest["created"].replace("T", " ")[:16],
        "epochs": len(run.history.epochs),
        "network": layers_of(run),
        "settings": settings_of(run),
        "size": one.bytes,
        "size_text": f"{one.bytes / 1e6:,.1f} MB",
    }


def renamed(session: Session, name: str, new: str) -> Path:
    """Rename a run of the folder, and show it under its new name where it is shown."""
    path = _of(session, name)
    shown = _is_shown(session, path)
    _let_go(session, path)
    found = rename(path, new)
    if shown:
        session.open(found)
    return found


def deleted(session: Session, names: list[str]) -> list[Path]:
    """Put runs into the trash, and return where they lie there; what was shown of them goes away."""
    found = []
    for name in names:
        path = _of(session, name)
        shown = _is_shown(session, path)
        _let_go(session, path)
        found.append(put_aside(path))
        if shown:
            session.forget()
    return found


def restored(session: Session, paths: list[Path] | None = None) -> list[Path]:
    """Put runs back from the trash, by default the one that was put there last."""
    wanted = in_trash(session.folder)[:1] if paths is None else paths
    return [put_back(confined(path, session.folder)) for path in wanted]


def _of(session: Session, name: str) -> Path:
    """Return a run of the folder by its name; raises `FileError` for any other path, and a training's."""
    path = confined(name, session.folder)
    if path.parent != session.folder.resolve():
        raise FileError(f"{name:.200}: not a run of this folder")
    worker = session.worker
    if worker is not None and not worker.status.over and worker.path.resolve() == path:
        raise FileError(f"{name}: is being trained: let it end or press Reset, then try again")
    return path


def _is_shown(session: Session, path: Path) -> bool:
    opened_run = session.opened_run
    return opened_run is not None and opened_run.path.resolve() == path


def _let_go(session: Session, path: Path) -> None:
    """Draw no curves of a run that moves."""
    rest = [one.path for one in session.others if one.path.resolve() != path]
    if len(rest) < len(session.others):
        session.compare(*rest)
