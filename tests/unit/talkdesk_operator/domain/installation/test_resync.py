"""The tenant of an answered installation converges, and Talkdesk's state is compared at each resync."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    HOUR,
    NOON,
    WEEK,
    answered,
    condition,
    credentials,
    credentials_object,
    current_tenant,
    ended,
    facts,
    failure,
    installation,
    remote,
    request_object,
    retry,
    scope,
    tenant,
    trial_object,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import CredentialsStatus, EndingReason, InstallationPhase, RequestType, UsersStatus
from talkdesk_crds.tenant import TenantStatus
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    CredentialsMissing,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Role,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    Finish,
    Provision,
    ReadCredentials,
    ReadTalkdesk,
    RecordMissedRequest,
)

READY = TenantOutcome(TenantResult.READY)
LATE = NOON + WEEK


def read(**fields: Any) -> Scope:
    """A scope in which everything is read and Talkdesk waits for the answer."""
    known = {"credentials": credentials(), "remote": remote(), "facts": facts()}
    return scope(**(known | fields))


LOST = CredentialsMissing(failure(Reason.CREDENTIALS_LOST, RetryClass.SLOW))


def answered_scope(**fields: Any) -> Scope:
    """The scope of an answered installation whose tenant is current."""
    at = scope(**({"installation": installation(status=answered())} | fields))
    return replace(at, tenant=current_tenant(at))


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish), step
    return step


def test_an_answered_installation_with_a_current_tenant_needs_no_step() -> None:
    assert finish(answered_scope()).ready
    assert finish(answered_scope(role=Role.NON_OWNER)).phase is InstallationPhase.SUPERSEDED


@pytest.mark.case(51)
def test_drift_is_corrected_without_reading_talkdesk() -> None:
    drifted = answered_scope(drifted=True)
    assert decide(drifted) == ReadCredentials()
    assert decide(replace(drifted, credentials=credentials())) == Provision()


def test_a_resync_reads_talkdesk_and_applies_again() -> None:
    at = answered_scope(resync=True, credentials=credentials())
    assert decide(at) == ReadTalkdesk(facts=True)
    at = replace(at, remote=remote("completed"), facts=facts())
    assert decide(at) == Provision()
    assert finish(replace(at, tenant_outcome=READY)).ready


@pytest.mark.case(44, 50)
def test_a_tenant_that_is_gone_is_provisioned_again_with_the_recorded_facts() -> None:
    at = replace(answered_scope(credentials=credentials()), tenant=None)
    assert decide(at) == Provision()
    forgotten = installation(status=answered(account=None))
    assert decide(replace(at, installation=forgotten)) == ReadTalkdesk(facts=True)


@pytest.mark.case(24)
def test_the_tenant_converges_even_while_talkdesk_refuses_calls() -> None:
    refused = answered_scope(
        resync=True, credentials=credentials(), remote=RemoteFailed(failure(Reason.FORBIDDEN, RetryClass.SLOW))
    )
    assert decide(refused) == Provision()
    unknown = replace(refused, installation=installation(status=answered(account=None)), tenant=None)
    assert finish(unknown).failure == failure(Reason.FORBIDDEN, RetryClass.SLOW)


@pytest.mark.case(43)
def test_lost_credentials_of_an_active_installation_stop_only_the_calls() -> None:
    lost = finish(answered_scope(resync=True, credentials=LOST))
    assert (lost.phase, lost.reason, lost.ending) == (InstallationPhase.ACTIVE, Reason.CREDENTIALS_LOST, None)


@pytest.mark.case(26)
def test_an_active_installation_that_talkdesk_does_not_find_is_read_a_second_time() -> None:
    missing = answered_scope(resync=True, credentials=credentials(), remote=RemoteMissing("not found"))
    assert finish(missing).reason is Reason.NOT_FOUND_ONCE
    seen_once = installation(status=answered(retry=retry(Reason.NOT_FOUND_ONCE, NOON)))
    again = replace(missing, installation=seen_once, resync=False, remote=None)
    assert decide(again) == ReadTalkdesk(facts=True)
    end = finish(replace(again, remote=RemoteMissing("not found"))).ending
    assert end is not None
    assert end.reason is EndingReason.GONE


@pytest.mark.case(32)
@pytest.mark.parametrize("kind", [EndingReason.TIMED_OUT, EndingReason.REJECTED])
def test_an_update_that_was_rejected_or_timed_out_leaves_the_tenant_running(kind: EndingReason) -> None:
    valid = condition(ConditionType.CREDENTIALS_VALID)
    over = installation(request=RequestType.UPDATE, status=ended(kind, conditions=(valid,)))
    at = scope(installation=over, now=NOON + timedelta(days=99))
    at = replace(at, tenant=current_tenant(at))
    assert finish(at).ready
    assert "no longer waits" in finish(at).message
    changed = tenant(status=TenantStatus())
    assert decide(replace(at, tenant=changed, credentials=credentials(), facts=facts())) == Provision()


@pytest.mark.case(43)
def test_lost_credentials_of_a_non_owner_leave_it_superseded() -> None:
    lost = finish(answered_scope(role=Role.NON_OWNER, resync=True, credentials=LOST))
    assert lost.phase is InstallationPhase.SUPERSEDED


@pytest.mark.parametrize(
    "status",
    [
        {"observed_generation": 0},
        {"retry": retry(Reason.UNAVAILABLE, NOON)},
        {"users": UsersStatus(licensed=3, complete=False)},
        pytest.param(
            {"credentials": CredentialsStatus(key_id="old", secret_name="keys-0")}, marks=pytest.mark.case(24)
        ),
    ],
    ids=lambda status: next(iter(status)),
)
@pytest.mark.parametrize("role", [Role.OWNER, Role.NON_OWNER])
def test_a_changed_or_unfinished_installation_reads_talkdesk_again(status: dict[str, Any], role: Role) -> None:
    at = answered_scope(installation=installation(status=answered(**status)), role=role)
    assert decide(at) == ReadCredentials()
    assert decide(replace(at, credentials=credentials())) == ReadTalkdesk(facts=role is Role.OWNER)


@pytest.mark.parametrize(
    "status",
    [
        {"users": UsersStatus(licensed=3)},
        {"credentials": CredentialsStatus(key_id="key-1")},
        {"credentials": CredentialsStatus(key_id="key-1", secret_name="keys-1")},
    ],
)
def test_an_installation_in_steady_state_needs_no_step(status: dict[str, Any]) -> None:
    assert finish(answered_scope(installation=installation(status=answered(**status)))).ready


def test_without_a_credentials_register_no_other_version_is_in_use() -> None:
    used = answered(credentials=CredentialsStatus(key_id="key-1", secret_name="keys-1"))
    assert finish(answered_scope(installation=installation(status=used, credentials=None))).ready


@pytest.mark.case(11)
def test_the_trial_is_read_only_while_one_runs_and_only_for_the_owner() -> None:
    running = installation(status=answered(), trial=trial_object("Started"))
    at = answered_scope(installation=running, resync=True, credentials=credentials())
    assert decide(at) == ReadTalkdesk(facts=True, trial=True)
    assert decide(replace(at, role=Role.NON_OWNER)) == ReadTalkdesk(facts=False)


@pytest.mark.case(11, 48)
def test_a_missed_update_is_recorded_and_left_to_the_next_reconcile() -> None:
    asked = remote("updating", updated_at=NOON + HOUR)
    at = answered_scope(resync=True, credentials=credentials(), remote=asked, now=NOON + 2 * HOUR)
    note = decide(at)
    assert isinstance(note, RecordMissedRequest)
    recorded = installation(request=request_object("Update", event=note.request.event_id), status=answered())
    waiting = finish(replace(at, installation=recorded, missed_request_recorded=True))
    assert (waiting.reason, waiting.requeue_at, waiting.ready) == (Reason.PROGRESSING, at.now, False)


@pytest.mark.case(16, 39)
def test_a_missed_uninstall_touches_no_tenant_before_its_owner_is_known() -> None:
    recorded = installation(request=RequestType.UNINSTALL, at=NOON + HOUR, event="found-1", status=answered())
    at = answered_scope(installation=installation(status=answered()))
    waiting = finish(replace(at, installation=recorded, missed_request_recorded=True, remote=remote("uninstalled")))
    assert (waiting.ending, waiting.requeue_at) == (None, NOON)


@pytest.mark.case(31)
@pytest.mark.parametrize("word", ["pending", "rejected", "timeout", "martian"])
def test_a_state_that_names_no_request_causes_no_action(word: str) -> None:
    at = answered_scope(resync=True, credentials=credentials(), remote=remote(word, updated_at=NOON + HOUR))
    assert decide(at) == Provision()
    assert finish(replace(at, tenant_outcome=READY)).ready


@pytest.mark.case(20)
def test_a_failed_acknowledgement_is_retried_while_the_tenant_converges() -> None:
    rotated = installation(status=answered(), credentials=credentials_object())
    at = answered_scope(installation=rotated, resync=True, credentials=credentials(), secret_name="keys-2")
    at = replace(at, remote=remote("completed"), tenant_outcome=READY)
    assert decide(at) == Acknowledge()
    lost = finish(replace(at, acknowledged=AcknowledgementState.FAILED, ack_failure=failure()))
    assert (lost.ready, lost.failure) == (True, failure())


@pytest.mark.case(72)
@pytest.mark.parametrize(("seconds", "again_at"), [(1, NOON + timedelta(minutes=1)), (60, None)])
def test_an_approved_update_that_talkdesk_still_shows_as_pending_is_looked_at_again_in_a_minute(
    seconds: int, again_at: Any
) -> None:
    at = read(
        installation=installation(request=RequestType.UPDATE, status=answered()),
        remote=remote("pending", updated_at=NOON - HOUR),
        tenant_outcome=READY,
        now=NOON + timedelta(seconds=seconds),
    )
    over = finish(at)
    assert (over.verified, over.requeue_at) == (False, again_at)
    assert finish(replace(at, remote=remote("completed"))).verified


# What is due.

DOWN = RemoteFailed(failure())
ROTATED: dict[str, Any] = {"credentials": credentials_object("keys-1", origin="Rotation")}


@pytest.mark.case(79)
@pytest.mark.parametrize(
    "due",
    [
        {"installation": installation(status=answered(), meta={"generation": 2})},
        {"installation": installation(status=answered(retry=retry(Reason.UNAVAILABLE, NOON)))},
        {"installation": installation(request=RequestType.UPDATE, status=answered())},
        {"installation": installation(status=answered(), **ROTATED)},
        {"resync": True},
    ],
)
def test_what_needs_talkdesks_state_stays_due_until_it_was_read(due: dict[str, Any]) -> None:
    at = answered_scope(credentials=credentials(), remote=DOWN, tenant_outcome=READY, **due)
    waiting = finish(at)
    assert (waiting.failure, waiting.ready, waiting.reason) == (failure(), True, Reason.UNAVAILABLE)
    assert failure().message in waiting.message


def test_a_periodic_look_at_talkdesk_waits_for_the_next_one() -> None:
    at = answered_scope(credentials=credentials(), remote=DOWN, tenant_outcome=READY, resync=True, background=True)
    assert (finish(at).failure, finish(at).reason) == (None, Reason.SUCCEEDED)


@pytest.mark.case(79)
def test_a_rotation_is_read_for_until_it_is_acknowledged() -> None:
    at = answered_scope(installation=installation(status=answered(), **ROTATED), credentials=credentials())
    assert isinstance(decide(at), ReadTalkdesk)


@pytest.mark.case(79)
def test_what_is_due_is_retried_where_a_tenant_that_is_not_ready_is_not() -> None:
    at = answered_scope(credentials=credentials(), remote=DOWN, resync=True)
    waiting = finish(replace(at, tenant_outcome=TenantOutcome(TenantResult.WAITING, "0 of 1")))
    assert (waiting.failure, waiting.reason) == (failure(), Reason.NOT_READY)
    busy = failure(Reason.CLUSTER_UNAVAILABLE)
    failing = finish(replace(at, tenant_outcome=TenantOutcome(TenantResult.FAILED, "busy", busy)))
    assert failing.failure == busy


@pytest.mark.case(63, 79)
def test_an_acknowledgement_that_failed_is_retried_beside_a_tenant_that_is_not_ready() -> None:
    lost = failure(Reason.FORBIDDEN, RetryClass.SLOW)
    rotated = installation(status=answered(), **ROTATED)
    at = read(
        installation=rotated,
        secret_name="keys-1",
        acknowledged=AcknowledgementState.FAILED,
        ack_failure=lost,
        remote=remote("completed"),
    )
    stuck = failure(Reason.TEMPLATE_INVALID, RetryClass.TERMINAL)
    for outcome, expected in (
        (TenantOutcome(TenantResult.WAITING, "0 of 1"), lost),
        (TenantOutcome(TenantResult.FAILED, "no", stuck), lost),
        (TenantOutcome(TenantResult.FAILED, "no", failure()), failure()),
    ):
        assert finish(replace(at, tenant_outcome=outcome)).failure == expected


@pytest.mark.case(79)
def test_an_acknowledgement_that_failed_is_told_although_the_tenant_is_ready() -> None:
    lost = failure(Reason.FORBIDDEN, RetryClass.SLOW)
    at = read(
        installation=installation(status=answered(), **ROTATED),
        secret_name="keys-1",
        acknowledged=AcknowledgementState.FAILED,
        ack_failure=lost,
        tenant_outcome=READY,
        remote=remote("completed"),
    )
    told = finish(at)
    assert (told.ready, told.reason, told.failure) == (True, Reason.FORBIDDEN, lost)
