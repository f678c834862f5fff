"""TalkdeskInstallation: one installation of an app by a customer, as Talkdesk's events describe it.

The spec holds *registers*. Each is replaced as a whole by the event with the newest time; CEL transition rules
(`order`) make the API server refuse an older one, so that writers need neither locks nor reads.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from talkdesk_crds import order
from talkdesk_crds.fields import (
    Id,
    LabelName,
    LocalRef,
    Model,
    Moment,
    ObjectName,
    Text,
    Url,
    Word,
    immutable,
    rules,
)
from talkdesk_crds.installation_status import (
    AccountFacts,
    Answer,
    CredentialsStatus,
    Decision,
    Ending,
    EndingReason,
    InstallationPhase,
    InstallationStatus,
    Retry,
    SubscriptionFacts,
    Transition,
    TrialState,
    TrialStatus,
    UsersStatus,
)
from talkdesk_crds.kind import Column, CustomResource, KindInfo
from talkdesk_crds.name_rule import INSTALLATION_NAME

__all__ = [
    "AccountFacts",
    "Answer",
    "Approval",
    "Credentials",
    "CredentialsOrigin",
    "CredentialsStatus",
    "Decision",
    "DeletionPolicy",
    "Ending",
    "EndingReason",
    "Endpoints",
    "InstallationPhase",
    "InstallationSpec",
    "InstallationStatus",
    "Request",
    "RequestType",
    "Retry",
    "SubscriptionFacts",
    "TalkdeskInstallation",
    "Transition",
    "Trial",
    "TrialState",
    "TrialStatus",
    "UsersStatus",
]


class RequestType(StrEnum):
    """What the customer asked for."""

    INSTALL = "Install"
    UPDATE = "Update"
    UNINSTALL = "Uninstall"


class CredentialsOrigin(StrEnum):
    """Which event brought credentials."""

    INSTALL = "Install"
    ROTATION = "Rotation"
    """Talkdesk waits for an acknowledgement of such credentials."""


class DeletionPolicy(StrEnum):
    """What becomes of the tenant when a person deletes the TalkdeskInstallation."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Endpoints(Model):
    """Where Talkdesk's API for this customer is, from the `_links` of its events."""

    api: Url
    """Base URL of the API gateway (`_links.root`), for example `https://api.talkdeskapp.com`."""
    token: Url
    """The account's OAuth token URL (`_links.tokens`)."""
    authorization: Url | None = None
    """The account's OAuth authorize URL (`_links.authorization`), for single sign-on."""


class Request(Model):
    """The newest thing the customer asked for; it waits for an answer until `status.answer` names its event."""

    model_config = ConfigDict(json_schema_extra=order.REQUEST)

    type: RequestType
    """Install, Update or Uninstall. Of two requests at the same instant, the later in this list wins."""
    event_id: Id
    """Id of the lifecycle event; the answer is recorded under it. Any unique word in an import by hand."""
    event_time: Moment
    """When the event was made (`created_at`); the deadline counts from here. Only a request with a later time replaces
    this one."""
    app_version: Word | None = None
    """The version of the app that the customer installed (`app_version_name`, else `app_version_id`)."""
    reason: Text | None = None
    """What the customer gave as the reason of an uninstall. Untrusted text."""
    changes: Word | None = None
    """What an update's event says has changed, in words, for people: the truth is read from Talkdesk."""


class Trial(Model):
    """The newest event of the installation's trial."""

    model_config = ConfigDict(json_schema_extra=order.TRIAL)

    state: TrialState
    """Started, Extended or Ended. Of two events of the same instant, the later in this list wins."""
    event_id: Id
    """Id of the lifecycle event."""
    event_time: Moment
    """When the event was made (`created_at`). Only an event with a later time replaces this one."""
    expiration_time: Moment | None = None
    """When the trial ends or would have ended."""
    ended_reason: Word | None = None
    """Talkdesk's word on why the trial ended: `trial_expired`, `app_uninstalled` or `plan_upgraded`."""


class Credentials(Model):
    """The newest OAuth credentials of the installation."""

    model_config = ConfigDict(json_schema_extra=order.CREDENTIALS)

    secret_name: ObjectName
    """Name of the Secret in this namespace with the keys `client_id`, `client_secret`, `private_key`, `key_id` and
    `key_algorithm`. Its type must be `{GROUP}/credentials`, and the value of its label `{GROUP}/installation` this
    object's name; any other Secret is neither used nor deleted."""
    event_id: Id
    """Id of the lifecycle event that brought them. Any unique word in an import by hand."""
    event_time: Moment
    """When the event was made (`created_at`). Only credentials with a later time replace these."""
    origin: CredentialsOrigin | None = None
    """Install or Rotation; a rotation is acknowledged at Talkdesk. Absent, as in an import by hand, means Install."""


