"""Talkdesk's API is down for a day, in short: its clock moves by a day, and the breaker's times are seconds."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest

from builders.conditions import condition
from builders.stack import Customer, Stack, Stacks
from builders.watched import Object
from talkdesk_sandbox.simulator.faults import Status

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = {
    "WORKERS": "16",
    "TALKDESK_BREAKER_FAILURES": "5",
    "TALKDESK_BREAKER_MIN_OPEN_TIME": "1s",
    "TALKDESK_BREAKER_MAX_OPEN_TIME": "2s",
}
INSTALLED, NEW = 5, 20
TRIES = 4
"""Of each new installation while Talkdesk is down: 1, 2 and 4 seconds lie between them at most."""


@dataclass(frozen=True)
class Seen:
    """What was to be seen at the end of the outage."""

    asked: int
    """Calls that reached Talkdesk."""
    written: Counter[str]
    """Writes of a status, by the name of the TalkdeskInstallation."""
    new: dict[str, Object]
    old: list[tuple[Object, ...]]
    metrics: str


@pytest.mark.case(27, 33)
async def test_talkdesk_is_down_for_a_day(stacks: Stacks) -> None:
    # Who is installed is looked at again and again, as the hours would have it.
    async with stacks(resync="1s", users={}) as talkdesk:
        old = [await talkdesk.install() for _ in range(INSTALLED)]
        for customer in old:
            await customer.becomes("Active")
        before = [await _kept(customer) for customer in old]

        new, seen = await _a_day_without_talkdesk(talkdesk, old)

        _nobody_was_answered_or_rejected(seen)
        tries = {name: held["status"]["retry"]["attempts"] for name, held in seen.new.items()}
        assert seen.asked < sum(tries.values()) / 2, "the breaker has not spared Talkdesk"
        assert "talkdesk_api_breaker_open{" in seen.metrics
        # A status is written at the first look and after each try, and never while nothing is tried.
        assert not {name: seen.written[name] for name in tries if seen.written[name] > tries[name] + 1}
        assert not {each.name: seen.written[each.name] for each in old if seen.written[each.name] > 1}
        assert seen.old == before
        for customer in (*new, *old):
            await customer.becomes("Active", within=90)
            assert customer.at_talkdesk.answers == ["approve:completed"]


async def _a_day_without_talkdesk(talkdesk: Stack, old: list[Customer]) -> tuple[list[Customer], Seen]:
    journal, gate = talkdesk.simulator.journal, talkdesk.platform.gate
    calls, writes = len(journal.records()), len(gate.calls)
    fault = talkdesk.simulator.faults.set(Status(status=503))
    new = [await talkdesk.install() for _ in range(NEW)]
    await talkdesk.simulator.move(timedelta(days=1))
    for customer in new:
        await customer.until(_has_tried, "be tried several times")
    seen = Seen(
        asked=len(journal.records()) - calls,
        written=Counter(call.path.split("/")[-2] for call in gate.writes(writes) if call.path.endswith("/status")),
        new={customer.name: customer.installation for customer in new},
        old=[await _kept(customer) for customer in old],
        metrics=(await talkdesk.platform.fetch("operator", "/metrics"))[1],
    )
    talkdesk.simulator.faults.clear(fault)
    return new, seen


def _has_tried(held: Object) -> bool:
    tried: bool = held.get("status", {}).get("retry", {}).get("attempts", 0) >= TRIES
    return tried


def _nobody_was_answered_or_rejected(seen: Seen) -> None:
    for held in seen.new.values():
        assert condition(held, "Answered") == "False"
        assert held["status"]["phase"] in {"Pending", "Provisioning", "Answering"}


async def _kept(customer: Customer) -> tuple[Object, ...]:
    """Return all that the customer has."""
    objects = [await customer.live("Namespace"), await customer.live("ConfigMap", "settings")]
    every = [*objects, await customer.live("Secret", "talkdesk"), customer.tenant]
    return tuple(each for each in every if each is not None)
