"""The source of kopf's events: what was listed is not brought again, and nothing ends it but a cancellation."""

import asyncio
import inspect
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import kopf
import pytest
from kopf._cogs.clients import watching

from builders.manual_clock import ManualClock
from builders.raw_objects import tenant
from talkdesk_operator.informer import event_source
from talkdesk_operator.informer.event_source import EventSource, SourcedSettings
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubeNoPath, KubeUnreachable

TENANTS = kopf.Resource("appconnect.talkdesk.dev", "v1alpha1", "talkdesktenants")


@dataclass
class Script:
    """What each attempt brings: events, then an error or the end of the stream."""

    attempts: list[tuple[list[dict[str, Any]], KubeError | None]]
    listings: list[str | Exception] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)
    present: str = "1000000"
    """The version that the API server is at."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert (method, path.rpartition("/")[2], query) == ("GET", "talkdesktenants", {"limit": "1"})
        return {"metadata": {"resourceVersion": self.present}, "items": []}

    async def watch(
        self, path: str, *, query: Mapping[str, str], idle: timedelta
    ) -> AsyncGenerator[dict[str, Any], None]:
        assert path.endswith("/talkdesktenants")
        assert idle <= timedelta(minutes=2)
        self.since.append(query.get("resourceVersion", ""))
        self.selected.append(query.get("labelSelector", ""))
        if not self.attempts:
            self.over.set()
            await asyncio.Event().wait()
        events, error = self.attempts.pop(0)
        for event in events:
            yield event
        if error is not None:
            raise error

    async def resume(self, plural: str, _namespace: str) -> str:
        assert plural == "talkdesktenants"
        answer = self.listings.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def event(version: str, kind: str = "MODIFIED") -> dict[str, Any]:
    return {"type": kind, "object": tenant(version=version)}


@asynccontextmanager
async def seen(
    script: Script, selection: Callable[[str], Mapping[str, str]] = lambda _: {}
) -> AsyncIterator[list[str]]:
    """Take events until the script is over; yield their versions."""
    rng = random.Random(1)  # noqa: S311 - a test
    settings = SourcedSettings()
    settings.source = EventSource(script, script.resume, ManualClock().runtime_clock(), rng, selection=selection)
    versions: list[str] = []

    async def take() -> None:
        async for each in watching.infinite_watch(settings=settings, resource=TENANTS, namespace=None):
            if not isinstance(each, watching.Bookmark):
                versions.append(each["object"]["metadata"]["resourceVersion"])  # noqa: PERF401 - seen while it goes on

    task = asyncio.create_task(take())
    ends: set[asyncio.Future[Any]] = {task, asyncio.create_task(script.over.wait()), settings.source.failed}
    try:
        await asyncio.wait_for(asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED), 10)
        if settings.source.failed.done():
            settings.source.failed.result()
        yield versions
    finally:
        for each in ends:
            each.cancel()


async def test_a_watch_goes_on_from_the_listing_and_after_a_break_from_the_last_version() -> None:
    script = Script([([event("11"), event("12", "BOOKMARK")], None), ([event("13")], KubeUnreachable("cut"))], ["10"])
    async with seen(script) as versions:
        assert versions == ["11", "13"]
        assert script.since == ["10", "12", "13"]


async def test_a_watch_is_restricted_to_what_is_selected_of_its_kind() -> None:
    script = Script([([event("11")], None)], ["10"])
    async with seen(script, lambda plural: {"labelSelector": f"some of {plural}"}):
        assert script.selected == ["some of talkdesktenants"] * 2


@pytest.mark.case(82)
@pytest.mark.parametrize("error", [KubeExpired("too old"), KubeNoPath("no such kind")])
async def test_after_an_expired_version_or_a_missing_kind_it_is_listed_again(error: KubeError) -> None:
    script = Script([([event("11")], error), ([event("21")], None)], ["10", KubeNoPath("still none"), "20"])
    async with seen(script) as versions:
        assert versions == ["11", "21"]
        assert script.since == ["10", "20", "21"]


@pytest.mark.case(48)
@pytest.mark.parametrize("error", [None, KubeUnreachable("cut")])
async def test_a_watch_does_not_go_on_from_a_version_that_a_restored_etcd_has_not_reached(
    error: KubeError | None,
) -> None:
    """The API server takes such a watch, and shows nothing until it has counted beyond that version."""
    script = Script([([event("11")], error), ([], None)], ["10", LookupError("the versions went back")], present="9")
    with pytest.raises(LookupError, match="went back"):
        async with seen(script):
            pass
    assert script.since == ["10"]


async def test_each_watch_of_what_is_not_listed_begins_with_what_is_there() -> None:
    script = Script([([event("11")], None), ([event("12")], KubeUnreachable("cut"))], ["", "", ""])
    async with seen(script) as versions:
        assert versions == ["11", "12"]
        assert script.since == ["", "", ""]


async def test_what_no_attempt_can_mend_is_reported_and_not_raised_into_kopf() -> None:
    script = Script([], [LookupError("the cache is worth nothing")])
    with pytest.raises(LookupError):
        async with seen(script):
            pass


async def test_kopf_still_asks_for_its_events_where_ours_are_put_and_keeps_its_own_otherwise() -> None:
    """It is a private part of kopf that is replaced, so a new version may need another place."""
    from kopf._core.reactor import queueing  # noqa: PLC0415 - what is looked at is how it uses the other module

    assert "watching.infinite_watch(" in inspect.getsource(queueing.watcher)
    assert watching.infinite_watch is event_source._events
    own = event_source._KOPFS_OWN
    assert set(inspect.signature(own).parameters) >= {"settings", "resource", "namespace"}
    stream = watching.infinite_watch(settings=kopf.OperatorSettings(), resource=TENANTS, namespace=None, _iterations=0)
    assert [each async for each in stream] == []
