"""Rotated credentials are tried, given to the tenant and acknowledged, and previous versions are deleted."""

import pytest

from builders.conditions import condition
from builders.stack import Customer, Stacks
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.faults import Delay, Status
from talkdesk_sandbox.simulator.state import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACKNOWLEDGE = "POST /apps/*/installations/*/credentials/*/state"
ANSWER = "POST /apps/*/installations/*/state"
TOKEN = "POST */oauth/token"


def _rotate(acme: Customer, *, compromised: bool = False, deliver: bool = True) -> Event:
    simulator = acme.stack.simulator
    simulator.rotate(commands.Rotate(installation=acme.installation_id, compromised=compromised, deliver=deliver))
    return acme.events("app.credentials_rotated")[-1]


@pytest.mark.case(20, 62, 65)
@pytest.mark.parametrize("compromised", [False, True])
async def test_a_new_credential_version_is_given_to_the_tenant_and_acknowledged_and_the_previous_one_deleted(
    stacks: Stacks, *, compromised: bool
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.tenant_client_id()

        event = _rotate(acme, compromised=compromised)
        obj = await acme.until_acknowledged(event.id)
        await acme.becomes("Active")

        assert obj["status"]["credentials"]["acknowledgementTime"]
        old, _ = acme.at_talkdesk.credentials
        assert old.ends_at is not None
        assert old.ends_at <= talkdesk.simulator.clock.now(), "the previous version is still valid at Talkdesk"
        (stored,) = await acme.credential_secrets()
        assert stored["metadata"]["name"] == obj["spec"]["credentials"]["secretName"]
        assert await acme.tenant_client_id() != before
        assert condition(obj, "CredentialsValid") == "True"
        await acme.kubernetes_event("CredentialsRotated")


@pytest.mark.case(20)
async def test_a_rotation_that_arrives_before_its_install_wins(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        event = _rotate(acme)

        await acme.deliver(acme.events("app.installed")[0])
        obj = await acme.becomes("Active")

        assert obj["spec"]["credentials"]["eventId"] == event.id
        await acme.until_acknowledged(event.id)


@pytest.mark.case(20, 24)
async def test_a_rotation_while_the_answer_is_being_sent_does_not_repeat_the_answer(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Delay(route=ANSWER, seconds=1, count=1))
        acme = await talkdesk.install()
        await talkdesk.platform.gate.until(lambda: acme.tenant is not None)

        event = _rotate(acme, compromised=True)
        await acme.until_acknowledged(event.id)

        await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed"]


@pytest.mark.case(20)
@pytest.mark.parametrize("status", [409, 500])
async def test_an_acknowledgement_is_complete_after_a_409_and_repeated_after_a_500(stacks: Stacks, status: int) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=ACKNOWLEDGE, status=status, after_effect=status == 409, count=1))

        event = _rotate(acme)

        await acme.until_acknowledged(event.id)
        obj = await acme.becomes("Active")
        assert condition(obj, "Ready") == "True"
        assert len(await acme.credential_secrets()) == 1


@pytest.mark.case(63)
async def test_a_tenant_that_cannot_be_updated_does_not_delay_the_acknowledgement(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        foreign = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "kube-system"}}
        await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": [foreign]}]})
        await acme.until(lambda obj: condition(obj, "TenantReady") == "False", "have a tenant that is not ready")

        event = _rotate(acme)

        await acme.until_acknowledged(event.id)
        assert condition(acme.installation, "TenantReady") == "False"


@pytest.mark.case(24)
async def test_when_talkdesk_refuses_the_newest_credential_version_a_previous_one_is_used(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=ACKNOWLEDGE, status=500))
        _rotate(acme)
        await acme.backs_off()
        # Let the newest version be invalid at Talkdesk although the previous one is still valid.
        acme.at_talkdesk.current.ends_at = talkdesk.simulator.clock.now()

        obj = await acme.request_reconcile()

        assert obj["status"]["credentials"]["secretName"] != obj["spec"]["credentials"]["secretName"]
        assert condition(obj, "CredentialsValid") == "True"


@pytest.mark.case(24)
async def test_when_talkdesk_refuses_every_credential_version_it_is_reported_and_the_tenant_stays(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=TOKEN, status=401))
        for issued in acme.at_talkdesk.credentials:
            issued.ends_at = talkdesk.simulator.clock.now()

        obj = await acme.request_reconcile()

        assert condition(obj, "CredentialsValid") == "False"
        assert obj["status"]["retry"]["reason"] == "CredentialsRefused"
        assert await acme.live("ConfigMap", "settings") is not None
