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
    """API group; empty for the core group."""
    version: Annotated[str, Field(min_length=1, max_length=63)]
    """API version."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Kind."""
    namespace: Annotated[str, Field(max_length=63)] = ""
    """Namespace; empty for a cluster-scoped object."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name."""
    on_offboard: OnOffboard = OnOffboard.RETAIN
    """The step's `onOffboard` when it was planned: Delete or Retain."""


class InventoryItem(PlannedObject):
    """An object that was applied for the tenant and not yet seen to be gone."""

    uid: Annotated[str, Field(max_length=64)] = ""
    """The object's uid; empty while it is not known whether the apply happened."""


class StepStatus(Model):
    """How a step of the template stands."""

    name: LabelName
    """The step's name."""
    state: StepState
    """Pending, Waiting, Ready, Failed, Deleting or Deleted."""
    message: Text = ""
    """What it waits for or what went wrong."""


class Purge(Model):
    """A person's wish that nothing of an offboarded tenant is kept any longer."""

    requested_by: Annotated[str, Field(min_length=1, max_length=253)]
    """Who asked for it; shown in the Event."""


class TenantSpec(Model):
    """What the account should have.

    Written by the operator, but for `values`, `deletionProtection`, `paused` and `purge`.
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
        )
    )

    app_ref: Annotated[LocalRef, Field(json_schema_extra=immutable("the app of a tenant"))]
    """The TalkdeskApp whose template is used."""
    account_id: Annotated[Id, Field(json_schema_extra=immutable("the account's id"))]
    """Talkdesk's id of the customer's account."""
    installation_ref: LocalRef | None = None
    """The TalkdeskInstallation that owns the tenant."""
    state: TenantState
    """Active, Suspended or Offboarded."""
    name: Annotated[str, Field(max_length=63)] = ""
    """The tenant's name in the template (`tenant.name`), fixed when it was first made."""
    values: FreeObject = Field(default_factory=dict)
    """Values for the template (`tenant.values`); they go before the app's own."""
    deletion_protection: bool = False
    """While true, nothing of the tenant is purged, even after the retention."""
    purge: Purge | None = None
    """Ends the retention of an offboarded tenant now."""
    paused: bool = False
    """While true, the operator leaves the tenant's objects alone, whatever is asked of its installations."""
    objects: Annotated[tuple[PlannedObject, ...], Field(max_length=500)] = ()
    """The objects that the template asks for; written before any of them is applied."""
    uninstall_time: Moment | None = None
    """When the account's last installation ended; the retention counts from here."""


class TenantStatus(Model):
    """How the tenant stands; written by the operator alone."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this status speaks of."""
    conditions: Conditions = ()
    """Ready, Reconciling and Stalled."""
    inventory: Annotated[tuple[InventoryItem, ...], Field(max_length=1000)] = ()
    """The objects that were applied and not yet seen to be gone."""
    steps: Annotated[tuple[StepStatus, ...], Field(max_length=50, json_schema_extra=listed_by("name"))] = ()
    """The template's steps."""
    applied_inputs: Word | None = None
    """Fingerprint of what the template was last filled in with; equal means that there is nothing new to apply."""
    purge_time: Moment | None = None
    """When what is retained gets deleted; absent unless offboarded."""
    last_handled_reconcile_at: Word | None = None
    """Value of the annotation `appconnect.talkdesk.dev/reconcile-requested-at` that was last acted on."""


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
