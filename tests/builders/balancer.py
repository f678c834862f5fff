"""A load balancer in front of several webhooks: it sends each new connection to one that says that it is ready.

Like kube-proxy it knows connections, not requests, leaves those alone that there are, and learns late who is ready.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import httpx

_INTERVAL: Final = 0.3
"""Seconds between two probes: for so long connections still go to a webhook that is about to end."""


class Backend(Protocol):
    """A webhook behind it."""

    @property
    def port(self) -> int:
        """The port for events."""

    async def fetch(self, path: str) -> httpx.Response:
        """Ask for its health."""


@dataclass
class Balancer:
    """Where it listens, and who is behind it."""

    port: int = 0
    backends: list[Backend] = field(default_factory=list)
    ready: list[Backend] = field(default_factory=list)
    refused: int = 0
    """Connections that a backend which counted as ready did not take, or for which there was none."""
    _next: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def probe(self) -> None:
        """Ask each backend again and again, until cancelled."""
        while True:
            asked = list(self.backends)
            answers = await asyncio.gather(*map(_is_ready, asked))
            self.ready = [each for each, ready in zip(asked, answers, strict=True) if ready and each in self.backends]
            await asyncio.sleep(_INTERVAL)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._next += 1
        if not self.ready:
            self.refused += 1
            writer.transport.abort()
            return
        backend = self.ready[self._next % len(self.ready)]
        try:
            there, here = await asyncio.open_connection("127.0.0.1", backend.port)
        except OSError:
            self.refused += 1
            writer.transport.abort()
            return
        try:
            # The webhook closes last where the sender does first, and the other way round: each end is passed on.
            await asyncio.gather(_copy(reader, here), _copy(there, writer))
        finally:
            here.close()
            writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # also ENOTCONN, when it is closed at the other end just now
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
        return
    sink.transport.abort()


async def _is_ready(backend: Backend) -> bool:
    try:
        return (await backend.fetch("/readyz")).status_code == 200
    except (httpx.HTTPError, RuntimeError):  # it is gone, and its client may be closed already
        return False


@asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Listen until left."""
    it = Balancer()
    server = await asyncio.start_server(it.connected, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    probing = asyncio.create_task(it.probe())
    try:
        yield it
    finally:
        probing.cancel()
        server.close()
        for task in list(it._open):
            task.cancel()
        await asyncio.gather(probing, *it._open, return_exceptions=True)
