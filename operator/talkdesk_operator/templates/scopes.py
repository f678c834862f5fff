"""Which kinds are in namespaces, and what follows from it for the identity of an object.

The API server ignores `metadata.namespace` of an object outside all namespaces. So the same Namespace may be written
with such a line or without, and a comparison that counts the line would take it for two.

Belongs here: removal of namespaces that mean nothing, and which objects may be the same. Does not belong here: asking
the API server which kinds it has (`adapters.kubernetes.resources`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant

__all__ = ["KindScopes", "canonical", "canonical_entries", "may_be_same"]

KindScopes: TypeAlias = Mapping[tuple[str, str], bool]
"""By group and kind: whether its objects are in namespaces. A kind of which nobody knows that is absent."""


def canonical(rendered: RenderedTenant, scopes: KindScopes) -> RenderedTenant:
    """Return the objects without namespaces that mean nothing. Raises RenderError when two are the same object."""
    seen: dict[tuple[str, ...], str] = {}
    steps = []
    for step in rendered.steps:
        objects = tuple(_canonical(manifest, scopes) for manifest in step.objects)
        for manifest in objects:
            _check_unique(manifest, step, seen)
        steps.append(replace(step, objects=objects))
    return replace(rendered, steps=tuple(steps))


def canonical_entries(entries: Iterable[InventoryEntry], scopes: KindScopes) -> tuple[InventoryEntry, ...]:
    """Return the entries without namespaces that mean nothing, each object once.

    Of two entries that turn out to be the same object the first counts, with the uid of the other where it has none.
    """
    found: dict[tuple[str, ...], InventoryEntry] = {}
    for entry in entries:
        known = entry
        if entry.namespace and scopes.get((entry.group, entry.kind)) is False:
            known = replace(entry, namespace="")
        first = found.setdefault(known.identity, known)
        if not first.uid:
            found[known.identity] = replace(first, uid=known.uid)
    return tuple(found.values())


def may_be_same(one: InventoryEntry, other: InventoryEntry, scopes: KindScopes) -> bool:
    """Return whether two entries, canonical as far as possible, may be the same object for all that is known."""
    if one.identity == other.identity:
        return True
    unknown = (one.group, one.kind) not in scopes
    return unknown and (one.group, one.kind, one.name) == (other.group, other.kind, other.name)


def _canonical(manifest: dict[str, Any], scopes: KindScopes) -> dict[str, Any]:
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    if "namespace" not in metadata or scopes.get((group, manifest["kind"])) is not False:
        return manifest
    return {**manifest, "metadata": {key: value for key, value in metadata.items() if key != "namespace"}}


def _check_unique(manifest: Mapping[str, Any], step: RenderedStep, seen: dict[tuple[str, ...], str]) -> None:
    metadata, kind = manifest["metadata"], manifest["kind"]
    group = manifest["apiVersion"].rpartition("/")[0]
    identity = (group, kind, metadata.get("namespace", ""), metadata["name"])
    if identity in seen:
        reason = f"{kind} {metadata['name']} is in step {seen[identity]}, too; its kind is outside all namespaces"
        raise RenderError(f"steps[{step.name}]", reason)
    seen[identity] = step.name
