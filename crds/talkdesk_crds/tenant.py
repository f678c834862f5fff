"""TalkdeskTenant: what one customer account has in the cluster; it outlives installations."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from talkdesk_crds.conditions import Conditions
from talkdesk_crds.fields import (
    FreeObject,
    Id,
    LabelName,
    LocalRef,
    Model,
    Moment,
    Text,
    Word,
    immutable,
    listed_by,
    rules,
    unknown_read_as,
)
from talkdesk_crds.kind import Column, CustomResource, KindInfo

__all__ = [
    "InventoryItem",
    "OnOffboard",
    "PlannedObject",
    "Purge",
    "StepState",
    "StepStatus",
    "TalkdeskTenant",
    "TenantSpec",
    "TenantState",
    "TenantStatus",
]


class TenantState(StrEnum):
    """What the tenant should be."""

    ACTIVE = "Active"
    """Provisioned as the template says."""
    SUSPENDED = "Suspended"
    """Provisioned, with `tenant.suspended` true in the template."""
    OFFBOARDED = "Offboarded"
    """Steps with `onOffboard: Delete` are deleted, the rest is retained until `status.purgeTime`."""


class OnOffboard(StrEnum):
    """What becomes of a step's objects at an uninstall."""

    DELETE = "Delete"
    RETAIN = "Retain"


class StepState(StrEnum):
    """Where one step of the template is."""

    PENDING = "Pending"
    WAITING = "Waiting"
    READY = "Ready"
    FAILED = "Failed"
    DELETING = "Deleting"
    DELETED = "Deleted"


class PlannedObject(Model):
    """An object that the template asks for; recorded before it is applied, so that none is ever forgotten."""

    step: LabelName
    """Name of the template's step."""
    group: Annotated[str, Field(max_length=253)] = ""
    """The object's API group; empty for the core group."""
    version: Annotated[str, Field(min_length=1, max_length=63)]
    """The object's API version, without the group."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """The object's kind."""
    namespace: Annotated[str, Field(max_length=63)] = ""
    """The object's namespace; empty for one outside all namespaces."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The object's name."""
    on_offboard: OnOffboard = OnOffboard.RETAIN
    """The step's `onOffboard` when the object was planned. Delete: it goes at the uninstall. Retain: it stays until the
    retention ends."""


class InventoryItem(PlannedObject):
    """An object that was applied for the tenant and not yet seen to be gone."""

    uid: Annotated[str, Field(max_length=64)] = ""
    """The object's uid; empty while it is not known whether the object was made."""
    on_offboard: Annotated[OnOffboard, unknown_read_as(OnOffboard.RETAIN, OnOffboard)] = OnOffboard.RETAIN
    """The step's `onOffboard` when the object was planned: Delete or Retain."""


class StepStatus(Model):
    """The state of one step of the template."""

    name: LabelName
    """The step's name."""
    state: Annotated[StepState, unknown_read_as(StepState.PENDING, StepState)]
    """Pending, Waiting, Ready, Failed, Deleting or Deleted."""
    message: Text = ""
    """What it waits for or what went wrong."""


class Purge(Model):
    """A person's wish that nothing of an offboarded tenant is kept any longer."""

    requested_by: Annotated[str, Field(min_length=1, max_length=253)]
    """Who asked for it; shown in the Event."""


