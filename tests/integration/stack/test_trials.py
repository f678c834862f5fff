"""Trials and licenses: who may not use the app for now is suspended, kept or put away, and comes back."""

from typing import Any

import pytest

from builders.conditions import condition, reason
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE
from builders.watched import Object
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "${tenant.name}"},
    "data": {
        "replicas": "${tenant.suspended ? '0' : '3'}",
        "trial": "${trial.state != null ? trial.state : 'none'}",
    },
}
STEPS = [
    {"name": "base", "manifests": [NAMESPACE]},
    {"name": "app", "manifests": [SIZE], "onOffboard": "Delete"},
]
TRIAL = commands.SubscriptionSpec(type="trial")


async def _on_trial(talkdesk: Stack, **fields: Any) -> Customer:
    acme = await talkdesk.install(subscription=TRIAL, **fields)
    await acme.until(lambda held: held.get("status", {}).get("trial"), "be on trial")
    await acme.becomes("Active")
    return acme


async def _trial(acme: Customer, action: str, **fields: Any) -> None:
    command = commands.TrialCommand(installation=acme.installation_id, action=action, **fields)
    await acme.stack.delivered(acme.stack.simulator.trial(command))


def _knows_the_end(held: Object) -> bool:
    state: str = held["status"]["trial"]["state"]
    return state == "Ended"


async def _size(acme: Customer) -> str:
    live = await acme.live("ConfigMap", "settings")
    assert live is not None
    replicas: str = live["data"]["replicas"]
    return replicas


@pytest.mark.case(19)
async def test_a_trial_is_shown_and_given_to_the_template(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)

        assert acme.installation["status"]["trial"]["expirationTime"]
        live = await acme.live("ConfigMap", "settings")
        assert live is not None
        assert live["data"] == {"replicas": "3", "trial": "Started"}
        shown = await talkdesk.platform.kubectl("get", "tdi", acme.name)
        assert "Started" in shown


async def test_when_a_trial_ends_the_tenant_is_suspended_and_another_brings_it_back(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        kept = await acme.live("ConfigMap", "settings")

        await _trial(acme, "end")
        held = await acme.becomes("Suspended")
        assert reason(held, "Ready") == "TrialEnded"
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Suspended"
        assert await _size(acme) == "0"
        await acme.announced("Suspended")

        await _trial(acme, "start")
        await acme.becomes("Active")
        assert await _size(acme) == "3"
        now = await acme.live("ConfigMap", "settings")
        assert kept is not None
        assert now is not None
        assert kept["metadata"]["uid"] == now["metadata"]["uid"]


async def test_an_upgrade_after_the_end_of_a_trial_resumes(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        await _trial(acme, "end")
        await acme.becomes("Suspended")

        upgrade = commands.Update(installation=acme.installation_id, type="paid", plan="Gold", licenses=20)
        await talkdesk.delivered(talkdesk.simulator.update(upgrade))

        # What the customer asked for shows at Talkdesk only after our approval.
        await acme.becomes("Active")
        assert len(acme.at_talkdesk.answers) == 2
        assert await _size(acme) == "3"


@pytest.mark.case(21)
@pytest.mark.parametrize("why", ["plan_upgraded", "app_uninstalled"])
async def test_a_trial_that_ends_by_an_upgrade_or_an_uninstall_suspends_nobody(stacks: Stacks, why: str) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)

        await _trial(acme, "end", reason=why)
        await acme.until(_knows_the_end, "know of the end")

        await acme.becomes("Active")
        assert await _size(acme) == "3"


@pytest.mark.parametrize(("policy", "phase"), [("Keep", "Active"), ("Offboard", "Suspended")])
async def test_what_the_end_of_a_trial_means_is_the_apps_choice(stacks: Stacks, policy: str, phase: str) -> None:
    async with stacks(steps=STEPS, trial={"onEnd": policy}) as talkdesk:
        acme = await _on_trial(talkdesk)
        talkdesk.may_delete.add(acme.account_id)

        await _trial(acme, "end")
        await acme.until(_knows_the_end, "know of the end")
        await acme.becomes(phase)

        assert acme.tenant is not None
        if policy == "Keep":
            assert await _size(acme) == "3"
            return
        assert acme.tenant["spec"]["state"] == "Offboarded"
        assert acme.tenant["status"]["purgeTime"]
        assert await acme.live("ConfigMap", "settings") is None
        assert await acme.live("Namespace") is not None
        await _trial(acme, "start")
        await acme.becomes("Active")
        assert await _size(acme) == "3"


@pytest.mark.case(11, 19)
async def test_an_end_of_a_trial_whose_event_got_lost_is_found_at_the_resync(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        talkdesk.simulator.trial(commands.TrialCommand(installation=acme.installation_id, action="end", deliver=False))

        await acme.looked_at()

        await acme.becomes("Suspended")
        assert await _size(acme) == "0"


async def test_the_trial_of_an_installation_before_does_not_count_for_a_new_one_of_its_id(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        await _trial(acme, "end")
        await acme.becomes("Suspended")
        await acme.uninstall()
        await acme.becomes("Uninstalled")

        again = await acme.reinstall(same_id=True)

        await again.becomes("Active")
        assert await _size(again) == "3"


@pytest.mark.case(42)
@pytest.mark.parametrize(("action", "why"), [("suspend", "Suspended"), ("revoke", "Revoked")])
async def test_a_license_that_talkdesk_stopped_suspends_and_one_that_it_gives_back_resumes(
    stacks: Stacks, action: str, why: str
) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        # Whether credentials outlive a revocation is not known; where they do not, nothing can be read.
        talkdesk.behave(after_uninstall_status=200)
        acme = await talkdesk.install()
        await acme.becomes("Active")

        talkdesk.simulator.supervise(commands.Supervise(installation=acme.installation_id, action=action))
        await acme.looked_at()
        held = await acme.becomes("Suspended")
        assert reason(held, "Ready") == why
        assert held["status"]["talkdeskState"]
        assert await _size(acme) == "0"

        if action == "suspend":
            talkdesk.simulator.supervise(commands.Supervise(installation=acme.installation_id, action="resume"))
            await acme.looked_at()
            held = await acme.becomes("Active")
            assert await _size(acme) == "3"
            assert condition(held, "Ready") == "True"
