"""How many installations are in which state, kept up to date by the cache.

Belongs here: what is counted of an installation, and the counts. Does not belong here: the metrics' form (`metrics`). A
scrape that read all installations would block the event loop for seconds with thousands of them.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeAlias

from talkdesk_crds.installation import TalkdeskInstallation

__all__ = ["App", "Counted", "InstallationTally"]

App: TypeAlias = tuple[str, str]
"""Namespace and name of a TalkdeskApp."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of one installation."""

    app: App
    phase: str
    conditions: tuple[tuple[str, str], ...]
    """Types and statuses."""
    time_left: str | None
    deadline: datetime | None

    @classmethod
    def of(cls, installation: TalkdeskInstallation) -> Self:
        """Read it from an installation."""
        status = installation.status
        conditions = tuple((condition.type, condition.status) for condition in status.conditions)
        app = (installation.metadata.namespace, installation.app)
        return cls(app, status.phase or "Unknown", conditions, status.time_left, status.deadline)


class InstallationTally:
    """The counts. Each installation has a key of its own."""

    def __init__(self) -> None:
        self.phases: Counter[tuple[str, str, str]] = Counter()
        """By namespace, app and phase."""
        self.conditions: Counter[tuple[str, str, str, str]] = Counter()
        """By namespace, app, and a condition's type and status."""
        self.near_deadline: Counter[tuple[str, str, str]] = Counter()
        """By namespace, app and what is left."""
        self._deadlines: dict[Hashable, tuple[App, datetime]] = {}

    def add(self, key: Hashable, counted: Counted | None) -> None:
        """Count one more; None counts nothing."""
        if counted is not None:
            self._count(counted, 1)
            if counted.deadline is not None:
                self._deadlines[key] = (counted.app, counted.deadline)

    def remove(self, key: Hashable, counted: Counted | None) -> None:
        """Take back what was counted of one."""
        if counted is not None:
            self._count(counted, -1)
            self._deadlines.pop(key, None)

    def nearest_deadlines(self) -> dict[App, datetime]:
        """Return the nearest deadline of each app that has any; the work is in proportion to how many wait."""
        nearest: dict[App, datetime] = {}
        for app, deadline in self._deadlines.values():
            nearest[app] = min(deadline, nearest.get(app, deadline))
        return nearest

    def _count(self, counted: Counted, number: int) -> None:
        _change(self.phases, ((*counted.app, counted.phase),), number)
        _change(self.conditions, ((*counted.app, *condition) for condition in counted.conditions), number)
        if counted.time_left is not None:
            _change(self.near_deadline, ((*counted.app, counted.time_left),), number)


def _change(counts: Counter, keys: Iterable[tuple[str, ...]], number: int) -> None:  # type: ignore[type-arg]  # by several widths
    for key in keys:
        counts[key] += number
        if not counts[key]:
            del counts[key]  # an app that is gone has no series any more
