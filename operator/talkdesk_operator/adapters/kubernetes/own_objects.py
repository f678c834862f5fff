"""Writes of our own kinds, and reads past the cache. Each write is counted before it is made; answers go to the cache.

Each write is of one version of the object. When somebody else has written since, it is refused (KubeConflict), and the
object as it is now goes to the cache: so a leader that lost its Lease undoes nothing, however late its request comes.

Belongs here: paths and patches of our kinds. Does not belong here: objects of tenants, Secrets, Events (`cluster`).
Errors are those of talkdesk_runtime.kube_errors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from talkdesk_crds import KINDS
from talkdesk_crds.fields import Model
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import FIELD_MANAGER, GROUP, LABEL_APP, LABEL_MANAGED_BY, MANAGED_BY, VERSION
from talkdesk_crds.shard_slots import slot_label
from talkdesk_crds.tenant import TenantSpec
from talkdesk_operator.adapters.kubernetes.object_requests import delete_object
from talkdesk_operator.domain.ports.cache import Mislabeled
from talkdesk_operator.domain.ports.cluster import ObjectKey
from talkdesk_runtime.kube import JSON_PATCH, MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeNotFound

__all__ = ["OwnObjects", "path_of", "tenant_labels"]

_QUERY = {"fieldManager": FIELD_MANAGER}
_OVERTAKEN = 4
"""How often a status is tried to be written while others write other parts of the object."""
Resource = TypeVar("Resource", bound=CustomResource)


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

    async def read(self, resource: Resource) -> Resource | None:
        """Read exactly this object; None when it is gone, when another one has its name, or when it can't be read."""
        try:
            raw = await self.read_named(type(resource), *resource.key)
        except KubeNotFound:
            return None
        try:
            found = type(resource).read(raw)
        except ValidationError:
            return None
        return found if found.metadata.uid == resource.metadata.uid else None

    async def read_named(self, kind: type[CustomResource], namespace: str, name: str) -> dict[str, Any]:
        """Read an object as it is now."""
        raw = await self._kube.request("GET", resource_path(GROUP, VERSION, kind.INFO.plural, namespace, name))
        self._seen(raw)
        return raw

    async def list(
        self, kind: type[CustomResource], namespace: str, fields: Mapping[str, str]
    ) -> Sequence[dict[str, Any]]:
        """Return the objects with these values of selectable fields, as they are now."""
        path = resource_path(GROUP, VERSION, kind.INFO.plural, namespace)
        selector = ",".join(f"{name}={_escaped(value)}" for name, value in fields.items())
        listing = await self._kube.request("GET", path, query={"fieldSelector": selector})
        found = [{**kind.head(), **item} for item in listing["items"]]  # items come without their kind
        for raw in found:
            self._seen(raw)
        return found

    async def merge(self, resource: CustomResource, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge into exactly this version of an object; lists are replaced."""
        self._wrote(resource.INFO.kind, "patch")
        version = {"resourceVersion": resource.metadata.resource_version}
        body = {**body, "metadata": {**body.get("metadata", {}), **version}}
        return await self._patch(resource, path_of(resource), body, MERGE_PATCH)

    async def add(self, resource: CustomResource, path: str, value: Any) -> dict[str, Any]:
        """Set one member, outside of the status, of exactly this version of an object."""
        self._wrote(resource.INFO.kind, "patch")
        body = _add(resource, resource.metadata.resource_version, path, value)
        return await self._patch(resource, path_of(resource), body, JSON_PATCH)

    async def write_status(self, resource: CustomResource, status: Model, *, unchanged: bool = False) -> dict[str, Any]:
        """Replace the status of exactly this object, unless somebody else has written the status since.

        Whatever else was written meanwhile, an event or an annotation, makes what was found out no less true; but
        `unchanged` is refused (KubeConflict) for that, too.
        """
        self._wrote(resource.INFO.kind, "status")
        path, version = f"{path_of(resource)}/status", resource.metadata.resource_version
        for _ in range(_OVERTAKEN):
            # "add" replaces: what the new status leaves out is deleted, which a merge patch would keep.
            body = _add(resource, version, "/status", status.wire())
            try:
                return await self._patch(resource, path, body, JSON_PATCH)
            except KubeConflict as error:
                raw = await self._show(path_of(resource))
                if unchanged or not _has_status(raw, resource):
                    raise KubeConflict(f"somebody else wrote {path_of(resource)}: {error}") from None
                version = str(raw["metadata"]["resourceVersion"])
        raise KubeConflict(f"{path_of(resource)} changes all the time")

    async def show(self, place: ObjectKey) -> dict[str, Any]:
        """Read an object that this version may not be able to understand."""
        return await self._show(_path_at(place))

    async def merge_status(self, place: ObjectKey, version: str, status: Mapping[str, Any]) -> None:
        """Merge into the status of one version of an object that this version may not be able to understand."""
        self._wrote(place[0], "status")
        body = {"metadata": {"resourceVersion": version}, "status": status}
        path = f"{_path_at(place)}/status"
        self._seen(await self._kube.request("PATCH", path, body=body, content_type=MERGE_PATCH, query=_QUERY))

    async def label(self, mislabeled: Mislabeled, labels: Mapping[str, str]) -> None:
        """Merge labels into one version of an object that this version may not be able to understand."""
        place = (mislabeled.kind, mislabeled.namespace, mislabeled.name)
        self._wrote(mislabeled.kind, "patch")
        metadata = {"uid": mislabeled.uid, "resourceVersion": mislabeled.version, "labels": labels}
        path, body = _path_at(place), {"metadata": metadata}
        try:
            raw = await self._kube.request("PATCH", path, body=body, content_type=MERGE_PATCH, query=_QUERY)
        except KubeNotFound:
            return
        except KubeConflict:
            await self._show(path)
            raise
        else:
            self._seen(raw)

    async def delete(self, resource: CustomResource) -> None:
        """Delete exactly this version; one that is gone, or whose name another one has now, is as good as deleted."""
        self._wrote(resource.INFO.kind, "delete")
        uid = resource.metadata.uid
        body = {"preconditions": {"uid": uid, "resourceVersion": resource.metadata.resource_version}}
        try:
            live = await delete_object(self._kube, path_of(resource), body, uid=uid)
        except KubeNotFound:
            live = None
        if live is not None:
            self._seen(live)
            return
        self._gone(resource)

    async def _patch(self, resource: CustomResource, path: str, body: Any, content_type: str) -> dict[str, Any]:
        try:
            raw = await self._kube.request("PATCH", path, body=body, content_type=content_type, query=_QUERY)
        except KubeNotFound:
            self._gone(resource)
            raise
        except KubeConflict:
            if not path.endswith("/status"):
                await self._show(path)
            raise
        self._seen(raw)
        return raw

    async def _show(self, path: str) -> dict[str, Any]:
        """Read an object and show it to the cache, which may not have seen yet what it conflicts with."""
        raw = await self._kube.request("GET", path)
        self._seen(raw)
        return raw

    def _gone(self, resource: CustomResource) -> None:
        """Show that the object is gone: the watch may show it later, or never, if it began after the deletion."""
        metadata = resource.metadata
        self._seen(
            {
                "kind": resource.INFO.kind,
                "metadata": {
                    "namespace": metadata.namespace,
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "deletionTimestamp": "now",
                },
            }
        )


def tenant_labels(namespace: str, spec: TenantSpec) -> dict[str, str]:
    """Return the labels of a TalkdeskTenant."""
    app = spec.app_ref.name
    return {LABEL_APP: app, LABEL_MANAGED_BY: MANAGED_BY, **slot_label(namespace, app, spec.account_id)}


def path_of(resource: CustomResource) -> str:
    """Return the URL path of an object of ours."""
    return resource_path(GROUP, VERSION, resource.INFO.plural, resource.metadata.namespace, resource.metadata.name)


def _path_at(place: ObjectKey) -> str:
    kind, namespace, name = place
    plural = next(known.INFO.plural for known in KINDS if known.INFO.kind == kind)
    return resource_path(GROUP, VERSION, plural, namespace, name)


def _has_status(raw: dict[str, Any], resource: CustomResource) -> bool:
    """Return whether an object as it is now has the status that it had before."""
    try:
        present = type(resource).read(raw)
    except ValidationError:
        return False
    return (present.metadata.uid, _status(present)) == (resource.metadata.uid, _status(resource))


def _status(resource: CustomResource) -> object:
    return getattr(resource, "status", None)


def _escaped(value: str) -> str:
    """Return a value as a field selector takes it."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _add(resource: CustomResource, version: str, path: str, value: Any) -> list[dict[str, Any]]:
    """Return a JSON patch that sets one member of one version; it is refused for another object of the same name."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": resource.metadata.uid},
        {"op": "add", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": path, "value": value},
    ]
