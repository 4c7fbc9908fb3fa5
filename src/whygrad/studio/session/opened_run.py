"""A recorded run that the page has opened, while it is written and afterwards.

The costs of the steps, the layers and the epochs are read again each time, and the parameters of any step
computed; the examples are read once. Of a run that only lies in the studio's folder nothing outside of
that folder is read, whatever its manifest says.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from whygrad.answers.names import Names
from whygrad.errors import FileError, InputError
from whygrad.pipeline.fit import EncodedTable, Source, find_again
from whygrad.pipeline.streamed.folder import is_address
from whygrad.plan.plan import State
from whygrad.record import Run, open_run
from whygrad.record.files import manifest, stored
from whygrad.record.files.inside import TEST, TRAINING
from whygrad.record.so_far import SoFar, so_far
from whygrad.record.source import FOLDER, names_of_run
from whygrad.studio.process.live import freshest
from whygrad.studio.server.guard import confined
from whygrad.studio.session.cache import LRUCache
from whygrad.studio.session.model_config import rows_of, tabulated
from whygrad.studio.session.scoring import Scoring
from whygrad.studio.session.subject import Rows, Subject
from whygrad.training.standing import stood_out

LOOK = 1.0  # seconds between two looks at what stands out


@dataclass(eq=False)
class OpenedRun:
    """A run that is looked at; `state` and `subject` may be asked by several threads.

    `folder` is the one that its data may be read from, None for a run of the user's choice: then from
    wherever they are. `source` is the table that it was trained on, once `rows` has found it.
    """

    run: Run
    folder: Path | None = None
    source: Source | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.states: LRUCache[int, State] = LRUCache(_bytes, least=2)
        self._rows: dict[str, Rows] | None = None
        self._reading = threading.Lock()
        self._so_far: SoFar | None = None
        self._standing, self._due, self._standing_lock = "", 0.0, threading.Lock()
        self._notice = ""
        self.scoring = Scoring(self)

    @staticmethod
    def open(
        path: str | Path, given: EncodedTable | None = None, folder: Path | None = None
    ) -> "OpenedRun":
        """Open a run's folder; raises `FileError` where it cannot be.

        `given` is the table that it should learn from: where it is another, the rows are found again.
        """
        found = OpenedRun(open_run(path), folder)
        if given is not None:
            with suppress(InputError, FileError):
                found._take(given)
        return found

    @property
    def notice(self) -> str:
        """Why there are no examples, or ""."""
        return self._notice

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path

    @property
    def step(self) -> int:
        """The number of updates that are recorded."""
        return self.run.step

    def so_far(self) -> SoFar:
        """Return what the run shows by now; what was read before is not read again."""
        with self._reading:
            self._so_far = so_far(self.run, self._so_far)
            return self._so_far

    def standing(self) -> str:
        """Return what has stood out of the training by now, or ""; it is looked at once in a second."""
        with self._standing_lock:
            if time.monotonic() >= self._due:
                seen = self.so_far()
                costs = [epoch.cost for epoch in seen.epochs.values()]
                self._standing = stood_out(self.run.plan, self.run.start, costs, seen.statistics)
                self._due = time.monotonic() + LOOK
            return self._standing

    def reread(self) -> None:
        """Read the manifest again, which says more once a training has ended, and other once it went on."""
        about = manifest.read(self.run.path)
        with self._lock:
            if about != self.run.manifest:
                self.run = replace(self.run, manifest=about)

    def state(self, step: int) -> State:
        """Return the exact state after so many updates."""
        return self.states.get(step, lambda: self.run.state(step).copy())

    def rows(self) -> dict[str, Rows]:
        """Return the examples by part; none where the data are gone, and `notice` says why."""
        with self._lock:
            if self._rows is None:
                try:
                    self._rows = self._found()
                except (InputError, FileError, OSError) as error:
                    self._rows, self._notice = {}, str(error)
            return self._rows

    def _found(self) -> dict[str, Rows]:
        """Find the examples; raises where they changed, are gone, or lie where nothing may be read."""
        run, about = self.run, self.run.manifest["data"]
        try:
            if self.folder is not None:
                _confine(about, self.folder)
        except FileError:
            if not about["copied"]:
                raise
            return _of_arrays(run)  # its own folder has them
        if run.given is not None or not run.on_table or about["kind"] == "frame":
            return _of_arrays(run)
        try:
            self.source = find_again(about, run.target, run.encoding.task)
            given = tabulated(self.source, run.settings)
        except (InputError, FileError, OSError):
            return _of_arrays(run)  # which has a copy, or says what is wrong
        return self._take(given)

    def _take(self, given: EncodedTable) -> dict[str, Rows]:
        """Take the examples of a table; raises where they are not those that were trained on."""
        run = self.run
        if given.encoding != run.encoding:
            raise InputError(
                f"the data are not those that {run.path.name} was trained on: other columns"
            )
        training, validation = given.data["training"], given.data["validation"]
        measured = (validation.X, validation.Y) if len(validation.Y) else None
        run = replace(run, given=(training.X, training.Y), given_validation=measured)
        _ = run.data, run.validation  # compared with the hashes of what was trained on
        if TEST in (recorded := run.manifest["data"]["sha256"]):
            stored.check_same(run.path.name, TEST, recorded[TEST], stored.hashes(given.data[TEST]))
        self.run, self._rows = run, rows_of(given)
        return self._rows

    @property
    def names(self) -> Names:
        """What inputs and outputs are called, and units in words."""
        return replace(names_of_run(self.run), in_words=True)

    def subject(self, step: int | None = None) -> Subject:
        """Return the network at a step; without one at the freshest state that needs no computing.

        Where the data are gone it is the nearest state that was kept.
        """
        rows, last = self.rows(), self.step
        if step is None:
            state = freshest(self.run)
        elif rows:
            state = self.state(max(self.run.start, min(step, last)))
        else:
            state = self._kept(step)

        return Subject(
            plan=self.run.plan,
            state=state,
            last=max(last, state.step),
            names=self.names,
            parts=rows,
            run=self.run,
            notice=self._notice,
            encoding=self.run.encoding if self.run.on_table else None,
        )

    def _kept(self, step: int) -> State:
        nearest = min(self.run.snapshots(), key=lambda one: abs(one.step - step))
        return self.state(nearest.step)


def _bytes(state: State) -> int:
    best = state.early_stopping.best_theta
    return state.theta.nbytes + state.opt_state.nbytes + (0 if best is None else best.nbytes)


def hashed(path: Path) -> bool:
    """Whether a run that is being written says by now what examples it learns from."""
    return TRAINING in manifest.read(path)["data"]["sha256"]


def _confine(about: dict[str, Any], folder: Path) -> None:
    """Raise `FileError` for data that lie outside of a folder."""
    for path in _read_from(about):
        if is_address(path):
            raise FileError(f"{path}: not in the folder that the studio was started in")
        confined(path, folder)


def _read_from(about: dict[str, Any]) -> list[str]:
    """Return the paths that a manifest says the data lie at, the run's own folder aside."""
    if about["kind"] == "mapped":
        return [place["path"] for place in about["places"].values()]
    return [about["path"]] if about["kind"] in ("file", FOLDER) else []


def _of_arrays(run: Run) -> dict[str, Rows]:
    found = {"training": Rows(run.data.X, run.data.Y)}
    if run.validation is not None:
        found["validation"] = Rows(run.validation.X, run.validation.Y)
    return found
