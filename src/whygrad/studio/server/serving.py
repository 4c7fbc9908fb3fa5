"""The server of the studio: one process, one port of this machine, one session that all tabs look at.

NiceGUI makes the page and uvicorn speaks HTTP; the `Guard` stands before both. It ends, and with it what
the session has started, by Ctrl-C, when the process is told to, or when its terminal goes away.
"""

import errno
import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from asyncio import get_running_loop
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any, Protocol

import nicegui.run
import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import core, ui

from whygrad.errors import InputError
from whygrad.escaping import note, write
from whygrad.studio.server.connections import Prompt
from whygrad.studio.server.entry import Entry, doorway
from whygrad.studio.server.guard import EVERYWHERE, LOCAL, Guard, known_names

Answer = Callable[[str, Mapping[str, str]], tuple[str, bytes] | None]

PORTS = 100  # that are tried, from the one asked for
MESSAGE = 10_000_000  # bytes of a message from a page, which returns the drawing with every gesture
PATIENCE = 2  # seconds that open tabs have to take their leave
RECONNECT = 10.0  # seconds that a tab may be out of reach before its page is built anew

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<path d="M6 8 17 16M6 24 17 16 27 16" stroke="#7a828e" stroke-width="2" fill="none"/>'
    '<circle cx="6" cy="8" r="5" fill="#7c3aed"/><circle cx="6" cy="24" r="5" fill="#7c3aed"/>'
    '<circle cx="17" cy="16" r="5" fill="#15803d"/><circle cx="27" cy="16" r="5" fill="#1d4ed8"/></svg>'
)


class Session(Protocol):
    """What the tabs look at."""

    def close(self) -> None:
        """End all that was started: called once, after the last tab was sent away."""


def _say(line: str) -> None:
    with suppress(OSError):  # who cannot be told where it is may know
        write(f"{line}\n", sys.stdout)
        sys.stdout.flush()


def serve(
    session: Session,
    build: Callable[[Any], None],
    answer: Answer = lambda path, query: None,
    *,
    host: str = "127.0.0.1",
    port: int = 8750,
    show: bool = True,
    say: Callable[[str], None] = _say,
) -> None:
    """Serve the page that `build(session)` makes for every tab, until Ctrl-C; then close the session.

    In a notebook, too, it ends when it is interrupted.

    Parameters
    ----------
    session : Session
        What the tabs look at.
    build : callable
        Makes the page of one tab, within NiceGUI's context.
    answer : callable
        Returns kind and content of what the page asks for below /stage/, None where there is nothing.
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
    try:
        with _listening(host, port) as listener, _alone():
            taken = listener.getsockname()[1]
            if taken != port != 0:
                note(f"port {port} is in use, so it is port {taken}")
            if host not in LOCAL:
                note(
                    f"what a browser and {host} say to each other can be read on the way, the token too: "
                    "use a network that you trust"
                )
            names, numeric = known_names(host)
            entry = Entry(taken)
            server = _server(Guard(_application(session, build, answer), entry, names, numeric))
            address = entry.address(f"http://{_in_address(host)}:{taken}/")
            with _stopped_by_signals(server), ExitStack() as stack:
                say(f"The studio is at {address} (Ctrl-C ends it)")
                if show and _has_browser():
                    door = stack.enter_context(doorway(address))
                    threading.Thread(target=webbrowser.open, args=(door,), daemon=True).start()
                _run(server, listener)
    finally:
        session.close()


# ── the port ─────────────────────────────────────────────────────────────────────────────────────────


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


# ── the application ──────────────────────────────────────────────────────────────────────────────────

_OPEN = threading.Lock()
_shown: list[Callable[[], None]] = []  # what builds the page now: a process has one NiceGUI
_asked: list[Answer] = []  # and what answers it


@contextmanager
def _alone() -> Iterator[None]:
    if not _OPEN.acquire(blocking=False):
        raise InputError("a studio is open in this process already: end it first")
    try:
        yield
    finally:
        _OPEN.release()


def _application(session: Any, build: Callable[[Any], None], answer: Answer) -> FastAPI:
    """Return the application that shows this session; a later one of the same process replaces it."""
    _shown[:], _asked[:] = [lambda: build(session)], [answer]
    nicegui.run.reset()
    core.sio.eio.max_http_buffer_size = MESSAGE
    core.sio.eio.start_service_task = (
        True  # which looks after lost connections, in every event loop anew
    )
    # A tab that an earlier studio of this port had served, say, is nothing to tell.
    logging.getLogger("nicegui").setLevel(logging.ERROR)
    logging.getLogger("engineio.server").setLevel(logging.CRITICAL)
    return _parent()


@cache
def _parent() -> FastAPI:
    """Return the application around NiceGUI's; without FastAPI's own pages, which ask other hosts."""
    parent = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @parent.get("/stage/{path:path}")
    def stage(path: str, request: Request) -> Response:
        found = _asked[-1](path, request.query_params)
        if found is None:
            return Response(status_code=404)
        kind, content = found
        return Response(content, media_type=kind, headers={"cache-control": "no-store"})

    @ui.page("/")
    def page() -> None:
        _shown[-1]()

    ui.run_with(
        parent,
        title="whygrad studio",
        favicon=ICON,
        dark=None,
        tailwind=False,  # whose styles come from a script, when the page is there already
        reconnect_timeout=RECONNECT,
        gzip_middleware_factory=None,
        show_welcome_message=False,
    )
    return parent


# ── the server ───────────────────────────────────────────────────────────────────────────────────────


def _server(guard: Guard) -> uvicorn.Server:
    config = uvicorn.Config(
        guard,
        lifespan="on",
        http=Prompt,
        ws="wsproto",
        ws_max_size=MESSAGE,
        log_config=None,
        log_level="error",  # what a client sends that is no HTTP is for the client to be told
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    return uvicorn.Server(config)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run until told to stop; where there is an event loop already, as in a notebook, in a thread."""
    if not _in_a_loop():
        server.run(sockets=[listener])
        return
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    thread.join()


def _in_a_loop() -> bool:
    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Stop the server at Ctrl-C, `kill` and the end of the terminal; signals that are ignored stay ignored.

    uvicorn raises what has stopped it once more when it is done, to whom it was meant for: here nobody.
    """

    def stop(*_: Any) -> None:
        server.should_exit = True

    main = threading.current_thread() is threading.main_thread()  # the only one to have handlers
    names = ("SIGINT", "SIGTERM", "SIGHUP") if main else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
