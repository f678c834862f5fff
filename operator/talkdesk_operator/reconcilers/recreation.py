"""Delete an object and make it anew, where its manifest says so and the template changes what can't be changed.

That destroys what the object has in it, so it needs a word for each manifest (the annotation `recreate`) and proof: the
API server refuses the manifest for the object that is there, and a dry run takes the very same manifest for an object
that is not; app and tenant, read afresh, want it so and nothing protects it; and the object, read after all that, is
this tenant's by its uid and its marks. It is deleted just as it was read. A Namespace, or the definition of a kind, is
never deleted for this: they hold other objects.

Belongs here: proof, report and deletion. Does not belong here: making it anew, its first apply (`object_apply`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import structlog

from talkdesk_crds.conditions import EventReason, Reason
from talkdesk_crds.names import ANNOTATION_RECREATE, digest
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.error_policy import object_failure
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass
from talkdesk_operator.reconcilers.fresh_view import fresh_tenant
from talkdesk_operator.reconcilers.object_deletion import ObjectDeletion
from talkdesk_operator.reconcilers.object_words import where
from talkdesk_operator.reconcilers.ownership import DeletionRight, Owner, Rights
from talkdesk_operator.reconcilers.secret_values import secret_values
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube_errors import KubeConflict, KubeError, KubeInvalid
from talkdesk_runtime.shorten import shorten

__all__ = ["Recreate", "Recreator", "never"]

Recreate: TypeAlias = Callable[[InventoryEntry, Mapping[str, Any], KubeInvalid], Awaitable[Failure | str | None]]
"""Gets an object on record, its manifest and the refusal. Returns None when the refusal stands, a Failure that says why
it is not made anew, what is waited for, or an empty text when the object is gone. Raises KubeError."""

_HOLDERS: Final = frozenset({("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")})
_GOING: Final = "is being deleted, and will be made anew"
_NAME: Final = 40
_MESSAGE_LENGTH: Final = 1024


async def never(_entry: InventoryEntry, _manifest: Mapping[str, Any], _refusal: KubeInvalid) -> None:
    """Let the refusal stand."""


class Recreator:
    """Makes objects anew for the tenants of one process."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def of(self, app: CompiledApp, tenant: TalkdeskTenant, owner: Owner) -> Recreate:
        """Return what makes objects of this tenant anew."""
        return _OfTenant(self._cluster, app, tenant, owner)


@dataclass(frozen=True, slots=True)
class _OfTenant:
    cluster: Cluster
    app: CompiledApp
    tenant: TalkdeskTenant
    owner: Owner

    async def __call__(
        self, entry: InventoryEntry, manifest: Mapping[str, Any], refusal: KubeInvalid
    ) -> Failure | str | None:
        wanted = manifest["metadata"].get("annotations", {}).get(ANNOTATION_RECREATE) == "true"
        if not wanted or not refusal.immutable or not entry.uid or (entry.group, entry.kind) in _HOLDERS:
            return None
        what = f"{entry.kind} {where(entry)}"
        live = await self.cluster.find(entry, self.owner.identity)
        if live is None:
            return ""
        if "deletionTimestamp" in live["metadata"]:
            return f"{what} {_GOING}"
        return await self._refused_anew(manifest, entry) or await self._delete(entry, refusal, what)

    async def _refused_anew(self, manifest: Mapping[str, Any], entry: InventoryEntry) -> Failure | None:
        """Return why the object could not be made anew either; None when a dry run of it under another name works."""
        name = f"{entry.name[:_NAME].rstrip('.-')}-{digest(entry.uid, length=10)}"
        metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"uid", "resourceVersion"}}
        try:
            await self.cluster.dry_run({**manifest, "metadata": metadata | {"name": name}}, self.owner.identity)
        except KubeError as error:
            failure = object_failure(error, entry.kind, where(entry), secrets=secret_values(manifest))
            return replace(failure, message=shorten(f"it is not made anew, because {failure.message}", _MESSAGE_LENGTH))
        return None

    async def _delete(self, entry: InventoryEntry, refusal: KubeInvalid, what: str) -> Failure | str:
        """Delete the object by what app, tenant and object are now; whatever was read before may have changed since."""
        fresh = await fresh_tenant(self.cluster, self.app, self.tenant)
        if fresh is None:
            return f"{what}: the app or the tenant has just been changed; it is looked at again"
        if fresh.spec.deletion_protection:
            return _kept(what, "the tenant has deletionProtection")
        live = await self.cluster.find(entry, self.owner.identity)
        if live is None:
            return ""
        if "deletionTimestamp" in live["metadata"]:
            return f"{what} {_GOING}"
        right = await Rights(self.cluster).deletion(live, self.owner, recorded_uid=entry.uid)
        if live["metadata"]["uid"] != entry.uid or right is not DeletionRight.GRANTED:
            return _kept(what, "its labels and annotations do not say that it is this tenant's")

        async def report(_entry: InventoryEntry, _live: Mapping[str, Any]) -> None:
            await self._report(entry, refusal, what)

        try:
            left = await ObjectDeletion(self.cluster).delete_seen(entry, live, self.owner, report)
        except KubeConflict:
            return f"{what} has just been changed; it is looked at again"
        return "" if left is None else f"{what} {_GOING}"

    async def _report(self, entry: InventoryEntry, refusal: KubeInvalid, what: str) -> None:
        structlog.get_logger("talkdesk_operator.recreation").info(
            "tenant.object_recreated",
            namespace=self.tenant.metadata.namespace,
            tenant=self.tenant.metadata.name,
            kind=entry.kind,
            object=where(entry),
            uid=entry.uid,
        )
        changed = f" ({', '.join(refusal.fields)})" if refusal.fields else ""
        message = f"{what} is deleted and made anew: its manifest says so, and changes what can't be changed{changed}"
        draft = EventDraft(False, EventReason.OBJECT_RECREATED, shorten(message, _MESSAGE_LENGTH), "Recreate")
        await self.cluster.emit_event(self.tenant, draft)


def _kept(what: str, why: str) -> Failure:
    message = f"{what} must be made anew, because the template changes what can't be changed, and is kept: {why}"
    return Failure(Reason.FIELD_IMMUTABLE, message, RetryClass.SLOW)
