"""Whether Talkdesk's state agrees with our record, and what follows where an event was lost."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import HOUR, NOON, answer, answered, installation, remote, scope
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, RequestType
from talkdesk_operator.domain.installation.divergence import compare_with_talkdesk, missed_request
from talkdesk_operator.domain.reconcile.scope import RemoteMissing, Scope, SendState

LATER = NOON + HOUR
REJECTED = answered(answer=answer(decision=Decision.REJECT))


def seen(word: str, *, at: datetime | None = LATER, **fields: Any) -> Scope:
    """An answered installation, and Talkdesk's state of that moment."""
    known: dict[str, Any] = {
        "now": LATER + HOUR,
        "installation": installation(status=answered()),
        "remote": remote(word, updated_at=at),
    }
    return scope(**(known | fields))


def verdict(at: Scope) -> tuple[bool, Reason] | None:
    judged = compare_with_talkdesk(at)
    return None if judged is None else judged[:2]


AGREES = (True, Reason.SUCCEEDED)
DIVERGES = (False, Reason.DIVERGED)


@pytest.mark.case(11, 48)
@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("updating", RequestType.UPDATE),
        (" Updating ", RequestType.UPDATE),
        ("uninstalling", RequestType.UNINSTALL),
        ("uninstalled", RequestType.UNINSTALL),
    ],
)
def test_a_missed_request_is_recorded_if_talkdesks_state_names_it(word: str, kind: RequestType) -> None:
    lost = missed_request(seen(word))
    assert lost is not None
    assert (lost.type, lost.event_time) == (kind, LATER)
    assert lost.event_id.startswith("found-")
    assert lost == missed_request(seen(word))
    again = missed_request(seen(word, at=LATER + HOUR))
    assert again is not None
    assert again.event_id != lost.event_id


@pytest.mark.case(31)
@pytest.mark.parametrize("word", ["pending", "installing", "completed", "revoked", "suspended", "martian", ""])
def test_a_state_that_names_no_request_is_not_a_missed_request(word: str) -> None:
    assert missed_request(seen(word)) is None


@pytest.mark.case(31)
@pytest.mark.parametrize("moment", [None, NOON - HOUR, NOON - timedelta(seconds=3)])
def test_a_state_that_the_answer_may_have_ended_is_not_a_missed_request(moment: datetime | None) -> None:
    assert missed_request(seen("updating", at=moment)) is None


@pytest.mark.case(31)
def test_an_answer_that_is_newer_than_the_state_has_answered_it() -> None:
    late = installation(status=answered(answer=answer().model_copy(update={"delivery_time": LATER})))
    assert missed_request(seen("updating", at=LATER - timedelta(seconds=3), installation=late)) is None
    assert missed_request(seen("updating", at=LATER + HOUR, installation=late)) is not None


@pytest.mark.case(72)
@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_what_waits_a_minute_after_an_answer_is_something_new_even_if_it_came_within_the_same_second(
    seconds: int,
) -> None:
    at = NOON + timedelta(seconds=seconds)
    by_talkdesk = answer().model_copy(update={"result_time": NOON, "delivery_time": NOON + timedelta(microseconds=9)})
    for known in (answer(), by_talkdesk):
        lost = seen("uninstalling", at=at, installation=installation(status=answered(answer=known)))
        assert missed_request(replace(lost, now=NOON + timedelta(seconds=59))) is None
        found = missed_request(replace(lost, now=NOON + timedelta(seconds=61)))
        assert found is not None
        assert found.type is RequestType.UNINSTALL
        unnamed = replace(lost, remote=remote("pending", updated_at=at))
        assert verdict(unnamed) == DIVERGES


@pytest.mark.case(72)
def test_an_answer_that_talkdesk_dated_is_compared_by_talkdesks_clock_alone() -> None:
    skewed = answer().model_copy(update={"result_time": NOON - HOUR})
    here = installation(status=answered(answer=skewed), at=NOON - HOUR)
    assert missed_request(seen("updating", at=NOON - HOUR / 2, installation=here)) is not None
    assert missed_request(seen("updating", at=NOON - 2 * HOUR, installation=here)) is None


def test_no_request_is_missed_while_the_same_waits_or_nothing_was_read() -> None:
    waiting = installation(request=RequestType.UPDATE)
    assert missed_request(seen("updating", installation=waiting)) is None
    assert missed_request(seen("updating", remote=RemoteMissing("not found"))) is None
    gone = installation(request=RequestType.UNINSTALL, status=answered())
    assert missed_request(seen("uninstalled", installation=gone)) is None


@pytest.mark.case(31)
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("completed", AGREES),
        ("suspended", AGREES),
        ("martian", None),
        ("", None),
        ("pending", DIVERGES),
        ("updating", DIVERGES),
        ("rejected", DIVERGES),
        ("timeout", DIVERGES),
        ("revoked", DIVERGES),
    ],
)
def test_a_recorded_approval_is_compared_with_talkdesks_state(word: str, expected: Any) -> None:
    assert verdict(seen(word)) == expected


@pytest.mark.case(31)
def test_a_pending_state_from_before_the_answer_is_not_reported() -> None:
    assert compare_with_talkdesk(seen("pending", at=NOON - HOUR)) is None
    assert verdict(seen("pending", at=None)) == DIVERGES


@pytest.mark.case(31)
def test_an_update_that_we_rejected_may_be_shown_as_rejected() -> None:
    update = installation(request=RequestType.UPDATE, status=REJECTED)
    assert verdict(seen("rejected", installation=update)) == AGREES
    assert verdict(seen("completed", installation=update)) == AGREES
    assert verdict(seen("timeout", installation=update)) == DIVERGES


@pytest.mark.case(31)
@pytest.mark.parametrize("word", ["revoked", "uninstalled", "uninstalling"])
def test_a_pending_uninstall_is_not_a_divergence(word: str) -> None:
    leaving = installation(request=RequestType.UNINSTALL, status=answered())
    assert compare_with_talkdesk(seen(word, installation=leaving)) is None


def test_a_state_from_before_the_answer_does_not_judge_it() -> None:
    assert compare_with_talkdesk(seen("pending", sent=SendState.DELIVERED)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"installation": installation()},
        {"installation": installation(status=answered("another"))},
        {"remote": RemoteMissing("not found")},
        {"remote": None},
    ],
)
def test_nothing_is_compared_without_an_answer_or_a_state(fields: dict[str, Any]) -> None:
    assert compare_with_talkdesk(seen("completed", **fields)) is None


@pytest.mark.case(57)
def test_a_state_word_of_any_length_fits_into_the_message() -> None:
    judged = compare_with_talkdesk(seen("rejected" + " " * 200))
    assert judged is not None
    assert len(judged[2]) < 200


@pytest.mark.case(35)
def test_a_request_at_the_end_of_the_calendar_can_be_compared() -> None:
    last = installation(at=datetime.max.replace(microsecond=0, tzinfo=NOON.tzinfo), status=answered())
    assert verdict(seen("completed", installation=last)) == AGREES
    assert missed_request(seen("updating", installation=last)) is None
