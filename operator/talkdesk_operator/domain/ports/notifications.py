"""The port to endpoints that are told what happens, by CloudEvents.

Belongs here: one event, and sending it once. Does not belong here: what is told to whom (`domain.notifications`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from talkdesk_operator.domain.ports.hooks import Answer, HookTarget, Unanswered

__all__ = ["CloudEventDraft", "NotificationSender"]


@dataclass(frozen=True, slots=True)
class CloudEventDraft:
    """A CloudEvent of version 1.0, without its form on the wire."""

    id: str
    """The same for each endpoint and each repetition."""
    source: str
    type: str
    subject: str
    time: datetime
    sequence: int
    """Grows with each event of the subject; the extension `sequence`."""
    data: Mapping[str, Any] = field(repr=False)
    """Plain JSON."""


class NotificationSender(Protocol):
    """Endpoints. Nothing is raised but for a cancellation."""

    def held(self, target: HookTarget) -> Unanswered | None:
        """Return why nothing would be sent now, because the endpoint keeps failing; None where it would."""
        ...

    async def send(self, target: HookTarget, url: str, event: CloudEventDraft) -> Answer:
        """Send the event once, signed."""
        ...
