"""Everything that is known during one reconcile of one installation.

A reconcile is a loop: `decide` reads the scope and returns one step (`steps`); the reconciler does the step and puts
its outcome into a new scope; the loop ends with Finish. The scope holds results and failures alike as values, so that
deciding stays pure.

Belongs here: the scope and the outcomes of steps. Does not belong here: decisions.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from talkdesk_crds.conditions import Reason
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
from talkdesk_operator.domain.reconcile.compiled_app import CompiledApp, CompiledEndpoint, CompiledRule
from talkdesk_operator.domain.reconcile.failure import Failure, FaultOwner, RetryClass

__all__ = [
    "AcknowledgementState",
    "CompiledApp",
    "CompiledEndpoint",
    "CompiledRule",
    "CredentialsMissing",
    "Facts",
    "Failure",
    "FaultOwner",
    "RemoteFailed",
    "RemoteMissing",
    "RetryClass",
    "Role",
    "Scope",
    "SendState",
    "TenantOutcome",
    "TenantResult",
    "UsersOutcome",
]


class Role(Enum):
    """What an installation has to do with the account's tenant."""

    OWNER = auto()
    """The newest live installation: the tenant is provisioned for it."""
    LAST_OWNER = auto()
    """It ended or is ending, and no live installation owns the tenant: it must offboard the tenant."""
    NON_OWNER = auto()
    """Another installation owns the tenant."""


@dataclass(frozen=True, slots=True)
class CredentialsMissing:
    """There are no usable credentials."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Facts:
    """What Talkdesk knows about the account and its subscription, as far as templates may use it."""

    account: AccountFacts
    subscription: SubscriptionFacts
    created_by: str | None = None
    """Talkdesk's id of the user who installed the app."""


@dataclass(frozen=True, slots=True)
class RemoteMissing:
    """Talkdesk answered 404 for the installation."""

    message: str


@dataclass(frozen=True, slots=True)
class RemoteFailed:
    """Reading the installation at Talkdesk failed."""

    failure: Failure


class TenantResult(Enum):
    """How far a step on the tenant has come."""

    READY = auto()
    """All objects are applied and ready."""
    WAITING = auto()
    """Objects are applied; at least one is not ready yet."""
    FAILED = auto()
    """An object could not be applied or deleted."""
    OFFBOARDED = auto()
    """All objects of steps with `onOffboard: Delete` are deleted."""
    DELETING = auto()
    """Objects are being deleted; at least one still exists."""
    PURGED = auto()
    """All objects are deleted."""


@dataclass(frozen=True, slots=True)
class TenantOutcome:
    """The outcome of Provision, Offboard or Purge."""

    result: TenantResult
    message: str = ""
    failure: Failure | None = None
    """Set when FAILED."""
    started_at: datetime | None = None
    """Since when it is WAITING or DELETING."""
    wait: timedelta | None = None
    """How long a partner's service asked not to be asked."""
    anew: bool = False
    """Whether the template is to be filled in anew at once: a service has answered something new."""

    @property
    def done_but_outside(self) -> bool:
        """Whether all was done but for objects that are not where the app allows them, which no retry changes."""
        return self.failure is not None and self.failure.reason is Reason.OUTSIDE_TENANT


@dataclass(frozen=True, slots=True)
class UsersOutcome:
    """The outcome of SyncUsers or DeactivateUsers."""

    licensed: int
    """Number of different users on Talkdesk's list, as far as it was read."""
    listed: bool = True
    """Whether the list was read to its end."""
    synced: int = 0
    """How many of them are up to date at the SCIM service."""
    failed: int = 0
    """Number of users for whom it failed."""
    done: bool = True
    """False when only the time for one reconcile was used up: continue at once."""
    failure: Failure | None = None
    """Why the work ended early for all users that were left."""
    partial_failure: Failure | None = None
    """Why it failed for some users, which does not delay the others or the answer."""
    message: str = ""
    """For a condition."""

    @property
    def finished(self) -> bool:
        """Whether all users were handled, successfully or not."""
        return self.done and self.failure is None


