"""How many credential versions each installation has, from one listing for all, which is made again now and then.

Belongs here: the count and its age. Does not belong here: which versions are deleted (`credential_secrets`). A listing
for each installation, at each resync of each, would cost the API server the square of their number.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import LABEL_INSTALLATION, SECRET_TYPE
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.paging import list_pages

__all__ = ["METADATA_ONLY", "StoredVersions"]

METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_FRESH: Final = timedelta(minutes=10)


@dataclass(slots=True)
class _Listing:
    """Of one namespace."""

    made: datetime | None = None
    versions: Counter[str] = field(default_factory=Counter)
    """By the installation's name."""
    being_made: asyncio.Lock = field(default_factory=asyncio.Lock)


class StoredVersions:
    """The counts of all namespaces. Not for more than one event loop."""

    def __init__(self, kube: Kube, now: Callable[[], datetime]) -> None:
        self._kube = kube
        self._now = now
        self._listings: dict[str, _Listing] = {}

    async def count(self, installation: TalkdeskInstallation) -> int:
        """Return how many the installation had at some time in the last ten minutes. Raises KubeError."""
        namespace, name = installation.key
        listing = self._listings.setdefault(namespace, _Listing())
        async with listing.being_made:
            if listing.made is None or self._now() - listing.made >= _FRESH:
                # It is as old as its first page.
                made = self._now()
                listing.versions = await self._list(namespace)
                listing.made = made
        return listing.versions[name]

    async def _list(self, namespace: str) -> Counter[str]:
        versions: Counter[str] = Counter()
        query = {"labelSelector": LABEL_INSTALLATION, "fieldSelector": f"type={SECRET_TYPE}"}
        pages = list_pages(self._read, resource_path("", "v1", "secrets", namespace), query=query)
        async with aclosing(pages):
            async for page in pages:
                for secret in page.items:
                    versions[secret["metadata"]["labels"][LABEL_INSTALLATION]] += 1
        return versions

    async def _read(self, path: str, *, query: Mapping[str, str]) -> dict[str, Any]:
        return await self._kube.request("GET", path, query=query, accept=METADATA_ONLY)
