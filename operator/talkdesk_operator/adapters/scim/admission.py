"""When a service gets no calls: because it asked for a pause, or because it keeps failing.

Belongs here: admission of calls by the service's origin. Does not belong here: how many run at once, when a circuit
opens and closes (talkdesk_runtime.circuit_breaker).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, TypeVar

from talkdesk_operator.domain.ports.scim_errors import ScimCircuitOpen, ScimError, ScimRateLimited, ScimTransient
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits, CircuitBreakers
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

__all__ = ["Admission", "CallOutcome", "with_retries"]

T = TypeVar("T")

_OPEN_TIME: Final = timedelta(seconds=30)
_LIMITS: Final = BreakerLimits(
    # In a row, of whatever tenant's calls; a single user that a service stumbles over doesn't make so many.
    failures=8,
    open_time=Backoff(first=_OPEN_TIME, longest=_OPEN_TIME),
    # The other workers of the batch whose call is the probe wait for its outcome.
    probe_time=timedelta(seconds=1),
)
_UNNAMED_PAUSE: Final = timedelta(seconds=1)
"""Pause after a 429 that names none."""
_SERVICES: Final = 4096
_ATTEMPTS: Final = 3
"""At a call that gets a 429; the pauses in between are waited out."""


class CallOutcome:
    """What came of one call that was admitted."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: ScimError | None = None
        """Set by the caller when the call failed."""


class Admission:
    """Admits calls to all services."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: CircuitBreakers[str] = CircuitBreakers(_LIMITS, monotonic=clock.monotonic)
        self._paused_until: LruMap[str, float] = LruMap(_SERVICES)

    @asynccontextmanager
    async def admit(self, origin: str, words: str, patience: timedelta) -> AsyncIterator[CallOutcome]:
        """Let a call go, and learn from its outcome.

        A pause, or a probe of another call, is waited out up to `patience`, because coming again by the queue costs a
        status write each. Raises ScimRateLimited for a longer pause, ScimCircuitOpen while the service keeps failing.
        """
        await self._wait_until_free(origin, words, patience)
        outcome = CallOutcome()
        with self._breakers.attempt(origin) as attempt:
            yield outcome
            attempt.failed = _counts_as_failure(outcome.error)
            self._note_pause(origin, outcome.error)

    async def _wait_until_free(self, origin: str, words: str, patience: timedelta) -> None:
        until = self._clock.monotonic() + patience.total_seconds()
        while True:
            open_for = self._breakers.wait(origin)
            paused_for = (self._paused_until.get(origin) or 0.0) - self._clock.monotonic()
            left = max(open_for, paused_for)
            if left <= 0:
                return
            if self._clock.monotonic() + left > until:
                raise _refusal(words, open_for, paused_for)
            await self._clock.sleep(left)

    def _note_pause(self, origin: str, error: ScimError | None) -> None:
        if not isinstance(error, ScimTransient):
            return
        wait = error.retry_after
        if isinstance(error, ScimRateLimited):
            wait = wait or _UNNAMED_PAUSE
        if wait is not None:
            until = self._clock.monotonic() + wait.total_seconds()
            self._paused_until.put(origin, max(until, self._paused_until.get(origin) or 0))


async def with_retries(attempt: Callable[[], Awaitable[T]], has_time: Callable[[], bool]) -> T:
    """Try again after a 429: the admission waits out the pause, or raises when it is too long."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt()
        except ScimRateLimited:
            if not has_time():
                raise
    return await attempt()


def _refusal(words: str, open_for: float, paused_for: float) -> ScimError:
    if open_for > 0:
        # No figures in the words: they go into a status, which isn't written while nothing changes.
        message = f"{words}: nothing was sent, because calls there keep failing"
        return ScimCircuitOpen(message, kind="circuit open", retry_after=timedelta(seconds=max(open_for, paused_for)))
    message = f"{words}: it asked for no calls for another {paused_for:.0f} s"
    return ScimRateLimited(message, kind="429", retry_after=timedelta(seconds=paused_for))


def _counts_as_failure(error: ScimError | None) -> bool | None:
    match error:
        case ScimRateLimited():
            return None
        case ScimTransient():
            return True
        case _:
            return False
