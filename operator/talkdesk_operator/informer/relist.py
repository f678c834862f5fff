"""Lists our three kinds into the cache: all of them before work begins, and again now and then.

Belongs here: complete listings. Does not belong here: watching. A watch alone would not do: a reconcile before all
kinds are listed could take a tenant for missing, and an object that is deleted while a watch is broken leaves no event.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.adapters.kubernetes.paging import PAGE_SIZE, list_pages
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.observability.probes import Health
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound

__all__ = ["KubeReads", "Relist", "ResourceVersionWentBack"]

_BACKOFF: Final = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=30))
_JITTER: Final = 0.1
"""Listings come earlier or later by up to this share, so that those of several processes don't meet for ever."""


class ResourceVersionWentBack(Exception):
    """The API server counts lower than before: its etcd was restored. The cache is worth nothing then."""


class KubeReads(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...


class Relist:
    """Complete listings of the three kinds in some namespaces, or in all."""

    def __init__(
        self,
        kube: KubeReads,
        cache: InformerCache,
        namespaces: Sequence[str],
        *,
        clock: Clock,
        rng: random.Random,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._namespaces = tuple(namespaces) or ("",)
        self._clock = clock
        self._rng = rng
        self._page_size = page_size
        self._log = structlog.stdlib.get_logger(__name__)

    async def load(self) -> frozenset[AccountKey]:
        """Bring the cache up to date; return the accounts that changed. Raises KubeError, ResourceVersionWentBack."""
        keys: frozenset[AccountKey] = frozenset()
        for kind in KINDS:
            for namespace in self._namespaces:
                keys |= await self._load(kind, namespace)
        return keys

    async def load_until_successful(self, health: Health) -> None:
        """Load, and try again until it works, however long that takes; report what is in the way to `health`."""
        failures = 0
        while True:
            try:
                await self.load()
            except KubeNotFound:
                health.blocker = f"the CustomResourceDefinitions of {GROUP}/{VERSION} are not installed"
            except KubeError as error:
                health.blocker = str(error)
            else:
                return
            self._log.warning("listing.failed", reason=health.blocker)
            failures += 1
            await self._clock.sleep(_BACKOFF.delay(failures, self._rng.random()).total_seconds())

    async def repeat(self, every: timedelta, changed: Callable[[AccountKey], None]) -> None:
        """Load now and then, for ever, and report which accounts changed; raises ResourceVersionWentBack."""
        while True:
            await self._clock.sleep(every.total_seconds() * self._rng.uniform(1 - _JITTER, 1 + _JITTER))
            try:
                keys = await self.load()
            except KubeError as error:
                self._log.warning("listing.failed", reason=str(error))
                continue
            for key in keys:
                changed(key)

    async def _load(self, kind: type[CustomResource], namespace: str) -> frozenset[AccountKey]:
        before, version = self._cache.newest(), ""
        path = resource_path(GROUP, VERSION, kind.INFO.plural, namespace)
        present: set[tuple[str, str]] = set()
        keys: frozenset[AccountKey] = frozenset()
        async with aclosing(list_pages(self._read, path, size=self._page_size)) as pages:
            async for page in pages:
                version = page.version
                for item in page.items:
                    raw = {**item, "kind": kind.INFO.kind}  # the items of a listing come without their kind
                    present.add((raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))
                    keys |= self._cache.observe(raw).keys
        if version.isdecimal() and int(version) < before:
            raise ResourceVersionWentBack(f"resourceVersion {version} is lower than {before}, which was seen before")
        return keys | self._cache.retain(kind.INFO.kind, namespace, present, version).keys

    async def _read(self, path: str, *, query: Mapping[str, str]) -> dict[str, Any]:
        return await self._kube.request("GET", path, query=query)
