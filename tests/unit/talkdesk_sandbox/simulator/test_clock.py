"""The clock of a running simulator: it only moves forward, and can start in the past."""

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
