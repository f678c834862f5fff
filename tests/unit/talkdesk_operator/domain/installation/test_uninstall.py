"""Uninstalls: the tenant is offboarded, the acknowledgement is sent once and verified, and only then it ends."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    NOON,
    WEEK,
    answer,
    credentials,
    failure,
    installation,
    remote,
    retry,
    scope,
    tenant,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase, InstallationStatus, RequestType
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Role,
    Scope,
    SendState,
    TenantOutcome,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import (
    DeactivateUsers,
    Finish,
    Offboard,
    ReadCredentials,
    ReadTalkdesk,
    RecordAnswer,
    Send,
)

UNINSTALL = installation(request=RequestType.UNINSTALL)
OFF = tenant(TenantState.OFFBOARDED, uninstallTime="2026-03-01T12:00:00Z")
OFFBOARDED = TenantOutcome(TenantResult.OFFBOARDED)
ANNOUNCED = answer(delivered=False)
LATE = NOON + WEEK
BEFORE = view(uninstall={"approvalTiming": "BeforeOffboard"})


def leaving(**fields: Any) -> Scope:
    """The scope of an uninstall whose tenant is already offboarded."""
    known = {"installation": UNINSTALL, "role": Role.LAST_OWNER, "tenant": OFF, "tenant_outcome": OFFBOARDED}
    return scope(**(known | fields))


def asked(**fields: Any) -> Scope:
    return leaving(**({"credentials": credentials(), "remote": remote()} | fields))


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish), step
    return step


def is_done(at: Scope) -> bool:
    end = finish(at).ending
    return end is not None and end.reason is EndingReason.UNINSTALLED and finish(at).verified


def test_an_uninstall_offboards_reads_records_and_answers_in_this_order() -> None:
    at = leaving(tenant=tenant(), tenant_outcome=None)
    assert decide(at) == Offboard()
    at = replace(at, tenant=OFF, tenant_outcome=OFFBOARDED)
    assert decide(at) == ReadCredentials()
    at = replace(at, credentials=credentials())
    assert decide(at) == ReadTalkdesk(facts=False)
    at = replace(at, remote=remote())
    assert decide(at) == RecordAnswer(Decision.APPROVE)
    at = replace(at, answer=ANNOUNCED)
    assert decide(at) == Send(Decision.APPROVE)
    at = replace(at, answer=answer(), sent=SendState.DELIVERED, remote=None)
    assert decide(at) == ReadTalkdesk(facts=False)
    assert is_done(replace(at, remote=remote("revoked")))


@pytest.mark.case(16, 39)
def test_an_uninstall_of_the_old_installation_is_answered_and_leaves_the_tenant_alone() -> None:
    assert decide(leaving(role=Role.NON_OWNER, tenant=tenant(), tenant_outcome=None)) == ReadCredentials()


def test_an_app_may_have_uninstalls_answered_before_the_tenant_is_offboarded() -> None:
    assert decide(leaving(app=BEFORE, tenant=tenant(), tenant_outcome=None)) == ReadCredentials()


@pytest.mark.case(15)
def test_an_uninstall_without_credentials_waits_for_them() -> None:
    missing = CredentialsMissing(failure(Reason.CREDENTIALS_MISSING, RetryClass.TERMINAL))
    waiting = finish(leaving(tenant=None, tenant_outcome=None, credentials=missing))
    assert (waiting.reason, waiting.requeue_at) == (Reason.CREDENTIALS_MISSING, LATE)


@pytest.mark.case(52)
def test_objects_that_do_not_go_away_delay_the_answer_until_the_offboard_timeout() -> None:
    going = TenantOutcome(TenantResult.DELETING, "Namespace td-1 is being deleted", started_at=NOON)
    blocked = finish(leaving(tenant_outcome=going))
    assert (blocked.phase, blocked.reason) == (InstallationPhase.OFFBOARDING, Reason.OFFBOARDING)
    assert blocked.message == "Namespace td-1 is being deleted"
    assert blocked.requeue_at == NOON + timedelta(seconds=1)
    assert decide(leaving(tenant_outcome=going, now=NOON + timedelta(minutes=10))) == ReadCredentials()


@pytest.mark.case(53)
def test_a_failed_offboarding_is_retried() -> None:
    refused = failure(Reason.APPLY_REFUSED, RetryClass.SLOW)
    failing = finish(leaving(tenant_outcome=TenantOutcome(TenantResult.FAILED, "forbidden", refused)))
    assert (failing.reason, failing.failure, failing.requeue_at) == (Reason.APPLY_REFUSED, refused, None)


@pytest.mark.case(50)
@pytest.mark.parametrize("reason", [Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN])
def test_refused_credentials_after_the_call_prove_the_answer(reason: Reason) -> None:
    refused = RemoteFailed(failure(reason, RetryClass.SLOW))
    assert is_done(leaving(credentials=credentials(), answer=ANNOUNCED, remote=refused))
    assert finish(leaving(credentials=credentials(), remote=refused)).ending is None


@pytest.mark.case(15)
@pytest.mark.parametrize("seconds", [-1, 0, 60])
def test_an_approval_that_was_sent_after_the_uninstall_request_has_answered_the_uninstall(seconds: int) -> None:
    delivered = answer(event="the-install").model_copy(update={"delivery_time": NOON + timedelta(seconds=seconds)})
    earlier = UNINSTALL.model_copy(update={"status": InstallationStatus(answer=delivered)})
    refused = RemoteFailed(failure(Reason.CREDENTIALS_REFUSED, RetryClass.SLOW))
    ended = finish(leaving(installation=earlier, credentials=credentials(), remote=refused)).ending
    assert (ended is not None) is (seconds >= 0)


@pytest.mark.case(50)
def test_a_404_after_the_call_proves_the_answer_without_a_second_read() -> None:
    missing = RemoteMissing("not found")
    assert is_done(asked(answer=ANNOUNCED, remote=missing))
    assert finish(asked(remote=missing)).reason is Reason.NOT_FOUND_ONCE
    seen = UNINSTALL.model_copy(update={"status": InstallationStatus(retry=retry(Reason.NOT_FOUND_ONCE, NOON))})
    assert is_done(asked(installation=seen, remote=missing))


@pytest.mark.case(22)
def test_an_installation_that_talkdesk_shows_as_revoked_needs_no_answer() -> None:
    assert is_done(asked(remote=remote("revoked")))


@pytest.mark.case(50)
def test_after_a_crash_before_the_call_talkdesk_is_read_and_the_answer_sent() -> None:
    assert decide(leaving(answer=ANNOUNCED, credentials=credentials())) == ReadTalkdesk(facts=False)
    assert decide(asked(answer=ANNOUNCED)) == Send(Decision.APPROVE)


@pytest.mark.case(22, 27)
@pytest.mark.parametrize("sent", [SendState.UNCLEAR, SendState.REFUSED])
def test_an_answer_that_did_not_arrive_is_retried_until_the_deadline(sent: SendState) -> None:
    lost = asked(answer=ANNOUNCED, sent=sent, send_failure=failure())
    assert (finish(lost).failure, finish(lost).requeue_at) == (failure(), LATE)
    end = finish(replace(lost, now=LATE))
    assert end.reason is Reason.DEPROVISIONED
    assert end.ending is not None
    assert not end.verified


def test_an_answer_that_talkdesk_does_not_show_yet_is_verified_and_not_repeated() -> None:
    delivered = asked(answer=answer())
    assert (finish(delivered).reason, finish(delivered).requeue_at) == (Reason.VERIFYING, LATE)
    assert finish(replace(delivered, now=LATE)).reason is Reason.DEPROVISIONED
    assert is_done(replace(delivered, remote=remote("martian")))


@pytest.mark.case(49)
def test_a_request_that_changed_before_the_answer_is_reconciled_again_at_once() -> None:
    assert finish(asked(answer=ANNOUNCED, sent=SendState.OUTDATED)).requeue_at == NOON


@pytest.mark.case(26, 32)
def test_an_uninstall_that_cannot_be_acknowledged_ends_at_the_deadline() -> None:
    lost = CredentialsMissing(failure(Reason.CREDENTIALS_LOST, RetryClass.SLOW))
    refused = RemoteFailed(failure(Reason.FORBIDDEN, RetryClass.SLOW))
    for at in (leaving(credentials=lost, now=LATE), leaving(credentials=credentials(), remote=refused, now=LATE)):
        assert finish(at).reason is Reason.DEPROVISIONED


def test_while_talkdesk_is_down_an_uninstall_keeps_waiting() -> None:
    down = leaving(credentials=credentials(), remote=RemoteFailed(failure()), now=LATE)
    assert finish(down).ending is None


def test_the_end_of_an_uninstall_is_reconciled_again_at_once() -> None:
    over = finish(asked(remote=remote("revoked")))
    assert (over.phase, over.terminal, over.requeue_at) == (InstallationPhase.UNINSTALLED, False, NOON)
    assert (over.reason, "retention" in over.message) == (Reason.UNINSTALLED, True)
    elsewhere = finish(asked(remote=remote("revoked"), role=Role.NON_OWNER, tenant=tenant()))
    assert (elsewhere.reason, "another installation" in elsewhere.message) == (Reason.UNINSTALLED, True)
    without_tenant = finish(asked(remote=remote("revoked"), tenant=None))
    assert (without_tenant.reason, "tenant" in without_tenant.message) == (Reason.UNINSTALLED, False)


SCIM = {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}


@pytest.mark.case(60)
def test_users_are_deactivated_after_the_tenant_and_before_the_answer() -> None:
    at = leaving(app=view(users={"scim": SCIM}))
    assert decide(at) == DeactivateUsers()
    assert decide(replace(at, users=UsersOutcome(3))) == ReadCredentials()
    part = finish(replace(at, users=UsersOutcome(9, done=False, message="3 of 9")))
    assert (part.phase, part.reason) == (InstallationPhase.OFFBOARDING, Reason.USERS_SYNCING)
    assert (part.message, part.requeue_at, part.failure) == ("3 of 9", NOON, None)
    down = UsersOutcome(9, failure=failure(Reason.SCIM_UNAVAILABLE))
    lost = finish(replace(at, users=down))
    assert (lost.reason, lost.failure, lost.requeue_at) == (Reason.SCIM_UNAVAILABLE, down.failure, None)


@pytest.mark.case(52, 60)
def test_users_are_deactivated_but_delay_the_answer_only_until_the_offboard_timeout() -> None:
    at = leaving(app=view(users={"scim": SCIM}), now=NOON + timedelta(minutes=10))
    assert decide(at) == DeactivateUsers()
    assert decide(replace(at, tenant_outcome=TenantOutcome(TenantResult.DELETING, "going"))) == DeactivateUsers()
    down = UsersOutcome(9, failure=failure(Reason.SCIM_UNAVAILABLE))
    assert decide(replace(at, users=down)) == ReadCredentials()
    assert decide(replace(at, users=UsersOutcome(9, done=False))) == ReadCredentials()


@pytest.mark.parametrize("users", [None, {}, {"scim": SCIM | {"onOffboard": "Keep"}}])
def test_users_stay_active_if_the_app_says_so_or_has_no_service(users: dict[str, Any] | None) -> None:
    assert decide(leaving(app=view(users=users))) == ReadCredentials()


@pytest.mark.case(16)
def test_the_users_of_another_installations_tenant_stay_active() -> None:
    at = leaving(app=view(users={"scim": SCIM}), role=Role.NON_OWNER, tenant_outcome=None)
    assert decide(at) == ReadCredentials()
