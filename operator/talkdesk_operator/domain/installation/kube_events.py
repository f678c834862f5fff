"""Which changes of an installation's status become Kubernetes Events: transitions do, repetitions do not.

Belongs here: the Events that a change of status gives. Does not belong here: emitting them (`adapters.kubernetes`).
"""

from collections.abc import Iterator, Mapping

from talkdesk_crds.conditions import Condition, ConditionType, EventReason, Reason, find
from talkdesk_crds.installation import InstallationPhase, InstallationStatus
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.deadlines import time_left_message

__all__ = ["events_for"]

_WARNING_PHASES = frozenset({InstallationPhase.TIMED_OUT, InstallationPhase.REJECTED, InstallationPhase.GONE})


def events_for(before: InstallationStatus, after: InstallationStatus) -> Iterator[EventDraft]:
    """Yield the Events that a change of status gives."""
    transition = _transition(before, after)
    if transition is not None:
        yield transition
    if after.time_left is not None and after.time_left != before.time_left:
        message = time_left_message(after.time_left)
        yield EventDraft(warning=True, reason=Reason.DEADLINE_NEAR, message=message, action="Answer")
    now, was = find(after.conditions, ConditionType.IN_SYNC), find(before.conditions, ConditionType.IN_SYNC)
    if now is not None and now.status == "False" and (was is None or was.status != "False"):
        yield EventDraft(warning=True, reason=now.reason, message=now.message, action="Compare")
    users, failed = _users_failed(after), _users_failed(before)
    told = {transition.reason if transition is not None else None, failed.reason if failed is not None else None}
    if users is not None and users.reason not in told:
        yield EventDraft(warning=True, reason=users.reason, message=users.message, action="SyncUsers")
    yield from _notifications(before, after)
    if _acknowledged(after) not in {None, _acknowledged(before)}:
        message = "the rotated credentials work, and Talkdesk has the acknowledgement of the rotation"
        yield EventDraft(warning=False, reason=EventReason.CREDENTIALS_ROTATED, message=message, action="Acknowledge")


def _notifications(before: InstallationStatus, after: InstallationStatus) -> Iterator[EventDraft]:
    kind = ConditionType.NOTIFICATIONS_OVERDUE
    overdue, was = find(after.conditions, kind), find(before.conditions, kind)
    if overdue is not None and was is None:
        yield EventDraft(warning=True, reason=overdue.reason, message=overdue.message, action="Notify")
    counted = _given_up(before)
    names = ", ".join(name for name, number in _given_up(after).items() if number > counted.get(name, 0))
    if names:
        message = f"not delivered, and not tried any more: a notification to {names}"
        yield EventDraft(warning=True, reason=EventReason.NOTIFICATION_GIVEN_UP, message=message, action="Notify")


def _given_up(status: InstallationStatus) -> Mapping[str, int]:
    endpoints = status.notifications.endpoints if status.notifications is not None else ()
    return {each.name: each.given_up for each in endpoints}


def _users_failed(status: InstallationStatus) -> Condition | None:
    """Return what says that users failed at the SCIM service; None while none did."""
    found = find(status.conditions, ConditionType.USERS_SYNCED)
    failed = found is not None and found.status == "False" and found.reason != Reason.USERS_SYNCING
    return found if failed else None


def _acknowledged(status: InstallationStatus) -> str | None:
    return status.credentials.acknowledged_event_id if status.credentials is not None else None


def _transition(before: InstallationStatus, after: InstallationStatus) -> EventDraft | None:
    """Return the Event for a new phase, or for a new reason why it is not ready; None when there is neither."""
    ready, was = find(after.conditions, ConditionType.READY), find(before.conditions, ConditionType.READY)
    if ready is None or after.phase is None:
        return None
    failing = after.retry is not None or _stalled(after)
    if after.phase == before.phase and (was is None or was.reason == ready.reason or not failing):
        return None
    if failing:
        return EventDraft(warning=True, reason=ready.reason, message=ready.message, action=after.phase.value)
    return EventDraft(
        warning=after.phase in _WARNING_PHASES,
        reason=after.phase.value,
        message=ready.message,
        action=after.phase.value,
    )


def _stalled(status: InstallationStatus) -> bool:
    stalled = find(status.conditions, ConditionType.STALLED)
    return stalled is not None and stalled.status == "True"
