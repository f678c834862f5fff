"""Writes of our own three kinds: each is counted before it is made, and its answer goes to the cache.

Belongs here: paths and patches of our kinds. Does not belong here: objects of tenants, Secrets, Events (`cluster`).
Errors are those of talkdesk_runtime.kube_errors.
"""

from collections.abc import Callable, Mapping
from typing import Any

from talkdesk_crds import KINDS
from talkdesk_crds.fields import Model
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import FIELD_MANAGER, GROUP, VERSION
from talkdesk_operator.domain.ports.cluster import ObjectKey
from talkdesk_runtime.kube import JSON_PATCH, MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists

__all__ = ["OwnObjects", "path_of"]

_QUERY = {"fieldManager": FIELD_MANAGER}


class OwnObjects:
    """Writes to the API server, and shows the answers to the cache."""

    def __init__(
        self, kube: Kube, *, seen: Callable[[dict[str, Any]], object], wrote: Callable[[str, str], object]
    ) -> None:
        """Take a connection; see `KubernetesCluster` for `seen` and `wrote`."""
        self._kube = kube
        self._seen = seen
        self._wrote = wrote

    async def create(self, kind: type[CustomResource], namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; return the existing one when there is one of that name."""
        path = resource_path(GROUP, VERSION, kind.INFO.plural, namespace)
        self._wrote(kind.INFO.kind, "create")
        try:
            raw = await self._kube.request("POST", path, body={**kind.head(), **body}, query=_QUERY)
        except KubeAlreadyExists:
            # A crash may have come between an earlier create and the watch event of the new object.
            raw = await self._kube.request("GET", f"{path}/{body['metadata']['name']}")
        self._seen(raw)
        return raw

    async def merge(self, resource: CustomResource, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge into an object; lists are replaced."""
        self._wrote(resource.INFO.kind, "patch")
        return await self._patch(path_of(resource), body, MERGE_PATCH)

    async def add(self, resource: CustomResource, path: str, value: Any) -> dict[str, Any]:
        """Set one member, outside of the status, of exactly this object."""
        self._wrote(resource.INFO.kind, "patch")
        return await self._patch(path_of(resource), _add(resource, path, value), JSON_PATCH)

    async def write_status(self, resource: CustomResource, status: Model) -> dict[str, Any]:
        """Replace the status of exactly this object."""
        self._wrote(resource.INFO.kind, "status")
        # "add" replaces: what the new status leaves out is deleted, which a merge patch would keep.
        body = _add(resource, "/status", status.wire())
        return await self._patch(f"{path_of(resource)}/status", body, JSON_PATCH)

    async def merge_status(self, place: ObjectKey, status: Mapping[str, Any]) -> None:
        """Merge into the status of an object that this version may not be able to read."""
        kind, namespace, name = place
        plural = next(known.INFO.plural for known in KINDS if known.INFO.kind == kind)
        path = f"{resource_path(GROUP, VERSION, plural, namespace, name)}/status"
        self._wrote(kind, "status")
        self._seen(await self._kube.request("PATCH", path, body={"status": status}, content_type=MERGE_PATCH))

    async def _patch(self, path: str, body: Any, content_type: str) -> dict[str, Any]:
        raw = await self._kube.request("PATCH", path, body=body, content_type=content_type, query=_QUERY)
        self._seen(raw)
        return raw


def path_of(resource: CustomResource) -> str:
    """Return the URL path of an object of ours."""
    return resource_path(GROUP, VERSION, resource.INFO.plural, resource.metadata.namespace, resource.metadata.name)


def _add(resource: CustomResource, path: str, value: Any) -> list[dict[str, Any]]:
    """Return a JSON patch that sets one member, and is refused for another object of the same name."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": resource.metadata.uid},
        {"op": "add", "path": path, "value": value},
    ]
