"""Watches of tenants' objects, of whatever kind a template holds, so that what somebody changes is put back at once.

Belongs here: which watches run. Does not belong here: keeping one alive (talkdesk_runtime.reflector), what is reported
(`drift_watch`), what drift is (`domain.tenant.drift`), and what is done about it. kopf watches our own kinds; it can't
impersonate.

Each watch is of metadata only, cluster-wide, in the name of the app's service account, because the operator itself has
no right to read these objects. Where the service account has none either, drift is found at the next resync.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from talkdesk_crds.names import LABEL_APP
from talkdesk_operator.adapters.kubernetes.drift_watch import Audit, DriftWatch, Report, WatchParts
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.ports.cluster import Identity
from talkdesk_operator.domain.shard import WHOLE, Shard
from talkdesk_operator.domain.tenant.drift import Target
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.reflector import WatchTimes

__all__ = ["Audit", "DriftWatches", "Report", "WatchTimes"]


class DriftWatches:
    """The watches of all apps' kinds. Not for more than one event loop."""

    def __init__(
        self,
        kube: Kube,
        resources: Resources,
        report: Report,
        *,
        audit: Audit,
        clock: Clock,
        rng: random.Random,
        times: WatchTimes | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        """Take who gets the reports, and who compares the first listing of each kind with what is on record."""
        self._parts = WatchParts(kube, resources, report, audit, clock, rng, times or WatchTimes(), shard)
        self._watches: dict[tuple[str, ...], DriftWatch] = {}
        self._tasks: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def follow(self, targets: frozenset[Target]) -> None:
        """Watch exactly these from now on, or from `run` on; what is watched already goes on undisturbed."""
        wanted = {_key(t.identity, t.app, t.group, t.version, t.kind): t for t in targets}
        for key in self._watches.keys() - wanted.keys():
            del self._watches[key]
            if key in self._tasks:
                self._tasks.pop(key).cancel()
        for key in wanted.keys() - self._watches.keys():
            self._watches[key] = DriftWatch(wanted[key], self._parts)
            self._start(key)

    def applied(self, identity: Identity, live: Mapping[str, Any]) -> None:
        """Take an object as an apply of ours left it: later versions are compared with this one.

        Without it, a change that comes between our apply and a new listing would be missed. And two applies within a
        second, of which the later has fewer fields, would look like somebody else's change.
        """
        watch = self._watch_of(identity, live)
        if watch is not None:
            watch.applied(live)

    def deleting(self, uid: str) -> None:
        """Learn that we are about to delete an object ourselves."""
        for watch in self._watches.values():
            watch.observations.expect_deletion(uid)

    def version_seen(self, identity: Identity, raw: Mapping[str, Any], uid: str) -> str | None:
        """Return the resourceVersion in which the object of a manifest is seen; None where that is not watched."""
        watch = self._watch_of(identity, raw)
        return watch.version_seen(uid) if watch is not None else None

    def _watch_of(self, identity: Identity, raw: Mapping[str, Any]) -> DriftWatch | None:
        group, _, version = str(raw.get("apiVersion")).rpartition("/")
        labels = raw.get("metadata", {}).get("labels") or {}
        return self._watches.get(_key(identity, str(labels.get(LABEL_APP)), group, version, str(raw.get("kind"))))

    async def run(self) -> None:
        """Watch until cancelled. A watch in which something was raised begins anew; the others go on."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for key in self._watches:
                self._start(key)
            try:
                # There may be no watch for now; those to come belong to this group.
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None
                self._tasks.clear()

    def _start(self, key: tuple[str, ...]) -> None:
        if self._group is not None:
            name = f"drift of {key[-1]}"
            self._tasks[key] = self._group.create_task(self._watches[key].run(), name=name)


def _key(identity: Identity, app: str, group: str, version: str, kind: str) -> tuple[str, ...]:
    return (identity, app, group, version, kind)
