"""Say of a TalkdeskTenant that somebody deleted why it stays: a condition, and an Event for each new reason."""

from collections.abc import Callable
from datetime import datetime

from talkdesk_crds.conditions import ConditionType
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.tenant.record_deletion import held_status, is_given_up, is_held
from talkdesk_operator.reconcilers.tenant_reports import report_condition

__all__ = ["HeldRecords"]


class HeldRecords:
    """Reports of one cluster."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now

    async def report(self, tenant: TalkdeskTenant | None, *, in_use: bool) -> None:
        """Report a deleted record that is held, unless it says so already. Raises KubeError."""
        if tenant is None or not is_held(tenant) or is_given_up(tenant):
            return
        status = held_status(tenant, in_use=in_use, now=self._now())
        await report_condition(
            self._cluster, tenant, status, ConditionType.DELETION_BLOCKED, ConditionType.DELETION_BLOCKED
        )
