"""Whether events can be stored: that is, whether the API server was reachable a moment ago.

Belongs here: the probe and how long its result holds. Does not belong here: liveness, which needs no other process.
"""

from typing import Final

from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_webhook.apps import KubeReader
from talkdesk_webhook.lookup_cache import Loaded, LookupCache, LookupFailed, TokenBucket

__all__ = ["Readiness"]

_PROBE_INTERVAL: Final = 2.0
_HOLDS_FOR: Final = 15.0
"""One lost probe, or a restart of the API server, must not take every replica out of service at once."""


class Readiness:
    """Asks the API server for its version, which every service account may."""

    def __init__(self, kube: KubeReader, *, clock: Clock | None = None) -> None:
        self._kube = kube
        self._probe: LookupCache[str, bool] = LookupCache(
            self._ask, size=1, budget=TokenBucket(2.0, 10), clock=clock or Clock.system()
        )

    async def ready(self) -> bool:
        """Return whether the API server answered within the last seconds."""
        try:
            return await self._probe.get("/version") is True
        except LookupFailed:
            return False

    async def _ask(self, path: str) -> Loaded[bool]:
        try:
            await self._kube.request("GET", path)
        except KubeError as error:
            raise LookupFailed(str(error)) from None
        return Loaded(value=True, fresh_for=_PROBE_INTERVAL, usable_for=_HOLDS_FOR)
