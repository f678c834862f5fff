"""Events that arrive in another order than they were created, and several installations of one account."""

import pytest

from builders.conditions import condition, reason
from builders.stack import Stacks
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.state import InstallationState

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.case(15)
async def test_an_uninstall_that_arrived_before_its_install_is_answered_and_creates_no_tenant(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        await acme.uninstall(deliver=False)
        (installed,), (uninstalled,) = acme.events("app.installed"), acme.events("app.uninstalled")

        await acme.deliver(uninstalled)
        obj = await acme.until(lambda obj: reason(obj, "Ready") == "CredentialsMissing", "lack its credentials")
        assert condition(obj, "Answered") == "False"

        await acme.deliver(installed)
        obj = await acme.becomes("Uninstalled")

        assert obj["spec"]["request"]["type"] == "Uninstall"
        assert acme.at_talkdesk.answers == ["approve:uninstalled"]
        assert acme.tenant is None
        assert await acme.live("Namespace") is None


@pytest.mark.case(15)
async def test_an_uninstall_during_the_install_is_answered_instead_of_the_install(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        hold = talkdesk.platform.gate.hold("PATCH", r"/api/v1/namespaces/td-[^/]+/secrets/talkdesk", "after")
        acme = await talkdesk.install()
        await hold.reached()

        await acme.uninstall()
        await acme.until(lambda obj: obj["spec"]["request"]["type"] == "Uninstall", "have the uninstall in its spec")
        hold.release()
        await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.answers == ["approve:uninstalled"]
        assert await acme.live("Secret", "talkdesk") is None
        assert await acme.live("ConfigMap", "settings") is not None


@pytest.mark.case(15, 23)
async def test_an_uninstall_already_answered_by_the_approval_of_the_install_is_complete(stacks: Stacks) -> None:
    async with stacks(uninstall={"confirmAfter": "1s"}) as talkdesk:
        acme = await talkdesk.install(deliver=False)
        await acme.uninstall(deliver=False)
        (installed,), (uninstalled,) = acme.events("app.installed"), acme.events("app.uninstalled")
        await acme.deliver(installed)
        await acme.until(lambda obj: condition(obj, "Answered") == "True", "be answered")
        assert acme.at_talkdesk.answers == ["approve:uninstalled"]

        await acme.deliver(uninstalled)
        await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.answers == ["approve:uninstalled"]
        assert await acme.credential_secrets() == []
        assert await acme.live("Secret", "talkdesk") is None


@pytest.mark.case(17)
async def test_an_update_already_answered_by_the_approval_of_the_install_is_not_answered_again(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        update = commands.Update(installation=acme.installation_id, adding=2, deliver=False)
        talkdesk.simulator.update(update)
        (installed,), (updated,) = acme.events("app.installed"), acme.events("app.updated")
        await acme.deliver(installed)
        await acme.becomes("Active")

        await acme.deliver(updated)
        obj = await acme.becomes("Active")

        assert obj["spec"]["request"]["type"] == "Update"
        assert condition(obj, "Answered") == "True"
        assert acme.at_talkdesk.answers == ["approve:completed"]


@pytest.mark.case(39)
async def test_of_two_live_installations_the_newest_owns_the_tenant_and_both_are_answered(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        old = await talkdesk.install()
        await old.becomes("Active")
        namespace = await old.uid("Namespace")

        new = await old.reinstall()
        await new.becomes("Active")
        obj = await old.becomes("Superseded")

        assert reason(obj, "TenantReady") == "Superseded"
        assert [len(each.approvals()) for each in (old, new)] == [1, 1]
        assert new.tenant is not None
        assert new.tenant["spec"]["installationRef"]["name"] == new.name
        assert await new.uid("Namespace") == namespace


@pytest.mark.case(16)
async def test_the_uninstall_of_an_old_installation_does_not_touch_the_tenant_of_the_new_one(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        old = await talkdesk.install()
        await old.becomes("Active")
        new = await old.reinstall()
        await new.becomes("Active")
        await old.becomes("Superseded")
        before = await new.live("Namespace"), await new.live("Secret", "talkdesk"), new.tenant

        await old.uninstall()
        await old.becomes("Uninstalled")

        assert old.at_talkdesk.state is InstallationState.UNINSTALLED
        assert (await new.live("Namespace"), await new.live("Secret", "talkdesk"), new.tenant) == before
        assert await old.credential_secrets() == []
        assert len(await new.credential_secrets()) == 1
        assert (await new.becomes("Active"))["spec"]["request"]["type"] == "Install"


@pytest.mark.case(16)
async def test_when_the_newest_of_two_is_uninstalled_the_older_one_owns_the_tenant_again(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        old = await talkdesk.install()
        await old.becomes("Active")
        namespace = await old.uid("Namespace")
        new = await old.reinstall()
        await new.becomes("Active")

        await new.uninstall()
        await new.becomes("Uninstalled")
        await old.becomes("Active")

        assert old.tenant is not None
        assert old.tenant["spec"]["installationRef"]["name"] == old.name
        assert await old.uid("Namespace") == namespace
        secret, (stored,) = await old.existing("Secret", "talkdesk"), await old.credential_secrets()
        assert secret["data"]["client_id"] == stored["data"]["client_id"]


@pytest.mark.case(3)
async def test_an_install_event_repeated_after_the_uninstall_changes_nothing(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        generation = acme.installation["metadata"]["generation"]

        await acme.deliver(acme.events("app.installed")[0])

        assert talkdesk.simulator.dispatcher.log[-1].attempts[-1].status == 200
        obj = await acme.becomes("Uninstalled")
        assert obj["metadata"]["generation"] == generation
        assert obj["spec"]["request"]["type"] == "Uninstall"


@pytest.mark.case(20)
async def test_credentials_that_arrive_after_the_uninstall_are_deleted(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.rotate(commands.Rotate(installation=acme.installation_id, deliver=False))
        await acme.uninstall()
        await acme.becomes("Uninstalled")

        await acme.deliver(acme.events("app.credentials_rotated")[0])
        await talkdesk.platform.watched.catch_up(talkdesk.platform.kube)
        await acme.becomes("Uninstalled")

        assert await acme.credential_secrets() == []


@pytest.mark.case(59)
async def test_two_apps_of_one_account_have_separate_tenants(stacks: Stacks) -> None:
    name = {"name": "${dnsLabel('td-' + app.namespace + '-' + app.name + '-' + account.id)}"}
    async with stacks(tenant=name) as one, stacks(tenant=name) as other:
        customers = [await each.install("acme", account_id=f"acme-{one.app}") for each in (one, other)]
        for customer in customers:
            await customer.becomes("Active")

        await customers[0].uninstall()
        await customers[0].becomes("Uninstalled")

        tenants = [customer.tenant for customer in customers]
        assert [tenant and tenant["spec"]["state"] for tenant in tenants] == ["Offboarded", "Active"]
        assert len({tenant["spec"]["name"] for tenant in tenants if tenant}) == 2
