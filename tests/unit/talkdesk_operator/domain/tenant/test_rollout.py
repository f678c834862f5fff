"""Tenants move a few at a time, stop at failures, and end at the revision that is wanted, whoever decides when."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.objects import NOON, app, installation, tenant
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_rollout import MAX_WAVE
from talkdesk_crds.conditions import Condition, ConditionType, Reason
from talkdesk_crds.installation import InstallationStatus, RequestType
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.tenant.rollout import Follower, Progress, RolloutState, follower_of, progress

pytestmark = pytest.mark.case(55)
HOUR = timedelta(hours=1)


def rollout(**fields: Any) -> TalkdeskApp:
    return app(templateRollout=fields)


def many(count: int, revision: str = "old", **fields: Any) -> list[Follower]:
    return [Follower(name=f"t{number}", revision=revision, **fields) for number in range(count)]


def failing(name: str, revision: str = "new", **fields: Any) -> Follower:
    defaults: dict[str, Any] = {"ready": False, "failing": True, "blamed": True, "reason": "ApplyRefused"}
    return Follower(name=name, revision=revision, **(defaults | fields))


@pytest.mark.parametrize(
    ("limit", "tenants", "wave"),
    [("10%", 200, 20), ("10%", 3, 1), ("25%", 10, 2), ("100%", 40, 40), (3, 40, 3), ("50%", 1000, MAX_WAVE), (7, 2, 2)],
)
def test_a_wave_is_a_share_of_all_and_at_least_one(limit: int | str, tenants: int, wave: int) -> None:
    found = progress(rollout(maxUnavailable=limit), "new", many(tenants))
    assert (found.state, len(found.wave)) == (RolloutState.GOING_ON, wave)
    assert len(set(found.wave)) == wave


def test_who_is_on_the_way_takes_the_place_of_another() -> None:
    waiting = [Follower(name="w", revision="new", ready=False, blamed=True, reason="NotReady")]
    found = progress(rollout(maxUnavailable=3), "new", [*many(9), *waiting])
    assert (len(found.wave), [each.name for each in found.waiting]) == (2, ["w"])
    assert progress(rollout(maxUnavailable=1), "new", [*many(9), *waiting]).wave == ()


def test_who_was_broken_before_it_got_the_revision_stops_nobody() -> None:
    before = failing("b", blamed=False)
    found = progress(rollout(maxUnavailable=1), "new", [*many(3), before])
    assert (found.state, len(found.wave), found.counts.failing) == (RolloutState.GOING_ON, 1, 1)
    assert progress(rollout(), "new", [before]).state is RolloutState.COMPLETE


def test_it_stops_at_so_many_failures_and_goes_on_when_they_are_mended() -> None:
    paused = progress(rollout(), "new", [*many(9), failing("f")])
    assert (paused.state, paused.wave, [each.name for each in paused.failing]) == (RolloutState.FAILING, (), ["f"])
    two = rollout(pauseAfterFailures=2, maxUnavailable=5)
    assert progress(two, "new", [*many(9), failing("f")]).state is RolloutState.GOING_ON
    assert progress(two, "new", [*many(9), failing("f"), failing("g")]).state is RolloutState.FAILING
    never = progress(rollout(pauseAfterFailures=0, maxUnavailable=5), "new", [*many(9), failing("f")])
    assert (never.state, len(never.wave)) == (RolloutState.GOING_ON, 5)
    full = progress(rollout(pauseAfterFailures=9, maxUnavailable=1), "new", [*many(9), failing("f")])
    assert full.state is RolloutState.FAILING
    mended = replace(failing("f"), ready=True, failing=False, blamed=False)
    assert progress(rollout(), "new", [*many(9), mended]).state is RolloutState.GOING_ON


def test_a_person_pauses_it() -> None:
    found = progress(rollout(paused=True), "new", many(3))
    assert (found.state, found.wave) == (RolloutState.PAUSED, ())
    assert progress(rollout(paused=True), "new", many(3, "new")).state is RolloutState.COMPLETE
    on_the_way = [Follower(name="w", revision="new", ready=False, blamed=True)]
    assert progress(rollout(paused=True), "new", on_the_way).state is RolloutState.GOING_ON


def test_a_revision_that_can_not_be_used_is_rolled_out_to_nobody() -> None:
    found = progress(rollout(), "new", many(3), usable=False)
    assert (found.state, found.wave) == (RolloutState.UNUSABLE, ())


def test_who_is_held_or_new_is_not_waited_for() -> None:
    others = [Follower(name="h", revision="old", held=True), Follower(name="n", ready=False)]
    found = progress(rollout(), "new", [*many(2, "new"), *others])
    assert found.state is RolloutState.COMPLETE
    counts = found.counts
    assert (counts.total, counts.updated, counts.unavailable, counts.held) == (4, 2, 1, 1)


def test_who_is_broken_comes_first_and_who_can_not_be_moved_last() -> None:
    broken = failing("broken", "old", blamed=False)
    blocked = Follower(name="blocked", revision="old", blocked=True)
    order = progress(rollout(maxUnavailable="100%"), "new", [*many(5), broken, blocked]).wave
    assert (order[0], order[-1]) == ("broken", "blocked")


def test_canaries_come_first_and_alone_until_all_are_ready() -> None:
    chosen = rollout(canary={"selector": {"matchLabels": {"ring": "0"}}}, maxUnavailable=5)
    canaries = [Follower(name=name, revision="old", canary=True) for name in ("c1", "c2")]
    assert set(progress(chosen, "new", [*many(9), *canaries]).wave) == {"c1", "c2"}
    done = [replace(each, revision="new") for each in canaries]
    waits = [replace(done[0], ready=False, blamed=True), done[1]]
    assert progress(chosen, "new", [*many(9), *waits]).wave == ()
    assert len(progress(chosen, "new", [*many(9), *done]).wave) == 5


def test_without_a_tenant_of_these_labels_nothing_is_rolled_out() -> None:
    chosen = rollout(canary={"selector": {"matchLabels": {"ring": "0"}}})
    assert progress(chosen, "new", many(9)).state is RolloutState.NO_CANARY
    assert progress(chosen, "new", many(9, "new")).state is RolloutState.COMPLETE


def test_a_number_of_canaries_are_always_the_same_ones() -> None:
    chosen = rollout(canary={"count": 2}, maxUnavailable=1)
    tenants = many(9)
    (first,) = progress(chosen, "new", tenants).wave
    moved = [replace(each, revision="new") if each.name == first else each for each in tenants]
    (second,) = progress(chosen, "new", moved).wave
    both = {first, second}
    done = [replace(each, revision="new") if each.name in both else each for each in tenants]
    again = [replace(each, revision="new" if each.name in both else "old") for each in reversed(tenants)]
    assert progress(chosen, "newer", done).wave == (first,)
    assert progress(chosen, "new", done).wave == progress(chosen, "new", again).wave


@given(
    st.lists(st.sampled_from(["old", "older", "new"]), min_size=1, max_size=30),
    st.integers(1, 7),
    st.sets(st.integers(0, 29), max_size=4),
    st.integers(0, 4),
)
def test_whatever_happens_no_more_are_on_the_way_than_allowed_and_the_end_is_the_same(
    revisions: list[str], limit: int, broken: set[int], pause: int
) -> None:
    """Each step is decided from the tenants alone, as by another process each time."""
    chosen = rollout(maxUnavailable=limit, pauseAfterFailures=pause)
    tenants = {f"t{n}": Follower(name=f"t{n}", revision=revision) for n, revision in enumerate(revisions)}
    breaks = {f"t{n}" for n in broken} & {name for name, each in tenants.items() if each.revision != "new"}
    for _ in range(len(tenants) + 1):
        found = progress(chosen, "new", tenants.values())
        unavailable = sum(each.blamed for each in tenants.values()) if pause else 0
        assert len(found.wave) + unavailable <= max(limit, unavailable)
        if not found.wave:
            break
        for name in found.wave:
            moved = replace(tenants[name], revision="new")
            tenants[name] = failing(name) if name in breaks else moved
    fails = sum(each.failing for each in tenants.values())
    if not breaks:
        assert found.state is RolloutState.COMPLETE
    elif pause:
        assert (found.state is RolloutState.FAILING) == (fails >= min(pause, limit))
        assert fails <= limit
    assert (pause and fails >= min(pause, limit)) or all(each.revision == "new" for each in tenants.values())
    back = progress(rollout(maxUnavailable="100%"), "old", tenants.values())
    assert back.state is not RolloutState.FAILING


def ready(status: str, reason: str = "Applied", since: datetime = NOON) -> Condition:
    return Condition(type=ConditionType.READY, status=status, reason=reason, last_transition_time=since)


def seen(
    *conditions: Condition,
    got: datetime | None = NOON,
    now: datetime = NOON,
    resource: TalkdeskApp | None = None,
    **keywords: Any,
) -> Follower:
    found = tenant(status=TenantStatus(revision="new", revision_time=got, conditions=conditions), **keywords)
    return known(found, now=now, resource=resource)


def known(found: TalkdeskTenant, *, now: datetime = NOON, resource: TalkdeskApp | None = None) -> Follower:
    follower = follower_of(resource or app(), found, (healthy(),), now)
    assert follower is not None
    return follower


def healthy(**keywords: Any) -> Any:
    return installation(status=InstallationStatus(conditions=(ready("True"),)), **keywords)


def test_only_a_tenant_in_use_counts() -> None:
    assert follower_of(app(), None, (), NOON) is None
    assert follower_of(app(), tenant(TenantState.OFFBOARDED), (healthy(),), NOON) is None
    assert not seen(ready("True")).held


def test_nobody_moves_a_tenant_that_a_person_holds_or_that_has_no_installation() -> None:
    for fields in ({"paused": True}, {"revision": "chosen"}):
        assert known(tenant(**fields)).held
    for installations in ((), (healthy(paused=True),), (healthy(request=RequestType.UNINSTALL),)):
        found = follower_of(app(), tenant(), installations, NOON)
        assert found is not None
        assert found.held


@pytest.mark.parametrize(
    ("condition", "after", "said"),
    [
        (ready("False", Reason.APPLY_REFUSED), timedelta(), "fails"),
        (ready("False", Reason.NOT_READY), timedelta(minutes=9), "waits"),
        (ready("False", Reason.NOT_READY), timedelta(minutes=10), "fails"),
        (ready("False", Reason.CLUSTER_UNAVAILABLE), timedelta(), "waits"),
        (ready("True"), HOUR, "ready"),
    ],
)
def test_it_fails_for_a_reason_of_the_template_or_after_ten_minutes(
    condition: Condition, after: timedelta, said: str
) -> None:
    found = seen(condition, now=NOON + after)
    assert (found.failing, found.ready) == (said == "fails", said == "ready")


def test_a_revision_is_blamed_for_what_came_after_it_alone() -> None:
    unready = ready("False", Reason.APPLY_REFUSED)
    assert seen(unready, got=NOON + timedelta(milliseconds=500)).blamed
    assert not seen(unready, got=NOON + HOUR).blamed
    assert not seen(unready, got=None).blamed
    assert not seen(ready("True")).blamed
    assert not seen().failing


def test_an_installation_that_is_not_ready_beside_a_ready_tenant_may_not_be_movable() -> None:
    sick = installation(status=InstallationStatus(conditions=(ready("False", Reason.CREDENTIALS_REFUSED),)))
    found = tenant(status=TenantStatus(conditions=(ready("True"),)))
    follower = follower_of(app(), found, (sick,), NOON)
    assert follower is not None
    assert follower.blocked
    assert not known(found).blocked


def test_canaries_are_chosen_by_the_labels_of_their_records() -> None:
    chosen = rollout(canary={"selector": {"matchLabels": {"ring": "0"}}})
    labeled = tenant(meta={"labels": {"ring": "0", "a": "b"}})
    assert known(labeled, resource=chosen).canary
    assert not known(tenant(), resource=chosen).canary
    assert not known(labeled, resource=rollout(canary={"count": 1})).canary


def test_progress_can_be_told_apart() -> None:
    assert progress(rollout(), "new", many(2)) == progress(rollout(), "new", many(2))
    assert isinstance(progress(rollout(), "new", []), Progress)
