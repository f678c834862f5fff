"""How many calls of one app and region run at once, and the pause that Talkdesk asked for.

Belongs here: admission of calls by key. Does not belong here: retries; the caller comes again by the queue.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from talkdesk_operator.domain.ports.talkdesk import TalkdeskRateLimited
from talkdesk_runtime.clock import Clock


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

    @asynccontextmanager
    async def admitted(self, key: str, call: str, *, background: bool = False) -> AsyncIterator[None]:
        """Hold one of the key's slots, once its pause is over; raise TalkdeskRateLimited when that takes too long.

        A call in the background waits while it would take more than half of the slots, or the last one.
        A short pause is waited out here because coming again by the queue costs a status write each.
        """
        slots = self._slots.setdefault(key, _Slots(self._concurrency))
        await slots.enter(background=background)
        try:
            while (left := self._until.get(key, 0) - self._clock.monotonic()) > 0:
                if left > self._patience:
                    raise TalkdeskRateLimited(
                        f"{call}: Talkdesk asked for no calls for another {left:.0f} s",
                        retry_after=timedelta(seconds=left),
                    )
                await self._clock.sleep(left)
            yield
        finally:
            slots.leave(background=background)

    def pause(self, key: str, duration: timedelta) -> None:
        """Admit no call of the key for so long; a pause under way is never made shorter."""
        until = self._clock.monotonic() + duration.total_seconds()
        self._until[key] = max(until, self._until.get(key, until))


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
