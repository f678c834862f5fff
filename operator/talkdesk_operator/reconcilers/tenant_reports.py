"""Write a tenant's status with a condition that is new, and tell it by an Event."""

from talkdesk_crds.conditions import ConditionType, EventReason, find
from talkdesk_crds.tenant import TalkdeskTenant, TenantStatus
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft

__all__ = ["report_condition"]


async def report_condition(
    cluster: Cluster,
    tenant: TalkdeskTenant,
    status: TenantStatus | None,
    kind: ConditionType,
    reason: EventReason | ConditionType,
) -> None:
    """Write the status and emit a warning with the condition's message, if it has one. Nothing for None.

    Raises KubeError.
    """
    if status is None:
        return
    tenant = await cluster.write_tenant_status(tenant, status)
    said = find(status.conditions, kind)
    if said is not None:
        event = EventDraft(warning=True, reason=reason, message=said.message, action="Keep")
        await cluster.emit_event(tenant, event)
