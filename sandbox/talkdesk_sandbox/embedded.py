"""uvicorn within a program's own event loop.

Belongs here: sockets, starting and stopping. Does not belong here: what is served.
"""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any, Final

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["EmbeddedServer", "bind", "configured"]

_START_SECONDS: Final = 10.0


class CuttableProtocol(HttpToolsProtocol):
    """Shows the connection to the application, which cuts it for some faults."""

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def configured(app: Any, *, certificate: Path | None = None, key: Path | None = None) -> uvicorn.Config:
    """Return the configuration to serve an ASGI application with; with a certificate and its key, over TLS."""
    return uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        # Longer than clients keep idle connections, so that none is closed under a request.
        timeout_keep_alive=75,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


class EmbeddedServer(uvicorn.Server):
    """Leaves signals to the program around it, and stops at once when it is told to: requests that run are cut."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()

    @override
    async def main_loop(self) -> None:
        await self._stop.wait()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        running = list(self.server_state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def stop(self) -> None:
        """Stop to listen."""
        self._stop.set()

    async def listening(self, serving: asyncio.Task[None]) -> None:
        """Wait until it listens, `serving` being the task that runs it."""
        async with asyncio.timeout(_START_SECONDS):
            while not self.started:
                if serving.done():
                    await serving
                    raise RuntimeError("the server stopped before it listened")
                await asyncio.sleep(0.005)

    @override
    def capture_signals(self) -> Any:
        return contextlib.nullcontext()


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is ready to listen; OSError when it can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only on sockets that say TCP; with it each answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
