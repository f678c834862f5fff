"""How many calls of one app and region run at once, and the pause that Talkdesk asked for.

Belongs here: admission of calls by key. Does not belong here: retries; whoever called comes again by the queue.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from talkdesk_operator.adapters.talkdesk.clock import Clock
from talkdesk_operator.domain.talkdesk import RateLimited


class Limiter:
    """One gate per key: bounded concurrency, and a pause that all calls of the key share."""

    def __init__(self, *, concurrency: int, patience: timedelta, clock: Clock) -> None:
        """Let `concurrency` calls of a key run; wait out pauses of up to `patience`, give longer ones back."""
        self._concurrency = concurrency
        self._patience = patience.total_seconds()
        self._clock = clock
        # Keys name apps, of which there are a few: no bound is needed.
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._until: dict[str, float] = {}

    @asynccontextmanager
    async def admitted(self, key: str, call: str) -> AsyncIterator[None]:
        """Hold one of the key's slots, once its pause is over; RateLimited when that takes too long.

        A short pause is waited out here because coming again by the queue costs a status write each.
        """
        slots = self._slots.setdefault(key, asyncio.Semaphore(self._concurrency))
        async with slots:
            while (left := self._until.get(key, 0) - self._clock.monotonic()) > 0:
                if left > self._patience:
                    raise RateLimited(
                        f"{call}: Talkdesk asked for no calls for another {left:.0f} s",
                        retry_after=timedelta(seconds=left),
                    )
                await self._clock.sleep(left)
            yield

    def pause(self, key: str, duration: timedelta) -> None:
        """Admit no call of the key for so long; a pause under way is never made shorter."""
        until = self._clock.monotonic() + duration.total_seconds()
        self._until[key] = max(until, self._until.get(key, until))
