"""What each condition says, and when it says nothing new."""

from dataclasses import replace
from typing import Any

import pytest

from builders.objects import (
    HOUR,
    NOON,
    WEEK,
    answer,
    answered,
    condition,
    credentials,
    current_tenant,
    decided,
    failure,
    installation,
    remote,
    scope,
    view,
)
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.installation import (
    Decision,
    Ending,
    EndingReason,
    InstallationPhase,
    InstallationStatus,
    RequestType,
)
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    RemoteFailed,
    RetryClass,
    Role,
    Scope,
    SendState,
    TenantOutcome,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import Finish

ACTIVE = Finish(phase=InstallationPhase.ACTIVE, reason=Reason.SUCCEEDED, message="all is well", ready=True)
WAITING = Finish(phase=InstallationPhase.PROVISIONING, reason=Reason.NOT_READY, message="0 of 1")
SCIM = view(users={"scim": {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}})
LATE = NOON + WEEK - HOUR


def status(at: Scope, finish: Finish) -> InstallationStatus:
    return compute(at, finish, jitter=1)


def found(at: Scope, finish: Finish, kind: ConditionType) -> Condition | None:
    return find(status(at, finish).conditions, kind)


def judged(at: Scope, finish: Finish, kind: ConditionType) -> tuple[str, str]:
    known = found(at, finish, kind)
    assert known is not None
    return known.status, known.reason


def with_new_status(at: Scope, finish: Finish) -> Scope:
    known = at.installation.model_copy(update={"status": status(at, finish)})
    return replace(at, installation=known)


def before(*conditions: Condition, **fields: Any) -> Scope:
    return scope(installation=installation(status=InstallationStatus(conditions=conditions, **fields)))


def test_every_condition_is_written_by_the_first_reconcile() -> None:
    conditions = {c.type: (c.status, c.reason) for c in status(scope(), WAITING).conditions}
    assert conditions == {
        "Ready": ("False", "NotReady"),
        "CredentialsValid": ("Unknown", "Pending"),
        "TenantReady": ("Unknown", "Pending"),
        "Answered": ("False", "Pending"),
        "Reconciling": ("True", "NotReady"),
        "Stalled": ("False", "NotReady"),
    }


def test_reconciling_and_stalled_follow_kstatus() -> None:
    assert judged(scope(), ACTIVE, ConditionType.RECONCILING)[0] == "False"
    assert judged(scope(), replace(WAITING, terminal=True), ConditionType.RECONCILING)[0] == "False"
    stuck = replace(WAITING, stalled=True)
    assert judged(scope(), stuck, ConditionType.RECONCILING)[0] == "False"
    assert judged(scope(), stuck, ConditionType.STALLED)[0] == "True"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"remote": remote(), "credentials": credentials()}, ("True", "Succeeded")),
        pytest.param(
            {"credentials": CredentialsMissing(failure(Reason.CREDENTIALS_LOST, RetryClass.SLOW))},
            ("False", "CredentialsLost"),
            marks=pytest.mark.case(43),
        ),
        pytest.param(
            {
                "credentials": credentials(),
                "remote": RemoteFailed(failure(Reason.CREDENTIALS_REFUSED, RetryClass.SLOW)),
            },
            ("False", "CredentialsRefused"),
            marks=pytest.mark.case(24),
        ),
        ({"credentials": credentials(), "remote": RemoteFailed(failure())}, ("Unknown", "Pending")),
        ({"credentials_deleted": True}, ("False", "CredentialsDeleted")),
    ],
)
def test_credentials_are_valid_if_talkdesk_accepts_them(fields: dict[str, Any], expected: tuple[str, str]) -> None:
    assert judged(scope(**fields), WAITING, ConditionType.CREDENTIALS_VALID) == expected


