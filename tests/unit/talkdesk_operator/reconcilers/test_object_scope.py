"""Where a tenant's objects may be: nothing is applied, changed or deleted elsewhere, unless the app says so."""

import base64
from typing import Any

import pytest

from builders.objects import DAY, INSTALLATION, credentials_object
from builders.operator_in_memory import (
    SPACE,
    TENANT,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
    template,
)
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.tenant import OrphanReason, StepState
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeOverloaded

pytestmark = pytest.mark.case(66)

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${tenant.name}"}}


def placed(kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    version = "v1" if kind in {"ConfigMap", "Namespace"} else "example.com/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


ELSEWHERE = placed("ConfigMap", "shared", "default")
OUTSIDE = {
    "another namespace": ELSEWHERE,
    "another tenant's namespace": placed("ConfigMap", "shared", "td-acc2"),
    "a namespace that begins like it": placed("ConfigMap", "shared", "${tenant.name}-db"),
    "a Namespace of another name": placed("Namespace", "td-acc2"),
    "an object outside all namespaces": placed("ClusterWidget", "w"),
    "one whose name begins like it without a mark between": placed("ClusterWidget", "${tenant.name}w"),
}
INSIDE = {
    "its namespace": placed("ConfigMap", "shared", "${tenant.name}"),
    "a Namespace that begins like it": placed("Namespace", "${tenant.name}-db"),
    "an object of its name": placed("ClusterWidget", "${tenant.name}"),
    "a namespace where none counts": placed("ClusterWidget", "${tenant.name}-w", "default"),
}


def app(
    *manifests: dict[str, Any], scope: str = "Tenant", on_offboard: str = "Retain", last: dict[str, Any] | None = None
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"name": "base", "manifests": [NAMESPACE]},
        {"name": "more", "manifests": [config_map("settings"), *manifests], "onOffboard": on_offboard},
        *([{"name": "last", "manifests": [last]}] if last is not None else []),
    ]
    return sentiment() | {"spec": sentiment()["spec"] | {"tenant": template(*steps) | {"objectScope": scope}}}


def world(*manifests: dict[str, Any], **more: Any) -> OperatorInMemory:
    operator = OperatorInMemory(app(*manifests, **more), installed(), credentials_secret())
    for name in ("default", "td-acc2", f"{SPACE}-db"):
        if not any(each["kind"] == "Namespace" for each in manifests):
            operator.server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return operator


def writes(operator: OperatorInMemory, *verbs: str) -> list[str]:
    """Return the writes of tenants' objects."""
    return [line for line in operator.journal.writes if line.startswith(verbs) and "talkdesk" not in line]


@pytest.mark.parametrize("manifest", OUTSIDE.values(), ids=OUTSIDE)
async def test_of_a_template_with_an_object_outside_the_tenant_all_others_are_applied(manifest: dict[str, Any]) -> None:
    operator = world(manifest, last=config_map("last"))
    await operator.converge()
    assert operator.reason("TenantReady") == "False/OutsideTenant"
    assert operator.reason("Stalled") == "True/OutsideTenant"
    assert operator.answers == []
    inside = [f"namespaces/{SPACE}", f"configmaps/{SPACE}/settings", f"configmaps/{SPACE}/last"]
    assert writes(operator, "APPLY", "DELETE") == [f"APPLY {each}" for each in inside]
    assert [each.name for each in operator.tenant.spec.objects] == [SPACE, "settings", "last"]
    assert [each.name for each in operator.tenant.status.inventory] == [SPACE, "settings", "last"]
    assert [(step.name, step.state) for step in operator.tenant.status.steps] == [
        ("base", StepState.READY),
        ("more", StepState.FAILED),
        ("last", StepState.READY),
    ]


async def test_while_an_object_is_not_ready_it_is_waited_for_and_those_outside_are_named() -> None:
    operator = world(ELSEWHERE, last=placed("Widget", "slow", "${tenant.name}"))
    spec = operator.server.get("TalkdeskApp", "sentiment")["spec"]
    spec["tenant"]["steps"][2]["readyWhen"] = "object.metadata.name == 'other'"
    operator.change("TalkdeskApp", "sentiment", {"spec": spec})
    await operator.converge()
    assert operator.tenant_reason() == "False/NotReady"
    assert "ConfigMap default/shared" in operator.tenant.status.conditions[0].message


