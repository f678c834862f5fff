"""How long a failure waits for its next try."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.objects import NOON, failure, retry
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Retry
from talkdesk_operator.domain.reconcile.backoff import next_retry
from talkdesk_operator.domain.reconcile.deadlines import LAST_ATTEMPT
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass

SECOND = timedelta(seconds=1)


def after(
    given_failure: Failure, before: Retry | None = None, *, jitter: float = 1, deadline: timedelta | None = None
) -> timedelta:
    limit = NOON + deadline if deadline is not None else None
    planned = next_retry(given_failure, before, NOON, jitter=jitter, deadline=limit)
    assert planned is not None
    return planned.next_attempt_time - NOON


def test_a_terminal_failure_is_not_retried() -> None:
    assert next_retry(failure(retry_class=RetryClass.TERMINAL), None, NOON, jitter=1, deadline=None) is None


@pytest.mark.case(27)
def test_the_delay_doubles_up_to_a_bound() -> None:
    waits = [after(failure(), retry(Reason.UNAVAILABLE, NOON, attempts)) for attempts in range(1, 12)]
    assert waits[:3] == [2 * SECOND, 4 * SECOND, 8 * SECOND]
    assert waits[-1] == timedelta(minutes=5)
    assert after(failure(retry_class=RetryClass.SLOW), retry(Reason.UNAVAILABLE, NOON, 10**6)) == timedelta(minutes=30)


@pytest.mark.case(27)
def test_half_of_the_delay_is_random() -> None:
    assert after(failure(retry_class=RetryClass.SLOW), jitter=0) == timedelta(seconds=15)
    assert after(failure(retry_class=RetryClass.SLOW), jitter=1) == timedelta(seconds=30)


def test_the_count_of_attempts_restarts_with_another_reason() -> None:
    known = retry(Reason.UNAVAILABLE, NOON, 7)
    same = next_retry(failure(), known, NOON, jitter=1, deadline=None)
    other = next_retry(failure(Reason.FORBIDDEN), known, NOON, jitter=1, deadline=None)
    assert same is not None
    assert other is not None
    assert (same.attempts, same.reason) == (8, Reason.UNAVAILABLE)
    assert (other.attempts, other.reason) == (1, Reason.FORBIDDEN)


@pytest.mark.case(27)
def test_a_requested_delay_is_a_lower_bound() -> None:
    assert after(failure(retry_after=timedelta(minutes=20))) == timedelta(minutes=20)
    assert after(failure(retry_after=SECOND), retry(Reason.UNAVAILABLE, NOON, 8)) == timedelta(seconds=256)


@pytest.mark.case(27)
def test_a_requested_delay_does_not_skip_the_deadline_either_once() -> None:
    asked = failure(retry_after=timedelta(minutes=10))
    assert after(asked, deadline=timedelta(seconds=90)) == timedelta(seconds=60)
    assert after(asked, deadline=timedelta(seconds=30)) == timedelta(minutes=10)
    assert after(asked, deadline=timedelta(minutes=11)) == timedelta(minutes=10)


@pytest.mark.case(27)
def test_no_delay_skips_the_deadline() -> None:
    known = retry(Reason.UNAVAILABLE, NOON, 10)
    assert after(failure(), known, deadline=timedelta(minutes=2)) == timedelta(seconds=90)
    assert after(failure(), known, deadline=timedelta(minutes=6)) == timedelta(minutes=5)
    assert after(failure(), known, deadline=timedelta(seconds=20)) == timedelta(minutes=5)
    assert after(failure(), known, deadline=-SECOND) == timedelta(minutes=5)


def test_a_fixed_delay_is_not_changed_by_reconciles_in_between() -> None:
    missing = failure(Reason.NOT_FOUND_ONCE, fixed_delay=timedelta(minutes=1))
    assert after(missing) == timedelta(minutes=1)
    pending = retry(Reason.NOT_FOUND_ONCE, NOON + SECOND)
    assert next_retry(missing, pending, NOON, jitter=1, deadline=None) is pending
    assert after(missing, retry(Reason.NOT_FOUND_ONCE, NOON)) == timedelta(minutes=1)


@given(
    retry_class=st.sampled_from([RetryClass.TRANSIENT, RetryClass.SLOW]),
    asked=st.none() | st.timedeltas(timedelta(), timedelta(hours=1)),
    attempts=st.integers(0, 10**9),
    jitter=st.floats(0, 1),
    left=st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=9)),
)
def test_the_delay_is_never_zero_and_never_too_long(
    retry_class: RetryClass, asked: timedelta | None, attempts: int, jitter: float, left: timedelta | None
) -> None:
    wait = after(
        failure(retry_class=retry_class, retry_after=asked),
        retry(Reason.UNAVAILABLE, NOON, attempts),
        jitter=jitter,
        deadline=left,
    )
    assert timedelta() < wait <= timedelta(hours=1)
    ends = timedelta() if left is None else left - LAST_ATTEMPT
    assert asked is None or wait >= asked or wait == ends
