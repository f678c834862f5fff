"""One Lease and the work of whoever holds it: candidate, warm standby, leader, end.

Belongs here: what begins and ends in which order, for one Lease. Does not belong here: what any part does; the process
around it (`run`).

    ask for the Lease ──▶ list ──▶ watch, relist ──▶ Lease ──▶ catch up ──▶ workers ──▶ stop ──▶ workers end ──▶
                                  (standby: a warm cache, nothing is queued)      Lease given back ──▶ watches end

The Lease is asked for once before anything is listed: who gets it at once lists afterwards, and is up to date by that.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from talkdesk_operator.domain.shard import WHOLE, Shard
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.informer import Informer
from talkdesk_operator.informer.kopf_watch import LeasePlace
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health, Stage
from talkdesk_operator.process.shutdown import Shutdown
from talkdesk_operator.process.tuning import loading_what_stays
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.queue import QueueSettings, Reconcile, WorkQueue
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.kube import Kube

__all__ = ["BuildReconciler", "Controller", "Election", "Parts", "ProcessParts", "Unelected"]


@dataclass(frozen=True, slots=True)
class ProcessParts:
    """What a process has once."""

    settings: Settings
    kube: Kube
    """The API server, without a fence."""
    identity: str
    """Names this process among all operators."""
    health: Health
    shutdown: Shutdown
    """Ends the controller, and is begun when a part of it ends."""
    metrics: Metrics
    clock: Clock
    rng: random.Random


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reconciler can be made of."""

    settings: Settings
    kube: Kube
    """Within the fence."""
    fence: Fence
    """Open while this process may act: whatever else it sends must be within it."""
    cache: InformerCache
    queue: WorkQueue
    metrics: Metrics
    on_own_write: Callable[[Mapping[str, Any]], None]
    """Takes an object of ours as the answer to a write showed it; see Handlers."""
    identity: str
    """Names this process among all operators."""
    clock: Clock
    rng: random.Random
    shard: Shard = WHOLE
    """The accounts to work on."""


BuildReconciler: TypeAlias = Callable[[Parts], AbstractAsyncContextManager[Reconcile]]
"""Makes the reconciler, and at the end closes what it was made of."""


class Election(Protocol):
    """The part of Leadership that is needed here."""

    fence: Fence
    attempted: asyncio.Event
    acquired: asyncio.Event
    left_behind: Mapping[str, str]

    async def acquire(self) -> None:
        """Wait until we are the leader."""
        ...

    async def lost(self) -> None:
        """Wait until we are no longer the leader."""
        ...

    def observe(self, lease: Mapping[str, Any]) -> None:
        """Take the Lease as a watch shows it."""
        ...

    async def release(self, versions: Mapping[str, str] | None) -> None:
        """End the candidacy and give the Lease back, or leave it to expire without versions."""
        ...


class Unelected:
    """The leadership of a process that is the only one and asks nobody."""

    def __init__(self, clock: Clock) -> None:
        self.fence = Fence(clock.monotonic)
        self.fence.open_until(float("inf"))
        self.attempted = asyncio.Event()
        self.acquired = asyncio.Event()
        self.left_behind: Mapping[str, str] = {}

    async def acquire(self) -> None:
        """Lead at once."""
        self.acquired.set()
        self.attempted.set()

    async def lost(self) -> None:
        """Wait without end."""
        await asyncio.Event().wait()

    def observe(self, lease: Mapping[str, Any]) -> None:
        """Do nothing."""

    async def release(self, versions: Mapping[str, str] | None) -> None:  # noqa: ARG002 - there is nobody to tell
        """Send nothing any more."""
        self.fence.shut()


