"""The answer to an install or update, made sure of; and the end that Talkdesk tells."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import (
    EVENT,
    HOUR,
    NOON,
    WEEK,
    answer,
    credentials,
    decided,
    facts,
    failure,
    installation,
    remote,
    scope,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase, RequestType
from talkdesk_crds.names import ANNOTATION_RECEIVE_TIMES
from talkdesk_operator.domain.installation.answer import end_at_talkdesk, end_request
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.reconcile.scope import Scope, SendState, TenantOutcome, TenantResult
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    Provision,
    ReadTalkdesk,
    RecordAnswer,
    RecordMissedRequest,
    Send,
)

READY = TenantOutcome(TenantResult.READY)
LATE = NOON + WEEK
SECOND = timedelta(seconds=1)
UPDATE = installation(request=RequestType.UPDATE)
REJECTING = view(approval={"rejectWhen": [{"expression": "true", "reason": "not for you"}]})


def read(**fields: Any) -> Scope:
    """A scope in which everything is read and Talkdesk waits for the answer."""
    known = {"credentials": credentials(), "remote": remote(), "facts": facts()}
    return scope(**(known | fields))


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish), step
    return step


@pytest.mark.case(22, 23)
@pytest.mark.parametrize("word", ["completed", "suspended"])
@pytest.mark.parametrize("sent", [None, SendState.UNCLEAR, SendState.REFUSED])
def test_an_install_that_talkdesk_shows_as_done_is_answered_even_if_the_call_failed(
    word: str, sent: SendState | None
) -> None:
    lost = failure() if sent is not None else None
    done = finish(read(remote=remote(word), tenant_outcome=READY, sent=sent, send_failure=lost))
    assert (done.ready, done.verified) == (True, True)


@pytest.mark.case(22, 27)
@pytest.mark.parametrize("sent", [SendState.UNCLEAR, SendState.REFUSED])
def test_an_answer_that_did_not_arrive_is_read_back_and_then_retried(sent: SendState) -> None:
    lost = read(tenant_outcome=READY, sent=sent, send_failure=failure(), remote=None)
    assert decide(lost) == ReadTalkdesk(facts=False)
    again = finish(replace(lost, remote=remote()))
    assert (again.phase, again.reason) == (InstallationPhase.ANSWERING, Reason.UNAVAILABLE)
    assert again.failure == failure()
    assert again.requeue_at == LATE


RECORDED = answer(delivered=False)


def called(word: str, *, before: str = "pending", at: datetime = NOON, now: datetime = NOON, **fields: Any) -> Scope:
    """An update whose answer was sent with an unknown outcome, and Talkdesk's state of now, read afterwards."""
    known = RECORDED.model_copy(update={"observed_state": before, "observed_state_time": NOON})
    there = {"installation": UPDATE, "tenant_outcome": READY, "answer": known, "now": now}
    return read(**(there | {"remote": remote(word, updated_at=at)} | fields))


@pytest.mark.case(22)
def test_an_update_is_put_on_record_and_answered_even_if_talkdesk_still_shows_the_state_before_it() -> None:
    at = read(installation=UPDATE, remote=remote("completed"), tenant_outcome=READY)
    assert decide(at) == RecordAnswer(Decision.APPROVE)
    assert decide(replace(at, answer=RECORDED, answer_recorded=True)) == Send(Decision.APPROVE)


@pytest.mark.case(22)
@pytest.mark.parametrize("word", ["pending", "completed", "", "martian"])
def test_an_install_is_put_on_record_unless_talkdesks_state_says_that_it_waits(word: str) -> None:
    assert decide(read(tenant_outcome=READY, remote=remote("installing"))) == Send(Decision.APPROVE)
    recorded = decide(read(app=REJECTING, remote=remote(word)))
    if word != "completed":
        assert recorded == RecordAnswer(Decision.REJECT)


@pytest.mark.case(22)
def test_the_state_completed_proves_the_answer_to_an_update_only_after_a_call() -> None:
    at = read(installation=UPDATE, remote=remote("completed"), tenant_outcome=READY, send_failure=failure())
    assert finish(replace(at, sent=SendState.NOT_AWAITED)).delivered
    assert finish(replace(at, sent=SendState.REFUSED)).failure == failure()
    lost = called("completed", sent=SendState.UNCLEAR, send_failure=failure())
    assert finish(lost).delivered


@pytest.mark.case(79)
def test_what_an_update_asked_for_is_due_until_it_was_read_after_the_answer() -> None:
    lost = called("completed", sent=SendState.UNCLEAR, send_failure=failure())
    shown = finish(lost)
    assert (shown.verified, shown.requeue_at) == (False, lost.now)
    given = compute(lost, shown, jitter=1).answer
    assert given is not None
    assert (given.delivery_time, given.verification_time) == (lost.now, None)
    assert finish(replace(lost, sent=None, send_failure=None)).verified, "all was read after the answer"


