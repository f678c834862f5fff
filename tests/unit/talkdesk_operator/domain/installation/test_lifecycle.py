"""Installs and updates: what comes next, and what is never done."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from builders.objects import (
    NOON,
    WEEK,
    answer,
    answered,
    credentials,
    credentials_object,
    current_tenant,
    decided,
    deleted,
    facts,
    failure,
    installation,
    remote,
    scope,
    tenant,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase, InstallationStatus, RequestType
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    CredentialsMissing,
    RetryClass,
    Role,
    Scope,
    SendState,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    Finish,
    Provision,
    ReadCredentials,
    ReadTalkdesk,
    RemoveFinalizer,
    Send,
    Step,
)

READY = TenantOutcome(TenantResult.READY)
LOST = CredentialsMissing(failure(Reason.CREDENTIALS_LOST, RetryClass.SLOW))
LATE = NOON + WEEK
UPDATE = installation(request=RequestType.UPDATE)


def read(**fields: Any) -> Scope:
    """A scope in which everything is read and Talkdesk waits for the answer."""
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
    at = replace(at, tenant_outcome=READY, tenant=tenant())
    assert decide(at) == Send(Decision.APPROVE)
    at = replace(at, sent=SendState.DELIVERED, answer=answer())
    assert finish(at).phase is InstallationPhase.ACTIVE
    assert finish(at).ready


def test_a_paused_installation_is_left_alone() -> None:
    paused = finish(scope(installation=installation(paused=True)))
    assert (paused.phase, paused.terminal, paused.requeue_at) == (InstallationPhase.PAUSED, True, None)


def test_without_request_or_app_nothing_is_done() -> None:
    assert finish(scope(installation=installation(request=None))).reason is Reason.NO_REQUEST
    homeless = finish(scope(app=None))
    assert (homeless.reason, homeless.stalled) == (Reason.APP_NOT_FOUND, True)
    assert "sentiment" in homeless.message


@pytest.mark.case(50)
def test_a_failure_of_the_cluster_ends_the_reconcile_and_keeps_the_phase() -> None:
    known = installation(status=InstallationStatus(phase=InstallationPhase.PROVISIONING))
    stopped = finish(scope(installation=known, failure=failure(Reason.CLUSTER_UNAVAILABLE)))
    assert (stopped.phase, stopped.reason) == (InstallationPhase.PROVISIONING, Reason.CLUSTER_UNAVAILABLE)
    assert not stopped.stalled


@pytest.mark.case(32)
def test_without_credentials_the_deadline_is_the_end_of_an_install() -> None:
    end = finish(scope(credentials=LOST, now=LATE))
    assert end.ending is not None
    assert end.ending.reason is EndingReason.TIMED_OUT


@pytest.mark.case(39)
def test_a_superseded_installation_is_answered_without_a_tenant() -> None:
    at = read(role=Role.NON_OWNER)
    assert decide(at) == Send(Decision.APPROVE)
    done = finish(replace(at, sent=SendState.DELIVERED, answer=answer()))
    assert (done.phase, done.ready, done.terminal) == (InstallationPhase.SUPERSEDED, False, True)


def answered_scope(**fields: Any) -> Scope:
    at = scope(**({"installation": installation(status=answered())} | fields))
    return replace(at, tenant=current_tenant(at))


@pytest.mark.case(35)
@pytest.mark.parametrize("at", [datetime(1, 1, 2, tzinfo=NOON.tzinfo), datetime(9999, 12, 31, tzinfo=NOON.tzinfo)])
def test_an_event_time_at_the_ends_of_the_calendar_is_handled(at: datetime) -> None:
    asked = read(installation=installation(at=at), tenant_outcome=READY)
    assert decide(asked) == Send(Decision.APPROVE)


@pytest.mark.case(51)
def test_a_person_may_pause_an_installation_a_tenant_or_the_whole_app() -> None:
    for paused, named in (
        (scope(installation=installation(paused=True)), "spec.paused"),
        (scope(tenant=tenant(paused=True)), "TalkdeskTenant sentiment-acc"),
        (scope(app=view(paused=True)), "TalkdeskApp sentiment"),
    ):
        assert finish(paused).reason is Reason.PAUSED
        assert (finish(paused).terminal, named in finish(paused).message) == (True, True)
    assert decide(scope(tenant=tenant(), app=view())) == ReadCredentials()


@pytest.mark.case(44, 51)
@pytest.mark.parametrize(
    "paused",
    [
        {"tenant": tenant(paused=True)},
        {"app": view(paused=True)},
        {"installation": deleted(deletionPolicy="Delete", paused=True)},
    ],
)
def test_a_deletion_of_a_paused_installation_does_not_purge_the_tenant(paused: dict[str, Any]) -> None:
    known = {"installation": deleted(deletionPolicy="Delete"), "tenant": tenant(), "role": Role.LAST_OWNER}
    at = scope(**(known | paused))
    waiting = finish(at)
    assert (waiting.phase, waiting.reason, waiting.terminal) == (InstallationPhase.DELETING, Reason.PAUSED, True)
    assert decide(replace(at, installation=deleted())) == RemoveFinalizer()


@pytest.mark.case(34)
def test_while_a_person_must_decide_nothing_is_provisioned() -> None:
    waiting = finish(read(app=view(approval={"mode": "Manual"})))
    assert waiting.phase is InstallationPhase.AWAITING_DECISION


@pytest.mark.case(34, 51)
def test_while_a_person_must_decide_on_an_update_the_installed_tenant_converges() -> None:
    waiting = read(app=view(approval={"mode": "Manual"}), installation=installation(request=RequestType.UPDATE))
    assert decide(waiting) == Provision()
    kept = finish(replace(waiting, tenant_outcome=TenantOutcome(TenantResult.READY), tenant=tenant()))
    assert kept.phase is InstallationPhase.AWAITING_DECISION


@pytest.mark.case(20, 63)
def test_while_a_person_must_decide_rotated_credentials_are_acknowledged() -> None:
    rotated = installation(credentials=credentials_object())
    at = read(app=view(approval={"mode": "Manual"}), installation=rotated, secret_name="keys-2")
    assert decide(at) == Acknowledge()
    assert (
        finish(replace(at, acknowledged=AcknowledgementState.DONE, previous_versions_deleted=True)).reason
        is Reason.AWAITING_DECISION
    )


@pytest.mark.case(34)
def test_after_a_persons_approval_the_tenant_is_provisioned_and_the_answer_sent() -> None:
    manual = view(approval={"mode": "Manual"})
    at = read(app=manual, installation=installation(approval=decided("Approve")))
    assert decide(at) == Provision()
    assert decide(replace(at, tenant_outcome=READY)) == Send(Decision.APPROVE)
