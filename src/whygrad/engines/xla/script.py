"""A program as one of several processes: `script.py FILE …` or `script.py -m MODULE …`, as Python runs it.

Where it fails, before it has imported whygrad as well, the process says which one it is (`processes`).
Until then only Python's own library is imported: what has to be set before others is up to the program.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, ModuleType
from typing import Any

LAUNCHER = "WHYGRAD_LAUNCHER"  # the process that started this one, and that it ends with
INTERRUPTED = 130  # the exit code after Ctrl-C
PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that the kernel sends where the parent is gone
LOOK = 0.2  # seconds between two looks at the launcher, where no kernel tells of its end


def main() -> None:
    """Run the program that the arguments name."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # which a launcher holds back
        if LAUNCHER in os.environ:
            end_with(int(os.environ.pop(LAUNCHER)))
        sys.unraisablehook = _come_again
        del sys.argv[0]
        if sys.argv[0] == "-m":
            _run_module()
        else:
            _run_file()
    except KeyboardInterrupt:  # nobody is waited for, and the launcher says a line
        _flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    except SystemExit as error:
        if error.code == INTERRUPTED:  # nor after Ctrl-C here, of which a line is said already
            _flush()
            os._exit(INTERRUPTED)
        raise
    except Exception as error:
        if sys.excepthook is sys.__excepthook__:  # else the program's own, or ours, is there
            from whygrad.engines.xla import processes  # noqa: F401 - who is launched says so from here on

        trace = error.__traceback__
        while trace and _within(trace.tb_frame):
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)


def _run_file() -> None:
    path = os.path.abspath(sys.argv[0])
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__file__ = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, module.__dict__)


def _run_module() -> None:
    del sys.argv[0]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _flush() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()


def _come_again(ignored: Any) -> None:
    """Have Ctrl-C come again that met code whose errors Python ignores, as JAX does at a collection."""
    if isinstance(ignored.exc_value, KeyboardInterrupt):
        threading.Timer(LOOK, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(ignored)


def _within(frame: FrameType) -> bool:
    """Return whether a frame is of this module, or of how Python finds and runs one."""
    return frame.f_globals is globals() or frame.f_code.co_filename.startswith("<frozen ")


def end_with(launcher: int) -> None:
    """End this process as soon as the one that started it is gone, however that went.

    Linux sees to it at once. Elsewhere a thread looks, which code that keeps Python's lock can delay.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None or prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        threading.Thread(target=_look_at, args=(launcher,), daemon=True).start()
    if os.getppid() != launcher:  # it went before
        os._exit(1)


def _look_at(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(LOOK)
    os._exit(1)


if __name__ == "__main__":
    main()
