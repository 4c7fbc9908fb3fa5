"""An end for what would wait for ever, so that it fails instead."""

import signal
from contextlib import contextmanager

SECONDS = 60  # for what takes a moment, on a machine that does much else


@contextmanager
def bounded(what):
    """End what waits for ever."""

    def end(*about):
        raise AssertionError(f"{what} does not end")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