async def test_credentials_reach_a_tenant_with_an_object_outside() -> None:
    key = {"key": "${base64.encode(bytes(credentials.keyId))}"}
    operator = world(ELSEWHERE, scope="Any", last=config_map("keys", kind="Secret", data=key))
    await operator.converge()
    assert operator.reason("TenantReady") == "True/Applied"
    operator.change("TalkdeskApp", "sentiment", app(ELSEWHERE, last=config_map("keys", kind="Secret", data=key)))
    operator.now += DAY
    operator.server.put(credentials_secret("keys-2", client="client-2", event_time=operator.now, key_id="k-2"))
    operator.talkdesk.clients.add("client-2")
    register = {"credentials": credentials_object("keys-2", at=operator.now)}
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": register})
    await operator.converge()
    assert operator.tenant_reason() == "False/OutsideTenant"
    assert base64.b64decode(operator.server.get("Secret", "keys", SPACE)["data"]["key"]) == b"k-2"


async def test_an_object_outside_is_said_at_the_app_and_in_an_event() -> None:
    operator = world(ELSEWHERE)
    await operator.apps.write_status(TalkdeskApp.read(operator.server.get("TalkdeskApp", "sentiment")))
    (ready,) = operator.server.get("TalkdeskApp", "sentiment")["status"]["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "OutsideTenant")
    assert "ConfigMap default/shared" in ready["message"]
    assert "tenant.objectScope: Any" in ready["message"]
    assert [(raw["type"], raw["reason"]) for raw in operator.server.all("Event")] == [("Warning", "OutsideTenant")]
    for manifests, scope in (((ELSEWHERE,), "Any"), ((), "Tenant")):
        operator.change("TalkdeskApp", "sentiment", app(*manifests, scope=scope))
        await operator.apps.write_status(TalkdeskApp.read(operator.server.get("TalkdeskApp", "sentiment")))
        (ready,) = operator.server.get("TalkdeskApp", "sentiment")["status"]["conditions"]
        assert (ready["status"], ready["reason"]) == ("True", "Succeeded")


async def test_while_a_kind_is_not_known_no_object_of_it_gets_around_its_place() -> None:
    operator = world(placed("ClusterWidget", "w", "${tenant.name}"))
    operator.journal.fail("GET /apis/example.com/v1", KubeOverloaded("away"))
    await operator.reconcile()
    assert operator.tenant_reason() == "False/ClusterUnavailable"
    await operator.converge(Cause.RETRY)
    assert operator.server.find("ClusterWidget", "w") is None
    assert operator.tenant_reason() == "False/OutsideTenant"


@pytest.mark.parametrize("manifest", INSIDE.values(), ids=INSIDE)
async def test_a_template_with_all_objects_inside_the_tenant_is_applied(manifest: dict[str, Any]) -> None:
    operator = world(manifest)
    await operator.converge()
    assert operator.reason("TenantReady") == "True/Applied"


@pytest.mark.parametrize("manifest", OUTSIDE.values(), ids=OUTSIDE)
async def test_where_the_app_says_so_objects_are_anywhere(manifest: dict[str, Any]) -> None:
    operator = world(manifest, scope="Any")
    await operator.converge()
    assert operator.reason("TenantReady") == "True/Applied"


async def test_an_edit_that_puts_an_object_outside_applies_all_others_and_says_so_there() -> None:
    operator = world()
    await operator.converge()
    operator.journal.clear()
    operator.change("TalkdeskApp", "sentiment", app(ELSEWHERE, last=config_map("last")))
    await operator.converge()
    assert operator.tenant_reason() == "False/OutsideTenant"
    assert operator.server.find("ConfigMap", "shared", "default") is None
    assert operator.server.find("ConfigMap", "last", SPACE) is not None
    operator.change("TalkdeskApp", "sentiment", app())
    await operator.converge()
    assert operator.tenant_reason() == "True/Applied"


async def test_an_object_that_was_made_outside_stays_on_record_and_is_no_orphan() -> None:
    operator = await confined()
    await operator.converge()
    assert operator.tenant_reason() == "False/OutsideTenant"
    assert writes(operator, "DELETE") == []
    assert "APPLY configmaps/default/shared" not in operator.journal.writes
    (known,) = (each for each in operator.tenant.status.inventory if each.name == "shared")
    assert known.uid
    assert operator.tenant.status.orphaned_objects == ()


async def confined(**more: Any) -> OperatorInMemory:
    """A tenant with an object elsewhere, whose app allows that no more."""
    operator = world(ELSEWHERE, scope="Any", **more)
    await operator.converge()
    assert operator.server.find("ConfigMap", "shared", "default") is not None
    operator.now += DAY
    operator.change("TalkdeskApp", "sentiment", app(ELSEWHERE, **more))
    operator.journal.clear()
    return operator


async def leaves_the_template(operator: OperatorInMemory) -> None:
    pruned = app()
    pruned["spec"]["tenant"]["steps"][1]["onRemove"] = "Delete"
    raw = operator.server.get("TalkdeskTenant", TENANT)
    for place in (*raw["spec"]["objects"], *raw["status"]["inventory"]):
        place["onRemove"] = "Delete"
    operator.server.put(raw)
    operator.change("TalkdeskApp", "sentiment", pruned)


async def offboarded(operator: OperatorInMemory) -> None:
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")


async def purged(operator: OperatorInMemory) -> None:
    await offboarded(operator)
    await operator.converge()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "sam"}}})


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(
    ("on_offboard", "end"),
    [("Retain", leaves_the_template), ("Delete", offboarded), ("Retain", purged)],
    ids=["pruned", "offboarded", "purged"],
)
async def test_an_object_outside_is_not_deleted_until_the_app_allows_it_or_it_is_gone(
    on_offboard: str, end: Any, *, allowed: bool
) -> None:
    operator = await confined(on_offboard=on_offboard)
    await end(operator)
    await operator.converge()
    assert "DELETE configmaps/default/shared" not in operator.journal.writes
    assert operator.server.find("ConfigMap", "shared", "default") is not None
    if end is leaves_the_template:
        assert operator.tenant_reason() == "True/Applied"
        assert operator.tenant_reason("PruneHeld") == "True/ObjectsOrphaned"
        (orphan,) = operator.tenant.status.orphaned_objects
        assert (orphan.name, orphan.reason) == ("shared", OrphanReason.OUTSIDE_TENANT)
        assert orphan.remove == "kubectl delete ConfigMap shared -n default"
        assert operator.reason() == "True/Succeeded"
    else:
        assert operator.tenant_reason() == "False/OutsideTenant"
        assert operator.server.find("ConfigMap", "settings", SPACE) is None
    if allowed:
        spec = operator.server.get("TalkdeskApp", "sentiment")["spec"]
        tenant = spec["tenant"] | {"objectScope": "Any"}
        operator.change("TalkdeskApp", "sentiment", {"spec": spec | {"tenant": tenant}})
    else:
        operator.server.remove("ConfigMap", "shared", "default")
    operator.now += DAY
    await operator.converge(Cause.RESYNC)
    assert operator.server.find("ConfigMap", "shared", "default") is None
    if operator.server.find("TalkdeskTenant", TENANT) is not None:
        assert operator.tenant_reason() != "False/OutsideTenant"
        assert operator.tenant.status.orphaned_objects == ()


