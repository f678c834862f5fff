"""The status says what is so, keeps what it said of what is still so, and speaks of the credentials that there are."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    NOON,
    WEEK,
    answer,
    credentials,
    credentials_object,
    ended,
    facts,
    failure,
    installation,
    remote,
    retry,
    scope,
    tenant,
    trial_object,
)
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import (
    AccountFacts,
    CredentialsStatus,
    Ending,
    EndingReason,
    InstallationPhase,
    InstallationStatus,
    RequestType,
    Transition,
    TrialState,
    UsersStatus,
)
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    Scope,
    SendState,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import Finish

ACTIVE = Finish(phase=InstallationPhase.ACTIVE, reason=Reason.SUCCEEDED, message="all is well", ready=True)
WAITING = Finish(phase=InstallationPhase.PROVISIONING, reason=Reason.NOT_READY, message="0 of 1")


def status(at: Scope, finish: Finish) -> InstallationStatus:
    return compute(at, finish, jitter=1)


def judged(at: Scope, finish: Finish, kind: ConditionType) -> tuple[str, str]:
    found = find(status(at, finish).conditions, kind)
    assert found is not None
    return found.status, found.reason


def with_new_status(at: Scope, finish: Finish) -> Scope:
    known = at.installation.model_copy(update={"status": status(at, finish)})
    return replace(at, installation=known)


def before(*conditions: Condition, **fields: Any) -> Scope:
    return scope(installation=installation(status=InstallationStatus(conditions=conditions, **fields)))


def test_a_status_has_the_observed_generation() -> None:
    written = status(scope(installation=installation(meta={"generation": 7})), WAITING)
    assert written.observed_generation == 7
    assert {c.observed_generation for c in written.conditions} == {7}


@pytest.mark.case(34)
def test_the_deadline_shows_only_while_talkdesk_waits() -> None:
    assert status(scope(), WAITING).deadline == NOON + WEEK
    assert status(scope(answer=answer()), ACTIVE).deadline is None
    assert status(scope(app=None), WAITING).deadline is None
    assert status(scope(installation=installation(request=None)), WAITING).deadline is None
    end = Ending(reason=EndingReason.GONE, event_id="event-1", time=NOON)
    assert status(scope(), replace(WAITING, ending=end)).deadline is None


def test_a_failure_is_recorded_with_its_next_retry_until_it_is_over() -> None:
    failing = replace(WAITING, failure=failure())
    at = with_new_status(scope(), failing)
    assert at.installation.status.retry == retry(Reason.UNAVAILABLE, NOON + timedelta(seconds=1))
    assert status(at, failing).retry == retry(Reason.UNAVAILABLE, NOON + timedelta(seconds=2), 2)
    assert status(at, ACTIVE).retry is None


def test_facts_are_kept_until_they_are_read_again_or_erased() -> None:
    known = before(account=AccountFacts(id="acc-1", name="old"))
    assert status(known, WAITING).account == AccountFacts(id="acc-1", name="old")
    fresh = status(replace(known, facts=facts(name="new")), WAITING)
    assert (fresh.account, fresh.subscription) == (facts(name="new").account, facts().subscription)
    read = with_new_status(replace(known, credentials=credentials()), WAITING)
    erased = status(read, replace(WAITING, erased=True))
    assert (erased.account, erased.subscription, erased.credentials) == (None, None, None)


@pytest.mark.case(61)
def test_the_credentials_in_use_are_recorded_by_key_id_without_a_secret() -> None:
    used = status(scope(credentials=credentials()), WAITING)
    assert used.credentials is not None
    assert used.credentials.key_id == "key-1"
    assert "made-up" not in used.model_dump_json()
    assert status(with_new_status(scope(credentials=credentials()), WAITING), WAITING).credentials == used.credentials
    dropped = replace(with_new_status(scope(credentials=credentials()), WAITING), credentials_deleted=True)
    assert status(dropped, WAITING).credentials is None


def test_the_reference_to_the_tenant_stays_after_it_is_gone() -> None:
    assert status(scope(tenant=tenant()), WAITING).tenant_ref == LocalRef(name="sentiment-acc")
    assert status(with_new_status(scope(tenant=tenant()), WAITING), WAITING).tenant_ref == LocalRef(
        name="sentiment-acc"
    )
    gone = replace(with_new_status(scope(tenant=tenant()), WAITING), tenant=None)
    assert status(gone, WAITING).tenant_ref == LocalRef(name="sentiment-acc")


def test_history_grows_by_phases_and_keeps_the_last_twenty() -> None:
    at = scope()
    for _ in range(15):
        at = with_new_status(with_new_status(with_new_status(at, WAITING), ACTIVE), ACTIVE)
    history = at.installation.status.history
    assert len(history) == 20
    assert history[-1] == Transition(time=NOON, reason="Active", message="Succeeded: all is well")
    silent = status(scope(), replace(ACTIVE, message=""))
    assert silent.history[0].message == "Succeeded"


@pytest.mark.case(57)
def test_messages_of_any_length_fit_into_the_status() -> None:
    long = status(scope(), replace(WAITING, message="x" * 9000, stalled=True))
    assert {len(c.message) for c in long.conditions if c.type in {"Ready", "Stalled"}} == {2048}
    assert len(long.history[0].message) == 512


def test_an_answer_is_reported_as_approved_or_as_already_answered() -> None:
    delivered = scope(answer=answer(), sent=SendState.DELIVERED)
    assert judged(delivered, ACTIVE, ConditionType.ANSWERED) == ("True", "Approved")
    assert status(delivered, ACTIVE).answer == answer()
    verified = replace(ACTIVE, verified=True)
    assert judged(scope(), verified, ConditionType.ANSWERED) == ("True", "AlreadyAnswered")
    assert judged(with_new_status(delivered, ACTIVE), ACTIVE, ConditionType.ANSWERED) == ("True", "Approved")


@pytest.mark.case(23)
def test_a_verified_answer_keeps_its_recorded_times() -> None:
    later = scope(now=NOON + WEEK, answer=answer(verified=True))
    assert status(later, replace(ACTIVE, verified=True)).answer == answer(verified=True)
    first = status(scope(), replace(ACTIVE, verified=True)).answer
    assert first is not None
    assert (first.delivery_time, first.verification_time, first.send_time) == (NOON, NOON, None)


@pytest.mark.case(36)
def test_the_previous_answer_is_kept_until_a_new_request_has_its_own() -> None:
    again = installation(event="event-2", status=ended(answer=answer()))
    assert status(scope(installation=again), WAITING).answer == answer()
    assert status(scope(installation=again), WAITING).deadline == NOON + WEEK
    assert judged(scope(installation=again), WAITING, ConditionType.ANSWERED) == ("False", "Pending")


def test_the_time_of_the_newest_install_is_kept_over_other_requests() -> None:
    at = with_new_status(scope(), WAITING)
    assert at.installation.status.install_time == NOON
    update = installation(request=RequestType.UPDATE, at=NOON + WEEK, status=at.installation.status)
    assert status(scope(installation=update), WAITING).install_time == NOON


def used(at: Scope) -> CredentialsStatus:
    known = status(at, ACTIVE).credentials
    assert known is not None
    return known


@pytest.mark.case(20, 63)
def test_an_acknowledgement_is_recorded_under_its_event_and_kept() -> None:
    rotated = installation(credentials=credentials_object())
    at = scope(installation=rotated, credentials=credentials(), secret_name="keys-2")
    assert used(at).acknowledged_event_id is None
    done = replace(at, acknowledged=AcknowledgementState.DONE, now=NOON + timedelta(milliseconds=7))
    assert (used(done).acknowledged_event_id, used(done).acknowledgement_time) == ("rotation-1", NOON)
    assert (used(done).secret_name, used(done).key_id) == ("keys-2", "key-1")
    later = replace(with_new_status(done, ACTIVE), acknowledged=None, now=NOON + WEEK)
    assert used(later) == used(done)
    assert used(replace(at, acknowledged=AcknowledgementState.FAILED)).acknowledged_event_id is None
    assert used(replace(done, installation=installation(credentials=None))).acknowledged_event_id is None


@pytest.mark.case(60)
def test_the_numbers_of_users_are_recorded() -> None:
    assert status(scope(), ACTIVE).users is None
    part = with_new_status(scope(users=UsersOutcome(9, synced=4, failed=1, done=False)), ACTIVE)
    assert part.installation.status.users == UsersStatus(licensed=9, synced=4, failed=1, complete=False)
    assert status(part, ACTIVE).users == part.installation.status.users
    done = status(replace(part, users=UsersOutcome(9, synced=9)), ACTIVE).users
    assert done == UsersStatus(licensed=9, synced=9)
    failed = status(replace(part, users=UsersOutcome(9, failure=failure())), ACTIVE).users
    assert failed is not None
    assert not failed.complete


@pytest.mark.case(42)
def test_talkdesks_state_is_recorded_only_if_it_is_unexpected() -> None:
    stopped = with_new_status(scope(remote=remote("Suspended")), ACTIVE)
    assert stopped.installation.status.talkdesk_state == "Suspended"
    assert status(replace(stopped, remote=None), ACTIVE).talkdesk_state == "Suspended"
    for usual in ("completed", "installing"):
        assert status(replace(stopped, remote=remote(usual)), ACTIVE).talkdesk_state is None
    long = status(scope(remote=remote("x" * 999), installation=installation(request=None)), ACTIVE)
    assert long.talkdesk_state == "x" * 128


@pytest.mark.case(36)
def test_a_state_from_before_a_repeated_installation_is_not_recorded() -> None:
    old = remote("revoked", updated_at=NOON - WEEK)
    assert status(scope(remote=old), ACTIVE).talkdesk_state is None


@pytest.mark.case(19)
def test_the_trial_is_recorded_and_survives_the_erasure() -> None:
    at = with_new_status(scope(installation=installation(trial=trial_object())), ACTIVE)
    trial = at.installation.status.trial
    assert trial is not None
    assert trial.state is TrialState.ENDED
    assert status(at, replace(ACTIVE, erased=True)).trial == trial


@pytest.mark.case(34)
def test_the_time_left_shows_while_talkdesk_waits() -> None:
    late = scope(now=NOON + WEEK - timedelta(minutes=59))
    assert status(late, WAITING).time_left == "under 1h"
    assert status(scope(), WAITING).time_left is None
    assert status(replace(late, answer=answer()), ACTIVE).time_left is None
    assert status(replace(late, app=None), WAITING).time_left is None


def test_the_installing_user_is_kept_if_talkdesk_does_not_name_one() -> None:
    at = with_new_status(scope(facts=replace(facts(), created_by="admin-1")), ACTIVE)
    assert at.installation.status.created_by == "admin-1"
    assert status(replace(at, facts=facts()), ACTIVE).created_by == "admin-1"
    assert status(replace(at, facts=None), ACTIVE).created_by == "admin-1"
    assert at.best_known_facts.created_by == "admin-1"


@pytest.mark.case(27, 60)
def test_an_unreadable_list_of_users_keeps_the_recorded_numbers() -> None:
    unread = UsersOutcome(licensed=0, listed=False, failure=failure())
    known = replace(before(users=UsersStatus(licensed=5, synced=5, complete=True)), users=unread)
    assert status(known, WAITING).users == UsersStatus(licensed=5, synced=5, complete=False)
    assert status(replace(before(), users=unread), WAITING).users == UsersStatus(licensed=0, complete=False)
    read = replace(known, users=UsersOutcome(licensed=7, synced=7))
    assert status(read, WAITING).users == UsersStatus(licensed=7, synced=7, complete=True)