@pytest.mark.case(72)
@pytest.mark.parametrize(
    ("word", "before", "at", "shown"),
    [
        ("completed", "updating", NOON + SECOND, True),
        ("suspended", "pending", NOON + SECOND, True),
        # Talkdesk may write whole seconds.
        ("completed", "updating", NOON, True),
        ("completed", "completed", NOON + SECOND, True),
        ("completed", "completed", NOON, False),
        ("completed", "pending", NOON - SECOND, False),
        ("completed", "pending", None, True),
        ("completed", "completed", None, False),
        ("pending", "pending", NOON + SECOND, False),
    ],
)
def test_a_state_that_is_newer_than_the_call_shows_that_an_update_was_answered(
    word: str, before: str, at: Any, *, shown: bool
) -> None:
    step = decide(called(word, before=before, at=at))
    assert (isinstance(step, Finish) and step.verified) is shown


@pytest.mark.case(72)
@pytest.mark.parametrize(
    ("word", "at"), [("pending", NOON), ("pending", NOON - SECOND), ("updating", NOON), ("updating", None)]
)
def test_an_update_that_talkdesk_still_waits_for_is_sent_again(word: str, at: Any) -> None:
    assert decide(called(word, at=at)) == Send(Decision.APPROVE)


@pytest.mark.case(72)
@pytest.mark.parametrize(
    ("word", "before", "at"),
    [
        ("pending", "pending", NOON + SECOND),
        ("pending", "pending", None),
        ("completed", "completed", None),
        ("", "", None),
        ("martian", "pending", NOON + SECOND),
    ],
)
def test_an_update_is_not_sent_again_while_it_can_not_be_told_what_waits(word: str, before: str, at: Any) -> None:
    held = finish(called(word, before=before, at=at, now=LATE + HOUR))
    assert (held.reason, held.phase) == (Reason.ANSWER_UNCLEAR, InstallationPhase.ANSWERING)
    assert held.failure is not None


@pytest.mark.case(72)
def test_a_state_that_did_not_change_is_believed_in_a_second_look() -> None:
    first = called("completed", before="completed")
    held = finish(replace(first, now=NOON + SECOND))
    assert held.reason is Reason.ANSWER_UNCLEAR
    assert held.failure is not None
    assert held.failure.fixed_delay == timedelta(seconds=59)
    assert decide(replace(first, now=NOON + timedelta(minutes=1))) == Send(Decision.APPROVE)


@pytest.mark.case(72)
def test_what_the_lost_call_said_counts_and_not_the_verdict_of_now() -> None:
    approved = called("completed", at=NOON + SECOND, app=REJECTING)
    assert (finish(approved).verified, finish(approved).ending) == (True, None)
    known = answer(delivered=False, decision=Decision.REJECT).model_copy(update={"observed_state": "pending"})
    rejected = finish(called("completed", at=NOON + SECOND, answer=known))
    assert rejected.ending is not None
    assert (rejected.ending.reason, rejected.reason) == (EndingReason.REJECTED, Reason.REJECTED)


@pytest.mark.case(72)
@pytest.mark.parametrize(
    ("request_type", "word", "lost"),
    [
        (RequestType.INSTALL, "uninstalling", RequestType.UNINSTALL),
        (RequestType.INSTALL, "updating", RequestType.UPDATE),
        (RequestType.UPDATE, "uninstalling", RequestType.UNINSTALL),
    ],
)
def test_a_request_whose_event_was_lost_is_recorded_and_never_answered_in_place_of_another(
    request_type: RequestType, word: str, lost: RequestType
) -> None:
    waiting = installation(request=request_type)
    named = decide(read(installation=waiting, remote=remote(word, updated_at=NOON), tenant_outcome=READY))
    assert isinstance(named, RecordMissedRequest)
    assert (named.request.type, named.request.event_time) == (lost, NOON)
    for moment in (None, NOON - SECOND):
        held = finish(read(installation=waiting, remote=remote(word, updated_at=moment), tenant_outcome=READY))
        assert (held.reason, held.ending) == (Reason.ANSWER_UNCLEAR, None)


@pytest.mark.case(72)
@pytest.mark.parametrize("request_type", [RequestType.INSTALL, RequestType.UPDATE])
def test_something_unnamed_that_waits_since_long_after_the_request_is_not_answered(request_type: RequestType) -> None:
    waiting = installation(request=request_type)
    newer = remote("pending", updated_at=NOON + timedelta(minutes=21))
    at = read(installation=waiting, remote=newer, tenant_outcome=READY)
    assert finish(at).reason is Reason.ANSWER_UNCLEAR
    near = replace(at, remote=remote("pending", updated_at=NOON + timedelta(minutes=20)))
    assert decide(near) == RecordAnswer(Decision.APPROVE)
    person = installation(request=request_type, approval=decided("Approve"))
    assert decide(replace(at, installation=person)) == RecordAnswer(Decision.APPROVE)


@pytest.mark.case(35)
@pytest.mark.parametrize("request_type", [RequestType.INSTALL, RequestType.UPDATE])
def test_while_our_clock_is_slow_the_time_of_receipt_makes_no_state_newer_than_the_request(
    request_type: RequestType,
) -> None:
    newer = remote("pending", updated_at=NOON + timedelta(days=50))
    for event_id, expected in ((EVENT, RecordAnswer(Decision.APPROVE)), ("another", None)):
        receipts = {"annotations": {ANNOTATION_RECEIVE_TIMES: json.dumps({event_id: to_wire_time(NOON)})}}
        waiting = installation(request=request_type, meta=receipts)
        step = decide(read(installation=waiting, remote=newer, tenant_outcome=READY))
        assert step == expected if expected is not None else isinstance(step, Finish)


