"""The process that trains for the studio: orders come in, what happens goes out, as lines of JSON.

    first line in    {"do": "start" | "resume" | "fork", …}, then commands such as {"do": "pause"}
    lines out        {"kind": "running", "step": 12, "epoch": 0, "message": ""}, and {"note": "…"}

It writes a recorded run, and ends by itself, with a run that can go on, when its input ends, which is how
the death of its parent shows, and at SIGTERM. Started by `worker`, as `python -m`.
"""

import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

import numpy as np

from whygrad.errors import InputError, WhygradError
from whygrad.nn import Array, dense
from whygrad.pipeline import settings
from whygrad.pipeline.fit import find, prepare_training
from whygrad.plan.plan import State
from whygrad.record import Run, forking, open_run
from whygrad.record.files import manifest, snapshots
from whygrad.record.files.location import check_place
from whygrad.record.members import record_members, resume_members
from whygrad.record.recorded import latest
from whygrad.record.rows import record_prepared
from whygrad.studio.process.control import Command, Control
from whygrad.studio.process.live import Live
from whygrad.training.loop import Training
from whygrad.training.side_by_side import warm_up

FAILED = 1
SPACING = 0.1  # seconds between two snapshots, so that any step is computed again while a scrubber is drawn
COMPILING = "making the engine ready: the first time on a machine it is compiled, some 15 seconds"


