"""What is to be stored for an event: a Secret, registers of a TalkdeskInstallation, and that object when it is new.

Belongs here: the decision, as data; pure. Does not belong here: how it is written (inbox), what an event looks like
on the wire (talkdesk_crds.events).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias, assert_never

from talkdesk_crds.events import (
    AppInstalled,
    AppUninstalled,
    AppUpdated,
    CredentialsRotated,
    CredentialsSet,
    Head,
    Links,
    TrialEnded,
    TrialExtended,
    TrialStarted,
    UserLogout,
)
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_crds.installation import Credentials, Endpoints, Request, RequestType, Trial, TrialState
from talkdesk_crds.names import installation_name, secret_name
from talkdesk_webhook.apps import KnownApp

__all__ = ["ForbiddenEvent", "Intake", "Register", "SecretDraft", "StoredEvent", "check", "intake"]

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
    """One set of credentials; the name derives from the content."""

    name: str
    material: Mapping[str, str] = field(repr=False)
    issued_at: datetime
    """When the event was made."""


@dataclass(frozen=True)
class Intake:
    """Everything that one event leaves in the cluster."""

    namespace: str
    app: str
    name: str
    """Name of the TalkdeskInstallation."""
    installation_id: str
    account_id: str
    registers: tuple[Register, ...]
    secret: SecretDraft | None = None
    begins: bool = False
    """True when the event normally is the first of its installation, so that the object is not there yet."""


def check(app: KnownApp, head: Head) -> None:
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


def intake(app: KnownApp, event: StoredEvent | UserLogout) -> Intake | None:
    """Say what to store; None for an event that leaves nothing. The event has passed `check`."""
    match event:
        case AppInstalled(head, credentials):
            return _intake(app, head, _request(head, RequestType.INSTALL), credentials=credentials, begins=True)
        case AppUpdated(head):
            return _intake(app, head, _request(head, RequestType.UPDATE))
        case AppUninstalled(head, reason):
            return _intake(app, head, _request(head, RequestType.UNINSTALL, reason))
        case TrialStarted(head, expires_at):
            trial = Trial(state=TrialState.STARTED, event_id=head.event_id, at=head.created_at, expires_at=expires_at)
            return _intake(app, head, _trial(trial))
        case TrialExtended(head, expires_at):
            trial = Trial(state=TrialState.EXTENDED, event_id=head.event_id, at=head.created_at, expires_at=expires_at)
            return _intake(app, head, _trial(trial))
        case TrialEnded(head, expires_at, ended_reason):
            trial = Trial(
                state=TrialState.ENDED,
                event_id=head.event_id,
                at=head.created_at,
                expires_at=expires_at,
                ended_reason=ended_reason,
            )
            return _intake(app, head, _trial(trial))
        case CredentialsRotated(head, credentials):
            return _intake(app, head, credentials=credentials)
        case UserLogout():
            return None
        case _:
            assert_never(event)


def _intake(
    app: KnownApp, head: Head, *registers: Register, credentials: CredentialsSet | None = None, begins: bool = False
) -> Intake:
    name = installation_name(app.name, head.installation_id)
    secret = None
    if credentials is not None:
        material = credentials.material()
        secret = SecretDraft(secret_name(name, material.values()), material, head.created_at)
        registers = (*registers, _credentials(head, secret.name))
    return Intake(
        namespace=app.namespace,
        app=app.name,
        name=name,
        installation_id=head.installation_id,
        account_id=head.account_id,
        registers=registers,
        secret=secret,
        begins=begins,
    )


def _request(head: Head, kind: RequestType, reason: str | None = None) -> Register:
    request = Request(
        type=kind,
        event_id=head.event_id,
        requested_at=head.created_at,
        app_version=head.app_version,
        reason=reason,
    )
    # The account's name ages with the request: a late event must not bring an old name back.
    companions = {} if head.account_name is None else {"accountName": head.account_name}
    return Register("request", head.event_id, request.wire(), companions)


def _trial(trial: Trial) -> Register:
    return Register("trial", trial.event_id, trial.wire())


def _credentials(head: Head, secret: str) -> Register:
    credentials = Credentials(secret_name=secret, event_id=head.event_id, issued_at=head.created_at)
    endpoints = _endpoints(head.links)
    companions = {} if endpoints is None else {"endpoints": endpoints.wire()}
    return Register("credentials", head.event_id, credentials.wire(), companions)


def _endpoints(links: Links) -> Endpoints | None:
    """Give the endpoints when both that are needed are there; without them the app's region decides."""
    if links.root is None or links.tokens is None or max(len(links.root), len(links.tokens)) > _MAX_URL:
        return None
    authorization = links.authorization
    return Endpoints(
        api=links.root.rstrip("/"),
        token=links.tokens,
        authorization=authorization if authorization is None or len(authorization) <= _MAX_URL else None,
    )
