"""For how long the event loop is blocked: while it is, no Lease is renewed, no probe answered, no deadline kept.

Belongs here: measuring. Does not belong here: what blocks it, and the metric's name (`metrics`).
"""

from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

__all__ = ["LoopLag"]

_TICK: Final = 0.02
_WINDOW: Final = 60.0


class LoopLag:
    """Notes when a tick comes late. A stretch shorter than a tick may not be noticed."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]) -> None:
        """Take a monotonic clock and its sleep, both in seconds."""
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._longest = self._before = 0.0

    async def run(self) -> NoReturn:
        """Measure until cancelled."""
        while True:
            due = self._clock() + _TICK
            await self._sleep(_TICK)
            self._turn()
            self._longest = max(self._longest, self._clock() - due)

    def longest(self) -> float:
        """Return the seconds of the longest delay of this window of a minute and the one before it."""
        self._turn()
        return max(self._longest, self._before)

    def _turn(self) -> None:
        now = self._clock()
        passed = now - self._began
        if passed >= _WINDOW:
            self._before = self._longest if passed < 2 * _WINDOW else 0.0
            self._longest, self._began = 0.0, now