class _Telling:
    """Lines of JSON for the parent; once nobody reads them they are lost, and that is all."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def line(self, message: Mapping[str, Any]) -> None:
        """Write one message."""
        with self._lock, suppress(OSError):
            self._stream.write(json.dumps(message).encode() + b"\n")
            self._stream.flush()

    def kind(self, kind: str, step: int = 0, epoch: int = 0, message: str = "") -> None:
        """Report how the training stands."""
        self.line({"kind": kind, "step": step, "epoch": epoch, "message": message})

    def state(self, kind: str, state: State) -> None:
        """Report at which state the training is running or paused."""
        self.kind(kind, state.step, state.epoch)


class _Process:
    """One training, and the way from the commands to it."""

    def __init__(self, orders: BinaryIO, told: _Telling) -> None:
        self._orders, self._told = orders, told
        self._inbox: SimpleQueue[Command] = SimpleQueue()
        self._begun = False  # something is written, or about to be

    def run(self) -> int:
        """Do what the first line asks for, and return the exit code."""
        line = self._orders.readline()
        if not line:
            return 0
        threading.Thread(target=self._listen, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda number, frame: self._close())
        try:
            self._do(json.loads(line))
        except WhygradError as error:
            return self._failed(str(error))
        except MemoryError:
            return self._failed("not enough memory for this training: choose a smaller network")
        except Exception as error:
            traceback.print_exc()
            return self._failed(f"{type(error).__name__}: {error}")
        return 0

    def _failed(self, message: str) -> int:
        self._told.kind("failed", message=message)
        return FAILED

    def _listen(self) -> None:
        """Hand commands on, until the parent closes the line or is gone."""
        for line in self._orders:
            self._inbox.put(json.loads(line))
        self._close()

    def _close(self) -> None:
        if not self._begun:
            os._exit(0)  # whatever is being read or compiled: nothing is written yet
        self._inbox.put({"do": "close"})

    # ── the three kinds of training ──

    def _do(self, order: dict[str, Any]) -> None:
        path = Path(order["path"])
        what = {"start": self._start, "resume": self._resume, "fork": self._fork}[order["do"]]
        stopped = what(path, order)
        Live(path).remove()
        state = latest(Run(path, manifest.read(path)))
        self._told.kind("ended", state.step, state.epoch, stopped)

    def _start(self, path: Path, order: dict[str, Any]) -> str:
        self._told.kind("starting", message="reading the table")
        check_place(path, order["overwrite"])
        chosen = settings.from_dict(order["settings"])
        source = find(order["data"], order["target"], order["task"], order["data_seed"])
        ready = prepare_training(source, chosen)
        self._make_ready(ready.training)
        control = self._control(order, 0)
        overwrite, copied = order["overwrite"], order["copy_data"]
        if chosen.quality:
            found = record_members(
                path,
                source,
                chosen,
                overwrite,
                copied,
                observers=[Live(path)],
                controller=control,
                before_each=self._turning(control, path),
            )
        else:
            found = record_prepared(path, ready, [Live(path)], overwrite, copied, control)
        return found.stopped

    def _resume(self, path: Path, order: dict[str, Any]) -> str:
        run, epochs, live = self._opened(path), order["epochs"], [Live(path)]
        if run.members > 1:
            control = self._control(order, 0)
            turn = self._turning(control, path)
            return resume_members(run, epochs, (), None, live, control, turn).stopped
        control = self._control(order, run.step)
        return forking.resume(run, epochs, observers=live, controller=control).stopped

    def _turning(self, control: Control, path: Path) -> Callable[[int], None]:
        """Return what turns the control to a member; the step that is told stays that of the first one."""

        def turn(k: int) -> None:
            run = Run(path, manifest.read(path))
            at, said = latest(run), f"network {k} of {run.members}"

            def tell(kind: str, state: State) -> None:
                self._told.kind(kind, at.step, at.epoch, said)

            control.turn_to(self._told.state if k == 1 else tell)

        return turn

    def _fork(self, path: Path, order: dict[str, Any]) -> str:
        check_place(path)
        run, step = self._opened(Path(order["run"])), order["step"]
        control = self._control(order, 0)
        changes = settings.changes(run.plan, order["changes"])
        if order["edits"]:
            changes["edits"] = dict(order["edits"])
        if order["painted"]:
            changes["data"] = _with_painted(run, np.array(order["painted"]))
        forked = forking.fork(run, step, path, changes, [Live(path)], control)
        return forked.stopped

    def _opened(self, path: Path) -> Run:
        """Open a run, with its examples read and its engine made ready."""
        run = open_run(path)
        state = latest(run)
        self._told.kind("starting", state.step, state.epoch, "reading the examples")
        self._make_ready(run.training(state))
        return run

    def _make_ready(self, training: Training) -> None:
        if training.engine.name != "reference" and training.plan.by_steps:
            self._told.kind("compiling", training.state.step, training.state.epoch, COMPILING)
            warm_up(training)

    def _control(self, order: dict[str, Any], first: int) -> Control:
        self._begun = True
        paused, speed = order["paused"], order["speed"]
        return Control(self._inbox, self._told.state, first=first, paused=paused, speed=speed)


def _with_painted(run: Run, painted: Array) -> tuple[Any, ...]:
    """Return the examples of a run with painted ones behind them: (m, n_0 + 1), inputs and class."""
    data = run.data
    X, chosen = painted[:, :-1], painted[:, -1].astype(int)
    # One output has two values, as training saw them; of several, the one of the class is 1.
    known = np.unique(data.Y) if data.Y.shape[1] == 1 else np.eye(data.Y.shape[1])
    if len(known) < 2 or chosen.max() >= len(known):
        raise InputError("painted points have classes, and this run predicts numbers")
    more = np.asarray(known[chosen], data.Y.dtype).reshape(len(X), -1)
    found = np.concatenate([dense(data.X), X.astype(data.X.dtype)]), np.concatenate([data.Y, more])
    if data.sample_weight is None:
        return found
    return *found, np.concatenate([data.sample_weight, np.ones(len(X), data.Y.dtype)])


def main() -> int:
    """Train as the lines on standard input say."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the messages
    told = _Telling(out)

    def show(message: Warning | str, *about: Any, **more: Any) -> None:
        told.line({"note": str(message)})

    warnings.showwarning = show
    snapshots.SPACING = SPACING
    return _Process(sys.stdin.buffer, told).run()


if __name__ == "__main__":
    sys.exit(main())
