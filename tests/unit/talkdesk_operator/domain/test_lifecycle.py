"""Installs and updates: what comes next, and what is never done."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import (
    NOON,
    WEEK,
    answer,
    answered,
    condition,
    credentials,
    current_tenant,
    ended,
    facts,
    failure,
    installation,
    remote,
    retry,
    scope,
    tenant,
    view,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import (
    Decision,
    EndingKind,
    InstallationPhase,
    InstallationStatus,
    RequestType,
    UsersStatus,
)
from talkdesk_crds.tenant import TenantStatus
from talkdesk_operator.domain.lifecycle import decide
from talkdesk_operator.domain.scope import (
    CredentialsMissing,
    Pace,
    RemoteMissing,
    RemoteRefused,
    Role,
    Scope,
    SendState,
    Tenancy,
    TenancyState,
)
from talkdesk_operator.domain.steps import Finish, Provision, ReadCredentials, ReadTalkdesk, Send, Step, SyncUsers

READY = Tenancy(TenancyState.READY)
LOST = CredentialsMissing(failure(Reason.CREDENTIALS_LOST, Pace.SLOW))
LATE = NOON + WEEK
UPDATE = installation(request=RequestType.UPDATE)


def read(**fields: Any) -> Scope:
    """A pass that has read everything; Talkdesk waits for the answer."""
    known = {"credentials": credentials(), "remote": remote(), "facts": facts()}
    return scope(**(known | fields))


def finish(at: Scope) -> Finish:
    step: Step = decide(at)
    assert isinstance(step, Finish), step
    return step


def test_an_install_reads_provisions_and_answers_in_this_order() -> None:
    at = scope()
    assert decide(at) == ReadCredentials()
    at = replace(at, credentials=credentials())
    assert decide(at) == ReadTalkdesk(facts=True)
    at = replace(at, remote=remote(), facts=facts())
    assert decide(at) == Provision()
    at = replace(at, tenancy=READY, tenant=tenant())
    assert decide(at) == Send(Decision.APPROVE)
    at = replace(at, sent=SendState.DELIVERED, answer=answer())
    assert finish(at).phase is InstallationPhase.ACTIVE
    assert finish(at).ready


def test_a_paused_installation_is_left_alone() -> None:
    paused = finish(scope(installation=installation(paused=True)))
    assert (paused.phase, paused.settled, paused.wake) == (InstallationPhase.PAUSED, True, None)


def test_without_request_or_app_nothing_is_done() -> None:
    assert finish(scope(installation=installation(request=None))).reason is Reason.NO_REQUEST
    homeless = finish(scope(app=None))
    assert (homeless.reason, homeless.stalled) == (Reason.APP_NOT_FOUND, True)
    assert "sentiment" in homeless.message


@pytest.mark.case(50)
def test_a_failure_of_the_cluster_ends_the_pass_and_keeps_the_phase() -> None:
    known = installation(status=InstallationStatus(phase=InstallationPhase.PROVISIONING))
    stopped = finish(scope(installation=known, failure=failure(Reason.CLUSTER_UNAVAILABLE)))
    assert (stopped.phase, stopped.reason) == (InstallationPhase.PROVISIONING, Reason.CLUSTER_UNAVAILABLE)
    assert not stopped.stalled


@pytest.mark.case(22, 23)
@pytest.mark.parametrize("word", ["completed", "suspended"])
@pytest.mark.parametrize("sent", [None, SendState.UNCLEAR, SendState.REFUSED])
def test_an_install_that_talkdesk_shows_as_done_is_answered_whatever_became_of_our_call(
    word: str, sent: SendState | None
) -> None:
    lost = failure() if sent is not None else None
    done = finish(read(remote=remote(word), tenancy=READY, sent=sent, send_failure=lost))
    assert (done.ready, done.verified) == (True, True)


@pytest.mark.case(22, 27)
@pytest.mark.parametrize("sent", [SendState.UNCLEAR, SendState.REFUSED])
def test_an_answer_that_did_not_arrive_is_read_back_and_then_tried_again_later(sent: SendState) -> None:
    lost = read(tenancy=READY, sent=sent, send_failure=failure(), remote=None)
    assert decide(lost) == ReadTalkdesk(facts=False)
    again = finish(replace(lost, remote=remote()))
    assert (again.phase, again.reason) == (InstallationPhase.ANSWERING, Reason.UNAVAILABLE)
    assert again.failure == failure()
    assert again.wake == LATE


@pytest.mark.case(22)
def test_an_update_is_answered_though_talkdesk_shows_the_state_of_before() -> None:
    at = read(installation=UPDATE, remote=remote("completed"), tenancy=READY)
    assert decide(at) == Send(Decision.APPROVE)


@pytest.mark.case(22)
def test_completed_proves_the_answer_to_an_update_only_if_it_may_have_arrived() -> None:
    at = read(installation=UPDATE, remote=remote("completed"), tenancy=READY, send_failure=failure())
    assert finish(replace(at, sent=SendState.UNCLEAR)).verified
    assert finish(replace(at, sent=SendState.REFUSED)).failure == failure()


@pytest.mark.case(49)
def test_a_request_that_changed_before_the_answer_is_looked_at_anew_at_once() -> None:
    changed = finish(read(tenancy=READY, sent=SendState.OUTDATED))
    assert (changed.wake, changed.ready) == (NOON, False)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        pytest.param("timeout", EndingKind.TIMED_OUT, marks=pytest.mark.case(32)),
        ("rejected", EndingKind.REJECTED),
        ("failed", EndingKind.REJECTED),
        ("revoked", EndingKind.GONE),
        ("uninstalled", EndingKind.GONE),
    ],
)
def test_an_end_at_talkdesk_is_the_end_here(word: str, kind: EndingKind) -> None:
    end = finish(read(remote=remote(word)))
    assert end.ending is not None
    assert (end.ending.kind, end.ending.event_id) == (kind, "event-1")
    assert end.phase == kind.value
    assert (end.settled, end.wake) == (False, NOON)


@pytest.mark.case(32)
@pytest.mark.parametrize("word", ["timeout", "rejected", "revoked"])
def test_a_repeated_install_does_not_end_by_the_state_of_before(word: str) -> None:
    old = remote(word, updated_at=NOON - timedelta(seconds=1))
    assert decide(read(remote=old)) == Provision()
    assert finish(read(remote=remote(word, updated_at=NOON))).ending is not None
    assert finish(read(remote=old, now=LATE)).ending is not None


@pytest.mark.case(26)
def test_an_installation_that_is_not_found_gets_a_second_look_before_it_is_gone() -> None:
    missing = read(remote=RemoteMissing("not found"))
    first = finish(missing)
    assert first.failure is not None
    assert (first.reason, first.failure.fixed) == (Reason.NOT_FOUND_ONCE, timedelta(minutes=1))
    known = installation(status=InstallationStatus(retry=retry(Reason.NOT_FOUND_ONCE, NOON + timedelta(minutes=1))))
    assert finish(replace(missing, installation=known)).ending is None
    second = finish(replace(missing, installation=known, now=NOON + timedelta(minutes=1)))
    assert second.ending is not None
    assert second.ending.kind is EndingKind.GONE


@pytest.mark.case(26)
def test_a_404_after_another_failure_is_a_first_one() -> None:
    known = installation(status=InstallationStatus(retry=retry(Reason.UNAVAILABLE, NOON)))
    assert finish(read(installation=known, remote=RemoteMissing("not found"))).ending is None


@pytest.mark.case(43)
def test_without_credentials_nobody_is_called_and_the_deadline_is_looked_at() -> None:
    waiting = finish(scope(credentials=LOST))
    assert (waiting.reason, waiting.failure, waiting.wake) == (Reason.CREDENTIALS_LOST, LOST.failure, LATE)


@pytest.mark.case(32)
def test_without_credentials_the_deadline_is_the_end_of_an_install() -> None:
    end = finish(scope(credentials=LOST, now=LATE))
    assert end.ending is not None
    assert end.ending.kind is EndingKind.TIMED_OUT


@pytest.mark.case(24, 25)
@pytest.mark.parametrize("reason", [Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN])
def test_a_refusal_is_tried_again_slowly_and_is_never_a_reject(reason: Reason) -> None:
    refused = read(remote=RemoteRefused(failure(reason, Pace.SLOW)))
    assert finish(refused).failure == failure(reason, Pace.SLOW)
    assert finish(refused).wake == LATE
    end = finish(replace(refused, now=LATE)).ending
    assert end is not None
    assert end.kind is EndingKind.TIMED_OUT


@pytest.mark.case(27, 33)
def test_while_talkdesk_is_down_even_a_passed_deadline_ends_nothing() -> None:
    down = finish(read(remote=RemoteRefused(failure()), now=LATE + WEEK))
    assert down.ending is None
    assert down.failure == failure()


@pytest.mark.case(52, 53)
def test_a_tenant_that_is_not_ready_holds_the_answer_up() -> None:
    waiting = finish(read(tenancy=Tenancy(TenancyState.WAITING, "Deployment td-1/web: 0 of 1", since=NOON)))
    assert (waiting.phase, waiting.reason) == (InstallationPhase.PROVISIONING, Reason.NOT_READY)
    assert waiting.wake == NOON + timedelta(seconds=1)
    refused = failure(Reason.APPLY_REFUSED, Pace.SLOW)
    failing = finish(read(tenancy=Tenancy(TenancyState.FAILED, "quota", refused)))
    assert (failing.reason, failing.failure, failing.stalled) == (Reason.APPLY_REFUSED, refused, False)


@pytest.mark.case(32, 54)
def test_a_template_error_is_stuck_but_the_deadline_is_still_looked_at() -> None:
    error = failure(Reason.RENDER_FAILED, Pace.NEVER)
    stuck = read(tenancy=Tenancy(TenancyState.FAILED, "steps[0]: no such key", error))
    assert (finish(stuck).stalled, finish(stuck).wake) == (True, LATE)
    assert finish(replace(stuck, now=LATE)).wake == LATE + timedelta(minutes=10)


@pytest.mark.case(39)
def test_a_superseded_installation_is_answered_and_makes_no_tenant() -> None:
    at = read(role=Role.BYSTANDER)
    assert decide(at) == Send(Decision.APPROVE)
    done = finish(replace(at, sent=SendState.DELIVERED, answer=answer()))
    assert (done.phase, done.ready, done.settled) == (InstallationPhase.SUPERSEDED, False, True)


def steady(**fields: Any) -> Scope:
    at = scope(**({"installation": installation(status=answered())} | fields))
    return replace(at, tenant=current_tenant(at))


def test_an_answered_installation_whose_tenant_is_current_costs_nothing() -> None:
    assert finish(steady()).ready
    assert finish(steady(role=Role.BYSTANDER)).phase is InstallationPhase.SUPERSEDED


@pytest.mark.case(51)
def test_drift_is_put_right_without_asking_talkdesk() -> None:
    drifted = steady(drifted=True)
    assert decide(drifted) == ReadCredentials()
    assert decide(replace(drifted, credentials=credentials())) == Provision()


def test_a_resync_asks_talkdesk_and_applies_again() -> None:
    at = steady(resync=True, credentials=credentials())
    assert decide(at) == ReadTalkdesk(facts=True)
    at = replace(at, remote=remote("completed"), facts=facts())
    assert decide(at) == Provision()
    assert finish(replace(at, tenancy=READY)).ready


@pytest.mark.case(44, 50)
def test_a_tenant_that_is_gone_is_made_again_with_the_facts_that_are_known() -> None:
    at = replace(steady(credentials=credentials()), tenant=None)
    assert decide(at) == Provision()
    forgotten = installation(status=answered(account=None))
    assert decide(replace(at, installation=forgotten)) == ReadTalkdesk(facts=True)


@pytest.mark.case(24)
def test_while_talkdesk_refuses_the_tenant_is_kept_as_it_should_be() -> None:
    refused = steady(resync=True, credentials=credentials(), remote=RemoteRefused(failure(Reason.FORBIDDEN, Pace.SLOW)))
    assert decide(refused) == Provision()
    unknown = replace(refused, installation=installation(status=answered(account=None)), tenant=None)
    assert finish(unknown).failure == failure(Reason.FORBIDDEN, Pace.SLOW)


@pytest.mark.case(27)
def test_while_talkdesk_is_down_users_who_were_all_brought_are_not_asked_for() -> None:
    for complete, users in ((True, None), (False, SyncUsers())):
        known = answered(users=UsersStatus(licensed=3, synced=3, complete=complete))
        at = steady(app=view(users={}), installation=installation(status=known))
        at = replace(at, resync=True, credentials=credentials(), remote=RemoteRefused(failure()), tenancy=READY)
        step = decide(at)
        assert step == users if users is not None else isinstance(step, Finish) and step.ready
    waits = read(app=view(users={}), tenancy=READY, remote=RemoteRefused(failure()))
    assert finish(waits).reason is Reason.UNAVAILABLE


@pytest.mark.case(43)
def test_lost_credentials_of_an_active_installation_stop_calls_and_nothing_else() -> None:
    lost = finish(steady(resync=True, credentials=LOST))
    assert (lost.phase, lost.reason, lost.ending) == (InstallationPhase.ACTIVE, Reason.CREDENTIALS_LOST, None)


@pytest.mark.case(26)
def test_an_active_installation_that_talkdesk_lost_gets_its_second_look_too() -> None:
    missing = steady(resync=True, credentials=credentials(), remote=RemoteMissing("not found"))
    assert finish(missing).reason is Reason.NOT_FOUND_ONCE
    seen_once = installation(status=answered(retry=retry(Reason.NOT_FOUND_ONCE, NOON)))
    again = replace(missing, installation=seen_once, resync=False, remote=None)
    assert decide(again) == ReadTalkdesk(facts=True)
    end = finish(replace(again, remote=RemoteMissing("not found"))).ending
    assert end is not None
    assert end.kind is EndingKind.GONE


def test_a_failing_tenant_of_an_active_installation_leaves_it_active() -> None:
    failing = failure(Reason.APPLY_REFUSED, Pace.SLOW)
    at = steady(resync=True, credentials=credentials(), remote=remote("completed"))
    broken = finish(replace(at, tenancy=Tenancy(TenancyState.FAILED, "quota", failing)))
    assert (broken.phase, broken.ready, broken.wake) == (InstallationPhase.ACTIVE, False, None)


@pytest.mark.case(32)
@pytest.mark.parametrize("kind", [EndingKind.TIMED_OUT, EndingKind.REJECTED])
def test_an_update_that_came_to_nothing_leaves_the_tenant_running(kind: EndingKind) -> None:
    valid = condition(ConditionType.CREDENTIALS_VALID)
    over = installation(request=RequestType.UPDATE, status=ended(kind, conditions=(valid,)))
    at = scope(installation=over, now=NOON + timedelta(days=99))
    at = replace(at, tenant=current_tenant(at))
    assert finish(at).ready
    assert "no longer waits" in finish(at).message
    changed = tenant(status=TenantStatus())
    assert decide(replace(at, tenant=changed, credentials=credentials(), facts=facts())) == Provision()


@pytest.mark.case(35)
@pytest.mark.parametrize("at", [datetime(1, 1, 2, tzinfo=NOON.tzinfo), datetime(9999, 12, 31, tzinfo=NOON.tzinfo)])
def test_no_time_of_an_event_is_refused_for_itself(at: datetime) -> None:
    asked = read(installation=installation(at=at), tenancy=READY)
    assert decide(asked) == Send(Decision.APPROVE)
