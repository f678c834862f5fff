"""Everything known in one pass over one installation.

A pass is a loop: `decide` looks at the scope and names one step (`steps`); the reconciler does it and puts what came of
it into a new scope; until the step is Finish. The scope holds results and failures alike as values, so that deciding
stays pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import HostAllowList
from talkdesk_crds.installation import (
    AccountFacts,
    Answer,
    InstallationPhase,
    Request,
    SubscriptionFacts,
    TalkdeskInstallation,
)
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.talkdesk import Credentials, RemoteInstallation, RemoteTrial
from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.template import CompiledTemplate

__all__ = [
    "AcknowledgementState",
    "CompiledApp",
    "CompiledRule",
    "CredentialsMissing",
    "Facts",
    "Failure",
    "RemoteMissing",
    "RemoteRefused",
    "RetryClass",
    "Role",
    "Scope",
    "SendState",
    "Tenancy",
    "TenancyState",
    "UsersOutcome",
]


class Role(Enum):
    """What the account's tenant is to an installation."""

    OWNER = auto()
    """Live, and the newest: the tenant is made for it."""
    LAST_OWNER = auto()
    """Ended or ending, and no live one has the tenant: it must see the tenant off."""
    NON_OWNER = auto()
    """The tenant is another installation's."""


class RetryClass(StrEnum):
    """How soon a failure is worth another try."""

    TRANSIENT = "Soon"
    """Likely to pass by itself within seconds."""
    SLOW = "Slow"
    """Somebody must change something, though maybe not here: a scope, a network, Talkdesk."""
    TERMINAL = "Never"
    """Only a change of our own objects helps, and that is noticed anyway."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work, fit for a condition."""

    reason: Reason
    message: str
    retry_class: RetryClass
    retry_after: timedelta | None = None
    """How long the other side asked us to wait."""
    fixed: timedelta | None = None
    """Exactly when to look again, instead of a back-off."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One of an app's rules for rejecting a request, understood."""

    expression: Expression
    reason: str
    """What Talkdesk is told."""


@dataclass(frozen=True, slots=True)
class CompiledApp:
    """A TalkdeskApp, understood as far as it can be."""

    resource: TalkdeskApp
    hosts: HostAllowList | None
    template: CompiledTemplate | None
    problem: str = ""
    """What is wrong with it, when something here is missing."""
    reject_rules: tuple[CompiledRule, ...] = ()
    """The app's `approval.rejectWhen`."""

    @property
    def identity(self) -> str:
        """The service account in whose name all tenant objects are touched, as the API server calls it."""
        name = self.resource.spec.tenant.service_account_name
        return f"system:serviceaccount:{self.resource.metadata.namespace}:{name}"


@dataclass(frozen=True, slots=True)
class CredentialsMissing:
    """There are no usable credentials."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Facts:
    """What a template may know of the account and its subscription."""

    account: AccountFacts
    subscription: SubscriptionFacts
    created_by: str | None = None
    """Talkdesk's id of the user who installed the app."""


@dataclass(frozen=True, slots=True)
class RemoteMissing:
    """Talkdesk answered 404 for the installation."""

    message: str


@dataclass(frozen=True, slots=True)
class RemoteRefused:
    """Talkdesk could not be read."""

    failure: Failure


class TenancyState(Enum):
    """What came of working on the tenant."""

    READY = auto()
    """Everything is applied and ready."""
    WAITING = auto()
    """Applied; something is not ready yet."""
    FAILED = auto()
    """An object could not be applied or deleted."""
    OFFBOARDED = auto()
    """What goes at an uninstall is gone."""
    DELETING = auto()
    """Objects are going; some are still there."""
    PURGED = auto()
    """Nothing is left."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The outcome of Provision, Offboard or Purge."""

    state: TenancyState
    message: str = ""
    failure: Failure | None = None
    """Set when FAILED."""
    since: datetime | None = None
    """Since when it is WAITING or DELETING."""


