"""What may change in a live object, what may not, and what a newer operator may write, on a real API server."""

from typing import Any

import pytest

from builders.kinds import MERGE_PATCH, KindsApi, put
from builders.objects import NOON, app_object, installation_object, tenant_object
from talkdesk_crds import TalkdeskInstallation, TalkdeskTenant
from talkdesk_crds.fields import to_wire_time

WHEN = to_wire_time(NOON)
HOSTS = {"api": "https://api.example.com", "token": "https://{account}.example.com/oauth/token"}
OBJECT = {"step": "base", "version": "v1", "kind": "ConfigMap", "name": "x"}


@pytest.mark.parametrize("applied", [{"inventory": [OBJECT | {"uid": "made"}]}, {"name": "td-acc-1"}])
async def test_a_tenants_name_is_fixed_once_an_object_was_applied(api: KindsApi, applied: dict[str, Any]) -> None:
    raw = tenant_object()
    await api.create(raw)
    await api.patch(raw, put("name", "td-other"))
    await api.patch(raw, {"status": {"inventory": [OBJECT]}}, MERGE_PATCH, "/status")
    await api.patch(raw, put("name", "td-acc-1"))
    await api.patch(raw, {"status": applied}, MERGE_PATCH, "/status")
    for change in (put("name", "td-other"), put("name", ""), [{"op": "remove", "path": "/spec/name"}]):
        assert (await api.refused(raw, change)).fields == ("spec.name",)
    await api.patch(raw, put("values", {"a": 1}))


async def test_a_tenant_whose_name_was_changed_all_the_same_may_get_it_back(api: KindsApi) -> None:
    raw = tenant_object(name="td-other")
    await api.create(raw)
    await api.patch(raw, {"status": {"name": "td-acc-1"}}, MERGE_PATCH, "/status")
    await api.patch(raw, put("name", "td-acc-1"))
    assert (await api.refused(raw, put("name", "td-other"))).fields == ("spec.name",)


async def test_an_app_keeps_its_region_and_may_name_the_hosts_instead(api: KindsApi) -> None:
    raw = app_object()
    await api.create(raw)
    error = await api.refused(raw, put("region", "EU"))
    assert error.fields == ("spec.region",)
    assert "the app's region can't be changed" in str(error)
    by_hosts = {"spec": {"region": None, "endpoints": HOSTS}}
    assert "region" not in (await api.patch(raw, by_hosts, MERGE_PATCH))["spec"]
    for region in ("EU", "US"):
        back = [{"op": "remove", "path": "/spec/endpoints"}, {"op": "add", "path": "/spec/region", "value": region}]
        error = await api.refused(raw, back)
        assert error.fields == ("spec.region",)


@pytest.mark.parametrize(
    "change",
    [
        {"endpoints": {"api": "https://api2.example.com"}},
        {"tenant": {"serviceAccountName": "another", "name": "x-${account.id}"}},
        {"retention": {"keepFor": "1d"}, "resyncPeriod": "1h", "deadline": {"gracePeriod": "0s"}},
    ],
    ids=str,
)
async def test_what_the_docs_say_may_change_may_change(api: KindsApi, change: dict[str, Any]) -> None:
    raw = app_object(region=None, endpoints=HOSTS)
    await api.create(raw)
    await api.patch(raw, {"spec": change}, MERGE_PATCH)


async def test_the_same_scope_mark_or_object_stands_in_a_list_once(api: KindsApi) -> None:
    for doubled in (
        app_object(auth={"scopes": ["a", "a"]}),
        app_object(deadline={"warnBefore": ["1d", "1d"]}),
        tenant_object(objects=[OBJECT, OBJECT]),
    ):
        assert "Duplicate value" in str(await api.not_created(doubled))
    elsewhere = [OBJECT, OBJECT | {"namespace": "td-1"}, OBJECT | {"group": "example.com"}, OBJECT | {"kind": "Other"}]
    made = await api.create(tenant_object(objects=elsewhere))
    assert [(each["group"], each["namespace"]) for each in made["spec"]["objects"]][:2] == [("", ""), ("", "td-1")]


@pytest.mark.case(56)
async def test_the_status_of_a_newer_operator_is_stored_and_read(api: KindsApi) -> None:
    raw = installation_object()
    await api.create(raw)
    newer = {
        "phase": "Teleported",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Teleported", "lastTransitionTime": WHEN}],
        "answer": {"eventId": "event-1", "decision": "Postpone", "deliveryTime": WHEN},
        "trial": {"state": "Frozen", "lastTransitionTime": WHEN},
        "fromTheFuture": {"a": 1},
    }
    stored = await api.patch(raw, {"status": newer}, MERGE_PATCH, "/status")
    assert stored["status"]["phase"] == "Teleported"
    assert "fromTheFuture" not in stored["status"]
    assert TalkdeskInstallation.read(stored).status.answer is not None


@pytest.mark.case(56)
async def test_a_newer_operators_inventory_is_stored_and_read(api: KindsApi) -> None:
    raw = tenant_object()
    await api.create(raw)
    status = {
        "inventory": [OBJECT | {"onOffboard": "Archive", "uid": "u"}],
        "steps": [{"name": "base", "state": "Dreaming"}],
    }
    stored = await api.patch(raw, {"status": status}, MERGE_PATCH, "/status")
    assert [item.name for item in TalkdeskTenant.read(stored).status.inventory] == ["x"]
