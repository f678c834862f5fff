"""How long to wait before an installation's failure is retried.

Belongs here: the delay by retry class, deadline and earlier attempts. Does not belong here: which failure is in which
class (`error_policy`).
"""

from datetime import datetime, timedelta

from talkdesk_crds.installation import Retry
from talkdesk_operator.domain.reconcile.deadlines import LAST_ATTEMPT
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass
from talkdesk_runtime.backoff import Backoff

__all__ = ["next_retry"]

_BACKOFFS = {
    RetryClass.TRANSIENT: Backoff(timedelta(seconds=1), timedelta(minutes=5)),
    RetryClass.SLOW: Backoff(timedelta(seconds=30), timedelta(minutes=30)),
}


def next_retry(
    failure: Failure, before: Retry | None, now: datetime, *, jitter: float, deadline: datetime | None
) -> Retry | None:
    """Return when to retry: exponential with `jitter` (0 to 1, half of the delay is random); None for never.

    A delay that the other side asked for is a lower bound. But no delay skips a deadline that lies ahead: the last
    attempt comes shortly before it, once, whatever was asked. The count restarts when the reason changes.
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
    delay = _BACKOFFS[failure.retry_class].delay(attempts, jitter)
    if failure.retry_after is not None:
        delay = max(delay, failure.retry_after)
    if deadline is not None and now + LAST_ATTEMPT < deadline < now + delay + LAST_ATTEMPT:
        delay = deadline - LAST_ATTEMPT - now
    return Retry(attempts=attempts, next_attempt_time=now + delay, reason=failure.reason)


def _attempts(before: Retry | None) -> int:
    return 1 if before is None else before.attempts + 1
