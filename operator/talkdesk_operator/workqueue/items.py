"""What the work queue keeps of a key that is pending or dirty.

Pending: it waits for a worker. Dirty: it is being reconciled, and was added again meanwhile.

Belongs here: the merging of several additions of one key. Does not belong here: which key is next (`queue`).
"""

from dataclasses import dataclass

from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.workqueue.contract import Cause

__all__ = ["PendingItem"]


@dataclass(slots=True)
class PendingItem:
    """A key that waits for a worker, or for the end of its present reconcile."""

    priority: Priority
    order: float
    number: int
    since: float
    causes: set[Cause]

    @property
    def rank(self) -> tuple[Priority, float]:
        """Class and order: the lowest goes first."""
        return self.priority, self.order

    def merge(self, priority: Priority, order: float, cause: Cause) -> bool:
        """Take in another addition of the same key; return whether its rank is better."""
        self.causes.add(cause)
        if (priority, order) >= self.rank:
            return False
        self.priority, self.order = priority, order
        return True
