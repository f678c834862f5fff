"""TalkdeskApp: a partner's app in one region: how to reach Talkdesk, and what each tenant gets."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StringConstraints

from talkdesk_crds.app_notifications import NotificationEndpoint, NotificationType
from talkdesk_crds.app_rollout import RolloutStatus, TemplateRollout, TenantCounts
from talkdesk_crds.app_template import ConflictPolicy, ObjectScope, TemplateStep, TenantTemplate
from talkdesk_crds.app_users import (
    SCIM_ATTRIBUTES,
    Scim,
    ScimAttribute,
    ScimFeature,
    ScimPreset,
    SecretKeyRef,
    Users,
    UsersOffboard,
)
from talkdesk_crds.conditions import Conditions
from talkdesk_crds.deliveries import EventsStatus
from talkdesk_crds.fields import (
    ATOMIC,
    SET,
    Duration,
    Expression,
    Id,
    Model,
    Moment,
    ObjectName,
    PositiveDuration,
    Url,
    Word,
    immutable,
    listed_by,
    rules,
)
from talkdesk_crds.hosts import Region
from talkdesk_crds.installation import Decision
from talkdesk_crds.kind import Column, CustomResource, KindInfo
from talkdesk_crds.name_rule import at_most
from talkdesk_crds.names import LABEL_LENGTH

__all__ = [
    "SCIM_ATTRIBUTES",
    "AppEndpoints",
    "AppSpec",
    "AppStatus",
    "Approval",
    "ApprovalMode",
    "ApprovalTiming",
    "Auth",
    "AuthMethod",
    "AutomaticDecision",
    "ConflictPolicy",
    "Deadline",
    "DeletionPolicies",
    "Events",
    "License",
    "Logout",
    "NotificationEndpoint",
    "NotificationType",
    "ObjectScope",
    "OnTenantFailure",
    "RejectRule",
    "Retention",
    "Scim",
    "ScimAttribute",
    "ScimFeature",
    "ScimPreset",
    "SecretKeyRef",
    "SignatureVerification",
    "SuspensionPolicy",
    "TalkdeskApp",
    "TemplateStep",
    "TenantTemplate",
    "TrialPolicy",
    "Uninstall",
    "Users",
    "UsersOffboard",
]


class AuthMethod(StrEnum):
    """How the operator proves who it is at the token endpoint."""

    PRIVATE_KEY_JWT = "PrivateKeyJwt"
    BASIC = "Basic"


class SignatureVerification(StrEnum):
    """Whether events must be signed by Talkdesk."""

    REQUIRED = "Required"
    DISABLED = "Disabled"


class ApprovalTiming(StrEnum):
    """When an uninstall is approved."""

    AFTER_OFFBOARD = "AfterOffboard"
    BEFORE_OFFBOARD = "BeforeOffboard"


class ApprovalMode(StrEnum):
    """Who decides how an installation or an update is answered."""

    AUTO = "Auto"
    """The operator approves as soon as the tenant is as it should be."""
    MANUAL = "Manual"
    """A person decides each request in `spec.approval` of its TalkdeskInstallation."""


class OnTenantFailure(StrEnum):
    """What becomes of a request whose tenant can't be made."""

    HOLD = "Hold"
    """It is tried again until the deadline."""
    REJECT = "Reject"
    """It is rejected, once the failure is one that no repetition mends."""


class SuspensionPolicy(StrEnum):
    """What becomes of a tenant whose customer may not use the app for now, but has not uninstalled it."""

    SUSPEND = "Suspend"
    """The template is applied with `tenant.suspended` true."""
    KEEP = "Keep"
    """Nothing changes."""
    OFFBOARD = "Offboard"
    """Steps with `onOffboard: Delete` are deleted and the retention starts, until the customer may use it again."""


class AppEndpoints(Model):
    """Explicit hosts, where `region` has no fitting entry, or for a simulator."""

    api: Url
    """Base URL of the API gateway, for example `https://api.talkdeskapp.com`. The keys that verify events come from
    here, and no installation of the app may use another API host."""
    token: Url
    """Token URL, in which `{account}` stands for the account's name: `https://{account}.talkdeskid.com/oauth/token`."""
    allow_insecure: bool = False
    """Allow plain http to these two hosts, where operator and webhook allow it too (`--allow-insecure`). Only for a
    simulator: credentials are sent there."""


