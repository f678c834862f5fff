"""What happens without an answer, by moving the clock of a running simulator."""

import pytest

from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import SimulatorServer


@pytest.fixture
async def server(start: Start, callback: Callback) -> SimulatorServer:
    return await start(callback_url=callback.url)


@pytest.fixture
async def partner(server: SimulatorServer, meet: Meet) -> Partner:
    return await (await meet(server, await server.client.install(account="acme"))).log_in()


async def state_of(server: SimulatorServer, partner: Partner) -> str:
    return (await server.client.installation(partner.data["installation_id"])).state


@pytest.mark.case(32)
async def test_an_install_times_out_after_seven_days(server: SimulatorServer, partner: Partner) -> None:
    await server.client.move("6d23h59m")
    assert await state_of(server, partner) == "installing"
    await server.client.move("1m")
    assert await state_of(server, partner) == "timeout"
    await partner.log_in()
    assert (await partner.answer("approve")).status_code == 403


@pytest.mark.parametrize(("setting", "expected"), [("completed", "completed"), ("timeout", "timeout")])
async def test_an_update_that_times_out_keeps_the_previous_plan_and_users(
    server: SimulatorServer, partner: Partner, setting: str, expected: str
) -> None:
    await server.client.change_settings(update_timeout_state=setting)
    await partner.answer("approve")
    await server.client.update(account="acme", licenses=99)
    await server.client.move("7d")
    view = await server.client.installation(partner.data["installation_id"])
    assert (view.state, view.licenses) == (expected, 3)


async def test_an_uninstall_that_times_out_is_completed(server: SimulatorServer, partner: Partner) -> None:
    await partner.answer("approve")
    await server.client.uninstall(account="acme")
    await server.client.move("7d")
    assert await state_of(server, partner) == "revoked"
    assert (await partner.ask_token()).status_code == 401


@pytest.mark.parametrize("fail", ["reject", "timeout"])
async def test_an_uninstall_event_may_follow_a_failed_install(
    server: SimulatorServer, partner: Partner, callback: Callback, fail: str
) -> None:
    await server.client.change_settings(uninstall_after_failed_install=True)
    if fail == "reject":
        await partner.answer("reject")
    else:
        await server.client.move("7d")
    await server.client.drain()
    assert callback.types() == ["app.installed", "app.uninstalled"]
    await partner.log_in()
    await partner.answer("approve")
    assert await state_of(server, partner) == "revoked"
