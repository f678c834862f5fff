"""The simulator's clock: real time plus an offset that only grows.

Belongs here: reading and moving the clock. Does not belong here: what happens when time passes (`lifecycle`).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def wall_time() -> datetime:
    """Return real time, UTC."""
    return datetime.now(UTC)


class Clock:
    """Real time plus an offset."""

    def __init__(self, offset: timedelta = timedelta(), wall: Callable[[], datetime] = wall_time) -> None:
        self._wall = wall
        self._offset = offset

    def now(self) -> datetime:
        """Return the time on the simulator's clock, UTC."""
        return self._wall() + self._offset

    def wall(self) -> datetime:
        """Return real time, UTC: what clients' clocks say, which can't be moved from here."""
        return self._wall()

    @property
    def offset(self) -> timedelta:
        """How far the simulator is ahead of real time."""
        return self._offset

    def forward(self, by: timedelta) -> None:
        """Move ahead. Raises ValueError for a step back because what has happened can't be undone."""
        if by < timedelta():
            raise ValueError("the clock only moves forward; start with a negative clock offset instead")
        self._offset += by

    def forward_to(self, at: datetime) -> None:
        """Move ahead to a time; do nothing for a time in the past."""
        self.forward(max(at - self.now(), timedelta()))
