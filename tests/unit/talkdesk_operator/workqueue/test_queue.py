import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from builders.manual_clock import ManualClock
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.workqueue.queue import Cause, Priority, QueueSettings, Requeue, Result, WorkQueue

WITHIN = 60.0
CHANCE = random.Random


def key(name: str = "a") -> AccountKey:
    return AccountKey("team", "sentiment", name)


@dataclass
class Bench:
    """A queue, a clock, and a worker that does what the test says."""

    queue: WorkQueue
    clock: ManualClock
    registry: CollectorRegistry
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[tuple[str, frozenset[Cause]]] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    answers: dict[str, list[Result | Exception]] = field(default_factory=dict)

    moments: "itertools.count[int]" = field(default_factory=itertools.count)
    added: dict[str, int] = field(default_factory=dict)
    """When each key was last added."""
    begun_last: dict[str, int] = field(default_factory=dict)
    """When each key's last reconcile began."""
    active: set[str] = field(default_factory=set)
    most_at_once: int = 0

    async def reconcile(self, at: AccountKey, causes: frozenset[Cause]) -> Result:
        assert at.account_id not in self.active, "one key, two workers"
        self.active.add(at.account_id)
        self.most_at_once = max(self.most_at_once, len(self.active))
        self.begun_last[at.account_id] = next(self.moments)
        try:
            return await self._scripted(at, causes)
        finally:
            self.active.remove(at.account_id)

    async def _scripted(self, at: AccountKey, causes: frozenset[Cause]) -> Result:
        self.begun.append((at.account_id, causes))
        if (gate := self.gates.get(at.account_id)) is not None:
            await gate.wait()
        scripted = self.answers.get(at.account_id)
        answer = scripted.pop(0) if scripted else Result()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def hold(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    def add(self, name: str, priority: Priority = Priority.CHANGED, order: float = 0.0) -> None:
        self.added[name] = next(self.moments)
        self.queue.add(key(name), priority, order, cause=Cause.WATCH)

    def add_after(self, name: str, delay: float, priority: Priority) -> None:
        self.added[name] = next(self.moments)
        self.queue.add_after(key(name), delay, priority, cause=Cause.RETRY)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.begun]

    def metric(self, metric: str, **labels: str) -> float:
        found = self.registry.get_sample_value(metric, {"controller": "account", **labels})
        assert found is not None
        return found

    def queued(self, name: str) -> float:
        return self.metric(f"workqueue_{name}", name="account")


def bench(*, workers: int = 1, grace: float = WITHIN, jitter: float = 0.0) -> Bench:
    clock, registry = ManualClock(), CollectorRegistry()
    bounds = QueueSettings(workers=workers, grace=timedelta(seconds=grace), resync_jitter=jitter)
    return Bench(WorkQueue(Metrics(registry), scheduler=clock, rng=CHANCE(1), settings=bounds), clock, registry)


