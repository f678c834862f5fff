"""Reading and deleting one object whose kind may have changed, or gone, since it was made.

An object is gone when the API server says so of the object itself, or when its kind is served no more. A path that
leads nowhere proves nothing: the version may have been dropped while the object is still there. Nor does a conflict.

Belongs here: which answers are a proof. Does not belong here: whose objects are deleted, and why.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeConflict, KubeError, KubeForbidden, KubeNoPath, KubeNotFound, KubeRefused

__all__ = ["ObjectRequests", "delete_object"]

# Where a server can't give metadata alone it gives the whole object.
_METADATA_OF_ONE: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_OF_ALL: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_Request: TypeAlias = Callable[[str], Awaitable[dict[str, Any] | None]]


class ObjectRequests:
    """Requests about tenants' objects, by their inventory."""

    def __init__(self, kube: Kube, resources: Resources) -> None:
        self._kube = kube
        self._resources = resources

    async def path_of(self, manifest: Mapping[str, Any]) -> str:
        """Return the path of an object by its manifest."""
        group, _, version = manifest["apiVersion"].rpartition("/")
        metadata = manifest["metadata"]
        place = (metadata.get("namespace", ""), metadata["name"])
        return await self._resources.path(group, version, manifest["kind"], *place)

    def forget_path(self, manifest: Mapping[str, Any]) -> None:
        """Have the path of an object of this kind looked for anew."""
        self._resources.forget(manifest["apiVersion"].rpartition("/")[0])

    async def read(self, manifest: Mapping[str, Any], as_user: str) -> dict[str, Any] | None:
        """Return the object of a manifest, in the manifest's version; None when there is none.

        Raises KubeNoPath when its kind is not where it was.
        """
        try:
            return await self._kube.request("GET", await self.path_of(manifest), as_user=as_user)
        except KubeNotFound:
            return None
        except KubeNoPath:
            self.forget_path(manifest)
            raise

    async def find(self, item: InventoryEntry, as_user: str) -> dict[str, Any] | None:
        """Return the metadata of the object, in a version that is served; None when it, or its kind, is gone."""
        return await self._at(
            item, lambda path: self._kube.request("GET", path, accept=_METADATA_OF_ONE, as_user=as_user)
        )

    async def list_marked(
        self, kind: tuple[str, str, str], selector: str, as_user: str
    ) -> Sequence[Mapping[str, Any]] | None:
        """Return the metadata of a kind's objects with these labels, in all namespaces; None when they can't be listed.

        They are listed in a version that is served; a kind that is not served has no objects.
        """
        query = {"labelSelector": selector}
        for _ in range(2):
            path = await self._resources.locate_all(*kind)
            if path is None:
                break
            try:
                listing = await self._kube.request("GET", path, query=query, accept=_METADATA_OF_ALL, as_user=as_user)
            except (KubeForbidden, KubeRefused):
                return None
            except KubeNoPath:
                self._resources.forget(kind[0])
                continue
            return listing["items"] or ()  # a list of metadata says null where other lists say []
        return ()

    async def delete(self, item: InventoryEntry, as_user: str, *, version: str, dry_run: bool) -> dict[str, Any] | None:
        """Delete the object with the item's uid; return it while it is still there, None when it is gone."""
        seen = {"uid": item.uid} | ({"resourceVersion": version} if version else {})
        body: dict[str, Any] = {"propagationPolicy": "Background", "preconditions": seen}
        if dry_run:
            # A deletion that has a body takes nothing from the query, not even that.
            body["dryRun"] = ["All"]
        return await self._at(item, lambda path: delete_object(self._kube, path, body, uid=item.uid, as_user=as_user))

    async def _at(self, item: InventoryEntry, request: _Request) -> dict[str, Any] | None:
        path = await self._locate(item)
        if path is None:
            return None
        try:
            return await request(path)
        except KubeNotFound:
            return None
        except KubeNoPath:
            self._resources.forget(item.group)
        another = await self._locate(item)
        if another is None:
            return None
        try:
            return await request(another)
        except (KubeNotFound, KubeNoPath):
            return None  # discovery has just confirmed the path

    async def _locate(self, item: InventoryEntry) -> str | None:
        return await self._resources.locate(item.group, item.version, item.kind, item.namespace, item.name)


async def delete_object(
    kube: Kube, path: str, body: Mapping[str, Any], *, uid: str, as_user: str | None = None
) -> dict[str, Any] | None:
    """Delete exactly the object with that uid; return it while it is still there, None when it is gone.

    Raises KubeNotFound when there is none, and KubeConflict when the object stays although nothing says that it is
    being deleted.
    """
    try:
        answer = await kube.request("DELETE", path, body=body, as_user=as_user)
    except KubeConflict as conflict:
        return await _after_conflict(kube, path, uid, as_user, conflict)
    return None if answer.get("kind") == "Status" else answer


async def _after_conflict(
    kube: Kube, path: str, uid: str, as_user: str | None, conflict: KubeConflict
) -> dict[str, Any] | None:
    """Look whether the object is still there: another one may have its name, or something holds up its deletion."""
    try:
        live = await kube.request("GET", path, as_user=as_user)
    except KubeNotFound:
        raise
    except KubeError:
        raise conflict from None
    metadata = live.get("metadata") or {}
    if metadata.get("uid") != uid:
        return None
    if metadata.get("deletionTimestamp"):
        return live
    raise conflict
