"""How long to wait before a failure is tried again."""

from datetime import datetime, timedelta

from talkdesk_crds.installation import Retry
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass

__all__ = ["next_retry"]

_FIRST = {RetryClass.TRANSIENT: timedelta(seconds=1), RetryClass.SLOW: timedelta(seconds=30)}
_LONGEST = {RetryClass.TRANSIENT: timedelta(minutes=5), RetryClass.SLOW: timedelta(minutes=30)}
_DOUBLINGS = 16
_BEFORE_DEADLINE = timedelta(seconds=30)


def next_retry(
    failure: Failure, before: Retry | None, now: datetime, *, jitter: float, deadline: datetime | None
) -> Retry | None:
    """Return when to try again: exponential with `jitter` (0 to 1, half of the delay is random); None for never.

    What the other side asked for is a lower bound. A deadline that lies ahead is not slept through: the last attempt
    comes shortly before it. The count starts anew when the reason changes.
    """
    if failure.retry_class is RetryClass.TERMINAL:
        return None
    if before is not None and before.reason != failure.reason:
        before = None
    if failure.fixed is not None:
        if before is not None and now < before.next_attempt_time:
            return before
        return Retry(attempts=_attempts(before), next_attempt_time=now + failure.fixed, reason=failure.reason)
    attempts = _attempts(before)
    delay = min(_FIRST[failure.retry_class] * 2 ** min(attempts - 1, _DOUBLINGS), _LONGEST[failure.retry_class])
    delay = delay * (0.5 + jitter / 2)
    if failure.retry_after is not None:
        delay = max(delay, failure.retry_after)
    elif deadline is not None and now + _BEFORE_DEADLINE < deadline < now + delay + _BEFORE_DEADLINE:
        delay = deadline - _BEFORE_DEADLINE - now
    return Retry(attempts=attempts, next_attempt_time=now + delay, reason=failure.reason)


def _attempts(before: Retry | None) -> int:
    return 1 if before is None else before.attempts + 1
