"""The work queue: which account is reconciled next, by how many workers at once, and when again.

Belongs here: order, merging, timers, workers, the back-off of a reconcile that raised. Does not belong here: what a
reconcile does, and the back-off of what a reconcile found to be failing, which `domain.reconcile.backoff` decides and
the status keeps.

A key is in one of these states, or in none: pending, active (a worker reconciles it), active and dirty (it was added
meanwhile, and becomes pending afterwards). Beside that it may be scheduled, once in each class.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Collection
from datetime import timedelta
from typing import Final

import structlog

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.observability.metrics import CONTROLLER, Metrics
from talkdesk_operator.observability.queue_loads import QueueLoad
from talkdesk_operator.workqueue.contract import Cause, QueueSettings, Reconcile, Requeue, Result, Scheduler, Timer
from talkdesk_operator.workqueue.items import PendingItem
from talkdesk_operator.workqueue.shares import AppShares, Entry
from talkdesk_operator.workqueue.timers import Timers
from talkdesk_runtime.backoff import Backoff

__all__ = ["Cause", "Priority", "QueueSettings", "Reconcile", "Requeue", "Result", "Scheduler", "Timer", "WorkQueue"]

_BACKOFF: Final = Backoff(first=timedelta(seconds=2), longest=timedelta(minutes=5))
_AT_ONCE: Final = 3
"""How often in a row a reconcile is made again at once after a conflict."""
_LASTING: Final = frozenset({Cause.DRIFT, Cause.RESYNC})
"""Causes that nothing brings again: they stay until a reconcile for them got to its end."""


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
        self._heap: list[Entry] = []
        self._shares = AppShares(self._settings.workers)
        self._most_resyncs = max(1, int(self._settings.workers * self._settings.resync_share))
        self._pending: dict[AccountKey, PendingItem] = {}
        self._dirty: dict[AccountKey, PendingItem] = {}
        self._active: dict[AccountKey, float] = {}
        self._resyncs: set[AccountKey] = set()
        self._unused_wakeups = 0
        self._timers = Timers(scheduler, self._due)
        self._failures: dict[AccountKey, int] = {}
        self._turns = asyncio.Lock()
        self._wakeups = asyncio.Semaphore(0)  # at least one for each pending key that may start
        self._closing = False
        self.cut_short = False
        """Whether a reconcile was cancelled at the end, so that requests of it may still be on their way."""
        self._log = structlog.stdlib.get_logger(__name__)
        self.load = QueueLoad(lambda: len(self._pending), self._ages, self._settings.workers)
        """What is counted in the metrics, until somebody takes it from these."""
        metrics.loads.queues.append(self.load)

    def add(self, key: AccountKey, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Make the key pending; within a class the lowest `order` goes first, then the key that came first.

        A key that is pending already keeps the better rank and gets both causes. One that is active becomes dirty.
        """
        if (pending := self._pending.get(key)) is not None:
            if pending.merge(priority, order, cause):
                self._push(key, pending)
                self._wakeups.release()  # that of the entry before may be used up: by a share, or by resyncs
            return
        if (dirty := self._dirty.get(key)) is not None:
            dirty.merge(priority, order, cause)
            return
        self._metrics.queue.adds.inc()
        self._shares.see(key)
        new = PendingItem(priority, order, next(self._numbers), self._scheduler.time(), {cause})
        if key in self._active:
            self._dirty[key] = new
        else:
            self._enqueue(key, new)

    def __contains__(self, key: AccountKey) -> bool:
        """Return whether the key is pending, or will be after its present reconcile."""
        return key in self._pending or key in self._dirty

    def add_after(self, key: AccountKey, delay: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Add the key in `delay` seconds. Of several times in one class, the earliest stands."""
        self.add_at(key, self._scheduler.time() + max(0.0, delay), priority, order, cause=cause)

    def add_at(self, key: AccountKey, when: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Add the key at `when`, a time of the scheduler. Of several in a class, the earliest stands for all causes."""
        if not self._closing:
            self._timers.set(key, when, priority, order, cause)

    def _due(self, key: AccountKey, priority: Priority, order: float, causes: Collection[Cause]) -> None:
        for cause in sorted(causes):
            self.add(key, priority, order, cause=cause)

    def note_app(self, key: AccountKey, *, exists: bool) -> None:
        """Take note that there is an app, for which workers are kept free, or that there is none any more."""
        self._shares.note_app(key, exists=exists)
        if not exists:
            self.forget(key)

    def forget(self, key: AccountKey) -> None:
        """Drop timers and the count of failures of a key of which no object is left."""
        self._failures.pop(key, None)
        self._timers.cancel(key)

    async def run(self, reconcile: Reconcile, stop: asyncio.Event) -> None:
        """Work until `stop`, then start nothing new and give running reconciles the grace; cancel what is left then.

        Cancelled itself, it gives no grace, or none any more. It returns early only when a worker failed, which is a
        fault in here or the end of the process; then it raises what the worker raised.
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
        for key in self._timers.scheduled():
            self.forget(key)
        for _ in workers:
            self._wakeups.release()
        try:
            await asyncio.wait(workers, timeout=grace)
        finally:  # also when the rest of the grace is taken away
            late = [worker for worker in workers if not worker.done()]
            if self._active:
                self.cut_short = True
            if late:
                self._log.warning("reconcile.cancelled", keys=sorted(map(str, self._active)))
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._pending.clear()

    async def _work(self, reconcile: Reconcile) -> None:
        while True:
            await self._wakeups.acquire()
            async with self._turns:
                # Most reconciles find everything in order and wait for nothing, so workers that took one after the
                # other would keep the event loop from everything else, and the Lease would be lost. One begins a turn.
                await asyncio.sleep(0)
            if self._closing:
                return
            next_one = self._pop()
            if next_one is None:
                continue
            key, causes = next_one
            with structlog.contextvars.bound_contextvars(namespace=key.namespace, app=key.app, account=key.account_id):
                await self._reconcile(key, causes, reconcile)

    def _pop(self) -> tuple[AccountKey, frozenset[Cause]] | None:
        """Return the key that is next, now active, and why; None when no key may start."""
        while self._heap:
            entry = heapq.heappop(self._heap)
            priority, _, _, key = entry
            if (pending := self._standing(entry)) is None:
                continue
            if not self._shares.may_start(key):
                self._shares.hold(entry)
                continue
            if priority is Priority.RESYNC:
                if len(self._resyncs) >= self._most_resyncs:
                    # Nothing more urgent is pending, or the heap would have given that first.
                    heapq.heappush(self._heap, entry)
                    self._unused_wakeups += 1
                    return None
                self._resyncs.add(key)
            return key, self._begin(key, pending)
        return None

    def _standing(self, entry: Entry) -> PendingItem | None:
        """Return what an entry is for; None for a void one, whose key got a better rank since, or has begun."""
        *rank, key = entry
        pending = self._pending.get(key)
        return pending if pending is not None and [*pending.rank, pending.number] == rank else None

    def _return_wakeup(self) -> None:
        """Let a worker try again what the bound on resyncs kept pending."""
        if self._unused_wakeups:
            self._unused_wakeups -= 1
            self._wakeups.release()

    def _begin(self, key: AccountKey, pending: PendingItem) -> frozenset[Cause]:
        del self._pending[key]
        now = self._scheduler.time()
        self._metrics.queue.waited.observe(now - pending.since)
        self._active[key] = now
        self._shares.begin(key)
        # The reconcile decides anew when to come again. The resync keeps its time, or a busy account would have none.
        cancelled = self._timers.cancel(key, but={Priority.RESYNC})
        return frozenset(pending.causes | cancelled & _LASTING)

    async def _reconcile(self, key: AccountKey, causes: frozenset[Cause], reconcile: Reconcile) -> None:
        started = self._active[key]
        try:
            result = await reconcile(key, causes)
        except Exception:  # noqa: BLE001 - the one place for unforeseen exceptions: the other accounts must go on
            self._log.exception("reconcile.raised")
            self._raised(key, causes)
        else:
            self._returned(key, causes, result)
        finally:
            seconds = self._scheduler.time() - started
            del self._active[key]
            self._resyncs.discard(key)
            self._shares.end(key)
            self._return_wakeup()
            for entry in self._shares.released(self._standing):
                heapq.heappush(self._heap, entry)
                self._wakeups.release()
            self._metrics.queue.worked.observe(seconds)
            self._metrics.reconciles.seconds.observe(seconds)
            if (dirty := self._dirty.pop(key, None)) is not None:
                self._enqueue(key, dirty)

    def _raised(self, key: AccountKey, causes: frozenset[Cause]) -> None:
        self._count("error")
        self._again(key, causes & _LASTING | {Cause.FAULT}, at_once=False)

    def _again(self, key: AccountKey, causes: frozenset[Cause], *, at_once: bool) -> None:
        """Add the key for what the reconcile did not get done: at once for some times, else with a back-off."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._metrics.queue.retries.inc()
        backoff = _BACKOFF.delay(failures, self._rng.random()).total_seconds()
        delay = 0.0 if at_once and failures <= _AT_ONCE else backoff
        for cause in sorted(causes):
            self.add_after(key, delay, Priority.RETRY, cause=cause)

    def _returned(self, key: AccountKey, causes: frozenset[Cause], result: Result) -> None:
        if result.error:
            if not result.conflict:
                self._log.warning("reconcile.unrecorded", error=result.error)
            self._again(key, causes & _LASTING | {Cause.RETRY}, at_once=result.conflict)
        else:
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

    def _ages(self) -> list[float]:
        return [self._scheduler.time() - started for started in self._active.values()]
