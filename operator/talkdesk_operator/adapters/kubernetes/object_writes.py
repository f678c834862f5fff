"""Writing one object of a tenant by server-side apply, and what belongs to it: trying it out, taking fields over.

Belongs here: requests. Does not belong here: which object is written in whose name, which fields are taken over
(domain.tenant.managed_fields).
"""

from collections.abc import Callable, Mapping
from typing import Any

from talkdesk_crds.names import FIELD_MANAGER
from talkdesk_operator.adapters.kubernetes.leftovers import leftover_keys
from talkdesk_operator.adapters.kubernetes.object_requests import ObjectRequests
from talkdesk_operator.domain.tenant.managed_fields import has_kubectls, own_entry, without_kubectls
from talkdesk_runtime.kube import APPLY, JSON_PATCH, Kube
from talkdesk_runtime.kube_errors import KubeNoPath

__all__ = ["ObjectWrites"]


class ObjectWrites:
    """Writes of tenants' objects, under our own field manager."""

    def __init__(self, kube: Kube, objects: ObjectRequests, wrote: Callable[[str, str], object]) -> None:
        self._kube = kube
        self._objects = objects
        self._wrote = wrote

    async def apply(self, manifest: Mapping[str, Any], as_user: str, *, force: bool) -> dict[str, Any]:
        """Apply the object, and return it."""
        path = await self._objects.path_of(manifest)
        try:
            live = await self._apply(path, manifest, as_user, force=force)
            if left := leftover_keys(manifest, live):
                # What is applied once is ours, and what is not applied any more is taken away then.
                owned = {**manifest, "data": {**left, **(manifest.get("data") or {})}}
                await self._apply(path, owned, as_user, force=True)
                live = await self._apply(path, manifest, as_user, force=True)
        except KubeNoPath:
            self._objects.forget_path(manifest)  # the next attempt says why
            raise
        return live

    async def dry_run(self, manifest: Mapping[str, Any], as_user: str, *, force: bool = False) -> dict[str, Any]:
        """Have the API server judge an apply; return what it would make of it."""
        path = await self._objects.path_of(manifest)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false", "dryRun": "All"}
        return await self._kube.request("PATCH", path, body=manifest, content_type=APPLY, query=query, as_user=as_user)

    async def take_fields(self, manifest: Mapping[str, Any], live: Mapping[str, Any], as_user: str) -> None:
        """Take from kubectl's apply what an apply of the manifest to this object will own as well.

        Nobody else's fields and no value are changed. Raises KubeConflict when the object was changed since.
        """
        metadata = live["metadata"]
        entries = metadata.get("managedFields")
        if not has_kubectls(entries):
            return
        manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": metadata["uid"]}}
        tried = await self.dry_run(manifest, as_user, force=True)
        own = own_entry((tried.get("metadata") or {}).get("managedFields"))
        if own is None or (left := without_kubectls(entries, own, manifest["apiVersion"])) == entries:
            return
        self._wrote(manifest["kind"], "patch")
        changes = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": left},
            # The API server compares it with the present one, and refuses the patch as a conflict.
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        ]
        path = await self._objects.path_of(manifest)
        query = {"fieldManager": FIELD_MANAGER}
        await self._kube.request("PATCH", path, body=changes, content_type=JSON_PATCH, query=query, as_user=as_user)

    async def _apply(self, path: str, manifest: Mapping[str, Any], as_user: str, *, force: bool) -> dict[str, Any]:
        self._wrote(manifest["kind"], "apply")
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return await self._kube.request("PATCH", path, body=manifest, content_type=APPLY, query=query, as_user=as_user)
