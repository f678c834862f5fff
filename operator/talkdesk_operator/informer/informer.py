"""The informer: our three kinds listed, watched and cached from the start of the process, also while it stands by.

    load ──▶ watch, relist ──▶ catch up with the leader before ──▶ start queueing
    └──────── standby: events go into the cache alone ──────────┘

Belongs here: how the parts of this room work together. Does not belong here: when what begins (`process.controller`).
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from talkdesk_operator.domain.installation.priority import priority_of
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.informer.catch_up import CatchUp, stream_name
from talkdesk_operator.informer.event_source import EventSource
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.informer.kopf_watch import LeasePlace, kopf_settings, watch
from talkdesk_operator.informer.relist import Relist
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_operator.observability.probes import Health
from talkdesk_operator.workqueue.queue import Cause, WorkQueue
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube

__all__ = ["Informer"]


class Informer:
    """What the cluster says of our kinds. It queues nothing until it is told to."""

    def __init__(
        self,
        kube: Kube,
        selection: Selection,
        queue: WorkQueue,
        health: Health,
        *,
        lease: LeasePlace | None,
        on_lease: Callable[[Mapping[str, Any]], object],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Show what is selected. Watch also the Lease there, if any: `on_lease` gets each version of it."""
        self._kube = kube
        self._selection = selection
        self._health = health
        self._lease = lease
        self._clock = clock
        self._rng = rng
        self.cache = InformerCache()
        self._handlers = Handlers(
            self.cache, queue, health, prioritize=priority_of, now=clock.now, queueing=False, on_lease=on_lease
        )
        self._relist = Relist(kube, self.cache, selection, clock=clock, rng=rng)
        self._source = EventSource(
            kube, self._resume, clock, rng, observe=self._handlers.observe, selection=selection.query
        )
        self._catch_up = CatchUp(
            kube, self._source, self._relist, self._handlers, selection=selection, clock=clock, rng=rng
        )

    async def load(self) -> None:
        """List everything into the cache, and try again until it works."""
        await self._relist.load_until_successful(self._health, self._handlers.changed)

    async def watch(self, *, identity: str, started: Callable[[], None]) -> None:
        """Keep the cache up to date by watches, until cancelled; `started` is called when signals may be handled."""
        await watch(
            self._kube,
            self._handlers.registry(lease=self._lease is not None),
            kopf_settings(self._lease, self._rng),
            self._selection.namespaces,
            identity=identity,
            clock=self._clock,
            source=self._source,
            started=started,
        )

    async def relist(self, every: timedelta) -> None:
        """List everything now and then, until cancelled; raises ResourceVersionWentBack."""
        await self._relist.repeat(every, self._handlers.changed)

    async def catch_up(self, versions: Mapping[str, str]) -> None:
        """Wait until the cache is as new as the cluster is now, or at least as these versions by stream."""
        tasks = [
            asyncio.create_task(self._catch_up.until(*stream, versions.get(stream_name(*stream), ""), self._health))
            for stream in self._streams()
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def start_queueing(self) -> None:
        """Queue all accounts, and from now on those whose objects change."""
        await self._handlers.start_queueing(Cause.STARTUP)

    def versions(self) -> dict[str, str]:
        """Return the newest version that was seen of each stream's objects; 0 where there were none."""
        return {stream_name(*stream): str(self.cache.newest_of(*stream)) for stream in self._streams()}

    def on_own_write(self, raw: Mapping[str, Any]) -> None:
        """Take an object of ours as the answer to a write showed it."""
        self._handlers.on_own_write(raw)

    def _streams(self) -> Sequence[tuple[str, str]]:
        return [(kind.INFO.plural, namespace) for kind in KINDS for namespace in self._selection.places]

    async def _resume(self, plural: str, namespace: str) -> str:
        """List a kind for a watch; the Lease is not in the cache, so its watch shows first what is there."""
        if plural == LEASES[-1]:
            return ""
        return await self._relist.resume(plural, namespace, self._handlers.changed)
