"""A circuit breaker: an endpoint that keeps failing is left alone for a moment; pure.

Belongs here: when to stop and when to try again. Does not belong here: what counts as a failure.
"""

from dataclasses import dataclass, field

__all__ = ["Breaker"]


@dataclass
class Breaker:
    """Opens after `failures` in a row; from then on lets one attempt through each `pause` until one succeeds.

    All times are seconds of a monotonic clock.
    """

    failures: int
    pause: float
    _in_a_row: int = field(default=0, init=False)
    _open_until: float = field(default=0.0, init=False)

    def wait(self, now: float) -> float:
        """Return 0 when an attempt may be made now, which must be followed by its outcome; else how long to wait."""
        if self._in_a_row < self.failures:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        self._open_until = now + self.pause  # for all but the one attempt that this is
        return 0.0

    def note(self, *, well: bool, now: float) -> None:
        """Note the outcome of an attempt: whether it was answered as by somebody who is well."""
        self._in_a_row = 0 if well else self._in_a_row + 1
        self._open_until = now + self.pause
