"""How messages speak of a tenant's object: where it is, what blocks its deletion, why it is left to a person."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.shorten import shorten

__all__ = ["blocked_by", "held_words", "where"]

_KEPT: Final = "objects of the tenant are not deleted, but by a person:"
_IN_DOUBT: Final = (
    "is not deleted, because its labels and annotations do not say that it is this tenant's; "
    "delete it, or put them back"
)

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


def held_words(doubtful: Sequence[InventoryEntry], left: Sequence[InventoryEntry], owner: Owner) -> str:
    """Return what a person must do something about: the first object in doubt, and those outside the tenant."""
    in_doubt = [f"{entry.kind} {where(entry)} {_IN_DOUBT}" for entry in doubtful[:1]]
    return "; ".join([*in_doubt, *([f"{_KEPT} {owner.outside(left)}"] if left else [])])