@pytest.mark.case(36)
@pytest.mark.parametrize("old", [Reason.CREDENTIALS_DELETED, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_MISSING])
def test_new_credentials_are_not_reported_as_deleted_or_lost_like_the_old_ones(old: Reason) -> None:
    at = replace(before(condition(ConditionType.CREDENTIALS_VALID, "False", old)), credentials=credentials())
    assert judged(at, WAITING, ConditionType.CREDENTIALS_VALID) == ("Unknown", "Pending")
    assert judged(replace(at, credentials=None), WAITING, ConditionType.CREDENTIALS_VALID) == ("False", old)


@pytest.mark.parametrize(
    ("tenant_outcome", "expected"),
    [
        (TenantOutcome(TenantResult.READY), ("True", "Applied")),
        (TenantOutcome(TenantResult.WAITING, "0 of 1"), ("False", "NotReady")),
        (TenantOutcome(TenantResult.FAILED, "no", failure(Reason.CONFLICT)), ("False", "Conflict")),
        (TenantOutcome(TenantResult.OFFBOARDED), ("False", "Retained")),
        (TenantOutcome(TenantResult.DELETING, "going"), ("False", "Offboarding")),
        (TenantOutcome(TenantResult.PURGED), ("False", "Purged")),
    ],
)
def test_the_tenants_condition_follows_from_the_outcome_of_the_work_on_it(
    tenant_outcome: TenantOutcome, expected: tuple[str, str]
) -> None:
    assert judged(scope(tenant_outcome=tenant_outcome), WAITING, ConditionType.TENANT_READY) == expected


def test_the_condition_of_an_untouched_tenant_follows_from_its_own_status() -> None:
    at = scope(installation=installation(status=answered()))
    assert judged(replace(at, tenant=current_tenant(at)), ACTIVE, ConditionType.TENANT_READY) == ("True", "Applied")


@pytest.mark.case(39)
def test_the_tenant_of_a_non_owner_is_reported_as_another_installations() -> None:
    at, terminal = scope(role=Role.NON_OWNER), replace(WAITING, terminal=True)
    assert judged(at, terminal, ConditionType.TENANT_READY) == ("False", "Superseded")


def test_a_missing_answer_is_pending_and_a_failed_call_gives_its_reason() -> None:
    lost = failure(Reason.FORBIDDEN, RetryClass.SLOW)
    unsent = Finish(phase=InstallationPhase.ANSWERING, reason=lost.reason, message=lost.message, failure=lost)
    assert judged(scope(send_failure=lost), unsent, ConditionType.ANSWERED) == ("False", "Forbidden")
    assert judged(scope(), unsent, ConditionType.ANSWERED) == ("False", "Pending")
    bare = scope(installation=installation(request=None))
    assert judged(bare, WAITING, ConditionType.ANSWERED) == ("Unknown", "NoRequest")
    leaving = status(scope(installation=installation(request=RequestType.UNINSTALL)), WAITING)
    found = find(leaving.conditions, ConditionType.ANSWERED)
    assert found is not None
    assert "acknowledgement" in found.message


@pytest.mark.case(32)
def test_an_end_without_an_answer_stays_reported() -> None:
    end = Ending(reason=EndingReason.TIMED_OUT, event_id="event-1", time=NOON)
    late = replace(WAITING, reason=Reason.TIMED_OUT, ending=end)
    assert judged(scope(), late, ConditionType.ANSWERED) == ("False", "TimedOut")
    assert judged(with_new_status(scope(), late), WAITING, ConditionType.ANSWERED) == ("False", "TimedOut")
    assert status(with_new_status(scope(), late), WAITING).ending == end


@pytest.mark.case(22)
def test_an_answer_that_talkdesk_does_not_show_yet_is_sent_and_being_verified() -> None:
    verifying = Finish(phase=InstallationPhase.OFFBOARDING, reason=Reason.VERIFYING, message="sent")
    assert judged(scope(answer=answer()), verifying, ConditionType.ANSWERED) == ("True", "Verifying")


