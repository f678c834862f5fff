"""Talkdesk rotates the credentials of all customers at once while new customers install the app.

`TALKDESK_WAVE=500 python -m pytest tests/scenarios/test_wave.py` runs it with that many customers.
"""

import os
from itertools import pairwise

import pytest

from builders.serving import until
from builders.stack import INSTALLATION, Customer, Stack, Stacks, acknowledged_event
from builders.watched import Object
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMERS = int(os.environ.get("TALKDESK_WAVE", "60"))
NEW = max(CUSTOMERS // 10, 3)
"""How many customers install the app during the wave."""
WITHIN = 60.0 + CUSTOMERS
"""Seconds. An idle machine needs a fifth of it."""
# Fewer workers than pending accounts, so that the order in which accounts are served is visible.
OPERATOR = {"WORKERS": "8"}


@pytest.mark.case(13, 20, 33)
async def test_in_a_wave_of_rotations_each_customer_gets_its_newest_credentials_and_new_customers_come_first(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        # Talkdesk soon repeats the events that the webhook refuses because it is busy.
        talkdesk.behave(retry_delays=["1s", "2s"] * 10)
        old = await _installed(talkdesk, CUSTOMERS)
        before = {each.name: await each.tenant_client_id() for each in old}

        for customer in old:
            _rotate(customer)
        new = [await talkdesk.install(deliver=False) for _ in range(NEW)]
        for customer in new:
            _send_install(customer)
        twice = old[:: CUSTOMERS // NEW]
        for customer in twice:
            _rotate(customer)
        await _delivered(talkdesk)
        for customer in new:
            await customer.becomes("Active", within=WITHIN)
        for customer in old:
            newest = customer.events("app.credentials_rotated")[-1]
            await customer.until_acknowledged(newest.id, within=WITHIN)
            await customer.becomes("Active", within=WITHIN)

        for customer in old:
            assert customer.at_talkdesk.answers == ["approve:completed"]
            assert customer.at_talkdesk.current.acknowledged_at is not None
            assert [each.client_id for each in customer.at_talkdesk.credentials].index(
                await customer.tenant_client_id()
            ) == (2 if customer in twice else 1)
            assert await customer.tenant_client_id() != before[customer.name]
            stored = await _only_secret(customer)
            assert stored["metadata"]["name"] == customer.installation["spec"]["credentials"]["secretName"]
            _no_older_version_after_a_newer_one(customer)
        _new_customers_came_first(talkdesk, new)


async def _installed(talkdesk: Stack, number: int) -> list[Customer]:
    customers = [await talkdesk.install(deliver=False) for _ in range(number)]
    for customer in customers:
        _send_install(customer)
    await _delivered(talkdesk)
    for customer in customers:
        await customer.becomes("Active", within=WITHIN)
    return customers


async def _only_secret(customer: Customer) -> Object:
    """Return the Secret of the newest credential version when those of previous versions are deleted."""

    async def alone() -> bool:
        return len(await customer.credential_secrets()) == 1

    await until(alone, within=WITHIN)
    (stored,) = await customer.credential_secrets()
    return stored


def _send_install(customer: Customer) -> None:
    (event,) = customer.events("app.installed")
    customer.stack.simulator.deliver(event)


def _rotate(customer: Customer) -> None:
    customer.stack.simulator.rotate(commands.Rotate(installation=customer.installation_id))


async def _delivered(talkdesk: Stack) -> None:
    """Wait until the webhook has accepted all events, at any attempt; Talkdesk has given up on none."""
    dispatcher = talkdesk.simulator.dispatcher
    await until(lambda: _settled(talkdesk), within=WITHIN)
    assert {delivery.state for delivery in dispatcher.log} == {"delivered"}


async def _settled(talkdesk: Stack) -> bool:
    dispatcher = talkdesk.simulator.dispatcher
    await dispatcher.drain()
    return dispatcher.next_due() is None


def _no_older_version_after_a_newer_one(customer: Customer) -> None:
    """Check that the credential version never went back, neither in the spec nor in what was acknowledged."""
    issued = [event.id for event in customer.events() if "key_id" in event.document["data"]]
    versions = [seen.object for seen in customer.stack.platform.watched.versions(INSTALLATION, customer.name)]
    for ids in (
        [obj["spec"]["credentials"]["eventId"] for obj in versions],
        [acknowledged_event(obj) for obj in versions],
    ):
        order = [issued.index(each) for each in ids if each is not None]
        assert all(one <= next_one for one, next_one in pairwise(order))


def _new_customers_came_first(talkdesk: Stack, new: list[Customer]) -> None:
    """Check that the new customers were answered before the end of the wave."""
    (last,) = talkdesk.simulator.journal.records(effect="acknowledged")[-1:]
    answered = [record.sequence for customer in new for record in customer.approvals()]
    assert len(answered) == NEW
    assert max(answered) < last.sequence
