"""Several processes that share the blocks of each batch: the first leads, the others follow.

Who launched them says in the environment how many there are, which one this is, and where the first
listens; on a cluster JAX finds that itself. The first process runs the training as one alone would: it
decides how far to go, records, reports and ends. Before each run of steps it tells the others its state in
a message, and all take these steps. So nothing that depends on a clock can part them.
"""

import atexit
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from whygrad import errors
from whygrad.engines.xla.failures import tell_failures_of
from whygrad.errors import InputError, WhygradError
from whygrad.escaping import note
from whygrad.nn.functions import Array

# What a launcher sets, see `launched`: how many, which one, and HOST:PORT of the first.
COUNT, INDEX, COORDINATOR = "WHYGRAD_PROCESSES", "WHYGRAD_PROCESS", "WHYGRAD_COORDINATOR"
PARTING = "WHYGRAD_PARTING"  # the file where a launcher reads why this one ends
# Taken out of the environment, so that what this process starts is not one of them as well.
TOLD = {
    name: os.environ.pop(name)
    for name in (COUNT, INDEX, COORDINATOR, PARTING)
    if name in os.environ
}
JOINING = "joining"  # what it says there while it waits for all to be there
CLUSTER = "cluster"  # as COUNT: JAX asks Slurm, Open MPI or Kubernetes
NEEDS = 'it takes JAX: pip install "whygrad[xla]"'
PATIENCE = 120  # seconds until all are there
SHUTDOWN = 20  # seconds in which JAX lets all leave once they are at their end
# Seconds after which JAX takes one that is silent for dead, and aborts the others; on one machine the
# launcher sees who is dead, and a machine that is busy may be silent for long.
HEARTBEAT, UNHEARD = 20, 86_400
# Seconds after which one that is there, but does not come to a step, is taken for stuck; or so many times
# the longest that was waited so far. To the start of a training others may have data to read.
STUCK, START, TIMES = 120.0, 900.0, 20
BEGIN, LEFT = "begin", "left"  # what the first says before a training, and at its end
INTERRUPTED = 130  # the exit code after Ctrl-C
PARTED = 75  # the exit code of a process that ends since others are gone or stuck
AXIS = "processes"
ROOM, SIZE = 1024, 8  # bytes of a message that go at once, of which the first are its length

if INDEX in TOLD:
    tell_failures_of(f"process {TOLD[INDEX]} of {TOLD.get(COUNT)}")

T = TypeVar("T")


def launched() -> bool:
    """Return whether this process is one of several."""
    return TOLD.get(COUNT, "1") != "1"


def following() -> bool:
    """Return whether another process leads: it records, prints and decides; this one takes its steps."""
    return launched() and joined().follows


class Parted(WhygradError):
    """Of the processes that train together one is gone, or what all of them do has failed here."""


@contextmanager
def ending_if_parted() -> Iterator[None]:
    """Do within what takes all processes, and end this one, with a line, where another is gone."""
    try:
        yield
    except Parted as error:
        _say_why(str(error))
        abandon(PARTED)
        raise SystemExit(PARTED) from None


