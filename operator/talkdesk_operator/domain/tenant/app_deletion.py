"""What an app that is being deleted still holds: its finalizer stays until the last customer is gone.

Belongs here: what counts as left, and what is said of it. Does not belong here: when it is counted (`reconcilers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import APP_FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.deadlines import is_ended

__all__ = ["Remaining", "deletion_blocked", "is_being_deleted", "remaining_of"]


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of an app's customers."""

    installations: int = 0
    """Installations that have not ended."""
    tenants: int = 0
    """Tenants in use."""
    retained: int = 0
    """Offboarded tenants whose retention has not ended, or that are protected."""
    unreadable: int = 0
    """Accounts of which something can't be read."""

    def __add__(self, other: "Remaining") -> "Remaining":
        """Return the sum."""
        return Remaining(
            self.installations + other.installations,
            self.tenants + other.tenants,
            self.retained + other.retained,
            self.unreadable + other.unreadable,
        )

    def __bool__(self) -> bool:
        """Return whether anything is left."""
        return self != Remaining()


def is_being_deleted(app: TalkdeskApp) -> bool:
    """Return whether a person has deleted the app, which is held by finalizers now."""
    return app.metadata.deletion_timestamp is not None


def remaining_of(
    installations: Sequence[TalkdeskInstallation], tenant: TalkdeskTenant | None, *, unreadable: bool = False
) -> Remaining:
    """Return what is left of one account. Of an ended installation only a record is left, which needs no app."""
    offboarded = tenant is not None and tenant.spec.state is TenantState.OFFBOARDED
    return Remaining(
        installations=sum(not is_ended(each) for each in installations if each.spec.request is not None),
        tenants=int(tenant is not None and not offboarded),
        retained=int(offboarded),
        unreadable=int(unreadable),
    )


def deletion_blocked(app: TalkdeskApp, remaining: Remaining, now: datetime) -> Condition:
    """Return the condition of an app that is being deleted while something is left."""
    parts = (
        (remaining.installations, "installations that have not ended"),
        (remaining.tenants, "tenants in use"),
        (remaining.retained, "retained tenants"),
        (remaining.unreadable, "accounts that can't be read"),
    )
    left = ", ".join(f"{count} {what}" for count, what in parts if count)
    message = (
        f"the app is being deleted and waits for its customers: {left} are left. Events are still taken, but nobody "
        "new is provisioned. An installation ends by the customer's uninstall, or by deleting its object with "
        "deletionPolicy: Delete; a retained tenant goes when its retention ends, or by spec.purge. Keep the "
        "namespace's RoleBindings and ServiceAccount until then. To keep the customers instead, or to give them up, "
        f"remove the finalizer {APP_FINALIZER} (ClusterRole talkdesk-app-releaser): nothing of theirs is deleted, and "
        "an app of the same name finds them again"
    )
    return Condition(
        type=ConditionType.DELETION_BLOCKED,
        status="True",
        reason=Reason.CUSTOMERS_LEFT,
        message=message,
        last_transition_time=now.replace(microsecond=0),
        observed_generation=app.metadata.generation,
    )
