"""A clock that stands still until a test advances it, or until somebody sleeps by it."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from talkdesk_runtime.clock import Clock

EPOCH = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
"""The wall clock's time when the clock shows 1000 seconds."""


@dataclass
class ManualTimer:
    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class ManualClock:
    now: float = 1000.0
    due: list[tuple[float, int, ManualTimer]] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    sleeps: list[float] = field(default_factory=list)
    """How long each sleep by `runtime_clock` was."""

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> ManualTimer:
        timer = ManualTimer(callback)
        heapq.heappush(self.due, (when, next(self.numbers), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due by then."""
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            when, _, timer = heapq.heappop(self.due)
            self.now = max(self.now, when)
            if not timer.cancelled:
                timer.callback()
        self.now = end

    @property
    def waiting(self) -> list[float]:
        """How long each timer that still stands has yet to wait."""
        return sorted(when - self.now for when, _, timer in self.due if not timer.cancelled)

    def runtime_clock(self) -> Clock:
        """Return a Clock for the product. A sleep by it advances this clock at once."""

        async def sleep(seconds: float) -> None:
            self.sleeps.append(seconds)
            self.advance(seconds)
            await asyncio.sleep(0)

        return Clock(monotonic=self.time, now=lambda: EPOCH + timedelta(seconds=self.now - 1000.0), sleep=sleep)