@contextmanager
def waiting(seconds: float | None) -> Iterator[None]:
    """Do within what takes all processes; raise `Parted` where it fails, and end this one after `seconds`.

    JAX's heartbeat sees a process that is dead, and not one that is stuck. Nothing interrupts a wait below
    Python, so the process ends itself, as if it had been killed.
    """

    def give_up() -> None:
        _say_why(
            f"another process of this training did not come within {seconds:.0f} s: the training is over, "
            "what it recorded is there"
        )
        sys.stderr.flush()
        os._exit(PARTED)

    import jax

    timer = threading.Timer(seconds or 0, give_up)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if isinstance(error, ValueError) and "Gloo" not in str(error):
            raise
        told = str(error).split("\n", 1)[0]
        raise Parted(
            f"another process of this training is gone, what was recorded is there ({told:.160})"
        ) from None
    finally:
        timer.cancel()


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Have Ctrl-C end this process at once within, where it has nothing to lose and waits below Python.

    There no handler would interrupt it, and what JAX calls aborts the process if it raises.
    """
    pythons = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not pythons or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _say_why(line: str) -> None:
    """Write why this process ends: to its launcher, which may know better, else to standard error."""
    if not _told_launcher(line):
        note(line)


def _told_launcher(line: str) -> bool:
    """Return whether a launcher was there to be told a line by the first process."""
    with suppress(OSError):  # one that was killed has nobody to tell
        if PARTING in TOLD:
            Path(TOLD[PARTING]).write_text(line)
    return PARTING in TOLD


@dataclass(frozen=True)
class Processes:
    """The processes that train together, of which this is number `index`."""

    count: int = 1
    index: int = 0

    @property
    def follows(self) -> bool:
        """Whether another process leads."""
        return self.index > 0

    @cached_property
    def mesh(self) -> Any:
        """One device of each process, along one axis."""
        import jax

        first: dict[int, Any] = {}
        for device in jax.devices():
            first.setdefault(device.process_index, device)
        return jax.sharding.Mesh(np.array([first[i] for i in range(self.count)]), (AXIS,))

    def everywhere(self, array: Array | None) -> Any:
        """Return an array that all processes have alike, as one that XLA may use on all."""
        return None if array is None else self._placed(array, array.shape, ())

    def shared(self, array: Array | None) -> Any:
        """Return the array whose second axis has the blocks of all, from this one's own, (K, blocks, …)."""
        if array is None:
            return None
        shape = (len(array), array.shape[1] * self.count, *array.shape[2:])
        return self._placed(array, shape, (None, AXIS))

    def tell(
        self, message: dict[str, Any] | None, *arrays: Array
    ) -> tuple[dict[str, Any], list[Array]]:
        """Return what the first process says: a message as JSON, and arrays; the others give None.

        The message says of what shape and dtype the arrays are.
        """
        text = b""
        if message is not None:
            shapes = [[list(array.shape), array.dtype.name] for array in arrays]
            text = json.dumps(message | {"arrays": shapes}).encode()
            text = len(text).to_bytes(SIZE, "big") + text
        found = self._of_first(np.frombuffer(text[:ROOM].ljust(ROOM), np.uint8)).tobytes()
        size = SIZE + int.from_bytes(found[:SIZE], "big")
        if size > ROOM:
            more = 1 << size.bit_length()  # few sizes: each is compiled by itself
            found += self._of_first(np.frombuffer(text[ROOM:].ljust(more), np.uint8)).tobytes()
        said = json.loads(found[SIZE:size])
        if message is None:
            arrays = tuple(np.zeros(shape, dtype) for shape, dtype in said["arrays"])
        return said, [self._of_first(array) for array in arrays]

    def gathered(self, array: Array) -> Array:
        """Return what each process gives, (count, …): arrays of one shape."""
        return array[None] if self.count == 1 else self._gathered(array, slice(None))

    def collected(self, array: Array) -> Array:
        """Return what `gathered` does, where others may still be at work; end this process without them."""
        if self.count == 1:
            return self.gathered(array)
        with ending_if_parted(), waiting(START):
            return self.gathered(array)

    def done(self, work: Callable[[], T]) -> list[T]:
        """Do some work in each process; return what it gave in each of them, or raise the first error.

        It goes from one to the others as JSON, in which tuples are lists.
        """
        if self.count == 1:
            return [work()]
        try:
            mine: dict[str, Any] = {"found": work()}
        except WhygradError as error:
            mine = {"failed": type(error).__name__, "message": str(error)}
        except BaseException:
            abandon(INTERRUPTED)
            raise
        content = json.dumps(mine).encode()
        sizes = self.collected(np.array([len(content)]))[:, 0].tolist()
        room = 1 << max(sizes).bit_length()
        parts = self.collected(np.frombuffer(content.ljust(room), np.uint8))
        found = []
        for part, size in zip(parts, sizes, strict=True):
            told = json.loads(part[:size].tobytes())
            if "failed" in told:
                raise getattr(errors, told["failed"], WhygradError)(told["message"])
            found.append(told["found"])
        return found

    def _of_first(self, array: Array) -> Array:
        """Return the first process's array, bit by bit; the others give one of the same shape."""
        return self._gathered(array, 0)

    def _gathered(self, array: Array, which: Any) -> Array:
        if not array.size:
            return array
        raw = np.ascontiguousarray(array).view(np.uint8).reshape(1, -1)
        mine = self._placed(raw, (self.count, raw.shape[1]), (AXIS,))
        found = np.asarray(_gather(self, which == 0)(mine).addressable_data(0))
        return found.view(array.dtype).reshape(*found.shape[:-1], *array.shape)

    def _placed(self, array: Array, shape: tuple[int, ...], axes: tuple[Any, ...]) -> Any:
        import jax

        sharding = jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(*axes))
        return jax.make_array_from_callback(shape, sharding, lambda _: array)  # this one's part


