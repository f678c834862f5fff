import tracemalloc
from typing import Any

import pytest

from builders.raw_objects import app, installation, request, tenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import Change, InformerCache

KEY = AccountKey("team", "sentiment", "a1")
NOTHING = Change()


def names(store: InformerCache, key: AccountKey = KEY) -> list[str]:
    return [i.metadata.name for i in store.installations(key)]


def version(store: InformerCache, key: AccountKey = KEY) -> str:
    (only,) = store.installations(key)
    return only.metadata.resource_version


def test_installations_and_tenant_of_an_account_share_its_key() -> None:
    store = InformerCache()
    for raw in (installation("i1"), installation("i2", version="2"), tenant(version="3")):
        assert store.observe(raw) == Change(changed=True, keys=frozenset({KEY}))
    assert names(store) == ["i1", "i2"]
    held = store.tenant(KEY)
    assert held is not None
    assert held.metadata.name == "sentiment-a1"
    assert store.account_keys() == (KEY,)


@pytest.mark.case(59)
@pytest.mark.parametrize(
    "other",
    [
        installation("i2", account="a"),
        installation("i2", account="a11"),
        installation("i2", app="sentimental"),
        installation("i2", namespace="team2"),
    ],
)
def test_accounts_of_other_apps_namespaces_or_like_names_are_apart(other: dict[str, Any]) -> None:
    store = InformerCache()
    store.observe(installation("i1"))
    store.observe(other)
    assert names(store) == ["i1"]
    assert len(store.account_keys()) == 2


def test_an_app_concerns_itself_and_all_its_accounts() -> None:
    store = InformerCache()
    store.observe(installation("i1", account="a1"))
    store.observe(tenant("t2", account="a2"))
    store.observe(installation("i3", app="other"))
    change = store.observe(app())
    itself, second = AccountKey.of_app("team", "sentiment"), AccountKey("team", "sentiment", "a2")
    assert change.keys == {itself, KEY, second}
    assert set(store.keys_of_app("team", "sentiment")) == {KEY, second}
    held = store.app("team", "sentiment")
    assert held is not None
    assert held.spec.app_id == "app-1"
    assert store.app("team", "other") is None


@pytest.mark.parametrize("late", ["4", "5"])
def test_an_event_that_is_late_or_comes_twice_changes_nothing(late: str) -> None:
    store = InformerCache()
    store.observe(installation(version="5", spec={"accountName": "new"}))
    assert store.observe(installation(version=late, spec={"accountName": "old"})) == NOTHING
    assert store.installations(KEY)[0].spec.account_name == "new"


def test_versions_are_compared_as_numbers() -> None:
    store = InformerCache()
    store.observe(installation(version="99"))
    assert store.observe(installation(version="100")).changed
    assert version(store) == "100"


def test_of_versions_that_are_no_numbers_the_last_one_wins() -> None:
    store = InformerCache()
    store.observe(installation(version="b7"))
    assert store.observe(installation(version="a1")).changed
    assert version(store) == "a1"


def test_the_event_of_our_own_write_is_no_news() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    assert store.put(installation(version="2", status={"observedGeneration": 1})).changed
    assert store.observe(installation(version="2", status={"observedGeneration": 1})) == NOTHING
    assert store.installations(KEY)[0].status.observed_generation == 1


def test_events_of_several_own_writes_are_no_news() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    for number in ("2", "3"):
        store.put(installation(version=number))
    assert [store.observe(installation(version=number)).changed for number in ("2", "3", "4")] == [False, False, True]


def test_an_object_that_we_made_is_no_news() -> None:
    store = InformerCache()
    store.put(tenant(version="7"))
    assert store.observe(tenant(version="7")) == NOTHING


@pytest.mark.case(46)
def test_somebody_elses_change_is_news_even_when_an_answer_to_a_later_write_showed_it_first() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    store.put(installation(version="3", spec={"paused": True}))
    assert store.observe(installation(version="2", spec={"paused": True})) == Change(
        changed=True, keys=frozenset({KEY})
    )
    assert version(store) == "3"


def test_an_answer_that_shows_somebody_elses_change_does_not_pass_for_our_write() -> None:
    """A write that changed nothing is answered with the version that somebody else made."""
    store = InformerCache()
    store.observe(installation(version="1"))
    store.put(installation(version="2", spec={"paused": True}))
    assert store.observe(installation(version="2", spec={"paused": True})).keys == {KEY}


