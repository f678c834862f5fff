"""What holds for every reconcile of every installation, whatever the outcomes of its steps are."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.any_scope import scopes, so_far
from builders.any_world import MOST_STEPS, World, follow, with_new_status
from builders.objects import (
    scope,
)
from talkdesk_crds.app import ApprovalMode, OnTenantFailure
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import (
    Decision,
    DeletionPolicy,
    RequestType,
)
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation.approval import is_installed
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.rotation import needs_acknowledgement
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.deadlines import is_closed, is_ended, waits_for_answer
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    Failure,
    FaultOwner,
    RetryClass,
    Role,
    Scope,
    TenantResult,
)
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    DeleteCredentials,
    DeletePreviousCredentials,
    Finish,
    Offboard,
    Provision,
    Purge,
    ReadTalkdesk,
    RecordAnswer,
    RecordMissedRequest,
    RemoveFinalizer,
    Send,
)
from talkdesk_operator.domain.tenant.desired import is_purge_due
from talkdesk_operator.domain.tenant.entitlement import desired_state

MOST_RECONCILES_AT_ONCE = 4
PATIENTLY = settings(deadline=None)  # a busy machine is no fault


@given(scopes(), st.data())
@PATIENTLY
def test_every_reconcile_ends_and_every_step_is_permitted(start: Scope, data: st.DataObject) -> None:
    at, _, steps = follow(start, data)
    first, kinds = start.installation, [type(step) for step in steps]
    leaving = first.spec.request is not None and first.spec.request.type is RequestType.UNINSTALL
    deleted = first.metadata.deletion_timestamp is not None
    assert kinds.count(Send) <= 1
    if Send in kinds:
        assert waits_for_answer(first) or (leaving and not is_closed(first))
        assert ReadTalkdesk in kinds[: kinds.index(Send)]
        assert not leaving or (start.answer is not None and start.answer.send_time) or RecordAnswer in kinds
    if Offboard in kinds:
        assert leaving or is_ended(first) or desired_state(at) is TenantState.OFFBOARDED
    if {Offboard, Purge, Provision} & set(kinds):
        assert start.role is not Role.NON_OWNER
    if Provision in kinds:
        assert start.role is Role.OWNER
        assert not leaving
        assert not is_ended(first)
    if Purge in kinds:
        assert start.tenant is not None
        assert not start.tenant.spec.deletion_protection
        explicit = deleted and first.spec.deletion_policy is DeletionPolicy.DELETE
        away = is_ended(first) or desired_state(at) is TenantState.OFFBOARDED
        assert explicit or (away and is_purge_due(start))
    if DeleteCredentials in kinds:
        assert is_ended(first) or deleted
    if is_paused(start) and not deleted:
        assert not steps
    if is_paused(start):
        assert not {Provision, Offboard, Purge} & set(kinds)
    assert (
        max(
            kinds.count(kind)
            for kind in (Acknowledge, DeletePreviousCredentials, RecordMissedRequest, Provision, Offboard, Purge)
        )
        <= 1
    )


def is_paused(at: Scope) -> bool:
    app, tenant = at.app, at.tenant
    return (
        at.installation.spec.paused
        or (app is not None and app.resource.spec.paused)
        or (tenant is not None and tenant.spec.paused)
    )


@given(scopes(), st.data())
@PATIENTLY
def test_no_answer_goes_out_without_a_verdict(start: Scope, data: st.DataObject) -> None:
    at, finish, steps = follow(start, data)
    sent = next((step for step in steps if isinstance(step, Send)), None)
    if sent is None or start.app is None:
        return
    request, approval = start.request, start.installation.spec.approval
    by_person = approval is not None and approval.event_id == request.event_id
    policy = start.app.resource.spec.approval
    if request.type is RequestType.UNINSTALL:
        assert sent.decision is Decision.APPROVE
        return
    if by_person and approval is not None and approval.decision is Decision.REJECT:
        assert sent.decision is Decision.REJECT or is_installed(at)
    if sent.decision is Decision.REJECT:
        broken = at.tenant_outcome is not None and at.tenant_outcome.result is TenantResult.FAILED
        assert by_person or policy.reject_when or policy.automatic or broken
        assert Provision not in map(type, steps) or broken
        assert not isinstance(finish, Finish) or not finish.ready or is_installed(at)
        if broken:
            assert policy.on_tenant_failure is OnTenantFailure.REJECT
            assert at.tenant_outcome is not None
            assert at.tenant_outcome.failure is not None
            assert (
                by_person
                or policy.reject_when
                or policy.automatic
                or (at.tenant_outcome.failure.fault is FaultOwner.CUSTOMER)
            )
    elif policy.mode is ApprovalMode.MANUAL and not by_person:
        assert policy.automatic is not None
    if sent.decision is Decision.APPROVE and start.role is Role.OWNER:
        assert at.tenant_outcome is None or at.tenant_outcome.result not in {TenantResult.FAILED, TenantResult.WAITING}


@given(scopes(), st.data())
@PATIENTLY
def test_an_install_that_talkdesk_shows_as_approved_is_never_rejected(start: Scope, data: st.DataObject) -> None:
    world, at = World(data), start
    for _ in range(MOST_STEPS):
        step = decide(at)
        if isinstance(step, Finish | RemoveFinalizer):
            return
        if isinstance(step, Send) and step.decision is Decision.REJECT:
            assert not (is_installed(at) and at.request.type is RequestType.INSTALL)
        at = world.do(step, at)


@given(scopes(), st.data())
@PATIENTLY
def test_credentials_are_acknowledged_and_replaced_only_by_a_version_that_works(
    start: Scope, data: st.DataObject
) -> None:
    world, at = World(data), start
    for _ in range(MOST_STEPS):
        step = decide(at)
        if isinstance(step, Finish | RemoveFinalizer):
            return
        if isinstance(step, Acknowledge | DeletePreviousCredentials):
            register = at.installation.spec.credentials
            assert register is not None
            assert isinstance(at.remote, RemoteInstallation)
            assert at.secret_name == register.secret_name
        if isinstance(step, DeletePreviousCredentials):
            assert at.acknowledged is not AcknowledgementState.FAILED
            assert not needs_acknowledgement(at) or at.acknowledged is AcknowledgementState.DONE
        at = world.do(step, at)


@given(scopes(), st.data())
@PATIENTLY
def test_unfinished_work_is_requeued_or_waits_for_a_watched_change(start: Scope, data: st.DataObject) -> None:
    at, finish, _ = follow(start, data)
    if isinstance(finish, RemoveFinalizer) or finish.ready or finish.terminal:
        return
    status = with_new_status(at, finish).status
    coming = finish.requeue_at is not None or status.retry is not None
    if waits_for_answer(with_new_status(at, finish)) and at.app is not None and at.failure is None:
        assert coming, "nothing would check the deadline"
    watched = {Reason.NO_REQUEST, Reason.APP_NOT_FOUND, Reason.RENDER_FAILED, Reason.FOREIGN_HOST}
    assert coming or finish.reason in watched | {Reason.CREDENTIALS_MISSING, Reason.FORBIDDEN, Reason.UNAVAILABLE}


@given(scopes(), st.data())
@PATIENTLY
def test_a_second_reconcile_of_the_same_facts_gives_the_same_status(start: Scope, data: st.DataObject) -> None:
    at, finish, _ = follow(start, data)
    if isinstance(finish, RemoveFinalizer):
        return
    once = with_new_status(at, finish)
    again = compute(replace(at, installation=once), finish, jitter=1)
    assert again.model_copy(update={"retry": None}) == once.status.model_copy(update={"retry": None})


@given(scopes(), st.data())
@PATIENTLY
def test_no_installation_is_reconciled_endlessly_without_a_pause(start: Scope, data: st.DataObject) -> None:
    at, world = start, World(data)
    for _ in range(MOST_RECONCILES_AT_ONCE):
        end, finish, _ = follow(at, data, world)
        if isinstance(finish, RemoveFinalizer) or finish.requeue_at is None or finish.requeue_at > end.now:
            return
        known = with_new_status(end, finish)
        kept = (
            None if end.tenant_outcome is not None and end.tenant_outcome.result is TenantResult.PURGED else end.tenant
        )
        at = replace(start, installation=known, tenant=kept, answer=so_far(known))
    raise AssertionError(f"still at it: {finish}")


def test_an_unreadable_object_stalls_the_installation_with_a_message() -> None:
    stopped = decide(scope(failure=Failure(Reason.INVALID_SPEC, "can't read it", RetryClass.TERMINAL)))
    assert isinstance(stopped, Finish)
    assert (stopped.stalled, stopped.message) == (True, "can't read it")
