"""Delete what left a tenant's template, or keep it and say so.

Before the first deletion app and tenant are read afresh: a cache that lags may not know yet that the object is back in
the template, or that the tenant is protected. Each object is read before it is deleted, and reported before it is gone.

Belongs here: reading, reporting, the order of both. Does not belong here: what is deleted (`domain.tenant.pruning`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from talkdesk_crds.conditions import EventReason
from talkdesk_crds.tenant import OrphanedObject, OrphanReason, TalkdeskTenant
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.pruning import Orphan, plan_pruning, remove_command
from talkdesk_operator.reconcilers.fresh_view import fresh_tenant
from talkdesk_operator.reconcilers.object_words import where
from talkdesk_operator.reconcilers.objects import Deleted, TenantObjects
from talkdesk_operator.reconcilers.ownership import DeletionRight, Owner
from talkdesk_operator.templates.inventory import InventoryEntry, departed
from talkdesk_operator.templates.scopes import KindScopes
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.shorten import shorten

__all__ = ["Pruned", "Pruner"]

_CHANGED = "the app or the tenant has just been changed; what left the template is looked at again"


@dataclass(frozen=True, slots=True)
class Pruned:
    """The outcome of pruning."""

    deleted: Deleted
    kept: tuple[InventoryEntry, ...]
    """The orphans' entries for the inventory."""
    orphaned: tuple[OrphanedObject, ...]
    """The orphans for the status."""


class Pruner:
    """Prunes the objects of one tenant at a time. An error at an object becomes a value."""

    def __init__(self, cluster: Cluster, objects: TenantObjects, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._objects = objects
        self._now = now
        self._log = structlog.get_logger("talkdesk_operator.pruning")

    async def prune(
        self,
        app: CompiledApp,
        tenant: TalkdeskTenant,
        inventory: Sequence[InventoryEntry],
        wanted: Sequence[InventoryEntry],
        scopes: KindScopes,
        owner: Owner,
    ) -> Pruned:
        """Delete or keep what is in the inventory but not wanted, after everything that is wanted was applied.

        Raises KubeError when app and tenant can't be read.
        """
        identities = {entry.identity for entry in wanted}
        applied = [entry for entry in inventory if entry.identity in identities]
        left = departed(inventory, wanted)
        protected = tenant.spec.deletion_protection
        plan = plan_pruning(left, applied, scopes, protected=protected)
        deleted = Deleted(())
        if plan.doomed:
            fresh = await fresh_tenant(self._cluster, app, tenant)
            if fresh is None:
                deleted = Deleted(plan.doomed, _CHANGED)
            elif fresh.spec.deletion_protection:
                plan = plan_pruning(left, applied, scopes, protected=True)
            else:
                deleted = await self._delete(plan.doomed, tenant, applied, owner)
        doubtful = tuple(Orphan(entry, OrphanReason.OWNER_UNKNOWN) for entry in deleted.doubtful)
        outside = tuple(Orphan(entry, OrphanReason.OUTSIDE_TENANT) for entry in deleted.outside)
        found = [await self._look(orphan, owner) for orphan in (*plan.orphans, *doubtful, *outside)]
        kept = [orphan for orphan in found if orphan is not None]
        return Pruned(deleted, tuple(orphan.entry for orphan in kept), tuple(self._orphaned(kept, tenant)))

    async def may_prune_service(self, app: CompiledApp, tenant: TalkdeskTenant, step: str) -> bool:
        """Return whether what a step's service has may be deleted, now that the step left the template, and report it.

        Raises KubeError when app and tenant can't be read.
        """
        fresh = await fresh_tenant(self._cluster, app, tenant)
        if fresh is None or fresh.spec.deletion_protection:
            return False
        message = f"step {step} left the template of {app.resource.metadata.name}: onRemove is Delete"
        await self._cluster.emit_event(tenant, EventDraft(False, EventReason.OBJECT_PRUNED, message, "Prune"))
        return True

    async def _delete(
        self,
        doomed: Sequence[InventoryEntry],
        tenant: TalkdeskTenant,
        applied: Sequence[InventoryEntry],
        owner: Owner,
    ) -> Deleted:
        async def report(entry: InventoryEntry, live: Mapping[str, Any]) -> None:
            uid = str(live["metadata"]["uid"])
            self._log.info(
                "tenant.object_pruned",
                namespace=tenant.metadata.namespace,
                tenant=tenant.metadata.name,
                kind=entry.kind,
                object=where(entry),
                uid=uid,
            )
            said = "onRemove is Delete" if entry.on_remove is not None else "its kind holds no data"
            message = f"{entry.kind} {where(entry)} left the template of {owner.mark.app}, so it is deleted: {said}"
            reason = EventReason.OBJECT_PRUNED
            await self._cluster.emit_event(
                tenant, EventDraft(False, reason, shorten(message, _MESSAGE_LENGTH), "Prune")
            )

        spared = frozenset(entry.uid for entry in applied)
        return await self._objects.delete(doomed, owner, spared=spared, report=report)

    async def _look(self, orphan: Orphan, owner: Owner) -> Orphan | None:
        """Return the orphan with its uid; None when it is gone, or a person took our label off it."""
        entry = replace(orphan.entry, orphaned=True)
        try:
            live = await self._cluster.find(entry, owner.identity)
            right = await self._objects.right(entry, live, owner) if live is not None else DeletionRight.NOT_OURS
        except KubeError:
            return orphan
        if live is None or right is DeletionRight.NOT_OURS:
            return None
        known = replace(entry, uid=str(live["metadata"]["uid"]))
        return replace(orphan, entry=known)

    def _orphaned(self, orphans: Iterable[Orphan], tenant: TalkdeskTenant) -> Iterable[OrphanedObject]:
        since = {(o.group, o.kind, o.namespace, o.name): o.orphaned_time for o in tenant.status.orphaned_objects}
        for orphan in orphans:
            entry = orphan.entry
            yield OrphanedObject(
                group=entry.group,
                version=entry.version,
                kind=entry.kind,
                namespace=entry.namespace,
                name=entry.name,
                reason=orphan.reason,
                orphaned_time=since.get(entry.identity, self._now().replace(microsecond=0)),
                remove=remove_command(entry),
            )


_MESSAGE_LENGTH = 1024
