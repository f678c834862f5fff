"""What one event leaves in the cluster: a Secret, registers of a TalkdeskInstallation, and that object when it is new.

Belongs here: the decision, as data; pure. Does not belong here: how it is written (inbox), what an event looks like
on the wire (talkdesk_crds.events).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from pydantic import TypeAdapter, ValidationError

from talkdesk_crds.events import (
    AppInstalled,
    AppUninstalled,
    AppUpdated,
    CredentialsRotated,
    CredentialsSet,
    Delta,
    Head,
    Links,
    TrialEnded,
    TrialExtended,
    TrialStarted,
)
from talkdesk_crds.fields import Url, to_wire_time
from talkdesk_crds.hosts import ForeignHostError, UnreadableUrlError
from talkdesk_crds.installation import (
    Credentials,
    CredentialsOrigin,
    Endpoints,
    Request,
    RequestType,
    Trial,
    TrialState,
)
from talkdesk_crds.names import installation_name, secret_name
from talkdesk_webhook.known_app import KnownApp

__all__ = [
    "EventRecord",
    "ForbiddenEvent",
    "Register",
    "SecretDraft",
    "StoredEvent",
    "check_event",
    "describe_changes",
    "record_of",
]

StoredEvent: TypeAlias = (
    AppInstalled | AppUpdated | AppUninstalled | TrialStarted | TrialExtended | TrialEnded | CredentialsRotated
)
"""The events that leave something in the cluster."""

_URL: TypeAdapter[str] = TypeAdapter(Url)


class ForbiddenEvent(Exception):
    """The event is not this app's; `reason` is one word for machines, `str()` is fit for an answer."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Register:
    """A part of the spec that is replaced as a whole, if the event is newer than what is there."""

    name: str
    event_id: str
    value: Mapping[str, Any]
    companions: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the spec that are written together with the register, or not at all."""

    @property
    def fields(self) -> dict[str, Any]:
        """The register and its companions, by their names in the spec."""
        return {self.name: self.value, **self.companions}

    def at(self, moment: datetime) -> "Register":
        """Return the register with another time of its event."""
        return replace(self, value={**self.value, "eventTime": to_wire_time(moment)})


@dataclass(frozen=True)
class SecretDraft:
    """One credential version; the name derives from the content."""

    name: str
    material: Mapping[str, str] = field(repr=False)
    event_time: datetime
    """When the event was made."""
    origin: CredentialsOrigin
    """What the event was."""


@dataclass(frozen=True)
class EventRecord:
    """Everything that one event leaves in the cluster."""

    namespace: str
    app: str
    name: str
    """Name of the TalkdeskInstallation."""
    installation_id: str
    account_id: str
    event_id: str
    event_time: datetime
    registers: tuple[Register, ...]
    secret: SecretDraft | None = None
    create_first: bool = False
    """True when the event normally is the first of its installation, so that the object does not exist yet."""
    time_is_receipt: bool = False
    """Whether `event_time` is when this delivery was received: another time may be on record for the event."""

    def at(self, moment: datetime) -> "EventRecord":
        """Return the record with the time that is on record for its event."""
        registers = tuple(register.at(moment) for register in self.registers)
        return replace(self, event_time=moment, registers=registers, time_is_receipt=False)


def check_event(app: KnownApp, head: Head) -> None:
    """Raise ForbiddenEvent unless the event is for this app and links to no host but the app's own.

    What can't be read as a URL leads to no host, and is not stored either.
    """
    if head.app_id != app.app_id:
        raise ForbiddenEvent("foreign_app", "the event is for another app than the one at this address")
    links, hosts = head.links, app.hosts
    for link, check in (
        (links.root, hosts.check_api),
        (links.tokens, hosts.check_token),
        (links.authorization, hosts.check_token),
    ):
        if link is None:
            continue
        try:
            check(link)
        except ForeignHostError as error:
            if not isinstance(error, UnreadableUrlError) or _can_be_stored(link):
                raise ForbiddenEvent("foreign_host", f"_links: {error}") from None


def record_of(app: KnownApp, event: StoredEvent) -> EventRecord:
    """Return what to store of an event that `check_event` accepted."""
    match event:
        case AppInstalled(head, credentials):
            record = _record(app, head, _request(head, RequestType.INSTALL))
            return _with_credentials(record, head, credentials, CredentialsOrigin.INSTALL)
        case AppUpdated(head, delta):
            return _record(app, head, _request(head, RequestType.UPDATE, changes=describe_changes(delta)))
        case AppUninstalled(head, reason):
            return _record(app, head, _request(head, RequestType.UNINSTALL, reason=reason))
        case TrialStarted(head, expires_at):
            return _record(app, head, _trial(head, TrialState.STARTED, expires_at))
        case TrialExtended(head, expires_at):
            return _record(app, head, _trial(head, TrialState.EXTENDED, expires_at))
        case TrialEnded(head, expires_at, ended_reason):
            return _record(app, head, _trial(head, TrialState.ENDED, expires_at, ended_reason))
        case CredentialsRotated(head, credentials):
            return _with_credentials(_record(app, head), head, credentials, CredentialsOrigin.ROTATION)
        case _:
            assert_never(event)


def describe_changes(delta: Delta) -> str | None:
    """Return what an update changes, for people: `2 users added, 1 removed; plan Pro; 10 licenses`."""
    added, removed = delta.users_added, delta.users_removed
    parts = []
    if added:
        parts.append(f"{_counted(added, 'user')} added" + (f", {removed} removed" if removed else ""))
    elif removed:
        parts.append(f"{_counted(removed, 'user')} removed")
    if delta.plan is not None:
        parts.append(f"plan {delta.plan}")
    if delta.licenses is not None:
        parts.append(_counted(delta.licenses, "license"))
    return "; ".join(parts) or None


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _record(app: KnownApp, head: Head, *registers: Register) -> EventRecord:
    return EventRecord(
        namespace=app.namespace,
        app=app.name,
        name=installation_name(app.name, head.installation_id),
        installation_id=head.installation_id,
        account_id=head.account_id,
        event_id=head.event_id,
        event_time=head.created_at,
        registers=registers,
        time_is_receipt=head.time_is_receipt,
    )


def _with_credentials(
    record: EventRecord, head: Head, issued: CredentialsSet, origin: CredentialsOrigin
) -> EventRecord:
    material = issued.material()
    secret = SecretDraft(secret_name(record.name, material.values()), material, head.created_at, origin)
    credentials = Credentials(
        secret_name=secret.name, event_id=head.event_id, event_time=head.created_at, origin=origin
    )
    endpoints = _endpoints(head.links)
    companions = {} if endpoints is None else {"endpoints": endpoints.wire()}
    register = Register("credentials", head.event_id, credentials.wire(), companions)
    return replace(
        record,
        registers=(*record.registers, register),
        secret=secret,
        create_first=origin is CredentialsOrigin.INSTALL,
    )


def _request(head: Head, kind: RequestType, *, reason: str | None = None, changes: str | None = None) -> Register:
    request = Request(
        type=kind,
        event_id=head.event_id,
        event_time=head.created_at,
        app_version=head.app_version,
        reason=reason,
        changes=changes,
    )
    # The account's name is as old as the request: a late event must not bring an old name back.
    companions = {} if head.account_name is None else {"accountName": head.account_name}
    return Register("request", head.event_id, request.wire(), companions)


def _trial(head: Head, state: TrialState, expires_at: datetime | None, ended_reason: str | None = None) -> Register:
    trial = Trial(
        state=state,
        event_id=head.event_id,
        event_time=head.created_at,  # never `ended_at`: all registers are ordered by the time of the event
        expiration_time=expires_at,
        ended_reason=ended_reason,
    )
    return Register("trial", head.event_id, trial.wire())


def _can_be_stored(link: str) -> bool:
    """Return whether the kind takes the link for a URL."""
    with suppress(ValidationError):
        return bool(_URL.validate_python(link))
    return False


def _endpoints(links: Links) -> Endpoints | None:
    """Return the endpoints when the links name both that are needed; without them the app's region decides.

    A link that is no URL is none: it must not keep the event from being stored.
    """
    if links.root is None or links.tokens is None:
        return None
    for authorization in (links.authorization, None):
        with suppress(ValidationError):
            return Endpoints(api=links.root.rstrip("/"), token=links.tokens, authorization=authorization)
    return None