class AcknowledgementState(Enum):
    """The outcome of Acknowledge."""

    DONE = auto()
    """Talkdesk accepted it, or had it already."""
    FAILED = auto()
    """It must be retried."""


class SendState(Enum):
    """The outcome of Send."""

    DELIVERED = auto()
    """Talkdesk accepted the answer."""
    UNCLEAR = auto()
    """The outcome was lost: only Talkdesk's own state shows whether the answer was accepted."""
    NOT_AWAITED = auto()
    """The answer was certainly not accepted, in a way that may mean that nothing waits for it: only Talkdesk's own
    state shows whether that is so."""
    REFUSED = auto()
    """The answer was certainly not accepted, or not even sent."""
    OUTDATED = auto()
    """The answer was not sent because the request had changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Everything that is known during one reconcile. Fields without a value were not read or done yet."""

    now: datetime
    app: CompiledApp | None
    installation: TalkdeskInstallation
    role: Role
    tenant: TalkdeskTenant | None
    resync: bool = False
    """Whether to read and apply everything again, even if nothing seems to have changed."""
    background: bool = False
    """Whether the periodic resync is the only cause, so that all other work goes first."""
    drifted: bool = False
    """Whether somebody else was seen to change or delete an object of the tenant."""

    credentials: Credentials | CredentialsMissing | None = None
    remote: RemoteInstallation | RemoteMissing | RemoteFailed | None = None
    facts: Facts | None = None
    trial: RemoteTrial | None = None
    """The trial in Talkdesk's own words; read while the subscription is a trial."""
    token_url: str | None = None
    """The token URL in use, when it differs from the one in the events because the account was renamed."""
    secret_name: str | None = None
    """The Secret of `credentials`: the one in the spec, or a previous version that Talkdesk still accepts."""
    users: UsersOutcome | None = None
    acknowledged: AcknowledgementState | None = None
    ack_failure: Failure | None = None
    tenant_outcome: TenantOutcome | None = None
    answer: Answer | None = None
    """The answer to the current request, as far as it got."""
    answer_recorded: bool = False
    """Whether the answer was put on record in this reconcile, before its first call."""
    sent: SendState | None = None
    send_failure: Failure | None = None
    credentials_deleted: bool = False
    previous_versions_deleted: bool = False
    """Whether the credential versions that the current one replaced were deleted."""
    deletion_failure: Failure | None = None
    """Why previous versions could not be deleted; it holds up nothing else."""
    missed_request_recorded: bool = False
    """Whether a request was written into the spec whose event never arrived."""
    erased: bool = False
    """Whether personal data was taken out of the spec and the metadata in this reconcile."""
    record_searched: bool = False
    """Whether the cluster was searched for objects of a tenant whose record is gone."""
    namespace_terminating: bool | None = None
    """Whether the installation's namespace is being deleted; None while nobody asked."""
    failure: Failure | None = None
    """Set when the Kubernetes API failed, or an object of the account cannot be read; ends the reconcile."""

    @property
    def request(self) -> Request:
        """The request. Raises LookupError when there is none."""
        request = self.installation.spec.request
        if request is None:
            raise LookupError("the installation has no request")
        return request

    @property
    def required_app(self) -> CompiledApp:
        """The app. Raises LookupError when there is none."""
        if self.app is None:
            raise LookupError("the installation has no app")
        return self.app

    @property
    def current_phase(self) -> InstallationPhase:
        """The phase in the status, to be kept while nothing new can be read."""
        return self.installation.status.phase or InstallationPhase.PENDING

    @property
    def best_known_facts(self) -> Facts:
        """The facts that were just read, else those in the status, else those from the events."""
        if self.facts is not None:
            return self.facts
        spec, status = self.installation.spec, self.installation.status
        account = status.account or AccountFacts(id=spec.account_id, name=spec.account_name)
        return Facts(account, status.subscription or SubscriptionFacts(), status.created_by)

    @property
    def owns_tenant(self) -> bool:
        """Whether there is a tenant that this installation owns, or owned last."""
        return self.tenant is not None and self.role is not Role.NON_OWNER
