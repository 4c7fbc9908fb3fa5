"""Machine code on disk is an optimisation: whatever is wrong with it, a kernel gives its number.

A tiny kernel stands in for the training loop. Each `tiny_kernel()` is as a new process: it has compiled
nothing, and asks the disk.
"""

import errno
import hashlib
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from kernels import tiny_kernel
from whygrad.engines.machine_code import objects

pytestmark = needs_native

cache = pytest.importorskip("whygrad.engines.machine_code.cache")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only folder for code, not there yet; nothing has gone wrong so far."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "trouble", cache.Trouble())
    yield tmp_path / "cache" / "whygrad"
    cache.end_turn()


def call():
    """Call the kernel as a new process would, and return whether it found code, and what is told."""
    kernel = tiny_kernel()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert kernel(1) == 2
        cache.report()
        cache.report()  # once in a process
    assert kernel.hits + kernel.misses == 1
    assert all(warning.category is wg.EngineWarning for warning in told)
    return bool(kernel.hits), [str(warning.message) for warning in told]


def kept(folder):
    """The one file that the kernel's code is in."""
    (path,) = folder.glob("kernels.add_one-*.code")
    return path


def written(path, rest):
    """Write what was made up, with its right checksum."""
    path.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)


def test_what_one_process_compiles_the_next_one_reads(folder):
    assert call() == (False, [])
    assert call() == (True, [])


def _change_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)


def _directory(path):
    path.unlink()
    path.mkdir()


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _dangling(path):
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def _other_stamp(path):
    content = path.read_bytes().partition(b"\n")[2]
    written(path, b"of another version\n" + content.partition(b"\n")[2])


def _no_code(path):
    written(path, cache.stamp_of_code().encode() + b"\n" + b"no code")


def _no_object(path):
    written(
        path, cache.stamp_of_code().encode() + b"\n" + b"whole sched_yield\n" + b"no object file"
    )


def _other_function(path):
    content = path.read_bytes().replace(objects.SYMBOL.encode(), objects.SYMBOL.upper().encode())
    written(path, content.partition(b"\n")[2])


def _unknown_symbol(path):
    content = path.read_bytes().partition(b"\n")[2].replace(b"\nwhole", b"\nwhole nobody_has_it", 1)
    written(path, content)


# What is done to the file, and the words that tell of it, none where all is well after the call.
FAULTS = {
    "removed": (Path.unlink, None),
    "of another version": (_other_stamp, None),
    "a link to nowhere": (_dangling, None),
    "a pipe, which would never end": (_pipe, None),
    "a bit changed": (_change_a_bit, "damaged"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "whole, but no code": (_no_code, "cannot be used"),
    "whole, but no object file": (_no_object, "cannot be used"),
    "whole, but another function's": (_other_function, "cannot be used"),
    "whole, but it calls what is not here": (_unknown_symbol, "nobody_has_it"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_of_no_use_is_replaced(folder, fault):
    spoil, word = FAULTS[fault]
    call()
    path = kept(folder)
    spoil(path)
    found, told = call()
    assert not found
    if word is None:
        assert told == []
    else:
        (line,) = told
        assert word in line and str(path) in line and "compiled anew: " in line
        assert "\n" not in line
    assert call() == (True, [])


def assert_cannot_be_kept(told, reason):
    (line,) = told
    assert line.startswith("compiled code cannot be kept (") and reason in line
    assert line.endswith(
        "let the environment variable NUMBA_CACHE_DIR name a folder that can be written"
    )


def _a_file(folder):
    folder.parent.write_text("")


def _a_folder_for_the_code(folder):
    call()
    _directory(kept(folder))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_a_file, "Not a directory"), (_a_folder_for_the_code, "Is a directory")],
    ids=["a file instead of the folder", "a folder instead of the file"],
)
def test_where_code_cannot_lie_every_process_compiles_and_says_what_to_do(folder, spoil, reason):
    spoil(folder)
    found, told = call()
    assert not found
    assert_cannot_be_kept(told, f"{folder}: {reason}")
    assert not list(folder.parent.glob("*/.*"))  # nothing half-written


