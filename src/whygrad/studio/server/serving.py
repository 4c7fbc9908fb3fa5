"""The server of the studio: one process, one port of this machine, one session that all tabs look at.

uvicorn speaks HTTP, the `Guard` stands before all, and a `Site` answers: first the stage, then the whole
page. It ends when its `Door` is told to.
"""

import threading
from asyncio import get_running_loop
from collections.abc import Callable
from socket import socket

import uvicorn

from whygrad.studio.server.connections import Prompt
from whygrad.studio.server.door import Door
from whygrad.studio.server.guard import Application, Guard, known_names
from whygrad.studio.server.site import Answer, Site

MESSAGE = 10_000_000  # bytes of a message from a page
PATIENCE = 2  # seconds that open tabs have to take their leave


def serve(
    door: Door,
    first_page: bytes,
    open_session: Callable[[], Answer],
    load_page: Callable[[], Application],
) -> None:
    """Serve a first page at once, and the whole one as soon as it is loaded, until told to stop.

    In a notebook, too, it ends when it is interrupted. What the loading raises is raised here, after the
    page was told.

    Parameters
    ----------
    door : Door
        Where to listen, and who is let in.
    first_page : bytes
        The page that there is until the whole one is loaded.
    open_session, load_page : callables
        As `Site` takes them.
    """
    site = Site(first_page, open_session, load_page, door.stop, lambda: door.ends)
    server = _server(Guard(site, door.entry, *known_names(door.host)))
    with door.leads_to(server):
        if not door.stopped:
            _run(server, door.listener)
    if site.error is not None:
        raise site.error


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


def _run(server: uvicorn.Server, listener: socket) -> None:
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
