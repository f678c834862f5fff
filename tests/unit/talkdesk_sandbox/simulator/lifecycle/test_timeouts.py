"""What time alone does, by moving the clock of a running simulator."""

from datetime import UTC, datetime, timedelta

import pytest

from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import Clock, ControlError, Settings, SimulatorServer


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
async def test_a_forgotten_update_keeps_the_old_settings(
    server: SimulatorServer, partner: Partner, setting: str, expected: str
) -> None:
    await server.client.change_settings(update_timeout_state=setting)
    await partner.answer("approve")
    await server.client.update(account="acme", licenses=99)
    await server.client.move("7d")
    view = await server.client.installation(partner.data["installation_id"])
    assert (view.state, view.licenses) == (expected, 3)


async def test_a_forgotten_uninstall_happens_anyway(server: SimulatorServer, partner: Partner) -> None:
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


async def test_a_routine_rotation_leaves_seven_days_and_an_acknowledgement_ends_them(
    server: SimulatorServer, partner: Partner, meet: Meet
) -> None:
    new = await meet(server, await server.client.rotate(account="acme"))
    await server.client.move("6d")
    assert (await partner.ask_token()).status_code == 200
    await new.log_in()
    response = await new.post(
        f"{new.installation}/credentials/{new.data['client_id']}/state", {"state": "acknowledged"}
    )
    assert response.status_code == 202
    assert response.json()["state"]["state"] == "acknowledged"
    assert (await partner.ask_token()).status_code == 401
    assert (await new.ask_token()).status_code == 200


async def test_an_unacknowledged_rotation_ends_the_old_set_by_itself(
    server: SimulatorServer, partner: Partner, meet: Meet
) -> None:
    new = await meet(server, await server.client.rotate(account="acme"))
    await server.client.move("7d")
    assert (await partner.ask_token()).status_code == 401
    assert (await new.ask_token()).status_code == 200


@pytest.mark.case(62)
async def test_a_compromised_set_and_its_tokens_die_at_once(
    server: SimulatorServer, partner: Partner, meet: Meet
) -> None:
    new = await meet(server, await server.client.rotate(account="acme", compromised=True))
    assert (await partner.get("/account")).status_code == 401
    assert (await partner.ask_token()).status_code == 401
    assert (await new.ask_token()).status_code == 200


@pytest.mark.parametrize(
    ("setting", "named", "status"),
    [("new", "new", 202), ("new", "old", 409), ("old", "new", 409), ("old", "old", 202), ("either", "new", 202)],
)
async def test_the_client_to_acknowledge_is_the_one_that_is_set(
    server: SimulatorServer, partner: Partner, setting: str, named: str, status: int
) -> None:
    await server.client.change_settings(acknowledge_client=setting)
    outcome = await server.client.rotate(account="acme")
    client_id = outcome.client_id if named == "new" else partner.data["client_id"]
    url = f"{partner.installation}/credentials/{client_id}/state"
    assert (await partner.post(url, {"state": "acknowledged"})).status_code == status


async def test_only_a_rotation_can_be_acknowledged_and_only_once(
    server: SimulatorServer, partner: Partner, meet: Meet
) -> None:
    credentials = f"{partner.installation}/credentials"
    body = {"state": "acknowledged"}
    assert (await partner.post(f"{credentials}/{partner.data['client_id']}/state", body)).status_code == 409
    assert (await partner.post(f"{credentials}/nope/state", body)).status_code == 404
    new = await (await meet(server, await server.client.rotate(account="acme"))).log_in()
    url = f"{credentials}/{new.data['client_id']}/state"
    assert (await new.post(url, {"state": "nope"})).status_code == 400
    assert [(await new.post(url, body)).status_code for _ in range(2)] == [202, 409]


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_partner_can_ask_for_a_rotation(
    server: SimulatorServer, partner: Partner, callback: Callback, status: int
) -> None:
    await server.client.change_settings(rotate_status=status)
    response = await partner.post(f"{partner.installation}/credentials/actions/rotate")
    assert response.status_code == status
    await server.client.drain()
    assert callback.types()[-1] == "app.credentials_rotated"


async def test_the_clock_never_goes_back(server: SimulatorServer) -> None:
    with pytest.raises(ControlError, match="forward"):
        await server.client.move("-1d")
    with pytest.raises(ValueError, match="forward"):
        Clock().forward(timedelta(seconds=-1))


async def test_the_clock_moves_by_exactly_what_is_asked(server: SimulatorServer, partner: Partner) -> None:
    assert (await server.client.move("10d")).offset == timedelta(days=10)
    assert partner.event["type"] == "app.installed"


@pytest.mark.case(33)
async def test_a_simulator_can_start_in_the_past(meet: Meet) -> None:
    async with SimulatorServer(Settings(clock_offset=timedelta(days=-6))) as server:
        partner = await meet(server, await server.client.install(account="acme"))
        at = datetime.fromisoformat(partner.event["created_at"])
        assert timedelta(days=5) < datetime.now(UTC) - at < timedelta(days=7)
        assert (await partner.ask_token()).status_code == 200


async def test_a_clock_can_be_injected(meet: Meet) -> None:
    fixed = datetime(2030, 1, 1, tzinfo=UTC)
    async with SimulatorServer(clock=Clock(wall=lambda: fixed)) as server:
        partner = await meet(server, await server.client.install(account="acme"))
        assert partner.event["created_at"] == "2030-01-01T00:00:00Z"