ALONE = Processes()


@lru_cache(maxsize=4)
def _gather(processes: Processes, first: bool) -> Any:
    """Return the compiled function that gathers a row of bytes from each, or that of the first alone."""
    import jax

    def gather(row: Any) -> Any:
        rows = jax.lax.all_gather(row[0], AXIS)
        return rows[0] if first else rows

    spec = jax.sharding.PartitionSpec
    specs: Any = {"in_specs": spec(AXIS), "out_specs": spec()}
    return jax.jit(jax.shard_map(gather, mesh=processes.mesh, check_vma=False, **specs))


@lru_cache(maxsize=1)
def joined() -> Processes:
    """Return the processes of this training, and connect with them the first time.

    Raises
    ------
    InputError
        Where the environment does not say which one this is, or the others do not come.
    """
    if not launched():
        return ALONE
    with ending_at_once():
        return _join()


def _join() -> Processes:
    if find_spec("jax") is None:
        raise InputError(f"several processes train on the engine 'xla': {NEEDS}")
    if TOLD.get(INDEX) == "0" and COORDINATOR in TOLD:  # JAX has no word for a port that is taken
        free_port(int(TOLD[COORDINATOR].rpartition(":")[2]))
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    limits: Any = {
        "initialization_timeout": 2 * PATIENCE,  # where JAX's is over, it aborts without a line
        "heartbeat_timeout_seconds": HEARTBEAT if TOLD[COUNT] == CLUSTER else UNHEARD,
        "shutdown_timeout_seconds": SHUTDOWN,
    }
    _told_launcher(JOINING)
    try:
        with ending_if_parted(), waiting(PATIENCE):
            if TOLD[COUNT] == CLUSTER:
                jax.distributed.initialize(**limits)
            else:
                count, index = int(TOLD[COUNT]), int(TOLD[INDEX])
                address = TOLD[COORDINATOR]
                limits["coordinator_bind_address"] = address  # else on all that the machine has
                jax.distributed.initialize(address, count, index, **limits)
    except KeyError as error:
        raise InputError(f"{COUNT} is set, but not {error}: start it by `whygrad launch`") from None
    except (RuntimeError, ValueError) as error:
        told = str(error).split("\n", 1)[0]
        raise InputError(f"the processes of this training did not meet: {told:.200}") from None
    found = Processes(jax.process_count(), jax.process_index())
    # The first meeting of gloo writes to standard output, which is for results.
    with ending_if_parted(), _silent_output(), waiting(PATIENCE):
        found.tell(None if found.follows else {"do": BEGIN})
    _told_launcher("")
    atexit.register(_leave, found)  # before JAX's own, which ends all where one takes its time
    return found


def begin(group: Processes) -> None:
    """Wait until all are at the start of a training; end this process where the first has ended."""
    with waiting(None if group.follows else START):
        said, _ = group.tell(None if group.follows else {"do": BEGIN})
    if said["do"] == LEFT:
        atexit.unregister(_leave)
        who = f"process {group.index} of {group.count}"
        note(f"{who}: the first process has ended, and shares no other training")
        raise SystemExit(1)


def _leave(group: Processes) -> None:
    """Wait until all are at their end: JAX ends those that still work once one has left.

    The first may go on for long after the last step that is shared. Where it begins another training
    instead, this process has none to follow it with, and ends at once.
    """
    with suppress(Parted), ending_at_once(), waiting(None if group.follows else START):
        said, _ = group.tell(None if group.follows else {"do": LEFT})
        if said["do"] != LEFT:
            sys.stderr.flush()
            os._exit(1)


def abandon(code: int) -> None:
    """Leave at the end without a word to the others, which are gone or wait for something else."""
    atexit.unregister(_leave)
    atexit.register(_exit, code)


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def _silent_output() -> Iterator[None]:
    """Drop what libraries write to standard output, below Python."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def free_port(wanted: int | None) -> int:
    """Return the port where the first process is to listen; raise `InputError` where it is taken."""
    with socket.socket() as probe:
        if os.name == "posix":  # connections of a training that has ended do not hold it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"port {wanted} cannot be had ({reason}): leave --port out, or take another"
            ) from None
        return int(probe.getsockname()[1])
