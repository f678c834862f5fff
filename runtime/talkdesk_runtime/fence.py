"""A fence around what only a leader may do: requests that change something, up to the moment in which they are sent.

Belongs here: whether such a request may be sent now. Does not belong here: who is the leader (the operator's
`process.leader_election` opens the fence and shuts it).

A process that was stopped (SIGSTOP, a frozen container, a machine that slept) goes on in the middle of whatever it did,
and no timer has told it yet that its leadership ended meanwhile. So time is looked at again as late as can be: when the
request has its connection, right before its bytes are written. What the kernel already has, nobody can recall. A stop
between the look and the writing is beyond a fence; where a signal tells of its end, the operator's
`process.last_resort` ends the process before the next line.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import ClientRequest
from typing_extensions import override

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import Connection

__all__ = ["Fence", "FencedOff", "FencedRequest", "sending_within"]


class FencedOff(aiohttp.ClientConnectionError):
    """A request was not sent, because this process may not be the leader any more.

    One of aiohttp's errors of connections, so that it becomes in each adapter what a request is that was not sent.
    """


class Fence:
    """Open until a moment that each renewal moves on; shut for good after that, or by `shut`."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        """Take a clock that goes on while process or machine is stopped; the fence is shut at first."""
        self._elapsed = elapsed
        self._until: float | None = None
        self._shut = False
        self._expired = False

    def open_until(self, moment: float) -> None:
        """Let requests be sent until that moment of the clock. Once shut, it stays so."""
        if self._until is None or not self.is_shut():
            self._until = moment

    def shut(self) -> None:
        """Let nothing be sent any more."""
        self._shut = self._shut or not self.has_expired()

    def left(self) -> float:
        """Return the seconds until it shuts by itself; 0 when it is shut."""
        if self._until is None or self.is_shut():
            return 0.0
        return max(0.0, self._until - self._elapsed())

    def is_shut(self) -> bool:
        """Return whether nothing may be sent; what has expired never opens again."""
        return self._shut or self._until is None or self.has_expired()

    def has_expired(self) -> bool:
        """Return whether its time ran out before anybody shut it, so that what is in hand may come too late."""
        if not self._shut and self._until is not None and self._until <= self._elapsed():
            self._expired = True
        return self._expired

    def check(self) -> None:
        """Raise FencedOff when nothing may be sent."""
        if self.is_shut():
            raise FencedOff("nothing was sent, because this process may not be the leader any more")


_FENCE: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def sending_within(fence: Fence | None) -> Iterator[None]:
    """Have the fence asked before each request of a session with FencedRequest that is sent in this block."""
    token = _FENCE.set(fence)
    try:
        yield
    finally:
        _FENCE.reset(token)


class FencedRequest(ClientRequest):
    """The `request_class` of a session: asks the fence when the connection is there, before anything is written.

    It is asked twice, because before Python 3.12 headers and body are written in a task of their own, and the process
    may be stopped in between.
    """

    @override
    async def send(self, conn: "Connection") -> "ClientResponse":
        _check()
        return await super().send(conn)

    @override
    async def write_bytes(
        self, writer: "AbstractStreamWriter", conn: "Connection", content_length: int | None = None
    ) -> None:
        try:
            _check()
        except FencedOff as error:
            if conn.protocol is not None:
                conn.protocol.set_exception(error)  # what waits for the response gets it
            return
        await super().write_bytes(writer, conn, content_length)


def _check() -> None:
    fence = _FENCE.get()
    if fence is not None:
        fence.check()
