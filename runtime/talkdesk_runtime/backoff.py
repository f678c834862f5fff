"""Exponential back-off with jitter: the one rule by which anything here is tried again.

Belongs here: how long to wait before the next attempt. Does not belong here: counting failures, waiting.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

__all__ = ["Backoff"]

_DOUBLINGS: Final = 30
"""More would only make huge numbers before the bound cuts them: 2^30 times any first delay is beyond every bound."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double with each failure in a row, up to a bound; half of each delay is random."""

    first: timedelta
    """After the first failure."""
    longest: timedelta
    """No delay is longer, unless a server asks for it (Retry-After), which the caller handles."""

    def delay(self, failures: int, chance: float) -> timedelta:
        """Return the delay after so many failures in a row (1 or less: the first), `chance` being from 0 to 1.

        With `chance` 0 it is half of the full delay, with 1 all of it: callers that failed at the same moment do not
        come back at the same moment.
        """
        doublings = min(max(failures - 1, 0), _DOUBLINGS)
        whole: timedelta = min(self.first * 2**doublings, self.longest)
        return whole * (0.5 + chance / 2)
