"""Connections that must get to the point: a request's head within some seconds, and not too many waiting.

uvicorn lets a connection that begins a request take as long as it likes, and hold one of the process's
files. Here it has `HEAD` seconds for the head, and of those still at it the oldest make room for the new.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0  # seconds for the head of a request, from its connection or its first byte
MOST = 128  # connections that may be at it at once

waiting: dict["Prompt", asyncio.TimerHandle] = {}  # the oldest first; a process has one studio


class Prompt(H11Protocol):
    """A connection that is closed where the head of a request does not come in time."""

    def connection_made(self, transport: Any) -> None:
        """Await the first request."""
        super().connection_made(transport)
        if len(waiting) >= MOST:
            next(iter(waiting)).give_up()
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what came, and go on waiting while it is no whole head."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._await_nothing()
        elif self not in waiting and self.timeout_keep_alive_task is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._await_nothing()
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Close the connection."""
        self._await_nothing()
        self.transport.abort()

    def _await_head(self) -> None:
        waiting[self] = self.loop.call_later(HEAD, self.give_up)

    def _await_nothing(self) -> None:
        timer = waiting.pop(self, None)
        if timer is not None:
            timer.cancel()