class Approval(Model):
    """A person's decision about one request."""

    event_id: Id
    """`spec.request.eventId` of the request that is decided; for any other request the decision counts for nothing."""
    decision: Decision
    """Approve or Reject."""
    reason: Annotated[str, Field(max_length=256)] | None = None
    """The reason that is sent to Talkdesk."""
    decided_by: Annotated[str, Field(max_length=1024)] | None = None
    """Who decided, as `kubectl auth whoami` names them; a policy takes a new decision in nobody else's name."""


class InstallationSpec(Model):
    """What Talkdesk's events say of one installation, and what a person decided about it.

    Each part has its own right, a subresource that only RBAC knows: `update` on `talkdeskinstallations/registers` for
    `request`, `trial`, `credentials`, `accountName`, `endpoints`; `/approval`, `/paused`, `/deletionpolicy` for those.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            {
                "rule": "!has(oldSelf.request) || has(self.request)",
                "message": "the request can't be taken away, only replaced by a newer one",
                "fieldPath": ".request",
            },
            {
                "rule": "!has(oldSelf.credentials) || has(self.credentials)",
                "message": "the credentials can't be taken away, only replaced by newer ones",
                "fieldPath": ".credentials",
            },
            {
                "rule": "!has(oldSelf.trial) || has(self.trial)",
                "message": "the trial can't be taken away, only replaced by a newer event of it",
                "fieldPath": ".trial",
            },
            {
                "rule": "!has(self.approval) || (has(oldSelf.approval) && self.approval == oldSelf.approval)"
                " || (has(self.request) && self.approval.eventId == self.request.eventId)",
                "message": "the decision is for another event: approval.eventId must be that of spec.request",
                "fieldPath": ".approval",
            },
        )
    )

    app_ref: Annotated[LocalRef, Field(json_schema_extra=immutable("the app of an installation"))]
    """The TalkdeskApp in this namespace that was installed."""
    installation_id: Annotated[Id, Field(json_schema_extra=immutable("the installation's id"))]
    """Talkdesk's id of the installation."""
    account_id: Annotated[Id, Field(json_schema_extra=immutable("the account's id"))]
    """Talkdesk's id of the customer's account; the tenant is made for the account."""
    account_name: Annotated[str, Field(max_length=512)] | None = None
    """The account's name, which is also its subdomain. It is shown, given to templates, and part of the token URL where
    `endpoints` is absent; it may change."""
    endpoints: Endpoints | None = None
    """Where to reach Talkdesk for this account: must be hosts of the app's region or endpoints. Without it, the app's
    region and the account's name decide."""
    request: Request | None = None
    """The newest thing the customer asked for."""
    trial: Trial | None = None
    """The newest event of the trial."""
    credentials: Credentials | None = None
    """The newest OAuth credentials."""
    approval: Approval | None = None
    """A person's decision; `approval.mode` Manual of the app waits for one, and in mode Auto it overrules the rules. It
    needs the right to update `talkdeskinstallations/approval`."""
    paused: bool = False
    """While true, the operator leaves the installation and its tenant alone. Events are still stored, and deadlines run
    on: what is not answered in time is lost. It needs the right to update `talkdeskinstallations/paused`."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What becomes of the tenant when this object is deleted. Retain: it stays, because deleting the object is not an
    uninstall. Delete: the tenant is offboarded and its objects are deleted before this object goes; but the tenant
    stays where it is protected (`deletionProtection`), where another installation owns it, and where there is no
    TalkdeskApp any more."""


class TalkdeskInstallation(CustomResource):
    """One installation of a partner's app by a Talkdesk customer, and the answers to what the customer asks for."""

    INFO: ClassVar[KindInfo] = KindInfo(
        kind="TalkdeskInstallation",
        plural="talkdeskinstallations",
        short_name="tdi",
        columns=(
            Column("Account", ".spec.accountName", "Name of the customer's account"),
            Column("Phase", ".status.phase", "Where the installation is"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status", "Whether all is as asked"),
            Column("Request", ".spec.request.type", "What the customer asked for last"),
            Column("Deadline", ".status.deadline", "Until when Talkdesk must be answered; empty when it was"),
            Column("Warned", ".status.timeLeft", "The last mark before the deadline that has passed"),
            Column("Trial", ".status.trial.state", "Where the trial is"),
            Column("Age", ".metadata.creationTimestamp", "Since when the object exists", type="date"),
            Column("Plan", ".status.subscription.name", "Name of the subscription", wide=True),
            Column("Users", ".status.users.licensed", "Number of licensed users", type="integer", wide=True),
            Column("Tenant", ".status.tenantRef.name", "The account's TalkdeskTenant", wide=True),
            Column("Installation", ".spec.installationId", "Talkdesk's id of the installation", wide=True),
            Column("Reason", ".status.conditions[?(@.type=='Ready')].reason", "Why it is ready or not", wide=True),
        ),
        selectable=(".spec.accountId", ".spec.appRef.name", ".status.phase"),
        rules=(INSTALLATION_NAME,),
    )

    spec: InstallationSpec
    status: InstallationStatus = InstallationStatus()

    @property
    def app(self) -> LabelName:
        """Name of the TalkdeskApp."""
        return self.spec.app_ref.name
