"""How urgent an account's work is.

Belongs here: the classes of work and the order within a class. Does not belong here: the queue (`workqueue`).
"""

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
    """A request waits for its answer; within the class, the nearest deadline goes first."""
    CHANGED = 2
    """Something else changed."""
    RETRY = 3
    """A failure is retried."""
    RESYNC = 4
    """The periodic resync; nothing seems to have changed."""


def priority_of(installations: Sequence[TalkdeskInstallation], now: datetime) -> tuple[Priority, float]:
    """Return the class of an account's work and its order within the class (seconds since 1970, smaller goes first).

    All requests of an app have the same time for an answer, counted from the event's own time. So the oldest request
    has the nearest deadline.
    """
    waiting = [i for i in installations if waits_for_answer(i)]
    requested = [i.spec.request.event_time.timestamp() for i in waiting if i.spec.request is not None]
    order = min(requested, default=now.timestamp())
    deleting = any(i.metadata.deletion_timestamp is not None for i in installations)
    uninstalling = any(i.spec.request is not None and i.spec.request.type is RequestType.UNINSTALL for i in waiting)
    if deleting or uninstalling:
        return Priority.DELETION, order
    return (Priority.ANSWER if waiting else Priority.CHANGED), order
