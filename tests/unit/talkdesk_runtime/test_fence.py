"""What may be sent only by a leader: it is asked when the connection is there, right before the request is written."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from typing_extensions import override

from builders.kube_api import answer, connect, kube_api
from builders.manual_clock import ManualClock
from builders.serving import until
from talkdesk_operator.adapters.http.transport_errors import TRANSPORT_ERRORS, cause_of, not_sent_because
from talkdesk_runtime.fence import Fence, FencedOff
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.kube_errors import KubeUnreachable

WORDS = "may not be the leader any more"


def opened(clock: ManualClock, seconds: float = 10) -> Fence:
    fence = Fence(clock.time)
    fence.open_until(clock.now + seconds)
    return fence


def test_a_fence_is_shut_at_first_and_open_until_its_moment() -> None:
    clock = ManualClock()
    fence = Fence(clock.time)
    with pytest.raises(FencedOff, match=WORDS):
        fence.check()
    fence.open_until(clock.now + 10)
    clock.advance(9)
    fence.check()
    assert fence.left() == 1
    fence.open_until(clock.now + 10)
    clock.advance(9)
    fence.check()
    clock.advance(1)
    with pytest.raises(FencedOff, match=WORDS):
        fence.check()


def test_what_was_shut_once_never_opens_again() -> None:
    clock = ManualClock()
    expired, ended = opened(clock), opened(clock)
    clock.advance(10)
    ended.shut()
    for fence in (expired, ended):
        fence.open_until(clock.now + 10)
        assert (fence.is_shut(), fence.left()) == (True, 0)


def test_only_a_fence_that_was_open_until_its_time_was_over_has_expired() -> None:
    clock = ManualClock()
    never, given_up, lost = Fence(clock.time), opened(clock), opened(clock)
    given_up.shut()
    assert [fence.has_expired() for fence in (never, given_up, lost)] == [False, False, False]
    clock.advance(10)
    for fence in (never, given_up, lost):
        fence.shut()
    assert [fence.has_expired() for fence in (never, given_up, lost)] == [False, False, True]
    clock.advance(-10)
    assert lost.has_expired(), "for good, even if the clock went back"


@pytest.mark.case(49)
async def test_reads_are_sent_and_writes_are_not_when_the_fence_is_shut(tmp_path: Path) -> None:
    clock = ManualClock()
    async with kube_api(answer({})) as server, await connect(tmp_path, server.url) as kube:
        fenced = kube.within(opened(clock))
        await fenced.request("POST", "/open", body={})
        clock.advance(10)
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(KubeUnreachable, match=WORDS):
                await fenced.request(method, "/shut", body={})
        await fenced.request("GET", "/read")
        await kube.request("PUT", "/lease", body={})
        assert [asked.path for asked in server.asked] == ["/open", "/read", "/lease"]


@pytest.mark.case(49)
async def test_a_write_that_waited_for_its_connection_is_not_sent_when_the_fence_shut_meanwhile(tmp_path: Path) -> None:
    clock, held = ManualClock(), asyncio.Event()

    async def hold(_: web.BaseRequest) -> web.StreamResponse:
        await held.wait()
        return web.json_response({})

    async with kube_api(hold) as server, await connect(tmp_path, server.url, connections=1) as kube:
        fenced = kube.within(opened(clock))
        first = asyncio.create_task(fenced.request("PATCH", "/first", body={}))
        await until(lambda: bool(server.asked))
        second = asyncio.create_task(fenced.request("PATCH", "/second", body={}))
        await asyncio.sleep(0)
        clock.advance(10)
        held.set()
        await first
        with pytest.raises(KubeUnreachable, match=WORDS):
            await second
        assert [asked.path for asked in server.asked] == ["/first"]


@pytest.mark.case(49)
@pytest.mark.parametrize("passed", [0, 1])
async def test_a_write_is_not_sent_when_the_fence_shuts_between_its_headers_and_its_body(
    tmp_path: Path, passed: int
) -> None:
    """A process may be stopped anywhere; of the times that the fence is asked, only the last ones count."""
    clock = ManualClock()
    fence = opened(clock)
    asked = 0

    class Stopping(Fence):
        @override
        def check(self) -> None:
            nonlocal asked
            asked += 1
            if asked > passed:
                clock.advance(60)
            fence.check()

    async with kube_api(answer({})) as server, await connect(tmp_path, server.url) as kube:
        with pytest.raises(KubeUnreachable, match=WORDS):
            await kube.within(Stopping(clock.time)).request("PATCH", "/stopped", body={"a": "b"})
        assert server.asked == []
        assert asked == passed + 1


@pytest.mark.case(49)
async def test_nothing_is_sent_to_other_hosts_and_counts_as_a_request_that_was_not_sent() -> None:
    clock = ManualClock()
    async with kube_api(answer({})) as server:
        transport = RoutingTransport(fence=opened(clock))
        timeout = httpx.Timeout(timedelta(seconds=10).total_seconds()).as_dict()
        request = httpx.Request("POST", f"{server.url}/approve", extensions={"timeout": timeout})
        await (await transport.handle_async_request(request)).aclose()
        clock.advance(10)
        with pytest.raises(TRANSPORT_ERRORS) as caught:
            await transport.handle_async_request(request)
        assert WORDS in (not_sent_because(cause_of(caught.value)) or "")
        assert [asked.path for asked in server.asked] == ["/approve"]
        await transport.aclose()
