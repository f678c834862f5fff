"""A tenant of which no installation is left: its retention ends, or nothing happens until somebody says more."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from talkdesk_crds.conditions import EventReason
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import CompiledApp, RetryClass, TenantResult
from talkdesk_operator.domain.tenant.desired import next_poll, orphan_purge_at
from talkdesk_operator.domain.tenant.marks import tenant_selector
from talkdesk_operator.domain.tenant.record_deletion import is_held
from talkdesk_operator.reconcilers.held_records import HeldRecords
from talkdesk_operator.reconcilers.orphans import OrphanedTenants
from talkdesk_operator.reconcilers.tenant import TenantReconciler
from talkdesk_operator.workqueue.contract import Requeue, Result

__all__ = ["UnclaimedTenants"]

_SLOW_RETRY: Final = timedelta(minutes=5)
"""Of a purge that somebody must help: no installation is there whose status could hold a back-off."""


class UnclaimedTenants:
    """Ends retentions: a person may have deleted the objects of all installations. Raises KubeError."""

    def __init__(
        self,
        cluster: Cluster,
        tenants: TenantReconciler,
        orphans: OrphanedTenants,
        held: HeldRecords,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._tenants = tenants
        self._orphans = orphans
        self._held = held
        self._now = now
        self._log = structlog.get_logger("talkdesk_operator.tenant")

    async def reconcile(self, app: CompiledApp | None, tenant: TalkdeskTenant | None) -> Result:
        """Purge the tenant when its time has come."""
        if tenant is not None and is_held(tenant) and await self._cluster.is_terminating(tenant.metadata.namespace):
            await self._let_go(tenant)
            return Result()
        await self._orphans.report(tenant)
        await self._held.report(tenant, in_use=False)
        ends = orphan_purge_at(app, tenant, self._now()) if app is not None and tenant is not None else None
        if app is None or tenant is None or ends is None:
            return Result()
        if ends > self._now():
            return Result((Requeue(ends - self._now(), Priority.CHANGED),))
        tenant_outcome = await self._tenants.purge_unclaimed(app, tenant)
        if tenant_outcome.result is TenantResult.PURGED:
            return Result()
        wait = max(next_poll(tenant_outcome, self._now()) - self._now(), timedelta())
        if tenant_outcome.failure is not None and tenant_outcome.failure.retry_class is RetryClass.SLOW:
            wait = max(wait, _SLOW_RETRY)
        requeue = Requeue(wait, Priority.RETRY)
        return Result((requeue,), failed=tenant_outcome.failure is not None)

    async def _let_go(self, tenant: TalkdeskTenant) -> None:
        """Release a record whose namespace is being deleted: the rights to delete its objects go with that."""
        namespace, name = tenant.key
        message = (
            f"the namespace is being deleted with the TalkdeskTenant {name} in it; the tenant's objects in other "
            f"namespaces, or in none, stay: find them by the labels {tenant_selector(namespace, name)}"
        )
        self._log.warning("tenant.left_behind", namespace=namespace, tenant=name, message=message)
        event = EventDraft(warning=True, reason=EventReason.LEFT_BEHIND, message=message, action="Delete")
        await self._cluster.emit_namespace_event(namespace, event)
        await self._cluster.release_tenant(tenant)
