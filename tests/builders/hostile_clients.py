"""What anybody on the internet may send to a webhook, over and over, from many addresses: each kind by its name.

All of it comes over real connections, from addresses of the loopback network that no real event comes from.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from uuid import uuid4

__all__ = ["ATTACKS", "Target", "attacked"]

_SOURCES: Final = 50
_WAIT: Final = 20.0
"""Seconds that a client waits for whatever the webhook does."""


@dataclass
class Target:
    """A webhook under attack."""

    port: int
    path: str
    """Of a real app."""
    key_id: str
    """Of a real signing key."""
    requests: int = 0
    """How many connections were made for an attack."""
    answers: dict[int, int] = field(default_factory=dict)
    """How many of them were answered, by status."""


_Client: TypeAlias = Callable[[Target, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _head(method: str, path: str, *headers: str) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: webhook", "Content-Type: application/json", *headers, "", "")
    return "\r\n".join(lines).encode()


def _signed(key_id: str, size: int) -> tuple[str, ...]:
    signature = f"X-Hub-Ecdsa-Signature: {'30' * 70}"
    return (f"Content-Length: {size}", f"X-Hub-Ecdsa-Signature-Id: {key_id}", signature)


async def _request(writer: asyncio.StreamWriter, path: str, key_id: str) -> None:
    body = json.dumps({"id": str(uuid4()), "type": "app.installed"}).encode()
    writer.write(_head("POST", path, *_signed(key_id, len(body))) + body)
    await writer.drain()


async def _made_up_app(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(writer, f"{target.path.rpartition('/')[0]}/app-{uuid4().hex[:12]}", target.key_id)


async def _made_up_namespace(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(writer, f"/events/ns-{uuid4().hex[:12]}/sentiment", target.key_id)


async def _made_up_key(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(writer, target.path, str(uuid4()))


async def _made_up_key_again(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(writer, target.path, f"again-{target.requests // 8}")


async def _forged(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(writer, target.path, target.key_id)


async def _endless_trailers(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_head("POST", target.path, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n")
    await _endlessly(writer, b"X-Trailer: %s\r\n" % (b"x" * 8000))


async def _trailers_of_a_get(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_head("GET", target.path, "Transfer-Encoding: chunked") + b"0\r\n")
    await _endlessly(writer, b"X-Trailer: %s\r\n" % (b"x" * 8000))


async def _endless_chunks(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_head("POST", target.path, "Transfer-Encoding: chunked"))
    await _endlessly(writer, b"1000\r\n" + b" " * 4096 + b"\r\n")


async def _many_headers(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"POST {target.path} HTTP/1.1\r\n".encode())
    await _endlessly(writer, b"".join(b"X-%d: y\r\n" % number for number in range(500)))


async def _slow_body(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_head("POST", target.path, *_signed(target.key_id, 200_000)))
    for _number in range(100):
        writer.write(b" " * 100)
        await writer.drain()
        await asyncio.sleep(0.5)


async def _slow_head(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"POST {target.path} HTTP/1.1\r\n".encode())
    for number in range(100):
        writer.write(f"X-{number}: y\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.5)


async def _idle(_: Target, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(_WAIT)


async def _huge_body(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_head("POST", target.path, *_signed(target.key_id, 1 << 30)))
    await _endlessly(writer, b" " * 65536)


async def _no_reading(target: Target, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send requests one after the other, and take no answer."""
    await _endlessly(writer, _head("GET", target.path + "/none", "Content-Length: 0") * 100)


async def _endlessly(writer: asyncio.StreamWriter, piece: bytes) -> None:
    async with asyncio.timeout(_WAIT):
        while True:
            writer.write(piece)
            await writer.drain()


ATTACKS: Final[dict[str, tuple[_Client, int]]] = {
    "made-up apps": (_made_up_app, 200),
    "made-up namespaces": (_made_up_namespace, 200),
    "made-up keys": (_made_up_key, 200),
    "made-up keys, again and again": (_made_up_key_again, 200),
    "forged signatures": (_forged, 200),
    "endless trailers": (_endless_trailers, 20),
    "trailers of a GET": (_trailers_of_a_get, 20),
    "endless chunks": (_endless_chunks, 20),
    "thousands of headers": (_many_headers, 20),
    "slow bodies": (_slow_body, 100),
    "slow heads": (_slow_head, 100),
    "idle connections": (_idle, 200),
    "huge bodies": (_huge_body, 20),
    "answers that nobody takes": (_no_reading, 20),
}
"""By kind: one client, and how many of them begin each second."""


@asynccontextmanager
async def attacked(target: Target, kind: str) -> AsyncIterator[None]:
    """Attack the target in this way until left."""
    attack = asyncio.create_task(_attack(target, *ATTACKS[kind]))
    try:
        yield
    finally:
        attack.cancel()
        with suppress(asyncio.CancelledError):
            await attack


async def _attack(target: Target, client: _Client, rate: int) -> None:
    addresses = _addresses()
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_connection(target, client, next(addresses)))
            target.requests += 1
            await asyncio.sleep(1 / rate)


async def _connection(target: Target, client: _Client, source: str) -> None:
    """Play one client; what the webhook does to it is its own business."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(source, 0))
        try:
            with suppress(OSError, TimeoutError):
                await client(target, reader, writer)
            async with asyncio.timeout(_WAIT):
                status = int((await reader.readline()).split()[1])
            target.answers[status] = target.answers.get(status, 0) + 1
        finally:
            writer.transport.abort()


def _addresses() -> Iterator[str]:
    return itertools.cycle(f"127.0.7.{number}" for number in range(1, _SOURCES + 1))
