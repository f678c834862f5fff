"""A TalkdeskTenant that somebody deleted: our finalizer holds it as long as there are objects on its record.

A deletion by hand is neither an uninstall nor a purge. It can't be taken back, so the record goes on as before, with
the values and the protection that people gave it, and goes with the last of its objects.

Belongs here: whether a record is held, and what is said of it. Does not belong here: when a retention ends (`desired`).
"""

from datetime import datetime

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.names import TENANT_FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus

__all__ = ["held_status", "is_given_up", "is_held"]


def is_held(tenant: TalkdeskTenant) -> bool:
    """Return whether somebody deleted the record, and our finalizer keeps it."""
    return tenant.metadata.deletion_timestamp is not None and TENANT_FINALIZER in tenant.metadata.finalizers


def is_given_up(tenant: TalkdeskTenant) -> bool:
    """Return whether somebody deleted the record and nothing was ever on it, or is left."""
    deleted = tenant.metadata.deletion_timestamp is not None
    return deleted and not tenant.spec.objects and not tenant.status.inventory


def held_status(tenant: TalkdeskTenant, *, in_use: bool, now: datetime) -> TenantStatus | None:
    """Return the status that says why a deleted record is held; None when it says so already.

    `in_use` tells whether the customer has the app through an installation.
    """
    reason, words = _why(tenant, in_use=in_use)
    known = find(tenant.status.conditions, ConditionType.DELETION_BLOCKED)
    if known is not None and known.reason == reason:
        return None
    message = (
        f"the record was deleted, and stays with all that is set in it while its objects are there: {words}. To give "
        f"them up instead, remove the finalizer {TENANT_FINALIZER} (ClusterRole talkdesk-tenant-releaser): they stay "
        "without a record then"
    )
    condition = Condition(
        type=ConditionType.DELETION_BLOCKED,
        status="True",
        reason=reason,
        message=message,
        last_transition_time=now.replace(microsecond=0) if known is None else known.last_transition_time,
        observed_generation=tenant.metadata.generation,
    )
    others = tuple(each for each in tenant.status.conditions if each.type != ConditionType.DELETION_BLOCKED)
    return tenant.status.model_copy(update={"conditions": (*others, condition)})


def _why(tenant: TalkdeskTenant, *, in_use: bool) -> tuple[Reason, str]:
    if in_use:
        return Reason.IN_USE, "the customer has the app; the record goes after the uninstall and the retention"
    if tenant.spec.deletion_protection:
        return Reason.PROTECTED, "spec.deletionProtection is true"
    if tenant.spec.state is TenantState.OFFBOARDED:
        return Reason.RETAINED, "it goes when the retention ends (status.purgeTime), or by spec.purge"
    return Reason.INSTALLATION_DELETED, "no TalkdeskInstallation claims it; apply that again, as for an import"
