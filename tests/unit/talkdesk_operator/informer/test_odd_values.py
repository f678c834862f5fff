"""Whatever value one object holds: it is read, or said to be unreadable, and all others go on."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from builders.manual_clock import ManualClock
from builders.odd_values import Odd, odd_values
from builders.raw_objects import app, installation, tenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import priority_of
from talkdesk_operator.domain.tenant.drift import targets_of
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.informer.relist import Relist
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health
from talkdesk_operator.reconcilers.apps import CompiledApps, app_status
from talkdesk_operator.workqueue.queue import Cause, Result, WorkQueue
from talkdesk_runtime.deep_json import read_json

CASES = {case.name: case for case in odd_values()}
GOOD = AccountKey("team", "sentiment", "a1")
PLURALS = {
    "TalkdeskApp": "talkdeskapps",
    "TalkdeskInstallation": "talkdeskinstallations",
    "TalkdeskTenant": "talkdesktenants",
}


class Listed:
    """An API server whose answers are bytes, with one odd object in the midst of good ones."""

    def __init__(self, kind: str, odd: bytes) -> None:
        self.plural, self.odd = PLURALS[kind], odd

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert (method, query is not None) == ("GET", True)
        plural = path.rpartition("/")[2]
        goods = {"talkdeskapps": app, "talkdeskinstallations": installation, "talkdesktenants": tenant}
        items = [orjson.dumps(goods[plural]()), *([self.odd] if plural == self.plural else [])]
        body = b'{"metadata":{"resourceVersion":"9"},"items":[' + b",".join(reversed(items)) + b"]}"
        answer: dict[str, Any] = read_json(body)
        return answer


class Informer:
    """Cache, queue and handlers, as the process puts them together."""

    def __init__(self) -> None:
        clock, rng = ManualClock(), random.Random(1)  # noqa: S311 - a test
        self.clock, self.rng = clock.runtime_clock(), rng
        self.cache = InformerCache()
        self.queue = WorkQueue(Metrics(CollectorRegistry()), scheduler=clock, rng=rng)
        health = Health(clock=clock.time, max_event_age=None)
        self.handlers = Handlers(self.cache, self.queue, health, prioritize=priority_of, now=self.clock.now)

    async def list(self, kind: str, odd: bytes) -> None:
        async def changed(of: str, keys: Any) -> None:
            await self.handlers.enqueue_all(of, keys, Cause.STARTUP)

        await Relist(Listed(kind, odd), self.cache, Selection(), clock=self.clock, rng=self.rng).load(changed)

    async def queued(self) -> set[AccountKey]:
        begun: set[AccountKey] = set()
        stop = asyncio.Event()

        async def reconcile(key: AccountKey, _causes: frozenset[Cause]) -> Result:
            begun.add(key)
            return Result()

        working = asyncio.create_task(self.queue.run(reconcile, stop))
        for _ in range(60):
            await asyncio.sleep(0)
        stop.set()
        await working
        return begun


@pytest.mark.case(75)
@pytest.mark.parametrize("odd", CASES.values(), ids=CASES)
async def test_one_odd_object_is_read_or_said_to_be_unreadable_and_the_others_go_on(odd: Odd) -> None:
    it, document = Informer(), odd.document()
    await it.list(odd.kind, document)
    assert GOOD in await it.queued()
    assert it.cache.installations(GOOD)
    for version in ("5", "6"):
        event = read_json(b'{"type":"MODIFIED","object":' + document + b"}")
        event["object"]["metadata"]["resourceVersion"] = version
        await it.handlers.on_object(event=event)
        it.handlers.on_own_write(event["object"])
    await it.queued()
    seen = [cached for kind in PLURALS for cached in it.cache._all(kind)]
    assert len(seen) == 4
    apps = CompiledApps(None, it.clock.now)  # type: ignore[arg-type]  # nothing is written here
    for found in it.cache.apps():
        targets_of(apps.view(found))
        app_status(apps.view(found), it.clock.now())


@pytest.mark.case(75)
def test_what_is_nested_too_deep_is_read_without_its_deepest_part() -> None:
    document = b'{"a":' + b'{"b":[' * 3000 + b'"}]{[\\"' + b'"' + b"]}" * 3000 + b',"c":1}'
    read = read_json(document)
    assert read["c"] == 1
    assert read["a"]["b"][0]["b"]
    for broken in (b'{"a":', b'{"a":}', b"", b"{" * 2000):
        with pytest.raises(ValueError, match=r"."):
            read_json(broken)


def test_the_reason_of_an_unreadable_object_says_where_it_is_too_deep() -> None:
    cache = InformerCache()
    cache.observe(read_json(CASES["TalkdeskTenant spec.values nested 255"].document()))
    (problem,) = cache.unreadable(AccountKey("team", "sentiment", "odd"))
    assert problem.reason == "spec.values: Value error, is nested in more than 100 levels"
