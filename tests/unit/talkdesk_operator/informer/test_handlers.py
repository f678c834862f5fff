import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from builders.manual_clock import ManualClock
from builders.raw_objects import app, installation, request, tenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import priority_of
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health, Stage
from talkdesk_operator.workqueue.queue import Cause, Priority, QueueSettings, Result, WorkQueue

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
KEY = AccountKey("team", "sentiment", "a1")


@dataclass
class Shell:
    """Cache, queue and handlers, as the process puts them together."""

    clock: ManualClock = field(default_factory=ManualClock)
    workers: int = 1
    most_at_once: int = 0
    """How many accounts were reconciled at once."""

    def __post_init__(self) -> None:
        metrics = Metrics(CollectorRegistry())
        bounds = QueueSettings(workers=self.workers)
        self.queue = WorkQueue(metrics, scheduler=self.clock, rng=random.Random(1), settings=bounds)  # noqa: S311 - a test
        self.cache = InformerCache()
        self.health = Health(clock=self.clock.time, max_event_age=timedelta(seconds=90))
        self.handlers = Handlers(self.cache, self.queue, self.health, prioritize=priority_of, now=lambda: NOW)

    async def event(self, kind: str | None, raw: dict[str, Any]) -> None:
        await self.handlers.on_object(event={"type": kind, "object": raw})  # type: ignore[typeddict-item] # as kopf has it

    async def queued(self) -> list[tuple[str, frozenset[Cause]]]:
        """Reconcile all that is queued; return the accounts in their order, and the causes."""
        begun: list[tuple[str, frozenset[Cause]]] = []
        active: set[AccountKey] = set()
        stop = asyncio.Event()

        async def reconcile(key: AccountKey, causes: frozenset[Cause]) -> Result:
            begun.append((key.account_id, causes))
            if not key.is_app:
                active.add(key)
                self.most_at_once = max(self.most_at_once, len(active))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                active.discard(key)
            return Result()

        working = asyncio.create_task(self.queue.run(reconcile, stop))
        for _ in range(20):
            await asyncio.sleep(0)
        stop.set()
        await working
        return begun


async def test_an_event_queues_its_account() -> None:
    it = Shell()
    await it.event("ADDED", installation())
    assert await it.queued() == [("a1", frozenset({Cause.WATCH}))]


async def test_deletions_go_before_answers_and_these_before_the_rest() -> None:
    it = Shell()
    await it.event("ADDED", installation("rest", account="rest"))
    await it.event("ADDED", installation("later", account="later", spec=request(at="2026-05-01T09:00:00Z")))
    await it.event("ADDED", installation("soon", account="soon", spec=request(at="2026-04-30T09:00:00Z")))
    await it.event("ADDED", installation("leaves", account="leaves", spec=request("Uninstall")))
    assert [name for name, _ in await it.queued()] == ["leaves", "soon", "later", "rest"]


async def test_a_version_that_is_known_already_queues_nothing() -> None:
    it = Shell()
    it.cache.observe(installation(version="5"))
    await it.event(None, installation(version="5"))
    await it.event("MODIFIED", installation(version="4"))
    assert await it.queued() == []


async def test_the_event_of_our_own_write_queues_nothing() -> None:
    it = Shell()
    it.cache.observe(installation(version="1"))
    it.handlers.on_own_write(installation(version="2", status={"observedGeneration": 1}))
    await it.event("MODIFIED", installation(version="2", status={"observedGeneration": 1}))
    assert await it.queued() == []


@pytest.mark.case(46)
async def test_an_answer_to_our_write_that_shows_somebody_elses_change_queues_the_account() -> None:
    it = Shell()
    it.cache.observe(installation(version="1"))
    it.handlers.on_own_write(installation(version="3", spec=request("Uninstall")))
    assert await it.queued() == [("a1", frozenset({Cause.WATCH}))]


async def test_the_status_of_an_app_wakes_none_of_its_accounts() -> None:
    it = Shell()
    for raw in (app(), installation("i1", account="a1"), installation("i2", account="a2")):
        it.cache.observe(raw)
    await it.event("MODIFIED", app(version="2", status={"observedGeneration": 1}))
    assert [name for name, _ in await it.queued()] == [""]