@pytest.mark.case(22)
@pytest.mark.parametrize("reason", [Reason.VERIFYING, Reason.ANSWER_UNCLEAR])
def test_an_answer_whose_outcome_is_not_known_is_unknown(reason: Reason) -> None:
    unclear = Finish(phase=InstallationPhase.ANSWERING, reason=reason, message="sent")
    assert judged(scope(answer=answer(delivered=False)), unclear, ConditionType.ANSWERED) == ("Unknown", reason)


@pytest.mark.case(78)
@pytest.mark.parametrize("conditions", [(), (condition(ConditionType.ANSWERED, "Unknown", Reason.PENDING),)])
def test_an_answer_on_record_is_told_whatever_became_of_its_condition(conditions: tuple[Condition, ...]) -> None:
    lost = scope(installation=installation(status=answered(conditions=conditions)), answer=answer())
    assert judged(lost, ACTIVE, ConditionType.ANSWERED) == ("True", "Approved")
    unsent = scope(
        installation=installation(status=answered(conditions=conditions, answer=answer(sent=False))),
        answer=answer(sent=False),
    )
    assert judged(unsent, ACTIVE, ConditionType.ANSWERED) == ("True", "AlreadyAnswered")


@pytest.mark.parametrize(
    ("approval", "words"),
    [
        (None, "approve"),
        (decided("Approve"), "approve"),
        (decided("Approve", decidedBy="ada@example.com"), "approve, as ada@example.com decided"),
        (decided("Reject", decidedBy="ada@example.com"), "approve"),
        (decided("Approve", event="event-0", decidedBy="ada@example.com"), "approve"),
    ],
)
def test_an_answer_says_who_decided_it(approval: dict[str, Any] | None, words: str) -> None:
    at = scope(installation=installation(approval=approval), answer=answer())
    known = found(at, ACTIVE, ConditionType.ANSWERED)
    assert known is not None
    assert known.message == f"Talkdesk has the answer: {words}"


@pytest.mark.case(24)
def test_a_previous_credential_version_that_works_is_valid_and_the_message_says_so() -> None:
    newest = scope(credentials=credentials(), remote=remote(), secret_name="keys-1")
    valid = found(newest, WAITING, ConditionType.CREDENTIALS_VALID)
    assert valid is not None
    assert (valid.status, valid.reason) == ("True", "Succeeded")
    older = found(replace(newest, secret_name="keys-0"), WAITING, ConditionType.CREDENTIALS_VALID)
    assert older is not None
    assert (older.status, "previous version" in older.message) == ("True", True)
    assert older.message != valid.message
    by_hand = replace(newest, installation=installation(credentials=None), secret_name=None)
    assert judged(by_hand, WAITING, ConditionType.CREDENTIALS_VALID) == ("True", "Succeeded")


@pytest.mark.case(60)
@pytest.mark.parametrize(
    ("outcome", "expected", "message"),
    [
        (UsersOutcome(3, synced=3), ("True", "Succeeded"), "every licensed user"),
        (UsersOutcome(9, synced=3, done=False), ("False", "UsersSyncing"), "status.users"),
        (
            UsersOutcome(3, failed=1, partial_failure=failure(Reason.USERS_FAILED), message="1 is refused"),
            ("False", "UsersFailed"),
            "1 is refused",
        ),
        (
            UsersOutcome(0, failure=failure(Reason.SCIM_UNAVAILABLE)),
            ("False", "ScimUnavailable"),
            "it did not work",
        ),
        (None, ("Unknown", "Pending"), "not evaluated yet"),
    ],
)
def test_the_users_condition_follows_from_the_outcome_of_the_sync(
    outcome: UsersOutcome | None, expected: tuple[str, str], message: str
) -> None:
    at = scope(app=SCIM, users=outcome)
    assert judged(at, WAITING, ConditionType.USERS_SYNCED) == expected
    shown = found(at, WAITING, ConditionType.USERS_SYNCED)
    assert shown is not None
    assert message in shown.message
    later = with_new_status(at, WAITING)
    assert judged(replace(later, users=None), WAITING, ConditionType.USERS_SYNCED) == expected


