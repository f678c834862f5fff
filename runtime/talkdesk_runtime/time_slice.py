"""Long work in an event loop in slices, between which everything else gets its turn.

Belongs here: when to pause. Does not belong here: what the work is.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

__all__ = ["TimeSlice"]

_SECONDS: Final = 0.01
"""Of one slice: short beside what a Lease's renewal or a probe can wait, long beside the cost of a pause."""


class TimeSlice:
    """One per piece of work. Call `pause` after each unit; it costs nothing until the slice is used up."""

    def __init__(self, seconds: float = _SECONDS, clock: Callable[[], float] = time.perf_counter) -> None:
        """Take the length of a slice, and a clock that goes on while the work is done."""
        self._seconds = seconds
        self._clock = clock
        self._began = clock()

    async def pause(self) -> None:
        """Let the loop do what is ready, if this slice is used up, and begin the next."""
        if self._clock() - self._began >= self._seconds:
            await asyncio.sleep(0)
            self._began = self._clock()
