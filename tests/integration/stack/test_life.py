"""Install, uninstall and reinstall, and what happens when people change the objects in between."""

import pytest

from builders.conditions import condition, reason
from builders.stack import TENANT, Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, config_map
from talkdesk_crds.names import FINALIZER
from talkdesk_sandbox.simulator.faults import Duplicate

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_install_is_provisioned_and_approved_once(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()

        obj = await acme.becomes("Active")

        assert condition(obj, "Ready") == "True"
        assert condition(obj, "Answered") == "True"
        assert acme.at_talkdesk.state == "completed"
        assert len(acme.answer_calls()) == len(acme.approvals()) == 1
        settings = await acme.existing("ConfigMap", "settings")
        assert settings["data"] == {"account": acme.account, "plan": "Standard"}
        assert await acme.live("Secret", "talkdesk") is not None
        assert "deadline" not in obj["status"]


async def test_an_uninstall_deletes_what_the_template_says_and_retains_the_rest(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        namespace = await acme.existing("Namespace")

        await acme.uninstall(reason="We moved on.")
        obj = await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.state == "uninstalled"
        assert await acme.live("Namespace") == namespace
        assert await acme.live("ConfigMap", "settings") is not None
        assert await acme.live("Secret", "talkdesk") is None
        assert await acme.credential_secrets() == []
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Offboarded"
        assert acme.tenant["status"]["purgeTime"]
        assert {item["kind"] for item in acme.tenant["status"]["inventory"]} == {"Namespace", "ConfigMap"}
        assert reason(obj, "CredentialsValid") == "CredentialsDeleted"


@pytest.mark.case(36)
@pytest.mark.parametrize("same_id", [False, True], ids=["new id", "same id"])
async def test_a_reinstall_finds_the_retained_tenant_unchanged(stacks: Stacks, same_id: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        before = await acme.uid("Namespace"), await acme.uid("ConfigMap", "settings")

        again = await acme.reinstall(same_id=same_id)
        await again.becomes("Active")

        assert (await again.uid("Namespace"), await again.uid("ConfigMap", "settings")) == before
        secret = await again.existing("Secret", "talkdesk")
        (stored,) = await again.credential_secrets()
        assert secret["data"]["client_id"] == stored["data"]["client_id"]
        assert again.tenant is not None
        assert again.tenant["spec"]["state"] == "Active"
        assert "purgeTime" not in again.tenant["status"]
        assert "uninstallTime" not in again.tenant["spec"]


@pytest.mark.case(1)
async def test_an_event_delivered_three_times_has_the_effect_of_one(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Duplicate(copies=2))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        statuses = [d.attempts[0].status for d in talkdesk.simulator.dispatcher.log]
        assert statuses == [200, 200, 200]
        assert acme.installation["metadata"]["generation"] == 1
        assert len(await acme.credential_secrets()) == 1
        assert len(acme.answer_calls()) == 1


@pytest.mark.case(11)
async def test_an_installation_imported_by_hand_is_handled_like_any_other(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)

        await acme.apply_by_hand()
        obj = await acme.becomes("Active")

        assert FINALIZER in obj["metadata"]["finalizers"]
        assert len(acme.approvals()) == 1

        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert await acme.credential_secrets() == []


@pytest.mark.case(44)
async def test_deleting_the_installation_object_is_not_an_uninstall_and_a_new_one_finds_the_tenant(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        namespace, secret = await acme.existing("Namespace"), await acme.existing("Secret", "talkdesk")

        await acme.delete()
        await acme.until_deleted()

        assert await acme.live("Namespace") == namespace
        assert await acme.live("Secret", "talkdesk") == secret
        assert acme.at_talkdesk.state == "completed"

        talkdesk.deleted_installations.clear()
        await acme.deliver(acme.events("app.installed")[0])
        await acme.becomes("Active")
        assert await acme.uid("Namespace") == namespace["metadata"]["uid"]
        assert len(acme.approvals()) == len(acme.answer_calls()) == 1


@pytest.mark.case(44)
async def test_when_the_installation_object_that_has_the_tenant_is_deleted_an_older_one_of_the_account_takes_it(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        old = await talkdesk.install()
        await old.becomes("Active")
        namespace = await old.uid("Namespace")
        new = await old.reinstall()
        await new.becomes("Active")
        await old.becomes("Superseded")

        await new.delete()
        await new.until_deleted()
        await old.becomes("Active")

        assert old.tenant is not None
        assert old.tenant["spec"]["installationRef"]["name"] == old.name
        assert await old.uid("Namespace") == namespace
        assert [each.at_talkdesk.state for each in (old, new)] == ["completed", "completed"]


@pytest.mark.case(44)
async def test_deleting_the_installation_object_deletes_the_tenant_only_with_that_deletion_policy(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.may_lose_objects.add(acme.account_id)

        await acme.patch({"op": "add", "path": "/spec/deletionPolicy", "value": "Delete"})
        await acme.delete()
        await acme.until_deleted()

        assert acme.tenant is None
        assert await acme.live("Namespace") is None
        assert await acme.credential_secrets() == []


@pytest.mark.case(44)
async def test_a_deletion_does_not_wait_for_missing_credentials(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.may_lose_objects.add(acme.account_id)
        for secret in await acme.credential_secrets():
            await talkdesk.platform.kubectl("delete", "secret", secret["metadata"]["name"])

        await acme.patch({"op": "add", "path": "/spec/deletionPolicy", "value": "Delete"})
        await acme.delete()

        await acme.until_deleted()
        assert await acme.live("Namespace") is None


async def test_a_paused_installation_is_not_reconciled_until_it_is_resumed(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        await acme.apply_by_hand(paused=True)
        await acme.until(lambda obj: obj.get("status", {}).get("phase") == "Paused", "become Paused")
        assert acme.tenant is None
        assert acme.answer_calls() == []

        await acme.patch({"op": "replace", "path": "/spec/paused", "value": False})
        await acme.becomes("Active")


async def test_a_resync_of_an_unchanged_tenant_writes_none_of_our_objects(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = (acme.installation["metadata"]["resourceVersion"], acme.tenant)

        await _resynced(talkdesk, acme)

        assert (acme.installation["metadata"]["resourceVersion"], acme.tenant) == before


async def test_values_of_a_tenant_replace_those_of_the_app_in_its_template(stacks: Stacks) -> None:
    size = config_map({"replicas": "${string(tenant.values.replicas)}"}, name="size")
    steps = [{"name": "base", "manifests": [NAMESPACE, size]}]
    async with stacks(steps=steps, tenant={"values": {"replicas": 1}}) as talkdesk:
        acme, bolt = await talkdesk.install(), await talkdesk.install()
        await acme.becomes("Active")
        await bolt.becomes("Active")

        changed = await acme.patch({"op": "add", "path": "/spec/values", "value": {"replicas": 3}}, kind=TENANT)
        generation = changed["metadata"]["generation"]
        await acme.tenant_until(
            lambda obj: obj is not None and obj["status"]["observedGeneration"] >= generation, "apply the values"
        )

        assert [await _size(each) for each in (acme, bolt)] == ["3", "1"]


async def test_kubectl_get_shows_the_phase_the_readiness_and_the_request(stacks: Stacks) -> None:
    async with stacks(deadline={"answerWithin": "7d"}) as talkdesk:
        talkdesk.behave(after_uninstall_status=401)
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert await _printed(acme) == f"{acme.name} {acme.account} Active True Install <none>"

        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert await _printed(acme) == f"{acme.name} {acme.account} Uninstalled False Uninstall <none>"
        tenants = await talkdesk.platform.kubectl("get", "tdt", acme.tenant_name, "--no-headers")
        assert tenants.split()[:4] == [acme.tenant_name, acme.account_id, "Offboarded", "False"]


async def _size(acme: Customer) -> str:
    obj = await acme.existing("ConfigMap", "size")
    return str(obj["data"]["replicas"])


async def _printed(acme: Customer) -> str:
    line = (await acme.stack.platform.kubectl("get", "tdi", acme.name, "--no-headers")).split()
    return " ".join([*line[:5], "<none>" if len(line) == 6 else line[5]])


async def _resynced(talkdesk: Stack, acme: Customer) -> None:
    """Wait until the operator has applied all objects two more times."""
    path = f"/api/v1/namespaces/{acme.tenant_namespace}/secrets/talkdesk"
    gate = talkdesk.platform.gate
    before = gate.count("PATCH", path)
    await gate.until(lambda: gate.count("PATCH", path) >= before + 2)
