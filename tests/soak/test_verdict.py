"""The verdict on a storm finds what is lost and what was deleted without a reason, on a Talkdesk without a cluster."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from soak.stage import APP, Stage
from soak.verdict import Deletion, Verdict
from talkdesk_crds.names import installation_name
from talkdesk_sandbox.simulator import Behavior, Settings, Simulator, commands
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.delivery.deliveries import Attempt, Delivery
from talkdesk_sandbox.simulator.state import Installation

KEEP_FOR = timedelta(minutes=1)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Told:
    """A Talkdesk whose clock stands still but for `later`, and whose events are delivered at once."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.clock = Clock(wall=lambda: START)
        settings = Settings(behavior=Behavior(timestamp_form="milliseconds"))
        self.simulator = Simulator(settings, public_url="http://talkdesk", client=client, clock=self.clock)

    def later(self, seconds: float) -> None:
        self.clock.forward(timedelta(seconds=seconds))

    def acknowledge(self) -> None:
        """Deliver every event that was not delivered yet."""
        log = self.simulator.dispatcher.log
        known = {each.event.id for each in log}
        for event in self.simulator.state.events.values():
            if event.id not in known:
                log.append(Delivery(len(log), event, "", "delivered", [Attempt(self.clock.now(), 0.0, 200, None)]))

    def install(self) -> Installation:
        outcome = self.simulator.install(commands.Install(account="acme", app_id="app", deliver=False))
        self.acknowledge()
        return self.simulator.state.installation(outcome.installation_id)

    def uninstall(self, it: Installation) -> None:
        self.simulator.uninstall(commands.Uninstall(installation=it.id, deliver=False))
        self.acknowledge()

    def reinstall(self) -> None:
        self.simulator.reinstall(commands.Reinstall(account="acme", app_id="app", deliver=False))
        self.acknowledge()

    def verdict(self, **installations: Any) -> Verdict:
        stage = SimpleNamespace(simulator=self.simulator, tenant_of=lambda account: f"td-{account}")
        return Verdict(cast("Stage", stage), installations, {}, {}, KEEP_FOR)

    def deleted(self, plural: str, it: Installation) -> list[str]:
        """Return what is wrong with a deletion right now."""
        return list(self.verdict().wrong([Deletion(self.clock.now(), plural, "all", f"td-{it.account_id}")]))


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    async with httpx.AsyncClient() as client:
        yield Told(client)


async def test_whoever_has_the_app_loses_nothing(told: Told) -> None:
    it = told.install()
    told.later(5)
    assert "no uninstall before" in told.deleted("secrets", it)[0]


async def test_after_an_uninstall_secrets_go_at_once_and_data_after_the_retention(told: Told) -> None:
    it = told.install()
    told.later(5)
    told.uninstall(it)
    told.later(5)
    assert told.deleted("secrets", it) == []
    assert "had not ended" in told.deleted("configmaps", it)[0]
    told.later(60)
    assert told.deleted("configmaps", it) == []


async def test_a_reinstall_ends_the_reason_to_delete_but_for_what_crosses_with_it(told: Told) -> None:
    it = told.install()
    told.later(5)
    told.uninstall(it)
    told.later(5)
    told.reinstall()
    told.later(1)
    assert told.deleted("secrets", it) == []
    told.later(30)
    assert "installed again" in told.deleted("secrets", it)[0]


async def test_an_answer_is_double_when_there_are_more_than_requests(told: Told) -> None:
    it = told.install()
    for status in (200, 403):
        path = f"/apps/app/installations/{it.id}/state"
        told.simulator.journal.open(told.clock.now(), "POST", path).answered = status
    [sentence] = told.verdict().doubles()
    assert sentence.startswith(f"{it.id}: 2 answers (200 at ")
    assert "to 1 requests (app.installed at " in sentence
    told.simulator.update(commands.Update(installation=it.id, plan="Gold", deliver=False))
    assert list(told.verdict().doubles()) == []
    assert told.verdict().moot == 1


async def test_an_acknowledged_event_that_is_not_in_its_register_is_lost_and_one_that_was_overtaken_is_not(
    told: Told,
) -> None:
    it = told.install()
    (installed,) = told.simulator.state.events.values()
    told.later(5)
    told.uninstall(it)
    uninstalled = list(told.simulator.state.events.values())[-1]
    name = installation_name(APP, it.id)
    credentials = {"eventId": installed.id, "eventTime": installed.created_at.isoformat()}
    older = {"spec": {"request": credentials, "credentials": credentials}}
    newer = {"spec": {"request": {"eventId": uninstalled.id, "eventTime": ""}, "credentials": credentials}}
    assert [sentence.split()[0] for sentence in told.verdict(**{name: older}).lost()] == ["app.uninstalled"]
    assert list(told.verdict(**{name: newer}).lost()) == []
    assert len(list(told.verdict().lost())) == 3
