"""How many calls of one app and region run at once, and the pause that Talkdesk asked for.

Belongs here: admission of calls by key. Does not belong here: retries; whoever called comes again by the queue.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from talkdesk_operator.domain.ports.talkdesk import TalkdeskRateLimited
from talkdesk_runtime.clock import Clock


class Limiter:
    """One gate per key: bounded concurrency, and a pause that all calls of the key share."""

    def __init__(self, *, concurrency: int, patience: timedelta, clock: Clock) -> None:
        """Let `concurrency` calls of a key run; wait out pauses of up to `patience`, give longer ones back."""
        self._concurrency = concurrency
        self._patience = patience.total_seconds()
        self._clock = clock
        # Keys name apps, of which there are a few: no bound is needed.
        self._gates: dict[str, _Gate] = {}
        self._until: dict[str, float] = {}

    @asynccontextmanager
    async def admitted(self, key: str, call: str, *, background: bool = False) -> AsyncIterator[None]:
        """Hold one of the key's slots, once its pause is over; RateLimited when that takes too long.

        A call in the background waits while it would take more than half of the slots, or the last one.
        A short pause is waited out here because coming again by the queue costs a status write each.
        """
        gate = self._gates.setdefault(key, _Gate(self._concurrency))
        await gate.enter(background=background)
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
            gate.leave(background=background)

    def pause(self, key: str, duration: timedelta) -> None:
        """Admit no call of the key for so long; a pause under way is never made shorter."""
        until = self._clock.monotonic() + duration.total_seconds()
        self._until[key] = max(until, self._until.get(key, until))


class _Gate:
    """Slots of two lanes: those in the background get what the others leave, in the order they came."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        # Where there is but one slot, it is both the last one and all that the sweep can have.
        self._least = 2 if slots > 1 else 1
        self._share = max(1, slots // 2)
        self._front: deque[asyncio.Future[None]] = deque()
        self._back: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, background: bool) -> None:
        """Take a slot, or wait for one; whoever is cancelled meanwhile holds none."""
        turn = asyncio.get_running_loop().create_future()
        (self._back if background else self._front).append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            # The slot may have come in the same moment.
            if not turn.cancelled():
                self.leave(background=background)
            raise

    def leave(self, *, background: bool) -> None:
        """Give a slot back, for whoever has the next turn."""
        self._free += 1
        self._share += background
        self._admit()

    def _admit(self) -> None:
        while self._free and _grant(self._front):
            self._free -= 1
        while self._share and self._free >= self._least and _grant(self._back):
            self._free -= 1
            self._share -= 1


def _grant(turns: deque[asyncio.Future[None]]) -> bool:
    """Let the first go on who still waits; False when nobody does."""
    while turns:
        turn = turns.popleft()
        if not turn.done():
            turn.set_result(None)
            return True
    return False
