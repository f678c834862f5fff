"""Everything arrives in the worst order, and twice: the end is the same as when each event came once, in its turn."""

from base64 import b64decode
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, SECRET
from builders.watched import Object
from talkdesk_sandbox.simulator import Behavior, Settings, Simulator, commands
from talkdesk_sandbox.simulator.faults import Duplicate, Hold
from talkdesk_sandbox.simulator.state import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = {"WORKERS": "8"}
SETTINGS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "${tenant.name}"},
    "data": {
        "plan": "${subscription.name != null ? subscription.name : ''}",
        "replicas": "${tenant.suspended ? '0' : '2'}",
        "trial": "${trial.state != null ? trial.state : ''}",
    },
}
STEPS = [
    {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
    {"name": "credentials", "manifests": [SECRET], "onOffboard": "Delete"},
]
TRIAL = commands.SubscriptionSpec(type="trial", name="Trial")


@dataclass(frozen=True)
class End:
    """What must not depend on the order. Of the two installations the older comes first."""

    phases: tuple[str, str]
    requests: tuple[str, str]
    at_talkdesk: tuple[str, str]
    answers: tuple[list[str], list[str]]
    sets: tuple[int, int]
    """How many sets of credentials are still kept."""
    tenant: str
    settings: dict[str, str]
    tenants_set: int
    """Which of Talkdesk's sets for the newer installation the tenant has, counted from 0."""
    users: int


EXPECTED = End(
    phases=("Uninstalled", "Suspended"),
    requests=("Uninstall", "Update"),
    at_talkdesk=("uninstalled", "completed"),
    answers=(["approve:uninstalled"], ["approve:completed"]),
    sets=(0, 1),
    tenant="Suspended",
    settings={"plan": "Trial", "replicas": "0", "trial": "Ended"},
    tenants_set=2,
    users=4,
)


@pytest.mark.case(1, 15, 16, 17, 18, 19, 20, 21, 39)
@pytest.mark.parametrize("worst", [False, True], ids=["in order", "in the worst order"])
async def test_the_worst_order_ends_like_the_right_one(stacks: Stacks, *, worst: bool) -> None:
    # All of it was a moment ago: what lies in the future counts from when it comes.
    settings = Settings(clock_offset=timedelta(hours=-1), behavior=Behavior(timestamp_form="milliseconds"))
    async with stacks(settings=settings, steps=STEPS, users={}) as talkdesk:
        old, new = await _two_lives(talkdesk)
        if worst:
            talkdesk.simulator.faults.set(Hold(event="app.trial_started"))
            talkdesk.simulator.faults.set(Duplicate(copies=2))
        for event in _in_turn(old, new, worst=worst):
            await new.deliver(event)
        await new.until(_is_complete, "be answered, and have its users")

        end = commands.TrialCommand(installation=new.installation_id, action="end")
        talkdesk.simulator.trial(end)
        await talkdesk.simulator.dispatcher.drain()
        await new.becomes("Suspended")
        talkdesk.simulator.dispatcher.release()
        await talkdesk.simulator.dispatcher.drain()

        assert {delivery.state for delivery in talkdesk.simulator.dispatcher.log} == {"delivered"}
        await talkdesk.platform.watched.catch_up(talkdesk.platform.kube)
        await old.becomes("Uninstalled")
        # Sets that came after newer ones go at the next look.
        await old.looked_at()
        await new.looked_at()
        await new.becomes("Suspended")
        assert await _end(old, new) == EXPECTED


async def _two_lives(talkdesk: Stack) -> tuple[Customer, Customer]:
    """Let all of it happen at Talkdesk before the first event is sent."""
    old = await talkdesk.install(deliver=False, subscription=TRIAL)
    await _changes(old)
    await old.uninstall(deliver=False)
    new = await old.reinstall(deliver=False)
    await _changes(new)
    return old, new


async def _changes(customer: Customer) -> None:
    simulator, which = customer.stack.simulator, {"installation": customer.installation_id, "deliver": False}
    for _ in range(2):
        await _later(simulator)
        simulator.rotate(commands.Rotate.model_validate(which))
        await _later(simulator)
        simulator.update(commands.Update.model_validate(which | {"adding": 1}))
    await _later(simulator)


async def _later(simulator: Simulator) -> None:
    """Let no two events be of one moment."""
    await simulator.move(timedelta(seconds=1))


def _in_turn(old: Customer, new: Customer, *, worst: bool) -> list[Event]:
    """Return all events oldest first; or uninstalls and rotations before anything else, each one newest first."""
    events = sorted([*old.events(), *new.events()], key=lambda event: event.created_at)
    if not worst:
        return events
    ranks = {"app.uninstalled": 0, "app.updated": 1, "app.credentials_rotated": 2, "app.installed": 3}
    newest_first = sorted(events, key=lambda event: event.created_at, reverse=True)
    return sorted(newest_first, key=lambda event: ranks[event.type])


def _is_complete(held: Object) -> bool:
    status: dict[str, Any] = held.get("status", {})
    users: int = status.get("users", {}).get("licensed", 0)
    return status.get("phase") == "Active" and users == EXPECTED.users


async def _end(old: Customer, new: Customer) -> End:
    settings, secret = await new.live("ConfigMap", "settings"), await new.live("Secret", "talkdesk")
    assert settings is not None
    assert secret is not None
    assert new.tenant is not None
    issued = [each.client_id for each in new.at_talkdesk.credentials]
    status: dict[str, Any] = new.installation["status"]
    return End(
        phases=(old.installation["status"]["phase"], status["phase"]),
        requests=(old.installation["spec"]["request"]["type"], new.installation["spec"]["request"]["type"]),
        at_talkdesk=(old.at_talkdesk.state.value, new.at_talkdesk.state.value),
        answers=(old.at_talkdesk.answers, new.at_talkdesk.answers),
        sets=(len(await old.secrets()), len(await new.secrets())),
        tenant=new.tenant["spec"]["state"],
        settings=settings["data"],
        tenants_set=issued.index(b64decode(secret["data"]["client_id"]).decode()),
        users=status["users"]["licensed"],
    )
