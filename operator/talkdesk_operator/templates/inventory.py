"""Which objects a tenant has or is about to get, and in which order they are deleted.

Belongs here: comparisons of inventories. Does not belong here: applying, deleting, the status that stores them.

The inventory is recorded *before* an apply, so that no crash can orphan an object; a deletion uses only the inventory
and never renders again. Two entries are the same object when group, kind, namespace and name are equal: the version is
only how the object was addressed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from talkdesk_operator.templates.render import ObjectIdentity, RenderedTenant
from talkdesk_operator.templates.template import OnOffboard

__all__ = ["InventoryEntry", "deletion_order", "merge", "planned", "pruned"]


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

    @property
    def identity(self) -> ObjectIdentity:
        """What makes it the same object."""
        return (self.group, self.kind, self.namespace, self.name)


def planned(rendered: RenderedTenant) -> tuple[InventoryEntry, ...]:
    """Return the entries of all rendered objects, in the order in which they are applied."""
    entries = []
    for step in rendered.steps:
        for item in step.objects:
            group, _, version = item["apiVersion"].rpartition("/")
            metadata = item["metadata"]
            place = (metadata.get("namespace", ""), metadata["name"])
            entries.append(InventoryEntry(step.name, group, version, item["kind"], *place, step.on_offboard))
    return tuple(entries)


def merge(previous: Sequence[InventoryEntry], wanted: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    """Return the inventory to record before `wanted` is applied: all entries of both, with the known uids.

    The wanted entries come first, in their order; those that left the template follow, and so are deleted first.
    """
    uids = {entry.identity: entry.uid for entry in previous}
    known = tuple(replace(entry, uid=uids.get(entry.identity, entry.uid)) for entry in wanted)
    return known + _without(previous, wanted)


def pruned(previous: Sequence[InventoryEntry], wanted: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    """Return the entries that left the template, in the order in which to delete them."""
    return deletion_order(_without(previous, wanted))


def deletion_order(inventory: Iterable[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    """Return the entries in the order of deletion: steps and objects in reverse, a step's Namespaces last."""
    entries = tuple(inventory)
    steps = {name: position for position, name in enumerate(dict.fromkeys(entry.step for entry in entries))}

    def rank(item: tuple[int, InventoryEntry]) -> tuple[int, bool, int]:
        position, entry = item
        return -steps[entry.step], (entry.group, entry.kind) == ("", "Namespace"), -position

    return tuple(entry for _, entry in sorted(enumerate(entries), key=rank))


def _without(entries: Sequence[InventoryEntry], others: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    kept = {entry.identity for entry in others}
    return tuple(entry for entry in entries if entry.identity not in kept)
