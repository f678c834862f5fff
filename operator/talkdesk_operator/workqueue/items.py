"""What the work queue keeps of a key that waits: for a worker, for the pass before it, or for its time.

Belongs here: the merging of several wishes for one key. Does not belong here: who is next (`queue`).
"""

from dataclasses import dataclass

from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.workqueue.contract import Cause, Timer

__all__ = ["PendingItem", "ScheduledItem"]


@dataclass(slots=True)
class PendingItem:
    """A key that waits for a worker, or for the end of the pass over it."""

    priority: Priority
    order: float
    number: int
    since: float
    causes: set[Cause]
    evidence: set[str]

    @property
    def rank(self) -> tuple[Priority, float]:
        """Class and order: the lowest goes first."""
        return self.priority, self.order

    def merge(self, priority: Priority, order: float, cause: Cause, evidence: str) -> bool:
        """Take in another wish for the same key; return whether its place is better."""
        self.causes.add(cause)
        self.evidence.add(evidence)
        if (priority, order) >= self.rank:
            return False
        self.priority, self.order = priority, order
        return True


@dataclass(frozen=True, slots=True)
class ScheduledItem:
    """A key that waits for its time."""

    when: float
    timer: Timer
