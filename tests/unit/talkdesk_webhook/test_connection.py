import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from builders.serving import Served, serving
from talkdesk_webhook.connection import BoundedConnection
from talkdesk_webhook.connection_limits import ConnectionLimits, Unobserved

WHOLE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def _fine(request: Request) -> Response:
    return Response(str(len(await request.body())))


IMPATIENT = partial(BoundedConnection, limits=ConnectionLimits(header_time=0.1))

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
    async with serving(APP, IMPATIENT) as served:
        answer = await served.raw(beginning, within=5)
        assert parsed(answer[answer.rindex(b"HTTP/1.1") :]) == (408, "head_too_slow")


async def test_a_connection_may_idle_between_requests_and_send_large_bodies() -> None:
    async with serving(APP, IMPATIENT) as served, httpx.AsyncClient(base_url=served.url) as client:
        for _ in range(3):
            assert (await client.post("/", content=b"a" * 1_000_000)).text == "1000000"
            await asyncio.sleep(0.2)  # the point is that nothing happens meanwhile


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_not_http_gets_a_json_response(nonsense: bytes) -> None:
    async with serving(APP) as served:
        assert parsed(await served.raw(nonsense)) == (400, "not_http")


def limited(**limits: Any) -> Callable[..., BoundedConnection]:
    return partial(BoundedConnection, limits=ConnectionLimits(**limits))


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


async def test_the_last_request_that_a_connection_may_have_closes_it() -> None:
    async with serving(APP, limited(requests=3)) as served:
        answer = await served.raw(WHOLE * 5)
        assert answer.count(b"HTTP/1.1 200") == 3
        assert answer.lower().count(b"connection: close") == 1


@pytest.mark.case(7)
@pytest.mark.parametrize("fields", [100, 101, 5000])
async def test_a_request_has_a_bounded_number_of_fields(fields: int) -> None:
    async with serving(APP) as served:
        head = b"GET / HTTP/1.1\r\nConnection: close\r\n" + b"a:b\r\n" * (fields - 1) + b"\r\n"
        answer = await served.raw(head)
        if fields <= 100:
            assert answer.startswith(b"HTTP/1.1 200")
        else:
            assert parsed(answer) == (431, "too_many_fields")


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: ",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;x=",
        b"GET /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ",
    ],
    ids=["trailer of a GET", "trailer of a POST", "extension of a chunk", "not found", "not allowed"],
)
async def test_nothing_endless_beside_a_body_is_kept(beginning: bytes) -> None:
    async with serving(APP) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(beginning)
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 * 1024 * 1024 and not reader.at_eof():
                writer.write(b"a" * 65536)
                await writer.drain()
                sent += 65536
                await asyncio.sleep(0)
        assert sent < 64 * 1024 * 1024
        writer.close()


@pytest.mark.case(7)
async def test_many_trailers_are_not_kept() -> None:
    seen = list[int]()

    async def count(request: Request) -> Response:
        await request.body()
        seen.append(len(request.headers))
        return Response()

    async with serving(Starlette(routes=[Route("/", count, methods=["POST"])])) as served:
        head = POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\n"
        assert (await served.raw(head + b"t:v\r\n" * 2000 + b"\r\n")).startswith(b"HTTP/1.1 200")
    assert seen == [3]


@pytest.mark.parametrize("line", [b"GET /nowhere", b"PUT /"], ids=["not found", "not allowed"])
async def test_a_body_that_nobody_reads_is_not_waited_for(line: bytes) -> None:
    async with serving(APP) as served:
        answer = await served.raw(line + b" HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 40")


async def test_a_sender_whose_body_is_not_wanted_still_reads_the_response() -> None:
    async def refuse(_: Request) -> Response:
        return Response("no", 413, headers={"Connection": "close"})

    async with serving(Starlette(routes=[Route("/", refuse, methods=["POST"])])) as served:
        answer = await served.raw(POST + b"Content-Length: 3000000\r\n\r\n" + b"a" * 2_000_000)
        assert answer.startswith(b"HTTP/1.1 413")
        assert answer.endswith(b"no")


@pytest.mark.case(7)
async def test_a_request_that_never_ends_is_cut_off() -> None:
    reasons = list[str]()

    class Seen(Unobserved):
        @override
        def refused(self, reason: str) -> None:
            reasons.append(reason)

    make = partial(BoundedConnection, limits=ConnectionLimits(request_time=0.2), observer=Seen())
    async with serving(APP, make) as served:
        with suppress(ConnectionResetError):
            assert await served.raw(POST + b"Content-Length: 10\r\n\r\nabc") == b""
    assert reasons == ["request_too_slow"]


@pytest.mark.case(7)
async def test_empty_lines_between_requests_keep_no_connection_open() -> None:
    async with serving(APP, IMPATIENT) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(WHOLE)
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"\r\n")
        async with asyncio.timeout(10):
            assert parsed(await reader.read()) == (408, "head_too_slow")
        writer.close()


async def test_requests_that_come_in_one_piece_are_all_answered() -> None:
    one = POST + b"Content-Length: 3\r\n\r\nabc"
    async with serving(APP) as served:
        answer = await served.raw(one * 40 + POST + b"Connection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200") == 41


async def test_nonsense_in_a_body_is_refused_once() -> None:
    async with serving(APP) as served:
        answer = await served.raw(POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        assert parsed(answer) == (400, "not_http")
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_body_that_arrives_after_its_response_does_not_cost_the_next_request() -> None:
    async with serving(APP) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in range(3):
            writer.write(b"POST /nowhere HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
            async with asyncio.timeout(10):
                assert b" 404 " in await reader.readuntil(b"\r\n\r\nNot Found")
            writer.write(b"{}")
        writer.write(WHOLE)
        async with asyncio.timeout(10):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n0")
        writer.close()
