"""Talkdesk rotates the credentials of every customer at once, while new customers come.

`TALKDESK_WAVE=500 python -m pytest tests/scenarios/test_wave.py` plays it with as many customers as that.
"""

import os
from base64 import b64decode
from itertools import pairwise

import pytest

from builders.serving import until
from builders.stack import INSTALLATION, Customer, Stack, Stacks
from builders.watched import Object
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMERS = int(os.environ.get("TALKDESK_WAVE", "60"))
NEW = max(CUSTOMERS // 10, 3)
"""Customers that come while the wave runs."""
WITHIN = 60.0 + CUSTOMERS
"""Seconds; a fifth of it on an idle machine."""
# Fewer at once than wait, so that the order in which they are served tells.
OPERATOR = {"WORKERS": "8"}


@pytest.mark.case(13, 20, 33)
async def test_a_rotation_wave(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        # What the webhook has no room for comes again soon.
        talkdesk.behave(retry_delays=["1s", "2s"] * 10)
        old = await _installed(talkdesk, CUSTOMERS)
        before = {each.name: await _tenants_client(each) for each in old}

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
            await customer.until(_acknowledged, "have its newest set acknowledged", within=WITHIN)
            await customer.becomes("Active", within=WITHIN)

        for customer in old:
            assert customer.at_talkdesk.answers == ["approve:completed"]
            assert customer.at_talkdesk.current.acknowledged_at is not None
            assert [each.client_id for each in customer.at_talkdesk.credentials].index(
                await _tenants_client(customer)
            ) == (2 if customer in twice else 1)
            assert await _tenants_client(customer) != before[customer.name]
            (kept,) = await customer.secrets()
            assert kept["metadata"]["name"] == customer.installation["spec"]["credentials"]["secretName"]
            _never_back(customer)
        _went_first(talkdesk, new)


async def _installed(talkdesk: Stack, number: int) -> list[Customer]:
    customers = [await talkdesk.install(deliver=False) for _ in range(number)]
    for customer in customers:
        _send_install(customer)
    await _delivered(talkdesk)
    for customer in customers:
        await customer.becomes("Active", within=WITHIN)
    return customers


def _send_install(customer: Customer) -> None:
    (event,) = customer.events("app.installed")
    customer.stack.simulator.deliver(event)


def _rotate(customer: Customer) -> None:
    customer.stack.simulator.rotate(commands.Rotate(installation=customer.installation_id))


async def _delivered(talkdesk: Stack) -> None:
    """Wait until the webhook has taken everything, at whatever attempt; Talkdesk gives up on nothing."""
    courier = talkdesk.simulator.courier
    await until(lambda: _settled(talkdesk), within=WITHIN)
    assert {delivery.state for delivery in courier.log} == {"delivered"}


async def _settled(talkdesk: Stack) -> bool:
    courier = talkdesk.simulator.courier
    await courier.settled()
    return courier.next_due() is None


def _acknowledged(held: Object) -> bool:
    known = held.get("status", {}).get("credentials", {})
    acknowledged: bool = known.get("acknowledgedEventId") == held["spec"]["credentials"]["eventId"]
    return acknowledged


async def _tenants_client(customer: Customer) -> str:
    secret = await customer.live("Secret", "talkdesk")
    assert secret is not None
    return b64decode(secret["data"]["client_id"]).decode()


def _never_back(customer: Customer) -> None:
    """Check that no set came back after a newer one: not in the spec, and not by what was acknowledged."""
    issued = [event.id for event in customer.events() if "key_id" in event.document["data"]]
    versions = [seen.object for seen in customer.stack.platform.watched.versions(INSTALLATION, customer.name)]
    for ids in (
        [held["spec"]["credentials"]["eventId"] for held in versions],
        [held.get("status", {}).get("credentials", {}).get("acknowledgedEventId") for held in versions],
    ):
        order = [issued.index(each) for each in ids if each is not None]
        assert all(one <= next_one for one, next_one in pairwise(order))


def _went_first(talkdesk: Stack, new: list[Customer]) -> None:
    """Check that who is new was answered before the wave was over."""
    (last,) = talkdesk.simulator.journal.records(effect="acknowledged")[-1:]
    answered = [record.sequence for customer in new for record in customer.approvals()]
    assert len(answered) == NEW
    assert max(answered) < last.sequence
