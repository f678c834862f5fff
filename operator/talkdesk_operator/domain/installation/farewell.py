"""The end of an installation's object waits for what is still to be told of it.

Belongs here: for how long. Does not belong here: the end itself (`retention`).
"""

from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import DeletionPolicy, InstallationPhase
from talkdesk_operator.domain.notifications.outbox import state_of, waiting_for
from talkdesk_operator.domain.reconcile.scope import Role, Scope, TenantResult
from talkdesk_operator.domain.reconcile.steps import DeleteHistory, Finish, RemoveFinalizer, Step

__all__ = ["last_words"]

_BEFORE_DELETION: Final = timedelta(minutes=10)
_BEFORE_THE_END_OF_HISTORY: Final = timedelta(days=1)


def last_words(scope: Scope, step: Step) -> Finish | None:
    """Return how to wait before the object goes; None where nothing is to be told, or it was waited for long enough."""
    if scope.app is None or not scope.app.endpoints:
        return None
    deleted = scope.installation.metadata.deletion_timestamp
    match step:
        case RemoveFinalizer(left_behind="") if deleted is not None:
            return _purge_is_told(scope) or _undelivered(scope, deleted + _BEFORE_DELETION)
        case DeleteHistory():
            return _kept(scope)
        case _:
            return None


def _purge_is_told(scope: Scope) -> Finish | None:
    """Put the purge down to be told, which the deletion of the object asked for."""
    outbox = scope.installation.status.notifications
    if outbox is None or outbox.told.purged or not _is_purged(scope):
        return None
    message = "all objects of the tenant are deleted"
    return Finish(phase=InstallationPhase.DELETING, reason=Reason.PURGED, message=message, requeue_at=scope.now)


def _is_purged(scope: Scope) -> bool:
    """Return whether nothing is left of the tenant: purged now, or by a reconcile that ended before it said so."""
    if scope.tenant_outcome is not None:
        return scope.tenant_outcome.result is TenantResult.PURGED
    asked = scope.installation.spec.deletion_policy is DeletionPolicy.DELETE and scope.role is not Role.NON_OWNER
    return asked and scope.tenant is None and scope.installation.status.tenant_ref is not None


def _undelivered(scope: Scope, until: datetime) -> Finish | None:
    waiting = _waiting(scope)
    if not waiting or scope.now >= until:
        return None
    message = f"the object goes when {', '.join(waiting)} was told what happened, or at {to_wire_time(until)}"
    return Finish(phase=InstallationPhase.DELETING, reason=Reason.DELETING, message=message, requeue_at=until)


def _kept(scope: Scope) -> Finish | None:
    """Leave the record as it is for a day after what was put down last."""
    status = scope.installation.status
    outbox, ready = status.notifications, find(status.conditions, ConditionType.READY)
    if outbox is None or ready is None or not _waiting(scope):
        return None
    until = max(each.queue_time for each in outbox.pending) + _BEFORE_THE_END_OF_HISTORY
    if scope.now >= until:
        return None
    return Finish(
        phase=scope.current_phase,
        reason=Reason(ready.reason),
        message=ready.message,
        terminal=True,
        erased=True,
        requeue_at=until,
    )


def _waiting(scope: Scope) -> list[str]:
    """Return the endpoints that something waits for, but those that nothing can be signed for: a Secret is gone."""
    names = [
        each.config.name for each in scope.required_app.endpoints if waiting_for(scope.installation, each.config.name)
    ]
    return [name for name in names if state_of(scope.installation, name).reason != Reason.NOTIFICATION_KEY_MISSING]
