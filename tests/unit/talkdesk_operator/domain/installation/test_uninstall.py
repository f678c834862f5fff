"""Uninstalls: the tenant is offboarded, the acknowledgement is sent once and verified, and only then it ends."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import (
    DAY,
    HOUR,
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
from talkdesk_crds.installation import (
    Answer,
    CredentialsStatus,
    Decision,
    EndingReason,
    InstallationPhase,
    InstallationStatus,
    RequestType,
    TalkdeskInstallation,
)
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.reachability import proven_access
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


def refused(reason: Reason = Reason.CREDENTIALS_REFUSED) -> RemoteFailed:
    return RemoteFailed(failure(reason, RetryClass.SLOW))


def since(moment: datetime | None, **status: Any) -> TalkdeskInstallation:
    """The installation, whose credentials Talkdesk refuses since then."""
    used = CredentialsStatus(key_id="key-1", secret_name="keys-1", refusal_time=moment)
    return UNINSTALL.model_copy(update={"status": InstallationStatus(credentials=used, **status)})


def asking(**fields: Any) -> Scope:
    return leaving(**({"credentials": credentials(), "secret_name": "keys-1"} | fields))


@pytest.mark.case(50, 72)
@pytest.mark.parametrize("reason", [Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN])
def test_refused_credentials_prove_an_answer_that_talkdesk_accepted(reason: Reason) -> None:
    assert is_done(asking(answer=answer(), remote=refused(reason)))


@pytest.mark.case(50, 72)
@pytest.mark.parametrize("reason", [Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN])
def test_refused_credentials_prove_an_answer_whose_outcome_was_lost_only_when_they_stay_so_for_an_hour(
    reason: Reason,
) -> None:
    first = asking(answer=ANNOUNCED, remote=refused(reason))
    waiting = finish(first)
    assert (waiting.reason, waiting.phase, waiting.ending) == (Reason.VERIFYING, InstallationPhase.OFFBOARDING, None)
    assert waiting.requeue_at == NOON + HOUR
    assert waiting.failure is not None
    at = replace(first, now=NOON + HOUR)
    assert finish(replace(at, installation=since(NOON + timedelta(seconds=1)))).ending is None
    assert finish(replace(at, installation=since(NOON), secret_name="keys-2")).ending is None
    assert is_done(replace(at, installation=since(NOON)))


@pytest.mark.case(28, 72)
def test_a_refusal_after_an_edit_of_the_apps_hosts_proves_nothing_however_long_it_lasts() -> None:
    elsewhere = since(NOON, verified_access="another-place.another-way")
    at = asking(answer=ANNOUNCED, remote=refused(), installation=elsewhere, now=NOON + HOUR)
    held = finish(at)
    assert (held.reason, held.ending) == (Reason.CREDENTIALS_REFUSED, None)
    assert held.requeue_at is not None
    assert held.requeue_at > at.now
    same = proven_access(replace(at, remote=remote()))
    assert is_done(replace(at, installation=since(NOON, verified_access=same)))


@pytest.mark.case(50, 72)
@pytest.mark.parametrize("taken_back", [None, answer(sent=False, delivered=False)])
def test_refused_credentials_prove_nothing_where_nothing_was_sent(taken_back: Answer | None) -> None:
    at = asking(answer=taken_back, remote=refused(), installation=since(NOON - DAY))
    assert (finish(at).reason, finish(at).ending) == (Reason.CREDENTIALS_REFUSED, None)


@pytest.mark.case(15, 72)
@pytest.mark.parametrize("seconds", [-1, 0, 60])
@pytest.mark.parametrize("delivered", [True, False])
def test_an_approval_that_was_sent_after_the_uninstall_request_may_have_answered_the_uninstall(
    seconds: int, *, delivered: bool
) -> None:
    moment = NOON + timedelta(seconds=seconds)
    known = answer(event="the-install").model_copy(
        update={"delivery_time": moment} if delivered else {"delivery_time": None, "send_time": moment}
    )
    at = asking(installation=since(NOON, answer=known), remote=refused(), now=NOON + HOUR)
    assert (finish(at).ending is not None) is (seconds >= 0)
    assert finish(replace(at, now=NOON)).ending is None


@pytest.mark.case(50, 72)
def test_a_404_proves_the_end_in_a_second_look_and_at_once_after_a_call_that_talkdesk_accepted() -> None:
    missing = RemoteMissing("not found")
    assert is_done(asked(answer=answer(), remote=missing))
    for so_far in (None, ANNOUNCED):
        once = finish(asked(answer=so_far, remote=missing))
        assert (once.reason, once.phase) == (Reason.NOT_FOUND_ONCE, InstallationPhase.OFFBOARDING)
        seen = UNINSTALL.model_copy(update={"status": InstallationStatus(retry=retry(Reason.NOT_FOUND_ONCE, NOON))})
        assert is_done(asked(answer=so_far, installation=seen, remote=missing))


@pytest.mark.case(72)
def test_the_end_of_an_earlier_installation_under_the_same_id_does_not_end_the_uninstall_before_a_call() -> None:
    old = asked(remote=remote("revoked", updated_at=NOON - timedelta(seconds=1)))
    assert decide(old) == RecordAnswer(Decision.APPROVE)
    called = replace(old, answer=answer(sent=False, delivered=False), sent=SendState.NOT_AWAITED)
    assert is_done(replace(called, send_failure=failure()))


@pytest.mark.case(72)
def test_an_uninstall_is_not_answered_while_talkdesks_state_names_a_newer_request() -> None:
    reinstalled = finish(asked(remote=remote("installing", updated_at=NOON + timedelta(seconds=1))))
    assert (reinstalled.reason, reinstalled.phase) == (Reason.ANSWER_UNCLEAR, InstallationPhase.OFFBOARDING)
    assert decide(asked(remote=remote("installing", updated_at=NOON))) == RecordAnswer(Decision.APPROVE)


@pytest.mark.case(72)
def test_an_uninstall_whose_outcome_was_lost_is_sent_again_when_talkdesks_state_gives_the_reason() -> None:
    lost = asked(answer=ANNOUNCED)
    assert decide(replace(lost, remote=remote("uninstalling"))) == Send(Decision.APPROVE)
    assert decide(replace(lost, remote=remote("pending", updated_at=NOON))) == Send(Decision.APPROVE)
    newer = remote("pending", updated_at=NOON + timedelta(seconds=1))
    assert finish(replace(lost, remote=newer)).reason is Reason.ANSWER_UNCLEAR


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
    # As long as Talkdesk can be asked, its own state says whether it removed the installation.
    assert finish(replace(lost, now=LATE)).ending is None


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
    assert finish(leaving(credentials=lost, now=LATE)).reason is Reason.DEPROVISIONED
    forbidden = asking(remote=refused(Reason.FORBIDDEN), now=LATE)
    assert finish(replace(forbidden, installation=since(LATE - HOUR))).reason is Reason.DEPROVISIONED
    assert finish(replace(forbidden, installation=since(LATE - HOUR / 2))).ending is None
    foreign = asking(remote=refused(Reason.FOREIGN_HOST), now=LATE + DAY)
    assert finish(foreign).ending is None


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
    assert (lost.reason, lost.requeue_at) == (Reason.SCIM_UNAVAILABLE, None)
    assert lost.failure is not None


@pytest.mark.case(60, 66)
def test_users_are_deactivated_though_objects_outside_the_tenant_are_not_deleted() -> None:
    outside = TenantOutcome(TenantResult.FAILED, "no", failure(Reason.OUTSIDE_TENANT, RetryClass.SLOW))
    at = leaving(app=view(users={"scim": SCIM}), tenant_outcome=outside)
    assert decide(at) == DeactivateUsers()
    assert finish(replace(at, users=UsersOutcome(3))).reason == Reason.OUTSIDE_TENANT
    others = TenantOutcome(TenantResult.FAILED, "no", failure(Reason.CONFLICT, RetryClass.SLOW))
    assert finish(replace(at, tenant_outcome=others)).reason == Reason.CONFLICT


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
