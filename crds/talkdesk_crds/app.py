"""TalkdeskApp: a partner's app in one region: how to reach Talkdesk, and what each tenant gets."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from talkdesk_crds.conditions import Conditions
from talkdesk_crds.fields import (
    Duration,
    Expression,
    FreeObject,
    Id,
    LabelName,
    LastingDuration,
    Model,
    ObjectName,
    Url,
    Word,
    immutable,
    listed_by,
    rules,
)
from talkdesk_crds.hosts import Region
from talkdesk_crds.kind import Column, CustomResource, KindInfo

__all__ = [
    "AppEndpoints",
    "AppSpec",
    "AppStatus",
    "Auth",
    "AuthMethod",
    "Deadline",
    "Events",
    "OnOffboard",
    "Retention",
    "TalkdeskApp",
    "TemplateStep",
    "TenantTemplate",
    "Uninstall",
    "UninstallApproval",
]


class AuthMethod(StrEnum):
    """How the operator proves who it is at the token endpoint."""

    PRIVATE_KEY_JWT = "PrivateKeyJwt"
    BASIC = "Basic"


class OnOffboard(StrEnum):
    """What becomes of a step's objects at an uninstall."""

    DELETE = "Delete"
    RETAIN = "Retain"


class UninstallApproval(StrEnum):
    """When an uninstall is approved."""

    AFTER_OFFBOARD = "AfterOffboard"
    BEFORE_OFFBOARD = "BeforeOffboard"


class AppEndpoints(Model):
    """Explicit hosts, where `region` has no fitting entry, or for a simulator."""

    api: Url
    """Base URL of the API gateway; event signature keys come from here. Installations may use no other API host."""
    token: Url
    """A token URL, in which `{account}` stands for the account's name: `https://{account}.talkdeskid.com/oauth/token`."""
    allow_insecure: bool = False
    """Allow plain http to these two hosts. Only for a simulator."""


class Events(Model):
    """How lifecycle events are taken."""

    verify_signatures: bool = True
    """Refuse events without a good ECDSA signature of Talkdesk's. False is for a laboratory: anybody who can reach
    the webhook can then replace credentials."""


class Auth(Model):
    """How the operator gets tokens for an installation."""

    method: AuthMethod = AuthMethod.PRIVATE_KEY_JWT
    """PrivateKeyJwt (signed assertion; required of apps listed on AppConnect) or Basic (client secret)."""
    scopes: Annotated[tuple[Word, ...], Field(max_length=32)] = ("apps:read", "apps:write", "account:read")
    """OAuth scopes to ask for. An empty list asks for all that were granted."""


class Deadline(Model):
    """How long Talkdesk waits."""

    answer_within: LastingDuration = "7d"
    """Time from an event to the moment Talkdesk gives up waiting for the answer (documented: seven days)."""
    grace: Duration = "1d"
    """Time from there until the tenant of an unanswered installation is offboarded."""


class TemplateStep(Model):
    """Objects that are applied together, after those of the steps before are ready."""

    name: LabelName
    """Name of the step, unique in the template."""
    manifests: Annotated[tuple[FreeObject, ...], Field(min_length=1, max_length=50)]
    """Kubernetes objects. Each string in them may hold `${ CEL }`; one that is a single expression keeps its type."""
    ready_when: Expression | None = None
    """CEL over `object`, true when an object of the step is ready. Without it, kstatus' rules decide."""
    on_offboard: OnOffboard = OnOffboard.RETAIN
    """Delete: the objects go at the uninstall. Retain: they stay until the retention ends."""
    adopt: bool = False
    """Take over objects and fields that belong to somebody else, instead of reporting a conflict."""


class TenantTemplate(Model):
    """What each customer account gets in the cluster."""

    name: Expression = "${dnsLabel('td-' + account.id)}"
    """The tenant's name, a DNS label; `${ CEL }` over `account`, `app`, `installation`. Fixed once a tenant is made."""
    service_account_name: ObjectName
    """ServiceAccount in this namespace in whose name all tenant objects are applied and deleted: its RBAC decides what
    a template can do."""
    values: FreeObject = Field(default_factory=dict)
    """Defaults of `tenant.values`."""
    steps: Annotated[tuple[TemplateStep, ...], Field(min_length=1, max_length=20, json_schema_extra=listed_by("name"))]
    """Steps, applied in order and deleted in reverse."""


class Uninstall(Model):
    """How uninstalls are handled."""

    approve: UninstallApproval = UninstallApproval.AFTER_OFFBOARD
    """AfterOffboard: Talkdesk is told when the objects of steps with `onOffboard: Delete` are gone. BeforeOffboard: at
    once."""
    offboard_timeout: Duration = "10m"
    """How long an object that does not go away can hold up the answer."""


class Retention(Model):
    """What happens after an uninstall."""

    keep_for: Duration = "90d"
    """How long a tenant's retained objects are kept after its last uninstall; a reinstall within finds them again."""


class AppSpec(Model):
    """How to reach Talkdesk for one app in one region, and what each tenant gets."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            {
                "rule": "has(self.region) != has(self.endpoints)",
                "message": "give either region or endpoints",
            }
        )
    )

    app_id: Annotated[Id, Field(json_schema_extra=immutable("the app's id"))]
    """Talkdesk's id of the app. Events for another app are refused."""
    region: Region | None = None
    """The Talkdesk region whose customers install this app: fixes the hosts that are ever talked to."""
    endpoints: AppEndpoints | None = None
    """Explicit hosts instead of a region."""
    events: Events = Events()
    """How lifecycle events are taken."""
    auth: Auth = Auth()
    """How tokens are got."""
    deadline: Deadline = Deadline()
    """How long Talkdesk waits for answers."""
    tenant: TenantTemplate
    """What each customer account gets."""
    uninstall: Uninstall = Uninstall()
    """How uninstalls are handled."""
    retention: Retention = Retention()
    """What happens after an uninstall."""
    resync: LastingDuration = "10m"
    """How often a tenant is checked and put right when nothing tells that it changed."""


class AppStatus(Model):
    """Whether the app can be used; written by the operator alone."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this status speaks of."""
    conditions: Conditions = ()
    """Ready: the template is understood."""


class TalkdeskApp(CustomResource):
    """A partner's app in one Talkdesk region: policy, and the template of what each customer gets."""

    INFO: ClassVar[KindInfo] = KindInfo(
        kind="TalkdeskApp",
        plural="talkdeskapps",
        short_name="tdapp",
        columns=(
            Column("Region", ".spec.region", "The Talkdesk region"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status", "Whether the template is understood"),
            Column("Age", ".metadata.creationTimestamp", "Since when the object exists", type="date"),
            Column("App", ".spec.appId", "Talkdesk's id of the app", wide=True),
            Column(
                "Reason",
                ".status.conditions[?(@.type=='Ready')].message",
                "Why it is ready or not",
                wide=True,
            ),
        ),
    )

    spec: AppSpec
    status: AppStatus = AppStatus()
