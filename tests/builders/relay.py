"""A TCP relay in front of a server, which can be cut and mended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Relay:
    """Passes bytes on, both ways. Cut, it resets what is open and refuses what comes."""

    host: str
    upstream: int
    port: int = 0
    server: asyncio.Server | None = None
    open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def mend(self) -> None:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.open[asyncio.create_task(self._pass_on(reader, writer))] = writer

        self.server = await asyncio.start_server(connected, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self.server is not None
        self.server.close()
        for task, writer in self.open.items():
            task.cancel()
            writer.transport.abort()  # also where the task has not begun
        await asyncio.gather(*self.open, return_exceptions=True)
        self.open.clear()
        await asyncio.sleep(0)  # a transport closes its socket in the next turn

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(self.host, self.upstream)
        try:
            await asyncio.gather(_copy(reader, here), _copy(there, writer))
        finally:
            for end in (here, writer):
                end.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    except (ConnectionError, NotImplementedError):
        pass  # the other side sees it by itself


@asynccontextmanager
async def relaying(url: str) -> AsyncIterator[Relay]:
    parts = urlsplit(url)
    relay = Relay(parts.hostname or "", parts.port or 443)
    await relay.mend()
    try:
        yield relay
    finally:
        await relay.cut()
