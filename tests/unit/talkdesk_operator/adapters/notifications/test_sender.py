"""A CloudEvent on the wire: what the specifications say, and the same bytes for the same event."""

from datetime import timedelta

from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from typing_extensions import override

from builders.objects import NOON
from talkdesk_operator.adapters.notifications import HttpNotificationSender
from talkdesk_operator.domain.ports.hooks import Answer, HookPort, HookRequest, HookTarget, Reply, Unanswered
from talkdesk_operator.domain.ports.notifications import CloudEventDraft
from talkdesk_runtime.standard_webhooks import WebhookSecrets

TARGET = HookTarget("team/app/default", WebhookSecrets.read("key"), timedelta(seconds=1))
EVENT = CloudEventDraft("id-1", "//x/y", "a.b.C", "i1", NOON, 7, {"name": "Zoë", "none": None})


class Client(HookPort):
    """Takes everything."""

    def __init__(self) -> None:
        self.sent: list[HookRequest] = []

    @override
    def held(self, target: HookTarget) -> Unanswered | None:
        return Unanswered(target.name, sent=False)

    @override
    async def call(self, target: HookTarget, request: HookRequest) -> Answer:
        self.sent.append(request)
        return Reply(204, {})


async def test_an_event_is_a_cloud_event_in_structured_mode_whose_id_is_the_message_s() -> None:
    client = Client()
    sender = HttpNotificationSender(client)
    for _ in range(2):
        assert await sender.send(TARGET, "https://a.example.com", EVENT) == Reply(204, {})
    first, again = client.sent
    assert first == again
    assert (first.method, first.url, first.key) == ("POST", "https://a.example.com", "id-1")
    assert first.content_type == "application/cloudevents+json"
    read = from_structured(HTTPMessage({"content-type": first.content_type}, first.body), JSONFormat())
    assert read.get_specversion() == "1.0"
    assert (read.get_id(), read.get_source(), read.get_type(), read.get_subject()) == ("id-1", "//x/y", "a.b.C", "i1")
    assert read.get_time() == NOON
    assert read.get_datacontenttype() == "application/json"
    assert read.get_extension("sequence") == "0000000007"
    assert read.get_data() == {"name": "Zoë", "none": None}


async def test_an_endpoint_that_keeps_failing_is_known_to_the_client() -> None:
    assert HttpNotificationSender(Client()).held(TARGET) == Unanswered("team/app/default", sent=False)
