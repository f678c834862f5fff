"""The simulator's clock: real time plus an offset that only grows.

Belongs here: telling and moving time. Does not belong here: what happens when time passes.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def wall_time() -> datetime:
    """Real time, UTC."""
    return datetime.now(UTC)


class Clock:
    """Real time plus an offset."""

    def __init__(self, offset: timedelta = timedelta(), wall: Callable[[], datetime] = wall_time) -> None:
        self._wall = wall
        self._offset = offset

    def now(self) -> datetime:
        """Time on the simulator's clock, UTC."""
        return self._wall() + self._offset

    def wall(self) -> datetime:
        """Real time: what clients' clocks say, which nobody can move from here."""
        return self._wall()

    @property
    def offset(self) -> timedelta:
        """How far the simulator is ahead of real time."""
        return self._offset

    def forward(self, by: timedelta) -> None:
        """Move ahead. Raises ValueError for a step back: what has happened can't be undone."""
        if by < timedelta():
            raise ValueError("the clock only moves forward; start with a negative clock offset instead")
        self._offset += by

    def forward_to(self, at: datetime) -> None:
        """Move ahead to a time; a time in the past is left alone."""
        self.forward(max(at - self.now(), timedelta()))
