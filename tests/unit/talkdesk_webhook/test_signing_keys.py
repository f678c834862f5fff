import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from builders.events import NOON, Signer
from builders.serving import serving, until
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook.key_budgets import Asker
from talkdesk_webhook.signing_keys import KeyLifetimes, SigningKeys, gateway_client

GATEWAY = "https://api.talkdeskapp.com"
SIGNER = Signer()
SOMEBODY = Asker("192.0.2.1", "acme")


class Gateway:
    """Returns the response that a test sets, and records requests."""

    def __init__(self, answer: httpx.Response | Exception | None = None) -> None:
        self.answer = answer or found()
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if isinstance(self.answer, Exception):
            raise self.answer
        said = self.answer
        return httpx.Response(said.status_code, headers=said.headers, stream=httpx.ByteStream(said.content))


class Time:
    def __init__(self) -> None:
        self.passed = timedelta()

    def monotonic(self) -> float:
        return self.passed.total_seconds()

    def now(self) -> datetime:
        return NOON + self.passed


def found(**overrides: Any) -> httpx.Response:
    body = {"key_id": SIGNER.key_id, "public_key": SIGNER.pem, "created_at": "2026-01-01T00:00:00Z"} | overrides
    return httpx.Response(200, json=body)


def keys(gateway: Gateway, time: Time | None = None) -> SigningKeys:
    time = time or Time()
    client = httpx.AsyncClient(transport=httpx.MockTransport(gateway))
    return SigningKeys(client, KeyLifetimes(), clock=Clock(monotonic=time.monotonic, now=time.now, sleep=asyncio.sleep))


class Flood:
    """Made-up ids, 200 a second for a minute, each sent so many times, as if they came with events of our app."""

    def __init__(self, its: SigningKeys, gateway: Gateway, time: Time) -> None:
        self.its, self.gateway, self.time = its, gateway, time
        self.number = 0

    async def run(self, *, times: int = 1, peer: str = "198.51.100.66", account: str | None = "made-up") -> int:
        """Send; return how often the gateway was asked."""
        before, self.gateway.answer = len(self.gateway.asked), httpx.Response(404)
        for _ in range(12_000):
            self.number += 1
            self.time.passed += timedelta(milliseconds=5)
            with suppress(LookupFailed):
                assert await self.its.get(GATEWAY, f"made-up-{self.number // times}", Asker(peer, account)) is None
        return len(self.gateway.asked) - before


@pytest.fixture
def flood() -> Flood:
    gateway, time = Gateway(), Time()
    return Flood(keys(gateway, time), gateway, time)


ACME = Asker("192.0.2.1", "acme")


async def rotated(flood: Flood, key_id: str, asker: Asker = ACME) -> bool:
    """Return whether a key that is new is fetched for one event."""
    flood.gateway.answer = found(key_id=key_id)
    try:
        return await flood.its.get(GATEWAY, key_id, asker) is not None
    except LookupFailed:
        return False


@pytest.mark.case(4, 5)
@pytest.mark.parametrize("times", [1, 2, 3, 100], ids=lambda times: f"{times} times")
@pytest.mark.parametrize("account", ["made-up", "", None], ids=["an account", "no account", "nothing that is clear"])
async def test_a_key_that_is_new_in_a_flood_of_made_up_ids_is_fetched_for_its_first_event(
    flood: Flood, times: int, account: str | None
) -> None:
    assert await flood.its.get(GATEWAY, SIGNER.key_id, ACME) is not None
    flood.its.verified(GATEWAY, SIGNER.key_id, ACME)
    for key_id in ("second", "third"):
        assert await flood.run(times=times, account=account) <= 20
        assert await flood.its.get(GATEWAY, SIGNER.key_id, ACME) is not None
        assert await rotated(flood, key_id, Asker("192.0.2.1", "a customer of whom nobody knows"))


