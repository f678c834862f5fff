"""Keys that are added to the work queue at a later time: one timer for each class of a key.

Belongs here: the timers and the causes that they stand for. Does not belong here: what is scheduled when (`queue`).
"""

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.workqueue.contract import Cause, Scheduler, Timer

__all__ = ["Timers"]


@dataclass(frozen=True, slots=True)
class _Item:
    when: float
    timer: Timer
    causes: set[Cause]


class Timers:
    """Calls `due` with key, class, order and causes at the time of each timer."""

    def __init__(
        self, scheduler: Scheduler, due: Callable[[AccountKey, Priority, float, Collection[Cause]], None]
    ) -> None:
        self._scheduler = scheduler
        self._due = due
        self._items: dict[AccountKey, dict[Priority, _Item]] = {}

    def scheduled(self) -> tuple[AccountKey, ...]:
        """Return the keys that have a timer."""
        return tuple(self._items)

    def set(self, key: AccountKey, when: float, priority: Priority, order: float, cause: Cause) -> None:
        """Set a timer; of several in a class, the earliest stands for the causes of all."""
        items = self._items.setdefault(key, {})
        causes = {cause}
        known = items.get(priority)
        if known is not None:
            if known.when <= when:
                known.causes.add(cause)
                return
            known.timer.cancel()
            causes |= known.causes

        def due() -> None:
            self._drop(key, priority)
            self._due(key, priority, order, causes)

        items[priority] = _Item(when, self._scheduler.call_at(when, due), causes)

    def cancel(self, key: AccountKey, *, but: AbstractSet[Priority] = frozenset()) -> frozenset[Cause]:
        """Cancel the timers of a key, but those of some classes; return the causes that they stood for."""
        causes: frozenset[Cause] = frozenset()
        for priority, item in tuple(self._items.get(key, {}).items()):
            if priority not in but:
                item.timer.cancel()
                self._drop(key, priority)
                causes |= item.causes
        return causes

    def _drop(self, key: AccountKey, priority: Priority) -> None:
        items = self._items[key]
        del items[priority]
        if not items:
            del self._items[key]
