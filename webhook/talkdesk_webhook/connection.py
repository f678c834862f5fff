"""A connection with bounds on what uvicorn itself does not limit, and an end that loses no request.

Belongs here: size, number and time of requests on one connection, and the response to what isn't HTTP. Does not belong
here: who may connect (acceptor), the content of bodies (body).
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from talkdesk_webhook.connection_limits import ConnectionLimits, ConnectionObserver, Unobserved

__all__ = ["LINGER", "BoundedConnection", "refusal"]

LINGER: Final = 1.0
"""Seconds for which a connection without a request stays open at the end, and for which what a refused sender still
sends is thrown away: closed at once, it might never see the response."""

_MOST_DISCARDED: Final = 4 * 1024 * 1024
"""Bytes of it."""
DEFAULT_LIMITS: Final = ConnectionLimits()
UNOBSERVED: Final = Unobserved()

_uvicorn_log = logging.getLogger("uvicorn.error.connection")
_uvicorn_log.setLevel(logging.ERROR)  # below are a line for each bad request, which whoever likes could cause


class _Response:
    """What a request's response is written to; closing it spares a sender that has not finished."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, which closes on requests that are too long or too slow."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        draining: Callable[[], bool] = lambda: False,
        observer: ConnectionObserver = UNOBSERVED,
    ) -> None:
        """Take the bounds, and whether responses close their connection because the process is about to end."""
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _uvicorn_log
        self._limits = limits
        self._draining = draining
        self._observer = observer
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_body = False
        self._overhead = 0
        """Bytes of the present request that are not its body."""
        self._fields = 0
        self._requests = 0
        self._discarding = False
        """Whether whatever still comes is thrown away."""
        self._discarded = 0
        self._received_at = self.loop.time()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Wait for the first head."""
        super().connection_made(transport)
        self._response = _Response(transport, self._close_after_response)
        self._observer.waits(self)
        self._wait(self._limits.header_time, self._head_overdue)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse, and count what is not a body."""
        if self._discarding:
            self._discarded += len(data)
            if self._discarded > _MOST_DISCARDED:
                self.transport.abort()
            return
        self._received_at = self.loop.time()
        self._overhead += len(data)
        super().data_received(data)
        if self._discarding:
            return
        if self._overhead > self._limits.header_bytes:
            self._refuse(431, "the request has too much beside its body", "head_too_large")
        elif self._timer is None and self.timeout_keep_alive_task is None:
            self._wait(self._limits.header_time, self._head_overdue)

    @override
    def on_message_begin(self) -> None:
        """Count anew."""
        super().on_message_begin()
        self._in_head = True
        self._fields = 0

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; drop what is too much, and trailers."""
        self._fields += 1
        if self._in_head and self._fields <= self._limits.header_fields:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        """Begin the request, if it may be."""
        self._in_head = False
        if self._discarding:
            return
        if self._fields > self._limits.header_fields:
            self._refuse(431, "the request has too many header fields", "too_many_fields")
            return
        self._in_body = True
        self._requests += 1
        self._observer.waits(self)
        self._unset_keepalive_if_required()
        super().on_headers_complete()
        self.cycle.transport = self._response  # type: ignore[assignment] # all that it uses
        self._wait(self._limits.request_time, self._request_overdue)
        if self._requests >= self._limits.requests or self._draining():
            self.cycle.keep_alive = False

    @override
    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._overhead -= len(body)
        if not self._discarding:
            super().on_body(body)
            self.flow.pause_reading()  # until somebody asks for more

    @override
    def on_message_complete(self) -> None:
        """Take note that nothing more comes."""
        self._in_body = False
        self._overhead = 0
        if self._discarding:
            return
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()
        if self._running() is not None:
            self._observer.works(self)
        else:  # the response came before the end of the request
            self._stop_waiting()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    @override
    def on_response_complete(self) -> None:
        """Go on with the next request; a body that nobody read is waited for only a moment."""
        super().on_response_complete()
        if self._running() is not None or self._discarding or self.transport.is_closing():
            return
        self._stop_waiting()
        self._observer.waits(self)
        if self._in_body:
            self._wait(LINGER, self._linger)
        elif self._in_head:
            self._wait(self._limits.header_time, self._head_overdue)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_waiting()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self.cycle is not None:
            self.cycle.body = bytearray()  # not only when garbage is collected, which takes thousands of connections
        self._observer.lost(self)

    def close_after_response(self) -> None:
        """Let a response that is not written yet close the connection."""
        cycle = self._running()
        if cycle is not None:
            cycle.keep_alive = False

    @override
    def shutdown(self) -> None:
        """Close as soon as no request is under way, also none that has only just begun to arrive."""
        if self._running() is not None:
            self.close_after_response()
            return
        if self.transport.is_closing() or self._discarding:
            return
        begun = self._in_head or self._overhead > 0 or self._bytes_wait()
        left = LINGER if begun else self._received_at + LINGER - self.loop.time()
        if left > 0:
            self.loop.call_later(left, self.shutdown)
        else:
            self.transport.close()

    @override
    def send_400_response(self, msg: str) -> None:
        """Respond to what isn't HTTP in the form of all other responses."""
        if not self._discarding:
            self._refuse(400, msg, "not_http")

    def evict(self) -> None:
        """Close at once, to make room for another connection."""
        self._observer.refused("evicted")
        self.transport.abort()

    def _running(self) -> RequestResponseCycle | None:
        """Return the request that is under way, the last one where they are pipelined."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _bytes_wait(self) -> bool:
        """Return whether something has arrived that was not read yet."""
        handle = self.transport.get_extra_info("socket")
        peer = socket.socket(fileno=handle.fileno())
        try:
            return bool(peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False
        finally:
            peer.detach()

    def _wait(self, seconds: float, overdue: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, overdue)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_overdue(self) -> None:
        self._refuse(408, "the request's head did not arrive in time", "head_too_slow")

    def _request_overdue(self) -> None:
        self._observer.refused("request_too_slow")
        self.transport.abort()

    def _refuse(self, status: int, error: str, reason: str) -> None:
        self._observer.refused(reason)
        if self.transport.is_closing():
            return
        cycle = self._running()
        if cycle is None:
            self.transport.write(refusal(status, error, reason))
        elif self._in_body and not cycle.response_started:
            self.transport.write(refusal(status, error, reason))
            cycle.disconnected = True
            cycle.message_event.set()
        self._linger()

    def _close_after_response(self) -> None:
        if self._in_body:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Throw away what still comes, for a moment, and close."""
        self._discarding = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait(LINGER, self.transport.abort)


def refusal(status: int, error: str, reason: str) -> bytes:
    """Return a whole response, for a connection that is closed after it."""
    body = orjson.dumps({"error": error, "reason": reason}) + b"\n"
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + body
