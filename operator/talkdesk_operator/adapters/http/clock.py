"""Time as the adapter sees it, handed in so that tests can move it.

Belongs here: the three questions about time that the adapter has. Does not belong here: time-outs of sockets.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time."""

    monotonic: Callable[[], float]
    """Seconds that never go back: for ages and waits."""
    now: Callable[[], datetime]
    """The wall clock, with zone: for what Talkdesk compares with its own clock."""
    sleep: Callable[[float], Awaitable[None]]
    """Waits for so many seconds."""

    @classmethod
    def system(cls) -> "Clock":
        """Return the machine's clock."""
        return cls(monotonic=time.monotonic, now=lambda: datetime.now(UTC), sleep=asyncio.sleep)
