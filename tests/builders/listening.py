"""Free ports of loopback, and aiohttp servers that listen on them."""

import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import web

_NOT_EPHEMERAL: Final = (10_240, 32_768)
"""Linux gives connections ports from 32768 on."""


@asynccontextmanager
async def listening(
    runner: web.BaseRunner, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve until the end of the block; yield the URL."""
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0, ssl_context=tls).start()
        name = f"[{host}]" if ":" in host else host
        yield f"{'https' if tls else 'http'}://{name}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def free_port() -> int:
    """Return a port of loopback on which nothing listens, and that no connection of anybody gets as its own end.

    So whoever listens there can be killed and started again.
    """
    while True:
        port = random.randrange(*_NOT_EPHEMERAL)  # noqa: S311 - a test
        with socket.socket() as unused, suppress(OSError):
            unused.bind(("127.0.0.1", port))
            return port
