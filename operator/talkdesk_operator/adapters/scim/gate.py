"""When a service is left alone: because it asked for it, or because it keeps failing.

Belongs here: admission of calls by the service's origin. Does not belong here: how many run at once, retries.
"""

from datetime import timedelta
from typing import Final

from talkdesk_operator.domain.ports.scim_errors import ScimCircuitOpen, ScimError, ScimRateLimited, ScimTransient
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

_FAILURES: Final = 8
"""In a row, of whatever tenant's calls; a single user that a service stumbles over doesn't make so many."""
_SPARED_FOR: Final = timedelta(seconds=30)
_UNSAID: Final = timedelta(seconds=1)
"""Pause after a 429 that names none."""
_SERVICES: Final = 4096


class _State:
    """How a service did lately."""

    def __init__(self) -> None:
        self.failures = 0
        self.paused_until = 0.0
        self.spared_until = 0.0


class Gate:
    """One gate for all services."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: LruMap[str, _State] = LruMap(_SERVICES)

    async def admit(self, origin: str, words: str, patience: timedelta) -> None:
        """Wait out a pause of up to `patience`; RateLimited for a longer one, Spared when the service keeps failing.

        A short pause is waited out here because coming again by the queue costs a status write each.
        """
        state = self._state(origin)
        if (left := state.spared_until - self._clock.monotonic()) > 0:
            message = f"{words}: it failed {state.failures} times in a row and is left alone for {left:.0f} s"
            raise ScimCircuitOpen(message, kind="left alone", retry_after=timedelta(seconds=left))
        while (left := state.paused_until - self._clock.monotonic()) > 0:
            if left > patience.total_seconds():
                message = f"{words}: it asked for no calls for another {left:.0f} s"
                raise ScimRateLimited(message, kind="429", retry_after=timedelta(seconds=left))
            await self._clock.sleep(left)

    def note(self, origin: str, error: ScimError | None) -> None:
        """Learn what came of a call."""
        state = self._state(origin)
        now = self._clock.monotonic()
        if not isinstance(error, ScimTransient):
            state.failures = 0
            return
        wait = error.retry_after
        if isinstance(error, ScimRateLimited):
            wait = wait or _UNSAID
        else:
            state.failures += 1
            if state.failures >= _FAILURES:
                state.spared_until = now + _SPARED_FOR.total_seconds()
        if wait is not None:
            state.paused_until = max(state.paused_until, now + wait.total_seconds())

    def _state(self, origin: str) -> _State:
        state = self._states.get(origin)
        if state is None:
            state = _State()
            self._states.put(origin, state)
        return state
