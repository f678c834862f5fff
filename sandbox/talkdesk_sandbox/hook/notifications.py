"""Notifications of what happens to customers: CloudEvents, each taken once; by docs/how-to/notifications.md.

Belongs here: what an event says, and that a repetition changes nothing. Does not belong here: HTTP, signatures, and
what is done with an event (`partner`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import select

from talkdesk_sandbox.hook.partner import Partner
from talkdesk_sandbox.hook.records import Notification, Records

__all__ = ["Event", "EventUnusable", "Notifications", "read"]


class EventUnusable(Exception):
    """The body is no CloudEvent of version 1.0 that we understand; the text says why."""


@dataclass(frozen=True)
class Event:
    """What the operator tells."""

    id: str
    """The same whenever it is sent again."""
    type: str
    subject: str
    """Talkdesk's id of the installation."""
    sequence: str
    """Digits of a fixed number, so that texts sort as numbers do; grows with each event of the subject."""
    time: str
    data: Mapping[str, Any] = field(repr=False)


def read(key: str, raw: bytes) -> Event:
    """Return the event in a body whose signed message id is `key`. Raises EventUnusable."""
    try:
        event = from_structured(HTTPMessage({}, raw), JSONFormat(), CloudEvent)
    except (BaseCloudEventException, ValueError, TypeError, AttributeError, RecursionError):
        # The library's own words may quote the body.
        raise EventUnusable("the body is not a CloudEvent of version 1.0 in JSON") from None
    attributes, data = event.get_attributes(), event.get_data()
    # Where there is no id, the library makes one up, another for each repetition.
    if attributes["id"] != key:
        raise EventUnusable("the id is not the one in webhook-id")
    subject, sequence = attributes.get("subject"), attributes.get("sequence")
    if not isinstance(subject, str) or not isinstance(sequence, str):
        raise EventUnusable("there is no subject, or no sequence")
    if not isinstance(data, dict):
        raise EventUnusable("data is no JSON object")
    return Event(attributes["id"], attributes["type"], subject, sequence, attributes["time"].isoformat(), data)


class Notifications:
    """Takes each event once, and keeps it."""

    def __init__(self, records: Records, partner: Partner) -> None:
        self._records = records
        self._partner = partner

    def take(self, event: Event) -> None:
        """Hand an event to `partner` unless it was here before. Raises PartnerFailed, and it will be sent again."""
        with self._records.transaction() as session:
            if session.scalar(select(Notification.id).where(Notification.id == event.id)) is not None:
                return
            session.add(
                Notification(
                    id=event.id,
                    type=event.type,
                    subject=event.subject,
                    sequence=event.sequence,
                    time=event.time,
                    data=dict(event.data),
                )
            )
            self._partner.told(event.type, event.subject, event.data)

    def of(self, subject: str) -> Sequence[Event]:
        """Return what was told of an installation, in the order in which it came."""
        ordered = select(Notification).where(Notification.subject == subject).order_by(Notification.arrival)
        with self._records.transaction() as session:
            return [Event(n.id, n.type, n.subject, n.sequence, n.time, n.data) for n in session.scalars(ordered)]