@pytest.mark.case(49)
def test_a_request_that_changed_before_the_answer_is_reconciled_again_at_once() -> None:
    changed = finish(read(tenant_outcome=READY, sent=SendState.OUTDATED))
    assert (changed.requeue_at, changed.ready) == (NOON, False)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        pytest.param("timeout", EndingReason.TIMED_OUT, marks=pytest.mark.case(32)),
        ("rejected", EndingReason.REJECTED),
        ("failed", EndingReason.REJECTED),
        ("revoked", EndingReason.GONE),
        ("uninstalled", EndingReason.GONE),
    ],
)
def test_an_end_in_talkdesks_state_ends_the_installation(word: str, kind: EndingReason) -> None:
    end = finish(read(remote=remote(word)))
    assert end.ending is not None
    assert (end.ending.reason, end.ending.event_id) == (kind, "event-1")
    assert end.phase == kind.value
    assert (end.terminal, end.requeue_at) == (False, NOON)


@pytest.mark.case(32)
@pytest.mark.parametrize("word", ["timeout", "rejected", "revoked"])
def test_a_repeated_install_does_not_end_by_the_state_of_an_earlier_installation(word: str) -> None:
    old = remote(word, updated_at=NOON - timedelta(seconds=1))
    assert decide(read(remote=old)) == Provision()
    assert finish(read(remote=remote(word, updated_at=NOON))).ending is not None
    assert finish(read(remote=old, now=LATE)).ending is not None


@pytest.mark.case(22)
def test_a_rejection_is_sent_with_its_reason_before_anything_is_provisioned_and_ends_an_install() -> None:
    at = read(app=REJECTING)
    assert decide(at) == Send(Decision.REJECT, "not for you")
    delivered = replace(at, sent=SendState.DELIVERED, answer=answer(decision=Decision.REJECT))
    over = finish(delivered)
    assert over.ending is not None
    assert (over.phase, over.ending.reason) == (InstallationPhase.REJECTED, EndingReason.REJECTED)
    assert (over.reason, over.message) == (Reason.POLICY_REJECTED, "not for you")
    assert over.requeue_at == NOON


def test_a_person_rejects_without_a_reason() -> None:
    at = read(installation=installation(approval=decided()), app=view(approval={"mode": "Manual"}))
    assert decide(at) == Send(Decision.REJECT)
    over = finish(replace(at, sent=SendState.DELIVERED))
    assert (over.reason, over.message) == (Reason.REJECTED, "Talkdesk has the rejection")


@pytest.mark.case(22)
def test_an_unclear_rejection_of_an_update_arrived_if_talkdesk_no_longer_waits() -> None:
    at = read(app=REJECTING, installation=UPDATE, remote=remote("completed"))
    assert decide(at) == RecordAnswer(Decision.REJECT)
    known = answer(delivered=False, decision=Decision.REJECT).model_copy(update={"observed_state": "updating"})
    at = replace(at, answer=known, answer_recorded=True)
    assert decide(at) == Send(Decision.REJECT, "not for you")
    lost = replace(at, sent=SendState.UNCLEAR, send_failure=failure())
    end = finish(lost).ending
    assert end is not None
    assert end.reason is EndingReason.REJECTED
    waiting = finish(replace(lost, remote=remote("updating")))
    assert (waiting.phase, waiting.failure, waiting.ending) == (InstallationPhase.ANSWERING, failure(), None)
    assert finish(replace(lost, sent=SendState.REFUSED)).failure == failure()


@pytest.mark.case(31)
def test_an_install_that_talkdesk_shows_as_approved_is_not_rejected() -> None:
    at = read(app=REJECTING, sent=SendState.UNCLEAR, send_failure=failure(), remote=remote("completed"))
    assert decide(at) == Provision()
    done = finish(replace(at, tenant_outcome=READY))
    assert (done.verified, done.ending) == (True, None)


@pytest.mark.case(49)
def test_a_rejection_of_a_request_that_changed_is_decided_again() -> None:
    changed = finish(read(app=REJECTING, sent=SendState.OUTDATED))
    assert (changed.requeue_at, changed.ending) == (NOON, None)


@pytest.mark.parametrize("kind", EndingReason)
def test_every_end_has_its_phase_and_is_reconciled_again_at_once(kind: EndingReason) -> None:
    over = end_request(scope(), kind, Reason.GONE, "so it is")
    assert (over.phase.value, over.requeue_at, over.terminal) == (kind.value, NOON, False)


@pytest.mark.parametrize("word", ["installing", "completed", "suspended", "martian", ""])
def test_a_live_state_at_talkdesk_does_not_end_the_installation(word: str) -> None:
    assert end_at_talkdesk(read(remote=remote(word))) is None
