"""The answer to an install or update, made sure of; and the end that Talkdesk tells."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import NOON, WEEK, answer, credentials, decided, facts, failure, installation, remote, scope, view
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase, RequestType
from talkdesk_operator.domain.installation.answer import end_at_talkdesk, end_request
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.scope import Scope, SendState, TenantOutcome, TenantResult
from talkdesk_operator.domain.reconcile.steps import Finish, Provision, ReadTalkdesk, Send

READY = TenantOutcome(TenantResult.READY)
LATE = NOON + WEEK
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


@pytest.mark.case(22)
def test_an_update_is_answered_even_if_talkdesk_still_shows_the_state_before_it() -> None:
    at = read(installation=UPDATE, remote=remote("completed"), tenant_outcome=READY)
    assert decide(at) == Send(Decision.APPROVE)


@pytest.mark.case(22)
def test_the_state_completed_proves_the_answer_to_an_update_only_after_an_unclear_call() -> None:
    at = read(installation=UPDATE, remote=remote("completed"), tenant_outcome=READY, send_failure=failure())
    assert finish(replace(at, sent=SendState.UNCLEAR)).verified
    assert finish(replace(at, sent=SendState.REFUSED)).failure == failure()


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
    assert (over.reason, over.message) == (Reason.POLICY_REJECTED, "rejected: not for you")
    assert over.requeue_at == NOON


def test_a_person_rejects_without_a_reason() -> None:
    at = read(installation=installation(approval=decided()), app=view(approval={"mode": "Manual"}))
    assert decide(at) == Send(Decision.REJECT)
    over = finish(replace(at, sent=SendState.DELIVERED))
    assert (over.reason, over.message) == (Reason.REJECTED, "rejected")


@pytest.mark.case(22)
def test_an_unclear_rejection_of_an_update_arrived_if_talkdesk_no_longer_waits() -> None:
    at = read(app=REJECTING, installation=UPDATE, remote=remote("completed"))
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
