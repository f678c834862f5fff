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

    async def create(self, raw: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": raw["metadata"]["name"], "namespace": self.namespace}
        return await self._kube.request("POST", self._path(raw), body=raw | {"metadata": metadata})

    async def patch(self, raw: dict[str, Any], body: Any, kind: str = JSON_PATCH, part: str = "") -> dict[str, Any]:
        path = f"{self._path(raw)}/{raw['metadata']['name']}{part}"
        return await self._kube.request("PATCH", path, body=body, content_type=kind)

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