@pytest.mark.case(4, 5)
@pytest.mark.parametrize("times", [1, 2, 100], ids=lambda times: f"{times} times")
async def test_behind_a_proxy_where_all_have_one_address_it_is_fetched_for_a_customer_who_is_known(
    flood: Flood, times: int
) -> None:
    await flood.its.get(GATEWAY, SIGNER.key_id, ACME)
    flood.its.verified(GATEWAY, SIGNER.key_id, ACME)
    for key_id in ("second", "third"):
        assert await flood.run(times=times, peer=ACME.peer) <= 20
        assert await rotated(flood, key_id)
    assert await flood.its.get(GATEWAY, SIGNER.key_id, ACME) is not None


async def test_a_customer_who_makes_ids_up_uses_up_the_budget_of_nobody_else(flood: Flood) -> None:
    for asker in (ACME, Asker("192.0.2.1", "mallory")):
        flood.its.verified(GATEWAY, SIGNER.key_id, asker)
    assert await flood.run(times=2, peer=ACME.peer, account="mallory") <= 25
    assert await rotated(flood, "second")


async def test_strangers_at_one_address_leave_something_for_those_at_another(flood: Flood) -> None:
    await flood.run(times=2)
    flood.time.passed += timedelta(minutes=1)
    assert await flood.run(times=2, account="made-up") <= 10
    flood.time.passed += timedelta(seconds=30)
    assert await rotated(flood, "new", Asker("203.0.113.5", "first customer ever"))


async def test_made_up_ids_at_one_gateway_are_nothing_to_another(flood: Flood) -> None:
    await flood.run()
    flood.gateway.answer = found(key_id="new")
    assert await flood.its.get("https://api.talkdeskapp.eu", "new", Asker("198.51.100.66", "")) is not None


async def test_keys_that_signed_events_are_fetched_ahead_and_before_they_are_old() -> None:
    gateway, time = Gateway(), Time()
    its = keys(gateway, time)
    await its.fetch_ahead(GATEWAY, SIGNER.key_id, 60)
    await its.fetch_ahead(GATEWAY, SIGNER.key_id, 60)
    assert len(gateway.asked) == 1
    assert its.is_known(GATEWAY, SIGNER.key_id)
    time.passed += timedelta(minutes=8, seconds=59)
    await its.fetch_ahead(GATEWAY, SIGNER.key_id, 60)
    assert len(gateway.asked) == 1
    time.passed += timedelta(seconds=1)
    await its.fetch_ahead(GATEWAY, SIGNER.key_id, 60)
    assert len(gateway.asked) == 2
    time.passed += timedelta(minutes=9)
    assert await its.get(GATEWAY, SIGNER.key_id, ACME) is not None
    assert len(gateway.asked) == 2


async def test_fetching_ahead_fails_quietly_and_asks_seldom_for_what_the_gateway_does_not_have() -> None:
    gateway, time = Gateway(httpx.Response(503)), Time()
    its = keys(gateway, time)
    for key_id in (SIGNER.key_id, SIGNER.key_id, "no/id"):
        await its.fetch_ahead(GATEWAY, key_id, 60)
    assert len(gateway.asked) == 2
    gateway.answer = httpx.Response(404)
    for _ in range(5):
        await its.fetch_ahead(GATEWAY, SIGNER.key_id, 0)
        await its.fetch_ahead(GATEWAY, SIGNER.key_id, 0)
        time.passed += timedelta(minutes=1)
    assert len(gateway.asked) == 7, "it may have been a moment's fault: once a minute"


async def test_fetching_ahead_has_a_budget_of_its_own(flood: Flood) -> None:
    flood.gateway.answer = httpx.Response(404)
    for number in range(100):
        await flood.its.fetch_ahead(GATEWAY, f"in-a-status-{number}", 60)
    assert 10 < len(flood.gateway.asked) < 30
    assert await rotated(flood, "new", Asker("203.0.113.5", ""))


async def test_the_keys_that_signed_an_event_last_are_in_use() -> None:
    its = keys(Gateway())
    for number in range(20):
        its.verified(GATEWAY, f"key-{number}", ACME)
    its.verified("https://api.talkdeskapp.eu", "key", ACME)
    assert [key_id for gateway, key_id in its.in_use() if gateway == GATEWAY] == [f"key-{n}" for n in range(12, 20)]
    assert ("https://api.talkdeskapp.eu", "key") in its.in_use()


