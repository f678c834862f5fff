"""The record of an answer: before its call, and after each outcome."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders.objects import NOON, answer, app, endpoint_object, failure, installation, remote, scope
from talkdesk_crds.installation import Decision, RequestType
from talkdesk_operator.domain.installation.answer_record import (
    about_to_be_sent,
    delivered,
    is_open,
    needs_record,
    not_delivered,
)
from talkdesk_operator.domain.installation.pending import hold
from talkdesk_operator.domain.reconcile.scope import RemoteMissing, SendState
from talkdesk_operator.domain.reconcile.steps import Send
from talkdesk_operator.reconcilers.apps import compile_app

pytestmark = pytest.mark.case(72)

UPDATE = installation(request=RequestType.UPDATE)
LATER = NOON + timedelta(microseconds=1)


def test_the_record_says_what_talkdesk_showed_before_the_call() -> None:
    at = scope(installation=UPDATE, remote=remote("u" * 200, updated_at=NOON))
    made = about_to_be_sent(at, Decision.REJECT, LATER)
    assert (made.decision, made.send_time, made.delivery_time) == (Decision.REJECT, LATER, None)
    assert (made.observed_state, made.observed_state_time) == ("u" * 128, NOON)
    unread = about_to_be_sent(scope(installation=UPDATE), Decision.APPROVE, LATER)
    assert (unread.observed_state, unread.observed_state_time) == (None, None)


def test_the_record_of_a_call_with_an_unknown_outcome_stays() -> None:
    known = answer(delivered=False)
    at = scope(installation=UPDATE, answer=known, remote=remote("pending"))
    assert about_to_be_sent(at, Decision.APPROVE, LATER) is known
    assert not needs_record(at)
    assert needs_record(replace(at, answer=answer(sent=False, delivered=False)))


def test_where_endpoints_are_told_an_install_has_a_record_too() -> None:
    at = scope(remote=remote("installing"))
    assert not needs_record(at)
    assert needs_record(replace(at, app=compile_app(app(notifications=[endpoint_object()]))))


def test_an_answer_that_talkdesk_accepted_has_talkdesks_time_and_ours() -> None:
    made = delivered(answer(delivered=False), Send(Decision.REJECT, "r" * 300), NOON, LATER)
    assert (made.decision, made.delivery_time, made.result_time) == (Decision.REJECT, LATER, NOON)
    assert made.reason == "r" * 256


@pytest.mark.parametrize("sent", [SendState.REFUSED, SendState.NOT_AWAITED])
def test_a_call_that_was_certainly_not_accepted_is_taken_back_but_none_whose_outcome_is_unknown(
    sent: SendState,
) -> None:
    announced = answer(delivered=False)
    at = scope(installation=UPDATE, answer=announced, sent=sent, send_failure=failure())
    taken_back = not_delivered(replace(at, answer_recorded=True), announced)
    assert taken_back is not None
    assert (taken_back.event_id, taken_back.send_time) == (announced.event_id, None)
    assert not_delivered(at, announced) is announced
    assert not_delivered(replace(at, answer=None), announced) is None
    assert not_delivered(replace(at, answer=None, sent=SendState.UNCLEAR), announced) is announced


def test_a_call_is_open_from_its_record_on_unless_it_is_made_next() -> None:
    at = scope(answer=answer(delivered=False))
    assert is_open(at)
    assert not is_open(replace(at, answer_recorded=True))
    assert is_open(replace(at, answer_recorded=True, sent=SendState.UNCLEAR))
    for known in (None, answer(), answer(sent=False, delivered=False)):
        assert not is_open(replace(at, answer=known))


def test_nothing_is_held_by_a_state_that_was_not_read() -> None:
    assert hold(scope(remote=RemoteMissing("not found"))) is None
