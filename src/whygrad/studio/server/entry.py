"""Who has the studio's token: it stands in the address that is printed, and nowhere afterwards.

Other users of a machine reach its ports as well as its owner does, so an address alone lets nobody in.
The token is exchanged once for a cookie that no script can read (`HttpOnly`) and no other site can
use (`SameSite=Strict`), and the page goes on to an address without it: no link, film or log has it.
"""

import hmac
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import parse_qs

QUERY = "token"
# A redirect would not do: its request still counts as one of the page that led here, from which a strict
# cookie is kept. The part of the address after # stays, since it says what is looked at.
LEAVE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>whygrad studio</title>
<script>location.replace(location.pathname + location.hash)</script>
"""


@dataclass(frozen=True)
class Entry:
    """The token of one studio at one port, and what the cookie holds in its place."""

    port: int
    token: str = field(default_factory=lambda: token_urlsafe(24), repr=False)
    secret: str = field(default_factory=lambda: token_urlsafe(24), repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies know hosts, not ports, and a machine may have several studios."""
        return f"whygrad-{self.port}"

    def address(self, base: str) -> str:
        """Return the address that lets in, from the one without a token."""
        return f"{base}?{QUERY}={self.token}"

    def has_token(self, method: str, path: str, query: bytes) -> bool:
        """Whether a request brings the token, to exchange it."""
        given = parse_qs(query.decode("latin-1")).get(QUERY, [])
        return method == "GET" and path == "/" and len(given) == 1 and _same(given[0], self.token)

    def has_cookie(self, cookies: Iterable[str]) -> bool:
        """Whether a request with these `Cookie` headers comes from who had the token."""
        found: SimpleCookie = SimpleCookie()
        for line in cookies:
            with suppress(CookieError):
                found.load(line)
        held = found.get(self.cookie)
        return held is not None and _same(held.value, self.secret)

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of the answer that takes the token and hands out the cookie."""
        cookie = f"{self.cookie}={self.secret}; HttpOnly; SameSite=Strict; Path=/"
        return (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"set-cookie", cookie.encode()),
        )


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


@contextmanager
def doorway(address: str) -> Iterator[str]:
    """Return the address of a file that leads a browser to `address`, and that only its owner can read.

    What a browser is started with stands in the list of processes, which every user of a machine can see.
    """
    handle, name = tempfile.mkstemp(prefix="whygrad-", suffix=".html")  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">\n')
        yield Path(name).as_uri()
    finally:
        with suppress(OSError):
            os.unlink(name)
