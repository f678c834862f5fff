"""A reflector: it lists a collection, then watches it from there, and goes on whatever happens, until cancelled.

Belongs here: keeping one watch alive, at a rate that the API server can bear. Does not belong here: which collections
are watched, and what their objects mean. No KubeError leaves this module.

    list in pages ──▶ stream with bookmarks ──▶ ended, cut, overloaded ──▶ back-off ──▶ stream from the same version
         ▲                     │
         └── back-off ◀────────┴── version expired, refused (no right, no such kind: long back-off), etcd restored

The operator watches tenants' objects with it, as metadata only, in the name of each app's service account
(impersonation), with watches that come and go with the apps; the webhook watches apps. The operator's watch of our own
three kinds is kopf's (`informer.kopf_watch`): it is the framework of this project, its handlers are what is registered
there, and it has one identity for everything.
"""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn, Protocol

from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubePermanent, KubeTransient
from talkdesk_runtime.paging import PAGE_SIZE, list_pages, metadata_of, present_version, went_back

_JSON: Final = "application/json"

__all__ = ["Collected", "KubeStreams", "Reflector", "Sink", "WatchTimes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTimes:
    """How patient a reflector is."""

    first_delay: timedelta = timedelta(seconds=1)
    """After the first failure; see Backoff. After a good watch, which every server ends now and then, half of it."""
    longest_delay: timedelta = timedelta(seconds=30)
    longest_delay_refused: timedelta = timedelta(minutes=10)
    """For what doesn't pass by itself: missing rights, a missing kind."""
    proven_after: timedelta = timedelta(seconds=10)
    """A watch that lasted so long was a good one: the delays begin anew."""
    stream: timedelta = timedelta(minutes=10)
    """Longest life of a stream; the server is asked to end each after half of it or later."""
    idle: timedelta = timedelta(minutes=3)
    """A stream that brings nothing for so long is dead: a bookmark comes every minute."""

    def delay(self, failures: int, error: KubeError | None, chance: float) -> float:
        """Return the seconds to wait after so many failures in a row (0: a good watch ended), `error` the last of them.

        What the server asked for (Retry-After) is a lower bound.
        """
        longest = self.longest_delay_refused if isinstance(error, KubePermanent) else self.longest_delay
        delay = Backoff(self.first_delay / 2, longest).delay(failures + 1, chance)
        asked = error.retry_after if isinstance(error, KubeTransient) else None
        return (delay if asked is None else max(delay, asked)).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The objects that are watched."""

    path: Callable[[], Awaitable[str]]
    """Returns the collection's URL path, each time anew: a kind's CustomResourceDefinition may come later."""
    label_selector: str = ""
    """All objects where it is empty."""
    accept_list: str = _JSON
    """Media types for a listing."""
    accept_stream: str = _JSON
    """Media types for the events of a stream."""
    as_user: str | None = None
    """In whose name they are read; None for our own."""
    page_size: int = PAGE_SIZE
    """Objects in a page of a listing."""


class Sink(Protocol):
    """Takes what a reflector sees. What it raises ends the reflector."""

    def present(self, raw: Mapping[str, Any], /) -> None:
        """Take an object in some version, from a listing or a stream; the same version may come again."""

    def deleted(self, raw: Mapping[str, Any], /) -> None:
        """Take an object in the version in which it was deleted, or left the selection."""

    def listed(self, uids: Collection[str], version: str, /) -> None:
        """Take the end of a complete listing at `version`: no other objects exist than those with these uids."""

    def heard(self) -> None:
        """Take note that the stream has brought something, if only a bookmark."""

    def failed(self, error: KubeError, failures: int, /) -> None:
        """Take what ended an attempt, which is the last of so many failures in a row."""


class KubeStreams(Protocol):
    """The part of Kube that is needed here."""

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, accept: str, as_user: str | None
    ) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...

    def watch(
        self, path: str, *, query: Mapping[str, str], accept: str, as_user: str | None, idle: timedelta
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch until the server ends it; raise a KubeError."""
        ...


class Reflector:
    """Keeps a sink up to date with one collection."""

    def __init__(
        self,
        kube: KubeStreams,
        collected: Collected,
        sink: Sink,
        *,
        clock: Clock,
        rng: random.Random,
        times: WatchTimes,
    ) -> None:
        self._kube = kube
        self._collected: Final = collected
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._times = times
        self._version = ""  # where the stream goes on; empty: with a listing

    async def run(self) -> NoReturn:
        """Watch until cancelled. Raises only what the sink raised."""
        failures = 0
        while True:
            started = self._clock.monotonic()
            error = await self._attempt()
            lasted = self._clock.monotonic() - started
            failures = 0 if lasted >= self._times.proven_after.total_seconds() else failures + 1
            if error is not None:
                self._sink.failed(error, failures)
            await self._clock.sleep(self._times.delay(failures, error, self._rng.random()))

    async def _attempt(self) -> KubeError | None:
        """List if need be, then stream; return when the stream has ended, with what ended it if that was an error."""
        try:
            if not self._version or await self._went_back():
                self._version = await self._list()
            await self._stream()
        except KubeExpired:
            self._version = ""
        except KubePermanent as error:
            self._version = ""
            return error
        except KubeTransient as error:
            return error
        return None

    async def _went_back(self) -> bool:
        """Return whether a stream from our version would leave out changes. Raises KubeError."""
        return went_back(await present_version(self._read, await self._collected.path()), self._version)

    async def _list(self) -> str:
        """Take all objects as they are; return the resourceVersion from which a stream goes on. Raises KubeError."""
        uids: set[str] = set()
        version = ""
        path, size = await self._collected.path(), self._collected.page_size
        pages = list_pages(self._read, path, query=self._selection(), size=size)
        async with aclosing(pages):
            async for page in pages:
                version = page.version
                for item in page.items:
                    self._sink.present(item)
                    uids.add(str(metadata_of(item).get("uid")))
        self._sink.listed(uids, version)
        return version

    async def _stream(self) -> None:
        """Take changes until the server ends the stream. Raises KubeError."""
        seconds = self._rng.uniform(0.5, 1) * self._times.stream.total_seconds()
        query = {
            **self._selection(),
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, int(seconds))),
        }
        path, accept = await self._collected.path(), self._collected.accept_stream
        events = self._kube.watch(
            path, query=query, accept=accept, as_user=self._collected.as_user, idle=self._times.idle
        )
        async with aclosing(events):
            async for event in events:
                self._handle(event["type"], event["object"])

    def _handle(self, change: str, raw: Mapping[str, Any]) -> None:
        match change:
            case "ADDED" | "MODIFIED":
                self._sink.present(raw)
            case "DELETED":
                self._sink.deleted(raw)
            case _:
                pass  # a bookmark has a version and nothing else
        self._version = str(metadata_of(raw).get("resourceVersion") or self._version)
        self._sink.heard()

    async def _read(self, path: str, *, query: Mapping[str, str]) -> dict[str, Any]:
        accept, user = self._collected.accept_list, self._collected.as_user
        return await self._kube.request("GET", path, query=query, accept=accept, as_user=user)

    def _selection(self) -> dict[str, str]:
        selector = self._collected.label_selector
        return {"labelSelector": selector} if selector else {}
