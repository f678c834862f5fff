"""What became of deliveries: seen in the app's status and in the log, whatever is sent and however much of it."""

from typing import Any

import pytest
import structlog

from builders.api_server import ApiServer
from builders.journal import Journal
from builders.manual_clock import ManualClock
from builders.objects import app_object
from talkdesk_crds.app import TalkdeskApp
from talkdesk_runtime.kube_errors import KubeConflict, KubeUnreachable
from talkdesk_webhook.event_reports import EventReports

STATUS = "PATCH talkdeskapps/sentiment/status"


class World:
    """An app, its reports, and a clock."""

    def __init__(self) -> None:
        self.journal, self.clock = Journal(), ManualClock()
        self.api = ApiServer(app_object(), journal=self.journal)
        self.reports = self.replica()

    def replica(self) -> EventReports:
        return EventReports(self.api.kube, clock=self.clock.runtime_clock())

    def refuse(self, times: int = 1, status: int = 403, reason: str = "foreign_app", app: str = "sentiment") -> None:
        for _ in range(times):
            self.reports.refused("team", app, status, reason)

    @property
    def events(self) -> dict[str, Any]:
        found = TalkdeskApp.read(self.api.get("TalkdeskApp", "sentiment")).status.events
        return {} if found is None else found.wire()


@pytest.fixture
def world() -> World:
    world = World()
    world.reports.found("team", "sentiment")
    return world


@pytest.mark.case(85)
async def test_refusals_are_counted_by_reason_and_the_last_one_is_named(world: World) -> None:
    world.refuse(3)
    world.clock.advance(1)
    world.refuse(status=415, reason="content_type")
    await world.reports.write()
    assert world.events == {
        "lastRefused": {"time": "2026-05-01T10:00:01Z", "status": 415, "reason": "content_type"},
        "counts": [
            {"status": 403, "reason": "foreign_app", "count": 3},
            {"status": 415, "reason": "content_type", "count": 1},
        ],
        "signingKeys": [],
    }
    world.refuse()
    await world.reports.write()
    assert world.events["counts"][0]["count"] == 4


@pytest.mark.case(85)
async def test_a_made_up_app_causes_no_request(world: World) -> None:
    for number in range(5000):
        world.refuse(app=f"made-up-{number}", status=404, reason="app_unknown")
    await world.reports.write()
    assert world.api.requests == []


@pytest.mark.case(85)
async def test_any_number_of_refusals_takes_one_write_in_each_interval(world: World) -> None:
    world.refuse(5000)
    await world.reports.write()
    await world.reports.write()
    assert world.journal.writes == [STATUS]


async def test_a_receipt_alone_is_written_every_ten_minutes(world: World) -> None:
    for minute in range(25):
        world.reports.accepted("team", "sentiment")
        await world.reports.write()
        assert len(world.journal.writes) == 1 + minute // 10
        world.clock.advance(60)
    assert world.events["lastReceivedTime"]


@pytest.mark.case(5)
async def test_a_key_that_has_signed_for_the_first_time_is_written_at_once_and_the_newest_stand_first(
    world: World,
) -> None:
    other = world.replica()
    other.found("team", "sentiment")
    for number, key_id in enumerate(["first", "second", "first", "second", "third"]):
        world.reports.accepted("team", "sentiment", key_id)
        await world.reports.write()
        assert len(world.journal.writes) == min(number + 1, 2) + (key_id == "third")
    assert world.events["signingKeys"] == ["third", "second", "first"]
    for key_id in ("fourth", "first", "fifth"):
        other.accepted("team", "sentiment", key_id)
        await other.write()
    assert world.events["signingKeys"] == ["fifth", "first", "fourth", "third"]


@pytest.mark.case(5)
async def test_a_key_that_could_not_be_written_is_written_next_time(world: World) -> None:
    world.journal.fail(STATUS, KubeUnreachable("away"))
    world.reports.accepted("team", "sentiment", "first")
    await world.reports.write()
    world.reports.accepted("team", "sentiment", None)
    await world.reports.write()
    assert world.events["signingKeys"] == ["first"]


async def test_two_replicas_add_to_each_other(world: World) -> None:
    other = world.replica()
    other.found("team", "sentiment")
    other.refused("team", "sentiment", 403, "foreign_app")
    world.refuse(2)
    await world.reports.write()
    await other.write()
    assert world.events["counts"] == [{"status": 403, "reason": "foreign_app", "count": 3}]


@pytest.mark.parametrize("error", [KubeConflict("newer"), KubeUnreachable("away")], ids=str)
async def test_what_could_not_be_written_is_added_to_the_next_attempt(world: World, error: Exception) -> None:
    world.journal.fail(STATUS, error)
    world.refuse(2)
    await world.reports.write()
    world.refuse()
    await world.reports.write()
    assert world.events["counts"] == [{"status": 403, "reason": "foreign_app", "count": 3}]


async def test_an_app_that_is_gone_is_forgotten(world: World) -> None:
    world.api.remove("TalkdeskApp", "sentiment")
    world.refuse()
    await world.reports.write()
    world.refuse()
    await world.reports.write()
    assert len(world.api.requests) == 1


@pytest.mark.case(85)
def test_one_line_a_minute_is_logged_for_each_reason_with_the_number_of_the_others(world: World) -> None:
    with structlog.testing.capture_logs() as lines:
        world.refuse(10)
        world.refuse(5, status=503, reason="busy")
        world.clock.advance(61)
        world.refuse()
    assert [(line["status"], line["reason"], line["not_logged"]) for line in lines] == [
        (403, "foreign_app", 0),
        (503, "busy", 0),
        (403, "foreign_app", 9),
    ]
    assert {line["log_level"] for line in lines} == {"warning"}