class TenantSpec(Model):
    """What the account should have.

    Written by the operator, but for `values`, `deletionProtection`, `purge` and `paused`, which are a person's. Each of
    these four has its own right, a subresource that only RBAC knows: `update` on `talkdesktenants/values`,
    `/deletionprotection`, `/purge` and `/paused`; all other fields need `update` on `talkdesktenants/plan`.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            {
                "rule": "!has(self.purge) || self.state == 'Offboarded'",
                "message": "only an offboarded tenant can be purged: the account's installation is still there",
                "fieldPath": ".purge",
            },
            {
                "rule": "!has(self.purge) || !has(self.deletionProtection) || !self.deletionProtection",
                "message": "deletionProtection is true: take it away first",
                "fieldPath": ".purge",
            },
            {
                "rule": "!has(oldSelf.name) || oldSelf.name == '' || (has(self.name) && self.name == oldSelf.name)",
                "message": "the tenant's name can't be changed once it is given: its objects are made under it",
                "fieldPath": ".name",
            },
        )
    )

    app_ref: Annotated[LocalRef, Field(json_schema_extra=immutable("the app of a tenant"))]
    """The TalkdeskApp whose template is used."""
    account_id: Annotated[Id, Field(json_schema_extra=immutable("the account's id"))]
    """Talkdesk's id of the customer's account."""
    installation_ref: LocalRef | None = None
    """The TalkdeskInstallation that owns the tenant."""
    state: TenantState
    """What the tenant should be. Active: provisioned as the template says. Suspended: provisioned with
    `tenant.suspended` true. Offboarded: steps with `onOffboard: Delete` are deleted, the rest is retained until
    `status.purgeTime`."""
    name: Annotated[str, Field(max_length=63)] = ""
    """The tenant's name in the template (`tenant.name`). It may be given once, and can't be changed then."""
    values: FreeObject = Field(default_factory=dict)
    """Values for the template (`tenant.values`); they go before the app's own. A change is applied at once."""
    deletion_protection: bool = False
    """While true, the operator purges nothing of the tenant, even after the retention. It does not hold this record
    itself: whoever has the right to delete the record can, and the tenant's objects stay."""
    purge: Purge | None = None
    """Ends the retention of an offboarded tenant now: all of its objects are deleted, and this record with them. The
    operator takes it away when the customer installs the app again before that."""
    paused: bool = False
    """While true, the operator leaves the tenant's objects alone, and answers no request of its installations; their
    deadlines run on."""
    objects: Annotated[
        tuple[PlannedObject, ...],
        Field(max_length=500, json_schema_extra=listed_by("group", "kind", "namespace", "name")),
    ] = ()
    """The objects that the template asks for; written before any of them is applied."""
    uninstall_time: Moment | None = None
    """When the account's last installation ended; the retention counts from here."""


class TenantStatus(Model):
    """The state of the tenant; written by the operator alone."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this status speaks of."""
    conditions: Conditions = ()
    """Ready, Reconciling and Stalled."""
    inventory: Annotated[
        tuple[InventoryItem, ...],
        Field(max_length=1000, json_schema_extra=listed_by("group", "kind", "namespace", "name")),
    ] = ()
    """The objects that were applied and not yet seen to be gone."""
    steps: Annotated[tuple[StepStatus, ...], Field(max_length=50, json_schema_extra=listed_by("name"))] = ()
    """The template's steps."""
    applied_inputs: Word | None = None
    """Fingerprint of what the template was last filled in with; while it is the same, there is nothing new to apply."""
    purge_time: Moment | None = None
    """When what is retained gets deleted; absent unless offboarded."""
    last_handled_reconcile_at: Word | None = None
    """Value of the annotation `{GROUP}/reconcile-requested-at` that was last acted on."""


class TalkdeskTenant(CustomResource):
    """What one customer account has in this cluster, kept over uninstall and reinstall until its retention ends."""

    INFO: ClassVar[KindInfo] = KindInfo(
        kind="TalkdeskTenant",
        plural="talkdesktenants",
        short_name="tdt",
        columns=(
            Column("Account", ".spec.accountId", "Talkdesk's id of the account"),
            Column("State", ".spec.state", "What the tenant should be"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status", "Whether it is so"),
            Column("Purge-Time", ".status.purgeTime", "When what is retained gets deleted"),
            Column("Age", ".metadata.creationTimestamp", "Since when the object exists", type="date"),
            Column("Tenant", ".spec.name", "The tenant's name in the template", wide=True),
            Column("Owner", ".spec.installationRef.name", "The installation that owns it", wide=True),
            Column("Reason", ".status.conditions[?(@.type=='Ready')].reason", "Why it is ready or not", wide=True),
        ),
        selectable=(".spec.accountId", ".spec.appRef.name"),
    )

    spec: TenantSpec
    status: TenantStatus = TenantStatus()
