"""One attempt to pass a logout on, over real sockets."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builders.logout_endpoint import SECRET, LogoutEndpoint, logout_endpoint
from builders.ports import RelayKeysInMemory, clock_of, known_app, logout_to
from builders.serving import until
from scripted_talkdesk import serve, server_context
from talkdesk_crds.app import Logout
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook.relay import LogoutRelay, RelayFailed, RelayFault, relay_client

BODY = '{"type":"user.logout", "data":{"user_email":"canary@example.com"} , "x": "ü"}'.encode()


@dataclass
class Attempts:
    relay: LogoutRelay
    clock: list[float]

    async def fault(self, logout: Logout) -> RelayFailed:
        with pytest.raises(RelayFailed) as caught:
            await self.pass_on(logout)
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        return caught.value

    async def pass_on(self, logout: Logout, event_id: str = "event-1", **app: Any) -> None:
        await self.relay.relay(known_app(logout=logout, **app), logout, event_id, BODY)


@asynccontextmanager
async def attempts(keys: RelayKeysInMemory | None = None, *, in_flight: int = 4) -> AsyncIterator[Attempts]:
    clock = [0.0]
    async with relay_client(100, user_agent="test") as client:
        yield Attempts(
            LogoutRelay(
                client, keys or RelayKeysInMemory(SECRET), max_in_flight=in_flight, clock=clock_of(lambda: clock[0])
            ),
            clock,
        )


def to(endpoint: LogoutEndpoint, timeout: str = "5s") -> Logout:
    return logout_to(endpoint.url, timeout=timeout, allow_insecure=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_logout_is_forwarded_unchanged_and_any_2xx_accepts_it(status: int) -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.status = status
        await its.pass_on(to(endpoint))
        assert endpoint.came == [("event-1", BODY)]


async def test_the_same_event_has_the_same_message_id_whatever_its_own_id_holds() -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        for _ in range(2):
            await its.pass_on(to(endpoint), "e\r\nx: 🚀")
        assert len({message for message, _ in endpoint.came}) == 1


@pytest.mark.case(64)
@pytest.mark.parametrize("status", [300, 400, 401, 404, 409, 410, 422, 429, 500, 502, 503])
async def test_any_other_status_is_a_refusal(status: int) -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.status = status
        failed = await its.fault(to(endpoint))
        assert (failed.fault, str(failed)) == (RelayFault.REFUSED, f"the endpoint answered {status}")


@pytest.mark.case(64, 29)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.status, endpoint.headers = status, {"Location": "/elsewhere"}
        assert (await its.fault(to(endpoint))).fault is RelayFault.REFUSED
        assert endpoint.elsewhere == []


@pytest.mark.case(64)
@pytest.mark.parametrize(
    "body", [b"<html>canary", b"{", b" " * 50_000_000, gzip.compress(b" " * 50_000_000), b"\xff\0"], ids=len
)
async def test_the_body_of_a_response_is_discarded(body: bytes) -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.status, endpoint.body, endpoint.headers = 200, body, {"Content-Encoding": "gzip"}
        for _ in range(2):
            await its.pass_on(to(endpoint))


@pytest.mark.case(64)
async def test_a_silent_endpoint_times_out() -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.open.clear()
        async with asyncio.timeout(4):
            assert (await its.fault(to(endpoint, "1s"))).fault is RelayFault.TIMEOUT


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[Logout]:
    """Answer with these bytes and hang up."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield logout_to(f"http://127.0.0.1:{port}/?token=canary", allow_insecure=True)


@pytest.mark.case(64)
@pytest.mark.parametrize(
    "answer", [b"", b"canary\r\n\r\n", b"HTTP/1.1 canary\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncan"]
)
async def test_an_incomplete_response_counts_as_unreachable(answer: bytes) -> None:
    async with saying(answer) as logout, attempts() as its:
        assert (await its.fault(logout)).fault is RelayFault.UNREACHABLE


