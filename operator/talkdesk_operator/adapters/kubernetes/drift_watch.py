"""One watch of drift: a listing, then a stream, and what to do when either fails; for as long as it is let.

Belongs here: keeping one watch alive, at a pace that the API server can bear. Does not belong here: which watches run
(adapters.drift), what drift is (domain.drift). No error leaves this module.
"""

import random
from asyncio import sleep
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, Final, NoReturn, TypeAlias

import structlog

from talkdesk_crds.names import LABEL_APP, LABEL_MANAGED_BY, LABEL_TENANT, MANAGED_BY
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.tenant.drift import DriftDetector, Target
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubePermanent, KubeRefused, KubeTransient

__all__ = ["DriftWatch", "Notify", "WatchParts", "WatchTimes"]

# Where a server can't give metadata alone it gives the whole objects, of which no more is read.
_METADATA: Final = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_LIST: Final = _METADATA.format("PartialObjectMetadataList")
_STREAM: Final = _METADATA.format("PartialObjectMetadata")
_PAGE: Final = "500"
_WORTH_A_WORD: Final = 5
"""Failures in a row, of a kind that passes, that are worth a line in the log."""

Notify: TypeAlias = Callable[[str, str], object]
"""Told the namespace of the app and the name of the TalkdeskTenant whose object has drifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTimes:
    """How patient a watch is."""

    first_delay: timedelta = timedelta(seconds=1)
    """It doubles with each failure; half of each delay is random."""
    longest_delay: timedelta = timedelta(seconds=30)
    longest_delay_refused: timedelta = timedelta(minutes=10)
    """For what doesn't pass by itself: missing rights, a missing kind."""
    proven_after: timedelta = timedelta(seconds=10)
    """A watch that held so long was a good one: the delays begin anew."""
    stream: timedelta = timedelta(minutes=10)
    """Longest life of a stream; the server is asked to end each after half of it or later."""
    idle: timedelta = timedelta(minutes=3)
    """A stream that brings nothing for so long is dead: a bookmark comes every minute."""

    def delay(self, failures: int, error: KubeError | None, rng: random.Random) -> float:
        """Return the seconds to wait after so many failures in a row (0: a good watch ended), `error` the last of them.

        What the server asked for is a lower bound.
        """
        longest = self.longest_delay_refused if isinstance(error, KubePermanent) else self.longest_delay
        doubled = self.first_delay.total_seconds() * 2.0 ** min(failures - 1, 20)
        delay = min(doubled, longest.total_seconds()) * rng.uniform(0.5, 1)
        asked = error.retry_after if isinstance(error, KubeTransient) else None
        return delay if asked is None else max(delay, asked.total_seconds())


@dataclass(frozen=True, slots=True)
class WatchParts:
    """What all watches share."""

    kube: Kube
    resources: Resources
    notify: Notify
    observe: Callable[[str], object]
    """Gets the kind of each object that has drifted."""
    rng: random.Random
    times: WatchTimes


class DriftWatch:
    """The watch of one target."""

    def __init__(self, target: Target, parts: WatchParts) -> None:
        self.sightings: Final = DriftDetector()
        """What is known of the target's objects."""
        self._target = target
        self._parts = parts
        self._version = ""  # where the stream goes on; empty: with a listing
        self._refused = False
        self._log = structlog.stdlib.get_logger(__name__).bind(
            namespace=target.namespace, app=target.app, kind=target.kind, group=target.group
        )

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        failures = 0
        times, rng = self._parts.times, self._parts.rng
        while True:
            started = monotonic()
            error = await self._attempt()
            failures = 0 if monotonic() - started >= times.proven_after.total_seconds() else failures + 1
            self._report(error, failures)
            await sleep(times.delay(failures, error, rng))

    async def _attempt(self) -> KubeError | None:
        """List if need be, then watch; come back when the stream has ended, with what ended it if that was an error."""
        try:
            if not self._version:
                self._version = await self._list()
                self._listed()
            await self._stream()
        except KubeExpired:
            self._version = ""
        except KubePermanent as error:
            self._version = ""
            return error
        except KubeTransient as error:
            return error
        return None

    async def _list(self) -> str:
        """Take all objects as they are; return the resourceVersion from which a stream goes on. Raises KubeError."""
        target, uids, token = self._target, set[Any](), ""
        path = await self._parts.resources.collection(target.group, target.version, target.kind)
        while True:
            query = {"labelSelector": self._selector(), "limit": _PAGE} | ({"continue": token} if token else {})
            page = await self._parts.kube.request("GET", path, query=query, accept=_LIST, as_user=target.identity)
            metadata = _metadata(page)
            version = str(metadata.get("resourceVersion") or "")
            if not version:
                raise KubeRefused("the API server sent a listing without a resourceVersion")
            for item in page.get("items") or ():
                self._tell(self.sightings.present(item))
                uids.add(_metadata(item).get("uid"))
            token = metadata.get("continue") or ""
            if not token:
                break
        for tenant in self.sightings.retain(uids, version):
            self._tell(tenant)
        return version

    async def _stream(self) -> None:
        """Take changes until the server ends the stream. Raises KubeError."""
        seconds = self._parts.rng.uniform(0.5, 1) * self._parts.times.stream.total_seconds()
        query = {
            "labelSelector": self._selector(),
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, int(seconds))),
        }
        path = await self._parts.resources.collection(self._target.group, self._target.version, self._target.kind)
        idle, identity = self._parts.times.idle, self._target.identity
        events = self._parts.kube.watch(path, query=query, accept=_STREAM, as_user=identity, idle=idle)
        async with aclosing(events):
            async for event in events:
                self._take(event["type"], event["object"])

    def _take(self, change: str, raw: Mapping[str, Any]) -> None:
        match change:
            case "ADDED" | "MODIFIED":
                self._tell(self.sightings.present(raw))
            case "DELETED":
                self._tell(self.sightings.gone(raw))
            case _:
                pass  # a bookmark
        self._version = str(_metadata(raw).get("resourceVersion") or self._version)

    def _tell(self, tenant: str | None) -> None:
        if tenant is not None:
            self._log.debug("drift.seen", tenant=tenant)
            self._parts.observe(self._target.kind)
            self._parts.notify(self._target.namespace, tenant)

    def _selector(self) -> str:
        return f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_APP}={self._target.app},{LABEL_TENANT}"

    def _listed(self) -> None:
        if self._refused:
            self._refused = False
            self._log.info("drift.watched_again")

    def _report(self, error: KubeError | None, failures: int) -> None:
        """Log what stands in the way: once when somebody must do something, else when it goes on for long."""
        if isinstance(error, KubePermanent) and not self._refused:
            self._refused = True
            hint = f"drift is only found at resync; to see it at once, allow list and watch to {self._target.identity}"
            self._log.info("drift.not_watched", error=str(error), hint=hint)
        elif error is not None and failures == _WORTH_A_WORD and not self._refused:
            self._log.warning("drift.watch_fails", error=str(error))


def _metadata(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = raw.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
