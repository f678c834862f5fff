"""All accounts of an app, read from the API server: for the shard that has the app, but only some of its accounts.

Belongs here: reading them. Does not belong here: what is asked of them (`reconcilers.app_lifetime`).

They are read only when they must be counted: an app is being deleted, or an edit is about to delete. That is rare, so
it may cost more than what every shard would have to publish at each change of an account. And it is right whatever the
other shards do: counts that they published would be old, and miss what a shard without a holder has.

All is read at one version. An object whose label is put right meanwhile moves from one shard to another, and would be
missed by looks at one after the other, the own cache included. So that few are in memory at once, some slots are read
after the others; an account's objects have one slot.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Final, Protocol

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_crds.shard_slots import SLOTS
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.shard import Shard, selector_of
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.paging import list_pages
from talkdesk_runtime.time_slice import TimeSlice

__all__ = ["ApiSurvey"]

_AT_ONCE: Final = 5_000
"""Accounts in memory at once, of 10 KB each; more where the process has a multiple of that anyway."""
_OF_OWN: Final = 4


class KubeReads(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...


class ApiSurvey:
    """Implements talkdesk_operator.reconcilers.share.Survey."""

    def __init__(self, kube: KubeReads, cache: InformerCache, shard: Shard, *, at_once: int = _AT_ONCE) -> None:
        """Take the cache of the shard: it tells how many accounts a slot has."""
        self._kube = kube
        self._cache = cache
        self._shard = shard
        self._at_once = at_once

    async def __call__(self, namespace: str, name: str) -> AsyncGenerator[InformerCache, None]:
        """Yield the app's accounts, some at a time; KubeExpired where it took so long that the version is gone."""
        version = ""
        for selector in self._selectors(namespace, name):
            cache = InformerCache()
            for kind in (TalkdeskTenant, TalkdeskInstallation):
                path = resource_path(GROUP, VERSION, kind.INFO.plural, namespace)
                query = {"fieldSelector": f"spec.appRef.name={name}"}
                query |= {"labelSelector": selector} if selector else {}
                turn, read = TimeSlice(), partial(self._kube.request, "GET")
                async with aclosing(list_pages(read, path, query=query, version=version)) as pages:
                    async for page in pages:
                        version = version or page.version
                        for item in page.items:
                            cache.observe({**item, "kind": kind.INFO.kind})
                            await turn.pause()
            yield cache

    def _selectors(self, namespace: str, name: str) -> Iterator[str]:
        """Yield the selectors of some slots each: all of them together, each once."""
        own = len(self._cache.keys_of_app(namespace, name))
        of_slot = own / len(self._shard.slots)
        width = int(max(self._at_once, own / _OF_OWN) / max(of_slot, 1))
        width = min(max(width, 1), SLOTS)
        for first in range(0, SLOTS, width):
            yield selector_of(range(first, min(first + width, SLOTS)), strays=first == 0)
