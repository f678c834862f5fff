"""The port to Talkdesk's API: what the operator calls, and what it gets back.

Belongs here: the types of both directions, the meaning of Talkdesk's open list of states.
Does not belong here: URLs, JSON, tokens, waiting; `adapters.talkdesk` implements the port. How a call can fail is
drawn in `talkdesk_errors`, whose classes this module exports as well.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from pydantic import SecretStr

from talkdesk_crds.app import AuthMethod
from talkdesk_crds.hosts import HostAllowList
from talkdesk_crds.installation import Decision
from talkdesk_operator.domain.ports.talkdesk_errors import (
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskForeignHost,
    TalkdeskInvalidCredentials,
    TalkdeskMalformed,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskPermanent,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskRefused,
    TalkdeskTransient,
    TalkdeskUnauthorized,
    TalkdeskUnavailable,
)

__all__ = [
    "Access",
    "Account",
    "AuthMethod",
    "Credentials",
    "Decision",
    "RemoteInstallation",
    "RemoteState",
    "RemoteTrial",
    "Subscription",
    "TalkdeskApi",
    "TalkdeskConflict",
    "TalkdeskError",
    "TalkdeskForbidden",
    "TalkdeskForeignHost",
    "TalkdeskInvalidCredentials",
    "TalkdeskMalformed",
    "TalkdeskNotFound",
    "TalkdeskOutcomeUnknown",
    "TalkdeskPermanent",
    "TalkdeskRateLimited",
    "TalkdeskRedirected",
    "TalkdeskRefused",
    "TalkdeskTransient",
    "TalkdeskUnauthorized",
    "TalkdeskUnavailable",
    "User",
    "classify",
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """One version of an installation's OAuth credentials, as Talkdesk's event sent it. Its repr shows no secret."""

    client_id: str
    client_secret: SecretStr
    """Used with AuthMethod.BASIC; may be empty otherwise."""
    private_key: SecretStr
    """PKCS#8 or SEC1, as PEM or as bare base64; used with AuthMethod.PRIVATE_KEY_JWT, may be empty otherwise."""
    key_id: str
    key_algorithm: str
    """ES256, ES384, ES512, PS256, PS384 or PS512."""


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that a call needs in addition to its own arguments."""

    api_url: str
    """Base URL of the API gateway."""
    token_url: str
    """The account's token URL."""
    credentials: Credentials
    method: AuthMethod
    scopes: tuple[str, ...]
    """OAuth scopes to request; without any, all granted scopes are requested."""
    region_key: str
    """Names the app and its region. Calls with the same key share one limiter."""
    hosts: HostAllowList
    """The hosts that may be called; both URLs are checked against it before the first call."""
    holder: str
    """The installation that the credentials are of, `namespace/name`. What is cached of them is its own: a new version
    takes the place of the one before."""
    urgent: bool = False
    """An answer's deadline is near: the call is made even while the host's circuit is open, and waits for no pause that
    Talkdesk asked of another account's call."""
    last_attempt: bool = False
    """The deadline is so near that no other attempt follows: the call waits for no pause at all."""
    background: bool = False
    """The call belongs to a periodic resync, so it leaves capacity for calls that somebody waits for."""


@dataclass(frozen=True, slots=True)
class Account:
    """A customer's account."""

    id: str
    name: str | None = None
    """Unique, and the account's subdomain; the customer can change it."""
    company_name: str | None = None
    timezone: str | None = None
    """An IANA name."""


class RemoteState(StrEnum):
    """What Talkdesk's state of an installation means. The state itself is an open list of words."""

    PENDING = "Pending"
    """A request waits for the operator's answer, or Talkdesk is processing one."""
    DONE = "Done"
    """Installed or updated; no request waits."""
    REJECTED = "Rejected"
    """The last request was rejected or failed; no request waits."""
    TIMED_OUT = "TimedOut"
    """The last request was not answered in time; the customer may repeat it."""
    SUSPENDED = "Suspended"
    """The customer's use is stopped for now."""
    REVOKED = "Revoked"
    """No longer installed."""
    UNKNOWN = "Unknown"
    """A word that is not documented, or no word."""


