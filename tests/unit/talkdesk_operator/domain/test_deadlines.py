"""When Talkdesk must have an answer, and which endings end what."""

from datetime import datetime, timedelta

import pytest

from builders.objects import NOON, WEEK, answer, answered, app, ended, installation
from talkdesk_crds.installation import Ending, EndingKind, InstallationStatus, RequestType
from talkdesk_operator.domain.deadlines import (
    deadline,
    end_of_grace,
    is_answered,
    is_closed,
    is_ended,
    later,
    waits_for_answer,
)


@pytest.mark.case(33)
def test_the_deadline_counts_from_the_events_own_time() -> None:
    request = installation(at=NOON - timedelta(days=2)).spec.request
    assert request is not None
    assert deadline(request, app()) == NOON - timedelta(days=2) + WEEK
    assert deadline(request, app(deadline={"answerWithin": "3d"})) == NOON + timedelta(days=1)


def test_the_grace_counts_from_the_end() -> None:
    ending = Ending(kind=EndingKind.TIMED_OUT, event_id="e", at=NOON)
    assert end_of_grace(ending, app(deadline={"grace": "2h"})) == NOON + timedelta(hours=2)


@pytest.mark.case(35)
def test_a_moment_past_the_end_of_the_calendar_is_its_last_one() -> None:
    assert later(NOON.replace(year=9999), timedelta(days=400)) == datetime.max.replace(tzinfo=NOON.tzinfo)


def test_a_new_request_waits_for_its_answer() -> None:
    assert waits_for_answer(installation())
    assert not waits_for_answer(installation(request=None))
    assert not is_answered(installation(request=None))
    assert not is_closed(installation(request=None))
    assert not is_ended(installation(request=None, status=ended()))


def test_an_answer_counts_for_its_own_request_only_and_only_when_it_arrived() -> None:
    assert is_answered(installation(status=answered()))
    assert not waits_for_answer(installation(status=answered()))
    assert not is_answered(installation(status=answered("another")))
    assert not is_answered(installation(status=InstallationStatus(answer=answer(delivered=False))))


@pytest.mark.case(32)
@pytest.mark.parametrize("kind", EndingKind)
@pytest.mark.parametrize("request_type", [RequestType.INSTALL, RequestType.UNINSTALL])
def test_any_ending_of_an_install_or_uninstall_is_the_end(kind: EndingKind, request_type: RequestType) -> None:
    over = installation(request=request_type, status=ended(kind))
    assert is_closed(over)
    assert is_ended(over)
    assert not waits_for_answer(over)


@pytest.mark.parametrize(
    ("kind", "final"),
    [
        (EndingKind.TIMED_OUT, False),
        (EndingKind.REJECTED, False),
        (EndingKind.GONE, True),
        (EndingKind.UNINSTALLED, True),
    ],
)
def test_an_update_that_came_to_nothing_is_closed_but_the_installation_goes_on(
    kind: EndingKind, *, final: bool
) -> None:
    over = installation(request=RequestType.UPDATE, status=ended(kind))
    assert is_closed(over)
    assert is_ended(over) is final
    assert not waits_for_answer(over)


def test_a_new_request_begins_a_new_life() -> None:
    again = installation(event="event-2", status=ended())
    assert not is_ended(again)
    assert waits_for_answer(again)
