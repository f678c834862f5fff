"""The work queue: which account is reconciled next, by how many workers at once, and when again.

Belongs here: order, merging, timers, workers, the back-off of a reconcile that raised. Does not belong here: what a
reconcile does, and the back-off of what a reconcile found to be failing, which `domain.reconcile.backoff` decides and
the status keeps.

A key is in one of these states, or in none: pending (it waits for a worker), active (a worker reconciles it), active
and dirty (it was added meanwhile, and becomes pending afterwards). Beside that it may be scheduled, once in each class.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.observability.metrics import CONTROLLER, Metrics
from talkdesk_operator.workqueue.contract import Cause, Reconcile, Requeue, Result, Scheduler, Timer
from talkdesk_operator.workqueue.items import PendingItem, ScheduledItem
from talkdesk_runtime.backoff import Backoff

__all__ = ["Cause", "Priority", "QueueSettings", "Reconcile", "Requeue", "Result", "Scheduler", "Timer", "WorkQueue"]

_BACKOFF: Final = Backoff(first=timedelta(seconds=2), longest=timedelta(minutes=5))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """Bounds of the queue."""

    workers: int = 32
    """Reconciles at once. Each waits for the network most of the time."""
    grace: timedelta = timedelta(seconds=20)
    """How long running reconciles may go on after the stop."""
    resync_share: float = 0.5
    """Share of the workers that may be busy with resyncs at once: the others stay free for what is urgent."""
    resync_jitter: float = 0.1
    """Resyncs come earlier or later by up to this share, so that not all come at once for ever after a start."""


class WorkQueue:
    """Keys with priorities; each is reconciled by one worker at a time. Not for more than one event loop."""

    def __init__(
        self, metrics: Metrics, *, scheduler: Scheduler, rng: random.Random, settings: QueueSettings | None = None
    ) -> None:
        self._settings = settings or QueueSettings()
        self._scheduler = scheduler
        self._rng = rng
        self._metrics = metrics
        self._numbers = itertools.count()
        self._heap: list[tuple[Priority, float, int, AccountKey]] = []
        self._pending: dict[AccountKey, PendingItem] = {}
        self._dirty: dict[AccountKey, PendingItem] = {}
        self._active: dict[AccountKey, float] = {}
        self._resyncs: set[AccountKey] = set()
        self._unused_wakeups = 0
        self._scheduled: dict[AccountKey, dict[Priority, ScheduledItem]] = {}
        self._failures: dict[AccountKey, int] = {}
        self._wakeups = asyncio.Semaphore(0)  # at least one for each pending key that may start
        self._closing = False
        self._log = structlog.stdlib.get_logger(__name__)
        metrics.queue.depth.set_function(lambda: len(self._pending))
        metrics.queue.unfinished.set_function(lambda: sum(self._ages()))
        metrics.queue.longest.set_function(lambda: max(self._ages(), default=0.0))
        metrics.reconciles.active.set_function(lambda: len(self._active))
        metrics.reconciles.limit.set(self._settings.workers)

    def add(self, key: AccountKey, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Make the key pending; within a class the lowest `order` goes first, then the key that came first.

        A key that is pending already keeps the better rank and gets both causes. One that is active becomes dirty.
        """
        if (pending := self._pending.get(key)) is not None:
            before = pending.priority
            if pending.merge(priority, order, cause):
                self._push(key, pending)
                if before is Priority.RESYNC:
                    self._return_wakeup()
            return
        if (dirty := self._dirty.get(key)) is not None:
            dirty.merge(priority, order, cause)
            return
        self._metrics.queue.adds.inc()
        new = PendingItem(priority, order, next(self._numbers), self._scheduler.time(), {cause})
        if key in self._active:
            self._dirty[key] = new
        else:
            self._enqueue(key, new)

    def add_after(self, key: AccountKey, delay: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Add the key in `delay` seconds. Of several times in one class, the earliest stands."""
        self.add_at(key, self._scheduler.time() + max(0.0, delay), priority, order, cause=cause)

    def add_at(self, key: AccountKey, when: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Add the key at `when`, a time of the scheduler. Of several times in one class, the earliest stands."""
        if self._closing:
            return
        timers = self._scheduled.setdefault(key, {})
        known = timers.get(priority)
        if known is not None:
            if known.when <= when:
                return
            known.timer.cancel()

        def due() -> None:
            self._drop_timer(key, priority)
            self.add(key, priority, order, cause=cause)

        timers[priority] = ScheduledItem(when, self._scheduler.call_at(when, due))

    def forget(self, key: AccountKey) -> None:
        """Drop timers and the count of failures of a key of which no object is left."""
        self._failures.pop(key, None)
        for priority in tuple(self._scheduled.get(key, ())):
            self._cancel_timer(key, priority)

    async def run(self, reconcile: Reconcile, stop: asyncio.Event) -> None:
        """Work until `stop`, then start nothing new and give running reconciles the grace; cancel what is left then.

        Cancelled itself, it gives no grace. It returns early only when a worker failed, which is a fault in here or the
        end of the process; then it raises what the worker raised.
        """
        workers = [
            asyncio.create_task(self._work(reconcile), name=f"worker {number}")
            for number in range(self._settings.workers)
        ]
        stopped = asyncio.create_task(stop.wait(), name="workers' stop")
        grace = self._settings.grace.total_seconds()
        try:
            await asyncio.wait((stopped, *workers), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            grace = 0.0
            raise
        finally:
            stopped.cancel()
            await self._drain(workers, grace)
        for worker in workers:
            if not worker.cancelled() and (error := worker.exception()) is not None:
                raise error

    async def _drain(self, workers: Collection[asyncio.Task[None]], grace: float) -> None:
        self._closing = True
        for key in tuple(self._scheduled):
            self.forget(key)
        for _ in workers:
            self._wakeups.release()
        _, late = await asyncio.wait(workers, timeout=grace)
        if late:
            self._log.warning("reconcile.cancelled", keys=sorted(map(str, self._active)))
        for worker in late:
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _work(self, reconcile: Reconcile) -> None:
        while True:
            await self._wakeups.acquire()
            if self._closing:
                return
            next_one = self._pop()
            if next_one is None:
                continue
            key, causes = next_one
            fields = {"namespace": key.namespace, "app": key.app, "account": key.account_id}
            with structlog.contextvars.bound_contextvars(**fields):
                await self._reconcile(key, causes, reconcile)

    def _pop(self) -> tuple[AccountKey, frozenset[Cause]] | None:
        """Return the key that is next, now active, and why; None when no key may start."""
        while self._heap:
            priority, order, number, key = heapq.heappop(self._heap)
            pending = self._pending.get(key)
            # The entry of a key that got a better rank since is void: it has another one.
            if pending is None or (*pending.rank, pending.number) != (priority, order, number):
                continue
            if priority is Priority.RESYNC:
                if len(self._resyncs) >= self._most_resyncs:
                    # Nothing more urgent is pending, or the heap would have given that first.
                    heapq.heappush(self._heap, (priority, order, number, key))
                    self._unused_wakeups += 1
                    return None
                self._resyncs.add(key)
            return key, self._begin(key, pending)
        return None

    def _return_wakeup(self) -> None:
        """Let a worker try again what the bound on resyncs kept pending."""
        if self._unused_wakeups:
            self._unused_wakeups -= 1
            self._wakeups.release()

    @property
    def _most_resyncs(self) -> int:
        return max(1, int(self._settings.workers * self._settings.resync_share))

    def _begin(self, key: AccountKey, pending: PendingItem) -> frozenset[Cause]:
        del self._pending[key]
        now = self._scheduler.time()
        self._metrics.queue.waited.observe(now - pending.since)
        self._active[key] = now
        # The reconcile decides anew when to come again. The resync keeps its time, or a busy account would have none.
        for scheduled in tuple(self._scheduled.get(key, ())):
            if scheduled is not Priority.RESYNC:
                self._cancel_timer(key, scheduled)
        return frozenset(pending.causes)

    async def _reconcile(self, key: AccountKey, causes: frozenset[Cause], reconcile: Reconcile) -> None:
        started = self._active[key]
        try:
            result = await reconcile(key, causes)
        except Exception:  # noqa: BLE001 - the one place for unforeseen exceptions: the other accounts must go on
            self._log.exception("reconcile.raised")
            self._raised(key, causes)
        else:
            self._returned(key, result)
        finally:
            seconds = self._scheduler.time() - started
            del self._active[key]
            self._resyncs.discard(key)
            self._return_wakeup()
            self._metrics.queue.worked.observe(seconds)
            self._metrics.reconciles.seconds.observe(seconds)
            if (dirty := self._dirty.pop(key, None)) is not None:
                self._enqueue(key, dirty)

    def _raised(self, key: AccountKey, causes: frozenset[Cause]) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._count("error")
        self._metrics.queue.retries.inc()
        delay = _BACKOFF.delay(failures, self._rng.random()).total_seconds()
        self.add_after(key, delay, Priority.RETRY, cause=Cause.FAULT)
        if Cause.DRIFT in causes:
            # Drift is reported once only, and a class has one timer.
            self.add_after(key, delay, Priority.CHANGED, cause=Cause.DRIFT)

    def _returned(self, key: AccountKey, result: Result) -> None:
        self._failures.pop(key, None)
        for requeue in result.next:
            seconds = requeue.after.total_seconds()
            if requeue.priority is Priority.RESYNC:
                jitter = self._settings.resync_jitter
                seconds *= self._rng.uniform(1 - jitter, 1 + jitter)
                self.add_after(key, seconds, requeue.priority, cause=Cause.RESYNC)
            else:
                self._metrics.queue.retries.inc()
                self.add_after(key, seconds, requeue.priority, cause=Cause.RETRY)
        if result.failed:
            self._count("error")
        elif not result.next:
            self._count("success")
        else:
            self._count("requeue_after" if all(requeue.after for requeue in result.next) else "requeue")

    def _count(self, result: str) -> None:
        self._metrics.reconciles.total.labels(CONTROLLER, result).inc()
        if result == "error":
            self._metrics.reconciles.errors.inc()

    def _enqueue(self, key: AccountKey, pending: PendingItem) -> None:
        self._pending[key] = pending
        self._push(key, pending)
        self._wakeups.release()

    def _push(self, key: AccountKey, pending: PendingItem) -> None:
        heapq.heappush(self._heap, (pending.priority, pending.order, pending.number, key))

    def _cancel_timer(self, key: AccountKey, priority: Priority) -> None:
        self._scheduled[key][priority].timer.cancel()
        self._drop_timer(key, priority)

    def _drop_timer(self, key: AccountKey, priority: Priority) -> None:
        timers = self._scheduled[key]
        del timers[priority]
        if not timers:
            del self._scheduled[key]

    def _ages(self) -> list[float]:
        now = self._scheduler.time()
        return [now - started for started in self._active.values()]