@pytest.mark.parametrize(
    ("call_of_the_system", "number"),
    [
        ("mkdir", errno.EACCES),
        ("mkdir", errno.EROFS),
        ("replace", errno.EPERM),
        ("write", errno.ENOSPC),
        ("write", errno.EDQUOT),
        ("write", errno.EIO),
    ],
)
def test_what_the_system_refuses_is_told_in_its_words(
    folder, monkeypatch, call_of_the_system, number
):
    def refuse(*args, **options):
        raise OSError(number, os.strerror(number), str(args[0]))

    place, name = {
        "mkdir": (Path, "mkdir"),
        "replace": (os, "replace"),
        "write": (Path, "write_bytes"),
    }[call_of_the_system]
    with monkeypatch.context() as patch:
        patch.setattr(place, name, refuse)
        found, told = call()
    assert not found
    assert_cannot_be_kept(told, f"{folder}: {os.strerror(number)}")
    assert not list(folder.glob("*add_one*"))


def test_a_disk_that_fills_while_code_is_written_leaves_nothing_half_written(folder):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        found, told = call()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not found
    assert_cannot_be_kept(told, os.strerror(errno.EFBIG))
    assert [path.name for path in folder.iterdir()] == [cache.LOCK]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOENT])
def test_code_that_cannot_be_read_is_compiled_and_replaced(folder, monkeypatch, number):
    call()
    real = Path.open

    def refuse(path, *args, **options):
        if path.suffix == ".code":
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **options)

    before = kept(folder).stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        patch.setattr(Path, "write_bytes", lambda path, content: written_by(real, path, content))
        assert call() == (False, [])
    assert kept(folder).stat().st_ino != before
    assert call() == (True, [])


def written_by(open_, path, content):
    with open_(path, "wb") as file:
        file.write(content)


def test_code_of_a_stranger_is_not_run(folder, monkeypatch):
    call()
    monkeypatch.setattr(cache, "trusted", lambda about: False)
    assert call() == (False, [])


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners here")
def test_code_is_trusted_of_oneself_of_root_and_of_whoever_owns_the_package(monkeypatch):
    def of(owner):
        return os.stat_result((0, 0, 0, 0, owner, 0, 0, 0, 0, 0))

    me, package = os.getuid(), os.stat(cache.__file__).st_uid
    assert all(cache.trusted(of(owner)) for owner in (me, 0, package))
    assert not cache.trusted(of(max(me, package) + 1))


def test_code_goes_to_the_next_folder_where_the_first_takes_none_and_is_read_from_both(
    folder, monkeypatch, tmp_path
):
    file, next_one = tmp_path / "file", tmp_path / "next"
    file.write_text("")
    monkeypatch.setattr(cache, "folders", lambda: iter([file, next_one]))
    assert call() == (False, [])
    assert kept(next_one).exists()
    assert call() == (True, [])


def test_a_folder_that_vanishes_while_a_kernel_compiles_is_made_again(folder, monkeypatch):
    def remove_first(name, code, write=cache.write_code):
        (folder / cache.LOCK).unlink()
        folder.rmdir()
        write(name, code)

    monkeypatch.setattr(cache, "write_code", remove_first)
    assert call() == (False, [])
    assert call() == (True, [])


def test_code_with_addresses_of_one_process_in_it_is_never_made(folder, monkeypatch):
    from whygrad.engines.machine_code.exporting import _Exported

    def found(library):
        library._dynamic_globals.append("numba.dynamic.globals.0")

    monkeypatch.setattr(_Exported, "_finalize_dynamic_globals", found)
    with pytest.raises(ValueError, match="addresses"):
        tiny_kernel()(1)
    assert not list(folder.glob("*.code"))


def test_code_that_calls_what_only_numba_defines_is_never_made(folder):
    from numba import njit

    from whygrad.engines.native.compiling import cached_kernel

    def remainder(x):
        return x % 0.7

    expected = njit(remainder)(5.0)
    assert cached_kernel(remainder)(5.0) == expected  # C's own serves

    def prints(x):
        print(x)
        return x

    with pytest.raises(Exception, match=r"only Numba defines|NRT|nrt"):
        cached_kernel(prints)(5.0)


def test_warnings_that_are_errors_come_only_after_the_kernel_is_compiled(folder):
    _a_file(folder)
    kernel = tiny_kernel()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel(1) == 2
        with pytest.raises(wg.EngineWarning, match="cannot be kept"):
            cache.report()


def test_without_a_home_nothing_is_written_beside_the_work(monkeypatch, here):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert list(cache.folders()) == [Path(cache.__file__).parent / "__pycache__"]
    assert list(here.iterdir()) == []


