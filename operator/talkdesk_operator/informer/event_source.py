"""Where kopf gets its raw events from: our own list and watch in the place of kopf's.

Belongs here: the one loop that keeps such a stream alive. Does not belong here: what an event means (`handlers`).

kopf's own would list everything a second time after the cache has been filled, with a task for each object, and would
end for good when a kind is not served for a moment. Here a watch goes on from the very version at which the cache was
listed, so that no change falls between the two; after any failure it is tried again, for ever.

    listing into the cache ──▶ stream with bookmarks ──▶ ended, cut, overloaded ──▶ back-off ──▶ from the same version
         ▲                              │
         └────────── back-off ◀─────────┴── version expired, refused (no right, kind not served), etcd restored
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol

import kopf
import structlog
from kopf._cogs.clients import watching  # the one private part of kopf that is used; a test keeps an eye on it

from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubePermanent, KubeTransient
from talkdesk_runtime.paging import metadata_of, present_version, went_back
from talkdesk_runtime.reflector import WatchTimes

__all__ = ["TIMES", "EventSource", "KubeWatches", "Resume", "SourcedSettings"]

TIMES: Final = WatchTimes(longest_delay_refused=timedelta(seconds=30), idle=timedelta(seconds=70))
"""A kind of ours that is not served comes back soon, or the operator has nothing to do anyway."""
_LOGGED_FAILURE: Final = 3


class KubeWatches(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...

    def watch(self, path: str, *, query: Mapping[str, str], idle: timedelta) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch until the server ends it; raise a KubeError."""
        ...


class Resume(Protocol):
    """Lists a collection."""

    async def __call__(self, plural: str, namespace: str, /) -> str:
        """Bring the cache up to date and return the version at which it is.

        Empty for what is not cached: each of its streams begins with what is there. Raises KubeError; any other
        exception ends the process.
        """
        ...


@dataclass(eq=False, slots=True)
class EventSource:
    """Streams of raw events, without end. Not for more than one event loop."""

    kube: KubeWatches
    resume: Resume
    clock: Clock
    rng: random.Random
    times: WatchTimes = TIMES
    observe: Callable[[Mapping[str, Any]], object] = lambda _: None
    """Gets each event right before kopf gets it."""
    selection: Callable[[str], Mapping[str, str]] = lambda _: {}
    """Returns what a kind's watch is restricted by, by the kind's plural: members of the query."""
    reached: dict[tuple[str, str], str] = field(default_factory=dict)
    """The version up to which `observe` got everything, by plural and namespace."""
    failed: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Gets the exception that no further attempt can mend."""

    async def events(self, resource: kopf.Resource, namespace: str, selector: str) -> AsyncIterator[kopf.RawEvent]:
        """Yield what changes, but not what was there before. Ends only by being cancelled."""
        path = resource_path(resource.group, resource.version, resource.plural, namespace)
        selection = {**self.selection(resource.plural), **({"fieldSelector": selector} if selector else {})}
        log = structlog.stdlib.get_logger(__name__)
        version, failures = "", 0
        while True:
            started = self.clock.monotonic()
            error: KubeError | None = None
            try:
                if not version or went_back(await present_version(partial(self.kube.request, "GET"), path), version):
                    version = await self._list(resource.plural, namespace)
                is_cached = bool(version)
                async with aclosing(self._stream(path, selection, version)) as stream:
                    async for event in stream:
                        if is_cached:
                            version = str(metadata_of(event["object"]).get("resourceVersion") or version)
                        is_change = event["type"] != "BOOKMARK"
                        if is_change:
                            self.observe(event)
                        self.reached[resource.plural, namespace] = version
                        if is_change:
                            yield event  # type: ignore[misc]  # the API server's own form
            except KubeExpired:
                version = ""
            except KubePermanent as refused:
                version, error = "", refused
            except KubeTransient as passing:
                error = passing
            lasted = self.clock.monotonic() - started
            failures = 0 if lasted >= self.times.proven_after.total_seconds() else failures + 1
            if error is not None and (failures == _LOGGED_FAILURE or isinstance(error, KubePermanent)):
                log.warning("watch.fails", kind=resource.plural, reason=str(error))
            await self.clock.sleep(self.times.delay(failures, error, self.rng.random()))

    async def _list(self, plural: str, namespace: str) -> str:
        try:
            return await self.resume(plural, namespace)
        except KubeError:
            raise
        except Exception as error:  # kopf would be left hanging with it
            if not self.failed.done():
                self.failed.set_exception(error)
            await asyncio.Event().wait()
            raise

    def _stream(self, path: str, selection: Mapping[str, str], version: str) -> AsyncGenerator[dict[str, Any], None]:
        seconds = self.rng.uniform(0.5, 1) * self.times.stream.total_seconds()
        since = {"resourceVersion": version} if version else {}
        query = {**selection, **since, "allowWatchBookmarks": "true", "timeoutSeconds": str(max(1, int(seconds)))}
        return self.kube.watch(path, query=query, idle=self.times.idle)


class SourcedSettings(kopf.OperatorSettings):
    """kopf's settings, with the source of all raw events."""

    source: EventSource


_KOPFS_OWN: Final = watching.infinite_watch


async def _events(
    *, settings: kopf.OperatorSettings, resource: kopf.Resource, namespace: Any, **others: Any
) -> AsyncIterator[Any]:
    """Do for kopf what its own `infinite_watch` would, with the settings' source if they have one."""
    if not isinstance(settings, SourcedSettings):
        async for event in _KOPFS_OWN(settings=settings, resource=resource, namespace=namespace, **others):
            yield event
        return
    yield watching.Bookmark.LISTED
    selector = ",".join(settings.watching.field_selectors.collect(resource))
    async with aclosing(settings.source.events(resource, namespace or "", selector)) as events:  # type: ignore[type-var]
        async for event in events:
            yield event


watching.infinite_watch = _events
