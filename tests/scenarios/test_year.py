"""A year of a customer's life on Talkdesk's simulated clock; the operator's clock is real.

The diary is compared with a golden file. `--update-golden` writes it again.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from builders.conditions import reason
from builders.diary import Diary
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import ACCOUNT_NAME, NAMESPACE, PLAN, SECRET, config_map
from builders.stack_scim import with_scim
from builders.watched import Object
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = config_map({"name": ACCOUNT_NAME, "plan": PLAN, "replicas": "${tenant.suspended ? '0' : '2'}"})
STEPS = [
    {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
    {"name": "credentials", "manifests": [SECRET], "onOffboard": "Delete"},
]
TRIAL = commands.SubscriptionSpec(type="trial", name="Trial")


def days(number: int) -> timedelta:
    return timedelta(days=number)


@pytest.mark.case(18, 20, 21, 36, 40, 42, 58, 60)
async def test_a_year_of_one_customer_gives_this_diary(stacks: Stacks, golden: Callable[[str, str], None]) -> None:
    async with with_scim(stacks, steps=STEPS) as (talkdesk, scim):
        diary = Diary(talkdesk, scim)
        acme = await _on_trial(talkdesk, diary)
        await _upgraded(acme, diary)
        await _rotated(acme, diary, "day 90", after=20)
        await _suspended_and_renamed(acme, diary)
        # The event of the next rotation has the token URL with the account's new name.
        talkdesk.behave(rotated_event_links=True)
        await _rotated(acme, diary, "day 200", after=15)
        await acme.stack.simulator.move(days(50))
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        await diary.chapter("day 250: the customer uninstalls the app", acme)
        await talkdesk.simulator.move(days(40))
        again = await acme.reinstall()
        await again.becomes("Active")
        await diary.chapter("day 290: the customer installs the app again, within the retention", again)
        await talkdesk.simulator.move(days(75))
        await again.uninstall()
        await again.becomes("Uninstalled")
        await diary.chapter("day 365: the customer leaves for good", again)
        await talkdesk.change_app(at_once=True, retention={"keepFor": "0s"})
        await again.becomes("Purged")
        await diary.chapter("the partner sets the retention to zero, so it ends", again)
        await acme.becomes("Purged")
        assert {"accountName", "endpoints"}.isdisjoint(again.installation["spec"])
    golden("a_year", diary.text)


async def _on_trial(talkdesk: Stack, diary: Diary) -> Customer:
    acme = await talkdesk.install("acme-of-the-year", subscription=TRIAL, users=3)
    await acme.until(lambda obj: _trial(obj) == "Started", "be on trial")
    await acme.becomes("Active")
    await diary.chapter("day 0: the customer installs the app on trial", acme)

    await talkdesk.simulator.move(days(25))
    await _run(talkdesk.simulator.trial, acme, commands.TrialCommand, action="extend", length=days(15))
    await acme.until(lambda obj: _trial(obj) == "Extended", "have the trial extended")
    await acme.becomes("Active")
    await diary.chapter("day 25: the trial is extended", acme)

    await talkdesk.simulator.move(days(25))
    await acme.becomes("Suspended")
    await diary.chapter("day 50: the trial has ended", acme)
    return acme


async def _upgraded(acme: Customer, diary: Diary) -> None:
    simulator = acme.stack.simulator
    await simulator.move(days(5))
    await _run(simulator.update, acme, commands.Update, type="paid", plan="Gold", licenses=20)
    await acme.becomes("Active")
    await diary.chapter("day 55: the customer upgrades", acme)

    await simulator.move(days(15))
    removed = max(set(acme.at_talkdesk.users) - {acme.at_talkdesk.created_by.id})
    await _run(simulator.update, acme, commands.Update, adding=4, removing=(removed,))
    await acme.until(lambda obj: _synced(obj, 6), "have the changed users synced")
    await acme.becomes("Active")
    await diary.chapter("day 70: four users are added, one is removed", acme)


async def _rotated(acme: Customer, diary: Diary, when: str, *, after: int) -> None:
    await acme.stack.simulator.move(days(after))
    await _run(acme.stack.simulator.rotate, acme, commands.Rotate)
    event = acme.events("app.credentials_rotated")[-1]
    await acme.until_acknowledged(event.id)
    await acme.becomes("Active")
    await diary.chapter(f"{when}: the credentials rotate", acme)


async def _suspended_and_renamed(acme: Customer, diary: Diary) -> None:
    simulator = acme.stack.simulator
    await simulator.move(days(90))
    simulator.supervise(commands.Supervise(installation=acme.installation_id, action="suspend"))
    await acme.request_reconcile()
    obj = await acme.becomes("Suspended")
    assert reason(obj, "Ready") == "Suspended"
    await diary.chapter("day 180: Talkdesk suspends the installation", acme)

    await simulator.move(days(5))
    simulator.supervise(commands.Supervise(installation=acme.installation_id, action="resume"))
    await acme.request_reconcile()
    await acme.becomes("Active")
    await diary.chapter("day 185: Talkdesk resumes the installation", acme)

    # The present token is still valid, so this reconcile succeeds; the next token comes from another URL.
    simulator.rename(commands.Rename(account=acme.account, name="acme-and-sons"))
    acme.account = "acme-and-sons"
    await acme.request_reconcile()
    await acme.becomes("Active")
    await diary.chapter("day 185: the account gets another name", acme)


async def _run(execute: Callable[[Any], Any], acme: Customer, command: Callable[..., Any], **fields: Any) -> None:
    """Run a command of the simulator. Return when the webhook has accepted the event."""
    await acme.stack.delivered(execute(command(installation=acme.installation_id, **fields)))


def _trial(obj: Object) -> object:
    return obj.get("status", {}).get("trial", {}).get("state")


def _synced(obj: Object, number: int) -> bool:
    users = obj["status"].get("users", {})
    synced: bool = users.get("synced") == users.get("licensed") == number
    return synced
