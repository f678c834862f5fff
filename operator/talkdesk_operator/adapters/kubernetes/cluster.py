"""The cluster port, implemented by the Kubernetes API.

Belongs here: the requests for each method of the port, and which errors are an answer. Does not belong here: deciding
what to write, the form of patches of our own kinds (`own_objects`). Errors are those of talkdesk_runtime.kube_errors.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from pydantic import SecretStr, ValidationError

from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationStatus, Request, TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import ANNOTATION_LAST_APPLIED, FINALIZER, TENANT_FINALIZER
from talkdesk_crds.shard_slots import slot_label
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantStatus
from talkdesk_operator.adapters.kubernetes.credential_secrets import CredentialSecrets, read_named
from talkdesk_operator.adapters.kubernetes.event_objects import event_of, namespace_event
from talkdesk_operator.adapters.kubernetes.event_poster import EventPoster
from talkdesk_operator.adapters.kubernetes.object_requests import ObjectRequests
from talkdesk_operator.adapters.kubernetes.object_watches import ObjectWatches
from talkdesk_operator.adapters.kubernetes.object_writes import ObjectWrites
from talkdesk_operator.adapters.kubernetes.own_objects import OwnObjects, tenant_labels
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.adapters.kubernetes.stalled_conditions import stalled
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Mislabeled
from talkdesk_operator.domain.ports.cluster import ForeignSecret, Identity, NamedSecret, ObjectKey, ServedKind
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.scopes import KindScopes
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeConflict, KubeInvalid, KubeNotFound, KubeRefused

__all__ = ["KubernetesCluster"]

# Where a server can't give metadata alone it gives the whole object.
_METADATA_OF_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


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
        watches: ObjectWatches | None = None,
    ) -> None:
        """Take a connection, and callbacks.

        `seen` gets objects of ours after a write, `applied` tenants' after an apply, `wrote` kind and verb before.
        """
        self._kube = kube
        self._resources = resources
        self._applied = applied
        self._watches = watches
        self._instance = instance
        self._objects = ObjectRequests(kube, resources)
        self._writes = ObjectWrites(kube, self._objects, wrote)
        self._own = OwnObjects(kube, seen=seen, wrote=wrote)
        self._events = EventPoster(kube, wrote=wrote)
        self._credentials = CredentialSecrets(kube, wrote=wrote, now=now)
        self._wrote = wrote
        self._now = now
        self._log = structlog.get_logger("talkdesk_operator.cluster")

    async def read_secret(self, namespace: str, name: str) -> NamedSecret | None:
        """Read a Secret; None when there is none."""
        return await read_named(self._kube, namespace, name)

    async def read_credentials(
        self, installation: TalkdeskInstallation, name: str
    ) -> Mapping[str, SecretStr] | ForeignSecret | None:
        """Read one of the installation's own Secrets."""
        return await self._credentials.read(installation, name)

    async def delete_credentials(self, installation: TalkdeskInstallation, *, sweep: bool = False) -> None:
        """Delete by uid those of its own Secrets that its events brought."""
        await self._credentials.delete_ended(installation, sweep=sweep)

    async def previous_credentials(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Find them by type and label."""
        return await self._credentials.previous(installation)

    async def delete_previous_credentials(
        self, installation: TalkdeskInstallation, now: datetime, *, sweep: bool = False
    ) -> None:
        """Find them by type and label, and delete them by uid."""
        await self._credentials.delete_replaced(installation, now, sweep=sweep)

    async def record_missed_request(self, installation: TalkdeskInstallation, request: Request) -> None:
        """Write the register; the CRD's rules refuse a request that is not the newest."""
        with suppress(KubeInvalid):
            await self._own.add(installation, "/spec/request", request.wire())

    async def add_finalizer(self, resource: CustomResource, finalizer: str = FINALIZER) -> None:
        """Add our finalizer to the others."""
        await self._finalizers(resource, (*resource.metadata.finalizers, finalizer))

    async def remove_finalizer(self, resource: CustomResource, finalizer: str = FINALIZER) -> None:
        """Remove our finalizer and keep the others; an object that is gone is released."""
        with suppress(KubeNotFound):
            await self._finalizers(resource, tuple(f for f in resource.metadata.finalizers if f != finalizer))

    async def label(self, mislabeled: Mislabeled, key: AccountKey) -> None:
        """Merge the label into the others."""
        await self._own.label(mislabeled, slot_label(key.namespace, key.app, key.account_id))

    async def erase(self, installation: TalkdeskInstallation) -> None:
        """Delete personal members; the request itself stays, because the CRD's rules protect it."""
        spec, metadata = installation.spec, installation.metadata
        changes: dict[str, Any] = {"accountName": None, "endpoints": None}
        if spec.request is not None:
            changes["request"] = {"reason": None}
        if spec.approval is not None:
            # The rules take no change of it any more, so it goes with its words and the name of whoever decided.
            changes["approval"] = None
        meta: dict[str, Any] = {"uid": metadata.uid}
        if ANNOTATION_LAST_APPLIED in metadata.annotations:
            meta["annotations"] = {ANNOTATION_LAST_APPLIED: None}
        await self._own.merge(installation, {"metadata": meta, "spec": changes})

    async def write_installation_status(self, installation: TalkdeskInstallation, status: InstallationStatus) -> None:
        """Replace the status in one operation."""
        await self._own.write_status(installation, status)

    async def write_app_status(self, app: TalkdeskApp, status: AppStatus) -> None:
        """Replace the status in one operation."""
        await self._own.write_status(app, status)

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        """Read it first: nothing else of such an object is known for sure."""
        raw = await self._own.show(place)
        conditions = stalled(raw, reason, message, self._now())
        version = str(raw["metadata"]["resourceVersion"])
        await self._own.merge_status(place, version, {"conditions": [c.wire() for c in conditions]})

    async def create_tenant(self, namespace: str, name: str, spec: TenantSpec) -> TalkdeskTenant:
        """Create it, or read the existing one."""
        labels = tenant_labels(namespace, spec)
        metadata = {"name": name, "labels": labels, "finalizers": [TENANT_FINALIZER]}
        body = {"metadata": metadata, "spec": spec.wire()}
        raw = await self._own.create(TalkdeskTenant, namespace, body)
        try:
            return TalkdeskTenant.read(raw)
        except ValidationError:
            raise KubeRefused(
                f"there is a TalkdeskTenant {name} that this version of the operator can't read"
            ) from None

    async def change_tenant(self, tenant: TalkdeskTenant, changes: Mapping[str, Any]) -> TalkdeskTenant:
        """Merge into the spec; lists are replaced."""
        version = {"resourceVersion": tenant.metadata.resource_version}
        return TalkdeskTenant.read(await self._own.merge(tenant, {"metadata": version, "spec": dict(changes)}))

    async def write_tenant_status(
        self, tenant: TalkdeskTenant, status: TenantStatus, *, unchanged: bool = False
    ) -> TalkdeskTenant:
        """Replace the status in one operation."""
        return TalkdeskTenant.read(await self._own.write_status(tenant, status, unchanged=unchanged))

    async def read_tenant(self, tenant: TalkdeskTenant) -> TalkdeskTenant | None:
        """Read it by name, and compare the uid."""
        return await self._own.read(tenant)

    async def read_app(self, app: TalkdeskApp) -> TalkdeskApp | None:
        """Read it by name, and compare the uid."""
        return await self._own.read(app)

    async def list_marked(
        self, kind: ServedKind, selector: str, identity: Identity
    ) -> Sequence[Mapping[str, Any]] | None:
        """List them in all namespaces."""
        return await self._objects.list_marked(kind, selector, identity)

    async def hold_tenant(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Add our finalizer to the others."""
        return TalkdeskTenant.read(await self._finalizers(tenant, (*tenant.metadata.finalizers, TENANT_FINALIZER)))

    async def release_tenant(self, tenant: TalkdeskTenant) -> TalkdeskTenant | None:
        """Remove our finalizer and keep the others."""
        rest = tuple(f for f in tenant.metadata.finalizers if f != TENANT_FINALIZER)
        try:
            left = TalkdeskTenant.read(await self._finalizers(tenant, rest))
        except KubeNotFound:
            return None
        return left if left.metadata.deletion_timestamp is None or rest else None

    async def delete_tenant(self, tenant: TalkdeskTenant) -> None:
        """Delete exactly this one, not another that was made with the same name since."""
        await self._own.delete(tenant)

    async def delete_installation(self, installation: TalkdeskInstallation) -> None:
        """Delete exactly what was read; what somebody has changed since is shown to the cache, and stays."""
        try:
            await self._own.delete(installation)
        except KubeConflict:
            await self._own.read(installation)
            raise

    async def reread_tenant(self, namespace: str, name: str) -> str | None:
        """Read it by its name."""
        try:
            return str((await self._own.read_named(TalkdeskTenant, namespace, name))["metadata"]["uid"])
        except KubeNotFound:
            return None

    async def reread_installations(self, key: AccountKey) -> Sequence[TalkdeskInstallation] | None:
        """List them by the fields that tell an account; what a server without such selectors adds is left out."""
        wanted = {"spec.appRef.name": key.app, "spec.accountId": key.account_id}
        found = await self._own.list(TalkdeskInstallation, key.namespace, wanted)
        try:
            read = [TalkdeskInstallation.read(raw) for raw in found]
        except ValidationError:
            return None
        return [i for i in read if (i.spec.app_ref.name, i.spec.account_id) == (key.app, key.account_id)]

    async def scopes(self, kinds: Collection[ServedKind]) -> KindScopes:
        """Read it from the discovery, which is cached."""
        return await self._resources.scopes(kinds)

    async def apply(self, manifest: Mapping[str, Any], identity: Identity, *, force: bool) -> dict[str, Any]:
        """Apply server-side, under our own field manager."""
        live = await self._writes.apply(manifest, identity, force=force)
        self._applied(identity, live)
        return live

    def version_seen(self, manifest: Mapping[str, Any], identity: Identity, uid: str) -> str | None:
        """Ask the watches for drift, which see all tenants' objects that the service account may watch."""
        return self._watches.version_seen(identity, manifest, uid) if self._watches is not None else None

    async def dry_run(self, manifest: Mapping[str, Any], identity: Identity) -> None:
        """Apply server-side with `dryRun`, without force."""
        await self._writes.dry_run(manifest, identity)

    async def take_fields(self, manifest: Mapping[str, Any], live: Mapping[str, Any], identity: Identity) -> None:
        """Patch `managedFields`, in the version that was read."""
        await self._writes.take_fields(manifest, live, identity)

    async def read_object(self, manifest: Mapping[str, Any], identity: Identity) -> dict[str, Any] | None:
        """Read all of it as the tenant's service account."""
        return await self._objects.read(manifest, identity)

    async def find(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Read it as the tenant's service account, in whichever version its kind is served."""
        return await self._objects.find(item, identity)

    async def delete(
        self, item: InventoryEntry, identity: Identity, *, version: str = "", dry_run: bool = False
    ) -> dict[str, Any] | None:
        """Delete by uid: another object that somebody made with the same name since is not ours."""
        if not dry_run:
            self._wrote(item.kind, "delete")
            if self._watches is not None:
                self._watches.deleting(item.uid)
        return await self._objects.delete(item, identity, version=version, dry_run=dry_run)

    async def emit_event(self, regarding: CustomResource, event: EventDraft) -> None:
        """Post an Event; a failure is logged and blocks nothing, because an Event is a report, not state."""
        await self._events.post(event_of(regarding, event, self._instance, self._now()))

    async def emit_namespace_event(self, namespace: str, event: EventDraft) -> None:
        """Post an Event where those about objects without a namespace are."""
        await self._events.post(namespace_event(namespace, event, self._instance, self._now()))

    async def is_terminating(self, namespace: str) -> bool:
        """Ask whether an Event could be made there: the operator may make them everywhere, but not there then."""
        return await self._events.is_refused_by_termination(namespace, self._instance, self._now())

    async def _finalizers(self, resource: CustomResource, finalizers: tuple[str, ...]) -> dict[str, Any]:
        # A merge patch replaces the whole list: it is of one version, and so keeps what others added since.
        return await self._own.merge(resource, {"metadata": {"finalizers": list(finalizers)}})
