"""A TalkdeskTenant as the record of a tenant's objects: `spec.objects` plans them, `status.inventory` lists them.

Belongs here: conversions between that record and the templates' inventory entries, pure. Does not belong here: when the
record is written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from talkdesk_crds.tenant import InventoryItem, PlannedObject, TalkdeskTenant, TenantSpec
from talkdesk_crds.tenant import OnOffboard as Offboarding
from talkdesk_crds.tenant import OnRemove as Removal
from talkdesk_operator.domain.ports.cluster import ServedKind
from talkdesk_operator.templates.inventory import InventoryEntry, planned
from talkdesk_operator.templates.placement import is_outside
from talkdesk_operator.templates.render import RenderedTenant
from talkdesk_operator.templates.scopes import KindScopes, canonical_entries
from talkdesk_operator.templates.template import OnOffboard, OnRemove

__all__ = [
    "applied_objects",
    "inventory_item",
    "kinds_of",
    "planned_object",
    "recorded_objects",
    "spec_changes",
    "wanted_objects",
]


def _entry(item: PlannedObject) -> InventoryEntry:
    kept: OnOffboard = "Delete" if item.on_offboard is Offboarding.DELETE else "Retain"
    left: OnRemove | None = item.on_remove.value if item.on_remove is not None else None
    place = (item.group, item.version, item.kind, item.namespace, item.name)
    entry = InventoryEntry(item.step, *place, kept, on_remove=left)
    if not isinstance(item, InventoryItem):
        return entry
    return replace(entry, uid=item.uid, applied_fields=item.applied_fields, completed_inputs=item.completed_inputs)


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
        on_remove=Removal(entry.on_remove) if entry.on_remove is not None else None,
    )


def inventory_item(entry: InventoryEntry) -> InventoryItem:
    """Return the entry as `status.inventory` has it."""
    known = {"applied_fields": entry.applied_fields, "completed_inputs": entry.completed_inputs}
    return InventoryItem(**planned_object(entry).model_dump(), uid=entry.uid, **known)


def applied_objects(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    """Return the objects that are known to have been applied, with a mark on those that left the template since."""
    orphaned = {(o.group, o.kind, o.namespace, o.name) for o in tenant.status.orphaned_objects}
    entries = map(_entry, tenant.status.inventory)
    return tuple(replace(entry, orphaned=entry.identity in orphaned) for entry in entries)


def kinds_of(entries: Iterable[InventoryEntry], tenant: TalkdeskTenant | None) -> Sequence[ServedKind]:
    """Return the kinds of the entries, and of what is recorded of the tenant, each once."""
    recorded = applied_objects(tenant) if tenant is not None else ()
    return tuple(dict.fromkeys((each.group, each.version, each.kind) for each in (*entries, *recorded)))


def _unconfirmed(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    known = {e.identity for e in applied_objects(tenant)}
    return tuple(e for e in map(_entry, tenant.spec.objects) if e.identity not in known)


def recorded_objects(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    """Return the objects that were applied, and those that were planned and may have been applied before a crash."""
    return applied_objects(tenant) + _unconfirmed(tenant)


def wanted_objects(
    rendered: RenderedTenant, tenant: TalkdeskTenant | None, scopes: KindScopes, *, confined: bool
) -> tuple[InventoryEntry, ...]:
    """Return what is recorded of a template: where the tenant is `confined`, what is outside only if it is on record.

    What is outside is not applied. But it was, when it is on record, and then it has not left the template.
    """
    entries = planned(rendered)
    if not confined:
        return entries
    recorded = canonical_entries(recorded_objects(tenant), scopes) if tenant is not None else ()
    known = {entry.identity for entry in recorded}
    return tuple(entry for entry in entries if entry.identity in known or not is_outside(entry, rendered.name))


def spec_changes(present: TenantSpec, wanted: TenantSpec) -> dict[str, Any]:
    """Return the members of the spec to change, without those that a person may set."""
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
