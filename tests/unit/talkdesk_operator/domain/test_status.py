"""The status says what is so, keeps what it said of what is still so, and speaks of the credentials that there are."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    NOON,
    WEEK,
    answer,
    answered,
    condition,
    credentials,
    current_tenant,
    ended,
    facts,
    failure,
    installation,
    remote,
    retry,
    scope,
    tenant,
)
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import (
    AccountFacts,
    Ending,
    EndingKind,
    InstallationPhase,
    InstallationStatus,
    RequestType,
    Transition,
    UsersStatus,
)
from talkdesk_operator.domain.scope import (
    CredentialsMissing,
    Pace,
    RemoteRefused,
    Role,
    Scope,
    SendState,
    Tenancy,
    TenancyState,
    UsersOutcome,
)
from talkdesk_operator.domain.status import compute
from talkdesk_operator.domain.steps import Finish

ACTIVE = Finish(phase=InstallationPhase.ACTIVE, reason=Reason.SUCCEEDED, message="all is well", ready=True)
WAITING = Finish(phase=InstallationPhase.PROVISIONING, reason=Reason.NOT_READY, message="0 of 1")


def status(at: Scope, finish: Finish) -> InstallationStatus:
    return compute(at, finish, jitter=1)


def judged(at: Scope, finish: Finish, kind: ConditionType) -> tuple[str, str]:
    found = find(status(at, finish).conditions, kind)
    assert found is not None
    return found.status, found.reason


def noted(at: Scope, finish: Finish) -> Scope:
    known = at.installation.model_copy(update={"status": status(at, finish)})
    return replace(at, installation=known)


def before(*conditions: Condition, **fields: Any) -> Scope:
    return scope(installation=installation(status=InstallationStatus(conditions=conditions, **fields)))


def test_every_condition_is_written_on_the_first_visit() -> None:
    conditions = {c.type: (c.status, c.reason) for c in status(scope(), WAITING).conditions}
    assert conditions == {
        "Ready": ("False", "NotReady"),
        "CredentialsValid": ("Unknown", "Pending"),
        "TenantReady": ("Unknown", "Pending"),
        "Answered": ("False", "Pending"),
        "Reconciling": ("True", "NotReady"),
        "Stalled": ("False", "NotReady"),
    }


def test_kstatus_is_told_whether_something_moves_or_is_stuck() -> None:
    assert judged(scope(), ACTIVE, ConditionType.RECONCILING)[0] == "False"
    assert judged(scope(), replace(WAITING, settled=True), ConditionType.RECONCILING)[0] == "False"
    stuck = replace(WAITING, stalled=True)
    assert judged(scope(), stuck, ConditionType.RECONCILING)[0] == "False"
    assert judged(scope(), stuck, ConditionType.STALLED)[0] == "True"


def test_a_status_speaks_of_the_generation_that_was_looked_at() -> None:
    looked_at = status(scope(installation=installation(meta={"generation": 7})), WAITING)
    assert looked_at.observed_generation == 7
    assert {c.observed_generation for c in looked_at.conditions} == {7}


@pytest.mark.case(34)
def test_the_deadline_shows_only_while_talkdesk_waits() -> None:
    assert status(scope(), WAITING).deadline == NOON + WEEK
    assert status(scope(answer=answer()), ACTIVE).deadline is None
    assert status(scope(app=None), WAITING).deadline is None
    assert status(scope(installation=installation(request=None)), WAITING).deadline is None
    end = Ending(kind=EndingKind.GONE, event_id="event-1", at=NOON)
    assert status(scope(), replace(WAITING, ending=end)).deadline is None


def test_a_failure_is_noted_with_its_next_try_and_forgotten_when_it_is_over() -> None:
    failing = replace(WAITING, failure=failure())
    at = noted(scope(), failing)
    assert at.installation.status.retry == retry(Reason.UNAVAILABLE, NOON + timedelta(seconds=1))
    assert status(at, failing).retry == retry(Reason.UNAVAILABLE, NOON + timedelta(seconds=2), 2)
    assert status(at, ACTIVE).retry is None


def test_facts_are_kept_until_they_are_read_anew_or_erased() -> None:
    known = before(account=AccountFacts(id="acc-1", name="old"))
    assert status(known, WAITING).account == AccountFacts(id="acc-1", name="old")
    fresh = status(replace(known, facts=facts(name="new")), WAITING)
    assert (fresh.account, fresh.subscription) == (facts(name="new").account, facts().subscription)
    erased = status(replace(noted(replace(known, credentials=credentials()), WAITING), erased=True), WAITING)
    assert (erased.account, erased.subscription, erased.credentials) == (None, None, None)


@pytest.mark.case(61)
def test_the_credentials_in_use_are_named_by_their_key_and_by_nothing_secret() -> None:
    used = status(scope(credentials=credentials()), WAITING)
    assert used.credentials is not None
    assert used.credentials.key_id == "key-1"
    assert "made-up" not in used.model_dump_json()
    assert status(noted(scope(credentials=credentials()), WAITING), WAITING).credentials == used.credentials
    dropped = replace(noted(scope(credentials=credentials()), WAITING), credentials_dropped=True)
    assert status(dropped, WAITING).credentials is None


def test_the_tenant_stays_named_after_it_is_gone() -> None:
    assert status(scope(tenant=tenant()), WAITING).tenant_ref == LocalRef(name="sentiment-acc")
    assert status(noted(scope(tenant=tenant()), WAITING), WAITING).tenant_ref == LocalRef(name="sentiment-acc")
    gone = replace(noted(scope(tenant=tenant()), WAITING), tenant=None)
    assert status(gone, WAITING).tenant_ref == LocalRef(name="sentiment-acc")


def test_history_grows_by_phases_and_keeps_the_last_twenty() -> None:
    at = scope()
    for _ in range(15):
        at = noted(noted(noted(at, WAITING), ACTIVE), ACTIVE)
    history = at.installation.status.history
    assert len(history) == 20
    assert history[-1] == Transition(at=NOON, what="Active", why="Succeeded: all is well")
    silent = status(scope(), replace(ACTIVE, message=""))
    assert silent.history[0].why == "Succeeded"


@pytest.mark.case(57)
def test_words_of_any_length_fit() -> None:
    long = status(scope(), replace(WAITING, message="x" * 9000, stalled=True))
    assert {len(c.message) for c in long.conditions if c.type in {"Ready", "Stalled"}} == {2048}
    assert len(long.history[0].why) == 512


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"remote": remote(), "credentials": credentials()}, ("True", "Succeeded")),
        pytest.param(
            {"credentials": CredentialsMissing(failure(Reason.CREDENTIALS_LOST, Pace.SLOW))},
            ("False", "CredentialsLost"),
            marks=pytest.mark.case(43),
        ),
        pytest.param(
            {"credentials": credentials(), "remote": RemoteRefused(failure(Reason.CREDENTIALS_REFUSED, Pace.SLOW))},
            ("False", "CredentialsRefused"),
            marks=pytest.mark.case(24),
        ),
        ({"credentials": credentials(), "remote": RemoteRefused(failure())}, ("Unknown", "Pending")),
        ({"credentials_dropped": True}, ("False", "CredentialsDeleted")),
    ],
)
def test_credentials_are_judged_by_what_talkdesk_made_of_them(
    fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert judged(scope(**fields), WAITING, ConditionType.CREDENTIALS_VALID) == expected


@pytest.mark.case(36)
@pytest.mark.parametrize("old", [Reason.CREDENTIALS_DELETED, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_MISSING])
def test_new_credentials_are_not_called_deleted_for_what_the_old_ones_were(old: Reason) -> None:
    at = replace(before(condition(ConditionType.CREDENTIALS_VALID, "False", old)), credentials=credentials())
    assert judged(at, WAITING, ConditionType.CREDENTIALS_VALID) == ("Unknown", "Pending")
    assert judged(replace(at, credentials=None), WAITING, ConditionType.CREDENTIALS_VALID) == ("False", old)


@pytest.mark.parametrize(
    ("tenancy", "expected"),
    [
        (Tenancy(TenancyState.READY), ("True", "Applied")),
        (Tenancy(TenancyState.WAITING, "0 of 1"), ("False", "NotReady")),
        (Tenancy(TenancyState.FAILED, "no", failure(Reason.CONFLICT)), ("False", "Conflict")),
        (Tenancy(TenancyState.OFFBOARDED), ("False", "Retained")),
        (Tenancy(TenancyState.DELETING, "going"), ("False", "Offboarding")),
        (Tenancy(TenancyState.PURGED), ("False", "Purged")),
    ],
)
def test_the_tenant_is_judged_by_what_came_of_the_work_on_it(tenancy: Tenancy, expected: tuple[str, str]) -> None:
    assert judged(scope(tenancy=tenancy), WAITING, ConditionType.TENANT_READY) == expected


def test_a_tenant_that_was_not_touched_is_judged_by_its_own_status() -> None:
    at = scope(installation=installation(status=answered()))
    assert judged(replace(at, tenant=current_tenant(at)), ACTIVE, ConditionType.TENANT_READY) == ("True", "Applied")


@pytest.mark.case(39)
def test_a_bystanders_tenant_is_anothers() -> None:
    at, settled = scope(role=Role.BYSTANDER), replace(WAITING, settled=True)
    assert judged(at, settled, ConditionType.TENANT_READY) == ("False", "Superseded")


def test_an_answer_is_told_by_us_or_found_to_be_known() -> None:
    told = scope(answer=answer(), sent=SendState.DELIVERED)
    assert judged(told, ACTIVE, ConditionType.ANSWERED) == ("True", "Approved")
    assert status(told, ACTIVE).answer == answer()
    verified = replace(ACTIVE, verified=True)
    assert judged(scope(), verified, ConditionType.ANSWERED) == ("True", "AlreadyAnswered")
    assert judged(noted(told, ACTIVE), ACTIVE, ConditionType.ANSWERED) == ("True", "Approved")


@pytest.mark.case(23)
def test_a_verified_answer_keeps_the_times_that_were_known() -> None:
    later = scope(now=NOON + WEEK, answer=answer(verified=True))
    assert status(later, replace(ACTIVE, verified=True)).answer == answer(verified=True)
    first = status(scope(), replace(ACTIVE, verified=True)).answer
    assert first is not None
    assert (first.at, first.verified_at, first.sent_at) == (NOON, NOON, None)


@pytest.mark.case(22)
def test_an_answer_that_talkdesk_does_not_show_yet_is_told_and_being_verified() -> None:
    verifying = Finish(phase=InstallationPhase.OFFBOARDING, reason=Reason.VERIFYING, message="told")
    assert judged(scope(answer=answer()), verifying, ConditionType.ANSWERED) == ("True", "Verifying")


def test_an_answer_waits_for_what_is_in_its_way() -> None:
    lost = failure(Reason.FORBIDDEN, Pace.SLOW)
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
def test_an_end_without_an_answer_says_so_from_then_on() -> None:
    end = Ending(kind=EndingKind.TIMED_OUT, event_id="event-1", at=NOON)
    late = replace(WAITING, reason=Reason.TIMED_OUT, ending=end)
    assert judged(scope(), late, ConditionType.ANSWERED) == ("False", "TimedOut")
    assert judged(noted(scope(), late), WAITING, ConditionType.ANSWERED) == ("False", "TimedOut")
    assert status(noted(scope(), late), WAITING).ending == end


@pytest.mark.case(36)
def test_a_new_life_remembers_the_old_answer_only_until_it_has_its_own() -> None:
    again = installation(event="event-2", status=ended(answer=answer()))
    assert status(scope(installation=again), WAITING).answer == answer()
    assert status(scope(installation=again), WAITING).deadline == NOON + WEEK
    assert judged(scope(installation=again), WAITING, ConditionType.ANSWERED) == ("False", "Pending")


def test_the_time_of_the_newest_install_is_kept_over_other_requests() -> None:
    at = noted(scope(), WAITING)
    assert at.installation.status.installed_at == NOON
    update = installation(request=RequestType.UPDATE, at=NOON + WEEK, status=at.installation.status)
    assert status(scope(installation=update), WAITING).installed_at == NOON


def test_a_list_of_users_that_can_not_be_read_leaves_the_numbers_that_are_known() -> None:
    unread = UsersOutcome(licensed=0, listed=False, failure=failure())
    known = replace(before(users=UsersStatus(licensed=5, synced=5, complete=True)), users=unread)
    assert status(known, WAITING).users == UsersStatus(licensed=5, synced=5, complete=False)
    assert status(replace(before(), users=unread), WAITING).users == UsersStatus(licensed=0, complete=False)
    read = replace(known, users=UsersOutcome(licensed=7, synced=7))
    assert status(read, WAITING).users == UsersStatus(licensed=7, synced=7, complete=True)
