"""Deletions that nothing may hold up for good, edits that wait, and an app that is leaving."""

from dataclasses import replace
from typing import Any

import pytest

from builders.objects import (
    DAY,
    HOUR,
    NOON,
    app_object,
    condition,
    credentials,
    deleted,
    ended,
    facts,
    failure,
    installation,
    remote,
    scope,
    tenant,
    trial_object,
    view,
)
from talkdesk_crds.app import AppStatus, DeletionPolicies, TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import EndingReason, InstallationPhase, RequestType
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.installation.conditions import conditions
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Role, Scope, TenantOutcome, TenantResult
from talkdesk_operator.domain.reconcile.steps import CheckNamespace, Finish, Offboard, Purge, RemoveFinalizer
from talkdesk_operator.domain.tenant.desired import is_purge_due, orphan_purge_at, purge_at
from talkdesk_operator.domain.tenant.entitlement import desired_state, suspension

DENIED = failure(Reason.ACCESS_MISSING)


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish)
    return step


# A namespace that goes.


def gone(**fields: Any) -> Scope:
    return scope(
        **({"installation": deleted(deletionPolicy="Delete"), "role": Role.LAST_OWNER, "tenant": tenant()} | fields)
    )


@pytest.mark.case(44, 90)
@pytest.mark.parametrize(
    "denied",
    [{"failure": DENIED}, {"tenant_outcome": TenantOutcome(TenantResult.FAILED, "denied", DENIED)}],
    ids=["credentials", "tenant"],
)
def test_a_deletion_without_rights_ends_only_in_a_namespace_that_goes(denied: dict[str, Any]) -> None:
    at = gone(**denied)
    assert decide(at) == CheckNamespace()
    assert finish(replace(at, namespace_terminating=False)).reason is Reason.ACCESS_MISSING
    released = decide(replace(at, namespace_terminating=True))
    assert isinstance(released, RemoveFinalizer)
    assert "appconnect.talkdesk.dev/tenant=sentiment-" in released.left_behind


@pytest.mark.case(44, 90)
@pytest.mark.parametrize(
    "fields",
    [
        {"failure": failure(Reason.CLUSTER_UNAVAILABLE)},
        {"failure": DENIED, "installation": installation()},
        {"failure": DENIED, "installation": deleted(deletionPolicy="Delete")},
    ],
    ids=["other trouble", "not deleted", "asked"],
)
def test_nothing_else_is_let_go(fields: dict[str, Any]) -> None:
    at = gone(**fields, namespace_terminating=False)
    assert not isinstance(decide(at), RemoveFinalizer)


# An app that is leaving.


def leaving_app() -> CompiledApp:
    made = view()
    metadata = made.resource.metadata.model_copy(update={"deletion_timestamp": NOON})
    return replace(made, resource=made.resource.model_copy(update={"metadata": metadata}))


@pytest.mark.case(90)
def test_nothing_new_is_provisioned_for_an_app_that_is_being_deleted() -> None:
    at = scope(app=leaving_app(), credentials=credentials(), remote=remote(), facts=facts())
    held = finish(at)
    assert (held.phase, held.reason, held.stalled) == (InstallationPhase.PENDING, Reason.APP_DELETING, True)
    assert held.requeue_at is not None
    assert not isinstance(decide(replace(at, tenant=tenant())), Finish)


# Edits that wait.


def edited_app(**spec: Any) -> CompiledApp:
    """An app whose policies were edited at noon."""
    app = TalkdeskApp.read(app_object(**spec))
    recorded = DeletionPolicies(fingerprint="others")
    return replace(view(**spec), resource=app.model_copy(update={"status": AppStatus(deletion_policies=recorded)}))


def retained(**spec: Any) -> TalkdeskTenant:
    return tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON - DAY), **spec)


def after(**fields: Any) -> Scope:
    over = installation(request=RequestType.UNINSTALL, status=ended())
    return scope(
        **({"installation": over, "role": Role.LAST_OWNER, "tenant": retained(), "app": edited_app()} | fields)
    )


@pytest.mark.case(40)
def test_a_purge_waits_for_an_hour_after_an_edit_and_says_so() -> None:
    at = after()
    assert purge_at(at.app, retained(), NOON) == NOON + HOUR
    assert orphan_purge_at(edited_app(), retained(), NOON) == NOON + HOUR
    assert decide(at) == Offboard()
    held = finish(replace(at, tenant_outcome=TenantOutcome(TenantResult.OFFBOARDED)))
    assert held.requeue_at == NOON + HOUR
    assert to_wire_time(NOON + HOUR) in held.message


@pytest.mark.case(40, 41)
@pytest.mark.parametrize("begun", [True, False])
def test_a_purge_that_has_begun_or_that_a_person_asked_for_does_not_wait(*, begun: bool) -> None:
    purging = condition(ConditionType.READY, "False", Reason.PURGING)
    status = TenantStatus(purge_time=NOON - DAY, conditions=(purging,))
    kept = retained().model_copy(update={"status": status}) if begun else retained(purge={"requestedBy": "me"})
    assert is_purge_due(after(tenant=kept))
    assert decide(after(tenant=kept)) == Purge()


@pytest.mark.case(32)
def test_a_shorter_grace_period_waits_as_well() -> None:
    late = installation(status=ended(EndingReason.TIMED_OUT))
    held = finish(after(installation=late, tenant=tenant(), app=edited_app(deadline={"gracePeriod": "0s"})))
    assert (held.reason, held.requeue_at) == (Reason.TIMED_OUT, NOON + HOUR)


@pytest.mark.case(21)
@pytest.mark.parametrize("state", [TenantState.ACTIVE, TenantState.SUSPENDED])
def test_a_customer_in_use_stays_as_he_is_for_an_hour(state: TenantState) -> None:
    ended_trial = installation(trial=trial_object())
    at = scope(
        app=edited_app(trial={"onEnd": "Offboard"}),
        installation=ended_trial,
        facts=facts(subscription="trial"),
        tenant=tenant(state),
    )
    found = suspension(at)
    assert found is not None
    assert found.until == NOON + HOUR
    assert desired_state(at) is state
    ending = in_steady_state(at)
    assert (ending.phase, ending.requeue_at) == (InstallationPhase.SUSPENDED, NOON + HOUR)
    assert to_wire_time(NOON + HOUR) in ending.message
    offboarded = replace(at, tenant=tenant(TenantState.OFFBOARDED))
    assert desired_state(offboarded) is TenantState.OFFBOARDED
    assert desired_state(replace(at, tenant=None)) is TenantState.OFFBOARDED


# Credentials that the spec does not name, or whose previous versions stay.


def said(at: Scope) -> tuple[str, str]:
    waiting = Finish(phase=InstallationPhase.ACTIVE, reason=Reason.SUCCEEDED, message="", ready=True)
    found = find(tuple(conditions(at, waiting, None, None)), ConditionType.CREDENTIALS_VALID)
    assert found is not None
    return found.status, found.reason


@pytest.mark.case(43, 79)
def test_credentials_that_work_say_what_is_unusual_about_them() -> None:
    unnamed = scope(installation=installation(credentials=None), secret_name="keys-1", remote=remote())
    assert said(unnamed) == ("True", Reason.SUCCEEDED)
    stored = scope(secret_name="keys-1", remote=remote(), deletion_failure=DENIED)
    assert said(stored) == ("True", Reason.ACCESS_MISSING)