class Events(Model):
    """How lifecycle events are taken."""

    signature_verification: SignatureVerification = SignatureVerification.REQUIRED
    """Required: an event without a valid ECDSA signature of Talkdesk's is refused. Disabled: any event is taken.
    That is for a laboratory: anybody who can reach the webhook can then replace credentials."""


class Auth(Model):
    """How the operator gets tokens for an installation."""

    method: AuthMethod = AuthMethod.PRIVATE_KEY_JWT
    """PrivateKeyJwt (signed assertion; required of apps listed on AppConnect) or Basic (client secret). A change
    counts from the next token on."""
    scopes: Annotated[tuple[Word, ...], Field(max_length=32, json_schema_extra=SET)] = (
        "apps:read",
        "apps:write",
        "account:read",
    )
    """OAuth scopes to ask for. An empty list asks for all that were granted."""


class RejectRule(Model):
    """A reason to reject an installation or an update."""

    expression: Expression
    """CEL over `account`, `subscription`, `trial`, `installation` and `app` as templates see them, and `request` with
    `type`, `appVersion` and `changes`. The request is rejected when it is true."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """The reason that is sent to Talkdesk."""


class AutomaticDecision(Model):
    """What happens to a request that nobody decided."""

    decision: Decision
    """Approve or Reject."""
    before_deadline: PositiveDuration = "1h"
    """How long before the deadline the decision is made."""


class Approval(Model):
    """How installations and updates are answered at Talkdesk."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            {
                "rule": "!has(self.automatic) || self.mode == 'Manual'",
                "message": "automatic says what happens without a person's decision, so it needs mode: Manual",
                "fieldPath": ".automatic",
            }
        )
    )

    mode: ApprovalMode = ApprovalMode.AUTO
    """Auto: approved as soon as the tenant is ready. Manual: a person decides in the installation's `spec.approval`."""
    reject_when: Annotated[tuple[RejectRule, ...], Field(max_length=16, json_schema_extra=ATOMIC)] = ()
    """Rules that reject a request before anything is made for it, unless a person decided it. The first that is true
    counts. A rule that can't be evaluated holds the request."""
    on_tenant_failure: OnTenantFailure = OnTenantFailure.HOLD
    """Hold: a request whose tenant can't be made is tried again until the deadline. Reject: it is rejected when the
    cause is proven to be this one customer's facts: the template can't be filled in with them, or the API server finds
    a value invalid, while both work for a typical customer. Missing rights, quotas, admission policies, a mistake in
    the template and trouble of the cluster never reject."""
    automatic: AutomaticDecision | None = None
    """With mode Manual, what is decided when nobody did until shortly before the deadline. Without it, nothing is."""


class Deadline(Model):
    """How long Talkdesk waits for an answer."""

    answer_within: PositiveDuration = "7d"
    """Time from an event to the moment Talkdesk gives up waiting for the answer (documented: seven days)."""
    warn_before: Annotated[tuple[PositiveDuration, ...], Field(max_length=8, json_schema_extra=SET)] = (
        "3d",
        "1d",
        "1h",
    )
    """Marks before the deadline. When one passes and the request is unanswered, an Event, the condition DeadlineNear
    and a metric say so."""
    grace_period: Duration = "1d"
    """Time from the deadline until the tenant of an unanswered installation is offboarded."""


class Logout(Model):
    """Where the end of a user's session is sent (`user.logout` events)."""

    url: Url
    """The app's single-logout endpoint. It gets Talkdesk's event as it came, signed as Standard Webhooks says."""
    secret_ref: SecretKeyRef
    """The signing key: `whsec_` and base64, or any other text. The webhook needs the right to read this Secret, and
    signs for no other hosts than its annotation `{GROUP}/for-hosts` names."""
    timeout: PositiveDuration = "3s"
    """How long the endpoint may take; then Talkdesk is asked to send the event again."""
    allow_insecure: bool = False
    """Allow plain http, where the webhook allows it too (`--allow-insecure`). Only for a laboratory."""


