"""Machine code on disk: what one process has compiled, the next one reads.

A file holds the code of one function for one kind of arguments, on one kind of processor:

    SHA-256 of all that follows, a new line, the stamp of what it was made from, a new line, the code

A file that is not whole or has another stamp is as good as none, and is replaced. Nothing here may end a
training: whatever is wrong with a file or a folder, it is as if there were no code, which is compiled. What
goes wrong is noted, and told once by `report`. Processes that find nothing take turns: the first compiles,
and the others read. Nothing is unpickled, and Numba is not asked: it takes longer to import than small
trainings take.
"""

import errno
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from whygrad.engines.machine_code.objects import processor
from whygrad.errors import EngineWarning, warn

if sys.platform != "win32":
    import fcntl

PATIENCE, POLL = (
    180.0,
    0.05,
)  # seconds to wait for another process, and between two polls of its lock
LOCK = "whygrad.lock"
# The folder of the functions that are compiled.
NATIVE = files("whygrad.engines") / "native"
# Modules outside of it whose functions, or numbers, are in code as well.
BESIDE = (
    "whygrad.nn.functions",
    "whygrad.plan.dropout",
    "whygrad.engines.probes",
    "whygrad.engines.row_products",
)


def file_name(function: str, kind: str) -> str:
    """Name the file: all that may differ side by side, so that none replaces another's."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    for elsewhere in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT"):
        settings.pop(elsewhere, None)
    about = (kind, processor(), sorted(settings.items()), sys.implementation.cache_tag, str(NATIVE))
    return f"{function}-{hashlib.sha256(repr(about).encode()).hexdigest()[:16]}.code"


def read(name: str, load: Callable[[bytes], Any]) -> Any:
    """Return what `load` makes of the code in a file of this name, or None: it is to be compiled."""
    find = partial(_read, name, load)
    return find() or _await_turn(name, find)


def keep(name: str, code: bytes) -> None:
    """Keep what was compiled in the first folder that takes it."""
    try:
        write_code(name, code)
    except Exception as problem:
        _note(
            f"compiled code cannot be kept ({_words(problem)}), so that every process compiles it "
            "anew: let the environment variable NUMBA_CACHE_DIR name a folder that can be written"
        )
    finally:
        end_turn()


def folders() -> Iterator[Path]:
    """Return the folders for code: it is read from all, and written to the first that takes it."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen) / "whygrad"
        return
    yield Path(__file__).parent / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home):  # else there is no home
        yield Path(home) / "whygrad" / "code"


def _read(name: str, load: Callable[[bytes], Any]) -> Any:
    for folder in folders():
        try:
            code = _code(folder / name)
        except OSError:
            continue
        if code is None:
            continue
        try:
            return load(code)
        except Exception as problem:
            _note(
                f"{folder / name}: this compiled code cannot be used ({_words(problem)}), so that it "
                "is compiled anew: remove the file if that comes again"
            )
    return None


def _code(path: Path) -> bytes | None:
    """Return the code in a file, or None: not there, not ours, of other sources, or damaged."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if not trusted(os.fstat(file.fileno())):
            return None
        content = file.read()
    checksum, _, rest = content.partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != checksum:
        _note(
            f"{path}: this compiled code is damaged, so that it is compiled anew: if that comes again, "
            "let the environment variable NUMBA_CACHE_DIR name a folder on another disk"
        )
        return None
    stamp, _, code = rest.partition(b"\n")
    return code if stamp == stamp_of_code().encode() else None


def trusted(about: os.stat_result) -> bool:
    """Whether whoever wrote a file may decide what runs here, as they may who own this package."""
    if not hasattr(os, "getuid"):
        return True
    owners = {os.getuid(), 0}
    if os.path.exists(__file__):
        owners.add(os.stat(__file__).st_uid)
    return about.st_uid in owners


def write_code(name: str, code: bytes) -> None:
    """Write the file whole or not at all; raises the first folder's problem where no folder takes it."""
    rest = f"{stamp_of_code()}\n".encode() + code
    content = hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
    problems = []
    for folder in folders():
        temporary = folder / f".{name}.{uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                os.replace(temporary, folder / name)
            finally:
                temporary.unlink(missing_ok=True)
            return
        except OSError as problem:
            problems.append(OSError(problem.errno, problem.strerror or str(problem), str(folder)))
    raise problems[0]