async def test_an_object_outside_all_namespaces_is_not_deleted_for_a_namespace_on_record() -> None:
    widget = placed("ClusterWidget", "w")
    operator = world(widget, scope="Any")
    await operator.converge()
    operator.change("TalkdeskApp", "sentiment", app(widget))
    raw = operator.server.get("TalkdeskTenant", TENANT)
    for place in (*raw["spec"]["objects"], *raw["status"]["inventory"]):
        if place["name"] == "w":
            place["namespace"] = SPACE
    operator.server.put(raw)
    await purged(operator)
    await operator.converge()
    assert operator.server.find("ClusterWidget", "w") is not None
    assert operator.server.find("Namespace", SPACE) is None


async def test_where_the_record_has_no_name_nothing_is_known_to_be_inside() -> None:
    operator = world()
    await operator.converge()
    await offboarded(operator)
    await operator.converge()
    raw = operator.server.get("TalkdeskTenant", TENANT)
    del raw["spec"]["name"]
    operator.server.put(raw)
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "sam"}}})
    operator.journal.clear()
    await operator.converge()
    assert writes(operator, "DELETE") == []
    assert operator.tenant_reason() == "False/OutsideTenant"
    assert "spec.name" in operator.tenant.status.conditions[0].message
    operator.change("TalkdeskTenant", TENANT, {"spec": {"name": SPACE}})
    operator.now += DAY
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None


async def test_what_is_inside_is_deleted_all_the_same() -> None:
    operator = world()
    await operator.converge()
    await purged(operator)
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None