class TrialPolicy(Model):
    """What happens when a trial ends without an upgrade."""

    on_end: SuspensionPolicy = SuspensionPolicy.SUSPEND
    """Suspend: the template is applied with `tenant.suspended` true. Keep: nothing changes. Offboard: steps with
    `onOffboard: Delete` are deleted and the retention starts. An upgrade takes each of them back."""


class License(Model):
    """What happens when Talkdesk has stopped an installation that the customer did not uninstall."""

    on_suspended: SuspensionPolicy = SuspensionPolicy.SUSPEND
    """When Talkdesk's state is `suspended`: Suspend, Keep or Offboard, as for `trial.onEnd`."""
    on_revoked: SuspensionPolicy = SuspensionPolicy.SUSPEND
    """When Talkdesk's state is `revoked` and no uninstall has come: Suspend, Keep or Offboard, as for `trial.onEnd`."""


class Uninstall(Model):
    """How uninstalls are handled."""

    approval_timing: ApprovalTiming = ApprovalTiming.AFTER_OFFBOARD
    """AfterOffboard: the uninstall is approved at Talkdesk when the objects of steps with `onOffboard: Delete` are
    gone. BeforeOffboard: at once."""
    offboard_timeout: Duration = "10m"
    """How long an object that does not go away, or a user who can't be deactivated, can hold up the approval."""
    confirm_after: PositiveDuration = "1h"
    """How long Talkdesk must refuse the credentials (401 or 403) after an approval whose outcome was lost, until that
    is taken for the end of the installation and the credentials are deleted. Shorter refusals may have other causes: a
    new OAuth scope takes minutes at Talkdesk."""


class Retention(Model):
    """What happens after an uninstall."""

    keep_for: Duration = "90d"
    """How long a tenant's retained objects are kept after its last uninstall; a reinstall within finds them again. A
    change counts also for tenants that are offboarded already: a shorter time purges those whose time is then over, an
    hour after the change. The condition DeletionPending says how many, and the annotation `{GROUP}/confirm-deletion`
    with the app's generation has it done at once."""
    history_ttl: Annotated[Duration, Field(alias="historyTTL")] = "365d"
    """How long the TalkdeskInstallation of a customer who left is kept, counted from when nothing of the tenant and no
    personal data was left, by `status.history`; a pause counts it anew. `999999d`, some 2,700 years, keeps it for good.
    A shorter time deletes nothing for an hour, as for `keepFor`. A signed event of old that somebody sends again later
    makes a new TalkdeskInstallation: nothing is provisioned for it unless Talkdesk's own state says that the app is
    installed, so it ends as TimedOut or Gone."""


