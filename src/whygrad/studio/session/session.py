"""What all tabs of a studio share: the table, the settings, the training, and the run that is shown.

Everything that lasts lies on the disk, in the folder that the studio was started in: closing a tab loses
nothing, and two tabs see one training.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whygrad.errors import FileError, InputError
from whygrad.fitted import Fitted
from whygrad.pipeline import datasets
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import Run, free_name
from whygrad.record.files.location import ENDING, MANIFEST
from whygrad.record.members import unfinished
from whygrad.studio.process.worker import Status, Worker
from whygrad.studio.server.guard import confined
from whygrad.studio.session.asking import Asking
from whygrad.studio.session.model_config import (
    ModelConfig,
    changed,
    checked,
    edited,
    fitting,
    subject_of,
)
from whygrad.studio.session.opened_run import OpenedRun, hashed
from whygrad.studio.session.subject import Subject, alone

if TYPE_CHECKING:  # all that a session does not need before something is asked
    from whygrad.answers.explanation import Explanation
    from whygrad.interop import Model
    from whygrad.studio.session.questions import Question

NO_CONFIG = "This run was opened as it is: choose data first to build another network."
SLOWLY = 100.0  # steps a second, at which one can watch a small set being learned


@dataclass(frozen=True, eq=False)
class SessionState:
    """All that is shown at one moment: replaced as a whole, never changed.

    Parameters
    ----------
    config : the network that is to be trained, or None, and `no_config` says why.
    opened_run : the run that is looked at.
    others : the runs whose curves are drawn beside.
    worker : the training process, running or over.
    version : goes up when another run or another configuration is shown.
    """

    config: ModelConfig | None = None
    opened_run: OpenedRun | None = None
    others: tuple[OpenedRun, ...] = ()
    worker: Worker | None = None
    no_config: str = NO_CONFIG
    version: int = 0


class Session:
    """One studio: what is being worked on; its methods may take long and are not for the event loop.

    The run `shown` first is the user's choice, and its data are read from wherever they are; of all else
    only what lies in the folder is. What is on it (`now`) is read without waiting: one change is made at
    a time, from what was there before it, and takes effect at once.
    """

    def __init__(
        self,
        folder: Path,
        shown: "Run | Fitted | Model | None" = None,
    ) -> None:
        self.folder = folder
        if not (shown is None or isinstance(shown, Run | Fitted)) and shown.why.run is not None:
            shown = shown.why.run
        self.network = None if isinstance(shown, Run) else shown
        self.now = SessionState()
        self._speeds: dict[bool, float | None] = {
            True: SLOWLY,
            False: None,
        }  # of small sets, and of others
        self._settled: Status | None = None  # the end that is read already
        self._changing = threading.RLock()  # held while a change is computed
        self._swapping = threading.Lock()  # never held for long
        self._opening = threading.Lock()
        self._leaving: list[Worker] = []  # that are being ended
        self._asked: set[Asking] = set()
        self._closed = False
        self._untouched = shown is None
        self.turns: Callable[[str], None] | None = None  # hears what a training is commanded to
        if isinstance(shown, Run):
            self._open(OpenedRun(shown))
        elif shown is None:
            self.load("spirals")

    @property
    def speed(self) -> float | None:
        """The steps a second that are taken at most; what is chosen comes back with sets of that kind."""
        return self._speeds[self._small]

    @property
    def _small(self) -> bool:
        """Whether what is shown learns from one of the small sets that are drawn."""
        config = self.now.config
        return config is not None and config.given in datasets.DRAWN

    @property
    def config(self) -> ModelConfig | None:
        """The network that is to be trained, or None."""
        return self.now.config

    @property
    def no_config(self) -> str:
        """Why there is no configuration."""
        return self.now.no_config

    @property
    def opened_run(self) -> OpenedRun | None:
        """The run that is looked at, None before a training has begun."""
        return self.now.opened_run

    @property
    def others(self) -> tuple[OpenedRun, ...]:
        """The runs whose curves are drawn beside."""
        return self.now.others

    @property
    def worker(self) -> Worker | None:
        """The training process, running or over, or None."""
        return self.now.worker

    @property
    def version(self) -> int:
        """A number that goes up when another run or another configuration is shown."""
        return self.now.version

    # ── the table and the network ──

    def load(
        self, given: str, target: str | None = None, settings: Settings | None = None, **more: Any
    ) -> None:
        """Take a data set by name, or a file of the folder, to learn from; what was shown goes away."""
        if given not in datasets.NAMES:
            given = str(confined(given, self.folder))
        seed = 0 if settings is None else settings.seed
        with self._changing:
            source = replace(find(given, target, seed=seed), **more)
            config = checked(ModelConfig(source, settings or fitting(given)))
            before = self._show(SessionState(config))
        self._end(before)

    def look_at(self, network: "Model") -> None:
        """Show a trained network from elsewhere; what was shown goes away."""
        with self._changing:
            self.network = network
            before = self._show(SessionState())
        self._end(before)

    def set(self, **changes: Any) -> None:
        """Change settings of a training that has not begun, or of the one that follows the present."""
        with self._changing:
            new = checked(changed(self._config(), **changes))
            before = self._show(SessionState(new))
        self._end(before)

    def edit(self, kind: str, layer: int) -> None:
        """Add or remove a unit or a layer."""
        with self._changing:
            before = self._show(SessionState(checked(edited(self._config(), kind, layer))))
        self._end(before)

    def _config(self) -> ModelConfig:
        now = self.now
        if now.config is None:
            raise InputError(now.no_config)
        return now.config

    # ── from one moment to the next ──

    def _show(self, new: SessionState) -> Worker | None:
        """Show something else; return the process that is to be ended then."""
        with self._swapping:
            before = self.now
            self.now = replace(new, version=before.version + 1)
            return self._left(before.worker)

    def _left(self, worker: Worker | None) -> Worker | None:
        if worker is not None and worker is not self.now.worker:
            self._leaving.append(worker)
            return worker
        return None

    def _end(self, worker: Worker | None) -> None:
        """End a process that is not shown any more: nobody else has to wait for that."""
        if worker is not None:
            worker.close()
            with self._swapping:
                if worker in self._leaving:
                    self._leaving.remove(worker)

    def _begin(self, begin: Callable[[float | None], Worker], **others: Any) -> Worker:
        """Begin a process once those that may still write their runs are over."""
        for one in list(self._leaving):
            self._end(one)
        speed = self.speed
        worker = begin(speed)
        with self._swapping:
            self.now = replace(self.now, worker=worker, **others)
        if self.speed != speed:
            worker.speed(self.speed)
        if self._closed:
            worker.close()
        return worker

    # ── the training ──

    @property
    def status(self) -> Status | None:
        """How the training process is doing, None where there has been none."""
        worker = self.now.worker
        return None if worker is None else worker.status

    @property
    def active(self) -> bool:
        """Whether a training process is there that takes commands."""
        status = self.status
        return status is not None and not status.over

    @property
    def running(self) -> bool:
        """Whether steps are being taken."""
        status = self.status
        return status is not None and not status.over and status.kind != "paused"

    def go(self, command: str = "go") -> None:
        """Start training, or let it go on: "go", "step" or "epoch"."""
        with self._changing:
            now = self.now
            worker = now.worker
            if worker is None or worker.status.over:
                paused = command != "go"
                worker = (
                    self._resume(now.opened_run, command) if now.opened_run else self._start(paused)
                )
                if not paused:
                    return
            self._command(worker, command)

    def pause(self) -> None:
        """Pause the training after the step that it is at."""
        worker = self.now.worker
        if worker is not None:
            self._command(worker, "pause")

    def _command(self, worker: Worker, command: str) -> None:
        worker.command(command)
        if self.turns is not None:
            self.turns(command)

    def set_speed(self, steps: float | None) -> None:
        """Take so many steps a second at most; None for all that can be taken."""
        self._speeds[self._small] = steps
        worker = self.now.worker
        if worker is not None:
            worker.speed(steps)

    def close(self) -> None:
        """End what was started, when the studio ends."""
        self._closed = True
        for asking in tuple(self._asked):
            asking.cancel()
        self.stop()
        for one in list(self._leaving):
            self._end(one)

    def stop(self) -> None:
        """End the training process; its run can be resumed."""
        with self._swapping:
            before = self.now
            self.now = replace(before, worker=None)
            worker = self._left(before.worker)
        self._end(worker)

    def reset(self) -> None:
        """Go back to the start: the run stays on the disk, and the next training writes another."""
        with self._changing:
            before = self._show(SessionState(self._config()))
        self._end(before)

    def _start(self, paused: bool) -> Worker:
        config = self._config()

        def begin(speed: float | None) -> Worker:
            return Worker.start(
                free_name(Path(config.title).stem, self.folder),
                config.given,
                config.asked,
                target=config.source.target,
                task=config.source.task,
                data_seed=config.source.about.get("seed"),
                paused=paused,
                speed=speed,
            )

        return self._begin(begin)

    def _resume(self, opened_run: OpenedRun, command: str) -> Worker:
        """Go on with the run that is shown; one at its end is given as many epochs once more."""
        opened_run.reread()
        run, epochs = opened_run.run, None
        if not unfinished(run):
            epochs = run.plan.epochs + (1 if command != "go" else run.plan.epochs)
        paused = command != "go"
        return self._begin(
            lambda speed: Worker.resume(run.path, epochs=epochs, paused=paused, speed=speed)
        )

    def follow(self) -> bool:
        """Look at the run that the training process has begun to write; return whether that is new."""
        now = self.now
        worker, opened_run = now.worker, now.opened_run
        if worker is None or not (worker.path / MANIFEST).exists():
            return False
        status = worker.status
        if opened_run is not None and opened_run.path == worker.path:
            if status.over and status is not self._settled:
                opened_run.reread()
                self._settled = status
            return False
        if not self._opening.acquire(blocking=False):
            return False  # another tab is at it
        try:
            return self._follow(worker)
        finally:
            self._opening.release()

    def _follow(self, worker: Worker) -> bool:
        now = self.now
        if now.opened_run is not None and now.opened_run.path == worker.path:
            return False
        if not worker.status.over and not hashed(worker.path):
            # What it learns from cannot be compared yet; no step is recorded before that.
            return False
        given = None if now.config is None else now.config.tabulated
        opened_run = OpenedRun.open(worker.path, given)
        with self._swapping:
            now = self.now
            if now.worker is not worker:  # something else was begun meanwhile
                return False
            self.now = replace(now, opened_run=opened_run, version=now.version + 1)
        return True

    def fork(
        self,
        step: int,
        edits: Mapping[int, float] | None = None,
        painted: Sequence[Sequence[float]] = (),
        **changes: Any,
    ) -> None:
        """Go on from a step with other settings, or with what was done by hand, as a new run.

        A training that runs is ended first; its run can be resumed.
        """
        with self._changing:
            parent = self.now.opened_run
            if parent is None:
                raise InputError("there is no training yet to go another way from")
            if not parent.rows():
                raise InputError(parent.notice)
            self.stop()
            path = free_name(f"{parent.path.stem}-fork", self.folder)
            self._begin(
                lambda speed: Worker.fork(
                    parent.path, step, path, changes, edits=edits, painted=painted, speed=speed
                ),
                others=(parent,),
            )

    def fork_by_hand(
        self, step: int, edits: Mapping[int, float], painted: Sequence[Sequence[float]] = ()
    ) -> None:
        """Train on from a step with parameters set and points painted; after all epochs, as many again."""
        parent = self.now.opened_run
        if parent is None:
            raise InputError("nothing is recorded yet to train on from: start the training first")
        plan, more = parent.run.plan, {}
        if plan.by_steps and step >= plan.epochs * plan.steps_per_epoch:
            more["epochs"] = 2 * plan.epochs
        self.fork(step, edits, painted, **more)

    def ask(self, asking: Asking, subject: Subject, question: "Question") -> "Explanation":
        """Return the answer to a question; the end of the studio breaks it off."""
        from whygrad.studio.session.questions import answer

        self._asked.add(asking)
        try:
            if self._closed:
                asking.cancel()
            return asking.answer(partial(answer, subject, question))
        finally:
            self._asked.discard(asking)

    # ── what is shown ──

    def runs(self) -> dict[str, Path]:
        """Return the runs that lie in the folder, by name, the newest first."""
        began = {}
        for path in self.folder.glob(f"*{ENDING}"):
            with suppress(OSError):  # no run, or one that was removed a moment ago
                began[path] = (path / MANIFEST).stat().st_mtime_ns
        return {path.name: path for path in sorted(began, key=lambda one: (-began[one], one.name))}

    def runs_by_name(self, name: str) -> Path:
        """Return the run of the folder with a name, or the one that is shown."""
        opened_run = self.now.opened_run
        if opened_run is not None and opened_run.path.name == name:
            return opened_run.path
        found = self.runs().get(name)
        if found is None:
            raise InputError(f"{name:.100}: there is no such run in the folder of this studio")
        return found

    def first_look(self) -> bool:
        """Whether nothing was given and nothing done yet: true once."""
        with self._swapping:
            first, self._untouched = self._untouched, False
        return first and self.now.version == 1 and self.now.worker is None

    def open(self, path: Path) -> None:
        """Show a run that lies in the folder; one that is being trained goes on."""
        with self._changing:
            worker = self.now.worker
            if worker is not None and not worker.status.over and _same(worker.path, path):
                return
            before = self._open(self._found(path))
        self._end(before)

    def _found(self, path: Path) -> OpenedRun:
        path = confined(path, self.folder)
        if (path / MANIFEST).exists():
            for part in path.rglob("*"):
                confined(part, self.folder)  # no link leads out of it
        return OpenedRun.open(path, folder=self.folder)

    def _open(self, opened_run: OpenedRun) -> Worker | None:
        """Show a run, with its table and settings, where they are, to build another network from."""
        opened_run.rows()
        origin = self._origin(opened_run)
        config, why = None, NO_CONFIG
        if origin.source is not None:
            try:
                config, why = checked(ModelConfig(origin.source, origin.run.settings)), ""
            except InputError as error:
                why = f"This run is shown as it is, no other network is built from it here: {error}"
        return self._show(SessionState(config, opened_run, no_config=why))

    def _origin(self, opened_run: OpenedRun) -> OpenedRun:
        """Return the run on a table that a fork on arrays goes back to in the folder, or itself."""
        found = opened_run
        met = {found.run.manifest["id"]}  # a stranger's runs may call each other their parents
        while found.source is None and (parent := found.run.manifest.get("parent")):
            try:
                before = self._found(Path(Path(parent["run"]).name))
            except (InputError, FileError, OSError):
                return opened_run
            if before.run.manifest["id"] != parent["id"] or parent["id"] in met:
                return opened_run
            met.add(parent["id"])
            before.rows()
            found = before
        return found

    def compare(self, *paths: Path) -> None:
        """Draw the curves of other runs beside, of none without any."""
        with self._changing:
            known = {one.path: one for one in self.now.others}
            found = [confined(path, self.folder) for path in paths]
            others = tuple(known.get(path) or self._found(path) for path in found)
            with self._swapping:
                self.now = replace(self.now, others=others)

    def forget(self) -> None:
        """Show no run: the network that is to be trained, or where there is none the first data set."""
        if self.now.config is None:
            self.load("spirals")
        else:
            self.reset()

    def subject(self, step: int | None = None) -> Subject:
        """Return the network at a step, or at the last one that is at hand."""
        now = self.now
        if now.opened_run is not None:
            return now.opened_run.subject(step)
        if now.config is not None:
            return subject_of(now.config)
        assert self.network is not None  # what else is shown has a run or a configuration
        return alone(self.network)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
