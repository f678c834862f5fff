"""Who may connect: refused before a byte is read, counted and logged, and never for what a sender writes of itself."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import structlog
import uvloop
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from builders.manual_clock import ManualClock
from builders.serving import Served, serving, until
from builders.tls_pair import client_context, mount, served_name, tls_pair
from talkdesk_runtime.networks import parse_networks
from talkdesk_runtime.tls_files import ReloadedCertificate, TlsMetrics
from talkdesk_webhook.acceptor import Acceptor
from talkdesk_webhook.connection_limits import ConnectionLimits
from talkdesk_webhook.connection_reports import ConnectionReports
from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.sources import Sources

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
WHOLE = HEAD + b"\r\n"


@dataclass
class Listening:
    """A server with an acceptor, and what it did."""

    served: Served
    acceptor: Acceptor
    registry: CollectorRegistry
    asked: list[str]
    release: asyncio.Event

    def refused(self, reason: str) -> float:
        return self.registry.get_sample_value("talkdesk_webhook_connections_refused_total", {"reason": reason}) or 0.0

    def open(self) -> float | None:
        return self.registry.get_sample_value("talkdesk_webhook_connections")


@asynccontextmanager
async def listening(
    allowed: str = "",
    *,
    most: int = 100,
    most_of_one: int | None = None,
    tls: ssl.SSLContext | None = None,
    limits: ConnectionLimits | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Listening]:
    asked, release, registry = list[str](), asyncio.Event(), CollectorRegistry()

    async def show(request: Request) -> Response:
        assert request.client is not None
        asked.append(request.client.host)
        return JSONResponse({"client": request.client.host, "scheme": request.url.scheme, "host": request.url.hostname})

    async def wait(_: Request) -> Response:
        asked.append("wait")
        await release.wait()
        return Response("waited")

    acceptor = Acceptor(
        Sources(parse_networks(allowed), most=most, most_of_one=most_of_one),
        ConnectionReports(Metrics(registry), clock=ManualClock().runtime_clock()),
        limits=limits or ConnectionLimits(),
        draining=lambda: False,
        tls=tls,
    )
    async with serving(Starlette(routes=[Route("/", show), Route("/wait", wait)]), acceptor, host=host) as served:
        yield Listening(served, acceptor, registry, asked, release)
        release.set()


def reason(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["reason"]


FORGED = {
    "X-Forwarded-For": "127.0.0.1, 192.0.2.1",
    "X-Forwarded-Host": "forged.example.com",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/forged",
    "X-Real-IP": "192.0.2.1",
    "Forwarded": "for=192.0.2.1;proto=https;host=forged.example.com",
    "CF-Connecting-IP": "192.0.2.1",
    "True-Client-IP": "192.0.2.1",
}


def request_with(headers: dict[str, str]) -> bytes:
    return HEAD + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        WHOLE,
        request_with(FORGED),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + WHOLE,
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02" + WHOLE,
    ],
    ids=["nothing", "a request", "forged headers", "PROXY protocol", "PROXY protocol v2"],
)
async def test_another_source_gets_403_before_it_sends_anything_and_whatever_it_sends(sent: bytes) -> None:
    async with listening("192.0.2.0/24") as it:
        with structlog.testing.capture_logs() as logs:
            assert reason(await it.served.raw(sent)) == (403, "source_forbidden")
            assert reason(await it.served.raw(sent)) == (403, "source_forbidden")
        assert it.asked == []
        assert (it.refused("source_forbidden"), it.open()) == (2, 0)
        lines = [(each["event"], each["reason"], each["source"]) for each in logs]
        assert lines == [("connection.refused", "source_forbidden", "127.0.0.1")]


async def test_an_allowed_source_stays_what_it_is_whatever_headers_say() -> None:
    async with listening("127.0.0.0/8") as it, httpx.AsyncClient(base_url=it.served.url) as client:
        plain = (await client.get("/")).json()
        assert plain["client"] == "127.0.0.1"
        assert (await client.get("/", headers=FORGED)).json() == plain
        assert it.open() == 1


async def test_forged_headers_give_a_source_no_more_connections() -> None:
    async with listening(most_of_one=2) as it, AsyncExitStack() as stack:
        for number in range(2):
            reader, _ = await _connect(stack, it, request_with({**FORGED, "X-Forwarded-For": f"192.0.2.{number}"}))
            assert await reader.readuntil(b"}")
        for number in range(3):
            answer = await it.served.raw(request_with({**FORGED, "X-Forwarded-For": f"198.51.100.{number}"}))
            assert reason(answer) == (429, "source_limit")
        assert it.refused("source_limit") == 3


async def test_a_place_is_free_again_when_its_connection_is_over() -> None:
    async with listening(most_of_one=1) as it:
        for _ in range(5):
            assert (await it.served.raw(HEAD + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await until(lambda: it.open() == 0)
        assert it.acceptor.sources.total == 0


@pytest.mark.parametrize(
    "idle", [b"", HEAD, WHOLE], ids=["nothing sent", "a part of a head", "a request and then idle"]
)
async def test_a_connection_without_a_request_makes_room_for_a_new_one(idle: bytes) -> None:
    async with listening(most=3) as it, AsyncExitStack() as stack:
        readers = [(await _connect(stack, it, idle))[0] for _ in range(3)]
        await until(lambda: it.open() == 3 and len(it.asked) == (3 if idle == WHOLE else 0))
        await until(lambda: len(it.acceptor.waiting) == 3)
        answer = await it.served.raw(HEAD + b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(10):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await readers[0].readuntil(b"\x00")
        assert (it.refused("evicted"), it.refused("too_many_connections")) == (1, 0)


async def test_a_body_that_comes_slowly_makes_room_for_a_new_connection() -> None:
    slow = b"GET /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{"
    async with listening(most=3) as it, AsyncExitStack() as stack:
        held = [await _connect(stack, it, slow) for _ in range(3)]
        await until(lambda: it.asked.count("wait") == 3)
        assert (await it.served.raw(HEAD + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(10):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await held[0][0].readuntil(b"\x00")
        assert it.refused("evicted") == 1
        it.release.set()


async def test_with_a_request_on_each_connection_a_new_one_gets_503() -> None:
    async with listening(most=2) as it, AsyncExitStack() as stack:
        readers = [(await _connect(stack, it, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"))[0] for _ in range(2)]
        await until(lambda: it.asked == ["wait", "wait"])
        assert reason(await it.served.raw(WHOLE)) == (503, "too_many_connections")
        it.release.set()
        for reader in readers:
            assert b"200 OK" in await reader.readuntil(b"waited")
        assert it.refused("too_many_connections") == 1


async def test_refused_senders_are_let_go_even_if_they_never_close() -> None:
    async with listening("192.0.2.0/24") as it, AsyncExitStack() as stack:
        readers = [(await _connect(stack, it, b""))[0] for _ in range(100)]
        for reader in readers:
            async with asyncio.timeout(10):
                try:
                    await reader.read()
                except ConnectionResetError:
                    continue
        await until(lambda: it.acceptor.lingering == 0)
        assert it.refused("source_forbidden") == 100


@asynccontextmanager
async def tls_listening(
    certificate: ReloadedCertificate, allowed: str = "", limits: ConnectionLimits | None = None
) -> AsyncIterator[Listening]:
    async with listening(allowed, tls=certificate.context, limits=limits) as it:
        yield it


def certificate_in(files: tuple[Path, Path], registry: CollectorRegistry) -> ReloadedCertificate:
    cert, key = files
    return ReloadedCertificate(cert, key, port="http", metrics=TlsMetrics(registry))


async def test_a_renewed_certificate_is_served_while_old_connections_go_on(tmp_path: Path) -> None:
    first, second = tls_pair("first"), tls_pair("second")
    certificate = certificate_in(mount(tmp_path, first), CollectorRegistry())
    async with tls_listening(certificate) as it:
        url = f"https://127.0.0.1:{it.served.port}"
        async with httpx.AsyncClient(base_url=url, verify=client_context(first)) as client:
            assert (await client.get("/")).json()["scheme"] == "https"
            mount(tmp_path, second)
            certificate.check()
            assert await served_name(it.served.port, second) == "second"
            with pytest.raises(ssl.SSLCertVerificationError):
                await served_name(it.served.port, first)
            assert (await client.get("/")).status_code == 200
            assert it.asked == ["127.0.0.1"] * 2


async def test_with_tls_another_source_gets_no_handshake(tmp_path: Path) -> None:
    pair = tls_pair("one")
    async with tls_listening(certificate_in(mount(tmp_path, pair), CollectorRegistry()), "192.0.2.0/24") as it:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await served_name(it.served.port, pair)
        assert (it.refused("source_forbidden"), it.open(), it.asked) == (1, 0, [])


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["nothing", "a part of a hello"])
async def test_a_tls_handshake_that_does_not_arrive_times_out(tmp_path: Path, sent: bytes) -> None:
    limits = ConnectionLimits(header_time=0.2)
    async with tls_listening(certificate_in(mount(tmp_path, tls_pair("one")), CollectorRegistry()), "", limits) as it:
        with suppress(ConnectionResetError):
            assert await it.served.raw(sent) == b""
        await until(lambda: it.open() == 0 and it.refused("tls_handshake_failed") == 1)
        assert it.acceptor.waiting == {}


async def test_plain_http_to_a_port_with_tls_is_refused_and_counted(tmp_path: Path) -> None:
    async with tls_listening(certificate_in(mount(tmp_path, tls_pair("one")), CollectorRegistry())) as it:
        with suppress(ConnectionResetError):
            assert b"HTTP/" not in await it.served.raw(WHOLE)
        await until(lambda: it.open() == 0 and it.refused("tls_handshake_failed") == 1)


async def test_a_request_that_follows_the_handshake_at_once_is_served(tmp_path: Path) -> None:
    pair = tls_pair("one")
    async with tls_listening(certificate_in(mount(tmp_path, pair), CollectorRegistry())) as it:

        async def once() -> bytes:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", it.served.port, ssl=client_context(pair), server_hostname="127.0.0.1"
            )
            writer.write(HEAD + b"Connection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

        answers = await asyncio.gather(*(once() for _ in range(50)))
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        await until(lambda: it.open() == 0)


def test_no_handshake_is_lost_in_the_event_loop_of_the_process(tmp_path: Path) -> None:
    """uvloop may read the beginning of a handshake before anything that is awaited goes on."""
    pair = tls_pair("one")
    trusted = client_context(pair)

    async def once(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname="127.0.0.1")
        writer.write(HEAD + b"Connection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    async def many() -> None:
        async with tls_listening(certificate_in(mount(tmp_path, pair), CollectorRegistry())) as it:
            for _ in range(8):
                answers = await asyncio.gather(*(once(it.served.port) for _ in range(25)))
                assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(many())


async def _connect(
    stack: AsyncExitStack, it: Listening, sent: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", it.served.port)
    stack.callback(writer.close)
    writer.write(sent)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize(
    ("allowed", "taken", "refused"),
    [("127.0.0.0/8", "127.0.0.1", "::1"), ("::1", "::1", "127.0.0.1"), ("::ffff:127.0.0.1", "127.0.0.1", "::1")],
)
async def test_where_ipv4_comes_to_a_socket_of_ipv6_it_is_allowed_and_refused_as_ipv4(
    allowed: str, taken: str, refused: str
) -> None:
    async with listening(allowed, host="::") as it:
        answer = await it.served.raw(HEAD + b"Connection: close\r\n\r\n", host=taken)
        assert answer.startswith(b"HTTP/1.1 200")
        assert reason(await it.served.raw(WHOLE, host=refused)) == (403, "source_forbidden")


async def test_connections_by_ipv4_to_a_socket_of_ipv6_are_counted_for_their_address() -> None:
    async with listening(host="::", most_of_one=1) as it:
        _, kept = await asyncio.open_connection("127.0.0.1", it.served.port)
        await until(lambda: it.open() == 1)
        assert it.acceptor.sources._counts == {"127.0.0.1": 1}
        assert reason(await it.served.raw(WHOLE)) == (429, "source_limit")
        other = await it.served.raw(HEAD + b"Connection: close\r\n\r\n", host="::1")
        assert other.startswith(b"HTTP/1.1 200")
        kept.close()
