"""The studio's door: the port it listens at, its address, and the signals that end it.

It opens before anything is loaded that is served, so that a browser is on its way meanwhile; who connects
waits until there is an answer.
"""

import errno
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from whygrad.errors import InputError
from whygrad.escaping import note, write
from whygrad.studio.server.entry import Entry, doorway
from whygrad.studio.server.guard import EVERYWHERE, LOCAL

PORTS = 100  # that are tried, from the one asked for

_OPEN = threading.Lock()  # a process has one studio


class Server(Protocol):
    """What ends once it should."""

    should_exit: bool


@dataclass
class Door:
    """Where a studio listens, and who is let in; `stopped` once it was told to end."""

    host: str
    listener: socket.socket
    entry: Entry
    stopped: bool = False
    server: Server | None = None

    @contextmanager
    def leads_to(self, server: Server) -> Iterator[None]:
        """Stop a server with the block as soon as this is stopped."""
        self.server = server
        try:
            yield
        finally:
            self.server = None

    @property
    def ends(self) -> bool:
        """Whether it was told to end, by a signal that the server has caught as well."""
        return self.stopped or (self.server is not None and self.server.should_exit)

    def stop(self, *_: Any) -> None:
        """End what is served."""
        self.stopped = True
        if self.server is not None:
            self.server.should_exit = True


def _say(line: str) -> None:
    with suppress(OSError):  # who cannot be told where it is may know
        write(f"{line}\n", sys.stdout)
        sys.stdout.flush()


@contextmanager
def opened(
    host: str = "127.0.0.1",
    port: int = 8750,
    *,
    show: bool = True,
    say: Callable[[str], None] = _say,
) -> Iterator[Door]:
    """Listen, tell the address, and open a browser; until the end of the block signals stop the door.

    Parameters
    ----------
    host, port : str, int
        The address to listen at. Where the port is in use the next free one is taken; 0 is any free one.
    show : bool
        Whether to open a browser.
    say : callable
        Is told the address.

    Raises
    ------
    InputError
        For a host or a port that cannot be had.
    """
    with _listening(host, port) as listener, _alone(), ExitStack() as stack:
        taken = listener.getsockname()[1]
        if taken != port != 0:
            note(f"port {port} is in use, so it is port {taken}")
        if host not in LOCAL:
            note(
                f"what a browser and {host} say to each other can be read on the way, the token too: "
                "use a network that you trust"
            )
        door = Door(host, listener, Entry(taken))
        address = door.entry.address(f"http://{_in_address(host)}:{taken}/")
        stack.enter_context(_stopped_by_signals(door))
        say(f"The studio is at {address} (Ctrl-C ends it)")
        if show and _has_browser():
            way = stack.enter_context(doorway(address))
            threading.Thread(target=webbrowser.open, args=(way,), daemon=True).start()
        yield door


@contextmanager
def _alone() -> Iterator[None]:
    if not _OPEN.acquire(blocking=False):
        raise InputError("a studio is open in this process already: end it first")
    try:
        yield
    finally:
        _OPEN.release()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a port, or on the next one that is free; who connects waits until there is an answer."""
    if not 0 <= port <= 65535:
        raise InputError(f"port {port}: a port is a whole number from 0 to 65535")
    nowhere = InputError(f"host {host!r}: not an address of this machine, as 127.0.0.1 is")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise nowhere from None
    family, (name, _, *more) = found[0], found[4]
    for number in range(port, min(port + PORTS, 65536)):
        listener = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":  # where it means that two may listen at once
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((name, number, *more))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                continue
            if error.errno == errno.EADDRNOTAVAIL:
                raise nowhere from None
            reason = error.strerror or str(error)
            raise InputError(
                f"cannot listen on {host} at port {number} ({reason.lower()})"
            ) from None
        with listener:
            yield listener
        return
    raise InputError(f"ports {port} to {number} are all in use: give another one")


def _in_address(host: str) -> str:
    name = "127.0.0.1" if host in EVERYWHERE else host.strip("[]")
    return f"[{name}]" if ":" in name else name


def _has_browser() -> bool:
    """Whether there is a screen to open a browser on, not one that would take the terminal."""
    if sys.platform in ("darwin", "win32") or os.environ.get("BROWSER"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def _stopped_by_signals(door: Door) -> Iterator[None]:
    """Stop at Ctrl-C, `kill` and the end of the terminal; signals that are ignored stay ignored.

    uvicorn raises what has stopped it once more when it is done, to whom it was meant for: here nobody.
    """
    main = threading.current_thread() is threading.main_thread()  # the only one to have handlers
    names = ("SIGINT", "SIGTERM", "SIGHUP") if main else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, door.stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
