"""Updates, uninstalls and reinstalls of a running simulator, by its control API and as a partner sees them."""

from typing import Any

import pytest

from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import ControlError, SimulatorServer


@pytest.fixture
async def server(start: Start, callback: Callback) -> SimulatorServer:
    return await start(callback_url=callback.url)


@pytest.fixture
async def partner(server: SimulatorServer, meet: Meet) -> Partner:
    return await (await meet(server, await server.client.install(account="acme"))).log_in()


async def test_an_update_is_applied_when_it_is_approved(server: SimulatorServer, partner: Partner) -> None:
    await partner.answer("approve")
    await server.client.update(account="acme", adding=2, licenses=9)
    assert await partner.state() == "pending"
    assert (await partner.get(f"{partner.installation}/users")).json()["total"] == 2
    await partner.answer("approve")
    assert (await partner.get(f"{partner.installation}/users")).json()["total"] == 4
    assert (await partner.get(f"{partner.installation}/subscription")).json()["total_licenses"] == 9


async def test_a_rejected_update_keeps_the_previous_plan_and_users(server: SimulatorServer, partner: Partner) -> None:
    await partner.answer("approve")
    await server.client.update(account="acme", adding=2, licenses=9)
    await partner.answer("reject")
    assert await partner.state() == "completed"
    assert (await partner.get(f"{partner.installation}/users")).json()["total"] == 2
    assert (await partner.get(f"{partner.installation}/subscription")).json()["total_licenses"] == 3


@pytest.mark.case(17)
async def test_updates_while_installing_are_applied_with_the_approval_of_the_install(
    server: SimulatorServer, partner: Partner
) -> None:
    gone = (await partner.get(f"{partner.installation}/users")).json()["_embedded"]["users"][0]["id"]
    await server.client.update(account="acme", adding=1)
    await server.client.update(account="acme", removing=[gone], licenses=5)
    assert await partner.state() == "installing"
    await partner.answer("approve")
    users = [user["id"] for user in (await partner.get(f"{partner.installation}/users")).json()["_embedded"]["users"]]
    assert len(users) == 2
    assert gone not in users
    assert (await partner.get(f"{partner.installation}/subscription")).json()["total_licenses"] == 5


@pytest.mark.case(36)
@pytest.mark.parametrize("same", [False, True])
async def test_a_reinstall_has_new_credentials_and_a_new_id_unless_configured(
    server: SimulatorServer, partner: Partner, meet: Meet, same: Any
) -> None:
    await server.client.change_settings(reinstall_same_id=same)
    await server.client.uninstall(account="acme")
    await partner.answer("approve")
    again = await server.client.reinstall(account="acme")
    assert (again.installation_id == partner.data["installation_id"]) is same
    assert again.account_id == partner.data["account_id"]
    assert again.client_id != partner.data["client_id"]
    newcomer = await (await meet(server, again)).log_in()
    assert await newcomer.state() == "installing"
    assert (await partner.ask_token()).status_code == 401


@pytest.mark.case(39)
async def test_two_live_installations_of_one_account_are_answered_separately(
    server: SimulatorServer, partner: Partner, meet: Meet
) -> None:
    second = await (await meet(server, await server.client.install(account="acme"))).log_in()
    await second.answer("approve")
    assert await second.state() == "completed"
    assert await partner.state() == "installing"


async def test_a_command_that_the_state_forbids_is_a_conflict(server: SimulatorServer, partner: Partner) -> None:
    await server.client.uninstall(account="acme")
    for command in (server.client.uninstall, server.client.update):
        with pytest.raises(ControlError) as caught:
            await command(account="acme")
        assert caught.value.status == 409
    await partner.answer("approve")
    with pytest.raises(ControlError) as caught:
        await server.client.rotate(installation=partner.data["installation_id"])
    assert caught.value.status == 409
