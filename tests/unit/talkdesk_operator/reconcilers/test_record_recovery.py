"""The record of a tenant is gone, by force: nobody says that nothing is left before the marks were searched for."""

import pytest

from builders.objects import DAY, INSTALLATION
from builders.operator_in_memory import (
    SPACE,
    TEMPLATE_STEPS,
    TENANT,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import ANNOTATION_ON_REMOVE
from talkdesk_crds.tenant import OrphanReason, TenantState
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeUnreachable

pytestmark = pytest.mark.case(44)
LOST = "POST events/TenantRecordLost"


async def live(*objects: dict[str, object]) -> OperatorInMemory:
    operator = OperatorInMemory(*objects)
    await operator.converge()
    operator.now += DAY
    operator.journal.clear()
    return operator


def lose_record(operator: OperatorInMemory) -> None:
    """Somebody took the finalizer off, too."""
    operator.watch()
    operator.server.remove("TalkdeskTenant", TENANT)


def uninstalls(operator: OperatorInMemory) -> None:
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")


async def test_an_uninstall_without_the_record_finds_the_objects_and_is_carried_out_and_told() -> None:
    operator = await live()
    uninstalls(operator)
    lose_record(operator)
    await operator.converge()
    assert LOST in operator.journal.writes
    assert operator.server.find("Secret", "keys", SPACE) is None
    assert operator.tenant.spec.state is TenantState.OFFBOARDED
    assert sorted(item.name for item in operator.tenant.status.inventory) == ["account", SPACE]
    assert operator.reason() == "False/Uninstalled"
    operator.now += 91 * DAY
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None
    assert operator.reason() == "False/Purged"


async def test_a_record_that_is_lost_in_the_retention_comes_back_and_the_retention_ends() -> None:
    operator = await live()
    uninstalls(operator)
    await operator.converge()
    lose_record(operator)
    await operator.converge(Cause.RESYNC)
    assert operator.tenant.spec.state is TenantState.OFFBOARDED
    operator.now += 92 * DAY
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None
    assert operator.server.find("TalkdeskTenant", TENANT) is None


async def test_a_live_tenant_whose_record_is_lost_gets_all_its_objects_back_and_a_warning() -> None:
    operator = await live()
    steps = sentiment()["spec"]["tenant"]["steps"]
    before = {place: raw["metadata"]["uid"] for place, raw in operator.server.objects.items() if SPACE in place}
    operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": {"steps": steps[:1]}}})
    lose_record(operator)
    await operator.converge()
    assert LOST in operator.journal.writes
    after = {place: raw["metadata"]["uid"] for place, raw in operator.server.objects.items() if SPACE in place}
    assert after == before
    assert operator.reason() == "True/Succeeded"


async def test_a_deletion_with_the_policy_delete_finds_the_objects_of_a_lost_record() -> None:
    operator = await live(sentiment(), installed(deletionPolicy="Delete"), credentials_secret())
    lose_record(operator)
    moment = {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    operator.change("TalkdeskInstallation", INSTALLATION, moment)
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None


async def test_a_deletion_that_keeps_the_tenant_searches_for_nothing() -> None:
    operator = await live()
    lose_record(operator)
    operator.change(
        "TalkdeskInstallation", INSTALLATION, {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    )
    await operator.converge()
    assert [line for line in operator.journal.lines if line.startswith("LIST")] == []


async def test_while_the_search_fails_nothing_is_answered() -> None:
    operator = await live()
    uninstalls(operator)
    lose_record(operator)
    operator.journal.fail("LIST namespaces", KubeUnreachable("away"))
    await operator.reconcile()
    assert "ANSWER Approve" not in operator.journal.lines
    assert operator.reason() == "False/ClusterUnavailable"


async def test_kinds_that_may_not_be_listed_are_named() -> None:
    operator = await live()
    for kind in ("Namespace", "ConfigMap", "Secret"):
        operator.server.forbid(kind, "GET")
    uninstalls(operator)
    lose_record(operator)
    await operator.converge()
    notes = [raw["note"] for raw in operator.server.all("Event") if raw["reason"] == "TenantRecordLost"]
    assert len(notes) == 1
    assert all(kind in notes[0] for kind in ("Namespace", "ConfigMap", "Secret"))


async def test_objects_that_are_marked_as_anothers_are_not_taken_for_ours() -> None:
    operator = await live()
    uninstalls(operator)
    lose_record(operator)
    for kind, name, space in (("Namespace", SPACE, ""), ("ConfigMap", "account", SPACE), ("Secret", "keys", SPACE)):
        annotation = {"appconnect.talkdesk.dev/owner": f"staging/{TENANT}/uid"}
        operator.server.edit(kind, name, {"metadata": {"annotations": annotation}}, space)
    await operator.converge()
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert operator.server.find("Secret", "keys", SPACE) is not None


async def test_a_purged_tenant_is_not_searched_for_again() -> None:
    operator = await live()
    uninstalls(operator)
    await operator.converge()
    operator.now += 91 * DAY
    await operator.converge()
    operator.journal.clear()
    await operator.converge(Cause.RESYNC)
    assert [line for line in operator.journal.lines if line in {"LIST namespaces", "LIST configmaps"}] == []


@pytest.mark.case(42)
async def test_a_tenant_whose_name_went_with_the_record_is_not_moved_to_another_one() -> None:
    operator = await live()
    before = {place: raw for place, raw in operator.server.objects.items() if SPACE in place}
    operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": {"name": "other-${account.id}"}}})
    await operator.converge()
    lose_record(operator)
    await operator.converge()
    assert {place: raw for place, raw in operator.server.objects.items() if SPACE in place} == before
    assert operator.server.find("Namespace", "other-acc1") is None
    assert operator.tenant_reason() == "False/RenderFailed"
    operator.change("TalkdeskTenant", TENANT, {"spec": {"name": SPACE}})
    operator.now += DAY
    await operator.converge(Cause.RETRY)
    assert operator.tenant_reason() == "True/Applied"
    assert operator.tenant.status.name == SPACE
    assert operator.server.find("Namespace", "other-acc1") is None


@pytest.mark.case(68)
async def test_what_left_the_template_before_the_record_was_lost_is_kept_and_listed() -> None:
    """What the template said of its leaving is not known any more, but for what stands at the object itself."""
    told = config_map("b", kind="Service")
    told["metadata"]["annotations"] = {ANNOTATION_ON_REMOVE: "Delete"}
    before = {"name": "more", "onRemove": "Retain", "manifests": [config_map("a", kind="Service"), told]}
    operator = await live(sentiment(*TEMPLATE_STEPS, before), installed(), credentials_secret())
    after = {"name": "more", "manifests": [config_map("c", kind="Service")]}
    operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": {"steps": [*TEMPLATE_STEPS, after]}}})
    lose_record(operator)
    await operator.converge()
    assert operator.server.find("Service", "a", SPACE) is not None
    assert operator.server.find("Service", "b", SPACE) is None
    assert [(o.name, o.reason) for o in operator.tenant.status.orphaned_objects] == [("a", OrphanReason.RETAIN)]


async def test_more_objects_than_a_plan_may_have_are_on_record_again() -> None:
    operator = await live()
    marked = operator.server.get("ConfigMap", "account", SPACE)["metadata"]
    for number in range(500):
        metadata = {key: marked[key] for key in ("namespace", "labels", "annotations")} | {"name": f"kept-{number}"}
        operator.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    uninstalls(operator)
    lose_record(operator)
    await operator.converge()
    assert len(operator.tenant.status.inventory) == 502
