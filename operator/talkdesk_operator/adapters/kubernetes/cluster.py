"""The cluster port, by the Kubernetes API.

Belongs here: paths, patches and what the API server needs to hear. Does not belong here: deciding what to write.
Errors are those of talkdesk_runtime.kube_errors.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from pydantic import SecretStr

from talkdesk_crds import KINDS
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import Model, to_wire_time
from talkdesk_crds.installation import InstallationStatus, Request, TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import (
    FIELD_MANAGER,
    FINALIZER,
    GROUP,
    LABEL_APP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    VERSION,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantStatus
from talkdesk_operator.adapters.kubernetes.credential_sets import ended_versions, previous_versions, replaced_versions
from talkdesk_operator.adapters.kubernetes.events import event_of
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.ports.cluster import Identity, ObjectKey
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube import APPLY, JSON_PATCH, MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeError, KubeInvalid, KubeNotFound

__all__ = ["KubernetesCluster"]

_MESSAGE_LENGTH = 1024
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubernetesCluster:
    """Implements talkdesk_operator.domain.ports.cluster.Cluster."""

    def __init__(
        self,
        kube: Kube,
        resources: Resources,
        *,
        instance: str,
        seen: Callable[[dict[str, Any]], object],
        applied: Callable[[Identity, Mapping[str, Any]], object],
        wrote: Callable[[str, str], object],
        now: Callable[[], datetime],
    ) -> None:
        """Take a connection and who is to know of writes.

        `seen` gets every object of ours as a write left it, `applied` every tenant's object as an apply did, `wrote`
        the kind and the verb of each write before it is made.
        """
        self._kube = kube
        self._resources = resources
        self._applied = applied
        self._instance = instance
        self._seen = seen
        self._wrote = wrote
        self._now = now
        self._log = structlog.get_logger("talkdesk_operator.cluster")

    async def read_credentials(self, namespace: str, name: str) -> Mapping[str, SecretStr] | None:
        """Read a Secret's data; None when there is none."""
        try:
            secret = await self._kube.request("GET", resource_path("", "v1", "secrets", namespace, name))
        except KubeNotFound:
            return None
        data = secret.get("data") or {}
        texts = {key: _text(value) for key, value in data.items()}
        return {key: SecretStr(text) for key, text in texts.items() if text is not None}

    async def delete_credentials(self, installation: TalkdeskInstallation) -> None:
        """Delete the Secret that the spec names, and those with the installation's label that its events brought.

        A set that is newer than the spec is left alone: its event is just being stored, for a new installation of the
        same id.
        """
        await self._delete_secrets(installation, ended_versions(installation.spec, await self._sets(installation)))

    async def previous_credentials(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Look for them by the installation's label."""
        return previous_versions(installation.spec, await self._sets(installation))

    async def delete_previous_credentials(self, installation: TalkdeskInstallation, now: datetime) -> None:
        """Look for them by the installation's label."""
        await self._delete_secrets(
            installation, replaced_versions(installation.spec, await self._sets(installation), now)
        )

    async def record_missed_request(self, installation: TalkdeskInstallation, request: Request) -> None:
        """Write the register; the rules of the kind refuse one that is not the newest."""
        body = [
            {"op": "test", "path": "/metadata/uid", "value": installation.metadata.uid},
            {"op": "add", "path": "/spec/request", "value": request.wire()},
        ]
        self._wrote(installation.INFO.kind, "patch")
        with suppress(KubeInvalid):
            query = {"fieldManager": FIELD_MANAGER}
            path = _path(installation)
            self._seen(await self._kube.request("PATCH", path, body=body, content_type=JSON_PATCH, query=query))

    async def _sets(self, installation: TalkdeskInstallation) -> Sequence[Mapping[str, Any]]:
        """List the metadata of the Secrets with the installation's label."""
        namespace, name = installation.key
        labels = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_INSTALLATION}={name}"
        path = resource_path("", "v1", "secrets", namespace)
        listing = await self._kube.request("GET", path, query={"labelSelector": labels}, accept=_METADATA_ONLY)
        # A list of metadata alone says null where another one says [].
        return listing["items"] or ()

    async def _delete_secrets(self, installation: TalkdeskInstallation, names: Sequence[str]) -> None:
        for name in names:
            self._wrote("Secret", "delete")
            await self._gone("DELETE", resource_path("", "v1", "secrets", installation.metadata.namespace, name))

    async def add_finalizer(self, installation: TalkdeskInstallation) -> None:
        """Put our finalizer beside the others."""
        await self._finalizers(installation, (*installation.metadata.finalizers, FINALIZER))

    async def release(self, installation: TalkdeskInstallation) -> None:
        """Leave the others' finalizers."""
        rest = tuple(f for f in installation.metadata.finalizers if f != FINALIZER)
        try:
            await self._finalizers(installation, rest)
        except KubeNotFound:
            return

    async def erase(self, installation: TalkdeskInstallation) -> None:
        """Take away what a merge patch can name; what the register refuses to lose stays as it is."""
        request = {"reason": None} if installation.spec.request is not None else None
        changes = {"accountName": None, "endpoints": None} | ({"request": request} if request is not None else {})
        await self._patch(installation, {"spec": changes})

    async def write_installation_status(self, installation: TalkdeskInstallation, status: InstallationStatus) -> None:
        """Replace the status in one operation."""
        await self._write_status(installation, status)

    async def write_app_status(self, app: TalkdeskApp, status: AppStatus) -> None:
        """Replace the status in one operation."""
        await self._write_status(app, status)

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        """Write conditions alone: nothing else of such an object is known for sure."""
        kind, namespace, name = place
        now = to_wire_time(self._now().replace(microsecond=0))
        conditions = [
            {
                "type": kind_of_condition,
                "status": holds,
                "reason": reason,
                "message": message[:_MESSAGE_LENGTH],
                "lastTransitionTime": now,
            }
            for kind_of_condition, holds in ((ConditionType.READY, "False"), (ConditionType.STALLED, "True"))
        ]
        plural = next(known.INFO.plural for known in KINDS if known.INFO.kind == kind)
        path = f"{resource_path(GROUP, VERSION, plural, namespace, name)}/status"
        self._wrote(kind, "status")
        body = {"status": {"conditions": conditions}}
        self._seen(await self._kube.request("PATCH", path, body=body, content_type=MERGE_PATCH))

    async def create_tenant(self, namespace: str, name: str, spec: TenantSpec) -> TalkdeskTenant:
        """Create it; a crash may have come between an earlier create and its echo."""
        body = {
            **TalkdeskTenant.head(),
            "metadata": {
                "name": name,
                "labels": {LABEL_APP: spec.app_ref.name, LABEL_MANAGED_BY: MANAGED_BY},
            },
            "spec": spec.wire(),
        }
        path = resource_path(GROUP, VERSION, TalkdeskTenant.INFO.plural, namespace)
        self._wrote("TalkdeskTenant", "create")
        try:
            raw = await self._kube.request("POST", path, body=body, query={"fieldManager": FIELD_MANAGER})
        except KubeAlreadyExists:
            raw = await self._kube.request("GET", f"{path}/{name}")
        self._seen(raw)
        return TalkdeskTenant.read(raw)

    async def change_tenant(self, tenant: TalkdeskTenant, changes: Mapping[str, Any]) -> TalkdeskTenant:
        """Merge into the spec; lists are replaced."""
        return TalkdeskTenant.read(await self._patch(tenant, {"spec": dict(changes)}))

    async def write_tenant_status(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        """Replace the status in one operation."""
        return TalkdeskTenant.read(await self._write_status(tenant, status))

    async def delete_tenant(self, tenant: TalkdeskTenant) -> None:
        """Delete exactly this one, not one of the same name made since."""
        self._wrote("TalkdeskTenant", "delete")
        body = {"preconditions": {"uid": tenant.metadata.uid}}
        await self._gone("DELETE", _path(tenant), body=body)

    async def apply(self, manifest: Mapping[str, Any], identity: Identity, *, force: bool) -> dict[str, Any]:
        """Apply server-side, under our own field manager."""
        group, _, version = manifest["apiVersion"].rpartition("/")
        metadata = manifest["metadata"]
        path = await self._resources.path(
            group, version, manifest["kind"], metadata.get("namespace", ""), metadata["name"]
        )
        self._wrote(manifest["kind"], "apply")
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        live = await self._kube.request("PATCH", path, body=manifest, content_type=APPLY, query=query, as_user=identity)
        self._applied(identity, live)
        return live

    async def find(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Read it, in the tenant's name."""
        path = await self._resources.path(item.group, item.version, item.kind, item.namespace, item.name)
        try:
            return await self._kube.request("GET", path, as_user=identity)
        except KubeNotFound:
            return None

    async def delete(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Delete by uid: an object of that name made by somebody since is not ours."""
        path = await self._resources.path(item.group, item.version, item.kind, item.namespace, item.name)
        body = {"propagationPolicy": "Background", "preconditions": {"uid": item.uid}}
        self._wrote(item.kind, "delete")
        answer = await self._gone("DELETE", path, body=body, as_user=identity)
        return answer if answer is not None and answer.get("kind") != "Status" else None

    async def emit_event(self, regarding: CustomResource, event: EventDraft) -> None:
        """Post an Event; it is news, not state, so failing at it must not hold anything up."""
        self._wrote("Event", "create")
        path = resource_path("events.k8s.io", "v1", "events", regarding.metadata.namespace)
        try:
            await self._kube.request("POST", path, body=event_of(regarding, event, self._instance, self._now()))
        except KubeError as error:
            self._log.warning("event not posted", reason=event.reason, error=str(error))

    async def _finalizers(self, installation: TalkdeskInstallation, finalizers: tuple[str, ...]) -> None:
        # The resourceVersion guards others' finalizers: a list in a merge patch replaces the whole.
        metadata = {"finalizers": list(finalizers), "resourceVersion": installation.metadata.resource_version}
        await self._patch(installation, {"metadata": metadata})

    async def _patch(self, resource: CustomResource, body: Mapping[str, Any]) -> dict[str, Any]:
        self._wrote(resource.INFO.kind, "patch")
        raw = await self._kube.request(
            "PATCH", _path(resource), body=body, content_type=MERGE_PATCH, query={"fieldManager": FIELD_MANAGER}
        )
        self._seen(raw)
        return raw

    async def _write_status(self, resource: CustomResource, status: Model) -> dict[str, Any]:
        # "add" replaces: what the new status leaves out goes, which a merge patch would keep.
        body = [
            {"op": "test", "path": "/metadata/uid", "value": resource.metadata.uid},
            {"op": "add", "path": "/status", "value": status.wire()},
        ]
        self._wrote(resource.INFO.kind, "status")
        raw = await self._kube.request(
            "PATCH",
            f"{_path(resource)}/status",
            body=body,
            content_type=JSON_PATCH,
            query={"fieldManager": FIELD_MANAGER},
        )
        self._seen(raw)
        return raw

    async def _gone(
        self, method: str, path: str, *, body: Any = None, as_user: str | None = None
    ) -> dict[str, Any] | None:
        """Make a request that is content when there is nothing: None then."""
        try:
            return await self._kube.request(method, path, body=body, as_user=as_user)
        except (KubeNotFound, KubeConflict):
            return None


def _path(resource: CustomResource) -> str:
    return resource_path(GROUP, VERSION, resource.INFO.plural, resource.metadata.namespace, resource.metadata.name)


def _text(value: object) -> str | None:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
