"""Watches of tenants' objects, of whatever kind a template holds, so that what somebody changes is put back at once.

Belongs here: which watches run. Does not belong here: keeping one alive (adapters.drift_watch), what drift is
(domain.drift), and what is done about it. kopf watches our own kinds; it can't act in another's name.

Each watch is of metadata only, cluster-wide, in the name of the app's provisioner, as the operator itself has no right
to look. Where the provisioner has none either, drift is found at the next resync.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from talkdesk_crds.names import LABEL_APP
from talkdesk_operator.adapters.kubernetes.drift_watch import DriftWatch, Notify, WatchParts, WatchTimes
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.ports.cluster import Identity
from talkdesk_operator.domain.tenant.drift import Target
from talkdesk_runtime.kube import Kube

__all__ = ["DriftWatches", "Notify", "WatchTimes"]


class DriftWatches:
    """The watches of all apps' kinds. Not for more than one event loop."""

    def __init__(
        self,
        kube: Kube,
        resources: Resources,
        notify: Notify,
        *,
        observe: Callable[[str], object],
        rng: random.Random,
        times: WatchTimes | None = None,
    ) -> None:
        """Take who is to be told; `observe` gets the kind of each object that has drifted, to count it.

        Objects bear the name of their app but not its namespace: `notify` may be told of a namesake's tenant.
        """
        self._parts = WatchParts(kube, resources, notify, observe, rng, times or WatchTimes())
        self._watches: dict[tuple[str, ...], DriftWatch] = {}
        self._tasks: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def follow(self, targets: frozenset[Target]) -> None:
        """Watch exactly these from now on, or from `run` on; what is watched already goes on undisturbed."""
        wanted = {_place(t.identity, t.app, t.group, t.version, t.kind): t for t in targets}
        for place in self._watches.keys() - wanted.keys():
            del self._watches[place]
            if place in self._tasks:
                self._tasks.pop(place).cancel()
        for place in wanted.keys() - self._watches.keys():
            self._watches[place] = DriftWatch(wanted[place], self._parts)
            self._start(place)

    def applied(self, identity: Identity, live: Mapping[str, Any]) -> None:
        """Take an object as an apply of ours left it: what comes later is measured by this.

        Without it a change is missed that comes between our apply and a new listing, and two applies within a second,
        of which the later has fewer fields, look like a change by another.
        """
        group, _, version = str(live.get("apiVersion")).rpartition("/")
        labels = live.get("metadata", {}).get("labels") or {}
        watch = self._watches.get(_place(identity, str(labels.get(LABEL_APP)), group, version, str(live.get("kind"))))
        if watch is not None:
            watch.sightings.applied(live)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`. Raises an ExceptionGroup when `notify` or `observe` raised something."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for place in self._watches:
                self._start(place)
            try:
                await stop.wait()
            finally:
                self._group = None
                for task in self._tasks.values():
                    task.cancel()
                self._tasks.clear()

    def _start(self, place: tuple[str, ...]) -> None:
        if self._group is not None:
            name = f"drift of {place[-1]}"
            self._tasks[place] = self._group.create_task(self._watches[place].run(), name=name)


def _place(identity: Identity, app: str, group: str, version: str, kind: str) -> tuple[str, ...]:
    return (identity, app, group, version, kind)
