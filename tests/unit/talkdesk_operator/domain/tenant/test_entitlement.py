"""Whether a customer may use the app: trial and license, and what the app's policy makes of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    DAY,
    HOUR,
    NOON,
    answered,
    facts,
    failure,
    installation,
    remote,
    scope,
    trial_object,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import RequestType, SubscriptionFacts, TrialState, TrialStatus
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.ports.talkdesk import RemoteTrial
from talkdesk_operator.domain.reconcile.scope import RemoteFailed, RetryClass, Scope
from talkdesk_operator.domain.tenant.entitlement import desired_state, suspension, trial_is_open, trial_of

MONTH = 30 * DAY
ENDED = TrialStatus(state=TrialState.ENDED, last_transition_time=NOON, ended_reason="trial_expired")
STARTED = TrialStatus(state=TrialState.STARTED, last_transition_time=NOON, expiration_time=NOON + MONTH)


def live(*, status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **fields: Any) -> Scope:
    """An answered installation; `status` and `spec` go into it."""
    return scope(installation=installation(status=answered(**(status or {})), **(spec or {})), **fields)


def after_trial(reason: str | None = "trial_expired", **fields: Any) -> Scope:
    return live(spec={"trial": trial_object(endedReason=reason) if reason else trial_object()}, **fields)


def state_under(policy: str, at: Scope, key: str) -> TenantState:
    block = {"onEnd": "trial"}.get(key, "license")
    return desired_state(replace(at, app=view(**{block: {key: policy}})))


POLICIES = [
    ("Suspend", TenantState.SUSPENDED),
    ("Keep", TenantState.ACTIVE),
    ("Offboard", TenantState.OFFBOARDED),
]


def test_a_new_customer_is_entitled() -> None:
    assert suspension(scope()) is None
    assert desired_state(scope()) is TenantState.ACTIVE


@pytest.mark.case(42)
@pytest.mark.parametrize(("policy", "state"), POLICIES)
@pytest.mark.parametrize(("word", "key"), [("suspended", "onSuspended"), ("revoked", "onRevoked")])
def test_the_apps_policy_decides_what_follows_a_suspended_or_revoked_license(
    word: str, key: str, policy: str, state: TenantState
) -> None:
    assert state_under(policy, live(remote=remote(word)), key) is state
    assert state_under(policy, live(status={"talkdesk_state": word}), key) is state


@pytest.mark.case(42)
def test_a_suspended_or_revoked_license_suspends_by_default_with_the_reason() -> None:
    found = suspension(live(remote=remote("suspended")))
    assert found is not None
    assert found.reason is Reason.SUSPENDED
    found = suspension(live(remote=remote("revoked")))
    assert found is not None
    assert found.reason is Reason.REVOKED


@pytest.mark.case(42)
def test_the_state_just_read_wins_over_the_recorded_one() -> None:
    stopped = live(status={"talkdesk_state": "suspended"})
    assert desired_state(stopped) is TenantState.SUSPENDED
    assert desired_state(replace(stopped, remote=RemoteFailed(failure()))) is TenantState.SUSPENDED
    assert desired_state(replace(stopped, remote=remote("completed"))) is TenantState.ACTIVE


@pytest.mark.case(36, 42)
def test_a_revoked_state_of_an_earlier_installation_does_not_count() -> None:
    old = remote("revoked", updated_at=NOON - timedelta(seconds=1))
    assert desired_state(scope(remote=old)) is TenantState.ACTIVE
    assert desired_state(scope(remote=remote("revoked", updated_at=NOON))) is TenantState.SUSPENDED


@pytest.mark.parametrize(("policy", "state"), POLICIES)
def test_the_apps_policy_decides_what_follows_the_end_of_a_trial(policy: str, state: TenantState) -> None:
    assert state_under(policy, after_trial(), "onEnd") is state
    assert state_under(policy, after_trial(None), "onEnd") is state
    assert state_under(policy, after_trial("martian"), "onEnd") is state


@pytest.mark.case(21)
@pytest.mark.parametrize("reason", ["app_uninstalled", "plan_upgraded"])
def test_a_trial_that_ends_by_an_upgrade_or_uninstall_suspends_nobody(reason: str) -> None:
    assert suspension(after_trial(reason)) is None


@pytest.mark.case(21)
def test_a_paying_customer_stays_entitled_after_any_end_of_the_trial() -> None:
    assert suspension(after_trial(facts=facts(subscription="paid"))) is None
    assert suspension(after_trial(status={"subscription": SubscriptionFacts(type="paid")})) is None
    assert suspension(after_trial(facts=facts(subscription="trial"))) is not None


@pytest.mark.parametrize("state", ["Started", "Extended"])
def test_a_running_trial_suspends_nobody(state: str) -> None:
    assert suspension(live(spec={"trial": trial_object(state)})) is None


@pytest.mark.case(42)
def test_keeping_customers_with_a_suspended_license_does_not_extend_their_trial() -> None:
    at = after_trial(remote=remote("suspended"), app=view(license={"onSuspended": "Keep"}))
    found = suspension(at)
    assert found is not None
    assert found.reason is Reason.TRIAL_ENDED
    assert suspension(replace(at, app=view(license={"onSuspended": "Keep"}, trial={"onEnd": "Keep"}))) is None
    stopped = suspension(replace(at, app=view()))
    assert stopped is not None
    assert stopped.reason is Reason.SUSPENDED


@pytest.mark.case(36)
def test_a_trial_of_an_earlier_installation_does_not_count() -> None:
    again = installation(at=NOON + DAY, trial=trial_object(at=NOON), status=answered(trial=ENDED))
    assert trial_of(again, now=NOON + DAY) is None
    old = RemoteTrial("ended", ended_at=NOON, ended_reason="trial_expired")
    assert trial_of(again, old, now=NOON + DAY) is None
    assert suspension(scope(installation=again, trial=old)) is None
    own = installation(trial=trial_object(at=NOON))
    assert trial_of(own, now=NOON) is not None


def test_a_trial_event_of_the_same_second_as_the_install_belongs_to_it() -> None:
    made = installation(at=NOON + timedelta(milliseconds=400), trial=trial_object("Started", at=NOON))
    assert trial_of(made, now=NOON) is not None


def test_without_a_known_install_time_every_trial_counts() -> None:
    imported = installation(request=RequestType.UPDATE, at=NOON + DAY, trial=trial_object())
    assert trial_of(imported, now=NOON) == TrialStatus(state=TrialState.ENDED, last_transition_time=NOON)
    old = RemoteTrial("ended", ended_at=NOON - MONTH)
    known = trial_of(installation(request=RequestType.UPDATE), old, now=NOON)
    assert known is not None
    assert known.state is TrialState.ENDED


def test_without_an_event_a_record_or_talkdesks_word_there_is_no_trial() -> None:
    assert trial_of(installation(), now=NOON) is None


@pytest.mark.case(19)
def test_the_newest_of_event_and_record_counts_and_an_end_wins_at_the_same_instant() -> None:
    made = installation(
        trial=trial_object("Started", expirationTime="2026-04-01T00:00:00Z"), status=answered(trial=ENDED)
    )
    assert trial_of(made, now=NOON) == ENDED
    later = ENDED.model_copy(update={"last_transition_time": NOON + DAY})
    assert trial_of(installation(trial=trial_object("Started"), status=answered(trial=later)), now=NOON) == later
    extended = installation(trial=trial_object("Extended", at=NOON + DAY), status=answered(trial=ENDED))
    newest = trial_of(extended, now=NOON)
    assert newest is not None
    assert newest.state is TrialState.EXTENDED


def running(remote: RemoteTrial) -> TrialStatus | None:
    return trial_of(installation(status=answered(trial=STARTED)), remote, now=NOON + HOUR + timedelta(milliseconds=5))


@pytest.mark.case(11, 42)
def test_an_end_of_the_trial_without_an_event_is_taken_from_talkdesk() -> None:
    over = RemoteTrial("ended", NOON + MONTH, NOON + DAY, "trial_expired")
    expected = TrialStatus(
        state=TrialState.ENDED,
        last_transition_time=NOON + DAY,
        expiration_time=NOON + MONTH,
        ended_reason="trial_expired",
    )
    assert running(over) == expected
    assert trial_of(installation(), over, now=NOON) == expected
    silent = running(replace(over, ended_reason=None))
    assert silent is not None
    assert silent.ended_reason is None
    long = running(replace(over, ended_reason="x" * 999))
    assert long is not None
    assert long.ended_reason == "x" * 128


def test_a_known_or_outdated_end_of_the_trial_changes_nothing() -> None:
    over = RemoteTrial("ended", None, NOON + DAY, "plan_upgraded")
    assert trial_of(installation(status=answered(trial=ENDED)), over, now=NOON) == ENDED
    extended = STARTED.model_copy(update={"last_transition_time": NOON + 2 * DAY})
    assert trial_of(installation(status=answered(trial=extended)), over, now=NOON) == extended


@pytest.mark.case(11)
def test_a_later_expiry_at_talkdesk_than_in_the_events_is_an_extension() -> None:
    more = running(RemoteTrial("active", NOON + 2 * MONTH))
    just_later = STARTED.last_transition_time + timedelta(microseconds=1)
    assert more == TrialStatus(
        state=TrialState.EXTENDED, last_transition_time=just_later, expiration_time=NOON + 2 * MONTH
    )
    again = trial_of(installation(status=answered(trial=more)), RemoteTrial("active", NOON + 2 * MONTH), now=NOON + DAY)
    assert again == more


def test_a_trial_without_an_event_is_taken_from_talkdesk() -> None:
    found = trial_of(installation(), RemoteTrial("active", NOON + MONTH), now=NOON + HOUR)
    assert found == TrialStatus(
        state=TrialState.STARTED, last_transition_time=NOON + HOUR, expiration_time=NOON + MONTH
    )
    endless = STARTED.model_copy(update={"expiration_time": None})
    longer = trial_of(installation(status=answered(trial=endless)), RemoteTrial("a", NOON + DAY), now=NOON + HOUR)
    assert longer is not None
    assert (longer.state, longer.expiration_time) == (TrialState.EXTENDED, NOON + DAY)


@pytest.mark.parametrize("says", [RemoteTrial(""), RemoteTrial("active", NOON + MONTH), RemoteTrial("active", NOON)])
def test_a_trial_that_talkdesk_shows_as_known_changes_nothing(says: RemoteTrial) -> None:
    assert running(says) == STARTED


def test_a_trial_is_read_while_one_runs_or_the_subscription_is_a_trial() -> None:
    assert trial_is_open(live(spec={"trial": trial_object("Started")}))
    assert not trial_is_open(after_trial())
    assert trial_is_open(live(facts=facts(subscription="trial")))
    assert trial_is_open(live(status={"subscription": SubscriptionFacts(type="trial")}))
    assert not trial_is_open(live(facts=facts(subscription="paid")))
    assert not trial_is_open(live())


def test_a_failed_read_does_not_change_the_entitlement() -> None:
    refused = RemoteFailed(failure(Reason.FORBIDDEN, RetryClass.SLOW))
    assert suspension(live(remote=refused)) is None
