import tracemalloc
from typing import Any

import pytest

from builders.raw_objects import app, installation, request, tenant
from talkdesk_crds.names import LABEL_SHARD_SLOT
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import Change, InformerCache

KEY = AccountKey("team", "sentiment", "a1")
NOTHING = Change()


def names(cache: InformerCache, key: AccountKey = KEY) -> list[str]:
    return [i.metadata.name for i in cache.installations(key)]


def version(cache: InformerCache, key: AccountKey = KEY) -> str:
    (only,) = cache.installations(key)
    return only.metadata.resource_version


def test_installations_and_tenant_of_an_account_share_its_key() -> None:
    cache = InformerCache()
    for raw in (installation("i1"), installation("i2", version="2"), tenant(version="3")):
        assert cache.observe(raw) == Change(changed=True, keys=frozenset({KEY}))
    assert names(cache) == ["i1", "i2"]
    cached = cache.tenant(KEY)
    assert cached is not None
    assert cached.metadata.name == "sentiment-a1"
    assert cache.account_keys() == (KEY,)


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
def test_accounts_of_other_apps_namespaces_or_similar_names_are_kept_apart(other: dict[str, Any]) -> None:
    cache = InformerCache()
    cache.observe(installation("i1"))
    cache.observe(other)
    assert names(cache) == ["i1"]
    assert len(cache.account_keys()) == 2


def test_an_app_concerns_itself_and_all_its_accounts() -> None:
    cache = InformerCache()
    cache.observe(installation("i1", account="a1"))
    cache.observe(tenant("t2", account="a2"))
    cache.observe(installation("i3", app="other"))
    change = cache.observe(app())
    itself, second = AccountKey.of_app("team", "sentiment"), AccountKey("team", "sentiment", "a2")
    assert change.keys == {itself, KEY, second}
    assert set(cache.keys_of_app("team", "sentiment")) == {KEY, second}
    cached = cache.app("team", "sentiment")
    assert cached is not None
    assert cached.spec.app_id == "app-1"
    assert cache.app("team", "other") is None


@pytest.mark.parametrize("late", ["4", "5"])
def test_an_event_that_is_late_or_comes_twice_changes_nothing(late: str) -> None:
    cache = InformerCache()
    cache.observe(installation(version="5", spec={"accountName": "new"}))
    assert cache.observe(installation(version=late, spec={"accountName": "old"})) == NOTHING
    assert cache.installations(KEY)[0].spec.account_name == "new"


def test_versions_are_compared_as_numbers() -> None:
    cache = InformerCache()
    cache.observe(installation(version="99"))
    assert cache.observe(installation(version="100")).changed
    assert version(cache) == "100"


def test_of_versions_that_are_no_numbers_the_last_one_wins() -> None:
    cache = InformerCache()
    cache.observe(installation(version="b7"))
    assert cache.observe(installation(version="a1")).changed
    assert version(cache) == "a1"


def test_the_event_of_our_own_write_changes_nothing() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    assert cache.put(installation(version="2", status={"observedGeneration": 1})) == Change(
        changed=True, keys=frozenset({KEY})
    )
    assert cache.observe(installation(version="2", status={"observedGeneration": 1})) == NOTHING
    assert cache.installations(KEY)[0].status.observed_generation == 1


def test_events_of_several_own_writes_change_nothing() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    for number in ("2", "3"):
        cache.put(installation(version=number))
    assert [cache.observe(installation(version=number)).changed for number in ("2", "3", "4")] == [False, False, True]


def test_the_event_of_an_object_that_we_created_changes_nothing() -> None:
    cache = InformerCache()
    assert not cache.put(tenant(version="7")).by_others
    assert cache.observe(tenant(version="7")) == NOTHING


def test_the_answer_that_comes_after_the_event_of_the_same_write_changes_nothing() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    assert cache.observe(installation(version="2", status={"observedGeneration": 1})).changed
    assert cache.put(installation(version="2", status={"observedGeneration": 1})) == NOTHING


