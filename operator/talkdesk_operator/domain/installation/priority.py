"""How urgent an account's work is."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

from talkdesk_crds.installation import RequestType, TalkdeskInstallation
from talkdesk_operator.domain.reconcile.deadlines import waits_for_answer

__all__ = ["Priority", "priority_of"]


class Priority(IntEnum):
    """Classes of work; the lowest number goes first."""

    DELETION = 0
    """An uninstall or a deletion."""
    ANSWER = 1
    """Somebody waits for an answer; within the class, the nearest deadline goes first."""
    CHANGED = 2
    """Something else changed."""
    RETRY = 3
    """A failure is tried again."""
    RESYNC = 4
    """Nothing seems to have changed."""


def priority_of(installations: Sequence[TalkdeskInstallation], now: datetime) -> tuple[Priority, float]:
    """Return the class of an account's work and its order in it (seconds since 1970, smaller goes first).

    The deadline counts from the event's own time, and it is the same span for everyone of an app, so the oldest request
    is the one with the nearest deadline.
    """
    waiting = [i for i in installations if waits_for_answer(i)]
    requested = [i.spec.request.event_time.timestamp() for i in waiting if i.spec.request is not None]
    order = min(requested, default=now.timestamp())
    going = any(i.metadata.deletion_timestamp is not None for i in installations)
    leaving = any(i.spec.request is not None and i.spec.request.type is RequestType.UNINSTALL for i in waiting)
    if going or leaving:
        return Priority.DELETION, order
    return (Priority.ANSWER if waiting else Priority.CHANGED), order
