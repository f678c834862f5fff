"""The plan of a tenant's objects, on record before the first of them is applied.

Belongs here: writing it, and whether there is room for it. Does not belong here: applying (`objects`).
"""

from collections.abc import Sequence

from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.names import TENANT_FINALIZER
from talkdesk_crds.tenant import MAX_INVENTORY, TalkdeskTenant, TenantSpec
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass, Scope
from talkdesk_operator.domain.tenant.entitlement import desired_state
from talkdesk_operator.reconcilers.tenant_record import inventory_item, planned_object, recorded_objects, spec_changes
from talkdesk_operator.templates.inventory import InventoryEntry, departed, merge
from talkdesk_operator.templates.scopes import KindScopes, canonical_entries

__all__ = ["TenantPlan", "overfull"]


class TenantPlan:
    """Writes plans. Raises KubeError."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def record(
        self, scope: Scope, name: str, tenant_is_called: str, wanted: Sequence[InventoryEntry]
    ) -> TalkdeskTenant | Failure:
        """Write into the record what is about to be applied, and for which installation, before anything is."""
        installation = scope.installation
        spec = TenantSpec(
            app_ref=LocalRef(name=installation.spec.app_ref.name),
            account_id=installation.spec.account_id,
            installation_ref=LocalRef(name=installation.metadata.name),
            state=desired_state(scope),
            name=tenant_is_called,
            objects=tuple(planned_object(entry) for entry in wanted),
        )
        tenant = scope.tenant
        if tenant is None:
            tenant = await self._cluster.create_tenant(installation.metadata.namespace, name, spec)
            if (tenant.spec.app_ref, tenant.spec.account_id) != (spec.app_ref, spec.account_id):
                message = f"the TalkdeskTenant {name} is of another account or app: delete it if nobody needs it"
                return Failure(Reason.CONFLICT, message, RetryClass.SLOW)
        if TENANT_FINALIZER not in tenant.metadata.finalizers and tenant.metadata.deletion_timestamp is None:
            tenant = await self._cluster.hold_tenant(tenant)
        changes = spec_changes(tenant.spec, spec)
        if not changes:
            return tenant
        if "objects" in changes:
            tenant = await self._unconfirmed(tenant)
        return await self._cluster.change_tenant(tenant, changes)

    async def _unconfirmed(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Put the planned objects into the inventory before another plan replaces theirs: some may exist."""
        inventory = tuple(inventory_item(entry) for entry in recorded_objects(tenant))
        status = tenant.status.model_copy(update={"inventory": inventory})
        if status == tenant.status:
            return tenant
        return await self._cluster.write_tenant_status(tenant, status, unchanged=True)


def overfull(scope: Scope, wanted: Sequence[InventoryEntry], scopes: KindScopes) -> Failure | None:
    """Return a failure when the record has no room for all that is there and all that is wanted."""
    known = canonical_entries(recorded_objects(scope.tenant), scopes) if scope.tenant is not None else ()
    if len(merge(known, wanted)) <= MAX_INVENTORY:
        return None
    message = f"{len(departed(known, wanted))} objects left the template and were kept, and no more can be recorded"
    remedy = "delete some by the commands in the tenant's status.orphanedObjects, or put them back into the template"
    return Failure(Reason.OBJECTS_ORPHANED, f"{message}: {remedy}", RetryClass.SLOW)
