"""Lists our three kinds into the store: all of them before work begins, and again now and then.

Belongs here: complete looks. Does not belong here: watching. A watch alone would not do: work that begins before all
kinds are listed could take a tenant for missing, and an object that is deleted while a watch is broken leaves no event.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.observability.probes import Health
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound

__all__ = ["KubeReads", "Relist", "ResourceVersionWentBack"]

_CHUNK: Final = 500
_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 30.0


class ResourceVersionWentBack(Exception):
    """The API server counts lower than before: its etcd was restored. What the store holds is worth nothing then."""


class KubeReads(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...


class Relist:
    """Complete looks at the three kinds in some namespaces, or in all."""

    def __init__(
        self,
        kube: KubeReads,
        store: InformerCache,
        namespaces: Sequence[str],
        *,
        chunk: int = _CHUNK,
        first_delay: float = _FIRST_DELAY,
    ) -> None:
        """List in pages of `chunk` objects; `first_delay` is in seconds, and grows."""
        self._kube = kube
        self._store = store
        self._namespaces = tuple(namespaces) or ("",)
        self._chunk = chunk
        self._first_delay = first_delay
        self._log = structlog.stdlib.get_logger(__name__)

    async def load(self) -> frozenset[AccountKey]:
        """Bring the cache up to date; return the accounts that changed. Raises KubeError, ResourceVersionWentBack."""
        keys: frozenset[AccountKey] = frozenset()
        for kind in KINDS:
            for namespace in self._namespaces:
                keys |= await self._load(kind, namespace)
        return keys

    async def load_until_successful(self, health: Health, rng: random.Random) -> None:
        """Load, and try again until it works, however long that takes; say what is in the way."""
        delay = self._first_delay
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
            await asyncio.sleep(rng.uniform(delay / 2, delay))
            delay = min(delay * 2, _LONGEST_DELAY)

    async def repeat(self, every: timedelta, rng: random.Random, changed: Callable[[AccountKey], None]) -> None:
        """Load now and then, for ever, and tell which accounts changed; raises ResourceVersionWentBack."""
        while True:
            await asyncio.sleep(every.total_seconds() * rng.uniform(0.9, 1.1))
            try:
                keys = await self.load()
            except KubeError as error:
                self._log.warning("listing.failed", reason=str(error))
                continue
            for key in keys:
                changed(key)

    async def _load(self, kind: type[CustomResource], namespace: str) -> frozenset[AccountKey]:
        before = self._store.newest()
        path = resource_path(GROUP, VERSION, kind.INFO.plural, namespace)
        query = {"limit": str(self._chunk)}
        present: set[tuple[str, str]] = set()
        keys: frozenset[AccountKey] = frozenset()
        while True:
            page = await self._kube.request("GET", path, query=query)
            for item in page.get("items") or ():
                raw = {**item, "kind": kind.INFO.kind}
                present.add((raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))
                keys |= self._store.observe(raw).keys
            metadata = page.get("metadata") or {}
            if not (rest := metadata.get("continue")):
                break
            query["continue"] = rest
        version = metadata.get("resourceVersion", "")
        if version.isdecimal() and int(version) < before:
            raise ResourceVersionWentBack(f"resourceVersion {version} is lower than {before}, which was seen before")
        return keys | self._store.retain(kind.INFO.kind, namespace, present, version).keys
