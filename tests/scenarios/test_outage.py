"""Talkdesk's API is down for a simulated day: its clock moves by a day, and the circuit breaker's times are seconds."""

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
ATTEMPTS = 4
"""Of each new installation while Talkdesk is down, with at most 1, 2 and 4 seconds between them."""


@dataclass(frozen=True)
class Observed:
    """What was observed at the end of the outage."""

    calls: int
    """Calls that reached Talkdesk."""
    status_writes: Counter[str]
    """Status writes, by the name of the TalkdeskInstallation."""
    new: dict[str, Object]
    """The new TalkdeskInstallations, by name."""
    old: list[tuple[Object, ...]]
    """The tenants of the old installations, with their objects."""
    metrics: str


@pytest.mark.case(27, 33)
async def test_while_talkdesk_is_down_nothing_is_lost_and_afterwards_everything_is_answered(stacks: Stacks) -> None:
    # The resync is short, so that installed customers are resynced as often as in hours of a real outage.
    async with stacks(resyncPeriod="1s", users={}) as talkdesk:
        old = [await talkdesk.install() for _ in range(INSTALLED)]
        for customer in old:
            await customer.becomes("Active")
        before = [await _tenant_objects(customer) for customer in old]

        new, observed = await _a_day_without_talkdesk(talkdesk, old)

        _nobody_was_answered_or_rejected(observed)
        attempts = {name: obj["status"]["retry"]["attempts"] for name, obj in observed.new.items()}
        writes = observed.status_writes
        assert observed.calls < sum(attempts.values()) / 2, "the circuit breaker let too many calls through"
        assert "talkdesk_api_breaker_open{" in observed.metrics
        # A status is written at the first reconcile and after each attempt, and never without an attempt.
        assert not {name: writes[name] for name in attempts if writes[name] > attempts[name] + 1}
        assert not {each.name: writes[each.name] for each in old if writes[each.name] > 1}
        assert observed.old == before
        for customer in (*new, *old):
            await customer.becomes("Active", within=90)
            assert customer.at_talkdesk.answers == ["approve:completed"]


async def _a_day_without_talkdesk(talkdesk: Stack, old: list[Customer]) -> tuple[list[Customer], Observed]:
    journal, gate = talkdesk.simulator.journal, talkdesk.platform.gate
    calls, writes = len(journal.records()), len(gate.calls)
    fault = talkdesk.simulator.faults.set(Status(status=503))
    new = [await talkdesk.install() for _ in range(NEW)]
    await talkdesk.simulator.move(timedelta(days=1))
    for customer in new:
        await customer.until(_was_attempted, "be attempted several times")
    observed = Observed(
        calls=len(journal.records()) - calls,
        status_writes=Counter(
            call.path.split("/")[-2] for call in gate.writes(writes) if call.path.endswith("/status")
        ),
        new={customer.name: customer.installation for customer in new},
        old=[await _tenant_objects(customer) for customer in old],
        metrics=(await talkdesk.platform.fetch("operator", "/metrics"))[1],
    )
    talkdesk.simulator.faults.clear(fault)
    return new, observed


def _was_attempted(obj: Object) -> bool:
    attempted: bool = obj.get("status", {}).get("retry", {}).get("attempts", 0) >= ATTEMPTS
    return attempted


def _nobody_was_answered_or_rejected(observed: Observed) -> None:
    for obj in observed.new.values():
        assert condition(obj, "Answered") == "False"
        assert obj["status"]["phase"] in {"Pending", "Provisioning", "Answering"}


async def _tenant_objects(customer: Customer) -> tuple[Object, ...]:
    """Return the customer's TalkdeskTenant and its objects, as far as they exist."""
    objects = [await customer.live("Namespace"), await customer.live("ConfigMap", "settings")]
    every = [*objects, await customer.live("Secret", "talkdesk"), customer.tenant]
    return tuple(each for each in every if each is not None)
