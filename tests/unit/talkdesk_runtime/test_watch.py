"""Watches on real sockets: events as they come, and each way in which a stream can end."""

import asyncio
import json
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from aiohttp import web

from builders.kube_api import Answer, connect, failure, kube_api, stream
from talkdesk_runtime.kube_errors import (
    KubeError,
    KubeExpired,
    KubeForbidden,
    KubeOverloaded,
    KubeRefused,
    KubeUnreachable,
)

ADDED = {"type": "ADDED", "object": {"metadata": {"name": "one"}}}
DELETED = {"type": "DELETED", "object": {"metadata": {"name": "\u00fcber"}}}


async def watched(tmp_path: Path, respond: Answer, *, idle: float = 5, timeout: float = 5) -> list[dict[str, Any]]:
    async with (
        kube_api(respond) as api,
        await connect(tmp_path, api.url, timeout=timeout) as kube,
        aclosing(kube.watch("/x", idle=timedelta(seconds=idle))) as events,
    ):
        return [event async for event in events]


async def test_events_are_yielded_until_the_server_ends_the_stream(tmp_path: Path) -> None:
    assert await watched(tmp_path, stream(ADDED, DELETED)) == [ADDED, DELETED]


async def test_a_watch_is_requested_as_given(tmp_path: Path) -> None:
    async with kube_api(stream()) as api, await connect(tmp_path, api.url, user={"token": "made-up"}) as kube:
        query = {"resourceVersion": "7"}
        async with aclosing(kube.watch("/x", query=query, accept="application/y", as_user="her")) as events:
            assert [event async for event in events] == []
    asked = api.asked[0]
    assert (asked.method, asked.path, asked.query) == ("GET", "/x", {"resourceVersion": "7", "watch": "true"})
    assert asked.headers["Accept"] == "application/y"
    assert asked.headers["Impersonate-User"] == "her"
    assert asked.headers["Authorization"] == "Bearer made-up"


async def test_an_event_is_yielded_while_the_stream_goes_on(tmp_path: Path) -> None:
    async with (
        kube_api(stream(ADDED, end="open")) as api,
        await connect(tmp_path, api.url) as kube,
        aclosing(kube.watch("/x")) as events,
        asyncio.timeout(5),
    ):
        assert await anext(events) == ADDED


async def test_events_may_arrive_in_any_pieces(tmp_path: Path) -> None:
    both = b"\n".join(json.dumps(event, ensure_ascii=False).encode() for event in (ADDED, DELETED)) + b"\n"
    single = [both[i : i + 1] for i in range(len(both))]
    assert await watched(tmp_path, stream(*single)) == [ADDED, DELETED]
    assert await watched(tmp_path, stream(b"\n\n" + both + b"\n")) == [ADDED, DELETED]


async def test_a_large_event_is_accepted(tmp_path: Path) -> None:
    large = {"type": "ADDED", "object": {"data": "x" * 3_000_000}}
    assert await watched(tmp_path, stream(large)) == [large]


async def test_an_endless_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KubeRefused, match="an event of more than 8388608 bytes"):
        await watched(tmp_path, stream(*[b"x" * 1_000_000] * 9, end="open"))


@pytest.mark.parametrize(
    "line", [b"<html>", b"[]", b"{}", b"1", b"\xff", b'{"type": "ADDED"}', b'{"type": "ERROR", "object": {}}']
)
async def test_an_event_that_makes_no_sense_is_refused(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(KubeRefused, match="makes no sense"):
        await watched(tmp_path, stream(line + b"\n"))


@pytest.mark.parametrize(("code", "error"), [(410, KubeExpired), (500, KubeOverloaded), (403, KubeForbidden)])
async def test_an_error_event_raises_its_error(tmp_path: Path, code: int, error: type[KubeError]) -> None:
    event = {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "too old"}}
    with pytest.raises(error, match="too old"):
        await watched(tmp_path, stream(ADDED, event))


@pytest.mark.parametrize(("status", "error"), [(302, KubeRefused), (410, KubeExpired), (403, KubeForbidden)])
async def test_a_refused_watch_raises_its_error(tmp_path: Path, status: int, error: type[KubeError]) -> None:
    with pytest.raises(error, match="it went wrong"):
        await watched(tmp_path, failure(status))


async def test_retry_after_of_a_refused_watch_is_read(tmp_path: Path) -> None:
    with pytest.raises(KubeOverloaded) as raised:
        await watched(tmp_path, failure(429, Retry_After="3"))
    assert raised.value.retry_after == timedelta(seconds=3)


async def test_a_stream_that_breaks_off_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(KubeUnreachable, match="can't be reached"):
        await watched(tmp_path, stream(ADDED, end="cut"))


async def test_a_stream_that_ends_within_an_event_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(KubeUnreachable, match="in the middle of an event"):
        await watched(tmp_path, stream(ADDED, b'{"type":'))


async def test_a_silent_stream_times_out(tmp_path: Path) -> None:
    with pytest.raises(KubeUnreachable, match="in time"):
        await watched(tmp_path, stream(ADDED, end="open"), idle=0.2)


async def test_a_watch_that_does_not_begin_times_out_like_a_request(tmp_path: Path) -> None:
    async def never(_: web.BaseRequest) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(KubeUnreachable, match="in time"):
        await watched(tmp_path, never, timeout=0.2)


async def test_a_stream_that_the_caller_leaves_is_closed(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await stream(ADDED, end="open")(request)
        finally:
            left.set()

    async with kube_api(respond) as api, await connect(tmp_path, api.url) as kube:
        async with aclosing(kube.watch("/x")) as events:
            await anext(events)
        async with asyncio.timeout(5):
            await left.wait()
