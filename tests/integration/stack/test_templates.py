"""What becomes of a live customer's objects when the app's template changes."""

from typing import Any

import pytest

from builders.conditions import condition, reason
from builders.stack import TENANT, Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, STEPS, config_map

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(68)]

SETTINGS = config_map({"x": "1"})
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner", "namespace": "${tenant.name}"}}
IN_DEFAULT = NAMESPACE | {"metadata": {"name": "${tenant.name}", "namespace": "default"}}


def secret(**fields: Any) -> dict[str, Any]:
    return config_map({}, name="keys") | {"kind": "Secret", "data": None} | fields


async def _becomes(talkdesk: Stack, acme: Customer, *manifests: dict[str, Any]) -> None:
    """Change the template, and wait until the customer's tenant is as it says."""
    before = acme.tenant
    assert before is not None
    steps = [{"name": "base", "manifests": list(manifests)}, *STEPS[2:]]
    await talkdesk.change_app(tenant={"steps": steps})

    def applied(obj: Any) -> bool:
        inputs = obj["status"].get("appliedInputs")
        return inputs != before["status"].get("appliedInputs") and condition(obj, "Ready") == "True"

    await acme.tenant_until(applied, "be as the new template says")


async def test_the_namespace_of_a_customer_outlives_changes_of_the_template(stacks: Stacks) -> None:
    async with stacks(steps=[{"name": "base", "manifests": [IN_DEFAULT, SETTINGS]}, *STEPS[2:]]) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        namespace, settings = await acme.uid("Namespace"), await acme.uid("ConfigMap", "settings")

        await _becomes(talkdesk, acme, NAMESPACE, SETTINGS)
        await _becomes(talkdesk, acme, IN_DEFAULT, SETTINGS)
        await _becomes(talkdesk, acme, SETTINGS)

        assert (await acme.uid("Namespace"), await acme.uid("ConfigMap", "settings")) == (namespace, settings)
        assert acme.tenant is not None
        assert [each["name"] for each in acme.tenant["status"]["orphanedObjects"]] == [acme.tenant_namespace]


async def test_what_can_not_be_changed_is_said_and_made_anew_where_the_manifest_says_so(stacks: Stacks) -> None:
    def sealed(value: str, **metadata: Any) -> dict[str, Any]:
        made = config_map({"x": value}) | {"immutable": True}
        return made | {"metadata": made["metadata"] | metadata}

    anew = {"annotations": {"appconnect.talkdesk.dev/recreate": "true"}}
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, sealed("1")]}, *STEPS[2:]]) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        first = await acme.uid("ConfigMap", "settings")

        refused = [{"name": "base", "manifests": [NAMESPACE, sealed("2")]}, *STEPS[2:]]
        await talkdesk.change_app(tenant={"steps": refused})
        await acme.tenant_until(lambda obj: reason(obj, "Ready") == "FieldImmutable", "say what it is")
        assert await acme.uid("ConfigMap", "settings") == first

        talkdesk.may_lose_objects.add(acme.account_id)
        await _becomes(talkdesk, acme, NAMESPACE, sealed("2", **anew))
        assert await acme.uid("ConfigMap", "settings") != first
        events = (await talkdesk.platform.kube.request("GET", _events(talkdesk)))["items"]
        (note,) = [event["note"] for event in events if event["reason"] == "ObjectRecreated"]
        assert "settings" in note
        assert "DriftCorrected" not in {event["reason"] for event in events}


async def test_what_holds_no_data_is_deleted_and_the_rest_is_kept_until_a_person_deletes_it(stacks: Stacks) -> None:
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, SETTINGS, ACCOUNT]}, *STEPS[2:]]) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.patch({"op": "add", "path": "/spec/deletionProtection", "value": True}, kind=TENANT)
        await _becomes(talkdesk, acme, NAMESPACE)

        tenant = acme.tenant
        assert tenant is not None
        assert {each["kind"]: each["reason"] for each in tenant["status"]["orphanedObjects"]} == {
            "ConfigMap": "Protected",
            "ServiceAccount": "Protected",
        }
        assert reason(tenant, "PruneHeld") == "ObjectsOrphaned"

        await acme.patch({"op": "replace", "path": "/spec/deletionProtection", "value": False}, kind=TENANT)
        await acme.tenant_until(
            lambda obj: obj is not None and [o["kind"] for o in obj["status"]["orphanedObjects"]] == ["ConfigMap"],
            "delete what holds no data",
        )
        (note,) = [
            event["note"]
            for event in (await talkdesk.platform.kube.request("GET", _events(talkdesk)))["items"]
            if event["reason"] == "ObjectPruned"
        ]
        assert f"ServiceAccount {acme.tenant_namespace}/runner" in note
        assert acme.tenant is not None
        (command,) = [each["remove"] for each in acme.tenant["status"]["orphanedObjects"]]

        await talkdesk.platform.kubectl(*command.split()[1:])
        await acme.patch(
            {
                "op": "add",
                "path": "/metadata/annotations",
                "value": {"appconnect.talkdesk.dev/reconcile-requested-at": "1"},
            },
            kind=TENANT,
        )
        await acme.tenant_until(
            lambda obj: obj is not None and condition(obj, "PruneHeld") is None, "have nothing that waits for a person"
        )


def _events(talkdesk: Stack) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{talkdesk.namespace}/events"


async def test_a_text_that_was_taken_out_of_a_secret_is_gone(stacks: Stacks) -> None:
    steps = [{"name": "base", "manifests": [NAMESPACE, secret(stringData={"old": "1", "kept": "2"})]}, *STEPS[2:]]
    async with stacks(steps=steps) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert (await acme.existing("Secret", "keys"))["data"] == {"old": "MQ==", "kept": "Mg=="}

        await _becomes(talkdesk, acme, NAMESPACE, secret(stringData={"new": "3", "kept": "2"}))

        assert (await acme.existing("Secret", "keys"))["data"] == {"new": "Mw==", "kept": "Mg=="}
