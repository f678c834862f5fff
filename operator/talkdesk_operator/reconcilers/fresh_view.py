"""App and tenant, read afresh before something of a live tenant is deleted: a cache may not know yet that it must stay.

Belongs here: whether they are still what a reconcile began with. Does not belong here: what is deleted (`pruning`,
`recreation`).
"""

from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.scope import CompiledApp

__all__ = ["fresh_tenant"]


async def fresh_tenant(cluster: Cluster, app: CompiledApp, tenant: TalkdeskTenant) -> TalkdeskTenant | None:
    """Return the tenant as it is now; None when it, or the app, is not what this reconcile is about any more."""
    resource = await cluster.read_app(app.resource)
    if resource is None or resource.metadata.generation != app.resource.metadata.generation:
        return None
    fresh = await cluster.read_tenant(tenant)
    if fresh is None or fresh.spec.paused or fresh.spec.state is TenantState.OFFBOARDED:
        return None
    if fresh.spec.revision != tenant.spec.revision:
        return None
    return fresh if fresh.spec.installation_ref == tenant.spec.installation_ref else None
