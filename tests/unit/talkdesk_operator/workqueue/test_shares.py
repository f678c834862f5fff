"""An app whose Talkdesk hangs leaves workers for the others."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from builders.manual_clock import ManualClock
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.workqueue.queue import Cause, Priority, QueueSettings, Result, WorkQueue
from talkdesk_operator.workqueue.shares import AppShares

WITHIN = 60.0
CHANCE = random.Random
APPS = ("one", "two", "three")


class Workers:
    """A queue whose reconciles of an app hang until it is let go."""

    def __init__(self, workers: int) -> None:
        settings = QueueSettings(workers=workers, grace=timedelta(seconds=WITHIN))
        metrics = Metrics(CollectorRegistry())
        self.queue = WorkQueue(metrics, scheduler=ManualClock(), rng=CHANCE(1), settings=settings)
        self.stop = asyncio.Event()
        self.hanging: dict[str, asyncio.Semaphore] = {}
        self.active: Counter[str] = Counter()
        self.done: list[AccountKey] = []

    async def reconcile(self, key: AccountKey, _: frozenset[Cause]) -> Result:
        self.active[key.app] += 1
        if key.app in self.hanging and not key.is_app:
            await self.hanging[key.app].acquire()
        self.active[key.app] -= 1
        self.done.append(key)
        return Result()

    def hang(self, app: str) -> None:
        self.hanging[app] = asyncio.Semaphore(0)

    def add(self, app: str, account: str, priority: Priority = Priority.CHANGED) -> None:
        self.queue.add(AccountKey("team", app, account), priority, cause=Cause.WATCH)

    def knows(self, *apps: str, exists: bool = True) -> None:
        for app in apps:
            self.queue.note_app(AccountKey.of_app("team", app), exists=exists)

    def count(self, app: str) -> int:
        return sum(key.app == app for key in self.done)


@asynccontextmanager
async def working(workers: int = 32) -> AsyncIterator[Workers]:
    it = Workers(workers)
    task = asyncio.create_task(it.queue.run(it.reconcile, it.stop))
    try:
        yield it
    finally:
        for each in it.hanging.values():
            for _ in range(1_000):
                each.release()
        it.stop.set()
        await asyncio.wait_for(task, WITHIN)


async def settle(turns: int = 200) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_seventy_installs_of_an_app_that_hangs_do_not_delay_another_apps() -> None:
    async with working() as it:
        it.hang("slow")
        it.knows("slow", "quick")
        for number in range(70):
            it.add("slow", f"a{number}", Priority.ANSWER)
        await settle()
        assert it.active["slow"] == 28
        for number in range(100):
            it.add("quick", f"b{number}")
        await settle()
        assert it.count("quick") == 100
        assert it.active["slow"] == 28


async def test_of_two_apps_that_have_work_one_has_half_of_the_workers() -> None:
    async with working() as it:
        for app in ("quick", "slow"):
            it.hang(app)
            it.knows(app)
        it.add("quick", "b")
        for number in range(70):
            it.add("slow", f"a{number}", Priority.ANSWER)
        await settle()
        assert it.active == {"quick": 1, "slow": 16}
        it.hanging["quick"].release()
        it.hanging["slow"].release()
        await settle()
        assert it.active == {"quick": 0, "slow": 28}


async def test_an_app_that_is_gone_or_has_no_work_takes_no_share() -> None:
    async with working() as it:
        it.knows("slow", "gone", "idle")
        for app in ("gone", "idle"):
            it.add(app, "a")
            await settle()
        it.knows("gone", exists=False)
        it.hang("slow")
        for number in range(70):
            it.add("slow", f"a{number}")
        await settle()
        assert it.active["slow"] == 28
        it.knows("idle", exists=False)
        it.add("slow", "one more")
        it.hanging["slow"].release()
        await settle()
        assert it.active["slow"] == 32


async def test_several_apps_that_hang_leave_some_for_the_next() -> None:
    async with working() as it:
        it.knows("one", "two", "three", "quick")
        for app in ("one", "two", "three"):
            it.hang(app)
            for number in range(70):
                it.add(app, f"a{number}")
        await settle()
        assert sum(it.active.values()) == 28
        it.add("quick", "b")
        await settle()
        assert it.count("quick") == 1


async def test_an_app_alone_has_all_workers() -> None:
    async with working() as it:
        it.hang("slow")
        for number in range(70):
            it.add("slow", f"a{number}")
        await settle()
        assert it.active["slow"] == 32


async def test_what_waited_for_a_share_is_done_when_it_is_free_and_the_apps_status_at_once() -> None:
    async with working(4) as it:
        it.hang("slow")
        it.knows("slow", "quick")
        it.add("quick", "b")
        for number in range(50):
            it.add("slow", f"a{number}")
        it.add("slow", "")
        await settle()
        assert it.done[-1] == AccountKey("team", "slow", "")
        assert it.active["slow"] == 3
        for _ in range(50):
            it.hanging["slow"].release()
            await settle()
        assert it.count("slow") == 51
        assert it.active["slow"] == 0


async def test_what_waits_behind_a_key_that_got_more_and_more_urgent_is_done_although_nothing_else_ends() -> None:
    async with working(2) as it:
        it.hang("slow")
        it.knows("slow", "quick")
        it.add("quick", "b")
        it.add("slow", "first")
        await settle()
        for priority in (Priority.RESYNC, Priority.CHANGED, Priority.ANSWER):
            it.add("slow", "urgent", priority)
            it.add("quick", f"b{priority}")
            await settle()
        it.add("slow", "last", Priority.RESYNC)
        await settle()
        assert it.active["slow"] == 1
        it.hanging.pop("slow").release()
        await settle()
        assert it.count("slow") == 3


STEPS = st.tuples(st.sampled_from(APPS), st.integers(0, 11), st.sampled_from(list(Priority)), st.sampled_from(APPS))


@given(steps=st.lists(STEPS, min_size=1, max_size=25), workers=st.integers(1, 9))
def test_every_key_is_reconciled_in_the_end_whatever_hangs_meanwhile(
    steps: list[tuple[str, int, Priority, str]], workers: int
) -> None:
    assert asyncio.run(_reconciled(steps, workers)) == {(app, f"a{number}") for app, number, _, _ in steps}


async def _reconciled(steps: list[tuple[str, int, Priority, str]], workers: int) -> set[tuple[str, str]]:
    async with working(workers) as it:
        for app in APPS:
            it.hang(app)
        for app, number, priority, released in steps:
            it.add(app, f"a{number}", priority)
            it.hanging[released].release()
            await settle(10)
            assert sum(it.active.values()) <= workers
        for app in APPS:
            for _ in steps:
                it.hanging[app].release()
        await settle(400)
        return {(key.app, key.account_id) for key in it.done}


@pytest.mark.parametrize(("workers", "apps"), [(1, 1), (2, 2), (4, 3), (32, 6), (100, 7)])
def test_so_many_apps_can_hang_before_the_next_finds_no_worker(workers: int, apps: int) -> None:
    shares = AppShares(workers)
    shares.note_app(AccountKey.of_app("team", "the next"), exists=True)
    for number in range(apps):
        shares.see(AccountKey("team", f"app{number}", "a"))
    total = 0
    for number in range(apps):
        assert total < workers
        key = AccountKey("team", f"app{number}", "a")
        while shares.may_start(key):
            shares.begin(key)
            total += 1
    assert total == workers
