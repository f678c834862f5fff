"""Shapes of commands, as pydantic models shared by the control API's routes and its client.

Belongs here: shapes. Does not belong here: results (`views`), carrying commands out (`customers`, `staff`).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from talkdesk_sandbox.simulator.durations import Duration
from talkdesk_sandbox.simulator.settings import DEFAULT_APP_ID
from talkdesk_sandbox.simulator.state.entities import Plan, TrialEnd

RootUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$")]
CallbackUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]
AppUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s#]*)?$", max_length=2000)]
AccountName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Command(_Model):
    deliver: bool = True
    """False keeps the event without sending it; sign or deliver it yourself by its id."""


class SubscriptionSpec(_Model):
    """A subscription."""

    name: str = "Standard"
    type: Plan = "paid"
    licenses: int = Field(3, ge=0)


class Install(_Command):
    """A customer installs an app; the account and the app are created when they are new."""

    account: AccountName
    app_id: Id | None = None
    """Left out: the one app that has a callback of its own; where none has, the simulator's default app."""
    account_id: Id | None = None
    """Id of the account if it is new."""
    root: RootUrl | None = None
    """Of a new account: the gateway that its events name in `_links.root`, as an account of another region has; by
    default the simulator's public URL. Nothing checks that it leads to the simulator."""
    company_name: str | None = None
    timezone: str = "Europe/Lisbon"
    subscription: SubscriptionSpec = SubscriptionSpec()
    users: int = Field(2, ge=0, le=100_000)
    """How many users get a license; users that the account lacks are created."""


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
    """Users to license: their ids, or how many new users to create."""
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
    """Whether the installation id stays the same; by default as `reinstall_same_id` says."""


class Rotate(Target):
    """Talkdesk rotates an installation's credentials."""

    compromised: bool = False
    """The previous credential versions end at once, without a grace period."""


class TrialCommand(Target):
    """A trial starts, is extended or ends."""

    action: Literal["start", "extend", "end"]
    length: Duration | None = None
    """Of `start` and `extend`; 30 days when it is missing."""
    reason: TrialEnd = "trial_expired"
    """Of `end`."""


class Logout(Target):
    """A user logs out."""

    user: Id | None = None
    """By default the installation's first licensed user."""


class Launch(Which):
    """A user opens an installation's app; no event."""


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
    """Whether the added users get a license in every installation of the account, as auto-provisioning does."""


class Rename(_Model):
    """An account gets another name."""

    account: AccountName
    name: AccountName


class AppChange(_Model):
    """A partner changes an app in the portal; it is registered when it is new."""

    app_id: Id = DEFAULT_APP_ID
    name: str | None = None
    version_name: str | None = None
    callback: CallbackUrl | None = None
    """Where its events go; when missing, to the callback of the settings."""
    url: AppUrl | None = None
    """What a user's browser opens who launches it."""
    redirect_uris: tuple[AppUrl, ...] | None = None
    """All URIs that a login may lead to."""
    scopes: tuple[str, ...] | None = None
    """All its scopes; an added scope works after `scope_propagation`."""


class Move(_Model):
    """The clock moves forward."""

    by: Duration
