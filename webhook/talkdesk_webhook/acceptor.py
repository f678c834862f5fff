"""Who may connect, before a byte is read: allowed sources, limits on connections, and TLS.

Belongs here: a connection until it is one of HTTP, and making room when there are too many. Does not belong here:
requests (connection).
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.server import ServerState

from talkdesk_webhook.connection import LINGER, BoundedConnection, refusal
from talkdesk_webhook.connection_limits import ConnectionLimits, Evictable
from talkdesk_webhook.connection_reports import ConnectionReports
from talkdesk_webhook.sources import Refusal, Sources

__all__ = ["Acceptor"]

_TLS_SHUTDOWN: Final = 2.0
"""Seconds for a peer to confirm the end of TLS, which most don't."""
_MOST_LINGERING: Final = 64
_RESPONSES: Final = {
    Refusal.FORBIDDEN: (403, "connections from this address are not allowed"),
    Refusal.SOURCE_LIMIT: (429, "too many connections from this address"),
    Refusal.LIMIT: (503, "too many connections"),
}


class Acceptor:
    """Makes the protocol of each connection; uvicorn calls it like the class of one."""

    def __init__(
        self,
        sources: Sources,
        reports: ConnectionReports,
        *,
        limits: ConnectionLimits,
        draining: Callable[[], bool],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sources = sources
        self.reports = reports
        self.limits = limits
        self.draining = draining
        self.tls = tls
        self.waiting: dict[Evictable, None] = {}
        """Connections without a whole request, the one that has waited longest first."""
        self.lingering = 0
        """Connections that were refused and may still read why."""
        self.handshakes = set[asyncio.Task[None]]()

    def __call__(
        self,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """Return the protocol of a connection that was just accepted."""
        return _Accepted(self, config, server_state, app_state)

    def refusal(self, peer: str) -> Refusal | None:
        """Return why a connection is refused, or None; makes room if only that is missing."""
        refusal = self.sources.refusal(peer)
        if refusal is not Refusal.LIMIT or not self.waiting:
            return refusal
        longest = next(iter(self.waiting))
        del self.waiting[longest]
        longest.evict()
        return None


class _Accepted(asyncio.Protocol):
    """One connection: refused, or handed on when its TLS is there, and then what is told about it."""

    def __init__(self, acceptor: Acceptor, config: Config, state: ServerState, app_state: dict[str, Any]) -> None:
        self._acceptor = acceptor
        self._config = config
        self._state = state
        self._app_state = app_state
        self._peer = ""
        self._admitted = False
        self._lingers = False
        self._closes = False
        self._socket: socket.socket | None = None
        self._made: BoundedConnection | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        refusal = self._acceptor.refusal(self._peer)
        if refusal is not None:
            self._refuse(transport, refusal)
            return
        self._admitted = True
        self._acceptor.sources.add(self._peer)
        self._acceptor.reports.opened()
        if self._acceptor.tls is None:
            connection = self._connection()
            transport.set_protocol(connection)
            connection.connection_made(transport)
            return
        # Not by `start_tls`: uvloop may read the beginning of the handshake before that is called, and lose it. The
        # connection goes on under another number of its file.
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        transport.abort()
        self._state.connections.add(self)  # type: ignore[arg-type] # the server waits for it at its end
        self.waits(self)
        task = asyncio.get_running_loop().create_task(self._handshake(self._socket, self._acceptor.tls))
        self._acceptor.handshakes.add(task)
        task.add_done_callback(self._acceptor.handshakes.discard)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._acceptor.lingering -= self._lingers

    def shutdown(self) -> None:
        """Let the connection close as soon as there is one: a request may already be on its way."""
        self._closes = True

    def waits(self, connection: Evictable) -> None:
        """Let it be the last that is closed to make room."""
        self._acceptor.waiting.pop(self, None)
        self._acceptor.waiting.pop(connection, None)
        self._acceptor.waiting[connection] = None

    def works(self, connection: Evictable) -> None:
        """Let it not be closed to make room."""
        self._acceptor.waiting.pop(connection, None)

    def refused(self, reason: str) -> None:
        """Count and log."""
        self._acceptor.reports.refused(reason, self._peer)

    def lost(self, connection: Evictable) -> None:
        """Give its place to another."""
        self._acceptor.waiting.pop(connection, None)
        if self._admitted:
            self._admitted = False
            self._acceptor.sources.remove(self._peer)
            self._acceptor.reports.closed()

    def evict(self) -> None:
        """Close at once, to make room for another connection."""
        self.refused("evicted")
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # which ends the handshake

    def _refuse(self, transport: asyncio.Transport, refusal_: Refusal) -> None:
        self.refused(refusal_)
        # With TLS, a response would need the handshake first.
        if self._acceptor.tls is not None or self._acceptor.lingering >= _MOST_LINGERING:
            transport.abort()
            return
        status, error = _RESPONSES[refusal_]
        transport.write(refusal(status, error, refusal_))
        transport.write_eof()
        self._lingers = True
        self._acceptor.lingering += 1
        asyncio.get_running_loop().call_later(LINGER, transport.abort)

    async def _handshake(self, connected: socket.socket, context: ssl.SSLContext) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection,
                connected,
                ssl=context,
                ssl_handshake_timeout=self._acceptor.limits.header_time,
                ssl_shutdown_timeout=_TLS_SHUTDOWN,
            )
        except OSError as error:
            # Who closes by itself, as a probe does, is nobody to warn of.
            if isinstance(error, ssl.SSLError | TimeoutError | ConnectionAbortedError):
                self.refused("tls_handshake_failed")
            connected.close()
            self.lost(self)
            return
        finally:
            self._state.connections.discard(self)
        self._socket = None
        if self._closes and self._made is not None:
            self._made.shutdown()

    def _connection(self) -> BoundedConnection:
        self._made = BoundedConnection(
            self._config,
            self._state,
            self._app_state,
            limits=self._acceptor.limits,
            draining=self._acceptor.draining,
            observer=self,
        )
        return self._made