def test_an_event_that_overtook_the_answer_is_recognised_when_the_answer_comes() -> None:
    echoes: list[tuple[AccountKey, str]] = []
    store = InformerCache(echoed=lambda *echo: echoes.append(echo))
    store.observe(installation(version="1"))
    assert store.observe(installation(version="2", status={"observedGeneration": 1})).evidence == "2"
    assert store.put(installation(version="2", status={"observedGeneration": 1})) == NOTHING
    assert echoes == [(KEY, "2")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (installation(), installation(version="2", spec=request())),
        (installation(), installation(version="2", deletionTimestamp="2026-05-01T10:00:00Z", finalizers=["f"])),
        (tenant(), tenant(version="2", spec={"values": {"replicas": 2}})),
        (tenant(), tenant(version="2", spec={"deletionProtection": True})),
        (app(), app(version="2", spec={"resyncPeriod": "5m"})),
    ],
    ids=["request", "deletion", "values", "protection", "app"],
)
def test_what_others_change_is_never_taken_for_an_echo(before: dict[str, Any], after: dict[str, Any]) -> None:
    store = InformerCache()
    store.observe(before)
    change = store.observe(after)
    assert change.changed
    assert change.evidence == ""


def test_a_listing_that_skips_somebody_elses_version_is_news_though_our_write_came_after() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    store.put(installation(version="3", spec={"paused": True}))
    store.put(installation(version="4", spec={"paused": True}))
    assert store.observe(installation(version="4", spec={"paused": True})).keys == {KEY}


def test_a_deleted_object_is_gone_and_the_account_with_the_last_one() -> None:
    store = InformerCache()
    store.observe(installation("i1"))
    store.observe(tenant())
    assert store.remove(installation("i1")) == Change(changed=True, keys=frozenset({KEY}))
    assert store.account_keys() == (KEY,)
    store.remove(tenant())
    assert store.account_keys() == ()
    assert store.keys_of_app("team", "sentiment") == ()
    assert store.tenant(KEY) is None


def test_a_late_answer_or_event_does_not_bring_a_deleted_object_back() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    store.remove(installation(version="3"))
    assert store.put(installation(version="4")) == NOTHING
    assert store.observe(installation(version="2")) == NOTHING
    assert names(store) == []


def test_only_as_many_deleted_objects_are_remembered_as_allowed() -> None:
    store = InformerCache(tombstones=1)
    store.remove(installation("i1"))
    store.remove(installation("i2"))
    assert store.put(installation("i1")).changed
    assert not store.put(installation("i2")).changed


def test_a_successor_of_the_same_name_survives_the_late_end_of_its_predecessor() -> None:
    store = InformerCache()
    store.observe(installation(uid="old", version="1"))
    store.observe(installation(uid="new", version="5"))
    assert store.remove(installation(uid="old", version="4")) == NOTHING
    assert names(store) == ["i1"]


def test_the_answer_to_taking_the_last_finalizer_off_ends_the_object() -> None:
    store = InformerCache()
    store.observe(installation(deletionTimestamp="2026-05-01T10:00:00Z", finalizers=["f"]))
    assert store.put(installation(version="2", deletionTimestamp="2026-05-01T10:00:00Z")).changed
    assert names(store) == []
    assert store.remove(installation(version="3", deletionTimestamp="2026-05-01T10:00:00Z")) == NOTHING


def test_an_object_whose_name_returns_with_another_account_concerns_both() -> None:
    store = InformerCache()
    store.observe(installation("i1", uid="old"))
    change = store.observe(installation("i1", uid="new", account="a2", version="2"))
    assert change.keys == {KEY, AccountKey("team", "sentiment", "a2")}
    assert store.account_keys() == (AccountKey("team", "sentiment", "a2"),)


