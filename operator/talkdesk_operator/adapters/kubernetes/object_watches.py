"""What the requests for tenants' objects need of the watches for drift.

Belongs here: the protocol. Does not belong here: the watches (`drift`).
"""

from collections.abc import Mapping
from typing import Any, Protocol

from talkdesk_operator.domain.ports.cluster import Identity

__all__ = ["ObjectWatches"]


class ObjectWatches(Protocol):
    """What watches tenants' objects for drift."""

    def version_seen(self, identity: Identity, raw: Mapping[str, Any], uid: str) -> str | None:
        """Return the resourceVersion in which the object of a manifest is seen; None where that is not watched."""

    def deleting(self, uid: str) -> None:
        """Learn that we are about to delete an object ourselves."""
