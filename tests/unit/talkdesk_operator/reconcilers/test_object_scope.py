"""Where a tenant's objects may be: nothing is applied, changed or deleted elsewhere, unless the app says so."""

from typing import Any

import pytest

from builders.objects import DAY
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


def app(*manifests: dict[str, Any], scope: str = "Tenant", on_offboard: str = "Retain") -> dict[str, Any]:
    steps = [
        {"name": "base", "manifests": [NAMESPACE]},
        {"name": "more", "manifests": [config_map("settings"), *manifests], "onOffboard": on_offboard},
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
async def test_a_template_with_an_object_outside_the_tenant_has_nothing_applied(manifest: dict[str, Any]) -> None:
    operator = world(manifest)
    await operator.converge()
    assert operator.reason("TenantReady") == "False/OutsideTenant"
    assert operator.reason("Stalled") == "True/OutsideTenant"
    assert writes(operator, "APPLY", "DELETE") == []
    assert operator.server.find("TalkdeskTenant", TENANT) is None


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


async def test_an_edit_that_puts_an_object_outside_leaves_the_tenant_as_it_is_and_says_so_there() -> None:
    operator = world()
    await operator.converge()
    operator.journal.clear()
    operator.change("TalkdeskApp", "sentiment", app(ELSEWHERE))
    await operator.converge()
    assert operator.tenant_reason() == "False/OutsideTenant"
    assert writes(operator, "APPLY", "DELETE") == []
    operator.change("TalkdeskApp", "sentiment", app())
    await operator.converge()
    assert operator.tenant_reason() == "True/Applied"


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


@pytest.mark.parametrize(
    ("on_offboard", "end"),
    [("Retain", leaves_the_template), ("Delete", offboarded), ("Retain", purged)],
    ids=["pruned", "offboarded", "purged"],
)
async def test_an_object_outside_is_not_deleted_until_the_app_allows_it_or_it_is_gone(
    on_offboard: str, end: Any
) -> None:
    for allowed in (True, False):
        operator = await confined(on_offboard=on_offboard)
        await end(operator)
        await operator.converge()
        assert "DELETE configmaps/default/shared" not in operator.journal.writes
        assert operator.server.find("ConfigMap", "shared", "default") is not None
        assert operator.tenant_reason() == "False/OutsideTenant"
        if allowed:
            spec = operator.server.get("TalkdeskApp", "sentiment")["spec"]
            tenant = spec["tenant"] | {"objectScope": "Any"}
            operator.change("TalkdeskApp", "sentiment", {"spec": spec | {"tenant": tenant}})
        else:
            operator.server.remove("ConfigMap", "shared", "default")
        operator.now += DAY
        await operator.converge()
        assert operator.server.find("ConfigMap", "shared", "default") is None
        assert (
            operator.server.find("TalkdeskTenant", TENANT) is None or operator.tenant_reason() != "False/OutsideTenant"
        )


async def test_what_is_inside_is_deleted_all_the_same() -> None:
    operator = world()
    await operator.converge()
    await purged(operator)
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None
