"""Time and chance, handed in so that tests can decide both.

Belongs here: what any part asks about time, and the one source of random numbers. Does not belong here: time-outs of
sockets.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Clock", "new_rng", "utc_now"]


def utc_now() -> datetime:
    """Return the present moment in UTC, by the machine's clock."""
    return datetime.now(UTC)


def new_rng() -> random.Random:
    """Return a source of random numbers that spreads load. It protects nothing: never use it for secrets."""
    return random.Random()  # noqa: S311 - see above


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time."""

    monotonic: Callable[[], float]
    """Seconds that never go back: for ages and waits."""
    now: Callable[[], datetime]
    """The wall clock, with zone: for what others compare with their own clock."""
    sleep: Callable[[float], Awaitable[None]]
    """Wait for so many seconds."""

    @classmethod
    def system(cls) -> "Clock":
        """Return the machine's clock."""
        return cls(monotonic=time.monotonic, now=utc_now, sleep=asyncio.sleep)
