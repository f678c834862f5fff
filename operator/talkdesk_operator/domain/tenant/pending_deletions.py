"""What an edit of an app will delete when its grace ends, and what is said of it before.

Belongs here: counting one account, and the condition. Does not belong here: the grace itself (`edit_grace`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.ownership import roles
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Role, Scope
from talkdesk_operator.domain.tenant.desired import orphan_purge_at, purge_time
from talkdesk_operator.domain.tenant.entitlement import suspension
from talkdesk_operator.domain.tenant.history import history_since, tenant_was_purged, ttl_end

__all__ = ["PendingDeletions", "deletion_pending", "pending_of"]


@dataclass(frozen=True, slots=True)
class PendingDeletions:
    """How many tenants of an app are to be deleted, wholly or in part, and how many records of former customers."""

    purged: int = 0
    offboarded: int = 0
    forgotten: int = 0
    """How many installations are deleted of which only the record is left."""

    def __add__(self, other: "PendingDeletions") -> "PendingDeletions":
        """Return the sum."""
        return PendingDeletions(
            self.purged + other.purged, self.offboarded + other.offboarded, self.forgotten + other.forgotten
        )


def pending_of(
    app: CompiledApp,
    installations: Sequence[TalkdeskInstallation],
    tenant: TalkdeskTenant | None,
    now: datetime,
    until: datetime,
) -> PendingDeletions:
    """Return what of one account is deleted when the grace ends at `until`."""
    by_name = roles(installations, tenant)
    others = [each for each in installations if tenant is None or by_name[each.metadata.name] is Role.NON_OWNER]
    forgotten = PendingDeletions(forgotten=sum(_is_forgotten(app, each, tenant, until) for each in others))
    if tenant is None:
        return forgotten
    if tenant.spec.state is TenantState.OFFBOARDED:
        waits = tenant.spec.purge is None and orphan_purge_at(app, tenant, now) is not None
        ended_at = tenant.spec.uninstall_time
        purged = waits and ended_at is not None and purge_time(ended_at, app) <= until
        return forgotten + PendingDeletions(purged=int(purged))
    owners = [each for each in installations if by_name[each.metadata.name] is Role.OWNER]
    scopes = (Scope(now=now, app=app, installation=each, role=Role.OWNER, tenant=tenant) for each in owners)
    found = (suspension(scope) for scope in scopes)
    return forgotten + PendingDeletions(offboarded=sum(each is not None and each.until is not None for each in found))


def _is_forgotten(
    app: CompiledApp, installation: TalkdeskInstallation, tenant: TalkdeskTenant | None, until: datetime
) -> bool:
    """Return whether only a record is left of the installation, which is deleted until then."""
    since = history_since(installation)
    if since is None or installation.spec.paused or app.resource.spec.paused:
        return False
    if tenant is not None:
        kept = tenant.spec.paused or tenant.spec.deletion_protection
        if kept or not tenant_was_purged(installation):
            return False
    return ttl_end(since, app.resource) <= until


def deletion_pending(app: TalkdeskApp, pending: PendingDeletions, until: datetime, now: datetime) -> Condition | None:
    """Return the condition that says what will be deleted; None when nothing will."""
    parts = (
        (pending.purged, "retained tenants are purged"),
        (pending.offboarded, "tenants in use are offboarded"),
        (pending.forgotten, "records of customers who left are deleted"),
    )
    what = " and ".join(f"{count} {words}" for count, words in parts if count)
    if not what:
        return None
    message = (
        f"by the last edit of the app's policies {what} at {to_wire_time(until)}. To keep them, change the app back; "
        "deletionProtection keeps a tenant, too. To have it done at once, annotate the app with "
        f"{ANNOTATION_CONFIRM_DELETION}={app.metadata.generation}"
    )
    return Condition(
        type=ConditionType.DELETION_PENDING,
        status="True",
        reason=Reason.APP_EDITED,
        message=message,
        last_transition_time=now.replace(microsecond=0),
        observed_generation=app.metadata.generation,
    )
