"""Which tenants wait for their objects to become ready, or to go, and when to look at them after an object has changed.

Belongs here: the pace. Does not belong here: seeing a change (the drift watches), whether an object is ready
(`templates.readiness`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from talkdesk_runtime.lru import LruMap

__all__ = ["WaitingTenants"]

_TENANTS: Final = 10_000
_PACE: Final = timedelta(seconds=1)
"""A tenant is looked at no more often, however often its objects change: each look applies them all."""


@dataclass(slots=True)
class _Wait:
    looked_at: datetime | None = None


class WaitingTenants:
    """Not for more than one event loop. The least recently used are forgotten; they are looked at by time alone."""

    def __init__(self, tenants: int = _TENANTS) -> None:
        """Remember so many tenants."""
        self._waits: LruMap[tuple[str, str], _Wait] = LruMap(tenants)

    def note(self, namespace: str, tenant: str, *, waits: bool) -> None:
        """Note what a reconcile has found."""
        place = (namespace, tenant)
        if not waits:
            self._waits.pop(place)
        elif self._waits.get(place) is None:
            self._waits.put(place, _Wait())

    def changed(self, namespace: str, tenant: str, now: datetime) -> datetime | None:
        """Return when to look at the tenant because one of its objects has changed; None when it waits for nothing."""
        wait = self._waits.get((namespace, tenant))
        if wait is None:
            return None
        wait.looked_at = now if wait.looked_at is None else max(now, wait.looked_at + _PACE)
        return wait.looked_at