@pytest.mark.case(4)
async def test_a_key_is_fetched_once_by_its_id() -> None:
    gateway = Gateway()
    signing = keys(gateway)
    many = await asyncio.gather(*(signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) for _ in range(20)))
    assert {key and key.public_numbers() for key in many} == {SIGNER.private.public_key().public_numbers()}
    assert gateway.asked == [f"{GATEWAY}/events/signature-keys/{SIGNER.key_id}"]


async def test_the_same_id_at_another_gateway_is_another_key() -> None:
    gateway = Gateway()
    signing = keys(gateway)
    await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)
    await signing.get("https://api.talkdeskapp.eu", SIGNER.key_id, SOMEBODY)
    assert len(gateway.asked) == 2


@pytest.mark.case(4)
@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_an_unknown_id_is_not_fetched_again_for_a_minute(status: int) -> None:
    gateway, time = Gateway(httpx.Response(status)), Time()
    signing = keys(gateway, time)
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is None
    time.passed = timedelta(seconds=59)
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is None
    assert len(gateway.asked) == 1
    time.passed = timedelta(seconds=61)
    gateway.answer = found()
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None


@pytest.mark.case(4)
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(429),
        httpx.Response(401),
        httpx.Response(204),
        httpx.Response(302, headers={"Location": "https://evil.example/key"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"key_id": SIGNER.key_id}),
        httpx.Response(200, content=b"{" * 100_000),
        found(key_id="another"),
        found(public_key="not a key"),
        found(public_key=7),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
async def test_any_other_response_is_a_failure_and_not_an_unknown_key(answer: httpx.Response | Exception) -> None:
    with pytest.raises(LookupFailed):
        await keys(Gateway(answer)).get(GATEWAY, SIGNER.key_id, SOMEBODY)


@pytest.mark.case(5)
async def test_while_the_gateway_is_down_a_key_is_used_for_a_day() -> None:
    gateway, time = Gateway(), Time()
    signing = keys(gateway, time)
    await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)
    gateway.answer = httpx.Response(503)
    time.passed = timedelta(hours=23)
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None
    time.passed = timedelta(hours=24)
    with pytest.raises(LookupFailed):
        await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)


@pytest.mark.case(5)
async def test_a_withdrawn_key_is_unknown_after_the_next_refresh() -> None:
    gateway, time = Gateway(), Time()
    signing = keys(gateway, time)
    await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)
    gateway.answer = httpx.Response(404)
    time.passed = timedelta(minutes=9)
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None
    for minutes in (10, 10.9):
        time.passed = timedelta(minutes=minutes)
        assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None, "it is asked for once more"
    time.passed = timedelta(minutes=11)
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is None


@pytest.mark.case(5)
async def test_a_gateway_that_does_not_find_a_known_key_for_a_moment_keeps_no_event_out() -> None:
    gateway, time = Gateway(), Time()
    signing = keys(gateway, time)
    await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)
    good = gateway.answer
    for minutes in (10, 21, 32):
        gateway.answer = httpx.Response(404)
        time.passed = timedelta(minutes=minutes)
        assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None
        gateway.answer = good
        time.passed += timedelta(minutes=1)
        assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None


@pytest.mark.case(5)
@pytest.mark.parametrize("written", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.000+00:00", "%Y-%m-%dT%H:%M:%S"])
async def test_an_expired_key_is_good_for_a_quarter_of_an_hour_more(written: str) -> None:
    def expired(ago: timedelta) -> Gateway:
        return Gateway(found(expires_at=(NOON - ago).astimezone(UTC).strftime(written)))

    assert await keys(expired(timedelta(minutes=14))).get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None
    assert await keys(expired(timedelta(minutes=16))).get(GATEWAY, SIGNER.key_id, SOMEBODY) is None


async def test_a_key_expires_also_while_the_gateway_is_down() -> None:
    gateway, time = Gateway(found(expires_at="2026-03-01T13:00:00Z")), Time()
    signing = keys(gateway, time)
    await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)
    gateway.answer = httpx.Response(503)
    time.passed = timedelta(hours=1, minutes=14)
    assert await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None
    time.passed = timedelta(hours=1, minutes=15)
    with pytest.raises(LookupFailed):
        await signing.get(GATEWAY, SIGNER.key_id, SOMEBODY)


