"""The drift of one target: what a reflector sees of its objects, as reports of tenants and lines in the log.

Belongs here: the collection to watch, and what is reported. Does not belong here: keeping the watch alive
(talkdesk_runtime.reflector), which watches run (`drift`), what drift is (`domain.tenant.drift`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import structlog
from typing_extensions import override

from talkdesk_crds.names import LABEL_APP, LABEL_MANAGED_BY, LABEL_NAMESPACE, LABEL_TENANT, MANAGED_BY
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.shard import WHOLE, Shard
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeError, KubeNoPath, KubePermanent
from talkdesk_runtime.reflector import Collected, Reflector, Sink, WatchTimes

__all__ = ["Audit", "DriftWatch", "Report", "WatchParts"]

# Where a server can't give metadata alone it gives the whole objects, of which no more is read.
_METADATA: Final = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_LOGGED_FAILURE: Final = 5
"""Failures in a row, of a kind that passes by itself, that are worth a line in the log."""

Report: TypeAlias = Callable[[Sighting], object]
"""Gets what was seen of a tenant's object."""
Audit: TypeAlias = Callable[[Target, DriftDetector], Awaitable[None]]
"""Gets the first complete listing of a target, to compare it with what is on record."""


@dataclass(frozen=True, slots=True)
class WatchParts:
    """What all watches share."""

    kube: Kube
    resources: Resources
    report: Report
    audit: Audit
    clock: Clock
    rng: random.Random
    times: WatchTimes
    shard: Shard = WHOLE
    """Whose objects are watched: all others are kept away by their label."""


class DriftWatch(Sink):
    """The watch of one target."""

    def __init__(self, target: Target, parts: WatchParts) -> None:
        self.observations: Final = DriftDetector()
        """What is known of the target's objects."""
        self._target = target
        self._parts = parts
        self._refused = False
        self._listed = asyncio.Event()
        self._audited = False
        self._log = structlog.stdlib.get_logger(__name__).bind(
            namespace=target.namespace, app=target.app, kind=target.kind, group=target.group
        )

    def version_seen(self, uid: str) -> str | None:
        """Return the version in which an object is seen; None while the objects can't be seen."""
        return self.observations.version(uid) if self._listed.is_set() else None

    def applied(self, live: Mapping[str, Any]) -> None:
        """Take an object as an apply of ours left it; of a new one, a watch that is not allowed never sees the end."""
        uid = (live.get("metadata") or {}).get("uid")
        if not self._refused or self.observations.known(str(uid)) is not None:
            self.observations.applied(live)

    async def run(self) -> NoReturn:
        """Watch until cancelled, whatever happens: an exception that nobody foresaw is logged, and it begins anew."""
        failures = 0
        while True:
            started = self._parts.clock.monotonic()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._audit(), name=f"drift audit of {self._target.kind}")
                    await self._reflect()
            except Exception:  # noqa: BLE001 - the one place for what is unforeseen here: the other watches must go on
                self._log.exception("drift.watch_raised")
                self._listed.clear()
            lasted = self._parts.clock.monotonic() - started
            failures = 1 if lasted >= self._parts.times.proven_after.total_seconds() else failures + 1
            await self._parts.clock.sleep(self._parts.times.delay(failures, None, self._parts.rng.random()))

    async def _reflect(self) -> NoReturn:
        parts = self._parts
        reflector = Reflector(parts.kube, self._collected(), self, clock=parts.clock, rng=parts.rng, times=parts.times)
        await reflector.run()

    async def _audit(self) -> None:
        """Compare the first listing with the record: nobody saw what happened before it."""
        await self._listed.wait()
        if not self._audited:
            self._audited = True
            await self._parts.audit(self._target, self.observations)

    def _collected(self) -> Collected:
        target, resources, shard = self._target, self._parts.resources, self._parts.shard.selector
        shard = shard and f",{shard}"
        return Collected(
            path=lambda: resources.collection(target.group, target.version, target.kind),
            label_selector=f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_NAMESPACE}={target.namespace},"
            f"{LABEL_APP}={target.app},{LABEL_TENANT}{shard}",
            accept_list=_METADATA.format("PartialObjectMetadataList"),
            accept_stream=_METADATA.format("PartialObjectMetadata"),
            as_user=target.identity,
        )

    @override
    def present(self, raw: Mapping[str, Any], /) -> None:
        found = self.observations.present(raw)
        if found is not None:
            tenant, change = found
            self._report(Sighting.of(self._target, change, tenant, raw))

    @override
    def deleted(self, raw: Mapping[str, Any], /) -> None:
        change = Change.OTHER if self.observations.is_expected(raw) else Change.DELETED
        tenant = self.observations.gone(raw)
        if tenant is not None:
            self._report(Sighting.of(self._target, change, tenant, raw))

    @override
    def listed(self, uids: Collection[str], version: str, /) -> None:
        for tenant in self.observations.retain(uids, version):
            self._report(Sighting(self._target, Change.DELETED, tenant))
        self._listed.set()
        if self._refused:
            self._refused = False
            self._log.info("drift.watched_again")

    @override
    def heard(self) -> None:
        """Nothing hangs on it here."""

    @override
    def failed(self, error: KubeError, failures: int, /) -> None:
        """Log what stands in the way: once when somebody must do something, else when it goes on for long."""
        if isinstance(error, KubePermanent):
            self._listed.clear()
        if isinstance(error, KubeNoPath):
            self._parts.resources.forget(self._target.group)  # a CRD may come back under another path
        if isinstance(error, KubePermanent) and not self._refused:
            self._refused = True
            hint = f"drift is only found at resync; to find it at once, allow list and watch to {self._target.identity}"
            self._log.info("drift.not_watched", error=str(error), hint=hint)
        elif failures == _LOGGED_FAILURE and not self._refused:
            self._log.warning("drift.watch_fails", error=str(error))

    def _report(self, sighting: Sighting) -> None:
        if sighting.change is not Change.OTHER:
            self._log.debug("drift.seen", tenant=sighting.tenant, change=sighting.change.name)
        self._parts.report(sighting)
