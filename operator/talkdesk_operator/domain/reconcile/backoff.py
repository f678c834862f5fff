"""How long to wait before an installation's failure is retried.

Belongs here: the delay by retry class, deadline and earlier attempts. Does not belong here: which failure is in which
class (`error_policy`).
"""

from datetime import datetime, timedelta

from talkdesk_crds.installation import Retry
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass

__all__ = ["next_retry"]

_FIRST_DELAY = {RetryClass.TRANSIENT: timedelta(seconds=1), RetryClass.SLOW: timedelta(seconds=30)}
_MAX_DELAY = {RetryClass.TRANSIENT: timedelta(minutes=5), RetryClass.SLOW: timedelta(minutes=30)}
_MAX_DOUBLINGS = 16
_BEFORE_DEADLINE = timedelta(seconds=30)
"""How long before the deadline the last attempt is made."""


def next_retry(
    failure: Failure, before: Retry | None, now: datetime, *, jitter: float, deadline: datetime | None
) -> Retry | None:
    """Return when to retry: exponential with `jitter` (0 to 1, half of the delay is random); None for never.

    A delay that the other side asked for is a lower bound. No delay skips a deadline that lies ahead: the last attempt
    comes shortly before it. The count restarts when the reason changes.
    """
    if failure.retry_class is RetryClass.TERMINAL:
        return None
    if before is not None and before.reason != failure.reason:
        before = None
    if failure.fixed_delay is not None:
        if before is not None and now < before.next_attempt_time:
            return before
        return Retry(attempts=_attempts(before), next_attempt_time=now + failure.fixed_delay, reason=failure.reason)
    attempts = _attempts(before)
    exponential = _FIRST_DELAY[failure.retry_class] * 2 ** min(attempts - 1, _MAX_DOUBLINGS)
    delay = min(exponential, _MAX_DELAY[failure.retry_class]) * (0.5 + jitter / 2)
    if failure.retry_after is not None:
        delay = max(delay, failure.retry_after)
    elif deadline is not None and now + _BEFORE_DEADLINE < deadline < now + delay + _BEFORE_DEADLINE:
        delay = deadline - _BEFORE_DEADLINE - now
    return Retry(attempts=attempts, next_attempt_time=now + delay, reason=failure.reason)


def _attempts(before: Retry | None) -> int:
    return 1 if before is None else before.attempts + 1
