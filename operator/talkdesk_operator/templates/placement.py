"""Where a tenant's objects may be, unless its app says otherwise: in its own namespace, or under its own name.

Belongs here: that rule and its words; pure. Does not belong here: whose an object is (`domain.tenant.marks`), rights of
the service account (RBAC, and the guard of `manifests/components/tenant-provisioner`).
"""

from collections.abc import Iterable
from typing import Final

from talkdesk_operator.templates.inventory import InventoryEntry

__all__ = ["is_outside", "outside"]

_SEPARATORS: Final = ("-", ".", ":")
_SHOWN: Final = 5


def is_outside(entry: InventoryEntry, tenant: str) -> bool:
    """Return whether an object is neither in the tenant's namespace nor, outside all namespaces, called like it.

    Where the tenant's name is not known (empty), every object is outside.
    """
    if not tenant:
        return True
    if entry.namespace:
        return entry.namespace != tenant
    return entry.name != tenant and not entry.name.startswith(tuple(f"{tenant}{mark}" for mark in _SEPARATORS))


def outside(entries: Iterable[InventoryEntry], tenant: str) -> str:
    """Return in words which objects are outside the tenant of that name; empty when none is."""
    found = [entry for entry in entries if is_outside(entry, tenant)]
    if not found:
        return ""
    named = (f"{each.kind} {each.namespace}{'/' if each.namespace else ''}{each.name}" for each in found[:_SHOWN])
    listed = ", ".join(named) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    if not tenant:
        return f"the tenant's name is not known, so neither is what is in it: {listed}; write it into spec.name"
    return (
        f"not in the namespace {tenant} and not called {tenant} or {tenant}-…: {listed}; the app allows this with"
        " tenant.objectScope: Any"
    )
