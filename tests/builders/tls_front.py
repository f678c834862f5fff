"""What an Ingress is to a pod: it ends TLS and passes the rest on."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from builders.tls_pair import TlsPair


@asynccontextmanager
async def tls_front(pair: TlsPair, socket: Path, folder: Path) -> AsyncIterator[int]:
    """Listen with a certificate for whoever is at a Unix socket; yield the port. Who is there may change."""
    (folder / "tls.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.pem")
    passing: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner, outer = await asyncio.open_unix_connection(socket)
            both = [asyncio.create_task(_pass(reader, outer)), asyncio.create_task(_pass(inner, writer))]
            passing.update(both)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            outer.close()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
