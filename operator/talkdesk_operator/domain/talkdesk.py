"""The port to Talkdesk's API: what the operator asks of it, what it gets back, and how a call can fail.

Belongs here: the types of both directions, the meaning of Talkdesk's open list of states, the error tree.
Does not belong here: URLs, JSON, tokens, waiting; `adapters.talkdesk` implements the port.

Errors, which the adapter raises and nothing else does:

    TalkdeskError
    ├── Transient             may work later; `retry_after` when Talkdesk said how much later
    │   ├── Unavailable       5xx, DNS, connection, TLS, proxy, time-out: nothing was changed
    │   ├── RateLimited       429, or the pause that Talkdesk asked for isn't over
    │   ├── Malformed         a success whose body is empty, too big, no JSON, or lacks what it must have
    │   └── OutcomeUnknown    a change was sent and its result got lost: read before sending again
    └── Permanent             the same call will fail again until something else changes
        ├── Unauthorized      401, with a new token too
        │   └── InvalidCredentials    no token for these credentials, or a key that can't be used
        ├── Forbidden         403
        ├── NotFound          404 from the API gateway (never from a token host)
        ├── Conflict          409
        ├── Refused           any other 4xx
        ├── ForeignHost       the URL leads to a host that isn't the app's; nothing was sent
        └── Redirected        3xx; it was not followed
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from pydantic import SecretStr

from talkdesk_crds.app import AuthMethod
from talkdesk_crds.hosts import HostAllowList
from talkdesk_crds.installation import Decision

__all__ = [
    "Access",
    "Account",
    "AuthMethod",
    "Conflict",
    "Credentials",
    "Decision",
    "Forbidden",
    "ForeignHost",
    "InvalidCredentials",
    "Malformed",
    "NotFound",
    "OutcomeUnknown",
    "Permanent",
    "RateLimited",
    "Redirected",
    "Refused",
    "RemoteInstallation",
    "RemoteState",
    "Subscription",
    "TalkdeskApi",
    "TalkdeskError",
    "Transient",
    "Unauthorized",
    "Unavailable",
    "classify",
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of an installation's OAuth credentials, as Talkdesk's event brought it. Its repr shows no secret."""

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
    """Everything a call needs beside its own arguments."""

    api_url: str
    """Base URL of the API gateway."""
    token_url: str
    """The account's token URL."""
    credentials: Credentials
    method: AuthMethod
    scopes: tuple[str, ...]
    """OAuth scopes to ask for; none asks for all that were granted."""
    region_key: str
    """Names the app and its region. Calls with the same key share one limiter."""
    hosts: HostAllowList
    """Where the app may go; both URLs are checked against it before the first call."""


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
    """What Talkdesk's state of an installation means to us. The state itself is an open list of words."""

    PENDING = "Pending"
    """Something waits for our answer, or Talkdesk is at work."""
    DONE = "Done"
    """Installed or updated; nothing waits."""
    REJECTED = "Rejected"
    """The last request ended against the customer; nothing waits."""
    TIMED_OUT = "TimedOut"
    """Nobody answered in time; the customer may ask again."""
    SUSPENDED = "Suspended"
    """The customer's use is stopped for now."""
    REVOKED = "Revoked"
    """No longer installed."""
    UNKNOWN = "Unknown"
    """A word that isn't documented, or none."""


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
    # Talkdesk's schema gives the two verbs as states.
    "approve": RemoteState.DONE,
    "reject": RemoteState.REJECTED,
    # Spellings that mean the same.
    "approved": RemoteState.DONE,
    "timed_out": RemoteState.TIMED_OUT,
}


def classify(state: str) -> RemoteState:
    """Say what a state word means; total, and blind to case, separators and space around it."""
    word = state.strip().lower().replace("-", "_").replace(" ", "_")
    return _WORDS.get(word, RemoteState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class RemoteInstallation:
    """An installation as Talkdesk sees it."""

    id: str
    state: str
    """Talkdesk's own word; empty when it gave none. `standing` says what it means."""
    reason: str | None = None
    updated_at: datetime | None = None
    """When the state changed last, with zone."""
    app_id: str | None = None
    account_id: str | None = None
    server_time: datetime | None = None
    """Talkdesk's clock at the moment of reading, to judge windows of time without our own clock's error."""

    @property
    def standing(self) -> RemoteState:
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

    async def answer(self, access: Access, app_id: str, installation_id: str, decision: Decision, reason: str) -> None:
        """Answer whatever request of the installation is pending; an empty reason is left out.

        Never sent twice by itself, except after a 401. After OutcomeUnknown, `installation` decides.
        """
        ...

    def forget(self, access: Access) -> None:
        """Drop the cached token of these credentials, and the one that is being fetched."""
        ...

    async def aclose(self) -> None:
        """Close connections; no call may follow."""
        ...


class TalkdeskError(Exception):
    """A call failed; the message is for people, names call and host, and never holds a secret."""

    def __init__(self, message: str, *, server_time: datetime | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.server_time = server_time
        """Talkdesk's clock at the moment of the answer, if there was one."""


class Transient(TalkdeskError):
    """May work later."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        server_time: datetime | None = None,
    ) -> None:
        super().__init__(message, server_time=server_time)
        self.retry_after = retry_after
        """How long Talkdesk asked us to wait."""


class Unavailable(Transient):
    """Talkdesk couldn't be reached or couldn't answer. Nothing was changed."""


class RateLimited(Transient):
    """Talkdesk asked for fewer calls. Nothing was changed."""


class Malformed(Transient):
    """Talkdesk said success with a body that can't be used."""


class OutcomeUnknown(Transient):
    """A change was sent, and whether it was made isn't known."""


class Permanent(TalkdeskError):
    """The same call fails again until something else changes."""


class Unauthorized(Permanent):
    """The API gateway takes no token of these credentials, not even a new one."""


class InvalidCredentials(Unauthorized):
    """The token endpoint refuses these credentials, or they can't be used at all."""


class Forbidden(Permanent):
    """These credentials may not do that: a scope is missing, or a customer restricts addresses."""


class NotFound(Permanent):
    """The API gateway knows nothing at that address; after `installation`, the installation may be gone."""


class Conflict(Permanent):
    """The call doesn't fit the present state."""


class Refused(Permanent):
    """Talkdesk refuses the call for another reason."""


class ForeignHost(Permanent):
    """A URL leads to a host that isn't among the app's; nothing was sent."""


class Redirected(Permanent):
    """Talkdesk answered with a redirect, which is never followed: it would take secrets elsewhere."""
