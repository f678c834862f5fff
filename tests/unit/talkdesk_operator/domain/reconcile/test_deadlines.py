"""When Talkdesk must have an answer, and which endings end what."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import DAY, HOUR, NOON, WEEK, answer, answered, app, ended, installation
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import Ending, EndingReason, InstallationStatus, Request, RequestType
from talkdesk_operator.domain.reconcile.deadlines import (
    deadline,
    grace_period_end,
    is_answered,
    is_before,
    is_closed,
    is_ended,
    next_warning,
    saturating_add,
    time_left,
    waits_for_answer,
)


@pytest.mark.case(33)
def test_the_deadline_counts_from_the_events_own_time() -> None:
    request = installation(at=NOON - timedelta(days=2)).spec.request
    assert request is not None
    assert deadline(request, app()) == NOON - timedelta(days=2) + WEEK
    assert deadline(request, app(deadline={"answerWithin": "3d"})) == NOON + timedelta(days=1)


def test_the_grace_period_counts_from_the_end() -> None:
    ending = Ending(reason=EndingReason.TIMED_OUT, event_id="e", time=NOON)
    assert grace_period_end(ending, app(deadline={"gracePeriod": "2h"})) == NOON + timedelta(hours=2)


@pytest.mark.case(35)
def test_an_addition_past_the_ends_of_the_calendar_is_clamped() -> None:
    assert saturating_add(NOON.replace(year=9999), timedelta(days=400)) == datetime.max.replace(tzinfo=NOON.tzinfo)
    assert saturating_add(NOON, timedelta(days=-999999)) == datetime.min.replace(tzinfo=NOON.tzinfo)


REQUEST = Request(type=RequestType.INSTALL, event_id="e", event_time=NOON)
LIMIT = NOON + WEEK


@pytest.mark.case(34)
@pytest.mark.parametrize(
    ("before", "said", "next_before"),
    [
        (WEEK, None, 3 * DAY),
        (3 * DAY + HOUR, None, 3 * DAY),
        (3 * DAY, "under 3d", DAY),
        (DAY, "under 1d", HOUR),
        (2 * HOUR, "under 1d", HOUR),
        (HOUR, "under 1h", None),
        (timedelta(seconds=1), "under 1h", None),
        (timedelta(), "overdue", None),
        (-DAY, "overdue", None),
    ],
)
def test_the_time_left_is_the_smallest_warning_that_was_reached(
    before: timedelta, said: str | None, next_before: timedelta | None
) -> None:
    now = LIMIT - before
    assert time_left(REQUEST, app(), now) == said
    assert next_warning(REQUEST, app(), now) == (LIMIT - next_before if next_before is not None else None)


@pytest.mark.case(34)
def test_warnings_may_be_in_any_order_or_missing() -> None:
    mixed, silent = app(deadline={"warnBefore": ["1h", "3d", "90m"]}), app(deadline={"warnBefore": []})
    assert time_left(REQUEST, mixed, LIMIT - 80 * timedelta(minutes=1)) == "under 90m"
    assert next_warning(REQUEST, mixed, LIMIT - 2 * HOUR) == LIMIT - timedelta(minutes=90)
    assert (time_left(REQUEST, silent, LIMIT - HOUR), next_warning(REQUEST, silent, NOON)) == (None, None)
    assert time_left(REQUEST, silent, LIMIT) == "overdue"


@pytest.mark.case(35)
def test_a_warning_before_the_beginning_of_the_calendar_has_passed() -> None:
    always = app(deadline={"warnBefore": ["999999d"]})
    assert time_left(REQUEST, always, NOON) == "under 999999d"
    assert next_warning(REQUEST, always, NOON) is None


def test_a_new_request_waits_for_its_answer() -> None:
    assert waits_for_answer(installation())
    assert not waits_for_answer(installation(request=None))
    assert not is_answered(installation(request=None))
    assert not is_closed(installation(request=None))
    assert not is_ended(installation(request=None, status=ended()))


def test_an_answer_counts_only_for_its_own_request_and_only_if_it_arrived() -> None:
    assert is_answered(installation(status=answered()))
    assert not waits_for_answer(installation(status=answered()))
    assert not is_answered(installation(status=answered("another")))
    assert not is_answered(installation(status=InstallationStatus(answer=answer(delivered=False))))


@pytest.mark.case(32)
@pytest.mark.parametrize("kind", EndingReason)
@pytest.mark.parametrize("request_type", [RequestType.INSTALL, RequestType.UNINSTALL])
def test_any_ending_of_an_install_or_uninstall_ends_the_installation(
    kind: EndingReason, request_type: RequestType
) -> None:
    over = installation(request=request_type, status=ended(kind))
    assert is_closed(over)
    assert is_ended(over)
    assert not waits_for_answer(over)


@pytest.mark.parametrize(
    ("kind", "final"),
    [
        (EndingReason.TIMED_OUT, False),
        (EndingReason.REJECTED, False),
        (EndingReason.GONE, True),
        (EndingReason.UNINSTALLED, True),
    ],
)
def test_a_rejected_or_timed_out_update_is_closed_without_ending_the_installation(
    kind: EndingReason, *, final: bool
) -> None:
    over = installation(request=RequestType.UPDATE, status=ended(kind))
    assert is_closed(over)
    assert is_ended(over) is final
    assert not waits_for_answer(over)


def test_a_new_request_reopens_an_ended_installation() -> None:
    again = installation(event="event-2", status=ended())
    assert not is_ended(again)
    assert waits_for_answer(again)


@pytest.mark.case(35)
def test_a_time_in_whole_seconds_is_not_before_a_moment_within_the_same_second() -> None:
    half = NOON + timedelta(milliseconds=500)
    assert not is_before(NOON, half)
    assert is_before(NOON - timedelta(seconds=1), half)
    assert is_before(NOON + timedelta(milliseconds=1), half)
    assert not is_before(half, NOON)


@pytest.mark.case(72)
@pytest.mark.parametrize("kind", EndingReason)
def test_the_event_of_an_uninstall_that_talkdesks_state_showed_before_asks_for_nothing(kind: EndingReason) -> None:
    shown = kind in {EndingReason.UNINSTALLED, EndingReason.GONE}
    late: dict[str, Any] = {
        "request": RequestType.UNINSTALL,
        "event": "event-2",
        "at": NOON + HOUR,
        "status": ended(kind),
    }
    assert is_closed(installation(**late)) is shown
    assert is_closed(installation(**late, credentials=None)) is shown
    again = {"secretName": "keys-2", "eventId": "event-3", "eventTime": to_wire_time(NOON + HOUR)}
    assert not is_closed(installation(**late, credentials=again))
    assert not is_closed(installation(**(late | {"request": RequestType.UPDATE})))
