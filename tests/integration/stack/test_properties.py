"""Events in any order and with any repetition give the same final state as events that arrive once and in order."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders.stack import Customer, Stack, Stacks
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIFECYCLES = {
    "installed": ("install",),
    "rotated": ("install", "rotate"),
    "uninstalled": ("install", "uninstall"),
    "back again": ("install", "uninstall", "install"),
    "twice": ("install", "install"),
    "rotated and gone": ("install", "rotate", "uninstall"),
    "updated": ("install", "update"),
}
"""What the customer has done at Talkdesk before the first event is sent."""


@dataclass(frozen=True)
class FinalState:
    """What must not depend on the order."""

    phases: tuple[str, ...]
    """Of the installations, oldest first."""
    requests: tuple[str, ...]
    versions: tuple[int, ...]
    """Which of its credential versions each installation still has; -1 for none."""
    at_talkdesk: tuple[str, ...]
    tenant: str
    objects: tuple[str, ...]


EXPECTED = {
    "installed": FinalState(
        ("Active",), ("Install",), (0,), ("completed",), "Active", ("ConfigMap", "Namespace", "Secret")
    ),
    "rotated": FinalState(
        ("Active",), ("Install",), (1,), ("completed",), "Active", ("ConfigMap", "Namespace", "Secret")
    ),
    "uninstalled": FinalState(("Uninstalled",), ("Uninstall",), (-1,), ("uninstalled",), "gone or none", ()),
    "back again": FinalState(
        ("Uninstalled", "Active"),
        ("Uninstall", "Install"),
        (-1, 0),
        ("uninstalled", "completed"),
        "Active",
        ("ConfigMap", "Namespace", "Secret"),
    ),
    "twice": FinalState(
        ("Superseded", "Active"),
        ("Install", "Install"),
        (0, 0),
        ("completed", "completed"),
        "Active",
        ("ConfigMap", "Namespace", "Secret"),
    ),
    "updated": FinalState(
        ("Active",), ("Update",), (0,), ("completed",), "Active", ("ConfigMap", "Namespace", "Secret")
    ),
    "rotated and gone": FinalState(("Uninstalled",), ("Uninstall",), (-1,), ("uninstalled",), "gone or none", ()),
}


@pytest.mark.case(1, 3, 15, 16, 20)
@settings(
    max_examples=24,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    lifecycle=st.sampled_from(sorted(LIFECYCLES)), order=st.randoms(use_true_random=False), repeats=st.integers(0, 4)
)
@example(lifecycle="back again", order=None, repeats=0)
async def test_the_final_state_does_not_depend_on_the_order_or_repetition_of_events(
    stacks: Stacks, lifecycle: str, order: Random | None, repeats: int
) -> None:
    # The approval of a late install may answer the uninstall, too: then only refusals show that it is over.
    async with stacks(uninstall={"confirmAfter": "1s"}) as talkdesk:
        customers = await _act(talkdesk, LIFECYCLES[lifecycle])
        events = [event for customer in customers for event in customer.events()]
        if order is not None:
            events += order.choices(events, k=repeats)
            order.shuffle(events)

        for event in events:
            await customers[0].deliver(event)

        assert all(delivery.state == "delivered" for delivery in talkdesk.simulator.dispatcher.log)
        await talkdesk.platform.watched.catch_up(talkdesk.platform.kube)
        for customer, phase in zip(customers, EXPECTED[lifecycle].phases, strict=True):
            await customer.becomes(phase)
            # A credential version that arrived late is deleted at the next reconcile.
            await customer.request_reconcile()
        assert await _final_state(customers) == EXPECTED[lifecycle], [event.type for event in events]


async def _act(talkdesk: Stack, actions: tuple[str, ...]) -> list[Customer]:
    """Let all of it happen at Talkdesk; no event is sent yet."""
    customers: list[Customer] = []
    for action in actions:
        # Without it, two installations may have the same time, and either of them may own the tenant.
        await talkdesk.simulator.move(timedelta(milliseconds=5))
        if action == "install":
            first = not customers
            customers.append(
                await talkdesk.install(deliver=False) if first else await customers[0].reinstall(deliver=False)
            )
        elif action == "uninstall":
            await customers[-1].uninstall(deliver=False)
        elif action == "rotate":
            talkdesk.simulator.rotate(commands.Rotate(installation=customers[-1].installation_id, deliver=False))
        elif action == "update":
            more = commands.Update(installation=customers[-1].installation_id, adding=2, deliver=False)
            talkdesk.simulator.update(more)
    return customers


async def _final_state(customers: list[Customer]) -> FinalState:
    tenant = customers[-1].tenant
    state = tenant["spec"]["state"] if tenant is not None else "none"
    alive = state == "Active"
    inventory = tenant["status"]["inventory"] if tenant is not None and alive else []
    return FinalState(
        phases=tuple(customer.installation["status"]["phase"] for customer in customers),
        requests=tuple(customer.installation["spec"]["request"]["type"] for customer in customers),
        versions=tuple([await _version(customer) for customer in customers]),
        at_talkdesk=tuple(customer.at_talkdesk.state.value for customer in customers),
        tenant=state if alive else "gone or none",
        objects=tuple(sorted(item["kind"] for item in inventory)),
    )


async def _version(customer: Customer) -> int:
    """Return which credential version the installation has, counted from 0; -1 when its Secret does not exist."""
    name = customer.installation["spec"]["credentials"]["secretName"]
    for secret in await customer.credential_secrets():
        if secret["metadata"]["name"] == name:
            issued = [event.id for event in customer.events() if "key_id" in event.document["data"]]
            return issued.index(customer.installation["spec"]["credentials"]["eventId"])
    return -1
