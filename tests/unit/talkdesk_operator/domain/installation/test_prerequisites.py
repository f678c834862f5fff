"""What a live installation needs before its answer and keeps afterwards: tenant, credentials, users."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    DAY,
    NOON,
    WEEK,
    answer,
    answered,
    credentials,
    credentials_object,
    facts,
    failure,
    installation,
    remote,
    scope,
    tenant,
    trial_object,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, InstallationPhase, UsersStatus
from talkdesk_crds.tenant import TenantState, TenantStatus
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    FaultOwner,
    RemoteFailed,
    RetryClass,
    Role,
    Scope,
    SendState,
    TenantOutcome,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    DeactivateUsers,
    Finish,
    Offboard,
    Provision,
    Purge,
    Send,
    SyncUsers,
)
from talkdesk_operator.domain.tenant.entitlement import desired_state

READY = TenantOutcome(TenantResult.READY)
LATE = NOON + WEEK


def read(**fields: Any) -> Scope:
    """A scope in which everything is read and Talkdesk waits for the answer."""
    known = {"credentials": credentials(), "remote": remote(), "facts": facts()}
    return scope(**(known | fields))


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish), step
    return step


@pytest.mark.case(52, 53)
def test_the_answer_waits_for_the_tenant() -> None:
    waiting = finish(
        read(tenant_outcome=TenantOutcome(TenantResult.WAITING, "Deployment td-1/web: 0 of 1", started_at=NOON))
    )
    assert (waiting.phase, waiting.reason) == (InstallationPhase.PROVISIONING, Reason.NOT_READY)
    assert waiting.requeue_at == NOON + timedelta(seconds=1)
    refused = failure(Reason.APPLY_REFUSED, RetryClass.SLOW)
    failing = finish(read(tenant_outcome=TenantOutcome(TenantResult.FAILED, "quota", refused)))
    assert (failing.reason, failing.failure, failing.stalled) == (Reason.APPLY_REFUSED, refused, False)


@pytest.mark.case(32, 54)
def test_a_template_error_stalls_but_the_deadline_is_still_checked() -> None:
    error = failure(Reason.RENDER_FAILED, RetryClass.TERMINAL)
    stuck = read(tenant_outcome=TenantOutcome(TenantResult.FAILED, "steps[0]: no such key", error))
    assert (finish(stuck).stalled, finish(stuck).requeue_at) == (True, LATE)
    assert finish(replace(stuck, now=LATE)).requeue_at == LATE + timedelta(minutes=10)


def test_a_failing_tenant_of_an_active_installation_leaves_it_active() -> None:
    failing = failure(Reason.APPLY_REFUSED, RetryClass.SLOW)
    at = live()
    broken = finish(replace(at, tenant_outcome=TenantOutcome(TenantResult.FAILED, "quota", failing)))
    assert (broken.phase, broken.ready, broken.requeue_at) == (InstallationPhase.ACTIVE, False, None)


@pytest.mark.case(53, 54)
@pytest.mark.parametrize("reason", [Reason.RENDER_FAILED, Reason.APPLY_REFUSED])
def test_a_tenant_that_cannot_be_provisioned_rejects_its_request_if_the_app_says_so(reason: Reason) -> None:
    broken = TenantOutcome(TenantResult.FAILED, "no", failure(reason, RetryClass.SLOW, fault=FaultOwner.CUSTOMER))
    at = read(app=view(approval={"onTenantFailure": "Reject"}), tenant_outcome=broken)
    explanation = "the app could not be set up for this account"
    assert decide(at) == Send(Decision.REJECT, explanation)
    over = finish(replace(at, sent=SendState.DELIVERED, answer=answer(decision=Decision.REJECT)))
    assert (over.phase, over.reason) == (InstallationPhase.REJECTED, Reason.POLICY_REJECTED)
    assert finish(replace(at, app=view())).failure == broken.failure


def test_a_failing_tenant_of_an_answered_installation_rejects_nothing() -> None:
    customers = failure(Reason.RENDER_FAILED, RetryClass.SLOW, fault=FaultOwner.CUSTOMER)
    broken = TenantOutcome(TenantResult.FAILED, "no", customers)
    strict = view(approval={"onTenantFailure": "Reject"})
    at = live(app=strict, tenant_outcome=broken)
    stuck = finish(at)
    assert (stuck.reason, stuck.stalled, stuck.ending) == (Reason.RENDER_FAILED, True, None)


OFFBOARDING = view(license={"onSuspended": "Offboard"})


def live(**fields: Any) -> Scope:
    """The scope of an answered installation at a resync, in which everything is read."""
    known = {"installation": installation(status=answered()), "resync": True, "remote": remote("completed")}
    return read(**(known | {"tenant": tenant()} | fields))


@pytest.mark.case(42)
def test_a_suspended_tenant_is_applied_like_any_other() -> None:
    at = live(remote=remote("suspended"))
    assert decide(at) == Provision()
    stopped = finish(replace(at, tenant_outcome=READY))
    assert (stopped.phase, stopped.reason) == (InstallationPhase.SUSPENDED, Reason.SUSPENDED)


@pytest.mark.case(42)
def test_a_suspended_customer_is_offboarded_and_later_purged_if_the_policy_says_so() -> None:
    at = live(remote=remote("suspended"), app=OFFBOARDING)
    assert decide(at) == Offboard()
    away = tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON + DAY))
    stopped = finish(replace(at, tenant=away, tenant_outcome=TenantOutcome(TenantResult.OFFBOARDED)))
    assert (stopped.phase, stopped.requeue_at) == (InstallationPhase.SUSPENDED, NOON + DAY)
    late = replace(at, tenant=away, now=NOON + DAY)
    assert decide(late) == Purge()
    gone = finish(replace(late, tenant_outcome=TenantOutcome(TenantResult.PURGED)))
    assert (gone.phase, gone.requeue_at) == (InstallationPhase.SUSPENDED, None)


@pytest.mark.case(42)
def test_a_protected_tenant_is_offboarded_but_never_purged() -> None:
    away = tenant(TenantState.OFFBOARDED, deletionProtection=True, status=TenantStatus(purge_time=NOON))
    assert decide(live(remote=remote("suspended"), app=OFFBOARDING, tenant=away)) == Offboard()


@pytest.mark.case(42)
def test_objects_that_are_slow_to_go_are_polled() -> None:
    at = live(remote=remote("suspended"), app=OFFBOARDING)
    going = TenantOutcome(TenantResult.DELETING, "Namespace td-1 is being deleted", started_at=NOON)
    slow = finish(replace(at, tenant_outcome=going))
    assert (slow.ready, slow.message, slow.requeue_at) == (False, going.message, NOON + timedelta(seconds=1))


@pytest.mark.case(42)
def test_without_a_tenant_there_is_nothing_to_offboard() -> None:
    at = live(remote=remote("suspended"), app=OFFBOARDING, tenant=None)
    assert finish(at).phase is InstallationPhase.SUSPENDED


@pytest.mark.case(21, 42)
def test_a_customer_who_is_entitled_again_is_provisioned_again() -> None:
    away = tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON + DAY))
    assert decide(live(app=OFFBOARDING, tenant=away)) == Provision()
    upgraded = installation(status=answered(), trial=trial_object(endedReason="trial_expired"))
    suspended = live(installation=upgraded, facts=facts(subscription="trial"))
    assert desired_state(suspended) is TenantState.SUSPENDED
    assert desired_state(replace(suspended, facts=facts(subscription="paid"))) is TenantState.ACTIVE


@pytest.mark.case(63)
@pytest.mark.parametrize(
    "tenant_outcome", [TenantOutcome(TenantResult.WAITING, "0 of 1"), TenantOutcome(TenantResult.FAILED, "quota")]
)
def test_the_acknowledgement_of_a_rotation_does_not_wait_for_the_tenant(tenant_outcome: TenantOutcome) -> None:
    rotated = installation(status=answered(), credentials=credentials_object())
    at = live(installation=rotated, secret_name="keys-2")
    assert decide(at) == Provision()
    assert decide(replace(at, tenant_outcome=tenant_outcome)) == Acknowledge()
    acknowledged = replace(
        at, tenant_outcome=tenant_outcome, acknowledged=AcknowledgementState.DONE, previous_versions_deleted=True
    )
    assert finish(acknowledged).message == tenant_outcome.message


@pytest.mark.case(63)
def test_rotated_credentials_of_a_non_owner_are_acknowledged_too() -> None:
    rotated = installation(status=answered(), credentials=credentials_object())
    assert decide(live(role=Role.NON_OWNER, installation=rotated, secret_name="keys-2")) == Acknowledge()


COUNTED = view(users={})


@pytest.mark.case(60)
def test_users_are_synced_after_the_tenant_and_before_the_answer() -> None:
    at = read(app=COUNTED, tenant_outcome=READY)
    assert decide(at) == SyncUsers()
    assert decide(replace(at, users=UsersOutcome(3))) == Send(Decision.APPROVE)
    assert decide(replace(at, users=UsersOutcome(3, synced=2, failed=1))) == Send(Decision.APPROVE)
    assert decide(replace(at, app=view())) == Send(Decision.APPROVE)


@pytest.mark.case(60)
@pytest.mark.parametrize("fields", [{"role": Role.NON_OWNER}, {"remote": remote("suspended")}])
def test_users_are_synced_only_for_an_entitled_owner(fields: dict[str, Any]) -> None:
    assert not isinstance(decide(live(app=COUNTED, tenant_outcome=READY, **fields)), SyncUsers)


@pytest.mark.case(60)
def test_an_unfinished_user_sync_continues_at_once() -> None:
    part = UsersOutcome(1000, synced=300, done=False, message="300 of 1000")
    waiting = finish(read(app=COUNTED, tenant_outcome=READY, users=part))
    assert (waiting.phase, waiting.reason) == (InstallationPhase.PROVISIONING, Reason.USERS_SYNCING)
    assert (waiting.message, waiting.requeue_at, waiting.failure) == ("300 of 1000", NOON, None)
    assert finish(live(app=COUNTED, tenant_outcome=READY, users=part)).phase is InstallationPhase.ACTIVE


@pytest.mark.case(60)
def test_a_failed_user_sync_is_retried_and_the_deadline_is_checked() -> None:
    down = UsersOutcome(0, failure=failure(Reason.SCIM_UNAVAILABLE))
    waiting = finish(read(app=COUNTED, tenant_outcome=READY, users=down))
    assert (waiting.reason, waiting.failure, waiting.requeue_at) == (Reason.SCIM_UNAVAILABLE, down.failure, LATE)
    active = finish(live(app=COUNTED, tenant_outcome=READY, users=down))
    assert (active.phase, active.failure, active.requeue_at) == (InstallationPhase.ACTIVE, down.failure, None)


@pytest.mark.case(27)
def test_while_talkdesk_is_down_users_that_are_all_synced_are_not_read() -> None:
    for complete, users in ((True, None), (False, SyncUsers())):
        known = answered(users=UsersStatus(licensed=3, synced=3, complete=complete))
        at = live(app=view(users={}), installation=installation(status=known))
        at = replace(at, resync=True, credentials=credentials(), remote=RemoteFailed(failure()), tenant_outcome=READY)
        step = decide(at)
        assert step == users if users is not None else isinstance(step, Finish) and step.ready


@pytest.mark.case(66)
def test_objects_outside_the_tenant_hold_up_neither_the_users_nor_their_deactivation() -> None:
    outside = TenantOutcome(TenantResult.FAILED, "no", failure(Reason.OUTSIDE_TENANT, RetryClass.SLOW))
    users = {"scim": {"url": "https://s.example", "tokenSecretRef": {"name": "s", "key": "t"}}}
    at = live(app=view(users=users), tenant_outcome=outside)
    assert decide(at) == SyncUsers()
    done = finish(replace(at, users=UsersOutcome(3)))
    assert (done.reason, done.phase, done.stalled) == (Reason.OUTSIDE_TENANT, InstallationPhase.ACTIVE, True)
    others = TenantOutcome(TenantResult.FAILED, "no", failure(Reason.CONFLICT, RetryClass.SLOW))
    assert finish(replace(at, tenant_outcome=others)).reason == Reason.CONFLICT
    waits = read(app=view(users=users), tenant_outcome=outside)
    assert finish(waits).reason == Reason.OUTSIDE_TENANT
    away = view(users=users, license={"onSuspended": "Offboard"})
    assert decide(replace(at, app=away, remote=remote("suspended"))) == DeactivateUsers()
