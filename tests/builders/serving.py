"""ASGI applications on real sockets, and sockets that speak HTTP by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from talkdesk_webhook.connection import BoundedConnection
from talkdesk_webhook.server import listener_of, server_config


@dataclass(frozen=True)
class Served:
    """Where an application listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def raw(self, *pieces: bytes, within: float = 10, host: str = "127.0.0.1") -> bytes:
        """Send bytes as they are; return everything that comes back until the server closes."""
        reader, writer = await asyncio.open_connection(host, self.port)
        try:
            async with asyncio.timeout(within):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await reader.read()
        finally:
            writer.close()


async def until(condition: Callable[[], bool | Awaitable[bool]], within: float = 60, *, every: float = 0.005) -> None:
    """Wait until a condition holds that sends no notification; it is checked again `every` so many seconds."""
    async with asyncio.timeout(within):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(every)


@asynccontextmanager
async def serving(
    app: ASGIApp, connection: Callable[..., asyncio.Protocol] = BoundedConnection, *, host: str = "127.0.0.1"
) -> AsyncIterator[Served]:
    """Serve `app` as the webhook's own process does, on a free port."""
    config = server_config(app, connection, host=host, port=0)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener_of(config)]))
    try:
        await until(lambda: server.started)
        yield Served(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task
