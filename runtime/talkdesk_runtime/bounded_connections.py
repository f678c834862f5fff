"""Connections of a port beside a program's work: few, short requests, and no memory for whoever sends without end.

aiohttp keeps all of a request's trailers, and waits for as many connections as come. Nobody who asks for /healthz or
/metrics sends more than a few hundred bytes now and then.

Belongs here: bounds on connections, whatever is sent on them. Does not belong here: HTTP.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiohttp.http_exceptions import HttpProcessingError
from typing_extensions import override

__all__ = ["BoundedConnections", "quiet_logger"]

_MOST: Final = 64
"""Connections; beyond, the one that has been open longest is closed."""
_BURST: Final = 64 * 1024
_PER_SECOND: Final = 512
"""Bytes that a connection may bring: so many at first, and so many more with each second."""
_AGE: Final = 300.0
"""Seconds after which a connection is closed when its request is done."""
_GRACE: Final = 10.0
"""Seconds that this may take."""


class HttpConnection(Protocol):
    """What is needed of aiohttp's protocol."""

    def connection_made(self, transport: Any) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> Any: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...
    def close(self) -> None: ...


class BoundedConnections:
    """Makes the protocols of one port; call it for each connection."""

    def __init__(self, make: Callable[[], HttpConnection]) -> None:
        """Take what makes a protocol of HTTP."""
        self._make = make
        self.open: dict[_Bounded, None] = {}
        """The one that has been open longest first."""

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a connection."""
        return _Bounded(self._make(), self.open)


class _Bounded(asyncio.Protocol):
    def __init__(self, inner: HttpConnection, every: "dict[_Bounded, None]") -> None:
        self._inner = inner
        self._every = every
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # of a TCP server
        self._transport = transport
        self._every[self] = None
        if len(self._every) > _MOST:
            next(iter(self._every)).end()
        self._timer = self._loop.call_later(_AGE, self._close)
        self._inner.connection_made(transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > _BURST + _PER_SECOND * (self._loop.time() - self._began):
            self.end()
            return
        self._inner.data_received(data)

    @override
    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        return None

    @override
    def pause_writing(self) -> None:
        self._inner.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._inner.resume_writing()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._every.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        self._inner.connection_lost(exc)

    def end(self) -> None:
        """Close at once."""
        self._every.pop(self, None)
        self._transport.abort()

    def _close(self) -> None:
        self._timer = self._loop.call_later(_GRACE, self.end)
        self._inner.close()


class _NoBadRequests(logging.Filter):
    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def quiet_logger() -> logging.Logger:
    """Return a logger for aiohttp, which would write a line for each bad request that anybody sends."""
    logger = logging.getLogger("aiohttp.server.side_ports")
    if not logger.filters:
        logger.addFilter(_NoBadRequests())
    return logger
