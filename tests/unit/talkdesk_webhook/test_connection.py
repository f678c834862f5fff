import asyncio
import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from builders.serving import Served, serving
from talkdesk_webhook.connection import BoundedConnection

WHOLE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def _fine(request: Request) -> Response:
    return Response(str(len(await request.body())))


class Impatient(BoundedConnection):
    """Waits a tenth of a second for a head."""

    head_timeout = 0.1


APP = Starlette(routes=[Route("/", _fine, methods=["GET", "POST"])])


def parsed(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["reason"]


async def _pour(served: Served, piece: bytes) -> bytes:
    """Send the beginning of a head and then the same piece until the server has had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: a")

    async def pour() -> None:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    pouring = asyncio.create_task(pour())
    try:
        async with asyncio.timeout(10):
            return await reader.readuntil(b"}")
    finally:
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        writer.close()


@pytest.mark.case(7)
@pytest.mark.parametrize("piece", [b"a" * 4096, b"\r\nX-Another: " + b"a" * 4000], ids=["one header", "many headers"])
async def test_an_endless_head_is_refused(piece: bytes) -> None:
    async with serving(APP) as served:
        assert parsed(await _pour(served, piece)) == (431, "head_too_large")


@pytest.mark.case(7)
@pytest.mark.parametrize("beginning", [b"", WHOLE[:-4], WHOLE + b"GET"], ids=["nothing", "a part", "of the second"])
async def test_a_head_that_does_not_arrive_times_out(beginning: bytes) -> None:
    async with serving(APP, Impatient) as served:
        answer = await served.raw(beginning, within=5)
        assert parsed(answer[answer.rindex(b"HTTP/1.1") :]) == (408, "head_too_slow")


async def test_a_connection_may_idle_between_requests_and_send_large_bodies() -> None:
    async with serving(APP, Impatient) as served, httpx.AsyncClient(base_url=served.url) as client:
        for _ in range(3):
            assert (await client.post("/", content=b"a" * 1_000_000)).text == "1000000"
            await asyncio.sleep(2 * Impatient.head_timeout)  # the point is that nothing happens meanwhile


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_not_http_gets_a_json_response(nonsense: bytes) -> None:
    async with serving(APP) as served:
        assert parsed(await served.raw(nonsense)) == (400, "not_http")
