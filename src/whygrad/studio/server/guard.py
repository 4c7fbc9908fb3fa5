"""Who may speak to the studio, how much at once, and which files it may open.

A page of any other site can send requests to this machine: from a browser that shows it, or under a name
that it lets point here (DNS rebinding). So a request must name this server in `Host`, and where the browser
says which page sent it (`Origin`, `Sec-Fetch-Site`), that must be the studio's own; RFC 6454, Fetch
Metadata. What a proxy would add is not believed. Browsers are told to ask no other host for anything
(`POLICY`), so that nothing of the data can leave by the page. And it must come from who had the token
(`entry`), which other users of this machine have not.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from whygrad.errors import FileError
from whygrad.studio.server.entry import LEAVE, Entry

LOG = logging.getLogger("whygrad.studio")
LIMIT = 100_000_000  # bytes that one request may hold
DRAINED = 20  # limits' worth of a refused request that are read, so that the answer arrives
BODY = 20.0  # seconds between two pieces of a request
STRANGER = (
    "this studio is its owner's: open it at the whole address that it has printed, token and all"
)
LOCAL = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")

# Vue compiles its templates in the browser (eval).
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Guard:
    """An ASGI application that lets pass what comes from the studio's own page, and is not too large.

    `names` are those this server has, in lower case; with `numeric` any address in numbers is one as well,
    which no page of another site can have as its name.
    """

    app: Application
    entry: Entry
    names: frozenset[str] = frozenset(LOCAL)
    numeric: bool = False
    limit: int = LIMIT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        scope = {**scope, "headers": [pair for pair in scope["headers"] if not _of_a_proxy(pair)]}
        found = _by_name(scope["headers"])
        problem = self.problem(found)
        stranger = not self.entry.has_cookie(found.get("cookie", []))
        if scope["type"] == "websocket":
            if problem or stranger:
                reason = problem or STRANGER
                await send({"type": "websocket.close", "code": 1008, "reason": reason})
            else:
                await self._wired(scope, receive, send)
        elif problem:
            await _refuse(403, problem, receive, send, self.limit)
        elif self.entry.has_token(scope["method"], scope["path"], scope["query_string"]):
            await send(_start(200, self.entry.headers))
            await send({"type": "http.response.body", "body": LEAVE})
        elif stranger:
            await _refuse(401, STRANGER, receive, send, 0)
        else:
            await self._measured(scope, _timed(receive), send)

    def problem(self, found: dict[str, list[str]]) -> str:
        """Explain why a request with these headers is refused whoever sends it, or "" where it is not."""
        hosts, origins = found.get("host", []), found.get("origin", [])
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return (
                f"this is not {_shown(hosts)}: open the studio at the address that it has printed"
            )
        if origins and origins != [f"http://{hosts[0].lower()}"]:
            return f"a page of {_shown(origins)} may not use the studio"
        sites, modes = found.get("sec-fetch-site", []), found.get("sec-fetch-mode", [])
        if {"cross-site", "same-site"}.intersection(sites) and modes != ["navigate"]:
            return "a page of another site may not use the studio"
        return ""

    def _is_own(self, host: str) -> bool:
        name, port = _split_host(host)
        if port != self.entry.port:
            return False
        return name in self.names or (self.numeric and _is_numeric(name))

    async def _wired(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the messages of a websocket on; those that mean nothing end it, and it alone.

        What the page's own events come to is caught where they are handled: what arrives here is only
        that a message could not be read.
        """
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            LOG.debug("a websocket was ended: %s", type(error).__name__)
            with suppress(Exception):  # it may be closed already
                await send({"type": "websocket.close", "code": 1002})

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on while it is not too large: what it says of its size, and what it holds."""
        line = (
            f"more than {self.limit // 1_000_000:,} MB at once: train on larger files with "
            "`whygrad train FILE`, and open the run that it writes"
        )
        sizes = _by_name(scope["headers"]).get("content-length", [])
        if any(not size.isdecimal() or len(size) > 15 or int(size) > self.limit for size in sizes):
            await _refuse(413, line, receive, send, self.limit)
            return
        taken, refused, started = 0, False, False

        async def counted() -> Message:
            nonlocal taken, refused
            if refused:
                return {"type": "http.disconnect"}
            message = await receive()
            taken += len(message.get("body", b""))
            if taken <= self.limit:
                return message
            refused = True
            if not started:
                await _refuse(413, line, receive, send, self.limit)
            return {"type": "http.disconnect"}

        async def answered(message: Message) -> None:
            nonlocal started
            if refused:
                return
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            await self.app(scope, counted, answered)
        except Exception:
            if not refused:  # else it is only that the rest of the request was kept from it
                raise


async def _refuse(status: int, line: str, receive: Receive, send: Send, limit: int) -> None:
    """Answer with one line, and read on: a client that is still sending would not see the answer else."""
    headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"))
    await send(_start(status, headers))
    await send({"type": "http.response.body", "body": f"{line}\n".encode(), "more_body": True})
    drained, more, receive = 0, True, _timed(receive)
    while more and drained <= DRAINED * limit:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    await send({"type": "http.response.body", "body": b""})


def _start(status: int, headers: Iterable[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [*headers, *HEADERS]}


def _timed(receive: Receive) -> Receive:
    """Take the next piece of a request for the client's leave where it does not come in time."""
    more = True

    async def timed() -> Message:
        nonlocal more
        if not more:  # the request is whole: what is awaited now is that the client leaves
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY)
        except TimeoutError:
            more, message = False, {"type": "http.disconnect"}
        more = more and message.get("more_body", False)
        return message

    return timed


def known_names(host: str) -> tuple[frozenset[str], bool]:
    """Return the names of a server that listens on `host`, and whether numeric addresses are among them.

    >>> known_names("127.0.0.1") == (frozenset({"127.0.0.1", "localhost", "::1"}), False)
    True
    """
    if host in EVERYWHERE:
        own = socket.gethostname().lower()
        return frozenset([*LOCAL, own, f"{own}.local"]), True
    return frozenset([*LOCAL, host.lower().strip("[]")]), False


def _split_host(host: str) -> tuple[str, int]:
    """Take what stands in `Host` apart into a name, in lower case, and a port; -1 where it is none.

    >>> _split_host("localhost:8750"), _split_host("[::1]:8750"), _split_host("Example.org")
    (('localhost', 8750), ('::1', 8750), ('example.org', 80))
    """
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        name, port = host, "80"
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    good = port.isascii() and port.isdecimal() and len(port) <= 5
    return name.lower(), int(port) if good else -1


def confined(path: str | PathLike[str], folder: str | PathLike[str]) -> Path:
    """Return the real path of a path that lies in a folder, relative ones counted from there.

    Raises `FileError` for one that leads out, by `..`, from the root, or by a link; there need be no file.

    >>> confined("../secret.csv", "/tmp")
    Traceback (most recent call last):
    whygrad.errors.FileError: ../secret.csv: not in the folder that the studio was started in
    """
    try:
        root = Path(folder).resolve()
        real = (root / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise FileError(f"{str(path)!r:.200}: cannot be read ({error})") from None
    if not real.is_relative_to(root):
        raise FileError(f"{path!s:.200}: not in the folder that the studio was started in")
    return real


def _is_numeric(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
    return found


def _of_a_proxy(pair: tuple[bytes, bytes]) -> bool:
    return pair[0].lower() == b"forwarded" or pair[0].lower().startswith(b"x-forwarded-")


def _shown(values: list[str]) -> str:
    return ascii(", ".join(values))[:80] if values else "a server without a name"