def test_the_stamp_follows_every_number_that_is_compiled_in():
    """Kernels take in what these modules define; a change there must not run old machine code."""
    native = Path(cache.__file__).parents[1] / "native"
    outside = {
        line.split()[1]
        for path in native.glob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith("from whygrad.") and not line.startswith("from whygrad.engines.native")
        and any(word.strip(",").isupper() for word in line.split()[3:])
        and not line.startswith("from whygrad.engines.machine_code")  # which is in the stamp
        and path.name not in ("engine.py", "layout.py")  # Python, never compiled
    }  # fmt: skip
    assert outside == {"whygrad.nn.functions", "whygrad.plan.dropout", "whygrad.engines.probes"}


def test_a_package_in_a_zip_keeps_its_code_and_knows_its_sources(tmp_path):
    source = Path(wg.__file__).parent
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in source.rglob("*.py"):
            archive.write(path, Path("whygrad") / path.relative_to(source))
    code = (
        "import kernels; from whygrad.engines.machine_code import cache\n"
        "assert '.zip' in cache.__file__\n"
        "kernel = kernels.tiny_kernel(); kernel(1); cache.report()\n"
        "print(kernel.hits, cache.stamp_of_code())"
    )
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path / 'package.zip'}{os.pathsep}{Path(__file__).parent}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    environment.pop("NUMBA_CACHE_DIR", None)
    first, second = (
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.split()
        for _ in range(2)
    )  # fmt: skip
    assert (first[0], second[0]) == ("0", "1")
    assert first[1] == second[1] == cache.stamp_of_code()


# ── turns ────────────────────────────────────────────────────────────────────────────────────────────

HOLDER = """
import sys, kernels
from whygrad.engines.machine_code import cache
write = cache.write_code
def wait(name, code):
    print("compiled", flush=True)
    sys.stdin.readline()
    write(name, code)
cache.write_code = wait
assert kernels.tiny_kernel()(1) == 2
"""


@pytest.fixture
def holder(folder):
    """Another process that has compiled the kernel, and keeps it once it is told to."""
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(folder.parent),
        "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(Path(__file__).parent)]),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "compiled\n"
        yield process
        process.kill()


@pytest.fixture
def waits(monkeypatch):
    """What is done while the kernel waits: the first of the list at the first wait, and so on."""
    deeds = []
    monkeypatch.setattr(cache.time, "sleep", lambda seconds: deeds.pop(0)() if deeds else None)
    return deeds


needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks here")


@needs_locks
def test_a_process_waits_for_the_one_that_compiles_and_reads_what_it_leaves(holder, waits):
    def let_it_finish():
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.wait() == 0

    waits += [lambda: None, let_it_finish]
    assert call() == (True, [])
    assert waits == []


@needs_locks
def test_one_that_dies_while_it_compiles_keeps_nobody_waiting(holder, waits):
    def die():
        holder.kill()
        holder.wait()

    waits += [lambda: None, die]
    assert call() == (False, [])
    assert call() == (True, [])


@needs_locks
def test_one_that_never_ends_is_not_waited_for_without_a_bound(holder, waits, monkeypatch):
    monkeypatch.setattr(cache, "PATIENCE", 3 * cache.POLL)
    seen = []
    waits += [lambda: seen.append(1)] * 9
    assert call() == (False, [])
    assert len(seen) == 3
    assert call() == (True, [])


@needs_locks
def test_an_interrupt_while_waiting_is_not_lost(holder, waits):
    def interrupt():
        raise KeyboardInterrupt

    waits.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        tiny_kernel()(1)


@needs_locks
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_locks_do_not_work_nobody_waits(folder, waits, monkeypatch, number):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache.fcntl, "lockf", refuse)
    waits.append(lambda: pytest.fail("waited"))
    assert call() == (False, [])
    assert call() == (True, [])


@needs_locks
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["a folder", "a pipe"])
def test_a_lock_that_is_no_file_is_done_without(folder, make):
    folder.mkdir(parents=True)
    make(folder / cache.LOCK)
    assert call() == (False, [])
    assert call() == (True, [])


@needs_locks
def test_a_turn_ends_with_the_compiling_also_where_that_fails(folder):
    tiny_kernel()(1)
    assert cache.turn.closed
    kernel = tiny_kernel()
    kept(folder).unlink()
    with pytest.raises(Exception, match="str|unicode|add"):
        kernel(np.zeros(1, "U1"))
    cache.end_turn()
    assert cache.turn.closed
