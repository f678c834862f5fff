"""What is asked often and changes seldom: a bounded cache that asks once for many.

Belongs here: time-to-live, negative entries, single flight, and a bound on how often unknown keys are asked for, so
that whoever invents names can't make us hammer somebody else. Does not belong here: what is looked up, or how.

    LookupFailed        the source can't be asked, or its answer makes no sense; nothing usable is at hand
    └── LookupThrottled too many unknown keys were asked for just now
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["Budget", "Loaded", "LookupFailed", "LookupThrottled", "Lookups"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_PAUSE_AFTER_FAILURE: Final = 5.0
"""Seconds for which an old value is given without asking again, after asking failed."""


class LookupFailed(Exception):
    """Nothing usable is at hand; `str()` is fit for a log line."""


class LookupThrottled(LookupFailed):
    """Too many unknown keys were asked for just now."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[V]):
    """An answer of the source; `value` is None when it says that there is no such thing."""

    value: V | None
    fresh_for: float
    """Seconds until it is asked for again."""
    usable_for: float = 0.0
    """Seconds for which it may be given when the source can't be asked again."""


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V | None
    fresh_until: float
    usable_until: float


class Budget:
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


class Lookups(Generic[K, V]):
    """Cache over `load`, which gives a Loaded or raises LookupFailed."""

    def __init__(
        self,
        load: Callable[[K], Awaitable[Loaded[V]]],
        *,
        size: int,
        budget: Budget,
        clock: Callable[[], float],
    ) -> None:
        self._load = load
        self._size = size
        self._budget = budget
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._flights: dict[K, asyncio.Task[V | None]] = {}

    async def get(self, key: K) -> V | None:
        """Return the value, or None when the source says there is none; raise LookupFailed when neither is known."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            if self._clock() < entry.fresh_until:
                return entry.value
        # Shielded: one caller who gives up must not take the answer from the others.
        return await asyncio.shield(self._flight(key, entry))

    def _flight(self, key: K, entry: _Entry[V] | None) -> asyncio.Task[V | None]:
        flight = self._flights.get(key)
        if flight is None:
            known = entry is not None and entry.value is not None
            if not known and not self._budget.take(self._clock()):
                raise LookupThrottled("too many unknown names were asked for just now")
            flight = asyncio.create_task(self._refresh(key, entry))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._landed(key, task))
        return flight

    def _landed(self, key: K, task: asyncio.Task[V | None]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # seen, also when everybody who waited for it has given up

    async def _refresh(self, key: K, entry: _Entry[V] | None) -> V | None:
        try:
            loaded = await self._load(key)
        except LookupFailed:
            now = self._clock()
            if entry is None or now >= entry.usable_until:
                raise
            entry.fresh_until = min(now + _PAUSE_AFTER_FAILURE, entry.usable_until)
            return entry.value
        now = self._clock()
        self._entries[key] = _Entry(loaded.value, now + loaded.fresh_for, now + loaded.usable_for)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return loaded.value
