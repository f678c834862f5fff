"""uvicorn within a program's own event loop.

Belongs here: sockets, starting and stopping. Does not belong here: what is served.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["EmbeddedServer", "bind", "configure", "serve_until_signal", "signaled"]

_START_SECONDS: Final = 10.0


class CuttableProtocol(HttpToolsProtocol):
    """Gives the connection to the application, which cuts it for some faults."""

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def configure(app: Any, *, certificate: Path | None = None, key: Path | None = None) -> uvicorn.Config:
    """Return the configuration to serve an ASGI application; with a certificate and its key, over TLS."""
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
        # Longer than clients keep idle connections, so that none is closed while a request comes in.
        timeout_keep_alive=75,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


class EmbeddedServer(uvicorn.Server):
    """Leaves signals to the program around it; `stop` ends it at once, with the requests that run."""

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
        # uvicorn leaves the connection of a canceled request open.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # in which they are closed

    def stop(self) -> None:
        """Make the server stop."""
        self._stop.set()

    async def listening(self, serving: asyncio.Task[None]) -> None:
        """Wait until it listens; `serving` is the task that runs it."""
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
    """Return a socket that is bound to an address. Raises OSError, whose `strerror` names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that are explicitly TCP; with it an answer takes 40 ms more.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as problem:
        bound.close()
        where = f"port {port} of {host}"
        raise OSError(problem.errno, f"can't listen on {where}: {problem.strerror or problem}") from None
    return bound


def signaled() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set, which then end the process no more."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve_until_signal(app: Any, host: str, port: int, listening: Callable[[str], None]) -> None:
    """Serve an ASGI application until SIGINT or SIGTERM; `listening` is told of its URL. Raises OSError as `bind`."""
    stop = signaled()
    with bind(host, port) as listener:
        server = EmbeddedServer(configure(app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening(serving)
        listening(f"http://{host}:{listener.getsockname()[1]}")
        await stop.wait()
        server.stop()
        await serving