@pytest.mark.case(46)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (installation(), installation(version="3", spec=request())),
        (installation(), installation(version="3", deletionTimestamp="2026-05-01T10:00:00Z", finalizers=["f"])),
        (tenant(), tenant(version="3", spec={"values": {"replicas": 2}})),
        (tenant(), tenant(version="3", spec={"deletionProtection": True})),
        (app(), app(version="3", spec={"resyncPeriod": "5m"})),
        (installation(), installation(version="3", spec={"paused": "perhaps"})),
    ],
    ids=["request", "deletion", "values", "protection", "app", "unreadable"],
)
def test_an_answer_that_shows_somebody_elses_change_says_so_because_the_watch_will_not(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    cache = InformerCache()
    cache.observe(before)
    assert cache.put(after).by_others
    overtaken = {**after, "metadata": {**after["metadata"], "resourceVersion": "2"}}
    assert [cache.observe(raw).changed for raw in (overtaken, after)] == [False, False]


def test_a_status_of_an_app_concerns_none_of_its_accounts() -> None:
    cache = InformerCache()
    for raw in (app(), installation()):
        cache.observe(raw)
    itself = AccountKey.of_app("team", "sentiment")
    assert cache.observe(app(version="2", status={"observedGeneration": 1})).keys == {itself}
    assert cache.observe(app(version="3", spec={"resyncPeriod": "5m"})).keys == {itself, KEY}


def test_a_deleted_object_is_gone_and_the_account_with_the_last_one() -> None:
    cache = InformerCache()
    cache.observe(installation("i1"))
    cache.observe(tenant())
    assert cache.remove(installation("i1")) == Change(changed=True, keys=frozenset({KEY}))
    assert cache.account_keys() == (KEY,)
    cache.remove(tenant())
    assert cache.account_keys() == ()
    assert cache.keys_of_app("team", "sentiment") == ()
    assert cache.tenant(KEY) is None


def test_a_late_answer_or_event_does_not_bring_a_deleted_object_back() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    cache.remove(installation(version="3"))
    assert cache.put(installation(version="4")) == NOTHING
    assert cache.observe(installation(version="2")) == NOTHING
    assert names(cache) == []


def test_an_object_that_had_another_slots_label_for_a_while_is_there_again() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    assert cache.remove(installation(version="3")).keys == {KEY}, "a watch by label shows a deletion then"
    assert cache.observe(installation(version="3")) == NOTHING
    assert cache.observe(installation(version="4")).keys == {KEY}
    assert names(cache) == ["i1"]


def test_an_object_whose_deletion_has_no_version_never_comes_back() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    cache.put(installation(version="", deletionTimestamp="now"))
    assert cache.observe(installation(version="9")) == NOTHING


def test_objects_without_the_label_of_their_slot_are_known_whether_or_not_they_can_be_read() -> None:
    cache = InformerCache()
    cache.observe(tenant())
    assert cache.mislabeled(KEY) == ()
    cache.observe(tenant(version="2", labels={LABEL_SHARD_SLOT: "64"}))
    cache.observe(installation(version="3", labels={}, spec=request(at="yesterday")))
    cache.observe(app())
    assert {(each.kind, each.name, each.uid, each.version) for each in cache.mislabeled(KEY)} == {
        ("TalkdeskTenant", "sentiment-a1", "uid-of-TalkdeskTenant-sentiment-a1", "2"),
        ("TalkdeskInstallation", "i1", "uid-of-TalkdeskInstallation-i1", "3"),
    }
    assert cache.mislabeled(AccountKey("team", "sentiment", "other")) == ()


def test_only_as_many_deleted_objects_are_remembered_as_allowed() -> None:
    cache = InformerCache(deleted_uids=1)
    cache.remove(installation("i1"))
    cache.remove(installation("i2"))
    assert cache.put(installation("i1")).changed
    assert not cache.put(installation("i2")).changed


def test_a_late_deletion_of_an_object_does_not_remove_another_of_the_same_name() -> None:
    cache = InformerCache()
    cache.observe(installation(uid="old", version="1"))
    cache.observe(installation(uid="new", version="5"))
    assert cache.remove(installation(uid="old", version="4")) == NOTHING
    assert names(cache) == ["i1"]


def test_the_answer_to_removing_the_last_finalizer_removes_the_object() -> None:
    cache = InformerCache()
    cache.observe(installation(deletionTimestamp="2026-05-01T10:00:00Z", finalizers=["f"]))
    assert cache.put(installation(version="2", deletionTimestamp="2026-05-01T10:00:00Z")).changed
    assert names(cache) == []
    assert cache.remove(installation(version="3", deletionTimestamp="2026-05-01T10:00:00Z")) == NOTHING


def test_an_object_whose_name_is_used_again_for_another_account_concerns_both() -> None:
    cache = InformerCache()
    cache.observe(installation("i1", uid="old"))
    change = cache.observe(installation("i1", uid="new", account="a2", version="2"))
    assert change.keys == {KEY, AccountKey("team", "sentiment", "a2")}
    assert cache.account_keys() == (AccountKey("team", "sentiment", "a2"),)


@pytest.mark.case(9)
def test_an_object_that_cant_be_read_is_kept_apart_with_the_reason() -> None:
    cache = InformerCache()
    cache.observe(installation("i1"))
    broken = installation("i2", version="2", spec=request(at="secret-yesterday"))
    assert cache.observe(broken).keys == {KEY}
    assert names(cache) == ["i1"]
    (problem,) = cache.unreadable(KEY)
    assert (problem.kind, problem.namespace, problem.name) == ("TalkdeskInstallation", "team", "i2")
    assert problem.reason.startswith("spec.request.eventTime: ")
    assert "secret-yesterday" not in problem.reason


def test_an_object_that_was_corrected_is_read_again() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    cache.observe(installation(version="2", spec={"paused": "perhaps"}))
    assert names(cache) == []
    cache.observe(installation(version="3"))
    assert names(cache) == ["i1"]
    assert cache.unreadable(KEY) == ()


def test_an_app_that_cant_be_read_is_a_problem_of_all_its_accounts() -> None:
    cache = InformerCache()
    cache.observe(installation())
    assert cache.observe(app(spec={"tenant": {}})).keys == {AccountKey.of_app("team", "sentiment"), KEY}
    assert cache.app("team", "sentiment") is None
    assert [problem.kind for problem in cache.unreadable(KEY)] == ["TalkdeskApp"]


@pytest.mark.parametrize("spec", [{"accountId": ""}, {"accountId": 7}, {"appRef": None}])
def test_an_object_that_names_no_account_concerns_none(spec: dict[str, Any]) -> None:
    cache = InformerCache()
    change = cache.observe(installation(spec=spec))
    assert change == Change(changed=True, keys=frozenset())
    assert cache.account_keys() == ()
    assert cache.remove(installation(spec=spec)).changed


def test_the_first_three_invalid_fields_are_named_and_the_rest_is_counted() -> None:
    cache = InformerCache()
    cache.observe(installation(spec=dict.fromkeys(("accountName", "endpoints", "request", "trial", "paused"), 7)))
    (problem,) = cache.unreadable(KEY)
    assert problem.reason.endswith("; and 2 more")


def test_of_two_tenants_the_one_with_the_proper_name_is_the_accounts() -> None:
    cache = InformerCache()
    cache.observe(tenant("by-hand"))
    cache.observe(tenant("sentiment-a1", version="2"))
    cached = cache.tenant(KEY)
    assert cached is not None
    assert cached.metadata.name == "sentiment-a1"


def test_a_listing_removes_what_it_does_not_show_unless_that_is_newer() -> None:
    cache = InformerCache()
    for name, number in (("stays", "1"), ("gone", "2"), ("newer", "9")):
        cache.observe(installation(name, version=number))
    cache.observe(installation("elsewhere", namespace="other", version="3"))
    cache.observe(tenant(version="4"))
    change = cache.retain("TalkdeskInstallation", "team", {("team", "stays")}, "5")
    assert change == Change(changed=True, keys=frozenset({KEY}))
    assert names(cache) == ["stays", "newer"]
    assert cache.tenant(KEY) is not None
    assert not cache.put(installation("gone", version="20")).changed
    everywhere = cache.retain("TalkdeskInstallation", "", {("team", "stays"), ("team", "newer")}, "5")
    assert everywhere.keys == {AccountKey("other", "sentiment", "a1")}


def test_the_newest_version_is_known() -> None:
    cache = InformerCache()
    assert cache.newest() == 0
    for name, number in (("a", "100"), ("b", "99"), ("c", "no-number")):
        cache.observe(installation(name, version=number))
    assert cache.newest() == 100


def test_an_older_version_of_an_installation_leads_to_its_newest_unless_it_was_replaced() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    (old,) = cache.installations(KEY)
    cache.put(installation(version="2", status={"observedGeneration": 1}))
    now = cache.current(old)
    assert now is not None
    assert now.metadata.resource_version == "2"
    cache.observe(installation(uid="another", version="3"))
    assert cache.current(old) is None


def test_managed_fields_cost_no_memory() -> None:
    managers = [{"manager": "m", "fieldsV1": {"f:spec": {f"f:{n}": {} for n in range(1000)}}}]
    tracemalloc.start()
    try:
        cache = InformerCache()
        for number in range(100):
            cache.observe(installation(f"i{number}", account=f"a{number}", managedFields=managers, spec=request()))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 100 < 12_000
    assert len(list(cache.all_installations())) == 100


def manager(name: str, time: str = "2026-03-01T12:00:01Z", subresource: str = "") -> dict[str, Any]:
    part = {"subresource": subresource} if subresource else {}
    return {"manager": name, "operation": "Update", "time": time, **part}


RETRY = {"attempts": 1, "nextAttemptTime": "2026-03-01T12:00:02Z", "reason": "TalkdeskUnavailable"}
WEBHOOK = manager("talkdesk-webhook", "2026-03-01T12:00:00Z")
OURS = manager("talkdesk-operator", subresource="status")


@pytest.mark.parametrize(
    ("managers", "meta", "reconciled"),
    [
        ([WEBHOOK, OURS], {}, False),
        ([manager("talkdesk-webhook"), OURS], {}, False),
        ([WEBHOOK, manager("kubectl-edit", subresource="status")], {}, True),
        ([OURS, manager("kubectl-edit", subresource="status")], {}, True),
        ([OURS, manager("kubectl-annotate")], {"annotations": {"touched": "1"}}, True),
        ([OURS, manager("kubectl-annotate", "2026-03-01T12:00:02Z")], {"annotations": {"touched": "1"}}, True),
        ([], {}, True),
        ([WEBHOOK], {}, True),
    ],
    ids=[
        "operator",
        "webhook, which made it in the same second",
        "person",
        "both in one second",
        "a person's annotation in the same second",
        "a person's annotation later",
        "unknown",
        "no status of ours",
    ],
)
def test_an_event_of_the_operators_own_report_of_a_failure_reconciles_nobody(
    managers: list[dict[str, Any]], meta: dict[str, Any], *, reconciled: bool
) -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    change = cache.observe(installation(version="2", status={"retry": RETRY}, managedFields=managers, **meta))
    assert change.changed
    assert change.keys == (frozenset({KEY}) if reconciled else frozenset())


def test_a_status_that_somebody_emptied_is_reconciled_although_no_managed_field_shows_who_did() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1", status={"retry": RETRY}))
    managers = [WEBHOOK, manager("talkdesk-operator")]
    assert cache.observe(installation(version="2", status={}, managedFields=managers)).keys == {KEY}


def test_what_others_wrote_is_reconciled_although_the_operator_wrote_after_it() -> None:
    cache = InformerCache()
    cache.observe(installation(version="1"))
    managers = [WEBHOOK, manager("talkdesk-operator")]
    assert cache.observe(installation(version="3", spec=request(), managedFields=managers)).keys == {KEY}