_WORDS: Final = {
    # Documented.
    "installing": RemoteState.PENDING,
    "pending": RemoteState.PENDING,
    "completed": RemoteState.DONE,
    "rejected": RemoteState.REJECTED,
    "failed": RemoteState.REJECTED,
    "timeout": RemoteState.TIMED_OUT,
    "suspended": RemoteState.SUSPENDED,
    "revoked": RemoteState.REVOKED,
    # Found only in prose.
    "updating": RemoteState.PENDING,
    "uninstalling": RemoteState.PENDING,
    "uninstalled": RemoteState.REVOKED,
    # Talkdesk's schema lists the two verbs as states.
    "approve": RemoteState.DONE,
    "reject": RemoteState.REJECTED,
    # Spellings that mean the same.
    "approved": RemoteState.DONE,
    "timed_out": RemoteState.TIMED_OUT,
}


def classify(state: str) -> RemoteState:
    """Return what a state word means, for any word; case, separators and surrounding space are ignored."""
    word = state.strip().lower().replace("-", "_").replace(" ", "_")
    return _WORDS.get(word, RemoteState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class RemoteInstallation:
    """An installation as Talkdesk sees it."""

    id: str
    state: str
    """Talkdesk's own word; empty when it gave none. `classified_state` says what it means."""
    reason: str | None = None
    updated_at: datetime | None = None
    """When the state last changed, with time zone."""
    app_id: str | None = None
    account_id: str | None = None
    created_by: str | None = None
    """Id of the user who installed the app."""
    server_time: datetime | None = None
    """Talkdesk's clock at the moment of reading, to compare its times without the error of our own clock."""

    @property
    def classified_state(self) -> RemoteState:
        """What the state means."""
        return classify(self.state)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the customer pays for."""

    type: str | None = None
    """`trial` or `paid`."""
    license_type: str | None = None
    """`individual` or `universal`."""
    name: str | None = None
    licenses: int | None = None
    """Number of seats."""


@dataclass(frozen=True, slots=True)
class RemoteTrial:
    """An installation's trial as Talkdesk sees it."""

    state: str
    """Talkdesk's own word; empty when it gave none."""
    expires_at: datetime | None = None
    """With time zone, like all times here."""
    ended_at: datetime | None = None
    ended_reason: str | None = None
    """`trial_expired`, `app_uninstalled`, `plan_upgraded`, or a word that is not documented."""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user with a license. Its repr shows nothing personal."""

    id: str
    """The only stable part: a customer can change everything else."""
    email: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    active: bool | None = None
    """None when Talkdesk does not say."""
    gender: str | None = field(default=None, repr=False)
    extension: str | None = field(default=None, repr=False)
    external_phone_number: str | None = field(default=None, repr=False)


class TalkdeskApi(Protocol):
    """Talkdesk's API as the operator uses it. Every method raises TalkdeskError and nothing else."""

    async def account(self, access: Access) -> Account:
        """Read the account that the credentials belong to."""
        ...

    async def installation(self, access: Access, app_id: str, installation_id: str) -> RemoteInstallation:
        """Read the installation and its state."""
        ...

    async def subscription(self, access: Access, app_id: str, installation_id: str) -> Subscription:
        """Read the installation's subscription."""
        ...

    async def trial(self, access: Access, app_id: str, installation_id: str) -> RemoteTrial:
        """Read the installation's trial. Raises TalkdeskNotFound when it never had one."""
        ...

    def users(self, access: Access, app_id: str, installation_id: str) -> AsyncIterator[tuple[User, ...]]:
        """Read the licensed users, one page of the list at a time; only the current page is kept in memory.

        The list may change while it is read, so a user can be on two pages. Only a list that was read to its end is
        complete: after an error, start again.
        """
        ...

    async def answer(
        self, access: Access, app_id: str, installation_id: str, decision: Decision, reason: str
    ) -> datetime | None:
        """Answer whatever request of the installation is pending; an empty reason is left out.

        Return when the state changed with it, by Talkdesk's clock; None when Talkdesk does not say. Sent once, except
        after a 401. After TalkdeskOutcomeUnknown, read `installation` to find out what happened.
        """
        ...

    async def acknowledge(self, access: Access, app_id: str, installation_id: str, client_id: str) -> None:
        """Acknowledge the rotated credentials of that client: Talkdesk revokes the previous version at once.

        Raises TalkdeskConflict when there is nothing to acknowledge, for example because it was acknowledged before.
        Sent once, except after a 401. It is safe to send it again after TalkdeskOutcomeUnknown.
        """
        ...

    def forget(self, holder: str) -> None:
        """Drop the tokens and the key that are cached for an installation, and a token that is being fetched for it."""
        ...

    async def aclose(self) -> None:
        """Close connections; no call may follow."""
        ...
