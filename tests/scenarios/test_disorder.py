"""Events that arrive twice and in the worst order give the same final state as events that arrive once and in order."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, PLAN, SECRET, config_map
from builders.watched import Object
from talkdesk_sandbox.simulator import Behavior, Settings, Simulator, commands
from talkdesk_sandbox.simulator.faults import Duplicate, Hold
from talkdesk_sandbox.simulator.state import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = {"WORKERS": "8"}
SETTINGS = config_map(
    {
        "plan": PLAN,
        "replicas": "${tenant.suspended ? '0' : '2'}",
        "trial": "${trial.state != null ? trial.state : ''}",
    }
)
STEPS = [
    {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
    {"name": "credentials", "manifests": [SECRET], "onOffboard": "Delete"},
]
TRIAL = commands.SubscriptionSpec(type="trial", name="Trial")


@dataclass(frozen=True)
class FinalState:
    """What must not depend on the order. Pairs have the older of the two installations first."""

    phases: tuple[str, str]
    requests: tuple[str, str]
    at_talkdesk: tuple[str, str]
    answers: tuple[list[str], list[str]]
    stored_versions: tuple[int, int]
    """How many credential versions are still stored."""
    tenant: str
    settings: dict[str, str]
    tenant_version: int
    """Which credential version of the newer installation the tenant has, counted from 0."""
    users: int


EXPECTED = FinalState(
    phases=("Uninstalled", "Suspended"),
    requests=("Uninstall", "Update"),
    at_talkdesk=("uninstalled", "completed"),
    answers=(["approve:uninstalled"], ["approve:completed"]),
    stored_versions=(0, 1),
    tenant="Suspended",
    settings={"plan": "Trial", "replicas": "0", "trial": "Ended"},
    tenant_version=2,
    users=4,
)


@pytest.mark.case(1, 15, 16, 17, 18, 19, 20, 21, 39)
@pytest.mark.parametrize("worst", [False, True], ids=["in order", "in the worst order"])
async def test_the_worst_order_of_events_gives_the_same_final_state_as_the_right_order(
    stacks: Stacks, *, worst: bool
) -> None:
    # The events must be in the past, because the time of a future event is replaced by the time of its arrival.
    settings = Settings(clock_offset=timedelta(hours=-1), behavior=Behavior(timestamp_form="milliseconds"))
    # The approval of the late install answers the uninstall, too, so only refusals show that it is over.
    steps = {"steps": STEPS, "uninstall": {"confirmAfter": "1s"}}
    async with stacks(settings=settings, users={}, **steps) as talkdesk:
        old, new = await _two_installations(talkdesk)
        if worst:
            talkdesk.simulator.faults.set(Hold(event="app.trial_started"))
            talkdesk.simulator.faults.set(Duplicate(copies=2))
        for event in _in_order(old, new, worst=worst):
            await new.deliver(event)
        await new.until(_is_complete, "be answered and know its users")

        end = commands.TrialCommand(installation=new.installation_id, action="end")
        talkdesk.simulator.trial(end)
        await talkdesk.simulator.dispatcher.drain()
        await new.becomes("Suspended")
        talkdesk.simulator.dispatcher.release()
        await talkdesk.simulator.dispatcher.drain()

        assert {delivery.state for delivery in talkdesk.simulator.dispatcher.log} == {"delivered"}
        await talkdesk.platform.watched.catch_up(talkdesk.platform.kube)
        await old.becomes("Uninstalled")
        # Credential versions that arrived after newer ones are deleted at the next reconcile.
        await old.request_reconcile()
        await new.request_reconcile()
        await new.becomes("Suspended")
        assert await _final_state(old, new) == EXPECTED


async def _two_installations(talkdesk: Stack) -> tuple[Customer, Customer]:
    """Let everything happen at Talkdesk before the first event is sent."""
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
    """Move Talkdesk's clock, so that no two events have the same time."""
    await simulator.move(timedelta(seconds=1))


def _in_order(old: Customer, new: Customer, *, worst: bool) -> list[Event]:
    """Return all events, oldest first; the worst order is by type, uninstalls first, and newest first within a type."""
    events = sorted([*old.events(), *new.events()], key=lambda event: event.created_at)
    if not worst:
        return events
    ranks = {"app.uninstalled": 0, "app.updated": 1, "app.credentials_rotated": 2, "app.installed": 3}
    newest_first = sorted(events, key=lambda event: event.created_at, reverse=True)
    return sorted(newest_first, key=lambda event: ranks[event.type])


def _is_complete(obj: Object) -> bool:
    status: dict[str, Any] = obj.get("status", {})
    users: int = status.get("users", {}).get("licensed", 0)
    return status.get("phase") == "Active" and users == EXPECTED.users


async def _final_state(old: Customer, new: Customer) -> FinalState:
    settings = await new.existing("ConfigMap", "settings")
    assert new.tenant is not None
    issued = [each.client_id for each in new.at_talkdesk.credentials]
    status: dict[str, Any] = new.installation["status"]
    return FinalState(
        phases=(old.installation["status"]["phase"], status["phase"]),
        requests=(old.installation["spec"]["request"]["type"], new.installation["spec"]["request"]["type"]),
        at_talkdesk=(old.at_talkdesk.state.value, new.at_talkdesk.state.value),
        answers=(old.at_talkdesk.answers, new.at_talkdesk.answers),
        stored_versions=(len(await old.credential_secrets()), len(await new.credential_secrets())),
        tenant=new.tenant["spec"]["state"],
        settings=settings["data"],
        tenant_version=issued.index(await new.tenant_client_id()),
        users=status["users"]["licensed"],
    )
