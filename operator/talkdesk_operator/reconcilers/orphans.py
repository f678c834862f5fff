"""Report a tenant that no installation claims: a condition, and an Event once."""

from collections.abc import Callable
from datetime import datetime

from talkdesk_crds.conditions import ConditionType, EventReason
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.tenant.orphan import is_orphan, orphaned_status
from talkdesk_operator.reconcilers.tenant_reports import report_condition

__all__ = ["OrphanedTenants"]


class OrphanedTenants:
    """Says of tenants that nobody claims them. The condition ends when an installation provisions the tenant again."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now

    async def report(self, tenant: TalkdeskTenant | None) -> None:
        """Report a tenant without an owner, unless it was reported before or is offboarded. Raises KubeError."""
        if tenant is None or not is_orphan(tenant):
            return
        status = orphaned_status(tenant, self._now())
        await report_condition(self._cluster, tenant, status, ConditionType.ORPHANED, EventReason.ORPHANED)
