"""What became of Talkdesk's deliveries to an app, as its status says it."""

from typing import Annotated

from pydantic import Field

from talkdesk_crds.fields import ATOMIC, Id, Model, Moment, Word, listed_by

__all__ = ["EventsStatus", "RefusalCount", "RefusedEvent"]


class RefusedEvent(Model):
    """A delivery that was not answered with 200."""

    time: Moment
    """When it was refused."""
    status: int
    """The HTTP status of the answer."""
    reason: Word
    """Why, in one word of the webhook's; the same is in its answer and metrics."""


class RefusalCount(Model):
    """How many deliveries were refused for one reason."""

    status: int
    """The HTTP status of the answers."""
    reason: Word
    """Why, in one word of the webhook's."""
    count: Annotated[int, Field(ge=1)]
    """How many, since the app was made; those of a webhook that was killed may be missing."""


class EventsStatus(Model):
    """What became of deliveries to the app; written by the webhook, seldom."""

    last_received_time: Moment | None = None
    """When an event was taken last; up to ten minutes late."""
    last_refused: RefusedEvent | None = None
    """The last delivery that was refused, whoever sent it: anybody can send one."""
    counts: Annotated[
        tuple[RefusalCount, ...], Field(max_length=64, json_schema_extra=listed_by("status", "reason"))
    ] = ()
    """How many deliveries were refused, by status and reason."""
    signing_keys: Annotated[tuple[Id, ...], Field(max_length=4, json_schema_extra=ATOMIC)] = ()
    """Ids of the keys that signed events lately, the newest first; each webhook fetches them before an event comes."""