@asynccontextmanager
async def running(it: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(it.queue.run(it.reconcile, it.stop))
    try:
        await settle()
        yield task
    finally:
        it.stop.set()
        for gate in it.gates.values():
            gate.set()
        await asyncio.wait_for(task, WITHIN)


async def settle() -> None:
    """Let every task go on as far as it can without time passing; one reconcile begins in each turn of the loop."""
    for _ in range(40):
        await asyncio.sleep(0)


async def test_urgent_classes_go_first_in_whatever_order_they_were_added() -> None:
    it = bench()
    for priority in reversed(Priority):
        it.add(priority.name, priority)
    async with running(it):
        assert it.names == ["DELETION", "ANSWER", "CHANGED", "RETRY", "RESYNC"]


@pytest.mark.case(33)
async def test_within_a_class_the_nearest_deadline_goes_first() -> None:
    it = bench()
    for name, deadline in (("late", 300.0), ("soon", 100.0), ("middle", 200.0)):
        it.add(name, Priority.ANSWER, deadline)
    async with running(it):
        assert it.names == ["soon", "middle", "late"]


async def test_without_an_order_the_key_that_was_added_first_goes_first() -> None:
    it = bench()
    for name in "cab":
        it.add(name)
    async with running(it):
        assert it.names == ["c", "a", "b"]


async def test_a_key_added_twice_is_reconciled_once_at_its_better_rank_for_both_causes() -> None:
    it = bench()
    it.queue.add(key("a"), Priority.RESYNC, cause=Cause.RESYNC)
    it.add("b", Priority.CHANGED)
    it.queue.add(key("a"), Priority.DELETION, cause=Cause.WATCH)
    it.queue.add(key("a"), Priority.RETRY, cause=Cause.RETRY)
    async with running(it):
        assert it.begun == [
            ("a", frozenset({Cause.RESYNC, Cause.WATCH, Cause.RETRY})),
            ("b", frozenset({Cause.WATCH})),
        ]
    assert it.queued("adds_total") == 2


async def test_a_key_added_while_it_is_active_is_reconciled_again_afterwards_by_one_worker_only() -> None:
    it = bench(workers=3)
    gate = it.hold("a")
    it.add("a")
    async with running(it):
        it.add("a")
        it.queue.add(key("a"), Priority.ANSWER, cause=Cause.RETRY)
        await settle()
        assert it.names == ["a"]
        gate.set()
        await settle()
        assert it.begun[1:] == [("a", frozenset({Cause.WATCH, Cause.RETRY}))]


async def test_no_more_reconciles_than_workers_run_at_once() -> None:
    it = bench(workers=2)
    for name in "abc":
        it.hold(name)
        it.add(name)
    async with running(it):
        assert it.names == ["a", "b"]
        assert it.metric("controller_runtime_active_workers") == 2
        assert it.queued("depth") == 1
        it.gates["a"].set()
        await settle()
        assert it.names == ["a", "b", "c"]


async def test_resyncs_leave_half_of_the_workers_to_urgent_work() -> None:
    it = bench(workers=4)
    for name in "abcd":
        it.hold(name)
        it.add(name, Priority.RESYNC)
    async with running(it):
        assert it.names == ["a", "b"]
        it.add("new", Priority.ANSWER)
        await settle()
        assert it.names == ["a", "b", "new"]
        it.gates["a"].set()
        await settle()
        assert it.names == ["a", "b", "new", "c"]
        it.gates["b"].set()
        await settle()
        assert it.names[-1] == "d"


async def test_a_resync_that_waits_for_its_share_of_workers_starts_at_once_when_something_changed() -> None:
    it = bench(workers=4)
    for name in "abc":
        it.hold(name)
        it.add(name, Priority.RESYNC)
    async with running(it):
        assert it.names == ["a", "b"]
        it.add("c", Priority.CHANGED)
        await settle()
        assert it.names == ["a", "b", "c"]


async def test_a_single_worker_does_resyncs_too() -> None:
    it = bench(workers=1)
    it.add("a", Priority.RESYNC)
    async with running(it):
        assert it.names == ["a"]


async def test_a_scheduled_key_is_reconciled_at_its_time() -> None:
    it = bench()
    async with running(it):
        it.queue.add_after(key("a"), 10, Priority.RETRY, cause=Cause.RETRY)
        it.clock.advance(9.9)
        await settle()
        assert it.names == []
        it.clock.advance(0.1)
        await settle()
        assert it.begun == [("a", frozenset({Cause.RETRY}))]


async def test_of_several_times_in_a_class_the_earliest_stands() -> None:
    it = bench()
    async with running(it):
        for delay in (20, 10, 30):
            it.queue.add_after(key("a"), delay, Priority.RETRY, cause=Cause.RETRY)
        it.queue.add_at(key("a"), it.clock.time() + 15, Priority.RESYNC, cause=Cause.RESYNC)
        assert it.clock.waiting == [10, 15]


async def test_a_reconcile_replaces_scheduled_retries_but_not_the_scheduled_resync() -> None:
    it = bench()
    async with running(it):
        it.queue.add_after(key("a"), 10, Priority.RETRY, cause=Cause.RETRY)
        it.queue.add_after(key("a"), 60, Priority.RESYNC, cause=Cause.RESYNC)
        it.answers["a"] = [
            Result((Requeue(timedelta(seconds=30), Priority.RETRY), Requeue(timedelta(seconds=600), Priority.RESYNC)))
        ]
        it.add("a")
        await settle()
        assert it.clock.waiting == [30, 60]
        it.clock.advance(60)
        await settle()
        assert it.begun[1:] == [("a", frozenset({Cause.RETRY, Cause.RESYNC}))]


async def test_resyncs_are_spread() -> None:
    it = bench(jitter=0.1)
    async with running(it):
        for number in range(50):
            it.answers[str(number)] = [Result((Requeue(timedelta(seconds=600), Priority.RESYNC),))]
            it.add(str(number))
        await settle()
        assert all(540 <= seconds <= 660 for seconds in it.clock.waiting)
        assert max(it.clock.waiting) - min(it.clock.waiting) > 60


@pytest.mark.case(9)
async def test_a_reconcile_that_raises_is_logged_and_retried_and_the_others_go_on() -> None:
    it = bench()
    it.answers["a"] = [ValueError("unforeseen"), Result()]
    it.add("a")
    it.add("b")
    with capture_logs() as logs:
        async with running(it):
            assert it.names == ["a", "b"]
            it.clock.advance(2)
            await settle()
            assert it.names == ["a", "b", "a"]
            assert it.begun[-1] == ("a", frozenset({Cause.FAULT}))
    (entry,) = [log for log in logs if log["event"] == "reconcile.raised"]
    assert entry["exc_info"] is True
    assert entry["log_level"] == "error"
    assert it.metric("controller_runtime_reconcile_total", result="error") == 1
    assert it.metric("controller_runtime_reconcile_errors_total") == 1
    assert it.queued("retries_total") == 1


@pytest.mark.case(9, 51)
async def test_drift_is_kept_as_a_cause_when_its_reconcile_raises() -> None:
    it = bench()
    it.answers["a"] = [ValueError("unforeseen"), Result()]
    it.queue.add(key("a"), Priority.CHANGED, cause=Cause.DRIFT)
    with capture_logs():
        async with running(it):
            it.clock.advance(2)
            await settle()
            assert {cause for _, causes in it.begun[1:] for cause in causes} == {Cause.DRIFT, Cause.FAULT}


@pytest.mark.case(9)
async def test_what_the_api_server_did_not_take_is_no_fault_and_is_made_again_for_the_same_causes() -> None:
    it = bench()
    it.answers["a"] = [Result(failed=True, error="away")]
    it.queue.add(key("a"), Priority.RESYNC, cause=Cause.RESYNC)
    it.queue.add(key("a"), Priority.CHANGED, cause=Cause.DRIFT)
    with capture_logs() as logs:
        async with running(it):
            it.clock.advance(2)
            await settle()
    assert [(each["event"], each["log_level"]) for each in logs] == [("reconcile.unrecorded", "warning")]
    assert it.begun == [
        ("a", frozenset({Cause.RESYNC, Cause.DRIFT})),
        ("a", frozenset({Cause.RETRY, Cause.RESYNC, Cause.DRIFT})),
    ]


@pytest.mark.case(81)
async def test_after_a_conflict_it_is_made_again_at_once_but_not_for_ever() -> None:
    it = bench()
    it.answers["a"] = [Result(failed=True, error="changed", conflict=True) for _ in range(10)]
    it.add("a")
    async with running(it):
        assert len(it.begun) == 1
        for _ in range(5):
            it.clock.advance(0)
            await settle()
        assert len(it.begun) == 4
        it.clock.advance(2 * 8)
        await settle()
        assert len(it.begun) == 5


async def test_a_reconcile_that_comes_earlier_takes_over_what_was_to_come_later() -> None:
    it = bench()
    it.queue.add_after(key("a"), 10, Priority.RETRY, cause=Cause.DRIFT)
    it.queue.add_after(key("a"), 20, Priority.RETRY, cause=Cause.RESYNC)
    it.queue.add_after(key("a"), 5, Priority.RETRY, cause=Cause.FAULT)
    it.add("a")
    async with running(it):
        it.clock.advance(60)
        await settle()
        assert it.begun == [("a", frozenset({Cause.WATCH, Cause.DRIFT, Cause.RESYNC}))]


async def test_the_back_off_grows_to_five_minutes_and_starts_anew_after_a_reconcile_that_returned() -> None:
    it = bench()
    it.answers["a"] = [ValueError() for _ in range(40)]
    delays = []
    with capture_logs():
        async with running(it):
            it.add("a")
            for _ in range(40):
                await settle()
                delays.extend(it.clock.waiting)
                it.clock.advance(300)
            await settle()
            assert it.names == ["a"] * 41
            it.answers["a"] = [ValueError()]
            it.add("a")
            await settle()
            assert it.clock.waiting[0] <= 2
    assert all(1 <= delay <= 300 for delay in delays)
    assert delays[0] <= 2
    assert max(delays) > 150
    assert min(delays[10:]) >= 150, "half of the longest delay is not chance"
    assert max(delays[10:]) - min(delays[10:]) > 50, "the other half is"


async def test_a_forgotten_key_has_no_timers_and_no_failures() -> None:
    it = bench()
    it.answers["a"] = [ValueError() for _ in range(9)]
    with capture_logs():
        async with running(it):
            it.add("a")
            for _ in range(8):
                await settle()
                it.clock.advance(300)
            it.queue.forget(key("a"))
            assert it.clock.waiting == []
            it.add("a")
            await settle()
            assert it.clock.waiting[0] <= 2


@pytest.mark.parametrize(
    ("result", "counted"),
    [
        (Result(), "success"),
        (Result(failed=True), "error"),
        (Result((Requeue(timedelta(), Priority.CHANGED),)), "requeue"),
        (Result((Requeue(timedelta(hours=1), Priority.CHANGED),)), "requeue_after"),
    ],
)
async def test_results_are_counted_as_controller_runtime_does(result: Result, counted: str) -> None:
    it = bench()
    it.answers["a"] = [result]
    it.add("a")
    async with running(it):
        assert it.metric("controller_runtime_reconcile_total", result=counted) == 1


async def test_times_are_measured_from_the_first_add() -> None:
    it = bench()
    gate = it.hold("a")
    it.add("a")
    it.clock.advance(3)
    it.add("a")
    it.clock.advance(1)
    async with running(it):
        assert it.queued("queue_duration_seconds_sum") == 4
        it.clock.advance(7)
        assert it.queued("unfinished_work_seconds") == 7
        assert it.queued("longest_running_processor_seconds") == 7
        gate.set()
        await settle()
        assert it.queued("work_duration_seconds_sum") == 7
        assert it.metric("controller_runtime_reconcile_time_seconds_sum") == 7
        assert it.queued("unfinished_work_seconds") == 0
        assert it.metric("controller_runtime_max_concurrent_reconciles") == 1


async def test_after_the_stop_no_reconcile_begins_and_running_ones_may_end() -> None:
    it = bench()
    gate = it.hold("a")
    for name in "ab":
        it.add(name)
    async with running(it) as task:
        it.queue.add_after(key("c"), 1, Priority.RETRY, cause=Cause.RETRY)
        it.stop.set()
        await settle()
        assert not task.done()
        it.queue.add_after(key("d"), 1, Priority.RETRY, cause=Cause.RETRY)
        assert it.clock.waiting == []
        gate.set()
        await asyncio.wait_for(task, WITHIN)
        assert it.names == ["a"]


async def test_a_reconcile_that_runs_longer_than_the_grace_is_cancelled() -> None:
    it = bench(grace=0)
    it.hold("a")
    it.add("a")
    with capture_logs() as logs:
        async with running(it) as task:
            it.stop.set()
            await asyncio.wait_for(task, WITHIN)
    assert [log["event"] for log in logs] == ["reconcile.cancelled"]


async def test_a_queue_that_is_cancelled_gives_no_grace() -> None:
    it = bench()
    it.hold("a")
    it.add("a")
    task = asyncio.create_task(it.queue.run(it.reconcile, it.stop))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, WITHIN)


