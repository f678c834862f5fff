"""TalkdeskTenant: what one customer account has in the cluster; it outlives installations."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from talkdesk_crds.conditions import Conditions
from talkdesk_crds.fields import (
    SET,
    FreeObject,
    Id,
    LabelName,
    LocalRef,
    Model,
    Moment,
    ObjectName,
    Text,
    Word,
    immutable,
    listed_by,
    rules,
    unknown_read_as,
)
from talkdesk_crds.kind import Column, CustomResource, KindInfo
from talkdesk_crds.name_rule import at_most
from talkdesk_crds.names import LABEL_LENGTH
from talkdesk_crds.tenant_objects import (
    MAX_INVENTORY,
    MAX_PLANNED,
    InventoryItem,
    OnOffboard,
    OnRemove,
    OrphanedObject,
    OrphanReason,
    PlannedObject,
)

__all__ = [
    "MAX_INVENTORY",
    "MAX_PLANNED",
    "InventoryItem",
    "OnOffboard",
    "OnRemove",
    "OrphanReason",
    "OrphanedObject",
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


class StepState(StrEnum):
    """Where one step of the template is."""

    PENDING = "Pending"
    WAITING = "Waiting"
    READY = "Ready"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    DELETING = "Deleting"
    DELETED = "Deleted"


class StepStatus(Model):
    """The state of one step of the template."""

    name: LabelName
    """The step's name."""
    state: Annotated[StepState, unknown_read_as(StepState.PENDING, StepState)]
    """Pending, Waiting, Ready, Failed, Skipped (its `includeWhen` is false), Deleting or Deleted."""
    message: Text = ""
    """What it waits for or what went wrong."""
    waiting_since: Moment | None = None
    """Since when its objects are applied and not ready."""


class Purge(Model):
    """A person's wish that nothing of an offboarded tenant is kept any longer."""

    requested_by: Annotated[str, Field(min_length=1, max_length=253)]
    """Who asked for it; shown in the Event."""


class TenantSpec(Model):
    """What the account should have.

    Written by the operator, but for `values`, `revision`, `deletionProtection`, `purge` and `paused`, which are a
    person's. Each of these five has its own right, a subresource that only RBAC knows: `update` on
    `talkdesktenants/values`, `/revision`, `/deletionprotection`, `/purge` and `/paused`; all other fields need `update`
    on `talkdesktenants/plan`.
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
    """What the tenant should be. Active: provisioned as the template says. Suspended: provisioned with
    `tenant.suspended` true. Offboarded: steps with `onOffboard: Delete` are deleted, the rest is retained until
    `status.purgeTime`."""
    name: Annotated[str, Field(max_length=63)] = ""
    """The tenant's name in the template (`tenant.name`). It follows the template until an object was applied, and can't
    be changed then."""
    values: FreeObject = Field(default_factory=dict)
    """Values for the template (`tenant.values`); they go before the app's own. A change is applied at once."""
    revision: ObjectName | None = None
    """The revision of the app's template that this tenant is to have, whatever others have: the name of a
    ControllerRevision of the app. It is kept as long as it is named here."""
    deletion_protection: bool = False
    """While true, the operator purges nothing of the tenant, even after the retention, and deletes nothing that left
    the template; and a policy refuses to delete this record."""
    purge: Purge | None = None
    """Ends the retention of an offboarded tenant now: all of its objects are deleted, and this record with them. The
    operator takes it away when the customer installs the app again before that."""
    paused: bool = False
    """While true, the operator leaves the tenant's objects alone, and answers no request of its installations; their
    deadlines run on."""
    objects: Annotated[
        tuple[PlannedObject, ...],
        Field(max_length=MAX_PLANNED, json_schema_extra=listed_by("group", "kind", "namespace", "name")),
    ] = ()
    """The objects that the template asks for; written before any of them is applied."""
    uninstall_time: Moment | None = None
    """When the account's last installation ended; the retention counts from here."""


class TenantStatus(Model):
    """The state of the tenant; written by the operator alone."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this status speaks of."""
    conditions: Conditions = ()
    """Ready, Orphaned, Reconciling and Stalled; PruneHeld while objects that left the template are kept, and Contested
    while somebody else changes objects again and again."""
    inventory: Annotated[
        tuple[InventoryItem, ...],
        Field(max_length=MAX_INVENTORY, json_schema_extra=listed_by("group", "kind", "namespace", "name")),
    ] = ()
    """The objects that were applied and not yet seen to be gone."""
    orphaned_objects: Annotated[
        tuple[OrphanedObject, ...],
        Field(max_length=MAX_INVENTORY, json_schema_extra=listed_by("group", "kind", "namespace", "name")),
    ] = ()
    """Objects that left the template and were kept, with the command that deletes each; they are in the inventory, too.
    The condition PruneHeld is True while there are any."""
    steps: Annotated[tuple[StepStatus, ...], Field(max_length=50, json_schema_extra=listed_by("name"))] = ()
    """The template's steps."""
    services: Annotated[tuple[LabelName, ...], Field(max_length=100, json_schema_extra=SET)] = ()
    """Steps whose services of the partner's may have something of the tenant. What they have is on record in the Secret
    `NAME-hooks`, which holds what they answered, too."""
    name: Annotated[str, Field(max_length=63)] | None = None
    """The name under which objects were applied (`tenant.name` in the template); it goes before `spec.name`."""
    applied_inputs: Word | None = None
    """Fingerprint of what the template was last filled in with; while it is the same, there is nothing new to apply."""
    revision: ObjectName | None = None
    """The revision of the app's template that the tenant is held to: the name of a ControllerRevision."""
    revision_time: Moment | None = None
    """Since when it is."""
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
            Column("Wanted", ".spec.state", "What the tenant should be"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status", "Whether it is so"),
            Column("Revision", ".status.revision", "The revision of the template that it is held to"),
            Column("Purge-Time", ".status.purgeTime", "When what is retained gets deleted"),
            Column("Age", ".metadata.creationTimestamp", "Since when the object exists", type="date"),
            Column(
                "Prune-Held",
                ".status.conditions[?(@.type=='PruneHeld')].status",
                "Whether objects that left the template were kept",
                wide=True,
            ),
            Column("Tenant", ".spec.name", "The tenant's name in the template", wide=True),
            Column("Owner", ".spec.installationRef.name", "The installation that owns it", wide=True),
            Column("Reason", ".status.conditions[?(@.type=='Ready')].reason", "Why it is ready or not", wide=True),
        ),
        selectable=(".spec.accountId", ".spec.appRef.name", ".spec.state"),
        rules=(
            at_most(LABEL_LENGTH),
            {
                # The status is that of before: it is written by itself.
                "rule": "!has(oldSelf.spec.name) || oldSelf.spec.name == ''"
                " || (has(self.spec.name) && self.spec.name == oldSelf.spec.name)"
                " || (has(oldSelf.status) && has(oldSelf.status.name) && has(self.spec.name)"
                " && self.spec.name == oldSelf.status.name)"
                " || !has(oldSelf.status) || (!has(oldSelf.status.name) && (!has(oldSelf.status.inventory)"
                " || oldSelf.status.inventory.all(o, !has(o.uid) || o.uid == '')))",
                "message": "the tenant's name can't be changed any more: objects were applied under it",
                "fieldPath": ".spec.name",
            },
        ),
    )

    spec: TenantSpec
    status: TenantStatus = TenantStatus()
