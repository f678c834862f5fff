"""How messages speak of a tenant's object: where it is, and what blocks its deletion."""

from collections.abc import Mapping
from typing import Any, Final

from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.shorten import shorten

__all__ = ["blocked_by", "where"]

_MESSAGE_LENGTH: Final = 1000


def where(entry: InventoryEntry) -> str:
    """Return `namespace/name`, or `name` where there is no namespace."""
    return f"{entry.namespace}/{entry.name}" if entry.namespace else entry.name


def blocked_by(entry: InventoryEntry, live: Mapping[str, Any]) -> str:
    """Return what blocks the deletion of an object."""
    metadata = live.get("metadata", {})
    since = metadata.get("deletionTimestamp", "")
    reasons = [
        str(condition.get("message"))
        for condition in live.get("status", {}).get("conditions") or []
        if condition.get("status") == "True" and condition.get("message")
    ]
    finalizers = metadata.get("finalizers") or live.get("spec", {}).get("finalizers") or []
    if not reasons and finalizers:
        reasons = [f"finalizers {', '.join(map(str, finalizers))}"]
    why = f": {'; '.join(reasons)}" if reasons else ""
    return shorten(f"{entry.kind} {where(entry)} is being deleted since {since}{why}", _MESSAGE_LENGTH)
