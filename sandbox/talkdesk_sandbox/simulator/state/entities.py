"""The entities of the state: apps, accounts, users, installations, credentials, events.

Belongs here: data and questions about one entity alone. Does not belong here: rules (`lifecycle`), effects on others.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from talkdesk_sandbox.simulator.crypto.key_pairs import KeyPair
from talkdesk_sandbox.simulator.state.installation_state import InstallationState

TrialEnd = Literal["trial_expired", "app_uninstalled", "plan_upgraded"]
Plan = Literal["trial", "paid"]


@dataclass(slots=True)
class User:
    """A user of an account."""

    id: str
    email: str
    name: str
    created_at: datetime
    active: bool = True


@dataclass(slots=True, eq=False)
class Account:
    """A customer."""

    id: str
    name: str
    company_name: str
    timezone: str
    created_at: datetime
    root: str | None = None
    """Its own gateway, unless that is the simulator's public URL."""
    users: dict[str, User] = field(default_factory=dict)
    users_made: int = 0
    """How many users it has ever had, so that made-up names stay unique."""


@dataclass(slots=True)
class App:
    """A partner's app: its version, its callback, from when each scope works, and its part in single sign-on."""

    id: str
    name: str
    version_id: str
    version_name: str
    scopes: dict[str, datetime]
    callback: str | None = None
    url: str | None = None
    """What a user's browser opens who launches it."""
    redirect_uris: tuple[str, ...] = ()
    """Where a login may lead; a star stands for a label of the host where `redirect_uri_check` says so."""


@dataclass(slots=True)
class Credentials:
    """One version of an installation's OAuth credentials."""

    client_id: str
    key_id: str
    issued_at: datetime
    secret: str = field(repr=False)
    key: KeyPair = field(repr=False)
    acknowledged_at: datetime | None = None
    ends_at: datetime | None = None
    """When this version stops working; None while it is not replaced."""

    def works(self, now: datetime) -> bool:
        """Return whether a token can be had with this version."""
        return self.ends_at is None or now < self.ends_at


@dataclass(slots=True)
class Subscription:
    """What the customer pays for."""

    name: str
    type: Plan
    licenses: int


@dataclass(slots=True)
class Trial:
    """A trial of an installation."""

    started_at: datetime
    expires_at: datetime
    subscription_name: str
    ended_at: datetime | None = None
    ended_reason: TrialEnd | None = None


@dataclass(slots=True)
class Change:
    """A requested update whose answer is pending."""

    adding: list[str] = field(default_factory=list)
    removing: list[str] = field(default_factory=list)
    subscription: Subscription | None = None


@dataclass(slots=True)
class Installation:
    """An app in an account."""

    id: str
    app_id: str
    account_id: str
    created_at: datetime
    created_by: User
    subscription: Subscription
    state: InstallationState
    updated_at: datetime
    reason: str | None = None
    pending_since: datetime | None = None
    users: dict[str, None] = field(default_factory=dict)
    """Licensed users' ids, in order."""
    credentials: list[Credentials] = field(default_factory=list)
    """Oldest first."""
    trial: Trial | None = None
    change: Change | None = None
    answers: list[str] = field(default_factory=list)
    """Accepted answers, as `verb:state`, e.g. `approve:completed`."""

    @property
    def current(self) -> Credentials:
        """The newest version of the credentials."""
        return self.credentials[-1]

    def enter(self, state: InstallationState, now: datetime, reason: str | None = None) -> None:
        """Change to a state."""
        self.state, self.updated_at, self.reason = state, now, reason


@dataclass(frozen=True, slots=True)
class Event:
    """An event, with its body as it goes over the wire. The body may contain credentials: it is never printed."""

    id: str
    type: str
    app_id: str
    account_id: str
    installation_id: str
    created_at: datetime
    document: dict[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
