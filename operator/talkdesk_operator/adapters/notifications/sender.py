"""CloudEvents in structured mode, by the CloudEvents project's own SDK, over the client for partners' services.

Belongs here: an event as JSON, and its media type. Does not belong here: bounds, signatures and circuit breakers
(`adapters.hooks`).
"""

from typing_extensions import override

from talkdesk_operator.domain.ports.hooks import Answer, HookPort, HookRequest, HookTarget, Unanswered
from talkdesk_operator.domain.ports.notifications import CloudEventDraft, NotificationSender

__all__ = ["HttpNotificationSender"]


class HttpNotificationSender(NotificationSender):
    """Sends CloudEvents through a client that signs as Standard Webhooks says: its message id is the event's."""

    def __init__(self, client: HookPort) -> None:
        """Take a client of its own, so that endpoints and the services of steps never wait for one another."""
        self._client = client

    @override
    def held(self, target: HookTarget) -> Unanswered | None:
        return self._client.held(target)

    @override
    async def send(self, target: HookTarget, url: str, event: CloudEventDraft) -> Answer:
        media_type, body = _structured(event)
        return await self._client.call(target, HookRequest("POST", url, event.id, body, media_type))


def _structured(draft: CloudEventDraft) -> tuple[str, bytes]:
    """Return the media type and the JSON, which is the same for the same draft."""
    # Only where an app has endpoints: the import takes 70 ms and some MB.
    from cloudevents.core.bindings.http import to_structured  # noqa: PLC0415
    from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415

    attributes = {
        "id": draft.id,
        "source": draft.source,
        "type": draft.type,
        "subject": draft.subject,
        "time": draft.time,
        "datacontenttype": "application/json",
        "sequence": f"{draft.sequence:010d}",
    }
    message = to_structured(CloudEvent(attributes, dict(draft.data)), JSONFormat())
    return message.headers["content-type"], message.body
