"""What one event leaves in the cluster: a Secret, registers of a TalkdeskInstallation, and that object when it is new.

Belongs here: the decision, as data; pure. Does not belong here: how it is written (inbox), what an event looks like
on the wire (talkdesk_crds.events).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias, assert_never

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
from talkdesk_crds.hosts import ForeignHostError
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
from talkdesk_webhook.apps import KnownApp

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

_MAX_URL: Final = 512
"""What a TalkdeskInstallation can hold of a link."""

StoredEvent: TypeAlias = (
    AppInstalled | AppUpdated | AppUninstalled | TrialStarted | TrialExtended | TrialEnded | CredentialsRotated
)
"""The events that leave something in the cluster."""


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


@dataclass(frozen=True)
class SecretDraft:
    """One credential version; the name derives from the content."""

    name: str
    material: Mapping[str, str] = field(repr=False)
    event_time: datetime
    """When the event was made."""


@dataclass(frozen=True)
class EventRecord:
    """Everything that one event leaves in the cluster."""

    namespace: str
    app: str
    name: str
    """Name of the TalkdeskInstallation."""
    installation_id: str
    account_id: str
    registers: tuple[Register, ...]
    secret: SecretDraft | None = None
    create_first: bool = False
    """True when the event normally is the first of its installation, so that the object does not exist yet."""


def check_event(app: KnownApp, head: Head) -> None:
    """Raise ForbiddenEvent unless the event is for this app and links to no host but the app's own."""
    if head.app_id != app.app_id:
        raise ForbiddenEvent("foreign_app", "the event is for another app than the one at this address")
    try:
        if head.links.root is not None:
            app.hosts.check_api(head.links.root)
        for link in (head.links.tokens, head.links.authorization):
            if link is not None:
                app.hosts.check_token(link)
    except ForeignHostError as error:
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
        registers=registers,
    )


def _with_credentials(
    record: EventRecord, head: Head, issued: CredentialsSet, origin: CredentialsOrigin
) -> EventRecord:
    material = issued.material()
    secret = SecretDraft(secret_name(record.name, material.values()), material, head.created_at)
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


def _endpoints(links: Links) -> Endpoints | None:
    """Return the endpoints when the links name both that are needed; without them the app's region decides."""
    if links.root is None or links.tokens is None or max(len(links.root), len(links.tokens)) > _MAX_URL:
        return None
    authorization = links.authorization
    return Endpoints(
        api=links.root.rstrip("/"),
        token=links.tokens,
        authorization=authorization if authorization is None or len(authorization) <= _MAX_URL else None,
    )
