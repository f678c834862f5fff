"""The drift of one target: what a reflector sees of its objects, as reports of tenants and lines in the log.

Belongs here: the collection to watch, and what is reported. Does not belong here: keeping the watch alive
(`reflector`), which watches run (`drift`), what drift is (`domain.tenant.drift`).
"""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import structlog
from typing_extensions import override

from talkdesk_crds.names import LABEL_APP, LABEL_MANAGED_BY, LABEL_TENANT, MANAGED_BY
from talkdesk_operator.adapters.kubernetes.reflector import Collected, Reflector, Sink, WatchTimes
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.tenant.drift import DriftDetector, Target
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeError, KubePermanent

__all__ = ["DriftWatch", "ReportDrift", "WatchParts"]

# Where a server can't give metadata alone it gives the whole objects, of which no more is read.
_METADATA: Final = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_LOGGED_FAILURE: Final = 5
"""Failures in a row, of a kind that passes by itself, that are worth a line in the log."""

ReportDrift: TypeAlias = Callable[[str, str], object]
"""Gets the namespace of the app and the name of the TalkdeskTenant whose object has drifted."""


@dataclass(frozen=True, slots=True)
class WatchParts:
    """What all watches share."""

    kube: Kube
    resources: Resources
    report: ReportDrift
    count: Callable[[str], object]
    """Gets the kind of each object that has drifted."""
    clock: Clock
    rng: random.Random
    times: WatchTimes


class DriftWatch(Sink):
    """The watch of one target."""

    def __init__(self, target: Target, parts: WatchParts) -> None:
        self.observations: Final = DriftDetector()
        """What is known of the target's objects."""
        self._target = target
        self._parts = parts
        self._refused = False
        self._log = structlog.stdlib.get_logger(__name__).bind(
            namespace=target.namespace, app=target.app, kind=target.kind, group=target.group
        )

    async def run(self) -> NoReturn:
        """Watch until cancelled. Raises only what `report` or `count` raised."""
        parts = self._parts
        reflector = Reflector(parts.kube, self._collected(), self, clock=parts.clock, rng=parts.rng, times=parts.times)
        await reflector.run()

    def _collected(self) -> Collected:
        target, resources = self._target, self._parts.resources
        return Collected(
            path=lambda: resources.collection(target.group, target.version, target.kind),
            label_selector=f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_APP}={target.app},{LABEL_TENANT}",
            accept_list=_METADATA.format("PartialObjectMetadataList"),
            accept_stream=_METADATA.format("PartialObjectMetadata"),
            as_user=target.identity,
        )

    @override
    def present(self, raw: Mapping[str, Any], /) -> None:
        self._report(self.observations.present(raw))

    @override
    def deleted(self, raw: Mapping[str, Any], /) -> None:
        self._report(self.observations.gone(raw))

    @override
    def listed(self, uids: Collection[str], version: str, /) -> None:
        for tenant in self.observations.retain(uids, version):
            self._report(tenant)
        if self._refused:
            self._refused = False
            self._log.info("drift.watched_again")

    @override
    def failed(self, error: KubeError, failures: int, /) -> None:
        """Log what stands in the way: once when somebody must do something, else when it goes on for long."""
        if isinstance(error, KubePermanent) and not self._refused:
            self._refused = True
            hint = f"drift is only found at resync; to find it at once, allow list and watch to {self._target.identity}"
            self._log.info("drift.not_watched", error=str(error), hint=hint)
        elif failures == _LOGGED_FAILURE and not self._refused:
            self._log.warning("drift.watch_fails", error=str(error))

    def _report(self, tenant: str | None) -> None:
        if tenant is not None:
            self._log.debug("drift.seen", tenant=tenant)
            self._parts.count(self._target.kind)
            self._parts.report(self._target.namespace, tenant)
