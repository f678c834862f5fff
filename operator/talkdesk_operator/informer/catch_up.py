"""Brings a warm cache up to the moment of a take-over, so that a new leader acts on nothing older.

Belongs here: how new the cache must be, and waiting for that. Does not belong here: keeping it new (`event_source`).

A watch may lag, however little. A leader that gives its Lease back says in it which versions it has seen last; these
are nearly always here already. Without its word (it was killed, or it lost the Lease), the API server is asked for its
present version, by a listing of one object that reads from etcd. Our own watch goes on to it with an event or a
bookmark; so that nobody waits a minute for the latter, a second watch is opened from the same version, with so short a
life that its bookmark comes within two seconds. No listing is made, unless that version has expired.
"""

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol

import structlog

from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.informer.event_source import EventSource
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.informer.relist import Relist, ResourceVersionWentBack
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.probes import Health
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubeUnreachable
from talkdesk_runtime.paging import metadata_of, present_version

__all__ = ["CatchUp", "stream_name"]

_BACKOFF: Final = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=15))
_STREAM_SECONDS: Final = "3"
"""Life of the second watch. The API server sends a bookmark two seconds before the end of each."""
_IDLE: Final = timedelta(seconds=10)


class KubeReads(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...

    def watch(self, path: str, *, query: Mapping[str, str], idle: timedelta) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch until the server ends it; raise a KubeError."""
        ...


def stream_name(plural: str, namespace: str) -> str:
    """Return the name of what one watch brings: a kind in one namespace, or in all."""
    return f"{namespace}/{plural}" if namespace else plural


class CatchUp:
    """For one cache; use it before anything is queued."""

    def __init__(
        self,
        kube: KubeReads,
        source: EventSource,
        relist: Relist,
        handlers: Handlers,
        *,
        selection: Selection,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._kube = kube
        self._source = source
        self._relist = relist
        self._handlers = handlers
        self._selection = selection
        self._clock = clock
        self._rng = rng

    async def until(self, plural: str, namespace: str, version: str, health: Health) -> None:
        """Wait until the cache has all of a stream up to a version; without one, up to the present one.

        It is tried until it works; `health` is told what is in the way. Raises ResourceVersionWentBack.
        """
        failures, version = 0, version if version.isdecimal() else ""
        while True:
            try:
                version = version or await self._present(plural, namespace)
                await self._go_on(plural, namespace, version)
            except KubeExpired:
                await self._relist.reload(plural, namespace, health, self._handlers.changed)
                return
            except KubeError as error:
                health.blocker, version = str(error), ""
            else:
                return
            failures += 1
            structlog.stdlib.get_logger(__name__).warning("cache.behind", kind=plural, reason=health.blocker)
            await self._clock.sleep(_BACKOFF.delay(failures, self._rng.random()).total_seconds())

    async def _present(self, plural: str, namespace: str) -> str:
        """Return the API server's present version of a kind."""
        reached = self._reached(plural, namespace)
        version = await present_version(partial(self._kube.request, "GET"), _path(plural, namespace))
        if not version.isdecimal():
            raise KubeExpired("the API server's versions are no numbers, so only a listing shows what is new")
        ResourceVersionWentBack.check(version, reached)
        return version

    async def _go_on(self, plural: str, namespace: str, version: str) -> None:
        """Take events from where our own watch is, until all up to the version were taken. Raises KubeError."""
        reached, wanted = self._reached(plural, namespace), _as_number(version)
        if reached >= wanted:
            return
        since = {"resourceVersion": str(reached), "allowWatchBookmarks": "true", "timeoutSeconds": _STREAM_SECONDS}
        query = {**self._selection.query(plural), **since}
        async with aclosing(self._kube.watch(_path(plural, namespace), query=query, idle=_IDLE)) as stream:
            async for event in stream:
                if event["type"] != "BOOKMARK":
                    self._handlers.observe(event)
                reached = max(reached, _as_number(metadata_of(event["object"]).get("resourceVersion")))
                if reached >= wanted:
                    return
        if self._reached(plural, namespace) < wanted:
            raise KubeUnreachable(f"the watch of {plural} did not come to version {version}")

    def _reached(self, plural: str, namespace: str) -> int:
        """Return the version up to which everything is in the cache; KubeExpired where there is none."""
        place = (plural, namespace)
        reached = max(_as_number(self._source.reached.get(place)), _as_number(self._relist.listed.get(place)))
        if not reached:
            raise KubeExpired("nothing shows up to which version the cache is complete")
        return reached


def _as_number(version: object) -> int:
    """Return a resourceVersion as a number, which Kubernetes promises for its own API server; 0 where it is none."""
    text = str(version or "")
    return int(text) if text.isdecimal() else 0


def _path(plural: str, namespace: str) -> str:
    return resource_path(GROUP, VERSION, plural, namespace)
