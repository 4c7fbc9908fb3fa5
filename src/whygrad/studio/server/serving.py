"""The server of the studio: one process, one port of this machine, one session that all tabs look at.

NiceGUI makes the page and uvicorn speaks HTTP; the `Guard` stands before both. It ends, and with it what
the session has started, when its `Door` is told to.
"""

import logging
import socket
import threading
from asyncio import get_running_loop
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import nicegui.run
import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import core, ui

from whygrad.studio.server.connections import Prompt
from whygrad.studio.server.door import Door
from whygrad.studio.server.guard import Guard, known_names

Answer = Callable[[str, Mapping[str, str]], tuple[str, bytes] | None]

MESSAGE = 10_000_000  # bytes of a message from a page
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


def serve(session: Session, build: Callable[[Any], None], answer: Answer, door: Door) -> None:
    """Serve the page that `build(session)` makes for every tab, until told to stop; then close the session.

    In a notebook, too, it ends when it is interrupted.

    Parameters
    ----------
    session : Session
        What the tabs look at.
    build : callable
        Makes the page of one tab, within NiceGUI's context.
    answer : callable
        Returns kind and content of what the page asks for below /stage/, None where there is nothing.
    door : Door
        Where to listen, and who is let in.
    """
    try:
        application = _application(session, build, answer)
        server = _server(Guard(application, door.entry, *known_names(door.host)))
        with door.leads_to(server):
            if not door.stopped:
                _run(server, door.listener)
    finally:
        session.close()


# ── the application ──────────────────────────────────────────────────────────────────────────────────

_shown: list[Callable[[], None]] = []  # what builds the page now: a process has one NiceGUI
_asked: list[Answer] = []  # and what answers it


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
