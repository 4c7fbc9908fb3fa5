"""What all tabs of a studio share: the table, the settings, the training, and the run that is shown.

Everything that lasts lies on the disk, in the folder that the studio was started in: closing a tab loses
nothing, and two tabs see one training.
"""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from whygrad import datasets
from whygrad.errors import InputError
from whygrad.fitting import find
from whygrad.record import Run, free_name
from whygrad.settings import Settings
from whygrad.studio.draft import Draft, checked, edited, subject_of
from whygrad.studio.following import Following, hashed
from whygrad.studio.guard import confined
from whygrad.studio.subject import Subject, alone
from whygrad.studio.worker import Status, Worker
from whygrad.training import Fitted

# Units of the hidden layers that a data set is shown with.
SMALL: dict[str, tuple[int, ...]] = {
    "xor": (4,),
    "moons": (8,),
    "circles": (8,),
    "spirals": (8, 8),
    "iris": (6,),
    "digits": (30,),
    "mnist": (100,),
}
UNDRAFTED = "This run was opened as it is: choose data first to build another network."
SLOWLY = 100.0  # steps a second, at which one can watch a small set being learned


class Desk:
    """One studio: what is being worked on; its methods may take long and are not for the event loop.

    The run `shown` first is the user's choice, and its data are read from wherever they are; of all else
    only what lies in the folder is.
    """

    def __init__(self, folder: Path, shown: Run | Fitted | None = None) -> None:
        self.folder = folder
        self.fitted = shown if isinstance(shown, Fitted) else None
        self.draft: Draft | None = None
        self.undrafted = UNDRAFTED  # why there is no draft
        self.following: Following | None = None
        self.other: Following | None = None  # whose curves are drawn beside
        self.worker: Worker | None = None
        self.speed: float | None = None
        self.version = 0  # goes up when something else is shown
        self._settled: Status | None = None  # the end that is read already
        self._lock = threading.RLock()
        if isinstance(shown, Run):
            self._open(Following(shown))
        elif shown is None:
            self.load("spirals")

    # ── the table and the network ──

    def load(
        self, given: str, target: str | None = None, settings: Settings | None = None, **more: Any
    ) -> None:
        """Take a data set by name, or a file of the folder, to learn from; what was shown goes away."""
        if given not in datasets.NAMES:
            given = str(confined(given, self.folder))
        seed = 0 if settings is None else settings.seed
        source = replace(find(given, target, seed=seed), **more)
        draft = Draft(source, settings or _fitting(given))
        checked(draft)  # which refuses what cannot be learned from
        self.speed = SLOWLY if given in datasets.DRAWN else None
        self._show(draft, None)

    def set(self, **changes: Any) -> None:
        """Change settings of a training that has not begun, or of the one that follows the present."""
        draft = self._drafted()
        new = replace(draft, settings=replace(draft.settings, **changes))
        self._show(checked(new), None)

    def edit(self, kind: str, layer: int) -> None:
        """Add or remove a unit or a layer."""
        self._show(checked(edited(self._drafted(), kind, layer)), None)

    def _drafted(self) -> Draft:
        if self.draft is None:
            raise InputError(self.undrafted)
        return self.draft

    def _show(self, draft: Draft | None, following: Following | None, why: str = "") -> None:
        with self._lock:
            self.stop()
            self.draft, self.following, self.other = draft, following, None
            self.undrafted = why
            self.version += 1

    # ── the training ──

    @property
    def status(self) -> Status | None:
        """How the training process is doing, None where there has been none."""
        return None if self.worker is None else self.worker.status

    @property
    def active(self) -> bool:
        """Whether a training process is there that takes commands."""
        return self.status is not None and not self.status.over

    @property
    def running(self) -> bool:
        """Whether steps are being taken."""
        return self.active and self.status is not None and self.status.kind != "paused"

    def go(self, command: str = "go") -> None:
        """Start training, or let it go on: "go", "step" or "epoch"."""
        with self._lock:
            if self.active and self.worker is not None:
                self.worker.command(command)
            elif self.following is None:
                self._start(command)
            else:
                self._resume(command)

    def pause(self) -> None:
        """Let the training wait after the step that it is at."""
        if self.worker is not None:
            self.worker.command("pause")

    def set_speed(self, steps: float | None) -> None:
        """Take so many steps a second at most; None for all that can be taken."""
        self.speed = steps
        if self.worker is not None:
            self.worker.speed(steps)

    def close(self) -> None:
        """End what was started, when the studio ends."""
        self.stop()

    def stop(self) -> None:
        """End the training process; its run can be resumed."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def reset(self) -> None:
        """Go back to the start: the run stays on the disk, and the next training writes another."""
        self._show(self.draft, None)

    def _start(self, command: str) -> None:
        draft = self._drafted()
        path = free_name(Path(draft.title).stem, self.folder)
        self.worker = Worker.start(
            path,
            draft.given,
            draft.ready.settings,
            target=draft.source.target,
            task=draft.source.task,
            data_seed=draft.source.about.get("seed"),
            paused=command != "go",
            speed=self.speed,
        )
        if command != "go":
            self.worker.command(command)

    def _resume(self, command: str) -> None:
        """Go on with the run that is shown; one at its end is given as many epochs once more."""
        assert self.following is not None
        self.following.reread()
        run = self.following.run
        more = (
            run.plan.epochs + (1 if command != "go" else run.plan.epochs) if run.concluded else None
        )
        self.worker = Worker.resume(run.path, epochs=more, paused=command != "go", speed=self.speed)
        if command != "go":
            self.worker.command(command)

    def follow(self) -> bool:
        """Look at the run that the training process has begun to write; tell whether that is new."""
        worker = self.worker
        if worker is None or not (worker.path / "manifest.json").exists():
            return False
        status = worker.status
        if self.following is not None and self.following.path == worker.path:
            if status.over and status is not self._settled:
                self.following.reread()
                self._settled = status
            return False
        if not status.over and not hashed(worker.path):
            return (
                False  # what it learns from cannot be compared yet; no step is recorded before that
            )
        given = None if self.draft is None else self.draft.tabulated
        following = Following.open(worker.path, given)
        with self._lock:
            if self.worker is not worker:  # something else was begun meanwhile
                return False
            self.following = following
            self.version += 1
        return True

    def fork(self, step: int, **changes: Any) -> None:
        """Go on from a step with other settings, as a new run beside the one it comes from."""
        parent = self.following
        if parent is None:
            raise InputError("there is no training yet to go another way from")
        if not parent.rows():
            raise InputError(parent.notice)
        with self._lock:
            self.stop()
            path = free_name(f"{parent.path.stem}-fork", self.folder)
            self.worker = Worker.fork(parent.path, step, path, changes, speed=self.speed)
            self.other = parent
            self.version += 1

    # ── what is shown ──

    def open(self, path: Path) -> None:
        """Show a run that lies in the folder."""
        self._open(self._found(path))

    def _found(self, path: Path) -> Following:
        place = confined(path, self.folder)
        if (place / "manifest.json").exists():
            for part in place.rglob("*"):
                confined(part, self.folder)  # no link leads out of it
        return Following.open(place, folder=self.folder)

    def _open(self, following: Following) -> None:
        """Show a run, with its table and settings, where they are, to build another network from."""
        following.rows()
        run, source = following.run, following.source
        draft, why = None, UNDRAFTED
        if source is not None:
            try:
                draft, why = checked(Draft(source, run.settings)), ""
            except InputError as error:
                why = f"This run is shown as it is, no other network is built from it here: {error}"
        self._show(draft, following, why)

    def compare(self, path: Path | None) -> None:
        """Draw the curves of another run beside."""
        self.other = None if path is None else self._found(path)
        self.version += 1

    def subject(self, step: int | None = None) -> Subject:
        """Give the network at a step, or at the last one that is at hand."""
        following, draft = self.following, self.draft
        if following is not None:
            return following.subject(step)
        if draft is not None:
            return subject_of(draft)
        assert self.fitted is not None
        return alone(self.fitted)


def _fitting(name: str) -> Settings:
    """Give settings with which a data set shows something soon."""
    hidden = SMALL.get(name, (16, 16))
    if name in datasets.DRAWN:
        return Settings(hidden=hidden, activation="tanh", rate=0.03, l2=0.0)
    return Settings(hidden=hidden, activation="tanh", rate=0.01)