@pytest.mark.case(64, 29)
async def test_an_endpoint_that_cant_be_reached_is_reported_with_the_class_of_the_error() -> None:
    async with saying(b"HTTP/1.1 204 No Content\r\n\r\n") as logout, attempts() as its:
        secure = logout_to(logout.url.replace("http://", "https://"))
        failed = await its.fault(secure)
        assert (failed.fault, "SSL" in str(failed)) == (RelayFault.UNREACHABLE, True)
    async with attempts() as its:
        failed = await its.fault(logout)
        assert (failed.fault, "ClientConnectorError" in str(failed)) == (RelayFault.UNREACHABLE, True)
        for url in ("https://:canary@/", "https://[:::]/", "https://canary:99999/", "https://a..b/"):
            assert (await its.fault(logout_to(url))).fault is RelayFault.UNREACHABLE


@pytest.mark.case(29)
async def test_an_untrusted_certificate_counts_as_unreachable(tmp_path: Path) -> None:
    context, _ = server_context(tmp_path, "127.0.0.1")
    async with serve(tls=context) as server, attempts() as its:
        failed = await its.fault(logout_to(server.url))
        assert (failed.fault, "Certificate" in str(failed)) == (RelayFault.UNREACHABLE, True)
        assert server.seen == []


async def test_plain_http_needs_to_be_allowed() -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        assert (await its.fault(logout_to(endpoint.url))).fault is RelayFault.INSECURE
        assert endpoint.came == []


@pytest.mark.parametrize("error", [None, LookupFailed("the Secret single-logout can't be read: away")])
async def test_without_a_key_nothing_is_sent(error: Exception | None) -> None:
    keys = RelayKeysInMemory(None)
    keys.error = error
    async with logout_endpoint() as endpoint, attempts(keys) as its:
        failed = await its.fault(to(endpoint))
        assert failed.fault is RelayFault.KEY
        assert "single-logout" in str(failed)
        assert endpoint.came == []


@pytest.mark.case(13, 64)
async def test_a_silent_endpoint_takes_only_the_slots_of_its_own_app() -> None:
    async with logout_endpoint() as endpoint, logout_endpoint() as other, attempts(in_flight=3) as its:
        endpoint.open.clear()
        running = [asyncio.create_task(its.pass_on(to(endpoint))) for _ in range(3)]
        await until(lambda: endpoint.waiting == 3)
        assert (await its.fault(to(endpoint))).fault is RelayFault.BUSY
        await its.pass_on(to(other), name="other")
        endpoint.open.set()
        await asyncio.gather(*running)
        await its.pass_on(to(endpoint))


@pytest.mark.case(64)
async def test_an_endpoint_that_keeps_failing_gets_no_calls_for_a_moment() -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.status = 500
        for _ in range(5):
            assert (await its.fault(to(endpoint))).fault is RelayFault.REFUSED
        its.clock[0] = 2
        failed = await its.fault(to(endpoint))
        assert (failed.fault, failed.retry_after) == (RelayFault.CIRCUIT_OPEN, timedelta(seconds=3))
        assert len(endpoint.came) == 5
        endpoint.status, its.clock[0] = 200, 5
        for _ in range(2):
            await its.pass_on(to(endpoint))


@pytest.mark.case(64)
async def test_an_endpoint_that_refuses_single_events_still_gets_calls() -> None:
    async with logout_endpoint() as endpoint, attempts() as its:
        endpoint.status = 404
        for _ in range(7):
            assert (await its.fault(to(endpoint))).fault is RelayFault.REFUSED


@pytest.mark.case(64)
async def test_our_own_time_limit_is_not_held_against_the_endpoint() -> None:
    async with logout_endpoint() as endpoint, attempts() as its:

        def came(times: int) -> bool:
            return len(endpoint.came) == times

        endpoint.open.clear()
        for number in range(7):
            running = asyncio.create_task(its.pass_on(to(endpoint)))
            await until(partial(came, number + 1))
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        endpoint.open.set()
        await its.pass_on(to(endpoint))


async def test_a_cancelled_relay_gives_its_slot_back() -> None:
    async with logout_endpoint() as endpoint, attempts(in_flight=1) as its:
        endpoint.open.clear()
        running = asyncio.create_task(its.pass_on(to(endpoint)))
        await until(lambda: endpoint.waiting == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        endpoint.open.set()
        await its.pass_on(to(endpoint))
