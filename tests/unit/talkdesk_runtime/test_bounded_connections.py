"""Whoever sends without end to a port beside the work, or opens connection after connection, costs nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
import uvloop

from talkdesk_runtime.settings import ProcessSettings
from talkdesk_runtime.side_ports import Probes, serving_probes

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]
"""That of the operator, and that of the webhook."""


async def nothing() -> None:
    """Find no problem."""


@asynccontextmanager
async def probes() -> AsyncIterator[int]:
    settings = ProcessSettings(probe_bind_address="127.0.0.1", probe_port=0)
    async with serving_probes(Probes(not_live=nothing, not_ready=nothing), settings) as port:
        yield port


async def status(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer.split(b"\r\n")[0]


async def poured(port: int, head: bytes, piece: bytes) -> int:
    """Return how many bytes were taken until the connection was closed."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    taken = 0
    try:
        async with asyncio.timeout(20):
            while not writer.is_closing():
                writer.write(piece)
                await writer.drain()
                taken += len(piece)
                await asyncio.sleep(0)
    except OSError:
        pass
    return taken


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-T: " + b"a" * 8000 + b"\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"a" * 4096 + b"\r\n"),
        (HEAD + b"Content-Length: 1000000000\r\n\r\n", b"a" * 8192),
        (b"", (HEAD + b"\r\n") * 100),
    ],
    ids=["trailers", "chunks", "a body", "requests"],
)
def test_a_connection_brings_no_more_than_its_share(
    loop: Callable[[], asyncio.AbstractEventLoop], head: bytes, piece: bytes
) -> None:
    async def attack() -> None:
        async with probes() as port:
            assert await poured(port, head, piece) < 16 * 1024 * 1024  # what the kernels hold is among them
            assert await status(port) == b"HTTP/1.1 200 OK"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(attack())


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_however_many_connections_there_are_a_new_one_is_answered(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def attack() -> None:
        async with probes() as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
            assert await status(port) == b"HTTP/1.1 200 OK"
            async with asyncio.timeout(10):
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await held[0][0].readuntil(b"\n")
            for _, writer in held:
                writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(attack())


async def test_what_is_no_http_writes_no_line() -> None:
    with structlog.testing.capture_logs() as logs:
        async with probes() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x00\x01 nonsense\r\n\r\n")
            async with asyncio.timeout(10):
                assert b" 400 " in await reader.read()
            writer.close()
    assert [each["event"] for each in logs] == ["probes.listening"]
