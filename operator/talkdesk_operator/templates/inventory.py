"""Which objects a tenant has or is about to get, and in which order they are deleted.

Belongs here: comparisons of inventories. Does not belong here: applying, deleting, the status that stores them.

The inventory is recorded *before* an apply, so that no crash can orphan an object; a deletion uses only the inventory
and never renders again. Two entries are the same object when group, kind, namespace and name are equal: the version is
only how the object was addressed, and the step only when it is applied. That an object outside all namespaces has no
namespace here is the care of `scopes`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from talkdesk_crds.names import ANNOTATION_ON_REMOVE
from talkdesk_operator.templates.render import ObjectIdentity, RenderedStep, RenderedTenant
from talkdesk_operator.templates.template import OnOffboard, OnRemove

__all__ = ["ROLE_BINDING", "InventoryEntry", "deletion_order", "departed", "entry_of", "merge", "planned"]

ROLE_BINDING: Final = ("rbac.authorization.k8s.io", "RoleBinding")
"""Group and kind."""


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """One object of a tenant."""

    step: str
    group: str
    """Empty for the core group."""
    version: str
    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str
    on_offboard: OnOffboard = "Retain"
    uid: str = ""
    """Empty while it is not known whether the object was applied."""
    on_remove: OnRemove | None = None
    """What the template said of its leaving; None when it said nothing, and the kind decides."""
    orphaned: bool = False
    """It left the template and was kept; a person may have taken it over since."""
    applied_fields: str = ""
    """Fingerprint of the fields that our last apply owned; empty where it is not known."""
    completed_inputs: str = ""
    """Fingerprint of what a Job was made of that has completed."""

    @property
    def identity(self) -> ObjectIdentity:
        """What makes it the same object."""
        return (self.group, self.kind, self.namespace, self.name)

    def known_as(self, other: "InventoryEntry") -> "InventoryEntry":
        """Return this entry with what is known of the object by another one."""
        fields, inputs = other.applied_fields, other.completed_inputs
        return replace(self, uid=other.uid, applied_fields=fields, completed_inputs=inputs)


def planned(rendered: RenderedTenant) -> tuple[InventoryEntry, ...]:
    """Return the entries of all rendered objects, in the order in which they are applied."""
    return tuple(entry_of(step, manifest) for step in rendered.steps for manifest in step.objects)


def entry_of(step: RenderedStep, manifest: Mapping[str, Any]) -> InventoryEntry:
    """Return the entry of one rendered object, without a uid."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    metadata = manifest["metadata"]
    return InventoryEntry(
        step.name,
        group,
        version,
        manifest["kind"],
        metadata.get("namespace", ""),
        metadata["name"],
        step.on_offboard,
        on_remove=metadata.get("annotations", {}).get(ANNOTATION_ON_REMOVE) or step.on_remove,
    )


def merge(previous: Sequence[InventoryEntry], wanted: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    """Return the inventory to record before `wanted` is applied: all entries of both, with what is known of them.

    The wanted entries come first, in their order; those that left the template follow, and so are deleted first.
    """
    before = {entry.identity: entry for entry in previous}
    known = tuple(entry.known_as(was) if (was := before.get(entry.identity)) is not None else entry for entry in wanted)
    return known + _without(previous, wanted)


def departed(previous: Sequence[InventoryEntry], wanted: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    """Return the entries that are not in the template any more."""
    return _without(previous, wanted)


def deletion_order(inventory: Iterable[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    """Return the entries in the order of deletion: steps and objects in reverse, a step's Namespaces last.

    RoleBindings come after their Namespace, because they may be what lets the app's account see and delete the rest.
    """
    entries = tuple(inventory)
    steps = {name: position for position, name in enumerate(dict.fromkeys(entry.step for entry in entries))}
    homes = {entry.name: steps[entry.step] for entry in entries if (entry.group, entry.kind) == ("", "Namespace")}

    def rank(item: tuple[int, InventoryEntry]) -> tuple[int, int, int]:
        position, entry = item
        if (entry.group, entry.kind) == ROLE_BINDING and entry.namespace in homes:
            return -homes[entry.namespace], 2, -position
        return -steps[entry.step], int((entry.group, entry.kind) == ("", "Namespace")), -position

    return tuple(entry for _, entry in sorted(enumerate(entries), key=rank))


def _without(entries: Sequence[InventoryEntry], others: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    kept = {entry.identity for entry in others}
    return tuple(entry for entry in entries if entry.identity not in kept)
