"""Whatever order and repetition a life's events come in, the end is the same as when each came once, in its turn."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders.stack import Customer, Stack, Stacks
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVES = {
    "installed": ("install",),
    "rotated": ("install", "rotate"),
    "uninstalled": ("install", "uninstall"),
    "back again": ("install", "uninstall", "install"),
    "twice": ("install", "install"),
    "rotated and gone": ("install", "rotate", "uninstall"),
    "updated": ("install", "update"),
}
"""What Talkdesk's customer has done before the first event arrives."""


@dataclass(frozen=True)
class Ends:
    """What must not depend on the order."""

    phases: tuple[str, ...]
    """Of the installations, oldest first."""
    requests: tuple[str, ...]
    keys: tuple[int, ...]
    """Which of its sets of credentials each installation holds; -1 for none any more."""
    at_talkdesk: tuple[str, ...]
    tenant: str
    objects: tuple[str, ...]


EXPECTED = {
    "installed": Ends(("Active",), ("Install",), (0,), ("completed",), "Active", ("ConfigMap", "Namespace", "Secret")),
    "rotated": Ends(("Active",), ("Install",), (1,), ("completed",), "Active", ("ConfigMap", "Namespace", "Secret")),
    "uninstalled": Ends(("Uninstalled",), ("Uninstall",), (-1,), ("uninstalled",), "gone or none", ()),
    "back again": Ends(
        ("Uninstalled", "Active"),
        ("Uninstall", "Install"),
        (-1, 0),
        ("uninstalled", "completed"),
        "Active",
        ("ConfigMap", "Namespace", "Secret"),
    ),
    "twice": Ends(
        ("Superseded", "Active"),
        ("Install", "Install"),
        (0, 0),
        ("completed", "completed"),
        "Active",
        ("ConfigMap", "Namespace", "Secret"),
    ),
    "updated": Ends(("Active",), ("Update",), (0,), ("completed",), "Active", ("ConfigMap", "Namespace", "Secret")),
    "rotated and gone": Ends(("Uninstalled",), ("Uninstall",), (-1,), ("uninstalled",), "gone or none", ()),
}


@pytest.mark.case(1, 3, 15, 16, 20)
@settings(
    max_examples=24,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(life=st.sampled_from(sorted(LIVES)), order=st.randoms(use_true_random=False), repeats=st.integers(0, 4))
@example(life="back again", order=None, repeats=0)
async def test_the_order_of_arrival_does_not_matter(
    stacks: Stacks, life: str, order: Random | None, repeats: int
) -> None:
    async with stacks() as talkdesk:
        customers = await _live(talkdesk, LIVES[life])
        events = [event for customer in customers for event in customer.events()]
        if order is not None:
            events += order.choices(events, k=repeats)
            order.shuffle(events)

        for event in events:
            await customers[0].deliver(event)

        assert all(delivery.state == "delivered" for delivery in talkdesk.simulator.dispatcher.log)
        await talkdesk.platform.watched.catch_up(talkdesk.platform.kube)
        for customer, phase in zip(customers, EXPECTED[life].phases, strict=True):
            await customer.becomes(phase)
            # A set that came late goes at the next look.
            await customer.looked_at()
        assert await _ends(customers) == EXPECTED[life], [event.type for event in events]


async def _live(talkdesk: Stack, life: tuple[str, ...]) -> list[Customer]:
    """Let it all happen at Talkdesk; no event is sent yet."""
    customers: list[Customer] = []
    for deed in life:
        # Of two installations of one moment either may have the tenant; here the later one is meant.
        await talkdesk.simulator.move(timedelta(milliseconds=5))
        if deed == "install":
            first = not customers
            customers.append(
                await talkdesk.install(deliver=False) if first else await customers[0].reinstall(deliver=False)
            )
        elif deed == "uninstall":
            await customers[-1].uninstall(deliver=False)
        elif deed == "rotate":
            talkdesk.simulator.rotate(commands.Rotate(installation=customers[-1].installation_id, deliver=False))
        elif deed == "update":
            more = commands.Update(installation=customers[-1].installation_id, adding=2, deliver=False)
            talkdesk.simulator.update(more)
        else:
            command = commands.Rotate(installation=customers[-1].installation_id, deliver=False)
            talkdesk.simulator.rotate(command)
    return customers


async def _ends(customers: list[Customer]) -> Ends:
    tenant = customers[-1].tenant
    state = tenant["spec"]["state"] if tenant is not None else "none"
    alive = state == "Active"
    inventory = tenant["status"]["inventory"] if tenant is not None and alive else []
    return Ends(
        phases=tuple(customer.installation["status"]["phase"] for customer in customers),
        requests=tuple(customer.installation["spec"]["request"]["type"] for customer in customers),
        keys=tuple([await _key(customer) for customer in customers]),
        at_talkdesk=tuple(customer.at_talkdesk.state.value for customer in customers),
        tenant=state if alive else "gone or none",
        objects=tuple(sorted(item["kind"] for item in inventory)),
    )


async def _key(customer: Customer) -> int:
    """Return which set of credentials the installation has, if the Secret is there."""
    name = customer.installation["spec"]["credentials"]["secretName"]
    for secret in await customer.secrets():
        if secret["metadata"]["name"] == name:
            issued = [event.id for event in customer.events() if "key_id" in event.document["data"]]
            return issued.index(customer.installation["spec"]["credentials"]["eventId"])
    return -1
