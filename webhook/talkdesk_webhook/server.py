"""uvicorn as the webhook uses it, and the end of the process in order: not ready first, then drained, then closed.

Kubernetes tells a pod to end and takes it out of its Services at the same time, and load balancers follow later. So
after SIGTERM everything is served as before for a while (the *drain*), except that /readyz says 503 and each response
closes its connection. A client that goes on finds another replica; what was accepted by this one is answered by it.

Belongs here: uvicorn's settings, and what follows a signal. Does not belong here: a single connection (connection).
"""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from signal import SIGTERM
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from talkdesk_runtime.listener import listener_at
from talkdesk_runtime.side_ports import CannotListen
from talkdesk_webhook.connection import BoundedConnection

__all__ = ["Drain", "DrainingServer", "listener_of", "server_config"]

_RECEIVED: Final = 32 * 1024
"""Bytes that the kernel holds of a connection (Linux doubles it). A read takes all of them at once, a quarter of a MiB
otherwise: with all connections at the same time, more than a pod has. An event has a few thousand."""

_log = structlog.stdlib.get_logger(__name__)


def server_config(
    app: ASGIApp,
    connection: Callable[..., asyncio.Protocol],
    *,
    host: str,
    port: int,
    keepalive: timedelta = timedelta(seconds=75),
    shutdown: timedelta = timedelta(seconds=10),
) -> uvicorn.Config:
    """Return uvicorn's settings; `connection` makes the protocol of each connection."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=connection,  # type: ignore[arg-type] # it is called like a class
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-* would change the peer's address and the scheme
        timeout_keep_alive=round(keepalive.total_seconds()),
        timeout_graceful_shutdown=max(1, round(shutdown.total_seconds())),
    )


def listener_of(config: uvicorn.Config) -> socket.socket:
    """Return the socket to listen on. Of each connection little is received before somebody asks for it.

    Raises CannotListen.
    """
    try:
        listener = listener_at(config.host, config.port)
    except OSError as error:
        raise CannotListen.at(config.host, config.port, error) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)  # connections inherit it
    return listener


class Drain:
    """Whether the process is about to end. It begins once, and never ends."""

    def __init__(self, delay: timedelta, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.delay = delay
        self._monotonic = monotonic
        self._until: float | None = None

    @property
    def begun(self) -> bool:
        """Whether each response should close its connection, and /readyz say 503."""
        return self._until is not None

    @property
    def over(self) -> bool:
        """Whether it is time to close."""
        return self._until is not None and self._monotonic() >= self._until

    def begin(self) -> None:
        """Begin; safe in a signal handler."""
        if self._until is None:
            self._until = self._monotonic() + self.delay.total_seconds()

    def skip(self) -> None:
        """Begin and be over at once."""
        self._until = self._monotonic()


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which goes on for a while after SIGTERM."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain
        self._announced = False

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first SIGTERM; close at a second signal, and at SIGINT: a person is waiting."""
        if sig == SIGTERM and not self._drain.begun:
            self._drain.begin()
            return
        self._drain.begin()
        super().handle_exit(sig, frame)

    @override
    async def on_tick(self, counter: int) -> bool:
        """Return whether to close; called ten times a second."""
        if self._drain.begun and not self._announced:
            # Here and not in the signal handler, which may have interrupted a log line.
            self._announced = True
            _log.info("server.draining", seconds=self._drain.delay.total_seconds())
            for connection in self.server_state.connections:
                if isinstance(connection, BoundedConnection):
                    connection.close_after_response()
        return await super().on_tick(counter) or self._drain.over
