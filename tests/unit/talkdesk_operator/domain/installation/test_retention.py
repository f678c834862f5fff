"""After an end: grace, credentials, retention, purge, erasure; and objects that a person deleted."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import (
    NOON,
    condition,
    deleted,
    ended,
    failure,
    installation,
    request_object,
    scope,
    tenant,
    view,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import (
    AccountFacts,
    EndingReason,
    InstallationPhase,
    RequestType,
    SubscriptionFacts,
    TalkdeskInstallation,
    Transition,
    UsersStatus,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.reconcile.scope import RetryClass, Role, Scope, TenantOutcome, TenantResult, UsersOutcome
from talkdesk_operator.domain.reconcile.steps import (
    DeactivateUsers,
    DeleteCredentials,
    DeleteHistory,
    Erase,
    Finish,
    Offboard,
    Purge,
    RemoveFinalizer,
)

MONTH = timedelta(days=30)
DAY = timedelta(days=1)
GOING = TenantOutcome(TenantResult.DELETING, "Namespace td-1 is being deleted", started_at=NOON)


def over(kind: EndingReason = EndingReason.UNINSTALLED, **keywords: Any) -> TalkdeskInstallation:
    asked = RequestType.UNINSTALL if kind is EndingReason.UNINSTALLED else RequestType.INSTALL
    known: dict[str, Any] = {"request": asked, "status": ended(kind)}
    return installation(**(known | keywords))


def retained(until: datetime | None = NOON + MONTH, **spec: Any) -> TalkdeskTenant:
    return tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=until), **spec)


def after(**fields: Any) -> Scope:
    return scope(**({"installation": over(), "role": Role.LAST_OWNER, "tenant": retained()} | fields))


def finish(at: Scope) -> Finish:
    step = decide(at)
    assert isinstance(step, Finish), step
    return step


@pytest.mark.case(50)
def test_credentials_are_deleted_first_and_once() -> None:
    fresh = over(status=ended(conditions=()))
    valid = over(status=ended(conditions=(condition(ConditionType.CREDENTIALS_VALID),)))
    assert decide(after(installation=fresh)) == DeleteCredentials()
    assert decide(after(installation=valid)) == DeleteCredentials()
    assert decide(after(installation=valid, credentials_deleted=True)) == Offboard()
    assert decide(after()) == Offboard()


@pytest.mark.case(3)
def test_a_resync_deletes_credentials_that_a_late_event_stored() -> None:
    assert decide(after(resync=True)) == DeleteCredentials()
    assert decide(after(resync=True, credentials_deleted=True)) == Offboard()


@pytest.mark.case(32)
def test_an_installation_that_timed_out_keeps_everything_for_the_grace_period() -> None:
    late = over(EndingReason.TIMED_OUT, status=ended(EndingReason.TIMED_OUT, conditions=()))
    waiting = finish(after(installation=late, tenant=tenant()))
    assert (waiting.phase, waiting.terminal, waiting.requeue_at) == (InstallationPhase.TIMED_OUT, True, NOON + DAY)
    assert decide(after(installation=late, tenant=tenant(), now=NOON + DAY)) == DeleteCredentials()


@pytest.mark.parametrize("kind", EndingReason)
def test_the_tenant_is_offboarded_after_any_end(kind: EndingReason) -> None:
    at = after(installation=over(kind), tenant=tenant(), now=NOON + DAY)
    assert decide(at) == Offboard()
    kept = finish(replace(at, tenant=retained(), tenant_outcome=TenantOutcome(TenantResult.OFFBOARDED)))
    assert (kept.phase, kept.reason, kept.terminal) == (kind.value, kind.value, True)
    assert kept.requeue_at == NOON + MONTH


@pytest.mark.case(52)
def test_an_object_that_does_not_go_away_is_named_and_polled() -> None:
    slow = finish(after(tenant_outcome=GOING))
    assert (slow.reason, slow.message) == (Reason.OFFBOARDING, GOING.message)
    assert slow.requeue_at == NOON + timedelta(seconds=1)
    begun = retained(uninstallTime="2026-03-01T12:00:00Z")
    assert finish(after(tenant=begun, tenant_outcome=GOING, now=NOON + DAY)).reason is Reason.DELETION_BLOCKED
    assert finish(after(tenant=retained(NOON), tenant_outcome=GOING)).reason is Reason.PURGING


@pytest.mark.case(53)
def test_a_refused_deletion_is_retried() -> None:
    refused = failure(Reason.APPLY_REFUSED, RetryClass.SLOW)
    failing = finish(after(tenant_outcome=TenantOutcome(TenantResult.FAILED, "forbidden", refused)))
    assert (failing.reason, failing.failure, failing.requeue_at) == (Reason.APPLY_REFUSED, refused, None)


@pytest.mark.case(40)
def test_after_the_retention_the_tenant_is_purged_and_personal_data_erased() -> None:
    at = after(tenant=retained(NOON))
    assert decide(at) == Purge()
    at = replace(at, tenant_outcome=TenantOutcome(TenantResult.PURGED))
    assert decide(at) == Erase()
    purged = finish(replace(at, erased=True))
    assert (purged.phase, purged.reason, purged.terminal) == (InstallationPhase.PURGED, Reason.PURGED, True)
    assert purged.requeue_at == NOON + 365 * DAY


def test_a_protected_tenant_is_kept_without_a_wake_up() -> None:
    at = after(tenant=retained(NOON - DAY, deletionProtection=True))
    assert decide(at) == Offboard()
    kept = finish(replace(at, tenant_outcome=TenantOutcome(TenantResult.OFFBOARDED)))
    assert (kept.reason, kept.requeue_at, kept.terminal) == (Reason.PROTECTED, None, True)


@pytest.mark.case(16, 40)
def test_personal_data_of_a_non_owner_is_erased_when_the_tenant_is_gone() -> None:
    at = after(role=Role.NON_OWNER, tenant=tenant())
    assert (finish(at).reason, "another installation" in finish(at).message) == (Reason.UNINSTALLED, True)
    assert finish(at).requeue_at is None
    assert decide(replace(at, tenant=None)) == Erase()


@pytest.mark.case(40)
@pytest.mark.parametrize(
    "personal",
    [
        {"accountName": "acme"},
        {"accountName": None, "request": request_object("Uninstall", reason="moved on")},
        {"accountName": None, "endpoints": {"api": "https://api.talkdeskapp.com", "token": "https://a.talkdeskid.com"}},
    ],
)
def test_all_personal_data_is_erased(personal: dict[str, Any]) -> None:
    assert decide(after(installation=over(**personal), tenant=None)) == Erase()


@pytest.mark.case(40, 50)
@pytest.mark.parametrize(
    "known", [{"account": AccountFacts(id="acc-1")}, {"subscription": SubscriptionFacts()}, {"created_by": "user-1"}]
)
def test_an_erasure_whose_status_was_lost_is_computed_again(known: dict[str, Any]) -> None:
    ended_at = over(accountName=None, endpoints=None)
    left = ended_at.model_copy(update={"status": ended_at.status.model_copy(update=known)})
    at = after(installation=left, tenant=None)
    erased = compute(at, finish(at), jitter=0)
    assert (erased.account, erased.subscription, erased.created_by) == (None, None, None)


@pytest.mark.case(80, 90)
def test_personal_data_goes_though_the_app_is_gone_but_not_while_there_is_a_tenant() -> None:
    assert decide(after(app=None, tenant=None)) == Erase()
    bare = over(accountName=None)
    assert finish(after(app=None, installation=bare, tenant=None)).phase is InstallationPhase.PURGED
    assert finish(after(app=None, tenant=tenant())).reason is Reason.APP_NOT_FOUND


def test_an_installation_without_personal_data_is_not_erased_again() -> None:
    bare = over(accountName=None)
    assert finish(after(installation=bare, tenant=None)).phase is InstallationPhase.PURGED
    never = over(accountName=None, status=ended(tenant_ref=None))
    assert finish(after(installation=never, tenant=None)).phase is InstallationPhase.UNINSTALLED


def gone(policy: str = "Delete", **fields: Any) -> Scope:
    return scope(
        **({"installation": deleted(deletionPolicy=policy), "role": Role.LAST_OWNER, "tenant": tenant()} | fields)
    )


@pytest.mark.case(44)
def test_deleting_our_object_is_not_an_uninstall() -> None:
    assert decide(gone("Retain")) == RemoveFinalizer()


@pytest.mark.case(44)
def test_a_person_can_have_the_tenant_deleted_with_the_object() -> None:
    at = gone()
    assert decide(at) == Purge()
    slow = finish(replace(at, tenant_outcome=GOING))
    assert (slow.phase, slow.reason) == (InstallationPhase.DELETING, Reason.PURGING)
    at = replace(at, tenant_outcome=TenantOutcome(TenantResult.PURGED))
    assert decide(at) == DeleteCredentials()
    assert decide(replace(at, credentials_deleted=True)) == RemoveFinalizer()


@pytest.mark.case(44)
@pytest.mark.parametrize(
    "why",
    [
        {"tenant": None},
        {"role": Role.NON_OWNER},
        {"app": None},
        {"tenant": tenant(deletionProtection=True)},
    ],
)
def test_a_deletion_ends_even_if_nothing_can_or_may_be_purged(why: dict[str, Any]) -> None:
    assert decide(gone(**why)) == DeleteCredentials()
    assert decide(gone(**why, credentials_deleted=True)) == RemoveFinalizer()


def test_an_object_with_finalizers_of_others_is_left_to_them() -> None:
    held = finish(
        gone(
            installation=deleted().model_copy(
                update={"metadata": over().metadata.model_copy(update={"finalizers": (), "deletion_timestamp": NOON})}
            )
        )
    )
    assert (held.phase, held.terminal) == (InstallationPhase.DELETING, True)


def test_an_installation_whose_app_is_gone_is_left_alone_after_its_end() -> None:
    assert finish(after(app=None)).reason is Reason.APP_NOT_FOUND


@pytest.mark.case(36)
def test_the_grace_period_may_be_zero() -> None:
    late = over(EndingReason.TIMED_OUT)
    assert decide(after(installation=late, tenant=tenant(), app=view(deadline={"gracePeriod": "0s"}))) == Offboard()


@pytest.mark.case(41)
def test_a_requested_purge_is_done_at_once_unless_the_tenant_is_protected() -> None:
    asked = retained(purge={"requestedBy": "sam"})
    assert decide(after(tenant=asked)) == Purge()
    guarded = retained(purge={"requestedBy": "sam"}, deletionProtection=True)
    assert decide(after(tenant=guarded)) == Offboard()


WITH_SCIM = view(users={"scim": {"url": "https://scim.example.com", "tokenSecretRef": {"name": "s", "key": "k"}}})
PUT_AWAY = TenantOutcome(TenantResult.OFFBOARDED)


@pytest.mark.case(26, 32)
def test_the_users_of_an_offboarded_tenant_are_deactivated_once() -> None:
    gone = over(EndingReason.GONE, status=ended(EndingReason.GONE, users=UsersStatus(licensed=7)))
    at = after(installation=gone, app=WITH_SCIM, tenant_outcome=PUT_AWAY)
    assert decide(at) == DeactivateUsers()
    assert finish(replace(at, users=UsersOutcome(0))).terminal
    nobody = over(EndingReason.GONE, status=ended(EndingReason.GONE, users=UsersStatus(licensed=0)))
    assert finish(replace(at, installation=nobody)).terminal


@pytest.mark.parametrize(
    ("outcome", "reason", "requeue_at"),
    [
        (UsersOutcome(0, done=False), Reason.USERS_SYNCING, NOON),
        (UsersOutcome(0, failure=failure(Reason.SCIM_UNAVAILABLE)), Reason.SCIM_UNAVAILABLE, None),
    ],
)
def test_the_deactivation_of_users_continues_after_an_end(
    outcome: UsersOutcome, reason: Reason, requeue_at: datetime | None
) -> None:
    going = finish(after(app=WITH_SCIM, tenant_outcome=PUT_AWAY, users=outcome))
    assert (going.phase, going.reason, going.requeue_at) == (InstallationPhase.UNINSTALLED, reason, requeue_at)
    assert (going.terminal, (going.failure is None)) == (False, outcome.failure is None)


# The end of the record.

YEAR = 365 * DAY


def record(kind: EndingReason = EndingReason.UNINSTALLED, **keywords: Any) -> TalkdeskInstallation:
    """An installation of which nothing but the record is left, purged at noon."""
    history = (Transition(time=NOON, reason=InstallationPhase.PURGED, message=""),)
    purged = condition(ConditionType.TENANT_READY, "False", Reason.PURGED)
    known = ended(kind, phase=InstallationPhase.PURGED, history=history)
    known = known.model_copy(update={"conditions": (*known.conditions, purged)})
    return over(kind, **({"accountName": None, "status": known} | keywords))


def history(**fields: Any) -> Scope:
    return after(**({"installation": record(), "tenant": None} | fields))


@pytest.mark.case(40)
@pytest.mark.parametrize("kind", EndingReason)
def test_the_record_is_deleted_when_its_time_is_over_and_not_before(kind: EndingReason) -> None:
    at = history(installation=record(kind))
    assert finish(replace(at, now=NOON + YEAR - DAY)).requeue_at == NOON + YEAR
    due = decide(replace(at, now=NOON + YEAR))
    assert isinstance(due, DeleteHistory)
    assert "historyTTL" in due.message


@pytest.mark.case(40)
def test_a_record_of_which_the_status_does_not_say_since_when_it_is_one_is_kept() -> None:
    bare = record()
    bare = bare.model_copy(update={"status": bare.status.model_copy(update={"history": ()})})
    assert finish(history(installation=bare, now=NOON + 9 * YEAR)).requeue_at is None


@pytest.mark.case(40)
def test_what_is_found_out_is_written_down_before_the_record_is_deleted() -> None:
    at_once = view(retention={"historyTTL": "0s"})
    fresh = over(accountName=None)
    ended_now = finish(history(app=at_once, installation=fresh))
    assert (ended_now.phase, ended_now.requeue_at) == (InstallationPhase.PURGED, NOON)
    erased_now = finish(history(app=at_once, erased=True))
    assert (erased_now.erased, erased_now.requeue_at) == (True, NOON)
    assert isinstance(decide(history(app=at_once)), DeleteHistory)


@pytest.mark.case(40)
@pytest.mark.parametrize(
    "fields",
    [
        {"app": None},
        {"app": view(paused=True)},
        {"installation": record(paused=True)},
        {"installation": record(request=RequestType.INSTALL, event="e2")},
        {"installation": record(accountName="came back")},
        {"tenant": retained(), "role": Role.NON_OWNER, "installation": over(accountName=None)},
        {"tenant": tenant(deletionProtection=True), "role": Role.NON_OWNER},
        {"tenant": tenant(paused=True), "role": Role.NON_OWNER},
        {"tenant": tenant(), "role": Role.OWNER},
        {"tenant": retained()},
        {"failure": failure()},
    ],
    ids=[
        "no app",
        "paused app",
        "paused",
        "a newer request",
        "personal data",
        "the tenant is another's and was never purged",
        "protected",
        "paused tenant",
        "owner of a tenant",
        "last owner of a tenant",
        "failure",
    ],
)
def test_a_record_is_kept_while_anything_else_is_left_or_a_person_holds_it(fields: dict[str, Any]) -> None:
    assert not isinstance(decide(history(**fields, now=NOON + 9 * YEAR)), DeleteHistory)


@pytest.mark.case(36, 40)
def test_the_record_of_before_a_reinstall_goes_beside_the_new_tenant() -> None:
    assert isinstance(decide(history(tenant=tenant(), role=Role.NON_OWNER, now=NOON + YEAR)), DeleteHistory)


@pytest.mark.case(40)
def test_credentials_go_before_the_record() -> None:
    bare = record()
    bare = bare.model_copy(update={"status": bare.status.model_copy(update={"conditions": ()})})
    assert decide(history(installation=bare, now=NOON + YEAR)) == DeleteCredentials()


@pytest.mark.case(40)
@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_record_that_is_deleted_is_let_go_whatever_its_deletion_policy(policy: str) -> None:
    going = record(deletionPolicy=policy, meta={"deletionTimestamp": "2027-03-01T12:00:00Z"})
    assert decide(history(installation=going, credentials_deleted=True, now=NOON + YEAR)) == RemoveFinalizer()
