"""The cluster port, implemented by the Kubernetes API.

Belongs here: the requests for each method of the port, and which errors are an answer. Does not belong here: deciding
what to write, the form of patches of our own kinds (`own_objects`). Errors are those of talkdesk_runtime.kube_errors.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import SecretStr

from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationStatus, Request, TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import (
    FIELD_MANAGER,
    FINALIZER,
    LABEL_APP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    MANAGED_BY,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantStatus
from talkdesk_operator.adapters.kubernetes.credential_versions import (
    ended_versions,
    previous_versions,
    replaced_versions,
)
from talkdesk_operator.adapters.kubernetes.event_objects import event_of
from talkdesk_operator.adapters.kubernetes.own_objects import OwnObjects, path_of
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.ports.cluster import Identity, ObjectKey
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube import APPLY, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeConflict, KubeError, KubeInvalid, KubeNotFound

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
    ) -> None:
        """Take a connection, and callbacks for writes.

        `seen` gets every object of ours as it is after a write, `applied` every tenant's object as it is after an
        apply, `wrote` the kind and the verb of each write before it is made.
        """
        self._kube = kube
        self._resources = resources
        self._applied = applied
        self._instance = instance
        self._own = OwnObjects(kube, seen=seen, wrote=wrote)
        self._wrote = wrote
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

        A version that is newer than the spec is left alone: its event is just being stored, for a new installation of
        the same id.
        """
        await self._delete_secrets(installation, ended_versions(installation.spec, await self._secrets(installation)))

    async def previous_credentials(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Find them by the installation's label."""
        return previous_versions(installation.spec, await self._secrets(installation))

    async def delete_previous_credentials(self, installation: TalkdeskInstallation, now: datetime) -> None:
        """Find them by the installation's label."""
        await self._delete_secrets(
            installation, replaced_versions(installation.spec, await self._secrets(installation), now)
        )

    async def record_missed_request(self, installation: TalkdeskInstallation, request: Request) -> None:
        """Write the register; the CRD's rules refuse a request that is not the newest."""
        with suppress(KubeInvalid):
            await self._own.add(installation, "/spec/request", request.wire())

    async def _secrets(self, installation: TalkdeskInstallation) -> Sequence[Mapping[str, Any]]:
        """List the metadata of the Secrets with the installation's label."""
        namespace, name = installation.key
        labels = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_INSTALLATION}={name}"
        path = resource_path("", "v1", "secrets", namespace)
        listing = await self._kube.request("GET", path, query={"labelSelector": labels}, accept=_METADATA_ONLY)
        # A list of metadata says null where other lists say [].
        return listing["items"] or ()

    async def _delete_secrets(self, installation: TalkdeskInstallation, names: Sequence[str]) -> None:
        for name in names:
            self._wrote("Secret", "delete")
            await self._delete(resource_path("", "v1", "secrets", installation.metadata.namespace, name))

    async def add_finalizer(self, installation: TalkdeskInstallation) -> None:
        """Add our finalizer to the others."""
        await self._finalizers(installation, (*installation.metadata.finalizers, FINALIZER))

    async def remove_finalizer(self, installation: TalkdeskInstallation) -> None:
        """Remove our finalizer and keep the others; an installation that is gone is released."""
        rest = tuple(f for f in installation.metadata.finalizers if f != FINALIZER)
        try:
            await self._finalizers(installation, rest)
        except KubeNotFound:
            return

    async def erase(self, installation: TalkdeskInstallation) -> None:
        """Delete personal members of the spec; the request itself stays, because the CRD's rules protect it."""
        request = {"reason": None} if installation.spec.request is not None else None
        changes = {"accountName": None, "endpoints": None} | ({"request": request} if request is not None else {})
        await self._own.merge(installation, {"spec": changes})

    async def write_installation_status(self, installation: TalkdeskInstallation, status: InstallationStatus) -> None:
        """Replace the status in one operation."""
        await self._own.write_status(installation, status)

    async def write_app_status(self, app: TalkdeskApp, status: AppStatus) -> None:
        """Replace the status in one operation."""
        await self._own.write_status(app, status)

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        """Write conditions alone: nothing else of such an object is known for sure."""
        now = to_wire_time(datetime.now(UTC).replace(microsecond=0))
        conditions = [
            {
                "type": condition,
                "status": holds,
                "reason": reason,
                "message": message[:_MESSAGE_LENGTH],
                "lastTransitionTime": now,
            }
            for condition, holds in ((ConditionType.READY, "False"), (ConditionType.STALLED, "True"))
        ]
        await self._own.merge_status(place, {"conditions": conditions})

    async def create_tenant(self, namespace: str, name: str, spec: TenantSpec) -> TalkdeskTenant:
        """Create it, or read the existing one."""
        labels = {LABEL_APP: spec.app_ref.name, LABEL_MANAGED_BY: MANAGED_BY}
        body = {"metadata": {"name": name, "labels": labels}, "spec": spec.wire()}
        return TalkdeskTenant.read(await self._own.create(TalkdeskTenant, namespace, body))

    async def change_tenant(self, tenant: TalkdeskTenant, changes: Mapping[str, Any]) -> TalkdeskTenant:
        """Merge into the spec; lists are replaced."""
        return TalkdeskTenant.read(await self._own.merge(tenant, {"spec": dict(changes)}))

    async def write_tenant_status(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        """Replace the status in one operation."""
        return TalkdeskTenant.read(await self._own.write_status(tenant, status))

    async def delete_tenant(self, tenant: TalkdeskTenant) -> None:
        """Delete exactly this one, not another that was made with the same name since."""
        self._wrote("TalkdeskTenant", "delete")
        body = {"preconditions": {"uid": tenant.metadata.uid}}
        await self._delete(path_of(tenant), body=body)

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
        """Read it as the tenant's service account."""
        path = await self._resources.path(item.group, item.version, item.kind, item.namespace, item.name)
        try:
            return await self._kube.request("GET", path, as_user=identity)
        except KubeNotFound:
            return None

    async def delete(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Delete by uid: another object that somebody made with the same name since is not ours."""
        path = await self._resources.path(item.group, item.version, item.kind, item.namespace, item.name)
        body = {"propagationPolicy": "Background", "preconditions": {"uid": item.uid}}
        self._wrote(item.kind, "delete")
        answer = await self._delete(path, body=body, as_user=identity)
        return answer if answer is not None and answer.get("kind") != "Status" else None

    async def emit_event(self, regarding: CustomResource, event: EventDraft) -> None:
        """Post an Event; a failure is logged and blocks nothing, because an Event is a report, not state."""
        self._wrote("Event", "create")
        path = resource_path("events.k8s.io", "v1", "events", regarding.metadata.namespace)
        try:
            await self._kube.request("POST", path, body=event_of(regarding, event, self._instance))
        except KubeError as error:
            self._log.warning("kube_event.post_failed", reason=event.reason, error=str(error))

    async def _finalizers(self, installation: TalkdeskInstallation, finalizers: tuple[str, ...]) -> None:
        # A merge patch replaces the whole list, so the resourceVersion protects finalizers that others added since.
        metadata = {"finalizers": list(finalizers), "resourceVersion": installation.metadata.resource_version}
        await self._own.merge(installation, {"metadata": metadata})

    async def _delete(self, path: str, *, body: Any = None, as_user: str | None = None) -> dict[str, Any] | None:
        """Delete; return None when the object does not exist, or is not the one of the precondition."""
        try:
            return await self._kube.request("DELETE", path, body=body, as_user=as_user)
        except (KubeNotFound, KubeConflict):
            return None


def _text(value: object) -> str | None:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
