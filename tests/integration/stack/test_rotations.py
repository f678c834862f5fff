"""Rotated credentials: taken at once, proven, acknowledged, and the old ones gone."""

import pytest

from builders.conditions import condition, message
from builders.stack import Customer, Stacks
from builders.watched import Object
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.faults import Delay, Status
from talkdesk_sandbox.simulator.model import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACKNOWLEDGE = "POST /apps/*/installations/*/credentials/*/state"
ANSWER = "POST /apps/*/installations/*/state"
TOKEN = "POST */oauth/token"


def _rotate(acme: Customer, *, compromised: bool = False, deliver: bool = True) -> Event:
    simulator = acme.stack.simulator
    simulator.rotate(commands.Rotate(installation=acme.installation_id, compromised=compromised, deliver=deliver))
    return acme.events("app.credentials_rotated")[-1]


def _acknowledged(held: Object, event: Event) -> bool:
    acknowledged: object = held.get("status", {}).get("credentials", {}).get("acknowledged")
    return acknowledged == event.id


async def _tenants_key(acme: Customer) -> str:
    live = await acme.live("Secret", "talkdesk")
    assert live is not None
    client: str = live["data"]["client_id"]
    return client


@pytest.mark.case(20, 62, 65)
@pytest.mark.parametrize("compromised", [False, True])
async def test_a_new_set_is_used_acknowledged_and_given_to_the_tenant_and_the_old_one_goes(
    stacks: Stacks, *, compromised: bool
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await _tenants_key(acme)

        event = _rotate(acme, compromised=compromised)
        held = await acme.until(lambda held: _acknowledged(held, event), "acknowledge the rotation")
        await acme.becomes("Active")

        assert held["status"]["credentials"]["acknowledgementTime"]
        old, _ = acme.at_talkdesk.credentials
        assert old.ends_at is not None
        assert old.ends_at <= talkdesk.simulator.clock.now(), "Talkdesk has not ended it"
        (kept,) = await acme.secrets()
        assert kept["metadata"]["name"] == held["spec"]["credentials"]["secretName"]
        assert await _tenants_key(acme) != before
        assert condition(held, "CredentialsValid") == "True"
        await acme.announced("CredentialsRotated")


@pytest.mark.case(20)
async def test_a_rotation_that_overtakes_its_install_wins(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        event = _rotate(acme)

        await acme.deliver(acme.events("app.installed")[0])
        held = await acme.becomes("Active")

        assert held["spec"]["credentials"]["eventId"] == event.id
        held = await acme.until(lambda held: _acknowledged(held, event), "acknowledge the rotation")


@pytest.mark.case(20, 24)
async def test_a_rotation_while_the_answer_is_on_its_way_costs_no_answer(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Delay(route=ANSWER, seconds=1, count=1))
        acme = await talkdesk.install()
        await talkdesk.platform.gate.until(lambda: acme.tenant is not None)

        event = _rotate(acme, compromised=True)
        await acme.until(lambda held: _acknowledged(held, event), "acknowledge the rotation")

        await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed"]


@pytest.mark.case(20)
@pytest.mark.parametrize("status", [409, 500])
async def test_an_acknowledgement_that_talkdesk_has_already_or_can_not_take_is_judged(
    stacks: Stacks, status: int
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=ACKNOWLEDGE, status=status, after_effect=status == 409, count=1))

        event = _rotate(acme)

        await acme.until(lambda held: _acknowledged(held, event), "acknowledge the rotation")
        held = await acme.becomes("Active")
        assert condition(held, "Ready") == "True"
        assert len(await acme.secrets()) == 1


@pytest.mark.case(63)
async def test_a_tenant_that_lags_behind_does_not_hold_up_the_acknowledgement(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        foreign = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "kube-system"}}
        await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": [foreign]}]})
        await acme.until(lambda held: condition(held, "TenantReady") == "False", "have a tenant that fails")

        event = _rotate(acme)

        await acme.until(lambda held: _acknowledged(held, event), "acknowledge the rotation")
        assert condition(acme.installation, "TenantReady") == "False"


@pytest.mark.case(24)
async def test_where_talkdesk_refuses_the_newest_set_another_one_that_is_stored_is_used(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=ACKNOWLEDGE, status=500))
        _rotate(acme)
        await acme.until(lambda held: held["status"].get("retry"), "not have it acknowledged")
        # What the newest set is worth is Talkdesk's secret: let it be dead, and the one before alive.
        acme.at_talkdesk.current.ends_at = talkdesk.simulator.clock.now()

        held = await acme.looked_at()

        assert held["status"]["credentials"]["secretName"] != held["spec"]["credentials"]["secretName"]
        assert condition(held, "CredentialsValid") == "True"
        assert "one from before" in message(held, "CredentialsValid")


@pytest.mark.case(24)
async def test_where_no_set_is_taken_it_is_told_and_the_tenant_goes_on(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=TOKEN, status=401))
        for issued in acme.at_talkdesk.credentials:
            issued.ends_at = talkdesk.simulator.clock.now()

        held = await acme.looked_at()

        assert condition(held, "CredentialsValid") == "False"
        assert held["status"]["retry"]["reason"] == "CredentialsRefused"
        assert await acme.live("ConfigMap", "settings") is not None
