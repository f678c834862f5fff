"""A customer's life: installed, uninstalled, installed again; and what people do to the objects meanwhile."""

import pytest

from builders.conditions import condition, reason
from builders.stack import TENANT, Customer, Stack, Stacks
from talkdesk_crds.names import FINALIZER
from talkdesk_sandbox.simulator.faults import Duplicate

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_install_is_provisioned_and_approved_once(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()

        held = await acme.becomes("Active")

        assert condition(held, "Ready") == "True"
        assert condition(held, "Answered") == "True"
        assert acme.at_talkdesk.state == "completed"
        assert len(acme.posts()) == len(acme.approvals()) == 1
        settings = await acme.live("ConfigMap", "settings")
        assert settings is not None
        assert settings["data"] == {"account": acme.account, "plan": "Standard"}
        assert await acme.live("Secret", "talkdesk") is not None
        assert "deadline" not in held["status"]


async def test_an_uninstall_takes_what_goes_and_leaves_what_stays(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        home = await acme.live("Namespace")

        await acme.uninstall(reason="We moved on.")
        held = await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.state == "uninstalled"
        assert await acme.live("Namespace") == home
        assert await acme.live("ConfigMap", "settings") is not None
        assert await acme.live("Secret", "talkdesk") is None
        assert await acme.secrets() == []
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Offboarded"
        assert acme.tenant["status"]["purgeTime"]
        assert {item["kind"] for item in acme.tenant["status"]["inventory"]} == {"Namespace", "ConfigMap"}
        assert reason(held, "CredentialsValid") == "CredentialsDeleted"


@pytest.mark.case(36)
@pytest.mark.parametrize("same_id", [False, True], ids=["new id", "same id"])
async def test_a_reinstall_finds_the_tenant_as_it_was(stacks: Stacks, same_id: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        home, kept = await acme.live("Namespace"), await acme.live("ConfigMap", "settings")

        again = await acme.reinstall(same_id=same_id)
        await again.becomes("Active")

        assert home is not None
        assert kept is not None
        home_now, kept_now = await again.live("Namespace"), await again.live("ConfigMap", "settings")
        assert home_now is not None
        assert kept_now is not None
        assert home_now["metadata"]["uid"] == home["metadata"]["uid"]
        assert kept_now["metadata"]["uid"] == kept["metadata"]["uid"]
        secret = await again.live("Secret", "talkdesk")
        (stored,) = await again.secrets()
        assert secret is not None
        assert secret["data"]["client_id"] == stored["data"]["client_id"]
        assert again.tenant is not None
        assert again.tenant["spec"]["state"] == "Active"
        assert "purgeTime" not in again.tenant["status"]
        assert "uninstallTime" not in again.tenant["spec"]


@pytest.mark.case(1)
async def test_an_event_that_comes_three_times_is_one(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Duplicate(copies=2))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        statuses = [d.attempts[0].status for d in talkdesk.simulator.courier.log]
        assert statuses == [200, 200, 200]
        assert acme.installation["metadata"]["generation"] == 1
        assert len(await acme.secrets()) == 1
        assert len(acme.posts()) == 1


@pytest.mark.case(11)
async def test_an_installation_applied_by_hand_is_like_any_other(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)

        await acme.apply_by_hand()
        held = await acme.becomes("Active")

        assert FINALIZER in held["metadata"]["finalizers"]
        assert len(acme.approvals()) == 1

        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert await acme.secrets() == []


@pytest.mark.case(44)
async def test_deleting_our_object_is_not_an_uninstall_and_its_return_finds_the_tenant(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        home, secret = await acme.live("Namespace"), await acme.live("Secret", "talkdesk")

        await acme.delete()
        await acme.vanishes()

        assert await acme.live("Namespace") == home
        assert await acme.live("Secret", "talkdesk") == secret
        assert acme.at_talkdesk.state == "completed"

        talkdesk.forgotten.clear()
        await acme.deliver(acme.events("app.installed")[0])
        await acme.becomes("Active")
        again = await acme.live("Namespace")
        assert home is not None
        assert again is not None
        assert again["metadata"]["uid"] == home["metadata"]["uid"]
        assert len(acme.approvals()) == len(acme.posts()) == 1


@pytest.mark.case(44)
async def test_a_deletion_that_asks_for_it_takes_the_tenant_along(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.may_delete.add(acme.account_id)

        await acme.patch({"op": "add", "path": "/spec/deletionPolicy", "value": "Delete"})
        await acme.delete()
        await acme.vanishes()

        assert acme.tenant is None
        assert await acme.live("Namespace") is None
        assert await acme.secrets() == []


@pytest.mark.case(44)
async def test_a_deletion_is_not_stuck_for_lack_of_credentials(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.may_delete.add(acme.account_id)
        for secret in await acme.secrets():
            await talkdesk.platform.kubectl("delete", "secret", secret["metadata"]["name"])

        await acme.patch({"op": "add", "path": "/spec/deletionPolicy", "value": "Delete"})
        await acme.delete()

        await acme.vanishes()
        assert await acme.live("Namespace") is None


async def test_a_paused_installation_is_left_alone_and_goes_on_afterwards(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        await acme.apply_by_hand(paused=True)
        await acme.until(lambda held: held.get("status", {}).get("phase") == "Paused", "become Paused")
        assert acme.tenant is None
        assert acme.posts() == []

        await acme.patch({"op": "replace", "path": "/spec/paused", "value": False})
        await acme.becomes("Active")


async def test_an_unchanged_tenant_costs_no_write_of_ours(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = (acme.installation["metadata"]["resourceVersion"], acme.tenant)

        await _resynced(talkdesk, acme)

        assert (acme.installation["metadata"]["resourceVersion"], acme.tenant) == before


async def test_values_of_one_tenant_reach_its_template(stacks: Stacks) -> None:
    replicas = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "size", "namespace": "${tenant.name}"},
        "data": {"replicas": "${string(tenant.values.replicas)}"},
    }
    steps = [{"name": "base", "manifests": [_namespace(), replicas]}]
    async with stacks(steps=steps, tenant={"values": {"replicas": 1}}) as talkdesk:
        acme, bolt = await talkdesk.install(), await talkdesk.install()
        await acme.becomes("Active")
        await bolt.becomes("Active")

        changed = await acme.patch({"op": "add", "path": "/spec/values", "value": {"replicas": 3}}, kind=TENANT)
        generation = changed["metadata"]["generation"]
        await acme.tenant_until(
            lambda held: held is not None and held["status"]["observedGeneration"] >= generation, "apply the values"
        )

        assert [await _size(each) for each in (acme, bolt)] == ["3", "1"]


async def test_what_kubectl_prints_tells_the_life(stacks: Stacks) -> None:
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


def _namespace() -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${tenant.name}"}}


async def _size(acme: Customer) -> str:
    held = await acme.live("ConfigMap", "size")
    assert held is not None
    return str(held["data"]["replicas"])


async def _printed(acme: Customer) -> str:
    line = (await acme.stack.platform.kubectl("get", "tdi", acme.name, "--no-headers")).split()
    return " ".join([*line[:5], "<none>" if len(line) == 6 else line[5]])


async def _resynced(talkdesk: Stack, acme: Customer) -> None:
    """Wait until the operator has applied all objects anew, twice."""
    path = f"/api/v1/namespaces/{acme.home}/secrets/talkdesk"
    gate = talkdesk.platform.gate
    before = gate.count("PATCH", path)
    await gate.until(lambda: gate.count("PATCH", path) >= before + 2)
