"""What a reconcile of a tenant's objects means for what is known of their drift, and the Event for a dispute.

Belongs here: telling ledger and waiting list what came of it. Does not belong here: when drift is put right
(`domain.tenant.drift_ledger`), the condition (`tenant_status`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from talkdesk_crds.conditions import ConditionType, Reason, find, is_true
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import TenantOutcome, TenantResult
from talkdesk_operator.domain.tenant.drift_ledger import Dispute, DriftLedger
from talkdesk_operator.domain.tenant.waiting import WaitingTenants

__all__ = ["DriftReports"]

_WAITS = frozenset({TenantResult.WAITING, TenantResult.DELETING})


class DriftReports:
    """Told by the tenant's reconciler what it does."""

    def __init__(
        self, cluster: Cluster, ledger: DriftLedger, waiting: WaitingTenants, now: Callable[[], datetime]
    ) -> None:
        """Take what is told and where Events go."""
        self._cluster = cluster
        self._ledger = ledger
        self._waiting = waiting
        self._now = now

    def begin(self) -> int:
        """Return what `provisioned` asks for; drift that is seen from now on is not put right by this reconcile."""
        return self._ledger.begin()

    def disputes(self, tenant: TalkdeskTenant) -> Sequence[Dispute]:
        """Return what somebody fights about."""
        return self._ledger.disputes(tenant.metadata.namespace, tenant.metadata.name, self._now())

    async def provisioned(
        self, before: TalkdeskTenant, after: TalkdeskTenant, outcome: TenantOutcome, began: int
    ) -> None:
        """Note that the template was applied, with its record before and after; report a dispute that is new."""
        if outcome.result is TenantResult.READY:
            self._ledger.corrected(after.metadata.namespace, after.metadata.name, began)
        self.ended(after, outcome)
        found = find(after.status.conditions, ConditionType.CONTESTED)
        if found is not None and not is_true(before.status.conditions, ConditionType.CONTESTED):
            event = EventDraft(
                warning=True, reason=Reason.FIELD_MANAGER_CONFLICT, message=found.message, action="Apply"
            )
            await self._cluster.emit_event(after, event)

    def ended(self, tenant: TalkdeskTenant, outcome: TenantOutcome | None) -> None:
        """Note whether the tenant waits for objects to become ready, or to go; no outcome says nothing."""
        if outcome is None:
            return
        failure = outcome.failure
        not_ready = failure is not None and failure.reason in {Reason.NOT_READY, Reason.DELETION_BLOCKED}
        waits = outcome.result in _WAITS or not_ready
        self._waiting.note(tenant.metadata.namespace, tenant.metadata.name, waits=waits)