@cache
def stamp_of_code() -> str:
    """Return what code of this version, made by these makers, is marked with."""
    makers = [f"{maker} {_version(maker)}" for maker in ("numba", "llvmlite", "numpy")]
    here = source_stamp(files(__package__)).encode()
    parts = [spec.loader.get_data(spec.origin) for spec in map(find_spec, BESIDE)]  # type: ignore
    return source_stamp(NATIVE, here, *parts, *map(str.encode, makers))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # predictions do without Numba
        return "none"


def source_stamp(folder: Any, *others: bytes) -> str:
    """Return a name for the present state of the Python files below a folder, and of what else is given.

    Raises `FileNotFoundError` where there are none: then nobody can tell what the code was made from.
    """
    sources = [path.read_bytes() for path in _sources(folder)]
    if not sources:
        raise FileNotFoundError(errno.ENOENT, "no sources to compare it with", str(folder))
    digests = [hashlib.sha256(part).digest() for part in (*sources, *others)]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _sources(folder: Any) -> Iterator[Any]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith((".py", ".pyc")):
            yield path
        elif path.name != "__pycache__" and path.is_dir():
            yield from _sources(path)


# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────

turn: FileIO | None = None  # the file that is locked while this process compiles


def _await_turn(name: str, read: Callable[[], Any]) -> Any:
    """Wait while another process compiles the same, and return what it leaves, or None: it is our turn.

    The lock goes with the process that holds it, however that ends. Where locks do not work, or another
    process takes far too long, this one goes on without.
    """
    global turn
    end_turn()
    lock = _open_lock()
    if lock is None:
        return None
    # A byte of the file for each name, which need not be in it.
    byte = int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big")
    try:
        for _ in range(max(1, round(PATIENCE / POLL))):
            mine = _taken(lock, byte)
            if mine is None:
                break
            found = read()  # left by the one before, perhaps
            if found or mine:
                if not found:
                    turn, lock = lock, None
                return found
            time.sleep(POLL)
    finally:
        if lock is not None:
            lock.close()
    return None


def end_turn() -> None:
    """Allow other processes to compile, if they still must."""
    if turn is not None:
        turn.close()


def _open_lock() -> FileIO | None:
    if sys.platform == "win32":
        return None
    for folder in folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK
            return FileIO(os.open(folder / LOCK, flags, 0o666), "r+")
        except OSError:
            continue
    return None


def _taken(lock: FileIO, byte: int) -> bool | None:
    """Take the lock on a byte of the file: True, False where another holds it, None without locks."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except OSError as problem:
        return False if problem.errno in (errno.EACCES, errno.EAGAIN) else None
    return True


# ── what went wrong ───────────────────────────────────────────────────────────────────────────────────


@dataclass
class Trouble:
    """The first thing that went wrong in this process, and whether it was told."""

    problem: str = ""
    told: bool = False


trouble = Trouble()


def _note(problem: str) -> None:
    trouble.problem = trouble.problem or problem


def _words(problem: Exception) -> str:
    """Return the first line of what an exception says: of a file, its name and what is wrong with it."""
    if isinstance(problem, OSError) and problem.filename:
        return f"{problem.filename}: {problem.strerror}"
    return (str(problem) or type(problem).__name__).splitlines()[0]


def report() -> None:
    """Warn of what went wrong, once in a process; not from within Numba, which a warning may not end."""
    if trouble.problem and not trouble.told:
        trouble.told = True
        warn(trouble.problem, EngineWarning)
