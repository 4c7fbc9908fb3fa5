"""One training in several processes on this machine, started and watched.

Each process runs the same command, or the same script; the first leads, and it alone writes and prints
(`engines.xla.processes`). Where one dies the others are ended, since none could go on without it. What was
recorded is whole up to the last snapshot, and goes on with the same bits on any number of processes that
divides the blocks.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whygrad.engines.xla.processes import (
    CLUSTER,
    COORDINATOR,
    COUNT,
    INDEX,
    INTERRUPTED,
    JOINING,
    PARTED,
    PARTING,
    free_port,
)
from whygrad.engines.xla.script import LAUNCHER
from whygrad.escaping import note, write

BLOCKS = 8  # of a batch, where the command does not say: the same bits on 1, 2, 4 and 8 processes
OPTIONS = {"-n": 1, "--processes": 1, "--port": 1, "--restarts": 1, "--help": 0, "-h": 0}
# By Ctrl-C, from a service, from a terminal that is closed. The first ends the training, the second
# interrupts it at once, and then all are killed.
ENDING, AT_ONCE = ("SIGINT", "SIGTERM", "SIGHUP"), 3
GRACE = 5.0  # seconds in which the others may end by themselves
LINGER = 60.0  # and where the first has ended well
SUSPENDED = 100.0  # seconds after which a stopped one is killed: before the others are `STUCK`
MODULE = "-m"  # before the name of a module, as Python has it
ALIKE = "all have to run the same lines"
FOLDERS = "whygrad-launch-"  # of what processes say, followed by the launcher's id
LOOK = 0.05  # seconds between two looks at them
# One thread each: the processes share the cores, and with more threads bits would depend on the load.
ALONE = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
POOL = "PJRT_NPROC"  # of XLA's own threads, which with several spin for work between two steps


def with_end_of_options(words: Sequence[str]) -> list[str]:
    """Return the words of `launch` with -- before the command that it runs, whose options are its own.

    >>> with_end_of_options(["-n", "4", "train", "big.csv", "--target", "y"])
    ['-n', '4', '--', 'train', 'big.csv', '--target', 'y']
    """
    at = 0
    while at < len(words) and words[at].partition("=")[0] in OPTIONS:
        at += 1 + (OPTIONS[words[at].partition("=")[0]] if "=" not in words[at] else 0)
    return [*words[:at], "--", *words[at:]] if at < len(words) and words[at] != "--" else [*words]


def completed(command: Sequence[str]) -> list[str]:
    """Return the command with the engine and the blocks that processes need, where it names none."""
    words = list(command)
    if words[0] != "train":
        return words
    for name, value in (("--engine", "xla"), ("--blocks", str(BLOCKS))):
        if option_of(words, name) is None:
            words += [name, value]
    return words


def option_of(words: Sequence[str], name: str) -> str | None:
    """Return the value that a command line gives an option, or None."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _program(words: Sequence[str]) -> list[str]:
    """Return what a process runs: a file, a module, or a command of whygrad."""
    own = words[0] == MODULE or words[0].endswith(".py")
    how = [] if own else [MODULE, "whygrad"]
    return [sys.executable, str(Path(__file__).with_name("script.py")), *how, *words]


def on_cluster(command: Sequence[str]) -> int:
    """Run the command in this process, one of those that a cluster's launcher started."""
    program = _program(command)
    os.execve(program[0], program, os.environ | {COUNT: CLUSTER} | _threads())