@pytest.mark.parametrize("expires_at", [None, "", "soon", 7, {}, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
async def test_an_expiry_that_cant_be_read_or_is_far_is_ignored(expires_at: Any) -> None:
    assert await keys(Gateway(found(expires_at=expires_at))).get(GATEWAY, SIGNER.key_id, SOMEBODY) is not None


async def _huge(_: Request) -> Response:
    async def blanks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 65536

    return StreamingResponse(blanks())


async def _bomb(request: Request) -> Response:
    assert request.headers["accept-encoding"] == "identity"
    return Response(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})


async def _moved(_: Request) -> Response:
    return RedirectResponse("/events/signature-keys/good")


async def _good(_: Request) -> Response:
    return JSONResponse({"public_key": SIGNER.pem, "key_id": "good"})


async def test_redirects_compression_and_huge_responses_are_refused() -> None:
    handlers = {"huge": _huge, "bomb": _bomb, "moved": _moved, "good": _good}
    app = Starlette(routes=[Route(f"/events/signature-keys/{name}", handler) for name, handler in handlers.items()])
    async with (
        serving(app) as gateway,
        gateway_client(timedelta(seconds=2), user_agent="test") as client,
    ):
        signing = SigningKeys(client, KeyLifetimes())
        assert await signing.get(gateway.url, "good", SOMEBODY) is not None
        assert await signing.get(gateway.url, "unknown", SOMEBODY) is None
        for key_id in ("huge", "bomb", "moved"):
            with pytest.raises(LookupFailed):
                await signing.get(gateway.url, key_id, SOMEBODY)


async def test_a_gateway_that_drips_holds_up_nobody_for_long() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        with suppress(ConnectionError):
            while not closing.is_set():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.transport.abort()

    closing = asyncio.Event()
    async with (
        await asyncio.start_server(drip, "127.0.0.1", 0) as server,
        gateway_client(timedelta(seconds=0.2), user_agent="test") as client,
    ):
        signing = SigningKeys(client, KeyLifetimes())
        async with asyncio.timeout(30):
            with pytest.raises(LookupFailed, match="TimeoutError"):
                await signing.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key", SOMEBODY)
        closing.set()
        await asyncio.sleep(0.2)  # in which it ends


@pytest.mark.case(77)
async def test_events_that_wait_for_an_unknown_key_take_no_place_from_the_others() -> None:
    asked, answered = 0, asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await answered.wait()
        return httpx.Response(404)

    signing = SigningKeys(httpx.AsyncClient(transport=httpx.MockTransport(slow)), KeyLifetimes())
    waiting = [asyncio.create_task(signing.get(GATEWAY, "made-up", SOMEBODY)) for _ in range(100)]
    await until(lambda: bool(asked) and any(each.done() for each in waiting))
    refused = [each for each in waiting if each.done()]
    assert len(refused) == 36
    answered.set()
    assert [isinstance(each, LookupFailed) for each in await asyncio.gather(*waiting, return_exceptions=True)].count(
        True
    ) == 36
    assert await signing.get(GATEWAY, "made-up", SOMEBODY) is None


async def test_a_gateway_that_is_silent_or_down_is_a_failure() -> None:
    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    closing = asyncio.Event()
    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, gateway_client(timedelta(seconds=0.2), user_agent="test") as client:
        signing = SigningKeys(client, KeyLifetimes())
        with pytest.raises(LookupFailed):
            await signing.get(f"http://127.0.0.1:{port}", "key", SOMEBODY)
        closing.set()
        server.close()
        await server.wait_closed()
        with pytest.raises(LookupFailed):
            await signing.get(f"http://127.0.0.1:{port}", "other", SOMEBODY)


@pytest.mark.case(4, 30)
@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_gateway_that_speaks_no_http_is_a_failure(answer: bytes) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(connected, "127.0.0.1", 0) as server,
        gateway_client(timedelta(seconds=2), user_agent="test") as client,
    ):
        with pytest.raises(LookupFailed):
            await SigningKeys(client, KeyLifetimes()).get(
                f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key", SOMEBODY
            )
