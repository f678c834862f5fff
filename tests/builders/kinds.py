"""Writing our kinds to a real API server, and being refused by it."""

from typing import Any

import pytest

from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeInvalid

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


class KindsApi:
    """The API server as a client of ours meets it, in one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self.namespace = namespace

    def _path(self, raw: dict[str, Any]) -> str:
        plural = raw["kind"].lower() + "s"
        return resource_path(GROUP, VERSION, plural, self.namespace)

    async def create(self, raw: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Create the object without the metadata that builders give; keywords are members of it that it should have."""
        metadata = {"name": raw["metadata"]["name"], "namespace": self.namespace} | more
        return await self._kube.request("POST", self._path(raw), body=raw | {"metadata": metadata})

    async def patch(self, raw: dict[str, Any], body: Any, kind: str = JSON_PATCH, part: str = "") -> dict[str, Any]:
        path = f"{self._path(raw)}/{raw['metadata']['name']}{part}"
        return await self._kube.request("PATCH", path, body=body, content_type=kind)

    async def dry_run(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask whether an object of any kind would be created."""
        return await self._kube.request("POST", path, body=body, query={"dryRun": "All"})

    async def attempt(self, method: str, raw: dict[str, Any], body: Any, user: str, path: str = "") -> None:
        """Ask whether this user could do it; `path` is another object's. Raises KubeError when not."""
        name = f"/{raw['metadata']['name']}" if method == "PATCH" else ""
        query = {"dryRun": "All"}
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        where = path or f"{self._path(raw)}{name}"
        await self._kube.request(method, where, body=body, content_type=kind, query=query, as_user=user)

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """Make a request as the administrator."""
        return await self._kube.request(method, path)

    async def refused(self, raw: dict[str, Any], body: Any) -> KubeInvalid:
        with pytest.raises(KubeInvalid) as caught:
            await self.patch(raw, body)
        return caught.value

    async def not_created(self, raw: dict[str, Any]) -> KubeInvalid:
        with pytest.raises(KubeInvalid) as caught:
            await self.create(raw)
        return caught.value


def put(member: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "add", "path": f"/spec/{member}", "value": value}]