@pytest.mark.case(9)
def test_an_object_that_cant_be_understood_is_kept_apart_and_said_why() -> None:
    store = InformerCache()
    store.observe(installation("i1"))
    broken = installation("i2", version="2", spec=request(at="secret-yesterday"))
    assert store.observe(broken).keys == {KEY}
    assert names(store) == ["i1"]
    (problem,) = store.unreadable(KEY)
    assert (problem.kind, problem.namespace, problem.name) == ("TalkdeskInstallation", "team", "i2")
    assert problem.reason.startswith("spec.request.eventTime: ")
    assert "secret-yesterday" not in problem.reason
    assert list(store.all_unreadable()) == [problem]


def test_an_object_that_gets_mended_is_understood_again() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    store.observe(installation(version="2", spec={"paused": "perhaps"}))
    assert names(store) == []
    store.observe(installation(version="3"))
    assert names(store) == ["i1"]
    assert store.unreadable(KEY) == ()


def test_an_app_that_cant_be_understood_is_a_problem_of_all_its_accounts() -> None:
    store = InformerCache()
    store.observe(installation())
    assert store.observe(app(spec={"tenant": {}})).keys == {AccountKey.of_app("team", "sentiment"), KEY}
    assert store.app("team", "sentiment") is None
    assert [problem.kind for problem in store.unreadable(KEY)] == ["TalkdeskApp"]


@pytest.mark.parametrize("spec", [{"accountId": ""}, {"accountId": 7}, {"appRef": None}])
def test_an_object_that_names_no_account_concerns_none(spec: dict[str, Any]) -> None:
    store = InformerCache()
    change = store.observe(installation(spec=spec))
    assert change == Change(changed=True, keys=frozenset())
    assert len(list(store.all_unreadable())) == 1
    assert store.remove(installation(spec=spec)).changed
    assert list(store.all_unreadable()) == []


def test_many_faults_are_counted_rather_than_listed() -> None:
    store = InformerCache()
    store.observe(installation(spec=dict.fromkeys(("accountName", "endpoints", "request", "trial", "paused"), 7)))
    (problem,) = store.unreadable(KEY)
    assert problem.reason.endswith("; and 2 more")


def test_of_two_tenants_the_one_with_the_proper_name_is_the_accounts() -> None:
    store = InformerCache()
    store.observe(tenant("by-hand"))
    store.observe(tenant("sentiment-a1", version="2"))
    held = store.tenant(KEY)
    assert held is not None
    assert held.metadata.name == "sentiment-a1"


def test_a_listing_ends_what_it_does_not_show_unless_that_is_newer() -> None:
    store = InformerCache()
    for name, number in (("stays", "1"), ("gone", "2"), ("newer", "9")):
        store.observe(installation(name, version=number))
    store.observe(installation("elsewhere", namespace="other", version="3"))
    store.observe(tenant(version="4"))
    change = store.retain("TalkdeskInstallation", "team", {("team", "stays")}, "5")
    assert change == Change(changed=True, keys=frozenset({KEY}))
    assert names(store) == ["stays", "newer"]
    assert store.tenant(KEY) is not None
    assert not store.put(installation("gone", version="20")).changed
    everywhere = store.retain("TalkdeskInstallation", "", {("team", "stays"), ("team", "newer")}, "5")
    assert everywhere.keys == {AccountKey("other", "sentiment", "a1")}


def test_the_newest_version_is_known() -> None:
    store = InformerCache()
    assert store.newest() == 0
    for name, number in (("a", "100"), ("b", "99"), ("c", "no-number")):
        store.observe(installation(name, version=number))
    assert store.newest() == 100


def test_a_stale_view_of_an_installation_can_be_renewed_unless_it_was_replaced() -> None:
    store = InformerCache()
    store.observe(installation(version="1"))
    (old,) = store.installations(KEY)
    store.put(installation(version="2", status={"observedGeneration": 1}))
    now = store.current(old)
    assert now is not None
    assert now.metadata.resource_version == "2"
    store.observe(installation(uid="another", version="3"))
    assert store.current(old) is None


def test_what_the_api_server_knows_of_field_managers_costs_no_memory() -> None:
    managers = [{"manager": "m", "fieldsV1": {"f:spec": {f"f:{n}": {} for n in range(1000)}}}]
    tracemalloc.start()
    try:
        store = InformerCache()
        for number in range(100):
            store.observe(installation(f"i{number}", account=f"a{number}", managedFields=managers, spec=request()))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 100 < 12_000
    assert len(list(store.all_installations())) == 100
