"""How a TalkdeskTenant records its objects: planned, applied, and kept though they left the template."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from talkdesk_crds.fields import LabelName, Model, Moment, Text, unknown_read_as

__all__ = [
    "MAX_INVENTORY",
    "MAX_PLANNED",
    "InventoryItem",
    "OnOffboard",
    "OnRemove",
    "OrphanReason",
    "OrphanedObject",
    "PlannedObject",
]

MAX_PLANNED: Final = 500
"""Objects that a plan may have."""
MAX_INVENTORY: Final = 1000
"""Objects of a tenant that can be recorded: those of its template, and those that left it and were kept."""


class OnOffboard(StrEnum):
    """What becomes of a step's objects at an uninstall."""

    DELETE = "Delete"
    RETAIN = "Retain"


class OnRemove(StrEnum):
    """What becomes of an object that leaves the template while the customer has the app."""

    DELETE = "Delete"
    RETAIN = "Retain"


class OrphanReason(StrEnum):
    """Why an object that left the template was not deleted."""

    RETAIN = "Retain"
    """Its `onRemove` says so, or its kind may hold data that the template can't make again."""
    PROTECTED = "Protected"
    """`spec.deletionProtection` of the tenant is true. It is deleted when the protection is taken away."""
    IN_USE = "InUse"
    """It contains other objects of the tenant: a Namespace, or the definition of a custom kind."""
    IDENTITY_UNKNOWN = "IdentityUnknown"
    """It may be an object that the template still has: whether its kind is in namespaces is not known now."""
    OWNER_UNKNOWN = "OwnerUnknown"
    """Somebody changed its labels and annotations: they do not say that it is this tenant's."""
    OUTSIDE_TENANT = "OutsideTenant"
    """It is not where the app's `tenant.objectScope` allows the tenant's objects. It is deleted when that allows it."""


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
    on_remove: OnRemove | None = None
    """What the template said of its leaving when the object was planned, Delete or Retain; absent when it said nothing,
    and the kind decides."""


class InventoryItem(PlannedObject):
    """An object that was applied for the tenant and not yet seen to be gone."""

    uid: Annotated[str, Field(max_length=64)] = ""
    """The object's uid; empty while it is not known whether the object was made."""
    applied_fields: Annotated[str, Field(max_length=32)] = ""
    """Fingerprint of the fields that the operator's last apply owned; after a start of the operator it shows whether
    somebody else has taken some of them meanwhile."""
    completed_inputs: Annotated[str, Field(max_length=32)] = ""
    """Fingerprint of what a Job was made of that has completed. While the template says the same, the Job is not run
    again, though it is deleted; `uid` is empty then."""
    on_offboard: Annotated[OnOffboard, unknown_read_as(OnOffboard.RETAIN, OnOffboard)] = OnOffboard.RETAIN
    """The step's `onOffboard` when the object was planned: Delete or Retain."""
    on_remove: Annotated[OnRemove | None, unknown_read_as(OnRemove.RETAIN, OnRemove)] = None
    """What the template last said of the object's leaving: Delete or Retain; absent when it said nothing."""


class OrphanedObject(Model):
    """An object that left the template and was kept.

    It is still the tenant's: it goes with the purge, unless a person took the label `{GROUP}/tenant` off it, and with
    the Namespace that it is in. When it comes back into the template, it is managed as before.
    """

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
    reason: Annotated[OrphanReason, unknown_read_as(OrphanReason.RETAIN, OrphanReason)]
    """Why it was kept. Retain: `onRemove` says so, or its kind may hold data. Protected: the tenant's
    `deletionProtection`; it is deleted when that is taken away. InUse: other objects of the tenant are in it.
    IdentityUnknown: it may be one that the template still has. OwnerUnknown: its labels and annotations do not say that
    it is this tenant's. OutsideTenant: the app's `tenant.objectScope` does not allow it to be where it is; it is
    deleted when that does."""
    orphaned_time: Moment
    """When it was first seen to have left the template."""
    remove: Text = ""
    """The command that deletes it."""
