"""A tenant's values that don't fit the app's schema: said with their path, and nothing of the tenant is touched."""

from datetime import timedelta
from typing import Any

from builders.api_server import ApiServer
from builders.objects import NOON, app_object
from builders.operator_in_memory import (
    NAMESPACE,
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
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.reconcilers.apps import CompiledApps

STEP = {"name": "base", "manifests": [NAMESPACE, config_map("size", data={"size": "${string(tenant.values.size)}"})]}
INTEGER = {"properties": {"size": {"type": "integer"}}, "required": ["size"]}


def with_values(schema: Any, **values: Any) -> dict[str, Any]:
    return {"tenant": template(STEP) | {"values": values, "valuesSchema": schema}}


async def provisioned() -> OperatorInMemory:
    raw = sentiment(STEP)
    raw["spec"] |= with_values(INTEGER, size=1) | {"approval": {"onTenantFailure": "Reject"}}
    operator = OperatorInMemory(raw, installed(), credentials_secret())
    await operator.converge()
    assert operator.tenant_reason() == "True/Applied"
    return operator


async def test_a_bad_value_is_said_at_the_tenant_and_its_objects_stay_as_they_are() -> None:
    operator = await provisioned()
    operator.journal.clear()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"values": {"size": "large"}}})
    await operator.converge()
    assert operator.tenant_reason() == "False/ValuesInvalid"
    ready = next(each for each in operator.tenant.status.conditions if each.type == "Ready")
    assert ready.message == "tenant.values.size: must be integer, not string"
    assert operator.server.get("ConfigMap", "size", SPACE)["data"] == {"size": "1"}
    assert [write for write in operator.journal.writes if SPACE in write] == []

    operator.change("TalkdeskTenant", TENANT, {"spec": {"values": {"size": 7}}})
    await operator.converge()
    assert operator.tenant_reason() == "True/Applied"
    assert operator.server.get("ConfigMap", "size", SPACE)["data"] == {"size": "7"}


async def test_a_value_that_a_person_of_ours_wrote_never_rejects_a_customer() -> None:
    raw = sentiment(STEP)
    raw["spec"] |= with_values(INTEGER) | {"approval": {"onTenantFailure": "Reject"}}
    operator = OperatorInMemory(raw, installed(), credentials_secret())
    await operator.converge()
    assert operator.reason() == "False/ValuesInvalid"
    assert operator.installation.status.answer is None
    assert operator.server.find("ConfigMap", "size", SPACE) is None


async def said_of(**spec: Any) -> tuple[str, str, timedelta | None]:
    server = ApiServer(app_object(**spec))
    cluster = KubernetesCluster(
        server.kube,
        Resources(server.kube),
        instance="operator-1",
        now=lambda: NOON,
        seen=lambda _: None,
        applied=lambda _, __: None,
        wrote=lambda _, __: None,
    )
    again = await CompiledApps(cluster, lambda: NOON).write_status(
        TalkdeskApp.read(server.get("TalkdeskApp", "sentiment"))
    )
    (ready,) = TalkdeskApp.read(server.get("TalkdeskApp", "sentiment")).status.conditions
    return ready.reason, ready.message, again


async def test_a_schema_or_a_default_that_is_no_good_is_said_at_the_app() -> None:
    reason, message, again = await said_of(**with_values({"type": "strin"}))
    assert (reason, again) == ("ValuesInvalid", timedelta(seconds=20))
    assert message.startswith("tenant.valuesSchema.type: ")
    reason, message, _ = await said_of(**with_values(INTEGER, size="x"))
    assert (reason, message) == ("ValuesInvalid", "tenant.values.size: must be integer, not string")


async def test_defaults_that_tenants_complete_are_fine() -> None:
    assert (await said_of(**with_values(INTEGER)))[0] == "Succeeded"