@pytest.mark.case(76)
@pytest.mark.parametrize(("gone", "most"), [(False, 1), (True, 2)])
async def test_workers_are_kept_free_for_another_app_only_as_long_as_there_is_one(*, gone: bool, most: int) -> None:
    it = Shell(workers=2)
    for raw in (app(), app("other"), *(installation(name, account=name) for name in ("a1", "a2"))):
        await it.event("ADDED", raw)
    if gone:
        await it.event("DELETED", app("other", version="2"))
    await it.queued()
    assert it.most_at_once == most


async def test_a_changed_app_queues_itself_and_all_its_accounts_behind_what_is_urgent() -> None:
    it = Shell()
    it.cache.observe(installation("i1", account="a1"))
    it.cache.observe(tenant("t2", account="a2"))
    it.cache.observe(installation("i3", account="a3", spec=request()))
    await it.event("MODIFIED", app(version="2"))
    it.handlers.enqueue(AccountKey("team", "sentiment", "a3"), Cause.RESYNC)
    begun = await it.queued()
    assert begun[0] == ("a3", frozenset({Cause.WATCH, Cause.RESYNC}))
    assert {name for name, _ in begun[1:]} == {"", "a1", "a2"}


async def test_a_tenant_that_changed_has_the_urgency_of_its_installations() -> None:
    it = Shell()
    it.cache.observe(installation("i1", account="a1"))
    it.cache.observe(installation("i2", account="a2", spec=request()))
    it.handlers.enqueue(AccountKey("team", "sentiment", "a1"), Cause.STARTUP)
    await it.event("MODIFIED", tenant("t2", account="a2", version="3"))
    assert [name for name, _ in await it.queued()] == ["a2", "a1"]


@pytest.mark.case(44)
async def test_a_deleted_installation_queues_its_account_while_there_is_a_tenant() -> None:
    it = Shell()
    it.cache.observe(installation())
    it.cache.observe(tenant())
    await it.event("DELETED", installation(version="9"))
    assert [name for name, _ in await it.queued()] == ["a1"]


async def test_an_account_without_objects_has_no_timers() -> None:
    it = Shell()
    it.cache.observe(installation())
    it.queue.add_after(KEY, 60, Priority.RESYNC, cause=Cause.RESYNC)
    await it.event("DELETED", installation(version="9"))
    assert it.clock.waiting == []
    assert await it.queued() == []


async def test_an_account_with_nothing_but_an_unreadable_object_is_reconciled() -> None:
    it = Shell()
    await it.event("ADDED", installation(spec=request(at="yesterday")))
    assert [name for name, _ in await it.queued()] == ["a1"]


async def test_every_event_of_a_watch_is_recorded_for_the_liveness_probe() -> None:
    it = Shell()
    it.health.enter(Stage.RUNNING)
    it.clock.advance(100)
    assert it.health.not_live() is not None
    await it.handlers.on_lease(event={"type": "MODIFIED", "object": {}})
    assert it.health.not_live() is None
    it.clock.advance(100)
    await it.event("ADDED", installation())
    assert it.health.not_live() is None


def test_only_handlers_that_write_nothing_are_registered() -> None:
    it = Shell()
    for lease, number in ((True, 4), (False, 3)):
        registry = it.handlers.registry(lease=lease)
        assert len(registry._watching.get_all_handlers()) == number
        for writing in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
            assert not writing.get_all_handlers()


@pytest.mark.case(55)
@pytest.mark.parametrize(("revision", "woken"), [("new", {"a2"}), ("newer", {"a1", "a2"})])
@pytest.mark.parametrize("written", ["here", "by another shard"])
async def test_an_apps_status_queues_those_alone_whose_turn_in_a_rollout_has_come(
    written: str, revision: str, woken: set[str]
) -> None:
    it = Shell()
    for account in ("a1", "a2", "a3"):
        it.cache.observe(tenant(f"sentiment-{account}", account=account))

    def moving(version: str, to: str, *wave: str) -> dict[str, Any]:
        rollout = {"wave": [f"sentiment-{each}" for each in wave]}
        return app(version=version) | {"status": {"updatedRevision": to, "rollout": rollout}}

    it.cache.observe(moving("2", "new", "a1"))
    if written == "here":
        it.handlers.on_own_write(moving("3", revision, "a1", "a2", "gone"))
    else:
        await it.event("MODIFIED", moving("3", revision, "a1", "a2", "gone"))
    it.handlers.on_own_write(app(version="4"))
    queued = {account for account, _ in await it.queued()}
    assert queued - {""} == woken
