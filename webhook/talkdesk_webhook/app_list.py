"""The TalkdeskApps of the cluster as a list and a watch bring them: few, read once in each version, never pushed out.

So a made-up name of an app costs no request, and the first event of a real one needs none. What the list says counts
only while the watch is alive; otherwise apps are read one by one (apps).

Belongs here: keeping the list, whether it can be believed, and waiting for an app that was applied a moment ago. Does
not belong here: keeping a watch alive (talkdesk_runtime.reflector), what is read of an object (known_app).
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeAlias

import structlog
from typing_extensions import override

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.reflector import Collected, KubeStreams, Reflector, Sink, WatchTimes
from talkdesk_webhook.known_app import AppUnusable, KnownApp, read_app
from talkdesk_webhook.log_limit import LogLimit

__all__ = ["AppList", "ListedApp"]

AppName: TypeAlias = tuple[str, str]
"""Namespace and name."""

_TIMES: Final = WatchTimes(idle=timedelta(seconds=90), longest_delay_refused=timedelta(minutes=1))
"""A bookmark comes once a minute: without one, the watch is dead and the list old."""
_PAGE_SIZE: Final = 2
"""A template may have a MiB, which takes twenty times as much when it is read; a whole page is read at once."""
_AFTER_FAULT: Final = 5.0
_APPEARS_WITHIN: Final = 1.0
"""Seconds from `kubectl apply` until the watch has shown the app, at most: it takes some milliseconds."""
_MOST_WAITING: Final = 64
"""Deliveries that wait for an app at once: those for made-up names must not take all connections."""
_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListedApp:
    """An app that there is."""

    uid: str
    app: KnownApp | None
    problem: str = ""
    """Why it can't be used, where it can't."""


class AppList:
    """The apps of all namespaces, or of those that are named."""

    def __init__(
        self,
        kube: KubeStreams,
        namespaces: Sequence[str] = (),
        *,
        allow_insecure: bool = False,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Take the connection, and whether apps may allow plain http; nothing is asked for before `run`."""
        self._kube = kube
        self._allow_insecure = allow_insecure
        self._clock = clock or Clock.system()
        self._rng = rng or new_rng()
        self._awaited: dict[AppName, asyncio.Event] = {}
        self._waiting = 0
        self.changed = asyncio.Event()
        """Set by each change of an app; whoever waits for it clears it."""
        limit: LogLimit[str] = LogLimit(self._clock.monotonic)
        self._places = {each: _Place(each, self.read, self._shown, limit) for each in namespaces or ("",)}

    async def run(self) -> NoReturn:
        """List and watch until cancelled, whatever happens."""
        async with asyncio.TaskGroup() as group:
            for place in self._places.values():
                group.create_task(self._follow(place), name=f"apps of {place.namespace or 'the cluster'}")
        raise AssertionError("the watches never end by themselves")

    @property
    def was_tried(self) -> bool:
        """Whether each listing was tried once: only then it is known how apps are found."""
        return all(place.was_tried for place in self._places.values())

    @property
    def is_complete(self) -> bool:
        """Whether each app comes from a watch that is alive."""
        return all(place.is_current for place in self._places.values())

    def covers(self, namespace: str) -> bool:
        """Return whether events for apps of a namespace are taken here."""
        return self._place(namespace) is not None

    def is_current(self, namespace: str) -> bool:
        """Return whether what is not in the list does not exist, but for an app that was applied a moment ago."""
        place = self._place(namespace)
        return place is not None and place.is_current

    def read(self, raw: dict[str, Any], namespace: str, name: str) -> KnownApp:
        """Return what is needed of an object; raise AppUnusable."""
        return read_app(raw, namespace, name, allow_insecure=self._allow_insecure)

    def find(self, namespace: str, name: str) -> ListedApp | None:
        """Return the app as it was seen last, or None."""
        place = self._place(namespace)
        return None if place is None else place.apps.get((namespace, name))

    def apps(self) -> Iterator[KnownApp]:
        """Yield all that can be used."""
        for place in self._places.values():
            yield from (each.app for each in place.apps.values() if each.app is not None)

    async def appears(self, namespace: str, name: str) -> ListedApp | None:
        """Return the app, if need be when the watch has shown it; None when it does not within a second."""
        if self._waiting >= _MOST_WAITING:
            return None
        shown = self._awaited.setdefault((namespace, name), asyncio.Event())
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_APPEARS_WITHIN):
                    await shown.wait()
        finally:
            self._waiting -= 1
            self._awaited.pop((namespace, name), None)
        return self.find(namespace, name)

    def _place(self, namespace: str) -> "_Place | None":
        return self._places.get(namespace) or self._places.get("")

    def _shown(self, key: AppName) -> None:
        self.changed.set()
        if (awaited := self._awaited.get(key)) is not None:
            awaited.set()

    async def _follow(self, place: "_Place") -> NoReturn:
        while True:
            try:
                reflector = Reflector(
                    self._kube, place.collected(), place, clock=self._clock, rng=self._rng, times=_TIMES
                )
                await reflector.run()
            except Exception:  # noqa: BLE001 - the one place for what is unforeseen here: events are taken all the same
                _log.exception("apps.watch_raised", namespace=place.namespace)
            finally:
                place.is_current, place.was_tried = False, True
            await self._clock.sleep(_AFTER_FAULT)


class _Place(Sink):
    """The apps of one namespace, or of all."""

    def __init__(
        self,
        namespace: str,
        read: Callable[[dict[str, Any], str, str], KnownApp],
        shown: Callable[[AppName], None],
        limit: LogLimit[str],
    ) -> None:
        self.namespace = namespace
        self._read = read
        self.apps: dict[AppName, ListedApp] = {}
        self.is_current = False
        self.was_tried = False
        self._shown = shown
        self._limit = limit

    def collected(self) -> Collected:
        """Return what to watch."""

        async def path() -> str:
            return resource_path(GROUP, VERSION, TalkdeskApp.INFO.plural, self.namespace)

        return Collected(path=path, page_size=_PAGE_SIZE)

    @override
    def present(self, raw: Mapping[str, Any], /) -> None:
        key = _key(raw)
        uid = str(raw["metadata"].get("uid"))
        try:
            self.apps[key] = ListedApp(uid, self._read(dict(raw), *key))
        except AppUnusable as error:
            self.apps[key] = ListedApp(uid, None, str(error))
        self._shown(key)

    @override
    def deleted(self, raw: Mapping[str, Any], /) -> None:
        self.apps.pop(_key(raw), None)

    @override
    def listed(self, uids: Collection[str], version: str, /) -> None:
        self.apps = {key: app for key, app in self.apps.items() if app.uid in uids}
        self.heard()

    @override
    def heard(self) -> None:
        if not self.is_current:
            _log.info("apps.watched", namespace=self.namespace, apps=len(self.apps))
        self.is_current = self.was_tried = True

    @override
    def failed(self, error: KubeError, failures: int, /) -> None:
        self.is_current, self.was_tried = False, True
        left_out = self._limit.left_out(self.namespace)
        if left_out is not None:
            _log.warning("apps.not_watched", namespace=self.namespace, error=str(error), not_logged=left_out)


def _key(raw: Mapping[str, Any]) -> AppName:
    metadata = raw["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
