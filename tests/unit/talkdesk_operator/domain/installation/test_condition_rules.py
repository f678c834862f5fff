"""Each condition begins and ends by a rule, whatever an earlier reconcile, a crash or an older version left."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.any_scope import scopes
from builders.any_world import follow
from builders.objects import (
    DAY,
    NOON,
    answer,
    answered,
    condition,
    current_tenant,
    ended,
    endpoint_object,
    installation,
    remote,
    scope,
    tenant,
    view,
)
from talkdesk_crds.condition_rules import RULES
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.installation import (
    InstallationPhase,
    InstallationStatus,
    RequestType,
)
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation.condition_ends import ENDED
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.reconcile.deadlines import waits_for_answer
from talkdesk_operator.domain.reconcile.scope import Role, Scope, TenantOutcome, TenantResult
from talkdesk_operator.domain.reconcile.steps import Finish

OF_INSTALLATION = [kind for kind, rule in RULES.items() if "TalkdeskInstallation" in rule.kinds]
SCIM = {"scim": {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}}


@pytest.mark.case(78)
def test_every_type_of_condition_has_a_rule_for_its_end() -> None:
    assert set(RULES) == set(ConditionType)
    assert all(rule.kinds and rule.begins and rule.ends for rule in RULES.values())


def with_conditions(at: Scope, conditions: tuple[Condition, ...]) -> Scope:
    status = at.installation.status.model_copy(update={"conditions": conditions})
    return replace(at, installation=at.installation.model_copy(update={"status": status}))


def any_conditions() -> st.SearchStrategy[tuple[Condition, ...]]:
    """Whatever may be left of before, in any combination."""
    reasons = st.sampled_from([Reason.SUCCEEDED, Reason.PENDING, Reason.OFFBOARDING, Reason.PURGED])
    one = [
        st.none() | st.builds(condition, st.just(kind), st.sampled_from(["True", "False", "Unknown"]), reasons)
        for kind in OF_INSTALLATION
    ]
    return st.tuples(*one).map(lambda found: tuple(each for each in found if each is not None))


def is_shown(at: Scope, status: InstallationStatus, kind: ConditionType) -> bool:
    """Return what the table says for the state that is reached, in terms of nothing but that state."""
    found, request = find(status.conditions, kind), at.installation.spec.request
    over = status.phase in ENDED
    given = status.answer
    delivered = request is not None and given is not None and given.event_id == request.event_id
    match kind:
        case ConditionType.TENANT_READY:
            return not (over and status.tenant_ref is None)
        case ConditionType.USERS_SYNCED:
            users = at.app.resource.spec.users if at.app is not None else None
            wanted = at.app is None or (users is not None and users.scim is not None)
            failing = found is not None and found.status == "False"
            return wanted and at.role is not Role.NON_OWNER and (failing or not over)
        case ConditionType.IN_SYNC:
            leaving = request is not None and request.type is RequestType.UNINSTALL
            return delivered and not leaving and not over
        case ConditionType.NOTIFICATIONS_OVERDUE:
            return at.app is None or at.app.resource.spec.notifications != ()
        case _:
            return True


@pytest.mark.case(78)
@given(scopes(), any_conditions(), st.data())
@settings(deadline=None)
def test_no_condition_outlives_its_cause(start: Scope, left: tuple[Condition, ...], data: st.DataObject) -> None:
    at, finish, _ = follow(with_conditions(start, left), data)
    if not isinstance(finish, Finish):
        return
    status = compute(at, finish, jitter=1)
    known = {c.type: c for c in status.conditions}
    assert set(known) <= set(OF_INSTALLATION)
    for kind in OF_INSTALLATION:
        assert is_shown(at, status, kind) or kind not in known, kind
    waits = waits_for_answer(at.installation.model_copy(update={"status": status}))
    if at.app is not None and not waits and ConditionType.DEADLINE_NEAR in known:
        assert known[ConditionType.DEADLINE_NEAR].status == "False"
    if status.phase is InstallationPhase.PURGED:
        assert known[ConditionType.TENANT_READY].reason == Reason.PURGED
    if at.role is Role.NON_OWNER and ConditionType.TENANT_READY in known:
        assert known[ConditionType.TENANT_READY].reason in {Reason.SUPERSEDED, Reason.PURGED}
    assert Reason.INTERNAL_ERROR not in {c.reason for c in known.values() if c.type in {"Ready", "Stalled"}}
    assert {ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED} <= set(known)
    again = with_conditions(at, status.conditions)
    again = replace(again, installation=again.installation.model_copy(update={"status": status}))
    assert {c.type for c in compute(again, finish, jitter=1).conditions} == set(known)


def conditions(at: Scope) -> dict[str, Condition]:
    finish = decide(at)
    assert isinstance(finish, Finish)
    return {c.type: c for c in compute(at, finish, jitter=1).conditions}


IN_SYNC = condition(ConditionType.IN_SYNC, "False", Reason.DIVERGED)
SYNCED = condition(ConditionType.USERS_SYNCED)
FAILED = condition(ConditionType.USERS_SYNCED, "False", Reason.USERS_FAILED)


def over(*left: Condition, role: Role = Role.LAST_OWNER, **more: Any) -> Scope:
    """The scope of an uninstalled installation whose tenant is retained."""
    status = ended(**more.pop("status", {}))
    known = status.model_copy(update={"conditions": (*status.conditions, *left)})
    of = installation(request=RequestType.UNINSTALL, status=known)
    fields = {"tenant": tenant(TenantState.OFFBOARDED), "tenant_outcome": TenantOutcome(TenantResult.OFFBOARDED)}
    return scope(installation=of, role=role, credentials_deleted=True, **(fields | more))


@pytest.mark.case(78)
def test_a_disagreement_with_talkdesk_ends_with_the_uninstall() -> None:
    live = installation(status=answered(conditions=(IN_SYNC,)))
    at = scope(installation=live, answer=answer())
    assert "InSync" in conditions(replace(at, tenant=current_tenant(at)))
    assert "InSync" not in conditions(over(IN_SYNC))


@pytest.mark.case(78)
def test_a_disagreement_ends_with_the_next_request() -> None:
    update = installation(request=RequestType.UPDATE, at=NOON + DAY, status=answered("event-0", conditions=(IN_SYNC,)))
    assert "InSync" not in conditions(scope(installation=update, failure=None, app=view(paused=True)))


@pytest.mark.case(78)
def test_the_report_on_users_ends_when_the_app_has_no_service_any_more() -> None:
    at = scope(installation=installation(status=answered(conditions=(FAILED,))), app=view(users=SCIM, paused=True))
    assert "UsersSynced" in conditions(at)
    assert "UsersSynced" not in conditions(replace(at, app=view(paused=True)))
    assert "UsersSynced" not in conditions(replace(at, role=Role.NON_OWNER))
    assert "UsersSynced" in conditions(replace(at, app=None, tenant=None, tenant_outcome=None))


@pytest.mark.case(78)
def test_what_is_overdue_is_said_until_it_is_delivered_or_nobody_is_to_be_told() -> None:
    overdue = condition(ConditionType.NOTIFICATIONS_OVERDUE, "True", Reason.NOTIFICATION_REFUSED)
    told = view(notifications=[endpoint_object()], paused=True)
    at = scope(installation=installation(status=answered(conditions=(overdue,))), app=told)
    assert "NotificationsOverdue" in conditions(at)
    assert "NotificationsOverdue" in conditions(replace(at, app=None))
    assert "NotificationsOverdue" not in conditions(replace(at, app=view(paused=True)))


@pytest.mark.case(78)
def test_after_the_end_the_report_on_users_stays_only_while_somebody_is_left_to_deactivate() -> None:
    app = view(users=SCIM, paused=True)
    assert "UsersSynced" not in conditions(over(SYNCED, app=view()))
    kept = over(FAILED, app=app)
    status = compute(kept, Finish(phase=InstallationPhase.UNINSTALLED, reason=Reason.UNINSTALLED, message=""), jitter=1)
    assert find(status.conditions, ConditionType.USERS_SYNCED) is not None


@pytest.mark.case(78)
def test_a_purged_record_says_so_and_stays_so_after_a_new_installation_of_the_account() -> None:
    leaving = condition(ConditionType.TENANT_READY, "False", Reason.OFFBOARDING)
    at = over(leaving, tenant=None, tenant_outcome=None, erased=True)
    purged = conditions(at)
    assert (purged["TenantReady"].status, purged["TenantReady"].reason) == ("False", "Purged")
    status = compute(at, Finish(phase=InstallationPhase.PURGED, reason=Reason.PURGED, message=""), jitter=1)
    known = at.installation.model_copy(update={"status": status})
    again = replace(at, installation=known, role=Role.NON_OWNER, tenant=tenant(TenantState.ACTIVE))
    finish = decide(again)
    assert isinstance(finish, Finish)
    assert finish.phase is InstallationPhase.PURGED


def test_an_end_for_which_no_tenant_was_made_says_nothing_of_one() -> None:
    at = over(tenant=None, tenant_outcome=None, erased=True, status={"tenant_ref": None})
    assert "TenantReady" not in conditions(at)


def test_without_the_app_the_deadline_is_not_judged() -> None:
    near = condition(ConditionType.DEADLINE_NEAR)
    at = scope(app=None, installation=installation(status=InstallationStatus(conditions=(near,))))
    assert conditions(at)["DeadlineNear"].status == "True"


@pytest.mark.case(78)
def test_a_request_that_ended_without_an_answer_says_so_whatever_was_left() -> None:
    lost = condition(ConditionType.ANSWERED, "Unknown", Reason.PENDING)
    known = conditions(over(lost))["Answered"]
    assert (known.status, known.reason) == ("False", "Uninstalled")


@pytest.mark.case(78)
def test_an_answer_that_is_found_just_now_is_compared_with_talkdesk_at_once() -> None:
    status = InstallationStatus(conditions=(IN_SYNC,))
    at = scope(installation=installation(status=status), role=Role.NON_OWNER, remote=remote("completed"))
    finish = Finish(phase=InstallationPhase.SUPERSEDED, reason=Reason.SUPERSEDED, message="", verified=True)
    once = compute(at, finish, jitter=1)
    again = compute(replace(at, installation=installation(status=once)), finish, jitter=1)
    found = find(once.conditions, ConditionType.IN_SYNC)
    assert (found is not None, found and found.status) == (True, "True")
    assert again.conditions == once.conditions
