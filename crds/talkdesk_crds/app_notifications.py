"""What a TalkdeskApp says of notifications: who is told what happens to its customers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from talkdesk_crds.app_users import SecretKeyRef
from talkdesk_crds.fields import SET, Expression, LabelName, LocalRef, Model, PositiveDuration, Url

__all__ = ["NotificationEndpoint", "NotificationType"]


class NotificationType(StrEnum):
    """What happened to an installation."""

    INSTALLED = "Installed"
    """The customer asked to have the app installed."""
    UPDATED = "Updated"
    """The customer asked for a change: of users, or of the subscription."""
    APPROVED = "Approved"
    """Talkdesk has our approval of an install or update."""
    REJECTED = "Rejected"
    """An install or update was rejected, by us or at Talkdesk."""
    TIMED_OUT = "TimedOut"
    """Talkdesk gave up waiting for the answer to an install or update."""
    SUSPENDED = "Suspended"
    """The customer may not use the app for now: the trial ended, or Talkdesk suspended the installation."""
    RESUMED = "Resumed"
    """A customer who was suspended may use the app again."""
    UNINSTALLED = "Uninstalled"
    """The customer does not have the app any more: the uninstall is acknowledged, or Talkdesk has the installation no
    longer (reason Gone)."""
    PURGED = "Purged"
    """Nothing of the customer is left in the cluster and at the services of the template's steps."""
    DEADLINE_NEAR = "DeadlineNear"
    """A mark of `deadline.warnBefore` has passed, or the deadline, and Talkdesk still waits for the answer."""
    STUCK = "Stuck"
    """Something keeps failing, or waits for a person."""


class NotificationEndpoint(Model):
    """An endpoint that is told what happens, each time by one CloudEvent, signed as Standard Webhooks says."""

    name: LabelName = "default"
    """Name of the endpoint, unique in the app. What is not delivered yet goes on under the same name, also to another
    `url`."""
    url: Url
    """Where CloudEvents are posted (HTTP, structured mode). Any 2xx means that it is delivered."""
    secret_ref: SecretKeyRef
    """The signing key, `whsec_` and base64 or any other text; two lines are two keys, while one replaces the other.
    Nothing is sent to other hosts than the Secret's annotation `{GROUP}/for-hosts` names."""
    events: Annotated[tuple[NotificationType, ...], Field(max_length=32, json_schema_extra=SET)] = ()
    """What is told: Installed, Updated, Approved, Rejected, TimedOut, Suspended, Resumed, Uninstalled, Purged,
    DeadlineNear, Stuck. Without it, everything."""
    filter: Expression | None = None
    """CEL over `event` (`type`, `reason`, `phase`, `requestType`) and over `account`, `subscription`, `trial`,
    `installation` and `app` as templates see them: only what it is true for is told. Where it can't be evaluated, it
    is told."""
    timeout: PositiveDuration = "10s"
    """How long one request may take."""
    give_up_after: PositiveDuration = "7d"
    """For how long one notification is tried. After that it is given up, with an Event and a count in the status, and
    the next one of the installation is tried."""
    ca_bundle: Annotated[str, StringConstraints(max_length=65_536)] = ""
    """Certificates (PEM) of whom the endpoint's own must be; without it, any that the operator's machine trusts."""
    client_certificate_ref: LocalRef | None = None
    """A Secret of type `kubernetes.io/tls` with what the operator shows of itself in TLS. It needs the annotation
    `{GROUP}/for-hosts`, too."""
    allow_insecure: bool = False
    """Allow plain http, where the operator allows it too (`--allow-insecure`). Only for a laboratory."""
