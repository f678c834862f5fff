"""A new leader's cache is as new as what the leader before wrote last, or as the cluster is now."""

import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from builders.manual_clock import ManualClock
from builders.raw_objects import installation
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import priority_of
from talkdesk_operator.domain.shard import WHOLE, Shard
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.catch_up import CatchUp, stream_name
from talkdesk_operator.informer.event_source import EventSource
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.informer.relist import Relist, ResourceVersionWentBack
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health
from talkdesk_operator.workqueue.queue import WorkQueue
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubeUnreachable

PLURAL = "talkdeskinstallations"


@dataclass
class World:
    """An API server, and a cache that our own watch has brought to version 10."""

    present: list[str | KubeError] = field(default_factory=list)
    """Its versions, as it is asked for them."""
    streams: list[list[dict[str, Any]] | KubeError] = field(default_factory=list)
    """What a watch from our version brings."""
    asked: list[str] = field(default_factory=list)
    shard: Shard = WHOLE

    def __post_init__(self) -> None:
        clock, rng = ManualClock(), random.Random(1)  # noqa: S311 - a test
        runtime = clock.runtime_clock()
        self.cache = InformerCache()
        queue = WorkQueue(Metrics(CollectorRegistry()), scheduler=clock, rng=rng)
        self.health = Health(clock=clock.time, max_event_age=None)
        handlers = Handlers(self.cache, queue, self.health, prioritize=priority_of, now=runtime.now, queueing=False)
        self.source = EventSource(self, self.resume, runtime, rng)
        self.source.reached[PLURAL, "team"] = "10"
        selection = Selection(("team",), self.shard)
        relist = Relist(self, self.cache, selection, clock=runtime, rng=rng)
        self.catch_up = CatchUp(self, self.source, relist, handlers, selection=selection, clock=runtime, rng=rng)

    async def resume(self, _plural: str, _namespace: str) -> str:
        raise NotImplementedError

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert (method, path.rpartition("/")[2]) == ("GET", PLURAL)
        limit = (query or {})["limit"]
        self.asked.append(f"list of {limit}")
        assert limit != "1" or "labelSelector" not in (query or {}), "the present version needs no search"
        answer = self.present.pop(0)
        if isinstance(answer, KubeError):
            raise answer
        items = [] if limit == "1" else [installation("listed", account="listed", version=answer)]
        return {"metadata": {"resourceVersion": answer}, "items": items}

    async def watch(
        self, path: str, *, query: Mapping[str, str], idle: timedelta
    ) -> AsyncGenerator[dict[str, Any], None]:
        assert path.rpartition("/")[2] == PLURAL
        assert idle
        self.asked.append(f"watch from {query['resourceVersion']}")
        assert query.get("labelSelector", "") == self.shard.selector
        answer = self.streams.pop(0)
        if isinstance(answer, KubeError):
            raise answer
        for event in answer:
            yield event

    async def until(self, version: str = "") -> None:
        with capture_logs():
            await self.catch_up.until(PLURAL, "team", version, self.health)

    def has(self, account: str) -> bool:
        return AccountKey("team", "sentiment", account) in self.cache


def event(version: str, account: str, kind: str = "ADDED") -> dict[str, Any]:
    return {"type": kind, "object": installation(f"i-{account}", account=account, version=version)}


def bookmark(version: str) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}


@pytest.mark.case(49)
async def test_what_the_leader_before_had_seen_is_mostly_here_and_nothing_is_asked() -> None:
    it = World()
    await it.until("10")
    assert it.asked == []


@pytest.mark.case(49)
async def test_what_the_watch_has_not_brought_yet_is_brought_by_another_one_from_the_same_version() -> None:
    it = World(streams=[[event("11", "a1"), event("12", "a2"), event("13", "a3")]])
    await it.until("12")
    assert it.asked == ["watch from 10"]
    assert [it.has(account) for account in ("a1", "a2", "a3")] == [True, True, False]


@pytest.mark.case(49)
async def test_a_shard_catches_up_with_its_own_objects_alone() -> None:
    it = World(present=["15"], streams=[[event("11", "a1"), bookmark("15")]], shard=Shard(1, 2))
    await it.until()
    assert it.asked == ["list of 1", "watch from 10"]
    assert it.has("a1")


@pytest.mark.case(49)
async def test_without_its_word_the_present_version_counts_and_a_bookmark_shows_that_it_is_reached() -> None:
    it = World(present=["15"], streams=[[event("11", "a1"), bookmark("15")]])
    await it.until()
    assert it.asked == ["list of 1", "watch from 10"]
    assert it.has("a1")


async def test_a_word_that_never_comes_true_is_given_up_for_the_present_version() -> None:
    it = World(present=["11"], streams=[[bookmark("11")], [bookmark("11")]])
    await it.until("999")
    assert it.asked == ["watch from 10", "list of 1", "watch from 10"]


async def test_a_word_that_is_no_version_is_none() -> None:
    it = World(present=["10"])
    await it.until("no number")
    assert it.asked == ["list of 1"]


async def test_an_expired_version_costs_a_listing() -> None:
    it = World(present=["50"], streams=[KubeExpired("too old")])
    await it.until("12")
    assert it.asked == ["watch from 10", "list of 100"]
    assert it.has("listed")


async def test_an_api_server_that_is_away_is_waited_for_and_the_reason_is_reported() -> None:
    it = World(present=[KubeUnreachable("refused"), "11"], streams=[KubeUnreachable("cut"), [bookmark("11")]])
    await it.until("11")
    assert it.asked == ["watch from 10", "list of 1", "list of 1", "watch from 10"]
    assert it.health.blocker == "refused"


@pytest.mark.case(48)
async def test_a_present_version_lower_than_one_that_was_seen_means_a_restored_etcd() -> None:
    it = World(present=["9"])
    with pytest.raises(ResourceVersionWentBack):
        await it.until()


def test_each_watch_has_a_name() -> None:
    assert (stream_name(PLURAL, ""), stream_name(PLURAL, "team")) == (PLURAL, f"team/{PLURAL}")
