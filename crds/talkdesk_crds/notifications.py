"""What the status of a TalkdeskInstallation says of notifications: what was told, and what is still to be."""

from typing import Annotated

from pydantic import Field

from talkdesk_crds.app_notifications import NotificationType
from talkdesk_crds.fields import SET, Id, LabelName, Model, Moment, Word, listed_by, unknown_read_as

__all__ = ["MAX_PENDING", "EndpointStatus", "Notification", "NotificationsStatus", "Told"]

MAX_PENDING = 64
"""Notifications of one installation that wait for their delivery."""


class Notification(Model):
    """One thing that happened, until each endpoint that is to know it was told."""

    id: Word
    """Id of the CloudEvent; the same for each endpoint and each repetition."""
    sequence: Annotated[int, Field(ge=0)]
    """Its place among all of the installation."""
    type: Annotated[NotificationType | None, unknown_read_as(None, NotificationType)] = None
    """What happened: Installed, Updated, Approved, Rejected, TimedOut, Suspended, Resumed, Uninstalled, Purged,
    DeadlineNear or Stuck."""
    time: Moment
    """When it happened."""
    queue_time: Moment
    """When it was put down to be told."""
    endpoints: Annotated[tuple[LabelName, ...], Field(max_length=8, json_schema_extra=SET)] = ()
    """The endpoints that are still to be told."""
    phase: Word | None = None
    """The installation's phase then."""
    reason: Word | None = None
    """Reason of the condition Ready then."""
    message: Annotated[str, Field(max_length=512)] | None = None
    """Its message, for people."""
    request_type: Word | None = None
    """Type of the request: Install, Update or Uninstall."""
    request_id: Id | None = None
    """The request's event id."""
    deadline: Moment | None = None
    """Until when Talkdesk must have our answer, where it waits for one."""
    account_name: Annotated[str, Field(max_length=512)] | None = None
    """The account's unique name."""
    company_name: Annotated[str, Field(max_length=512)] | None = None
    """The company's name."""
    plan: Annotated[str, Field(max_length=512)] | None = None
    """Name of the subscription's plan."""


class EndpointStatus(Model):
    """How deliveries to one endpoint go; absent for one to which all is delivered."""

    name: LabelName
    """Name of the endpoint."""
    attempts: Annotated[int, Field(ge=0)] = 0
    """How many attempts failed one after the other."""
    next_attempt_time: Moment | None = None
    """When the next one is made."""
    reason: Word | None = None
    """Why the last one failed, as one word."""
    message: Annotated[str, Field(max_length=512)] = ""
    """Why the last one failed, for people."""
    given_up: Annotated[int, Field(ge=0)] = 0
    """How many notifications were given up."""


class Told(Model):
    """What was put down last to be told of each thing, so that nothing is told twice."""

    request_id: Id | None = None
    """Event id of the last request."""
    request_type: Word | None = None
    """Type of that request."""
    answer_id: Id | None = None
    """Event id of the last request whose answer was told."""
    ending_id: Id | None = None
    """Event id of the last request whose end was told."""
    ending_reason: Word | None = None
    """How that request ended."""
    purged: bool = False
    """Whether the purge was told."""
    suspended: bool = False
    """Whether the suspension was told, and no resumption after it."""
    stuck: bool = False
    """Whether it was told that something is stuck, which has not ended since."""
    time_left: Word | None = None
    """The last mark before the deadline that was told."""


class NotificationsStatus(Model):
    """Notifications of one installation."""

    sequence: Annotated[int, Field(ge=0)] = 0
    """The place of the newest one. Places begin with the seconds since 1970, so that they grow although a status was
    lost."""
    told: Told = Told()
    """What was put down last to be told of each thing."""
    pending: Annotated[tuple[Notification, ...], Field(max_length=MAX_PENDING, json_schema_extra=listed_by("id"))] = ()
    """What was not delivered to every endpoint yet, oldest first."""
    endpoints: Annotated[tuple[EndpointStatus, ...], Field(max_length=8, json_schema_extra=listed_by("name"))] = ()
    """Endpoints to which the last attempt failed, or to which something was given up."""
