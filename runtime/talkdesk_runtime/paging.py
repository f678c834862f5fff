"""Listing a collection in pages, with what the API server needs for that and what can be wrong with its answer.

Belongs here: the walk over the pages, and which version the API server is at. Does not belong here: what is done with
the objects, and trying again.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from talkdesk_runtime.kube_errors import KubeRefused

__all__ = ["PAGE_SIZE", "Page", "Read", "list_pages", "metadata_of", "present_version", "went_back"]

PAGE_SIZE = 500
"""Objects in a page: client-go's number too."""


class Read(Protocol):
    """One GET request; raises a KubeError."""

    async def __call__(self, path: str, *, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the decoded answer."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the objects of a listing."""

    items: Sequence[dict[str, Any]]
    version: str
    """resourceVersion of the listing, the same in each of its pages."""


async def list_pages(
    read: Read, path: str, *, query: Mapping[str, str] | None = None, size: int = PAGE_SIZE, version: str = ""
) -> AsyncGenerator[Page, None]:
    """Yield the pages of a listing, as it is now or was at a version.

    Raises KubeError, and KubeRefused for an answer that has no resourceVersion.

    KubeExpired means that the listing took too long and must begin anew. Only a listing that comes to its end is
    complete: what no page has shown does not exist at the listing's version.
    """
    token, exact = "", {"resourceVersion": version, "resourceVersionMatch": "Exact"} if version else {}
    while True:
        more = {"continue": token} if token else exact
        answer = await read(path, query={**(query or {}), "limit": str(size), **more})
        metadata = metadata_of(answer)
        listed = str(metadata.get("resourceVersion") or "")
        if not listed:
            raise KubeRefused("the API server sent a listing without a resourceVersion")
        yield Page(answer.get("items") or (), listed)
        token = metadata.get("continue") or ""
        if not token:
            return


async def present_version(read: Read, path: str) -> str:
    """Return the version at which a collection is now; empty where the API server gives none. Raises KubeError.

    A listing that names no version is answered from etcd, so it is never an old one; one object of it is enough.
    """
    return str(metadata_of(await read(path, query={"limit": "1"})).get("resourceVersion") or "")


def went_back(present: str, before: str) -> bool:
    """Return whether a version is below one that was seen: etcd was restored. Versions that are no numbers can't say.

    The API server takes a watch from a version that it has not reached again, and leaves out all changes up to it.
    """
    return present.isdecimal() and before.isdecimal() and int(present) < int(before)


def metadata_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object's metadata; empty where it makes no sense."""
    metadata = raw.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
