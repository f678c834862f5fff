"""Lists our three kinds into the cache: all of them before work begins, and again now and then.

Belongs here: complete listings. Does not belong here: watching. A watch alone would not do: a reconcile before all
kinds are listed could take a tenant for missing, and an object that is deleted while a watch is broken leaves no event.
"""

import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any, Final, Protocol, TypeAlias

import structlog

from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.informer.cached_object import raw_version
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.probes import Health
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNoPath
from talkdesk_runtime.paging import list_pages, went_back
from talkdesk_runtime.time_slice import TimeSlice

__all__ = ["Changed", "KubeReads", "Relist", "ResourceVersionWentBack"]

_BACKOFF: Final = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=30))
_JITTER: Final = 0.1
"""Listings come earlier or later by up to this share, so that those of several processes don't meet for ever."""

_PAGE_SIZE: Final = 100
"""Objects in a page: it is decoded in one go, and ours have some KB each."""
Changed: TypeAlias = Callable[[str, Collection[AccountKey]], Awaitable[None]]
"""Takes a kind, and the accounts that must be reconciled because one of its objects changed."""


class ResourceVersionWentBack(Exception):
    """The API server counts lower than before: its etcd was restored. The cache is worth nothing then."""

    @classmethod
    def check(cls, version: str, before: int) -> None:
        """Raise it for a version below one that was seen; versions that are no numbers can't say."""
        if went_back(version, str(before)):
            raise cls(f"resourceVersion {version} is lower than {before}, which was seen before")

    @classmethod
    def check_object(cls, raw: Mapping[str, Any], before: str, listed: str) -> None:
        """Raise it for an object in an older version than was seen, in a listing that is as new as the latter.

        So the restored etcd is recognized also when it has long been counting on beyond what was seen.
        """
        version = raw_version(raw)
        if went_back(version, before) and not went_back(listed, before):
            raise cls(f"{raw['kind']} {raw['metadata']['name']} went back from version {before} to {version}")


class KubeReads(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...


class Relist:
    """Complete listings of what is selected of the three kinds."""

    def __init__(
        self,
        kube: KubeReads,
        cache: InformerCache,
        selection: Selection,
        *,
        clock: Clock,
        rng: random.Random,
        page_size: int = _PAGE_SIZE,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._selection = selection
        self._clock = clock
        self._rng = rng
        self._page_size = page_size
        self._unwatched: dict[tuple[str, str], str] = {}  # versions by plural and namespace
        self.listed: dict[tuple[str, str], str] = {}
        """The version of the last complete listing, by plural and namespace."""
        self._log = structlog.stdlib.get_logger(__name__)

    async def load(self, changed: Changed) -> None:
        """Bring the cache up to date; report what changed at once. Raises KubeError, ResourceVersionWentBack."""
        for kind in KINDS:
            for namespace in self._selection.places:
                await self._load(kind, namespace, changed)

    async def resume(self, plural: str, namespace: str, changed: Changed) -> str:
        """Return the version of a complete listing from which a watch can go on, so that no change is between them.

        It is the one that was loaded at the start, if no watch has gone on from it; else it is made now. Raises
        KubeError, ResourceVersionWentBack.
        """
        version = self._unwatched.pop((plural, namespace), "")
        return version or await self._load(_kind_of(plural), namespace, changed)

    async def load_until_successful(self, health: Health, changed: Changed) -> None:
        """Load, and try again until it works, however long that takes; report what is in the way to `health`."""

        async def load() -> None:
            for kind, namespace in product(KINDS, self._selection.places):
                self._unwatched[kind.INFO.plural, namespace] = await self._load(kind, namespace, changed)

        await self._until_successful(load, health)

    async def reload(self, plural: str, namespace: str, health: Health, changed: Changed) -> None:
        """List one kind in one namespace, or in all, and try again until it works, as above."""

        async def load() -> None:
            await self._load(_kind_of(plural), namespace, changed)

        await self._until_successful(load, health)

    async def _until_successful(self, load: Callable[[], Awaitable[None]], health: Health) -> None:
        failures = 0
        while True:
            try:
                await load()
            except KubeNoPath:
                health.blocker = f"the CustomResourceDefinitions of {GROUP}/{VERSION} are not installed"
            except KubeError as error:
                health.blocker = str(error)
            else:
                return
            self._log.warning("listing.failed", reason=health.blocker)
            failures += 1
            await self._clock.sleep(_BACKOFF.delay(failures, self._rng.random()).total_seconds())

    async def repeat(self, every: timedelta, changed: Changed) -> None:
        """Load now and then, for ever, and report which accounts changed; raises ResourceVersionWentBack."""
        while True:
            await self._clock.sleep(every.total_seconds() * self._rng.uniform(1 - _JITTER, 1 + _JITTER))
            try:
                await self.load(changed)
            except KubeError as error:
                self._log.warning("listing.failed", reason=str(error))

    async def _load(self, kind: type[CustomResource], namespace: str, changed: Changed) -> str:
        """List one kind into the cache; return the version at which it was listed."""
        before, version, name = self._cache.newest(), "", kind.INFO.kind
        path = resource_path(GROUP, VERSION, kind.INFO.plural, namespace)
        present: set[tuple[str, str]] = set()
        turn = TimeSlice()
        query, read = self._selection.query(kind.INFO.plural), partial(self._kube.request, "GET")
        async with aclosing(list_pages(read, path, query=query, size=self._page_size)) as pages:
            async for page in pages:
                version = page.version
                for item in page.items:
                    raw = {**item, "kind": name}  # the items of a listing come without their kind
                    present.add((raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))
                    ResourceVersionWentBack.check_object(raw, self._cache.version_of(raw), version)
                    await changed(name, self._cache.observe(raw).keys)
                    await turn.pause()
        ResourceVersionWentBack.check(version, before)
        await changed(name, self._cache.retain(name, namespace, present, version).keys)
        self.listed[kind.INFO.plural, namespace] = version
        return version


def _kind_of(plural: str) -> type[CustomResource]:
    return next(kind for kind in KINDS if kind.INFO.plural == plural)
