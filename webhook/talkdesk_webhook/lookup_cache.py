"""A bounded cache of what is read often and changes seldom; many callers share one read.

Belongs here: time to live, negative entries, single flight, and a bound on how often unknown keys are read, so that a
sender who invents names can't make us flood the source. Does not belong here: what is looked up, or how.

    LookupFailed        the source can't be read, or its response makes no sense, and no usable value is cached
    └── LookupThrottled too many unknown keys were looked up just now
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

__all__ = ["Loaded", "LookupCache", "LookupFailed", "LookupThrottled", "TokenBucket"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_PAUSE_AFTER_FAILURE: Final = 5.0
"""Seconds for which an old value is returned without another read, after a read failed."""


class LookupFailed(Exception):
    """No usable value is known; `str()` is fit for a log line."""


class LookupThrottled(LookupFailed):
    """Too many unknown keys were looked up just now."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[V]):
    """What the source returned; `value` is None when it says that there is no such thing."""

    value: V | None
    fresh_for: float
    """Seconds until it is read again."""
    usable_for: float = 0.0
    """Seconds for which it may be returned when the source can't be read again."""


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V | None
    fresh_until: float
    usable_until: float


class TokenBucket:
    """A token bucket: `burst` at once, `per_second` in the long run."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._left = float(burst)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one, if there is one; `now` in seconds of a monotonic clock."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class LookupCache(Generic[K, V]):
    """A cache in front of `load`, which returns a Loaded or raises LookupFailed."""

    def __init__(
        self,
        load: Callable[[K], Awaitable[Loaded[V]]],
        *,
        size: int,
        budget: TokenBucket,
        clock: Clock,
    ) -> None:
        self._load = load
        self._budget = budget
        self._now = clock.monotonic
        self._entries: LruMap[K, _Entry[V]] = LruMap(size)
        self._flights: dict[K, asyncio.Task[V | None]] = {}

    async def get(self, key: K) -> V | None:
        """Return the value, or None when the source says that there is none; raise LookupFailed."""
        entry = self._entries.get(key)
        if entry is not None and self._now() < entry.fresh_until:
            return entry.value
        # Shielded: when one caller is cancelled, the others still get the value.
        return await asyncio.shield(self._flight(key, entry))

    def _flight(self, key: K, entry: _Entry[V] | None) -> asyncio.Task[V | None]:
        flight = self._flights.get(key)
        if flight is None:
            known = entry is not None and entry.value is not None
            if not known and not self._budget.take(self._now()):
                raise LookupThrottled("too many unknown names were looked up just now")
            flight = asyncio.create_task(self._refresh(key, entry))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._ended(key, task))
        return flight

    def _ended(self, key: K, task: asyncio.Task[V | None]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio logs nothing when every caller was cancelled

    async def _refresh(self, key: K, entry: _Entry[V] | None) -> V | None:
        try:
            loaded = await self._load(key)
        except LookupFailed:
            now = self._now()
            if entry is None or now >= entry.usable_until:
                raise
            entry.fresh_until = min(now + _PAUSE_AFTER_FAILURE, entry.usable_until)
            return entry.value
        now = self._now()
        self._entries.put(key, _Entry(loaded.value, now + loaded.fresh_for, now + loaded.usable_for))
        return loaded.value