async def test_a_fault_of_the_process_itself_ends_the_queue() -> None:
    class Fatal(BaseException):
        pass

    it = bench(workers=2)

    async def reconcile(_key: AccountKey, _causes: frozenset[Cause]) -> Result:
        raise Fatal

    it.add("a")
    with pytest.raises(Fatal):
        await asyncio.wait_for(it.queue.run(reconcile, it.stop), WITHIN)


Step = Callable[[Bench], None]

NAMES = st.sampled_from("abcd")
STEPS = st.one_of(
    st.builds(
        lambda n, p, o: lambda it: it.add(n, p, o), NAMES, st.sampled_from(Priority), st.sampled_from([0.0, 5.0])
    ),
    st.builds(
        lambda n, d, p: lambda it: it.add_after(n, d, p),
        NAMES,
        st.integers(0, 9),
        st.sampled_from(Priority),
    ),
    st.builds(lambda s: lambda it: it.clock.advance(s), st.integers(1, 9)),
    st.builds(lambda n: lambda it: it.hold(n), NAMES),
    st.builds(lambda n: lambda it: it.gates.pop(n, asyncio.Event()).set(), NAMES),
    st.builds(lambda n: lambda it: it.answers.setdefault(n, []).append(ValueError()), NAMES),
)


@given(workers=st.integers(1, 3), steps=st.lists(STEPS, max_size=30))
def test_whatever_happens_no_key_has_two_workers_and_no_add_is_lost(workers: int, steps: list[Step]) -> None:
    asyncio.run(_no_key_has_two_workers_and_no_add_is_lost(workers, steps))


