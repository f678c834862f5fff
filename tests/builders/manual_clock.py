"""A clock that stands still until it is told to go on."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


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
