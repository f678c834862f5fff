"""The work queue: which account is worked on next, by how many at once, and when again.

Belongs here: order, merging, timers, workers, the back-off of a pass that broke. Does not belong here: what a pass
does, and the back-off of what a pass found to be failing, which `domain.backoff` decides and the status keeps.
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
from talkdesk_operator.workqueue.contract import Cause, Clock, Reconcile, Requeue, Result, Timer
from talkdesk_operator.workqueue.items import PendingItem, ScheduledItem

__all__ = ["Cause", "Clock", "Priority", "QueueSettings", "Reconcile", "Requeue", "Result", "Timer", "WorkQueue"]

_FIRST_BACKOFF: Final = 1.0
_LONGEST_BACKOFF: Final = 300.0
_DOUBLINGS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """Bounds of the queue."""

    workers: int = 32
    """Passes at once. Each waits for the network most of the time."""
    grace: timedelta = timedelta(seconds=20)
    """How long running passes may go on after the stop."""
    resync_share: float = 0.5
    """Share of the workers that may be busy with resyncs at once: the others are free for whoever is waited for."""
    resync_jitter: float = 0.1
    """Resyncs come earlier or later by up to this share, lest all come at once for ever after a start."""


class WorkQueue:
    """Keys with priorities; each is worked on by one worker at a time. Not for more than one event loop."""

    def __init__(
        self, metrics: Metrics, *, clock: Clock, rng: random.Random, settings: QueueSettings | None = None
    ) -> None:
        self._settings = settings or QueueSettings()
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._numbers = itertools.count()
        self._heap: list[tuple[Priority, float, int, AccountKey]] = []
        self._waiting: dict[AccountKey, PendingItem] = {}
        self._again: dict[AccountKey, PendingItem] = {}
        self._active: dict[AccountKey, float] = {}
        self._resyncs: set[AccountKey] = set()
        self._held_tickets = 0
        self._delayed: dict[AccountKey, dict[Priority, ScheduledItem]] = {}
        self._failures: dict[AccountKey, int] = {}
        self._tickets = asyncio.Semaphore(0)  # at least one for each key in _waiting
        self._closing = False
        self._log = structlog.stdlib.get_logger(__name__)
        metrics.queue.depth.set_function(lambda: len(self._waiting))
        metrics.queue.unfinished.set_function(lambda: sum(self._ages()))
        metrics.queue.longest.set_function(lambda: max(self._ages(), default=0.0))
        metrics.reconciles.active.set_function(lambda: len(self._active))
        metrics.reconciles.limit.set(self._settings.workers)

    def add(self, key: AccountKey, priority: Priority, order: float = 0.0, *, cause: Cause, evidence: str = "") -> None:
        """Queue the key; within a class the lowest `order` goes first, then who came first.

        A key that waits already keeps the better place and gets both causes. One that is worked on is worked on again
        afterwards. What has `evidence` can be taken back by it.
        """
        if (waiting := self._waiting.get(key)) is not None:
            before = waiting.priority
            if waiting.merge(priority, order, cause, evidence):
                self._push(key, waiting)
                if before is Priority.RESYNC:
                    self._return_ticket()
            return
        if (again := self._again.get(key)) is not None:
            again.merge(priority, order, cause, evidence)
            return
        self._metrics.queue.adds.inc()
        new = PendingItem(priority, order, next(self._numbers), self._clock.time(), {cause}, {evidence})
        if key in self._active:
            self._again[key] = new
        else:
            self._enqueue(key, new)

    def add_after(self, key: AccountKey, delay: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Queue the key in `delay` seconds. Of several such wishes in one class, the earliest stands."""
        self.add_at(key, self._clock.time() + max(0.0, delay), priority, order, cause=cause)

    def add_at(self, key: AccountKey, when: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        """Queue the key at `when`, a time of the clock. Of several such wishes in one class, the earliest stands."""
        if self._closing:
            return
        timers = self._delayed.setdefault(key, {})
        known = timers.get(priority)
        if known is not None:
            if known.when <= when:
                return
            known.timer.cancel()

        def due() -> None:
            self._drop_timer(key, priority)
            self.add(key, priority, order, cause=cause)

        timers[priority] = ScheduledItem(when, self._clock.call_at(when, due))

    def disown(self, key: AccountKey, evidence: str) -> None:
        """Take back what was added with that evidence; the key leaves the queue if nothing else is there for it."""
        for waiting in (self._waiting, self._again):
            if evidence and key in waiting:
                waiting[key].evidence.discard(evidence)
                if not waiting[key].evidence:
                    del waiting[key]

    def forget(self, key: AccountKey) -> None:
        """Drop timers and the count of failures of a key of which nothing is left."""
        self._failures.pop(key, None)
        for priority in tuple(self._delayed.get(key, ())):
            self._cancel_timer(key, priority)

    async def run(self, reconcile: Reconcile, stop: asyncio.Event) -> None:
        """Work until `stop`, then start nothing new and give running passes the grace; cancel what is left then.

        Cancelled itself, it gives no grace. Comes back early only when a worker broke, which is a fault in here or the
        end of the process; raises what broke it.
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
        for key in tuple(self._delayed):
            self.forget(key)
        for _ in workers:
            self._tickets.release()
        _, late = await asyncio.wait(workers, timeout=grace)
        if late:
            self._log.warning("passes.cut_off", keys=sorted(map(str, self._active)))
        for worker in late:
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _work(self, reconcile: Reconcile) -> None:
        while True:
            await self._tickets.acquire()
            if self._closing:
                return
            taken = self._take()
            if taken is None:
                continue
            key, causes = taken
            fields = {"namespace": key.namespace, "app": key.app, "account": key.account_id}
            with structlog.contextvars.bound_contextvars(**fields):
                await self._pass(key, causes, reconcile)

    def _take(self) -> tuple[AccountKey, frozenset[Cause]] | None:
        while self._heap:
            priority, order, number, key = heapq.heappop(self._heap)
            waiting = self._waiting.get(key)
            # The entry of a key that got a better place since, or was taken back, is void.
            if waiting is None or (*waiting.rank, waiting.number) != (priority, order, number):
                continue
            if priority is Priority.RESYNC:
                if len(self._resyncs) >= self._most_resyncs:
                    # Nothing more urgent waits, as the heap gives that first.
                    heapq.heappush(self._heap, (priority, order, number, key))
                    self._held_tickets += 1
                    return None
                self._resyncs.add(key)
            return key, self._begin(key, waiting)
        return None

    def _return_ticket(self) -> None:
        """Have a worker look again at what a bound kept waiting."""
        if self._held_tickets:
            self._held_tickets -= 1
            self._tickets.release()

    @property
    def _most_resyncs(self) -> int:
        return max(1, int(self._settings.workers * self._settings.resync_share))

    def _begin(self, key: AccountKey, waiting: PendingItem) -> frozenset[Cause]:
        del self._waiting[key]
        now = self._clock.time()
        self._metrics.queue.waited.observe(now - waiting.since)
        self._active[key] = now
        # The pass decides anew when to come again; only the resync keeps its time, or a busy account would have none.
        for delayed in tuple(self._delayed.get(key, ())):
            if delayed is not Priority.RESYNC:
                self._cancel_timer(key, delayed)
        return frozenset(waiting.causes)

    async def _pass(self, key: AccountKey, causes: frozenset[Cause], reconcile: Reconcile) -> None:
        started = self._active[key]
        try:
            result = await reconcile(key, causes)
        except Exception:  # noqa: BLE001 - the one place for what nobody foresaw: the other accounts must go on
            self._log.exception("pass.broke")
            self._broke(key, causes)
        else:
            self._ended(key, result)
        finally:
            seconds = self._clock.time() - started
            del self._active[key]
            self._resyncs.discard(key)
            self._return_ticket()
            self._metrics.queue.worked.observe(seconds)
            self._metrics.reconciles.seconds.observe(seconds)
            if (again := self._again.pop(key, None)) is not None:
                self._enqueue(key, again)

    def _broke(self, key: AccountKey, causes: frozenset[Cause]) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        ceiling = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures + 1, _DOUBLINGS))
        self._count("error")
        self._metrics.queue.retries.inc()
        delay = self._rng.uniform(_FIRST_BACKOFF, ceiling)
        self.add_after(key, delay, Priority.RETRY, cause=Cause.FAULT)
        if Cause.DRIFT in causes:
            # Drift is told once only, and a class has one timer.
            self.add_after(key, delay, Priority.CHANGED, cause=Cause.DRIFT)

    def _ended(self, key: AccountKey, result: Result) -> None:
        self._failures.pop(key, None)
        for requeue_at in result.next:
            seconds = requeue_at.after.total_seconds()
            if requeue_at.priority is Priority.RESYNC:
                jitter = self._settings.resync_jitter
                seconds *= self._rng.uniform(1 - jitter, 1 + jitter)
                self.add_after(key, seconds, requeue_at.priority, cause=Cause.RESYNC)
            else:
                self._metrics.queue.retries.inc()
                self.add_after(key, seconds, requeue_at.priority, cause=Cause.RETRY)
        if result.failed:
            self._count("error")
        elif not result.next:
            self._count("success")
        else:
            self._count("requeue_after" if all(w.after for w in result.next) else "requeue")

    def _count(self, result: str) -> None:
        self._metrics.reconciles.total.labels(CONTROLLER, result).inc()
        if result == "error":
            self._metrics.reconciles.errors.inc()

    def _enqueue(self, key: AccountKey, waiting: PendingItem) -> None:
        self._waiting[key] = waiting
        self._push(key, waiting)
        self._tickets.release()

    def _push(self, key: AccountKey, waiting: PendingItem) -> None:
        heapq.heappush(self._heap, (waiting.priority, waiting.order, waiting.number, key))

    def _cancel_timer(self, key: AccountKey, priority: Priority) -> None:
        self._delayed[key][priority].timer.cancel()
        self._drop_timer(key, priority)

    def _drop_timer(self, key: AccountKey, priority: Priority) -> None:
        timers = self._delayed[key]
        del timers[priority]
        if not timers:
            del self._delayed[key]

    def _ages(self) -> list[float]:
        now = self._clock.time()
        return [now - started for started in self._active.values()]