async def _no_key_has_two_workers_and_no_add_is_lost(workers: int, steps: list[Step]) -> None:
    it = bench(workers=workers)
    with capture_logs():
        async with running(it):
            for step in steps:
                step(it)
                await settle()
            for gate in it.gates.values():
                gate.set()
            it.gates.clear()
            await settle()
            while it.clock.waiting:
                it.clock.advance(301)
                await settle()
            assert it.most_at_once <= workers
            assert it.added.keys() <= it.begun_last.keys()
            assert all(it.begun_last[name] > moment for name, moment in it.added.items())
            assert it.queued("depth") == 0


@given(adds=st.lists(st.tuples(st.integers(0, 8), st.sampled_from(Priority), st.integers(0, 5)), max_size=25))
def test_keys_are_reconciled_in_the_order_of_their_best_ranks(adds: list[tuple[int, Priority, int]]) -> None:
    async def run() -> list[str]:
        it = bench()
        for number, priority, order in adds:
            it.add(str(number), priority, order)
        async with running(it):
            return it.names

    best: dict[str, tuple[Priority, int]] = {}
    for number, priority, order in adds:
        best[str(number)] = min(best.get(str(number), (priority, order)), (priority, order))
    first = list(best)
    assert asyncio.run(run()) == sorted(best, key=lambda name: (best[name], first.index(name)))