def test_there_is_no_users_condition_without_a_scim_service() -> None:
    for app in (view(), view(users={}), None):
        assert found(scope(app=app, users=UsersOutcome(3)), WAITING, ConditionType.USERS_SYNCED) is None


@pytest.mark.case(31)
def test_in_sync_is_reported_only_after_a_divergence() -> None:
    at = scope(installation=installation(status=answered()), remote=remote("completed"))
    assert found(at, ACTIVE, ConditionType.IN_SYNC) is None
    apart = with_new_status(replace(at, remote=remote("rejected")), ACTIVE)
    assert judged(apart, ACTIVE, ConditionType.IN_SYNC) == ("False", "Diverged")
    assert judged(replace(apart, remote=None), ACTIVE, ConditionType.IN_SYNC) == ("False", "Diverged")
    assert judged(replace(apart, remote=remote("completed")), ACTIVE, ConditionType.IN_SYNC) == ("True", "Succeeded")


@pytest.mark.case(34)
def test_the_deadline_is_near_from_the_first_warning_until_an_answer_or_an_end() -> None:
    assert found(scope(), WAITING, ConditionType.DEADLINE_NEAR) is None
    at = scope(now=LATE)
    near = found(at, WAITING, ConditionType.DEADLINE_NEAR)
    assert near is not None
    assert (near.status, near.reason, "under 1h" in near.message) == ("True", "DeadlineNear", True)
    over = with_new_status(at, WAITING)
    assert judged(replace(over, now=NOON + 2 * WEEK), WAITING, ConditionType.DEADLINE_NEAR)[0] == "True"
    end = Ending(reason=EndingReason.TIMED_OUT, event_id="event-1", time=LATE)
    for finish in (replace(WAITING, ending=end), replace(ACTIVE, verified=True)):
        assert judged(over, finish, ConditionType.DEADLINE_NEAR) == ("False", "NotNear")
    assert judged(replace(over, answer=answer()), ACTIVE, ConditionType.DEADLINE_NEAR) == ("False", "NotNear")


@pytest.mark.case(34, 39)
def test_no_deadline_is_near_after_an_answer_even_if_it_is_not_ready() -> None:
    terminal = replace(WAITING, terminal=True)
    shown = scope(now=LATE, role=Role.NON_OWNER, answer=answer(), sent=SendState.DELIVERED)
    assert found(shown, terminal, ConditionType.DEADLINE_NEAR) is None
    assert status(shown, terminal).time_left is None


@pytest.mark.parametrize("fields", [{"app": None}, {"installation": installation(request=None)}])
def test_no_deadline_is_near_without_an_app_or_a_request(fields: dict[str, Any]) -> None:
    assert found(scope(now=LATE, **fields), WAITING, ConditionType.DEADLINE_NEAR) is None


def test_a_rejection_that_was_sent_is_reported_as_rejected() -> None:
    shown = scope(answer=answer(decision=Decision.REJECT), sent=SendState.DELIVERED)
    known = found(shown, replace(WAITING, reason=Reason.REJECTED), ConditionType.ANSWERED)
    assert known is not None
    assert (known.status, known.reason, "reject" in known.message) == ("True", "Rejected", True)


@pytest.mark.case(72)
@pytest.mark.parametrize("reason", [Reason.VERIFYING, Reason.ANSWER_UNCLEAR])
def test_an_answer_whose_outcome_was_lost_is_neither_given_nor_missing(reason: Reason) -> None:
    unclear = replace(WAITING, reason=reason)
    assert judged(scope(answer=answer(delivered=False)), unclear, ConditionType.ANSWERED) == ("Unknown", reason)
