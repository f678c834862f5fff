"""A bound on log lines that strangers can cause: one a minute of each kind.

Belongs here: when a line is due. Does not belong here: what it says.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["LogLimit"]

_INTERVAL: Final = 60.0
_Kind = TypeVar("_Kind")


class LogLimit(Generic[_Kind]):
    """Says of each kind when to log it; kinds are few, and ours."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._silent_until: dict[_Kind, float] = {}
        self._left_out: Counter[_Kind] = Counter()

    def left_out(self, kind: _Kind) -> int | None:
        """Return how many lines of that kind were left out since the last if one is due now, else None."""
        now = self._monotonic()
        if now < self._silent_until.get(kind, now):
            self._left_out[kind] += 1
            return None
        self._silent_until[kind] = now + _INTERVAL
        return self._left_out.pop(kind, 0)
