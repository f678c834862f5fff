"""Rotations and acknowledgments of credentials, as a partner sees them."""

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


async def test_previous_credentials_work_for_seven_days_or_until_the_acknowledgment(
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


async def test_previous_credentials_end_after_seven_days_without_acknowledgment(
    server: SimulatorServer, partner: Partner, meet: Meet
) -> None:
    new = await meet(server, await server.client.rotate(account="acme"))
    await server.client.move("7d")
    assert (await partner.ask_token()).status_code == 401
    assert (await new.ask_token()).status_code == 200


@pytest.mark.case(62)
async def test_compromised_credentials_and_their_tokens_end_at_once(
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
async def test_the_client_id_to_acknowledge_is_the_configured_one(
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
