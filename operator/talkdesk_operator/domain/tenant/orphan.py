"""A tenant that no installation claims: a person deleted the object of a live installation, which is no uninstall.

Belongs here: whether a tenant is an orphan, and what is said of it. Does not belong here: when its retention ends
(`desired`), which installation owns a tenant (`domain.reconcile.ownership`).
"""

from datetime import datetime

from talkdesk_crds.conditions import Condition, ConditionType, Reason, is_true
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus

__all__ = ["is_orphan", "orphaned_status"]


def is_orphan(tenant: TalkdeskTenant) -> bool:
    """Return whether a tenant without an owner needs one: an offboarded one only waits for the end of its retention."""
    return tenant.spec.state is not TenantState.OFFBOARDED and tenant.metadata.deletion_timestamp is None


def orphaned_status(tenant: TalkdeskTenant, now: datetime) -> TenantStatus | None:
    """Return the status that says that nobody claims the tenant; None when it says so already."""
    if is_true(tenant.status.conditions, ConditionType.ORPHANED):
        return None
    ref = tenant.spec.installation_ref
    named = f"the TalkdeskInstallation {ref.name} is gone" if ref is not None else "its TalkdeskInstallation is gone"
    message = (
        f"{named}, though the customer did not uninstall the app; the tenant stays as it is, but nothing keeps it up "
        "to date and no uninstall offboards it: apply the TalkdeskInstallation again, as for an import, and set its "
        "deletionPolicy to Delete before its deletion if the tenant is to go"
    )
    condition = Condition(
        type=ConditionType.ORPHANED,
        status="True",
        reason=Reason.INSTALLATION_DELETED,
        message=message,
        last_transition_time=now.replace(microsecond=0),
        observed_generation=tenant.metadata.generation,
    )
    others = tuple(each for each in tenant.status.conditions if each.type != ConditionType.ORPHANED)
    return tenant.status.model_copy(update={"conditions": (*others, condition)})
