"""A tenant's record: what its spec plans and its status lists, as templates know objects, and back.

Belongs here: conversions and comparisons, pure. Does not belong here: when a record is written.
"""

from typing import Any

from talkdesk_crds.tenant import InventoryItem, PlannedObject, TalkdeskTenant, TenantSpec
from talkdesk_crds.tenant import OnOffboard as Offboarding
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.template import OnOffboard

__all__ = ["everything_of", "inventory_of", "item_of", "planned_object", "spec_changes"]


def _entry(item: PlannedObject) -> InventoryEntry:
    uid = item.uid if isinstance(item, InventoryItem) else ""
    kept: OnOffboard = "Delete" if item.on_offboard is Offboarding.DELETE else "Retain"
    return InventoryEntry(item.step, item.group, item.version, item.kind, item.namespace, item.name, kept, uid)


def planned_object(entry: InventoryEntry) -> PlannedObject:
    """Return the entry as `spec.objects` has it."""
    return PlannedObject(
        step=entry.step,
        group=entry.group,
        version=entry.version,
        kind=entry.kind,
        namespace=entry.namespace,
        name=entry.name,
        on_offboard=Offboarding(entry.on_offboard),
    )


def item_of(entry: InventoryEntry) -> InventoryItem:
    """Return the entry as `status.inventory` has it."""
    return InventoryItem(**planned_object(entry).model_dump(), uid=entry.uid)


def inventory_of(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    """Return what is known to have been applied."""
    return tuple(_entry(item) for item in tenant.status.inventory)


def _unconfirmed(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    known = {e.identity for e in inventory_of(tenant)}
    return tuple(e for e in map(_entry, tenant.spec.objects) if e.identity not in known)


def everything_of(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    """Return what was applied, and what was about to be when something may have broken off."""
    return inventory_of(tenant) + _unconfirmed(tenant)


def spec_changes(present: TenantSpec, wanted: TenantSpec) -> dict[str, Any]:
    """Return what must change in the spec, leaving alone what a person may set."""
    changes: dict[str, Any] = {}
    if present.state is not wanted.state:
        changes["state"] = wanted.state
    if present.installation_ref != wanted.installation_ref and wanted.installation_ref is not None:
        changes["installationRef"] = wanted.installation_ref.wire()
    if present.name != wanted.name:
        changes["name"] = wanted.name
    if present.objects != wanted.objects:
        changes["objects"] = [o.wire() for o in wanted.objects]
    if present.uninstall_time is not None:
        changes["uninstallTime"] = None
    if present.purge is not None:
        changes["purge"] = None
    return changes