@dataclass(frozen=True, slots=True)
class UsersOutcome:
    """What came of reading the licensed users, and of bringing them to the SCIM service where the app has one."""

    licensed: int
    """Different users on Talkdesk's list, as far as it was read."""
    listed: bool = True
    """Whether the list was read to its end."""
    synced: int = 0
    """Of these, how many the service has as they should be."""
    failed: int = 0
    """Users for whom it did not work."""
    done: bool = True
    """False when there is more to do and only the time was over: come again at once."""
    failure: Failure | None = None
    """Why nobody, or nobody else, could be looked at."""
    trouble: Failure | None = None
    """Why it did not work for some, who hold up nobody else."""
    message: str = ""
    """For a condition."""

    @property
    def finished(self) -> bool:
        """Whether everybody was looked at."""
        return self.done and self.failure is None


class AcknowledgementState(Enum):
    """What came of acknowledging rotated credentials."""

    DONE = auto()
    """Talkdesk took it, or had it already."""
    FAILED = auto()
    """It is to be tried again."""


class SendState(Enum):
    """What came of sending an answer."""

    DELIVERED = auto()
    """Talkdesk took it."""
    UNCLEAR = auto()
    """Talkdesk's own state must tell whether it was taken."""
    REFUSED = auto()
    """Not taken, for certain."""
    OUTDATED = auto()
    """Not sent: the request changed in the meantime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """All that is known in one pass."""

    now: datetime
    app: CompiledApp | None
    installation: TalkdeskInstallation
    role: Role
    tenant: TalkdeskTenant | None
    resync: bool = False
    """Whether to look at everything anew though nothing seems to have changed."""
    background: bool = False
    """Whether nothing but the periodic look is the cause, so that everybody else goes first."""
    drifted: bool = False
    """Whether an object of the tenant was seen to be changed or deleted by somebody else."""

    credentials: Credentials | CredentialsMissing | None = None
    remote: RemoteInstallation | RemoteMissing | RemoteRefused | None = None
    facts: Facts | None = None
    trial: RemoteTrial | None = None
    """The trial as Talkdesk itself has it; read where the subscription is a trial."""
    token_url: str | None = None
    """Where tokens come from, when it is not where the events say: the account may have got another name."""
    secret_name: str | None = None
    """The Secret that `credentials` are from: that of the spec, or another that Talkdesk still takes."""
    users: UsersOutcome | None = None
    acknowledged: AcknowledgementState | None = None
    ack_failure: Failure | None = None
    tenancy: Tenancy | None = None
    answer: Answer | None = None
    """The answer to the present request, as far as it got."""
    sent: SendState | None = None
    send_failure: Failure | None = None
    credentials_deleted: bool = False
    previous_versions_deleted: bool = False
    """Whether the sets that the present one replaced were deleted."""
    missed_request_recorded: bool = False
    """Whether a request was put into the spec whose event never came."""
    erased: bool = False
    failure: Failure | None = None
    """Set when the Kubernetes API failed; ends the pass."""

    @property
    def request(self) -> Request:
        """The request; only to be asked for where there is one."""
        request = self.installation.spec.request
        if request is None:
            raise LookupError("the installation has no request")
        return request

    @property
    def policy(self) -> CompiledApp:
        """The app; only to be asked for where there is one."""
        if self.app is None:
            raise LookupError("the installation has no app")
        return self.app

    @property
    def kept_phase(self) -> InstallationPhase:
        """The phase to stay in while nothing can be found out."""
        return self.installation.status.phase or InstallationPhase.PENDING

    @property
    def known_facts(self) -> Facts:
        """The facts as just read, else as last written down, else what the events told."""
        if self.facts is not None:
            return self.facts
        spec, status = self.installation.spec, self.installation.status
        account = status.account or AccountFacts(id=spec.account_id, name=spec.account_name)
        return Facts(account, status.subscription or SubscriptionFacts(), status.created_by)

    @property
    def owned(self) -> bool:
        """Whether there is a tenant that this installation must look after."""
        return self.tenant is not None and self.role is not Role.NON_OWNER
