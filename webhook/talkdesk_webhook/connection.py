"""A connection with bounds on a request's head, which uvicorn itself does not limit.

Belongs here: size and time of a head, and the response to what isn't HTTP. Does not belong here: bodies (body).
"""

import asyncio
from typing import ClassVar

import orjson
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedConnection"]


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, which closes on heads that are too long or too slow."""

    max_head: ClassVar = 64 * 1024
    """Bytes; proxies in front allow 8 to 32 KiB."""
    head_timeout: ClassVar = 10.0
    """Seconds from the connection's beginning, or a later request's first byte, to the end of the head."""

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Start the timer for the first head."""
        super().connection_made(transport)
        self._expect_head()

    @override
    def data_received(self, data: bytes) -> None:
        """Count while a head is incomplete."""
        in_head = self._head_timer is not None
        if in_head and self._head_bytes > self.max_head:
            self._refuse(431, "the request's head is too large", "head_too_large")
            return
        if in_head:
            self._head_bytes += len(data)
        super().data_received(data)

    @override
    def on_message_begin(self) -> None:
        """Start the timer again for a request on a connection that is kept alive."""
        super().on_message_begin()
        if self._head_timer is None:
            self._expect_head()

    @override
    def on_headers_complete(self) -> None:
        """Stop the timer."""
        self._head_complete()
        super().on_headers_complete()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._head_complete()
        super().connection_lost(exc)

    @override
    def send_400_response(self, msg: str) -> None:
        """Respond to what isn't HTTP in the form of all other responses."""
        self._refuse(400, msg, "not_http")

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.head_timeout, self._head_overdue)

    def _head_complete(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        self._refuse(408, "the request's head did not arrive in time", "head_too_slow")

    def _refuse(self, status: int, error: str, reason: str) -> None:
        self._head_complete()
        if self.transport.is_closing():
            return
        body = orjson.dumps({"error": error, "reason": reason}) + b"\n"
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()