class AppSpec(Model):
    """How to reach Talkdesk for one app in one region, and what each tenant gets."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            {
                "rule": "has(self.region) != has(self.endpoints)",
                "message": "give either region or endpoints",
            },
            {
                "rule": "!has(self.region) || has(oldSelf.region)",
                "message": "an app with endpoints can't be given a region: make a new object instead",
                "fieldPath": ".region",
            },
        )
    )

    app_id: Annotated[Id, Field(json_schema_extra=immutable("the app's id"))]
    """Talkdesk's id of the app. Events for another app are refused. It can't be changed."""
    region: Annotated[Region, Field(json_schema_extra=immutable("the app's region"))] | None = None
    """The Talkdesk region whose customers install this app: US, EU, CA, AU or UK. It fixes the hosts that are ever
    talked to. It can't be changed to another region, where none of the app's accounts and credentials exist. It may be
    replaced by `endpoints`, for good, when the hosts of the region are others than this version knows."""
    endpoints: AppEndpoints | None = None
    """Explicit hosts instead of a region. After a change the next call goes to the new hosts, and events are verified
    with keys from there. An installation whose own `spec.endpoints` lead to other hosts is not called any more: its
    condition Ready says ForeignHost until Talkdesk's next event, or a person, brings links to the new ones."""
    events: Events = Events()
    """How lifecycle events are taken."""
    auth: Auth = Auth()
    """How tokens are got."""
    approval: Approval = Approval()
    """How installations and updates are answered at Talkdesk."""
    deadline: Deadline = Deadline()
    """How long Talkdesk waits for answers. A change counts for requests that wait already, too."""
    tenant: TenantTemplate
    """What each customer account gets."""
    template_rollout: TemplateRollout = TemplateRollout()
    """How a change of `tenant` reaches the tenants that exist."""
    users: Users | None = None
    """What is done with the licensed users. Without it they are not even read; `{}` counts them."""
    logout: Logout | None = None
    """Where the end of a user's session is sent. Without it, `user.logout` events are taken and dropped."""
    notifications: Annotated[
        tuple[NotificationEndpoint, ...], Field(max_length=8, json_schema_extra=listed_by("name"))
    ] = ()
    """Who is told what happens to each customer, in order and at least once. Of customers who are there already, what
    happens from then on is told. An endpoint that is taken out is told nothing more, also not what waits for it."""
    trial: TrialPolicy = TrialPolicy()
    """What happens when a trial ends."""
    license: License = License()
    """What happens when Talkdesk has stopped an installation."""
    uninstall: Uninstall = Uninstall()
    """How uninstalls are handled."""
    retention: Retention = Retention()
    """What happens after an uninstall."""
    resync_period: PositiveDuration = "10m"
    """How often each installation is compared with Talkdesk, and its tenant put right, when no event and no watch says
    that anything changed. Each resync costs some calls to Talkdesk."""
    paused: bool = False
    """While true, the operator leaves all installations and tenants of the app alone. Events are still stored, and
    deadlines run on."""


class DeletionPolicies(Model):
    """The app's policies by which tenants are offboarded or purged: how long retained, what the end of a trial does."""

    fingerprint: Word
    """Fingerprint of these fields of the spec."""
    last_transition_time: Moment | None = None
    """When they were last seen to be edited; nothing is deleted by them for an hour after that."""


class AppStatus(Model):
    """Whether the app can be used; written by the operator, but for `events`."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this status speaks of."""
    conditions: Conditions = ()
    """Ready: hosts, rules and template are understood, no right is missing. AccessReady: which rights are missing, as
    YAML that grants them. ReadinessAssumed: a custom kind has no `readyWhen`. RolledOut: all tenants have the revision
    that they are to have. DeletionBlocked: customers are left. DeletionPending: an edit will delete something."""
    current_revision: ObjectName | None = None
    """The last revision of the template that all tenants had, as the name of a ControllerRevision."""
    updated_revision: ObjectName | None = None
    """The revision that tenants are to have."""
    rollout: RolloutStatus | None = None
    """Whose turn it is to get `updatedRevision`, while not all have it."""
    tenants: TenantCounts | None = None
    """How many tenants have it; counted once a minute, and more rarely for more than a thousand or with shards."""
    deletion_policies: DeletionPolicies | None = None
    """The policies by which something is deleted, as they were last seen."""
    events: EventsStatus | None = None
    """What became of Talkdesk's deliveries."""


class TalkdeskApp(CustomResource):
    """A partner's app in one Talkdesk region: policy, and the template of what each customer gets."""

    INFO: ClassVar[KindInfo] = KindInfo(
        kind="TalkdeskApp",
        plural="talkdeskapps",
        short_name="tdapp",
        rules=(at_most(LABEL_LENGTH),),
        columns=(
            Column("Region", ".spec.region", "The Talkdesk region"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status", "Whether the template is understood"),
            Column("Updated", ".status.tenants.updated", "Tenants that have the newest revision", type="integer"),
            Column("Total", ".status.tenants.total", "Tenants in use", type="integer"),
            Column("Failing", ".status.tenants.failing", "Tenants that can't be made as it says", type="integer"),
            Column("Paused", ".spec.paused", "Whether its customers are left alone", type="boolean"),
            Column("Age", ".metadata.creationTimestamp", "Since when the object exists", type="date"),
            Column("App", ".spec.appId", "Talkdesk's id of the app", wide=True),
            Column(
                "Reason",
                ".status.conditions[?(@.type=='Ready')].reason",
                "Why it is ready or not",
                wide=True,
            ),
        ),
    )

    spec: AppSpec
    status: AppStatus = AppStatus()
