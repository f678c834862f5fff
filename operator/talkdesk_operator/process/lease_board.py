"""The Leases of all shards as one process sees them, by one listing every few seconds.

Belongs here: what is known of them and since when. Does not belong here: what follows for this process (`spread`,
`shard_set`), holding one (`leader_election`).
"""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any, Final

import structlog

from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.informer.kopf_watch import LeasePlace
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_operator.process.layout import NEVER, Layout, lease_name, shard_of
from talkdesk_operator.process.lease import ElectionTimes, KubeRequests, Lease, holder_of
from talkdesk_operator.process.spread import Seen
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["LeaseBoard"]


class LeaseBoard:
    """All Leases of a layout, and what other layouts' say."""

    def __init__(
        self,
        kube: KubeRequests,
        place: LeasePlace,
        identity: str,
        count: int,
        *,
        times: ElectionTimes,
        clock: Clock,
    ) -> None:
        """Take a connection that no fence restricts, and where the first shard's is: others' names begin with its."""
        self._kube = kube
        self._place = place
        self._count = count
        self._times = times
        self._clock = clock
        self._numbers = itertools.count(1)
        self._latest = 0
        self._free_since: dict[int, float] = {}
        self._foreign: Mapping[str, Shard] = {}
        self._log: Final = structlog.stdlib.get_logger(__name__)
        self.identity = identity
        self.leases = tuple(
            Lease(kube, place.namespace, lease_name(place.name, Shard(index, count)), identity, times, clock)
            for index in range(count)
        )
        """By the index of the shard."""
        self.layout = Layout(0)
        """What the first one's said last."""
        self.confirmed = NEVER
        """When the request was sent whose answer was that our layout counts; NEVER when another answer came later."""
        self.news = asyncio.Event()
        """Set when the layout was seen to change in between."""

    async def look(self) -> bool:
        """List all Leases; return whether that worked."""
        sent, number = self._clock.monotonic(), next(self._numbers)
        try:
            async with asyncio.timeout(self._times.request_timeout):
                listed = await self._kube.request("GET", resource_path(*LEASES, self._place.namespace))
        except TimeoutError:
            self._log.warning("shards.look_failed", reason="the API server did not answer in time")
            return False
        except KubeError as error:
            self._log.warning("shards.look_failed", reason=str(error))
            return False
        if number > self._latest:  # else a later look has had its answer before
            self._latest = number
            self._take_in({str(lease["metadata"]["name"]): lease for lease in listed["items"]}, sent)
        return True

    def observe(self, lease: Mapping[str, Any]) -> None:
        """Take the first shard's Lease as a watch shows it. It can end what is done here, and begin nothing."""
        first = self.leases[0]
        if first.observe(lease) and not Layout.in_lease(first.known()).lets_act(self._count):
            self.layout = Layout.in_lease(first.known())
            self.confirmed = NEVER
            self.news.set()

    async def look_and_see_nobody_else(self) -> bool:
        """Look, and return whether nobody holds a shard of another layout; False when that can't be said."""
        return await self.look() and not self._foreign

    def seen(self) -> tuple[Seen, ...]:
        """Return all shards' Leases as they were seen last."""
        now = self._clock.monotonic()
        return tuple(
            Seen(
                index,
                holder="" if index in self._free_since else lease.holder,
                free_for=now - self._free_since.get(index, now),
                wanted_by=lease.wanted_by,
            )
            for index, lease in enumerate(self.leases)
        )

    def note_what_is_free(self) -> None:
        """Bring up to date since when each Lease is free; it may have expired without a change.

        One of ours that was not given back is free when it has expired, like anybody's.
        """
        now = self._clock.monotonic()
        for index, lease in enumerate(self.leases):
            if not lease.holder or lease.expires_in() <= 0:
                self._free_since.setdefault(index, now)
            else:
                self._free_since.pop(index, None)

    def _take_in(self, listed: Mapping[str, Mapping[str, Any]], sent: float) -> None:
        for lease in self.leases:
            if lease.name in listed:
                lease.observe(listed[lease.name])
        shards = {name: shard_of(self._place.name, name) for name, lease in listed.items() if holder_of(lease)}
        self._foreign = {name: shard for name, shard in shards.items() if shard and shard.count != self._count}
        self.layout = Layout.in_lease(listed.get(self._place.name))
        self.confirmed = sent if self.layout.lets_act(self._count) else NEVER
        self.note_what_is_free()
