"""Events without a time that can be believed: one time for all deliveries, whoever takes them."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.api_server import ApiServer
from builders.events import APP_ID, NOON, event, installed, rotated, uninstalled
from builders.scripted_kube import stored
from talkdesk_crds.events import UnknownEvent, UserLogout, parse_event
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_crds.names import ANNOTATION_RECEIVE_TIMES
from talkdesk_webhook import receive_times
from talkdesk_webhook.event_record import EventRecord, record_of
from talkdesk_webhook.inbox import Inbox, Result
from talkdesk_webhook.known_app import KnownApp

APP = KnownApp("team", "sentiment", APP_ID, verify_signatures=True, hosts=HostAllowList.for_region(Region.US))
NAME = "sentiment-5c1f0a9b"
TOMORROW = "2026-03-02T12:00:00Z"


def received(body: dict[str, Any], after: timedelta) -> EventRecord:
    parsed = parse_event(body, NOON + after)
    assert not isinstance(parsed, UnknownEvent | UserLogout)
    return record_of(APP, parsed)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def request(api: ApiServer) -> dict[str, Any]:
    found: dict[str, Any] = api.get("TalkdeskInstallation", NAME, "team")["spec"]["request"]
    return found


def times(record: EventRecord, api: ApiServer) -> str:
    settled = receive_times.settled(record, api.get("TalkdeskInstallation", NAME, "team"))
    found: str = settled.registers[0].value["eventTime"]
    return found


@pytest.fixture
def api() -> ApiServer:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    return ApiServer(namespace)


@pytest.mark.case(35)
@pytest.mark.parametrize("created_at", [TOMORROW, "9999-12-31T23:59:59Z", "yesterday", None, 17], ids=str)
@pytest.mark.parametrize("make", [installed, uninstalled, lambda **it: event("app.updated", **it)])
async def test_each_delivery_of_an_event_without_a_believable_time_has_the_time_of_the_first(
    api: ApiServer, make: Any, created_at: Any
) -> None:
    body = make(created_at=created_at)
    assert await Inbox(api.kube).store(received(body, minutes(1))) is Result.STORED
    assert request(api)["eventTime"] == "2026-03-01T12:01:00Z"
    version = api.get("TalkdeskInstallation", NAME, "team")["metadata"]["resourceVersion"]
    assert await Inbox(api.kube).store(received(body, minutes(9))) is Result.DUPLICATE
    assert api.get("TalkdeskInstallation", NAME, "team")["metadata"]["resourceVersion"] == version


@pytest.mark.case(35)
@pytest.mark.parametrize(
    "first", [installed(created_at=TOMORROW), event("app.updated", created_at=TOMORROW)], ids=["install", "update"]
)
@pytest.mark.parametrize("after", [minutes(9), timedelta(days=2)], ids=["soon", "when its time has come"])
async def test_it_does_not_win_over_what_came_in_between(
    api: ApiServer, first: dict[str, Any], after: timedelta
) -> None:
    store = Inbox(api.kube).store
    await store(received(installed(id="event-0"), minutes(0)))
    await store(received(first, minutes(1)))
    await store(received(uninstalled(created_at="2026-03-01T12:05:00Z"), minutes(5)))
    # The API server refuses what is older than the uninstall; that the time is the older one is shown here.
    assert times(received(first, after), api) == "2026-03-01T12:01:00Z"


@pytest.mark.case(35)
async def test_receipts_are_kept_side_by_side_with_other_annotations_and_their_number_has_a_bound(
    api: ApiServer,
) -> None:
    store = Inbox(api.kube).store
    await store(received(installed(), minutes(0)))
    api.edit("TalkdeskInstallation", NAME, {"metadata": {"annotations": {"a": "b"}}}, "team")
    for number in range(40):
        body = rotated(mark=str(number), id=f"event-{number}", created_at=TOMORROW)
        assert await store(received(body, minutes(number))) is Result.STORED
    annotations = api.get("TalkdeskInstallation", NAME, "team")["metadata"]["annotations"]
    assert annotations["a"] == "b"
    kept = json.loads(annotations[ANNOTATION_RECEIVE_TIMES])
    assert len(kept) == 32
    assert kept["event-39"] == "2026-03-01T12:39:00Z"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "17", "{", '{"event-app.updated": 5}', '{"event-app.updated": "2026-03-01"}', "[" * 99999],
    ids=repr,
)
def test_an_annotation_that_makes_no_sense_counts_for_nothing(text: str) -> None:
    record = received(event("app.updated", created_at=TOMORROW), minutes(1))
    there = stored(annotations={ANNOTATION_RECEIVE_TIMES: text})
    assert receive_times.settled(record, there) == record
    (_, operation) = receive_times.operations(record, there)
    assert json.loads(operation["value"][ANNOTATION_RECEIVE_TIMES]) == {"event-app.updated": "2026-03-01T12:01:00Z"}


def test_a_receipt_that_no_annotation_has_is_seen_in_the_register() -> None:
    record = received(event("app.updated", created_at=TOMORROW), minutes(9))
    there = stored({"request": {"eventId": "event-app.updated", "eventTime": "2026-03-01T12:01:00Z"}})
    assert receive_times.settled(record, there).event_time == datetime.fromisoformat("2026-03-01T12:01:00Z")
