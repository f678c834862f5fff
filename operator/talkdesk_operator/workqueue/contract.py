"""The contract between the work queue and the reconciler.

Belongs here: causes, results, the signature of a reconcile, timers. Does not belong here: any behaviour.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority

__all__ = ["Cause", "QueueSettings", "Reconcile", "Requeue", "Result", "Scheduler", "Timer"]


class Cause(StrEnum):
    """Why an account is reconciled."""

    WATCH = "Watch"
    """Something of it changed."""
    RETRY = "Retry"
    """The reconcile before this one asked for it."""
    RESYNC = "Resync"
    """Nothing happened, but it is time to read Talkdesk's state again."""
    STARTUP = "Startup"
    """The operator started."""
    FAULT = "Fault"
    """The reconcile before this one raised an exception that nothing else handles: a fault of ours."""
    DRIFT = "Drift"
    """Somebody else changed or deleted an object of the tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """Bounds of the queue."""

    workers: int = 32
    """Reconciles at once. Each waits for the network most of the time."""
    grace: timedelta = timedelta(seconds=20)
    """How long running reconciles may go on after the stop."""
    resync_share: float = 0.5
    """Share of the workers that may be busy with resyncs at once: the others stay free for what is urgent."""
    resync_jitter: float = 0.1
    """Resyncs come earlier or later by up to this share, so that not all come at once for ever after a start."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """A request of a reconcile for another one."""

    after: timedelta
    priority: Priority
    """RESYNC has its own timer and cause, and is spread by jitter; all others count as retries."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a reconcile."""

    next: tuple[Requeue, ...] = ()
    """When to reconcile again."""
    failed: bool = False
    """Whether it counts as an error in the metrics."""
    error: str = ""
    """What the API server said when not even a status could be written: the reconcile is made again, for the same
    causes."""
    conflict: bool = False
    """Whether that was only because somebody else wrote meanwhile, so that it can be made again at once."""


Reconcile: TypeAlias = Callable[[AccountKey, frozenset[Cause]], Awaitable[Result]]
"""Reconciles one account."""


class Timer(Protocol):
    """A call at a later time."""

    def cancel(self) -> None:
        """Don't make the call."""


class Scheduler(Protocol):
    """The part of an event loop that has to do with time; an event loop is one."""

    def time(self) -> float:
        """Return the seconds since some moment; they never go back."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call back at that time."""
        ...
