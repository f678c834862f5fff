"""What the work queue and whoever works say to each other.

Belongs here: causes, results, the shape of a pass, the clock it is measured by. Does not belong here: any behaviour.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority

__all__ = ["Cause", "Clock", "Reconcile", "Requeue", "Result", "Timer"]


class Cause(StrEnum):
    """Why an account is looked at."""

    WATCH = "Watch"
    """Something of it changed."""
    RETRY = "Retry"
    """A pass asked for it, or broke."""
    RESYNC = "Resync"
    """It was not looked at for long."""
    STARTUP = "Startup"
    """The operator started."""
    FAULT = "Fault"
    """The pass before this one broke off with something that nobody foresaw."""
    DRIFT = "Drift"
    """Somebody else changed or deleted an object of the tenant."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """A pass's wish for another one."""

    after: timedelta
    priority: Priority
    """RESYNC wakes have their own timer and cause, and are spread by some jitter; all others count as retries."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a pass."""

    next: tuple[Requeue, ...] = ()
    """When to look again."""
    failed: bool = False
    """Whether it counts as an error in the metrics."""


Reconcile: TypeAlias = Callable[[AccountKey, frozenset[Cause]], Awaitable[Result]]
"""One pass over one account."""


class Timer(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Forget about it."""


class Clock(Protocol):
    """The part of an event loop that has to do with time; an event loop is one."""

    def time(self) -> float:
        """Return the seconds since some moment; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call back at that time."""
        ...
