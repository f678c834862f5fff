"""The endpoint for notifications: CloudEvents, signed, each taken once."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from typing_extensions import override

from builders.hook_service import KEYS, NEXT_KEYS
from talkdesk_operator.adapters.notifications.sender import _structured
from talkdesk_operator.domain.ports.notifications import CloudEventDraft
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.hook import Notifications, Partner, PartnerFailed, Service, application
from talkdesk_sandbox.hook.records import Records

NOW = 1_800_000_000.0
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "//appconnect.example.com/namespaces/apps/talkdeskapps/sentiment",
    "type": "com.example.appconnect.installation.Installed",
    "subject": "i1",
    "time": "2026-11-30T10:00:00Z",
    "datacontenttype": "application/json",
    "sequence": "0000000001",
    "data": {"phase": "Provisioning", "account": {"id": "a1", "name": "acme"}},
}


class Counting(Partner):
    """Counts what it is told, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self.failures = 0

    @override
    def told(self, kind: str, installation: str, data: Mapping[str, Any]) -> None:
        super().told(kind, installation, data)
        if self.failures:
            self.failures -= 1
            raise PartnerFailed("the queue is full")
        self.heard.append((kind.rpartition(".")[2], installation, data))


class Endpoint:
    """The service, and whoever sends to it."""

    def __init__(self, client: httpx.AsyncClient, notifications: Notifications) -> None:
        self.client = client
        self.notifications = notifications

    async def post(
        self, body: bytes, *, key: str = "e1", keys: WebhookSecrets = KEYS, at: float = NOW
    ) -> httpx.Response:
        headers = keys.headers(key, datetime.fromtimestamp(at, UTC), body)
        headers |= {"content-type": "application/cloudevents+json"}
        return await self.client.post("/v1/notifications", content=body, headers=headers)

    async def tell(self, **changes: Any) -> int:
        """Send the event with these attributes; return the status."""
        event = {name: value for name, value in (EVENT | changes).items() if value is not ...}
        return (await self.post(json.dumps(event).encode(), key=changes.get("id", "e1"))).status_code

    def kept(self, subject: str = "i1") -> list[str]:
        return [each.id for each in self.notifications.of(subject)]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    kept = Records(tmp_path / "hook.db")
    yield kept
    kept.close()


@pytest.fixture
def partner() -> Counting:
    return Counting()


@pytest_asyncio.fixture
async def endpoint(records: Records, partner: Counting) -> AsyncIterator[Endpoint]:
    notifications = Notifications(records, partner)
    app = application(Service(records, partner), notifications, KEYS.keys, lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hook.example.com") as client:
        yield Endpoint(client, notifications)


async def test_an_event_is_handed_on_and_kept(endpoint: Endpoint, partner: Counting) -> None:
    assert await endpoint.tell() == 200
    [kept] = endpoint.notifications.of("i1")
    assert (kept.id, kept.type, kept.sequence, kept.data) == ("e1", EVENT["type"], EVENT["sequence"], EVENT["data"])
    assert datetime.fromisoformat(kept.time) == datetime(2026, 11, 30, 10, tzinfo=UTC)
    assert partner.heard == [("Installed", "i1", EVENT["data"])]


async def test_what_the_operator_sends_is_understood(endpoint: Endpoint) -> None:
    at = datetime(2026, 11, 30, 10, tzinfo=UTC)
    _, body = _structured(CloudEventDraft("e1", EVENT["source"], EVENT["type"], "i1", at, 7, EVENT["data"]))
    assert (await endpoint.post(body)).status_code == 200
    assert [each.sequence for each in endpoint.notifications.of("i1")] == ["0000000007"]


async def test_a_repetition_is_answered_by_200_and_kept_once(
    endpoint: Endpoint, partner: Counting, tmp_path: Path
) -> None:
    assert [await endpoint.tell() for _ in range(3)] == [200, 200, 200]
    again = Records(tmp_path / "hook.db")
    assert [each.id for each in Notifications(again, partner).of("i1")] == ["e1"], "also after a restart"
    again.close()
    assert len(partner.heard) == 1


async def test_the_order_in_which_events_came_is_kept_by_subject(endpoint: Endpoint) -> None:
    for name, subject in (("b", "i1"), ("x", "i2"), ("a", "i1"), ("b", "i1"), ("c", "i1")):
        assert await endpoint.tell(id=name, subject=subject) == 200
    assert endpoint.kept() == ["b", "a", "c"]
    assert endpoint.kept("i2") == ["x"]


async def test_what_could_not_be_handed_on_is_not_kept_and_may_come_again(
    endpoint: Endpoint, partner: Counting
) -> None:
    partner.failures = 1
    assert await endpoint.tell() == 500
    assert endpoint.kept() == []
    assert await endpoint.tell() == 200
    assert endpoint.kept() == ["e1"]


@pytest.mark.parametrize(
    ("keys", "age"), [(NEXT_KEYS, 0), (KEYS, 301), (KEYS, -301)], ids=["another key", "too old", "in the future"]
)
async def test_a_signature_that_is_not_right_is_refused(
    endpoint: Endpoint, partner: Counting, keys: WebhookSecrets, age: int
) -> None:
    answer = await endpoint.post(json.dumps(EVENT).encode(), keys=keys, at=NOW - age)
    assert answer.status_code == 401
    assert endpoint.kept() == []
    assert partner.heard == []


async def test_an_event_without_a_signature_is_refused(endpoint: Endpoint) -> None:
    answer = await endpoint.client.post("/v1/notifications", json=EVENT)
    assert answer.status_code == 401


async def test_one_of_two_signatures_is_enough(endpoint: Endpoint) -> None:
    both = WebhookSecrets(NEXT_KEYS.keys + KEYS.keys)
    assert (await endpoint.post(json.dumps(EVENT).encode(), keys=both)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"type": ...},
        {"source": ""},
        {"time": "soon"},
        {"time": 5},
        {"time": "2026-11-30T10:00:00"},
        {"subject": ...},
        {"sequence": ...},
        {"sequence": 1},
        {"data": ...},
        {"data": "text"},
        {"data": ..., "data_base64": 5},
    ],
    ids=str,
)
async def test_a_body_that_is_no_event_of_ours_is_refused(
    endpoint: Endpoint, partner: Counting, changes: dict[str, Any]
) -> None:
    assert await endpoint.tell(**changes) == 400
    assert partner.heard == []


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"5", b"\xff", b"{", b"[" * 100_000], ids=lambda b: b[:3])
async def test_a_body_that_is_no_object_is_refused(endpoint: Endpoint, body: bytes) -> None:
    assert (await endpoint.post(body)).status_code == 400


async def test_an_id_that_is_not_the_signed_one_is_refused(endpoint: Endpoint) -> None:
    body = json.dumps({**EVENT, "id": "e2"}).encode()
    without = json.dumps({name: value for name, value in EVENT.items() if name != "id"}).encode()
    assert [(await endpoint.post(each)).status_code for each in (body, without)] == [400, 400]


async def test_a_body_that_is_too_long_is_not_read(endpoint: Endpoint) -> None:
    assert (await endpoint.post(b" " * 1_048_577)).status_code == 413


async def test_a_refusal_quotes_nothing(endpoint: Endpoint) -> None:
    answer = await endpoint.post(json.dumps({**EVENT, "source": 5, "canary": "canary"}).encode())
    assert answer.status_code == 400
    assert "canary" not in answer.text
