"""Trials and licenses: a tenant without entitlement is suspended, kept or offboarded, and resumed later."""

from typing import Any

import pytest

from builders.conditions import condition, reason
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, config_map
from builders.watched import Object
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = config_map(
    {
        "replicas": "${tenant.suspended ? '0' : '3'}",
        "trial": "${trial.state != null ? trial.state : 'none'}",
    }
)
STEPS = [
    {"name": "base", "manifests": [NAMESPACE]},
    {"name": "app", "manifests": [SETTINGS], "onOffboard": "Delete"},
]
TRIAL = commands.SubscriptionSpec(type="trial")


async def _on_trial(talkdesk: Stack, **fields: Any) -> Customer:
    acme = await talkdesk.install(subscription=TRIAL, **fields)
    await acme.until_on_trial()
    await acme.becomes("Active")
    return acme


async def _trial(acme: Customer, action: str, **fields: Any) -> None:
    command = commands.TrialCommand(installation=acme.installation_id, action=action, **fields)
    await acme.stack.delivered(acme.stack.simulator.trial(command))


def _shows_the_end(obj: Object) -> bool:
    state: str = obj["status"]["trial"]["state"]
    return state == "Ended"


async def _size(acme: Customer) -> str:
    live = await acme.existing("ConfigMap", "settings")
    replicas: str = live["data"]["replicas"]
    return replicas


@pytest.mark.case(19)
async def test_a_trial_is_shown_in_the_status_and_given_to_the_template(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)

        assert acme.installation["status"]["trial"]["expirationTime"]
        live = await acme.existing("ConfigMap", "settings")
        assert live["data"] == {"replicas": "3", "trial": "Started"}
        printed = await talkdesk.platform.kubectl("get", "tdi", acme.name)
        assert "Started" in printed


async def test_when_a_trial_ends_the_tenant_is_suspended_and_another_trial_resumes_it(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        before = await acme.uid("ConfigMap", "settings")

        await _trial(acme, "end")
        obj = await acme.becomes("Suspended")
        assert reason(obj, "Ready") == "TrialEnded"
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Suspended"
        assert await _size(acme) == "0"
        await acme.kubernetes_event("Suspended")

        await _trial(acme, "start")
        await acme.becomes("Active")
        assert await _size(acme) == "3"
        assert await acme.uid("ConfigMap", "settings") == before


async def test_an_upgrade_after_the_end_of_a_trial_resumes_the_tenant(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        await _trial(acme, "end")
        await acme.becomes("Suspended")

        upgrade = commands.Update(installation=acme.installation_id, type="paid", plan="Gold", licenses=20)
        await talkdesk.delivered(talkdesk.simulator.update(upgrade))

        # Talkdesk shows the new subscription only after our approval.
        await acme.becomes("Active")
        assert len(acme.at_talkdesk.answers) == 2
        assert await _size(acme) == "3"


@pytest.mark.case(21)
@pytest.mark.parametrize("why", ["plan_upgraded", "app_uninstalled"])
async def test_a_trial_that_ends_by_an_upgrade_or_an_uninstall_does_not_suspend_the_tenant(
    stacks: Stacks, why: str
) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)

        await _trial(acme, "end", reason=why)
        await acme.until(_shows_the_end, "show the end of the trial")

        await acme.becomes("Active")
        assert await _size(acme) == "3"


@pytest.mark.parametrize(("policy", "phase"), [("Keep", "Active"), ("Offboard", "Suspended")])
async def test_the_end_of_a_trial_keeps_or_offboards_the_tenant_as_the_app_says(
    stacks: Stacks, policy: str, phase: str
) -> None:
    async with stacks(steps=STEPS, trial={"onEnd": policy}) as talkdesk:
        acme = await _on_trial(talkdesk)
        talkdesk.may_lose_objects.add(acme.account_id)

        await _trial(acme, "end")
        await acme.until(_shows_the_end, "show the end of the trial")
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
async def test_an_end_of_a_trial_whose_event_was_lost_is_found_at_the_resync(stacks: Stacks) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        acme = await _on_trial(talkdesk)
        talkdesk.simulator.trial(commands.TrialCommand(installation=acme.installation_id, action="end", deliver=False))

        await acme.request_reconcile()

        await acme.becomes("Suspended")
        assert await _size(acme) == "0"


async def test_the_trial_of_an_earlier_installation_does_not_count_for_a_new_one_with_the_same_id(
    stacks: Stacks,
) -> None:
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
async def test_a_license_that_talkdesk_stops_suspends_the_tenant_and_a_restored_one_resumes_it(
    stacks: Stacks, action: str, why: str
) -> None:
    async with stacks(steps=STEPS) as talkdesk:
        # It is not known whether credentials stay valid after a revocation; if not, nothing can be read.
        talkdesk.behave(after_uninstall_status=200)
        acme = await talkdesk.install()
        await acme.becomes("Active")

        talkdesk.simulator.supervise(commands.Supervise(installation=acme.installation_id, action=action))
        await acme.request_reconcile()
        obj = await acme.becomes("Suspended")
        assert reason(obj, "Ready") == why
        assert obj["status"]["talkdeskState"]
        assert await _size(acme) == "0"

        if action == "suspend":
            talkdesk.simulator.supervise(commands.Supervise(installation=acme.installation_id, action="resume"))
            await acme.request_reconcile()
            obj = await acme.becomes("Active")
            assert await _size(acme) == "3"
            assert condition(obj, "Ready") == "True"
