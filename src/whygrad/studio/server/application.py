"""NiceGUI's application, the page around the stage; no other file of the server imports NiceGUI."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from whygrad.studio.server.guard import Application
from whygrad.studio.server.serving import MESSAGE


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Import within as if these were not installed, where nobody has imported them yet."""
    unneeded = [name for name in names if name not in sys.modules]
    for name in unneeded:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in unneeded:
            del sys.modules[name]


# Its sockets' library loads clients where it finds them, a quarter of the time: they are for who connects
# to such a server from Python.
with _without("aiohttp", "requests"):
    import nicegui.run
    from fastapi import FastAPI
    from nicegui import core, ui

RECONNECT = 10.0  # seconds that a tab may be out of reach before its page is built anew

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<path d="M6 8 17 16M6 24 17 16 27 16" stroke="#7a828e" stroke-width="2" fill="none"/>'
    '<circle cx="6" cy="8" r="5" fill="#7c3aed"/><circle cx="6" cy="24" r="5" fill="#7c3aed"/>'
    '<circle cx="17" cy="16" r="5" fill="#15803d"/><circle cx="27" cy="16" r="5" fill="#1d4ed8"/></svg>'
)

_shown: list[Callable[[], None]] = []  # what builds the page now: a process has one NiceGUI


def application(session: Any, build: Callable[[Any], None]) -> Application:
    """Return the application that shows this session; a later one of the same process replaces it.

    `build(session)` makes the page of one tab, within NiceGUI's context.
    """
    _shown[:] = [lambda: build(session)]
    nicegui.run.reset()
    core.sio.eio.max_http_buffer_size = MESSAGE
    core.sio.eio.start_service_task = True  # looks after lost connections, in every loop anew
    # A tab that an earlier studio of this port had served, say, is nothing to tell.
    logging.getLogger("nicegui").setLevel(logging.ERROR)
    logging.getLogger("engineio.server").setLevel(logging.CRITICAL)
    return _parent()


@cache
def _parent() -> FastAPI:
    """Return the application around NiceGUI's; without FastAPI's own pages, which ask other hosts."""
    parent = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

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
