"""The command `whygrad`: from a file to a trained network and back, without a line of Python.

Whatever goes wrong for a reason ends in one line on standard error and exit code 2; Ctrl-C ends in 130.
Standard output carries the result and nothing else.

    app         the commands; each is one function of a module here, imported when it is asked for
    train, columns, predict, show, runs, why, trained, studio    these functions, and what they take
    arguments, options, refs, rows      what was asked: options, whygrad.toml, a weight, rows
    answers, printing, facts            what is shown: an answer, scores, what a run is

The command line stands above all other folders and may import any of them.
"""

import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from whygrad.escaping import note

BAD_INPUT = 2
INTERRUPTED = 130  # 128 and the number of the signal, as shells have it
FLAGS = {
    "--json",
    "--overwrite",
    "--copy-data",
    "--probabilities",
    "--no-header",
    "--no-comparison",
}
_LIBRARIES = 230  # MB of address space beside BLAS, from this module on


def main() -> None:
    """Run the command line that the process was started with, and exit."""
    _open_streams()
    _prepare_streams()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget(sys.stdout)
    except OSError as error:
        _forget(sys.stdout)
        code = code or _complain(_refusal(error))
    try:
        sys.stderr.flush()
    except OSError:
        _forget(sys.stderr)
    sys.exit(code)


def _open_streams() -> None:
    """Open the standard streams that this process was started without.

    Otherwise the next file that is opened, a database say, gets the number of one and all that is
    written to it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _closed(number))


def _closed(number: int) -> TextIO:
    """Return a stream with nothing to read (0), that takes nothing (1), or that forgets everything (2)."""
    handle = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    os.set_inheritable(handle, True)
    return open(handle, "w" if number else "r", encoding="utf-8")


def _prepare_streams() -> None:
    """Write whatever a table holds: files and pipes get UTF-8, a terminal what it can show."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def run(words: Sequence[str]) -> int:
    """Run a command line, given as the words after `whygrad`, and return its exit code."""
    from whygrad.address_space import LITTLE, blas, refuse_without, spare

    try:
        if words and not {"--help", "-h", "--version"} & set(words):
            refuse_without(_LIBRARIES + blas(), "this command")
        from cyclopts import CycloptsError, UnknownOptionError, UnusedCliTokensError

        from whygrad.cli.app import app
        from whygrad.errors import WhygradError

        try:
            with _warnings_as_lines():
                code = app(_read_words(words), result_action="return_value")
            return code if isinstance(code, int) else 0
        except UnusedCliTokensError as error:
            more = " ".join(map(repr, error.unused_tokens or []))
            return _complain(f"one argument too many, or an option without its name: {more}")
        except UnknownOptionError as error:
            options = [name for known in error.argument_collection for name in known.names]
            return _complain(_unknown(error.token.keyword or error.token.value, options))
        except CycloptsError as error:
            return _complain(str(error).strip() or type(error).__name__)
        except SystemExit as error:  # what a library calls when it is done
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except BrokenPipeError:
            _forget(sys.stdout)  # the reader, `head` say, has seen enough
            return 0
        except WhygradError as error:
            return _complain(str(error))
        except OSError as error:  # of a library: who writes to a file makes a FileError of it
            if spare() < LITTLE:
                raise
            return _complain(_refusal(error))
    except KeyboardInterrupt:
        note("interrupted, nothing was written")
        return INTERRUPTED
    except MemoryError as error:
        reason = str(error) or "use a smaller network or smaller batches"
        return _complain(f"out of memory: {reason}")
    except Exception as error:
        if spare() >= LITTLE:
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        return _complain(f"out of memory, it seems ({reason}): raise the limit (ulimit -v)")


def _read_words(words: Sequence[str]) -> list[str]:
    """Return the words with a name for "-", the file of standard input, where it is no option's value.

    What `launch` runs is left as it is.
    """
    if words[:1] == ["launch"]:
        from whygrad.engines.xla.launcher import with_end_of_options

        return ["launch", *with_end_of_options(words[1:])]
    before = ["", *words]
    return [
        "/dev/stdin" if word == "-" and (not last.startswith("-") or last in FLAGS) else word
        for last, word in zip(before, words, strict=False)
    ]


def _refusal(error: OSError) -> str:
    if error.filename is None and error.errno == errno.EBADF:
        return "standard output is closed: send it to a file, or to /dev/null"
    return f"{error.filename or 'standard output'}: {error.strerror or error}"


def _unknown(option: str, options: Sequence[str]) -> str:
    """Return a message that there is no such option, and which one was meant."""
    from whygrad.errors import meant

    ours = meant(option.lstrip("-"), [known.lstrip("-") for known in options]).partition("=")[0]
    return f"Unknown option: {option}." + (f" Did you mean --{ours}?" if ours else "")


def _complain(message: str) -> int:
    """Write one line to standard error, and return the exit code of bad input."""
    note(message)
    return BAD_INPUT


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show whygrad's own warnings as lines, and none of its libraries'."""
    from whygrad.errors import DivergenceWarning, EngineWarning, RecordWarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, DivergenceWarning | EngineWarning | RecordWarning):
            note(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DivergenceWarning)
        warnings.simplefilter("always", EngineWarning)
        warnings.simplefilter("always", RecordWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _forget(stream: TextIO) -> None:
    """Keep Python from failing at its end over what a stream still holds and cannot write."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
