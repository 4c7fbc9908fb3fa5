"""A training in a process of its own, seen from the process that shows it.

    Worker.start(path, "iris", settings)  →  a process that writes the run `path`, and obeys commands

The page reads the run; a worker tells only how the training stands. Where the process is killed, or this
one is, the run lies there and can be resumed.
"""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

from whygrad.errors import InputError, nearest
from whygrad.pipeline.settings import Settings
from whygrad.record.files.location import MANIFEST
from whygrad.studio.process.control import COMMANDS

Kind: TypeAlias = Literal["starting", "compiling", "running", "paused", "ended", "failed", "killed"]
OVER = ("ended", "failed", "killed")
NOTES = 20  # that are kept
SECONDS = 20.0  # in which a process that is told to end has to


@dataclass(frozen=True)
class Status:
    """How a training stands: at which step, after how many epochs.

    "paused": all up to `step` is recorded, and the state after it is on the disk. "ended": `message` is
    why, as in the history; one that was "interrupted" can be resumed. "failed": `message` is the error, in
    one line. "killed": the process came to an end from outside. `notes` are warnings, the latest last.
    """

    kind: Kind
    step: int = 0
    epoch: int = 0
    message: str = ""
    notes: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether the process has nothing more to tell."""
        return self.kind in OVER


class Worker:
    """A process that trains; made by `start`, `resume` or `fork`, and ended by `close`.

    Parameters
    ----------
    path : the run that it writes.
    order : what it is to do, as JSON can hold it.
    """

    def __init__(self, path: Path, order: Mapping[str, Any]) -> None:
        self.path = path
        self._status = Status("starting")
        self._silent = True  # until its first message
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 — closed once it was read
        self._process = subprocess.Popen(
            # -P: a file of the user's that is called as a library is, random.py say, is not taken for it
            [sys.executable, "-P", "-m", "whygrad.studio.process.training_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process, which then closes the other
        )
        self._send(order)
        self._reader = threading.Thread(target=self._read, name="whygrad worker", daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls,
        path: str | PathLike[str],
        data: str | PathLike[str],
        settings: Settings = Settings(),  # noqa: B008 — frozen data
        *,
        target: str | None = None,
        task: str | None = None,
        data_seed: int | None = None,
        paused: bool = False,
        speed: float | None = None,
        overwrite: bool = False,
        copy_data: bool | None = None,
    ) -> "Worker":
        """Train on a table: the name of a data set, or a CSV or Parquet file with its target.

        `path` is the run's folder. With `paused` it waits at step 0; `speed` is in steps a second. A data
        set that is drawn is drawn with `data_seed`, by default the seed of the settings.
        """
        order = {
            "data": str(data),
            "settings": asdict(settings),
            "target": target,
            "task": task,
            "data_seed": settings.seed if data_seed is None else data_seed,
            "overwrite": overwrite,
            "copy_data": copy_data,
        }
        return cls._ordered("start", path, order, paused, speed)

    @classmethod
    def resume(
        cls,
        path: str | PathLike[str],
        *,
        epochs: int | None = None,
        paused: bool = False,
        speed: float | None = None,
    ) -> "Worker":
        """Go on with a run that was closed or killed, or with one at its end, to so many epochs in all."""
        return cls._ordered("resume", path, {"epochs": epochs}, paused, speed)

    @classmethod
    def fork(
        cls,
        path: str | PathLike[str],
        step: int,
        record: str | PathLike[str],
        changes: Mapping[str, Any],
        *,
        edits: Mapping[int, float] | None = None,
        painted: Sequence[Sequence[float]] = (),
        paused: bool = False,
        speed: float | None = None,
    ) -> "Worker":
        """Go on from a step of the run `path` in another way, as the run `record`.

        `changes` are learning_rate, optimizer, schedule, l1, l2, batch_size, epochs (in all) and seed, as
        `Settings` names them; `edits` are parameters set by hand, by their index in `Parameters.flat`;
        `painted` are more examples, each its inputs as the network takes them and the number of its class.
        """
        order = {
            "run": str(Path(path).resolve()),
            "step": int(step),
            "changes": dict(changes),
            "edits": list((edits or {}).items()),  # JSON has no keys that are numbers
            "painted": [list(map(float, one)) for one in painted],
        }
        return cls._ordered("fork", record, order, paused, speed)

    @classmethod
    def _ordered(
        cls,
        what: str,
        path: str | PathLike[str],
        order: Mapping[str, Any],
        paused: bool,
        speed: float | None,
    ) -> "Worker":
        folder = Path(path)
        _check_speed(speed)
        head = {"do": what, "path": str(folder), "paused": paused, "speed": speed}
        return cls(folder, head | dict(order))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ── what it is told ──

    def command(self, what: str) -> None:
        """Command it to "pause", to "go" on, to take one "step", or to finish its "epoch", and pause then.

        Commands are obeyed in the order in which they are given. Of one that is over nothing comes.
        """
        if what not in COMMANDS:
            raise InputError(f"unknown command {what!r}: {nearest(what, COMMANDS)}")
        self._send({"do": what})

    def speed(self, steps_per_second: float | None) -> None:
        """Limit the steps a second; None for as many as it can take."""
        _check_speed(steps_per_second)
        self._send({"do": "speed", "value": steps_per_second})

    def known(self, step: int) -> None:
        """Take the steps up to the last one told at once, before any pause: they are known already."""
        self._send({"do": "known", "value": step})

    def close(self, seconds: float = SECONDS) -> Status:
        """End the process; the run stays, and can be resumed. It is killed if it takes longer than that."""
        self._end_input()
        if self._silent:  # it is still loading what it needs: nothing is lost
            self._process.kill()
        self._reader.join(seconds)
        if self._reader.is_alive():
            self._process.kill()
            self._reader.join()
        return self._status

    def _end_input(self) -> None:
        """Close the line of commands, which tells the process to end."""
        stream = self._process.stdin
        assert stream is not None
        with self._sending, suppress(OSError):  # what was not yet sent, to a process that is gone
            stream.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self._sending:
            stream = self._process.stdin
            assert stream is not None
            if stream.closed:
                return
            with suppress(OSError):  # it is gone: the status will say so
                stream.write(line)
                stream.flush()

    # ── what it tells ──

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def status(self) -> Status:
        """How the training stands, as it was last told."""
        return self._status

    def wait(self, until: Callable[[Status], bool], seconds: float = 60.0) -> Status:
        """Wait until a status is as wanted, or the training is over, or so long; return the status then."""
        with self._changed:
            self._changed.wait_for(lambda: self._status.over or until(self._status), seconds)
        return self._status

    def tell(self, status: Status) -> None:
        """Take over a status, and wake those who wait for one."""
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def _read(self) -> None:
        """Take its messages until it ends, and see how it ended."""
        stream = self._process.stdout
        assert stream is not None
        last = self._status
        with stream:
            for line in stream:
                self._silent = False
                with suppress(ValueError):  # a line that a kill cut off
                    last = _after(last, json.loads(line))
                if not last.over:
                    self.tell(last)
        last = self._ended(last, self._process.wait())
        self._end_input()
        self.tell(last)

    def _ended(self, last: Status, code: int) -> Status:
        """Return the last status: what the process said itself, or what became of it."""
        with self._errors:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
        if last.over:
            return last
        begun = (self.path / MANIFEST).exists()
        then = "Go on resumes it" if begun else "nothing was written yet, start it again"
        stream = self._process.stdin
        if code == 0 or (self._silent and stream is not None and stream.closed):
            return replace(last, kind="ended", message="closed before it began")
        if code < 0:
            return replace(
                last,
                kind="killed",
                message=f"the training process was killed ({_signal(-code)}) at step {last.step}: {then}",
            )
        why = said[-1] if said else f"exit code {code}"
        return replace(
            last, kind="failed", message=f"the training process ended unasked ({why}): {then}"
        )


def _after(last: Status, message: dict[str, Any]) -> Status:
    """Return the status that follows from a message."""
    if "note" in message:
        return replace(last, notes=(*last.notes, message["note"])[-NOTES:])
    return Status(**message, notes=last.notes)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _check_speed(speed: float | None) -> None:
    known = isinstance(speed, int | float) and not isinstance(speed, bool)
    if speed is not None and not (known and 0 < speed < math.inf):
        raise InputError(f"speed is {speed!r}: it is a number of steps a second above 0, or None")


def _environment() -> dict[str, str]:
    """Return an environment in which the process finds the package where this one did."""
    folders = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
