"""A year of a customer's life, on Talkdesk's clock; the operator's is real. `--update-golden` writes the diary anew."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from builders.conditions import reason
from builders.diary import Diary
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, SECRET
from builders.stack_scim import with_scim
from builders.watched import Object
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "${tenant.name}"},
    "data": {
        "name": "${account.name != null ? account.name : ''}",
        "plan": "${subscription.name != null ? subscription.name : ''}",
        "replicas": "${tenant.suspended ? '0' : '2'}",
    },
}
STEPS = [
    {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
    {"name": "credentials", "manifests": [SECRET], "onOffboard": "Delete"},
]
TRIAL = commands.SubscriptionSpec(type="trial", name="Trial")


def days(number: int) -> timedelta:
    return timedelta(days=number)


@pytest.mark.case(18, 20, 21, 36, 40, 42, 58, 60)
async def test_a_year(stacks: Stacks, golden: Callable[[str], None]) -> None:
    async with with_scim(stacks, steps=STEPS) as (talkdesk, scim):
        diary = Diary(talkdesk, scim)
        acme = await _on_trial(talkdesk, diary)
        await _upgraded(acme, diary)
        await _rotated(acme, diary, "day 90", after=20)
        await _stopped_and_renamed(acme, diary)
        # A new set brings the token URL of the new name along.
        talkdesk.behave(rotated_event_links=True)
        await _rotated(acme, diary, "day 200", after=15)
        await acme.stack.simulator.move(days(50))
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        await diary.chapter("day 250: the customer uninstalls it", acme)
        await talkdesk.simulator.move(days(40))
        again = await acme.reinstall()
        await again.becomes("Active")
        await diary.chapter("day 290: and installs it again within the retention", again)
        await talkdesk.simulator.move(days(75))
        await again.uninstall()
        await again.becomes("Uninstalled")
        await diary.chapter("day 365: the customer leaves for good", again)
        await talkdesk.change_app(retention={"keepFor": "0s"})
        await again.becomes("Purged")
        await diary.chapter("the partner keeps nothing any longer: the retention ends", again)
        await acme.becomes("Purged")
        assert {"accountName", "endpoints"}.isdisjoint(again.installation["spec"])
    golden(diary.text)


async def _on_trial(talkdesk: Stack, diary: Diary) -> Customer:
    acme = await talkdesk.install("acme-of-the-year", subscription=TRIAL, users=3)
    await acme.until(lambda held: _trial(held) == "Started", "be on trial")
    await acme.becomes("Active")
    await diary.chapter("day 0: the customer installs the app on trial", acme)

    await talkdesk.simulator.move(days(25))
    await _does(talkdesk.simulator.trial, acme, commands.TrialCommand, action="extend", length=days(15))
    await acme.until(lambda held: _trial(held) == "Extended", "have the trial extended")
    await acme.becomes("Active")
    await diary.chapter("day 25: the trial is extended", acme)

    await talkdesk.simulator.move(days(25))
    await acme.becomes("Suspended")
    await diary.chapter("day 50: the trial has run out", acme)
    return acme


async def _upgraded(acme: Customer, diary: Diary) -> None:
    simulator = acme.stack.simulator
    await simulator.move(days(5))
    await _does(simulator.update, acme, commands.Update, type="paid", plan="Gold", licenses=20)
    await acme.becomes("Active")
    await diary.chapter("day 55: the customer upgrades", acme)

    await simulator.move(days(15))
    gone = max(set(acme.at_talkdesk.users) - {acme.at_talkdesk.created_by.id})
    await _does(simulator.update, acme, commands.Update, adding=4, removing=(gone,))
    await acme.until(lambda held: _synced(held, 6), "have the changed users")
    await acme.becomes("Active")
    await diary.chapter("day 70: four users come, one goes", acme)


async def _rotated(acme: Customer, diary: Diary, when: str, *, after: int) -> None:
    await acme.stack.simulator.move(days(after))
    await _does(acme.stack.simulator.rotate, acme, commands.Rotate)
    event = acme.events("app.credentials_rotated")[-1]
    await acme.until(lambda held: _acknowledged(held) == event.id, "acknowledge the rotation")
    await acme.becomes("Active")
    await diary.chapter(f"{when}: the credentials rotate", acme)


async def _stopped_and_renamed(acme: Customer, diary: Diary) -> None:
    simulator = acme.stack.simulator
    await simulator.move(days(90))
    simulator.supervise(commands.Supervise(installation=acme.installation_id, action="suspend"))
    await acme.looked_at()
    held = await acme.becomes("Suspended")
    assert reason(held, "Ready") == "Suspended"
    await diary.chapter("day 180: Talkdesk suspends the installation", acme)

    await simulator.move(days(5))
    simulator.supervise(commands.Supervise(installation=acme.installation_id, action="resume"))
    await acme.looked_at()
    await acme.becomes("Active")
    await diary.chapter("day 185: and resumes it", acme)

    # The look is taken while a token of before is good: the next is got at another URL.
    simulator.rename(commands.Rename(account=acme.account, name="acme-and-sons"))
    acme.account = "acme-and-sons"
    await acme.looked_at()
    await acme.becomes("Active")
    await diary.chapter("day 185: the account gets another name", acme)


async def _does(deed: Callable[[Any], Any], acme: Customer, command: Callable[..., Any], **fields: Any) -> None:
    """Let it happen at Talkdesk; returns when the webhook has taken the event."""
    await acme.stack.delivered(deed(command(installation=acme.installation_id, **fields)))


def _trial(held: Object) -> object:
    return held.get("status", {}).get("trial", {}).get("state")


def _synced(held: Object, number: int) -> bool:
    users = held["status"].get("users", {})
    synced: bool = users.get("synced") == users.get("licensed") == number
    return synced


def _acknowledged(held: Object) -> object:
    return held["status"].get("credentials", {}).get("acknowledgedEventId")