class Controller:
    """An informer, a queue and the reconciler, which work while the Lease is held. Use each once."""

    def __init__(
        self,
        process: ProcessParts,
        build: BuildReconciler,
        *,
        election: Election,
        lease: LeasePlace | None,
        on_lease: Callable[[Mapping[str, Any]], object] | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        """Take the election for a shard; `on_lease`, or the election, gets each version of the Lease that is there."""
        settings, clock, rng = process.settings, process.clock, process.rng
        self._settings = settings
        self._build = build
        self._election = election
        self._health = process.health
        self._shutdown = process.shutdown
        self._is_current = False
        bounds = QueueSettings(
            workers=settings.workers, grace=settings.shutdown_timeout, resync_jitter=settings.resync_jitter
        )
        self._queue = WorkQueue(process.metrics, scheduler=asyncio.get_running_loop(), rng=rng, settings=bounds)
        self._informer = Informer(
            process.kube,
            Selection(settings.namespaces, shard),
            self._queue,
            self._health,
            lease=lease,
            on_lease=on_lease or election.observe,
            clock=clock,
            rng=rng,
        )
        self._tally = process.metrics.installations.counting(self._informer.cache.tally, clock.now)
        self._parts = Parts(
            settings=settings,
            kube=process.kube.within(election.fence),
            fence=election.fence,
            cache=self._informer.cache,
            queue=self._queue,
            metrics=process.metrics,
            on_own_write=self._informer.on_own_write,
            identity=process.identity,
            clock=clock,
            rng=rng,
            shard=shard,
        )

    async def run(self) -> None:
        """Stand by until the Lease is ours, reconcile until the end of the process begins, and end in order."""
        holding = self._shutdown.supervise(self._hold(), "leadership", abrupt=True)
        watches: list[asyncio.Task[None]] = []
        try:
            if not await self._shutdown.completes_before(self._election.attempted.wait()):
                return
            first = self._election.acquired.is_set()
            self._health.enter(Stage.LOADING)
            with loading_what_stays():
                if not await self._shutdown.completes_before(self._informer.load()):
                    return
            watches += self._watch()
            if await self._take_over(was_first=first):
                await self._work()
        except BaseException as error:
            self._shutdown.begin(type(error).__name__, 1)
            raise
        finally:
            holding.cancel()
            await self._release()
            for task in watches:
                task.cancel()
            await asyncio.gather(holding, *watches, return_exceptions=True)
            self._parts.metrics.loads.queues.remove(self._queue.load)

    async def forget(self) -> None:
        """Free the memory of a shard that was given up, when the process goes on."""
        await self._informer.cache.clear()

    async def _hold(self) -> None:
        await self._election.acquire()
        await self._election.lost()

    async def _release(self) -> None:
        """Give the Lease back as soon as nothing more is done, before the slower ends of everything else.

        Requests of reconciles that were cancelled may still arrive: then nobody must follow before the Lease expires.
        """
        # A leader that never caught up itself can't say what the next one must have seen.
        versions = self._informer.versions() if self._is_current else {}
        await self._election.release(None if self._queue.cut_short else versions)

    def _watch(self) -> list[asyncio.Task[None]]:
        started = self._shutdown.install_signal_handlers
        watch = self._informer.watch(identity=self._parts.identity, started=started)
        relist = self._informer.relist(self._settings.relist_interval)
        return [self._shutdown.supervise(watch, "watch"), self._shutdown.supervise(relist, "listing")]

    async def _take_over(self, *, was_first: bool) -> bool:
        """Wait for the Lease, and for what the leader before has written; return whether we lead."""
        if was_first:
            return True
        self._health.enter(Stage.STANDBY)
        if not await self._shutdown.completes_before(self._election.acquired.wait()):
            return False
        self._health.enter(Stage.LOADING)
        return await self._shutdown.completes_before(self._informer.catch_up(self._election.left_behind))

    async def _work(self) -> None:
        self._is_current = True
        # A standby counts nothing: every sum would have its installations twice.
        with self._tally, self._parts.metrics.shards_held.track_inprogress():
            await self._lead()

    async def _lead(self) -> None:
        async with self._build(self._parts) as reconcile:
            await self._informer.start_queueing()
            workers = self._shutdown.supervise(self._queue.run(reconcile, self._shutdown.event), "workers")
            self._health.enter(Stage.RUNNING)
            await self._shutdown.event.wait()
            self._health.enter(Stage.STOPPING)
            # The watches go on until the last reconcile has ended, which may yet need what they bring.
            await self._end(workers)
            await self._release()

    async def _end(self, workers: asyncio.Task[None]) -> None:
        """Wait for running reconciles, unless they must stop now."""
        hurried = asyncio.create_task(self._shutdown.hurried.wait())
        await asyncio.wait((workers, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        workers.cancel()
        await asyncio.gather(workers, return_exceptions=True)
