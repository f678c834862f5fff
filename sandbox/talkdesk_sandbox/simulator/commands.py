"""What the control API takes and gives, as pydantic models shared by its routes and its client.

Belongs here: shapes of commands and results. Does not belong here: carrying them out (`simulator`).
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from talkdesk_sandbox.simulator.durations import Duration
from talkdesk_sandbox.simulator.faults import Fault
from talkdesk_sandbox.simulator.model import Plan, TrialEnd
from talkdesk_sandbox.simulator.settings import DEFAULT_APP_ID

AccountName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Command(_Model):
    deliver: bool = True
    """False: the event is kept and not sent; sign or deliver it yourself by its id."""


class SubscriptionSpec(_Model):
    """A subscription."""

    name: str = "Standard"
    type: Plan = "paid"
    licenses: int = Field(3, ge=0)


class Install(_Command):
    """Install an app; the account and the app are made when they are new."""

    account: AccountName
    app_id: Id = DEFAULT_APP_ID
    account_id: Id | None = None
    """Id of the account if it is new."""
    company_name: str | None = None
    timezone: str = "Europe/Lisbon"
    subscription: SubscriptionSpec = SubscriptionSpec()
    users: int = Field(2, ge=0, le=100_000)
    """How many users get a licence; the account gets as many as it lacks."""


class Which(_Model):
    """An installation: by its id, or the newest live one of an account."""

    installation: Id | None = None
    account: AccountName | None = None
    app_id: Id | None = None
    """Narrows `account`."""

    @model_validator(mode="after")
    def _names_one(self) -> "Which":
        if (self.installation is None) == (self.account is None):
            raise ValueError("name either an installation or an account")
        return self


class Target(Which, _Command):
    """A command to one installation."""


class Update(Target):
    """The customer changes users or plan."""

    adding: int | tuple[Id, ...] = ()
    """Users to license: ids, or how many new ones to make."""
    removing: tuple[Id, ...] = ()
    licenses: int | None = Field(None, ge=0)
    plan: str | None = None
    type: Plan | None = None


class Uninstall(Target):
    """The customer uninstalls."""

    reason_type: str = "other"
    reason: str = "No longer needed."


class Reinstall(_Command):
    """The customer installs the app again, with the plan and users of the last time."""

    account: AccountName
    app_id: Id | None = None
    same_id: bool | None = None
    """Whether the installation id stays; by default as `reinstall_same_id` says."""


class Rotate(Target):
    """Talkdesk rotates an installation's credentials."""

    compromised: bool = False
    """No grace: the old set is dead at once."""


class TrialCommand(Target):
    """A trial starts, is extended or ends."""

    action: Literal["start", "extend", "end"]
    length: Duration | None = None
    """Of `start` and `extend`; 30 days when missing."""
    reason: TrialEnd = "trial_expired"
    """Of `end`."""


class Logout(Target):
    """A user logs out."""

    user: Id | None = None
    """By default the installation's first licensed user."""


class Supervise(Which):
    """Talkdesk's staff suspends, resumes or revokes an installation; no event."""

    action: Literal["suspend", "resume", "revoke"]


class Users(_Model):
    """Changes to an account's users; no event."""

    account: AccountName
    add: int = Field(0, ge=0, le=100_000)
    remove: tuple[Id, ...] = ()
    deactivate: tuple[Id, ...] = ()
    license: bool = False
    """Whether the added ones get a licence in every live installation, as auto-provisioning does."""


class Rename(_Model):
    """An account gets another name."""

    account: AccountName
    name: AccountName


class AppChange(_Model):
    """A partner changes an app in the portal; it is made when it is new."""

    app_id: Id = DEFAULT_APP_ID
    name: str | None = None
    version_name: str | None = None
    callback: str | None = None
    """Where its events go; without one, to the callback of the settings."""
    scopes: tuple[str, ...] | None = None
    """All its scopes; added ones work after `scope_propagation`."""


class Move(_Model):
    """The clock moves forward."""

    by: Duration


class EventRef(_Model):
    """An event, without its content."""

    id: str
    type: str
    installation_id: str
    created_at: datetime


class Outcome(_Model):
    """What a command did."""

    installation_id: str
    account_id: str
    account_name: str
    app_id: str
    state: str
    """The installation's state by the Apps API's names."""
    client_id: str
    """Of the newest credentials."""
    events: tuple[EventRef, ...] = ()
    """Events it raised."""


class Signed(_Model):
    """A signed event, ready to be sent by somebody else. The body may hold credentials: never printed."""

    event_id: str
    headers: dict[str, str]
    body: str = Field(repr=False)
    url: str | None


class AttemptView(_Model):
    """One try to deliver."""

    at: datetime
    latency: float
    """Seconds."""
    status: int | None
    error: str | None


class DeliveryView(_Model):
    """One delivery of one event."""

    number: int
    event_id: str
    type: str
    installation_id: str
    url: str
    state: Literal["sending", "waiting", "held", "delivered", "lost"]
    next_at: datetime | None
    faults: tuple[str, ...]
    attempts: tuple[AttemptView, ...]


class RecordView(_Model):
    """One request of a consumer; see `journal.Record`."""

    sequence: int
    at: datetime
    method: str
    path: str
    account: str | None
    installation_id: str | None
    effect: str | None
    fault: str | None
    status: int | None
    answered: int | None


class FaultView(_Model):
    """A fault that is set."""

    number: int
    hits: int
    fault: Fault


class ClockView(_Model):
    """The simulator's time."""

    now: datetime
    offset: Duration


class InstallationView(_Model):
    """An installation as tests and people want to see it; no secrets."""

    id: str
    app_id: str
    account_id: str
    account_name: str
    state: str
    pending: bool
    """Whether an answer is awaited."""
    answer_until: datetime | None
    reason: str | None
    answers: tuple[str, ...]
    """Accepted answers, as `approve:completed`."""
    plan: str
    type: Plan
    licenses: int
    users: tuple[str, ...]
    client_ids: tuple[str, ...]
    """Of credentials that work, oldest first."""
    acknowledged: bool
    """Whether the newest credentials were acknowledged."""
    trial_until: datetime | None
    trial_ended: str | None


class WorldView(_Model):
    """Everything at a glance."""

    now: datetime
    public_url: str
    apps: dict[str, str | None]
    """App ids and their own callbacks."""
    accounts: dict[str, int]
    """Account names and how many users they have."""
    installations: tuple[InstallationView, ...]
    signing_key_id: str
    settings: dict[str, Any]
