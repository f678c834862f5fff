"""Rights that a template gives to the app's own account, by a RoleBinding in the tenant's namespace.

With them the account needs nothing in other namespaces. They count a moment after the RoleBinding was stored, because
the API server learns of it by a watch, and end with the namespace.

Belongs here: that moment, and that end. Does not belong here: which rights an app needs (`domain.reconcile.access`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from talkdesk_operator.domain.ports.cluster import Cluster, Identity
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube_errors import KubeForbidden

__all__ = ["GivenRights", "Sleep"]

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
_T = TypeVar("_T")
_PAUSES: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between attempts; mostly one is enough, and an API server that is further behind gets the next retry."""


class GivenRights:
    """Waits for such rights, and sees that they ended."""

    def __init__(self, cluster: Cluster, sleep: Sleep = asyncio.sleep) -> None:
        self._cluster = cluster
        self._sleep = sleep

    async def rights(self, request: Callable[[], Awaitable[_T]], *, fresh: bool) -> _T:
        """Make a request; while it is refused and the rights for it are fresh, once more. Raises KubeError."""
        for pause in _PAUSES if fresh else ():
            try:
                return await request()
            except KubeForbidden as error:
                if error.terminating:
                    raise
            await self._sleep(pause)
        return await request()

    async def ended(self, entry: InventoryEntry, identity: Identity) -> bool:
        """Return whether the object's namespace is seen to be gone or going, and all in it. Raises KubeError."""
        if not entry.namespace:
            return False
        home = InventoryEntry(entry.step, "", "v1", "Namespace", "", entry.namespace)
        try:
            live = await self._cluster.find(home, identity)
        except KubeForbidden:
            return False
        return live is None or "deletionTimestamp" in live["metadata"]