def _threads() -> dict[str, str]:
    return {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {ALONE}".strip()}


def run_together(words: Sequence[str], n: int, port: int | None) -> tuple[int, bool]:
    """Run n processes to their end; return the exit code, and whether one died that the others need."""
    try:
        return _run(words, n, port)
    except KeyboardInterrupt:  # all were killed
        return _interrupted()


def _interrupted() -> tuple[int, bool]:
    note("interrupted, what was recorded is there")
    return INTERRUPTED, False


def _run(words: Sequence[str], n: int, port: int | None) -> tuple[int, bool]:
    address = f"127.0.0.1:{free_port(port)}"
    common = {POOL: "1"} | os.environ | _threads() | {COUNT: str(n), COORDINATOR: address}
    common[LAUNCHER] = str(os.getpid())
    with _started(_program(words), common, n) as (started, told, pressed):
        early, suspended = _watched(started, told[0])
        if early:  # those that wait for it end at once
            started[0].kill()
            note(
                f"process {early} of {n} has ended, with code 0, and the others wait for it: {ALIKE}"
            )
            return 1, False
        codes = _end(started)
        first = _to_blame(codes)
        code, well = codes[first], codes[0] == 0
        if code == 0:
            return 0, False
        who, trace = f"process {first} of {n}", []
        if pressed and code == -signal.SIGINT:  # before it could end by itself
            return _interrupted()
        if code is None:
            line = f"{who} did not end within {LINGER:.0f} s after the first, and was killed"
        elif code < 0:
            line = f"{who} was ended by {signal.Signals(-code).name}"
            if first in suspended:
                line = f"{who} was suspended for {SUSPENDED:.0f} s, and was killed"
            line += "" if well else ": the training is over, what it recorded is there"
        elif first or code == PARTED:
            line, *trace = _last_words(told[first].read_text(errors="replace"), who, code)
        else:  # it has said why
            return code, False
        note(f"{line}; process 0 had ended well, what it recorded is whole" if well else line)
        write("".join(f"{line}\n" for line in trace), sys.stderr)
        died = code is not None and (code < 0 or code == PARTED)
        return max(code or 1, 1), died and not well and not pressed


def _watched(started: Sequence[subprocess.Popen[bytes]], told: Path) -> tuple[int | None, set[int]]:
    """Return once processes have ended, or cannot be waited for.

    That is one of those that follow which has ended well, while the first waits for all to be there; and
    those that were suspended, by SIGSTOP say, which are killed. Where the system does not tell of a child
    that is suspended, as macOS before Python 3.13, none is.
    """
    # Looks at which each was found suspended: no time, so that while we are suspended ourselves none pass.
    looks = [0] * len(started)
    while True:
        codes = [process.poll() for process in started]
        if codes[0] is not None or any(codes):
            return None, set()
        if 0 in codes and told.read_text() == JOINING:
            return codes.index(0), set()
        for i, process in enumerate(started):
            if codes[i] is None and hasattr(os, "waitid"):
                events = os.WSTOPPED | os.WCONTINUED | os.WNOHANG
                event = os.waitid(os.P_PID, process.pid, events)
                looks[i] += looks[i] > 0
                if event is not None:
                    looks[i] = int(event.si_code == os.CLD_STOPPED)
        suspended = {i for i, seen in enumerate(looks) if seen * LOOK > SUSPENDED}
        for i in suspended:
            started[i].kill()
            started[i].wait()
        if suspended:
            return None, suspended
        time.sleep(LOOK)


def _last_words(text: str, who: str, code: int) -> list[str]:
    r"""Return the line in which a process said why it failed, and those below; else its code and last line.

    >>> _last_words("of a library\nwhygrad: process 1 of 2 failed: …\nTraceback …", "process 1 of 2", 1)
    ['process 1 of 2 failed: …', 'Traceback …']
    >>> _last_words("no price", "process 1 of 2", 3)
    ['process 1 of 2 ended with code 3: no price']
    """
    lines = text.strip().splitlines()
    failed = [i for i, line in enumerate(lines) if line.startswith(f"whygrad: {who}")]
    first, *more = lines[failed[-1] if failed else -1 :] or [""]
    if not first.startswith("whygrad: ") and not (first and code == PARTED):
        return [": ".join(filter(None, (f"{who} ended with code {code}", first)))]
    return [first.removeprefix("whygrad: "), *more]


def _killed(code: int | None) -> bool:
    """Return whether a process was ended by a signal, other than that by which JAX aborts it."""
    return code is not None and code < 0 and code != -signal.SIGABRT


def _to_blame(codes: Sequence[int | None]) -> int:
    """Return which process a group ended for, by the codes of those that ended by themselves, else None.

    One that was killed comes first; then one that failed by itself; then one that missed the others, as
    those do that JAX aborts; then one that did not end.

    >>> [_to_blame(codes) for codes in ([1, -9], [75, 1], [2, 1], [None, 75])]
    [1, 1, 0, 1]
    >>> [_to_blame(codes) for codes in ([0, None], [0, 75], [0, 1], [0, -6], [0, 0])]
    [1, 1, 1, 1, 0]
    """
    causes: list[Callable[[int | None], bool]] = [
        _killed,
        lambda code: code is not None and code > 0 and code != PARTED,
        lambda code: code is not None and code != 0,
        lambda code: code is None,
    ]
    for cause in causes:
        for i, code in enumerate(codes):
            if cause(code):
                return i
    return 0


@contextmanager
def _started(
    program: list[str], common: dict[str, str], n: int
) -> Iterator[tuple[list[subprocess.Popen[bytes]], list[Path], list[int]]]:
    """Start the processes, of which the first has this one's streams, and leave none behind.

    Beside them and the files of what they say this gives the signals that came, one after the other.
    """
    remove_left_behind()
    with tempfile.TemporaryDirectory(prefix=f"{FOLDERS}{os.getpid()}-") as folder:
        told = [Path(folder) / f"{i}.txt" for i in range(n)]
        started: list[subprocess.Popen[bytes]] = []
        pressed: list[int] = []
        before = {name: signal.getsignal(getattr(signal, name)) for name in ENDING}

        def interrupt(number: int, frame: Any) -> None:
            pressed.append(number)
            if len(started) == n:  # else below
                if len(pressed) == AT_ONCE:
                    stop()
                first_runs = (
                    started[0].poll() is None
                )  # it ends the training, and lets the others go
                for process in started[:1] if first_runs else started[1:]:
                    process.send_signal(signal.SIGINT)

        def stop() -> None:
            for process in started:
                process.kill()
            raise KeyboardInterrupt

        try:
            for name in ENDING:
                signal.signal(getattr(signal, name), interrupt)
            for i, path in enumerate(told):
                silent = subprocess.DEVNULL if i else None
                own = {INDEX: str(i)} if i else {INDEX: "0", PARTING: str(path)}
                with path.open("wb") as file, _held_back():
                    process = subprocess.Popen(
                        program,
                        env=common | own,
                        start_new_session=True,
                        stdin=silent,
                        stdout=silent,
                        stderr=file if i else None,
                    )
                started.append(process)
            if pressed:  # before they did anything
                stop()
            yield started, told, pressed
        finally:
            _end(started)
            for name, handler in before.items():
                signal.signal(getattr(signal, name), handler)


@contextmanager
def _held_back() -> Iterator[None]:
    """Start a process within that hears of Ctrl-C once it can say so in a line (`script.main`)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_left_behind() -> None:
    """Remove the folders of launchers that were killed: those of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*-*"):
        owner = folder.name.removeprefix(FOLDERS).partition("-")[0]
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError, OverflowError):  # another user's, or named otherwise
            continue


def _end(started: list[subprocess.Popen[bytes]]) -> list[int | None]:
    """End all, and return the codes of those that ended by themselves, in a moment where none was killed.

    Where the first has failed, it has told why, and nobody is waited for.
    """
    began = time.monotonic()
    while True:
        codes = [process.poll() for process in started]
        if None not in codes or codes[0] or any(map(_killed, codes)):
            break
        if time.monotonic() > began + (GRACE if any(codes) or codes[0] is None else LINGER):
            break
        time.sleep(LOOK)
    codes = [process.poll() for process in started]
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    return codes
