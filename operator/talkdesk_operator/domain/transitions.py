"""What a change of status is worth telling: one Kubernetes Event for a transition, none for a repetition."""

from dataclasses import dataclass

from talkdesk_crds.conditions import ConditionType, find
from talkdesk_crds.installation import InstallationPhase, InstallationStatus

__all__ = ["Announcement", "announcement"]

_BAD = frozenset({InstallationPhase.TIMED_OUT, InstallationPhase.REJECTED, InstallationPhase.GONE})


@dataclass(frozen=True, slots=True)
class Announcement:
    """What becomes a Kubernetes Event."""

    warning: bool
    reason: str
    message: str
    action: str


def announcement(before: InstallationStatus, after: InstallationStatus) -> Announcement | None:
    """Give what to tell of a change: a new phase, or a new reason for not being ready; None when there is neither."""
    ready, was = find(after.conditions, ConditionType.READY), find(before.conditions, ConditionType.READY)
    if ready is None or after.phase is None:
        return None
    failing = after.retry is not None or _stalled(after)
    if after.phase == before.phase and (was is None or was.reason == ready.reason or not failing):
        return None
    if failing:
        return Announcement(warning=True, reason=ready.reason, message=ready.message, action=after.phase.value)
    return Announcement(
        warning=after.phase in _BAD, reason=after.phase.value, message=ready.message, action=after.phase.value
    )


def _stalled(status: InstallationStatus) -> bool:
    stalled = find(status.conditions, ConditionType.STALLED)
    return stalled is not None and stalled.status == "True"
