"""What a studio answers: the stage's numbers as soon as there is a session, and the page once it is loaded.

    /                 a first page, which is the stage alone; later the whole page
    /stage/whole      awaited by the first page: {} once the whole page is there, or why it will not be
    /stage/begin      POST: begin the training of a studio that was opened without a run
    /stage/pause      POST, as go, step and epoch: what a first page tells the training, which has no socket
    /stage/…          what `answer` has

NiceGUI takes as long to import as all the rest. So it is imported once the first page has drawn something
that moves, which is when that asks for the whole one, or after `HEAD_START` where no page comes.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import parse_qsl

from whygrad.studio.process.control import COMMANDS
from whygrad.studio.server.guard import Application, Message, Receive, Scope, Send

Answer = Callable[[str, Mapping[str, str]], tuple[str, bytes] | None]

HEAD_START = 1.5  # seconds that a first page has to draw before the rest is loaded
LOOK = 0.1  # seconds between two looks at whether it ends before it is loaded
STAGE = "/stage/"
POSTED = ("begin", *COMMANDS)  # what changes something
READ = ("GET", "HEAD")
NOTHING = b"there is nothing here\n"


class Site:
    """An ASGI application that is complete some time after it has begun to answer.

    `open_session` returns what answers below /stage/, and `load_page` the application of all else: each is
    called once, in a thread. Where one of them raises, `error` is it, and `failed` is called. Who waits for
    what is still loading is answered once the studio `ended`.
    """

    def __init__(
        self,
        first_page: bytes,
        open_session: Callable[[], Answer],
        load_page: Callable[[], Application],
        failed: Callable[[], None],
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.error: Exception | None = None
        self._first_page, self._failed, self._ended = first_page, failed, ended
        self._open_session, self._load_page = open_session, load_page
        self._answer: Answer | None = None
        self._page: _Lived | None = None
        self._opened, self._drawn, self._whole = (asyncio.Event() for _ in range(3))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, at once or when what it asks for is there."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        http, path = scope["type"] == "http", scope["path"]
        if http and path.startswith(STAGE):
            await self._staged(scope, path.removeprefix(STAGE), send)
        elif http and path == "/" and scope["method"] in READ and not self._whole.is_set():
            await _send(send, 200, "text/html; charset=utf-8", self._first_page)
        else:
            await self._come(self._whole)
            if self._page is not None:
                await self._page.application(scope, receive, send)
            elif http:
                await _send(send, 503, "text/plain; charset=utf-8", f"{self._why()}\n".encode())
            else:
                await send({"type": "websocket.close", "code": 1011})

    async def _staged(self, scope: Scope, path: str, send: Send) -> None:
        if scope["method"] not in (("POST",) if path in POSTED else READ):
            await _send(send, 405, "text/plain", b"not in this way\n")
            return
        if path == "whole":
            self._drawn.set()
            await self._come(self._whole)
            about = {} if self._page is not None else {"error": self._why()}
            await _send(send, 200, "application/json", json.dumps(about).encode())
            return
        await self._come(self._opened)
        found = None
        if self._answer is not None:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            found = await asyncio.to_thread(self._answer, path, query)
        elif self.error is not None:
            found = "application/json", json.dumps({"error": self._why()}).encode()
        if found is None:
            await _send(send, 404, "text/plain", NOTHING)
        else:
            await _send(send, 200, *found)

    async def _come(self, event: asyncio.Event) -> None:
        """Wait until something is loaded, or the studio ends before it is."""
        while not (event.is_set() or self._ended()):
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), LOOK)

    def _why(self) -> str:
        return (
            f"the studio cannot be loaded: {self.error}" if self.error else "the studio has ended"
        )

    # ── from the beginning to the end ──

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        loading = asyncio.create_task(self._load())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        loading.cancel()  # what its thread is at comes to an end before the event loop does
        with suppress(asyncio.CancelledError):
            await loading
        if self._page is not None:
            await self._page.end()
        await send({"type": "lifespan.shutdown.complete"})

    async def _load(self) -> None:
        try:
            self._answer = await asyncio.to_thread(self._open_session)
            self._opened.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drawn.wait(), HEAD_START)
            page = _Lived(await asyncio.to_thread(self._load_page))
            await page.begin()
            self._page = page
        except Exception as error:
            self.error = error
            self._failed()
        finally:  # whoever waits is told
            self._opened.set()
            self._whole.set()


class _Lived:
    """An application whose life begins and ends within that of another (ASGI's lifespan)."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._life: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Begin its life; raises where it says that it cannot."""
        self._life = asyncio.ensure_future(self._live())
        await self._tell("startup")

    async def end(self) -> None:
        """End its life."""
        await self._tell("shutdown")
        if self._life is not None:
            await self._life

    async def _live(self) -> None:
        """Live, and say so where that is over: who waits for an answer would wait for ever else."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        over: Message = {"type": "lifespan.over"}
        try:
            await self.application(scope, self._told.get, self._said.put)
        except Exception as error:
            over["message"] = f"{type(error).__name__}: {error}"
        await self._said.put(over)

    async def _tell(self, what: str) -> None:
        await self._told.put({"type": f"lifespan.{what}"})
        said = await self._said.get()
        if said["type"] != f"lifespan.{what}.complete":
            message = said.get("message", "").strip().rpartition("\n")[2]  # of a traceback the end
            raise RuntimeError(message or f"it does not come to its {what}")


async def _send(send: Send, status: int, kind: str, content: bytes) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
