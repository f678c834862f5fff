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
from typing import Final

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
    """Seconds that never go back, and go on while the machine sleeps: for ages and waits."""
    now: Callable[[], datetime]
    """The wall clock, with zone: for what others compare with their own clock."""
    sleep: Callable[[float], Awaitable[None]]
    """Wait for so many seconds."""

    @classmethod
    def system(cls) -> "Clock":
        """Return the machine's clock."""
        return cls(monotonic=_elapsed, now=utc_now, sleep=asyncio.sleep)


def _elapsed() -> float:
    """Return seconds that never go back. Where the system has such a clock, time in which the machine slept counts.

    `time.monotonic` stops then, so a Lease, a token or an outage would look younger than it is.
    """
    return time.clock_gettime(_ELAPSED)


_ELAPSED: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
