"""A bounded cache of what is read often and changes seldom; many callers share one read.

Belongs here: time to live, negative entries, single flight, and a bound on how often unknown keys are read, so that a
sender who invents names can't make us flood the source. Does not belong here: what is looked up, or how.

Nor can such a sender keep real keys out. What there is stands apart from what there is not, so made-up keys push
nothing out. A key that was asked for before has a budget of its own, because a real one is always asked for again; and
so has whoever is known not to make keys up, because a made-up one may be asked for again, too.

    LookupFailed        the source can't be read, or its response makes no sense, and no usable value is cached
    └── LookupThrottled too many unknown keys were looked up just now
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

__all__ = ["Loaded", "LookupCache", "LookupFailed", "LookupThrottled", "TokenBucket"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_REMEMBERED: Final = 65_536
"""Unknown keys of which it is remembered that they were asked for, twice: some MB, and minutes at hundreds a second."""
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
    is_doubtful: bool = False
    """Whether a source that says "no such thing" may be wrong for a moment: a known value is dropped only when it says
    so twice, `fresh_for` apart."""


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V | None
    fresh_until: float
    usable_until: float
    is_doubted: bool = False
    """Whether the source said the last time that there is no such thing."""


class TokenBucket:
    """A token bucket: `burst` at once, `per_second` in the long run."""

    __slots__ = ("_at", "_burst", "_left", "_per_second")

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


class _Recent:
    """Keys that were asked for not long ago, as numbers; two generations, so that the newest are always there."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._old: set[int] = set()

    def add(self, key: Hashable) -> bool:
        """Return whether the key is among them, and add it."""
        number = hash(key)
        if number in self._new:
            return True
        known = number in self._old
        if len(self._new) >= _REMEMBERED:
            self._new, self._old = set(), self._new
        self._new.add(number)
        return known


class LookupCache(Generic[K, V]):
    """A cache in front of `load`, which returns a Loaded or raises LookupFailed."""

    def __init__(
        self,
        load: Callable[[K], Awaitable[Loaded[V]]],
        *,
        size: int,
        budget: TokenBucket,
        clock: Clock,
        asked_again: TokenBucket | None = None,
    ) -> None:
        """Keep `size` values, and of as many keys that there is none.

        `budget` is for unknown keys, and `asked_again` for those of them that were asked for before.
        """
        self._load = load
        self._budget = budget
        self._asked_again = asked_again
        self._recent = _Recent()
        self._now = clock.monotonic
        self._values: LruMap[K, _Entry[V]] = LruMap(size)
        self._absent: LruMap[K, _Entry[V]] = LruMap(size)
        self._flights: dict[K, asyncio.Task[V | None]] = {}

    def has(self, key: K) -> bool:
        """Return whether a read of the key takes from no budget: its value is known, or that there is none now."""
        return key in self._values or self.is_absent(key)

    def is_absent(self, key: K) -> bool:
        """Return whether the source said lately that there is no such key."""
        absent = self._absent.peek(key)
        return absent is not None and self._now() < absent.fresh_until

    async def get(
        self,
        key: K,
        *,
        own_budget: TokenBucket | None = None,
        reserves: Sequence[TokenBucket] = (),
        ahead: float = 0.0,
    ) -> V | None:
        """Return the value, or None when the source says that there is none; raise LookupFailed.

        `own_budget` is that of whoever asks, and bounds unknown keys beside the budgets of all. `reserves` are only
        theirs, and come first. What would be read again within `ahead` seconds is read now.
        """
        entry = self._values.get(key) or self._absent.get(key)
        if entry is not None and self._now() + ahead < entry.fresh_until:
            return entry.value
        # Shielded: when one caller is cancelled, the others still get the value.
        return await asyncio.shield(self._flight(key, entry, own_budget, reserves))

    def _flight(
        self, key: K, entry: _Entry[V] | None, own_budget: TokenBucket | None, reserves: Sequence[TokenBucket]
    ) -> asyncio.Task[V | None]:
        flight = self._flights.get(key)
        if flight is None:
            if entry is None or entry.value is None:
                self._pay(key, own_budget, reserves)
            flight = asyncio.create_task(self._refresh(key, entry))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._ended(key, task))
        return flight

    def _pay(self, key: K, own_budget: TokenBucket | None, reserves: Sequence[TokenBucket]) -> None:
        """Take a read of an unknown key from its budgets; raises LookupThrottled."""
        now, again = self._now(), self._recent.add(key)
        if any(reserve.take(now) for reserve in reserves):
            return
        if own_budget is None or own_budget.take(now):
            if self._budget.take(now):
                return
            if again and self._asked_again is not None and self._asked_again.take(now):
                return
        raise LookupThrottled("too many unknown names were looked up just now")

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
        if loaded.value is None and loaded.is_doubtful and entry is not None and _may_be_doubted(entry, now):
            entry.is_doubted = True
            entry.fresh_until = min(now + loaded.fresh_for, entry.usable_until)
            return entry.value
        kept, other = (self._absent, self._values) if loaded.value is None else (self._values, self._absent)
        other.pop(key)
        kept.put(key, _Entry(loaded.value, now + loaded.fresh_for, now + loaded.usable_for))
        return loaded.value


def _may_be_doubted(entry: _Entry[V], now: float) -> bool:
    return entry.value is not None and not entry.is_doubted and now < entry.usable_until
