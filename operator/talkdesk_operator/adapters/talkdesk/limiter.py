"""How many calls of one app and region run at once, and the pause that Talkdesk asked for.

Belongs here: admission of calls by key. Does not belong here: retries; the caller comes again by the queue.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, NamedTuple

from talkdesk_operator.domain.ports.talkdesk import TalkdeskRateLimited
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

_CALLERS: Final = 4096
"""Pauses that are remembered for single callers; the ones that are asked for now are far fewer."""


class Lane(NamedTuple):
    """Who calls, and what the call may wait for."""

    caller: str = ""
    """The account that calls. A pause is asked of one call: all others respect it out of courtesy."""
    urgent: bool = False
    """Takes no slot, and waits only for a pause that was asked of the same caller."""
    last_attempt: bool = False
    """Waits for no pause."""
    background: bool = False
    """Waits while it would take more than half of the slots, or the last one."""


ORDINARY: Final = Lane()


class Limiter:
    """For each key: bounded concurrency, and a pause that all its calls share."""

    def __init__(self, *, concurrency: int, patience: timedelta, clock: Clock) -> None:
        """Let `concurrency` calls of a key run; wait out pauses of up to `patience`, raise for longer ones."""
        self._concurrency = concurrency
        self._patience = patience.total_seconds()
        self._clock = clock
        # Keys name apps, of which there are a few: no bound is needed.
        self._slots: dict[str, _Slots] = {}
        self._until: dict[str, float] = {}
        self._own: LruMap[tuple[str, str], float] = LruMap(_CALLERS)

    @asynccontextmanager
    async def admitted(self, key: str, call: str, lane: Lane = ORDINARY) -> AsyncIterator[None]:
        """Hold one of the key's slots, once its pause is over; raise TalkdeskRateLimited when that takes too long.

        A short pause is waited out here because coming again by the queue costs a status write each.
        """
        if lane.urgent or lane.last_attempt:
            if not lane.last_attempt:
                await self._wait(call, lambda: self._own.get((key, lane.caller)))
            yield
            return
        slots = self._slots.setdefault(key, _Slots(self._concurrency))
        await slots.enter(background=lane.background)
        try:
            await self._wait(call, lambda: self._until.get(key))
            yield
        finally:
            slots.leave(background=lane.background)

    async def _wait(self, call: str, until: Callable[[], float | None]) -> None:
        """Wait out a pause, which may become longer meanwhile."""
        while (left := (until() or 0) - self._clock.monotonic()) > 0:
            if left > self._patience:
                raise TalkdeskRateLimited(
                    f"{call}: Talkdesk asked for no calls for another {left:.0f} s",
                    retry_after=timedelta(seconds=left),
                )
            await self._clock.sleep(left)

    def pause(self, key: str, duration: timedelta, caller: str = "") -> None:
        """Admit no call of the key for so long, as `caller` was asked; a pause under way is never made shorter."""
        until = self._clock.monotonic() + duration.total_seconds()
        self._until[key] = max(until, self._until.get(key, until))
        self._own.put((key, caller), max(until, self._own.get((key, caller)) or until))


class _Slots:
    """Slots for two kinds of calls: those in the background get what the others leave, in the order they came."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        # Where there is only one slot, it is the last one, and also all that the background can have.
        self._background_minimum = 2 if slots > 1 else 1
        self._background_free = max(1, slots // 2)
        self._foreground: deque[asyncio.Future[None]] = deque()
        self._background: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, background: bool) -> None:
        """Take a slot, or wait for one; a caller that is cancelled meanwhile holds none."""
        waiter = asyncio.get_running_loop().create_future()
        (self._background if background else self._foreground).append(waiter)
        self._admit()
        try:
            await waiter
        except asyncio.CancelledError:
            # The slot may have been granted in the same moment.
            if not waiter.cancelled():
                self.leave(background=background)
            raise

    def leave(self, *, background: bool) -> None:
        """Give a slot back, for the next caller that waits."""
        self._free += 1
        self._background_free += background
        self._admit()

    def _admit(self) -> None:
        while self._free and _grant(self._foreground):
            self._free -= 1
        while self._background_free and self._free >= self._background_minimum and _grant(self._background):
            self._free -= 1
            self._background_free -= 1


def _grant(waiters: deque[asyncio.Future[None]]) -> bool:
    """Let the first caller that still waits continue; return False when none does."""
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return True
    return False
