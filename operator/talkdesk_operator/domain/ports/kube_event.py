"""What a change of status is worth telling: a Kubernetes Event for a transition, none for a repetition."""

from collections.abc import Iterator
from dataclasses import dataclass

from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import InstallationPhase, InstallationStatus

__all__ = ["EventDraft", "events_for"]

_BAD = frozenset({InstallationPhase.TIMED_OUT, InstallationPhase.REJECTED, InstallationPhase.GONE})


@dataclass(frozen=True, slots=True)
class EventDraft:
    """What becomes a Kubernetes Event."""

    warning: bool
    reason: str
    message: str
    action: str


def events_for(before: InstallationStatus, after: InstallationStatus) -> Iterator[EventDraft]:
    """Yield what to tell of a change."""
    news = _phase(before, after)
    if news is not None:
        yield news
    if after.time_left is not None and after.time_left != before.time_left:
        message = f"{after.time_left} for the answer to Talkdesk"
        yield EventDraft(warning=True, reason=Reason.DEADLINE_NEAR, message=message, action="Answer")
    now, was = find(after.conditions, ConditionType.IN_SYNC), find(before.conditions, ConditionType.IN_SYNC)
    if now is not None and now.status == "False" and (was is None or was.status != "False"):
        yield EventDraft(warning=True, reason=now.reason, message=now.message, action="Compare")
    if _acknowledged(after) not in {None, _acknowledged(before)}:
        message = "the rotated credentials work; Talkdesk has our acknowledgement"
        yield EventDraft(warning=False, reason="CredentialsRotated", message=message, action="Acknowledge")


def _acknowledged(status: InstallationStatus) -> str | None:
    return status.credentials.acknowledged_event_id if status.credentials is not None else None


def _phase(before: InstallationStatus, after: InstallationStatus) -> EventDraft | None:
    """Tell of a new phase, or of a new reason for not being ready; None when there is neither."""
    ready, was = find(after.conditions, ConditionType.READY), find(before.conditions, ConditionType.READY)
    if ready is None or after.phase is None:
        return None
    failing = after.retry is not None or _stalled(after)
    if after.phase == before.phase and (was is None or was.reason == ready.reason or not failing):
        return None
    if failing:
        return EventDraft(warning=True, reason=ready.reason, message=ready.message, action=after.phase.value)
    return EventDraft(
        warning=after.phase in _BAD, reason=after.phase.value, message=ready.message, action=after.phase.value
    )


def _stalled(status: InstallationStatus) -> bool:
    stalled = find(status.conditions, ConditionType.STALLED)
    return stalled is not None and stalled.status == "True"
