"""Reading before acting, and what follows where nothing can be read."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import (
    DAY,
    HOUR,
    NOON,
    WEEK,
    answered,
    credentials,
    facts,
    failure,
    installation,
    remote,
    retry,
    scope,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import EndingReason, InstallationStatus
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.observation import is_last_attempt, is_urgent, remote_predates_request
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.reconcile.steps import Finish

READY = TenantOutcome(TenantResult.READY)
LATE = NOON + WEEK
LOST = CredentialsMissing(failure(Reason.CREDENTIALS_LOST, RetryClass.SLOW))


def read(**fields: Any) -> Scope:
    """A scope in which everything is read and Talkdesk waits for the answer."""
    known = {"credentials": credentials(), "remote": remote(), "facts": facts()}
    return scope(**(known | fields))


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish), step
    return step


@pytest.mark.case(26)
def test_an_installation_that_is_not_found_is_read_again_before_it_is_gone() -> None:
    missing = read(remote=RemoteMissing("not found"))
    first = finish(missing)
    assert first.failure is not None
    assert (first.reason, first.failure.fixed_delay) == (Reason.NOT_FOUND_ONCE, timedelta(minutes=1))
    known = installation(status=InstallationStatus(retry=retry(Reason.NOT_FOUND_ONCE, NOON + timedelta(minutes=1))))
    assert finish(replace(missing, installation=known)).ending is None
    second = finish(replace(missing, installation=known, now=NOON + timedelta(minutes=1)))
    assert second.ending is not None
    assert second.ending.reason is EndingReason.GONE


@pytest.mark.case(26)
def test_a_404_after_another_failure_needs_a_second_one() -> None:
    known = installation(status=InstallationStatus(retry=retry(Reason.UNAVAILABLE, NOON)))
    assert finish(read(installation=known, remote=RemoteMissing("not found"))).ending is None


@pytest.mark.case(43)
def test_without_credentials_nothing_is_called_and_the_deadline_is_checked() -> None:
    waiting = finish(scope(credentials=LOST))
    assert (waiting.reason, waiting.failure, waiting.requeue_at) == (Reason.CREDENTIALS_LOST, LOST.failure, LATE)


@pytest.mark.case(24, 25)
@pytest.mark.parametrize("reason", [Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN])
def test_a_refusal_by_talkdesk_is_retried_slowly_and_never_rejects_the_request(reason: Reason) -> None:
    refused = read(remote=RemoteFailed(failure(reason, RetryClass.SLOW)))
    assert finish(refused).failure == failure(reason, RetryClass.SLOW)
    assert finish(refused).requeue_at == LATE
    end = finish(replace(refused, now=LATE)).ending
    assert end is not None
    assert end.reason is EndingReason.TIMED_OUT


@pytest.mark.case(27, 33)
def test_while_talkdesk_is_down_not_even_a_passed_deadline_ends_an_install() -> None:
    down = finish(read(remote=RemoteFailed(failure()), now=LATE + WEEK))
    assert down.ending is None
    assert down.failure == failure()


@pytest.mark.case(33)
@pytest.mark.parametrize(("seconds", "last"), [(31, False), (30, True), (1, True), (0, False)])
def test_the_last_attempt_comes_in_the_last_half_minute(seconds: int, last: bool) -> None:  # noqa: FBT001 - a table
    assert is_last_attempt(scope(now=LATE - timedelta(seconds=seconds))) is last


@pytest.mark.parametrize(("before", "urgent"), [(timedelta(hours=1, seconds=1), False), (HOUR, True), (-DAY, True)])
def test_an_answer_is_urgent_in_the_last_hour_and_after_it(before: timedelta, urgent: bool) -> None:  # noqa: FBT001 - a table
    assert is_urgent(scope(now=LATE - before)) is urgent


@pytest.mark.case(33)
def test_nothing_is_urgent_without_a_request_an_app_or_a_missing_answer() -> None:
    assert not is_urgent(scope(now=LATE, installation=installation(status=answered())))
    assert not is_urgent(scope(now=LATE, installation=installation(request=None)))
    assert not is_urgent(scope(now=LATE, app=None))
    assert not is_last_attempt(scope(now=LATE - timedelta(seconds=9), app=None))


@pytest.mark.case(35)
def test_a_deadline_at_the_beginning_of_the_calendar_is_urgent() -> None:
    early = installation(at=datetime(1, 1, 1, tzinfo=NOON.tzinfo))
    assert is_urgent(scope(installation=early, app=view(deadline={"answerWithin": "1s"})))


@pytest.mark.case(36)
def test_a_state_predates_the_request_if_it_is_older_and_the_deadline_has_not_passed() -> None:
    old = remote("revoked", updated_at=NOON - timedelta(seconds=1))
    assert remote_predates_request(scope(remote=old))
    assert not remote_predates_request(scope(remote=old, now=LATE))
    assert not remote_predates_request(scope(remote=remote("revoked", updated_at=NOON)))
    assert not remote_predates_request(scope(remote=remote("revoked")))
    assert not remote_predates_request(scope())
