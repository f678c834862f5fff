"""What work queues have in hand, summed at each scrape: a process has one for each shard that it works on.

Belongs here: which queues there are, and the sums. Does not belong here: the metrics' names (`metrics`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

__all__ = ["QueueLoad", "QueueLoads"]


@dataclass(frozen=True, slots=True, eq=False)
class QueueLoad:
    """What one queue has in hand."""

    pending: Callable[[], int]
    """How many keys wait for a worker."""
    ages: Callable[[], Collection[float]]
    """For how many seconds each reconcile has been running."""
    workers: int


@dataclass(slots=True)
class QueueLoads:
    """All queues of a process."""

    queues: list[QueueLoad] = field(default_factory=list)

    def pending(self) -> int:
        """Return how many keys wait for a worker."""
        return sum(queue.pending() for queue in self.queues)

    def active(self) -> int:
        """Return how many reconciles run."""
        return len(self._ages())

    def unfinished(self) -> float:
        """Return the sum of the ages of all running reconciles."""
        return sum(self._ages())

    def longest(self) -> float:
        """Return the age of the oldest running reconcile."""
        return max(self._ages(), default=0.0)

    def workers(self) -> int:
        """Return how many reconciles may run at once."""
        return sum(queue.workers for queue in self.queues)

    def _ages(self) -> list[float]:
        return [age for queue in self.queues for age in queue.ages()]
